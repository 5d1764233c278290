//! The schedule on clocks that the test moves.

use background_refresh::{Timestamp, UnixTime};
use proptest::prelude::*;

use super::super::lease::Terms;
use super::*;

const MINUTE: Duration = Duration::from_secs(60);

/// A schedule and its two clocks.
struct Harness {
    start: Instant,
    monotonic: Duration,
    wall: u64,
    schedule: Schedule<u32>,
}

impl Harness {
    fn new() -> Self {
        let start = Instant::now();
        Self { start, monotonic: Duration::ZERO, wall: 1_800_000_000, schedule: Schedule::new(start) }
    }

    fn now(&self) -> Now {
        Now { monotonic: self.start + self.monotonic, wall: Some(UnixTime::from_secs(self.wall)) }
    }

    fn pass(&mut self, time: Duration) {
        self.monotonic += time;
        self.wall += time.as_secs();
    }

    fn step(&mut self) -> Step {
        let now = self.now();
        self.schedule.next(now)
    }

    /// Seconds until the next attempt, as the task goes about it.
    fn wait(&mut self) -> f64 {
        let from = self.now().monotonic;
        loop {
            match self.step() {
                Step::Fetch => return (self.now().monotonic - from).as_secs_f64(),
                Step::SleepUntil(until) => {
                    let time = until - self.now().monotonic;
                    self.monotonic += time;
                    self.wall += time.as_secs();
                }
            }
        }
    }

    fn succeed(&mut self, value: u32) -> Arc<Lease<u32>> {
        self.succeed_after(Duration::ZERO, value, Terms { renew_after: MINUTE * 55, usable_for: MINUTE * 85 })
    }

    /// An attempt that takes so long. The value counts from its beginning.
    fn succeed_after(&mut self, time: Duration, value: u32, terms: Terms) -> Arc<Lease<u32>> {
        let began = self.now();
        assert_eq!(self.schedule.next(began), Step::Fetch);
        self.schedule.begin();
        self.pass(time);
        let now = self.now();
        self.schedule.succeeded(Lease::new(value, Timestamp::new(began), terms), now)
    }

    fn fail(&mut self, failure: AttemptFailure) {
        let now = self.now();
        assert_eq!(self.schedule.next(now), Step::Fetch);
        self.schedule.begin();
        self.schedule.failed(failure, now, 1.0);
    }

    fn ask(&mut self, wait: Duration) -> &'static str {
        let now = self.now();
        match self.schedule.ask(now, now.monotonic + wait) {
            ValueLookup::Value(_) => "value",
            ValueLookup::Failed(_) => "failed",
            ValueLookup::Wait => "wait",
        }
    }
}

fn transient() -> AttemptFailure {
    AttemptFailure::transient(Error::new(ErrorKind::Unavailable, "down"))
}

#[test]
fn first_attempt_is_due_at_once_and_waiters_wait() {
    let mut harness = Harness::new();
    assert_eq!(harness.ask(Duration::from_secs(5)), "wait");
    assert_eq!(harness.step(), Step::Fetch);
    harness.schedule.begin();
    assert_eq!(harness.ask(Duration::from_secs(5)), "wait");
}

#[test]
fn renews_after_55_minutes_and_uses_until_85() {
    let mut harness = Harness::new();
    harness.succeed(1);
    assert_eq!(harness.wait(), 3300.0);
    harness.fail(transient());
    harness.pass(MINUTE * 30 - Duration::from_secs(1));
    assert_eq!(harness.ask(MINUTE), "value");
    harness.pass(Duration::from_secs(1));
    assert_eq!(harness.ask(MINUTE), "wait");
    assert_eq!(harness.schedule.failures(), 1);
}

#[test]
fn value_is_due_from_the_beginning_of_its_attempt() {
    let mut harness = Harness::new();
    let terms = Terms { renew_after: MINUTE * 55, usable_for: MINUTE * 85 };
    let lease = harness.succeed_after(Duration::from_secs(10), 1, terms);
    assert_eq!(harness.wait(), 3290.0);
    assert!(lease.is_due(harness.now()));
}

#[test]
fn value_that_is_due_at_once_is_not_fetched_without_a_pause() {
    let mut harness = Harness::new();
    harness.succeed_after(Duration::ZERO, 1, Terms { renew_after: Duration::ZERO, usable_for: MINUTE });
    assert_eq!(harness.wait(), 0.5);
}

#[test]
fn renewal_that_fails_backs_off_while_the_value_is_used() {
    let mut harness = Harness::new();
    harness.succeed(1);
    harness.wait();
    let waits: Vec<_> = (0..4)
        .map(|_| {
            harness.fail(transient());
            harness.wait()
        })
        .collect();
    assert_eq!(waits, [0.5, 1.0, 2.0, 4.0]);
    assert_eq!(harness.ask(MINUTE), "value");
}

#[test]
fn failures_back_off_to_30_seconds() {
    let mut harness = Harness::new();
    let waits: Vec<_> = (0..9)
        .map(|_| {
            harness.fail(transient());
            harness.wait()
        })
        .collect();
    assert_eq!(waits, [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]);
}

#[test]
fn success_resets_the_backoff() {
    let mut harness = Harness::new();
    harness.fail(transient());
    harness.wait();
    harness.succeed(1);
    harness.wait();
    harness.fail(transient());
    assert_eq!(harness.wait(), 0.5);
}

#[test]
fn success_clears_the_failure_and_is_counted() {
    let mut harness = Harness::new();
    harness.fail(AttemptFailure::lasting(Error::new(ErrorKind::NotFound, "wrong"), None));
    assert_eq!(harness.schedule.last_error().map(Error::kind), Some(ErrorKind::NotFound));
    harness.wait();
    harness.succeed(1);
    assert!(harness.schedule.last_error().is_none());
    assert_eq!((harness.schedule.failures(), harness.schedule.successes()), (0, 1));
    harness.wait();
    harness.succeed(2);
    assert_eq!(harness.schedule.successes(), 2);
}

#[test]
fn retry_after_is_honored_with_jitter_that_only_adds() {
    let mut harness = Harness::new();
    harness.fail(AttemptFailure { retry_after: Some(MINUTE), ..transient() });
    assert_eq!(harness.wait(), 90.0);
    harness.fail(AttemptFailure { retry_after: Some(MINUTE * 999), ..transient() });
    assert_eq!(harness.wait(), 930.0);
}

#[test]
fn a_pause_holds_and_waiters_are_told_at_once() {
    let mut harness = Harness::new();
    harness.fail(AttemptFailure::lasting(Error::new(ErrorKind::NotFound, "wrong"), Some(MINUTE * 5)));
    assert_eq!(harness.ask(Duration::from_secs(5)), "failed");
    assert_eq!(harness.wait(), 315.0);
    assert_eq!(harness.ask(Duration::from_secs(5)), "wait");
}

#[test]
fn waiters_of_a_lasting_failure_are_told_although_the_next_attempt_is_near() {
    let mut harness = Harness::new();
    harness.fail(AttemptFailure::lasting(Error::new(ErrorKind::Credential, "not set up"), None));
    assert_eq!(harness.ask(Duration::from_secs(5)), "failed");
}

#[test]
fn waiters_of_a_transient_failure_wait_for_the_next_attempt_if_it_is_in_time() {
    let mut harness = Harness::new();
    harness.fail(transient());
    assert_eq!(harness.ask(Duration::from_secs(5)), "wait");
    assert_eq!(harness.ask(Duration::from_millis(500)), "wait", "due at the deadline itself");
    assert_eq!(harness.ask(Duration::from_millis(499)), "failed");
    harness.wait();
    harness.fail(AttemptFailure { retry_after: Some(MINUTE), ..transient() });
    assert_eq!(harness.ask(Duration::from_secs(5)), "failed");
}

#[test]
fn error_says_when_to_come_back() {
    let mut harness = Harness::new();
    harness.fail(AttemptFailure { retry_after: Some(MINUTE), ..transient() });
    let now = harness.now();
    let ValueLookup::Failed(error) = harness.schedule.ask(now, now.monotonic) else { panic!("no failure") };
    assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Unavailable, "down"));
    assert_eq!(error.retry_after(), Some(Duration::from_secs(90)));
}

#[test]
fn clock_set_forward_renews_at_once() {
    let mut harness = Harness::new();
    harness.succeed(1);
    harness.pass(MINUTE);
    harness.wall += 2 * 3600;
    let now = harness.now();
    assert!(harness.schedule.notice(now));
    assert!(!harness.schedule.notice(now));
    assert_eq!(harness.ask(Duration::from_secs(5)), "wait");
    assert_eq!(harness.step(), Step::Fetch);
}

#[test]
fn caller_that_finds_a_value_too_old_waits_for_an_attempt_at_once() {
    let mut harness = Harness::new();
    harness.succeed(1);
    harness.pass(MINUTE);
    harness.wall += 7200;
    assert_eq!(harness.ask(Duration::from_secs(5)), "wait");
    assert_eq!(harness.step(), Step::Fetch);
}

#[test]
fn clock_set_back_neither_shortens_nor_lengthens() {
    let mut harness = Harness::new();
    harness.succeed(1);
    harness.wall -= 2 * 3600;
    assert_eq!(harness.wait(), 3300.0);
    harness.pass(MINUTE * 30);
    harness.schedule.begin();
    assert_eq!(harness.ask(MINUTE), "wait");
}

#[test]
fn wall_clock_that_flips_causes_no_fetches_without_end() {
    let mut harness = Harness::new();
    harness.wall += 7200;
    harness.succeed(1);
    for _ in 0..10 {
        harness.wall += 7200;
        assert!(matches!(harness.step(), Step::SleepUntil(_)), "half a second lies between two attempts");
        harness.wall -= 7200;
    }
}

#[test]
fn suspended_machine_notices_on_its_next_look() {
    let mut harness = Harness::new();
    harness.succeed(1);
    let Step::SleepUntil(until) = harness.step() else { panic!("due") };
    assert_eq!(until - harness.now().monotonic, MINUTE);
    // The monotonic clock stood still for three hours.
    harness.wall += 3 * 3600;
    harness.monotonic += MINUTE;
    assert_eq!(harness.step(), Step::Fetch);
}

#[test]
fn rejected_value_is_dropped_once_and_only_when_it_is_old_enough() {
    let mut harness = Harness::new();
    let first = harness.succeed(1);
    harness.pass(Duration::from_secs(4));
    let now = harness.now();
    assert!(!harness.schedule.invalidate(&first, now));
    harness.pass(Duration::from_secs(1));
    let now = harness.now();
    assert!(harness.schedule.invalidate(&first, now));
    let second = harness.succeed(2);
    let now = harness.now();
    assert!(harness.schedule.invalidate(&first, now), "another is at hand already");
    assert_eq!(harness.schedule.lease().map(|lease| *lease.value()), Some(*second.value()));
}

#[test]
fn dropping_a_value_while_fetches_fail_keeps_their_backoff() {
    let mut harness = Harness::new();
    let first = harness.succeed(1);
    harness.wait();
    harness.fail(AttemptFailure { retry_after: Some(MINUTE), ..transient() });
    let now = harness.now();
    assert!(harness.schedule.invalidate(&first, now));
    assert_eq!(harness.wait(), 90.0);
}

#[test]
fn end_of_the_runtime_is_no_failure_and_a_panic_is_one() {
    let mut harness = Harness::new();
    harness.step();
    harness.schedule.begin();
    let now = harness.now();
    harness.schedule.interrupted(false, now);
    assert!(!harness.schedule.is_running);
    assert_eq!((harness.step(), harness.schedule.failures()), (Step::Fetch, 0));
    harness.schedule.begin();
    harness.schedule.interrupted(true, now);
    assert_eq!(harness.schedule.failures(), 1);
    harness.schedule.interrupted(true, now);
    assert_eq!(harness.schedule.failures(), 1);
}

#[test]
fn debug_shows_the_terms_and_not_the_value() {
    let mut harness = Harness::new();
    let lease = harness.succeed(424_242);
    let text = format!("{lease:?}");
    assert!(text.contains("renew_after: 3300s") && !text.contains("424242"), "{text}");
}

#[derive(Clone, Copy, Debug)]
enum Event {
    Pass(u64),
    Suspend(u64),
    SetBack(u64),
    Success,
    AttemptFailure,
    Throttled(u64),
    Lasting,
    Invalidate,
    Ask,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        (1..4000_u64).prop_map(Event::Pass),
        (1..20_000_u64).prop_map(Event::Suspend),
        (1..20_000_u64).prop_map(Event::SetBack),
        Just(Event::Success),
        Just(Event::AttemptFailure),
        (0..4000_u64).prop_map(Event::Throttled),
        Just(Event::Lasting),
        Just(Event::Invalidate),
        Just(Event::Ask),
    ];
    prop::collection::vec(event, 1..60)
}

proptest! {
    /// Whatever happens: no value is used beyond its end by either clock, a value within its end is never lost
    /// unless the service rejected it, and two attempts are half a backoff step apart.
    #[test]
    fn holds_its_promises_in_any_order_of_events(events in events()) {
        let mut harness = Harness::new();
        // When the value at hand was obtained, on both clocks.
        let mut obtained: Option<(Duration, u64)> = None;
        let mut attempt_ended: Option<Duration> = None;
        for event in events {
            match event {
                Event::Pass(seconds) => harness.pass(Duration::from_secs(seconds)),
                Event::Suspend(seconds) => harness.wall += seconds,
                Event::SetBack(seconds) => harness.wall -= seconds,
                Event::Success | Event::AttemptFailure | Event::Throttled(_) | Event::Lasting => {
                    if harness.step() != Step::Fetch {
                        continue;
                    }
                    if let Some(ended) = attempt_ended {
                        prop_assert!(harness.monotonic - ended >= BACKOFF.first() / 2);
                    }
                    attempt_ended = Some(harness.monotonic);
                    match event {
                        Event::Success => {
                            harness.succeed(1);
                            obtained = Some((harness.monotonic, harness.wall));
                        }
                        Event::AttemptFailure => harness.fail(transient()),
                        Event::Throttled(seconds) => {
                            harness.fail(AttemptFailure { retry_after: Some(Duration::from_secs(seconds)), ..transient() });
                        }
                        _ => harness.fail(AttemptFailure::lasting(Error::new(ErrorKind::NotFound, ""), Some(MINUTE * 5))),
                    }
                }
                Event::Invalidate => {
                    if let Some(lease) = harness.schedule.lease().cloned() {
                        let now = harness.now();
                        if harness.schedule.invalidate(&lease, now) {
                            obtained = None;
                            attempt_ended = None;
                        }
                    }
                }
                Event::Ask => {
                    let expected = obtained.is_some_and(|(monotonic, wall)| {
                        let age = (harness.monotonic - monotonic).as_secs().max(harness.wall.saturating_sub(wall));
                        age < 85 * 60
                    });
                    prop_assert_eq!(harness.ask(Duration::from_secs(5)) == "value", expected);
                }
            }
        }
    }
}
