//! Clients by raw WebSockets.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::{Value, json};
use signalr_emulator::{Assumptions, Emulator, EmulatorEvent, Fault, Operation, Received};
use support::hub_client::{HubClient, client_token, negotiate};
use support::{ask, owner, sign};

async fn send_to_all(emulator: &Emulator, arguments: Value) {
    let request = owner(emulator, Method::POST, "/api/hubs/chat/:send");
    let reply = request.json(json!({"target": "news", "arguments": arguments})).send(emulator).await;
    assert_eq!(reply.status, 202);
}

/// Waits until so many requests of clients have connected.
async fn connected(emulator: &Emulator, user: &str) {
    let path = format!("/api/hubs/chat/users/{user}");
    while owner(emulator, Method::HEAD, &path).send(emulator).await.status != 200 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_client_gets_what_is_sent() {
    let emulator = Emulator::start().await.unwrap();
    let mut client = HubClient::connect(&emulator, "chat", &json!({"nameid": "anna"})).await;
    connected(&emulator, "anna").await;
    send_to_all(&emulator, json!(["hi", {"a": 1.0}])).await;
    let message = client.next().await.unwrap();
    assert_eq!(message, json!({"type": 1, "target": "news", "arguments": ["hi", {"a": 1.0}]}));
    client.close().await;
    while owner(&emulator, Method::HEAD, "/api/hubs/chat/users/anna").send(&emulator).await.status != 404 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_message_pack_client_gets_what_is_sent_as_json() {
    let emulator = Emulator::start().await.unwrap();
    let token = client_token(&emulator, "chat", &json!({"asrs.s.uid": "anna"}));
    // As a browser without negotiation does it: the token in the query, no connection token.
    let mut client =
        HubClient::open(&emulator, &format!("/client/?hub=chat&access_token={token}"), None).await.unwrap();
    client.send(r#"{"protocol":"messagepack","version":1}"#).await;
    assert_eq!(client.next_frame().await.unwrap(), b"{}\x1e");
    connected(&emulator, "anna").await;
    send_to_all(&emulator, json!(["hi"])).await;
    assert_eq!(client.next_frame().await.unwrap(), b"\x0e\x96\x01\x80\xc0\xa4news\x91\xa2hi\x90");
    let logged = emulator.log().of(Operation::ClientConnect);
    assert_eq!(logged[0].target, "/client/?hub=chat&access_token=***");
}

#[tokio::test]
async fn ready_messages_go_to_the_clients_of_their_protocol() {
    let emulator = Emulator::start().await.unwrap();
    let mut json_client = HubClient::connect(&emulator, "chat", &json!({"nameid": "anna"})).await;
    connected(&emulator, "anna").await;
    let only_message_pack = b"\x81\xabmessagepack\xc4\x03\x02\x91\x06".to_vec();
    let both = [&b"\x82\xa4json\xc4\x10"[..], b"{\"type\":1,\"x\":1}", b"\xabmessagepack\xc4\x03\x02\x91\x06"].concat();
    for body in [only_message_pack, both] {
        let request = owner(&emulator, Method::POST, "/api/hubs/chat/:send").content("application/octet-stream", body);
        assert_eq!(request.send(&emulator).await.status, 202);
    }
    assert_eq!(json_client.next_frame().await.unwrap(), b"{\"type\":1,\"x\":1}");
}

#[tokio::test]
async fn attached_clients_pass_over_messages_of_another_protocol() {
    let emulator = Emulator::start().await.unwrap();
    let mut client = emulator.attach_client("chat", None);
    for _ in 0..2 {
        let only_message_pack = b"\x81\xabmessagepack\xc4\x03\x02\x91\x06".to_vec();
        let request = owner(&emulator, Method::POST, "/api/hubs/chat/:send");
        let reply = request.content("application/octet-stream", only_message_pack).send(&emulator).await;
        assert_eq!(reply.status, 202);
        send_to_all(&emulator, json!([])).await;
    }
    assert!(matches!(client.next().await, Some(Received::Message(_))));
    assert!(matches!(client.try_next(), Some(Received::Message(_))));
}

#[tokio::test]
async fn tokens_are_checked_at_negotiation_and_at_connection() {
    let emulator = Emulator::start().await.unwrap();
    let now = emulator.clock().unix_seconds();
    let key = emulator.keys().primary().unwrap();
    let audience = "https://127.0.0.1/client/?hub=chat";
    let long = client_token(&emulator, "chat", &json!({"pad": "x".repeat(4096)}));
    let cases = [
        ("good", client_token(&emulator, "chat", &json!({})), 200),
        (
            "secondary key",
            sign("", &emulator.keys().secondary().unwrap(), &json!({"aud": audience, "exp": now + 60})),
            200,
        ),
        ("other hub", client_token(&emulator, "other", &json!({})), 401),
        ("other key", sign("", "key", &json!({"aud": audience, "exp": now + 60})), 401),
        ("no expiry", sign("", &key, &json!({"aud": audience})), 401),
        ("expired", sign("", &key, &json!({"aud": audience, "exp": now})), 401),
        (
            "port in the audience",
            sign("", &key, &json!({"aud": format!("{}/client/?hub=chat", emulator.endpoint()), "exp": now + 60})),
            401,
        ),
        ("Entra token", support::token_with(&emulator, signalr_emulator::Role::ServiceOwner), 401),
        ("too long", long, 413),
        ("none", String::new(), 401),
    ];
    for (case, token, expected) in cases {
        for endpoint in [emulator.client_endpoint(), emulator.endpoint()] {
            let request = ask(&emulator, Method::POST, "/client/negotiate?hub=chat&negotiateVersion=1").at(endpoint);
            assert_eq!(request.bearer(&token).send(&emulator).await.status, expected, "{case}");
        }
        let opened = HubClient::open(&emulator, "/client/?hub=chat", Some(&token)).await.map(|_| ());
        let expected = if expected == 200 { Ok(()) } else { Err(StatusCode::from_u16(expected).unwrap()) };
        assert_eq!(opened, expected, "{case}");
    }
}

#[tokio::test]
async fn tokens_of_temporary_keys_and_of_the_service_are_accepted() {
    let emulator = Emulator::builder().disable_local_auth().start().await.unwrap();
    let body = owner(&emulator, Method::GET, "/api/auth/accessKey").send(&emulator).await.json();
    let (id, key) = (body["KeyId"].as_str().unwrap(), body["AccessKey"].as_str().unwrap());
    let claims = json!({"aud": "https://127.0.0.1/client/?hub=chat", "exp": emulator.clock().unix_seconds() + 36000});
    let own = sign(id, key, &claims);
    assert!(HubClient::open(&emulator, "/client/?hub=chat", Some(&own)).await.is_ok());
    let generated =
        owner(&emulator, Method::POST, "/api/hubs/chat/:generateToken?userId=anna").send(&emulator).await.json();
    let generated = generated["token"].as_str().unwrap().to_owned();
    assert!(HubClient::open(&emulator, "/client/?hub=chat", Some(&generated)).await.is_ok());
    emulator.clock().advance(Duration::from_secs(5400));
    assert!(HubClient::open(&emulator, "/client/?hub=chat", Some(&own)).await.is_err());
}

#[tokio::test]
async fn the_case_of_a_host_name_does_not_count() {
    let emulator = Emulator::builder().host_name("Contoso.Service.SignalR.net").start().await.unwrap();
    let own = json!({"aud": "https://contoso.service.signalr.net/client/?hub=chat"});
    let generated = owner(&emulator, Method::POST, "/api/hubs/chat/:generateToken").send(&emulator).await.json();
    for token in [client_token(&emulator, "chat", &own), generated["token"].as_str().unwrap().to_owned()] {
        assert!(HubClient::open(&emulator, "/client/?hub=chat", Some(&token)).await.is_ok());
    }
}

#[tokio::test]
async fn tokens_of_the_service_outlive_temporary_keys() {
    let emulator = Emulator::builder().disable_local_auth().start().await.unwrap();
    let path = "/api/hubs/chat/:generateToken?minutesToExpire=240";
    let token = owner(&emulator, Method::POST, path).send(&emulator).await.json()["token"].clone();
    assert!(emulator.keys().temporary_ids().is_empty());
    emulator.clock().advance(Duration::from_secs(3 * 3600));
    assert!(HubClient::open(&emulator, "/client/?hub=chat", token.as_str()).await.is_ok());
}

#[tokio::test]
async fn a_negotiated_connection_serves_once_and_for_its_hub() {
    let emulator = Emulator::start().await.unwrap();
    let token = client_token(&emulator, "chat", &json!({}));
    let body = negotiate(&emulator, "chat", &token).await;
    assert_ne!(body["connectionToken"], body["connectionId"]);
    assert_eq!(body["availableTransports"][0]["transport"], "WebSockets");
    let target = format!("/client/?hub=chat&id={}", body["connectionToken"].as_str().unwrap());
    assert!(HubClient::open(&emulator, &target, Some(&token)).await.is_ok());
    assert_eq!(HubClient::open(&emulator, &target, Some(&token)).await.err(), Some(StatusCode::NOT_FOUND));
    let old = ask(&emulator, Method::POST, "/client/negotiate?hub=chat").bearer(&token).send(&emulator).await.json();
    assert_eq!(old.get("connectionToken"), None);
    for target in ["/client/negotiate", "/client/negotiate?hub=chat&hub=chat", "/client/negotiate?hub=1"] {
        assert_eq!(ask(&emulator, Method::POST, target).bearer(&token).send(&emulator).await.status, 400, "{target}");
    }
    let plain = ask(&emulator, Method::GET, "/client/?hub=chat").bearer(&token).send(&emulator).await;
    assert_eq!(plain.status, 400);
}

#[tokio::test(start_paused = true)]
async fn a_negotiated_connection_must_come_within_its_window() {
    let emulator = Emulator::start().await.unwrap();
    let token = client_token(&emulator, "chat", &json!({}));
    let body = negotiate(&emulator, "chat", &token).await;
    tokio::time::advance(Duration::from_secs(6)).await;
    let target = format!("/client/?hub=chat&id={}", body["connectionToken"].as_str().unwrap());
    assert_eq!(HubClient::open(&emulator, &target, Some(&token)).await.err(), Some(StatusCode::NOT_FOUND));
}

#[tokio::test]
async fn handshake_errors_are_told_and_end_the_connection() {
    let emulator = Emulator::start().await.unwrap();
    let token = client_token(&emulator, "chat", &json!({}));
    for message in [r#"{"protocol":"xml","version":1}"#, r#"{"protocol":"json","version":9}"#, "hello"] {
        let mut client = HubClient::open(&emulator, "/client/?hub=chat", Some(&token)).await.unwrap();
        client.send(message).await;
        assert!(client.next().await.unwrap()["error"].is_string(), "{message}");
        assert_eq!(client.next().await, None, "{message}");
    }
}

#[tokio::test]
async fn messages_that_follow_no_protocol_end_the_connection() {
    let emulator = Emulator::start().await.unwrap();
    for message in ["hello", "{}", r#"{"type":1}"#] {
        let mut client = HubClient::connect(&emulator, "chat", &json!({})).await;
        client.send(message).await;
        let close = client.next().await.unwrap();
        assert_eq!((&close["type"], close["error"].is_string()), (&json!(7), true), "{message}");
        assert_eq!(client.next().await, None, "{message}");
    }
}

#[tokio::test]
async fn a_clients_close_is_answered() {
    let emulator = Emulator::start().await.unwrap();
    assert!(HubClient::connect(&emulator, "chat", &json!({})).await.close_is_answered().await);
    let mut client = HubClient::connect(&emulator, "chat", &json!({})).await;
    client.send(r#"{"type":7}"#).await;
    assert!(client.ends_with_close().await);
    let token = client_token(&emulator, "chat", &json!({}));
    let before_handshake = HubClient::open(&emulator, "/client/?hub=chat", Some(&token)).await.unwrap();
    assert!(before_handshake.close_is_answered().await);
}

#[tokio::test]
async fn closing_from_outside_says_why() {
    let emulator = Emulator::start().await.unwrap();
    let mut client = HubClient::connect(&emulator, "chat", &json!({"nameid": "anna"})).await;
    connected(&emulator, "anna").await;
    let path = "/api/hubs/chat/users/anna/:closeConnections?reason=bye";
    assert_eq!(owner(&emulator, Method::POST, path).send(&emulator).await.status, 204);
    assert_eq!(client.next().await, Some(json!({"type": 7, "error": "bye"})));
    assert_eq!(client.next().await, None);
}

#[tokio::test]
async fn an_expired_authentication_ends_the_connection_if_it_was_asked_for() {
    let emulator = Emulator::start().await.unwrap();
    let end = emulator.clock().unix_seconds() + 600;
    let claims = json!({"nameid": "anna", "asrs.s.coae": "true", "asrs.s.aeo": end.to_string()});
    let mut closing = HubClient::connect(&emulator, "chat", &claims).await;
    let mut staying = HubClient::connect(&emulator, "chat", &json!({"nameid": "bob"})).await;
    connected(&emulator, "anna").await;
    connected(&emulator, "bob").await;
    emulator.clock().advance(Duration::from_secs(7200));
    assert_eq!(closing.next().await, Some(json!({"type": 7, "allowReconnect": true})));
    send_to_all(&emulator, json!([])).await;
    assert_eq!(staying.next().await.unwrap()["target"], "news");
}

#[tokio::test(start_paused = true)]
async fn a_silent_client_is_closed_and_gets_pings_before() {
    let emulator = Emulator::start().await.unwrap();
    let mut client = HubClient::connect(&emulator, "chat", &json!({})).await;
    assert_eq!(client.next_frame().await.unwrap(), b"{\"type\":6}\x1e");
    let close = client.next().await.unwrap();
    assert_eq!((&close["type"], &close["allowReconnect"]), (&json!(7), &json!(true)));
}

#[tokio::test(start_paused = true)]
async fn messages_for_another_protocol_do_not_delay_pings() {
    let emulator = Emulator::start().await.unwrap();
    let mut client = HubClient::connect(&emulator, "chat", &json!({"nameid": "anna"})).await;
    connected(&emulator, "anna").await;
    let start = tokio::time::Instant::now();
    let sending = async {
        loop {
            tokio::time::sleep(Duration::from_secs(10)).await;
            let only_message_pack = b"\x81\xabmessagepack\xc4\x03\x02\x91\x06".to_vec();
            let request = owner(&emulator, Method::POST, "/api/hubs/chat/:send");
            let request = request.content("application/octet-stream", only_message_pack);
            assert_eq!(request.send(&emulator).await.status, 202);
        }
    };
    let ping = tokio::select! {
        frame = client.next_frame() => frame.unwrap(),
        () = sending => unreachable!(),
    };
    assert_eq!(ping, b"{\"type\":6}\x1e");
    assert!(start.elapsed() < Duration::from_secs(16), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn times_without_an_end_are_no_error() {
    let mut assumptions = Assumptions::default();
    for time in [&mut assumptions.connect_window, &mut assumptions.keep_alive, &mut assumptions.client_timeout] {
        *time = Duration::MAX;
    }
    let emulator = Emulator::builder().assumptions(assumptions).start().await.unwrap();
    let mut client = HubClient::connect(&emulator, "chat", &json!({})).await;
    assert!(tokio::time::timeout(Duration::from_secs(3600), client.next_frame()).await.is_err());
}

#[tokio::test]
async fn dropped_clients_get_no_close_message() {
    let emulator = Emulator::start().await.unwrap();
    let mut events = emulator.events();
    let mut client = HubClient::connect(&emulator, "chat", &json!({"nameid": "anna"})).await;
    connected(&emulator, "anna").await;
    emulator.drop_clients();
    assert_eq!(client.next().await, None);
    let error = loop {
        if let EmulatorEvent::ClientDisconnected { error, .. } = events.recv().await.unwrap() {
            break error;
        }
    };
    assert!(error.is_some());
}

#[tokio::test]
async fn events_hold_neither_bodies_nor_ids() {
    let emulator = Emulator::start().await.unwrap();
    let mut events = emulator.events();
    let _clients = [emulator.attach_client("chat", None), emulator.attach_client("chat", None)];
    let path = format!("/api/hubs/chat/:send?x={}", "x".repeat(10_000));
    let request = owner(&emulator, Method::POST, &path).json(json!({"target": "news", "arguments": []}));
    assert_eq!(request.send(&emulator).await.status, 202);
    let logged = emulator.log().last().unwrap();
    assert_eq!((logged.delivered_to.len(), logged.body.is_empty()), (2, false));
    let event = events.recv().await.unwrap();
    assert!(event.to_string().contains(", reached 2"), "{event}");
    let EmulatorEvent::Request(request) = event else { panic!("{event:?}") };
    assert!(request.body.is_empty() && request.delivered_to.is_empty() && request.target.len() < 2000);
}

#[tokio::test]
async fn events_cut_long_names_of_methods() {
    let emulator = Emulator::builder().upstream("http://127.0.0.1:1/{event}").start().await.unwrap();
    let mut events = emulator.events();
    emulator.attach_client("chat", None).send(&"x".repeat(1_000_000), &[]).await;
    let EmulatorEvent::UpstreamCall(call) = events.recv().await.unwrap() else { panic!() };
    assert!(call.event.len() < 2000);
}

#[tokio::test]
async fn clients_without_handshake_are_dropped_too() {
    let emulator = Emulator::start().await.unwrap();
    let token = client_token(&emulator, "chat", &json!({}));
    let mut client = HubClient::open(&emulator, "/client/?hub=chat", Some(&token)).await.unwrap();
    emulator.drop_clients();
    assert_eq!(client.next_frame().await, None);
}

#[tokio::test]
async fn clients_that_do_not_read_are_dropped_too() {
    let mut assumptions = Assumptions::default();
    // It is also how long a client may take to read.
    assumptions.client_timeout = Duration::from_secs(3600);
    let emulator = Emulator::builder().assumptions(assumptions).start().await.unwrap();
    let mut events = emulator.events();
    let _client = HubClient::connect(&emulator, "chat", &json!({"nameid": "anna"})).await;
    connected(&emulator, "anna").await;
    // More than the buffers of the connection hold.
    let large = "x".repeat(900_000);
    for _ in 0..24 {
        send_to_all(&emulator, json!([large])).await;
    }
    emulator.drop_clients();
    let left = async { while !matches!(events.recv().await.unwrap(), EmulatorEvent::ClientDisconnected { .. }) {} };
    tokio::time::timeout(Duration::from_secs(10), left).await.unwrap();
}

#[tokio::test]
async fn attached_clients_with_a_full_queue_are_dropped_too() {
    let emulator = Emulator::start().await.unwrap();
    let mut client = emulator.attach_client("chat", None);
    let commands = vec![json!({"type": "SendMessage", "target": "news"}); 4096];
    let request = owner(&emulator, Method::POST, "/api/hubs/chat/:execute").json(commands.into());
    assert_eq!(request.send(&emulator).await.status, 202);
    emulator.drop_clients();
    for _ in 0..4096 {
        assert!(client.next().await.is_some());
    }
    assert_eq!(tokio::time::timeout(Duration::from_secs(10), client.next()).await, Ok(None));
}

#[tokio::test]
async fn clients_answer_invocations() {
    let emulator = Emulator::start().await.unwrap();
    let mut client = HubClient::connect(&emulator, "chat", &json!({"nameid": "anna"})).await;
    connected(&emulator, "anna").await;
    let join = "/api/hubs/chat/users/anna/groups/all";
    assert_eq!(owner(&emulator, Method::PUT, join).send(&emulator).await.status, 200);
    let list = owner(&emulator, Method::GET, "/api/hubs/chat/groups/all/connections").send(&emulator).await.json();
    let path = format!("/api/hubs/chat/connections/{}/:invoke", list["value"][0]["connectionId"].as_str().unwrap());
    let invoking = owner(&emulator, Method::POST, &path).json(json!({"target": "ask", "arguments": []}));
    let answering = async {
        let invocation = client.next().await.unwrap();
        let completion = json!({"type": 3, "invocationId": invocation["invocationId"], "result": [1, "ü"]});
        client.send(&completion.to_string()).await;
    };
    let (reply, ()) = tokio::join!(invoking.send(&emulator), answering);
    assert_eq!(reply.json(), json!({"result": [1, "ü"]}));
}

#[tokio::test]
async fn browsers_of_other_origins_may_connect() {
    let emulator = Emulator::start().await.unwrap();
    let preflight = ask(&emulator, Method::OPTIONS, "/client/negotiate?hub=chat&negotiateVersion=1")
        .at(emulator.client_endpoint())
        .header("origin", "https://app.test")
        .header("access-control-request-headers", "authorization,x-requested-with,x-signalr-user-agent");
    let preflight = preflight.send(&emulator).await;
    assert_eq!(
        (preflight.status, &preflight.headers["access-control-allow-origin"]),
        (StatusCode::NO_CONTENT, &"https://app.test".parse().unwrap())
    );
    assert!(preflight.headers["access-control-allow-headers"].to_str().unwrap().contains("x-signalr-user-agent"));
    for token in [client_token(&emulator, "chat", &json!({})), String::new()] {
        let request = ask(&emulator, Method::POST, "/client/negotiate?hub=chat").bearer(&token);
        let reply = request.header("origin", "https://app.test").send(&emulator).await;
        assert_eq!(reply.headers["access-control-allow-origin"], "https://app.test");
        assert_eq!(reply.headers["access-control-allow-credentials"], "true");
    }
    let strict = Emulator::builder().allowed_origins(["https://app.test"]).start().await.unwrap();
    let request = ask(&strict, Method::POST, "/client/negotiate?hub=chat").header("origin", "https://evil.test");
    assert_eq!(request.send(&strict).await.headers.get("access-control-allow-origin"), None);
}

#[tokio::test]
async fn clients_meet_faults() {
    let emulator = Emulator::start().await.unwrap();
    let token = client_token(&emulator, "chat", &json!({}));
    emulator.faults().next(Operation::ClientNegotiate, Fault::status(503));
    emulator.faults().next(Operation::ClientConnect, Fault::status(404));
    let negotiation = ask(&emulator, Method::POST, "/client/negotiate?hub=chat").bearer(&token);
    assert_eq!(negotiation.send(&emulator).await.status, 503);
    let opened = HubClient::open(&emulator, "/client/?hub=chat", Some(&token)).await;
    assert_eq!(opened.err(), Some(StatusCode::NOT_FOUND));
    assert!(HubClient::open(&emulator, "/client/?hub=chat", Some(&token)).await.is_ok());
}

#[tokio::test]
async fn a_dropped_emulator_ends_its_clients() {
    let emulator = Emulator::start().await.unwrap();
    let mut client = HubClient::connect(&emulator, "chat", &json!({})).await;
    drop(emulator);
    assert_eq!(client.next().await, None);
}
