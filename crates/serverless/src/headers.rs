//! Headers of answers in the types of `azure_core`.

use std::convert::Infallible;

use azure_core::http::headers::{HeaderName, HeaderValue, Headers};

/// The value of a header, if it is there.
///
/// [`Headers::get_optional_string`] builds an error for each header that is absent, and with `RUST_BACKTRACE` set an error
/// captures a backtrace: two for each successful call.
pub(crate) fn optional(headers: &Headers, name: &'static str) -> Option<String> {
    let text = |value: &HeaderValue| Ok::<_, Infallible>(value.as_str().to_owned());
    headers.get_optional_with(&HeaderName::from_static(name), text).ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_that_is_absent_is_none() {
        let mut headers = Headers::new();
        headers.insert("retry-after", "7");
        assert_eq!(optional(&headers, "retry-after").as_deref(), Some("7"));
        assert_eq!(optional(&headers, "x-ms-error-code"), None);
    }
}
