//! Three days of everything at once.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::alone::{Heap, alone};
use super::harness::{Attempt, DAY, HOUR, Harness, MINUTE, Outcome, Reply, SECOND, ended, request};
use super::table::Row;
use crate::ids::KeyId;
use crate::keys::sample::{document, key, unusable};

/// A new key signs for so long; the next one is listed for the same time before that.
const TURN: Duration = Duration::from_secs(607);
/// Another fault, or none, for each such span.
const SPELL: Duration = Duration::from_secs(300);

/// The key that signs at this time.
fn signer(at: Duration) -> u64 {
    at.as_secs() / TURN.as_secs()
}

/// The keys that are listed: the one that comes next, the one that signs, and those of the last half hour.
fn listed(at: Duration) -> Vec<String> {
    (signer(at).saturating_sub(3)..=signer(at) + 1).map(|number| format!("key-{number}")).collect()
}

/// What is wrong at this time. In each spell one thing is, for half of it, from some moment on.
fn fault(at: Duration) -> u64 {
    let (spell, second) = (at.as_secs() / SPELL.as_secs(), at.as_secs() % SPELL.as_secs());
    let random = (spell + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    let begins = random % (SPELL.as_secs() / 2);
    if (begins..begins + SPELL.as_secs() / 2).contains(&second) { random >> 20 } else { u64::MAX }
}

fn reply(at: Duration) -> Reply {
    let names = listed(at);
    let good = || Reply::keys(&names.iter().map(String::as_str).collect::<Vec<_>>());
    match fault(at) {
        0 => Reply::DOWN,
        1 => Reply::Silence,
        2 => Reply::Failure { retry_after: Some(MINUTE) },
        3 => Reply::Document(r#"{"keys":[]}"#.to_owned()),
        4 => Reply::Document("<html>".to_owned()),
        5 => Reply::Document(document(&[unusable("curve")])),
        6 => Reply::Document(document(&[key("key-0")]).split_at(100).0.to_owned()),
        7 => Reply::Panic,
        8 => good().after(SECOND * 6),
        9 => good().after(Duration::from_millis(1500)),
        // One key is missing, another each time.
        10 | 11 => {
            let mut names = names;
            names.remove(usize::try_from(at.as_secs()).unwrap() % 3);
            Reply::keys(&names.iter().map(String::as_str).collect::<Vec<_>>())
        }
        _ => good(),
    }
}

/// Whether the provider succeeds at this time, and has succeeded for a while.
fn is_calm(at: Duration) -> bool {
    let good =
        |at: Duration| matches!(reply(at), Reply::Document(text) if text.contains("key-1") || text.contains("key-2"));
    let flood = |at: Duration| at.as_secs() % 1800 < 60;
    let long_ago = at.saturating_sub(SECOND * 62);
    good(at) && good(long_ago) && !flood(at) && !flood(at.saturating_sub(SECOND * 31))
}

#[test]
#[ignore = "slow: .ci/slow runs it"]
fn scenario_48_three_days_of_everything() {
    alone("keys::remote::tests::scenarios::soak::scenario_48_three_days_of_everything", async {
        let figures = soak(DAY * 3, SECOND).await;
        Row::new(48, "72 h: a rotation every 10 min, a fault every 5, a flood every 30, clock jumps")
            .fetches(figures.fetches, 2 * 400..=2 * 9000)
            .lost(figures.lost_known + figures.lost_in_calm, 0)
            .figure("good requests", figures.passed, 500_000..)
            .figure("of keys the store could not know yet, in a fault or flood", figures.lost_in_trouble, ..=20_000)
            .figure("rejected with 401 under a listed key", figures.invalid_known, 0)
            .figure("growth of the heap after hour 1, KiB", figures.growth / 1024, ..=1024)
            .figure("tasks more than at hour 1", figures.tasks, 0)
            .print();
    });
}

#[derive(Debug, Default)]
struct Figures {
    fetches: u64,
    passed: u64,
    /// Requests with a key that a success within the retention had listed.
    lost_known: u64,
    invalid_known: u64,
    /// Requests with a key that no answer had listed yet, though answers were to be had.
    lost_in_calm: u64,
    lost_in_trouble: u64,
    growth: usize,
    tasks: usize,
}

async fn soak(length: Duration, step: Duration) -> Figures {
    let told: Arc<Mutex<HashSet<KeyId>>> = Arc::default();
    let script = {
        let told = Arc::clone(&told);
        move |attempt: Attempt| {
            let reply = reply(attempt.at);
            let good = match &reply {
                Reply::Document(text) => Some(text),
                Reply::After(wait, reply) if *wait < SECOND * 5 => match &**reply {
                    Reply::Document(text) => Some(text),
                    _ => None,
                },
                _ => None,
            };
            if let Some(text) = good {
                told.lock()
                    .unwrap()
                    .extend(listed(attempt.at).iter().filter(|name| text.contains(*name)).map(|name| KeyId::new(name)));
            }
            reply
        }
    };
    let harness = Harness::warm(script).await;
    let alive = || Handle::current().metrics().num_alive_tasks();
    let mut figures = Figures::default();
    let start = Instant::now();
    let mut after_an_hour = None;
    let mut requests: JoinSet<(KeyId, Duration, bool, Outcome)> = JoinSet::new();
    let attacks = Arc::new(AtomicU64::new(0));
    while start.elapsed() < length {
        let now = start.elapsed();
        if after_an_hour.is_none() && now >= HOUR {
            after_an_hour = Some((Heap::start(), alive()));
        }
        // Once a day the clock goes wrong for ten minutes, by less than any limit.
        harness.clock.set_ahead(if now.as_secs() % 86_400 < 600 { 7200 } else { 0 });
        for number in [signer(now), signer(now).saturating_sub(1)] {
            let id = KeyId::new(&format!("key-{number}"));
            let is_known = told.lock().unwrap().contains(&id);
            if let crate::keys::Lookup::Found(_) = harness.store.lookup_now(&id) {
                figures.passed += 1;
                continue;
            }
            let store = Arc::clone(&harness.store);
            requests.spawn(async move {
                let outcome = request(&store, &id).await;
                (id, now, is_known, outcome)
            });
        }
        if now.as_secs() % 1800 < 60 {
            for _ in 0..20 {
                let id = KeyId::new(&format!("random-{}", attacks.fetch_add(1, Ordering::Relaxed)));
                let store = Arc::clone(&harness.store);
                tokio::spawn(async move { request(&store, &id).await });
            }
        }
        while let Some(ended) = requests.try_join_next() {
            let (_, at, is_known, outcome) = ended.unwrap();
            match outcome {
                Outcome::Pass => figures.passed += 1,
                _ if is_known => {
                    figures.lost_known += 1;
                    figures.invalid_known += u64::from(outcome == Outcome::Invalid);
                }
                _ if is_calm(at) => figures.lost_in_calm += 1,
                _ => figures.lost_in_trouble += 1,
            }
        }
        sleep(step).await;
    }
    sleep(SECOND * 10).await;
    while ended(requests.join_next()).await.is_some() {}
    let (heap, tasks) = after_an_hour.expect("longer than an hour");
    figures.fetches = harness.provider.requests();
    figures.growth = heap.growth();
    figures.tasks = alive().saturating_sub(tasks);
    figures
}
