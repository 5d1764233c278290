//! An upstream of Azure SignalR Service on axum.
//!
//! ```text
//! cargo run -p axum_upstream
//! ```
//!
//! Without settings it starts a mock of Entra and shows which calls get through. With the variables of
//! [`Settings`](signalr_upstream_auth::Settings) it serves your SignalR resource. `LISTEN_ADDR` is its address, by default
//! `127.0.0.1:3000`.

mod start;

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
async fn main() -> Result<(), start::Failure> {
    let (auth, listener) = start::start().await?;
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
        .layer(from_fn(answer_manual_call))
        .route("/whoami", get(whoami))
        .layer(auth.clone());
    let open =
        Router::new().route("/healthz", get(async || StatusCode::OK)).route("/readyz", get(readyz)).with_state(auth);
    protected.merge(open)
}

/// The layer has accepted the caller: without it there are no claims.
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

/// Here your app calls the service's REST API: `POST /api/hubs/{hub}/:send`.
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

/// The service names the connection in every call. A call without it was made by hand, with `curl` and a token: 200 shows
/// that the token is accepted.
async fn answer_manual_call(request: Request, next: Next) -> Response {
    let is_manual = !request.headers().contains_key("x-asrs-connection-id");
    if is_manual { StatusCode::OK.into_response() } else { next.run(request).await }
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

async fn readyz(State(auth): State<UpstreamAuthLayer>) -> Result<(), (StatusCode, String)> {
    start::why_not_ready(&auth).map_or(Ok(()), |reason| Err((StatusCode::SERVICE_UNAVAILABLE, reason)))
}
