//! The header `Retry-After`: what the service, Entra and identity endpoints answer to a client that comes too often.

use std::time::Duration;

use azure_core::error::ErrorKind;
use background_refresh::UnixTime;

use crate::azure_error::wrapped;
use crate::headers;

/// Its value: seconds or a date (RFC 9110 section 10.2.3). A date in the past is zero.
pub(crate) fn parse(value: &str, now: Option<UnixTime>) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than a number holds are a very long time.
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let date = httpdate::parse_http_date(value).ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(UnixTime::from_secs(date.as_secs()).saturating_since(now?))
}

/// The value in the answer that a credential's error is about, if it is about one.
pub(crate) fn of_answer(error: &azure_core::Error) -> Option<String> {
    let answer = wrapped(error).find_map(|error| match error.kind() {
        ErrorKind::HttpResponse { raw_response: Some(answer), .. } => Some(answer),
        _ => None,
    })?;
    headers::optional(answer.headers(), "retry-after")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = Some(UnixTime::from_secs(784_111_770));
        let seconds = |value: &str| parse(value, now).map(|wait| wait.as_secs());
        assert_eq!(seconds(" 120 "), Some(120));
        assert_eq!(seconds("Sun, 06 Nov 1994 08:49:37 GMT"), Some(7));
        assert_eq!(seconds("Sun, 06 Nov 1994 08:49:07 GMT"), Some(0));
        assert_eq!(seconds("99999999999999999999999"), Some(u64::MAX));
        assert_eq!(parse("Sun, 06 Nov 1994 08:49:37 GMT", None), None);
        for value in ["", "-1", "1.5", "soon", "1 2"] {
            assert_eq!(seconds(value), None, "{value:?}");
        }
    }

    proptest! {
        #[test]
        fn no_value_panics(value in "\\PC{0,40}", now in prop::option::of(0..u64::MAX)) {
            let _ = parse(&value, now.map(UnixTime::from_secs));
        }
    }
}
