//! Whether a call is repeated, decided without a clock or a network.

use std::time::Duration;

use background_refresh::Backoff;
use http::StatusCode;

use crate::operation::Repeat;

/// How one try ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Ended {
    /// No connection: nothing has left.
    NotSent,
    /// The connection broke, or no answer came in time: the service may have carried it out.
    NoAnswer,
    Status(StatusCode),
}

/// What comes next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Decision {
    RepeatAfter(Duration),
    Stop,
}

/// What is known when a try has ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Progress {
    /// Tries so far, this one included.
    pub(crate) tries: u32,
    /// Time left of the whole call.
    pub(crate) left: Duration,
    /// What the answer's `Retry-After` said.
    pub(crate) retry_after: Option<Duration>,
    /// A random number from 0 to 1.
    pub(crate) jitter: f64,
}

pub(crate) fn decide(repeat: Repeat, ended: Ended, progress: Progress) -> Decision {
    if progress.tries >= TRIES_MAX || !may_repeat(repeat, ended) {
        return Decision::Stop;
    }
    let backoff = BACKOFF.delay(progress.tries, progress.jitter);
    let wait = progress.retry_after.map_or(backoff, |asked| asked.max(backoff));
    if wait < progress.left { Decision::RepeatAfter(wait) } else { Decision::Stop }
}

/// A 500 is the service's answer to a timeout of its own, after which the message may have been delivered
/// (`DependencyInjectionExtensions.cs` of [Azure/azure-signalr](https://github.com/Azure/azure-signalr)).
fn may_repeat(repeat: Repeat, ended: Ended) -> bool {
    let was_not_taken = match ended {
        Ended::NotSent => true,
        Ended::NoAnswer => false,
        Ended::Status(status) => matches!(status.as_u16(), 429 | 502 | 503),
    };
    match repeat {
        Repeat::Never => false,
        Repeat::Message => was_not_taken,
        Repeat::Idempotent => {
            was_not_taken
                || match ended {
                    Ended::NotSent | Ended::NoAnswer => true,
                    Ended::Status(status) => matches!(status.as_u16(), 408 | 500 | 504),
                }
        }
    }
}

/// Whether the service may have carried out a call that ended so.
pub(crate) fn may_be_done(ended: Ended) -> bool {
    match ended {
        Ended::NotSent => false,
        Ended::NoAnswer => true,
        Ended::Status(status) => matches!(status.as_u16(), 500 | 504),
    }
}

/// How often one call is sent at most, a new token included.
pub(crate) const TRIES_MAX: u32 = 4;
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(2));

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn progress(tries: u32, left: u64, retry_after: Option<u64>) -> Progress {
        Progress {
            tries,
            left: Duration::from_secs(left),
            retry_after: retry_after.map(Duration::from_secs),
            jitter: 1.0,
        }
    }

    fn repeats(repeat: Repeat, ended: Ended) -> bool {
        decide(repeat, ended, progress(1, 30, None)) != Decision::Stop
    }

    #[test]
    fn messages_are_repeated_only_when_they_were_not_taken() {
        assert!(repeats(Repeat::Message, Ended::NotSent));
        assert!(!repeats(Repeat::Message, Ended::NoAnswer));
        for status in 100..=599 {
            let ended = Ended::Status(StatusCode::from_u16(status).unwrap());
            assert_eq!(repeats(Repeat::Message, ended), [429, 502, 503].contains(&status), "{status}");
        }
    }

    #[test]
    fn idempotent_calls_are_repeated_also_when_they_may_be_done() {
        assert!(repeats(Repeat::Idempotent, Ended::NotSent) && repeats(Repeat::Idempotent, Ended::NoAnswer));
        for status in 100..=599 {
            let ended = Ended::Status(StatusCode::from_u16(status).unwrap());
            assert_eq!(
                repeats(Repeat::Idempotent, ended),
                [408, 429, 500, 502, 503, 504].contains(&status),
                "{status}"
            );
        }
    }

    #[test]
    fn calls_of_a_schedule_are_never_repeated() {
        assert!(!repeats(Repeat::Never, Ended::NotSent));
        assert!(!repeats(Repeat::Never, Ended::Status(StatusCode::SERVICE_UNAVAILABLE)));
    }

    #[test]
    fn fourth_try_is_the_last() {
        let tries: Vec<_> = (1..6)
            .map(|tries| decide(Repeat::Message, Ended::NotSent, progress(tries, 30, None)) != Decision::Stop)
            .collect();
        assert_eq!(tries, [true, true, true, false, false]);
    }

    #[test]
    fn waits_double_from_try_to_try() {
        let wait = |tries| decide(Repeat::Message, Ended::NotSent, progress(tries, 30, None));
        let after = |millis| Decision::RepeatAfter(Duration::from_millis(millis));
        assert_eq!([1, 2, 3].map(wait), [200, 400, 800].map(after));
    }

    #[test]
    fn only_silence_and_two_statuses_leave_open_whether_it_was_done() {
        assert!(may_be_done(Ended::NoAnswer) && !may_be_done(Ended::NotSent));
        for status in 100..=599 {
            let ended = Ended::Status(StatusCode::from_u16(status).unwrap());
            assert_eq!(may_be_done(ended), [500, 504].contains(&status), "{status}");
        }
    }

    #[test]
    fn retry_after_within_the_call_is_honored_and_one_beyond_ends_it() {
        let ended = Ended::Status(StatusCode::TOO_MANY_REQUESTS);
        let decided = |left, asked| decide(Repeat::Message, ended, progress(1, left, Some(asked)));
        assert_eq!(decided(30, 7), Decision::RepeatAfter(Duration::from_secs(7)));
        assert_eq!(decided(7, 7), Decision::Stop);
        assert_eq!(decided(30, u64::MAX), Decision::Stop);
        assert_eq!(decided(30, 0), Decision::RepeatAfter(Duration::from_millis(200)));
    }

    proptest! {
        #[test]
        fn no_wait_exceeds_what_is_left_or_undercuts_what_was_asked(
            tries in 0..6_u32, left in 0..40_u64, asked in prop::option::of(0..40_u64), jitter in 0.0..=1.0,
        ) {
            let progress = Progress { jitter, ..progress(tries, left, asked) };
            if let Decision::RepeatAfter(wait) = decide(Repeat::Idempotent, Ended::NoAnswer, progress) {
                prop_assert!(wait < progress.left && wait >= progress.retry_after.unwrap_or_default());
                prop_assert!(wait >= Duration::from_millis(100));
            }
        }
    }
}
