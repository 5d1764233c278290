//! The page, and Microsoft's client, in Chromium. Run it with `tests/browser/run.sh`.

mod support;

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use axum::Router;
use axum::routing::post;
use support::Chat;
use tokio::process::Command;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs node, npm and chromium: run tests/browser/run.sh"]
async fn browsers_chat_and_microsofts_client_connects_from_another_origin() {
    let chat = Chat::start().await;
    let emulator = Arc::clone(&chat.emulator);
    let drop_clients = async move || emulator.drop_clients();
    let control = Chat::serve(Router::new().route("/drop", post(drop_clients))).await;
    let status = Command::new("node")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/browser.mjs"))
        .env("APP", &chat.url)
        .env("CONTROL", control)
        .stdin(Stdio::null())
        .status()
        .await
        .unwrap();
    assert!(status.success());
}
