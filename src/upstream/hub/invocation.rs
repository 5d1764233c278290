//! The invocation message: a client calls a method.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;

use crate::upstream::error::{Error, ErrorKind};
use crate::upstream::hub::protocol::Protocol;
use crate::upstream::hub::{json, message_pack};

/// The message of a client that calls a method: `invoke`, which waits for a completion, or `send`, which does not.
/// Cheap to clone.
///
/// The client chooses the method and the arguments.
///
/// ```
/// use signalr_upstream_auth::upstream::{Invocation, Protocol};
///
/// let body = br#"{"type":1,"invocationId":"42","target":"move","arguments":["pawn",{"x":3,"y":4}]}"#;
/// let invocation = Invocation::parse(Protocol::Json, body.as_slice())?;
///
/// #[derive(serde::Deserialize)]
/// struct Square { x: u8, y: u8 }
///
/// let (piece, to): (&str, Square) = invocation.arguments()?;
/// assert_eq!((piece, to.x, to.y), ("pawn", 3, 4));
/// # Ok::<(), signalr_upstream_auth::upstream::Error>(())
/// ```
#[derive(Clone)]
pub struct Invocation {
    protocol: Protocol,
    id: Option<Arc<str>>,
    target: Arc<str>,
    arguments: Bytes,
    argument_count: usize,
}

impl Invocation {
    /// Parses the body of a message event.
    ///
    /// - JSON: an object with `type` 1, `target`, `arguments` (an array; absent or null means none) and an optional
    ///   `invocationId`. One record separator (0x1E) may follow.
    /// - MessagePack: an array of type 1, headers, invocation id or nil, target, arguments and, optionally, stream
    ///   ids. It is at most 127 levels deep. Its length prefix may precede it.
    ///
    /// The body is one message, and nothing follows it. The service sends it without the framing of the hub protocol;
    /// an older release of its emulator left the separator or the prefix in place.
    ///
    /// Serverless mode has no streaming from the client, so stream ids are ignored.
    ///
    /// # Errors
    ///
    /// [`MalformedBody`](ErrorKind::MalformedBody) for anything else.
    pub fn parse(protocol: Protocol, body: impl Into<Bytes>) -> Result<Self, Error> {
        let body = body.into();
        let envelope = match protocol {
            Protocol::Json => json::read_invocation(&body),
            Protocol::MessagePack => message_pack::read_invocation(&body),
        };
        let envelope = envelope.map_err(|source| Error::because(ErrorKind::MalformedBody, source))?;
        Ok(Self {
            protocol,
            // Clients ignore a completion with an empty id.
            id: envelope.invocation_id.filter(|id| !id.is_empty()).map(Into::into),
            target: envelope.target.into(),
            arguments: envelope.arguments,
            argument_count: envelope.argument_count,
        })
    }

    /// The protocol of the client. The completion uses the same one.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// The client's id for this invocation, which the completion repeats. `None` if the client waits for no completion:
    /// the id is absent, null or, as in Microsoft's Azure Functions trigger, empty.
    #[must_use]
    pub fn invocation_id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    pub(crate) fn shared_id(&self) -> Option<&Arc<str>> {
        self.id.as_ref()
    }

    /// The name of the method, as the client wrote it. Compare it without regard to case.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The number of arguments.
    #[must_use]
    pub fn argument_count(&self) -> usize {
        self.argument_count
    }

    /// Deserializes all arguments, by position.
    ///
    /// The type is a tuple, `()` for no argument, a `Vec` for any number of arguments of one type, or a struct whose
    /// fields have the order of the arguments. Fields with `#[serde(default)]` may be missing at the end. The number
    /// of arguments must match.
    ///
    /// A type that reads JSON also reads MessagePack, except for what JSON does not have:
    ///
    /// - MessagePack clients send binary data. It goes into `Vec<u8>`. JSON clients send a string instead.
    /// - MessagePack clients send dates as extension -1. They go into a newtype struct that serde knows by the name
    ///   `_ExtStruct`, around `(i8, &[u8])` or an owned type of bytes. JSON clients send a string instead.
    /// - Types for any JSON, such as `serde_json::Value`, take neither.
    /// - JavaScript clients send the keys of maps as strings, even if they look like numbers.
    ///
    /// The guide lists what .NET and JavaScript clients send, value by value: [`clients`](crate::docs::clients).
    ///
    /// # Errors
    ///
    /// [`ArgumentsMismatch`](ErrorKind::ArgumentsMismatch) if they do not have this type. The source names the place.
    pub fn arguments<'a, T: Deserialize<'a>>(&'a self) -> Result<T, Error> {
        match self.protocol {
            Protocol::Json => json::read_arguments(&self.arguments),
            Protocol::MessagePack => message_pack::read_arguments(&self.arguments),
        }
        .map_err(|source| Error::because(ErrorKind::ArgumentsMismatch, source))
    }

    /// Deserializes one argument, counted from 0. The others may have any type.
    ///
    /// # Errors
    ///
    /// [`ArgumentsMismatch`](ErrorKind::ArgumentsMismatch) if there are fewer, or the argument has another type.
    pub fn argument<'a, T: Deserialize<'a>>(&'a self, index: usize) -> Result<T, Error> {
        match self.protocol {
            Protocol::Json => json::read_argument(&self.arguments, index),
            Protocol::MessagePack => message_pack::read_argument(&self.arguments, index),
        }
        .map_err(|source| Error::because(ErrorKind::ArgumentsMismatch, source))
    }
}

/// Shows the number of arguments and hides their values.
impl fmt::Debug for Invocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invocation")
            .field("protocol", &self.protocol)
            .field("invocation_id", &self.id)
            .field("target", &self.target)
            .field("argument_count", &self.argument_count)
            .finish_non_exhaustive()
    }
}
