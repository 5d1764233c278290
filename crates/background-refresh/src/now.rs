//! Time on two clocks: one never jumps but may stand still, the other runs on but may jump.

use std::time::{Duration, Instant};

use crate::clock::{UnixTime, WallClock};

/// The time on the clock that never jumps. In a test with paused tokio time, it is tokio's.
#[must_use]
pub fn monotonic_now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// The time on both clocks.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "there are two clocks; tests build the value")]
pub struct Now {
    /// Never jumps, but may stand still while the machine is suspended.
    pub monotonic: Instant,
    /// Runs on during a suspend, but may jump. `None` when it cannot be read.
    pub wall: Option<UnixTime>,
}

impl Now {
    /// Reads both clocks.
    #[must_use]
    pub fn read(wall: &dyn WallClock) -> Self {
        Self { monotonic: monotonic_now(), wall: wall.now() }
    }
}

/// When something was last known to be so.
#[derive(Clone, Copy, Debug)]
pub struct Timestamp {
    at: Now,
    /// How old it was already then.
    already: Duration,
}

impl Timestamp {
    /// Something that is so now.
    #[must_use]
    pub const fn new(at: Now) -> Self {
        Self { at, already: Duration::ZERO }
    }

    /// Something that was so at `then` on the wall clock. When that clock cannot be read, the age is unknown and
    /// counts as greater than any.
    #[must_use]
    pub fn in_the_past(then: UnixTime, now: Now) -> Self {
        let already = now.wall.map_or(Duration::MAX, |wall| wall.saturating_since(then));
        Self { at: Now { wall: Some(then), ..now }, already }
    }

    /// The greater of what the two clocks say: a suspend stops one, a jump back sets back the other.
    ///
    /// A jump forward cannot be told from a suspend. It counts, and no longer counts when the clock is set back.
    #[must_use]
    pub fn age(&self, now: Now) -> Duration {
        self.monotonic_age(now).max(self.wall_age(now))
    }

    /// At least so much by either clock: the difference of two readings in whole seconds may be one too many.
    #[must_use]
    pub fn min_age(&self, now: Now) -> Duration {
        self.monotonic_age(now).max(self.wall_age(now).saturating_sub(Duration::from_secs(1)))
    }

    /// What no jump of the wall clock changes; a suspend may be missing from it.
    #[must_use]
    pub fn monotonic_age(&self, now: Now) -> Duration {
        now.monotonic.saturating_duration_since(self.at.monotonic).saturating_add(self.already)
    }

    fn wall_age(&self, now: Now) -> Duration {
        match (now.wall, self.at.wall) {
            (Some(now), Some(then)) => now.saturating_since(then),
            _ => Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(start: Instant, monotonic: u32, wall: Option<u64>) -> Now {
        Now { monotonic: start + SECOND * monotonic, wall: wall.map(UnixTime::from_secs) }
    }

    #[test]
    fn age_is_the_greater_of_both_clocks() {
        let start = Instant::now();
        let timestamp = Timestamp::new(at(start, 0, Some(1000)));
        assert_eq!(timestamp.age(at(start, 5, Some(1005))), SECOND * 5);
        assert_eq!(timestamp.age(at(start, 5, Some(4600))), SECOND * 3600, "suspended");
        assert_eq!(timestamp.age(at(start, 5, Some(10))), SECOND * 5, "set back");
        assert_eq!(timestamp.age(at(start, 5, None)), SECOND * 5, "unreadable");
    }

    #[test]
    fn min_age_allows_for_whole_seconds() {
        let start = Instant::now();
        let timestamp = Timestamp::new(at(start, 0, Some(1000)));
        assert_eq!(timestamp.min_age(at(start, 5, Some(1006))), SECOND * 5);
        assert_eq!(timestamp.min_age(at(start, 5, Some(1010))), SECOND * 9);
    }

    #[test]
    fn age_of_the_past_starts_at_the_wall_clock() {
        let start = Instant::now();
        let timestamp = Timestamp::in_the_past(UnixTime::from_secs(900), at(start, 0, Some(1000)));
        assert_eq!(timestamp.age(at(start, 0, Some(1000))), SECOND * 100);
        assert_eq!(timestamp.monotonic_age(at(start, 7, Some(0))), SECOND * 107);
        assert_eq!(timestamp.age(at(start, 0, Some(4600))), SECOND * 3700, "suspended");
    }

    #[test]
    fn age_is_unknown_without_a_wall_clock() {
        let start = Instant::now();
        let timestamp = Timestamp::in_the_past(UnixTime::from_secs(900), at(start, 0, None));
        assert_eq!(timestamp.age(at(start, 1, Some(901))), Duration::MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn monotonic_clock_follows_paused_time() {
        let before = Now::read(&SystemClock);
        tokio::time::advance(SECOND * 60).await;
        assert_eq!(Now::read(&SystemClock).monotonic - before.monotonic, SECOND * 60);
    }
}
