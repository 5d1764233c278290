//! Faults of the service and of the network, for messages and for calls that may be repeated.

use std::time::Duration;

use super::table::{Case, case};
use crate::service::{On, Reaction};

pub(super) fn cases() -> Vec<Case> {
    vec![
        case!("403, the role is missing", "send", 1, 1, Some("role_missing"), |bed, done| {
            bed.service.then(On::Data, Reaction::status(403));
            bed.send(&mut done).await;
        }),
        case!("403 of the network rules", "close", 1, 1, Some("role_missing"), |bed, done| {
            bed.service.then(On::Data, Reaction::text(403, "Request not allowed by the network ACL"));
            done.count(bed.chat.close_connection("c").await);
        }),
        case!("404 without the service's code", "send", 1, 1, Some("not_found"), |bed, done| {
            bed.service.then(On::Data, Reaction::status(404));
            bed.send(&mut done).await;
        }),
        case!("404 without the service's code", "ask whether a user exists", 1, 1, Some("not_found"), |bed, done| {
            bed.service.then(On::Data, Reaction::status(404));
            done.count(bed.chat.user_exists("anna").await.map(drop));
        }),
        case!("404 with the service's code", "ask whether a user exists", 0, 1, None, |bed, done| {
            bed.service.then(On::Data, Reaction::code(404, "Warning.User.NotExisted"));
            done.count(bed.chat.user_exists("anna").await.map(|exists| assert!(!exists)));
        }),
        case!("404 with the service's code", "send to a connection", 1, 1, Some("not_found"), |bed, done| {
            bed.service.then(On::Data, Reaction::code(404, "Warning.Connection.NotExisted"));
            done.count(bed.chat.send_to_connection("c", "m", &(1,)).await);
        }),
        case!("404 with the service's code after a 500 that had closed", "close", 0, 2, None, |bed, done| {
            let gone = Reaction::code(404, "Warning.Connection.NotExisted");
            bed.service.next(On::Data, vec![Reaction::Delivers(500), gone]);
            done.count(bed.chat.close_connection("c").await);
        }),
        case!("408 once", "send", 1, 1, Some("unavailable"), |bed, done| {
            bed.service.next(On::Data, vec![Reaction::status(408)]);
            bed.send(&mut done).await;
        }),
        case!("408 once", "close", 0, 2, None, |bed, done| {
            bed.service.next(On::Data, vec![Reaction::status(408)]);
            done.count(bed.chat.close_connection("c").await);
        }),
        case!("429 once, without Retry-After", "send", 0, 2, None, |bed, done| {
            bed.service.next(On::Data, vec![Reaction::status(429)]);
            bed.send(&mut done).await;
        }),
        case!("429 once, Retry-After 7 s", "send", 0, 2, None, |bed, done| {
            bed.service.next(On::Data, vec![Reaction::retry_after(429, 7)]);
            bed.send(&mut done).await;
            assert_eq!(bed.clock.elapsed().as_secs(), 7);
        }),
        case!("429 once, Retry-After 60 s", "send", 1, 1, Some("throttled"), |bed, done| {
            bed.service.next(On::Data, vec![Reaction::retry_after(429, 60)]);
            bed.send(&mut done).await;
            assert_eq!(bed.clock.elapsed().as_secs(), 0);
        }),
        case!("429 without end", "send", 1, 4, Some("throttled"), |bed, done| {
            bed.service.then(On::Data, Reaction::status(429));
            bed.send(&mut done).await;
        }),
        case!("400", "send", 1, 1, Some("rejected"), |bed, done| {
            bed.service.then(On::Data, Reaction::text(400, r#"{"code":"BadRequest","message":"no target"}"#));
            bed.send(&mut done).await;
        }),
        case!("413", "send", 1, 1, Some("body_too_large"), |bed, done| {
            bed.service.then(On::Data, Reaction::status(413));
            bed.send(&mut done).await;
        }),
        case!("500 after delivery", "send", 0, 1, Some("unavailable"), |bed, done| {
            bed.service.next(On::Data, vec![Reaction::Delivers(500)]);
            bed.send(&mut done).await;
        }),
        case!("500 without delivery", "send", 1, 1, Some("unavailable"), |bed, done| {
            bed.service.next(On::Data, vec![Reaction::status(500)]);
            bed.send(&mut done).await;
        }),
        case!("500 once", "add a user to a group", 0, 2, None, |bed, done| {
            bed.service.next(On::Data, vec![Reaction::Delivers(500)]);
            done.count(bed.chat.add_user_to_group("anna", "team").await);
        }),
        case!("502 three times", "send", 0, 4, None, |bed, done| {
            bed.service.next(On::Data, vec![Reaction::status(502); 3]);
            bed.send(&mut done).await;
        }),
        case!("503 once", "send", 0, 2, None, |bed, done| {
            bed.service.next(On::Data, vec![Reaction::status(503)]);
            bed.send(&mut done).await;
        }),
        case!("503 once, Retry-After as a date", "send", 0, 2, None, |bed, done| {
            // Nine seconds after the test's clock begins.
            let date = vec![("retry-after", String::from("Fri, 15 Jan 2027 08:00:09 GMT"))];
            bed.service.next(On::Data, vec![Reaction::Answer(503, date, String::new())]);
            bed.send(&mut done).await;
            assert_eq!(bed.clock.elapsed().as_secs(), 9);
        }),
        case!("503 without end", "send", 1, 4, Some("unavailable"), |bed, done| {
            bed.service.then(On::Data, Reaction::status(503));
            bed.send(&mut done).await;
        }),
        case!("503 three times, then 401 for an old token", "send", 1, 5, Some("unauthorized"), |bed, done| {
            bed.send(&mut done).await;
            bed.pass(Duration::from_secs(60)).await;
            bed.service.reject("entra-token-1".into());
            bed.service.next(On::Data, vec![Reaction::status(503); 3]);
            bed.send(&mut done).await;
        }),
        case!("503 twice, then 401 for an old token", "send", 0, 5, None, |bed, done| {
            bed.send(&mut done).await;
            bed.pass(Duration::from_secs(60)).await;
            bed.service.reject("entra-token-1".into());
            bed.service.next(On::Data, vec![Reaction::status(503); 2]);
            bed.send(&mut done).await;
        }),
        case!("401 for an old token, then 503 without end", "send", 1, 5, Some("unavailable"), |bed, done| {
            bed.send(&mut done).await;
            bed.pass(Duration::from_secs(60)).await;
            bed.service.next(On::Data, vec![Reaction::status(401)]);
            bed.service.then(On::Data, Reaction::status(503));
            bed.send(&mut done).await;
        }),
        case!("503 and unreadable Retry-After", "send", 0, 2, None, |bed, done| {
            let header = vec![("retry-after", String::from("soon"))];
            bed.service.next(On::Data, vec![Reaction::Answer(503, header, String::new())]);
            bed.send(&mut done).await;
        }),
        case!("504 after delivery", "send", 0, 1, Some("unavailable"), |bed, done| {
            bed.service.next(On::Data, vec![Reaction::Delivers(504)]);
            bed.send(&mut done).await;
        }),
        case!("504 once", "close", 0, 2, None, |bed, done| {
            bed.service.next(On::Data, vec![Reaction::Delivers(504)]);
            done.count(bed.chat.close_all_connections().await);
        }),
        case!("connection refused three times", "send", 0, 1, None, |bed, done| {
            bed.service.next(On::Data, vec![Reaction::NoConnection; 3]);
            bed.send(&mut done).await;
        }),
        case!("connection refused without end", "send", 1, 0, Some("unavailable"), |bed, done| {
            bed.service.then(On::Data, Reaction::NoConnection);
            bed.send(&mut done).await;
        }),
        case!("connection breaks before the request has arrived", "send", 1, 1, Some("unavailable"), |bed, done| {
            bed.service.next(On::Data, vec![Reaction::BreaksBefore]);
            bed.send(&mut done).await;
        }),
        case!("connection breaks after the request has arrived", "send", 0, 1, Some("unavailable"), |bed, done| {
            bed.service.next(On::Data, vec![Reaction::BreaksAfter]);
            bed.send(&mut done).await;
        }),
        case!(
            "connection breaks after the request has arrived",
            "remove a user from a group",
            0,
            2,
            None,
            |bed, done| {
                bed.service.next(On::Data, vec![Reaction::BreaksAfter]);
                done.count(bed.chat.remove_user_from_group("anna", "team").await);
            }
        ),
        case!("connection breaks within the answer", "send", 0, 1, None, |bed, done| {
            bed.service.next(On::Data, vec![Reaction::BreaksWithin]);
            bed.send(&mut done).await;
        }),
        case!("connection breaks within the answer", "list a group", 0, 2, None, |bed, done| {
            bed.service.next(On::Data, vec![Reaction::BreaksWithin]);
            done.count(bed.chat.group_connections("team").next_page().await.map(drop));
        }),
        case!("connection breaks within the answer", "invoke", 1, 1, Some("unavailable"), |bed, done| {
            bed.service.next(On::Data, vec![Reaction::BreaksWithin]);
            let outcome = bed.chat.invoke_connection::<()>("c", "m", &(1,)).await;
            assert!(outcome.as_ref().unwrap_err().may_be_delivered());
            // The client was called, but the app has no result; the service counts the call as a message.
            done.count(outcome);
            done.messages_delivered_elsewhere(1);
        }),
        case!("answer comes after 25 s", "send", 0, 1, None, |bed, done| {
            bed.service.next(On::Data, vec![Reaction::Slow(Duration::from_secs(25))]);
            bed.send(&mut done).await;
        }),
        case!("no answer comes", "send", 1, 1, Some("unavailable"), |bed, done| {
            bed.service.next(On::Data, vec![Reaction::Hangs]);
            bed.send(&mut done).await;
            assert_eq!(bed.clock.elapsed().as_secs(), 30);
        }),
        case!("no answer comes once", "close", 0, 2, None, |bed, done| {
            bed.service.next(On::Data, vec![Reaction::Hangs]);
            done.count(bed.chat.close_connection("c").await);
        }),
        case!("no answer comes", "close", 1, 3, Some("unavailable"), |bed, done| {
            bed.service.then(On::Data, Reaction::Hangs);
            done.count(bed.chat.close_connection("c").await);
            assert_eq!(bed.clock.elapsed().as_secs(), 30);
        }),
        case!("endless answer", "send", 0, 1, None, |bed, done| {
            bed.service.next(On::Data, vec![Reaction::Endless]);
            bed.send(&mut done).await;
        }),
        case!("endless answer", "list a group", 1, 1, Some("invalid_answer"), |bed, done| {
            bed.service.next(On::Data, vec![Reaction::Endless]);
            done.count(bed.chat.group_connections("team").next_page().await.map(drop));
        }),
        case!("invalid answer", "list a group", 1, 1, Some("invalid_answer"), |bed, done| {
            bed.service.next(On::Data, vec![Reaction::text(200, "<html>")]);
            done.count(bed.chat.group_connections("team").next_page().await.map(drop));
        }),
        case!("redirect to another host", "send", 1, 1, Some("invalid_answer"), |bed, done| {
            let location = vec![("location", String::from("https://attacker.example/"))];
            bed.service.next(On::Data, vec![Reaction::Answer(307, location, String::new())]);
            bed.send(&mut done).await;
        }),
    ]
}
