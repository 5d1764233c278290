//! What several test binaries need: a clock that stands still, a mock Entra at its noon, a handler that answers, and
//! one request through the layer to it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot be set up should stop")]

pub mod checks;
#[cfg(doctest)]
mod documentation;
pub mod runs;
pub mod signatures;

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use http::header::AUTHORIZATION;
use http::{HeaderValue, Request, Response};
use mock_entra::MockEntra;
use signalr_upstream_auth::clock::{Clock, UnixTime};
use signalr_upstream_auth::keys::{FixedKeys, KeySet};
use signalr_upstream_auth::{Claims, Policy, Rejection, RejectionKind, TokenVersion, UpstreamAuthLayer};
use tower::{Layer, Service, ServiceExt};

/// A time of day that tests agree upon.
pub const NOON: u64 = 1_790_000_000;

/// A clock that stands still until it is set. `u64::MAX` means that it cannot be read.
#[derive(Debug)]
pub struct StillClock(AtomicU64);

impl StillClock {
    /// At so many seconds since 1970.
    #[must_use]
    pub fn at(seconds: u64) -> Arc<Self> {
        Arc::new(Self(AtomicU64::new(seconds)))
    }

    /// Sets it to so many seconds since 1970.
    pub fn set(&self, seconds: u64) {
        self.0.store(seconds, Ordering::Relaxed);
    }
}

impl Clock for StillClock {
    fn now(&self) -> Option<UnixTime> {
        match self.0.load(Ordering::Relaxed) {
            u64::MAX => None,
            seconds => Some(UnixTime::from_secs(seconds)),
        }
    }
}

/// How many cases a property tries: so many, or as many times that as `PROPTEST_CASES_FACTOR` says. `.ci/slow_tests`
/// sets it.
#[must_use]
pub fn cases(usual: u32) -> u32 {
    let factor = std::env::var("PROPTEST_CASES_FACTOR").map_or(1, |factor| factor.parse().expect("a whole number"));
    usual.saturating_mul(factor)
}

/// A mock Entra whose clock stands at [`NOON`].
pub async fn entra() -> MockEntra {
    MockEntra::builder().clock(StillClock::at(NOON)).start().await
}

/// The mock's keys as they are published at this moment.
#[must_use]
pub fn fixed_keys(entra: &MockEntra) -> Arc<FixedKeys> {
    let document = entra.key_document(TokenVersion::V2);
    Arc::new(FixedKeys::new(KeySet::from_json(document.as_bytes()).unwrap()))
}

/// A layer with the mock's keys as they are published at this moment, on the mock's clock.
pub fn fixed_layer(entra: &MockEntra, policy: Policy) -> UpstreamAuthLayer {
    UpstreamAuthLayer::from_keys(policy, fixed_keys(entra)).with_clock(entra.clock())
}

/// A request with these `Authorization` lines.
pub fn request<B: Default>(lines: &[impl AsRef<[u8]>]) -> Request<B> {
    let mut request = Request::new(B::default());
    for line in lines {
        request.headers_mut().append(AUTHORIZATION, HeaderValue::from_bytes(line.as_ref()).unwrap());
    }
    request
}

/// What came of a request: the claims that reached the handler, or the response to a rejection.
pub type Outcome = Result<Claims, Response<String>>;

/// Sends one request through a layer in front of a handler.
pub async fn send(layer: &UpstreamAuthLayer, request: Request<String>) -> Outcome {
    let service = layer.layer(tower::service_fn(|request: Request<String>| async move {
        let mut response = Response::new("reached".to_owned());
        response.extensions_mut().insert(request.extensions().get::<Claims>().unwrap().clone());
        Ok::<_, Infallible>(response)
    }));
    let mut response = service.oneshot(request).await.unwrap();
    match response.extensions_mut().remove::<Claims>() {
        Some(claims) => Ok(claims),
        None => Err(response),
    }
}

/// Sends one token through a layer; the kind of its rejection, if it is rejected.
pub async fn rejection(layer: &UpstreamAuthLayer, token: &str) -> Option<RejectionKind> {
    send(layer, request(&[format!("Bearer {token}")])).await.err().map(|response| kind(&response))
}

/// The kind of a rejection.
pub fn kind<B>(response: &Response<B>) -> RejectionKind {
    response.extensions().get::<Rejection>().expect("a rejection carries its rejection").kind()
}

/// A service that panics when it is called without having been polled ready.
#[derive(Debug, Default)]
pub struct Picky {
    is_ready: bool,
    /// How often a clone was made: a clone is never ready.
    pub clones: Arc<AtomicU64>,
}

impl Clone for Picky {
    fn clone(&self) -> Self {
        self.clones.fetch_add(1, Ordering::Relaxed);
        Self { is_ready: false, clones: Arc::clone(&self.clones) }
    }
}

impl Service<Request<String>> for Picky {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Response<String>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.is_ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<String>) -> Self::Future {
        assert!(std::mem::take(&mut self.is_ready), "called without having been polled ready");
        std::future::ready(Ok(Response::new("picked".to_owned())))
    }
}
