//! The admin listener: probes, metrics and status. No proxy leads there.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Json};
use axum::routing::get;
use axum::{Router, http::StatusCode};
use http::header::CONTENT_TYPE;
use http::{Request, Response};
use hyper::body::Incoming;
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use serde::Serialize;
use signalr_upstream_auth::keys::KeyStatus;
use signalr_upstream_auth::meter;
use tokio::time::{Instant, sleep};
use tower::ServiceExt;

use crate::current::Current;
use crate::server::phase::{Phase, Phases};
use crate::server::{Answer, Peer};

/// Answers at the admin address.
#[derive(Clone, Debug)]
pub(crate) struct Admin(Router);

impl Admin {
    pub(crate) fn new(current: Current, phases: Phases, exporter: PrometheusHandle) -> Self {
        let shared = Arc::new(Shared { current, phases, exporter, started: Instant::now() });
        let router = Router::new()
            .route("/healthz", get(async || StatusCode::NO_CONTENT))
            .route("/readyz", get(readyz))
            .route("/metrics", get(metrics))
            .route("/status", get(status));
        Self(router.with_state(shared))
    }
}

impl Answer for Admin {
    async fn answer(&self, request: Request<Incoming>, _peer: Peer) -> Response<Body> {
        match self.0.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}

#[derive(Debug)]
struct Shared {
    current: Current,
    phases: Phases,
    exporter: PrometheusHandle,
    started: Instant,
}

impl Shared {
    /// Without keys every request is answered 503.
    fn is_ready(&self) -> bool {
        self.phases.current() == Phase::Serving && self.current.load().layer.is_ready()
    }

    /// With the cause, which may name a proxy: who can ask here can read the log as well.
    fn why_not_ready(&self) -> String {
        if self.phases.current() > Phase::Serving {
            return "this server is ending".to_owned();
        }
        let Some(error) = self.current.load().layer.last_key_error() else {
            return "the keys are not loaded yet".to_owned();
        };
        error.source().map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
    }
}

async fn readyz(State(shared): State<Arc<Shared>>) -> Result<StatusCode, (StatusCode, String)> {
    if shared.is_ready() {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err((StatusCode::SERVICE_UNAVAILABLE, shared.why_not_ready()))
    }
}

async fn metrics(State(shared): State<Arc<Shared>>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], shared.exporter.render())
}

async fn status(State(shared): State<Arc<Shared>>) -> Json<Status> {
    Json(Status {
        version: env!("CARGO_PKG_VERSION"),
        ready: shared.is_ready(),
        ending: shared.phases.current() > Phase::Serving,
        uptime_secs: shared.started.elapsed().as_secs(),
        tenants: shared.current.load().keys.status(),
    })
}

/// The answer of `/status`.
#[derive(Serialize)]
struct Status {
    version: &'static str,
    ready: bool,
    ending: bool,
    uptime_secs: u64,
    tenants: Vec<KeyStatus>,
}

/// Installs the recorder of metrics. Needs a runtime.
pub(crate) fn exporter() -> Result<PrometheusHandle, BuildError> {
    let exporter = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Full(meter::VERIFICATION_SECONDS.to_owned()), &meter::VERIFICATION_BUCKETS)?
        .install_recorder()?;
    meter::describe();
    let upkeep = exporter.clone();
    tokio::spawn(async move {
        loop {
            sleep(UPKEEP).await;
            // Otherwise the samples of the histogram pile up while nobody scrapes.
            upkeep.run_upkeep();
        }
    });
    Ok(exporter)
}

const UPKEEP: Duration = Duration::from_secs(5);
