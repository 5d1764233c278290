//! Forward authentication, for services that are not written in Rust: a proxy asks this server before it passes a request on.
//!
//! ```text
//! cargo run -p forward_auth
//! ```
//!
//! nginx (`auth_request`), Traefik (`forwardAuth`), Envoy (`ext_authz` over HTTP) and others send it the headers of a
//! request and act on the status of its response. For every method and path it answers
//!
//! - 200 if it accepts the request, with the caller in `X-Upstream-Auth-*` headers, which the proxy passes on. All of them
//!   are always there, empty where the token has no such claim. A proxy that copies them replaces those that a client may
//!   have sent;
//! - 401 or 403 with the challenge if it rejects the request. Where the layer answers 400 it answers 401: nginx takes every
//!   status but 2xx, 401 and 403 for a failure of this server;
//! - 503 if the keys are unavailable. nginx turns that into 500; the configuration in the guide turns it back into 503.
//!
//! Probes have a listener of their own (`ADMIN_ADDR`). On the listener of the proxy, no path is an exception to the check:
//! Envoy hands the path of the request on, and a request for `/healthz` would otherwise pass without a token.
//!
//! It takes the settings of `axum_upstream` and does not start without them. The configurations of the proxies are in the
//! guide, page `forward_auth`. Let only the proxy reach this server.

mod admin;
mod start;

use std::future::IntoFuture;

use axum::Router;
use axum::body::Body;
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use axum::routing::any;
use signalr_upstream_auth::{Claims, Rejection, UpstreamAuthLayer, rejection_headers};

#[tokio::main]
async fn main() -> Result<(), start::Failure> {
    let start::Started { auth, checks, probes } = start::start().await?;
    let (checks, probes) = tokio::join!(
        axum::serve(checks, app(auth.clone())).into_future(),
        axum::serve(probes, admin::app(auth)).into_future()
    );
    checks?;
    probes?;
    Ok(())
}

/// Every method and path is the same check.
fn app(auth: UpstreamAuthLayer) -> Router {
    Router::new().fallback(any(accepted)).layer(auth.with_rejection_response(rejected))
}

/// The layer has accepted the caller.
async fn accepted(claims: Claims) -> HeaderMap {
    let client_id = claims.client_id().map(|id| id.to_string()).unwrap_or_default();
    let headers = [
        (CACHE_CONTROL, "no-store"),
        (TENANT_ID, &claims.tenant_id().to_string()),
        (OBJECT_ID, &claims.object_id().to_string()),
        (CLIENT_ID, &client_id),
        (AUDIENCE, claims.audience()),
        (ROLES, &roles(&claims)),
    ]
    // Entra signed these texts; still, one that is not a valid header value becomes empty.
    .map(|(name, value)| (name, HeaderValue::from_str(value).unwrap_or(HeaderValue::from_static(""))));
    headers.into_iter().collect()
}

/// The roles, separated by commas. A role with a comma, a space or a non-ASCII character is left out: it would be ambiguous.
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

const TENANT_ID: HeaderName = HeaderName::from_static("x-upstream-auth-tenant-id");
const OBJECT_ID: HeaderName = HeaderName::from_static("x-upstream-auth-object-id");
const CLIENT_ID: HeaderName = HeaderName::from_static("x-upstream-auth-client-id");
const AUDIENCE: HeaderName = HeaderName::from_static("x-upstream-auth-audience");
const ROLES: HeaderName = HeaderName::from_static("x-upstream-auth-roles");
