//! Tokens as credentials give them.

use std::time::{Duration, Instant};

use azure_core::credentials::TokenRequestOptions;
use azure_core::http::RawResponse;
use azure_core::http::headers::Headers;
use azure_core::time::OffsetDateTime;

use super::*;

fn token(secret: &'static str, expires: i64) -> AccessToken {
    AccessToken::new(secret, OffsetDateTime::from_unix_timestamp(expires).unwrap())
}

fn now(wall: Option<u64>) -> Now {
    Now { monotonic: Instant::now(), wall: wall.map(UnixTime::from_secs) }
}

#[test]
fn debug_names_the_type_and_shows_nothing_of_the_token() {
    let lease = lease(&token("abc.def", 4600), now(Some(1000)), 0.5).unwrap();
    assert_eq!(format!("{:?}", lease.value()), "BearerToken");
}

#[test]
fn debug_of_a_renewal_shows_whose_it_is_and_its_state() {
    let renewal = renewal(Arc::new(NoToken), Arc::new(Still), "west".into());
    let shown = format!("{renewal:?}");
    for part in ["Renewal", "entra_token", "west", "is_usable: false"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
}

#[derive(Debug)]
struct NoToken;

#[async_trait::async_trait]
impl TokenCredential for NoToken {
    async fn get_token(&self, _: &[&str], _: Option<TokenRequestOptions<'_>>) -> azure_core::Result<AccessToken> {
        unreachable!("nothing asks")
    }
}

#[derive(Debug)]
struct Still;

impl WallClock for Still {
    fn now(&self) -> Option<UnixTime> {
        Some(UnixTime::from_secs(1000))
    }
}

#[test]
fn token_is_used_until_its_end() {
    let now = now(Some(1000));
    let lease = lease(&token("abc.def", 4600), now, 0.5).unwrap();
    assert_eq!(lease.value().header(), "Bearer abc.def");
    let at = |seconds| Now { monotonic: now.monotonic + Duration::from_secs(seconds), wall: now.wall };
    assert!(lease.is_usable(at(3594)) && !lease.is_usable(at(3595)));
    assert!(lease.is_due(at(2900)) && !lease.is_due(at(2800)));
}

#[test]
fn unusable_tokens_are_failures() {
    for (secret, expires, wall) in [
        ("abc", 1000, Some(1000)),
        ("abc", -5, Some(1000)),
        ("a b", 5000, Some(1000)),
        ("", 5000, Some(1000)),
        ("abc", 5000, None),
    ] {
        let failure = lease(&token(secret, expires), now(wall), 0.5).unwrap_err();
        assert_eq!((failure.error.kind(), failure.is_lasting), (ErrorKind::Unavailable, false));
        assert!(!format!("{failure:?}").contains("a b"));
    }
}

#[test]
fn errors_of_requests_are_transient_and_those_of_settings_last() {
    let wrapped = |kind| {
        let inner = azure_core::Error::with_message(kind, "inner");
        azure_core::Error::with_error(AzureErrorKind::Credential, inner, "outer")
    };
    assert!(is_transient(&wrapped(AzureErrorKind::Io)));
    assert!(is_transient(&wrapped(AzureErrorKind::DataConversion)));
    assert!(is_transient(&azure_core::Error::with_message(AzureErrorKind::Connection, "connection refused")));
    let status = |status: u16| {
        wrapped(AzureErrorKind::HttpResponse { status: status.into(), error_code: None, raw_response: None })
    };
    for (code, expected) in
        [(500, true), (503, true), (429, true), (408, true), (404, true), (410, true), (400, false), (401, false)]
    {
        assert_eq!(is_transient(&status(code)), expected, "{code}");
    }
    assert!(!is_transient(&azure_core::Error::with_message(AzureErrorKind::Credential, "no such identity")));
    for (code, kind) in [(503, ErrorKind::Unavailable), (401, ErrorKind::Credential)] {
        let failure = failure(&status(code), None);
        assert_eq!((failure.error.kind(), failure.is_lasting), (kind, code == 401));
    }
}

#[test]
fn failure_keeps_what_the_answer_asks_for() {
    let now = Some(UnixTime::from_secs(784_111_770));
    for (value, seconds) in [("60", Some(60)), ("Sun, 06 Nov 1994 08:49:37 GMT", Some(7)), ("soon", None)] {
        for code in [400, 429, 503] {
            let mut headers = Headers::new();
            headers.insert("retry-after", value);
            let raw_response = Some(Box::new(RawResponse::from_bytes(code.into(), headers, "")));
            let kind = AzureErrorKind::HttpResponse { status: code.into(), error_code: None, raw_response };
            let inner = azure_core::Error::with_message(kind, "inner");
            let error = azure_core::Error::with_error(AzureErrorKind::Credential, inner, "outer");
            let failure = failure(&error, now);
            assert_eq!(failure.retry_after, seconds.map(Duration::from_secs), "{code}: {value}");
        }
    }
}

#[test]
fn debug_hides_the_token() {
    let lease = lease(&token("secret", 9000), now(Some(1000)), 0.5).unwrap();
    assert!(!format!("{lease:?} {:?}", lease.value()).contains("secret"));
}
