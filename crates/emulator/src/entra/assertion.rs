//! Client assertions: tokens of another issuer that stand for an application.

use super::answers::TokenError;
use super::directory::EXCHANGE_AUDIENCES;
use super::principals::FederatedCredential;
use crate::auth::{Jwt, Rejection, verify_rs256};

/// Checks an assertion against the federated credentials of an application.
///
/// Audience: `api://AzureADTokenExchange`, or that of another cloud. Issuer and subject must be those of one credential,
/// character for character.
pub(super) fn check_assertion(
    assertion: &str,
    federated: &[FederatedCredential],
    key_set: &str,
    now: u64,
) -> Result<(), TokenError> {
    let checked = Jwt::parse(assertion).and_then(|jwt| {
        verify_rs256(&jwt, key_set)?;
        jwt.check_lifetime(now, 0, true)?;
        Ok(jwt)
    });
    let jwt = checked.map_err(|rejection| match rejection {
        Rejection::Unauthorized(reason) | Rejection::Forbidden(reason) => {
            TokenError::invalid_client(700_027, format!("The client assertion is invalid: {reason}."))
        }
    })?;
    if !jwt.has_audience(|audience| EXCHANGE_AUDIENCES.contains(&audience)) {
        return Err(TokenError::invalid_client(700_212, "The assertion's audience matches no configured one."));
    }
    let (issuer, subject) = (jwt.text("iss").unwrap_or_default(), jwt.text("sub").unwrap_or_default());
    if federated.iter().any(|credential| credential.issuer == issuer && credential.subject == subject) {
        return Ok(());
    }
    let text = format!("No configured federated identity record has the issuer '{issuer}' and subject '{subject}'.");
    Err(TokenError::invalid_client(700_213, text))
}
