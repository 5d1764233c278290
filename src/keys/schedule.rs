//! When to fetch keys, who waits for it, and what a waiter is told: the whole state machine of one
//! tenant's keys, without a clock, a task or a network. Time and events come in as arguments.

use std::time::{Duration, Instant};

use super::held::{Changes, Found, HeldKeys, Moment, Stamp};
use super::jwks::KeySet;
use super::key::VerificationKey;
use super::timing::Timing;
use crate::clock::UnixTime;
use crate::error::KeyError;
use crate::ids::KeyId;

/// Keys of one tenant, and when they are fetched next.
#[derive(Debug)]
pub(crate) struct Schedule {
    timing: Timing,
    held: HeldKeys,
    /// When the next attempt is due that nobody asked for.
    due: Instant,
    /// Until when the provider asked to be left alone.
    not_before: Option<Instant>,
    /// Failures in a row since the last good answer, or since the keys expired.
    failures: u32,
    /// Whether `due` was set for a store without good keys, which retries sooner.
    is_urgent: bool,
    /// Whether an operator asked for an attempt that has not begun.
    is_asked_for: bool,
    running: Option<Attempt>,
    demand: Demand,
    last_error: Option<KeyError>,
    pub(crate) counts: Counts,
}

/// An attempt under way.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Attempt {
    Scheduled,
    OnDemand,
}

/// Fetches that unknown keys cause.
#[derive(Debug, Default)]
struct Demand {
    /// How many there were; the latest one's number.
    number: u64,
    begun: Option<Instant>,
    /// The latest has not been picked up yet.
    is_pending: bool,
    /// The latest that has ended, and whether its answer was good.
    ended: Option<(u64, bool)>,
}

/// What has happened so far.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Counts {
    pub(crate) attempts_begun: u64,
    pub(crate) attempts_ended: u64,
    pub(crate) good: u64,
    pub(crate) failed: u64,
    pub(crate) rejected_entries: usize,
}

/// What the task does next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Step {
    Fetch,
    SleepUntil(Instant),
}

/// What a request with a key that is not at hand is told.
#[derive(Debug)]
pub(crate) enum Answer {
    Key(VerificationKey),
    Refused(KeyError),
    /// Ask again, with this, after the next change.
    Wait(Ticket),
}

/// What a request waits for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ticket {
    /// The attempt of this number, since there are no keys.
    Load(u64),
    /// The on-demand fetch of this number.
    Demand(u64),
}

/// Why an attempt failed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: KeyError,
    /// How long the provider asked to be left alone.
    pub(crate) retry_after: Option<Duration>,
}

impl Schedule {
    /// No keys; the first attempt is due at once.
    pub(crate) fn new(timing: Timing, now: Moment) -> Self {
        Self {
            timing,
            held: HeldKeys::default(),
            due: now.mono,
            not_before: None,
            failures: 0,
            is_urgent: true,
            is_asked_for: false,
            running: None,
            demand: Demand::default(),
            last_error: None,
            counts: Counts::default(),
        }
    }

    /// Keys from elsewhere, as they stood at `taken`. The first attempt is due at once all the same.
    pub(crate) fn seed(&mut self, keys: KeySet, taken: UnixTime, now: Moment) {
        self.held.merge(keys, Stamp::in_the_past(taken, now), now, &self.timing);
    }

    pub(crate) fn held(&self) -> &HeldKeys {
        &self.held
    }

    pub(crate) fn held_mut(&mut self) -> &mut HeldKeys {
        &mut self.held
    }

    /// What the task does at `now`. To be asked again after every wake-up.
    pub(crate) fn next(&mut self, now: Moment) -> Step {
        self.notice_expiry(now);
        if self.demand.is_pending || self.is_asked_for || now.mono >= self.due {
            return Step::Fetch;
        }
        // Also awake when the keys expire, since the pace changes then.
        let left = self.held.age(now).map(|age| self.timing.stale_limit.saturating_sub(age));
        let expiry = left.filter(|left| !left.is_zero()).and_then(|left| now.mono.checked_add(left));
        Step::SleepUntil(expiry.map_or(self.due, |expiry| expiry.min(self.due)))
    }

    /// The task begins what [`next`](Self::next) told it to.
    pub(crate) fn begin(&mut self) {
        self.counts.attempts_begun += 1;
        self.is_asked_for = false;
        self.running =
            Some(if std::mem::take(&mut self.demand.is_pending) { Attempt::OnDemand } else { Attempt::Scheduled });
    }

    /// The attempt under way has brought a good answer. `jitter` is a random number from 0 to 1.
    pub(crate) fn succeeded(&mut self, keys: KeySet, now: Moment, jitter: f64) -> Changes {
        self.counts.good += 1;
        self.counts.rejected_entries = keys.rejected();
        let changes = self.held.merge(keys, Stamp::new(now), now, &self.timing);
        self.failures = 0;
        self.is_urgent = false;
        self.not_before = None;
        self.last_error = None;
        let interval = self.timing.refresh.min(self.timing.stale_limit / 2);
        self.due = now.mono + interval.mul_f64(0.9 + 0.2 * jitter);
        self.ended(true);
        changes
    }

    /// The attempt under way has failed. `jitter` is a random number from 0 to 1.
    pub(crate) fn failed(&mut self, failure: Failure, now: Moment, jitter: f64) {
        self.counts.failed += 1;
        self.last_error = Some(failure.error);
        self.notice_expiry(now);
        self.not_before = failure.retry_after.map(|wait| now.mono + wait.min(RETRY_AFTER_MAX));
        // A failed search for an unknown key says nothing about the refreshes, which keep their pace.
        if self.running == Some(Attempt::Scheduled) || self.is_urgent {
            self.failures = self.failures.saturating_add(1);
            self.due = now.mono + self.backoff().mul_f64(0.5 + 0.5 * jitter);
        }
        if let Some(not_before) = self.not_before {
            self.due = self.due.max(not_before + RETRY_AFTER_SPREAD.mul_f64(jitter));
        }
        self.ended(false);
    }

    /// The task has gone, with its runtime or for good. What was under way will not end; whoever waits
    /// for it is let go.
    pub(crate) fn interrupted(&mut self, now: Moment) {
        if self.running == Some(Attempt::OnDemand) || std::mem::take(&mut self.demand.is_pending) {
            self.demand.ended = Some((self.demand.number, false));
        }
        self.running = None;
        self.is_asked_for = false;
        self.counts.attempts_ended += 1;
        self.counts.attempts_begun = self.counts.attempts_ended;
        self.due = now.mono;
    }

    /// A request asks for a key that it did not find.
    pub(crate) fn ask(&mut self, id: &KeyId, now: Moment) -> Answer {
        self.notice_expiry(now);
        match self.held.find(id, now, &self.timing) {
            Found::Key(key) => Answer::Key(key.clone()),
            Found::Forgotten => Answer::Refused(KeyError::forgotten()),
            Found::Unusable => Answer::Refused(KeyError::unusable()),
            Found::Nothing => self.await_load(now),
            Found::Unknown => self.demand(now),
        }
    }

    /// The same after a change, for a request that waits.
    pub(crate) fn ask_again(&mut self, id: &KeyId, ticket: Ticket, now: Moment) -> Answer {
        match (self.held.find(id, now, &self.timing), ticket) {
            (Found::Unknown, Ticket::Demand(number)) => match self.demand.ended {
                Some((ended, was_good)) if ended >= number => self.after_demand(was_good, now),
                _ => Answer::Wait(ticket),
            },
            (Found::Nothing, Ticket::Load(number)) if self.counts.attempts_ended < number => Answer::Wait(ticket),
            (Found::Nothing, _) => Answer::Refused(self.unavailable(self.due, now)),
            // Found, or refused, or keys were loaded that lack it: as for a new request.
            _ => self.ask(id, now),
        }
    }

    /// An operator wants an attempt now. It is under way when so many attempts have ended as is returned.
    pub(crate) fn ask_for_refresh(&mut self) -> u64 {
        self.is_asked_for = true;
        self.counts.attempts_begun + 1
    }

    pub(crate) fn last_error(&self) -> Option<&KeyError> {
        self.last_error.as_ref()
    }

    /// No keys: wait for the attempt that is due, if that is soon. Starts none.
    fn await_load(&self, now: Moment) -> Answer {
        let is_near = self.running.is_some() || self.is_asked_for || self.due <= now.mono + WAIT;
        if is_near {
            Answer::Wait(Ticket::Load(self.counts.attempts_ended + 1))
        } else {
            Answer::Refused(self.unavailable(self.due, now))
        }
    }

    /// Keys, but not this one: join or start a fetch, or decide by the latest one.
    fn demand(&mut self, now: Moment) -> Answer {
        if self.demand.is_pending || self.running == Some(Attempt::OnDemand) {
            return Answer::Wait(Ticket::Demand(self.demand.number));
        }
        if let Some(not_before) = self.not_before.filter(|not_before| now.mono < *not_before) {
            return Answer::Refused(self.unavailable(not_before, now));
        }
        let since = self.demand.begun.map(|begun| now.mono.saturating_duration_since(begun));
        if since.is_some_and(|since| since < self.timing.refetch_cooldown) {
            return self.after_demand(self.demand.ended.is_some_and(|(_, was_good)| was_good), now);
        }
        self.demand.number += 1;
        self.demand.begun = Some(now.mono);
        self.demand.is_pending = true;
        Answer::Wait(Ticket::Demand(self.demand.number))
    }

    /// The latest fetch for unknown keys has ended without this one: only a good answer is a proof.
    fn after_demand(&self, was_good: bool, now: Moment) -> Answer {
        let next = self.demand.begun.and_then(|begun| begun.checked_add(self.timing.refetch_cooldown));
        let next = next.unwrap_or(now.mono);
        Answer::Refused(if was_good {
            KeyError::unknown().with_retry_after(next.saturating_duration_since(now.mono))
        } else {
            self.unavailable(next, now)
        })
    }

    fn unavailable(&self, next: Instant, now: Moment) -> KeyError {
        let error = match &self.last_error {
            Some(error) => KeyError::unavailable(error.clone()),
            None => KeyError::unavailable("the keys have not been fetched yet"),
        };
        error.with_retry_after(next.saturating_duration_since(now.mono))
    }

    /// When good keys have expired, the next attempt is due at once and the retries are close.
    fn notice_expiry(&mut self, now: Moment) {
        if !self.is_urgent && !self.held.is_serving(now, &self.timing) {
            self.is_urgent = true;
            self.failures = 0;
            self.due = self.not_before.map_or(now.mono, |not_before| not_before.max(now.mono));
        }
    }

    /// How long to wait after so many failures, before jitter.
    fn backoff(&self) -> Duration {
        let (first, last) = if self.is_urgent { URGENT_BACKOFF } else { WARM_BACKOFF };
        let doublings = self.failures.saturating_sub(1).min(30);
        first.min(self.timing.refresh).saturating_mul(1 << doublings).min(last.min(self.timing.refresh))
    }

    fn ended(&mut self, was_good: bool) {
        if self.running.take() == Some(Attempt::OnDemand) {
            self.demand.ended = Some((self.demand.number, was_good));
        }
        self.counts.attempts_ended = self.counts.attempts_begun;
    }
}

/// How long a request waits for a fetch.
pub(crate) const WAIT: Duration = Duration::from_secs(2);

/// First and last wait between failed attempts, doubling between them: with keys to serve, and without.
const WARM_BACKOFF: (Duration, Duration) = (Duration::from_secs(15), Duration::from_secs(900));
const URGENT_BACKOFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(15));

/// A provider's `Retry-After` counts up to this, and is spread so that its clients do not come back at once.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(900);
const RETRY_AFTER_SPREAD: Duration = Duration::from_secs(30);
