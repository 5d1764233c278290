//! The bodies of sending.

use bytes::Bytes;
use http::StatusCode;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

use super::call::Call;
use super::problem::Problem;
use crate::protocol::{Arguments, Frames, JsonArguments};

/// A message to send.
pub(super) enum Payload {
    /// A client method and its arguments.
    Invocation { target: String, arguments: Arguments },
    /// Ready messages, framed, one for each hub protocol.
    Ready(Frames),
}

impl Payload {
    /// Reads a body by its media type: JSON, MessagePack, or a MessagePack map from a protocol's name to a message.
    pub(super) fn read(call: &Call<'_>) -> Result<Self, Problem> {
        let content_type = call.content_type();
        if content_type.eq_ignore_ascii_case("application/json") {
            Self::from_json(&call.body)
        } else if content_type.eq_ignore_ascii_case("application/x-msgpack") {
            Self::from_message_pack(&call.body)
        } else if content_type.eq_ignore_ascii_case("application/octet-stream") {
            Self::ready(&call.body)
        } else {
            let text = "The content type must be application/json, application/x-msgpack or application/octet-stream.";
            Err(Problem::of_status(StatusCode::UNSUPPORTED_MEDIA_TYPE, text))
        }
    }

    pub(super) fn frames(&self, invocation_id: Option<&str>) -> Frames {
        match self {
            Self::Invocation { target, arguments } => Frames::invocation(target, arguments, invocation_id),
            Self::Ready(frames) => frames.clone(),
        }
    }

    /// `{"target": "…", "arguments": […]}`; the names in any case, as System.Text.Json's web defaults read them.
    pub(super) fn from_json(body: &[u8]) -> Result<Self, Problem> {
        let members: BTreeMap<String, Box<RawValue>> =
            serde_json::from_slice(body).map_err(|error| invalid(&format!("The body is no JSON object: {error}.")))?;
        let member =
            |wanted: &str| members.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, it)| it);
        let target = member("target").and_then(|text| serde_json::from_str::<String>(text.get()).ok());
        let arguments = match member("arguments").filter(|arguments| arguments.get() != "null") {
            Some(arguments) => JsonArguments::read(arguments.clone()),
            None => RawValue::from_string("[]".to_owned()).and_then(JsonArguments::read),
        };
        let arguments =
            arguments.map_err(|error| invalid(&format!("The arguments are no array of JSON values: {error}.")))?;
        let target = target.filter(|target| !target.is_empty()).ok_or_else(|| invalid("The body has no target."))?;
        Ok(Self::Invocation { target, arguments: Arguments::Json(arguments) })
    }

    fn from_message_pack(body: &[u8]) -> Result<Self, Problem> {
        let pairs = message_pack_map(body)?;
        let member = |wanted: &str| {
            pairs.iter().find(|(name, _)| name.as_str().is_some_and(|name| name.eq_ignore_ascii_case(wanted)))
        };
        let target = member("target").and_then(|(_, target)| target.as_str()).filter(|target| !target.is_empty());
        let target = target.ok_or_else(|| invalid("The body has no target."))?.to_owned();
        let arguments = match member("arguments").map(|(_, arguments)| arguments) {
            None | Some(rmpv::Value::Nil) => Vec::new(),
            Some(rmpv::Value::Array(items)) => items.clone(),
            Some(_) => return Err(invalid("The arguments are no array.")),
        };
        Ok(Self::Invocation { target, arguments: Arguments::MessagePack(arguments) })
    }

    fn ready(body: &[u8]) -> Result<Self, Problem> {
        let mut frames = Frames::default();
        for (name, bytes) in message_pack_map(body)? {
            let rmpv::Value::Binary(bytes) = bytes else { return Err(invalid("A message is not binary.")) };
            match name.as_str() {
                Some("json") => frames.json = Some(Bytes::from(bytes)),
                Some("messagepack") => frames.message_pack = Some(Bytes::from(bytes)),
                Some(_) => (),
                None => return Err(invalid("A protocol's name is no text.")),
            }
        }
        Ok(Self::Ready(frames))
    }
}

fn message_pack_map(body: &[u8]) -> Result<Vec<(rmpv::Value, rmpv::Value)>, Problem> {
    let mut rest = body;
    let value = rmpv::decode::read_value_with_max_depth(&mut rest, DEEPEST)
        .map_err(|error| invalid(&format!("The body is no MessagePack: {error}.")))?;
    match value {
        rmpv::Value::Map(pairs) if rest.is_empty() => Ok(pairs),
        _ => Err(invalid("The body is no MessagePack map.")),
    }
}

fn invalid(message: &str) -> Problem {
    Problem::bad_request("Request.Body", message)
}

const DEEPEST: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_members_ignore_case() {
        let payload = Payload::from_json(br#"{"Target":"t","Arguments":[1, {"a":1.0}]}"#).unwrap();
        let Payload::Invocation { target, arguments: Arguments::Json(arguments) } = payload else { panic!() };
        assert_eq!((target.as_str(), arguments.text()), ("t", r#"[1, {"a":1.0}]"#));
    }

    #[test]
    fn bodies_without_target_or_with_other_arguments_are_rejected() {
        for body in ["", "[]", "{}", r#"{"target":""}"#, r#"{"target":1}"#, r#"{"target":"t","arguments":{}}"#] {
            assert!(Payload::from_json(body.as_bytes()).is_err(), "{body}");
        }
        assert!(Payload::from_json(br#"{"target":"t"}"#).is_ok());
    }
}
