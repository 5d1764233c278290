//! The end: of the last handle, of a runtime, in the middle of everything.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::harness::{Attempt, DAY, HOUR, Harness, MINUTE, Outcome, Reply, SECOND, ended, kind};
use super::table::Row;
use crate::error::{KeyError, KeyErrorKind};
use crate::ids::KeyId;
use crate::signature::key::VerificationKey;

/// A state to be interrupted in: a script, and for how long to let it run.
type State = (fn(Attempt) -> Reply, Duration);

fn states() -> [State; 10] {
    [
        // Fetched once and idle.
        (|_| Reply::keys(&["a"]), MINUTE),
        // In the first load, which hangs.
        (|_| Reply::Silence, SECOND),
        // In the first load, which is slow.
        (|_| Reply::keys(&["a"]).after(SECOND * 3), SECOND),
        // Between the attempts of a cold start.
        (|_| Reply::DOWN, SECOND * 20),
        // In a refresh that hangs.
        (|attempt| if attempt.number == 0 { Reply::keys(&["a"]) } else { Reply::Silence }, MINUTE * 66),
        // Between failed refreshes.
        (|attempt| if attempt.number == 0 { Reply::keys(&["a"]) } else { Reply::DOWN }, HOUR * 5),
        // Told to wait.
        (|_| Reply::Failure { retry_after: Some(MINUTE * 10) }, SECOND * 20),
        // Expired.
        (|attempt| if attempt.number == 0 { Reply::keys(&["a"]) } else { Reply::Silence }, Duration::from_secs(90_000)),
        // After a panic.
        (|_| Reply::Panic, SECOND),
        // Rejected for its content.
        (|_| Reply::Document("<html>".to_owned()), SECOND),
    ]
}

#[tokio::test(start_paused = true)]
async fn scenario_44_shutdown_in_the_middle() {
    let tasks = || Handle::current().metrics().num_alive_tasks();
    let baseline = tasks();
    let (mut slowest, mut left, mut open, mut lost, mut fetches) = (Duration::ZERO, 0, 0, 0, 0);
    for (script, time) in states() {
        let harness = Harness::cold(script);
        harness.request("a").await;
        sleep(time).await;
        // Somebody waits for a key that is there, for one that is not, for readiness, for a refresh.
        let waiting: Vec<JoinHandle<Option<KeyErrorKind>>> = vec![
            spawn_kind(harness.store.resolve(KeyId::new("a"))),
            spawn_kind(harness.store.resolve(KeyId::new("unknown"))),
            tokio::spawn({
                let ready = harness.store.wait_for_keys();
                async { kind(ready.await) }
            }),
            tokio::spawn({
                let refreshed = harness.store.refresh_now();
                async { kind(refreshed.await) }
            }),
        ];
        sleep(Duration::from_millis(1)).await;
        let Harness { store, provider, .. } = harness;
        let start = Instant::now();
        drop(Arc::into_inner(store).expect("the last handle"));
        for (number, answer) in waiting.into_iter().enumerate() {
            let answer = ended(answer).await.unwrap();
            lost += usize::from(number == 0 && answer == Some(KeyErrorKind::Unknown));
        }
        slowest = slowest.max(start.elapsed());
        sleep(Duration::from_millis(1)).await;
        left += tasks() - baseline;
        open += provider.open();
        fetches += provider.requests();
    }
    Row::new(44, "the last handle dropped in ten states, with four requests waiting in each (lost: rejected with 401)")
        .fetches(fetches, 2 * 10..=2 * 600)
        .lost(lost, 0)
        .figure("tasks left over", left, 0)
        .figure("attempts left over", open, 0)
        .figure("slowest end of a request, ms", slowest.as_millis(), 0)
        .print();
}

fn spawn_kind(
    request: impl Future<Output = Result<VerificationKey, KeyError>> + Send + 'static,
) -> JoinHandle<Option<KeyErrorKind>> {
    tokio::spawn(async { kind(request.await) })
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
}

#[test]
fn task_starts_again_after_the_end_of_its_runtime() {
    let first = runtime();
    let harness = first.block_on(Harness::warm(|_| Reply::keys(&["a"])));
    drop(first);
    assert_eq!(harness.provider.attempts(), 1);
    let second = runtime();
    second.block_on(async {
        // A request whose key is held, which has no need of the task, starts it all the same.
        let tally = harness.serve(HOUR * 3, SECOND, &["a"]).await;
        assert_eq!((tally.lost(), tally.waited), (0, 0));
        assert!(harness.provider.attempts() >= 3, "{}", harness.provider.attempts());
    });
}

#[test]
fn first_load_that_ended_with_its_runtime_begins_again_in_the_next() {
    // Paused clocks of two runtimes know nothing of each other, so these run.
    let runtime = || Builder::new_current_thread().enable_all().build().unwrap();
    let harness = {
        let first = runtime();
        first.block_on(async {
            let harness =
                Harness::cold(|attempt| if attempt.number == 0 { Reply::Silence } else { Reply::keys(&["a"]) });
            assert!(timeout(Duration::from_millis(50), harness.request("a")).await.is_err());
            harness
        })
    };
    assert_eq!((harness.provider.attempts(), harness.provider.open()), (1, 0));
    runtime().block_on(async {
        assert_eq!(harness.request("a").await.0, Outcome::Pass);
        assert_eq!((harness.status().failures(), harness.status().refreshes()), (0, 1), "nobody failed");
    });
}

#[test]
fn waiters_survive_the_end_of_the_runtime_of_the_task() {
    let here = runtime();
    let there = runtime();
    let harness = there.block_on(async {
        let harness = Harness::cold(|attempt| if attempt.number == 0 { Reply::Silence } else { Reply::keys(&["a"]) });
        // Starts the task and lets it begin.
        assert!(!harness.is_ready());
        sleep(Duration::from_millis(1)).await;
        harness
    });
    assert_eq!(harness.provider.open(), 1);
    here.block_on(async {
        let waiting = [
            tokio::spawn(harness.store.wait_for_keys()),
            tokio::spawn(harness.store.refresh_now()),
            tokio::spawn({
                let request = harness.store.resolve(KeyId::new("a"));
                async { request.await.map(|_| ()) }
            }),
        ];
        tokio::task::yield_now().await;
        drop_elsewhere(there);
        for waiting in waiting {
            ended(waiting).await.unwrap().unwrap();
        }
    });
    assert_eq!(harness.provider.attempts(), 2, "one begun in vain, one for everybody");
}

/// A runtime must not be dropped inside another one.
fn drop_elsewhere(runtime: Runtime) {
    std::thread::spawn(move || drop(runtime)).join().unwrap();
}

#[tokio::test(start_paused = true)]
async fn handle_dropped_at_once_leaves_nothing_behind() {
    let harness = Harness::cold(|_| Reply::keys(&["a"]));
    assert!(!harness.is_ready());
    let Harness { store, provider, .. } = harness;
    drop(store);
    sleep(DAY).await;
    assert_eq!((provider.attempts(), Arc::strong_count(&provider)), (0, 1), "not even the fetch function");
}

#[tokio::test(start_paused = true)]
async fn request_that_outlives_the_handle_gets_an_error() {
    let harness = Harness::warm(|_| Reply::keys(&["a"])).await;
    let request = harness.store.resolve(KeyId::new("unknown"));
    let (ready, refresh) = (harness.store.wait_for_keys(), harness.store.refresh_now());
    drop(harness);
    assert_eq!(kind(ended(request).await), Some(KeyErrorKind::Unavailable));
    assert_eq!(kind(ended(ready).await), Some(KeyErrorKind::Unavailable));
    assert_eq!(kind(ended(refresh).await), Some(KeyErrorKind::Unavailable));
    sleep(MINUTE).await;
    assert_eq!(Handle::current().metrics().num_alive_tasks(), 0);
}
