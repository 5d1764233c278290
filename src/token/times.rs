//! When a token is valid: `exp`, `nbf` and `iat` (RFC 7519 sections 4.1.4 to 4.1.6).

use std::time::Duration;

use crate::clock::UnixTime;
use crate::error::RejectionKind;

/// The times of a token, in seconds since 1970.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Validity {
    pub(crate) exp: i64,
    pub(crate) nbf: Option<i64>,
    pub(crate) iat: Option<i64>,
}

impl Validity {
    /// Whether the token is valid at `now`, on a clock that may be off by `skew` either way.
    pub(crate) fn check(&self, now: UnixTime, skew: Duration) -> Result<(), RejectionKind> {
        let now = i128::from(now.as_secs());
        let skew = i128::from(skew.as_secs());
        // No sum of 64-bit seconds and a skew leaves 128 bits. A token is over "on or after" `exp`
        // (RFC 7519 section 4.1.4).
        if now >= i128::from(self.exp) + skew {
            return Err(RejectionKind::Expired);
        }
        if self.nbf.is_some_and(|nbf| i128::from(nbf) > now + skew) {
            return Err(RejectionKind::NotYetValid);
        }
        if self.iat.is_some_and(|iat| i128::from(iat) > now + skew) {
            return Err(RejectionKind::IssuedInFuture);
        }
        if [self.nbf, self.iat].into_iter().flatten().any(|start| start > self.exp) {
            return Err(RejectionKind::ValidityReversed);
        }
        Ok(())
    }

    /// The times at which [`check`](Self::check) accepts the token.
    pub(crate) fn window(&self, skew: Duration) -> Window {
        let skew = i128::from(skew.as_secs());
        let starts = [self.nbf, self.iat];
        if starts.into_iter().flatten().any(|start| start > self.exp) {
            return Window::NEVER;
        }
        let first = starts.into_iter().flatten().max().map_or(0, |start| i128::from(start) - skew);
        // A time of 64 bits is never before 0, nor after their greatest number.
        let last = (i128::from(self.exp) + skew - 1).min(u64::MAX.into());
        match (u64::try_from(first.max(0)), u64::try_from(last)) {
            (Ok(first), Ok(last)) => Window { first: UnixTime::from_secs(first), last: UnixTime::from_secs(last) },
            _ => Window::NEVER,
        }
    }

    /// When the token ends, without the skew.
    pub(crate) fn ends(&self) -> UnixTime {
        UnixTime::from_secs(u64::try_from(self.exp).unwrap_or(0))
    }
}

/// The times at which a token is valid, to be asked many times.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    first: UnixTime,
    last: UnixTime,
}

impl Window {
    const NEVER: Self = Self { first: UnixTime::from_secs(1), last: UnixTime::from_secs(0) };

    pub(crate) fn contains(&self, now: UnixTime) -> bool {
        self.first <= now && now <= self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000;

    fn check(exp: i64, nbf: Option<i64>, iat: Option<i64>) -> Option<RejectionKind> {
        let now = UnixTime::from_secs(NOW.unsigned_abs());
        Validity { exp, nbf, iat }.check(now, Duration::from_secs(300)).err()
    }

    #[test]
    fn skew_counts_to_its_last_second() {
        assert_eq!(check(NOW - 299, None, None), None);
        assert_eq!(check(NOW - 300, None, None), Some(RejectionKind::Expired), "on or after exp");
        assert_eq!(check(NOW + 999, Some(NOW + 300), None), None);
        assert_eq!(check(NOW + 999, Some(NOW + 301), None), Some(RejectionKind::NotYetValid));
        assert_eq!(check(NOW + 999, None, Some(NOW + 300)), None);
        assert_eq!(check(NOW + 999, None, Some(NOW + 301)), Some(RejectionKind::IssuedInFuture));
    }

    #[test]
    fn rejects_exp_before_nbf_or_iat() {
        assert_eq!(check(NOW, Some(NOW), None), None);
        assert_eq!(check(NOW, Some(NOW + 1), None), Some(RejectionKind::ValidityReversed));
        assert_eq!(check(NOW, None, Some(NOW)), None);
        assert_eq!(check(NOW, None, Some(NOW + 1)), Some(RejectionKind::ValidityReversed));
    }

    #[test]
    fn extreme_times_do_not_overflow() {
        assert_eq!(check(i64::MIN, None, None), Some(RejectionKind::Expired));
        assert_eq!(check(i64::MAX, Some(i64::MIN), Some(i64::MIN)), None);
        assert_eq!(check(i64::MAX, Some(i64::MAX), None), Some(RejectionKind::NotYetValid));
        assert_eq!(check(-5, None, None), Some(RejectionKind::Expired));
        let far = Validity { exp: i64::MAX, nbf: None, iat: None };
        assert_eq!(far.check(UnixTime::from_secs(u64::MAX), Duration::MAX), Ok(()));
        assert_eq!(far.check(UnixTime::from_secs(u64::MAX), Duration::ZERO), Err(RejectionKind::Expired));
    }

    #[test]
    fn window_contains_the_times_that_the_check_accepts() {
        let near = |at: i64| (-1..=1).map(move |by| at.saturating_add(by));
        let times: Vec<_> = [i64::MIN, 0, 300, NOW, i64::MAX].into_iter().flat_map(near).collect();
        let nows = [0, 300, 600, NOW - 300, NOW, NOW + 300].into_iter().flat_map(near);
        let nows = nows.filter_map(|now| u64::try_from(now).ok()).chain([u64::MAX - 1, u64::MAX]);
        let nows: Vec<_> = nows.map(UnixTime::from_secs).collect();
        let mut accepted = [0, 0];
        for exp in &times {
            for start in times.iter().map(|at| Some(*at)).chain([None]) {
                for (nbf, iat) in [(start, None), (None, start), (start, Some(NOW))] {
                    let validity = Validity { exp: *exp, nbf, iat };
                    for skew in [Duration::ZERO, Duration::from_secs(300), Duration::MAX] {
                        let window = validity.window(skew);
                        for now in &nows {
                            let is_valid = validity.check(*now, skew).is_ok();
                            assert_eq!(window.contains(*now), is_valid, "{validity:?} {skew:?} {now:?}");
                            accepted[usize::from(is_valid)] += 1;
                        }
                    }
                }
            }
        }
        assert!(accepted.iter().all(|count| *count > 1000), "{accepted:?}");
    }
}
