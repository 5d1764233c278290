//! An upstream whose counters a Prometheus server can read.
//!
//! ```text
//! cargo run --example metrics --features metrics
//! curl http://127.0.0.1:3000/metrics
//! ```
//!
//! Settings and the Entra it makes without them are those of `axum_upstream`. Keep `/metrics` from the public: let
//! the proxy in front serve `/upstream` alone, or listen on a second port.

#[allow(dead_code, reason = "a part of it is for the other servers")]
mod support;

use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::{get, post};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use signalr_upstream_auth::{Claims, UpstreamAuthLayer, meter};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Before anything is counted.
    let exporter = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Full(meter::VERIFICATION_SECONDS.to_owned()), BUCKETS)?
        .install_recorder()?;
    meter::describe();
    let upkeep = exporter.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_secs(5)).await;
            // Else measured times would pile up while nobody scrapes.
            upkeep.run_upkeep();
        }
    });
    let (auth, listener) = support::start(UpstreamAuthLayer::from_env).await?;
    axum::serve(listener, app(auth, exporter)).await?;
    Ok(())
}

fn app(auth: UpstreamAuthLayer, exporter: PrometheusHandle) -> Router {
    Router::new()
        .route("/upstream/{hub}/{category}/{event}", post(async |_: Claims| StatusCode::OK))
        .layer(auth)
        .route("/metrics", get(async move || exporter.render()))
}

/// In seconds. A full check takes some tens of microseconds.
const BUCKETS: &[f64] = &[0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.01];
