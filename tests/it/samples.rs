//! The samples that people paste: axum's layers protect what they say. `.ci/guide` finds samples without protection.

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use axum::routing::post;
use mock_entra::{MockEntra, UpstreamRequest};
use signalr_upstream_auth::{Claims, UpstreamAuthLayer};
use support::{entra, fixed_layer};
use tower::ServiceExt;

async fn status(app: &Router, request: Request<Body>) -> StatusCode {
    app.clone().oneshot(request).await.unwrap().status()
}

fn call(path: &str) -> Request<Body> {
    Request::post(path).body(Body::empty()).unwrap()
}

async fn layer() -> (MockEntra, UpstreamAuthLayer) {
    let entra = entra().await;
    let layer = fixed_layer(&entra, entra.policy());
    (entra, layer)
}

#[tokio::test]
async fn recommended_form_protects_its_routes_and_nothing_else() {
    let (entra, auth) = layer().await;
    let upstream = Router::new()
        .route("/upstream/{hub}/{category}/{event}", post(async |_: Claims| StatusCode::NO_CONTENT))
        .route_layer(auth);
    let app = Router::new().route("/healthz", post(async || StatusCode::OK)).merge(upstream);

    assert_eq!(status(&app, call("/upstream/chat/messages/echo")).await, StatusCode::UNAUTHORIZED);
    let good = UpstreamRequest::message("chat", "echo").bearer(entra.token().mint()).into_request();
    assert_eq!(status(&app, good).await, StatusCode::NO_CONTENT);
    assert_eq!(status(&app, call("/healthz")).await, StatusCode::OK);
    assert_eq!(status(&app, call("/nothing")).await, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn routes_after_the_layer_are_open_and_claims_close_them() {
    let (_, auth) = layer().await;
    let app = Router::new()
        .route("/before", post(async || StatusCode::OK))
        .layer(auth)
        .route("/after", post(async || StatusCode::OK))
        .route("/after_with_claims", post(async |_: Claims| StatusCode::OK));

    assert_eq!(status(&app, call("/before")).await, StatusCode::UNAUTHORIZED);
    assert_eq!(status(&app, call("/after")).await, StatusCode::OK);
    assert_eq!(status(&app, call("/after_with_claims")).await, StatusCode::INTERNAL_SERVER_ERROR);
    // `layer` covers the fallback as well, so a probe gets 401 there.
    assert_eq!(status(&app, call("/")).await, StatusCode::UNAUTHORIZED);
}
