//! The hub protocols of SignalR: messages in JSON and MessagePack.

pub(crate) mod envelope;
pub(crate) mod invocation;
pub(crate) mod json;
pub(crate) mod message_pack;
pub(crate) mod protocol;
