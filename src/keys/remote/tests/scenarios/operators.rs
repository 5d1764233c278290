//! The handles for operators.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::rig::{DAY, HOUR, MINUTE, Outcome, Reply, Rig, SECOND, WallClock, ended};
use super::testlog;
use crate::clock::UnixTime;
use crate::ids::KeyId;
use crate::keys::remote::status::KeyState;
use crate::keys::remote::timing::Timing;
use crate::keys::sample::{another_key, document, id, key, set, unfit};
use crate::keys::source::Lookup;

#[tokio::test(start_paused = true)]
async fn the_status_tells_how_the_keys_stand() {
    let rig = Rig::cold(|attempt| match attempt.number {
        0 => Reply::DOWN,
        1 => Reply::Document(document(&[key("a"), key("b"), unfit("c")])),
        _ => Reply::DOWN,
    });
    let status = rig.status();
    assert_eq!((status.state(), status.age(), status.keys()), (KeyState::Cold, None, 0));
    assert!(status.last_error().is_none());
    ended(rig.store.ready()).await.unwrap_err();
    assert_eq!(rig.status().state(), KeyState::Cold);
    assert_eq!((rig.status().failures(), rig.status().refreshes()), (1, 0));
    assert!(rig.status().last_error().is_some());
    ended(rig.store.ready()).await.unwrap();
    sleep(MINUTE).await;
    let status = rig.status();
    assert_eq!((status.state(), status.age(), status.keys()), (KeyState::Fresh, Some(MINUTE), 2));
    assert_eq!((status.unusable_entries(), status.failures(), status.refreshes()), (1, 1, 1));
    assert!(status.last_error().is_none());
    sleep(HOUR * 2).await;
    assert_eq!(rig.status().state(), KeyState::Stale);
    sleep(DAY).await;
    assert_eq!(rig.status().state(), KeyState::Expired);
    assert_eq!(rig.status().tenant_id(), rig.store.tenant());
}

#[tokio::test(start_paused = true)]
async fn ready_ends_with_the_first_outcome() {
    let rig = Rig::cold(|attempt| match attempt.number {
        0 => Reply::DOWN.after(SECOND),
        _ => Reply::keys(&["a"]).after(SECOND),
    });
    let start = Instant::now();
    assert!(ended(rig.store.ready()).await.is_err());
    assert_eq!(start.elapsed(), SECOND);
    assert!(ended(rig.store.ready()).await.is_ok());
    let start = Instant::now();
    assert!(ended(rig.store.ready()).await.is_ok());
    assert_eq!(start.elapsed().as_secs(), 0, "at once from then on");
    assert_eq!(rig.provider.attempts(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_refresh_on_demand_fetches_once_for_all_that_ask_and_tells_the_outcome() {
    let rig = Rig::warm(|attempt| match attempt.number {
        2 => Reply::DOWN.after(SECOND),
        _ => Reply::keys(&["a"]).after(SECOND),
    })
    .await;
    let (one, two) = (rig.store.refresh_now(), rig.store.refresh_now());
    ended(one).await.unwrap();
    ended(two).await.unwrap();
    assert_eq!(rig.provider.attempts(), 2);
    ended(rig.store.refresh_now()).await.unwrap_err();
    assert_eq!(rig.request("a").await.0, Outcome::Pass, "what was held stays");
    drop(rig.store.refresh_now());
    sleep(SECOND * 2).await;
    assert_eq!(rig.provider.attempts(), 4, "whether anybody waits for it or not");
}

#[tokio::test(start_paused = true)]
async fn a_refresh_on_demand_needs_no_request_before_it() {
    let rig = Rig::cold(|_| Reply::keys(&["a"]));
    ended(rig.store.refresh_now()).await.unwrap();
    assert_eq!(rig.provider.attempts(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_forgotten_key_is_rejected_from_the_next_request_on_until_it_is_unforgotten() {
    let rig = Rig::warm(|_| Reply::keys(&["a", "b"])).await;
    rig.store.revoke(&KeyId::new("a"));
    let before = rig.provider.attempts();
    assert_eq!(rig.request("a").await, (Outcome::Invalid, Duration::ZERO));
    let store = Arc::clone(&rig.store);
    let error = store.resolve(KeyId::new("a")).await.unwrap_err();
    assert_eq!(error.kind(), crate::keys::KeyErrorKind::Revoked);
    assert_eq!(rig.provider.attempts(), before, "no fetch");
    let tally = rig.serve(DAY, MINUTE, &["a"]).await;
    assert_eq!((tally.passed, tally.wait), (0, 0), "whatever later documents say");
    assert_eq!(rig.status().keys(), 1);
    rig.store.reinstate(&KeyId::new("a"));
    assert_eq!(rig.request("a").await.0, Outcome::Pass);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_waits_for_a_key_learns_that_it_was_forgotten() {
    let rig = Rig::warm(|attempt| match attempt.number {
        0 => Reply::keys(&["a"]),
        _ => Reply::Silence,
    })
    .await;
    let waiting = tokio::spawn(rig.store.resolve(KeyId::new("new")));
    sleep(SECOND).await;
    rig.store.revoke(&KeyId::new("new"));
    let start = Instant::now();
    assert_eq!(super::rig::kind(ended(waiting).await.unwrap()), Some(crate::keys::KeyErrorKind::Revoked));
    assert_eq!(start.elapsed().as_secs(), 0);
}

#[tokio::test(start_paused = true)]
async fn readiness_alone_starts_the_task() {
    let rig = Rig::cold(|_| Reply::keys(&["a"]));
    assert!(!rig.store.is_serving());
    sleep(SECOND).await;
    assert!(rig.store.is_serving());
}

#[test]
fn without_a_runtime_nothing_panics_and_nothing_is_started() {
    let rig = {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async { Rig::cold(|_| Reply::keys(&["a"])) })
    };
    assert!(matches!(rig.store.lookup(&KeyId::new("a")), Lookup::Miss));
    assert!(!rig.store.is_serving());
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    for mut future in [rig.store.ready(), rig.store.refresh_now()] {
        assert!(matches!(future.as_mut().poll(&mut cx), std::task::Poll::Ready(Err(_))));
    }
    let mut resolve = rig.store.resolve(KeyId::new("a"));
    assert!(matches!(resolve.as_mut().poll(&mut cx), std::task::Poll::Ready(Err(_))));
    assert_eq!(rig.provider.attempts(), 0);
}

#[tokio::test(start_paused = true)]
async fn each_attempt_is_reported_once_and_no_request_is() {
    let log = testlog::start();
    let rig = Rig::cold(|attempt| if attempt.number < 3 { Reply::DOWN } else { Reply::keys(&["a"]) });
    for _ in 0..100 {
        rig.request("a").await;
    }
    assert_eq!(log.count_at(tracing::Level::ERROR), 3, "without keys it is an error");
    assert_eq!(log.count("keys can be fetched again"), 1);
    rig.provider.now_plays(|_| Reply::DOWN);
    for _ in 0..100 {
        rig.request("unknown").await;
    }
    assert_eq!(log.count_at(tracing::Level::WARN), 1, "with keys it is a warning");
    assert_eq!(log.count_at(tracing::Level::ERROR), 3);
}

#[tokio::test(start_paused = true)]
async fn a_key_is_held_until_it_is_forgotten_or_another_takes_its_name() {
    let rig = Rig::warm(|attempt| match attempt.number {
        0 => Reply::keys(&["a", "b"]),
        _ => Reply::Document(document(&[another_key("a", 1), key("b")])),
    })
    .await;
    let held = |name: &str| match rig.store.lookup(&id(name)) {
        Lookup::Found(key) => key,
        other => panic!("{other:?}"),
    };
    let (a, b) = (held("a"), held("b"));
    assert!(rig.store.is_current(&id("a"), &a) && rig.store.is_current(&id("b"), &b));
    assert!(!rig.store.is_current(&id("a"), &b));
    rig.store.revoke(&id("b"));
    assert!(!rig.store.is_current(&id("b"), &b));
    ended(rig.store.refresh_now()).await.unwrap();
    assert!(!rig.store.is_current(&id("a"), &a) && rig.store.is_current(&id("a"), &held("a")));
}

#[tokio::test(start_paused = true)]
async fn after_a_good_search_an_unknown_key_is_rejected_at_a_glance_until_the_next_is_allowed() {
    let rig = Rig::warm(|_| Reply::keys(&["a"])).await;
    assert!(matches!(rig.store.lookup(&id("unknown")), Lookup::Miss));
    assert_eq!(rig.request("unknown").await.0, Outcome::Invalid);
    assert!(matches!(rig.store.lookup(&id("another")), Lookup::Rejected(_)));
    sleep(Timing::default().refetch_cooldown).await;
    assert!(matches!(rig.store.lookup(&id("another")), Lookup::Miss));
}

/// Without a runtime there is no task, so nobody else would notice. Real time, since only a runtime's can be paused.
#[test]
fn without_a_task_keys_age_by_the_steady_clock_though_the_other_stands_still() {
    let timing = Timing { stale_limit: Duration::from_millis(20), ..Timing::default() };
    let seed = (set(&["a"]), UnixTime::from_secs(WallClock::EPOCH));
    let rig = Rig::build(timing, Some(seed), |_| Reply::DOWN);
    std::thread::sleep(Duration::from_millis(40));
    rig.clock.set_ahead(-1000);
    assert!(matches!(rig.store.lookup(&id("a")), Lookup::Miss));
}
