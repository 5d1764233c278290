//! When to fetch, who waits for it, and what a waiter is told. Time and events come in as arguments.

use std::sync::Arc;
use std::time::{Duration, Instant};

use background_refresh::{Backoff, Now, RetryAfter};

use super::lease::Lease;
use crate::error::{Error, ErrorKind};

/// A value and when it is fetched next.
#[derive(Debug)]
pub(crate) struct Schedule<V> {
    lease: Option<Arc<Lease<V>>>,
    /// When the next attempt is due.
    due: Instant,
    /// Failures in a row.
    failures: u32,
    is_running: bool,
    /// When the latest attempt succeeded.
    succeeded_at: Option<Instant>,
    last_failure: Option<AttemptFailure>,
    successes: u64,
}

/// Why an attempt failed, and what follows from it.
#[derive(Clone, Debug)]
pub(crate) struct AttemptFailure {
    pub(crate) error: Error,
    /// Another attempt soon would fail as well: waiters are told at once.
    pub(crate) is_lasting: bool,
    /// The next attempt comes this much later, or after the backoff, whichever is later.
    pub(crate) pause: Option<Duration>,
    /// How long the provider wants to be left alone.
    pub(crate) retry_after: Option<Duration>,
}

impl AttemptFailure {
    pub(crate) fn transient(error: Error) -> Self {
        Self { error, is_lasting: false, pause: None, retry_after: None }
    }

    pub(crate) fn lasting(error: Error, pause: Option<Duration>) -> Self {
        Self { error, is_lasting: true, pause, retry_after: None }
    }
}

/// What the task does next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Step {
    Fetch,
    SleepUntil(Instant),
}

/// What a caller is told that found no usable value.
#[derive(Debug)]
pub(crate) enum ValueLookup<V> {
    Value(Arc<Lease<V>>),
    Failed(Error),
    /// Ask again after the next change.
    Wait,
}

/// The part of the task.
impl<V> Schedule<V> {
    /// No value; the first attempt is due at once.
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            lease: None,
            due: now,
            failures: 0,
            is_running: false,
            succeeded_at: None,
            last_failure: None,
            successes: 0,
        }
    }

    /// What the task does at `now`. To be asked again after every wake-up.
    pub(crate) fn next(&mut self, now: Now) -> Step {
        self.notice(now);
        if now.monotonic >= self.due {
            Step::Fetch
        } else {
            // Awake now and then: after a suspend only the wall clock tells that the value is old.
            Step::SleepUntil(self.due.min(now.monotonic + LOOK_INTERVAL))
        }
    }

    pub(crate) fn begin(&mut self) {
        self.is_running = true;
    }

    /// The attempt under way has brought a value.
    pub(crate) fn succeeded(&mut self, lease: Lease<V>, now: Now) -> Arc<Lease<V>> {
        self.is_running = false;
        self.failures = 0;
        self.last_failure = None;
        self.successes += 1;
        self.succeeded_at = Some(now.monotonic);
        self.due = now.monotonic + lease.due_in(now).max(BACKOFF.first());
        let lease = Arc::new(lease);
        self.lease = Some(Arc::clone(&lease));
        lease
    }

    /// The attempt under way has failed. The value at hand stays. `jitter` is a random number from 0 to 1.
    pub(crate) fn failed(&mut self, failure: AttemptFailure, now: Now, jitter: f64) {
        self.is_running = false;
        self.failures = self.failures.saturating_add(1);
        let asked = failure.retry_after.map(|wait| RETRY_AFTER.delay(wait, jitter));
        let pause = failure.pause.map(|pause| pause + PAUSE_SPREAD.mul_f64(jitter));
        let wait = [asked, pause].into_iter().flatten().fold(BACKOFF.delay(self.failures, jitter), Duration::max);
        self.due = now.monotonic + wait;
        self.last_failure = Some(failure);
    }

    /// The task has gone. What was under way counts as failed if the task panicked; if it went with its runtime,
    /// nobody failed, and the next task begins anew.
    pub(crate) fn interrupted(&mut self, has_panicked: bool, now: Now) {
        if !self.is_running {
            return;
        }
        if has_panicked {
            self.failed(AttemptFailure::transient(Error::new(ErrorKind::Unavailable, "the fetch panicked")), now, 1.0);
        } else {
            // Still due: the attempt began because it was.
            self.is_running = false;
        }
    }

    /// Looks at the clocks: a value that is due by either of them is fetched now. Says whether the task must look
    /// again before the time it was told.
    pub(crate) fn notice(&mut self, now: Now) -> bool {
        let is_due = self.failures == 0 && self.lease.as_ref().is_some_and(|lease| lease.is_due(now));
        if !is_due || self.is_running {
            return false;
        }
        // However often the wall clock changes its mind.
        let due = self.succeeded_at.map_or(now.monotonic, |succeeded| succeeded + BACKOFF.first());
        let is_news = due < self.due;
        self.due = self.due.min(due);
        is_news
    }
}

/// The part of callers.
impl<V> Schedule<V> {
    /// A caller that found no usable value asks, and may wait until `deadline`.
    pub(crate) fn ask(&mut self, now: Now, deadline: Instant) -> ValueLookup<V> {
        if let Some(lease) = self.lease.as_ref().filter(|lease| lease.is_usable(now)) {
            return ValueLookup::Value(Arc::clone(lease));
        }
        self.notice(now);
        let is_lasting = self.last_failure.as_ref().is_some_and(|failure| failure.is_lasting);
        if self.is_running || (self.due <= deadline && !(is_lasting && now.monotonic < self.due)) {
            return ValueLookup::Wait;
        }
        let wait = self.due.saturating_duration_since(now.monotonic);
        ValueLookup::Failed(match &self.last_failure {
            Some(failure) => failure.error.clone().with_retry_after(Some(wait)),
            None => Error::new(ErrorKind::Unavailable, "it has not been fetched yet").with_retry_after(Some(wait)),
        })
    }

    /// The service does not accept this value. It is dropped if it is the one at hand and older than a few seconds:
    /// after a change the service needs a moment itself. Says whether another one is at hand or on its way.
    pub(crate) fn invalidate(&mut self, rejected: &Arc<Lease<V>>, now: Now) -> bool {
        let Some(lease) = &self.lease else { return true };
        if !Arc::ptr_eq(lease, rejected) {
            return true;
        }
        if lease.age(now) < YOUNG {
            return false;
        }
        self.lease = None;
        // After failures the next attempt keeps its time.
        if self.failures == 0 {
            self.due = now.monotonic;
        }
        true
    }

    pub(crate) fn lease(&self) -> Option<&Arc<Lease<V>>> {
        self.lease.as_ref()
    }

    pub(crate) fn last_error(&self) -> Option<&Error> {
        self.last_failure.as_ref().map(|failure| &failure.error)
    }

    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    pub(crate) fn successes(&self) -> u64 {
        self.successes
    }
}

/// Between failed attempts.
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(30));

/// A `Retry-After` counts up to a quarter of an hour, and its jitter only adds.
const RETRY_AFTER: RetryAfter = RetryAfter::new(Duration::from_secs(900), Duration::from_secs(30));

/// The jitter of a pause.
const PAUSE_SPREAD: Duration = Duration::from_secs(15);

/// How often the task looks at the wall clock.
const LOOK_INTERVAL: Duration = Duration::from_secs(60);

/// A value that is younger is not dropped when the service rejects it.
const YOUNG: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;
