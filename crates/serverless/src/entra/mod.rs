//! The Entra token with which this program authenticates to the service.

mod terms;

use std::fmt;
use std::sync::Arc;

use azure_core::credentials::{AccessToken, TokenCredential};
use azure_core::error::ErrorKind as AzureErrorKind;
use background_refresh::{Now, Timestamp, UnixTime, WallClock, jitter};
use zeroize::Zeroizing;

use crate::azure_error::wrapped;
use crate::error::{Cause, Error, ErrorKind};
use crate::renewal::{AttemptFailure, Fetch, Lease, Renewal, Subject};
use crate::retry_after;

/// The scope of Azure SignalR Service, the same in every cloud.
///
/// Source: `Constants.cs` of [Azure/azure-signalr](https://github.com/Azure/azure-signalr).
pub(crate) const SCOPE: &str = "https://signalr.azure.com/.default";

/// The value of the header `Authorization`.
#[derive(Eq, PartialEq)]
pub(crate) struct BearerToken(Zeroizing<String>);

impl BearerToken {
    pub(crate) fn header(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for BearerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BearerToken")
    }
}

/// The token of one endpoint's credential, renewed in the background.
pub(crate) fn renewal(
    credential: Arc<dyn TokenCredential>,
    clock: Arc<dyn WallClock>,
    endpoint: Arc<str>,
) -> Renewal<BearerToken> {
    let fetch: Fetch<BearerToken> = Box::new({
        let clock = Arc::clone(&clock);
        move || {
            let (credential, clock) = (Arc::clone(&credential), Arc::clone(&clock));
            Box::pin(async move {
                let token = credential.get_token(&[SCOPE], None).await.map_err(|error| failure(&error, clock.now()))?;
                lease(&token, Now::read(&*clock), jitter())
            })
        }
    });
    Renewal::new(Subject { what: "entra_token", endpoint }, clock, fetch)
}

/// The token as it may be used from `now` on.
pub(crate) fn lease(token: &AccessToken, now: Now, jitter: f64) -> Result<Lease<BearerToken>, AttemptFailure> {
    let wall = now.wall.ok_or_else(|| unusable("the wall clock cannot be read, so the token's end is unknown"))?;
    let expires = UnixTime::from_secs(u64::try_from(token.expires_on.unix_timestamp()).unwrap_or(0));
    let terms = terms::of(expires.saturating_since(wall), jitter)
        .ok_or_else(|| unusable("the credential gave a token that has expired; check this machine's clock"))?;
    let secret = token.token.secret();
    // RFC 6750 section 2.1: anything else would not be one header value.
    if secret.is_empty() || !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(unusable("the credential gave a token with characters that no token has"));
    }
    let mut header = Zeroizing::new(String::with_capacity(secret.len() + 7));
    header.push_str("Bearer ");
    header.push_str(secret);
    Ok(Lease::new(BearerToken(header), Timestamp::new(now), terms))
}

fn unusable(text: &'static str) -> AttemptFailure {
    AttemptFailure::transient(Error::new(ErrorKind::Unavailable, text))
}

/// `now` is by the wall clock, for a `Retry-After` that is a date.
pub(crate) fn failure(error: &azure_core::Error, now: Option<UnixTime>) -> AttemptFailure {
    let is_transient = is_transient(error);
    let retry_after = retry_after::of_answer(error).and_then(|value| retry_after::parse(&value, now));
    let kind = if is_transient { ErrorKind::Unavailable } else { ErrorKind::Credential };
    let error = Error::new(kind, "the credential gave no Entra token").with_cause(Cause::of(error));
    let failure = if is_transient { AttemptFailure::transient(error) } else { AttemptFailure::lasting(error, None) };
    AttemptFailure { retry_after, ..failure }
}

/// Whether another attempt within seconds may succeed. A credential wraps the errors of its requests.
fn is_transient(error: &azure_core::Error) -> bool {
    let is_transient = wrapped(error).find_map(|error| match error.kind() {
        // An answer that cannot be read may be a gateway's.
        AzureErrorKind::Connection | AzureErrorKind::Io | AzureErrorKind::DataConversion => Some(true),
        AzureErrorKind::HttpResponse { status, .. } => {
            let status = u16::from(*status);
            // IMDS answers 404 and 410 while it is updated
            // (https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token#error-handling).
            Some(status >= 500 || matches!(status, 404 | 408 | 410 | 429))
        }
        _ => None,
    });
    is_transient.unwrap_or(false)
}

#[cfg(test)]
mod tests;
