//! [`Claims`] as an axum extractor.

use std::error::Error;
use std::fmt;

use axum_core::extract::FromRequestParts;
use axum_core::response::{IntoResponse, Response};
use http::request::Parts;
use http::{Extensions, StatusCode};

use crate::clock::{Clock as _, SystemClock};
use crate::policy::claims::Claims;
use crate::telemetry::events;
use crate::telemetry::throttle::{Occurrences, PAUSE};

/// Gives a handler the claims that [`UpstreamAuthLayer`](crate::UpstreamAuthLayer) put into the request.
///
/// A request that did not pass the layer has none. The response is 500, never 401, since the sender cannot fix it.
/// `Option<Claims>` is not an extractor: on a route without the layer, it would take every caller for an
/// anonymous one.
///
/// ```
/// use axum::Router;
/// use axum::http::StatusCode;
/// use axum::routing::post;
/// use signalr_upstream_auth::{Claims, UpstreamAuthLayer};
///
/// async fn on_event(claims: Claims) -> StatusCode {
///     println!("called by {}", claims.object_id());
///     StatusCode::NO_CONTENT
/// }
///
/// fn app(auth: UpstreamAuthLayer) -> Router {
///     Router::new().route("/upstream/{hub}/{category}/{event}", post(on_event)).route_layer(auth)
/// }
/// ```
impl<S: Send + Sync> FromRequestParts<S> for Claims {
    type Rejection = MissingUpstreamAuthLayer;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, MissingUpstreamAuthLayer> {
        claims_of(&parts.extensions).cloned()
    }
}

/// The claims that the layer put into the extensions. Logs a missing layer for the developer, seldom: anybody can send
/// requests to such a route.
pub(crate) fn claims_of(extensions: &Extensions) -> Result<&Claims, MissingUpstreamAuthLayer> {
    static MISSING: Occurrences = Occurrences::new();
    extensions.get().ok_or_else(|| {
        if let Some(count) = MISSING.count(SystemClock.now(), PAUSE) {
            tracing::error!(target: events::AXUM, count, "{MissingUpstreamAuthLayer}");
        }
        MissingUpstreamAuthLayer
    })
}

/// A request reached a handler of [`Claims`], or a `Dispatcher`, without passing an
/// [`UpstreamAuthLayer`](crate::UpstreamAuthLayer).
///
/// As a response it is a 500 with a hint for the developer.
///
/// ```
/// use axum::body::Body;
/// use axum::http::{Request, StatusCode};
/// use axum::{Router, routing::get};
/// use signalr_upstream_auth::Claims;
/// use tower::ServiceExt;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// async fn whoami(claims: Claims) -> String {
///     claims.object_id().to_string()
/// }
///
/// let without_layer: Router = Router::new().route("/whoami", get(whoami));
/// let response = without_layer.oneshot(Request::get("/whoami").body(Body::empty()).unwrap()).await.unwrap();
/// assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
/// # }
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct MissingUpstreamAuthLayer;

impl fmt::Display for MissingUpstreamAuthLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "no `UpstreamAuthLayer` checked this request, and its handler relies on one; \
             add `.route_layer(UpstreamAuthLayer::new(policy)?)` to the router, after the route",
        )
    }
}

impl Error for MissingUpstreamAuthLayer {}

impl IntoResponse for MissingUpstreamAuthLayer {
    fn into_response(self) -> Response {
        (StatusCode::INTERNAL_SERVER_ERROR, self.to_string()).into_response()
    }
}

#[cfg(test)]
mod tests {
    use http::Request;
    use http::header::WWW_AUTHENTICATE;

    use super::*;

    #[tokio::test]
    async fn missing_layer_is_a_500_that_names_the_layer() {
        let mut parts = Request::new(()).into_parts().0;
        let extracted = Claims::from_request_parts(&mut parts, &()).await;
        let missing = extracted.unwrap_err();
        assert!(missing.to_string().contains("no `UpstreamAuthLayer`"), "{missing}");
        let response = missing.into_response();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert!(response.headers().get(WWW_AUTHENTICATE).is_none());
    }
}
