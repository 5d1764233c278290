//! Time on two clocks: one never jumps but may stand still, the other runs on but may jump.

use std::time::{Duration, Instant};

use crate::clock::UnixTime;

/// A moment on both clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Now {
    /// Never jumps, but may stand still while the machine is suspended.
    pub(crate) monotonic: Instant,
    /// Runs on during a suspend, but may jump. `None` when it cannot be read.
    pub(crate) wall: Option<UnixTime>,
}

/// When something was last known to be so.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timestamp {
    at: Now,
    /// How old it was initial_age then.
    initial_age: Duration,
}

impl Timestamp {
    pub(crate) fn new(at: Now) -> Self {
        Self { at, initial_age: Duration::ZERO }
    }

    /// Something that was so at `then` on the wall clock. When that clock cannot be read its age cannot be
    /// told, and it counts as older than anything.
    pub(crate) fn in_the_past(then: UnixTime, now: Now) -> Self {
        let initial_age = now.wall.map_or(Duration::MAX, |wall| wall.saturating_since(then));
        Self { at: Now { wall: Some(then), ..now }, initial_age }
    }

    /// The greater of what the two clocks say: a suspend stops one, a jump back sets back the other.
    ///
    /// A jump ahead cannot be told from a suspend; it counts, and is taken back when the clock is.
    pub(crate) fn age(&self, now: Now) -> Duration {
        self.monotonic_age(now).max(self.wall_age(now))
    }

    /// At least so much by either clock: of two readings in whole seconds the difference may be one too many.
    pub(crate) fn min_age(&self, now: Now) -> Duration {
        self.monotonic_age(now).max(self.wall_age(now).saturating_sub(Duration::from_secs(1)))
    }

    fn wall_age(&self, now: Now) -> Duration {
        match (now.wall, self.at.wall) {
            (Some(now), Some(then)) => now.saturating_since(then),
            _ => Duration::ZERO,
        }
    }

    /// What no jump of the wall clock changes; a suspend may be missing from it.
    pub(crate) fn monotonic_age(&self, now: Now) -> Duration {
        now.monotonic.saturating_duration_since(self.at.monotonic).saturating_add(self.initial_age)
    }
}
