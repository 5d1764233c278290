//! The keys of one tenant at work: a task fetches when the [`Schedule`] says so, requests read without a lock or wait
//! for the outcome, and no request can take the task down with it.
//!
//! The tests compile this file a second time on a model of its runtime. So whatever runs, locks, wakes or tells the
//! time comes from `super::runtime`; other paths start at the root of the crate.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use futures_util::FutureExt;

use super::runtime::{self, AbortHandle, ArcSwap, Changed, Mutex, MutexGuard, Semaphore, watch};
use crate::clock::{Clock, UnixTime};
use crate::error::{Chain, KeyError};
use crate::ids::{KeyId, TenantId};
use crate::keys::jwks::KeySet;
use crate::keys::remote::cached::{CachedKeys, Changes, Found};
use crate::keys::remote::now::Now;
use crate::keys::remote::schedule::{Failure, Fetched, KeyLookup, Schedule, Step};
use crate::keys::remote::status::KeyStatus;
use crate::keys::remote::timing::Timing;
use crate::keys::source::{KeyFuture, Lookup};
use crate::signature::key::VerificationKey;
use crate::telemetry::events;
use crate::telemetry::meter::TenantSeries;

/// Fetches a tenant's key document once.
pub(crate) type Fetch = Arc<dyn Fn() -> KeyFuture<Result<Fetched, Failure>> + Send + Sync>;

/// The handle on one tenant's keys. Dropping it ends the task.
pub(crate) struct KeyStore(Arc<Shared>);

/// What the handle, the task and the waiters share.
struct Shared {
    tenant: TenantId,
    timing: Timing,
    clock: Arc<dyn Clock>,
    fetch: Fetch,
    /// What requests read. Written under the lock of `schedule` only.
    published: ArcSwap<Published>,
    /// Never held across an await.
    schedule: Mutex<Schedule>,
    /// Notified after every change that a waiter may wait for.
    changed: watch::Sender<()>,
    /// Tells the task to read the schedule again. A stalled task listens, too, and must not consume the signal.
    wake: watch::Sender<()>,
    waiters: Semaphore,
    /// Locked before `schedule`, never after it.
    task: Mutex<Task>,
    series: TenantSeries,
}

struct Published {
    keys: CachedKeys,
    /// Some of its [listed](CachedKeys::listed) keys: as many as are found faster one by one than by their hash.
    listed: Vec<(KeyId, VerificationKey)>,
    /// From when on the task that keeps the keys current counts as stalled. `None` without a task.
    overdue_at: Option<Instant>,
    /// Until when a key that no document lists is rejected at once.
    known_unknown_until: Option<Instant>,
}

#[derive(Debug)]
enum Task {
    NotStarted,
    Started(AbortHandle),
    /// The handle was dropped; nothing is started any more.
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
            published: ArcSwap::from_pointee(Published::of(&schedule)),
            schedule: Mutex::new(schedule),
            changed: watch::Sender::new(()),
            wake: watch::Sender::new(()),
            waiters: Semaphore::new(MAX_WAITERS),
            task: Mutex::new(Task::NotStarted),
            series: TenantSeries::start(tenant),
        }))
    }

    /// Starts with what another store of the tenant knows: its cached keys, and those that it rejects.
    pub(crate) fn take_over(&self, former: &Self) {
        let known = former.0.published.load().keys.clone();
        let timing = self.0.timing;
        self.0.change_keys(|keys| *keys = known.under(&timing));
    }

    /// What is known of a key at `wall`: one atomic load, no lock. Reads the monotonic clock only.
    pub(crate) fn lookup(&self, id: &KeyId, wall: UnixTime) -> Lookup {
        self.lookup_at(id, Now { monotonic: runtime::now(), wall: Some(wall) })
    }

    /// The same by the clocks of the store, for tests that have no request.
    #[cfg(test)]
    pub(crate) fn lookup_now(&self, id: &KeyId) -> Lookup {
        self.lookup_at(id, self.0.now())
    }

    fn lookup_at(&self, id: &KeyId, now: Now) -> Lookup {
        let published = self.0.published.load();
        self.0.keep_running(&published, now);
        match published.keys.find(id, now, &self.0.timing) {
            Found::Key(key) => Lookup::Found(key.clone()),
            Found::Revoked => Lookup::Rejected(KeyError::revoked()),
            Found::Unusable => Lookup::Rejected(KeyError::unusable()),
            Found::NoKeys => Lookup::Miss,
            Found::UnknownKid => {
                let left = published.known_unknown_until.and_then(|until| until.checked_duration_since(now.monotonic));
                match left.filter(|left| !left.is_zero()) {
                    Some(left) => Lookup::Rejected(KeyError::unknown().with_retry_after(left)),
                    None => Lookup::Miss,
                }
            }
        }
    }

    /// Whether this is the cached key of that `kid` at `wall`, without a copy. Reads the monotonic clock only.
    pub(crate) fn is_current(&self, id: &KeyId, key: &VerificationKey, wall: UnixTime) -> bool {
        let now = Now { monotonic: runtime::now(), wall: Some(wall) };
        let published = self.0.published.load();
        self.0.keep_running(&published, now);
        published.is_current(id, key, now, &self.0.timing)
    }

    /// Finds out about a key that is not cached.
    pub(crate) fn resolve(&self, id: KeyId) -> KeyFuture<Result<VerificationKey, KeyError>> {
        Box::pin(Arc::clone(&self.0).resolve(id))
    }

    /// Starts the task and waits until there are keys, or until an attempt has ended without any.
    pub(crate) fn wait_for_keys(&self) -> KeyFuture<Result<(), KeyError>> {
        let shared = Arc::clone(&self.0);
        Box::pin(async move {
            let attempt = shared.schedule().next_to_end();
            shared.outcome(attempt, true).await
        })
    }

    /// Has keys fetched now, whatever the schedule says. The future waits for the outcome.
    pub(crate) fn refresh_now(&self) -> KeyFuture<Result<(), KeyError>> {
        let shared = Arc::clone(&self.0);
        let attempt = shared.change(Schedule::ask_for_refresh);
        Box::pin(shared.outcome(attempt, false))
    }

    /// Rejects a key from now on.
    pub(crate) fn revoke(&self, id: &KeyId) {
        self.0.change_keys(|keys| keys.revoke(id));
    }

    /// Takes back [`revoke`](Self::revoke).
    pub(crate) fn reinstate(&self, id: &KeyId) {
        self.0.change_keys(|keys| keys.reinstate(id));
    }

    /// Starts the task unless it runs, and an attempt if keys have expired meanwhile.
    pub(crate) fn start(&self) {
        let now = self.0.now();
        self.0.keep_running(&self.0.published.load(), now);
        self.0.change(|schedule| schedule.observe_clock(now));
    }

    /// Whether there are keys fresh enough to decide with. Starts nothing.
    pub(crate) fn is_serving(&self) -> bool {
        self.0.published.load().keys.is_serving(self.0.now())
    }

    pub(crate) fn tenant(&self) -> TenantId {
        self.0.tenant
    }

    /// The state of the keys, for operators.
    pub(crate) fn status(&self) -> KeyStatus {
        let now = self.0.now();
        let schedule = self.0.schedule();
        KeyStatus {
            tenant: self.0.tenant,
            age: schedule.keys().age(now),
            is_serving: schedule.keys().is_serving(now),
            usable: schedule.keys().usable(now, &self.0.timing),
            last_error: schedule.last_error().cloned(),
            discovery_error: schedule.discovery_error().cloned(),
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
    async fn resolve(self: Arc<Self>, id: KeyId) -> Result<VerificationKey, KeyError> {
        let now = self.now();
        let mut waiter = match self.change(|schedule| schedule.request_key(&id, now)) {
            KeyLookup::Key(key) => return Ok(key),
            KeyLookup::Rejected(error) => return Err(error),
            KeyLookup::Wait(waiter) => waiter,
        };
        let _permit = self.waiters.try_acquire().map_err(|_| too_many())?;
        // The task may run elsewhere, but the timer of this wait runs here.
        runtime::current().ok_or_else(no_task)?;
        // Before the next question, so that no change after it is missed.
        let mut changes = self.changed.subscribe();
        loop {
            self.ensure_task()?;
            let now = self.now();
            waiter = match self.change(|schedule| schedule.poll_key(&id, waiter, now)) {
                KeyLookup::Key(key) => return Ok(key),
                KeyLookup::Rejected(error) => return Err(error),
                KeyLookup::Wait(waiter) => waiter,
            };
            self.wait_for_change(&mut changes, waiter.until).await?;
        }
    }

    /// Waits until the attempt of this number has ended. With `or_serving`, keys that can be used will do.
    async fn outcome(self: Arc<Self>, attempt: u64, or_serving: bool) -> Result<(), KeyError> {
        let mut changes = self.changed.subscribe();
        let mut until = None;
        loop {
            self.ensure_task()?;
            let now = self.now();
            let (outcome, ends_by) = self.change(|schedule| {
                schedule.observe_clock(now);
                let is_served = or_serving && schedule.keys().is_serving(now);
                (if is_served { Some(Ok(())) } else { schedule.outcome(attempt) }, schedule.ends_by(now.monotonic))
            });
            if let Some(outcome) = outcome {
                return outcome;
            }
            if until.is_none() {
                runtime::current().ok_or_else(no_task)?;
            }
            self.wait_for_change(&mut changes, *until.get_or_insert(ends_by)).await?;
        }
    }

    /// Replaces a task that is missing or overdue by one on the caller's own runtime, which is certain to run.
    fn ensure_task(self: &Arc<Self>) -> Result<(), KeyError> {
        let now = runtime::now();
        let overdue_at = self.schedule().overdue_at();
        if overdue_at.is_some_and(|at| now < at) || self.start() { Ok(()) } else { Err(no_task()) }
    }

    /// Waits for the next change, or until the task is overdue. At `until` it is too late.
    async fn wait_for_change(&self, changes: &mut Changed, until: Instant) -> Result<(), KeyError> {
        let overdue_at = self.schedule().overdue_at();
        tokio::select! {
            biased;
            // The sender lives as long as `self`.
            _ = changes.changed() => Ok(()),
            () = runtime::sleep_until(overdue_at.map_or(until, |at| at.min(until))) => {
                if runtime::now() < until { Ok(()) } else { Err(too_late()) }
            }
        }
    }
}

/// What the task does, and how it starts and ends.
impl Shared {
    /// Starts a task where none is known to run.
    fn keep_running(self: &Arc<Self>, published: &Published, now: Now) {
        if published.overdue_at.is_none_or(|at| now.monotonic >= at) {
            self.start();
        }
    }

    /// Starts a task unless there is one that is not overdue. Says whether there is one now.
    #[cold]
    fn start(self: &Arc<Self>) -> bool {
        let Some(runtime) = runtime::current() else { return false };
        let mut task = lock(&self.task);
        if matches!(*task, Task::Closed) {
            return false;
        }
        let mut schedule = self.schedule();
        let now = runtime::now();
        // Another request may have been faster.
        if schedule.overdue_at().is_some_and(|at| now < at) {
            return true;
        }
        // Before there is a task: its end may come at once, and must have the last word.
        let number = schedule.take_over(now);
        self.publish(&schedule);
        drop(schedule);
        let running = Running { shared: Arc::clone(self), number };
        let started = runtime.spawn(async move { running.run().await }).abort_handle();
        if let Task::Started(stalled) = std::mem::replace(&mut *task, Task::Started(started)) {
            stalled.abort();
        }
        true
    }

    /// One attempt, within its deadline and whatever happens in it.
    async fn attempt(&self) -> Result<Fetched, Failure> {
        let attempt = AssertUnwindSafe(async { (self.fetch)().await }).catch_unwind();
        match runtime::timeout(self.timing.fetch_timeout, attempt).await {
            Some(Ok(outcome)) => outcome,
            Some(Err(_)) => Err(KeyError::unavailable("the fetch panicked").into()),
            None => Err(KeyError::unavailable("the fetch took too long").into()),
        }
    }
}

/// Held by the task of this number: it runs until this is dropped, by the end of its runtime, too.
struct Running {
    shared: Arc<Shared>,
    number: u64,
}

impl Running {
    /// Fetches when it is time, until another task has taken over.
    async fn run(&self) {
        let mut wake = self.shared.wake.subscribe();
        while let Some(step) = self.next_step() {
            match step {
                Step::SleepUntil(until) => tokio::select! {
                    biased;
                    // The sender lives as long as `self`.
                    _ = wake.changed() => {}
                    () = runtime::sleep_until(until) => {}
                },
                Step::Fetch => {
                    let outcome = self.shared.attempt().await;
                    self.finish(outcome);
                }
            }
        }
    }

    /// The schedule, unless another task has taken over.
    fn schedule(&self) -> Option<MutexGuard<'_, Schedule>> {
        Some(self.shared.schedule()).filter(|schedule| schedule.is_served_by(self.number))
    }

    /// Reads the schedule, and publishes until when this task is trusted to run.
    fn next_step(&self) -> Option<Step> {
        let now = self.shared.now();
        let mut schedule = self.schedule()?;
        let step = schedule.next(now);
        if step == Step::Fetch {
            schedule.begin(now);
        }
        self.shared.publish(&schedule);
        Some(step)
    }

    fn finish(&self, outcome: Result<Fetched, Failure>) {
        let shared = &*self.shared;
        let now = shared.now();
        let Some(mut schedule) = self.schedule() else { return };
        let before = schedule.counts();
        let was_failing = schedule.last_error().is_some();
        let mut discovery = None;
        let mut compromised = Vec::new();
        let result = match outcome {
            Ok(Fetched { keys, discovery_error }) => {
                discovery = Some((schedule.discovery_ended(discovery_error.clone()), discovery_error));
                Ok(schedule.succeeded(keys, now, runtime::jitter()))
            }
            Err(failure) => {
                let error = failure.error.clone();
                compromised = schedule.failed(failure, now, runtime::jitter());
                Err(error)
            }
        };
        let counts = schedule.counts();
        let keys = schedule.keys();
        let (is_serving, usable) = (keys.is_serving(now), keys.usable(now, &shared.timing));
        let last_success = keys.last_success(now);
        shared.publish(&schedule);
        drop(schedule);
        shared.series.fetched(result.is_ok(), last_success, usable);
        shared.changed.send_replace(());
        if let Some((is_news, error)) = discovery {
            shared.report_discovery(error.as_ref(), is_news);
        }
        if let Ok(changes) = &result {
            compromised.clone_from(&changes.compromised);
        }
        shared.log_compromised(&compromised);
        match result {
            Ok(changes) => shared.log_success(
                &changes,
                was_failing,
                (counts.unusable_entries != before.unusable_entries).then_some(counts.unusable_entries),
            ),
            Err(error) => shared.log_failure(&error, is_serving),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let Some(mut schedule) = self.schedule() else { return };
        schedule.interrupted(runtime::now(), std::thread::panicking());
        self.shared.publish(&schedule);
        drop(schedule);
        self.shared.changed.send_replace(());
    }
}

/// What is reported.
impl Shared {
    /// Counts each failure, and logs only what is new: the keys are as fresh as ever meanwhile.
    fn report_discovery(&self, error: Option<&KeyError>, is_news: bool) {
        let tenant = tracing::field::display(self.tenant);
        if error.is_some() {
            self.series.discovery_failed();
        }
        match error {
            _ if !is_news => {}
            Some(error) => {
                let cause = tracing::field::display(Chain(error));
                tracing::warn!(
                    target: events::KEYS,
                    %tenant,
                    %cause,
                    "discovery failed; the last known address of the keys is used"
                );
            }
            None => tracing::info!(target: events::KEYS, %tenant, "discovery works again"),
        }
    }

    fn log_success(&self, changes: &Changes, was_failing: bool, unusable_entries: Option<usize>) {
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
            tracing::info!(target: events::KEYS, %tenant, %key, "a key was dropped that key documents no longer list");
        }
        // Once, not with every refresh.
        if let Some(entries @ 1..) = unusable_entries {
            tracing::warn!(target: events::KEYS, %tenant, entries, "the key document has unusable entries");
        }
        for key in &changes.replaced {
            tracing::warn!(target: events::KEYS, %tenant, %key, "another key has taken the kid of a cached key");
        }
        for key in &changes.withdrawn {
            tracing::warn!(target: events::KEYS, %tenant, %key, "a cached key is listed as unusable now");
        }
    }

    fn log_compromised(&self, keys: &[KeyId]) {
        let tenant = tracing::field::display(self.tenant);
        for key in keys {
            tracing::error!(
                target: events::KEYS,
                %tenant,
                %key,
                "the key document publishes the private half of a key; its tokens are rejected"
            );
        }
    }

    fn log_failure(&self, error: &KeyError, is_serving: bool) {
        let tenant = tracing::field::display(self.tenant);
        let cause = tracing::field::display(Chain(error));
        if is_serving {
            tracing::warn!(target: events::KEYS, %tenant, %cause, "keys could not be refreshed; cached keys are served");
        } else {
            tracing::error!(target: events::KEYS, %tenant, %cause, "keys could not be fetched; requests are answered 503");
        }
    }
}

/// What requests and the task both need.
impl Shared {
    /// Changes the schedule and wakes the task if that concerns it.
    fn change<T>(&self, change: impl FnOnce(&mut Schedule) -> T) -> T {
        let mut schedule = self.schedule();
        let changed = change(&mut schedule);
        let needs_wake = schedule.take_needs_wake(runtime::now());
        drop(schedule);
        if needs_wake {
            self.wake.send_replace(());
        }
        changed
    }

    fn change_keys(&self, change: impl FnOnce(&mut CachedKeys)) {
        let mut schedule = self.schedule();
        change(schedule.keys_mut());
        self.publish(&schedule);
        drop(schedule);
        self.changed.send_replace(());
    }

    /// Takes the lock's guard as its witness.
    fn publish(&self, schedule: &MutexGuard<'_, Schedule>) {
        self.published.store(Arc::new(Published::of(schedule)));
    }

    fn schedule(&self) -> MutexGuard<'_, Schedule> {
        lock(&self.schedule)
    }

    fn now(&self) -> Now {
        Now { monotonic: runtime::now(), wall: self.clock.now() }
    }
}

impl Published {
    fn of(schedule: &Schedule) -> Self {
        let keys = schedule.keys().clone();
        Self {
            listed: keys.listed().take(LISTED).map(|(id, key)| (id.clone(), key.clone())).collect(),
            keys,
            overdue_at: schedule.overdue_at(),
            known_unknown_until: schedule.known_unknown_until(),
        }
    }

    /// Whether this is the cached key of that `kid` at `now`.
    fn is_current(&self, id: &KeyId, key: &VerificationKey, now: Now, timing: &Timing) -> bool {
        if self.listed.iter().any(|(listed, cached)| cached.is_clone_of(key) && listed.is_clone_of(id)) {
            return self.keys.is_serving(now);
        }
        matches!(self.keys.find(id, now, timing), Found::Key(cached) if cached == key)
    }
}

fn no_task() -> KeyError {
    KeyError::unavailable("keys are fetched by a task, which needs a running tokio runtime and ends with its handle")
}

fn too_late() -> KeyError {
    KeyError::unavailable("the keys did not arrive in time")
}

fn too_many() -> KeyError {
    KeyError::unavailable("too many requests wait for keys")
}

/// A panic elsewhere leaves nothing half-done behind: every change under a lock is made by functions that do not panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Entra lists about ten keys.
const LISTED: usize = 16;

/// How many requests may wait for one tenant's keys.
const MAX_WAITERS: usize = 1024;
