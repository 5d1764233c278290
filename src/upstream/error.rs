//! The error of a call: everything that can be wrong with it except its token. This file imports nothing of the crate.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, Response, StatusCode};

/// Why a call of the service was rejected, or a result could not be written.
///
/// [`Display`](fmt::Display) and [`to_response`](Self::to_response) give a fixed text for each kind, followed by the
/// name of the header if there is one. The text contains no value of the request. The
/// [`source`](std::error::Error::source) may quote the request's body.
#[derive(Clone)]
pub struct Error {
    kind: ErrorKind,
    header: Option<HeaderName>,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// The kind of error.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The status of the response, as in [`ErrorKind::status`].
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.kind.status()
    }

    /// The header that is missing, repeated or unreadable.
    #[must_use]
    pub fn header(&self) -> Option<&HeaderName> {
        self.header.as_ref()
    }

    /// Creates the response: the status and one line of plain text.
    ///
    /// The service does not show the text to the client. The extensions of the response carry the error itself, so
    /// that an outer layer can log or count it. With the feature `axum` the type is also an axum response.
    #[must_use]
    pub fn to_response<B: From<Bytes>>(&self) -> Response<B> {
        let mut response = Response::new(B::from(Bytes::from(self.to_string())));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        if self.status() == StatusCode::METHOD_NOT_ALLOWED {
            headers.insert(ALLOW, HeaderValue::from_static("POST"));
        }
        if self.status() == StatusCode::UNAUTHORIZED {
            // RFC 9110 section 15.5.2 requires a challenge. No registered scheme describes this header.
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("X-ASRS-Signature"));
        }
        response.extensions_mut().insert(self.clone());
        response
    }

    pub(super) fn of_header(kind: ErrorKind, header: &HeaderName) -> Self {
        Self { header: Some(header.clone()), ..Self::from(kind) }
    }

    pub(super) fn because(kind: ErrorKind, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { source: Some(Arc::from(source.into())), ..Self::from(kind) }
    }
}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Self {
        Self { kind, header: None, source: None }
    }
}

/// Compares the kind and the header. Sources have no equality.
impl PartialEq for Error {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind && self.header == other.header
    }
}

impl Eq for Error {}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.kind)
            .field("header", &self.header)
            .field("source", &self.source)
            .finish()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.description())?;
        match &self.header {
            Some(header) => write!(f, ": {header}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.source {
            Some(source) => Some(source.as_ref()),
            None => None,
        }
    }
}

/// Declares [`ErrorKind`]: one row for each kind, with its name, status and description.
macro_rules! error_kinds {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $status:ident, $description:literal;)+) => {
        /// The kinds of [`Error`].
        ///
        /// The statuses are those of Microsoft's Azure Functions trigger, with one exception: an unreadable body or
        /// header is 400. The trigger's 500 would make the service repeat a call that can never succeed.
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        #[non_exhaustive]
        pub enum ErrorKind {
            $($(#[$doc])* $name,)+
        }

        impl ErrorKind {
            /// Every kind, in alphabetical order.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The kind as a stable name in snake case, for logs and metric labels.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }

            /// The status of the response to this kind.
            #[must_use]
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status,)+ }
            }

            const fn description(self) -> &'static str {
                match self { $(Self::$name => $description,)+ }
            }
        }
    };
}

error_kinds! {
    /// The arguments of an invocation do not have the types that the method takes. Typed handlers answer with an error
    /// completion and never with this status.
    ArgumentsMismatch = "arguments_mismatch", BAD_REQUEST, "The arguments do not fit the method";
    /// The body is longer than the limit.
    BodyTooLarge = "body_too_large", PAYLOAD_TOO_LARGE, "The body is too large";
    /// The body ended early, or could not be read to its end.
    BodyUnreadable = "body_unreadable", BAD_REQUEST, "The body cannot be read";
    /// The body belongs to another event than the headers name, or names another method.
    EventMismatch = "event_mismatch", BAD_REQUEST, "The body belongs to another event than the headers name";
    /// A header is empty, or not UTF-8.
    InvalidHeader = "invalid_header", BAD_REQUEST, "A header is empty or not UTF-8";
    /// No item of `X-ASRS-Signature` matches any of the keys.
    InvalidSignature = "invalid_signature", UNAUTHORIZED, "The connection's signature is invalid";
    /// The body does not have the form that the event and the content type require.
    MalformedBody = "malformed_body", BAD_REQUEST, "The body is malformed";
    /// The method is not `POST`.
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED, "The service calls with POST only";
    /// A header that every call carries is missing.
    MissingHeader = "missing_header", BAD_REQUEST, "A header is missing";
    /// There is no `X-ASRS-Signature`, and the check requires one.
    MissingSignature = "missing_signature", UNAUTHORIZED, "The connection's signature is missing";
    /// No handler is registered for the hub and the event.
    NoHandler = "no_handler", NOT_FOUND, "No handler is registered for this hub and event";
    /// A header that has a single value is given more than once.
    RepeatedHeader = "repeated_header", BAD_REQUEST, "A header is given more than once";
    /// The completion is longer than the 16 MiB that the service accepts.
    ResultTooLarge = "result_too_large", INTERNAL_SERVER_ERROR, "The result is too large for the service";
    /// The category is neither `connections` nor `messages`, or the event of the category `connections` is neither
    /// `connected` nor `disconnected`. You cannot register a handler for such an event.
    UnknownEvent = "unknown_event", NOT_FOUND, "The event is not known";
    /// The result has no form in the protocol of the call.
    UnserializableResult = "unserializable_result", INTERNAL_SERVER_ERROR, "The result cannot be serialized";
    /// The event cannot have this content type.
    UnsupportedMediaType = "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE, "The content type is not supported";
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_kinds_in_alphabetical_order_with_unique_descriptions() {
        let names: Vec<_> = ErrorKind::ALL.iter().map(|kind| kind.as_str()).collect();
        assert!(names.is_sorted_by(|a, b| a < b));
        let descriptions: std::collections::BTreeSet<_> =
            ErrorKind::ALL.iter().map(|kind| kind.description()).collect();
        assert_eq!(descriptions.len(), names.len());
    }

    #[test]
    fn errors_with_the_same_kind_and_header_are_equal() {
        let hub = Error::of_header(ErrorKind::MissingHeader, &HeaderName::from_static("x-asrs-hub"));
        let event = Error::of_header(ErrorKind::MissingHeader, &HeaderName::from_static("x-asrs-event"));
        assert_eq!(hub, hub.clone());
        assert_ne!(hub, event);
        assert_ne!(hub, ErrorKind::MissingHeader.into());
        assert_eq!(Error::because(ErrorKind::MalformedBody, "cause"), ErrorKind::MalformedBody.into());
        assert_ne!(Error::from(ErrorKind::MalformedBody), ErrorKind::BodyTooLarge.into());
    }

    #[test]
    fn response_names_the_header_and_carries_the_error() {
        let error = Error::of_header(ErrorKind::MissingHeader, &HeaderName::from_static("x-asrs-hub"));
        let response = error.to_response::<Bytes>();
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
        assert_eq!(response.body(), "A header is missing: x-asrs-hub");
        assert_eq!(response.extensions().get::<Error>().unwrap().kind(), ErrorKind::MissingHeader);
    }

    #[test]
    fn response_with_401_has_a_challenge_and_with_405_an_allow_header() {
        for kind in ErrorKind::ALL {
            let response = Error::from(*kind).to_response::<Bytes>();
            assert_eq!(response.headers().contains_key(WWW_AUTHENTICATE), kind.status().as_u16() == 401, "{kind}");
            assert_eq!(response.headers().contains_key(ALLOW), kind.status().as_u16() == 405, "{kind}");
        }
    }
}
