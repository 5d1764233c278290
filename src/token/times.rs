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
    pub(crate) fn check(&self, now: Option<UnixTime>, skew: Duration) -> Result<(), RejectionKind> {
        let now = i128::from(now.ok_or(RejectionKind::ClockUnavailable)?.as_secs());
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

    /// When the token ends, without the skew.
    pub(crate) fn ends(&self) -> UnixTime {
        UnixTime::from_secs(u64::try_from(self.exp).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000;

    fn check(exp: i64, nbf: Option<i64>, iat: Option<i64>) -> Option<RejectionKind> {
        let now = Some(UnixTime::from_secs(NOW.unsigned_abs()));
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
        assert_eq!(far.check(Some(UnixTime::from_secs(u64::MAX)), Duration::MAX), Ok(()));
        assert_eq!(far.check(Some(UnixTime::from_secs(u64::MAX)), Duration::ZERO), Err(RejectionKind::Expired));
    }

    #[test]
    fn rejects_without_a_clock() {
        let valid = Validity { exp: i64::MAX, nbf: None, iat: None };
        assert_eq!(valid.check(None, Duration::ZERO), Err(RejectionKind::ClockUnavailable));
    }
}
