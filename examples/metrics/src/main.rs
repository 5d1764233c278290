//! An upstream whose metrics Prometheus can scrape.
//!
//! ```text
//! cargo run -p metrics_upstream
//! curl http://127.0.0.1:3000/metrics
//! ```
//!
//! Without settings it starts a mock of Entra and prints a `curl` line with a token that it accepts. With the variables of
//! [`Settings`] it serves your SignalR resource. Do not expose `/metrics` to the public: let the proxy in front pass
//! `/upstream` only, or listen on a second port.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::{get, post};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use mock_entra::MockEntra;
use signalr_upstream_auth::{Claims, Settings, UpstreamAuthLayer, meter};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    // The recorder comes first: what is counted before it is lost.
    let exporter = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Full(meter::VERIFICATION_SECONDS.to_owned()), &meter::VERIFICATION_BUCKETS)?
        .install_recorder()?;
    meter::describe();
    let upkeep = exporter.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_secs(5)).await;
            // Otherwise the samples of the histogram pile up while nobody scrapes.
            upkeep.run_upkeep();
        }
    });
    let address: SocketAddr = std::env::var("LISTEN_ADDR").as_deref().unwrap_or("127.0.0.1:3000").parse()?;
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    // Nobody must take a server that trusts a mock for a real one.
    let is_embedded = !Settings::is_configured_in(std::env::vars_os()) && address.ip().is_loopback();
    let entra = if is_embedded { Some(MockEntra::start().await) } else { None };
    let auth = match &entra {
        Some(entra) => UpstreamAuthLayer::new(entra.policy())?,
        None => UpstreamAuthLayer::from_env()?,
    };
    if let Some(entra) = &entra {
        let token = entra.token().mint();
        println!("There are no settings, so this server trusts an Entra of its own. Call it, then read its metrics:\n");
        println!("  curl -i -X POST -H \"Authorization: Bearer {token}\" http://{address}/upstream/chat/messages/echo");
        println!("  curl http://{address}/metrics\n");
    }
    axum::serve(listener, app(auth, exporter)).await?;
    Ok(())
}

fn app(auth: UpstreamAuthLayer, exporter: PrometheusHandle) -> Router {
    Router::new()
        .route("/upstream/{hub}/{category}/{event}", post(async |_: Claims| StatusCode::OK))
        .layer(auth)
        .route("/metrics", get(async move || exporter.render()))
}
