//! So few events for each kind of rejection that nobody can flood the log with bad requests.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::clock::UnixTime;
use crate::error::RejectionKind;

/// Seconds between two events of a kind, where no setting says otherwise. If every kind is rejected all the time, that
/// makes some 70 lines a minute.
pub(crate) const PAUSE: u64 = 30;

/// Counts rejections by their kind. For each kind at most one event is due within the pause.
#[derive(Debug)]
pub(crate) struct Throttle {
    /// Seconds between two events of a kind.
    pause: u64,
    kinds: Box<[Occurrences]>,
}

/// What happens so often that not each time can be an event: the rejections of one kind.
#[derive(Debug)]
pub(crate) struct Occurrences {
    /// The second of the latest event, plus one. 0 if there was none.
    logged: AtomicU64,
    /// How often it has happened since that event.
    unlogged: AtomicU64,
}

impl Throttle {
    /// Lets so many seconds pass between two events of a kind.
    pub(crate) fn new(pause: u64) -> Self {
        Self { pause, kinds: RejectionKind::ALL.iter().map(|_| Occurrences::new()).collect() }
    }

    /// Counts a rejection at `now`. If an event of its kind is due, returns the number of rejections since the previous
    /// one.
    pub(crate) fn count(&self, kind: RejectionKind, now: Option<UnixTime>) -> Option<u64> {
        self.kinds.get(RejectionKind::ALL.binary_search(&kind).ok()?)?.count(now, self.pause)
    }
}

impl Occurrences {
    pub(crate) const fn new() -> Self {
        Self { logged: AtomicU64::new(0), unlogged: AtomicU64::new(0) }
    }

    /// Counts one at `now`. If an event is due, returns how many there were since the previous one.
    pub(crate) fn count(&self, now: Option<UnixTime>, pause: u64) -> Option<u64> {
        self.unlogged.fetch_add(1, Ordering::Relaxed);
        let logged = self.logged.load(Ordering::Relaxed);
        // Without a clock, only the first is logged.
        let now = now.map_or_else(|| logged.saturating_sub(1), UnixTime::as_secs).saturating_add(1);
        // A clock that is set back must not silence the log.
        let is_due = logged == 0 || logged.abs_diff(now) >= pause;
        (is_due && self.claim(logged, now)).then(|| self.unlogged.swap(0, Ordering::Relaxed))
    }

    /// Whether this request logs, of those that have read the same second at the same time.
    fn claim(&self, logged: u64, now: u64) -> bool {
        self.logged.compare_exchange(logged, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u64) -> Option<UnixTime> {
        Some(UnixTime::from_secs(second))
    }

    #[test]
    fn logs_the_first_at_once_and_the_next_after_the_pause_with_a_count() {
        let kind = Occurrences::new();
        assert_eq!(kind.count(at(1000), 30), Some(1));
        assert!((0..500).all(|_| kind.count(at(1029), 30).is_none()));
        assert_eq!(kind.count(at(1030), 30), Some(501));
        assert_eq!(kind.count(at(1031), 30), None);
    }

    #[test]
    fn a_clock_that_jumps_or_fails_neither_silences_nor_floods_the_log() {
        let kind = Occurrences::new();
        assert_eq!(kind.count(at(1000), 30), Some(1));
        assert_eq!(kind.count(at(10), 30), Some(1));
        assert_eq!(kind.count(None, 30), None);
        let blind = Occurrences::new();
        assert_eq!(blind.count(None, 30), Some(1));
        assert!((0..100).all(|_| blind.count(None, 30).is_none()));
        assert_eq!(blind.count(at(1_800_000_000), 30), Some(101));
    }

    #[test]
    fn one_of_several_concurrent_requests_logs() {
        let kind = Occurrences::new();
        let claims = [kind.claim(0, 1001), kind.claim(0, 1001), kind.claim(0, 1002)];
        assert_eq!(claims, [true, false, false], "they have all read that none was logged");
        assert!(kind.claim(1001, 1031) && !kind.claim(1001, 1031));
    }

    #[test]
    fn counts_every_kind_separately() {
        let throttle = Throttle::new(30);
        for kind in RejectionKind::ALL {
            assert_eq!(throttle.count(*kind, at(5)), Some(1), "{kind}");
        }
    }
}
