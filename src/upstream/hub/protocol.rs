//! The two hub protocols of SignalR. The content type tells which one a call uses.

use http::HeaderMap;
use http::header::CONTENT_TYPE;

use crate::upstream::error::{Error, ErrorKind};

/// The hub protocol of the client. The completion of an invocation uses the same one.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Protocol {
    /// `application/json`. `connected` and `disconnected` use it for every client.
    Json,
    /// `application/x-msgpack`.
    MessagePack,
}

impl Protocol {
    /// Parses `Content-Type`. Compares the media type without regard to case and ignores its parameters.
    ///
    /// # Errors
    ///
    /// [`UnsupportedMediaType`](ErrorKind::UnsupportedMediaType) for any other media type and for a missing header,
    /// [`RepeatedHeader`](ErrorKind::RepeatedHeader) for several headers.
    pub fn from_headers(headers: &HeaderMap) -> Result<Self, Error> {
        let mut values = headers.get_all(CONTENT_TYPE).into_iter();
        let value = values.next().ok_or(ErrorKind::UnsupportedMediaType)?;
        if values.next().is_some() {
            return Err(Error::of_header(ErrorKind::RepeatedHeader, &CONTENT_TYPE));
        }
        let media_type = value.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        [Self::Json, Self::MessagePack]
            .into_iter()
            .find(|protocol| media_type.eq_ignore_ascii_case(protocol.media_type().as_bytes()))
            .ok_or_else(|| ErrorKind::UnsupportedMediaType.into())
    }

    /// The media type, without parameters.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::MessagePack => "application/x-msgpack",
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn reads_media_type_in_any_case_and_ignores_parameters() {
        let read = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(value));
            Protocol::from_headers(&headers).map_err(|error| error.kind())
        };
        for value in ["application/json", "Application/JSON", "application/json; charset=utf-8", "application/json ;x"]
        {
            assert_eq!(read(value), Ok(Protocol::Json), "{value}");
        }
        assert_eq!(read("application/x-msgpack"), Ok(Protocol::MessagePack));
        for value in
            ["", ";", "text/plain", "application/json2", "application/jsonp", "application/octet-stream", "json"]
        {
            assert_eq!(read(value), Err(ErrorKind::UnsupportedMediaType), "{value}");
        }
    }

    #[test]
    fn rejects_a_missing_or_second_content_type() {
        let mut headers = HeaderMap::new();
        let kind = |headers: &HeaderMap| Protocol::from_headers(headers).map_err(|error| error.kind());
        assert_eq!(kind(&headers), Err(ErrorKind::UnsupportedMediaType));
        headers.append(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.append(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        assert_eq!(kind(&headers), Err(ErrorKind::RepeatedHeader));
    }
}
