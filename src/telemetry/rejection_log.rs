//! The log of rejections: every rejection at DEBUG, and at WARN so few events that nobody can flood the log with
//! bad requests.

use std::sync::atomic::{AtomicU64, Ordering};

use tracing::Level;

use crate::clock::UnixTime;
use crate::error::{Rejection, RejectionKind};
use crate::telemetry::events::REQUESTS;
use crate::telemetry::unverified::UnverifiedFields;

/// Logs every rejection as one event at DEBUG. At WARN it logs at most one event per kind within [`PAUSE`] seconds,
/// with the number of rejections since the previous one.
#[derive(Debug)]
pub(crate) struct RejectionLog(Box<[KindCount]>);

/// The rejections of one kind.
#[derive(Debug, Default)]
struct KindCount {
    /// The second of the latest WARN event, plus one. 0 if there was none.
    logged: AtomicU64,
    /// Rejections since that event.
    unlogged: AtomicU64,
}

impl RejectionLog {
    /// Whether a subscriber records WARN events of rejections.
    pub(crate) fn is_enabled() -> bool {
        tracing::enabled!(target: REQUESTS, Level::WARN)
    }

    /// Logs a rejection at `now`. Calls `unverified` only if a subscriber records the event.
    pub(crate) fn record(
        &self,
        rejection: &Rejection,
        now: Option<UnixTime>,
        unverified: impl FnOnce() -> UnverifiedFields,
    ) {
        let count = self.of(rejection.kind()).and_then(|kind| kind.count(now)).filter(|_| Self::is_enabled());
        if count.is_none() && !tracing::enabled!(target: REQUESTS, Level::DEBUG) {
            return;
        }
        let unverified = unverified();
        let (kind, status) = (rejection.kind().as_str(), rejection.status().as_u16());
        macro_rules! event {
            ($level:ident, $message:literal $(, $field:ident)*) => {
                tracing::event!(
                    target: REQUESTS,
                    Level::$level,
                    error.type = kind,
                    http.response.status_code = status,
                    $($field,)*
                    unverified.tenant_id = unverified.tenant_id,
                    unverified.object_id = unverified.object_id,
                    unverified.client_id = unverified.client_id,
                    unverified.version = unverified.version,
                    unverified.key_id = unverified.key_id,
                    unverified.token_id = unverified.token_id,
                    unverified.hub = unverified.hub,
                    unverified.event = unverified.event,
                    $message
                )
            };
        }
        event!(DEBUG, "request rejected");
        if let Some(count) = count {
            event!(WARN, "requests are rejected", count);
        }
    }

    fn of(&self, kind: RejectionKind) -> Option<&KindCount> {
        self.0.get(RejectionKind::ALL.binary_search(&kind).ok()?)
    }
}

impl Default for RejectionLog {
    fn default() -> Self {
        Self(RejectionKind::ALL.iter().map(|_| KindCount::default()).collect())
    }
}

impl KindCount {
    /// Counts a rejection. If a WARN event is due, returns the number of rejections since the previous one.
    fn count(&self, now: Option<UnixTime>) -> Option<u64> {
        self.unlogged.fetch_add(1, Ordering::Relaxed);
        let logged = self.logged.load(Ordering::Relaxed);
        // Without a clock, only the first rejection is logged.
        let now = now.map_or_else(|| logged.saturating_sub(1), UnixTime::as_secs).saturating_add(1);
        // A clock that is set back must not silence the log.
        let is_due = logged == 0 || logged.abs_diff(now) >= PAUSE;
        (is_due && self.claim(logged, now)).then(|| self.unlogged.swap(0, Ordering::Relaxed))
    }

    /// Whether this request logs, of those that have read the same second at the same time.
    fn claim(&self, logged: u64, now: u64) -> bool {
        self.logged.compare_exchange(logged, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

/// Seconds between two WARN events of a kind. If every kind is rejected all the time, that makes some 70 lines a
/// minute.
const PAUSE: u64 = 30;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u64) -> Option<UnixTime> {
        Some(UnixTime::from_secs(second))
    }

    #[test]
    fn logs_the_first_at_once_and_the_next_after_the_pause_with_a_count() {
        let kind = KindCount::default();
        assert_eq!(kind.count(at(1000)), Some(1));
        assert!((0..500).all(|_| kind.count(at(1029)).is_none()));
        assert_eq!(kind.count(at(1030)), Some(501));
        assert_eq!(kind.count(at(1031)), None);
    }

    #[test]
    fn a_clock_that_jumps_or_fails_neither_silences_nor_floods_the_log() {
        let kind = KindCount::default();
        assert_eq!(kind.count(at(1000)), Some(1));
        assert_eq!(kind.count(at(10)), Some(1));
        assert_eq!(kind.count(None), None);
        let blind = KindCount::default();
        assert_eq!(blind.count(None), Some(1));
        assert!((0..100).all(|_| blind.count(None).is_none()));
        assert_eq!(blind.count(at(1_800_000_000)), Some(101));
    }

    #[test]
    fn one_of_several_concurrent_requests_logs() {
        let kind = KindCount::default();
        let claims = [kind.claim(0, 1001), kind.claim(0, 1001), kind.claim(0, 1002)];
        assert_eq!(claims, [true, false, false], "they have all read that none was logged");
        assert!(kind.claim(1001, 1031) && !kind.claim(1001, 1031));
    }

    #[test]
    fn counts_every_kind_separately() {
        let log = RejectionLog::default();
        for kind in RejectionKind::ALL {
            assert_eq!(log.of(*kind).unwrap().count(at(5)), Some(1), "{kind}");
        }
    }
}
