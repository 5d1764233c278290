//! Cross-origin requests of browsers (Fetch standard, section "HTTP CORS protocol").

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS, HeaderMap, HeaderValue,
    ORIGIN, VARY,
};
use http::{HeaderName, StatusCode};

use crate::web::{Answer, empty};

/// Which origins may connect.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cors {
    /// Exact origins, or `*` for every one; `None` allows every one, too, as the service does by default.
    pub(crate) allowed: Option<Vec<String>>,
}

impl Cors {
    /// The answer to a preflight request.
    pub(super) fn preflight(&self, headers: &HeaderMap) -> Answer {
        let mut answer = empty(StatusCode::NO_CONTENT);
        let Some(origin) = self.origin(headers) else { return answer };
        allow(&mut answer, origin);
        let asked = headers.get(ACCESS_CONTROL_REQUEST_HEADERS).cloned();
        let fields: [(HeaderName, HeaderValue); 2] = [
            (ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, OPTIONS")),
            (ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600")),
        ];
        answer.headers_mut().extend(fields);
        if let Some(asked) = asked {
            answer.headers_mut().insert(ACCESS_CONTROL_ALLOW_HEADERS, asked);
        }
        answer
    }

    /// Lets the origin of a request read its answer, if the origin is allowed.
    pub(super) fn apply(&self, headers: &HeaderMap, answer: &mut Answer) {
        if let Some(origin) = self.origin(headers) {
            allow(answer, origin);
        }
    }

    fn origin(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let origin = headers.get(ORIGIN)?;
        let fits = |allowed: &String| allowed == "*" || allowed.as_bytes() == origin.as_bytes();
        let listed = |allowed: &Vec<String>| allowed.iter().any(fits);
        self.allowed.as_ref().is_none_or(listed).then(|| origin.clone())
    }
}

fn allow(answer: &mut Answer, origin: HeaderValue) {
    answer.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    answer.headers_mut().insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    answer.headers_mut().insert(VARY, HeaderValue::from_static("Origin"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(origin: &'static str) -> HeaderMap {
        let pair = |name, value| (name, HeaderValue::from_static(value));
        [pair(ORIGIN, origin), pair(ACCESS_CONTROL_REQUEST_HEADERS, "authorization,x-requested-with")]
            .into_iter()
            .collect()
    }

    #[test]
    fn preflight_allows_what_the_client_asks_for() {
        let answer = Cors::default().preflight(&headers("https://app.test"));
        assert_eq!(answer.headers()[ACCESS_CONTROL_ALLOW_ORIGIN], "https://app.test");
        assert_eq!(answer.headers()[ACCESS_CONTROL_ALLOW_CREDENTIALS], "true");
        assert_eq!(answer.headers()[ACCESS_CONTROL_ALLOW_HEADERS], "authorization,x-requested-with");
    }

    #[test]
    fn asterisk_allows_every_origin() {
        let cors = Cors { allowed: Some(vec!["https://app.test".to_owned(), "*".to_owned()]) };
        let answer = cors.preflight(&headers("https://other.test"));
        // With credentials the origin itself must stand there.
        assert_eq!(answer.headers()[ACCESS_CONTROL_ALLOW_ORIGIN], "https://other.test");
    }

    #[test]
    fn unlisted_origins_get_no_header() {
        let cors = Cors { allowed: Some(vec!["https://app.test".to_owned()]) };
        let mut answer = empty(StatusCode::OK);
        cors.apply(&headers("https://app.test.evil.test"), &mut answer);
        assert!(answer.headers().is_empty());
        cors.apply(&headers("https://app.test"), &mut answer);
        assert_eq!(answer.headers()[ACCESS_CONTROL_ALLOW_ORIGIN], "https://app.test");
    }
}
