//! The handler of the documentation, as a browser meets it.

use axum::body::Body;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, Method, Request, StatusCode, header};
use axum::routing::post;
use axum::{Router, response::Response};
use http_body_util::BodyExt as _;
use signalr_serverless::{HubClient, NegotiateOptions, NegotiateResponse};
use tower::ServiceExt as _;
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::harness::Harness;
use crate::service::{On, Reaction};

/// What the app's own authentication says.
struct User(String);

impl<S: Sync> FromRequestParts<S> for User {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, StatusCode> {
        let name = parts.headers.get("x-test-user").ok_or(StatusCode::UNAUTHORIZED)?;
        Ok(Self(name.to_str().unwrap().to_owned()))
    }
}

async fn negotiate(State(chat): State<HubClient>, User(user): User) -> signalr_serverless::Result<NegotiateResponse> {
    chat.negotiate(NegotiateOptions::default().user_id(user)).await
}

fn app(chat: HubClient) -> Router {
    let cors = CorsLayer::new()
        .allow_origin(AllowOrigin::exact("https://app.example".parse().unwrap()))
        .allow_credentials(true)
        .allow_methods([Method::POST])
        .allow_headers([
            header::AUTHORIZATION,
            HeaderName::from_static("x-requested-with"),
            HeaderName::from_static("x-signalr-user-agent"),
        ]);
    Router::new().route("/chat/negotiate", post(negotiate)).layer(cors).with_state(chat)
}

async fn call(harness: &Harness, user: Option<&str>) -> (StatusCode, Response, String) {
    let mut request = Request::post("/chat/negotiate?negotiateVersion=1").header("origin", "https://app.example");
    if let Some(user) = user {
        request = request.header("x-test-user", user);
    }
    let response = app(harness.chat.clone()).oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
    (parts.status, Response::from_parts(parts, Body::empty()), text)
}

#[tokio::test(start_paused = true)]
async fn answers_json_that_no_cache_stores() {
    let harness = Harness::new();
    let (status, response, text) = call(&harness, Some("anna")).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(response.headers()["cache-control"], "no-store");
    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(response.headers()["access-control-allow-origin"], "https://app.example");
    assert_eq!(response.headers()["access-control-allow-credentials"], "true");
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let names: Vec<_> = json.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["accessToken", "url"]);
}

#[tokio::test(start_paused = true)]
async fn statuses_tell_whose_fault_it_is() {
    let harness = Harness::new();
    assert_eq!(call(&harness, None).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(call(&harness, Some("..")).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(call(&harness, Some(&"x".repeat(5000))).await.0, StatusCode::PAYLOAD_TOO_LARGE);

    let harness = Harness::new();
    harness.service.then(On::Key, Reaction::text(403, "hidden"));
    let (status, _, text) = call(&harness, Some("anna")).await;
    assert_eq!(status, StatusCode::BAD_GATEWAY);
    assert!(text.contains("SignalR App Server") && !text.contains("hidden"), "{text}");

    let harness = Harness::new();
    harness.service.then(On::Key, Reaction::retry_after(503, 17));
    let (status, response, _) = call(&harness, Some("anna")).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    let retry_after: u64 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((17..=30).contains(&retry_after), "{retry_after}");
}

#[tokio::test(start_paused = true)]
async fn browser_reads_errors_as_well() {
    let harness = Harness::new();
    let (status, response, _) = call(&harness, None).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert_eq!(response.headers()["access-control-allow-origin"], "https://app.example");
    assert_eq!(response.headers()["access-control-allow-credentials"], "true");
}

#[tokio::test(start_paused = true)]
async fn browser_may_ask_before_from_one_origin_only() {
    let harness = Harness::new();
    for origin in ["https://app.example", "https://app.example.evil.example", "http://app.example", "null"] {
        let request = Request::builder()
            .method(Method::OPTIONS)
            .uri("/chat/negotiate")
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "x-requested-with,x-signalr-user-agent")
            .body(Body::empty())
            .unwrap();
        let response = app(harness.chat.clone()).oneshot(request).await.unwrap();
        let header = |name| response.headers().get(name).map(|value| value.to_str().unwrap());
        // A browser compares it with its own origin.
        assert_eq!(header("access-control-allow-origin"), Some("https://app.example"), "{origin}");
        assert_eq!(header("access-control-allow-credentials"), Some("true"));
        assert_eq!(header("access-control-allow-methods"), Some("POST"));
        let allowed = header("access-control-allow-headers").unwrap();
        assert_eq!(allowed, "authorization,x-requested-with,x-signalr-user-agent");
    }
}

/// The first page shows the code that these tests run.
#[test]
fn first_page_shows_handler_and_cors_as_they_are_tested() {
    let (page, tested) = (include_str!("../../README.md"), include_str!("negotiate_handler.rs"));
    let normal = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let blocks: Vec<_> = page.split("```rust,ignore\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert_eq!(blocks.len(), 2);
    for block in blocks {
        assert!(normal(tested).contains(&normal(block)), "{block}");
    }
}
