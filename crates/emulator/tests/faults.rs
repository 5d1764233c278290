//! What each fault looks like to a client, and whether the request took effect.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::json;
use signalr_emulator::{Emulator, Fault, FaultTarget, Operation};
use support::{Ask, owner};

fn request(emulator: &Emulator) -> Ask {
    owner(emulator, Method::POST, "/api/hubs/chat/:send").json(json!({"target": "news", "arguments": ["hi"]}))
}

fn key_request(emulator: &Emulator) -> Ask {
    owner(emulator, Method::GET, "/api/auth/accessKey")
}

#[tokio::test]
async fn statuses_come_with_headers_and_without_effect() {
    let emulator = Emulator::start().await.unwrap();
    let mut client = emulator.attach_client("chat", None);
    let faults = [
        Fault::status(429).header("Retry-After", "7"),
        Fault::redirect(307, "https://other.test/").header("x-extra", "1"),
        Fault::answer(503, "text/html", "<p>busy</p>"),
        Fault::status(500).after_processing(),
        Fault::none(),
    ];
    emulator.faults().script(Operation::Broadcast, faults);
    for (status, header, body, effect) in [
        (429, Some(("retry-after", "7")), "", false),
        (307, Some(("location", "https://other.test/")), "", false),
        (503, Some(("content-type", "text/html")), "<p>busy</p>", false),
        (500, None, "", true),
        (202, None, "", true),
    ] {
        let reply = request(&emulator).send(&emulator).await;
        assert_eq!((reply.status.as_u16(), &reply.body[..]), (status, body.as_bytes()));
        if let Some((name, value)) = header {
            assert_eq!(reply.headers[name], value);
        }
        assert_eq!(
            (client.try_next().is_some(), emulator.log().last().unwrap().processed),
            (effect, effect),
            "{status}"
        );
    }
}

#[tokio::test]
async fn resets_end_the_connection_before_or_after_the_effect() {
    let emulator = Emulator::start().await.unwrap();
    let mut client = emulator.attach_client("chat", None);
    for (case, fault, effect) in [
        ("before", Fault::reset_before(), false),
        ("while reading", Fault::reset_while_reading(3), false),
        ("after", Fault::reset_after(), true),
    ] {
        emulator.faults().next(Operation::Broadcast, fault);
        assert!(request(&emulator).try_send(&emulator).await.is_err(), "{case}");
        let logged = emulator.log().last().unwrap();
        assert_eq!((logged.status, logged.processed), (None, effect), "{case}");
        assert_eq!(client.try_next().is_some(), effect, "{case}");
    }
}

#[tokio::test]
async fn answers_break_off() {
    let emulator = Emulator::start().await.unwrap();
    for (case, fault) in [
        ("truncated", Fault::truncated(5)),
        ("truncated at once", Fault::truncated(0)),
        ("longer than the body", Fault::truncated(100_000)),
        ("reset", Fault::reset_in_answer(5)),
    ] {
        emulator.faults().next(Operation::AccessKey, fault);
        assert!(key_request(&emulator).try_send(&emulator).await.is_err(), "{case}");
        assert!(emulator.log().last().unwrap().processed, "{case}");
    }
    assert_eq!(emulator.keys().temporary_ids().len(), 4);
}

#[tokio::test]
async fn huge_answers_hold_the_usual_one() {
    let emulator = Emulator::start().await.unwrap();
    emulator.faults().next(Operation::AccessKey, Fault::oversize(3_000_000));
    let reply = key_request(&emulator).send(&emulator).await;
    assert!(reply.body.len() > 3_000_000 && reply.json()["KeyId"].is_string());
}

#[tokio::test]
async fn hanging_and_endless_answers_do_not_end() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    let emulator = Emulator::builder().plain_http().start().await.unwrap();
    let address = emulator.client_endpoint().strip_prefix("http://").unwrap();
    let token = support::token_with(&emulator, signalr_emulator::Role::ServiceOwner);
    let head = format!("GET /api/v1/auth/accessKey HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n");

    emulator.faults().next(Operation::AccessKey, Fault::endless());
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut bytes = vec![0; 2_000_000];
    stream.read_exact(&mut bytes).await.unwrap();
    assert!(bytes.starts_with(b"HTTP/1.1 200 OK\r\n"));

    for (fault, expected, processed) in [
        (Fault::hang(), &b""[..], false),
        (Fault::hang().after_processing(), b"", true),
        (Fault::hang_in_answer(4), b"{\"Ac", true),
    ] {
        emulator.faults().next(Operation::AccessKey, fault);
        let seen = emulator.log().count(Operation::AccessKey);
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        emulator.log().until(Operation::AccessKey, seen + 1).await;
        assert_eq!(emulator.log().last().unwrap().processed, processed);
        if !expected.is_empty() {
            let mut read = Vec::new();
            while !read.ends_with(expected) {
                assert!(stream.read_buf(&mut read).await.unwrap() > 0);
            }
        }
        // A client that gives up must not disturb the emulator.
        drop(stream);
    }
    assert_eq!(key_request(&emulator).send(&emulator).await.status, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn a_delay_passes_in_tokios_time() {
    let emulator = Emulator::start().await.unwrap();
    emulator.faults().next(Operation::Health, Fault::delay(Duration::from_secs(3600)));
    let start = tokio::time::Instant::now();
    assert_eq!(owner(&emulator, Method::HEAD, "/api/health").send(&emulator).await.status, 200);
    assert!(start.elapsed() >= Duration::from_secs(3600));
}

#[tokio::test]
async fn connections_can_be_reset_at_once() {
    use tokio::io::AsyncReadExt;
    let emulator = Emulator::start().await.unwrap();
    let address = emulator.endpoint().strip_prefix("https://").unwrap();
    emulator.faults().reset_connections(true);
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    assert!(!matches!(stream.read(&mut [0]).await, Ok(1)));
    assert_eq!(emulator.log().entries().len(), 0);
    emulator.faults().clear();
    assert_eq!(request(&emulator).send(&emulator).await.status, 202);
}

#[tokio::test]
async fn a_standing_fault_of_all_operations_leaves_entra_alone() {
    let emulator = Emulator::start().await.unwrap();
    emulator.faults().stand(FaultTarget::DataPlane, Fault::status(502));
    for _ in 0..3 {
        assert_eq!(request(&emulator).send(&emulator).await.status, 502);
        assert_eq!(key_request(&emulator).send(&emulator).await.status, 502);
    }
    let document = format!("/{}/discovery/keys", emulator.entra().mock().tenant());
    let document = owner(&emulator, Method::GET, &document).at(emulator.entra().authority_url());
    assert_eq!(document.send(&emulator).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_request_takes_effect_although_its_client_gave_up() {
    let emulator = Emulator::start().await.unwrap();
    let mut client = emulator.attach_client("chat", None);
    emulator.faults().next(Operation::Broadcast, Fault::delay(Duration::from_secs(60)));
    let request = request(&emulator).try_send(&emulator);
    assert!(tokio::time::timeout(Duration::from_secs(1), request).await.is_err());
    assert!(client.next().await.is_some());
    emulator.log().until(Operation::Broadcast, 1).await;
    assert!(emulator.log().last().unwrap().processed);
}
