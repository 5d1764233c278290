//! Microsoft's own client library reads our completions. `tests/npm/run.sh` fetches it and runs this test.
//!
//! The library writes invocations as a client does. The test removes the framing and sends them as the service does,
//! with a token. A dispatcher behind the layer answers, and the library reads the completions. No code of this crate
//! checks itself here.

use std::io::Write;
use std::process::{Command, Stdio};

use axum::Router;
use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_body_util::BodyExt;
use mock_entra::{MockEntra, UpstreamRequest};
use serde_json::{Value, json};
use signalr_upstream_auth::upstream::{
    Arguments, Completion, Context, Dispatcher, HandlerError, Invocation, Protocol, Reply,
};
use signalr_upstream_auth::{Claims, UpstreamAuthLayer};
use tower::ServiceExt;

#[tokio::test]
#[ignore = "needs node and what npm install fetches: run tests/npm/run.sh"]
async fn microsofts_client_reads_every_completion() {
    let entra = MockEntra::start().await;
    let auth = UpstreamAuthLayer::new(entra.policy()).unwrap();
    let app = Router::new().route_service("/upstream/{hub}/{category}/{event}", dispatcher()).layer(auth);
    let token = entra.token().mint();

    let caller = entra.caller_object_id().to_string();
    let long = "é".repeat(9000);
    let nested = json!({"a": [1, -1, 1.5, 4_294_967_296_u64, true, null, {"b": ["", "\u{1e}", "日本 👩‍💻"]}], "": {}});
    let result = |value: Value| json!({"result": value});
    let error = |text: &str| json!({"error": text});
    let cases = [
        ("echo", json!(["hi"]), result(json!("hi"))),
        ("ECHO", json!(["\u{1e}\"\\\u{0}\u{7f}"]), result(json!("\u{1e}\"\\\u{0}\u{7f}"))),
        ("echo", nested_in(&nested), result(nested.clone())),
        ("echo", json!([null]), result(Value::Null)),
        ("echo", json!(["x".repeat(100)]), result(json!("x".repeat(100)))),
        ("echo", json!([long]), result(json!(long))),
        ("echo", json!([]), error("The arguments do not fit the method")),
        ("echo", json!(["a", "b"]), error("The arguments do not fit the method")),
        ("count", json!([{"$date": 0}, {"$date": 1_700_000_000_123_u64}, "x"]), result(json!(3))),
        ("struct", json!([]), result(json!({"hub": "chat", "none": null, "kind": {"Named": {"x": 1}}}))),
        ("void", json!([1, 2, 3]), json!({})),
        ("told", json!([]), error("Nicht erlaubt: 日本")),
        ("hidden", json!([]), error("The method failed")),
        ("wordless", json!([]), error("The method failed")),
        ("caller", json!([]), result(json!(caller))),
        ("byHand", json!([]), result(json!([1, 2, 3]))),
        ("unknown/ method?", json!([]), error("There is no such method")),
    ];
    let mut invocations = Vec::new();
    let mut expected = Vec::new();
    for protocol in [Protocol::Json, Protocol::MessagePack] {
        for (index, (target, arguments, answer)) in cases.iter().enumerate() {
            for (id, stream_ids) in
                [(Some(format!("{index}-ü")), false), (Some(index.to_string()), true), (None, false)]
            {
                let mut message = json!({"type": 1, "target": target, "arguments": arguments});
                if let Some(id) = &id {
                    message["invocationId"] = id.as_str().into();
                }
                if stream_ids {
                    message["streamIds"] = json!([]);
                    message["headers"] = json!({"name": "value"});
                }
                invocations.push(json!({"protocol": format!("{protocol:?}"), "message": message}));
                expected.push((protocol, *target, id, answer));
            }
        }
    }

    let written = hub("write", &invocations);
    let mut answered = Vec::new();
    for (bytes, (protocol, target, id, answer)) in written.iter().zip(expected) {
        let body = unframed(protocol, STANDARD.decode(bytes.as_str().unwrap()).unwrap());
        let request = UpstreamRequest::message("chat", target).body(body).bearer(token.clone());
        let request = if protocol == Protocol::MessagePack { request.message_pack() } else { request };
        let response = app.clone().oneshot(request.into_request::<Body>()).await.unwrap();
        assert_eq!(response.status(), 200, "{protocol:?} {target}");
        let completion = response.into_body().collect().await.unwrap().to_bytes();
        match id {
            Some(id) => {
                let mut message = answer.clone();
                message["type"] = 3.into();
                message["invocationId"] = id.into();
                answered.push((protocol, completion, message));
            }
            None => assert_eq!(completion, "", "{protocol:?} {target}: a send is answered with nothing"),
        }
    }

    let one_by_one: Vec<_> = answered.iter().map(|(protocol, bytes, _)| chunk(*protocol, bytes)).collect();
    for (read, (protocol, bytes, message)) in hub("read", &one_by_one).into_iter().zip(&answered) {
        assert_eq!(meaning(&read), json!([message]), "{protocol:?} {bytes:x?}");
    }
    // A client reads whatever has arrived: all completions in one piece must come apart again.
    for protocol in [Protocol::Json, Protocol::MessagePack] {
        let of_protocol = || answered.iter().filter(|(of, ..)| *of == protocol);
        let stream: Vec<u8> = of_protocol().flat_map(|(_, bytes, _)| bytes.iter().copied()).collect();
        let messages: Vec<_> = of_protocol().map(|(.., message)| message.clone()).collect();
        assert_eq!(meaning(&hub("read", &[chunk(protocol, &stream)])[0]), Value::from(messages));
        println!("{protocol:?}: {} completions read by @microsoft/signalr", of_protocol().count());
    }
}

fn nested_in(value: &Value) -> Value {
    Value::from(vec![value.clone()])
}

fn dispatcher() -> Dispatcher {
    #[derive(serde::Serialize)]
    struct Answer {
        hub: String,
        none: Option<u8>,
        kind: Kind,
    }
    #[derive(serde::Serialize)]
    enum Kind {
        Named { x: u8 },
    }
    async fn structured(context: Context) -> Reply<Answer> {
        Reply(Answer { hub: context.hub().to_owned(), none: None, kind: Kind::Named { x: 1 } })
    }
    Dispatcher::new()
        .message("chat", "echo", async |Arguments((value,)): Arguments<(Value,)>| Reply(value))
        .message("chat", "count", async |invocation: Invocation| Reply(invocation.argument_count()))
        .message("chat", "struct", structured)
        .message("chat", "void", async || ())
        .message("chat", "told", async || HandlerError::new("Nicht erlaubt: 日本"))
        .message("chat", "wordless", async || HandlerError::new(""))
        .message("chat", "hidden", async || "secret".parse::<u8>().map(Reply))
        .message("chat", "caller", async |claims: Claims| Reply(claims.object_id().to_string()))
        .message("chat", "byHand", async |invocation: Invocation| Completion::result(&invocation, &[1, 2, 3]))
        .message("*", "*", async || HandlerError::new("There is no such method"))
}

/// The service takes the client's framing off.
fn unframed(protocol: Protocol, mut bytes: Vec<u8>) -> Vec<u8> {
    match protocol {
        Protocol::Json => assert_eq!(bytes.pop(), Some(0x1e)),
        _ => drop(bytes.drain(..=bytes.iter().position(|byte| byte & 0x80 == 0).unwrap())),
    }
    bytes
}

fn chunk(protocol: Protocol, bytes: &[u8]) -> Value {
    json!({"protocol": format!("{protocol:?}"), "bytes": STANDARD.encode(bytes)})
}

/// What the library adds for its own use is left out: empty headers, and `result` or `error` that is undefined.
fn meaning(messages: &Value) -> Value {
    let mut messages = messages.clone();
    for message in messages.as_array_mut().unwrap() {
        let message = message.as_object_mut().unwrap();
        assert!(message.remove("headers").is_none_or(|headers| headers == json!({})));
    }
    messages
}

fn hub(action: &str, items: &[Value]) -> Vec<Value> {
    let mut child = Command::new("node")
        .args(["hub.js", action])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/npm"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node must be installed");
    let input = serde_json::to_vec(items).unwrap();
    // The script reads all of its input before it writes anything.
    child.stdin.take().unwrap().write_all(&input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "hub.js {action}: {}", output.status);
    serde_json::from_slice(&output.stdout).unwrap()
}
