//! Clients of others, unchanged, against the emulator: Microsoft's JavaScript client and pysignalr. Run them with
//! `tests/npm/run.sh` and `tests/python/run.sh`.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use serde_json::{Value, json};
use signalr_emulator::{Emulator, Role};
use support::app::{App, Seen, answer};
use support::hub_client::client_token;

/// What `/chat/negotiate` of the app answers.
fn negotiate(emulator: &Emulator, query: &str) -> Value {
    let value = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    let mut claims = json!({"asrs.s.uid": value("user").unwrap()});
    if let Some(seconds) = value("close") {
        let end = emulator.clock().unix_seconds() + seconds.parse::<u64>().unwrap();
        claims["asrs.s.coae"] = "true".into();
        claims["asrs.s.aeo"] = end.to_string().into();
        claims["exp"] = end.into();
    }
    let mut token = client_token(emulator, "chat", &claims);
    if value("broken").is_some() {
        token.push('x');
    }
    json!({"url": format!("{}/client/?hub=chat", emulator.client_endpoint()), "accessToken": token})
}

/// The completion of an invocation, in the protocol of the request.
fn complete(call: &Seen, target: &str) -> Response<Full<Bytes>> {
    if call.headers["content-type"] == "application/x-msgpack" {
        let message = rmpv::decode::read_value(&mut &call.body[..]).unwrap();
        let items = message.as_array().unwrap();
        if items[2].is_nil() {
            return answer(200, "");
        }
        let mut completion = vec![3.into(), rmpv::Value::Map(Vec::new()), items[2].clone()];
        match target {
            "echo" => completion.extend([3.into(), items[4].as_array().unwrap()[0].clone()]),
            "fail" => completion.extend([1.into(), "it failed".into()]),
            _ => completion.push(2.into()),
        }
        let mut bytes = Vec::new();
        rmpv::encode::write_value(&mut bytes, &rmpv::Value::Array(completion)).unwrap();
        return answer(200, frame(&bytes));
    }
    let message: Value = serde_json::from_slice(&call.body).unwrap();
    let Some(id) = message.get("invocationId") else { return answer(200, "") };
    let completion = match target {
        "echo" => json!({"type": 3, "invocationId": id, "result": message["arguments"][0]}),
        "fail" => json!({"type": 3, "invocationId": id, "error": "it failed"}),
        _ => return answer(204, ""),
    };
    answer(200, format!("{completion}\u{1e}"))
}

/// The length in front of a MessagePack message, seven bits a byte.
fn frame(message: &[u8]) -> Vec<u8> {
    let mut framed = Vec::new();
    let mut left = message.len();
    while left > 127 {
        framed.push(u8::try_from(left & 127).unwrap() | 128);
        left >>= 7;
    }
    framed.push(u8::try_from(left).unwrap());
    [framed, message.to_vec()].concat()
}

fn respond(emulator: &Emulator, call: &Seen) -> Response<Full<Bytes>> {
    let (path, query) = call.target.split_once('?').unwrap_or((&call.target, ""));
    match path {
        "/chat/negotiate" => {
            let mut answer = answer(200, negotiate(emulator, query).to_string());
            answer.headers_mut().insert("content-type", http::HeaderValue::from_static("application/json"));
            answer
        }
        "/control/drop" => {
            emulator.drop_clients();
            answer(200, "")
        }
        "/control/advance" => {
            emulator.clock().advance(Duration::from_secs(601));
            answer(200, "")
        }
        "/upstream/chat/messages/status" => answer(418, ""),
        path => match path.strip_prefix("/upstream/chat/messages/") {
            Some(target) => complete(call, target),
            None => answer(200, ""),
        },
    }
}

/// Runs a program that finds the app and the service by its environment, and wants it to succeed.
async fn run(program: &str, script: &str) {
    let cell: Arc<OnceLock<Emulator>> = Arc::default();
    let own = Arc::clone(&cell);
    let app = App::start(move |call| Some(respond(own.get().unwrap(), call))).await;
    let started = Emulator::builder().plain_http().upstream(&app.template()).start().await.unwrap();
    let emulator = cell.get_or_init(|| started);
    let (object_id, client_id) = support::principal();
    emulator.roles().assign(object_id, Role::ServiceOwner);
    emulator.entra().set_token_lifetime(Duration::from_secs(86_400));

    let status = tokio::process::Command::new(program)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join(script))
        .env("APP", &app.url)
        .env("SERVICE", emulator.client_endpoint())
        .env("TOKEN", emulator.entra().service_token(object_id, client_id))
        .stdin(Stdio::null())
        .status()
        .await
        .unwrap();
    assert!(status.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs node and npm: run tests/npm/run.sh"]
async fn microsofts_client_works_unchanged() {
    run("node", "tests/npm/client.js").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs python3: run tests/python/run.sh"]
async fn pysignalr_works_unchanged() {
    run(&std::env::var("PYTHON3").unwrap(), "tests/python/client.py").await;
}
