//! Both halves over a long time, while connections break and Entra changes its keys. Run it by name:
//! `cargo test --release -p chat --test soak -- --ignored --nocapture`. `SECONDS` is how long it takes, 600 by default.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use signalr_emulator::EmulatorEvent;
use support::{Chat, Client};
use tokio::sync::broadcast::Receiver;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What came of one client.
#[derive(Debug, Default)]
struct Tally {
    /// Calls that were answered, each with its message.
    delivered: u64,
    /// Calls whose connection ended before their answer or their message came.
    interrupted: u64,
    connections: u64,
}

/// What the machine says of this process, in KiB.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find(|line| line.starts_with("VmRSS"))?.split_whitespace().nth(1)?.parse().ok()
}

/// Sends messages to itself until the end. A call fails only if its connection breaks.
async fn talk(url: String, user: String, end: watch::Receiver<bool>) -> Tally {
    let mut tally = Tally::default();
    while !*end.borrow() {
        let mut client = Client::connect(&url, "chat", &user).await;
        tally.connections += 1;
        while !*end.borrow() {
            let text = tally.delivered.to_string();
            let Some(answer) = client.try_invoke("sendToUser", json!([user, text])).await else {
                tally.interrupted += 1;
                break;
            };
            answer.unwrap_or_else(|error| panic!("{user}, message {text}: {error}"));
            match own_message(&mut client, &user).await {
                Some(received) => assert_eq!(received, text, "{user}: lost, doubled or out of order"),
                None => {
                    tally.interrupted += 1;
                    break;
                }
            }
            tally.delivered += 1;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    tally
}

/// The next message to itself. Who joins and leaves is told in between.
async fn own_message(client: &mut Client, user: &str) -> Option<Value> {
    loop {
        let (target, arguments) = client.event().await?;
        if target == "newMessage" && arguments[0] == user {
            return Some(arguments[1].clone());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes ten minutes: cargo test --release -p chat --test soak -- --ignored"]
async fn nothing_is_lost_while_connections_break_and_keys_change() {
    const CLIENTS: u64 = 20;
    let seconds = std::env::var("SECONDS").map_or(600, |seconds| seconds.parse().expect("a number"));
    let chat = Chat::start().await;
    let failed = Arc::new(AtomicU64::new(0));
    tokio::spawn(count_failed_calls(chat.emulator.events(), Arc::clone(&failed)));
    let (stop, end) = watch::channel(false);
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        clients.spawn(talk(chat.url.clone(), format!("user{number}"), end.clone()));
    }

    let (started, mut drops, mut rotations) = (Instant::now(), 0_u64, 0_u64);
    let mut tick = tokio::time::interval(Duration::from_secs(5));
    tick.tick().await;
    while started.elapsed() < Duration::from_secs(seconds) {
        tick.tick().await;
        let elapsed = started.elapsed().as_secs();
        if elapsed % 10 >= 5 {
            chat.emulator.drop_clients();
            drops += 1;
        }
        // A key that is new again within the cooldown of on-demand refreshes (30 s) would be rejected meanwhile.
        if elapsed / 40 > rotations {
            chat.emulator.entra().mock().rotate();
            rotations += 1;
        }
        if elapsed % 30 < 5 {
            println!("{elapsed} s: {drops} drops, {rotations} rotations, {:?} KiB resident", resident());
        }
    }
    stop.send_replace(true);
    let tallies = clients.join_all().await;
    let total = tallies.iter().fold(Tally::default(), |sum, tally| Tally {
        delivered: sum.delivered + tally.delivered,
        interrupted: sum.interrupted + tally.interrupted,
        connections: sum.connections + tally.connections,
    });
    println!("{total:?}, {drops} drops, {rotations} rotations");
    assert!(drops > 0 && rotations > 0, "SECONDS is too short");
    assert_eq!(total.connections, CLIENTS * (drops + 1), "every client comes back once after each drop");
    assert!(tallies.iter().all(|tally| tally.delivered > 0 && tally.interrupted <= drops), "{tallies:?}");
    assert_eq!(failed.load(Ordering::SeqCst), 0, "every upstream call is accepted, also right after a rotation");
}

/// Counts upstream calls that the app did not accept at once.
async fn count_failed_calls(mut events: Receiver<EmulatorEvent>, failed: Arc<AtomicU64>) {
    while let Ok(event) = events.recv().await {
        if let EmulatorEvent::UpstreamCall(call) = event
            && !matches!(call.attempts[..], [Some(200..=299)])
        {
            println!("{call:?}");
            failed.fetch_add(1, Ordering::SeqCst);
        }
    }
}
