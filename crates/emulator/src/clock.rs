//! The emulator's time of day, which a test can move.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::mock::{Clock, SystemClock, UnixTime};

/// The wall clock of an [`Emulator`](crate::Emulator): the system's time plus an offset that you choose.
///
/// Everything the emulator dates or compares goes by this clock: Entra tokens, temporary access keys, client tokens, the
/// closing of clients on authentication expiry, memberships with a time to live. Clones share the offset.
///
/// It does not move tokio's timers: delays of faults and of upstream retries run in tokio's time.
#[derive(Clone, Debug)]
pub struct EmulatorClock {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    offset: AtomicI64,
    moved: watch::Sender<()>,
}

impl EmulatorClock {
    pub(crate) fn new() -> Self {
        Self { shared: Arc::new(Shared { offset: AtomicI64::new(0), moved: watch::Sender::new(()) }) }
    }

    /// Seconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn unix_seconds(&self) -> u64 {
        let system = SystemClock::default().now().map_or(0, UnixTime::as_secs);
        system.saturating_add_signed(self.shared.offset.load(Ordering::SeqCst))
    }

    /// Moves the clock forward. What ends by then has ended when this returns, closing of clients excepted: that
    /// follows at once in the background.
    pub fn advance(&self, by: Duration) {
        self.shift(i64::try_from(by.as_secs()).unwrap_or(i64::MAX));
    }

    /// Moves the clock back.
    pub fn set_back(&self, by: Duration) {
        self.shift(i64::try_from(by.as_secs()).unwrap_or(i64::MAX).saturating_neg());
    }

    /// Completes when this clock shows `deadline` or later, also when it is moved there.
    pub(crate) async fn reaches(&self, deadline: u64) {
        let mut moved = self.shared.moved.subscribe();
        loop {
            let left = deadline.saturating_sub(self.unix_seconds());
            if left == 0 {
                return;
            }
            // The system's clock may be set too, so a long wait looks at it now and then.
            let pause = Duration::from_secs(left.min(LONGEST_PAUSE));
            tokio::select! {
                () = tokio::time::sleep(pause) => (),
                _ = moved.changed() => (),
            }
        }
    }

    fn shift(&self, seconds: i64) {
        let add = |offset: i64| Some(offset.saturating_add(seconds));
        // The closure never declines, so there is no other outcome.
        let _ = self.shared.offset.fetch_update(Ordering::SeqCst, Ordering::SeqCst, add);
        self.shared.moved.send_replace(());
    }
}

impl Clock for EmulatorClock {
    fn now(&self) -> Option<UnixTime> {
        Some(UnixTime::from_secs(self.unix_seconds()))
    }
}

/// The point of tokio's time that is so far away. What no clock can show is far in the future.
pub(crate) fn deadline(start: Instant, wait: Duration) -> Instant {
    start.checked_add(wait).unwrap_or_else(|| start + NEVER)
}

/// About 30 years, as tokio's own timers have it.
const NEVER: Duration = Duration::from_secs(86_400 * 365 * 30);
const LONGEST_PAUSE: u64 = 30;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn waiters_notice_a_moved_clock() {
        let clock = EmulatorClock::new();
        let deadline = clock.unix_seconds() + 5400;
        let waiting = tokio::spawn({
            let clock = clock.clone();
            async move { clock.reaches(deadline).await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        clock.advance(Duration::from_secs(5400));
        waiting.await.unwrap();
    }

    #[test]
    fn deadlines_do_not_overflow() {
        let now = Instant::now();
        assert_eq!(deadline(now, Duration::from_secs(5)), now + Duration::from_secs(5));
        assert!(deadline(now, Duration::MAX) > now + Duration::from_secs(86_400));
    }

    #[test]
    fn clones_share_the_offset() {
        let clock = EmulatorClock::new();
        let before = clock.unix_seconds();
        clock.clone().advance(Duration::from_secs(1000));
        assert!(clock.unix_seconds() >= before + 1000);
        clock.set_back(Duration::from_secs(2000));
        assert!(clock.unix_seconds() < before);
    }
}
