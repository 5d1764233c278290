//! Faults of the key's endpoint.

use std::time::Duration;

use futures_util::future::join_all;
use signalr_serverless::NegotiateOptions;

use super::table::{Case, case};
use crate::credential::Token;
use crate::service::{On, Reaction};

const MINUTE: Duration = Duration::from_secs(60);

pub(super) fn cases() -> Vec<Case> {
    vec![
        case!("key: 503 twice", "first negotiation", 0, 3, None, |bed, done| {
            bed.service.next(On::Key, vec![Reaction::status(503); 2]);
            bed.negotiate(&mut done).await;
        }),
        case!("key: 500 once", "first negotiation", 0, 2, None, |bed, done| {
            bed.service.next(On::Key, vec![Reaction::status(500)]);
            bed.negotiate(&mut done).await;
        }),
        case!("key: 429 once, Retry-After 2 s", "first negotiation", 0, 2, None, |bed, done| {
            bed.service.next(On::Key, vec![Reaction::retry_after(429, 2)]);
            bed.negotiate(&mut done).await;
            assert!(bed.clock.elapsed() >= Duration::from_secs(2));
        }),
        case!(
            "key: 429 once, Retry-After 60 s",
            "two negotiations at once, one two minutes later",
            2,
            2,
            Some("key_unavailable"),
            |bed, done| {
                bed.service.next(On::Key, vec![Reaction::retry_after(429, 60)]);
                bed.negotiate(&mut done).await;
                bed.negotiate(&mut done).await;
                bed.pass(MINUTE * 2).await;
                bed.negotiate(&mut done).await;
            }
        ),
        case!("key: connection refused twice", "first negotiation", 0, 1, None, |bed, done| {
            bed.service.next(On::Key, vec![Reaction::NoConnection; 2]);
            bed.negotiate(&mut done).await;
        }),
        case!("key: connection breaks once", "first negotiation", 0, 2, None, |bed, done| {
            bed.service.next(On::Key, vec![Reaction::BreaksAfter]);
            bed.negotiate(&mut done).await;
        }),
        case!("key: answer breaks off", "first negotiation", 0, 2, None, |bed, done| {
            bed.service.next(On::Key, vec![Reaction::BreaksWithin]);
            bed.negotiate(&mut done).await;
        }),
        case!("key: invalid answer once", "first negotiation", 0, 2, None, |bed, done| {
            bed.service.next(On::Key, vec![Reaction::text(200, r#"{"AccessKey":"","KeyId":"x"}"#)]);
            bed.negotiate(&mut done).await;
        }),
        case!("key: endless answer once", "first negotiation", 0, 2, None, |bed, done| {
            bed.service.next(On::Key, vec![Reaction::Endless]);
            bed.negotiate(&mut done).await;
        }),
        case!("key: redirect once", "first negotiation", 0, 2, None, |bed, done| {
            bed.service.next(On::Key, vec![Reaction::status(302)]);
            bed.negotiate(&mut done).await;
        }),
        case!("key: no answer comes", "first negotiation", 1, 1, Some("key_unavailable"), |bed, done| {
            bed.service.then(On::Key, Reaction::Hangs);
            bed.negotiate(&mut done).await;
        }),
        case!(
            "key: 403 for ten minutes",
            "a negotiation each minute for twelve",
            10,
            3,
            Some("role_missing"),
            |bed, done| {
                bed.service.then(On::Key, Reaction::status(403));
                for _ in 0..10 {
                    bed.negotiate(&mut done).await;
                    bed.pass(MINUTE).await;
                }
                bed.service.then(On::Key, Reaction::Normal);
                bed.pass(MINUTE).await;
                bed.negotiate(&mut done).await;
                bed.pass(MINUTE).await;
                bed.negotiate(&mut done).await;
            }
        ),
        case!("key: 404", "two negotiations", 2, 1, Some("key_unavailable"), |bed, done| {
            bed.service.then(On::Key, Reaction::status(404));
            bed.negotiate(&mut done).await;
            bed.negotiate(&mut done).await;
        }),
        case!("key: 401 for an old token", "first negotiation", 0, 3, None, |bed, done| {
            bed.send(&mut done).await;
            bed.pass(MINUTE).await;
            bed.service.reject("entra-token-1".into());
            bed.negotiate(&mut done).await;
        }),
        case!("identity endpoint down for two attempts", "first negotiation", 0, 1, None, |bed, done| {
            bed.credential.next([Token::Down, Token::Down]);
            bed.negotiate(&mut done).await;
        }),
        case!(
            "10,000 negotiations at once on a cold start",
            "negotiate",
            8976,
            1,
            Some("key_unavailable"),
            |bed, done| {
                bed.service.next(On::Key, vec![Reaction::Slow(Duration::from_secs(1))]);
                for outcome in join_all((0..10_000).map(|_| bed.chat.negotiate(NegotiateOptions::default()))).await {
                    done.count(outcome.map(drop));
                }
            }
        ),
        case!("10,000 negotiations at once after `ready`", "negotiate", 0, 1, None, |bed, done| {
            done.count(bed.client.ready().await);
            for outcome in join_all((0..10_000).map(|_| bed.chat.negotiate(NegotiateOptions::default()))).await {
                done.count(outcome.map(drop));
            }
        }),
        case!("all negotiations are canceled while the key is fetched", "negotiate again", 0, 1, None, |bed, done| {
            bed.service.next(On::Key, vec![Reaction::Slow(Duration::from_secs(2))]);
            let all = join_all((0..100).map(|_| bed.chat.negotiate(NegotiateOptions::default())));
            assert!(tokio::time::timeout(Duration::from_secs(1), all).await.is_err());
            bed.negotiate(&mut done).await;
        }),
    ]
}
