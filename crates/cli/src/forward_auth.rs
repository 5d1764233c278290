//! `forward-auth`: a proxy asks this server before it forwards a request.
//!
//! nginx (`auth_request`), Traefik (`forwardAuth`), Envoy (`ext_authz` over HTTP) and others send it the headers of a
//! request and act on the status of its response. For every method and path it answers
//!
//! - 200 if it accepts the request, with the caller in `X-Upstream-Auth-*` headers, which the proxy passes on;
//! - 401 or 403 with the challenge if it rejects the request. Where the layer answers 400 it answers 401: nginx takes every
//!   status but 2xx, 401 and 403 for a failure of this server;
//! - 503 if the keys are unavailable. nginx turns that into 500; the configuration in the guide turns it back into 503.
//!
//! No path is an exception to the check: Envoy hands the path of the request on, and a request for `/healthz` would
//! otherwise pass without a token.

use axum::body::Body;
use http::header::{CACHE_CONTROL, HeaderValue};
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use signalr_upstream_auth::{Claims, Rejection, rejection_headers};

use crate::current::Current;
use crate::identity;
use crate::server::{Answer, Peer};

/// Every method and path is the same check.
#[derive(Clone, Debug)]
pub(crate) struct ForwardAuth(Current);

impl ForwardAuth {
    pub(crate) fn new(current: Current) -> Self {
        Self(current)
    }
}

impl Answer for ForwardAuth {
    async fn answer(&self, request: Request<Incoming>, _peer: Peer) -> Response<Body> {
        match self.0.load().layer.validate(request.headers()).await {
            Ok(claims) => accepted(&claims),
            Err(rejection) => rejected(&rejection),
        }
    }
}

fn accepted(claims: &Claims) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    identity::set(response.headers_mut(), claims);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
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
