//! Messages to clients, in both protocols.

use bytes::Bytes;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::HubProtocol;
use super::convert::{json_to_message_pack, message_pack_to_json};
use super::framing::{frame_json, frame_message_pack};

/// A framed message for the clients of each protocol. A client whose protocol is missing gets nothing.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Frames {
    pub(crate) json: Option<Bytes>,
    pub(crate) message_pack: Option<Bytes>,
}

/// The arguments of an invocation, as they came.
#[derive(Clone, Debug)]
pub(crate) enum Arguments {
    Json(JsonArguments),
    MessagePack(Vec<rmpv::Value>),
}

/// The text of a JSON array, and what clients of MessagePack get.
#[derive(Clone, Debug)]
pub(crate) struct JsonArguments {
    text: Box<RawValue>,
    values: Vec<rmpv::Value>,
}

impl JsonArguments {
    /// Reads every value, since JSON has texts that no other protocol can carry: half a surrogate pair, numbers beyond
    /// all bounds, and nesting without end.
    pub(crate) fn read(text: Box<RawValue>) -> Result<Self, serde_json::Error> {
        let items: Vec<Value> = serde_json::from_str(text.get())?;
        Ok(Self { text, values: items.iter().map(json_to_message_pack).collect() })
    }

    pub(crate) fn text(&self) -> &str {
        self.text.get()
    }
}

/// How an invocation ended.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    Void,
    Error(String),
}

impl Frames {
    pub(crate) fn of(&self, protocol: HubProtocol) -> Option<&Bytes> {
        match protocol {
            HubProtocol::Json => self.json.as_ref(),
            HubProtocol::MessagePack => self.message_pack.as_ref(),
        }
    }

    /// A client method to call, with an id if its result is wanted.
    pub(crate) fn invocation(target: &str, arguments: &Arguments, id: Option<&str>) -> Self {
        let (text, values) = match arguments {
            Arguments::Json(arguments) => (arguments.text().to_owned(), arguments.values.clone()),
            Arguments::MessagePack(values) => {
                let items: Vec<_> = values.iter().map(message_pack_to_json).collect();
                (Value::from(items).to_string(), values.clone())
            }
        };
        let id_member = id.map(|id| format!(r#""invocationId":{},"#, json!(id))).unwrap_or_default();
        let json = format!(r#"{{"type":1,{id_member}"target":{},"arguments":{text}}}"#, json!(target));
        let message_pack = vec![
            1.into(),
            rmpv::Value::Map(Vec::new()),
            id.map_or(rmpv::Value::Nil, Into::into),
            target.into(),
            rmpv::Value::Array(values),
            rmpv::Value::Array(Vec::new()),
        ];
        Self::both(&json, message_pack)
    }

    /// The end of an invocation that the client made.
    pub(crate) fn completion(id: &str, outcome: &Outcome) -> Self {
        let mut json = object(json!({"type": 3, "invocationId": id}));
        let mut message_pack = vec![3.into(), rmpv::Value::Map(Vec::new()), id.into()];
        match outcome {
            Outcome::Error(text) => {
                json.insert("error".to_owned(), text.as_str().into());
                message_pack.extend([1.into(), text.as_str().into()]);
            }
            Outcome::Void => message_pack.push(2.into()),
        }
        Self::both(&Value::from(json).to_string(), message_pack)
    }

    /// One item of a stream that the server sends.
    pub(crate) fn stream_item(id: &str, item: &Value) -> Self {
        let json = json!({"type": 2, "invocationId": id, "item": item});
        let message_pack = vec![2.into(), rmpv::Value::Map(Vec::new()), id.into(), json_to_message_pack(item)];
        Self::both(&json.to_string(), message_pack)
    }

    pub(crate) fn ping() -> Self {
        Self::both(r#"{"type":6}"#, vec![6.into()])
    }

    /// The last message on a connection. Without an error the client takes it for an orderly end.
    pub(crate) fn close(error: Option<&str>, allow_reconnect: bool) -> Self {
        let mut json = object(json!({"type": 7}));
        if let Some(error) = error {
            json.insert("error".to_owned(), error.into());
        }
        if allow_reconnect {
            json.insert("allowReconnect".to_owned(), true.into());
        }
        let error = error.map_or(rmpv::Value::Nil, Into::into);
        Self::both(&Value::from(json).to_string(), vec![7.into(), error, allow_reconnect.into()])
    }

    fn both(json: &str, message_pack: Vec<rmpv::Value>) -> Self {
        let mut bytes = Vec::new();
        // A vector takes every byte.
        let _ = rmpv::encode::write_value(&mut bytes, &rmpv::Value::Array(message_pack));
        Self { json: Some(frame_json(json)), message_pack: Some(frame_message_pack(&bytes)) }
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(text: &str) -> Arguments {
        Arguments::Json(JsonArguments::read(RawValue::from_string(text.to_owned()).unwrap()).unwrap())
    }

    #[test]
    fn invocations_have_the_shape_of_the_specification() {
        let frames = Frames::invocation("new", &arguments(r#"["hi", 1.0]"#), None);
        assert_eq!(frames.json.unwrap(), "{\"type\":1,\"target\":\"new\",\"arguments\":[\"hi\", 1.0]}\x1e");
        let expected = b"\x16\x96\x01\x80\xc0\xa3new\x92\xa2hi\xcb\x3f\xf0\0\0\0\0\0\0\x90";
        assert_eq!(&frames.message_pack.unwrap()[..], &expected[..]);
        let frames = Frames::invocation("ask", &Arguments::MessagePack(vec![rmpv::Value::Nil]), Some("7"));
        assert_eq!(
            frames.json.unwrap(),
            "{\"type\":1,\"invocationId\":\"7\",\"target\":\"ask\",\"arguments\":[null]}\x1e"
        );
    }

    #[test]
    fn completions_have_the_shape_of_the_specification() {
        let frames = Frames::completion("42", &Outcome::Void);
        assert_eq!(frames.json.unwrap(), "{\"invocationId\":\"42\",\"type\":3}\x1e");
        assert_eq!(&frames.message_pack.unwrap()[..], b"\x07\x94\x03\x80\xa242\x02");
        let frames = Frames::completion("42", &Outcome::Error("nope".to_owned()));
        assert_eq!(&frames.message_pack.unwrap()[..], b"\x0c\x95\x03\x80\xa242\x01\xa4nope");
    }

    #[test]
    fn close_messages_say_why_and_whether_to_come_back() {
        let frames = Frames::close(Some("bye"), true);
        assert_eq!(frames.json.unwrap(), "{\"allowReconnect\":true,\"error\":\"bye\",\"type\":7}\x1e");
        assert_eq!(&frames.message_pack.unwrap()[..], b"\x07\x93\x07\xa3bye\xc3");
        assert_eq!(Frames::close(None, false).json.unwrap(), "{\"type\":7}\x1e");
    }
}
