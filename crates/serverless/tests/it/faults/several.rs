//! Several endpoints of which one fails.

use std::time::Duration;

use signalr_serverless::{Endpoint, Endpoints};

use super::table::{Case, case};
use crate::harness::Harness;
use crate::service::{On, Reaction};

const SECOND: Duration = Duration::from_secs(1);
const WEST: &str = "west.example";

fn two() -> Harness {
    Harness::of(|credential| {
        Endpoints::default()
            .with(Endpoint::entra("https://east.example", credential.clone()).name("east"))
            .with(Endpoint::entra("https://west.example", credential).name("west"))
    })
}

pub(super) fn cases() -> Vec<Case> {
    vec![
        case!(two, "a primary endpoint has no key", "20 negotiations", 0, 4, None, |bed, done| {
            // Whichever is asked first.
            bed.service.next(On::Key, vec![Reaction::status(403), Reaction::Normal]);
            for _ in 0..20 {
                bed.negotiate(&mut done).await;
            }
        }),
        case!(two, "a primary endpoint is dead from the start", "20 negotiations", 0, 2, None, |bed, done| {
            bed.service.kill(WEST);
            for _ in 0..20 {
                bed.negotiate_without(WEST, &mut done).await;
            }
        }),
        case!(
            two,
            "a primary endpoint dies",
            "a send, and 20 negotiations over two minutes",
            1,
            9,
            Some("unavailable"),
            |bed, done| {
                done.count(bed.client.ready().await);
                bed.pass(SECOND).await;
                bed.service.kill(WEST);
                // Only the clients of the dead endpoint are out of reach.
                bed.send(&mut done).await;
                for _ in 0..20 {
                    bed.negotiate_without(WEST, &mut done).await;
                    bed.pass(SECOND * 6).await;
                }
            }
        ),
        case!(
            two,
            "a primary endpoint dies",
            "20 negotiations after the next health check",
            0,
            5,
            None,
            |bed, done| {
                done.count(bed.client.ready().await);
                bed.pass(SECOND).await;
                bed.service.kill(WEST);
                bed.pass(SECOND * 30).await;
                for _ in 0..20 {
                    bed.negotiate_without(WEST, &mut done).await;
                }
            }
        ),
        case!(
            two,
            "a primary endpoint dies and comes back",
            "a send before, one between and one after",
            1,
            8,
            Some("unavailable"),
            |bed, done| {
                bed.send(&mut done).await;
                bed.service.kill(WEST);
                bed.send(&mut done).await;
                bed.pass(SECOND * 31).await;
                bed.service.revive(WEST);
                bed.send(&mut done).await;
            }
        ),
        case!(two, "one of two endpoints rejects a call", "close", 1, 4, Some("rejected"), |bed, done| {
            bed.service.next(On::Data, vec![Reaction::status(400)]);
            done.count(bed.chat.close_connection("c").await);
        }),
    ]
}
