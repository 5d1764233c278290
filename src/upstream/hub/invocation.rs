//! An invocation: the client calls a method.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;

use crate::upstream::error::{Error, ErrorKind};
use crate::upstream::hub::protocol::Protocol;
use crate::upstream::hub::{json, message_pack};

/// The message of a client that calls a method: `invoke`, which waits for an answer, or `send`, which
/// does not. Cheap to clone.
///
/// Method and arguments are the client's own words.
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
    /// Reads the body of a message event.
    ///
    /// JSON: an object with `type` 1, `target`, `arguments` (an array; absent or null is none) and an
    /// optional `invocationId`, with or without one record separator (0x1E) behind it. MessagePack:
    /// an array of type 1, headers, invocation id or nil, target, arguments and, optionally, stream
    /// ids; at most 127 levels deep; nothing before it and nothing behind it. Streaming from the
    /// client does not exist in serverless mode.
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
            // No client reads a completion whose id is empty.
            id: envelope.invocation_id.filter(|id| !id.is_empty()).map(Into::into),
            target: envelope.target.into(),
            arguments: envelope.arguments,
            argument_count: envelope.argument_count,
        })
    }

    /// The protocol of the client, in which the answer is written.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// The client's name for this call, which the answer repeats. `None` if the client waits for no
    /// answer: the id is absent, null or, as in Microsoft's own receiver, empty.
    #[must_use]
    pub fn invocation_id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    pub(crate) fn shared_id(&self) -> Option<&Arc<str>> {
        self.id.as_ref()
    }

    /// The name of the method, as the client wrote it. Methods are told apart without regard to case.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// How many arguments there are.
    #[must_use]
    pub fn argument_count(&self) -> usize {
        self.argument_count
    }

    /// All arguments, by position: into a tuple, `()` for none, a `Vec` of any number of like ones, or a
    /// struct whose fields stand in the order of the arguments (fields with `#[serde(default)]` may
    /// be missing at the end). The number of arguments must fit.
    ///
    /// A type that reads JSON reads MessagePack as well, but for what JSON does not have. Clients of
    /// MessagePack send binary data, which goes into `Vec<u8>`, and dates as values of extension -1,
    /// which go into a newtype struct that serde knows by the name `_ExtStruct`, around `(i8, &[u8])` or
    /// an owned type of bytes; clients of JSON send texts in their place. Types that hold any JSON, such as
    /// `serde_json::Value`, take neither. Keys of maps are texts where the client is JavaScript, also
    /// where they look like numbers.
    ///
    /// # Errors
    ///
    /// [`ArgumentsMismatch`](ErrorKind::ArgumentsMismatch) if they do not fit the type. Its source says where.
    pub fn arguments<'a, T: Deserialize<'a>>(&'a self) -> Result<T, Error> {
        match self.protocol {
            Protocol::Json => json::read_arguments(&self.arguments),
            Protocol::MessagePack => message_pack::read_arguments(&self.arguments),
        }
        .map_err(|source| Error::because(ErrorKind::ArgumentsMismatch, source))
    }

    /// One argument, counted from 0. The others may be anything.
    ///
    /// # Errors
    ///
    /// [`ArgumentsMismatch`](ErrorKind::ArgumentsMismatch) if there are fewer, or it does not fit the type.
    pub fn argument<'a, T: Deserialize<'a>>(&'a self, index: usize) -> Result<T, Error> {
        match self.protocol {
            Protocol::Json => json::read_argument(&self.arguments, index),
            Protocol::MessagePack => message_pack::read_argument(&self.arguments, index),
        }
        .map_err(|source| Error::because(ErrorKind::ArgumentsMismatch, source))
    }
}

/// Shows how many arguments there are and not what they say.
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
