//! Several endpoints of which one fails. One service stands behind all; faults that concern one host are tested in
//! `endpoints.rs`.

use std::time::Duration;

use signalr_serverless::{Endpoint, Endpoints};

use super::table::{Case, case};
use crate::harness::Harness;
use crate::service::{On, Reaction};

fn two() -> Harness {
    Harness::of(|credential| {
        Endpoints::default()
            .with(Endpoint::entra("https://east.example", credential.clone()).name("east"))
            .with(Endpoint::entra("https://west.example", credential).name("west"))
    })
}

pub(super) fn cases() -> Vec<Case> {
    vec![
        case!(two, "a primary endpoint has no key", "20 negotiations", 0, 2, None, |bed, done| {
            // Whichever is asked first.
            bed.service.next(On::Key, vec![Reaction::status(403), Reaction::Normal]);
            for _ in 0..20 {
                bed.negotiate(&mut done).await;
            }
        }),
        case!(two, "a primary endpoint dies", "20 negotiations over two minutes", 0, 2, None, |bed, done| {
            done.count(bed.client.ready().await);
            bed.negotiate(&mut done).await;
            bed.service.next(On::Health, vec![Reaction::status(503)]);
            for _ in 0..20 {
                bed.pass(Duration::from_secs(6)).await;
                bed.negotiate(&mut done).await;
            }
        }),
        case!(two, "one of two endpoints rejects a call", "close", 1, 2, Some("rejected"), |bed, done| {
            bed.service.next(On::Data, vec![Reaction::status(400)]);
            done.count(bed.chat.close_connection("c").await);
        }),
    ]
}
