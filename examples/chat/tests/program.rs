//! The program with and without settings.

mod support;

use std::process::Stdio;

use serde_json::json;
use support::Client;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

const INBOUND: [(&str, &str); 3] = [
    ("SIGNALR_UPSTREAM_TENANT_IDS", "11111111-aaaa-4bbb-8ccc-222222222222"),
    ("SIGNALR_UPSTREAM_AUDIENCES", "33333333-aaaa-4bbb-8ccc-222222222222"),
    ("SIGNALR_UPSTREAM_CALLER_OBJECT_IDS", "77777777-aaaa-4bbb-8ccc-222222222222"),
];
const OUTBOUND: (&str, &str) = ("AzureSignalRConnectionString", "Endpoint=https://127.0.0.1:1;AccessKey=hidden");

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chat"));
    command.env_clear().kill_on_drop(true).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// What the program says when it cannot start.
async fn complaint<const N: usize>(variables: [(&str, &str); N]) -> String {
    let output = program().envs(variables).output().await.unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && text.contains("cannot start"), "{text}");
    text
}

#[tokio::test]
async fn whole_loop_runs_without_settings() {
    let mut child = program().env("LISTEN_ADDR", "127.0.0.1:0").spawn().unwrap();
    let line = BufReader::new(child.stdout.take().unwrap()).lines().next_line().await.unwrap().unwrap();
    let url = line.split_once("http://").unwrap().1.trim_end_matches('/');
    let mut anna = Client::connect(&format!("http://{url}"), "chat", "anna").await;
    anna.invoke("broadcast", json!(["hello"])).await.unwrap();
    assert_eq!(anna.event().await, Some(("newMessage".to_owned(), json!(["anna", "hello"]))));
}

#[tokio::test]
async fn names_the_half_that_is_missing() {
    let text = complaint(INBOUND).await;
    assert!(text.contains("AzureSignalRConnectionString__serviceUri"), "{text}");
    let text = complaint([OUTBOUND]).await;
    for (name, _) in INBOUND {
        assert!(text.contains(name), "{text}");
    }
    assert!(!text.contains("hidden"), "{text}");
}

#[tokio::test]
async fn names_every_variable_that_is_wrong() {
    let text =
        complaint([("LISTEN_ADDR", "here"), ("CHAT_CLIENT_TOKENS", "mine"), ("CHAT_TEST_PARAMETERS", "maybe")]).await;
    for name in ["LISTEN_ADDR: `here`", "CHAT_CLIENT_TOKENS: `mine`", "CHAT_TEST_PARAMETERS: `maybe`"] {
        assert!(text.contains(name), "{text}");
    }
}

#[tokio::test]
async fn emulator_stays_on_loopback() {
    let text = complaint([("LISTEN_ADDR", "0.0.0.0:0")]).await;
    assert!(text.contains("loopback"), "{text}");
}
