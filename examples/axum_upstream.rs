//! An upstream of Azure SignalR Service on axum.
//!
//! ```text
//! cargo run --example axum_upstream
//! ```
//!
//! Without settings it makes an Entra of its own and shows which calls get through. With the variables of
//! [`Settings`](signalr_upstream_auth::Settings) it serves your SignalR resource. `LISTEN_ADDR` says where, by default
//! on `127.0.0.1:3000`.

mod support;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use signalr_upstream_auth::upstream::{Arguments, Context, Disconnected, Dispatcher, HandlerError, Reply};
use signalr_upstream_auth::{Claims, UpstreamAuthLayer};

#[tokio::main]
async fn main() -> Result<(), support::Failure> {
    let (auth, listener) = support::start(UpstreamAuthLayer::from_env).await?;
    axum::serve(listener, app(auth)).await?;
    Ok(())
}

fn app(auth: UpstreamAuthLayer) -> Router {
    let signalr = Dispatcher::new()
        .connected("*", on_connected)
        .disconnected("*", on_disconnected)
        .message("*", "echo", echo)
        .message("*", "broadcast", broadcast)
        .message("*", "*", unknown_method);
    let protected = Router::new()
        .route_service("/upstream/{hub}/{category}/{event}", signalr)
        .layer(from_fn(by_hand))
        .route("/whoami", get(whoami))
        .layer(auth.clone());
    let open =
        Router::new().route("/healthz", get(async || StatusCode::OK)).route("/readyz", get(readyz)).with_state(auth);
    protected.merge(open)
}

/// Whoever gets here was let in: there are no claims otherwise.
async fn on_connected(claims: Claims, context: Context) {
    let (hub, connection, user) = (context.hub(), context.connection_id(), context.user_id());
    tracing::info!(hub, connection, user, caller = %claims.object_id(), "connected");
}

async fn on_disconnected(context: Context, disconnected: Disconnected) {
    let (hub, connection) = (context.hub(), context.connection_id());
    tracing::info!(hub, connection, error = disconnected.error(), "disconnected");
}

/// `await connection.invoke("echo", value)` resolves to the value.
async fn echo(Arguments((value,)): Arguments<(Value,)>) -> Reply<Value> {
    Reply(value)
}

/// A real one would call the service's REST API here: `POST /api/hubs/{hub}/:send`.
async fn broadcast(context: Context, Arguments((text,)): Arguments<(String,)>) -> Result<(), HandlerError> {
    if text.is_empty() {
        return Err(HandlerError::new("There is nothing to say"));
    }
    tracing::info!(hub = context.hub(), from = context.user_id(), ?text, "broadcast");
    Ok(())
}

async fn unknown_method() -> HandlerError {
    HandlerError::new("There is no such method")
}

async fn by_hand(request: Request, next: Next) -> Response {
    if support::is_by_hand(request.headers()) { StatusCode::OK.into_response() } else { next.run(request).await }
}

async fn whoami(claims: Claims) -> Json<Value> {
    Json(json!({
        "tenant_id": claims.tenant_id(),
        "object_id": claims.object_id(),
        "client_id": claims.client_id(),
        "audience": claims.audience(),
        "token_version": claims.version(),
        "roles": claims.roles(),
    }))
}

/// For the load balancer: without keys every call would be answered 503.
async fn readyz(State(auth): State<UpstreamAuthLayer>) -> StatusCode {
    if auth.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}
