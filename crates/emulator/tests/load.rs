//! Many idle clients and a steady rate of messages, in one process. Run it by name:
//! `cargo test --release -p signalr-emulator --test load -- --ignored --nocapture`.
//!
//! | Variable | Meaning | Default |
//! |---|---|---|
//! | `CLIENTS` | clients, each with a WebSocket; each takes two file descriptors (`ulimit -n`) | 1000 |
//! | `RATE` | messages a second, each to one client after the other | 1000 |
//! | `SECONDS` | how long | 10 |
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

#[path = "support/measure.rs"]
mod measure;
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use measure::{HEAD, Latencies, Memory};
use serde_json::json;
use signalr_emulator::{Emulator, Operation, Role};
use support::hub_client::{HubClient, client_token};
use support::owner;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// The number of a variable, or what is usual.
fn setting(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |text| text.parse().expect("a number"))
}

/// When each message was due and when it came, in microseconds since the start. All of it is there from the start, so that
/// measuring does not need more and more memory.
struct Messages {
    started: Instant,
    due: Vec<AtomicU64>,
    arrived: Vec<AtomicU64>,
    received: AtomicU64,
    duplicates: AtomicU64,
}

impl Messages {
    fn new(count: u64) -> Self {
        let never = || (0..count).map(|_| AtomicU64::new(NEVER)).collect();
        let (due, arrived) = (never(), never());
        Self { started: Instant::now(), due, arrived, received: AtomicU64::new(0), duplicates: AtomicU64::new(0) }
    }

    fn count(&self) -> u64 {
        u64::try_from(self.due.len()).unwrap()
    }

    fn micros_of(&self, time: Instant) -> u64 {
        u64::try_from(time.duration_since(self.started).as_micros()).unwrap()
    }

    fn is_due(&self, number: u64, time: Instant) {
        self.due[usize::try_from(number).unwrap()].store(self.micros_of(time), Ordering::SeqCst);
    }

    fn has_arrived(&self, number: u64) {
        let now = self.micros_of(Instant::now());
        if self.arrived[usize::try_from(number).unwrap()].swap(now, Ordering::SeqCst) == NEVER {
            self.received.fetch_add(1, Ordering::SeqCst);
        } else {
            self.duplicates.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn latencies(&self, from: u64) -> Latencies {
        let mut latencies = Latencies::new();
        for (due, arrived) in self.due.iter().zip(&self.arrived).skip(usize::try_from(from).unwrap()) {
            let (due, arrived) = (due.load(Ordering::SeqCst), arrived.load(Ordering::SeqCst));
            if arrived != NEVER {
                latencies.add(Duration::from_micros(arrived.saturating_sub(due)));
            }
        }
        latencies
    }
}

/// A client that gets each `clients`th message, in order. Returns why it ended, which it should not.
async fn listen(mut client: HubClient, own: u64, clients: u64, messages: Arc<Messages>) -> String {
    let (mut ping, mut next) = (tokio::time::interval(Duration::from_secs(10)), own);
    loop {
        tokio::select! {
            message = client.next() => match message {
                // The handshake's answer.
                Some(message) if message.get("type").is_none() => (),
                Some(message) if message["type"] == 1 => {
                    let number = message["arguments"][0].as_u64().unwrap();
                    if number % clients != own || number > next {
                        return format!("client {own} got message {number} instead of {next}");
                    }
                    messages.has_arrived(number);
                    next = number + clients;
                }
                end => return format!("client {own} was disconnected: {end:?}"),
            },
            _ = ping.tick() => client.send(r#"{"type":6}"#).await,
        }
    }
}

async fn send(connection: &mut SendRequest<Full<Bytes>>, address: &str, token: &str, user: u64, number: u64) {
    let request = Request::post(format!("/api/hubs/chat/users/u{user}/:send?api-version=2024-12-01"))
        .header(HOST, address)
        .header(AUTHORIZATION, format!("Bearer {token}"))
        .header(CONTENT_TYPE, "application/json")
        .body(Full::from(json!({"target": "news", "arguments": [number]}).to_string()))
        .unwrap();
    connection.ready().await.unwrap();
    let answer = connection.send_request(request).await.unwrap();
    assert_eq!(answer.status(), 202);
    answer.into_body().collect().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes a minute: cargo test --release -p signalr-emulator --test load -- --ignored"]
async fn thousands_of_clients_lose_nothing() {
    let (clients, seconds, rate) = (setting("CLIENTS", 1000), setting("SECONDS", 10), setting("RATE", 1000));
    let emulator = Emulator::builder().plain_http().start().await.unwrap();
    emulator.entra().set_token_lifetime(Duration::from_secs(86_400));
    // The emulator keeps its latest requests. Memory can be flat once that log is full.
    let messages = Arc::new(Messages::new(LOGGED + seconds * rate));
    let mut tasks = JoinSet::new();
    for number in 0..clients {
        let token = client_token(&emulator, "chat", &json!({"nameid": format!("u{number}")}));
        let mut client = HubClient::open(&emulator, "/client/?hub=chat", Some(&token)).await.unwrap();
        client.send(r#"{"protocol":"json","version":1}"#).await;
        tasks.spawn(listen(client, number, clients, Arc::clone(&messages)));
    }
    let last = format!("/api/hubs/chat/users/u{}", clients - 1);
    while owner(&emulator, Method::HEAD, &last).send(&emulator).await.status != 200 {}

    let token = support::token_with(&emulator, Role::ServiceOwner);
    let address = emulator.client_endpoint().strip_prefix("http://").unwrap();
    let stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (mut connection, driver) = handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(driver);
    for number in 0..LOGGED {
        messages.is_due(number, Instant::now());
        send(&mut connection, address, &token, number % clients, number).await;
    }
    println!("{clients} clients, {LOGGED} messages without a pause; now {rate} a second for {seconds} s");

    let (mut alone, mut answered) = (Latencies::new(), Latencies::new());
    let (mut memory, began) = (Memory::new(), Instant::now());
    let mut pace = tokio::time::interval(Duration::from_nanos(1_000_000_000 / rate));
    for number in LOGGED..messages.count() {
        // A latency counts from when its message was due: one that is late delays those after it.
        let due = pace.tick().await;
        messages.is_due(number, due);
        let started = Instant::now();
        send(&mut connection, address, &token, number % clients, number).await;
        alone.add(started.elapsed());
        answered.add(due.elapsed());
        if (number - LOGGED).is_multiple_of(rate) {
            memory.sample(&format!("{} messages", number - LOGGED));
        }
    }
    println!("{} messages in {:.1?}", messages.count() - LOGGED, began.elapsed());

    // The last messages are on their way when their sends are answered.
    let all = async {
        while messages.received.load(Ordering::SeqCst) < messages.count() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::select! {
        // What is lost is counted below.
        _ = tokio::time::timeout(Duration::from_secs(60), all) => {}
        Some(ended) = tasks.join_next() => panic!("{}", ended.unwrap()),
    }
    let (received, duplicates) = (messages.received.load(Ordering::SeqCst), messages.duplicates.load(Ordering::SeqCst));
    println!("{HEAD}\n| request until 202 | {alone}\n| due until 202 | {answered}");
    println!("| due until received | {}", messages.latencies(LOGGED));
    println!("{} lost, {duplicates} duplicates", messages.count() - received);
    assert_eq!((received, duplicates), (messages.count(), 0));
    assert_eq!(u64::try_from(emulator.log().count(Operation::SendToUser)).unwrap(), messages.count());
    memory.assert_flat();
}

/// How many requests the log of an emulator keeps ([`signalr_emulator::RequestLog`]).
const LOGGED: u64 = 10_000;
const NEVER: u64 = u64::MAX;
