//! The schedule by itself: events and times go in, steps and answers come out.

use super::*;
use crate::error::KeyErrorKind;
use crate::keys::sample::{document, id, key, read, set, unusable};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);
const COOLDOWN: Duration = Duration::from_secs(30);
const TICK: Duration = Duration::from_nanos(1);

/// A schedule and the two clocks.
struct Case {
    schedule: Schedule,
    now: Now,
}

impl Case {
    fn new(timing: Timing) -> Self {
        let now = Now { monotonic: Instant::now(), wall: Some(UnixTime::from_secs(1_700_000_000)) };
        Self { schedule: Schedule::new(timing, now), now }
    }

    fn cold() -> Self {
        Self::new(Timing::default())
    }

    /// After five failures in a row, so that the next attempt is seconds away.
    fn cold_and_failing() -> Self {
        let mut case = Self::cold();
        for _ in 0..4 {
            case.fetch_and_fail();
            case.sleep_it_out();
        }
        case.fetch_and_fail();
        case
    }

    /// With keys `a` and `b`, fetched just now.
    fn warm() -> Self {
        let mut case = Self::cold();
        case.fetch_and_succeed(&["a", "b"]);
        case
    }

    fn pass(&mut self, time: Duration) {
        self.now.monotonic += time;
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
            Step::SleepUntil(until) => until - self.now.monotonic,
        }
    }

    fn sleep_it_out(&mut self) -> Duration {
        let sleep = self.sleep();
        self.pass(sleep);
        sleep
    }

    fn begin(&mut self) {
        assert_eq!(self.step(), Step::Fetch);
        self.schedule.begin(self.now);
    }

    fn succeed(&mut self, names: &[&str]) {
        self.schedule.succeeded(set(names), self.now, 0.5);
    }

    fn fail(&mut self) {
        self.fail_with(None, 1.0);
    }

    fn fail_with(&mut self, retry_after: Option<Duration>, jitter: f64) {
        let error = KeyError::unavailable("down");
        self.schedule.failed(Failure { retry_after, ..error.into() }, self.now, jitter);
    }

    fn fetch_and_succeed(&mut self, names: &[&str]) {
        self.begin();
        self.succeed(names);
    }

    fn fetch_and_fail(&mut self) {
        self.begin();
        self.fail();
    }

    fn request_key(&mut self, name: &str) -> Answer {
        self.schedule.request_key(&id(name), self.now)
    }

    fn poll_key(&mut self, name: &str, waiter: Waiter) -> Answer {
        self.schedule.poll_key(&id(name), waiter, self.now)
    }
}

fn waiter(answer: Answer) -> Waiter {
    match answer {
        Answer::Wait(waiter) => waiter,
        other => panic!("{other:?}"),
    }
}

fn rejection(answer: Answer) -> KeyErrorKind {
    match answer {
        Answer::Rejected(error) => error.kind(),
        other => panic!("{other:?}"),
    }
}

fn retry_after(answer: Answer) -> Duration {
    match answer {
        Answer::Rejected(error) => error.retry_after().unwrap(),
        other => panic!("{other:?}"),
    }
}

fn is_key(answer: &Answer) -> bool {
    matches!(answer, Answer::Key(_))
}

// When to fetch.

#[test]
fn first_attempt_is_due_at_once() {
    assert_eq!(Case::cold().step(), Step::Fetch);
}

#[test]
fn refresh_is_due_every_hour_give_or_take_a_tenth() {
    for (jitter, expected) in [(0.0, MINUTE * 54), (0.5, HOUR), (1.0, MINUTE * 66)] {
        let mut case = Case::cold();
        case.begin();
        case.schedule.succeeded(set(&["a"]), case.now, jitter);
        let sleep = case.sleep();
        assert!(sleep.abs_diff(expected) < SECOND, "{jitter}: {sleep:?}");
    }
}

#[test]
fn refresh_interval_is_at_most_half_the_stale_limit() {
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
fn retries_after_15_seconds_doubling_to_15_minutes_with_keys() {
    let mut case = Case::warm();
    case.sleep_it_out();
    for seconds in [15, 30, 60, 120, 240, 480, 900, 900, 900] {
        case.fetch_and_fail();
        assert_eq!(case.sleep_it_out(), Duration::from_secs(seconds));
    }
    case.fetch_and_succeed(&["a"]);
    assert_eq!(case.sleep_it_out().as_secs(), 3600);
    case.fetch_and_fail();
    assert_eq!(case.sleep(), SECOND * 15, "a success ends the series");
}

#[test]
fn retries_after_half_a_second_doubling_to_15_seconds_without_keys() {
    let mut case = Case::cold();
    for millis in [500, 1000, 2000, 4000, 8000, 15_000, 15_000] {
        case.fetch_and_fail();
        assert_eq!(case.sleep_it_out(), Duration::from_millis(millis));
    }
}

#[test]
fn backoff_is_random_by_half() {
    let mut case = Case::warm();
    case.sleep_it_out();
    case.begin();
    case.fail_with(None, 0.0);
    assert_eq!(case.sleep(), Duration::from_millis(7500));
}

#[test]
fn backoff_is_at_most_the_refresh_interval() {
    let mut case = Case::new(Timing { refresh: SECOND * 10, ..Timing::default() });
    for _ in 0..10 {
        case.fetch_and_fail();
        assert!(case.sleep_it_out() <= SECOND * 10);
    }
    case.fetch_and_succeed(&["a"]);
    case.sleep_it_out();
    for _ in 0..10 {
        case.fetch_and_fail();
        assert_eq!(case.sleep_it_out(), SECOND * 10);
    }
}

#[test]
fn any_number_of_failures_does_not_overflow() {
    let mut case = Case::warm();
    case.schedule.failures = u32::MAX - 1;
    case.sleep_it_out();
    case.fetch_and_fail();
    assert_eq!(case.sleep_it_out(), MINUTE * 15);
    case.fetch_and_fail();
    assert_eq!(case.sleep(), MINUTE * 15);
}

#[test]
fn task_wakes_when_keys_expire_and_retries_soon() {
    let mut case = Case::warm();
    for _ in 0..1000 {
        if !case.schedule.keys().is_serving(case.now, &Timing::default()) {
            break;
        }
        if case.step() == Step::Fetch {
            case.fetch_and_fail();
        }
        case.sleep_it_out();
    }
    assert_eq!(case.schedule.keys().age(case.now), Some(DAY), "not a moment later");
    case.fetch_and_fail();
    assert_eq!(case.sleep_it_out(), Duration::from_millis(500), "from the shortest backoff on");
    case.fetch_and_succeed(&["a"]);
    case.sleep_it_out();
    case.fetch_and_fail();
    assert_eq!(case.sleep(), SECOND * 15);
}

#[test]
fn suspend_makes_an_attempt_due_at_once() {
    let mut case = Case::warm();
    case.pass(SECOND);
    case.jump(26 * 3600);
    assert_eq!(case.step(), Step::Fetch);
}

#[test]
fn request_that_finds_keys_expired_wakes_the_task() {
    let mut case = Case::warm();
    case.sleep();
    case.jump(26 * 3600);
    assert!(!case.schedule.take_needs_wake(case.now.monotonic));
    waiter(case.request_key("a"));
    assert!(case.schedule.take_needs_wake(case.now.monotonic) && !case.schedule.take_needs_wake(case.now.monotonic));
}

#[test]
fn clock_that_jumps_to_and_fro_causes_no_storm() {
    let mut case = Case::warm();
    case.sleep_it_out();
    case.fetch_and_fail();
    let mut attempts = 0;
    for _ in 0..1000 {
        for jump in [10 * 365 * 86_400, -10 * 365 * 86_400] {
            case.jump(jump);
            if case.step() == Step::Fetch {
                case.fetch_and_fail();
                attempts += 1;
            }
            case.pass(Duration::from_millis(5));
        }
    }
    assert!(attempts <= 20, "{attempts} in ten seconds");
    case.pass(MINUTE * 20);
    case.fetch_and_succeed(&["a"]);
    assert!(case.sleep() > MINUTE * 50);
}

#[test]
fn wall_clock_set_back_makes_retries_late_again() {
    let mut case = Case::warm();
    case.pass(SECOND);
    case.jump(10 * 365 * 86_400);
    for _ in 0..10 {
        case.fetch_and_fail();
        case.sleep_it_out();
    }
    case.jump(-10 * 365 * 86_400);
    case.fetch_and_fail();
    assert_eq!(case.sleep_it_out(), SECOND * 15);
    case.fetch_and_fail();
    assert_eq!(case.sleep_it_out(), SECOND * 30);
}

#[test]
fn seed_is_served_and_refreshed_at_once() {
    let mut case = Case::cold();
    case.schedule.seed(set(&["a"]), UnixTime::from_secs(1_700_000_000 - 3600), case.now);
    assert!(is_key(&case.request_key("a")));
    case.fetch_and_fail();
    assert_eq!(case.sleep(), SECOND * 15);
    assert_eq!(case.schedule.keys().age(case.now), Some(HOUR));
}

#[test]
fn seed_beyond_the_stale_limit_is_not_served() {
    let mut case = Case::cold();
    case.schedule.seed(set(&["a"]), UnixTime::from_secs(1_700_000_000 - 86_400), case.now);
    let waits = waiter(case.request_key("a"));
    case.fetch_and_fail();
    assert!(case.sleep() <= Duration::from_millis(500));
    assert!(matches!(case.poll_key("a", waits), Answer::Wait(_)));
}

// Retry-After.

#[test]
fn honors_retry_after_up_to_15_minutes() {
    for (asked, expected) in [(MINUTE * 10, MINUTE * 10), (DAY, MINUTE * 15), (Duration::MAX, MINUTE * 15)] {
        for jitter in [0.0, 1.0] {
            let mut case = Case::warm();
            case.sleep_it_out();
            case.begin();
            case.fail_with(Some(asked), jitter);
            assert_eq!(case.sleep(), expected + RETRY_AFTER_SPREAD.mul_f64(jitter));
            assert_eq!(rejection(case.request_key("new")), KeyErrorKind::Unavailable, "unknown keys wait, too");
            assert_eq!(retry_after(case.request_key("new")), expected);
            case.pass(expected);
            waiter(case.request_key("new"));
        }
    }
}

#[test]
fn short_retry_after_neither_shortens_the_backoff_nor_adds_to_it() {
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
fn retry_after_holds_when_keys_expire_meanwhile() {
    let mut case = Case::warm();
    case.pass(DAY - MINUTE);
    case.begin();
    case.fail_with(Some(MINUTE * 10), 0.0);
    case.pass(MINUTE);
    assert_eq!(case.sleep(), MINUTE * 9);
    assert_eq!(rejection(case.request_key("a")), KeyErrorKind::Unavailable, "nobody waits that long");
    assert_eq!(retry_after(case.request_key("a")), MINUTE * 9);
}

#[test]
fn retry_after_ends_the_on_demand_refresh_asked_for_meanwhile() {
    let mut case = Case::warm();
    case.sleep_it_out();
    case.begin();
    let waits = waiter(case.request_key("new"));
    case.fail_with(Some(MINUTE * 10), 0.0);
    assert_eq!(case.sleep(), MINUTE * 10);
    assert_eq!(rejection(case.poll_key("new", waits)), KeyErrorKind::Unavailable);
}

#[test]
fn failure_without_retry_after_leaves_an_earlier_one_in_force() {
    let mut case = Case::warm();
    case.sleep_it_out();
    case.begin();
    case.fail_with(Some(MINUTE * 10), 0.0);
    case.schedule.ask_for_refresh();
    case.fetch_and_fail();
    assert_eq!(rejection(case.request_key("new")), KeyErrorKind::Unavailable);
    case.schedule.ask_for_refresh();
    case.fetch_and_succeed(&["a"]);
    waiter(case.request_key("new"));
}

// Unknown keys.

#[test]
fn unknown_key_causes_a_fetch_and_waits_for_it() {
    let mut case = Case::warm();
    assert!(!case.schedule.take_needs_wake(case.now.monotonic));
    let waits = waiter(case.request_key("new"));
    assert!(
        case.schedule.take_needs_wake(case.now.monotonic) && !case.schedule.take_needs_wake(case.now.monotonic),
        "the task is woken once"
    );
    assert_eq!(waits.until, case.now.monotonic + SECOND * 2);
    case.begin();
    assert!(matches!(case.poll_key("new", waits), Answer::Wait(_)));
    case.succeed(&["a", "b", "new"]);
    assert!(is_key(&case.poll_key("new", waits)));
}

#[test]
fn unknown_key_joins_the_running_fetch() {
    let mut case = Case::warm();
    let first = waiter(case.request_key("one"));
    let second = waiter(case.request_key("two"));
    case.begin();
    let third = waiter(case.request_key("three"));
    assert!(!case.schedule.take_needs_wake(case.now.monotonic));
    case.succeed(&["a", "two"]);
    assert_eq!(rejection(case.poll_key("one", first)), KeyErrorKind::Unknown);
    assert!(is_key(&case.poll_key("two", second)));
    assert_eq!(rejection(case.poll_key("three", third)), KeyErrorKind::Unknown);
    assert!(case.sleep() > MINUTE, "one fetch for all");
}

#[test]
fn latest_on_demand_refresh_decides_within_the_cooldown() {
    let mut case = Case::warm();
    waiter(case.request_key("one"));
    case.fetch_and_succeed(&["a"]);
    case.pass(COOLDOWN - TICK);
    assert_eq!(rejection(case.request_key("two")), KeyErrorKind::Unknown);
    case.pass(TICK);
    waiter(case.request_key("two"));
}

#[test]
fn unknown_key_is_settled_by_a_success_until_the_cooldown_is_over() {
    let mut case = Case::warm();
    assert_eq!(case.schedule.known_unknown_until(), None);
    let begun = case.now.monotonic;
    waiter(case.request_key("new"));
    assert_eq!(case.schedule.known_unknown_until(), None, "pending");
    case.begin();
    assert_eq!(case.schedule.known_unknown_until(), None, "running");
    case.succeed(&["a"]);
    assert_eq!(case.schedule.known_unknown_until(), Some(begun + COOLDOWN));
    case.pass(COOLDOWN);
    waiter(case.request_key("new"));
    case.fetch_and_fail();
    assert_eq!(case.schedule.known_unknown_until(), None, "a failure proves nothing");
    case.pass(COOLDOWN);
    waiter(case.request_key("new"));
    case.fetch_and_succeed(&["a"]);
    assert!(case.schedule.known_unknown_until().is_some());
    case.schedule.ask_for_refresh();
    case.begin();
    case.fail_with(Some(MINUTE), 0.0);
    assert_eq!(case.schedule.known_unknown_until(), None, "the provider sent Retry-After");
}

#[test]
fn failed_on_demand_refresh_proves_nothing_and_counts_for_the_cooldown() {
    let mut case = Case::warm();
    let waits = waiter(case.request_key("one"));
    case.fetch_and_fail();
    assert_eq!(rejection(case.poll_key("one", waits)), KeyErrorKind::Unavailable);
    case.pass(SECOND * 10);
    assert_eq!(rejection(case.request_key("two")), KeyErrorKind::Unavailable);
    assert_eq!(retry_after(case.request_key("two")), SECOND * 20);
    case.pass(SECOND * 20);
    waiter(case.request_key("two"));
}

#[test]
fn cooldown_starts_with_the_on_demand_refresh() {
    let mut case = Case::warm();
    waiter(case.request_key("one"));
    case.begin();
    case.pass(SECOND * 4);
    case.succeed(&["a"]);
    case.pass(SECOND * 26);
    waiter(case.request_key("two"));
}

#[test]
fn scheduled_refresh_neither_starts_nor_satisfies_the_cooldown() {
    let mut case = Case::warm();
    let waits = waiter(case.request_key("new"));
    case.fetch_and_succeed(&["a"]);
    assert_eq!(rejection(case.poll_key("new", waits)), KeyErrorKind::Unknown);
    case.sleep_it_out();
    case.begin();
    let waits = waiter(case.request_key("new"));
    case.succeed(&["a"]);
    assert!(matches!(case.poll_key("new", waits), Answer::Wait(_)), "a scheduled refresh is no on-demand refresh");
    case.begin();
    case.succeed(&["a"]);
    assert_eq!(rejection(case.poll_key("new", waits)), KeyErrorKind::Unknown);
}

#[test]
fn key_of_a_scheduled_refresh_is_found_before_the_on_demand_refresh_ends() {
    let mut case = Case::warm();
    case.sleep_it_out();
    case.begin();
    let waits = waiter(case.request_key("new"));
    case.succeed(&["a", "new"]);
    assert!(is_key(&case.poll_key("new", waits)));
}

#[test]
fn failed_on_demand_refresh_leaves_the_schedule_alone() {
    let mut case = Case::warm();
    let sleep = case.sleep();
    waiter(case.request_key("new"));
    case.fetch_and_fail();
    assert_eq!(case.sleep(), sleep);
    case.sleep_it_out();
    case.fetch_and_fail();
    assert_eq!(case.sleep(), SECOND * 15);
}

#[test]
fn successful_on_demand_refresh_counts_as_a_refresh() {
    let mut case = Case::warm();
    case.pass(MINUTE * 40);
    waiter(case.request_key("new"));
    case.fetch_and_succeed(&["a"]);
    assert_eq!(case.sleep().as_secs(), 3600);
}

#[test]
fn each_on_demand_refresh_decides_for_its_waiters_without_cooldown() {
    let mut case = Case::new(Timing { refetch_cooldown: Duration::ZERO, ..Timing::default() });
    case.fetch_and_succeed(&["a"]);
    for _ in 0..3 {
        let waits = waiter(case.request_key("new"));
        case.fetch_and_succeed(&["a"]);
        assert_eq!(rejection(case.poll_key("new", waits)), KeyErrorKind::Unknown);
    }
    let waits = waiter(case.request_key("new"));
    case.fetch_and_fail();
    assert_eq!(rejection(case.poll_key("new", waits)), KeyErrorKind::Unavailable);
}

#[test]
fn endless_cooldown_allows_one_on_demand_refresh() {
    let mut case = Case::new(Timing { refetch_cooldown: Duration::MAX, ..Timing::default() });
    case.fetch_and_succeed(&["a"]);
    waiter(case.request_key("new"));
    case.fetch_and_fail();
    case.pass(DAY / 2);
    assert_eq!(rejection(case.request_key("new")), KeyErrorKind::Unavailable);
}

#[test]
fn listed_and_revoked_keys_are_decided_without_a_fetch() {
    let mut case = Case::cold();
    case.begin();
    case.schedule.succeeded(read(&document(&[key("a"), unusable("odd")])), case.now, 0.5);
    case.schedule.keys_mut().revoke(&id("gone"));
    assert!(is_key(&case.request_key("a")));
    assert_eq!(rejection(case.request_key("odd")), KeyErrorKind::Unusable);
    assert_eq!(rejection(case.request_key("gone")), KeyErrorKind::Revoked);
    assert!(case.sleep() > MINUTE && !case.schedule.take_needs_wake(case.now.monotonic));
}

#[test]
fn key_revoked_during_its_on_demand_refresh_is_rejected() {
    let mut case = Case::warm();
    let waits = waiter(case.request_key("new"));
    case.schedule.keys_mut().revoke(&id("new"));
    assert_eq!(rejection(case.poll_key("new", waits)), KeyErrorKind::Revoked);
}

// Without keys.

#[test]
fn requests_without_keys_wait_for_the_next_attempt_and_start_none() {
    let mut case = Case::cold();
    let waits = waiter(case.request_key("a"));
    assert!(!case.schedule.take_needs_wake(case.now.monotonic));
    case.begin();
    waiter(case.request_key("b"));
    case.succeed(&["a"]);
    assert!(is_key(&case.poll_key("a", waits)));
    assert!(case.sleep() > MINUTE);
}

#[test]
fn waiter_sees_as_many_attempts_as_its_time_allows() {
    let mut case = Case::cold();
    let waits = waiter(case.request_key("a"));
    case.fetch_and_fail();
    let waits = waiter(case.poll_key("a", waits));
    case.sleep_it_out();
    case.fetch_and_fail();
    let waits = waiter(case.poll_key("a", waits));
    case.sleep_it_out();
    case.fetch_and_fail();
    assert_eq!(rejection(case.poll_key("a", waits)), KeyErrorKind::Unavailable, "the next comes too late");
    assert_eq!(retry_after(case.poll_key("a", waits)), SECOND * 2);
}

#[test]
fn request_without_keys_does_not_wait_for_a_far_attempt() {
    let mut case = Case::cold_and_failing();
    assert_eq!(retry_after(case.request_key("a")), SECOND * 8);
    case.pass(SECOND * 6 - TICK);
    assert_eq!(rejection(case.request_key("a")), KeyErrorKind::Unavailable);
    case.pass(TICK);
    waiter(case.request_key("a"));
}

#[test]
fn request_without_keys_waits_for_the_attempt_of_an_operator() {
    let mut case = Case::cold_and_failing();
    assert_eq!(rejection(case.request_key("a")), KeyErrorKind::Unavailable);
    case.schedule.ask_for_refresh();
    let waits = waiter(case.request_key("a"));
    case.begin();
    let waits = waiter(case.poll_key("a", waits));
    waiter(case.request_key("b"));
    case.succeed(&["a"]);
    assert!(is_key(&case.poll_key("a", waits)));
}

#[test]
fn key_that_the_first_load_lacks_causes_an_on_demand_refresh() {
    let mut case = Case::cold();
    let waits = waiter(case.request_key("new"));
    case.fetch_and_succeed(&["a"]);
    let refresh = waiter(case.poll_key("new", waits));
    assert_eq!(refresh.until, waits.until, "in the time that is left");
    case.fetch_and_succeed(&["a"]);
    assert_eq!(rejection(case.poll_key("new", refresh)), KeyErrorKind::Unknown);
}

#[test]
fn keys_that_expire_during_an_on_demand_refresh_are_waited_for() {
    let mut case = Case::warm();
    case.pass(DAY - SECOND);
    let waits = waiter(case.request_key("new"));
    case.begin();
    case.pass(SECOND);
    let waits = waiter(case.poll_key("new", waits));
    case.succeed(&["new"]);
    assert!(is_key(&case.poll_key("new", waits)));
}

// Operators.

#[test]
fn operator_gets_an_attempt_in_spite_of_retry_after() {
    let mut case = Case::warm();
    case.sleep_it_out();
    case.begin();
    case.fail_with(Some(DAY), 0.0);
    let number = case.schedule.ask_for_refresh();
    assert!(case.schedule.take_needs_wake(case.now.monotonic));
    assert!(case.schedule.outcome(number).is_none());
    case.begin();
    assert!(case.schedule.outcome(number).is_none());
    case.succeed(&["a"]);
    assert!(matches!(case.schedule.outcome(number), Some(Ok(()))));
    assert!(case.sleep() > MINUTE, "one attempt");
}

#[test]
fn operator_gets_an_attempt_that_begins_afterwards() {
    let mut case = Case::warm();
    case.sleep_it_out();
    case.begin();
    let number = case.schedule.ask_for_refresh();
    assert_eq!(case.schedule.ask_for_refresh(), number, "one for all that ask");
    case.succeed(&["a"]);
    assert!(case.schedule.outcome(number).is_none());
    case.fetch_and_fail();
    assert!(matches!(case.schedule.outcome(number), Some(Err(_))));
}

#[test]
fn next_to_end_is_the_running_attempt_or_the_next() {
    let mut case = Case::cold();
    assert_eq!(case.schedule.next_to_end(), 1);
    case.begin();
    assert_eq!(case.schedule.next_to_end(), 1);
    case.succeed(&["a"]);
    assert_eq!(case.schedule.next_to_end(), 2);
}

#[test]
fn keys_without_room_count_as_unusable_entries() {
    let mut case = Case::cold();
    let names: Vec<_> = (0..1003).map(|number| format!("key-{number}")).collect();
    case.begin();
    case.schedule.succeeded(set(&names), case.now, 0.5);
    assert_eq!(case.schedule.counts().unusable_entries, 3);
}

#[test]
fn counts_and_last_error_follow_the_attempts() {
    let mut case = Case::cold();
    case.fetch_and_fail();
    assert!(case.schedule.last_error().is_some());
    case.sleep_it_out();
    case.begin();
    case.schedule.succeeded(read(&document(&[key("a"), unusable("b"), unusable("c")])), case.now, 0.5);
    assert_eq!(case.schedule.counts(), Counts { successes: 1, failures: 1, unusable_entries: 2 });
    assert!(case.schedule.last_error().is_none());
    case.sleep_it_out();
    case.fetch_and_fail();
    assert_eq!(case.schedule.counts(), Counts { successes: 1, failures: 2, unusable_entries: 2 });
}

// The end of the task.

#[test]
fn refresh_that_ends_with_its_runtime_begins_again() {
    let mut case = Case::cold();
    let waits = waiter(case.request_key("a"));
    case.begin();
    let number = case.schedule.next_to_end();
    case.schedule.interrupted(case.now.monotonic, false);
    assert!(matches!(case.poll_key("a", waits), Answer::Wait(_)), "that is no failure");
    assert!(case.schedule.outcome(number).is_none() && case.schedule.last_error().is_none());
    case.fetch_and_succeed(&["a"]);
    assert!(is_key(&case.poll_key("a", waits)));
    assert!(matches!(case.schedule.outcome(number), Some(Ok(()))));
}

#[test]
fn operator_gets_the_next_attempt_when_one_ends_with_its_runtime() {
    let mut case = Case::cold();
    case.begin();
    let number = case.schedule.ask_for_refresh();
    case.schedule.interrupted(case.now.monotonic, false);
    assert!(case.schedule.outcome(number).is_none());
    case.fetch_and_succeed(&["a"]);
    assert!(matches!(case.schedule.outcome(number), Some(Ok(()))), "it began after the question");
}

#[test]
fn on_demand_refresh_that_ends_with_its_runtime_begins_again() {
    let mut case = Case::warm();
    let waits = waiter(case.request_key("new"));
    case.begin();
    case.schedule.interrupted(case.now.monotonic, false);
    assert!(matches!(case.poll_key("new", waits), Answer::Wait(_)));
    case.fetch_and_succeed(&["a"]);
    assert_eq!(rejection(case.poll_key("new", waits)), KeyErrorKind::Unknown);
}

#[test]
fn task_that_panics_is_a_failure() {
    let mut case = Case::warm();
    case.sleep_it_out();
    case.begin();
    case.schedule.interrupted(case.now.monotonic, true);
    assert_eq!(case.schedule.counts().failures, 1);
    assert_eq!(case.sleep(), SECOND * 15);
    let mut case = Case::warm();
    let waits = waiter(case.request_key("new"));
    case.begin();
    case.schedule.interrupted(case.now.monotonic, true);
    assert_eq!(rejection(case.poll_key("new", waits)), KeyErrorKind::Unavailable);
}

#[test]
fn task_that_ends_in_its_sleep_changes_nothing() {
    let mut case = Case::warm();
    let sleep = case.sleep();
    case.schedule.interrupted(case.now.monotonic, true);
    assert_eq!((case.sleep(), case.schedule.counts().failures), (sleep, 0));
}

// A task that stands still.

#[test]
fn task_is_overdue_a_second_after_it_had_to_look() {
    let mut case = Case::cold();
    assert_eq!(case.schedule.overdue_at(), None, "there is none");
    case.schedule.take_over(case.now.monotonic);
    assert_eq!(case.schedule.overdue_at(), Some(case.now.monotonic + SECOND));
    case.begin();
    assert_eq!(case.schedule.overdue_at(), Some(case.now.monotonic + SECOND * 11), "an attempt may take its time");
    case.succeed(&["a"]);
    let sleep = case.sleep();
    assert_eq!(case.schedule.overdue_at(), Some(case.now.monotonic + sleep + SECOND));
    case.pass(MINUTE);
    waiter(case.request_key("new"));
    assert!(case.schedule.take_needs_wake(case.now.monotonic));
    assert_eq!(case.schedule.overdue_at(), Some(case.now.monotonic + SECOND), "it was woken");
    case.begin();
    case.schedule.ask_for_refresh();
    assert!(case.schedule.take_needs_wake(case.now.monotonic));
    assert_eq!(case.schedule.overdue_at(), Some(case.now.monotonic + SECOND * 11), "the running attempt comes first");
    case.schedule.interrupted(case.now.monotonic, false);
    assert_eq!(case.schedule.overdue_at(), None);
}

#[test]
fn new_task_begins_anew_what_the_stalled_one_had_begun() {
    let mut case = Case::warm();
    let first = case.schedule.take_over(case.now.monotonic);
    let waits = waiter(case.request_key("new"));
    case.begin();
    let operator = case.schedule.ask_for_refresh();
    let second = case.schedule.take_over(case.now.monotonic);
    assert!(case.schedule.is_served_by(second) && !case.schedule.is_served_by(first));
    assert!(matches!(case.poll_key("new", waits), Answer::Wait(_)));
    case.fetch_and_succeed(&["a", "new"]);
    assert!(is_key(&case.poll_key("new", waits)));
    assert!(matches!(case.schedule.outcome(operator), Some(Ok(()))), "it began after the question");
    assert_eq!(case.schedule.counts().failures, 0);
}

#[test]
fn wait_for_an_attempt_has_a_deadline() {
    let mut case = Case::cold();
    let two_fetches = SECOND * 22;
    assert_eq!(case.schedule.ends_by(case.now.monotonic), case.now.monotonic + two_fetches, "it is due");
    case.begin();
    assert_eq!(case.schedule.ends_by(case.now.monotonic), case.now.monotonic + two_fetches, "it runs");
    case.fail_with(Some(MINUTE * 10), 0.0);
    assert_eq!(case.schedule.ends_by(case.now.monotonic), case.now.monotonic + MINUTE * 10 + two_fetches);
    case.schedule.ask_for_refresh();
    assert_eq!(case.schedule.ends_by(case.now.monotonic), case.now.monotonic + two_fetches, "it is asked for");
}

// Discovery.

#[test]
fn failure_of_discovery_is_news_once_per_cause() {
    let mut case = Case::warm();
    let failing = |cause: &str| Some(KeyError::unavailable(cause.to_owned()));
    assert!(!case.schedule.discovery_ended(None));
    assert!(case.schedule.discovery_ended(failing("status 500")));
    assert!(!case.schedule.discovery_ended(failing("status 500")));
    assert!(case.schedule.discovery_ended(failing("status 404")));
    assert!(case.schedule.discovery_error().is_some());
    assert!(case.schedule.discovery_ended(None));
    assert!(case.schedule.discovery_error().is_none());
}

#[test]
fn attempt_that_was_frozen_is_repeated_at_once() {
    let mut case = Case::warm();
    case.sleep_it_out();
    // By a stop of the process both clocks go on; by a suspend of the machine only the wall clock does.
    for is_suspend in [false, true, false, true] {
        case.begin();
        case.pass(SECOND);
        if is_suspend {
            case.jump(600)
        } else {
            case.pass(MINUTE * 10)
        }
        case.fail();
        assert_eq!(case.step(), Step::Fetch, "{is_suspend}");
    }
    // Nothing was learnt about the provider, so the pace of retries is that of the first failure.
    case.begin();
    case.pass(SECOND * 11);
    case.fail();
    assert_eq!(case.sleep(), SECOND * 15);
}

#[test]
fn attempt_that_reached_its_deadline_is_not_taken_for_a_frozen_one() {
    let timeout = Timing::default().fetch_timeout;
    for (taken, is_frozen) in [(timeout, false), (timeout + SECOND, false), (timeout + SECOND + TICK, true)] {
        let mut case = Case::warm();
        case.sleep_it_out();
        case.begin();
        case.now.monotonic += taken;
        case.fail();
        assert_eq!(case.step() == Step::Fetch, is_frozen, "{taken:?}");
    }
}

#[test]
fn clock_that_jumps_in_each_attempt_causes_no_storm() {
    let mut case = Case::warm();
    case.sleep_it_out();
    let mut attempts = 0;
    let end = case.now.monotonic + MINUTE;
    while case.now.monotonic < end {
        match case.step() {
            Step::Fetch => {
                case.schedule.begin(case.now);
                case.jump(3600);
                case.fail();
                attempts += 1;
            }
            Step::SleepUntil(until) => case.now.monotonic = until,
        }
    }
    assert!((60..=121).contains(&attempts), "{attempts}");
}

#[test]
fn frozen_attempt_does_not_shorten_what_the_provider_asked_for() {
    let mut case = Case::warm();
    case.sleep_it_out();
    case.begin();
    case.pass(MINUTE * 10);
    case.fail_with(Some(MINUTE), 0.0);
    assert_eq!(case.sleep(), MINUTE);
}

#[test]
fn unknown_tenant_is_asked_for_again_at_the_slow_pace() {
    let mut case = Case::cold();
    let mut waits = Vec::new();
    for _ in 0..8 {
        case.begin();
        let error = KeyError::unknown_tenant("AADSTS90002");
        case.schedule.failed(Failure::from(error), case.now, 1.0);
        assert_eq!(rejection(case.request_key("a")), KeyErrorKind::Unavailable);
        waits.push(case.sleep_it_out().as_secs());
    }
    assert_eq!(waits, [15, 30, 60, 120, 240, 480, 900, 900]);
    // Another failure than that is retried at the usual pace.
    case.fetch_and_fail();
    assert!(case.sleep() <= SECOND * 15);
}
