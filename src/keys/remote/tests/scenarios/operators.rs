//! The handles for operators.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::harness::{DAY, HOUR, Harness, MINUTE, Outcome, Reply, SECOND, WallClock, ended};
use super::testlog;
use crate::clock::{Clock as _, UnixTime};
use crate::ids::KeyId;
use crate::keys::remote::status::KeyState;
use crate::keys::remote::timing::Timing;
use crate::keys::sample::{another_key, document, id, key, set, unusable};
use crate::keys::source::Lookup;

#[tokio::test(start_paused = true)]
async fn status_reports_state_age_and_counts() {
    let harness = Harness::cold(|attempt| match attempt.number {
        0 => Reply::DOWN,
        1 => Reply::Document(document(&[key("a"), key("b"), unusable("c")])),
        _ => Reply::DOWN,
    });
    let status = harness.status();
    assert_eq!((status.state(), status.age(), status.keys()), (KeyState::Cold, None, 0));
    assert!(status.last_error().is_none());
    ended(harness.store.wait_for_keys()).await.unwrap_err();
    assert_eq!(harness.status().state(), KeyState::Cold);
    assert_eq!((harness.status().failures(), harness.status().refreshes()), (1, 0));
    assert!(harness.status().last_error().is_some());
    ended(harness.store.wait_for_keys()).await.unwrap();
    sleep(MINUTE).await;
    let status = harness.status();
    assert_eq!((status.state(), status.age(), status.keys()), (KeyState::Fresh, Some(MINUTE), 2));
    assert_eq!((status.unusable_entries(), status.failures(), status.refreshes()), (1, 1, 1));
    assert!(status.last_error().is_none());
    sleep(HOUR * 2).await;
    assert_eq!(harness.status().state(), KeyState::Stale);
    sleep(DAY).await;
    assert_eq!(harness.status().state(), KeyState::Expired);
    assert_eq!(harness.status().tenant_id(), harness.store.tenant());
}

#[tokio::test(start_paused = true)]
async fn wait_for_keys_ends_with_the_first_outcome() {
    let harness = Harness::cold(|attempt| match attempt.number {
        0 => Reply::DOWN.after(SECOND),
        _ => Reply::keys(&["a"]).after(SECOND),
    });
    let start = Instant::now();
    assert!(ended(harness.store.wait_for_keys()).await.is_err());
    assert_eq!(start.elapsed(), SECOND);
    assert!(ended(harness.store.wait_for_keys()).await.is_ok());
    let start = Instant::now();
    assert!(ended(harness.store.wait_for_keys()).await.is_ok());
    assert_eq!(start.elapsed().as_secs(), 0, "at once from then on");
    assert_eq!(harness.provider.attempts(), 2);
}

#[tokio::test(start_paused = true)]
async fn refresh_now_fetches_once_for_all_callers_and_returns_the_outcome() {
    let harness = Harness::warm(|attempt| match attempt.number {
        2 => Reply::DOWN.after(SECOND),
        _ => Reply::keys(&["a"]).after(SECOND),
    })
    .await;
    let (one, two) = (harness.store.refresh_now(), harness.store.refresh_now());
    ended(one).await.unwrap();
    ended(two).await.unwrap();
    assert_eq!(harness.provider.attempts(), 2);
    ended(harness.store.refresh_now()).await.unwrap_err();
    assert_eq!(harness.request("a").await.0, Outcome::Pass, "what was held stays");
    drop(harness.store.refresh_now());
    sleep(SECOND * 2).await;
    assert_eq!(harness.provider.attempts(), 4, "whether anybody waits for it or not");
}

#[tokio::test(start_paused = true)]
async fn refresh_now_needs_no_request_before_it() {
    let harness = Harness::cold(|_| Reply::keys(&["a"]));
    ended(harness.store.refresh_now()).await.unwrap();
    assert_eq!(harness.provider.attempts(), 1);
}

#[tokio::test(start_paused = true)]
async fn revoked_key_is_rejected_from_the_next_request_until_it_is_reinstated() {
    let harness = Harness::warm(|_| Reply::keys(&["a", "b"])).await;
    harness.store.revoke(&KeyId::new("a"));
    let before = harness.provider.attempts();
    assert_eq!(harness.request("a").await, (Outcome::Invalid, Duration::ZERO));
    let store = Arc::clone(&harness.store);
    let error = store.resolve(KeyId::new("a")).await.unwrap_err();
    assert_eq!(error.kind(), crate::keys::KeyErrorKind::Revoked);
    assert_eq!(harness.provider.attempts(), before, "no fetch");
    let tally = harness.serve(DAY, MINUTE, &["a"]).await;
    assert_eq!((tally.passed, tally.wait), (0, 0), "whatever later documents say");
    assert_eq!(harness.status().keys(), 1);
    harness.store.reinstate(&KeyId::new("a"));
    assert_eq!(harness.request("a").await.0, Outcome::Pass);
}

#[tokio::test(start_paused = true)]
async fn waiter_learns_that_its_key_was_revoked() {
    let harness = Harness::warm(|attempt| match attempt.number {
        0 => Reply::keys(&["a"]),
        _ => Reply::Silence,
    })
    .await;
    let waiting = tokio::spawn(harness.store.resolve(KeyId::new("new")));
    sleep(SECOND).await;
    harness.store.revoke(&KeyId::new("new"));
    let start = Instant::now();
    assert_eq!(super::harness::kind(ended(waiting).await.unwrap()), Some(crate::keys::KeyErrorKind::Revoked));
    assert_eq!(start.elapsed().as_secs(), 0);
}

#[tokio::test(start_paused = true)]
async fn look_at_readiness_alone_starts_the_task() {
    let harness = Harness::cold(|_| Reply::keys(&["a"]));
    assert!(!harness.is_ready());
    sleep(SECOND).await;
    assert!(harness.is_ready());
}

#[test]
fn nothing_panics_or_starts_without_a_runtime() {
    let harness = {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async { Harness::cold(|_| Reply::keys(&["a"])) })
    };
    assert!(matches!(harness.store.lookup_now(&KeyId::new("a")), Lookup::Miss));
    assert!(!harness.is_ready());
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    for mut future in [harness.store.wait_for_keys(), harness.store.refresh_now()] {
        assert!(matches!(future.as_mut().poll(&mut cx), std::task::Poll::Ready(Err(_))));
    }
    let mut resolve = harness.store.resolve(KeyId::new("a"));
    assert!(matches!(resolve.as_mut().poll(&mut cx), std::task::Poll::Ready(Err(_))));
    assert_eq!(harness.provider.attempts(), 0);
}

#[tokio::test(start_paused = true)]
async fn each_attempt_is_logged_once_and_no_request_is() {
    let log = testlog::start();
    let harness = Harness::cold(|attempt| if attempt.number < 3 { Reply::DOWN } else { Reply::keys(&["a"]) });
    for _ in 0..100 {
        harness.request("a").await;
    }
    assert_eq!(log.count_at(tracing::Level::ERROR), 3, "without keys it is an error");
    assert_eq!(log.count("keys can be fetched again"), 1);
    harness.provider.now_plays(|_| Reply::DOWN);
    for _ in 0..100 {
        harness.request("unknown").await;
    }
    assert_eq!(log.count_at(tracing::Level::WARN), 1, "with keys it is a warning");
    assert_eq!(log.count_at(tracing::Level::ERROR), 3);
}

#[tokio::test(start_paused = true)]
async fn key_is_current_until_it_is_revoked_or_replaced() {
    let harness = Harness::warm(|attempt| match attempt.number {
        0 => Reply::keys(&["a", "b"]),
        _ => Reply::Document(document(&[another_key("a", 1), key("b")])),
    })
    .await;
    let held = |name: &str| match harness.store.lookup_now(&id(name)) {
        Lookup::Found(key) => key,
        other => panic!("{other:?}"),
    };
    let (a, b) = (held("a"), held("b"));
    let is_current = |id: &KeyId, key: &_| harness.store.is_current(id, key, harness.clock.now().unwrap());
    // The same text may be another allocation or the key's own, which is compared by its place.
    for (key, other) in [(&a, &b), (&b, &a)] {
        assert!(is_current(key.id(), key) && is_current(&id(key.id().as_str()), key));
        assert!(!is_current(key.id(), other) && !is_current(&id(key.id().as_str()), other));
    }
    harness.store.revoke(&id("b"));
    assert!(!is_current(b.id(), &b) && !is_current(&id("b"), &b));
    harness.store.reinstate(&id("b"));
    assert!(is_current(b.id(), &b) && is_current(&id("b"), &b));
    ended(harness.store.refresh_now()).await.unwrap();
    let replaced = held("a");
    assert!(!is_current(a.id(), &a) && !is_current(&id("a"), &a));
    assert!(is_current(replaced.id(), &replaced) && is_current(&id("a"), &replaced));
}

#[tokio::test(start_paused = true)]
async fn unknown_key_is_rejected_at_once_after_a_successful_on_demand_refresh() {
    let harness = Harness::warm(|_| Reply::keys(&["a"])).await;
    assert!(matches!(harness.store.lookup_now(&id("unknown")), Lookup::Miss));
    assert_eq!(harness.request("unknown").await.0, Outcome::Invalid);
    assert!(matches!(harness.store.lookup_now(&id("another")), Lookup::Rejected(_)));
    sleep(Timing::default().refetch_cooldown).await;
    assert!(matches!(harness.store.lookup_now(&id("another")), Lookup::Miss));
}

/// Without a runtime there is no task, so nobody else would notice. Real time, since only a runtime's can be paused.
#[test]
fn keys_age_by_the_monotonic_clock_without_a_task() {
    let timing = Timing { stale_limit: Duration::from_millis(20), ..Timing::default() };
    let keys = set(&["a"]);
    let key = keys.usable().next().unwrap().clone();
    let seed = (keys, UnixTime::from_secs(WallClock::EPOCH));
    let harness = Harness::build(timing, Some(seed), |_| Reply::DOWN);
    std::thread::sleep(Duration::from_millis(40));
    harness.clock.set_ahead(-1000);
    assert!(matches!(harness.store.lookup_now(&id("a")), Lookup::Miss));
    assert!(!harness.store.is_current(key.id(), &key, harness.clock.now().unwrap()));
}
