//! Tokens of Entra on the service's REST API.

use super::jwt::Jwt;
use super::rsa_keys::verify_rs256;
use super::{Caller, Rejection};

/// What a token is checked against.
#[derive(Debug)]
pub(crate) struct EntraCheck<'a> {
    /// The JWK set of Entra.
    pub(crate) key_set: &'a str,
    /// The tenant of the resource.
    pub(crate) tenant: &'a str,
    /// The issuers of that tenant, v1 and v2.
    pub(crate) issuers: [&'a str; 2],
    pub(crate) now: u64,
    /// Seconds by which `exp` and `nbf` may be off.
    pub(crate) skew: u64,
}

/// Checks algorithm, signature, issuer, tenant, audience and lifetime, in this order.
pub(crate) fn check_entra_token(token: &str, check: &EntraCheck<'_>) -> Result<Caller, Rejection> {
    let jwt = Jwt::parse(token)?;
    verify_rs256(&jwt, check.key_set)?;
    if !jwt.text("iss").is_some_and(|issuer| check.issuers.contains(&issuer)) {
        return Err(Rejection::unauthorized("the token's `iss` is not of the resource's tenant"));
    }
    if jwt.text("tid") != Some(check.tenant) {
        return Err(Rejection::unauthorized("the token's `tid` is not the resource's tenant"));
    }
    if !jwt.has_audience(|audience| AUDIENCES.contains(&audience)) {
        return Err(Rejection::unauthorized("the token's `aud` is not https://signalr.azure.com"));
    }
    jwt.check_lifetime(check.now, check.skew, true)?;
    let object_id = jwt.text("oid").ok_or_else(|| Rejection::unauthorized("the token has no `oid`"))?;
    let client_id = jwt.text("appid").or_else(|| jwt.text("azp")).unwrap_or_default();
    Ok(Caller::Entra { object_id: object_id.to_ascii_lowercase(), client_id: client_id.to_ascii_lowercase() })
}

const AUDIENCES: [&str; 2] = ["https://signalr.azure.com", "https://signalr.azure.com/"];
