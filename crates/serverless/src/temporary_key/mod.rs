//! The temporary access key, with which client tokens are signed.
//!
//! Source: [Microsoft Entra ID for Azure SignalR Service](https://learn.microsoft.com/azure/azure-signalr/signalr-concept-authorize-azure-active-directory),
//! and `MicrosoftEntraAccessKey.cs` of [Azure/azure-signalr](https://github.com/Azure/azure-signalr).

pub(crate) mod document;

use std::sync::Arc;
use std::time::Duration;

use azure_core::http::Method;
use background_refresh::{Now, Timestamp, UnixTime, WallClock, jitter};

use crate::client_token::SigningKey;
use crate::error::{Error, ErrorKind};
use crate::operation::Operation;
use crate::renewal::{AttemptFailure, Fetch, Lease, Renewal, Subject, Terms};
use crate::rest::{Call, Caller};

/// The key of one endpoint, renewed in the background.
pub(crate) fn renewal(caller: Arc<Caller>, clock: Arc<dyn WallClock>) -> Renewal<SigningKey> {
    let endpoint = Arc::clone(&caller.endpoint);
    let fetch: Fetch<SigningKey> = Box::new({
        let clock = Arc::clone(&clock);
        move || {
            let (caller, clock) = (Arc::clone(&caller), Arc::clone(&clock));
            Box::pin(async move {
                // Before the request: the key's time runs from when the service made it.
                let asked = Now::read(&*clock);
                let call = Call::fixed(Operation::AccessKey, Method::Get, PATH).wants(DOCUMENT_MAX);
                let answer = caller.call(&call).await.map_err(failure)?;
                let key = document::read(&answer.body).map_err(AttemptFailure::transient)?;
                Ok(Lease::new(key, Timestamp::new(asked), terms(jitter())))
            })
        }
    });
    Renewal::new(Subject { what: "temporary_key", endpoint }, clock, fetch)
}

/// When the service drops the key: no token that it signed may outlive that. `None` if the wall clock cannot be
/// read.
pub(crate) fn end(lease: &Lease<SigningKey>, now: Now) -> Option<UnixTime> {
    // Rounded down, by the clock that says the key is older.
    let left = KEY_LIFE.saturating_sub(lease.age(now)).as_secs();
    Some(UnixTime::from_secs(now.wall?.as_secs().saturating_add(left)))
}

fn terms(jitter: f64) -> Terms {
    Terms { renew_after: RENEW_AFTER - RENEW_SPREAD.mul_f64(jitter), usable_for: KEY_LIFE - KEY_MARGIN }
}

/// Another attempt soon does not help when the role, the endpoint or the credential is wrong.
fn failure(error: Error) -> AttemptFailure {
    let retry_after = error.retry_after();
    match error.kind() {
        ErrorKind::RoleMissing { .. } | ErrorKind::NotFound => {
            AttemptFailure { retry_after, ..AttemptFailure::lasting(error, Some(LONG_PAUSE)) }
        }
        ErrorKind::Credential | ErrorKind::Unauthorized => {
            AttemptFailure { retry_after, ..AttemptFailure::lasting(error, None) }
        }
        _ => AttemptFailure { retry_after, ..AttemptFailure::transient(error) },
    }
}

const PATH: &str = "/api/v1/auth/accessKey";

/// A key and its id are far smaller.
const DOCUMENT_MAX: usize = 64 * 1024;

/// "Expires in 90 minutes by default": Azure's built-in data action `SignalR/auth/accessKey/action`.
const KEY_LIFE: Duration = Duration::from_secs(90 * 60);
/// For the way of a token to the service, and the client's way back.
const KEY_MARGIN: Duration = Duration::from_secs(5 * 60);
const RENEW_AFTER: Duration = Duration::from_secs(55 * 60);
/// Instances that started together do not all come at once.
const RENEW_SPREAD: Duration = Duration::from_secs(30);
/// After 403 and 404.
const LONG_PAUSE: Duration = Duration::from_secs(5 * 60);

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use aws_lc_rs::hmac;

    use super::*;
    use crate::role::Role;

    #[test]
    fn renewed_at_55_minutes_and_used_until_85() {
        assert_eq!(terms(0.0).renew_after, Duration::from_secs(3300));
        assert_eq!(terms(1.0).renew_after, Duration::from_secs(3270));
        assert_eq!(terms(0.5).usable_for, Duration::from_secs(5100));
    }

    #[test]
    fn end_is_90_minutes_after_the_request_by_the_clock_that_says_less() {
        let key = SigningKey::new(&hmac::Key::new(hmac::HMAC_SHA256, b"k"), Some("id"));
        let now = Now { monotonic: Instant::now(), wall: Some(UnixTime::from_secs(10_000)) };
        let lease = Lease::new(key, Timestamp::new(now), terms(0.0));
        let at = |monotonic: u64, wall: Option<u64>| {
            let monotonic = now.monotonic + Duration::from_secs(monotonic);
            end(&lease, Now { monotonic, wall: wall.map(UnixTime::from_secs) }).map(UnixTime::as_secs)
        };
        assert_eq!(at(0, Some(10_000)), Some(15_400));
        assert_eq!(at(60, Some(10_060)), Some(15_400));
        assert_eq!(at(60, Some(13_600)), Some(15_400), "suspended or set forward");
        assert_eq!(at(60, Some(5000)), Some(10_340), "set back");
        assert_eq!(at(9999, Some(10_060)), Some(10_060));
        assert_eq!(at(60, None), None);
    }

    #[test]
    fn retry_after_of_every_failure_is_kept() {
        let role = Role::AppServer;
        for kind in [ErrorKind::RoleMissing { role }, ErrorKind::Unauthorized, ErrorKind::Unavailable] {
            let error = Error::new(kind, "").with_retry_after(Some(KEY_MARGIN));
            assert_eq!(failure(error).retry_after, Some(KEY_MARGIN), "{kind:?}");
        }
    }

    #[test]
    fn missing_role_and_wrong_endpoint_pause_for_five_minutes() {
        for kind in [ErrorKind::RoleMissing { role: Role::AppServer }, ErrorKind::NotFound] {
            let failure = failure(Error::new(kind, ""));
            assert_eq!((failure.pause, failure.is_lasting), (Some(Duration::from_secs(300)), true));
        }
        for kind in [ErrorKind::Credential, ErrorKind::Unauthorized] {
            let failure = failure(Error::new(kind, ""));
            assert_eq!((failure.pause, failure.is_lasting), (None, true), "waiters are told at once");
        }
        let throttled = failure(Error::new(ErrorKind::Throttled { retry_after: Some(KEY_MARGIN) }, ""));
        assert_eq!((throttled.retry_after, throttled.is_lasting), (Some(KEY_MARGIN), false));
        assert!(!failure(Error::new(ErrorKind::Unavailable, "")).is_lasting);
    }
}
