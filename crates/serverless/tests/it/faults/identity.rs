//! Faults of the credential, and of its tokens at the service.

use std::time::Duration;

use super::table::{Case, case};
use crate::credential::Token;
use crate::service::{On, Reaction};

const MINUTE: Duration = Duration::from_secs(60);

pub(super) fn cases() -> Vec<Case> {
    vec![
        case!("identity endpoint down, token still valid", "send at 59 minutes", 0, 2, None, |bed, done| {
            bed.send(&mut done).await;
            bed.credential.then(Token::Down);
            bed.pass(MINUTE * 59).await;
            bed.send(&mut done).await;
        }),
        case!("identity endpoint down, token ended", "send at 61 minutes", 1, 1, Some("unavailable"), |bed, done| {
            bed.send(&mut done).await;
            bed.credential.then(Token::Down);
            bed.pass(MINUTE * 61).await;
            bed.send(&mut done).await;
        }),
        case!("identity endpoint down for three attempts", "first send", 0, 1, None, |bed, done| {
            bed.credential.next([Token::Down, Token::Down, Token::Down]);
            bed.send(&mut done).await;
        }),
        case!(
            "identity endpoint answers 429 with a Retry-After of two minutes",
            "a send each ten seconds",
            9,
            1,
            Some("unavailable"),
            |bed, done| {
                bed.credential.next([Token::Busy(120)]);
                for _ in 0..9 {
                    bed.send(&mut done).await;
                    bed.pass(Duration::from_secs(10)).await;
                }
                assert_eq!((bed.clock.elapsed().as_secs(), bed.credential.asked()), (90, 1));
                bed.pass(MINUTE).await;
                bed.send(&mut done).await;
                assert_eq!(bed.credential.asked(), 2);
            }
        ),
        case!("identity endpoint hangs", "first send", 1, 0, Some("unavailable"), |bed, done| {
            bed.credential.then(Token::Hangs);
            bed.send(&mut done).await;
            assert_eq!(bed.clock.elapsed().as_secs(), 30);
        }),
        case!("identity is not set up", "three sends", 3, 0, Some("credential"), |bed, done| {
            bed.credential.then(Token::NotSetUp);
            for _ in 0..3 {
                bed.send(&mut done).await;
            }
            assert_eq!((bed.clock.elapsed().as_secs(), bed.credential.asked()), (0, 1));
        }),
        case!("credential answers with an expired token once", "first send", 0, 1, None, |bed, done| {
            bed.credential.next([Token::Expired]);
            bed.send(&mut done).await;
        }),
        case!("credential panics once", "first send", 0, 1, None, |bed, done| {
            bed.credential.next([Token::Panics]);
            bed.send(&mut done).await;
        }),
        case!(
            "credential keeps its token until five minutes before the end",
            "a send each minute for three hours",
            0,
            180,
            None,
            |bed, done| {
                for minute in 0..180 {
                    if minute % 60 == 57 {
                        bed.credential.next([Token::Fresh(MINUTE * 60)]);
                    }
                    bed.credential.then(if minute == 0 { Token::Fresh(MINUTE * 60) } else { Token::Same });
                    bed.send(&mut done).await;
                    bed.pass(MINUTE).await;
                }
            }
        ),
        case!("tokens that live for 20 seconds", "a send each second for a minute", 0, 60, None, |bed, done| {
            bed.credential.then(Token::Fresh(Duration::from_secs(20)));
            for _ in 0..60 {
                bed.send(&mut done).await;
                bed.pass(Duration::from_secs(1)).await;
            }
        }),
        case!("401, the token is a minute old", "send", 0, 3, None, |bed, done| {
            bed.send(&mut done).await;
            bed.pass(MINUTE).await;
            bed.service.reject("entra-token-1".into());
            bed.send(&mut done).await;
        }),
        case!("401, the token is new", "send", 1, 1, Some("unauthorized"), |bed, done| {
            bed.service.reject("entra-token-1".into());
            bed.send(&mut done).await;
        }),
        case!("401, the credential has no other token", "send", 1, 2, Some("unauthorized"), |bed, done| {
            bed.send(&mut done).await;
            bed.pass(MINUTE).await;
            bed.service.reject("entra-token-1".into());
            bed.credential.then(Token::Same);
            bed.send(&mut done).await;
        }),
        case!("401, also for the new token", "send", 1, 3, Some("unauthorized"), |bed, done| {
            bed.send(&mut done).await;
            bed.pass(MINUTE).await;
            bed.service.then(On::Data, Reaction::status(401));
            bed.send(&mut done).await;
        }),
        case!("401, and the identity endpoint is down", "send", 1, 2, Some("unavailable"), |bed, done| {
            bed.send(&mut done).await;
            bed.pass(MINUTE).await;
            bed.service.reject("entra-token-1".into());
            bed.credential.then(Token::Down);
            bed.send(&mut done).await;
        }),
        case!("401 for one of many sends at once", "50 calls", 0, 52, None, |bed, done| {
            bed.send(&mut done).await;
            bed.pass(MINUTE).await;
            bed.service.reject("entra-token-1".into());
            let sends: Vec<_> = (0..50)
                .map(|_| {
                    let bed = bed.clone();
                    tokio::spawn(async move { bed.chat.close_connection("c").await })
                })
                .collect();
            for send in sends {
                done.count(send.await.unwrap());
            }
            assert_eq!(bed.credential.asked(), 2);
        }),
    ]
}
