//! When to fetch keys, who waits for it, and what a waiter is told: the whole state machine of one tenant's keys,
//! without a clock, a task or a network. Time and events are arguments.

use std::time::{Duration, Instant};

use super::cached::{CachedKeys, Changes, Found};
use super::now::{Now, Timestamp};
use super::on_demand::OnDemandRefresh;
use super::timing::Timing;
use crate::clock::UnixTime;
use crate::error::{Chain, KeyError, KeyErrorKind};
use crate::ids::KeyId;
use crate::keys::jwks::{Compromised, KeySet};
use crate::signature::key::VerificationKey;

/// Keys of one tenant, and when they are fetched next.
#[derive(Debug)]
pub(crate) struct Schedule {
    timing: Timing,
    keys: CachedKeys,
    task: TaskState,
    /// When the next attempt is due that nobody asked for.
    due: Instant,
    /// Until when the provider asked for no more requests.
    not_before: Option<Instant>,
    /// Failures in a row at the present pace.
    failures: u32,
    /// Whether there are no keys to serve, so that retries come sooner.
    is_empty: bool,
    /// Whether an operator asked for an attempt that has not begun.
    is_asked_for: bool,
    attempts: Attempts,
    on_demand: OnDemandRefresh,
    last_error: Option<KeyError>,
    /// Why the latest success had to do without discovery.
    discovery_error: Option<KeyError>,
    /// Whether the task must look again before the time it was told.
    needs_wake: bool,
    counts: Counts,
}

/// The task that does what the schedule says.
#[derive(Debug, Default)]
struct TaskState {
    /// The number of the latest. Those before it were given up, and have no say any more.
    number: u64,
    /// When it next looks at the schedule, at the latest. `None` without a task.
    expected_at: Option<Instant>,
}

/// Attempts, counted from 1.
#[derive(Debug, Default)]
struct Attempts {
    /// How many have begun.
    begun: u64,
    /// What the latest was begun for, if it has not ended.
    running: Option<Purpose>,
    /// When the latest began.
    begun_at: Option<Timestamp>,
    /// The number of the latest with an outcome. Those that ended with their task have none.
    ended: u64,
    ended_at: Option<Instant>,
}

/// What an attempt is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Purpose {
    Scheduled,
    OnDemand,
}

/// What has happened so far.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Counts {
    pub(crate) successes: u64,
    pub(crate) failures: u64,
    /// Entries of the latest key document that are unusable, and those there was no room for.
    pub(crate) unusable_entries: usize,
}

/// What the task does next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Step {
    Fetch,
    SleepUntil(Instant),
}

/// What a request is told whose key is not cached.
#[derive(Debug)]
pub(crate) enum KeyLookup {
    Key(VerificationKey),
    Rejected(KeyError),
    /// Ask again, with this, after the next change.
    Wait(Waiter),
}

/// What a request waits for, and until when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waiter {
    /// The number of the on-demand refresh. `None` waits for the next attempt, since there are no keys.
    on_demand: Option<u64>,
    pub(crate) until: Instant,
}

/// What a successful attempt brings.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub(crate) keys: KeySet,
    /// Why discovery failed, if the last known discovery document led to the keys.
    pub(crate) discovery_error: Option<KeyError>,
}

impl Fetched {
    /// What a key document brings. `cloud` is that of the discovery document that led to it.
    pub(crate) fn read(
        document: &[u8],
        cloud: Option<&str>,
        discovery_error: Option<KeyError>,
    ) -> Result<Self, Failure> {
        let keys = KeySet::parse(document, cloud)?;
        match keys.lacks_usable_keys() {
            Some(error) => Err(Failure { compromised: Box::new(keys.into_compromised()), ..error.into() }),
            None => Ok(Self { keys, discovery_error }),
        }
    }
}

/// Why an attempt failed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: KeyError,
    /// For how long the provider asked for no more requests.
    pub(crate) retry_after: Option<Duration>,
    /// The keys whose private half the document publishes, if there was a document.
    pub(crate) compromised: Box<Compromised>,
}

impl From<KeyError> for Failure {
    fn from(error: KeyError) -> Self {
        Self { error, retry_after: None, compromised: Box::default() }
    }
}

/// For the task: fetch when it is time.
impl Schedule {
    /// No keys; the first attempt is due at once.
    pub(crate) fn new(timing: Timing, now: Now) -> Self {
        Self {
            timing,
            keys: CachedKeys::default(),
            task: TaskState::default(),
            due: now.monotonic,
            not_before: None,
            failures: 0,
            is_empty: true,
            is_asked_for: false,
            attempts: Attempts::default(),
            on_demand: OnDemandRefresh::default(),
            last_error: None,
            discovery_error: None,
            needs_wake: false,
            counts: Counts::default(),
        }
    }

    /// Keys from elsewhere, as their document was at `taken`. The first attempt is due at once all the same.
    pub(crate) fn seed(&mut self, keys: KeySet, taken: UnixTime, now: Now) {
        self.keys.merge(keys, Timestamp::in_the_past(taken, now), now, &self.timing);
    }

    /// What the task does at `now`. The task asks again after every wake-up.
    pub(crate) fn next(&mut self, now: Now) -> Step {
        self.observe_clock(now);
        self.needs_wake = false;
        if self.on_demand.is_pending() || self.is_asked_for || now.monotonic >= self.due {
            self.task.expected_at = Some(now.monotonic);
            return Step::Fetch;
        }
        // Also awake when the keys expire: retries come sooner then.
        let until = self.keys.expires_at(now, &self.timing).map_or(self.due, |end| end.min(self.due));
        self.task.expected_at = Some(until);
        Step::SleepUntil(until)
    }

    /// The task begins the attempt that [`next`](Self::next) told it to.
    pub(crate) fn begin(&mut self, now: Now) {
        self.is_asked_for = false;
        self.attempts.begun += 1;
        self.attempts.begun_at = Some(Timestamp::new(now));
        self.attempts.running = Some(if self.on_demand.begin() { Purpose::OnDemand } else { Purpose::Scheduled });
        self.task.expected_at = Some(now.monotonic + self.timing.fetch_timeout);
    }

    /// The running attempt is a success. `jitter` is a random number from 0 to 1.
    pub(crate) fn succeeded(&mut self, keys: KeySet, now: Now, jitter: f64) -> Changes {
        let unusable = keys.unusable_count();
        let changes = self.keys.merge(keys, Timestamp::new(now), now, &self.timing);
        self.counts.successes += 1;
        self.counts.unusable_entries = unusable + changes.published_before + changes.surplus;
        self.last_error = None;
        self.not_before = None;
        self.failures = 0;
        self.is_empty = false;
        let longest = self.timing.refresh.mul_f64(1.1).min(self.timing.stale_limit / 2);
        self.due = now.monotonic + longest.mul_f64((0.9 + 0.2 * jitter) / 1.1);
        self.ended(now.monotonic, true);
        changes
    }

    /// The running attempt is a failure. `jitter` is a random number from 0 to 1. Returns the keys whose use it ends.
    pub(crate) fn failed(&mut self, failure: Failure, now: Now, jitter: f64) -> Vec<KeyId> {
        self.observe_clock(now);
        let withdrawn = self.keys.withdraw(&failure.compromised);
        match self.repeat_of_frozen(now) {
            Some(repeat) => {
                self.counts.failures += 1;
                self.last_error = Some(failure.error);
                self.due = repeat;
            }
            None => self.count_failure(failure.error, now.monotonic, jitter),
        }
        if let Some(wait) = failure.retry_after.map(|wait| wait.min(RETRY_AFTER_MAX)) {
            let not_before = now.monotonic + wait;
            self.not_before = Some(not_before);
            self.due = self.due.max(not_before + RETRY_AFTER_SPREAD.min(wait).mul_f64(jitter));
            // It also ends the on-demand refresh that was asked for meanwhile.
            if self.on_demand.begin() {
                self.on_demand.end(false);
            }
        }
        self.ended(now.monotonic, false);
        withdrawn
    }

    /// Notes why a success had to do without discovery, if it had to. Says whether that is news.
    pub(crate) fn discovery_ended(&mut self, error: Option<KeyError>) -> bool {
        let cause = |error: &Option<KeyError>| error.as_ref().map(|error| Chain(error).to_string());
        let is_news = cause(&self.discovery_error) != cause(&error);
        self.discovery_error = error;
        is_news
    }

    /// The task has ended. A panic is a failure of the running attempt. When the task went with its runtime or its store,
    /// nothing has failed, and the next task begins anew.
    pub(crate) fn interrupted(&mut self, now: Instant, has_panicked: bool) {
        self.task.expected_at = None;
        let Some(purpose) = self.attempts.running else { return };
        if has_panicked {
            self.count_failure(KeyError::unavailable("the task that fetches keys panicked"), now, 1.0);
            self.ended(now, false);
            return;
        }
        self.attempts.running = None;
        match purpose {
            Purpose::OnDemand => self.on_demand.put_back(),
            Purpose::Scheduled => self.due = now,
        }
    }

    /// When to repeat a running attempt that took longer than its deadline allows: the process or the machine stood still
    /// meanwhile, which says nothing about the provider. At once, unless the wall clock alone says so, which may jump in
    /// each attempt. `None` if it did not take longer.
    fn repeat_of_frozen(&self, now: Now) -> Option<Instant> {
        let begun_at = self.attempts.begun_at.as_ref()?;
        let is_frozen = begun_at.min_age(now) > self.timing.fetch_timeout + OVERDUE;
        is_frozen.then(|| now.monotonic + COLD_BACKOFF.0.saturating_sub(begun_at.monotonic_age(now)))
    }

    fn count_failure(&mut self, error: KeyError, now: Instant, jitter: f64) {
        self.counts.failures += 1;
        self.last_error = Some(error);
        // A failed on-demand refresh proves nothing about the scheduled ones, which keep their pace.
        if self.attempts.running == Some(Purpose::Scheduled) || self.is_empty {
            self.failures = self.failures.saturating_add(1);
            self.due = now + self.backoff().mul_f64(0.5 + 0.5 * jitter);
        }
    }

    fn ended(&mut self, now: Instant, is_success: bool) {
        if self.attempts.running.take() == Some(Purpose::OnDemand) {
            self.on_demand.end(is_success);
        }
        self.attempts.ended = self.attempts.begun;
        self.attempts.ended_at = Some(now);
    }

    /// How long to wait after so many failures, before jitter.
    fn backoff(&self) -> Duration {
        // A mistake in the configuration does not mend itself within seconds.
        let is_mistake = self.last_error.as_ref().is_some_and(|error| error.kind() == KeyErrorKind::UnknownTenant);
        let (first, last) = if self.is_empty && !is_mistake { COLD_BACKOFF } else { WARM_BACKOFF };
        let doublings = self.failures.saturating_sub(1).min(30);
        first.min(self.timing.refresh).saturating_mul(1 << doublings).min(last.min(self.timing.refresh))
    }
}

/// For whoever finds the task missing or stalled: its runtime may have ended, or be alive without being driven.
impl Schedule {
    /// A new task takes over, and begins anew what the one before it had under way. Returns its number.
    pub(crate) fn take_over(&mut self, now: Instant) -> u64 {
        self.interrupted(now, false);
        self.task.number += 1;
        self.task.expected_at = Some(now);
        self.task.number
    }

    /// Whether no later task has taken over from the one of this number.
    pub(crate) fn is_served_by(&self, number: u64) -> bool {
        self.task.number == number
    }

    /// From when on the task counts as stalled. `None` without a task.
    pub(crate) fn overdue_at(&self) -> Option<Instant> {
        self.task.expected_at.map(|expected| expected + OVERDUE)
    }
}

/// For requests: ask, and wait if it is worth it.
impl Schedule {
    /// A request asks for a key that is not cached.
    pub(crate) fn request_key(&mut self, id: &KeyId, now: Now) -> KeyLookup {
        self.observe_clock(now);
        self.answer(id, None, now.monotonic + WAIT, now)
    }

    /// The same after a change, for a request that waits.
    pub(crate) fn poll_key(&mut self, id: &KeyId, waiter: Waiter, now: Now) -> KeyLookup {
        self.observe_clock(now);
        self.answer(id, waiter.on_demand, waiter.until, now)
    }

    fn answer(&mut self, id: &KeyId, awaited: Option<u64>, until: Instant, now: Now) -> KeyLookup {
        match self.keys.find(id, now, &self.timing) {
            Found::Key(key) => KeyLookup::Key(key.clone()),
            Found::Revoked => KeyLookup::Rejected(KeyError::revoked()),
            Found::Unusable => KeyLookup::Rejected(KeyError::unusable()),
            Found::NoKeys => self.await_load(until, now),
            Found::UnknownKid => match awaited.and_then(|number| self.on_demand.outcome(number)) {
                Some(is_success) => self.after_on_demand(is_success, now),
                // The request asks for the first time, still waits, or keys were loaded meanwhile that lack this one.
                None => self.refresh_on_demand(until, now),
            },
        }
    }

    /// No keys: wait for the attempt that is running or due soon. Starts none.
    fn await_load(&self, until: Instant, now: Now) -> KeyLookup {
        if self.attempts.running.is_some() || self.is_asked_for || self.due <= until {
            KeyLookup::Wait(Waiter { on_demand: None, until })
        } else {
            KeyLookup::Rejected(self.unavailable(self.due.saturating_duration_since(now.monotonic)))
        }
    }

    /// Keys, but not this one: join or start an on-demand refresh, or decide by the latest one.
    fn refresh_on_demand(&mut self, until: Instant, now: Now) -> KeyLookup {
        let is_running = self.on_demand.is_pending() || self.attempts.running == Some(Purpose::OnDemand);
        if !is_running {
            let left = self.not_before.map(|not_before| not_before.saturating_duration_since(now.monotonic));
            if let Some(left) = left.filter(|left| !left.is_zero()) {
                return KeyLookup::Rejected(self.unavailable(left));
            }
            if self.on_demand.is_cooling(now.monotonic, self.timing.refetch_cooldown) {
                return self.after_on_demand(self.on_demand.was_success(), now);
            }
            self.on_demand.ask(now.monotonic);
            self.needs_wake = true;
        }
        KeyLookup::Wait(Waiter { on_demand: Some(self.on_demand.number()), until })
    }

    /// Until when a key that no document lists is rejected at once: the latest on-demand refresh was a success, and
    /// the cooldown has not ended.
    pub(crate) fn known_unknown_until(&self) -> Option<Instant> {
        let is_settled = self.not_before.is_none() && self.on_demand.is_settled();
        if is_settled { self.on_demand.cool_at(self.timing.refetch_cooldown) } else { None }
    }

    /// The latest on-demand refresh has ended without this key. Only a success proves that it does not exist.
    fn after_on_demand(&self, is_success: bool, now: Now) -> KeyLookup {
        let next = self.on_demand.cool_at(self.timing.refetch_cooldown);
        let left = next.map_or(Duration::ZERO, |next| next.saturating_duration_since(now.monotonic));
        KeyLookup::Rejected(if is_success {
            KeyError::unknown().with_retry_after(left)
        } else {
            self.unavailable(left)
        })
    }

    /// No decision is possible before another attempt, which comes after this time.
    fn unavailable(&self, left: Duration) -> KeyError {
        let error = match &self.last_error {
            Some(error) => KeyError::unavailable(error.clone()),
            None => KeyError::unavailable("the keys have not been fetched yet"),
        };
        error.with_retry_after(left)
    }
}

/// For operators, and what everybody reads.
impl Schedule {
    pub(crate) fn keys(&self) -> &CachedKeys {
        &self.keys
    }

    pub(crate) fn keys_mut(&mut self) -> &mut CachedKeys {
        &mut self.keys
    }

    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }

    /// Why the latest attempt failed. `None` if it did not, and before the first.
    pub(crate) fn last_error(&self) -> Option<&KeyError> {
        self.last_error.as_ref()
    }

    /// Why the latest success had to do without discovery. `None` if it had not to.
    pub(crate) fn discovery_error(&self) -> Option<&KeyError> {
        self.discovery_error.as_ref()
    }

    /// An operator wants an attempt now, whatever the schedule and the provider say. Returns its number.
    pub(crate) fn ask_for_refresh(&mut self) -> u64 {
        self.is_asked_for = true;
        self.needs_wake = true;
        self.attempts.begun + 1
    }

    /// The number of the attempt that ends next: the running one, else the next to begin.
    pub(crate) fn next_to_end(&self) -> u64 {
        self.attempts.begun + u64::from(self.attempts.running.is_none())
    }

    /// The outcome of the latest attempt, if it is the one of this number or a later one.
    pub(crate) fn outcome(&self, number: u64) -> Option<Result<(), KeyError>> {
        (self.attempts.ended >= number).then(|| self.last_error.clone().map_or(Ok(()), Err))
    }

    /// By when the next attempt has ended, even if another runs before it and a task has to take over once. Whoever
    /// still waits then would wait for ever.
    pub(crate) fn ends_by(&self, now: Instant) -> Instant {
        let is_near = self.attempts.running.is_some() || self.is_asked_for || self.on_demand.is_pending();
        let begins = if is_near { now } else { self.due.max(now) };
        begins + (self.timing.fetch_timeout + OVERDUE).saturating_mul(2)
    }

    /// Reads the clocks. When the keys have expired, the next attempt is due at once and retries come soon. When the
    /// wall clock is set back and the keys count again, retries come late again.
    pub(crate) fn observe_clock(&mut self, now: Now) {
        let is_empty = !self.keys.is_serving(now);
        if is_empty == self.is_empty {
            return;
        }
        self.is_empty = is_empty;
        self.failures = 0;
        if is_empty {
            // However often a clock jumps to and fro.
            let earliest = self.attempts.ended_at.map(|ended| ended + COLD_BACKOFF.0);
            let due = [self.not_before, earliest].into_iter().flatten().fold(now.monotonic, Instant::max);
            self.needs_wake |= due < self.due;
            self.due = self.due.min(due);
        }
    }

    /// Whether the task must look again before the time it was told. Asked once after each event.
    pub(crate) fn take_needs_wake(&mut self, now: Instant) -> bool {
        let needs_wake = std::mem::take(&mut self.needs_wake);
        // A running attempt ends before the task looks, and bounds the wait by itself.
        if needs_wake && self.attempts.running.is_none() {
            self.task.expected_at = self.task.expected_at.map(|expected| expected.min(now));
        }
        needs_wake
    }
}

/// How long a request waits for a fetch.
const WAIT: Duration = Duration::from_secs(2);

/// How late a task may be before another takes over: short enough that a waiter is still there.
pub(crate) const OVERDUE: Duration = Duration::from_secs(1);

/// First and last wait between failed attempts, doubling between them: with keys to serve, and without.
const WARM_BACKOFF: (Duration, Duration) = (Duration::from_secs(15), Duration::from_secs(900));
const COLD_BACKOFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(15));

/// A provider's `Retry-After` counts up to this, and is spread so that its clients do not come back at once.
pub(crate) const RETRY_AFTER_MAX: Duration = Duration::from_secs(900);
const RETRY_AFTER_SPREAD: Duration = Duration::from_secs(30);

#[cfg(test)]
#[path = "tests/schedule/mod.rs"]
mod tests;
