//! An upstream of Azure SignalR Service on hyper, without a framework.
//!
//! ```text
//! cargo run -p hyper_upstream
//! ```
//!
//! Without settings it starts a mock of Entra and shows which calls get through. With the variables of
//! [`Settings`](signalr_upstream_auth::Settings) it serves your SignalR resource. `LISTEN_ADDR` is its address, by default
//! `127.0.0.1:3000`.

mod start;

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use serde_json::{Value, json};
use signalr_upstream_auth::upstream::{
    Completion, Context, DEFAULT_BODY_LIMIT, Error, HandlerError, IntoCompletion, Invocation, Payload, read_body,
};
use signalr_upstream_auth::{Claims, UpstreamAuthLayer};
use tokio::time::sleep;
use tower::{Layer, ServiceExt, service_fn};

#[tokio::main]
async fn main() -> Result<(), start::Failure> {
    let (auth, listener) = start::start().await?;
    let protected = auth.layer(service_fn(on_request));
    let app = service_fn(move |request: Request<Incoming>| {
        let (auth, protected) = (auth.clone(), protected.clone());
        async move {
            match request.uri().path() {
                "/healthz" => Ok(empty(StatusCode::OK)),
                "/readyz" => Ok(readyz(&auth)),
                _ => protected.oneshot(request).await,
            }
        }
    });
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // The process has no file descriptors left; connections that end give some back.
            sleep(Duration::from_secs(1)).await;
            continue;
        };
        let service = TowerToHyperService::new(app.clone());
        tokio::spawn(async move {
            let mut server = auto::Builder::new(TokioExecutor::new());
            server.http1().timer(TokioTimer::new());
            // A head with the longest token that the layer accepts fits.
            server.http2().timer(TokioTimer::new()).max_header_list_size(32 * 1024);
            if let Err(error) = server.serve_connection(TokioIo::new(stream), service).await {
                tracing::debug!(error, "connection ended");
            }
        });
    }
}

/// The layer has accepted the caller: it put the claims into the request.
async fn on_request(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let Some(claims) = request.extensions().get::<Claims>() else {
        // Only if somebody removes the layer.
        return Ok(empty(StatusCode::INTERNAL_SERVER_ERROR));
    };
    let segments: Vec<_> = request.uri().path().split('/').skip(1).collect();
    match (request.method(), &segments[..]) {
        (&Method::POST, ["upstream", _, _, _]) if is_manual(request.headers()) => Ok(empty(StatusCode::OK)),
        (&Method::POST, ["upstream", _, _, _]) => {
            Ok(on_event(claims.clone(), request).await.unwrap_or_else(|error| error.to_response()))
        }
        (&Method::GET, ["whoami"]) => Ok(whoami(claims)),
        _ => Ok(empty(StatusCode::NOT_FOUND)),
    }
}

/// The service names the connection in every call. A call without it was made by hand, with `curl` and a token: 200 shows
/// that the token is accepted.
fn is_manual(headers: &HeaderMap) -> bool {
    !headers.contains_key("x-asrs-connection-id")
}

/// One call of the service: its headers, its body, its response.
async fn on_event(claims: Claims, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Error> {
    let (parts, body) = request.into_parts();
    let context = Context::from_headers(&parts.headers)?;
    let body = read_body(body, DEFAULT_BODY_LIMIT).await?;
    let (hub, connection, user) = (context.hub(), context.connection_id(), context.user_id());
    match Payload::parse(&context, &parts.headers, body)? {
        Payload::Message(invocation) => {
            return Ok(on_message(&context, &invocation).into_completion(&invocation).to_response());
        }
        Payload::Disconnected(disconnected) => {
            tracing::info!(hub, connection, error = disconnected.error(), "disconnected");
        }
        _ => tracing::info!(hub, connection, user, caller = %claims.object_id(), "connected"),
    }
    Ok(empty(StatusCode::OK))
}

/// What `await connection.invoke(…)` of a client resolves to.
fn on_message(context: &Context, invocation: &Invocation) -> Result<Completion, HandlerError> {
    match invocation.target().to_ascii_lowercase().as_str() {
        "echo" => {
            let (value,): (Value,) = invocation.arguments()?;
            Ok(Completion::result(invocation, &value)?)
        }
        "broadcast" => {
            let (text,): (String,) = invocation.arguments()?;
            if text.is_empty() {
                return Err(HandlerError::new("There is nothing to say"));
            }
            // Here your app calls the service's REST API: `POST /api/hubs/{hub}/:send`.
            tracing::info!(hub = context.hub(), from = context.user_id(), ?text, "broadcast");
            Ok(Completion::void(invocation))
        }
        _ => Err(HandlerError::new("There is no such method")),
    }
}

fn whoami(claims: &Claims) -> Response<Full<Bytes>> {
    let body = json!({
        "tenant_id": claims.tenant_id(),
        "object_id": claims.object_id(),
        "client_id": claims.client_id(),
        "audience": claims.audience(),
        "token_version": claims.version(),
        "roles": claims.roles(),
    });
    let mut response = Response::new(Full::from(body.to_string()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn readyz(auth: &UpstreamAuthLayer) -> Response<Full<Bytes>> {
    let Some(reason) = start::why_not_ready(auth) else { return empty(StatusCode::OK) };
    let mut response = Response::new(Full::from(reason));
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

fn empty(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}
