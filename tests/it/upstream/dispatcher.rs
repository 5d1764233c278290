//! Calls through axum and hyper: which handler runs, and what it answers.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::routing::post;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use signalr_upstream_auth::upstream::{
    Arguments, ArgumentsRejection, Completion, Context, Disconnected, Dispatcher, Error, HandlerError, Invocation,
    Payload, Protocol, Reply,
};
use tower::ServiceExt;

use super::support::{Broken, ID, PROTOCOLS, answer, call, decode, message, unprotected};

type Log = Arc<Mutex<Vec<String>>>;

fn logging() -> (Log, Dispatcher<Log>) {
    let log = Log::default();
    let note = |what: &'static str| {
        async move |State(log): State<Log>, context: Context| {
            let event = context.event();
            let (hub, id) = (context.hub(), context.connection_id());
            log.lock().unwrap().push(format!("{what}: {hub} {} {} {id}", event.category(), event.name()));
        }
    };
    let on_disconnected = async |State(log): State<Log>, body: Disconnected| {
        log.lock().unwrap().push(format!("disconnected: {:?}", body.error()));
    };
    let dispatcher = Dispatcher::from_state(log.clone())
        .dangerous_without_layer()
        .connected("chat", note("connected"))
        .disconnected("chat", on_disconnected)
        .message("chat", "echo", note("this hub, this method"))
        .message("chat", "*", note("this hub, any method"))
        .message("*", "echo", note("any hub, this method"))
        .message("*", "*", note("any hub, any method"));
    (log, dispatcher)
}

#[tokio::test]
async fn calls_the_most_specific_handler_once_in_any_case() {
    let (log, dispatcher) = logging();
    for (category, event, hub, body, expected) in [
        ("connections", "connected", "chat", r#"{"type":10}"#, format!("connected: chat connections connected {ID}")),
        ("CONNECTIONS", "CONNECTED", "CHAT", "", format!("connected: CHAT connections connected {ID}")),
        ("connections", "disconnected", "chat", r#"{"Type":11,"Error":"err"}"#, r#"disconnected: Some("err")"#.into()),
        ("connections", "disconnected", "chat", r#"{"Type":11}"#, "disconnected: None".into()),
        (
            "messages",
            "ECHO",
            "Chat",
            r#"{"type":1,"target":"echo","arguments":[]}"#,
            format!("this hub, this method: Chat messages ECHO {ID}"),
        ),
        (
            "messages",
            "other",
            "chat",
            r#"{"type":1,"target":"other","arguments":[]}"#,
            format!("this hub, any method: chat messages other {ID}"),
        ),
        (
            "messages",
            "echo",
            "game",
            r#"{"type":1,"target":"echo","arguments":[]}"#,
            format!("any hub, this method: game messages echo {ID}"),
        ),
        (
            "messages",
            "*",
            "*",
            r#"{"type":1,"target":"*","arguments":[]}"#,
            format!("any hub, any method: * messages * {ID}"),
        ),
    ] {
        let mut request = call(category, event, body);
        request.headers_mut().insert("x-asrs-hub", HeaderValue::from_static(hub));
        assert_eq!(answer(&dispatcher, request).await, (200, Bytes::new()), "{expected}");
        assert_eq!(std::mem::take(&mut *log.lock().unwrap()), [expected]);
    }
}

/// Nobody reads the body of a call that is rejected for its content type.
#[tokio::test]
async fn content_type_decides_before_the_length_of_the_body() {
    let (_, dispatcher) = logging();
    let connected = |content_type: &'static str| {
        let mut request = call("connections", "connected", "x".repeat(65));
        request.headers_mut().insert("content-type", HeaderValue::from_static(content_type));
        request
    };
    for (content_type, status) in [("application/x-msgpack", 415), ("text/plain", 415), ("application/json", 413)] {
        let dispatcher = dispatcher.clone().body_limit(64);
        assert_eq!(answer(&dispatcher, connected(content_type)).await.0, status, "{content_type}");
        let extractor = async |_: Payload| ();
        let app = Router::new().fallback(post(extractor)).layer(axum::extract::DefaultBodyLimit::max(64));
        let (head, body) = connected(content_type).into_parts();
        let answer = app.oneshot(Request::from_parts(head, Body::new(body))).await.unwrap();
        assert_eq!(answer.status(), status, "{content_type}");
    }
}

#[tokio::test]
async fn rejects_unservable_calls_without_calling_a_handler() {
    let (log, dispatcher) = logging();
    let dispatcher = dispatcher.body_limit(64);
    let valid = || call("messages", "echo", r#"{"type":1,"target":"echo","arguments":[]}"#);
    let but = |change: fn(&mut Request<Full<Bytes>>)| {
        let mut request = valid();
        change(&mut request);
        request
    };
    let header = |name: &'static str, value: &'static [u8]| {
        let mut request = valid();
        request.headers_mut().insert(name, HeaderValue::from_bytes(value).unwrap());
        request
    };
    let without = |name: &str| {
        let mut request = valid();
        request.headers_mut().remove(name);
        request
    };
    for (expected, reason, request) in [
        (405, "with POST only", but(|request| *request.method_mut() = http::Method::GET)),
        (400, "missing: x-asrs-hub", without("x-asrs-hub")),
        (400, "missing: x-asrs-connection-id", without("x-asrs-connection-id")),
        (400, "UTF-8: x-asrs-hub", header("x-asrs-hub", b"")),
        (400, "UTF-8: x-asrs-category", header("x-asrs-category", b"")),
        (400, "UTF-8: x-asrs-event", header("x-asrs-event", b"")),
        (400, "UTF-8: x-asrs-user-id", header("x-asrs-user-id", b"\xff")),
        (404, "not known: x-asrs-category", header("x-asrs-category", b"other")),
        (404, "not known: x-asrs-event", call("connections", "other", "")),
        (415, "content type", header("content-type", b"text/html")),
        (415, "content type", without("content-type")),
        (400, "another event", header("x-asrs-event", b"broadcast")),
        (413, "too large", call("messages", "echo", " ".repeat(65))),
        (400, "malformed", call("messages", "echo", "{}")),
        (400, "malformed", call("messages", "echo", r#"{"type":1,"target":"echo","arguments":[}"#)),
        (400, "malformed", call("connections", "disconnected", "[]")),
    ] {
        let (status, text) = answer(&dispatcher, request).await;
        let text = String::from_utf8_lossy(&text);
        assert_eq!(status, expected, "{reason}: {text}");
        assert!(text.contains(reason), "{text}");
    }
    let mut elsewhere = call("connections", "connected", "");
    elsewhere.headers_mut().insert("x-asrs-hub", HeaderValue::from_static("game"));
    assert_eq!(answer(&dispatcher, elsewhere).await.0, 404, "connected is registered for one hub");
    assert_eq!(answer(&unprotected(), valid()).await.0, 404);
    assert_eq!(*log.lock().unwrap(), [""; 0]);
}

#[test]
#[should_panic(expected = "two handlers")]
fn panics_on_a_second_handler_for_one_event() {
    let _ = unprotected().message("chat", "echo", async || ()).message("Chat", "Echo", async || ());
}

#[tokio::test]
async fn handlers_get_secret_headers_marked_as_sensitive() {
    let sensitive = async |headers: HeaderMap| Reply(headers["x-asrs-client-query"].is_sensitive());
    let dispatcher = unprotected().message("chat", "t", sensitive);
    let mut request = message(Protocol::Json, Some("1"), "t", json!([]));
    request.headers_mut().insert("x-asrs-client-query", HeaderValue::from_static("?access_token=hush"));
    assert_eq!(decode(Protocol::Json, &answer(&dispatcher, request).await.1)["result"], true);
}

/// An extractor of another crate, whose rejection has a success status.
struct RejectsWithSuccess;

impl<S: Sync> axum::extract::FromRequestParts<S> for RejectsWithSuccess {
    type Rejection = &'static str;

    async fn from_request_parts(_: &mut http::request::Parts, _: &S) -> Result<Self, &'static str> {
        Err("<h1>not a completion</h1>")
    }
}

struct RejectsWithForbidden;

impl<S: Sync> axum::extract::FromRequestParts<S> for RejectsWithForbidden {
    type Rejection = StatusCode;

    async fn from_request_parts(_: &mut http::request::Parts, _: &S) -> Result<Self, StatusCode> {
        Err(StatusCode::FORBIDDEN)
    }
}

#[tokio::test]
async fn answers_messages_in_the_client_protocol() {
    async fn join(Arguments((a, b)): Arguments<(String, String)>) -> Reply<String> {
        Reply(a + &b)
    }
    async fn fail(invocation: Invocation) -> Result<(), HandlerError> {
        let (text,): (&str,) = invocation.arguments()?;
        if text == "told" {
            return Err(HandlerError::new("You were told"));
        }
        text.parse::<u8>()?;
        Ok(())
    }
    async fn by_hand(context: Context, invocation: Invocation) -> Completion {
        Completion::result(&invocation, context.hub()).unwrap()
    }
    async fn bytes(bytes: Bytes) -> Reply<bool> {
        Reply(!bytes.is_empty())
    }
    async fn kind(arguments: Result<Arguments<(u8,)>, ArgumentsRejection>) -> Reply<String> {
        Reply(arguments.unwrap_err().error().kind().to_string())
    }
    let dispatcher = unprotected()
        .message("chat", "join", join)
        .message("chat", "fail", fail)
        .message("chat", "byHand", by_hand)
        .message("chat", "bytes", bytes)
        .message("chat", "kind", kind)
        .message("chat", "void", async || ())
        .message("chat", "rejectedWithSuccess", async |_: RejectsWithSuccess| ())
        .message("chat", "rejectedWithForbidden", async |_: RejectsWithForbidden| ());
    for protocol in PROTOCOLS {
        let result = |value: Value| (200, json!({"type": 3, "invocationId": "7", "result": value}));
        let error = |text: &str| (200, json!({"type": 3, "invocationId": "7", "error": text}));
        for (target, arguments, expected) in [
            ("join", json!(["a", "b"]), result(json!("ab"))),
            ("JOIN", json!(["a", "b"]), result(json!("ab"))),
            ("join", json!(["a"]), error("The arguments do not fit the method")),
            ("join", json!(["a", "b", "c"]), error("The arguments do not fit the method")),
            ("join", json!(["a", 1]), error("The arguments do not fit the method")),
            ("fail", json!(["told"]), error("You were told")),
            ("fail", json!(["hidden"]), error("The method failed")),
            ("fail", json!([]), error("The arguments do not fit the method")),
            ("fail", json!(["1"]), (200, json!({"type": 3, "invocationId": "7"}))),
            ("byhand", json!([]), result(json!("chat"))),
            ("bytes", json!([]), result(json!(true))),
            ("kind", json!([]), result(json!("arguments_mismatch"))),
            ("void", json!(["whatever"]), (200, json!({"type": 3, "invocationId": "7"}))),
            ("rejectedWithSuccess", json!([]), (500, Value::Null)),
            ("rejectedWithForbidden", json!([]), (403, Value::Null)),
            ("missing", json!([]), (404, Value::Null)),
        ] {
            let (status, body) = answer(&dispatcher, message(protocol, Some("7"), target, arguments.clone())).await;
            let decoded = if status == 200 { decode(protocol, &body) } else { Value::Null };
            assert_eq!((status, decoded), expected, "{protocol:?} {target} {arguments}");

            let (status, body) = answer(&dispatcher, message(protocol, None, target, arguments.clone())).await;
            assert_eq!(status, expected.0, "{protocol:?} {target} {arguments}, a send");
            assert!(status != 200 || body.is_empty(), "{protocol:?} {target} {arguments}, a send");
        }
    }
}

#[tokio::test]
async fn answers_connection_events_with_a_status() {
    let dispatcher = unprotected()
        .connected("unit", async || ())
        .connected("status", async || StatusCode::NO_CONTENT)
        .connected("rejected", async || Err::<(), _>(HandlerError::new("not you")))
        .connected("failed", async || "x".parse::<u8>().map(drop))
        .disconnected("*", async || HandlerError::new("too late"));
    for (event, hub, expected) in [
        ("connected", "unit", 200),
        ("connected", "status", 204),
        ("connected", "rejected", 403),
        ("connected", "failed", 500),
        ("disconnected", "unit", 403),
    ] {
        let mut request = call("connections", event, "");
        request.headers_mut().insert("x-asrs-hub", HeaderValue::from_static(hub));
        assert_eq!(answer(&dispatcher, request).await, (expected, Bytes::new()), "{hub}");
    }
}

#[tokio::test]
async fn types_are_extractors_and_responses_of_any_axum_handler() {
    async fn on_message(context: Context, invocation: Invocation) -> Result<Completion, Error> {
        Completion::result(&invocation, context.connection_id())
    }
    async fn on_event(payload: Payload) -> &'static str {
        match payload {
            Payload::Connected(_) => "connected",
            Payload::Disconnected(_) => "disconnected",
            _ => "message",
        }
    }
    let app = Router::new()
        .route("/message", post(on_message))
        .route("/arguments", post(async |Arguments((_,)): Arguments<(String,)>| "fits"))
        .route("/event", post(on_event))
        .route("/disconnected", post(async |body: Disconnected| body.error().unwrap_or_default().to_owned()))
        .layer(axum::extract::DefaultBodyLimit::max(100));
    let send = async |path: &str, mut request: Request<Full<Bytes>>| {
        *request.uri_mut() = path.parse().unwrap();
        let response = app.clone().oneshot(request.map(Body::new)).await.unwrap();
        let status = response.status().as_u16();
        (status, String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap())
    };
    let echo = |arguments| message(Protocol::Json, Some("1"), "echo", arguments);
    let completion = |member: &str| (200, format!("{{\"type\":3,\"invocationId\":\"1\",{member}}}\u{1e}"));
    assert_eq!(send("/message", echo(json!([]))).await, completion(&format!(r#""result":"{ID}""#)));
    assert_eq!(send("/arguments", echo(json!(["a"]))).await, (200, "fits".to_owned()));
    let mismatch = send("/arguments", echo(json!([]))).await;
    assert_eq!(mismatch, completion(r#""error":"The arguments do not fit the method""#));
    assert_eq!(send("/event", echo(json!([]))).await.1, "message");
    assert_eq!(send("/event", call("connections", "connected", "")).await.1, "connected");
    let gone = || call("connections", "disconnected", r#"{"Error":"lost"}"#);
    assert_eq!(send("/event", gone()).await.1, "disconnected");
    assert_eq!(send("/disconnected", gone()).await, (200, "lost".to_owned()));
    assert_eq!(send("/message", gone()).await.0, 400, "another event");
    assert_eq!(send("/disconnected", echo(json!([]))).await.0, 400, "another event");
    assert_eq!(send("/message", echo(json!(["x".repeat(100)]))).await.0, 413, "axum's own limit");
    let mut html = echo(json!([]));
    html.headers_mut().insert("content-type", HeaderValue::from_static("text/html"));
    assert_eq!(send("/message", html).await.0, 415);
    let mut nameless = echo(json!([]));
    nameless.headers_mut().remove("x-asrs-hub");
    assert_eq!(send("/message", nameless).await, (400, "A header is missing: x-asrs-hub".to_owned()));
}

/// A body of a media type that cannot be parsed is not read: its sender could otherwise fill the memory up to the limit.
#[tokio::test]
async fn rejects_media_type_before_it_reads_the_body() {
    let unread = |content_type: Option<&'static str>| {
        let mut request = message(Protocol::Json, Some("1"), "echo", json!([]));
        request.headers_mut().remove("content-type");
        if let Some(content_type) = content_type {
            request.headers_mut().insert("content-type", HeaderValue::from_static(content_type));
        }
        request.map(|_| Body::new(Broken))
    };
    let extractor = Router::new().route("/", post(async |_: Payload| ()));
    let dispatcher = Router::new().route_service("/", unprotected().message("*", "*", async || ()));
    for app in [extractor, dispatcher] {
        for (content_type, status) in [(Some("text/html"), 415), (None, 415), (Some("application/json"), 400)] {
            let response = app.clone().oneshot(unread(content_type)).await.unwrap();
            assert_eq!(response.status().as_u16(), status, "{content_type:?}");
        }
    }
}

#[tokio::test]
async fn serves_raw_http_through_hyper() {
    use hyper_util::rt::TokioIo;
    use hyper_util::service::TowerToHyperService;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    async fn describe(context: Context) -> Reply<Vec<String>> {
        let claims = context.user_claims().iter().map(|claim| format!("{}={}", claim.claim_type(), claim.value()));
        Reply(context.user_id().map(str::to_owned).into_iter().chain(claims).collect())
    }
    let router =
        Router::new().route_service("/{hub}/{category}/{event}", unprotected().message("*", "Größe", describe));
    let (mut client, server) = tokio::io::duplex(4096);
    let connection = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(server), TowerToHyperService::new(router));
    let server = tokio::spawn(connection);
    let body = r#"{"type":1,"invocationId":"0","target":"Größe","arguments":[]}"#;
    let request = format!(
        "POST /chat/messages/Gr%C3%B6%C3%9Fe HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\nX-ASRS-Connection-Id: c\r\nX-ASRS-Hub: chat\r\n\
         X-ASRS-Category: messages\r\nX-ASRS-Event: Größe\r\nX-ASRS-User-Id: Zoë\r\n\
         X-ASRS-User-Claims: city: Köln, Süd\r\nX-ASRS-User-Claims: empty: \r\n\r\n{body}",
        body.len()
    );
    client.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    client.read_to_string(&mut response).await.unwrap();
    server.await.unwrap().unwrap();
    assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
    let expected =
        "\r\n\r\n{\"type\":3,\"invocationId\":\"0\",\"result\":[\"Zoë\",\"city=Köln, Süd\",\"empty=\"]}\u{1e}";
    assert!(response.ends_with(expected), "{response}");
}
