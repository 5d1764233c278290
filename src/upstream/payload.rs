//! The body of a call, parsed as its headers require.

use bytes::Bytes;
use http::HeaderMap;

use crate::upstream::call::connection::{Connected, Disconnected};
use crate::upstream::call::context::{Context, Event};
use crate::upstream::error::{Error, ErrorKind};
use crate::upstream::hub::invocation::Invocation;
use crate::upstream::hub::protocol::Protocol;

/// The body of a call: one variant for each kind of event.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Payload {
    /// A client connected.
    Connected(Connected),
    /// A connection closed.
    Disconnected(Disconnected),
    /// A client called a method.
    Message(Invocation),
}

impl Payload {
    /// Parses the body of the call that the headers describe.
    ///
    /// A complete handler without a framework:
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
    /// // the length, and [3, {}, "42", 3, "hi"]
    /// assert_eq!(&response.body()[..], b"\x0a\x95\x03\x80\xa242\x03\xa2hi");
    /// # Ok::<(), upstream::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`UnsupportedMediaType`](ErrorKind::UnsupportedMediaType) if the content type is neither JSON nor MessagePack,
    /// or is MessagePack for `connected` or `disconnected`;
    /// [`RepeatedHeader`](ErrorKind::RepeatedHeader) if there are several content types;
    /// [`MalformedBody`](ErrorKind::MalformedBody) if the body cannot be parsed;
    /// [`EventMismatch`](ErrorKind::EventMismatch) if the body names another method than `X-ASRS-Event`. The names are
    /// compared without regard to ASCII case and to surrounding spaces and tabs, which HTTP removes.
    pub fn parse(context: &Context, headers: &HeaderMap, body: Bytes) -> Result<Self, Error> {
        let protocol = protocol_of(context, headers)?;
        match context.event() {
            Event::Connected => Connected::parse(&body).map(Self::Connected),
            Event::Disconnected => Disconnected::parse(&body).map(Self::Disconnected),
            Event::Message(target) => {
                let invocation = Invocation::parse(protocol, body)?;
                // HTTP removes optional whitespace around the value of a header (RFC 9110 section 5.5).
                let whitespace = |c| c == ' ' || c == '\t';
                if !invocation.target().trim_matches(whitespace).eq_ignore_ascii_case(target.trim_matches(whitespace)) {
                    return Err(ErrorKind::EventMismatch.into());
                }
                Ok(Self::Message(invocation))
            }
        }
    }
}

/// The protocol of a call. Nobody needs to read the body of a call whose event cannot have its content type.
///
/// # Errors
///
/// As [`Protocol::from_headers`]; and [`UnsupportedMediaType`](ErrorKind::UnsupportedMediaType) for a connection event in
/// MessagePack.
pub(crate) fn protocol_of(context: &Context, headers: &HeaderMap) -> Result<Protocol, Error> {
    match (context.event(), Protocol::from_headers(headers)?) {
        (Event::Connected | Event::Disconnected, Protocol::MessagePack) => Err(ErrorKind::UnsupportedMediaType.into()),
        (_, protocol) => Ok(protocol),
    }
}
