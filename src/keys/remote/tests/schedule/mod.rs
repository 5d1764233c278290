//! The schedule by itself: events and times go in, steps and answers come out.

mod attempts;
mod fetching;
mod on_demand;
mod operators;
mod retry_after;
mod task;
mod without_keys;

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
        let now = Now::of_a_test();
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
        self.now.pass(time);
    }

    fn jump(&mut self, seconds: i64) {
        self.now.jump(seconds);
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

    fn request_key(&mut self, name: &str) -> KeyLookup {
        self.schedule.request_key(&id(name), self.now)
    }

    fn poll_key(&mut self, name: &str, waiter: Waiter) -> KeyLookup {
        self.schedule.poll_key(&id(name), waiter, self.now)
    }
}

fn waiter(answer: KeyLookup) -> Waiter {
    match answer {
        KeyLookup::Wait(waiter) => waiter,
        other => panic!("{other:?}"),
    }
}

fn rejection(answer: KeyLookup) -> KeyErrorKind {
    match answer {
        KeyLookup::Rejected(error) => error.kind(),
        other => panic!("{other:?}"),
    }
}

fn retry_after(answer: KeyLookup) -> Duration {
    match answer {
        KeyLookup::Rejected(error) => error.retry_after().unwrap(),
        other => panic!("{other:?}"),
    }
}

fn is_key(answer: &KeyLookup) -> bool {
    matches!(answer, KeyLookup::Key(_))
}
