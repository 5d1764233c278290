//! The wall clock as an argument, so that you can test every rule about time on a clock that stands still.

use std::error::Error;
use std::fmt;
use std::ops::{Add, Sub};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

#[cfg(target_os = "linux")]
use nix::time::ClockId;
use serde::{Deserialize, Serialize};

/// Seconds since 1970-01-01T00:00:00Z, whole and rounded down: the `NumericDate` of RFC 7519 section 2 without
/// fractions.
///
/// `Serialize` and `Deserialize` use the number of seconds, as a token does. `Display` writes RFC 3339.
///
/// # Arithmetic
///
/// `+` and `-` with a [`Duration`] never panic. They stop at the first and the last time that this type holds, as
/// [`Instant`](std::time::Instant) subtraction stops at zero. [`checked_add`](Self::checked_add) and
/// [`checked_sub`](Self::checked_sub) return `None` there. Results are rounded down to whole seconds.
///
/// ```
/// use std::time::{Duration, SystemTime};
///
/// use signalr_upstream_auth::clock::UnixTime;
///
/// let issued = UnixTime::from_secs(1_790_000_000);
/// let expires = issued + Duration::from_secs(86_400);
/// assert_eq!(expires.to_string(), "2026-09-22T14:13:20Z");
/// assert_eq!(SystemTime::try_from(expires)?, SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_086_400));
/// # Ok::<(), signalr_upstream_auth::clock::TimeOutOfRange>(())
/// ```
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct UnixTime(u64);

impl UnixTime {
    /// The time this many seconds after 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds)
    }

    /// The seconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn as_secs(self) -> u64 {
        self.0
    }

    /// The time since `earlier`. Zero if `earlier` is later than this.
    #[must_use]
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_secs(self.0.saturating_sub(earlier.0))
    }

    /// This time plus a duration, rounded down. `None` if the seconds exceed 64 bits.
    #[must_use]
    pub const fn checked_add(self, duration: Duration) -> Option<Self> {
        match self.0.checked_add(duration.as_secs()) {
            Some(seconds) => Some(Self(seconds)),
            None => None,
        }
    }

    /// This time minus a duration, rounded down. `None` if the result lies before 1970.
    #[must_use]
    pub const fn checked_sub(self, duration: Duration) -> Option<Self> {
        let whole =
            if duration.subsec_nanos() == 0 { Some(duration.as_secs()) } else { duration.as_secs().checked_add(1) };
        match whole {
            Some(seconds) => match self.0.checked_sub(seconds) {
                Some(seconds) => Some(Self(seconds)),
                None => None,
            },
            None => None,
        }
    }
}

impl Add<Duration> for UnixTime {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        self.checked_add(duration).unwrap_or(Self(u64::MAX))
    }
}

impl Sub<Duration> for UnixTime {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        self.checked_sub(duration).unwrap_or(Self(0))
    }
}

impl TryFrom<SystemTime> for UnixTime {
    type Error = TimeOutOfRange;

    /// Rounds down to whole seconds. Fails before 1970.
    fn try_from(time: SystemTime) -> Result<Self, TimeOutOfRange> {
        time.duration_since(UNIX_EPOCH).map(|since| Self(since.as_secs())).map_err(|_| TimeOutOfRange)
    }
}

impl TryFrom<UnixTime> for SystemTime {
    type Error = TimeOutOfRange;

    /// Fails beyond the last time that the platform's [`SystemTime`] holds, on Windows in the year 30828.
    fn try_from(time: UnixTime) -> Result<Self, TimeOutOfRange> {
        UNIX_EPOCH.checked_add(Duration::from_secs(time.0)).ok_or(TimeOutOfRange)
    }
}

impl fmt::Display for UnixTime {
    /// RFC 3339 in UTC, or the number of seconds after the year 9999, which RFC 3339 cannot write.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(seconds) = *self;
        if seconds >= YEAR_10000 {
            return write!(f, "{seconds}");
        }
        let (days, second) = (seconds / 86_400, seconds % 86_400);
        // Count years from March 1st, so that the leap day is the last day of a year. 400 such years have 146,097
        // days, and the first of them begins 719,468 days before 1970.
        let days = days + 719_468;
        let (cycle, day_of_cycle) = (days / 146_097, days % 146_097);
        let year_of_cycle = (day_of_cycle - day_of_cycle / 1460 + day_of_cycle / 36_524 - day_of_cycle / 146_096) / 365;
        let day_of_year = day_of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
        let march_month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * march_month + 2) / 5 + 1;
        let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
        let year = cycle * 400 + year_of_cycle + u64::from(month <= 2);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

/// A time that the other type cannot hold: a [`SystemTime`] before 1970, or a [`UnixTime`] beyond the end of the
/// platform's clock type.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct TimeOutOfRange;

impl fmt::Display for TimeOutOfRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the time is before 1970 or too late for this platform's clock")
    }
}

impl Error for TimeOutOfRange {}

/// A wall clock.
///
/// Implemented for `Arc<C>` too, so that you can keep a clock that you hand out.
///
/// ```
/// use signalr_upstream_auth::clock::{Clock, UnixTime};
///
/// /// A clock for tests, which stands still.
/// #[derive(Debug)]
/// struct Noon;
///
/// impl Clock for Noon {
///     fn now(&self) -> Option<UnixTime> {
///         Some(UnixTime::from_secs(1_767_268_800))
///     }
/// }
/// # assert_eq!(Noon.now().unwrap().to_string(), "2026-01-01T12:00:00Z");
/// ```
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The time now. `None` if the clock is unavailable; requests are then answered 503.
    fn now(&self) -> Option<UnixTime>;
}

impl<C: Clock + ?Sized> Clock for Arc<C> {
    fn now(&self) -> Option<UnixTime> {
        (**self).now()
    }
}

/// The clock of the operating system. It is unavailable while it stands before 1970.
///
/// On Linux it reads the time of the kernel's last tick, which is up to 10 ms old: less than half the price,
/// which every request pays, and whole seconds need no more.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct SystemClock;

impl Clock for SystemClock {
    #[cfg(target_os = "linux")]
    fn now(&self) -> Option<UnixTime> {
        let time = ClockId::CLOCK_REALTIME_COARSE.now().ok()?;
        u64::try_from(time.tv_sec()).ok().map(UnixTime)
    }

    #[cfg(not(target_os = "linux"))]
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
    fn now(&self) -> Option<UnixTime> {
        SystemTime::now().try_into().ok()
    }
}

const YEAR_10000: u64 = 253_402_300_800;

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> UnixTime {
        UnixTime::from_secs(seconds)
    }

    #[test]
    fn system_clock_is_later_than_this_test() {
        assert!(SystemClock.now().unwrap() > at(1_750_000_000));
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "compares the two clocks")]
    fn system_clock_is_at_most_a_tick_behind_the_system_time() {
        let system_time = || UnixTime::try_from(SystemTime::now()).unwrap();
        let (before, now, after) = (system_time(), SystemClock.now().unwrap(), system_time());
        // The tick may have been in the second before.
        assert!(before - Duration::from_secs(1) <= now && now <= after, "{before} {now} {after}");
    }

    #[test]
    fn a_shared_clock_is_a_clock() {
        let shared: Arc<dyn Clock> = Arc::new(Arc::new(SystemClock));
        assert!(shared.now().is_some());
    }

    #[test]
    fn time_since_a_later_time_is_zero() {
        assert_eq!(at(10).saturating_since(at(3)), Duration::from_secs(7));
        assert_eq!(at(3).saturating_since(at(10)), Duration::ZERO);
    }

    #[test]
    fn arithmetic_rounds_down_and_stops_at_both_ends() {
        let half = Duration::from_millis(500);
        assert_eq!((at(5) + Duration::from_millis(1900), at(5) - Duration::from_millis(1900)), (at(6), at(3)));
        assert_eq!((at(5) + half, at(5) - half), (at(5), at(4)));
        assert_eq!((at(5) + Duration::ZERO, at(5) - Duration::ZERO), (at(5), at(5)));
        assert_eq!(at(u64::MAX - 1).checked_add(Duration::from_secs(1)), Some(at(u64::MAX)));
        assert_eq!(at(u64::MAX).checked_add(half), Some(at(u64::MAX)));
        assert_eq!(at(u64::MAX).checked_add(Duration::from_secs(1)), None);
        assert_eq!(at(1).checked_sub(Duration::from_secs(1)), Some(at(0)));
        assert_eq!(at(0).checked_sub(half), None);
        assert_eq!(at(u64::MAX).checked_sub(Duration::MAX), None);
        assert_eq!((at(7) + Duration::MAX, at(7) - Duration::MAX), (at(u64::MAX), at(0)));
    }

    #[test]
    fn converts_to_and_from_system_time() {
        let time = UNIX_EPOCH + Duration::from_millis(1_700_000_000_999);
        assert_eq!(UnixTime::try_from(time), Ok(at(1_700_000_000)));
        assert_eq!(SystemTime::try_from(at(1_700_000_000)), Ok(UNIX_EPOCH + Duration::from_secs(1_700_000_000)));
        assert_eq!(UnixTime::try_from(UNIX_EPOCH), Ok(at(0)));
        assert_eq!(UnixTime::try_from(UNIX_EPOCH - Duration::from_nanos(1)), Err(TimeOutOfRange));
        assert_eq!(SystemTime::try_from(at(u64::MAX)), Err(TimeOutOfRange));
        assert!(TimeOutOfRange.to_string().contains("before 1970"));
    }

    #[test]
    fn serde_uses_the_number_of_seconds() {
        assert_eq!(serde_json::to_string(&at(7)).unwrap(), "7");
        assert_eq!(serde_json::from_str::<UnixTime>("18446744073709551615").unwrap(), at(u64::MAX));
        assert!(serde_json::from_str::<UnixTime>("-1").is_err());
    }

    #[test]
    fn displays_rfc_3339_up_to_the_year_9999() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (1_790_000_000, "2026-09-21T14:13:20Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z"),
            (253_402_300_800, "253402300800"),
            (u64::MAX, "18446744073709551615"),
        ] {
            assert_eq!(at(seconds).to_string(), text);
        }
    }
}
