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

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use signalr_upstream_auth::{Claims, UpstreamAuthLayer};

#[tokio::main]
async fn main() -> Result<(), support::Failure> {
    let (auth, listener) = support::start(UpstreamAuthLayer::from_env).await?;
    axum::serve(listener, app(auth)).await?;
    Ok(())
}

fn app(auth: UpstreamAuthLayer) -> Router {
    let protected = Router::new()
        .route("/upstream/{hub}/{category}/{event}", post(on_event))
        .route("/whoami", get(whoami))
        .layer(auth.clone());
    let open =
        Router::new().route("/healthz", get(async || StatusCode::OK)).route("/readyz", get(readyz)).with_state(auth);
    protected.merge(open)
}

/// Whoever gets here was let in: there are no claims otherwise.
async fn on_event(claims: Claims, Path((hub, category, event)): Path<(String, String, String)>) -> StatusCode {
    tracing::debug!(?hub, ?category, ?event, caller = %claims.object_id(), "event");
    StatusCode::OK
}

async fn whoami(claims: Claims) -> Json<Value> {
    Json(json!({
        "tenant_id": claims.tenant_id().to_string(),
        "object_id": claims.object_id().to_string(),
        "client_id": claims.client_id().map(|id| id.to_string()),
        "audience": claims.audience(),
        "token_version": claims.version().as_str(),
        "roles": claims.roles(),
    }))
}

/// For the load balancer: without keys every call would be answered 503.
async fn readyz(State(auth): State<UpstreamAuthLayer>) -> StatusCode {
    if auth.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}
