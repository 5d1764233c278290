//! Tokens with keys that do not exist, by the million.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::alone::{Heap, alone};
use super::harness::{HOUR, Harness, Load, MINUTE, Outcome, Reply, SECOND, Tally, ended};
use super::table::Row;
use crate::error::KeyError;
use crate::ids::KeyId;
use crate::keys::remote::store::KeyStore;
use crate::keys::source::Lookup;

/// The wait for a refresh counts: its answer goes by the time at which it is given.
#[tokio::test(start_paused = true)]
async fn retry_after_of_an_unknown_kid_is_what_is_left_of_the_cooldown_after_the_wait() {
    let harness = Harness::warm(|attempt| match attempt.number {
        0 => Reply::keys(&["a"]),
        _ => Reply::keys(&["a"]).after(Duration::from_millis(1500)),
    })
    .await;
    let error = harness.store.resolve(KeyId::new("nobody")).await.unwrap_err();
    assert_eq!(error, KeyError::unknown().with_retry_after(SECOND * 30 - Duration::from_millis(1500)));
}

/// Ten thousand requests a second for ten minutes, each with another key that does not exist, with good requests
/// between them.
async fn flood(harness: &Harness) -> (Tally, Tally, usize) {
    let mut good = Load::new(&["a", "b"]);
    let mut waiting = tokio::task::JoinSet::new();
    let mut attack = Tally::default();
    let start = Instant::now();
    let mut number = 0_u64;
    let mut most_waiting = 0;
    while start.elapsed() < MINUTE * 10 {
        for _ in 0..100 {
            number += 1;
            shoot(&harness.store, number, &mut waiting, &mut attack).await;
        }
        good.use_all(&harness.store);
        sleep(Duration::from_millis(10)).await;
        while let Some(ended) = waiting.try_join_next() {
            attack.count_slow(ended.unwrap());
        }
        most_waiting = most_waiting.max(waiting.len());
    }
    while let Some(ended) = ended(waiting.join_next()).await {
        attack.count_slow(ended.unwrap());
    }
    assert_eq!(attack.passed + attack.invalid + attack.wait, 6_000_000);
    (good.finish().await, attack, most_waiting)
}

async fn shoot(
    store: &Arc<KeyStore>,
    number: u64,
    waiting: &mut tokio::task::JoinSet<(Outcome, Duration)>,
    attack: &mut Tally,
) {
    let id = KeyId::new(&format!("kid-{:016x}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
    let known = match store.lookup_now(&id) {
        Lookup::Miss => None,
        Lookup::Found(key) => Some(Ok(key)),
        Lookup::Rejected(error) => Some(Err(error)),
    };
    if let Some(answer) = known {
        return attack.count(Outcome::of(answer));
    }
    let begun = Instant::now();
    let mut request = store.resolve(id);
    // Most are decided at once; only the few that wait become tasks.
    match futures_now(&mut request) {
        Some(answer) => attack.count(Outcome::of(answer)),
        None => {
            attack.waited += 1;
            waiting.spawn(async move { (Outcome::of(ended(request).await), begun.elapsed()) });
        }
    }
}

fn futures_now<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::Pin::new(future).poll(&mut cx) {
        std::task::Poll::Ready(output) => Some(output),
        std::task::Poll::Pending => None,
    }
}

#[test]
#[ignore = "slow: .ci/slow runs it"]
fn scenario_34_a_flood_of_unknown_keys() {
    alone("keys::remote::tests::scenarios::flood::scenario_34_a_flood_of_unknown_keys", async {
        let harness = Harness::warm(|_| Reply::keys(&["a", "b"]).after(Duration::from_millis(100))).await;
        harness.serve(MINUTE, SECOND, &["a", "b"]).await;
        let (heap, before) = (Heap::start(), harness.provider.requests());
        let (good, attack, most_waiting) = flood(&harness).await;
        Row::new(34, "10,000 unknown keys a second for 10 min")
            .fetches(harness.provider.requests() - before, ..=2 * 21)
            .lost(good.lost(), 0)
            .figure("good requests not answered at the first poll", good.waited, 0)
            .figure("of 6,000,000 rejected with 401 or 503", attack.lost(), 6_000_000)
            .figure("most attempts in 30 s", harness.provider.most_within(SECOND * 30), ..=1)
            .figure("most requests that waited at once", most_waiting, ..=1024)
            .figure("growth of the heap, KiB", heap.growth() / 1024, ..=1024)
            .print();
    });
}

#[test]
#[ignore = "slow: .ci/slow runs it"]
fn scenario_35_a_flood_while_the_provider_is_down() {
    alone("keys::remote::tests::scenarios::flood::scenario_35_a_flood_while_the_provider_is_down", async {
        let harness =
            Harness::warm(|attempt| if attempt.number == 0 { Reply::keys(&["a", "b"]) } else { Reply::Silence }).await;
        // Well into the outage, where the refreshes have come down to their slowest pace.
        harness.serve(HOUR * 2, SECOND, &["a", "b"]).await;
        let before = harness.provider.attempts();
        let (good, attack, most_waiting) = flood(&harness).await;
        Row::new(35, "the same while the provider is down")
            .fetches(2 * (harness.provider.attempts() - before), ..=2 * (21 + 2))
            .lost(good.lost(), 0)
            .figure("good requests not answered at the first poll", good.waited, 0)
            .figure("unknown keys rejected with 401", attack.invalid, 0)
            .figure("most requests that waited at once", most_waiting, ..=1024)
            .figure("slowest answer, ms", attack.slowest_millis(), ..=2001)
            .print();
    });
}
