//! Refreshes on demand, which unknown keys cause: one at a time, and one in each cooldown.

use std::time::{Duration, Instant};

/// The refreshes so far, counted from 1.
#[derive(Debug, Default)]
pub(crate) struct OnDemandRefresh {
    /// The number of the latest.
    number: u64,
    /// When the latest was asked for.
    asked_at: Option<Instant>,
    /// No attempt has begun for the latest yet.
    is_pending: bool,
    /// The latest that has ended, and whether it was a success.
    ended: Option<(u64, bool)>,
}

impl OnDemandRefresh {
    /// Asks for another refresh.
    pub(crate) fn ask(&mut self, now: Instant) {
        self.number += 1;
        self.asked_at = Some(now);
        self.is_pending = true;
    }

    /// Whether a refresh is asked for that no attempt has begun for.
    pub(crate) fn is_pending(&self) -> bool {
        self.is_pending
    }

    /// Begins the refresh that is asked for. Says whether there is one.
    pub(crate) fn begin(&mut self) -> bool {
        std::mem::take(&mut self.is_pending)
    }

    /// The attempt has ended without an outcome; another has to begin.
    pub(crate) fn put_back(&mut self) {
        self.is_pending = true;
    }

    /// The latest refresh has ended.
    pub(crate) fn end(&mut self, is_success: bool) {
        self.ended = Some((self.number, is_success));
    }

    /// The number of the latest refresh.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Whether the refresh of this number, or a later one, was a success. `None` until it has ended.
    pub(crate) fn outcome(&self, number: u64) -> Option<bool> {
        self.ended.filter(|(ended, _)| *ended >= number).map(|(_, is_success)| is_success)
    }

    /// Whether the latest refresh that has ended was a success.
    pub(crate) fn was_success(&self) -> bool {
        self.ended.is_some_and(|(_, is_success)| is_success)
    }

    /// Whether the latest refresh has ended with a success.
    pub(crate) fn is_settled(&self) -> bool {
        self.outcome(self.number) == Some(true)
    }

    /// Whether it is too early for another refresh.
    pub(crate) fn is_cooling(&self, now: Instant, cooldown: Duration) -> bool {
        self.asked_at.is_some_and(|asked| now.saturating_duration_since(asked) < cooldown)
    }

    /// When another refresh is allowed. `None` if there was none yet, or if that is beyond all time.
    pub(crate) fn cool_at(&self, cooldown: Duration) -> Option<Instant> {
        self.asked_at?.checked_add(cooldown)
    }
}
