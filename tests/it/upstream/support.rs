//! Fixtures: calls as the service sends them, and completions as a client reads them.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use signalr_upstream_auth::upstream::{Dispatcher, Invocation, Protocol};
use tower::ServiceExt;

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

/// Decodes a completion independently of the code that wrote it.
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

/// A dispatcher for tests of what comes after the check of the token.
pub(crate) fn unprotected() -> Dispatcher {
    Dispatcher::new().dangerous_without_layer()
}

pub(crate) fn call(category: &str, event: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    let mut request = Request::post("/").body(Full::new(body.into())).unwrap();
    *request.headers_mut() = event_headers(category, event);
    request
}

pub(crate) fn message(protocol: Protocol, id: Option<&str>, target: &str, arguments: Value) -> Request<Full<Bytes>> {
    let mut request = call("messages", target, invocation_body(protocol, id, target, &arguments));
    request.headers_mut().insert("content-type", HeaderValue::from_static(protocol.media_type()));
    request
}

pub(crate) async fn answer<S>(dispatcher: &Dispatcher<S>, request: Request<Full<Bytes>>) -> (u16, Bytes)
where
    S: Clone + Send + Sync + 'static,
{
    let response = dispatcher.clone().oneshot(request).await.unwrap();
    (response.status().as_u16(), response.into_body().collect().await.unwrap().to_bytes())
}

/// A body whose connection ends before its first byte.
pub(crate) struct Broken;

impl http_body::Body for Broken {
    type Data = Bytes;
    type Error = std::io::Error;
    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, std::io::Error>>> {
        std::task::Poll::Ready(Some(Err(std::io::ErrorKind::ConnectionReset.into())))
    }
}
