//! The durations that govern a key store.

use std::time::Duration;

use crate::error::{ConfigError, ConfigFault};

/// When keys are fetched and for how long they are served. The guide has the reason for each default.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Timing {
    /// Between two scheduled refreshes.
    pub(crate) refresh: Duration,
    /// Between the beginnings of two on-demand refreshes.
    pub(crate) refetch_cooldown: Duration,
    /// How long a key stays after it was last seen.
    pub(crate) key_retention: Duration,
    /// How long keys are served after the last success.
    pub(crate) stale_limit: Duration,
    /// One fetch, to the last byte of its last document.
    pub(crate) fetch_timeout: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            refresh: HOUR,
            refetch_cooldown: Duration::from_secs(30),
            key_retention: DAY,
            stale_limit: DAY,
            fetch_timeout: Duration::from_secs(10),
        }
    }
}

impl Timing {
    /// Reports every duration that is out of bounds, under the name of its setting.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let mut faults = Vec::new();
        let mut require = |holds: bool, field: &'static str, problem: &str| {
            if !holds {
                faults.push(ConfigFault::new(field, problem));
            }
        };
        require(
            self.refresh >= MIN_PAUSE && self.refresh <= HOUR * 12,
            "refresh_secs",
            "write 1 to 43200 seconds (12 hours); 3600 is the default",
        );
        require(
            self.refetch_cooldown >= SECOND,
            "refetch_cooldown_secs",
            "write at least 1 second, since anybody can send an unknown key; 30 is the default",
        );
        require(
            self.key_retention <= DAY * 7,
            "key_retention_secs",
            "write 0 to 604800 seconds (7 days); 86400 is the default",
        );
        require(
            self.stale_limit >= MIN_PAUSE && self.stale_limit <= DAY * 7,
            "stale_limit_secs",
            "write 1 to 604800 seconds (7 days); 86400 is the default",
        );
        require(
            !self.fetch_timeout.is_zero() && self.fetch_timeout <= SECOND * 60,
            "fetch_timeout_secs",
            "write 1 to 60 seconds; 10 is the default",
        );
        ConfigError::from_faults(faults).map_or(Ok(()), Err)
    }
}

/// Attempts follow each other at the pace of these durations, failed ones too.
const MIN_PAUSE: Duration = Duration::from_millis(100);
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_defaults_and_names_every_setting_beyond_its_bounds() {
        assert!(Timing::default().check().is_ok());
        let names = |error: ConfigError| error.faults().map(|fault| fault.field().to_owned()).collect::<Vec<_>>();
        let too_long = Timing {
            refresh: HOUR * 12 + Duration::from_secs(1),
            refetch_cooldown: Duration::MAX,
            key_retention: DAY * 8,
            stale_limit: DAY * 8,
            fetch_timeout: Duration::from_secs(61),
        };
        assert_eq!(
            names(too_long.check().unwrap_err()),
            ["refresh_secs", "key_retention_secs", "stale_limit_secs", "fetch_timeout_secs"]
        );
        let zero = Timing {
            refresh: Duration::ZERO,
            refetch_cooldown: Duration::ZERO,
            key_retention: Duration::ZERO,
            stale_limit: Duration::ZERO,
            fetch_timeout: Duration::ZERO,
        };
        assert_eq!(
            names(zero.check().unwrap_err()),
            ["refresh_secs", "refetch_cooldown_secs", "stale_limit_secs", "fetch_timeout_secs"]
        );
        let below_a_second = Timing { refetch_cooldown: Duration::from_millis(999), ..Timing::default() };
        assert_eq!(names(below_a_second.check().unwrap_err()), ["refetch_cooldown_secs"]);
        let pace = |pause| Timing { refresh: pause, stale_limit: pause, ..Timing::default() };
        assert!(pace(MIN_PAUSE).check().is_ok());
        let too_fast = pace(MIN_PAUSE - Duration::from_nanos(1)).check().unwrap_err();
        assert_eq!(names(too_fast), ["refresh_secs", "stale_limit_secs"]);
    }
}
