//! Both halves over a long time, while connections break and Entra changes its keys. Run it by name:
//! `cargo test --release -p chat --test soak -- --ignored --nocapture`. `SECONDS` is how long it takes, 600 by default.

#[path = "../../../crates/emulator/tests/support/measure.rs"]
mod measure;
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use measure::{HEAD, Latencies, Memory};
use serde_json::json;
use signalr_emulator::EmulatorEvent;
use support::{Chat, Client};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What came of one client.
#[derive(Debug)]
struct Tally {
    /// Calls that were answered, each with its message.
    delivered: u64,
    /// Calls whose connection ended before their answer or their message came.
    interrupted: u64,
    /// Messages of interrupted calls that came over the connection after it.
    late: u64,
    connections: u64,
    /// From a call until its answer, and until its message.
    answered: Latencies,
    received: Latencies,
}

impl Tally {
    fn new() -> Self {
        let (answered, received) = (Latencies::new(), Latencies::new());
        Self { delivered: 0, interrupted: 0, late: 0, connections: 0, answered, received }
    }

    fn add(&mut self, other: &Self) {
        self.delivered += other.delivered;
        self.interrupted += other.interrupted;
        self.late += other.late;
        self.connections += other.connections;
        self.answered.merge(&other.answered);
        self.received.merge(&other.received);
    }
}

/// Sends messages to itself until the end. A call fails only if its connection breaks.
async fn talk(url: String, user: String, end: watch::Receiver<bool>, delivered: Arc<AtomicU64>) -> Tally {
    let mut tally = Tally::new();
    while !*end.borrow() {
        let mut client = Client::connect(&url, "chat", &user).await;
        tally.connections += 1;
        while !*end.borrow() {
            let (connection, number) = (tally.connections, tally.delivered);
            let started = Instant::now();
            let text = format!("{connection}/{number}");
            let Some(answer) = client.try_invoke("sendToUser", json!([user, text])).await else {
                tally.interrupted += 1;
                break;
            };
            answer.unwrap_or_else(|error| panic!("{user}, message {text}: {error}"));
            let answered = started.elapsed();
            if !has_own_message(&mut client, &user, &text, &mut tally.late).await {
                tally.interrupted += 1;
                break;
            }
            tally.answered.add(answered);
            tally.received.add(started.elapsed());
            tally.delivered += 1;
            delivered.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    tally
}

/// Waits for the message to itself; `false` if the connection ends before it. Who joins and leaves is told in between.
async fn has_own_message(client: &mut Client, user: &str, text: &str, late: &mut u64) -> bool {
    while let Some((target, arguments)) = client.event().await {
        if target != "newMessage" || arguments[0] != user {
            continue;
        }
        let received = arguments[1].as_str().unwrap();
        if received == text {
            return true;
        }
        let connection = |text: &str| text.split('/').next().map(str::to_owned);
        assert_ne!(connection(received), connection(text), "{user}: {received} instead of {text} is doubled or lost");
        *late += 1;
    }
    false
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes ten minutes: cargo test --release -p chat --test soak -- --ignored"]
async fn nothing_is_lost_while_connections_break_and_keys_change() {
    const CLIENTS: u64 = 20;
    let seconds = std::env::var("SECONDS").map_or(600, |seconds| seconds.parse().expect("a number"));
    let chat = Chat::start().await;
    let (failed, delivered) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let watcher = tokio::spawn(count_failed_calls(chat.emulator.events(), Arc::clone(&failed)));
    let (stop, end) = watch::channel(false);
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        clients.spawn(talk(chat.url.clone(), format!("user{number}"), end.clone(), Arc::clone(&delivered)));
    }

    let (started, mut memory, mut drops, mut rotations) = (Instant::now(), Memory::new(), 0_u64, 0_u64);
    let mut tick = tokio::time::interval(Duration::from_secs(5));
    tick.tick().await;
    while started.elapsed() < Duration::from_secs(seconds) {
        tick.tick().await;
        let elapsed = started.elapsed().as_secs();
        // Not at the end: every client has to come back.
        if elapsed % 10 >= 5 && elapsed + 5 <= seconds {
            chat.emulator.drop_clients();
            drops += 1;
        }
        // A key that is new again within the cooldown of on-demand refreshes (30 s) would be rejected meanwhile.
        if elapsed / 40 > rotations {
            chat.emulator.entra().mock().rotate();
            rotations += 1;
        }
        let delivered = delivered.load(Ordering::SeqCst);
        memory.sample(&format!("{delivered} messages, {drops} drops, {rotations} rotations"));
    }
    stop.send_replace(true);
    let tallies = clients.join_all().await;
    let mut total = Tally::new();
    tallies.iter().for_each(|tally| total.add(tally));
    println!("{HEAD}\n| call until answer | {}\n| call until message | {}", total.answered, total.received);
    let Tally { delivered, interrupted, late, connections, .. } = total;
    println!("{delivered} delivered, {interrupted} interrupted by {drops} drops, {late} late; {rotations} rotations");
    assert!(drops > 0 && rotations > 0, "SECONDS is too short");
    assert_eq!(connections, CLIENTS * (drops + 1), "every client comes back once after each drop");
    assert!(tallies.iter().all(|tally| tally.delivered > 0 && tally.interrupted <= drops), "{tallies:?}");
    assert_eq!(failed.load(Ordering::SeqCst), 0, "every upstream call is accepted, also right after a rotation");
    memory.assert_flat();
    assert!(!watcher.is_finished(), "the calls were not watched to the end");
}

/// Counts upstream calls that the app did not accept at once.
async fn count_failed_calls(mut events: Receiver<EmulatorEvent>, failed: Arc<AtomicU64>) {
    loop {
        match events.recv().await {
            Ok(EmulatorEvent::UpstreamCall(call)) if !matches!(call.attempts[..], [Some(200..=299)]) => {
                println!("{call:?}");
                failed.fetch_add(1, Ordering::SeqCst);
            }
            Ok(_) => {}
            Err(RecvError::Lagged(count)) => panic!("{count} events are lost, and nobody knows of which calls"),
            Err(RecvError::Closed) => return,
        }
    }
}
