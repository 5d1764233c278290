//! What the store runs on, as a model: every lock, wake-up and task is one of shuttle's, which decides what happens
//! next. Time stands still until a test moves it, so that a waiter that misses a wake-up waits for ever, and is found.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, LazyLock, PoisonError};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

pub(super) use shuttle::future::AbortHandle;
use shuttle::future::JoinHandle;
use shuttle::lazy_static;
pub(super) use shuttle::sync::{Mutex, MutexGuard};

lazy_static! {
    // Made anew for each execution.
    static ref WORLD: World = World::default();
}

#[derive(Default)]
struct World {
    passed: Mutex<Duration>,
    timers: Mutex<Vec<Waker>>,
    tasks: Mutex<Vec<AbortHandle>>,
    /// How many runtimes have been stalled.
    stalled: Mutex<usize>,
}

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Moves the time.
pub(super) fn pass(time: Duration) {
    *lock(&WORLD.passed) += time;
    let timers = std::mem::take(&mut *lock(&WORLD.timers));
    timers.into_iter().for_each(Waker::wake);
}

/// Ends every task of the runtime, as its end does.
pub(super) fn end_runtime() {
    let tasks = std::mem::take(&mut *lock(&WORLD.tasks));
    tasks.iter().for_each(AbortHandle::abort);
}

/// Leaves every task of the runtime alone from now on, as a runtime does that nobody drives. An aborted one still ends.
pub(super) fn stall_runtime() {
    *lock(&WORLD.stalled) += 1;
}

pub(super) fn now() -> Instant {
    *START + *lock(&WORLD.passed)
}

pub(super) async fn sleep_until(until: Instant) {
    poll_fn(|cx| {
        // Known before the look at the time, so that no move is missed.
        lock(&WORLD.timers).push(cx.waker().clone());
        if now() >= until { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

pub(super) async fn timeout<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut end = pin!(sleep_until(now() + limit));
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => end.as_mut().poll(cx).map(|()| None),
    })
    .await
}

pub(super) fn jitter() -> f64 {
    0.5
}

/// A runtime that is always there.
pub(super) struct Runtime;

pub(super) fn current() -> Option<Runtime> {
    Some(Runtime)
}

impl Runtime {
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
        let number = *lock(&WORLD.stalled);
        let mut task = Box::pin(task);
        let task = shuttle::future::spawn(poll_fn(move |cx| {
            if *lock(&WORLD.stalled) > number { Poll::Pending } else { task.as_mut().poll(cx) }
        }));
        lock(&WORLD.tasks).push(task.abort_handle());
        task
    }
}

/// As `arc_swap::ArcSwap`, with a lock in the place of its atomic operation.
pub(super) struct ArcSwap<T>(Mutex<Arc<T>>);

impl<T> ArcSwap<T> {
    pub(super) fn from_pointee(value: T) -> Self {
        Self(Mutex::new(Arc::new(value)))
    }

    pub(super) fn load(&self) -> Arc<T> {
        Arc::clone(&lock(&self.0))
    }

    pub(super) fn store(&self, value: Arc<T>) {
        let old = std::mem::replace(&mut *lock(&self.0), value);
        drop(old);
    }
}

/// As `tokio::sync::Semaphore`, as far as permits go that nobody waits for.
pub(super) struct Semaphore(Mutex<usize>);

pub(super) struct Permit<'s>(&'s Semaphore);

impl Semaphore {
    pub(super) fn new(permits: usize) -> Self {
        Self(Mutex::new(permits))
    }

    pub(super) fn try_acquire(&self) -> Result<Permit<'_>, ()> {
        let mut left = lock(&self.0);
        *left = left.checked_sub(1).ok_or(())?;
        Ok(Permit(self))
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        *lock(&self.0.0) += 1;
    }
}

/// Receives the signal that something has changed.
pub(super) type Changed = watch::Receiver;

pub(super) mod watch {
    //! As `tokio::sync::watch`, without a value.

    use super::{Arc, Infallible, Mutex, Poll, VecDeque, Waker, lock, poll_fn};

    pub(in super::super) struct Sender<T>(Arc<Mutex<Changes>>, std::marker::PhantomData<T>);

    pub(in super::super) struct Receiver {
        changes: Arc<Mutex<Changes>>,
        seen: u64,
    }

    #[derive(Default)]
    struct Changes {
        count: u64,
        waiters: VecDeque<Waker>,
    }

    impl Sender<()> {
        pub(in super::super) fn new((): ()) -> Self {
            Self(Arc::default(), std::marker::PhantomData)
        }

        pub(in super::super) fn subscribe(&self) -> Receiver {
            Receiver { changes: Arc::clone(&self.0), seen: lock(&self.0).count }
        }

        pub(in super::super) fn send_replace(&self, (): ()) {
            let mut changes = lock(&self.0);
            changes.count += 1;
            let waiters = std::mem::take(&mut changes.waiters);
            drop(changes);
            waiters.into_iter().for_each(Waker::wake);
        }
    }

    impl Receiver {
        pub(in super::super) async fn changed(&mut self) -> Result<(), Infallible> {
            poll_fn(|cx| {
                let mut changes = lock(&self.changes);
                if changes.count != self.seen {
                    self.seen = changes.count;
                    return Poll::Ready(Ok(()));
                }
                changes.waiters.push_back(cx.waker().clone());
                Poll::Pending
            })
            .await
        }
    }
}
