//! Time on two clocks: the monotonic one never jumps but may stand still, the wall clock goes on but may jump.

use std::time::{Duration, Instant};

use crate::clock::UnixTime;

/// The present on both clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Now {
    /// Never jumps, but may stand still while the machine is suspended.
    pub(crate) monotonic: Instant,
    /// Goes on during a suspend, but may jump. `None` when it cannot be read.
    pub(crate) wall: Option<UnixTime>,
}

/// The clocks of a test, which moves them.
#[cfg(test)]
impl Now {
    pub(crate) fn of_a_test() -> Self {
        Self { monotonic: Instant::now(), wall: Some(UnixTime::from_secs(1_700_000_000)) }
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        self.monotonic += time;
        self.jump(i64::try_from(time.as_secs()).unwrap());
    }

    /// Moves the wall clock alone.
    pub(crate) fn jump(&mut self, seconds: i64) {
        self.wall = self.wall.map(|wall| UnixTime::from_secs(wall.as_secs().checked_add_signed(seconds).unwrap()));
    }
}

/// When something was last known to be so.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timestamp {
    at: Now,
    /// How old it was at that time already.
    initial_age: Duration,
}

impl Timestamp {
    pub(crate) fn new(at: Now) -> Self {
        Self { at, initial_age: Duration::ZERO }
    }

    /// Something that was so at `then` on the wall clock. When that clock cannot be read the age is unknown, and counts
    /// as longer than any limit.
    pub(crate) fn in_the_past(then: UnixTime, now: Now) -> Self {
        let initial_age = now.wall.map_or(Duration::MAX, |wall| wall.saturating_since(then));
        Self { at: Now { wall: Some(then), ..now }, initial_age }
    }

    /// The greater of the ages by the two clocks: a suspend stops one, a jump back sets back the other.
    ///
    /// A jump ahead looks like a suspend. It counts, until the clock is set back.
    pub(crate) fn age(&self, now: Now) -> Duration {
        self.monotonic_age(now).max(self.wall_age(now))
    }

    /// The age that is certain. The wall clock counts whole seconds, so a difference may be one too many.
    pub(crate) fn min_age(&self, now: Now) -> Duration {
        self.monotonic_age(now).max(self.wall_age(now).saturating_sub(Duration::from_secs(1)))
    }

    fn wall_age(&self, now: Now) -> Duration {
        match (now.wall, self.at.wall) {
            (Some(now), Some(then)) => now.saturating_since(then),
            _ => Duration::ZERO,
        }
    }

    /// The age that no jump of the wall clock changes. A suspend may be missing from it.
    pub(crate) fn monotonic_age(&self, now: Now) -> Duration {
        now.monotonic.saturating_duration_since(self.at.monotonic).saturating_add(self.initial_age)
    }
}
