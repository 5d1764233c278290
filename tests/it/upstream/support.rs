//! Calls as the service makes them, and completions as a client reads them.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};
use signalr_upstream_auth::upstream::{Invocation, Protocol};

pub(crate) const ID: &str = "conn-0001-abcDEF_xyz";
pub(crate) const PRIMARY: &str = "primary-key-for-tests-only";
pub(crate) const PRIMARY_ITEM: &str = "sha256=880f524ef3e7664b1e9dd81ac195da2c1c98423aea6a959694e3e4334d215653";

pub(crate) fn event_headers(category: &str, event: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("x-asrs-connection-id", ID),
        ("x-asrs-hub", "chat"),
        ("x-asrs-category", category),
        ("x-asrs-event", event),
        ("content-type", "application/json"),
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    headers
}

pub(crate) fn invocation_body(protocol: Protocol, id: Option<&str>, target: &str, arguments: &Value) -> Bytes {
    match protocol {
        Protocol::Json => {
            let mut message = json!({"type": 1, "target": target, "arguments": arguments});
            if let Some(id) = id {
                message["invocationId"] = id.into();
            }
            message.to_string().into()
        }
        _ => rmp_serde::to_vec(&(1, BTreeMap::<(), ()>::new(), id, target, arguments)).unwrap().into(),
    }
}

pub(crate) fn invocation(protocol: Protocol, id: Option<&str>, target: &str, arguments: &Value) -> Invocation {
    Invocation::parse(protocol, invocation_body(protocol, id, target, arguments)).unwrap()
}

pub(crate) const PROTOCOLS: [Protocol; 2] = [Protocol::Json, Protocol::MessagePack];

/// What the client's parser would see, by other means than those that wrote it.
pub(crate) fn decode(protocol: Protocol, bytes: &[u8]) -> Value {
    match protocol {
        Protocol::Json => {
            let text = bytes.strip_suffix(&[0x1e]).unwrap();
            assert!(!text.contains(&0x1e), "one message only");
            serde_json::from_slice(text).unwrap()
        }
        _ => {
            let prefix = bytes.iter().position(|byte| byte & 0x80 == 0).unwrap() + 1;
            let length = bytes[..prefix].iter().rev().fold(0, |sum, byte| sum << 7 | usize::from(byte & 0x7f));
            assert_eq!(bytes.len(), prefix + length);
            let message: Vec<Value> = rmp_serde::from_slice(&bytes[prefix..]).unwrap();
            assert_eq!((&message[0], &message[1]), (&json!(3), &json!({})));
            let mut decoded = json!({"type": 3, "invocationId": message[2]});
            match message[3].as_u64() {
                Some(1) => decoded["error"] = message[4].clone(),
                Some(3) => decoded["result"] = message[4].clone(),
                kind => assert_eq!((kind, message.len()), (Some(2), 4)),
            }
            decoded
        }
    }
}
