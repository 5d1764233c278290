//! Many clients and many messages. Run it by name: `cargo test --release --test load -- --ignored --nocapture`.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::json;
use signalr_emulator::{Emulator, Operation, Role};
use support::hub_client::{HubClient, client_token};
use support::owner;

/// What `name` of `/proc/self/status` says, in KiB.
fn memory(name: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with(name))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// The number of a variable, or what is usual.
fn setting(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes a minute: cargo test --release -p signalr-emulator --test load -- --ignored"]
async fn thousands_of_clients_lose_nothing() {
    let (clients, seconds, rate) = (setting("CLIENTS", 1000), setting("SECONDS", 10), setting("RATE", 1000));
    let emulator = Emulator::builder().plain_http().start().await.unwrap();
    emulator.entra().set_token_lifetime(Duration::from_secs(86_400));
    let mut tasks = tokio::task::JoinSet::new();
    let received = Arc::new(AtomicU64::new(0));
    for number in 0..clients {
        let token = client_token(&emulator, "chat", &json!({"nameid": format!("u{number}")}));
        let mut client = HubClient::open(&emulator, "/client/?hub=chat", Some(&token)).await.unwrap();
        client.send(r#"{"protocol":"json","version":1}"#).await;
        let received = Arc::clone(&received);
        tasks.spawn(async move {
            let mut ping = tokio::time::interval(Duration::from_secs(10));
            loop {
                tokio::select! {
                    message = client.next() => match message {
                        // The handshake's answer.
                        Some(message) if message.get("type").is_none() => (),
                        Some(message) if message["type"] == 1 => {
                            received.fetch_add(1, Ordering::SeqCst);
                        }
                        end => return format!("{end:?}"),
                    },
                    _ = ping.tick() => client.send(r#"{"type":6}"#).await,
                }
            }
        });
    }
    let last = format!("/api/hubs/chat/users/u{}", clients - 1);
    while owner(&emulator, Method::HEAD, &last).send(&emulator).await.status != 200 {}
    println!("{clients} clients: {:?} KiB resident", memory("VmRSS"));

    let token = support::token_with(&emulator, Role::ServiceOwner);
    let address = emulator.client_endpoint().strip_prefix("http://").unwrap();
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let mut latencies = Vec::new();
    let mut pace = tokio::time::interval(Duration::from_nanos(1_000_000_000 / rate));
    for number in 0..seconds * rate {
        pace.tick().await;
        let started = Instant::now();
        let path = format!("/api/hubs/chat/users/u{}/:send?api-version=2024-12-01", number % clients);
        let request = Request::post(path)
            .header(HOST, address)
            .header(AUTHORIZATION, format!("Bearer {token}"))
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(bytes::Bytes::from_static(br#"{"target":"news","arguments":["hi"]}"#)))
            .unwrap();
        sender.ready().await.unwrap();
        let answer = sender.send_request(request).await.unwrap();
        assert_eq!(answer.status(), 202);
        answer.into_body().collect().await.unwrap();
        latencies.push(started.elapsed());
        if number % (rate * 10) == 0 {
            println!("{number} messages: {:?} KiB resident", memory("VmRSS"));
        }
    }
    latencies.sort();
    let at = |part: usize| latencies[(latencies.len() - 1) * part / 1000];
    println!("answered within: median {:?}, 99 % {:?}, 99.9 % {:?}, longest {:?}", at(500), at(990), at(999), at(1000));

    // The last messages are on their way when their sends are answered.
    while received.load(Ordering::SeqCst) < seconds * rate && tasks.try_join_next().is_none() {
        tokio::task::yield_now().await;
    }
    assert_eq!(received.load(Ordering::SeqCst), seconds * rate);
    assert!(tasks.try_join_next().is_none(), "a client was disconnected");
    assert_eq!(u64::try_from(emulator.log().count(Operation::SendToUser)).unwrap(), seconds * rate);
}
