//! What the store runs on, in one place: so that the tests can run the same store on a model of it that explores the
//! orders in which things can happen.

use std::future::pending;
use std::time::{Duration, Instant};

pub(super) use std::sync::{Mutex, MutexGuard};

pub(super) use arc_swap::ArcSwap;
use tokio::runtime::Handle;
pub(super) use tokio::sync::{Semaphore, watch};
pub(super) use tokio::task::AbortHandle;

/// Receives the signal that something has changed.
pub(super) type Changed = watch::Receiver<()>;

/// The runtime that the caller runs on, unless it has shut down: then its timers panic, and it drops what is spawned.
pub(super) fn current() -> Option<Handle> {
    let runtime = Handle::try_current().ok()?;
    // Tokio has no other way to ask. A task that never ends has ended when it was dropped.
    let probe = runtime.spawn(pending::<()>());
    let is_shut_down = probe.is_finished();
    probe.abort();
    (!is_shut_down).then_some(runtime)
}

/// The monotonic clock.
pub(super) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

pub(super) async fn sleep_until(until: Instant) {
    tokio::time::sleep_until(until.into()).await;
}

/// `None` when the time is up first.
pub(super) async fn timeout<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
    tokio::time::timeout(limit, future).await.ok()
}

/// A random number from 0 to 1.
pub(super) fn jitter() -> f64 {
    fastrand::f64()
}
