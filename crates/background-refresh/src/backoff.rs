//! How long to wait after a failure, so that many clients do not come back at once.

use std::time::Duration;

/// Waits that double from the first to the longest.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
}

impl Backoff {
    /// The wait after one failure, and the one that is not exceeded after many.
    #[must_use]
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest }
    }

    /// The first wait, before jitter.
    #[must_use]
    pub const fn first(&self) -> Duration {
        self.first
    }

    /// The wait after so many failures in a row, before jitter. One failure and none wait the same.
    #[must_use]
    pub fn wait(&self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(30);
        self.first.saturating_mul(1 << doublings).min(self.longest)
    }

    /// The same with jitter: from half of it, with `jitter` 0, to all of it, with 1.
    #[must_use]
    pub fn delay(&self, failures: u32, jitter: f64) -> Duration {
        self.wait(failures).mul_f64(0.5 + 0.5 * jitter.clamp(0.0, 1.0))
    }
}

/// How a provider's `Retry-After` is followed (RFC 9110 section 10.2.3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RetryAfter {
    longest: Duration,
    spread: Duration,
}

impl RetryAfter {
    /// `longest` is the wait that is accepted at most. `spread` is the jitter that is added at most.
    #[must_use]
    pub const fn new(longest: Duration, spread: Duration) -> Self {
        Self { longest, spread }
    }

    /// How long nothing may be sent.
    #[must_use]
    pub fn accept(&self, asked: Duration) -> Duration {
        asked.min(self.longest)
    }

    /// The same with jitter from 0 to 1, which only adds: by the spread or by as much again, whichever is less.
    #[must_use]
    pub fn delay(&self, asked: Duration, jitter: f64) -> Duration {
        let wait = self.accept(asked);
        wait + self.spread.min(wait).mul_f64(jitter.clamp(0.0, 1.0))
    }
}

/// A random number from 0 to 1.
#[must_use]
pub fn jitter() -> f64 {
    fastrand::f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(15));

    #[test]
    fn waits_double_up_to_the_longest() {
        let waits: Vec<_> = (0..9).map(|failures| BACKOFF.wait(failures).as_millis()).collect();
        assert_eq!(waits, [500, 500, 1000, 2000, 4000, 8000, 15_000, 15_000, 15_000]);
        assert_eq!(BACKOFF.wait(u32::MAX), Duration::from_secs(15));
        assert_eq!(BACKOFF.first(), Duration::from_millis(500));
    }

    #[test]
    fn jitter_takes_at_most_half() {
        assert_eq!(BACKOFF.delay(3, 0.0), Duration::from_secs(1));
        assert_eq!(BACKOFF.delay(3, 1.0), Duration::from_secs(2));
        assert_eq!(BACKOFF.delay(3, 7.0), Duration::from_secs(2));
    }

    #[test]
    fn retry_after_is_bounded_and_never_shortened() {
        let rule = RetryAfter::new(Duration::from_secs(900), Duration::from_secs(30));
        assert_eq!(rule.delay(Duration::from_secs(10), 0.0), Duration::from_secs(10));
        assert_eq!(rule.delay(Duration::from_secs(10), 1.0), Duration::from_secs(20));
        assert_eq!(rule.delay(Duration::from_secs(100), 1.0), Duration::from_secs(130));
        assert_eq!(rule.delay(Duration::MAX, 0.0), Duration::from_secs(900));
        assert_eq!(rule.delay(Duration::ZERO, 1.0), Duration::ZERO);
    }

    #[test]
    fn jitter_is_a_fraction_and_varies() {
        let numbers: Vec<_> = (0..64).map(|_| jitter()).collect();
        assert!(numbers.iter().all(|number| (0.0..=1.0).contains(number)));
        assert!(numbers.iter().any(|number| number.to_bits() != numbers[0].to_bits()));
    }
}
