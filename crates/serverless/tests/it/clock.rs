//! A wall clock that follows tokio's time and that a test sets forward and back.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use signalr_serverless::{UnixTime, WallClock};
use tokio::time::Instant;

/// When every test begins.
pub(crate) const START: i64 = 1_800_000_000;

#[derive(Debug)]
pub(crate) struct TestClock {
    start: Instant,
    offset: AtomicI64,
}

impl TestClock {
    pub(crate) fn new() -> Self {
        Self { start: Instant::now(), offset: AtomicI64::new(0) }
    }

    /// Moves the wall clock alone: a jump, or a suspend during which the monotonic clock stands still.
    pub(crate) fn jump(&self, seconds: i64) {
        self.offset.fetch_add(seconds, Ordering::SeqCst);
    }

    pub(crate) fn seconds(&self) -> i64 {
        let elapsed = i64::try_from(self.start.elapsed().as_secs()).unwrap();
        START + elapsed + self.offset.load(Ordering::SeqCst)
    }

    /// The true time, whatever the clock was set to.
    pub(crate) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }
}

impl WallClock for TestClock {
    fn now(&self) -> Option<UnixTime> {
        u64::try_from(self.seconds()).ok().map(UnixTime::from_secs)
    }
}
