//! The check for services that are not written in Rust: a small server that a proxy asks before it passes a request on.
//!
//! ```text
//! cargo run --example forward_auth
//! ```
//!
//! nginx (`auth_request`), Traefik (`forwardAuth`), Envoy (`ext_authz` over HTTP) and others send it the headers of a
//! request and go by the status of its answer. Whatever the method and the path, it answers
//!
//! - 200 if the request is let through, with who called in `X-Upstream-Auth-*` headers for the proxy to pass on. All of
//!   them are always there, empty where the token says nothing, so that a proxy that copies them replaces what a client
//!   may have sent under these names;
//! - 401 or 403 with the challenge if it is rejected. What the layer answers with 400 is 401 here, for nginx takes any
//!   answer but 2xx, 401 and 403 for a failure of this server;
//! - 503 if the keys cannot be had. nginx makes 500 of that; the configuration in the guide makes it 503 again.
//!
//! Settings are those of `axum_upstream`; without them it does not start. The guide, page `forward_auth`, has the proxies'
//! configurations. Only the proxy should reach this server.

#[allow(dead_code, reason = "a part of it is for the other servers")]
mod support;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use axum::routing::{any, get};
use signalr_upstream_auth::{Claims, Rejection, UpstreamAuthLayer, rejection_headers};

#[tokio::main]
async fn main() -> Result<(), support::Failure> {
    let (auth, listener) = support::start_configured(UpstreamAuthLayer::from_env).await?;
    axum::serve(listener, app(auth)).await?;
    Ok(())
}

fn app(auth: UpstreamAuthLayer) -> Router {
    let verdicts = Router::new().fallback(any(admitted)).layer(auth.clone().with_rejection_response(rejected));
    // Envoy asks with the path of the request, which may be one of these, and takes nothing but 200 for a yes.
    Router::new()
        .route("/healthz", get(async || StatusCode::NO_CONTENT))
        .route("/readyz", get(readyz))
        .with_state(auth)
        .fallback_service(verdicts)
}

/// Whoever gets here was let in.
async fn admitted(claims: Claims) -> HeaderMap {
    let client_id = claims.client_id().map(|id| id.to_string()).unwrap_or_default();
    let headers = [
        (CACHE_CONTROL, "no-store"),
        (TENANT_ID, &claims.tenant_id().to_string()),
        (OBJECT_ID, &claims.object_id().to_string()),
        (CLIENT_ID, &client_id),
        (AUDIENCE, claims.audience()),
        (ROLES, &roles(&claims)),
    ]
    // Entra signed these texts; one that no header can hold is left empty all the same.
    .map(|(name, value)| (name, HeaderValue::from_str(value).unwrap_or(HeaderValue::from_static(""))));
    headers.into_iter().collect()
}

/// The roles, separated by commas. One that could be taken for two, or for another, is left out.
fn roles(claims: &Claims) -> String {
    let is_plain = |role: &&str| !role.is_empty() && role.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',');
    claims.roles().iter().map(String::as_str).filter(is_plain).collect::<Vec<_>>().join(",")
}

fn rejected(rejection: &Rejection) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = match rejection.status() {
        StatusCode::BAD_REQUEST => StatusCode::UNAUTHORIZED,
        status => status,
    };
    *response.headers_mut() = rejection_headers(rejection);
    response
}

/// For the orchestrator: without keys every question would be answered 503.
async fn readyz(State(auth): State<UpstreamAuthLayer>) -> StatusCode {
    if auth.is_ready() { StatusCode::NO_CONTENT } else { StatusCode::SERVICE_UNAVAILABLE }
}

const TENANT_ID: HeaderName = HeaderName::from_static("x-upstream-auth-tenant-id");
const OBJECT_ID: HeaderName = HeaderName::from_static("x-upstream-auth-object-id");
const CLIENT_ID: HeaderName = HeaderName::from_static("x-upstream-auth-client-id");
const AUDIENCE: HeaderName = HeaderName::from_static("x-upstream-auth-audience");
const ROLES: HeaderName = HeaderName::from_static("x-upstream-auth-roles");
