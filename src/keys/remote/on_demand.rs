//! Fetches that unknown keys cause: one at a time, and one in each cooldown.

use std::time::{Duration, Instant};

/// The fetches so far, counted from 1.
#[derive(Debug, Default)]
pub(crate) struct OnDemandRefresh {
    /// The number of the latest.
    number: u64,
    /// When the latest was asked for.
    begun: Option<Instant>,
    /// The latest has not been taken up yet.
    is_pending: bool,
    /// The latest that has ended, and whether its answer was good.
    ended: Option<(u64, bool)>,
}

impl OnDemandRefresh {
    /// Asks for another fetch.
    pub(crate) fn start(&mut self, now: Instant) {
        self.number += 1;
        self.begun = Some(now);
        self.is_pending = true;
    }

    /// Whether a fetch is asked for that nobody has taken up.
    pub(crate) fn is_pending(&self) -> bool {
        self.is_pending
    }

    /// Takes the fetch up that is asked for. Says whether there is one.
    pub(crate) fn take_up(&mut self) -> bool {
        std::mem::take(&mut self.is_pending)
    }

    /// The fetch that was taken up has come to nothing; another is to do it.
    pub(crate) fn put_back(&mut self) {
        self.is_pending = true;
    }

    /// The latest fetch has ended.
    pub(crate) fn ended(&mut self, was_good: bool) {
        self.ended = Some((self.number, was_good));
    }

    /// The number of the latest fetch.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Whether the answer was good that ended the wait for the fetch of this number. `None` while it lasts.
    pub(crate) fn outcome(&self, number: u64) -> Option<bool> {
        self.ended.filter(|(ended, _)| *ended >= number).map(|(_, was_good)| was_good)
    }

    /// Whether the latest fetch that has ended brought a good answer.
    pub(crate) fn was_good(&self) -> bool {
        self.ended.is_some_and(|(_, was_good)| was_good)
    }

    /// Whether the latest fetch has ended and brought a good answer.
    pub(crate) fn is_settled(&self) -> bool {
        self.outcome(self.number) == Some(true)
    }

    /// Whether it is too early for another fetch.
    pub(crate) fn is_cooling(&self, now: Instant, cooldown: Duration) -> bool {
        self.begun.is_some_and(|begun| now.saturating_duration_since(begun) < cooldown)
    }

    /// When another fetch is allowed. `None` if there was none yet, or if that is beyond all time.
    pub(crate) fn cool_at(&self, cooldown: Duration) -> Option<Instant> {
        self.begun?.checked_add(cooldown)
    }
}
