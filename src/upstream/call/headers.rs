//! The headers that the service writes: their names and how to read their values.

use std::str;

use http::{HeaderMap, HeaderName};

use crate::upstream::error::{Error, ErrorKind};

/// Marks the headers that contain secrets or personal data as sensitive.
///
/// `Debug` of the request then shows `Sensitive` instead of their values, and HTTP/2 does not index them when you
/// forward them. The headers are `X-ASRS-Client-Query`, which contains the client's own access token,
/// `X-ASRS-User-Claims`, and `X-ASRS-Signature`, which whoever reads it can replay. The dispatcher, the signature
/// layer and the [`Context`](crate::upstream::Context) extractor call this function for you.
///
/// ```
/// use http::{HeaderMap, HeaderValue};
/// use signalr_upstream_auth::upstream::mark_sensitive;
///
/// let mut headers = HeaderMap::new();
/// headers.insert("x-asrs-client-query", HeaderValue::from_static("?id=1&access_token=eyJ"));
/// mark_sensitive(&mut headers);
/// assert_eq!(format!("{headers:?}"), r#"{"x-asrs-client-query": Sensitive}"#);
/// ```
pub fn mark_sensitive(headers: &mut HeaderMap) {
    for (name, value) in headers.iter_mut() {
        if [&CLIENT_QUERY, &USER_CLAIMS, &SIGNATURE].contains(&name) {
            value.set_sensitive(true);
        }
    }
}

/// The single value of a header that every call carries.
pub(crate) fn required<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<&'a str, Error> {
    match optional(headers, name)? {
        Some("") => Err(Error::of_header(ErrorKind::InvalidHeader, name)),
        Some(value) => Ok(value),
        None => Err(Error::of_header(ErrorKind::MissingHeader, name)),
    }
}

/// The single value of an optional header. Rejects a second line, since it makes the value ambiguous.
pub(crate) fn optional<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Error> {
    let mut values = lines(headers, name);
    let first = values.next().transpose()?;
    match values.next() {
        Some(_) => Err(Error::of_header(ErrorKind::RepeatedHeader, name)),
        None => Ok(first),
    }
}

/// Every line of a header that may have several. The service sends user ids, claims and event names as UTF-8, which
/// `HeaderValue::to_str` rejects.
pub(crate) fn lines<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = Result<&'a str, Error>> + use<'a> {
    let name = name.clone();
    headers.get_all(&name).into_iter().map(move |value| {
        str::from_utf8(value.as_bytes()).map_err(|_| Error::of_header(ErrorKind::InvalidHeader, &name))
    })
}

pub(crate) static CATEGORY: HeaderName = HeaderName::from_static("x-asrs-category");
pub(crate) static CLIENT_QUERY: HeaderName = HeaderName::from_static("x-asrs-client-query");
pub(crate) static CONNECTION_ID: HeaderName = HeaderName::from_static("x-asrs-connection-id");
pub(crate) static EVENT: HeaderName = HeaderName::from_static("x-asrs-event");
pub(crate) static HUB: HeaderName = HeaderName::from_static("x-asrs-hub");
pub(crate) static SIGNATURE: HeaderName = HeaderName::from_static("x-asrs-signature");
pub(crate) static USER_CLAIMS: HeaderName = HeaderName::from_static("x-asrs-user-claims");
pub(crate) static USER_ID: HeaderName = HeaderName::from_static("x-asrs-user-id");

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn debug_output_of_marked_headers_hides_secrets() {
        let mut headers = HeaderMap::new();
        headers.append(&CLIENT_QUERY, HeaderValue::from_static("?access_token=secret"));
        headers.append(&SIGNATURE, HeaderValue::from_static("sha256=secret"));
        headers.append(&SIGNATURE, HeaderValue::from_static("sha256=secret"));
        headers.append(&USER_CLAIMS, HeaderValue::from_static("mail: secret"));
        headers.append(&HUB, HeaderValue::from_static("chat"));
        mark_sensitive(&mut headers);
        let shown = format!("{headers:?}");
        assert!(!shown.contains("secret") && shown.contains("chat"), "{shown}");
    }

    #[test]
    fn required_header_rejects_a_missing_empty_or_second_value() {
        let mut headers = HeaderMap::new();
        let kind = |headers: &HeaderMap| required(headers, &HUB).map(str::to_owned).map_err(|error| error.kind());
        assert_eq!(kind(&headers), Err(ErrorKind::MissingHeader));
        headers.append(&HUB, HeaderValue::from_static(""));
        assert_eq!(kind(&headers), Err(ErrorKind::InvalidHeader));
        headers.insert(&HUB, HeaderValue::from_bytes(b"\xff").unwrap());
        assert_eq!(kind(&headers), Err(ErrorKind::InvalidHeader));
        headers.insert(&HUB, HeaderValue::from_bytes("käse".as_bytes()).unwrap());
        assert_eq!(kind(&headers), Ok("käse".into()));
        headers.append(&HUB, HeaderValue::from_static("chat"));
        assert_eq!(kind(&headers), Err(ErrorKind::RepeatedHeader));
    }
}
