//! When to fetch keys, who waits for it, and what a waiter is told: the whole state machine of one
//! tenant's keys, without a clock, a task or a network. Time and events come in as arguments.

use std::time::{Duration, Instant};

use super::held::{Changes, Found, HeldKeys, Moment, Stamp};
use super::jwks::KeySet;
use super::timing::Timing;
use crate::clock::UnixTime;
use crate::error::KeyError;
use crate::ids::KeyId;
use crate::key::VerificationKey;

/// Keys of one tenant, and when they are fetched next.
#[derive(Debug)]
pub(crate) struct Schedule {
    timing: Timing,
    held: HeldKeys,
    /// When the next attempt is due that nobody asked for.
    due: Instant,
    /// Until when the provider asked to be left alone.
    not_before: Option<Instant>,
    /// Failures in a row at the present pace.
    failures: u32,
    /// Whether there are no keys to serve, so that retries come sooner.
    is_urgent: bool,
    /// Whether an operator asked for an attempt that has not begun.
    is_asked_for: bool,
    attempts: Attempts,
    demand: Demand,
    last_error: Option<KeyError>,
    /// Whether the task must look again before the time it was told.
    is_news: bool,
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
    Demand,
}

/// Fetches that unknown keys cause, counted from 1.
#[derive(Debug, Default)]
struct Demand {
    /// The number of the latest.
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
    pub(crate) good: u64,
    pub(crate) failed: u64,
    /// Entries of the latest good answer that are not usable, and those there was no room for.
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

/// What a request waits for, and until when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ticket {
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
    pub(crate) fn new(timing: Timing, now: Moment) -> Self {
        Self {
            timing,
            held: HeldKeys::default(),
            due: now.mono,
            not_before: None,
            failures: 0,
            is_urgent: true,
            is_asked_for: false,
            attempts: Attempts::default(),
            demand: Demand::default(),
            last_error: None,
            is_news: false,
            counts: Counts::default(),
        }
    }

    /// Keys from elsewhere, as they stood at `taken`. The first attempt is due at once all the same.
    pub(crate) fn seed(&mut self, keys: KeySet, taken: UnixTime, now: Moment) {
        self.held.merge(keys, Stamp::in_the_past(taken, now), now, &self.timing);
    }

    /// What the task does at `now`. To be asked again after every wake-up.
    pub(crate) fn next(&mut self, now: Moment) -> Step {
        self.notice(now);
        self.is_news = false;
        if self.demand.is_pending || self.is_asked_for || now.mono >= self.due {
            return Step::Fetch;
        }
        // Also awake when keys stop counting: with the last of them the pace changes.
        Step::SleepUntil(self.next_end(now).map_or(self.due, |end| end.min(self.due)))
    }

    /// When keys that count now stop counting, by the clock that never jumps.
    pub(crate) fn next_end(&self, now: Moment) -> Option<Instant> {
        self.held.next_end(now, &self.timing)
    }

    /// The task begins what [`next`](Self::next) told it to.
    pub(crate) fn begin(&mut self) {
        self.is_asked_for = false;
        let is_on_demand = std::mem::take(&mut self.demand.is_pending);
        self.attempts.begun += 1;
        self.attempts.running = Some(if is_on_demand { Purpose::Demand } else { Purpose::Refresh });
    }

    /// The attempt under way has brought a good answer. `jitter` is a random number from 0 to 1.
    pub(crate) fn succeeded(&mut self, keys: KeySet, now: Moment, jitter: f64) -> Changes {
        let rejected = keys.rejected();
        let changes = self.held.merge(keys, Stamp::new(now), now, &self.timing);
        self.counts.good += 1;
        self.counts.rejected_entries = rejected + changes.surplus;
        self.last_error = None;
        self.not_before = None;
        self.failures = 0;
        self.is_urgent = false;
        let longest = self.timing.refresh.mul_f64(1.1).min(self.timing.stale_limit / 2);
        self.due = now.mono + longest.mul_f64((0.9 + 0.2 * jitter) / 1.1);
        self.ended(now.mono, true);
        changes
    }

    /// The attempt under way has failed. `jitter` is a random number from 0 to 1.
    pub(crate) fn failed(&mut self, failure: Failure, now: Moment, jitter: f64) {
        self.notice(now);
        self.count_failure(failure.error, now.mono, jitter);
        if let Some(wait) = failure.retry_after.map(|wait| wait.min(RETRY_AFTER_MAX)) {
            let not_before = now.mono + wait;
            self.not_before = Some(not_before);
            self.due = self.due.max(not_before + RETRY_AFTER_SPREAD.min(wait).mul_f64(jitter));
            // It counts for the fetch that unknown keys have asked for meanwhile, too.
            if std::mem::take(&mut self.demand.is_pending) {
                self.demand.ended = Some((self.demand.number, false));
            }
        }
        self.ended(now.mono, false);
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
            Purpose::Demand => self.demand.is_pending = true,
            Purpose::Refresh => self.due = now,
        }
    }

    fn count_failure(&mut self, error: KeyError, now: Instant, jitter: f64) {
        self.counts.failed += 1;
        self.last_error = Some(error);
        // A failed search for an unknown key says nothing about the refreshes, which keep their pace.
        if self.attempts.running == Some(Purpose::Refresh) || self.is_urgent {
            self.failures = self.failures.saturating_add(1);
            self.due = now + self.backoff().mul_f64(0.5 + 0.5 * jitter);
        }
    }

    fn ended(&mut self, now: Instant, was_good: bool) {
        if self.attempts.running.take() == Some(Purpose::Demand) {
            self.demand.ended = Some((self.demand.number, was_good));
        }
        self.attempts.decided = self.attempts.begun;
        self.attempts.decided_at = Some(now);
    }

    /// How long to wait after so many failures, before jitter.
    fn backoff(&self) -> Duration {
        let (first, last) = if self.is_urgent { URGENT_BACKOFF } else { WARM_BACKOFF };
        let doublings = self.failures.saturating_sub(1).min(30);
        first.min(self.timing.refresh).saturating_mul(1 << doublings).min(last.min(self.timing.refresh))
    }
}

/// The part of requests: ask, and wait if it is worth it.
impl Schedule {
    /// A request asks for a key that it did not find.
    pub(crate) fn ask(&mut self, id: &KeyId, now: Moment) -> Answer {
        self.notice(now);
        self.answer(id, None, now.mono + WAIT, now)
    }

    /// The same after a change, for a request that waits.
    pub(crate) fn ask_again(&mut self, id: &KeyId, ticket: Ticket, now: Moment) -> Answer {
        self.notice(now);
        self.answer(id, ticket.demand, ticket.until, now)
    }

    fn answer(&mut self, id: &KeyId, awaited: Option<u64>, until: Instant, now: Moment) -> Answer {
        match self.held.find(id, now, &self.timing) {
            Found::Key(key) => Answer::Key(key.clone()),
            Found::Forgotten => Answer::Refused(KeyError::forgotten()),
            Found::Unusable => Answer::Refused(KeyError::unusable()),
            Found::Nothing => self.await_load(until, now),
            Found::Unknown => match (awaited, self.demand.ended) {
                (Some(number), Some((ended, was_good))) if ended >= number => self.after_demand(was_good, now),
                // Asks for the first time, still waits, or keys were loaded meanwhile that lack this one.
                _ => self.demand(until, now),
            },
        }
    }

    /// No keys: wait for the attempt that is under way or due soon. Starts none.
    fn await_load(&self, until: Instant, now: Moment) -> Answer {
        if self.attempts.running.is_some() || self.is_asked_for || self.due <= until {
            Answer::Wait(Ticket { demand: None, until })
        } else {
            Answer::Refused(self.unavailable(self.due, now))
        }
    }

    /// Keys, but not this one: join or start a fetch, or decide by the latest one.
    fn demand(&mut self, until: Instant, now: Moment) -> Answer {
        let is_under_way = self.demand.is_pending || self.attempts.running == Some(Purpose::Demand);
        if !is_under_way {
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
            self.is_news = true;
        }
        Answer::Wait(Ticket { demand: Some(self.demand.number), until })
    }

    /// Until when a key that is in no good answer is refused without a further question: the latest fetch
    /// for one was good, and the next is not allowed yet.
    pub(crate) fn settled_until(&self) -> Option<Instant> {
        let is_good = self.demand.ended == Some((self.demand.number, true));
        if !is_good || self.not_before.is_some() {
            return None;
        }
        self.demand.begun?.checked_add(self.timing.refetch_cooldown)
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
}

/// The part of operators, and what is known to all.
impl Schedule {
    pub(crate) fn held(&self) -> &HeldKeys {
        &self.held
    }

    pub(crate) fn held_mut(&mut self) -> &mut HeldKeys {
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
        self.is_news = true;
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
    pub(crate) fn notice(&mut self, now: Moment) {
        let is_urgent = !self.held.is_serving(now, &self.timing);
        if is_urgent == self.is_urgent {
            return;
        }
        self.is_urgent = is_urgent;
        self.failures = 0;
        if is_urgent {
            // However often the clocks change their minds.
            let earliest = self.attempts.decided_at.map(|decided| decided + URGENT_BACKOFF.0);
            let due = [self.not_before, earliest].into_iter().flatten().fold(now.mono, Instant::max);
            self.is_news |= due < self.due;
            self.due = self.due.min(due);
        }
    }

    /// Whether the task must look again before the time it was told. Asked once after each event.
    pub(crate) fn take_news(&mut self) -> bool {
        std::mem::take(&mut self.is_news)
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
mod tests {
    use super::*;
    use crate::error::KeyErrorKind;
    use crate::keys::sample::{document, id, key, read, set, unfit};

    const SECOND: Duration = Duration::from_secs(1);
    const MINUTE: Duration = Duration::from_secs(60);
    const HOUR: Duration = Duration::from_secs(3600);
    const DAY: Duration = Duration::from_secs(86_400);
    const COOLDOWN: Duration = Duration::from_secs(30);
    const TICK: Duration = Duration::from_nanos(1);

    /// A schedule and the two clocks.
    struct Case {
        schedule: Schedule,
        now: Moment,
    }

    impl Case {
        fn new(timing: Timing) -> Self {
            let now = Moment { mono: Instant::now(), wall: Some(UnixTime::from_secs(1_700_000_000)) };
            Self { schedule: Schedule::new(timing, now), now }
        }

        fn cold() -> Self {
            Self::new(Timing::default())
        }

        /// After five failures in a row, so that the next attempt is seconds away.
        fn cold_and_failing() -> Self {
            let mut case = Self::cold();
            for _ in 0..4 {
                case.fetch_bad();
                case.sleep_it_out();
            }
            case.fetch_bad();
            case
        }

        /// With keys `a` and `b`, fetched just now.
        fn warm() -> Self {
            let mut case = Self::cold();
            case.fetch_good(&["a", "b"]);
            case
        }

        fn pass(&mut self, time: Duration) {
            self.now.mono += time;
            self.jump(i64::try_from(time.as_secs()).unwrap());
        }

        fn jump(&mut self, seconds: i64) {
            self.now.wall =
                self.now.wall.map(|wall| UnixTime::from_secs(wall.as_secs().checked_add_signed(seconds).unwrap()));
        }

        fn step(&mut self) -> Step {
            self.schedule.next(self.now)
        }

        /// How long the task would sleep.
        fn sleep(&mut self) -> Duration {
            match self.step() {
                Step::Fetch => panic!("a fetch is due"),
                Step::SleepUntil(until) => until - self.now.mono,
            }
        }

        fn sleep_it_out(&mut self) -> Duration {
            let sleep = self.sleep();
            self.pass(sleep);
            sleep
        }

        fn begin(&mut self) {
            assert_eq!(self.step(), Step::Fetch);
            self.schedule.begin();
        }

        fn succeed(&mut self, names: &[&str]) {
            self.schedule.succeeded(set(names), self.now, 0.5);
        }

        fn fail(&mut self) {
            self.fail_with(None, 1.0);
        }

        fn fail_with(&mut self, retry_after: Option<Duration>, jitter: f64) {
            let error = KeyError::unavailable("down");
            self.schedule.failed(Failure { error, retry_after }, self.now, jitter);
        }

        fn fetch_good(&mut self, names: &[&str]) {
            self.begin();
            self.succeed(names);
        }

        fn fetch_bad(&mut self) {
            self.begin();
            self.fail();
        }

        fn ask(&mut self, name: &str) -> Answer {
            self.schedule.ask(&id(name), self.now)
        }

        fn ask_again(&mut self, name: &str, ticket: Ticket) -> Answer {
            self.schedule.ask_again(&id(name), ticket, self.now)
        }
    }

    fn ticket(answer: Answer) -> Ticket {
        match answer {
            Answer::Wait(ticket) => ticket,
            other => panic!("{other:?}"),
        }
    }

    fn refusal(answer: Answer) -> KeyErrorKind {
        match answer {
            Answer::Refused(error) => error.kind(),
            other => panic!("{other:?}"),
        }
    }

    fn retry_after(answer: Answer) -> Duration {
        match answer {
            Answer::Refused(error) => error.retry_after().unwrap(),
            other => panic!("{other:?}"),
        }
    }

    fn is_key(answer: &Answer) -> bool {
        matches!(answer, Answer::Key(_))
    }

    // When to fetch.

    #[test]
    fn the_first_attempt_is_due_at_once() {
        assert_eq!(Case::cold().step(), Step::Fetch);
    }

    #[test]
    fn a_refresh_is_due_every_hour_give_or_take_a_tenth() {
        for (jitter, expected) in [(0.0, MINUTE * 54), (0.5, HOUR), (1.0, MINUTE * 66)] {
            let mut case = Case::cold();
            case.begin();
            case.schedule.succeeded(set(&["a"]), case.now, jitter);
            let sleep = case.sleep();
            assert!(sleep.abs_diff(expected) < SECOND, "{jitter}: {sleep:?}");
        }
    }

    #[test]
    fn a_refresh_never_waits_for_more_than_half_the_stale_limit() {
        let timing = Timing { stale_limit: HOUR, ..Timing::default() };
        for jitter in [0.0, 0.5, 1.0] {
            let mut case = Case::new(timing);
            case.begin();
            case.schedule.succeeded(set(&["a"]), case.now, jitter);
            let sleep = case.sleep();
            assert!((MINUTE * 24..=MINUTE * 30).contains(&sleep), "{jitter}: {sleep:?}");
        }
    }

    #[test]
    fn with_keys_failed_attempts_are_repeated_after_15_seconds_doubling_to_15_minutes() {
        let mut case = Case::warm();
        case.sleep_it_out();
        for seconds in [15, 30, 60, 120, 240, 480, 900, 900, 900] {
            case.fetch_bad();
            assert_eq!(case.sleep_it_out(), Duration::from_secs(seconds));
        }
        case.fetch_good(&["a"]);
        assert_eq!(case.sleep_it_out().as_secs(), 3600);
        case.fetch_bad();
        assert_eq!(case.sleep(), SECOND * 15, "a good answer ends the row");
    }

    #[test]
    fn without_keys_failed_attempts_are_repeated_after_half_a_second_doubling_to_15_seconds() {
        let mut case = Case::cold();
        for millis in [500, 1000, 2000, 4000, 8000, 15_000, 15_000] {
            case.fetch_bad();
            assert_eq!(case.sleep_it_out(), Duration::from_millis(millis));
        }
    }

    #[test]
    fn waits_are_random_by_half() {
        let mut case = Case::warm();
        case.sleep_it_out();
        case.begin();
        case.fail_with(None, 0.0);
        assert_eq!(case.sleep(), Duration::from_millis(7500));
    }

    #[test]
    fn no_wait_is_longer_than_the_refresh() {
        let mut case = Case::new(Timing { refresh: SECOND * 10, ..Timing::default() });
        for _ in 0..10 {
            case.fetch_bad();
            assert!(case.sleep_it_out() <= SECOND * 10);
        }
        case.fetch_good(&["a"]);
        case.sleep_it_out();
        for _ in 0..10 {
            case.fetch_bad();
            assert_eq!(case.sleep_it_out(), SECOND * 10);
        }
    }

    #[test]
    fn failures_without_number_do_not_overflow() {
        let mut case = Case::warm();
        case.schedule.failures = u32::MAX - 1;
        case.sleep_it_out();
        case.fetch_bad();
        assert_eq!(case.sleep_it_out(), MINUTE * 15);
        case.fetch_bad();
        assert_eq!(case.sleep(), MINUTE * 15);
    }

    #[test]
    fn the_task_wakes_when_the_keys_expire_and_hurries() {
        let mut case = Case::warm();
        for _ in 0..1000 {
            if !case.schedule.held().is_serving(case.now, &Timing::default()) {
                break;
            }
            if case.step() == Step::Fetch {
                case.fetch_bad();
            }
            case.sleep_it_out();
        }
        assert_eq!(case.schedule.held().age(case.now), Some(DAY), "not a moment later");
        case.fetch_bad();
        assert_eq!(case.sleep_it_out(), Duration::from_millis(500), "from the start of the close pace");
        case.fetch_good(&["a"]);
        case.sleep_it_out();
        case.fetch_bad();
        assert_eq!(case.sleep(), SECOND * 15);
    }

    #[test]
    fn a_suspend_makes_an_attempt_due_at_once() {
        let mut case = Case::warm();
        case.pass(SECOND);
        case.jump(26 * 3600);
        assert_eq!(case.step(), Step::Fetch);
    }

    #[test]
    fn whoever_notices_that_the_keys_have_expired_wakes_the_task() {
        let mut case = Case::warm();
        case.sleep();
        case.jump(26 * 3600);
        assert!(!case.schedule.take_news());
        ticket(case.ask("a"));
        assert!(case.schedule.take_news() && !case.schedule.take_news());
    }

    #[test]
    fn a_clock_that_jumps_to_and_fro_causes_no_storm() {
        let mut case = Case::warm();
        case.sleep_it_out();
        case.fetch_bad();
        let mut attempts = 0;
        for _ in 0..1000 {
            for jump in [10 * 365 * 86_400, -10 * 365 * 86_400] {
                case.jump(jump);
                if case.step() == Step::Fetch {
                    case.fetch_bad();
                    attempts += 1;
                }
                case.pass(Duration::from_millis(5));
            }
        }
        assert!(attempts <= 20, "{attempts} in ten seconds");
        case.pass(MINUTE * 20);
        case.fetch_good(&["a"]);
        assert!(case.sleep() > MINUTE * 50);
    }

    #[test]
    fn a_wall_clock_set_back_ends_the_hurry() {
        let mut case = Case::warm();
        case.pass(SECOND);
        case.jump(10 * 365 * 86_400);
        for _ in 0..10 {
            case.fetch_bad();
            case.sleep_it_out();
        }
        case.jump(-10 * 365 * 86_400);
        case.fetch_bad();
        assert_eq!(case.sleep_it_out(), SECOND * 15);
        case.fetch_bad();
        assert_eq!(case.sleep_it_out(), SECOND * 30);
    }

    #[test]
    fn a_seed_is_served_and_refreshed_at_once_at_the_pace_of_keys() {
        let mut case = Case::cold();
        case.schedule.seed(set(&["a"]), UnixTime::from_secs(1_700_000_000 - 3600), case.now);
        assert!(is_key(&case.ask("a")));
        case.fetch_bad();
        assert_eq!(case.sleep(), SECOND * 15);
        assert_eq!(case.schedule.held().age(case.now), Some(HOUR));
    }

    #[test]
    fn a_seed_beyond_the_stale_limit_is_not_served() {
        let mut case = Case::cold();
        case.schedule.seed(set(&["a"]), UnixTime::from_secs(1_700_000_000 - 86_400), case.now);
        let waits = ticket(case.ask("a"));
        case.fetch_bad();
        assert!(case.sleep() <= Duration::from_millis(500));
        assert!(matches!(case.ask_again("a", waits), Answer::Wait(_)));
    }

    // Retry-After.

    #[test]
    fn a_provider_that_asks_to_be_left_alone_is_left_alone_for_up_to_15_minutes() {
        for (asked, expected) in [(MINUTE * 10, MINUTE * 10), (DAY, MINUTE * 15), (Duration::MAX, MINUTE * 15)] {
            for jitter in [0.0, 1.0] {
                let mut case = Case::warm();
                case.sleep_it_out();
                case.begin();
                case.fail_with(Some(asked), jitter);
                assert_eq!(case.sleep(), expected + RETRY_AFTER_SPREAD.mul_f64(jitter));
                assert_eq!(refusal(case.ask("new")), KeyErrorKind::Unavailable, "unknown keys wait, too");
                assert_eq!(retry_after(case.ask("new")), expected);
                case.pass(expected);
                ticket(case.ask("new"));
            }
        }
    }

    #[test]
    fn a_short_retry_after_does_not_shorten_the_backoff_nor_add_to_it() {
        for asked in [Duration::ZERO, SECOND] {
            let mut case = Case::warm();
            case.sleep_it_out();
            case.begin();
            case.fail_with(Some(asked), 1.0);
            assert_eq!(case.sleep(), SECOND * 15);
        }
        let mut case = Case::cold();
        case.begin();
        case.fail_with(Some(Duration::ZERO), 1.0);
        assert_eq!(case.sleep(), Duration::from_millis(500));
    }

    #[test]
    fn a_retry_after_holds_though_the_keys_expire_meanwhile() {
        let mut case = Case::warm();
        case.pass(DAY - MINUTE);
        case.begin();
        case.fail_with(Some(MINUTE * 10), 0.0);
        case.pass(MINUTE);
        assert_eq!(case.sleep(), MINUTE * 9);
        assert_eq!(refusal(case.ask("a")), KeyErrorKind::Unavailable, "nobody waits that long");
        assert_eq!(retry_after(case.ask("a")), MINUTE * 9);
    }

    #[test]
    fn a_retry_after_calls_off_the_search_that_was_asked_for_meanwhile() {
        let mut case = Case::warm();
        case.sleep_it_out();
        case.begin();
        let waits = ticket(case.ask("new"));
        case.fail_with(Some(MINUTE * 10), 0.0);
        assert_eq!(case.sleep(), MINUTE * 10);
        assert_eq!(refusal(case.ask_again("new", waits)), KeyErrorKind::Unavailable);
    }

    #[test]
    fn a_failure_that_says_nothing_leaves_an_earlier_retry_after_in_force() {
        let mut case = Case::warm();
        case.sleep_it_out();
        case.begin();
        case.fail_with(Some(MINUTE * 10), 0.0);
        case.schedule.ask_for_refresh();
        case.fetch_bad();
        assert_eq!(refusal(case.ask("new")), KeyErrorKind::Unavailable);
        case.schedule.ask_for_refresh();
        case.fetch_good(&["a"]);
        ticket(case.ask("new"));
    }

    // Unknown keys.

    #[test]
    fn an_unknown_key_causes_a_fetch_and_waits_for_it() {
        let mut case = Case::warm();
        assert!(!case.schedule.take_news());
        let waits = ticket(case.ask("new"));
        assert!(case.schedule.take_news() && !case.schedule.take_news(), "the task is told once");
        assert_eq!(waits.until, case.now.mono + SECOND * 2);
        case.begin();
        assert!(matches!(case.ask_again("new", waits), Answer::Wait(_)));
        case.succeed(&["a", "b", "new"]);
        assert!(is_key(&case.ask_again("new", waits)));
    }

    #[test]
    fn an_unknown_key_joins_the_fetch_under_way() {
        let mut case = Case::warm();
        let first = ticket(case.ask("one"));
        let second = ticket(case.ask("two"));
        case.begin();
        let third = ticket(case.ask("three"));
        assert!(!case.schedule.take_news());
        case.succeed(&["a", "two"]);
        assert_eq!(refusal(case.ask_again("one", first)), KeyErrorKind::Unknown);
        assert!(is_key(&case.ask_again("two", second)));
        assert_eq!(refusal(case.ask_again("three", third)), KeyErrorKind::Unknown);
        assert!(case.sleep() > MINUTE, "one fetch for all");
    }

    #[test]
    fn within_the_cooldown_the_latest_search_decides_at_once() {
        let mut case = Case::warm();
        ticket(case.ask("one"));
        case.fetch_good(&["a"]);
        case.pass(COOLDOWN - TICK);
        assert_eq!(refusal(case.ask("two")), KeyErrorKind::Unknown);
        case.pass(TICK);
        ticket(case.ask("two"));
    }

    #[test]
    fn only_a_good_search_settles_what_is_in_no_answer_and_until_the_next_is_allowed() {
        let mut case = Case::warm();
        assert_eq!(case.schedule.settled_until(), None);
        let begun = case.now.mono;
        ticket(case.ask("new"));
        assert_eq!(case.schedule.settled_until(), None, "asked for");
        case.begin();
        assert_eq!(case.schedule.settled_until(), None, "under way");
        case.succeed(&["a"]);
        assert_eq!(case.schedule.settled_until(), Some(begun + COOLDOWN));
        case.pass(COOLDOWN);
        ticket(case.ask("new"));
        case.fetch_bad();
        assert_eq!(case.schedule.settled_until(), None, "a failed search proves nothing");
        case.pass(COOLDOWN);
        ticket(case.ask("new"));
        case.fetch_good(&["a"]);
        assert!(case.schedule.settled_until().is_some());
        case.schedule.ask_for_refresh();
        case.begin();
        case.fail_with(Some(MINUTE), 0.0);
        assert_eq!(case.schedule.settled_until(), None, "the provider asked to be left alone");
    }

    #[test]
    fn a_failed_search_proves_nothing_and_counts_for_the_cooldown() {
        let mut case = Case::warm();
        let waits = ticket(case.ask("one"));
        case.fetch_bad();
        assert_eq!(refusal(case.ask_again("one", waits)), KeyErrorKind::Unavailable);
        case.pass(SECOND * 10);
        assert_eq!(refusal(case.ask("two")), KeyErrorKind::Unavailable);
        assert_eq!(retry_after(case.ask("two")), SECOND * 20);
        case.pass(SECOND * 20);
        ticket(case.ask("two"));
    }

    #[test]
    fn the_cooldown_runs_from_the_beginning_of_the_search() {
        let mut case = Case::warm();
        ticket(case.ask("one"));
        case.begin();
        case.pass(SECOND * 4);
        case.succeed(&["a"]);
        case.pass(SECOND * 26);
        ticket(case.ask("two"));
    }

    #[test]
    fn a_refresh_neither_starts_nor_satisfies_the_cooldown() {
        let mut case = Case::warm();
        let waits = ticket(case.ask("new"));
        case.fetch_good(&["a"]);
        assert_eq!(refusal(case.ask_again("new", waits)), KeyErrorKind::Unknown);
        case.sleep_it_out();
        case.begin();
        let waits = ticket(case.ask("new"));
        case.succeed(&["a"]);
        assert!(matches!(case.ask_again("new", waits), Answer::Wait(_)), "a refresh is no search");
        case.begin();
        case.succeed(&["a"]);
        assert_eq!(refusal(case.ask_again("new", waits)), KeyErrorKind::Unknown);
    }

    #[test]
    fn a_key_that_a_refresh_brings_is_found_though_the_search_goes_on() {
        let mut case = Case::warm();
        case.sleep_it_out();
        case.begin();
        let waits = ticket(case.ask("new"));
        case.succeed(&["a", "new"]);
        assert!(is_key(&case.ask_again("new", waits)));
    }

    #[test]
    fn a_failed_search_leaves_the_refreshes_at_their_pace() {
        let mut case = Case::warm();
        let sleep = case.sleep();
        ticket(case.ask("new"));
        case.fetch_bad();
        assert_eq!(case.sleep(), sleep);
        case.sleep_it_out();
        case.fetch_bad();
        assert_eq!(case.sleep(), SECOND * 15);
    }

    #[test]
    fn a_good_search_is_a_refresh() {
        let mut case = Case::warm();
        case.pass(MINUTE * 40);
        ticket(case.ask("new"));
        case.fetch_good(&["a"]);
        assert_eq!(case.sleep().as_secs(), 3600);
    }

    #[test]
    fn without_cooldown_each_search_decides_for_those_who_waited() {
        let mut case = Case::new(Timing { refetch_cooldown: Duration::ZERO, ..Timing::default() });
        case.fetch_good(&["a"]);
        for _ in 0..3 {
            let waits = ticket(case.ask("new"));
            case.fetch_good(&["a"]);
            assert_eq!(refusal(case.ask_again("new", waits)), KeyErrorKind::Unknown);
        }
        let waits = ticket(case.ask("new"));
        case.fetch_bad();
        assert_eq!(refusal(case.ask_again("new", waits)), KeyErrorKind::Unavailable);
    }

    #[test]
    fn an_endless_cooldown_allows_one_search() {
        let mut case = Case::new(Timing { refetch_cooldown: Duration::MAX, ..Timing::default() });
        case.fetch_good(&["a"]);
        ticket(case.ask("new"));
        case.fetch_bad();
        case.pass(DAY / 2);
        assert_eq!(refusal(case.ask("new")), KeyErrorKind::Unavailable);
    }

    #[test]
    fn what_is_listed_or_forgotten_is_decided_without_a_fetch() {
        let mut case = Case::cold();
        case.begin();
        case.schedule.succeeded(read(&document(&[key("a"), unfit("odd")])), case.now, 0.5);
        case.schedule.held_mut().forget(&id("gone"));
        assert!(is_key(&case.ask("a")));
        assert_eq!(refusal(case.ask("odd")), KeyErrorKind::Unusable);
        assert_eq!(refusal(case.ask("gone")), KeyErrorKind::Forgotten);
        assert!(case.sleep() > MINUTE && !case.schedule.take_news());
    }

    #[test]
    fn a_key_forgotten_while_it_is_searched_for_is_refused() {
        let mut case = Case::warm();
        let waits = ticket(case.ask("new"));
        case.schedule.held_mut().forget(&id("new"));
        assert_eq!(refusal(case.ask_again("new", waits)), KeyErrorKind::Forgotten);
    }

    // Without keys.

    #[test]
    fn without_keys_requests_wait_for_the_attempt_that_is_due_and_start_none() {
        let mut case = Case::cold();
        let waits = ticket(case.ask("a"));
        assert!(!case.schedule.take_news());
        case.begin();
        ticket(case.ask("b"));
        case.succeed(&["a"]);
        assert!(is_key(&case.ask_again("a", waits)));
        assert!(case.sleep() > MINUTE);
    }

    #[test]
    fn a_request_that_waits_sees_as_many_attempts_as_its_time_allows() {
        let mut case = Case::cold();
        let waits = ticket(case.ask("a"));
        case.fetch_bad();
        let waits = ticket(case.ask_again("a", waits));
        case.sleep_it_out();
        case.fetch_bad();
        let waits = ticket(case.ask_again("a", waits));
        case.sleep_it_out();
        case.fetch_bad();
        assert_eq!(refusal(case.ask_again("a", waits)), KeyErrorKind::Unavailable, "the next comes too late");
        assert_eq!(retry_after(case.ask_again("a", waits)), SECOND * 2);
    }

    #[test]
    fn without_keys_and_with_no_attempt_near_a_request_is_not_kept_waiting() {
        let mut case = Case::cold_and_failing();
        assert_eq!(retry_after(case.ask("a")), SECOND * 8);
        case.pass(SECOND * 6 - TICK);
        assert_eq!(refusal(case.ask("a")), KeyErrorKind::Unavailable);
        case.pass(TICK);
        ticket(case.ask("a"));
    }

    #[test]
    fn without_keys_an_attempt_that_an_operator_asked_for_is_near() {
        let mut case = Case::cold_and_failing();
        assert_eq!(refusal(case.ask("a")), KeyErrorKind::Unavailable);
        case.schedule.ask_for_refresh();
        let waits = ticket(case.ask("a"));
        case.begin();
        let waits = ticket(case.ask_again("a", waits));
        ticket(case.ask("b"));
        case.succeed(&["a"]);
        assert!(is_key(&case.ask_again("a", waits)));
    }

    #[test]
    fn a_key_that_the_first_load_lacks_is_searched_for() {
        let mut case = Case::cold();
        let waits = ticket(case.ask("new"));
        case.fetch_good(&["a"]);
        let searches = ticket(case.ask_again("new", waits));
        assert_eq!(searches.until, waits.until, "in the time that is left");
        case.fetch_good(&["a"]);
        assert_eq!(refusal(case.ask_again("new", searches)), KeyErrorKind::Unknown);
    }

    #[test]
    fn keys_that_expire_during_a_search_are_waited_for() {
        let mut case = Case::warm();
        case.pass(DAY - SECOND);
        let waits = ticket(case.ask("new"));
        case.begin();
        case.pass(SECOND);
        let waits = ticket(case.ask_again("new", waits));
        case.succeed(&["new"]);
        assert!(is_key(&case.ask_again("new", waits)));
    }

    // Operators.

    #[test]
    fn an_operator_gets_an_attempt_whatever_the_provider_asked_for() {
        let mut case = Case::warm();
        case.sleep_it_out();
        case.begin();
        case.fail_with(Some(DAY), 0.0);
        let number = case.schedule.ask_for_refresh();
        assert!(case.schedule.take_news());
        assert!(case.schedule.outcome(number).is_none());
        case.begin();
        assert!(case.schedule.outcome(number).is_none());
        case.succeed(&["a"]);
        assert!(matches!(case.schedule.outcome(number), Some(Ok(()))));
        assert!(case.sleep() > MINUTE, "one attempt");
    }

    #[test]
    fn an_operator_does_not_get_an_attempt_that_was_under_way() {
        let mut case = Case::warm();
        case.sleep_it_out();
        case.begin();
        let number = case.schedule.ask_for_refresh();
        assert_eq!(case.schedule.ask_for_refresh(), number, "one for all that ask");
        case.succeed(&["a"]);
        assert!(case.schedule.outcome(number).is_none());
        case.fetch_bad();
        assert!(matches!(case.schedule.outcome(number), Some(Err(_))));
    }

    #[test]
    fn the_attempt_that_ends_next_is_the_one_under_way_or_the_next_to_begin() {
        let mut case = Case::cold();
        assert_eq!(case.schedule.next_to_end(), 1);
        case.begin();
        assert_eq!(case.schedule.next_to_end(), 1);
        case.succeed(&["a"]);
        assert_eq!(case.schedule.next_to_end(), 2);
    }

    #[test]
    fn keys_for_which_there_is_no_room_are_rejected_entries() {
        let mut case = Case::cold();
        let names: Vec<_> = (0..1003).map(|number| format!("key-{number}")).collect();
        case.begin();
        case.schedule.succeeded(set(&names), case.now, 0.5);
        assert_eq!(case.schedule.counts().rejected_entries, 3);
    }

    #[test]
    fn counts_and_the_last_error_follow_the_attempts() {
        let mut case = Case::cold();
        case.fetch_bad();
        assert!(case.schedule.last_error().is_some());
        case.sleep_it_out();
        case.begin();
        case.schedule.succeeded(read(&document(&[key("a"), unfit("b"), unfit("c")])), case.now, 0.5);
        assert_eq!(case.schedule.counts(), Counts { good: 1, failed: 1, rejected_entries: 2 });
        assert!(case.schedule.last_error().is_none());
        case.sleep_it_out();
        case.fetch_bad();
        assert_eq!(case.schedule.counts(), Counts { good: 1, failed: 2, rejected_entries: 2 });
    }

    // The end of the task.

    #[test]
    fn a_refresh_that_ends_with_its_runtime_is_begun_again() {
        let mut case = Case::cold();
        let waits = ticket(case.ask("a"));
        case.begin();
        let number = case.schedule.next_to_end();
        case.schedule.interrupted(case.now.mono, false);
        assert!(matches!(case.ask_again("a", waits), Answer::Wait(_)), "nobody failed");
        assert!(case.schedule.outcome(number).is_none() && case.schedule.last_error().is_none());
        case.fetch_good(&["a"]);
        assert!(is_key(&case.ask_again("a", waits)));
        assert!(matches!(case.schedule.outcome(number), Some(Ok(()))));
    }

    #[test]
    fn an_operator_who_asks_during_an_attempt_that_ends_with_its_runtime_gets_the_next() {
        let mut case = Case::cold();
        case.begin();
        let number = case.schedule.ask_for_refresh();
        case.schedule.interrupted(case.now.mono, false);
        assert!(case.schedule.outcome(number).is_none());
        case.fetch_good(&["a"]);
        assert!(matches!(case.schedule.outcome(number), Some(Ok(()))), "it began after the question");
    }

    #[test]
    fn a_search_that_ends_with_its_runtime_is_begun_again() {
        let mut case = Case::warm();
        let waits = ticket(case.ask("new"));
        case.begin();
        case.schedule.interrupted(case.now.mono, false);
        assert!(matches!(case.ask_again("new", waits), Answer::Wait(_)));
        case.fetch_good(&["a"]);
        assert_eq!(refusal(case.ask_again("new", waits)), KeyErrorKind::Unknown);
    }

    #[test]
    fn a_task_that_panics_has_failed() {
        let mut case = Case::warm();
        case.sleep_it_out();
        case.begin();
        case.schedule.interrupted(case.now.mono, true);
        assert_eq!(case.schedule.counts().failed, 1);
        assert_eq!(case.sleep(), SECOND * 15);
        let mut case = Case::warm();
        let waits = ticket(case.ask("new"));
        case.begin();
        case.schedule.interrupted(case.now.mono, true);
        assert_eq!(refusal(case.ask_again("new", waits)), KeyErrorKind::Unavailable);
    }

    #[test]
    fn a_task_that_ends_in_its_sleep_changes_nothing() {
        let mut case = Case::warm();
        let sleep = case.sleep();
        case.schedule.interrupted(case.now.mono, true);
        assert_eq!((case.sleep(), case.schedule.counts().failed), (sleep, 0));
    }
}
