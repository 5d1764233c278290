//! Calls exactly as the service sends them, through the layer that checks the token.

use axum::Router;
use axum::body::Body;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use mock_entra::{MockEntra, UpstreamRequest};
use serde_json::json;
use signalr_upstream_auth::upstream::{
    Arguments, Context, Disconnected, Dispatcher, Event, HandlerError, Payload, Protocol, Reply, SignatureCheck,
    VerifySignatureLayer,
};
use signalr_upstream_auth::{Claims, UpstreamAuthLayer};
use tower::ServiceExt;

use super::support::decode;
use crate::log::Log;

#[tokio::test]
async fn dispatcher_behind_the_layer_serves_only_the_service() {
    async fn on_connected(claims: Claims, context: Context) -> Result<(), HandlerError> {
        assert!(!claims.object_id().to_string().is_empty());
        context.user_id().map(drop).ok_or_else(|| HandlerError::new("who?"))
    }
    async fn on_disconnected(disconnected: Disconnected) -> StatusCode {
        if disconnected.error() == Some("lost") { StatusCode::NO_CONTENT } else { StatusCode::OK }
    }
    async fn echo(claims: Claims, Arguments((text,)): Arguments<(String,)>) -> Reply<(String, String)> {
        Reply((claims.object_id().to_string(), text))
    }
    let entra = MockEntra::start().await;
    let dispatcher = Dispatcher::new()
        .connected("chat", on_connected)
        .disconnected("chat", on_disconnected)
        .message("chat", "echo", echo)
        .message("*", "*", async || HandlerError::new("There is no such method"));
    let app = Router::new()
        .route_service("/upstream/{hub}/{category}/{event}", dispatcher)
        .layer(VerifySignatureLayer::new(SignatureCheck::new(["second", "first"]).unwrap().required()))
        .layer(UpstreamAuthLayer::new(entra.policy()).unwrap());
    let token = entra.token().mint();
    let send = async |request: UpstreamRequest| {
        let response = app.clone().oneshot(request.into_request::<Body>()).await.unwrap();
        (response.status().as_u16(), response.into_body().collect().await.unwrap().to_bytes())
    };
    let authenticated = |request: UpstreamRequest| request.bearer(token.clone()).signature(["first", "other"]);

    assert_eq!(send(authenticated(UpstreamRequest::connected("chat").user_id("alice"))).await, (200, "".into()));
    assert_eq!(send(authenticated(UpstreamRequest::connected("chat").message_pack())).await, (403, "".into()));
    assert_eq!(send(authenticated(UpstreamRequest::disconnected("chat", None))).await, (200, "".into()));
    assert_eq!(send(authenticated(UpstreamRequest::disconnected("chat", Some("lost")))).await, (204, "".into()));

    let caller = entra.caller_object_id().to_string();
    let call = || UpstreamRequest::message("chat", "echo").argument("hi").invocation_id("42");
    for (protocol, request) in [
        (Protocol::Json, call()),
        (Protocol::Json, call().stream_ids(&[])),
        (Protocol::MessagePack, call().message_pack()),
        (Protocol::MessagePack, call().message_pack().stream_ids(&[])),
    ] {
        let (status, body) = send(authenticated(request)).await;
        let expected = json!({"type": 3, "invocationId": "42", "result": [caller, "hi"]});
        assert_eq!((status, decode(protocol, &body)), (200, expected));
    }
    let unknown = UpstreamRequest::message("chat", "a/b ?").invocation_id("1").message_pack();
    let (status, body) = send(authenticated(unknown)).await;
    let expected = json!({"type": 3, "invocationId": "1", "error": "There is no such method"});
    assert_eq!((status, decode(Protocol::MessagePack, &body)), (200, expected));

    assert_eq!(send(call().signature(["first"])).await.0, 401, "no token");
    assert_eq!(
        send(call().signature(["first"]).bearer(entra.token().expired().mint())).await.0,
        401,
        "an expired token"
    );
    assert_eq!(send(call().bearer(token.clone())).await.0, 401, "no signature");
    assert_eq!(send(call().bearer(token.clone()).signature(["other"])).await.0, 401, "a wrong signature");
}

#[test]
fn context_and_payload_contain_what_the_service_sent() {
    let request: Request<bytes::Bytes> = UpstreamRequest::message("chat", "Größe")
        .connection_id("käse-1")
        .user_id("Zoë")
        .user_claim("nameid", "Zoë")
        .user_claim("http://schemas.example/claims/city", "Köln, Süd")
        .user_claim("role", "a")
        .user_claim("role", "b")
        .client_query("id=1&room=a%26b&access_token=eyJ")
        .argument(json!({"x": 1}))
        .into_request();
    let context = Context::from_headers(request.headers()).unwrap();
    assert_eq!(context.connection_id(), "käse-1");
    assert_eq!(context.event(), &Event::Message("Größe".to_owned()));
    assert_eq!(context.user_id(), Some("Zoë"));
    let claims: Vec<_> = context.user_claims().iter().map(|claim| (claim.claim_type(), claim.value())).collect();
    let city = ("http://schemas.example/claims/city", "Köln, Süd");
    assert_eq!(claims, [("nameid", "Zoë"), city, ("role", "a"), ("role", "b")]);
    assert_eq!(context.client_query().iter().collect::<Vec<_>>(), [("id", "1"), ("room", "a&b")]);
    assert_eq!(context.client_query().access_token(), Some("eyJ"));
    match Payload::parse(&context, request.headers(), request.body().clone()).unwrap() {
        Payload::Message(invocation) => {
            assert_eq!(invocation.argument::<serde_json::Value>(0).unwrap(), json!({"x": 1}))
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn dispatcher_without_the_layer_rejects_every_call() {
    let entra = MockEntra::start().await;
    let dispatcher = Dispatcher::new().message("chat", "echo", async || Reply("called"));
    let call = || UpstreamRequest::message("chat", "echo").invocation_id("1").bearer(entra.token().mint());
    let status = async |dispatcher: &Dispatcher, request: Request<Body>| {
        dispatcher.clone().oneshot(request).await.unwrap().status().as_u16()
    };

    let rejected = dispatcher.clone().oneshot(call().into_request::<Body>()).await.unwrap();
    assert_eq!(rejected.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let text = rejected.into_body().collect().await.unwrap().to_bytes();
    assert!(text.starts_with(b"no `UpstreamAuthLayer` checked this request"), "{text:?}");

    // At most one event in 30 seconds, whatever strangers send.
    let log = Log::start();
    for _ in 0..100 {
        assert_eq!(status(&dispatcher, call().into_request()).await, 500);
    }
    assert!(log.lines("no `UpstreamAuthLayer` checked this request").len() <= 1);
    drop(log);

    let mut accepted = call().into_request::<Body>();
    accepted.extensions_mut().insert(entra.claims());
    assert_eq!(status(&dispatcher, accepted).await, 200);
    assert_eq!(status(&dispatcher.dangerous_without_layer(), call().into_request()).await, 200);
}
