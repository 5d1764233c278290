//! When to fetch keys, who waits for it, and what a waiter is told: the whole state machine of one
//! tenant's keys, without a clock, a task or a network. Time and events come in as arguments.

use std::time::{Duration, Instant};

use super::cached::{CachedKeys, Changes, Found};
use super::now::{Now, Timestamp};
use super::on_demand::OnDemandRefresh;
use super::timing::Timing;
use crate::clock::UnixTime;
use crate::error::KeyError;
use crate::ids::KeyId;
use crate::keys::jwks::KeySet;
use crate::signature::key::VerificationKey;

/// Keys of one tenant, and when they are fetched next.
#[derive(Debug)]
pub(crate) struct Schedule {
    timing: Timing,
    held: CachedKeys,
    /// When the next attempt is due that nobody asked for.
    due: Instant,
    /// Until when the provider asked to be left alone.
    not_before: Option<Instant>,
    /// Failures in a row at the present pace.
    failures: u32,
    /// Whether there are no keys to serve, so that retries come sooner.
    is_empty: bool,
    /// Whether an operator asked for an attempt that has not begun.
    is_asked_for: bool,
    attempts: Attempts,
    demand: OnDemandRefresh,
    last_error: Option<KeyError>,
    /// Whether the task must look again before the time it was told.
    needs_wake: bool,
    counts: Counts,
}

/// Attempts at a good answer, counted from 1.
#[derive(Debug, Default)]
struct Attempts {
    /// How many have begun.
    begun: u64,
    /// What the latest was begun for, if it has not ended.
    running: Option<Purpose>,
    /// The number of the latest that has come to an outcome. Those that ended with their runtime have none.
    decided: u64,
    decided_at: Option<Instant>,
}

/// What an attempt is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Purpose {
    Refresh,
    OnDemandRefresh,
}

/// What has happened so far.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Counts {
    pub(crate) good: u64,
    pub(crate) failed: u64,
    /// Entries of the latest good answer that are not usable, and those there was no room for.
    pub(crate) unusable_entries: usize,
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
    Rejected(KeyError),
    /// Ask again, with this, after the next change.
    Wait(Waiter),
}

/// What a request waits for, and until when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waiter {
    /// The on-demand fetch of this number; without one the next attempt, since there are no keys.
    demand: Option<u64>,
    pub(crate) until: Instant,
}

/// Why an attempt failed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: KeyError,
    /// How long the provider asked to be left alone.
    pub(crate) retry_after: Option<Duration>,
}

impl From<KeyError> for Failure {
    fn from(error: KeyError) -> Self {
        Self { error, retry_after: None }
    }
}

/// The part of the task: fetch when it is time.
impl Schedule {
    /// No keys; the first attempt is due at once.
    pub(crate) fn new(timing: Timing, now: Now) -> Self {
        Self {
            timing,
            held: CachedKeys::default(),
            due: now.monotonic,
            not_before: None,
            failures: 0,
            is_empty: true,
            is_asked_for: false,
            attempts: Attempts::default(),
            demand: OnDemandRefresh::default(),
            last_error: None,
            needs_wake: false,
            counts: Counts::default(),
        }
    }

    /// Keys from elsewhere, as they stood at `taken`. The first attempt is due at once all the same.
    pub(crate) fn seed(&mut self, keys: KeySet, taken: UnixTime, now: Now) {
        self.held.merge(keys, Timestamp::in_the_past(taken, now), now, &self.timing);
    }

    /// What the task does at `now`. To be asked again after every wake-up.
    pub(crate) fn next(&mut self, now: Now) -> Step {
        self.observe_clock(now);
        self.needs_wake = false;
        if self.demand.is_pending() || self.is_asked_for || now.monotonic >= self.due {
            return Step::Fetch;
        }
        // Also awake when keys stop counting: with the last of them the pace changes.
        Step::SleepUntil(self.next_end(now).map_or(self.due, |end| end.min(self.due)))
    }

    /// When keys that count now stop counting, by the clock that never jumps.
    pub(crate) fn next_end(&self, now: Now) -> Option<Instant> {
        self.held.next_end(now, &self.timing)
    }

    /// The task begins what [`next`](Self::next) told it to.
    pub(crate) fn begin(&mut self) {
        self.is_asked_for = false;
        self.attempts.begun += 1;
        self.attempts.running = Some(if self.demand.take_up() { Purpose::OnDemandRefresh } else { Purpose::Refresh });
    }

    /// The attempt under way has brought a good answer. `jitter` is a random number from 0 to 1.
    pub(crate) fn succeeded(&mut self, keys: KeySet, now: Now, jitter: f64) -> Changes {
        let unusable = keys.unusable_count();
        let changes = self.held.merge(keys, Timestamp::new(now), now, &self.timing);
        self.counts.good += 1;
        self.counts.unusable_entries = unusable + changes.surplus;
        self.last_error = None;
        self.not_before = None;
        self.failures = 0;
        self.is_empty = false;
        let longest = self.timing.refresh.mul_f64(1.1).min(self.timing.stale_limit / 2);
        self.due = now.monotonic + longest.mul_f64((0.9 + 0.2 * jitter) / 1.1);
        self.ended(now.monotonic, true);
        changes
    }

    /// The attempt under way has failed. `jitter` is a random number from 0 to 1.
    pub(crate) fn failed(&mut self, failure: Failure, now: Now, jitter: f64) {
        self.observe_clock(now);
        self.count_failure(failure.error, now.monotonic, jitter);
        if let Some(wait) = failure.retry_after.map(|wait| wait.min(RETRY_AFTER_MAX)) {
            let not_before = now.monotonic + wait;
            self.not_before = Some(not_before);
            self.due = self.due.max(not_before + RETRY_AFTER_SPREAD.min(wait).mul_f64(jitter));
            // It counts for the fetch that unknown keys have asked for meanwhile, too.
            if self.demand.take_up() {
                self.demand.ended(false);
            }
        }
        self.ended(now.monotonic, false);
    }

    /// The task has gone. What was under way counts as failed if the task panicked; if it went with its
    /// runtime or its store, nobody failed, and the next task begins anew.
    pub(crate) fn interrupted(&mut self, now: Instant, has_panicked: bool) {
        let Some(purpose) = self.attempts.running else { return };
        if has_panicked {
            self.count_failure(KeyError::unavailable("the task that fetches keys panicked"), now, 1.0);
            self.ended(now, false);
            return;
        }
        self.attempts.running = None;
        match purpose {
            Purpose::OnDemandRefresh => self.demand.put_back(),
            Purpose::Refresh => self.due = now,
        }
    }

    fn count_failure(&mut self, error: KeyError, now: Instant, jitter: f64) {
        self.counts.failed += 1;
        self.last_error = Some(error);
        // A failed search for an unknown key says nothing about the refreshes, which keep their pace.
        if self.attempts.running == Some(Purpose::Refresh) || self.is_empty {
            self.failures = self.failures.saturating_add(1);
            self.due = now + self.backoff().mul_f64(0.5 + 0.5 * jitter);
        }
    }

    fn ended(&mut self, now: Instant, was_good: bool) {
        if self.attempts.running.take() == Some(Purpose::OnDemandRefresh) {
            self.demand.ended(was_good);
        }
        self.attempts.decided = self.attempts.begun;
        self.attempts.decided_at = Some(now);
    }

    /// How long to wait after so many failures, before jitter.
    fn backoff(&self) -> Duration {
        let (first, last) = if self.is_empty { URGENT_BACKOFF } else { WARM_BACKOFF };
        let doublings = self.failures.saturating_sub(1).min(30);
        first.min(self.timing.refresh).saturating_mul(1 << doublings).min(last.min(self.timing.refresh))
    }
}

/// The part of requests: ask, and wait if it is worth it.
impl Schedule {
    /// A request asks for a key that it did not find.
    pub(crate) fn request_key(&mut self, id: &KeyId, now: Now) -> Answer {
        self.observe_clock(now);
        self.answer(id, None, now.monotonic + WAIT, now)
    }

    /// The same after a change, for a request that waits.
    pub(crate) fn poll_key(&mut self, id: &KeyId, waiter: Waiter, now: Now) -> Answer {
        self.observe_clock(now);
        self.answer(id, waiter.demand, waiter.until, now)
    }

    fn answer(&mut self, id: &KeyId, awaited: Option<u64>, until: Instant, now: Now) -> Answer {
        match self.held.find(id, now, &self.timing) {
            Found::Key(key) => Answer::Key(key.clone()),
            Found::Revoked => Answer::Rejected(KeyError::revoked()),
            Found::Unusable => Answer::Rejected(KeyError::unusable()),
            Found::NoKeys => self.await_load(until, now),
            Found::UnknownKid => match awaited.and_then(|number| self.demand.outcome(number)) {
                Some(was_good) => self.after_demand(was_good, now),
                // Asks for the first time, still waits, or keys were loaded meanwhile that lack this one.
                None => self.demand(until, now),
            },
        }
    }

    /// No keys: wait for the attempt that is under way or due soon. Starts none.
    fn await_load(&self, until: Instant, now: Now) -> Answer {
        if self.attempts.running.is_some() || self.is_asked_for || self.due <= until {
            Answer::Wait(Waiter { demand: None, until })
        } else {
            Answer::Rejected(self.unavailable(self.due.saturating_duration_since(now.monotonic)))
        }
    }

    /// Keys, but not this one: join or start a fetch, or decide by the latest one.
    fn demand(&mut self, until: Instant, now: Now) -> Answer {
        let is_under_way = self.demand.is_pending() || self.attempts.running == Some(Purpose::OnDemandRefresh);
        if !is_under_way {
            let left = self.not_before.map(|not_before| not_before.saturating_duration_since(now.monotonic));
            if let Some(left) = left.filter(|left| !left.is_zero()) {
                return Answer::Rejected(self.unavailable(left));
            }
            if self.demand.is_cooling(now.monotonic, self.timing.refetch_cooldown) {
                return self.after_demand(self.demand.was_good(), now);
            }
            self.demand.start(now.monotonic);
            self.needs_wake = true;
        }
        Answer::Wait(Waiter { demand: Some(self.demand.number()), until })
    }

    /// Until when a key that is in no good answer is rejected without a further question: the latest fetch
    /// for one was good, and the next is not allowed yet.
    pub(crate) fn known_unknown_until(&self) -> Option<Instant> {
        let is_settled = self.not_before.is_none() && self.demand.is_settled();
        if is_settled { self.demand.cool_at(self.timing.refetch_cooldown) } else { None }
    }

    /// The latest fetch for unknown keys has ended without this one: only a good answer is a proof.
    fn after_demand(&self, was_good: bool, now: Now) -> Answer {
        let next = self.demand.cool_at(self.timing.refetch_cooldown);
        let left = next.map_or(Duration::ZERO, |next| next.saturating_duration_since(now.monotonic));
        Answer::Rejected(if was_good { KeyError::unknown().with_retry_after(left) } else { self.unavailable(left) })
    }

    /// Nothing can be said before another attempt, which comes after this time.
    fn unavailable(&self, left: Duration) -> KeyError {
        let error = match &self.last_error {
            Some(error) => KeyError::unavailable(error.clone()),
            None => KeyError::unavailable("the keys have not been fetched yet"),
        };
        error.with_retry_after(left)
    }
}

/// The part of operators, and what is known to all.
impl Schedule {
    pub(crate) fn held(&self) -> &CachedKeys {
        &self.held
    }

    pub(crate) fn held_mut(&mut self) -> &mut CachedKeys {
        &mut self.held
    }

    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }

    /// Why the latest attempt failed. `None` if it did not, and before the first.
    pub(crate) fn last_error(&self) -> Option<&KeyError> {
        self.last_error.as_ref()
    }

    /// An operator wants an attempt now, whatever the schedule and the provider say. Returns its number.
    pub(crate) fn ask_for_refresh(&mut self) -> u64 {
        self.is_asked_for = true;
        self.needs_wake = true;
        self.attempts.begun + 1
    }

    /// The number of the attempt that ends next: the one under way, else the next to begin.
    pub(crate) fn next_to_end(&self) -> u64 {
        self.attempts.begun + u64::from(self.attempts.running.is_none())
    }

    /// The outcome of the latest attempt, if it is the one of this number or a later one.
    pub(crate) fn outcome(&self, number: u64) -> Option<Result<(), KeyError>> {
        (self.attempts.decided >= number).then(|| self.last_error.clone().map_or(Ok(()), Err))
    }

    /// Looks at the clocks. When good keys have expired, the next attempt is due at once and the retries
    /// are close; when the wall clock is set back and they count again, the retries are not close any more.
    pub(crate) fn observe_clock(&mut self, now: Now) {
        let is_empty = !self.held.is_serving(now, &self.timing);
        if is_empty == self.is_empty {
            return;
        }
        self.is_empty = is_empty;
        self.failures = 0;
        if is_empty {
            // However often the clocks change their minds.
            let earliest = self.attempts.decided_at.map(|decided| decided + URGENT_BACKOFF.0);
            let due = [self.not_before, earliest].into_iter().flatten().fold(now.monotonic, Instant::max);
            self.needs_wake |= due < self.due;
            self.due = self.due.min(due);
        }
    }

    /// Whether the task must look again before the time it was told. Asked once after each event.
    pub(crate) fn take_needs_wake(&mut self) -> bool {
        std::mem::take(&mut self.needs_wake)
    }
}

/// How long a request waits for a fetch.
const WAIT: Duration = Duration::from_secs(2);

/// First and last wait between failed attempts, doubling between them: with keys to serve, and without.
const WARM_BACKOFF: (Duration, Duration) = (Duration::from_secs(15), Duration::from_secs(900));
const URGENT_BACKOFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(15));

/// A provider's `Retry-After` counts up to this, and is spread so that its clients do not come back at once.
pub(crate) const RETRY_AFTER_MAX: Duration = Duration::from_secs(900);
const RETRY_AFTER_SPREAD: Duration = Duration::from_secs(30);

#[cfg(test)]
#[path = "tests/schedule.rs"]
mod tests;
