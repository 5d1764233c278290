//! Time on two clocks: one never jumps but may stand still, the other runs on but may jump.

use std::time::{Duration, Instant};

use crate::clock::UnixTime;

/// A moment on both clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// Never jumps, but may stand still while the machine is suspended.
    pub(crate) mono: Instant,
    /// Runs on during a suspend, but may jump. `None` when it cannot be read.
    pub(crate) wall: Option<UnixTime>,
}

/// When something was last known to be so.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamp {
    at: Moment,
    /// How old it was already then.
    already: Duration,
}

impl Stamp {
    pub(crate) fn new(at: Moment) -> Self {
        Self { at, already: Duration::ZERO }
    }

    /// Something that was so at `then` on the wall clock. When that clock cannot be read its age cannot be
    /// told, and it counts as older than anything.
    pub(crate) fn in_the_past(then: UnixTime, now: Moment) -> Self {
        let already = now.wall.map_or(Duration::MAX, |wall| wall.saturating_since(then));
        Self { at: Moment { wall: Some(then), ..now }, already }
    }

    /// The greater of what the two clocks say: a suspend stops one, a jump back sets back the other.
    ///
    /// A jump ahead cannot be told from a suspend; it counts, and is taken back when the clock is.
    pub(crate) fn age(&self, now: Moment) -> Duration {
        self.sure_age(now).max(self.wall_age(now))
    }

    /// At least so much by either clock: of two readings in whole seconds the difference may be one too many.
    pub(crate) fn least_age(&self, now: Moment) -> Duration {
        self.sure_age(now).max(self.wall_age(now).saturating_sub(Duration::from_secs(1)))
    }

    fn wall_age(&self, now: Moment) -> Duration {
        match (now.wall, self.at.wall) {
            (Some(now), Some(then)) => now.saturating_since(then),
            _ => Duration::ZERO,
        }
    }

    /// What no jump of the wall clock changes; a suspend may be missing from it.
    pub(crate) fn sure_age(&self, now: Moment) -> Duration {
        now.mono.saturating_duration_since(self.at.mono).saturating_add(self.already)
    }
}
