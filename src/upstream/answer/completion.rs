//! The completion message: the answer to an invocation, as the client reads it.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response};
use serde::Serialize;

use crate::upstream::error::{Error, ErrorKind};
use crate::upstream::hub::envelope::Outcome;
use crate::upstream::hub::invocation::Invocation;
use crate::upstream::hub::protocol::Protocol;
use crate::upstream::hub::{json, message_pack};

/// The answer to one [`Invocation`]: a framed SignalR completion message in the protocol of the call.
///
/// The service passes the body of a response with status 200 to the client unchanged. Anything but exactly one framed
/// completion breaks the client's stream. Of any status but 200 and 204 the client learns only the number. That is why
/// you create a completion from an invocation, and why typed handlers can return nothing else.
///
/// If the invocation has no id, the client waits for no completion. The completion is then empty, and the result is
/// not serialized.
///
/// ```
/// use signalr_upstream_auth::upstream::{Completion, Invocation, Protocol};
///
/// let body = br#"{"type":1,"invocationId":"42","target":"echo","arguments":["hi"]}"#;
/// let invocation = Invocation::parse(Protocol::Json, body.as_slice())?;
///
/// let completion = Completion::result(&invocation, "ok")?;
/// assert_eq!(completion.as_bytes(), b"{\"type\":3,\"invocationId\":\"42\",\"result\":\"ok\"}\x1e");
/// # Ok::<(), signalr_upstream_auth::upstream::Error>(())
/// ```
#[derive(Clone, Eq, PartialEq)]
pub struct Completion {
    protocol: Protocol,
    invocation_id: Option<Arc<str>>,
    body: Bytes,
}

impl Completion {
    /// Completes the invocation with a value.
    ///
    /// In both protocols, structs become maps with named fields, and types with a human-readable form, such as GUIDs,
    /// become strings, as in JSON.
    ///
    /// # Errors
    ///
    /// [`UnserializableResult`](ErrorKind::UnserializableResult) if the value has no form in the protocol. In JSON, an
    /// example is a map whose keys are not strings. In MessagePack, it is a value with more than 127 levels, or one
    /// that writes more or fewer elements than it announces.
    /// [`ResultTooLarge`](ErrorKind::ResultTooLarge) if the completion is longer than 16 MiB, the longest answer that
    /// the service accepts.
    pub fn result<T: Serialize + ?Sized>(invocation: &Invocation, value: &T) -> Result<Self, Error> {
        Self::write(invocation, &Outcome::Result(value))
    }

    /// Completes the invocation without a value.
    #[must_use]
    pub fn void(invocation: &Invocation) -> Self {
        Self::write::<()>(invocation, &Outcome::Void).unwrap_or_else(|_| Self::empty(invocation))
    }

    /// Completes the invocation with an error. The client reads the message.
    ///
    /// A short fixed message replaces one that is longer than 16 MiB or empty: clients take an empty error for a
    /// success.
    #[must_use]
    pub fn error(invocation: &Invocation, message: &str) -> Self {
        let message = if message.is_empty() { METHOD_FAILED } else { message };
        Self::write::<()>(invocation, &Outcome::Error(message))
            .or_else(|_| Self::write::<()>(invocation, &Outcome::Error(METHOD_FAILED)))
            .unwrap_or_else(|_| Self::empty(invocation))
    }

    /// The protocol of the message.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// The framed message. Empty if the client waits for no completion.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.body
    }

    /// Creates the response: status 200 and the framed message. With the feature `axum` the type is also an axum
    /// response.
    #[must_use]
    pub fn to_response<B: From<Bytes>>(&self) -> Response<B> {
        let mut response = Response::new(B::from(self.body.clone()));
        if !self.body.is_empty() {
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(self.protocol.media_type()));
        }
        response.extensions_mut().insert(IsCompletion);
        response
    }

    /// Whether this completion answers this invocation: it repeats the id, in the protocol of the client.
    pub(crate) fn answers(&self, invocation: &Invocation) -> bool {
        self.protocol == invocation.protocol() && self.invocation_id.as_deref() == invocation.invocation_id()
    }

    /// No message: the service sends a void completion if the client waits for one. Both protocols can write every
    /// string, so this remains only for an invocation id of 16 MiB.
    fn empty(invocation: &Invocation) -> Self {
        Self::of(invocation, Bytes::new())
    }

    fn of(invocation: &Invocation, body: Bytes) -> Self {
        Self { protocol: invocation.protocol(), invocation_id: invocation.shared_id().cloned(), body }
    }

    fn write<T>(invocation: &Invocation, outcome: &Outcome<'_, T>) -> Result<Self, Error>
    where
        T: Serialize + ?Sized,
    {
        let Some(id) = invocation.invocation_id() else {
            return Ok(Self::empty(invocation));
        };
        let written = match invocation.protocol() {
            Protocol::Json => json::write_completion(id, outcome),
            Protocol::MessagePack => message_pack::write_completion(id, outcome),
        };
        let body = written.map_err(|source| Error::because(ErrorKind::UnserializableResult, source))?;
        if body.len() > MAX_BYTES {
            return Err(ErrorKind::ResultTooLarge.into());
        }
        Ok(Self::of(invocation, body.into()))
    }
}

/// Shows the protocol and the length, and hides the message.
impl fmt::Debug for Completion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Completion")
            .field("protocol", &self.protocol)
            .field("len", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// Marks a response, in its extensions, whose body is a completion. Only such a response to a message may have
/// status 200.
#[derive(Clone, Copy)]
pub(crate) struct IsCompletion;

/// The message that the client reads if the error must not be shown to it.
pub(crate) const METHOD_FAILED: &str = "The method failed";

/// The limit of both the SignalR emulator and the Web PubSub emulator for an answer.
const MAX_BYTES: usize = 16 * 1024 * 1024;
