//! One tenant's keys at work: a task that fetches when the [`Schedule`] says so, requests that read
//! without a lock or wait for the outcome, and nothing that a request could take down with it.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::held::{Changes, Found, HeldKeys, Moment};
use super::jwks::KeySet;
use super::key::VerificationKey;
use super::schedule::{Answer, Counts, Failure, Schedule, Step, WAIT};
use super::source::{KeyFuture, Lookup};
use super::timing::Timing;
use crate::clock::{Clock, UnixTime};
use crate::error::KeyError;
use crate::events;
use crate::ids::{KeyId, TenantId};
use crate::metrics;

/// Fetches a tenant's key document once.
pub(crate) type Fetch = Box<dyn Fn() -> KeyFuture<Result<KeySet, Failure>> + Send + Sync>;

/// The handle on one tenant's keys. Dropping it ends the task.
#[derive(Debug)]
pub(crate) struct KeyStore(Arc<Shared>);

/// What the handle, the task and the waiting requests have in common.
struct Shared {
    tenant: TenantId,
    timing: Timing,
    clock: Arc<dyn Clock>,
    fetch: Fetch,
    /// The keys as last published, for requests to read.
    held: ArcSwap<HeldKeys>,
    /// Never held across an await.
    schedule: Mutex<Schedule>,
    /// Told after every change that a waiting request may be waiting for.
    changed: watch::Sender<()>,
    /// Tells the task to look at the schedule again.
    wake: Notify,
    waiting: AtomicUsize,
    is_running: AtomicBool,
    task: Mutex<Task>,
}

#[derive(Debug)]
enum Task {
    NotStarted,
    Started(AbortHandle),
    /// The handle was dropped; nothing is to be started any more.
    Closed,
}

impl KeyStore {
    /// Keys that are fetched by `fetch`. Starts nothing.
    pub(crate) fn new(
        tenant: TenantId,
        timing: Timing,
        clock: Arc<dyn Clock>,
        seed: Option<(KeySet, UnixTime)>,
        fetch: Fetch,
    ) -> Self {
        let now = moment(&*clock);
        let mut schedule = Schedule::new(timing, now);
        if let Some((keys, taken)) = seed {
            schedule.seed(keys, taken, now);
        }
        Self(Arc::new(Shared {
            tenant,
            timing,
            clock,
            fetch,
            held: ArcSwap::from_pointee(schedule.held().clone()),
            schedule: Mutex::new(schedule),
            changed: watch::Sender::new(()),
            wake: Notify::new(),
            waiting: AtomicUsize::new(0),
            is_running: AtomicBool::new(false),
            task: Mutex::new(Task::NotStarted),
        }))
    }

    /// What is known of a key now: one atomic load, no lock.
    pub(crate) fn lookup(&self, key: &KeyId) -> Lookup {
        self.0.ensure_running();
        match self.0.held.load().find(key, self.0.now(), &self.0.timing) {
            Found::Key(key) => Lookup::Held(key.clone()),
            Found::Forgotten => Lookup::Refused(KeyError::forgotten()),
            Found::Unusable => Lookup::Refused(KeyError::unusable()),
            Found::Nothing | Found::Unknown => Lookup::Absent,
        }
    }

    /// Finds out about a key that is not at hand.
    pub(crate) fn resolve(&self, key: KeyId) -> KeyFuture<Result<VerificationKey, KeyError>> {
        Box::pin(Arc::clone(&self.0).resolve(key))
    }

    /// Waits until there are keys, or until an attempt has ended without any.
    pub(crate) fn first_outcome(&self) -> KeyFuture<Result<(), KeyError>> {
        let shared = Arc::clone(&self.0);
        Box::pin(async move {
            let target = shared.schedule().counts.attempts_ended + 1;
            shared.attempt_ended(target, true).await
        })
    }

    /// Fetches now, whatever the schedule says, and waits for the outcome.
    pub(crate) fn refresh_now(&self) -> KeyFuture<Result<(), KeyError>> {
        let shared = Arc::clone(&self.0);
        Box::pin(async move {
            let target = shared.schedule().ask_for_refresh();
            shared.attempt_ended(target, false).await
        })
    }

    /// Refuses a key from now on.
    pub(crate) fn forget(&self, key: &KeyId) {
        self.0.change_held(|held| held.forget(key));
    }

    /// Takes back [`forget`](Self::forget).
    pub(crate) fn unforget(&self, key: &KeyId) {
        self.0.change_held(|held| held.unforget(key));
    }

    /// Whether there are keys fresh enough to decide with.
    pub(crate) fn is_serving(&self) -> bool {
        self.0.held.load().is_serving(self.0.now(), &self.0.timing)
    }

    pub(crate) fn tenant(&self) -> TenantId {
        self.0.tenant
    }

    /// How the keys stand.
    pub(crate) fn report(&self) -> Report {
        let now = self.0.now();
        let schedule = self.0.schedule();
        Report {
            age: schedule.held().age(now),
            is_serving: schedule.held().is_serving(now, &self.0.timing),
            usable: schedule.held().usable(now, &self.0.timing),
            last_error: schedule.last_error().cloned(),
            counts: schedule.counts,
            refresh: self.0.timing.refresh,
        }
    }
}

impl Drop for KeyStore {
    fn drop(&mut self) {
        if let Task::Started(task) = std::mem::replace(&mut *lock(&self.0.task), Task::Closed) {
            task.abort();
        }
    }
}

/// How the keys of one tenant stand at a moment.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    pub(crate) age: Option<Duration>,
    pub(crate) is_serving: bool,
    pub(crate) usable: usize,
    pub(crate) last_error: Option<KeyError>,
    pub(crate) counts: Counts,
    pub(crate) refresh: Duration,
}

impl Shared {
    async fn resolve(self: Arc<Self>, key: KeyId) -> Result<VerificationKey, KeyError> {
        if !self.ensure_running() {
            return Err(no_runtime());
        }
        // Before the first question, so that no change after it is missed.
        let mut changes = self.changed.subscribe();
        let mut answer = self.schedule().ask(&key, self.now());
        let ticket = match answer {
            Answer::Key(key) => return Ok(key),
            Answer::Refused(error) => return Err(error),
            Answer::Wait(ticket) => ticket,
        };
        let _place = self.take_place().ok_or_else(|| KeyError::unavailable("too many requests wait for keys"))?;
        self.wake.notify_one();
        let deadline = sleep(WAIT);
        tokio::pin!(deadline);
        let mut ticket = ticket;
        loop {
            tokio::select! {
                biased;
                // The sender lives as long as `self`.
                _ = changes.changed() => {}
                () = &mut deadline => return Err(KeyError::unavailable("the keys did not come in time")),
            }
            answer = self.schedule().ask_again(&key, ticket, self.now());
            ticket = match answer {
                Answer::Key(key) => return Ok(key),
                Answer::Refused(error) => return Err(error),
                Answer::Wait(ticket) => ticket,
            };
            self.wake.notify_one();
        }
    }

    /// Waits until so many attempts have ended. With `or_serving`, keys that can be used will do.
    async fn attempt_ended(self: Arc<Self>, target: u64, or_serving: bool) -> Result<(), KeyError> {
        let mut changes = self.changed.subscribe();
        if !self.ensure_running() {
            return Err(no_runtime());
        }
        self.wake.notify_one();
        loop {
            {
                let schedule = self.schedule();
                let is_serving = schedule.held().is_serving(self.now(), &self.timing);
                let has_ended = schedule.counts.attempts_ended >= target;
                match schedule.last_error() {
                    _ if or_serving && is_serving => return Ok(()),
                    Some(error) if has_ended => return Err(error.clone()),
                    None if has_ended && is_serving => return Ok(()),
                    None if has_ended => return Err(KeyError::unavailable("the fetch was broken off")),
                    _ => {}
                }
            }
            // The sender lives as long as `self`.
            let _ = changes.changed().await;
        }
    }

    /// Starts the task unless it runs. Says whether it does.
    fn ensure_running(self: &Arc<Self>) -> bool {
        self.is_running.load(Ordering::Acquire) || self.start()
    }

    fn start(self: &Arc<Self>) -> bool {
        let Ok(runtime) = Handle::try_current() else { return false };
        let mut task = lock(&self.task);
        if matches!(*task, Task::Closed) {
            return false;
        }
        // Another request may have been faster.
        if !self.is_running.swap(true, Ordering::AcqRel) {
            let running = Running(Arc::clone(self));
            *task = Task::Started(runtime.spawn(async move { running.0.run().await }).abort_handle());
        }
        true
    }

    /// The task: fetches when it is time, for ever.
    async fn run(&self) {
        loop {
            let step = self.schedule().next(self.now());
            match step {
                Step::SleepUntil(until) => tokio::select! {
                    () = sleep_until(Instant::from_std(until)) => {}
                    () = self.wake.notified() => {}
                },
                Step::Fetch => {
                    self.schedule().begin();
                    let outcome = self.fetch().await;
                    self.take_in(outcome);
                }
            }
        }
    }

    /// One attempt, within its deadline and whatever happens in it.
    async fn fetch(&self) -> Result<KeySet, Failure> {
        let failure = |why: &str| Failure { error: KeyError::unavailable(why), retry_after: None };
        match timeout(self.timing.fetch_timeout, CatchPanic((self.fetch)())).await {
            Ok(Some(outcome)) => outcome,
            Ok(None) => Err(failure("the fetch panicked")),
            Err(_) => Err(failure("the fetch took too long")),
        }
    }

    fn take_in(&self, outcome: Result<KeySet, Failure>) {
        let now = self.now();
        let (was_failing, result, age, usable) = {
            let mut schedule = self.schedule();
            let was_failing = schedule.last_error().is_some();
            let result = match outcome {
                Ok(keys) => {
                    let rejected = keys.rejected();
                    Ok((schedule.succeeded(keys, now, jitter()), rejected))
                }
                Err(failure) => {
                    let error = failure.error.clone();
                    schedule.failed(failure, now, jitter());
                    Err(error)
                }
            };
            self.held.store(Arc::new(schedule.held().clone()));
            let held = schedule.held();
            (was_failing, result, held.age(now), held.usable(now, &self.timing))
        };
        metrics::fetched(self.tenant, result.is_ok(), age, usable);
        self.changed.send_replace(());
        match result {
            Ok((changes, rejected)) => self.log_good(&changes, rejected, was_failing),
            Err(error) => self.log_failed(&error),
        }
    }

    fn log_good(&self, changes: &Changes, rejected: usize, was_failing: bool) {
        let tenant = tracing::field::display(self.tenant);
        tracing::debug!(
            target: events::KEYS,
            %tenant,
            added = changes.added.len(),
            missing = changes.missing.len(),
            dropped = changes.dropped.len(),
            rejected,
            surplus = changes.surplus,
            "keys refreshed"
        );
        if was_failing {
            tracing::info!(target: events::KEYS, %tenant, "keys can be fetched again");
        }
        for key in &changes.dropped {
            tracing::info!(target: events::KEYS, %tenant, %key, "a key was dropped that answers no longer list");
        }
        for key in &changes.replaced {
            tracing::warn!(target: events::KEYS, %tenant, %key, "another key has taken the name of one that was held");
        }
    }

    fn log_failed(&self, error: &KeyError) {
        let tenant = tracing::field::display(self.tenant);
        let cause = tracing::field::display(Chain(error));
        if self.held.load().is_serving(self.now(), &self.timing) {
            tracing::warn!(target: events::KEYS, %tenant, %cause, "keys could not be refreshed; those held are served");
        } else {
            tracing::error!(target: events::KEYS, %tenant, %cause, "keys could not be fetched; requests are answered 503");
        }
    }

    fn change_held(&self, change: impl FnOnce(&mut HeldKeys)) {
        let mut schedule = self.schedule();
        change(schedule.held_mut());
        self.held.store(Arc::new(schedule.held().clone()));
        drop(schedule);
        self.changed.send_replace(());
    }

    fn take_place(self: &Arc<Self>) -> Option<Place> {
        let taken = self.waiting.fetch_add(1, Ordering::Relaxed);
        let place = Place(Arc::clone(self));
        (taken < MAX_WAITING).then_some(place)
    }

    fn schedule(&self) -> MutexGuard<'_, Schedule> {
        lock(&self.schedule)
    }

    fn now(&self) -> Moment {
        moment(&*self.clock)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("tenant", &self.tenant).finish_non_exhaustive()
    }
}

/// Held by the task: says that it runs until it is dropped, by the end of the runtime too.
struct Running(Arc<Shared>);

impl Drop for Running {
    fn drop(&mut self) {
        let now = self.0.now();
        self.0.schedule().interrupted(now);
        self.0.is_running.store(false, Ordering::Release);
        self.0.changed.send_replace(());
    }
}

/// One of the places for waiting requests.
struct Place(Arc<Shared>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A future whose panic is an outcome: `None`.
struct CatchPanic<T>(KeyFuture<T>);

impl<T> Future for CatchPanic<T> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        // The future is not polled again after a panic.
        match std::panic::catch_unwind(AssertUnwindSafe(|| self.0.as_mut().poll(cx))) {
            Ok(poll) => poll.map(Some),
            Err(_) => Poll::Ready(None),
        }
    }
}

/// An error with all its causes in one line.
struct Chain<'e>(&'e KeyError);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut error: Option<&dyn std::error::Error> = Some(self.0);
        let mut separator = "";
        while let Some(cause) = error {
            write!(f, "{separator}{cause}")?;
            separator = ": ";
            error = cause.source();
        }
        Ok(())
    }
}

fn no_runtime() -> KeyError {
    KeyError::unavailable("keys are fetched by a task, which needs a tokio runtime")
}

fn moment(clock: &dyn Clock) -> Moment {
    Moment { mono: Instant::now().into_std(), wall: clock.now() }
}

/// A random number from 0 to 1; a fresh hasher's keys are random.
fn jitter() -> f64 {
    let random = u32::try_from(RandomState::new().hash_one(()) >> 32).unwrap_or(0);
    f64::from(random) / f64::from(u32::MAX)
}

/// A panic elsewhere leaves nothing half-done behind: every change under a lock is made by functions
/// that do not panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How many requests may wait for one tenant's keys.
const MAX_WAITING: usize = 1024;
