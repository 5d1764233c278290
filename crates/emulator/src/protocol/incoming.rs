//! Messages from clients.

use bytes::Bytes;
use serde_json::Value;

use super::convert::{json_to_message_pack, message_pack_to_json};

/// What a client says.
#[derive(Clone, Debug)]
pub(crate) enum Incoming {
    /// A method to call. `raw` is the message as it came, without framing.
    Invocation {
        id: Option<String>,
        target: String,
        raw: Bytes,
    },
    /// The end of an invocation that the service made on the client.
    Completion {
        id: String,
        result: InvocationResult,
    },
    Ping,
    Close,
    /// Streams and whatever else serverless mode does not know.
    Unsupported {
        id: Option<String>,
    },
}

/// What a client made of an invocation.
#[derive(Clone, Debug)]
pub(crate) enum InvocationResult {
    Error(String),
    /// The result in both forms. `None` for a method without one.
    Value(Option<(Value, rmpv::Value)>),
}

/// A message that follows neither protocol.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the message does not follow the hub protocol")]
pub(crate) struct ReadError;

pub(crate) fn read_json(raw: Bytes) -> Result<Incoming, ReadError> {
    let message: Value = serde_json::from_slice(&raw).map_err(|_| ReadError)?;
    let kind = message.get("type").and_then(Value::as_u64).ok_or(ReadError)?;
    let text = |name: &str| message.get(name).and_then(Value::as_str).map(str::to_owned);
    let id = text("invocationId");
    Ok(match kind {
        1 if message.get("streamIds").and_then(Value::as_array).is_some_and(|ids| !ids.is_empty()) => {
            Incoming::Unsupported { id }
        }
        1 => {
            let arguments = message.get("arguments").is_none_or(Value::is_array);
            Incoming::Invocation { id, target: text("target").filter(|_| arguments).ok_or(ReadError)?, raw }
        }
        3 => {
            let result = match (text("error"), message.get("result")) {
                (Some(error), _) => InvocationResult::Error(error),
                (None, value) => {
                    InvocationResult::Value(value.map(|value| (value.clone(), json_to_message_pack(value))))
                }
            };
            Incoming::Completion { id: id.ok_or(ReadError)?, result }
        }
        6 => Incoming::Ping,
        7 => Incoming::Close,
        _ => Incoming::Unsupported { id },
    })
}

pub(crate) fn read_message_pack(raw: Bytes) -> Result<Incoming, ReadError> {
    let mut rest = &raw[..];
    let message = rmpv::decode::read_value_with_max_depth(&mut rest, DEEPEST).map_err(|_| ReadError)?;
    let items = message.as_array().filter(|_| rest.is_empty()).ok_or(ReadError)?;
    let kind = items.first().and_then(rmpv::Value::as_u64).ok_or(ReadError)?;
    let text = |position: usize| items.get(position).and_then(rmpv::Value::as_str).map(str::to_owned);
    let id = text(2);
    Ok(match kind {
        1 if items.get(5).and_then(rmpv::Value::as_array).is_some_and(|ids| !ids.is_empty()) => {
            Incoming::Unsupported { id }
        }
        1 => {
            let arguments = items.get(4).is_some_and(rmpv::Value::is_array);
            Incoming::Invocation { id, target: text(3).filter(|_| arguments).ok_or(ReadError)?, raw }
        }
        3 => {
            let result = match items.get(3).and_then(rmpv::Value::as_u64) {
                Some(1) => InvocationResult::Error(text(4).ok_or(ReadError)?),
                Some(2) => InvocationResult::Value(None),
                Some(3) => {
                    let value = items.get(4).ok_or(ReadError)?;
                    InvocationResult::Value(Some((message_pack_to_json(value), value.clone())))
                }
                _ => return Err(ReadError),
            };
            Incoming::Completion { id: id.ok_or(ReadError)?, result }
        }
        6 => Incoming::Ping,
        7 => Incoming::Close,
        _ => Incoming::Unsupported { id },
    })
}

/// As deep as System.Text.Json reads by default.
const DEEPEST: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_invocations_of_both_protocols() {
        for read in [
            read_json(Bytes::from_static(br#"{"type":1,"invocationId":"42","target":"echo","arguments":["hi"]}"#)),
            read_message_pack(Bytes::from_static(b"\x95\x01\x80\xa242\xa4echo\x91\xa2hi")),
            read_message_pack(Bytes::from_static(b"\x96\x01\x80\xa242\xa4echo\x91\xa2hi\x90")),
        ] {
            let Ok(Incoming::Invocation { id, target, .. }) = read else { panic!("{read:?}") };
            assert_eq!((id.as_deref(), target.as_str()), (Some("42"), "echo"));
        }
    }

    #[test]
    fn rejects_what_is_no_message() {
        for text in [
            "",
            "{}",
            "[]",
            r#"{"type":1}"#,
            r#"{"type":"1"}"#,
            r#"{"type":3}"#,
            r#"{"type":1,"target":"a","arguments":1}"#,
        ] {
            assert!(read_json(Bytes::from_static(text.as_bytes())).is_err(), "{text}");
        }
        for bytes in [&b""[..], b"\x90", b"\x91\xc0", b"\x91\x01", b"\x91\x06\x00", b"\x95\x01\x80\xc0\xa1a\xc0"] {
            assert!(read_message_pack(Bytes::from_static(bytes)).is_err(), "{bytes:?}");
        }
        let deep = [vec![0x91; 200], vec![0xc0]].concat();
        assert!(read_message_pack(deep.into()).is_err());
    }

    #[test]
    fn stream_invocations_are_unsupported() {
        assert!(matches!(
            read_json(Bytes::from_static(br#"{"type":4,"invocationId":"1","target":"s","arguments":[]}"#)),
            Ok(Incoming::Unsupported { id: Some(_) })
        ));
    }
}
