//! What an app gets as an upstream, and what its answers do.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use signalr_emulator::{Assumptions, Emulator, EmulatorEvent, StartError, UpstreamTemplate};
use support::app::{App, Seen, answer};
use support::hub_client::{HubClient, client_token, header};
use support::owner;

async fn emulator(app: &App) -> Emulator {
    Emulator::builder().upstream(&app.template()).start().await.unwrap()
}

/// Answers an invocation with its first argument.
fn echo(call: &Seen) -> Option<http::Response<http_body_util::Full<bytes::Bytes>>> {
    let body: Value = serde_json::from_slice(&call.body).unwrap();
    match body.get("invocationId") {
        Some(id) => {
            let completion = json!({"type": 3, "invocationId": id, "result": body["arguments"][0]});
            Some(answer(200, format!("{completion}\u{1e}")))
        }
        None => Some(answer(200, "")),
    }
}

#[tokio::test]
async fn events_come_in_order_with_all_headers() {
    let app = App::start(echo).await;
    let emulator = emulator(&app).await;
    let claims = json!({"asrs.s.uid": "änna", "role": ["a", "b"], "asrs.u.iss": "me"});
    let mut client = HubClient::connect(&emulator, "chat", &claims).await;
    client.send(r#"{"type":1,"invocationId":"7","target":"echo me","arguments":[{"a":1.0}]}"#).await;
    assert_eq!(client.next().await.unwrap(), json!({"type": 3, "invocationId": "7", "result": {"a": 1.0}}));
    client.send(r#"{"type":1,"target":"note","arguments":[]}"#).await;
    app.until(3).await;
    client.close().await;
    let seen = app.until(4).await;

    let targets: Vec<_> = seen.iter().map(|call| call.target.as_str()).collect();
    assert_eq!(
        targets,
        [
            "/upstream/chat/connections/connected",
            "/upstream/chat/messages/echo%20me",
            "/upstream/chat/messages/note",
            "/upstream/chat/connections/disconnected",
        ]
    );
    let bodies: Vec<_> = seen.iter().map(|call| String::from_utf8(call.body.to_vec()).unwrap()).collect();
    assert_eq!(
        bodies,
        [
            r#"{"type":10}"#,
            r#"{"type":1,"invocationId":"7","target":"echo me","arguments":[{"a":1.0}]}"#,
            r#"{"type":1,"target":"note","arguments":[]}"#,
            r#"{"Type":11}"#,
        ]
    );
    let id = header(&seen[0].headers, "x-asrs-connection-id").unwrap();
    for (call, (category, event)) in seen.iter().zip([
        ("connections", "connected"),
        ("messages", "echo me"),
        ("messages", "note"),
        ("connections", "disconnected"),
    ]) {
        let get = |name: &str| header(&call.headers, name);
        assert_eq!(get("content-type").unwrap(), "application/json");
        assert_eq!(get("x-asrs-hub").unwrap(), "chat");
        assert_eq!((get("x-asrs-category").unwrap(), get("x-asrs-event").unwrap()), (category.into(), event.into()));
        assert_eq!(get("x-asrs-connection-id").unwrap(), id);
        assert_eq!(get("x-asrs-user-id").unwrap(), "änna");
        let claims = get("x-asrs-user-claims").unwrap();
        assert!(claims.contains("role: a, role: b") && claims.contains("iss: me"), "{claims}");
        assert!(!claims.contains("asrs."), "{claims}");
        assert!(get("x-asrs-client-query").unwrap().starts_with("?hub=chat&id="));
        assert!(get("authorization").unwrap().starts_with("Bearer ey"));
        assert_eq!(get("x-asrs-signature").unwrap(), signature(&emulator, &id));
    }
    assert_eq!(seen[0].headers["authorization"], seen[3].headers["authorization"]);
}

/// The header as Microsoft's page on upstreams describes it.
fn signature(emulator: &Emulator, connection_id: &str) -> String {
    use aws_lc_rs::hmac;
    let item = |key: String| {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes()), connection_id.as_bytes());
        let digits: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        format!("sha256={digits}")
    };
    let keys = [emulator.keys().primary().unwrap(), emulator.keys().secondary().unwrap()];
    keys.map(item).join(",")
}

#[tokio::test]
async fn the_token_passes_the_middleware() {
    use signalr_upstream_auth::UpstreamAuthLayer;
    use tower::{Layer, ServiceExt, service_fn};
    let app = App::agreeing().await;
    let emulator = emulator(&app).await;
    let client = HubClient::connect(&emulator, "chat", &json!({})).await;
    let seen = app.until(1).await;
    client.close().await;

    let layer = UpstreamAuthLayer::new(emulator.entra().mock().policy()).unwrap();
    let inner = service_fn(|_: http::Request<()>| async { Ok::<_, std::convert::Infallible>(http::Response::new(())) });
    for (with_token, expected) in [(true, 200), (false, 401)] {
        let mut request = http::Request::new(());
        *request.headers_mut() = seen[0].headers.clone();
        if !with_token {
            request.headers_mut().remove("authorization");
        }
        let service = layer.clone().layer(inner);
        let response: http::Response<()> = service.oneshot(request).await.unwrap();
        assert_eq!(response.status(), expected);
    }
}

#[tokio::test]
async fn message_pack_passes_both_ways_byte_for_byte() {
    let completion = b"\x0a\x95\x03\x80\xa242\x03\xa2ok".to_vec();
    let app = App::start(move |call| {
        Some(answer(200, if call.target.contains("messages") { completion.clone() } else { Vec::new() }))
    })
    .await;
    let emulator = emulator(&app).await;
    let token = client_token(&emulator, "chat", &json!({}));
    let mut client = HubClient::open(&emulator, "/client/?hub=chat", Some(&token)).await.unwrap();
    client.send(r#"{"protocol":"messagepack","version":1}"#).await;
    client.next_frame().await.unwrap();
    client.send_binary(b"\x0f\x95\x01\x80\xa242\xa4echo\x91\xa2hi".to_vec()).await;
    assert_eq!(client.next_frame().await.unwrap(), b"\x0a\x95\x03\x80\xa242\x03\xa2ok");
    let seen = app.until(2).await;
    assert_eq!(header(&seen[1].headers, "content-type").unwrap(), "application/x-msgpack");
    assert_eq!(&seen[1].body[..], b"\x95\x01\x80\xa242\xa4echo\x91\xa2hi");
    assert_eq!(header(&seen[0].headers, "content-type").unwrap(), "application/json");
}

#[tokio::test]
async fn statuses_become_completions() {
    for (status, body, expected) in [
        (200, "", json!({"type": 3, "invocationId": "1"})),
        (204, "", json!({"type": 3, "invocationId": "1"})),
        (201, "", json!({"type": 3, "invocationId": "1", "error": "Invocation failed, status code 201"})),
        (307, "", json!({"type": 3, "invocationId": "1", "error": "Invocation failed, status code 307"})),
        (401, "secret", json!({"type": 3, "invocationId": "1", "error": "Invocation failed, status code 401"})),
        (404, "", json!({"type": 3, "invocationId": "1", "error": "Invocation failed, status code 404"})),
        (429, "", json!({"type": 3, "invocationId": "1", "error": "Invocation failed, status code 429"})),
    ] {
        let app = App::start(move |call| {
            let is_message = call.target.contains("/messages/");
            Some(if is_message { answer(status, body) } else { answer(200, "") })
        })
        .await;
        let emulator = emulator(&app).await;
        let mut client = HubClient::connect(&emulator, "chat", &json!({})).await;
        client.send(r#"{"type":1,"invocationId":"1","target":"a","arguments":[]}"#).await;
        assert_eq!(client.next().await.unwrap(), expected, "{status}");
        assert_eq!(app.seen().len(), 2, "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn failures_are_repeated_after_one_three_and_five_seconds() {
    for (first, expected) in [(Some(503), 4), (Some(408), 4), (Some(599), 4), (None, 4), (Some(400), 1)] {
        let app = App::start(move |call| {
            if call.target.contains("/connections/") {
                Some(answer(200, ""))
            } else {
                first.map(|status| answer(status, ""))
            }
        })
        .await;
        let emulator = emulator(&app).await;
        let mut client = HubClient::connect(&emulator, "chat", &json!({})).await;
        app.until(1).await;
        let start = tokio::time::Instant::now();
        client.send(r#"{"type":1,"invocationId":"1","target":"a","arguments":[]}"#).await;
        let completion = client.next().await.unwrap();
        let status = first.unwrap_or(500);
        assert_eq!(completion["error"], format!("Invocation failed, status code {status}"));
        assert!(start.elapsed() >= Duration::from_secs(if expected == 4 { 9 } else { 0 }));
        let messages: Vec<_> = app.seen().into_iter().filter(|call| call.target.contains("/messages/")).collect();
        assert_eq!(messages.len(), expected, "{first:?}");
        assert!(messages.windows(2).all(|pair| pair[0].body == pair[1].body && pair[0].headers == pair[1].headers));
    }
}

#[tokio::test]
async fn an_attempt_that_succeeds_ends_the_repetition() {
    let attempts = AtomicUsize::new(0);
    let app = App::start(move |call| {
        let later = call.target.contains("/connections/") || attempts.fetch_add(1, Ordering::SeqCst) > 0;
        Some(answer(if later { 200 } else { 503 }, ""))
    })
    .await;
    let mut assumptions = Assumptions::default();
    assumptions.upstream_retry_delays = vec![Duration::ZERO; 3];
    let builder = Emulator::builder().upstream(&app.template()).assumptions(assumptions);
    let emulator = builder.start().await.unwrap();
    let mut events = emulator.events();
    let mut client = HubClient::connect(&emulator, "chat", &json!({})).await;
    client.send(r#"{"type":1,"invocationId":"1","target":"a","arguments":[]}"#).await;
    assert_eq!(client.next().await.unwrap(), json!({"type": 3, "invocationId": "1"}));
    let call = loop {
        match events.recv().await.unwrap() {
            EmulatorEvent::UpstreamCall(call) if call.category == "messages" => break call,
            _ => (),
        }
    };
    assert_eq!(call.attempts, [Some(503), Some(200)]);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_time_cuts_off_has_no_answer() {
    // It accepts connections and answers none.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    let emulator = Emulator::builder().upstream(&url).start().await.unwrap();
    let mut events = emulator.events();
    emulator.attach_client("chat", None).send("a", &[]).await;
    let event = events.recv().await.unwrap();
    assert!(event.to_string().ends_with("-> no answer"), "{event}");
}

#[tokio::test]
async fn events_hide_the_values_of_an_upstreams_query() {
    let app = App::agreeing().await;
    let url = format!("{}/api?code=secret-key&e={{event}}", app.url);
    let emulator = Emulator::builder().upstream(&url).start().await.unwrap();
    let mut events = emulator.events();
    let client = emulator.attach_client("chat", None);
    // The second cannot be sent, so that its address is that of the settings.
    for target in ["a", "a\nb"] {
        client.send(target, &[]).await;
        let EmulatorEvent::UpstreamCall(call) = events.recv().await.unwrap() else { panic!() };
        assert_eq!(call.url, format!("{}/api?code=***&e=***", app.url), "{target}");
    }
    assert_eq!(app.seen()[0].target, "/api?code=secret-key&e=a");
}

#[tokio::test]
async fn the_first_template_that_matches_gets_the_event() {
    let app = App::agreeing().await;
    let url = |path: &str| format!("{}{path}", app.url);
    let emulator = Emulator::builder()
        .upstream_template(
            UpstreamTemplate::new(&url("/one?e={event}&h={hub}")).hub("chat").category("messages").event("a, b"),
        )
        .upstream_template(UpstreamTemplate::new(&url("/two")).category("messages"))
        .start()
        .await
        .unwrap();
    let mut client = HubClient::connect(&emulator, "chat", &json!({})).await;
    for target in ["b", "a/ü", "c"] {
        client.send(&json!({"type": 1, "target": target, "arguments": []}).to_string()).await;
    }
    let seen = app.until(3).await;
    let targets: Vec<_> = seen.iter().map(|call| call.target.as_str()).collect();
    assert_eq!(targets, ["/one?e=b&h=chat", "/two", "/two"]);
    assert_eq!(seen[0].headers.get("authorization"), None);
    assert_eq!(header(&seen[1].headers, "x-asrs-event").unwrap(), "a/ü");
    assert_eq!(seen[0].headers.get("x-asrs-user-id"), None);
}

#[tokio::test]
async fn no_signature_without_keys() {
    let app = App::agreeing().await;
    let emulator = Emulator::builder().upstream(&app.template()).start().await.unwrap();
    let token = client_token(&emulator, "chat", &json!({}));
    let opened = HubClient::open(&emulator, "/client/?hub=chat", Some(&token)).await.unwrap();
    emulator.keys().disable_local_auth();
    let mut client = opened;
    client.send(r#"{"protocol":"json","version":1}"#).await;
    let seen = app.until(1).await;
    assert_eq!(seen[0].headers.get("x-asrs-signature"), None);
}

#[tokio::test]
async fn a_client_that_sends_without_an_upstream_is_cut_off() {
    let emulator = Emulator::start().await.unwrap();
    let mut client = HubClient::connect(&emulator, "chat", &json!({})).await;
    client.send(r#"{"type":1,"target":"a","arguments":[]}"#).await;
    let close = client.next().await.unwrap();
    assert_eq!((&close["type"], close["error"].is_string()), (&json!(7), true));
}

#[tokio::test]
async fn a_rejected_connection_stays_unless_the_switch_says_otherwise() {
    for close in [false, true] {
        let app = App::start(|call| Some(answer(if call.target.contains("/connected") { 403 } else { 204 }, ""))).await;
        let mut assumptions = Assumptions::default();
        assumptions.close_when_connected_fails = close;
        let builder = Emulator::builder().upstream(&app.template()).assumptions(assumptions);
        let emulator = builder.start().await.unwrap();
        let mut client = HubClient::connect(&emulator, "chat", &json!({})).await;
        app.until(1).await;
        if close {
            assert_eq!(client.next().await.unwrap()["type"], 7);
            assert_eq!(app.until(2).await[1].target, "/upstream/chat/connections/disconnected");
        } else {
            client.send(r#"{"type":1,"invocationId":"1","target":"a","arguments":[]}"#).await;
            assert_eq!(client.next().await.unwrap(), json!({"type": 3, "invocationId": "1"}));
        }
    }
}

#[tokio::test]
async fn what_cannot_stand_in_a_header_or_an_address_fails_the_call_alone() {
    let app = App::agreeing().await;
    let emulator = emulator(&app).await;
    let mut client = HubClient::connect(&emulator, "chat", &json!({})).await;
    for target in ["a\nb", &"ü".repeat(40_000)] {
        client.send(&json!({"type": 1, "invocationId": "1", "target": target, "arguments": []}).to_string()).await;
        assert_eq!(client.next().await.unwrap()["error"], "Invocation failed, status code 500");
    }
    client.send(&json!({"type": 1, "invocationId": "2", "target": "a", "arguments": []}).to_string()).await;
    assert_eq!(client.next().await.unwrap(), json!({"type": 3, "invocationId": "2"}));
    assert_eq!(app.seen().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_client_whose_calls_wait_for_an_upstream_is_not_silent() {
    let app = App::start(|call| Some(answer(if call.target.contains("/messages/") { 503 } else { 200 }, ""))).await;
    let mut assumptions = Assumptions::default();
    assumptions.upstream_retry_delays = vec![Duration::from_secs(50)];
    let builder = Emulator::builder().upstream(&app.template()).assumptions(assumptions);
    let emulator = builder.start().await.unwrap();
    let mut client = HubClient::connect(&emulator, "chat", &json!({})).await;
    app.until(1).await;
    // One is called, 64 are in the queue, and one waits for its place there.
    for _ in 0..66 {
        client.send(r#"{"type":1,"target":"a","arguments":[]}"#).await;
    }
    app.until(4).await;
    // Whatever is in the socket is read now.
    client.send(r#"{"type":1,"invocationId":"1","target":"last","arguments":[]}"#).await;
    assert!(tokio::time::timeout(Duration::from_secs(20), client.next()).await.is_err());
}

#[tokio::test]
async fn completions_do_not_overtake_earlier_messages() {
    let app = App::start(echo).await;
    let mut assumptions = Assumptions::default();
    // It is also how long a client may take to read.
    assumptions.client_timeout = Duration::from_secs(3600);
    let emulator = Emulator::builder().upstream(&app.template()).assumptions(assumptions).start().await.unwrap();
    let mut client = HubClient::connect(&emulator, "chat", &json!({})).await;
    app.until(1).await;
    // More than the buffers of the connection hold, which nobody reads yet.
    let large = "x".repeat(900_000);
    for _ in 0..24 {
        let request = owner(&emulator, Method::POST, "/api/hubs/chat/:send");
        let request = request.json(json!({"target": "news", "arguments": [large]}));
        assert_eq!(request.send(&emulator).await.status, 202);
    }
    client.send(r#"{"type":1,"invocationId":"1","target":"echo","arguments":[1]}"#).await;
    let mut targets = Vec::new();
    while targets.len() < 25 {
        targets.push(client.next().await.unwrap()["target"].clone());
    }
    assert_eq!(targets.iter().position(Value::is_null), Some(24), "{targets:?}");
}

#[tokio::test(start_paused = true)]
async fn every_call_that_was_read_is_made_when_the_connection_breaks() {
    let app = App::start(|call| Some(answer(if call.target.contains("/messages/slow") { 503 } else { 200 }, ""))).await;
    let mut assumptions = Assumptions::default();
    assumptions.upstream_retry_delays = vec![Duration::from_secs(20)];
    let builder = Emulator::builder().upstream(&app.template()).assumptions(assumptions);
    let emulator = builder.start().await.unwrap();
    let mut client = HubClient::connect(&emulator, "chat", &json!({})).await;
    client.send(r#"{"type":1,"target":"slow","arguments":[]}"#).await;
    app.until(2).await;
    // 64 are in the queue, and one waits for its place there.
    for _ in 0..65 {
        client.send(r#"{"type":1,"target":"quick","arguments":[]}"#).await;
    }
    // Never idle, so the clock stands still while the emulator reads them.
    for _ in 0..200_000 {
        tokio::task::yield_now().await;
    }
    emulator.drop_clients();
    // `disconnected` is the last of all, so it would be here if a call were missing.
    let seen = app.until(1 + 2 + 65).await;
    assert!(seen[67].target.ends_with("/messages/quick"), "{}", seen[67].target);
}

#[tokio::test]
async fn streams_are_not_supported() {
    let app = App::agreeing().await;
    let emulator = emulator(&app).await;
    let mut client = HubClient::connect(&emulator, "chat", &json!({})).await;
    client.send(r#"{"type":4,"invocationId":"1","target":"s","arguments":[]}"#).await;
    let completion = client.next().await.unwrap();
    assert_eq!((&completion["type"], completion["error"].is_string()), (&json!(3), true));
}

#[tokio::test]
async fn a_disconnect_tells_why() {
    let app = App::agreeing().await;
    let emulator = emulator(&app).await;
    let _client = HubClient::connect(&emulator, "chat", &json!({})).await;
    app.until(1).await;
    emulator.drop_clients();
    let seen = app.until(2).await;
    let body: Value = serde_json::from_slice(&seen[1].body).unwrap();
    assert_eq!((&body["Type"], body["Error"].is_string()), (&json!(11), true));
}

#[tokio::test]
async fn bad_upstream_settings_are_errors_that_name_the_setting() {
    let error = Emulator::builder().upstream("/upstream").start().await.unwrap_err();
    assert!(matches!(&error, StartError::Setting { field: "upstream", .. }) && error.to_string().contains("/upstream"));
    let error = Emulator::builder().upstream_authority("x").start().await.unwrap_err();
    assert!(matches!(error, StartError::Setting { field: "upstream_authority", .. }), "{error}");
}

#[tokio::test]
async fn a_client_without_a_socket_calls_the_upstream() {
    let app = App::start(echo).await;
    let emulator = emulator(&app).await;
    let mut client = emulator.attach_client("chat", Some("anna"));
    assert!(client.announce().await);
    assert_eq!(client.invoke("echo", &[json!({"a": 1})]).await, Ok(json!({"a": 1})));
    client.send("note", &[]).await;
    client.disconnect().await;
    let events: Vec<_> = app.seen().iter().map(|call| header(&call.headers, "x-asrs-event").unwrap()).collect();
    assert_eq!(events, ["connected", "echo", "note", "disconnected"]);
    assert_eq!(header(&app.seen()[1].headers, "x-asrs-user-id").unwrap(), "anna");

    let failing = App::start(|_| Some(answer(200, "<html>"))).await;
    let emulator = self::emulator(&failing).await;
    let error = emulator.attach_client("chat", None).invoke("a", &[]).await.unwrap_err();
    assert!(error.contains("<html>"), "{error}");
}
