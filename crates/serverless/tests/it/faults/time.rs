//! Renewals that fail, clocks that jump, machines that stand still.

use std::time::Duration;

use super::table::{Bed, Case, Done, case};
use crate::service::{On, Reaction};

const MINUTE: Duration = Duration::from_secs(60);

/// The key's endpoint fails from minute 50 for so long; a client comes each minute for four hours.
///
/// From minute 55 on there are two to four attempts a minute: jitter decides.
async fn outage(bed: &Bed, minutes: u32, done: &mut Done) {
    bed.negotiate(done).await;
    bed.negotiate_for(50, done).await;
    bed.service.then(On::Key, Reaction::status(503));
    bed.negotiate_for(minutes, done).await;
    bed.service.then(On::Key, Reaction::Normal);
    // As many minutes as it may take for the next attempt.
    bed.negotiate_for(190 - minutes, done).await;
}

pub(super) fn cases() -> Vec<Case> {
    vec![
        case!(
            "renewal fails for 30 minutes",
            "a negotiation each minute for four hours",
            0,
            50..=120,
            None,
            |bed, done| outage(&bed, 30, &mut done).await
        ),
        case!(
            "renewal fails for 60 minutes",
            "a negotiation each minute for four hours",
            26,
            110..=240,
            Some("key_unavailable"),
            |bed, done| outage(&bed, 60, &mut done).await
        ),
        case!(
            "renewal fails for 90 minutes",
            "a negotiation each minute for four hours",
            56,
            170..=360,
            Some("key_unavailable"),
            |bed, done| outage(&bed, 90, &mut done).await
        ),
        case!("clock set back by two hours", "a negotiation each minute for an hour", 0, 2, None, |bed, done| {
            bed.negotiate(&mut done).await;
            bed.clock.jump(-7200);
            bed.negotiate_for(60, &mut done).await;
        }),
        case!("clock set forward by two hours", "a negotiation each minute for ten", 0, 2, None, |bed, done| {
            bed.negotiate(&mut done).await;
            bed.pass(MINUTE).await;
            bed.clock.jump(7200);
            bed.negotiate_for(10, &mut done).await;
        }),
        case!(
            "clock set forward and back each minute",
            "a negotiation each minute for ten",
            0,
            2,
            None,
            |bed, done| {
                bed.negotiate(&mut done).await;
                for _ in 0..5 {
                    bed.clock.jump(7200);
                    bed.negotiate_for(1, &mut done).await;
                    bed.clock.jump(-7200);
                    bed.negotiate_for(1, &mut done).await;
                }
            }
        ),
        case!("process frozen for three hours", "negotiation and send right after", 0, 3, None, |bed, done| {
            bed.negotiate(&mut done).await;
            bed.pass(MINUTE).await;
            // The monotonic clock stands still meanwhile.
            bed.clock.jump(3 * 3600);
            bed.negotiate(&mut done).await;
            bed.send(&mut done).await;
        }),
        case!("clock cannot be read", "negotiation", 1, 0, Some("key_unavailable"), |bed, done| {
            bed.clock.jump(-crate::clock::START - 10_000);
            bed.negotiate(&mut done).await;
        }),
    ]
}
