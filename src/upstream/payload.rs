//! The body of a call, as its headers call for.

use bytes::Bytes;
use http::HeaderMap;

use super::error::{Error, ErrorKind};
use crate::upstream::call::connection::{Connected, Disconnected};
use crate::upstream::call::context::{Context, Event};
use crate::upstream::hub::invocation::Invocation;
use crate::upstream::hub::protocol::Protocol;

/// The body of a call, as a value of its event.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Payload {
    /// A client has connected.
    Connected(Connected),
    /// A connection is gone.
    Disconnected(Disconnected),
    /// A client has called a method.
    Message(Invocation),
}

impl Payload {
    /// Reads the body of the call that the headers describe.
    ///
    /// This is the whole of a handler without a framework:
    ///
    /// ```
    /// use bytes::Bytes;
    /// use http::{HeaderMap, Response};
    /// use signalr_upstream_auth::upstream::{self, Completion, Context, HandlerError, IntoCompletion, Payload, Reply};
    ///
    /// fn on_event(headers: &HeaderMap, body: Bytes) -> Result<Response<Bytes>, upstream::Error> {
    ///     let context = Context::from_headers(headers)?;
    ///     match Payload::parse(&context, headers, body)? {
    ///         Payload::Message(invocation) => Ok(match invocation.target().to_ascii_lowercase().as_str() {
    ///             "echo" => invocation.argument::<String>(0).map(Reply).into_completion(&invocation),
    ///             _ => Completion::error(&invocation, "There is no such method"),
    ///         }
    ///         .to_response()),
    ///         _ => Ok(Response::default()),
    ///     }
    /// }
    ///
    /// let mut headers = HeaderMap::new();
    /// # headers.insert("x-asrs-connection-id", "Xk2".parse().unwrap());
    /// # headers.insert("x-asrs-hub", "chat".parse().unwrap());
    /// # headers.insert("x-asrs-category", "messages".parse().unwrap());
    /// headers.insert("x-asrs-event", "echo".parse().unwrap());
    /// headers.insert("content-type", "application/x-msgpack".parse().unwrap());
    /// // [1, {}, "42", "echo", ["hi"]]
    /// let body = Bytes::from_static(b"\x95\x01\x80\xa242\xa4echo\x91\xa2hi");
    /// let response = on_event(&headers, body)?;
    /// // its length, and [3, {}, "42", 3, "hi"]
    /// assert_eq!(&response.body()[..], b"\x0a\x95\x03\x80\xa242\x03\xa2hi");
    /// # Ok::<(), upstream::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`UnsupportedMediaType`](ErrorKind::UnsupportedMediaType) if the content type is neither JSON nor
    /// MessagePack, or is not JSON for `connected` and `disconnected`;
    /// [`RepeatedHeader`](ErrorKind::RepeatedHeader) if there are two;
    /// [`MalformedBody`](ErrorKind::MalformedBody) if the body cannot be read;
    /// [`EventMismatch`](ErrorKind::EventMismatch) if the body names another method than
    /// `X-ASRS-Event`, without regard to ASCII case and to blanks at the ends, which HTTP takes off.
    pub fn parse(context: &Context, headers: &HeaderMap, body: Bytes) -> Result<Self, Error> {
        let protocol = Protocol::from_headers(headers)?;
        match (context.event(), protocol) {
            (Event::Connected, Protocol::Json) => Connected::parse(&body).map(Self::Connected),
            (Event::Disconnected, Protocol::Json) => Disconnected::parse(&body).map(Self::Disconnected),
            (Event::Connected | Event::Disconnected, Protocol::MessagePack) => {
                Err(ErrorKind::UnsupportedMediaType.into())
            }
            (Event::Message(target), _) => {
                let invocation = Invocation::parse(protocol, body)?;
                // Blanks at the ends of a header's value are lost on the way (RFC 9110 section 5.5).
                let blank = |c| c == ' ' || c == '\t';
                if !invocation.target().trim_matches(blank).eq_ignore_ascii_case(target.trim_matches(blank)) {
                    return Err(ErrorKind::EventMismatch.into());
                }
                Ok(Self::Message(invocation))
            }
        }
    }
}
