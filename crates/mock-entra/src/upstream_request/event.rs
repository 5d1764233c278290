//! The event of a call and its body.

use std::io;

use bytes::Bytes;
use serde::Serialize;

use crate::members::{Members, json};

/// What happened at the service.
#[derive(Clone, Debug)]
pub(super) enum Event {
    Connected,
    Disconnected { error: Option<String> },
    Message(Message),
}

/// A client called a method of the hub.
#[derive(Clone, Debug)]
pub(super) struct Message {
    target: String,
    pub(super) invocation_id: Option<String>,
    arguments: Vec<Argument>,
    pub(super) stream_ids: Option<Vec<String>>,
}

/// An argument in both hub protocols.
#[derive(Clone, Debug)]
struct Argument {
    json: String,
    message_pack: Vec<u8>,
}

impl Event {
    /// `X-ASRS-Category`.
    pub(super) fn category(&self) -> &'static str {
        match self {
            Self::Connected | Self::Disconnected { .. } => "connections",
            Self::Message(_) => "messages",
        }
    }

    /// `X-ASRS-Event`.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Connected => "connected",
            Self::Disconnected { .. } => "disconnected",
            Self::Message(message) => &message.target,
        }
    }

    /// The body. Connection events are JSON, whatever the client's protocol.
    pub(super) fn body(&self, is_message_pack: bool) -> Bytes {
        match self {
            Self::Connected => Members::default().with("type", 10).to_string().into(),
            Self::Disconnected { error } => {
                Members::default().with("Type", 11).with_some("Error", error.as_ref()).to_string().into()
            }
            Self::Message(message) if is_message_pack => message.message_pack().into(),
            Self::Message(message) => message.json().into(),
        }
    }
}

impl Message {
    pub(super) fn new(target: String) -> Self {
        Self { target, invocation_id: None, arguments: Vec::new(), stream_ids: None }
    }

    /// Adds an argument.
    ///
    /// # Panics
    ///
    /// If the value has no form in JSON or in MessagePack.
    pub(super) fn add_argument(&mut self, value: &impl Serialize) {
        let message_pack = rmp_serde::to_vec_named(value)
            .unwrap_or_else(|error| panic!("the argument has no MessagePack form: {error}"));
        self.arguments.push(Argument { json: json(value), message_pack });
    }

    /// The invocation of the JSON hub protocol.
    fn json(&self) -> String {
        let arguments: Vec<_> = self.arguments.iter().map(|argument| argument.json.as_str()).collect();
        Members::default()
            .with("type", 1)
            .with_some("invocationId", self.invocation_id.as_ref())
            .with("target", &self.target)
            .with_text("arguments", format!("[{}]", arguments.join(",")))
            .with_some("streamIds", self.stream_ids.as_ref())
            .to_string()
    }

    #[expect(clippy::expect_used, reason = "a vector takes every byte")]
    fn message_pack(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.write_message_pack(&mut bytes).expect("a vector takes every byte");
        bytes
    }

    /// The invocation of the MessagePack hub protocol: type, headers, invocation id, target, arguments and, if there are
    /// any, stream ids.
    fn write_message_pack(&self, bytes: &mut Vec<u8>) -> io::Result<()> {
        rmp::encode::write_array_len(bytes, if self.stream_ids.is_some() { 6 } else { 5 })?;
        rmp::encode::write_uint(bytes, 1)?;
        rmp::encode::write_map_len(bytes, 0)?;
        match &self.invocation_id {
            Some(id) => rmp::encode::write_str(bytes, id)?,
            None => rmp::encode::write_nil(bytes)?,
        }
        rmp::encode::write_str(bytes, &self.target)?;
        rmp::encode::write_array_len(bytes, length(&self.arguments)?)?;
        for argument in &self.arguments {
            bytes.extend_from_slice(&argument.message_pack);
        }
        if let Some(ids) = &self.stream_ids {
            rmp::encode::write_array_len(bytes, length(ids)?)?;
            for id in ids {
                rmp::encode::write_str(bytes, id)?;
            }
        }
        Ok(())
    }
}

fn length<T>(items: &[T]) -> io::Result<u32> {
    u32::try_from(items.len()).map_err(io::Error::other)
}
