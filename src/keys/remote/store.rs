//! One tenant's keys at work: a task that fetches when the [`Schedule`] says so, requests that read
//! without a lock or wait for the outcome, and nothing that a request could take down with it.

use std::convert::Infallible;
use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use super::runtime::{self, AbortHandle, ArcSwap, AtomicUsize, Handle, Mutex, MutexGuard, Notify, watch};
use crate::clock::{Clock, UnixTime};
use crate::error::{Chain, KeyError};
use crate::ids::{KeyId, TenantId};
use crate::keys::jwks::KeySet;
use crate::keys::remote::cached::{CachedKeys, Changes, Found};
use crate::keys::remote::now::Now;
use crate::keys::remote::schedule::{Answer, Failure, Schedule, Step};
use crate::keys::remote::status::KeyStatus;
use crate::keys::remote::timing::Timing;
use crate::keys::source::{KeyFuture, Lookup};
use crate::signature::key::VerificationKey;
use crate::telemetry::events;
use crate::telemetry::meter;

/// Fetches a tenant's key document once.
pub(crate) type Fetch = Arc<dyn Fn() -> KeyFuture<Result<KeySet, Failure>> + Send + Sync>;

/// The handle on one tenant's keys. Dropping it ends the task.
pub(crate) struct KeyStore(Arc<Shared>);

/// What the handle, the task and the waiting requests have in common.
struct Shared {
    tenant: TenantId,
    timing: Timing,
    clock: Arc<dyn Clock>,
    fetch: Fetch,
    /// What requests read. Written under the lock of `schedule` only.
    published: ArcSwap<Published>,
    /// Never held across an await.
    schedule: Mutex<Schedule>,
    /// Told after every change that a waiting request may be waiting for.
    changed: watch::Sender<()>,
    /// Tells the task to look at the schedule again.
    wake: Notify,
    waiting: AtomicUsize,
    task: Mutex<Task>,
}

struct Published {
    held: CachedKeys,
    /// Whether there is a task that keeps them current.
    has_task: bool,
    /// When this was published, by the clock that never jumps.
    at: Instant,
    /// Until when a key that is in no good answer is rejected at once.
    known_unknown_until: Option<Instant>,
}

impl Published {
    /// A moment for the question whether keys still count, which every request asks.
    ///
    /// While there is a task only the wall clock is read, which takes half as long: the task publishes
    /// again whenever keys stop counting by the other clock.
    fn moment(&self, clock: &dyn Clock) -> Now {
        let wall = clock.now();
        let is_watched = self.has_task && wall.is_some();
        Now { monotonic: if is_watched { self.at } else { runtime::now() }, wall }
    }
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
        let now = Now { monotonic: runtime::now(), wall: clock.now() };
        let mut schedule = Schedule::new(timing, now);
        if let Some((keys, taken)) = seed {
            schedule.seed(keys, taken, now);
        }
        Self(Arc::new(Shared {
            tenant,
            timing,
            clock,
            fetch,
            published: ArcSwap::from_pointee(Published {
                held: schedule.held().clone(),
                has_task: false,
                at: now.monotonic,
                known_unknown_until: None,
            }),
            schedule: Mutex::new(schedule),
            changed: watch::Sender::new(()),
            wake: Notify::new(),
            waiting: AtomicUsize::new(0),
            task: Mutex::new(Task::NotStarted),
        }))
    }

    /// What is known of a key now: one atomic load, no lock.
    pub(crate) fn lookup(&self, key: &KeyId) -> Lookup {
        let published = self.0.published.load();
        self.0.keep_running(&published);
        match published.held.find(key, published.moment(&*self.0.clock), &self.0.timing) {
            Found::Key(key) => Lookup::Found(key.clone()),
            Found::Revoked => Lookup::Rejected(KeyError::revoked()),
            Found::Unusable => Lookup::Rejected(KeyError::unusable()),
            Found::NoKeys => Lookup::Miss,
            Found::UnknownKid => {
                let left = published.known_unknown_until.and_then(|until| until.checked_duration_since(runtime::now()));
                match left.filter(|left| !left.is_zero()) {
                    Some(left) => Lookup::Rejected(KeyError::unknown().with_retry_after(left)),
                    None => Lookup::Miss,
                }
            }
        }
    }

    /// Whether this is what is held under the name now, at the same cost and without a copy.
    pub(crate) fn is_current(&self, id: &KeyId, key: &VerificationKey) -> bool {
        let published = self.0.published.load();
        self.0.keep_running(&published);
        let found = published.held.find(id, published.moment(&*self.0.clock), &self.0.timing);
        matches!(found, Found::Key(held) if held.is_same(key))
    }

    /// Finds out about a key that is not at hand.
    pub(crate) fn resolve(&self, key: KeyId) -> KeyFuture<Result<VerificationKey, KeyError>> {
        Box::pin(Arc::clone(&self.0).resolve(key))
    }

    /// Waits until there are keys, or until an attempt has ended without any.
    pub(crate) fn ready(&self) -> KeyFuture<Result<(), KeyError>> {
        let shared = Arc::clone(&self.0);
        Box::pin(async move {
            let attempt = shared.schedule().next_to_end();
            shared.outcome(attempt, true).await
        })
    }

    /// Has keys fetched now, whatever the schedule says. The future waits for the outcome.
    pub(crate) fn refresh_now(&self) -> KeyFuture<Result<(), KeyError>> {
        let shared = Arc::clone(&self.0);
        let attempt = shared.change(|schedule| schedule.ask_for_refresh());
        Box::pin(shared.outcome(attempt, false))
    }

    /// Rejects a key from now on.
    pub(crate) fn revoke(&self, key: &KeyId) {
        self.0.change_held(|held| held.revoke(key));
    }

    /// Takes back [`revoke`](Self::revoke).
    pub(crate) fn reinstate(&self, key: &KeyId) {
        self.0.change_held(|held| held.reinstate(key));
    }

    /// Whether there are keys fresh enough to decide with. If not, sees to it that some are fetched: where
    /// traffic waits for readiness, no request would.
    pub(crate) fn is_serving(&self) -> bool {
        let now = self.0.now();
        let is_serving = self.0.published.load().held.is_serving(now, &self.0.timing);
        if !is_serving {
            self.0.ensure_running();
            self.0.change(|schedule| schedule.observe_clock(now));
        }
        is_serving
    }

    pub(crate) fn tenant(&self) -> TenantId {
        self.0.tenant
    }

    /// How the keys stand.
    pub(crate) fn status(&self) -> KeyStatus {
        let now = self.0.now();
        let schedule = self.0.schedule();
        KeyStatus {
            tenant: self.0.tenant,
            age: schedule.held().age(now),
            is_serving: schedule.held().is_serving(now, &self.0.timing),
            usable: schedule.held().usable(now, &self.0.timing),
            last_error: schedule.last_error().cloned(),
            counts: schedule.counts(),
            refresh: self.0.timing.refresh,
        }
    }
}

impl Drop for KeyStore {
    fn drop(&mut self) {
        let task = std::mem::replace(&mut *lock(&self.0.task), Task::Closed);
        if let Task::Started(task) = task {
            task.abort();
        }
    }
}

/// What requests do.
impl Shared {
    async fn resolve(self: Arc<Self>, key: KeyId) -> Result<VerificationKey, KeyError> {
        let now = self.now();
        let mut waiter = match self.change(|schedule| schedule.request_key(&key, now)) {
            Answer::Key(key) => return Ok(key),
            Answer::Rejected(error) => return Err(error),
            Answer::Wait(waiter) => waiter,
        };
        let _place = Place::take(&self).ok_or_else(too_many)?;
        // Before the next question, so that no change after it is missed.
        let mut changes = self.changed.subscribe();
        loop {
            // The task may be another runtime's; to wait takes one here.
            if !self.ensure_running() || Handle::try_current().is_err() {
                return Err(no_task());
            }
            let now = self.now();
            waiter = match self.change(|schedule| schedule.poll_key(&key, waiter, now)) {
                Answer::Key(key) => return Ok(key),
                Answer::Rejected(error) => return Err(error),
                Answer::Wait(waiter) => waiter,
            };
            tokio::select! {
                biased;
                // The sender lives as long as `self`.
                _ = changes.changed() => {}
                () = runtime::sleep_until(waiter.until) => return Err(too_late()),
            }
        }
    }

    /// Waits until the attempt of this number has ended. With `or_serving`, keys that can be used will do.
    async fn outcome(self: Arc<Self>, attempt: u64, or_serving: bool) -> Result<(), KeyError> {
        let mut changes = self.changed.subscribe();
        loop {
            let now = self.now();
            if !self.ensure_running() {
                return Err(no_task());
            }
            let outcome = self.change(|schedule| {
                schedule.observe_clock(now);
                let is_served = or_serving && schedule.held().is_serving(now, &self.timing);
                if is_served { Some(Ok(())) } else { schedule.outcome(attempt) }
            });
            if let Some(outcome) = outcome {
                return outcome;
            }
            // The sender lives as long as `self`.
            let _ = changes.changed().await;
        }
    }
}

/// What the task does, and how it comes and goes.
impl Shared {
    /// Starts the task unless it is known to run.
    fn keep_running(self: &Arc<Self>, published: &Published) {
        if !published.has_task {
            self.start();
        }
    }

    /// Starts the task unless it runs. Says whether it does.
    fn ensure_running(self: &Arc<Self>) -> bool {
        self.published.load().has_task || self.start()
    }

    #[cold]
    fn start(self: &Arc<Self>) -> bool {
        let Ok(runtime) = Handle::try_current() else { return false };
        let mut task = lock(&self.task);
        if matches!(*task, Task::Closed) {
            return false;
        }
        // Another request may have been faster.
        if !self.published.load().has_task {
            // Before there is a task: its end may come at once, and must have the last word.
            self.publish(&self.schedule(), true);
            let running = Running(Arc::clone(self));
            *task = Task::Started(runtime.spawn(async move { running.0.run().await }).abort_handle());
        }
        true
    }

    /// The task: fetches when it is time, for ever.
    async fn run(&self) {
        loop {
            match self.next_step() {
                Step::SleepUntil(until) => tokio::select! {
                    biased;
                    () = self.wake.notified() => {}
                    () = runtime::sleep_until(until) => {}
                },
                Step::Fetch => {
                    self.schedule().begin();
                    let outcome = tokio::select! {
                        biased;
                        outcome = self.fetch() => outcome,
                        never = self.publish_ends() => match never {},
                    };
                    self.take_in(outcome);
                }
            }
        }
    }

    fn next_step(&self) -> Step {
        let now = self.now();
        let mut schedule = self.schedule();
        // It may have been told to wake because keys stop counting now.
        self.publish(&schedule, true);
        schedule.next(now)
    }

    /// Publishes again whenever keys stop counting, for as long as a fetch takes.
    async fn publish_ends(&self) -> Infallible {
        loop {
            let end = self.schedule().next_end(self.now());
            match end {
                Some(end) => runtime::sleep_until(end).await,
                None => pending().await,
            }
            self.publish(&self.schedule(), true);
        }
    }

    /// One attempt, within its deadline and whatever happens in it.
    async fn fetch(&self) -> Result<KeySet, Failure> {
        let fetch = Arc::clone(&self.fetch);
        let attempt = CatchPanic(Box::pin(async move { fetch().await }));
        match runtime::timeout(self.timing.fetch_timeout, attempt).await {
            Some(Some(outcome)) => outcome,
            Some(None) => Err(KeyError::unavailable("the fetch panicked").into()),
            None => Err(KeyError::unavailable("the fetch took too long").into()),
        }
    }

    fn take_in(&self, outcome: Result<KeySet, Failure>) {
        let now = self.now();
        let mut schedule = self.schedule();
        let before = schedule.counts();
        let was_failing = schedule.last_error().is_some();
        let result = match outcome {
            Ok(keys) => Ok(schedule.succeeded(keys, now, runtime::jitter())),
            Err(failure) => {
                let error = failure.error.clone();
                schedule.failed(failure, now, runtime::jitter());
                Err(error)
            }
        };
        let counts = schedule.counts();
        let held = schedule.held();
        let (is_serving, age, usable) =
            (held.is_serving(now, &self.timing), held.age(now), held.usable(now, &self.timing));
        self.publish(&schedule, true);
        drop(schedule);
        meter::fetched(self.tenant, result.is_ok(), age, usable);
        self.changed.send_replace(());
        match result {
            Ok(changes) => self.log_good(
                &changes,
                was_failing,
                (counts.unusable_entries != before.unusable_entries).then_some(counts.unusable_entries),
            ),
            Err(error) => self.log_failed(&error, is_serving),
        }
    }

    fn log_good(&self, changes: &Changes, was_failing: bool, unusable_entries: Option<usize>) {
        let tenant = tracing::field::display(self.tenant);
        tracing::debug!(
            target: events::KEYS,
            %tenant,
            added = changes.added.len(),
            missing = changes.missing.len(),
            dropped = changes.dropped.len(),
            "keys refreshed"
        );
        if was_failing {
            tracing::info!(target: events::KEYS, %tenant, "keys can be fetched again");
        }
        for key in &changes.dropped {
            tracing::info!(target: events::KEYS, %tenant, %key, "a key was dropped that answers no longer list");
        }
        // Once, not with every refresh.
        if let Some(entries @ 1..) = unusable_entries {
            tracing::warn!(target: events::KEYS, %tenant, entries, "the key document has entries that cannot be used");
        }
        for key in &changes.replaced {
            tracing::warn!(target: events::KEYS, %tenant, %key, "another key has taken the name of one that was held");
        }
        for key in &changes.withdrawn {
            tracing::warn!(target: events::KEYS, %tenant, %key, "a key that was held is listed as unfit now");
        }
    }

    fn log_failed(&self, error: &KeyError, is_serving: bool) {
        let tenant = tracing::field::display(self.tenant);
        let cause = tracing::field::display(Chain(error));
        if is_serving {
            tracing::warn!(target: events::KEYS, %tenant, %cause, "keys could not be refreshed; those held are served");
        } else {
            tracing::error!(target: events::KEYS, %tenant, %cause, "keys could not be fetched; requests are answered 503");
        }
    }
}

/// What both sides need.
impl Shared {
    /// Changes the schedule and tells the task if that concerns it.
    fn change<T>(&self, change: impl FnOnce(&mut Schedule) -> T) -> T {
        let mut schedule = self.schedule();
        let changed = change(&mut schedule);
        let needs_wake = schedule.take_needs_wake();
        drop(schedule);
        if needs_wake {
            self.wake.notify_one();
        }
        changed
    }

    fn change_held(&self, change: impl FnOnce(&mut CachedKeys)) {
        let mut schedule = self.schedule();
        change(schedule.held_mut());
        let has_task = self.published.load().has_task;
        self.publish(&schedule, has_task);
        drop(schedule);
        self.changed.send_replace(());
    }

    /// Takes the lock's guard as its witness.
    fn publish(&self, schedule: &MutexGuard<'_, Schedule>, has_task: bool) {
        self.published.store(Arc::new(Published {
            held: schedule.held().clone(),
            has_task,
            at: runtime::now(),
            known_unknown_until: schedule.known_unknown_until(),
        }));
    }

    fn schedule(&self) -> MutexGuard<'_, Schedule> {
        lock(&self.schedule)
    }

    fn now(&self) -> Now {
        Now { monotonic: runtime::now(), wall: self.clock.now() }
    }
}

/// Held by the task: says that it runs until it is dropped, by the end of the runtime too.
struct Running(Arc<Shared>);

impl Drop for Running {
    fn drop(&mut self) {
        let mut schedule = self.0.schedule();
        schedule.interrupted(runtime::now(), std::thread::panicking());
        self.0.publish(&schedule, false);
        drop(schedule);
        self.0.changed.send_replace(());
    }
}

/// One of the places for waiting requests.
struct Place(Arc<Shared>);

impl Place {
    fn take(shared: &Arc<Shared>) -> Option<Self> {
        let take = |taken| (taken < MAX_WAITING).then_some(taken + 1);
        shared.waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).ok()?;
        Some(Self(Arc::clone(shared)))
    }
}

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
        match catch_unwind(AssertUnwindSafe(|| self.0.as_mut().poll(cx))) {
            Ok(poll) => poll.map(Some),
            Err(_) => Poll::Ready(None),
        }
    }
}

fn no_task() -> KeyError {
    KeyError::unavailable("keys are fetched by a task, which needs a tokio runtime and ends with its handle")
}

fn too_late() -> KeyError {
    KeyError::unavailable("the keys did not come in time")
}

fn too_many() -> KeyError {
    KeyError::unavailable("too many requests wait for keys")
}

/// A panic elsewhere leaves nothing half-done behind: every change under a lock is made by functions
/// that do not panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How many requests may wait for one tenant's keys.
const MAX_WAITING: usize = 1024;
