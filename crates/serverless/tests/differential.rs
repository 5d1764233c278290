//! Client tokens under two implementations that share no code with this one: PyJWT and npm `jose`. Runs with
//! `tests/differential/run.sh`, which fetches both.

#![allow(clippy::disallowed_methods, reason = "tests may block")]
#![expect(clippy::unwrap_used, reason = "a test that panics fails")]

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Arc;

use azure_core::http::headers::Headers;
use azure_core::http::{AsyncRawResponse, HttpClient, Request};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use signalr_serverless::{Endpoint, Endpoints, HubClient, NegotiateOptions, ServiceClient, ServiceClientOptions};

const KEY: &str = "dGVtcG9yYXJ5LWtleS13aXRoLW1vcmUtdGhhbi0zMi1ieXRlcw==";
const AUDIENCE: &str = "https://a.service.signalr.net/client/?hub=chat";

/// Answers nothing: access keys need no call to negotiate.
#[derive(Debug)]
struct Silent;

#[async_trait::async_trait]
impl HttpClient for Silent {
    async fn execute_request(&self, _: &Request) -> azure_core::Result<AsyncRawResponse> {
        Ok(AsyncRawResponse::from_bytes(500_u16.into(), Headers::new(), Bytes::new()))
    }
}

fn chat() -> HubClient {
    let endpoint = Endpoint::access_key("https://a.service.signalr.net:443", KEY.to_owned());
    let options = ServiceClientOptions::default().transport(Arc::new(Silent));
    ServiceClient::from_endpoints(Endpoints::default().with(endpoint), options).unwrap().hub("Chat").unwrap()
}

/// Tokens with random users and claims, and what must be read from each.
fn tokens(count: usize) -> Vec<(String, Value)> {
    let mut runner = TestRunner::deterministic();
    let strategy = ("\\PC{1,20}", prop::collection::btree_map("[a-z]{3,8}", "\\PC{0,20}", 0..6));
    let chat = chat();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let tokens = (0..count).map(|_| {
        let (user, claims) = strategy.new_tree(&mut runner).unwrap().current();
        let user = format!("u{user}");
        let mut expected = json!({ "asrs.s.uid": user, "aud": AUDIENCE });
        let mut options = NegotiateOptions::default().user_id(user);
        for (name, value) in claims {
            // Six letters would clash with `actort`, which is renamed.
            let name = format!("x{name}");
            expected[&name] = json!(value);
            options = options.claim(name, value);
        }
        let response = runtime.block_on(chat.negotiate(options)).unwrap();
        (response.access_token().to_owned(), expected)
    });
    tokens.collect()
}

/// What the other implementation says of each token: its claims set, or why it rejects it.
fn read_by(program: &str, script: &str, tokens: &[String]) -> Vec<String> {
    let path = format!("{}/tests/differential/{script}", env!("CARGO_MANIFEST_DIR"));
    let mut child = Command::new(program)
        .arg(path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program}: {error}; use tests/differential/run.sh"));
    let tokens: Vec<_> = tokens.iter().map(|token| STANDARD.encode(token)).collect();
    let task = json!({ "key": KEY, "audience": AUDIENCE, "tokens": tokens });
    child.stdin.take().unwrap().write_all(task.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{script} failed");
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
#[ignore = "needs PyJWT and jose: tests/differential/run.sh"]
fn two_other_implementations_verify_every_token() {
    let python = std::env::var("DIFFERENTIAL_PYTHON3").unwrap();
    let made = tokens(500);
    let mut tokens: Vec<String> = made.iter().map(|(token, _)| token.clone()).collect();
    // A check that cannot fail is none: one token is changed.
    let mut changed = tokens[0].clone().into_bytes();
    let last = changed.len() - 2;
    changed[last] = if changed[last] == b'A' { b'B' } else { b'A' };
    tokens.push(String::from_utf8(changed).unwrap());
    for (program, script) in [(&*python, "verify.py"), ("node", "verify.mjs")] {
        let read = read_by(program, script, &tokens);
        assert_eq!(read.len(), tokens.len(), "{script}");
        for ((_, expected), line) in made.iter().zip(&read) {
            let claims: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{script}: {line}"));
            for (name, value) in expected.as_object().unwrap() {
                assert_eq!(&claims[name], value, "{script}");
            }
        }
        assert!(read.last().unwrap().starts_with("rejected"), "{script}: {:?}", read.last());
    }
    println!("{} tokens verified by PyJWT and jose", made.len());
}
