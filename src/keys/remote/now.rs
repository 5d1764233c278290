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

    /// When the age reaches a limit, to be asked many times: two comparisons instead of two differences.
    pub(crate) fn deadline(&self, limit: Duration) -> Deadline {
        // The wall clock counts whole seconds.
        let whole = limit.as_secs().saturating_add(u64::from(limit.subsec_nanos() > 0));
        Deadline {
            is_reached: limit <= self.initial_age,
            monotonic: self.at.monotonic.checked_add(limit.saturating_sub(self.initial_age)),
            wall: self.at.wall.and_then(|then| then.checked_add(Duration::from_secs(whole))),
        }
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

/// When a [`Timestamp`] reaches an age, by either clock. `None` stands for a time that the clock never reaches.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    /// By its initial age.
    is_reached: bool,
    monotonic: Option<Instant>,
    wall: Option<UnixTime>,
}

impl Deadline {
    /// Whether the age at `now` is at least the limit.
    pub(crate) fn is_reached(&self, now: Now) -> bool {
        self.is_reached
            || self.monotonic.is_some_and(|at| now.monotonic >= at)
            || self.wall.zip(now.wall).is_some_and(|(at, now)| now >= at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadline_is_reached_when_the_age_is() {
        let mut now = Now::of_a_test();
        let start = now;
        let lengths = [0, 1, 999, 1000, 1001, 2500].map(Duration::from_millis);
        let unreadable = Now { wall: None, ..start };
        let past = |seconds| Timestamp::in_the_past(start.wall.unwrap() - Duration::from_secs(seconds), start);
        let timestamps = [Timestamp::new(start), Timestamp::new(unreadable), past(0), past(1), past(2)];
        let unknown = Timestamp::in_the_past(start.wall.unwrap(), unreadable);
        let mut reached = [0, 0];
        for step in 0..8 {
            for jump in [-3, 0, 1, 2, 3] {
                now.jump(jump);
                for (timestamp, limit) in
                    timestamps.iter().chain([&unknown]).flat_map(|timestamp| lengths.map(|limit| (timestamp, limit)))
                {
                    for now in [now, Now { wall: None, ..now }] {
                        let is_reached = timestamp.deadline(limit).is_reached(now);
                        assert_eq!(is_reached, timestamp.age(now) >= limit, "{step} {jump} {timestamp:?} {limit:?}");
                        reached[usize::from(is_reached)] += 1;
                    }
                    assert!(!Timestamp::new(start).deadline(Duration::MAX).is_reached(now));
                }
                now.jump(-jump);
            }
            now.monotonic += Duration::from_millis(500);
            if step % 2 == 1 {
                now.jump(1);
            }
        }
        assert!(reached.iter().all(|count| *count > 100), "{reached:?}");
    }
}
