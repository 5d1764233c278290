//! A runtime that is alive but driven by nobody, as after `block_on` on a current-thread runtime, and one that is gone
//! while its handle is still in use.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::time::{Instant, sleep};

use super::harness::{DAY, HOUR, Harness, MINUTE, Outcome, Reply, SECOND, ended, kind};
use crate::error::KeyErrorKind;
use crate::ids::KeyId;

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
}

/// Runs on another thread, since a test that spins tells less than one that fails.
fn within_a_minute<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, outcome) = mpsc::channel();
    thread::spawn(move || done.send(run()));
    outcome.recv_timeout(MINUTE).expect("it comes to an end")
}

#[test]
fn refreshes_keys_whose_task_is_on_an_idle_runtime() {
    let idle = runtime();
    let harness = idle.block_on(Harness::warm(|_| Reply::keys(&["a"])));
    runtime().block_on(async {
        let tally = harness.serve(DAY * 2, MINUTE, &["a"]).await;
        assert_eq!((tally.lost(), tally.waited), (0, 0));
        assert!((44..=56).contains(&harness.provider.attempts()), "{}", harness.provider.attempts());
    });
    drop(idle);
}

#[test]
fn finds_new_key_while_its_task_is_on_an_idle_runtime() {
    let idle = runtime();
    let harness =
        idle.block_on(Harness::warm(|attempt| Reply::keys(if attempt.number == 0 { &["a"] } else { &["a", "new"] })));
    runtime().block_on(async {
        assert_eq!(harness.request("new").await, (Outcome::Pass, SECOND));
        assert_eq!(harness.provider.attempts(), 2);
    });
    drop(idle);
}

#[test]
fn refresh_now_takes_over_from_a_task_on_an_idle_runtime() {
    let idle = runtime();
    let harness = idle.block_on(Harness::warm(|_| Reply::keys(&["a"])));
    runtime().block_on(async {
        ended(harness.store.refresh_now()).await.unwrap();
        ended(harness.store.refresh_now()).await.unwrap();
        assert_eq!(harness.provider.attempts(), 3);
    });
    // The first task was given up. When its runtime runs again, it ends and takes nothing with it.
    idle.block_on(async { sleep(HOUR * 3).await });
    assert_eq!(harness.provider.attempts(), 3);
    runtime().block_on(async { assert_eq!(harness.serve(HOUR * 3, MINUTE, &["a"]).await.lost(), 0) });
    assert!(harness.provider.attempts() > 4);
}

#[test]
fn first_load_that_stands_still_on_an_idle_runtime_is_repeated_elsewhere() {
    let idle = runtime();
    let harness = idle.block_on(async {
        let harness = Harness::cold(|attempt| if attempt.number == 0 { Reply::Silence } else { Reply::keys(&["a"]) });
        assert!(!harness.is_ready());
        sleep(Duration::from_millis(1)).await;
        harness
    });
    assert_eq!((harness.provider.attempts(), harness.provider.open()), (1, 1));
    runtime().block_on(async {
        ended(harness.store.wait_for_keys()).await.unwrap();
        assert_eq!(harness.request("a").await.0, Outcome::Pass);
        assert_eq!((harness.status().failures(), harness.status().refreshes()), (0, 1), "nobody failed");
    });
    drop(idle);
}

#[tokio::test(start_paused = true)]
async fn every_wait_has_a_deadline() {
    // The provider asks for rest, so that the next attempt is far.
    let harness = Harness::cold(|_| Reply::Failure { retry_after: Some(MINUTE * 10) }.after(SECOND));
    ended(harness.store.wait_for_keys()).await.unwrap_err();
    let begun = Instant::now();
    assert_eq!(kind(ended(harness.store.wait_for_keys()).await), Some(KeyErrorKind::Unavailable));
    assert!(begun.elapsed() < MINUTE * 11, "{:?}", begun.elapsed());
    let begun = Instant::now();
    ended(harness.store.refresh_now()).await.unwrap_err();
    assert!(begun.elapsed() <= SECOND * 2, "{:?}", begun.elapsed());
}

#[test]
fn handle_of_a_dead_runtime_gets_an_error() {
    let harness = within_a_minute(move || {
        let dead = runtime();
        let harness = dead.block_on(async { Harness::cold(|_| Reply::keys(&["a"])) });
        let handle = dead.handle().clone();
        drop(dead);
        assert_eq!(kind(handle.block_on(harness.store.wait_for_keys())), Some(KeyErrorKind::Unavailable));
        assert_eq!(kind(handle.block_on(harness.store.refresh_now())), Some(KeyErrorKind::Unavailable));
        assert_eq!(kind(handle.block_on(harness.store.resolve(KeyId::new("a")))), Some(KeyErrorKind::Unavailable));
        harness
    });
    assert_eq!(harness.provider.attempts(), 0);
    runtime().block_on(async { assert_eq!(harness.request("a").await.0, Outcome::Pass) });
}

#[test]
fn handle_of_a_dead_runtime_gets_an_error_while_a_task_runs_elsewhere() {
    let alive = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let harness = alive.block_on(async {
        let harness = Harness::cold(|_| Reply::Silence);
        assert!(!harness.is_ready());
        harness
    });
    within_a_minute(move || {
        let dead = runtime();
        let handle = dead.handle().clone();
        drop(dead);
        assert_eq!(kind(handle.block_on(harness.store.wait_for_keys())), Some(KeyErrorKind::Unavailable));
        assert_eq!(kind(handle.block_on(harness.store.resolve(KeyId::new("a")))), Some(KeyErrorKind::Unavailable));
    });
    drop(alive);
}
