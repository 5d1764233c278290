//! The samples that people paste: whichever serves an upstream route is protected, and axum's layers protect what they say.

use std::fs;
use std::path::{Path, PathBuf};

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use axum::routing::post;
use mock_entra::{MockEntra, UpstreamRequest};
use signalr_upstream_auth::{Claims, UpstreamAuthLayer};
use support::{entra, fixed_layer};
use tower::ServiceExt;

/// The files with this ending below a folder.
fn files(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") {
            files(&path, ending, found);
        } else if path.extension().is_some_and(|extension| extension == ending) {
            found.push(path);
        }
    }
}

/// The blocks of code in documentation, comment marks removed, with where they are.
fn samples() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut paths = vec![root.join("README.md")];
    files(&root.join("src"), "md", &mut paths);
    files(&root.join("src"), "rs", &mut paths);
    files(&root.join("examples"), "md", &mut paths);
    let mut samples = Vec::new();
    for path in paths {
        let text = fs::read_to_string(&path).unwrap();
        let is_code = path.extension().is_some_and(|extension| extension == "rs");
        let comment = |line: &str| {
            let line = line.trim_start();
            line.strip_prefix("//!").or_else(|| line.strip_prefix("///")).map(|line| line.trim_start().to_owned())
        };
        let lines: Vec<_> = match is_code {
            true => text.lines().filter_map(comment).collect(),
            false => text.lines().map(str::to_owned).collect(),
        };
        for block in lines.join("\n").split("```").skip(1).step_by(2) {
            samples.push((path.display().to_string(), block.to_owned()));
        }
    }
    samples
}

#[test]
fn every_sample_with_an_upstream_route_puts_the_layer_in_front() {
    let samples = samples();
    let serves = |block: &str| {
        ["route(\"/upstream", "route_service(", "Request<Incoming>"].iter().any(|part| block.contains(part))
    };
    let serving: Vec<_> = samples.iter().filter(|(_, block)| serves(block)).collect();
    assert!(serving.len() >= 10, "the samples were not found: {}", serving.len());
    // A layer of the caller's own, as in `migration`, wraps the whole router, too.
    // Without tower, the handler begins with the check.
    let layers = [
        "layer(UpstreamAuthLayer",
        "layer(auth)",
        "auth.layer(service_fn",
        "layer(from_fn_with_state(validator",
        "match validator.validate_header_values(",
    ];
    for (path, block) in serving {
        let code: String = block.lines().map(|line| line.split("//").next().unwrap()).collect();
        assert!(layers.iter().any(|layer| code.contains(layer)), "{path}\n{block}");
    }
}

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
