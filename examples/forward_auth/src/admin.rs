//! The probes of the orchestrator, on a listener that no proxy leads to.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use signalr_upstream_auth::UpstreamAuthLayer;

pub(crate) fn app(auth: UpstreamAuthLayer) -> Router {
    Router::new().route("/healthz", get(async || StatusCode::NO_CONTENT)).route("/readyz", get(readyz)).with_state(auth)
}

/// Without keys the layer answers 503 to every request.
async fn readyz(State(auth): State<UpstreamAuthLayer>) -> StatusCode {
    if auth.is_ready() { StatusCode::NO_CONTENT } else { StatusCode::SERVICE_UNAVAILABLE }
}
