//! What a dropped or stopped emulator leaves behind: nothing.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::time::Duration;

use http::Method;
use serde_json::json;
use signalr_emulator::{Emulator, EmulatorSettings, write_log};
use support::hub_client::HubClient;
use support::owner;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(10);

#[tokio::test]
async fn attached_clients_learn_that_the_emulator_is_dropped() {
    let emulator = Emulator::start().await.unwrap();
    let mut client = emulator.attach_client("chat", None);
    let waiting = tokio::spawn(async move { client.next().await });
    tokio::task::yield_now().await;
    drop(emulator);
    assert_eq!(timeout(PATIENCE, waiting).await.unwrap().unwrap(), None);
}

#[tokio::test]
async fn ports_are_free_once_the_emulator_is_stopped() {
    // Below the ports that systems hand out, so that no other test takes them in between.
    let first = 20_000 + u16::try_from(std::process::id() % 10_000).unwrap();
    let mut free = (first..).filter(|port| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok());
    let ports: [u16; 5] = std::array::from_fn(|_| free.next().unwrap());
    let builder = EmulatorSettings::default().builder().https_port(ports[0]).http_port(ports[1]);
    let builder = builder.authority_port(ports[2]).identity_port(ports[3]).proxy_port(ports[4]);
    let emulator = builder.clone().start().await.unwrap();
    let mut client = HubClient::connect(&emulator, "chat", &json!({})).await;
    emulator.stop().await;
    let _second = builder.start().await.unwrap();
    assert_eq!(client.next().await, None);
}

#[tokio::test]
async fn log_ends_with_the_emulator_whatever_is_under_way() {
    let emulator = Emulator::start().await.unwrap();
    let log = tokio::spawn(write_log(emulator.events(), |_| ()));
    let mut client = emulator.attach_client("chat", None);
    let path = format!("/api/hubs/chat/connections/{}/:invoke", client.connection_id());
    let request = owner(&emulator, Method::POST, &path).json(json!({"target": "ask"}));
    tokio::select! {
        reply = request.try_send(&emulator) => panic!("{reply:?}"),
        _ = client.next() => (),
    }
    drop(emulator);
    timeout(PATIENCE, log).await.unwrap().unwrap();
    drop(client);
}
