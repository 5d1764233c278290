//! Values between JSON and MessagePack.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Number};

/// A JSON value as MessagePack.
pub(crate) fn json_to_message_pack(value: &serde_json::Value) -> rmpv::Value {
    use serde_json::Value;
    match value {
        Value::Null => rmpv::Value::Nil,
        Value::Bool(value) => (*value).into(),
        Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
            (Some(number), _, _) => number.into(),
            (None, Some(number), _) => number.into(),
            (None, None, number) => number.unwrap_or(f64::NAN).into(),
        },
        Value::String(text) => text.as_str().into(),
        Value::Array(items) => rmpv::Value::Array(items.iter().map(json_to_message_pack).collect()),
        Value::Object(members) => {
            let pair = |(name, value): (&String, _)| (name.as_str().into(), json_to_message_pack(value));
            rmpv::Value::Map(members.iter().map(pair).collect())
        }
    }
}

/// A MessagePack value as JSON. Bytes become base64, as System.Text.Json writes them; extensions and numbers that JSON
/// lacks become null.
pub(crate) fn message_pack_to_json(value: &rmpv::Value) -> serde_json::Value {
    use rmpv::Value;
    match value {
        Value::Nil | Value::Ext(..) => serde_json::Value::Null,
        Value::Boolean(value) => (*value).into(),
        Value::Integer(number) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => number.into(),
            (None, number) => number.into(),
        },
        Value::F32(number) => Number::from_f64(f64::from(*number)).into(),
        Value::F64(number) => Number::from_f64(*number).into(),
        Value::String(text) => String::from_utf8_lossy(text.as_bytes()).into(),
        Value::Binary(bytes) => STANDARD.encode(bytes).into(),
        Value::Array(items) => items.iter().map(message_pack_to_json).collect(),
        Value::Map(pairs) => {
            let pair = |(name, value): &(Value, Value)| (name_of(name), message_pack_to_json(value));
            pairs.iter().map(pair).collect::<Map<_, _>>().into()
        }
    }
}

fn name_of(key: &rmpv::Value) -> String {
    key.as_str().map_or_else(|| key.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn json_survives_the_way_through_message_pack() {
        let value = json!({"a": [1, -2, 1.5, null, true, "ü", u64::MAX, i64::MIN], "b": {}});
        assert_eq!(message_pack_to_json(&json_to_message_pack(&value)), value);
    }

    #[test]
    fn bytes_become_base64() {
        assert_eq!(message_pack_to_json(&rmpv::Value::Binary(vec![1, 2, 255])), json!("AQL/"));
        assert_eq!(message_pack_to_json(&rmpv::Value::F64(f64::NAN)), json!(null));
    }
}
