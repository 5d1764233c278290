//! A completion: the answer to an invocation, as the client will read it.

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

/// The answer to one [`Invocation`]: a SignalR completion message in the protocol of the call, framed.
///
/// The service hands the body of a response with status 200 to the client's socket as it is. Anything
/// but exactly one framed completion breaks the client's stream, and any status but 200 and 204 tells
/// the client no more than the number. That is why a completion is made from an invocation, and is the
/// only thing the typed handlers can answer with.
///
/// For a call without an invocation id the client waits for nothing: the completion is then empty,
/// and no result is written at all.
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
    /// The method returned a value.
    ///
    /// Structs become maps with named fields in both protocols, and types with a readable form, such as
    /// GUIDs, become texts, as serde's JSON has it.
    ///
    /// # Errors
    ///
    /// [`UnserializableResult`](ErrorKind::UnserializableResult) if the value has no form in the
    /// protocol: in JSON for example a map with keys that are no texts, in MessagePack a value that
    /// is nested more than 127 levels deep, or that writes more or fewer elements than it announces;
    /// [`ResultTooLarge`](ErrorKind::ResultTooLarge) if the completion is longer than 16 MiB, the
    /// longest answer the service takes.
    pub fn result<T: Serialize + ?Sized>(invocation: &Invocation, value: &T) -> Result<Self, Error> {
        Self::write(invocation, &Outcome::Result(value))
    }

    /// The method is done and has nothing to say.
    #[must_use]
    pub fn void(invocation: &Invocation) -> Self {
        Self::write::<()>(invocation, &Outcome::Void).unwrap_or_else(|_| Self::empty(invocation))
    }

    /// The method failed. The client reads this text. It reads a short one in its place should the text
    /// not fit into the 16 MiB, or be empty: clients take an error without a text for a success.
    #[must_use]
    pub fn error(invocation: &Invocation, message: &str) -> Self {
        let message = if message.is_empty() { METHOD_FAILED } else { message };
        Self::write::<()>(invocation, &Outcome::Error(message))
            .or_else(|_| Self::write::<()>(invocation, &Outcome::Error(METHOD_FAILED)))
            .unwrap_or_else(|_| Self::empty(invocation))
    }

    /// The protocol it is written in.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// The framed message. Empty if the client waits for none.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.body
    }

    /// The response: status 200 and the framed message. With the feature `axum` the type is also an
    /// axum response.
    #[must_use]
    pub fn to_response<B: From<Bytes>>(&self) -> Response<B> {
        let mut response = Response::new(B::from(self.body.clone()));
        if !self.body.is_empty() {
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(self.protocol.media_type()));
        }
        response.extensions_mut().insert(IsCompletion);
        response
    }

    /// Whether this is an answer to this call: it repeats the id, in the protocol of the client.
    pub(crate) fn answers(&self, invocation: &Invocation) -> bool {
        self.protocol == invocation.protocol() && self.invocation_id.as_deref() == invocation.invocation_id()
    }

    /// No message: the service makes a void completion of it where the client waits for one. Both
    /// protocols can write every text, so this is left only for an invocation id of 16 MiB.
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

/// Shows the protocol and the length.
impl fmt::Debug for Completion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Completion")
            .field("protocol", &self.protocol)
            .field("len", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// In the extensions of a response: its body is a completion, so its status may be 200.
#[derive(Clone, Copy)]
pub(crate) struct IsCompletion;

/// What the client reads where there is nothing else to tell it.
pub(crate) const METHOD_FAILED: &str = "The method failed";

/// Both the SignalR emulator and the Web PubSub emulator read no more of an answer.
const MAX_BYTES: usize = 16 * 1024 * 1024;
