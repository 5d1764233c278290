//! Keys come and go, in order and out of it.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::harness::{DAY, HOUR, Harness, MINUTE, Outcome, Reply, SECOND, ended};
use super::table::Row;
use crate::ids::KeyId;

#[tokio::test(start_paused = true)]
#[ignore = "slow: .ci/slow runs it"]
async fn scenario_22_a_rotation_in_good_order() {
    let harness = Harness::warm(|attempt| match attempt.at {
        at if at < HOUR * 9 => Reply::keys(&["one", "two"]),
        at if at < HOUR * 34 => Reply::keys(&["one", "two", "three"]),
        _ => Reply::keys(&["two", "three"]),
    })
    .await;
    // `three` is listed an hour before it signs, and `one` a day longer than it does.
    let before = harness.serve(HOUR * 10, SECOND, &["one", "two"]).await;
    let after = harness.serve(HOUR * 34, SECOND, &["two", "three"]).await;
    let hourly = harness.provider.attempts();
    Row::new(22, "a rotation with overlap, 44 h")
        .fetches(harness.provider.requests(), 2 * 40..=2 * 51)
        .lost(before.lost() + after.lost(), 0)
        .figure("attempts", hourly, 40..=51)
        .figure("requests that waited for the one extra fetch", after.waited, ..=1)
        .print();
}

#[tokio::test(start_paused = true)]
async fn scenario_23_a_rotation_without_overlap() {
    let latency = Duration::from_millis(300);
    let harness = Harness::warm(move |attempt| match attempt.number {
        0 => Reply::keys(&["one"]),
        _ => Reply::keys(&["three"]).after(latency),
    })
    .await;
    harness.serve(MINUTE * 20, SECOND, &["one"]).await;
    let before = harness.provider.requests();
    let tally = harness.serve(MINUTE, Duration::from_millis(10), &["three"]).await;
    Row::new(23, "a rotation at once")
        .fetches(harness.provider.requests() - before, 2)
        .lost(tally.lost(), 0)
        .figure("slowest request beyond the provider's latency, ms", tally.slowest_millis() - 300, ..=10)
        .print();
}

#[tokio::test(start_paused = true)]
async fn scenario_24_a_rotation_at_once_under_a_flood() {
    let rotated = MINUTE * 20 + SECOND * 10;
    let harness = Harness::warm(
        move |attempt| if attempt.at < rotated { Reply::keys(&["one"]) } else { Reply::keys(&["three"]) },
    )
    .await;
    let start = Instant::now();
    sleep(MINUTE * 20).await;
    let mut flood = Vec::new();
    let mut good = Vec::new();
    for number in 0..1200 {
        let (store, id) = (Arc::clone(&harness.store), KeyId::new(&format!("random-{number}")));
        flood.push(tokio::spawn(async move { super::harness::request(&store, &id).await }));
        if start.elapsed() >= rotated {
            good.push((start.elapsed() - rotated, harness.request("three").await.0));
        }
        sleep(Duration::from_millis(100)).await;
    }
    for attack in flood {
        assert_ne!(ended(attack).await.unwrap(), Outcome::Pass);
    }
    let lost = good.iter().filter(|(_, outcome)| *outcome != Outcome::Pass);
    let latest_lost = lost.clone().map(|(at, _)| *at).max().unwrap_or_default();
    Row::new(24, "a rotation at once while a flood holds the cooldown")
        .fetches(harness.provider.requests() - 2, ..=2 * 5)
        .lost(lost.count(), ..=300)
        .figure("seconds until the last of them", latest_lost.as_secs(), ..=30)
        .figure("most attempts in 30 s", harness.provider.most_within(SECOND * 30), ..=1)
        .print();
}

#[tokio::test(start_paused = true)]
async fn scenario_25_a_rotation_that_reaches_the_provider_late() {
    let rotated = MINUTE * 20;
    let harness =
        Harness::warm(
            move |attempt| {
                if attempt.at < rotated + SECOND * 90 { Reply::keys(&["one"]) } else { Reply::keys(&["three"]) }
            },
        )
        .await;
    sleep(rotated).await;
    let start = Instant::now();
    let (mut first_pass, mut lost) = (None, 0);
    while start.elapsed() < MINUTE * 5 {
        match (harness.request("three").await.0, first_pass) {
            (Outcome::Pass, None) => first_pass = Some(start.elapsed()),
            (Outcome::Pass, Some(_)) | (_, None) => {}
            (_, Some(_)) => lost += 1,
        }
        sleep(Duration::from_millis(100)).await;
    }
    let late = first_pass.expect("found in the end").saturating_sub(SECOND * 90);
    Row::new(25, "the old set for 90 s after a rotation at once (lost: after the new one was found)")
        .fetches(harness.provider.requests() - 2, ..=8)
        .lost(lost, 0)
        .figure("seconds from the new set to the first answer", late.as_secs(), ..=30)
        .figure("most attempts in 30 s", harness.provider.most_within(SECOND * 30), ..=1)
        .print();
}

const NINE: [&str; 9] = ["1", "2", "3", "4", "5", "6", "7", "8", "9"];
const SIX: [&str; 6] = ["1", "2", "3", "4", "5", "6"];

fn six_or_nine() -> Reply {
    if RandomState::new().hash_one(()).is_multiple_of(2) { Reply::keys(&SIX) } else { Reply::keys(&NINE) }
}

#[tokio::test(start_paused = true)]
#[ignore = "slow: .ci/slow runs it"]
async fn scenario_26_sets_that_flap() {
    let all_seen = Harness::warm(|attempt| if attempt.number == 0 { Reply::keys(&NINE) } else { six_or_nine() }).await;
    let tally = all_seen.serve(DAY, SECOND, &NINE).await;

    // And from a cold start that sees six of them: the others are lost until the first answer that lists them.
    let listed_at = Arc::new(AtomicU64::new(u64::MAX));
    let listed = Arc::clone(&listed_at);
    let cold = Harness::warm(move |attempt| {
        let reply = if attempt.number < 3 { Reply::keys(&SIX) } else { six_or_nine() };
        if matches!(&reply, Reply::Document(text) if text.contains("\"9\"")) {
            listed.fetch_min(attempt.at.as_secs(), Ordering::Relaxed);
        }
        reply
    })
    .await;
    let mut lost_late = 0;
    let start = Instant::now();
    while start.elapsed() < HOUR * 3 {
        let is_late = start.elapsed().as_secs() > listed_at.load(Ordering::Relaxed).saturating_add(1);
        let tally = cold.serve(SECOND, SECOND, &NINE).await;
        lost_late += if is_late { tally.lost() } else { 0 };
    }
    Row::new(26, "sets of six and nine keys by chance for 24 h")
        .fetches(all_seen.provider.requests(), 44..=56)
        .lost(tally.lost(), 0)
        .figure("most attempts in an hour", all_seen.provider.most_within(HOUR), ..=2)
        .figure("cold: lost after the first answer with all nine", lost_late, 0)
        .figure("cold: most attempts in 30 s", cold.provider.most_within(SECOND * 30), ..=2)
        .print();
}

#[tokio::test(start_paused = true)]
async fn scenario_27_a_key_is_withdrawn() {
    let removed = MINUTE * 30;
    let script = move |attempt: super::harness::Attempt| {
        if attempt.at < removed { Reply::keys(&["bad", "good"]) } else { Reply::keys(&["good"]) }
    };
    let harness = Harness::warm(script).await;
    let start = Instant::now();
    let mut last_pass = Duration::ZERO;
    let mut lost = 0;
    while start.elapsed() < HOUR * 25 {
        if harness.request("bad").await.0 == Outcome::Pass {
            last_pass = start.elapsed();
        }
        lost += u64::from(harness.request("good").await.0 != Outcome::Pass);
        sleep(SECOND * 10).await;
    }

    let told = Harness::warm(script).await;
    assert_eq!(told.request("bad").await.0, Outcome::Pass);
    told.store.revoke(&KeyId::new("bad"));
    let after = told.serve(HOUR * 2, SECOND, &["bad"]).await;
    Row::new(27, "a key is withdrawn")
        .fetches(harness.provider.requests(), 2 * 24..=2 * 160)
        .lost(lost, 0)
        .figure("minutes from its last listing to its last use", last_pass.as_secs() / 60, 23 * 60..=24 * 60)
        .figure("revoked: uses after that", after.passed, 0)
        .figure("revoked: rejected with 401", after.invalid, 7200)
        .figure("revoked: attempts beyond the hourly ones", told.provider.attempts().saturating_sub(3), 0)
        .print();
}
