//! The wall clock as an argument, so that every rule about time can be tested on a still clock.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Seconds since 1970-01-01T00:00:00Z, whole and rounded down: the `NumericDate` of RFC 7519 section 2 without
/// fractions.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct UnixTime(u64);

impl UnixTime {
    /// So many seconds after 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds)
    }

    /// The seconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn as_secs(self) -> u64 {
        self.0
    }

    /// The time since `earlier`, zero if that is later than this.
    #[must_use]
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_secs(self.0.saturating_sub(earlier.0))
    }
}

/// Tells the time of day. `None` means that it cannot be told.
pub trait WallClock: fmt::Debug + Send + Sync {
    /// The time now.
    fn now(&self) -> Option<UnixTime>;
}

/// The clock of the operating system. A time before 1970 counts as unreadable.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct SystemClock;

impl WallClock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
    fn now(&self) -> Option<UnixTime> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
        Some(UnixTime(since.as_secs()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_clock_is_later_than_the_day_this_was_written() {
        assert!(SystemClock.now().unwrap() > UnixTime::from_secs(1_750_000_000));
    }

    #[test]
    fn no_time_has_passed_since_a_later_time() {
        let (early, late) = (UnixTime::from_secs(3), UnixTime::from_secs(10));
        assert_eq!((late.as_secs(), late.saturating_since(early)), (10, Duration::from_secs(7)));
        assert_eq!(early.saturating_since(late), Duration::ZERO);
    }
}
