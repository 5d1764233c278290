//! What the store runs on, in one place: so that the tests can run the same store on a model of it that
//! tries out the orders in which things can happen.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

pub(super) use std::sync::atomic::AtomicUsize;
pub(super) use std::sync::{Mutex, MutexGuard};

pub(super) use arc_swap::ArcSwap;
pub(super) use tokio::runtime::Handle;
pub(super) use tokio::sync::{Notify, watch};
pub(super) use tokio::task::AbortHandle;

/// The clock that never jumps.
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

/// A random number from 0 to 1; a fresh hasher's keys are random.
pub(super) fn jitter() -> f64 {
    let random = u32::try_from(RandomState::new().hash_one(()) >> 32).unwrap_or(0);
    f64::from(random) / f64::from(u32::MAX)
}
