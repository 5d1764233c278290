//! A renewed value at work: a task that fetches when the [`Schedule`] says so, and callers that read without a
//! lock or wait for the outcome.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use background_refresh::{
    Background, Now, TaskSlot, WaitError, Waiters, WallClock, ensure_running, jitter, monotonic_now,
};
use futures_util::future::BoxFuture;
use tokio::sync::Notify;

use super::lease::Lease;
use super::schedule::{AttemptFailure, Schedule, Step, ValueLookup};
use crate::error::{Chain, Error, ErrorKind};
use crate::events;
use crate::instruments;

/// Fetches the value once.
pub(crate) type Fetch<V> = Box<dyn Fn() -> BoxFuture<'static, Result<Lease<V>, AttemptFailure>> + Send + Sync>;

/// What is renewed, for events and metrics.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    /// A stable name in snake case.
    pub(crate) what: &'static str,
    /// The endpoint's name or host.
    pub(crate) endpoint: Arc<str>,
}

/// The handle on a renewed value. Dropping it ends the task.
pub(crate) struct Renewal<V: Send + Sync + 'static>(Arc<RenewalState<V>>);

/// What the handle, the task and the waiting callers have in common.
struct RenewalState<V> {
    subject: Subject,
    clock: Arc<dyn WallClock>,
    fetch: Fetch<V>,
    /// What callers read. Written under the lock of `schedule` only.
    published: ArcSwapOption<Lease<V>>,
    /// Never held across an await.
    schedule: Mutex<Schedule<V>>,
    /// Tells the task to look at the schedule again.
    wake: Notify,
    waiters: Waiters,
    slot: TaskSlot,
}

/// How a renewed value stands.
#[derive(Clone, Debug)]
pub(crate) struct Status {
    pub(crate) is_usable: bool,
    pub(crate) age: Option<Duration>,
    pub(crate) last_error: Option<Error>,
}

impl<V: Send + Sync + 'static> Renewal<V> {
    /// Starts nothing.
    pub(crate) fn new(subject: Subject, clock: Arc<dyn WallClock>, fetch: Fetch<V>) -> Self {
        Self(Arc::new(RenewalState {
            subject,
            clock,
            fetch,
            published: ArcSwapOption::empty(),
            schedule: Mutex::new(Schedule::new(monotonic_now())),
            wake: Notify::new(),
            waiters: Waiters::new(MAX_WAITING),
            slot: TaskSlot::default(),
        }))
    }

    /// The value, if there is one that can be used now. Sees to it that the task runs.
    pub(crate) fn at_hand(&self, now: Now) -> Option<Arc<Lease<V>>> {
        ensure_running(&self.0);
        let lease = self.0.published.load_full()?;
        if lease.is_due(now) {
            self.0.notice(now);
        }
        lease.is_usable(now).then_some(lease)
    }

    /// The same, and waits for it until the deadline.
    pub(crate) async fn get(&self, deadline: Instant) -> Result<Arc<Lease<V>>, Error> {
        if let Some(lease) = self.at_hand(self.0.now()) {
            return Ok(lease);
        }
        let shared = &self.0;
        let waited = shared.waiters.wait_until(deadline, || {
            // The task may be another runtime's and end with it.
            if !ensure_running(shared) {
                return Some(Err(no_task()));
            }
            let now = shared.now();
            let answer = shared.schedule().ask(now, deadline);
            // `ask` may have found that an attempt is due at once.
            shared.wake.notify_one();
            match answer {
                ValueLookup::Value(lease) => Some(Ok(lease)),
                ValueLookup::Failed(error) => Some(Err(error)),
                ValueLookup::Wait => None,
            }
        });
        match waited.await {
            Ok(answer) => answer,
            Err(error) => Err(shared.not_in_time(error)),
        }
    }

    /// The service does not accept this value. Says whether it is worth asking for another one.
    pub(crate) fn invalidate(&self, rejected: &Arc<Lease<V>>) -> bool {
        let now = self.0.now();
        let mut schedule = self.0.schedule();
        let is_dropped = schedule.invalidate(rejected, now);
        self.0.published.store(schedule.lease().cloned());
        drop(schedule);
        self.0.wake.notify_one();
        if is_dropped {
            let Subject { what, endpoint } = &self.0.subject;
            tracing::warn!(target: events::RENEWAL, what, %endpoint, "the service rejects it; another one is fetched");
        }
        is_dropped
    }

    pub(crate) fn status(&self) -> Status {
        let now = self.0.now();
        let schedule = self.0.schedule();
        let lease = schedule.lease();
        Status {
            is_usable: lease.is_some_and(|lease| lease.is_usable(now)),
            age: lease.map(|lease| lease.age(now)),
            last_error: schedule.last_error().cloned(),
        }
    }
}

impl<V: Send + Sync + 'static> Drop for Renewal<V> {
    fn drop(&mut self) {
        self.0.slot.close();
    }
}

impl<V: Send + Sync + 'static> fmt::Debug for Renewal<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Renewal").field("subject", &self.0.subject).field("status", &self.status()).finish()
    }
}

impl<V: Send + Sync + 'static> Background for RenewalState<V> {
    fn slot(&self) -> &TaskSlot {
        &self.slot
    }

    fn waiters(&self) -> &Waiters {
        &self.waiters
    }

    async fn run(&self) {
        loop {
            let step = self.schedule().next(self.now());
            match step {
                Step::SleepUntil(until) => tokio::select! {
                    biased;
                    () = self.wake.notified() => {}
                    () = tokio::time::sleep_until(until.into()) => {}
                },
                Step::Fetch => {
                    self.schedule().begin();
                    let outcome = tokio::time::timeout(FETCH_LIMIT, (self.fetch)()).await;
                    let late =
                        || AttemptFailure::transient(Error::new(ErrorKind::Unavailable, "the fetch took too long"));
                    self.take_in(outcome.unwrap_or_else(|_| Err(late())));
                }
            }
        }
    }

    fn ended(&self, has_panicked: bool) {
        self.schedule().interrupted(has_panicked, self.now());
    }
}

impl<V: Send + Sync + 'static> RenewalState<V> {
    fn take_in(&self, outcome: Result<Lease<V>, AttemptFailure>) {
        let now = self.now();
        let Subject { what, endpoint } = &self.subject;
        let mut schedule = self.schedule();
        let failures = schedule.failures();
        match outcome {
            Ok(lease) => {
                let lease = schedule.succeeded(lease, now);
                let is_first = schedule.successes() == 1;
                self.published.store(Some(lease));
                drop(schedule);
                if failures > 0 || is_first {
                    tracing::info!(target: events::RENEWAL, what, %endpoint, failures, "fetched");
                } else {
                    tracing::debug!(target: events::RENEWAL, what, %endpoint, "renewed");
                }
                instruments::fetched(what, endpoint, true);
            }
            Err(failure) => {
                let error = failure.error.clone();
                schedule.failed(failure, now, jitter());
                let is_usable = schedule.lease().is_some_and(|lease| lease.is_usable(now));
                drop(schedule);
                let cause = Chain(&error);
                if is_usable {
                    tracing::warn!(target: events::RENEWAL, what, %endpoint, %cause, "not renewed; the one at hand is still used");
                } else {
                    tracing::error!(target: events::RENEWAL, what, %endpoint, %cause, "not fetched; there is none to use");
                }
                instruments::fetched(what, endpoint, false);
            }
        }
        self.waiters.notify();
    }

    fn notice(&self, now: Now) {
        if self.schedule().notice(now) {
            self.wake.notify_one();
        }
    }

    fn not_in_time(&self, error: WaitError) -> Error {
        let text = match error {
            WaitError::TooMany => "too many calls wait for it already",
            _ => "it did not come in time",
        };
        let error = Error::new(ErrorKind::Unavailable, text).with_retry_after(Some(COME_BACK));
        match self.schedule().last_error() {
            Some(last) => error.with_error(last.clone()),
            None => error,
        }
    }

    /// Every change under this lock is made by functions that do not panic.
    fn schedule(&self) -> MutexGuard<'_, Schedule<V>> {
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Now {
        Now::read(&*self.clock)
    }
}

fn no_task() -> Error {
    Error::new(ErrorKind::Unavailable, "it is fetched by a task, which needs a tokio runtime")
}

/// How many callers may wait for one value.
const MAX_WAITING: usize = 1024;

/// One attempt, whatever it consists of. The Azure CLI alone may take several seconds.
const FETCH_LIMIT: Duration = Duration::from_secs(30);

/// What a caller is told that could not wait.
const COME_BACK: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
