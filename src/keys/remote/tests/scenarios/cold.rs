//! The first load: many at once, impatient ones, and attempts that go wrong in the middle.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::harness::{HOUR, Harness, MINUTE, Outcome, Reply, SECOND, Tally, ended, request};
use super::table::Row;
use super::testlog;
use crate::ids::KeyId;

/// So many requests at the same moment.
fn crowd(harness: &Harness, size: usize) -> JoinSet<(Outcome, Duration)> {
    let mut requests = JoinSet::new();
    for _ in 0..size {
        let store = Arc::clone(&harness.store);
        requests.spawn(async move {
            let begun = Instant::now();
            (request(&store, &KeyId::new("a")).await, begun.elapsed())
        });
    }
    requests
}

async fn answers(mut requests: JoinSet<(Outcome, Duration)>) -> Tally {
    let mut tally = Tally::default();
    while let Some(ended) = ended(requests.join_next()).await {
        tally.count_slow(ended.unwrap());
    }
    tally
}

#[tokio::test(start_paused = true)]
async fn scenario_37_a_thousand_at_once() {
    let harness = Harness::cold(|_| Reply::keys(&["a"]).after(SECOND));
    let tally = answers(crowd(&harness, 1000)).await;
    Row::new(37, "1,000 requests at a cold start, 1 s of latency")
        .fetches(harness.provider.requests(), 2)
        .lost(tally.lost(), 0)
        .figure("slowest answer, ms", tally.slowest_millis(), 1000..=1001)
        .print();
}

#[tokio::test(start_paused = true)]
async fn scenario_38_a_thousand_hang_up() {
    let harness = Harness::cold(|_| Reply::keys(&["a"]).after(SECOND));
    let mut requests = crowd(&harness, 1000);
    sleep(Duration::from_millis(500)).await;
    requests.shutdown().await;
    sleep(Duration::from_millis(501)).await;
    let (outcome, took) = harness.request("a").await;
    Row::new(38, "the same, all hang up after 0.5 s")
        .fetches(harness.provider.requests(), 2)
        .lost(u64::from(outcome != Outcome::Pass), 0)
        .figure("wait of the next request, ms", took.as_millis(), 0)
        .print();
}

#[tokio::test(start_paused = true)]
async fn scenario_39_the_provider_dies_in_the_middle() {
    let harness =
        Harness::cold(|attempt| if attempt.at < SECOND * 5 { Reply::DOWN.after(SECOND) } else { Reply::keys(&["a"]) });
    let tally = answers(crowd(&harness, 1000)).await;
    let times = harness.provider.times();
    sleep(SECOND * 10).await;
    let healed = harness.request("a").await.0;
    Row::new(39, "the same, the provider dies in the middle of it")
        .fetches(u64::try_from(times.len()).unwrap() * 2, 4)
        .lost(u64::from(healed != Outcome::Pass), 0)
        .figure("of 1,000 told 503", tally.wait, 1000)
        .figure("slowest answer, ms", tally.slowest_millis(), 1000..=2001)
        .figure("wait for the next attempt, ms", (times[1] - times[0]).as_millis() - 1000, 250..=501)
        .print();
}

#[tokio::test(start_paused = true)]
async fn scenario_40_a_panic_in_the_parser() {
    let log = testlog::start();
    let harness = Harness::warm(|attempt| if attempt.number == 1 { Reply::Panic } else { Reply::keys(&["a"]) }).await;
    let tally = harness.serve(HOUR * 2, SECOND, &["a"]).await;
    let times = harness.provider.times();
    Row::new(40, "the parser panics once")
        .fetches(harness.provider.requests(), 6..=8)
        .lost(tally.lost(), 0)
        .figure("seconds to the next attempt", (times[2] - times[1]).as_secs(), 7..=15)
        .figure("failures", harness.status().failures(), 1)
        .figure("reports", log.count("keys could not be refreshed; cached keys are served"), 1)
        .print();
}

#[tokio::test(start_paused = true)]
async fn waiters_beyond_1024_are_rejected_at_once() {
    let harness = Harness::cold(|_| Reply::keys(&["a"]).after(SECOND));
    let tally = answers(crowd(&harness, 1500)).await;
    assert_eq!((tally.passed, tally.wait, tally.invalid), (1024, 476, 0));
    let later = answers(crowd(&harness, 1500)).await;
    assert_eq!(later.passed, 1500, "places are given back, and who need not wait needs none");

    let mut requests = crowd(&Harness::cold(|_| Reply::Silence), 0);
    let harness = Harness::cold(|_| Reply::keys(&["a"]).after(SECOND));
    for _ in 0..3 {
        requests = crowd(&harness, 1024);
        sleep(Duration::from_millis(100)).await;
        requests.shutdown().await;
    }
    drop(requests);
    assert_eq!(answers(crowd(&harness, 1024)).await.passed, 1024, "hanging up gives a place back");
}

#[tokio::test(start_paused = true)]
async fn on_demand_refresh_runs_though_no_permit_is_left() {
    let harness = Harness::warm(|attempt| match attempt.number {
        0 => Reply::keys(&["a"]),
        1 => Reply::keys(&["a"]).after(SECOND),
        _ => Reply::keys(&["a", "new"]),
    })
    .await;
    let mut waiting = JoinSet::new();
    for _ in 0..1024 {
        let store = Arc::clone(&harness.store);
        waiting.spawn(async move { request(&store, &KeyId::new("unknown")).await });
    }
    sleep(Duration::from_millis(1)).await;
    let (outcome, took) = harness.request("new").await;
    assert_eq!((outcome, took), (Outcome::Wait, Duration::ZERO));
    waiting.shutdown().await;
    sleep(MINUTE).await;
    assert_eq!(harness.request("new").await.0, Outcome::Pass);
}

#[tokio::test(start_paused = true)]
async fn first_load_that_hangs_ends_with_its_deadline_and_is_repeated() {
    let harness = Harness::cold(|attempt| if attempt.number == 0 { Reply::Silence } else { Reply::keys(&["a"]) });
    let (outcome, took) = harness.request("a").await;
    assert_eq!((outcome, took), (Outcome::Wait, SECOND * 2));
    sleep(SECOND * 9).await;
    assert_eq!(harness.request("a").await.0, Outcome::Pass);
    let times = harness.provider.times();
    assert!((Duration::from_millis(10_250)..=Duration::from_millis(10_502)).contains(&(times[1] - times[0])));
}

#[tokio::test(start_paused = true)]
async fn provider_away_at_the_start_means_503_with_retry_after_and_not_ready() {
    let harness = Harness::cold(|_| Reply::DOWN);
    sleep(MINUTE).await;
    assert!(!harness.is_ready());
    assert!(ended(harness.store.wait_for_keys()).await.is_err());
    for _ in 0..60 {
        let error = harness.store.resolve(KeyId::new("a")).await.unwrap_err();
        let rejection = crate::Rejection::from(error);
        assert_eq!(rejection.status().as_u16(), 503);
        let wait = rejection.retry_after().unwrap().as_secs();
        assert!((1..=30).contains(&wait), "{wait}");
        sleep(SECOND).await;
    }
}
