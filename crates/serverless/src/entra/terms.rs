//! When an Entra token is renewed, and how long it is used.

use std::time::Duration;

use crate::renewal::Terms;

/// The terms of a token with so much time left. `None` if there is none. `jitter` is a random number from 0 to 1.
///
/// Credentials of `azure_identity` keep a token until five minutes before its end and answer with the same one
/// until then. So an attempt is made after four fifths of the time left, which is enough for other credentials;
/// one that brings the same token shortens the next wait, and one lies within the last five minutes.
pub(super) fn of(left: Duration, jitter: f64) -> Option<Terms> {
    let usable_for = left.checked_sub(MARGIN).filter(|usable_for| !usable_for.is_zero())?;
    let renew_after = if left > LATE * 2 {
        let early = left.mul_f64(0.75 + 0.1 * jitter);
        early.min(left - LATE + LATE_SPREAD.mul_f64(jitter))
    } else {
        left.mul_f64(0.4 + 0.1 * jitter)
    };
    Some(Terms { renew_after, usable_for })
}

/// Not used in its last seconds: the request has to arrive.
const MARGIN: Duration = Duration::from_secs(5);
/// The last attempt begins so long before the end, or up to the spread later.
const LATE: Duration = Duration::from_secs(5 * 60);
const LATE_SPREAD: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn token_of_an_hour_is_renewed_after_45_to_51_minutes() {
        let hour = Duration::from_secs(3600);
        assert_eq!(of(hour, 0.0).unwrap().renew_after, Duration::from_secs(2700));
        assert_eq!(of(hour, 1.0).unwrap().renew_after, Duration::from_secs(3060));
        assert_eq!(of(hour, 1.0).unwrap().usable_for, Duration::from_secs(3595));
    }

    #[test]
    fn token_of_ten_minutes_or_less_is_renewed_before_its_half() {
        let renew_after = |seconds, jitter| of(Duration::from_secs(seconds), jitter).unwrap().renew_after.as_secs();
        assert_eq!((renew_after(600, 0.0), renew_after(600, 1.0)), (240, 300));
        assert_eq!(renew_after(100, 1.0), 50);
        assert_eq!(renew_after(601, 0.0), 301);
    }

    #[test]
    fn last_attempt_begins_five_minutes_before_the_end_and_jitter_delays_it() {
        let renew_after = |jitter| of(Duration::from_secs(1000), jitter).unwrap().renew_after.as_secs();
        assert_eq!((renew_after(0.0), renew_after(1.0)), (700, 760));
    }

    #[test]
    fn token_without_time_left_is_no_token() {
        assert_eq!(of(Duration::ZERO, 0.0), None);
        assert_eq!(of(Duration::from_secs(5), 0.0), None);
        assert!(of(Duration::from_secs(6), 0.0).is_some());
    }

    proptest! {
        #[test]
        fn renewal_precedes_the_end(left in 11..200_000_u64, jitter in 0.0..=1.0) {
            let terms = of(Duration::from_secs(left), jitter).unwrap();
            prop_assert!(terms.renew_after < terms.usable_for);
        }

        /// A credential that answers with the same token until five minutes before its end.
        #[test]
        fn an_attempt_lies_between_five_minutes_before_the_end_and_two(life in 700..90_000_u64, jitter in 0.0..=1.0) {
            let mut left = Duration::from_secs(life);
            let mut attempts = 0;
            while left > Duration::from_secs(300) {
                left -= of(left, jitter).unwrap().renew_after;
                attempts += 1;
            }
            prop_assert!(left >= Duration::from_secs(120), "{left:?}");
            prop_assert!(attempts < 20);
        }
    }
}
