//! The hub protocols that clients speak: JSON and MessagePack.
//!
//! Microsoft's page "SignalR Hub Protocol" (dotnet/aspnetcore, `src/SignalR/docs/specs/HubProtocol.md`).

mod convert;
mod framing;
mod incoming;
mod outgoing;

pub(crate) use convert::json_to_message_pack;
pub(crate) use framing::{split_json, split_message_pack};
pub(crate) use incoming::{Incoming, InvocationResult, ReadError, read_json, read_message_pack};
pub(crate) use outgoing::{Arguments, Frames, JsonArguments, Outcome};

/// A hub protocol by its name in the handshake.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum HubProtocol {
    Json,
    MessagePack,
}

impl HubProtocol {
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "json" => Some(Self::Json),
            "messagepack" => Some(Self::MessagePack),
            _ => None,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::MessagePack => "messagepack",
        }
    }
}
