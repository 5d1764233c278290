//! Paths, names and versions, as they are written in the request.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use http::{Method, StatusCode};
use serde_json::json;
use signalr_emulator::{Assumptions, Emulator, Operation, Received, Role};
use support::{Reply, ask, owner, token_with};

async fn emulator() -> Emulator {
    Emulator::start().await.unwrap()
}

fn news() -> Option<Received> {
    Some(Received::Message(json!({"type": 1, "target": "news", "arguments": ["hi"]})))
}

async fn send(emulator: &Emulator, path: &str) -> Reply {
    owner(emulator, Method::POST, path).json(json!({"target": "news", "arguments": ["hi"]})).send(emulator).await
}

#[tokio::test]
async fn dot_segments_fold_as_on_the_service() {
    let emulator = emulator().await;
    let mut anna = emulator.attach_client("chat", Some("anna"));
    for path in
        ["/api/hubs/chat/users/../:send", "/api/hubs/chat/users/%2E%2E/:send", "/api/hubs/chat/users/%2e./:send"]
    {
        assert_eq!(send(&emulator, path).await.status, 202, "{path}");
        let logged = emulator.log().last().unwrap();
        assert_eq!(logged.operation, Operation::Broadcast, "{path}");
        assert!(logged.target.starts_with(path), "{path}");
        assert_eq!(anna.try_next(), news(), "{path}");
    }
    assert_eq!(send(&emulator, "/api/hubs/chat/users/./:send").await.status, 404);
}

#[tokio::test]
async fn names_are_decoded_once() {
    let emulator = emulator().await;
    for (raw, user) in
        [("a%2Fb", "a/b"), ("%252E%252E", "%2E%2E"), ("%C3%BC%20%3F%23", "ü ?#"), ("%25", "%"), ("a+b", "a+b")]
    {
        let mut client = emulator.attach_client("chat", Some(user));
        let path = format!("/api/hubs/chat/users/{raw}/:send");
        assert_eq!(send(&emulator, &path).await.status, 202, "{raw}");
        assert_eq!(client.try_next(), news(), "{raw}");
    }
    assert_eq!(send(&emulator, "/api/hubs/chat/users/%FF/:send").await.status, 404);
}

#[tokio::test]
async fn dot_segments_can_be_names() {
    let mut assumptions = Assumptions::default();
    assumptions.fold_dot_segments = false;
    let emulator = Emulator::builder().assumptions(assumptions).start().await.unwrap();
    let mut dots = emulator.attach_client("chat", Some(".."));
    let mut anna = emulator.attach_client("chat", Some("anna"));
    send(&emulator, "/api/hubs/chat/users/%2E%2E/:send").await;
    assert_eq!((dots.try_next(), anna.try_next()), (news(), None));
}

#[tokio::test]
async fn versions_are_those_of_the_service() {
    let emulator = emulator().await;
    let token = token_with(&emulator, Role::ServiceOwner);
    let send = "/api/hubs/chat/:send";
    let generate = "/api/hubs/chat/:generateToken";
    let execute = "/api/hubs/chat/:execute";
    let list = "/api/hubs/chat/groups/a/connections";
    for (method, path, version, expected) in [
        (Method::POST, send, "?api-version=2022-06-01", 202),
        (Method::POST, send, "?api-version=2022-11-01", 202),
        (Method::POST, send, "?api-version=2023-07-01", 202),
        (Method::POST, send, "?api-version=2024-12-01", 202),
        (Method::POST, send, "?API-Version=2024-12-01", 202),
        (Method::POST, send, "?api-version=2021-01-01", 400),
        (Method::POST, send, "?api-version=", 400),
        (Method::POST, send, "", 400),
        (Method::POST, "/api/v1/hubs/chat/:send", "", 202),
        (Method::POST, generate, "?api-version=2022-06-01", 400),
        (Method::POST, generate, "?api-version=2022-11-01", 200),
        (Method::POST, execute, "?api-version=2022-11-01", 400),
        (Method::POST, execute, "?api-version=2023-07-01", 202),
        (Method::GET, list, "?api-version=2023-07-01", 400),
        (Method::GET, list, "?api-version=2024-12-01", 200),
        (Method::GET, "/api/auth/accessKey", "?api-version=2022-11-01", 400),
        (Method::GET, "/api/auth/accessKey", "?api-version=2023-07-01", 200),
        (Method::GET, "/api/v1/auth/accessKey", "", 200),
        (Method::POST, "/api/v1/hubs/chat/:generateToken", "", 404),
        (Method::POST, "/api/v1/hubs/chat/:execute", "", 404),
        (Method::GET, "/api/v1/hubs/chat/groups/a/connections", "", 404),
        (Method::POST, "/api/v1/hubs/chat/connections/a/:invoke", "", 404),
        (Method::POST, "/api/v1/hubs/chat/connections/a/streams/1/:send", "", 404),
    ] {
        let body = if path == execute { json!([]) } else { json!({"target": "news"}) };
        let reply = ask(&emulator, method, &format!("{path}{version}")).bearer(&token).json(body).send(&emulator).await;
        assert_eq!(reply.status, expected, "{path}{version}");
    }
}

#[tokio::test]
async fn hub_and_application_names_follow_the_pattern() {
    let emulator = emulator().await;
    for (path, expected) in [
        ("/api/hubs/chat_1/:send", 202),
        ("/api/hubs/1chat/:send", 400),
        ("/api/hubs/chat-room/:send", 400),
        ("/api/hubs/chat/:send?application=shop", 202),
        ("/api/hubs/chat/:send?application=shop-1", 400),
    ] {
        assert_eq!(send(&emulator, path).await.status, expected, "{path}");
    }
}

#[tokio::test]
async fn generating_and_executing_have_no_application() {
    let emulator = emulator().await;
    for (path, body, status) in [
        ("/api/hubs/chat/:execute?application=shop-1", json!([]), 202),
        ("/api/hubs/chat/:generateToken?application=shop-1", json!({}), 200),
    ] {
        assert_eq!(owner(&emulator, Method::POST, path).json(body).send(&emulator).await.status, status, "{path}");
        assert_eq!(emulator.log().last().unwrap().hub.as_deref(), Some("chat"), "{path}");
    }
}

#[tokio::test]
async fn health_needs_no_token() {
    let emulator = emulator().await;
    for target in ["/api/health", "/api/health?api-version=2024-12-01", "/api/v1/health"] {
        assert_eq!(ask(&emulator, Method::HEAD, target).send(&emulator).await.status, 200, "{target}");
    }
}

#[tokio::test]
async fn unknown_paths_and_methods_have_no_code() {
    let emulator = emulator().await;
    for (method, target) in [
        (Method::GET, "/"),
        (Method::GET, "/api/hubs/chat/:send"),
        (Method::POST, "/api/hubs/chat"),
        (Method::POST, "/api/hubs/chat/:Send"),
        (Method::POST, "/api/hubs/chat/users//:send"),
        (Method::PUT, "/api/hubs/chat/groups/a"),
        (Method::POST, "/API/hubs/chat/:send/x"),
    ] {
        let reply = owner(&emulator, method, target).send(&emulator).await;
        assert_eq!((reply.status, reply.error_code()), (StatusCode::NOT_FOUND, None), "{target}");
    }
}

#[tokio::test]
async fn plain_http_serves_the_data_plane_only_when_asked() {
    for (emulator, expected) in [
        (Emulator::builder().start().await.unwrap(), 404),
        (Emulator::builder().plain_http().start().await.unwrap(), 202),
    ] {
        let request = owner(&emulator, Method::POST, "/api/hubs/chat/:send").at(emulator.client_endpoint());
        assert_eq!(request.json(json!({"target": "news"})).send(&emulator).await.status, expected);
    }
}
