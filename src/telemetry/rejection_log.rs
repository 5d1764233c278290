//! The log of rejections: each one for those who look closely, and at the usual level so few that nobody
//! can flood a log with bad requests.

use std::sync::atomic::{AtomicU64, Ordering};

use tracing::Level;

use crate::clock::UnixTime;
use crate::error::{Rejection, RejectionKind};
use crate::telemetry::events::REQUESTS;
use crate::telemetry::unverified::UnverifiedFields;

/// Logs every rejection as one event at DEBUG, and at WARN at most one event for each kind within
/// [`PAUSE`] seconds, with the number of rejections since the one before.
#[derive(Debug)]
pub(crate) struct RejectionLog(Box<[Tally]>);

/// The rejections of one kind.
#[derive(Debug, Default)]
struct Tally {
    /// One more than the second of the latest announcement. 0 if there was none.
    announced: AtomicU64,
    /// How many there were since.
    unannounced: AtomicU64,
}

impl RejectionLog {
    /// Whether anybody reads what [`record`](Self::record) writes.
    pub(crate) fn is_read() -> bool {
        tracing::enabled!(target: REQUESTS, Level::WARN)
    }

    /// Logs a rejection at `now`.
    pub(crate) fn record(
        &self,
        rejection: &Rejection,
        now: Option<UnixTime>,
        sighting: impl FnOnce() -> UnverifiedFields,
    ) {
        let count = self.tally(rejection.kind()).and_then(|tally| tally.count(now)).filter(|_| Self::is_read());
        let is_each_read = tracing::enabled!(target: REQUESTS, Level::DEBUG);
        if count.is_none() && !is_each_read {
            return;
        }
        let seen = sighting();
        let (kind, status) = (rejection.kind().as_str(), rejection.status().as_u16());
        macro_rules! event {
            ($level:ident, $message:literal $(, $field:ident)*) => {
                tracing::event!(
                    target: REQUESTS,
                    Level::$level,
                    kind,
                    status,
                    $($field,)*
                    unverified.tenant_id = seen.tenant_id,
                    unverified.object_id = seen.object_id,
                    unverified.client_id = seen.client_id,
                    unverified.version = seen.version,
                    unverified.key_id = seen.key_id,
                    unverified.token_id = seen.token_id,
                    unverified.hub = seen.hub,
                    unverified.event = seen.event,
                    $message
                )
            };
        }
        event!(DEBUG, "request rejected");
        if let Some(count) = count {
            event!(WARN, "requests are rejected", count);
        }
    }

    fn tally(&self, kind: RejectionKind) -> Option<&Tally> {
        self.0.get(RejectionKind::ALL.binary_search(&kind).ok()?)
    }
}

impl Default for RejectionLog {
    fn default() -> Self {
        Self(RejectionKind::ALL.iter().map(|_| Tally::default()).collect())
    }
}

impl Tally {
    /// Counts a rejection. If an announcement is due: how many there were since the one before.
    fn count(&self, now: Option<UnixTime>) -> Option<u64> {
        self.unannounced.fetch_add(1, Ordering::Relaxed);
        let announced = self.announced.load(Ordering::Relaxed);
        // Without a clock there is one announcement and no more.
        let now = now.map_or_else(|| announced.saturating_sub(1), UnixTime::as_secs).saturating_add(1);
        // A clock that was set back must not silence the log.
        let is_due = announced == 0 || announced.abs_diff(now) >= PAUSE;
        // Of several requests at once, one announces.
        let is_mine =
            is_due && self.announced.compare_exchange(announced, now, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        is_mine.then(|| self.unannounced.swap(0, Ordering::Relaxed))
    }
}

/// Seconds between two announcements of a kind. With every kind rejected all the time these are some 70
/// lines a minute.
const PAUSE: u64 = 30;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u64) -> Option<UnixTime> {
        Some(UnixTime::from_secs(second))
    }

    #[test]
    fn the_first_is_announced_at_once_and_the_next_after_the_pause_with_a_count() {
        let tally = Tally::default();
        assert_eq!(tally.count(at(1000)), Some(1));
        assert!((0..500).all(|_| tally.count(at(1029)).is_none()));
        assert_eq!(tally.count(at(1030)), Some(501));
        assert_eq!(tally.count(at(1031)), None);
    }

    #[test]
    fn a_clock_that_jumps_or_is_lost_neither_silences_nor_floods() {
        let tally = Tally::default();
        assert_eq!(tally.count(at(1000)), Some(1));
        assert_eq!(tally.count(at(10)), Some(1));
        assert_eq!(tally.count(None), None);
        let blind = Tally::default();
        assert_eq!(blind.count(None), Some(1));
        assert!((0..100).all(|_| blind.count(None).is_none()));
        assert_eq!(blind.count(at(1_800_000_000)), Some(101));
    }

    #[test]
    fn every_kind_has_its_own_tally() {
        let log = RejectionLog::default();
        for kind in RejectionKind::ALL {
            assert_eq!(log.tally(*kind).unwrap().count(at(5)), Some(1), "{kind}");
        }
    }
}
