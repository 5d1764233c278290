//! What the inner service has to offer is there for accepted requests: no request of a stranger holds it while it waits
//! for a key, or after its rejection.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http::{Request, Response, StatusCode};
use mock_entra::MockEntra;
use signalr_upstream_auth::clock::UnixTime;
use signalr_upstream_auth::keys::{FixedKeys, KeyError, KeyFuture, KeyId, KeySource, Lookup, VerificationKey};
use signalr_upstream_auth::{RejectionKind, TenantId, UpstreamAuthLayer};
use support::{entra, fixed_keys, request};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tower::load_shed::error::Overloaded;
use tower::{BoxError, Layer, Service, ServiceBuilder, ServiceExt, service_fn};

/// Keys at hand, and an endpoint that hangs: whoever asks for another key waits two seconds in vain.
#[derive(Debug)]
struct Hanging(Arc<FixedKeys>);

impl KeySource for Hanging {
    fn lookup(&self, tenant: TenantId, key: &KeyId, now: UnixTime) -> Lookup {
        match self.0.lookup(tenant, key, now) {
            Lookup::Found(key) => Lookup::Found(key),
            _ => Lookup::Miss,
        }
    }

    fn resolve(&self, _: TenantId, _: &KeyId) -> KeyFuture<Result<VerificationKey, KeyError>> {
        Box::pin(async {
            sleep(WAIT).await;
            Err(KeyError::unavailable("the endpoint hangs"))
        })
    }
}

/// Keys that come after a while.
#[derive(Debug)]
struct Late(Arc<FixedKeys>);

impl KeySource for Late {
    fn lookup(&self, _: TenantId, _: &KeyId, _: UnixTime) -> Lookup {
        Lookup::Miss
    }

    fn resolve(&self, tenant: TenantId, key: &KeyId) -> KeyFuture<Result<VerificationKey, KeyError>> {
        let key = self.0.resolve(tenant, key);
        Box::pin(async {
            sleep(Duration::from_secs(1)).await;
            key.await
        })
    }
}

fn auth(entra: &MockEntra, keys: impl KeySource) -> UpstreamAuthLayer {
    UpstreamAuthLayer::from_keys(entra.policy(), keys).with_clock(entra.clock())
}

fn good(entra: &MockEntra) -> Request<String> {
    request(&[format!("Bearer {}", entra.token().mint())])
}

/// An invented `kid`, a signature of zeros, all else as it should be.
fn strange(entra: &MockEntra) -> Request<String> {
    request(&[format!("Bearer {}", entra.token().key_id("invented").signature([0; 256]).mint())])
}

async fn work(_: Request<String>) -> Result<Response<String>, Infallible> {
    sleep(WORK).await;
    Ok(Response::new("done".to_owned()))
}

fn is_pending<F: Future>(future: std::pin::Pin<&mut F>) -> bool {
    future.poll(&mut Context::from_waker(Waker::noop())).is_pending()
}

#[tokio::test(start_paused = true)]
async fn waiting_request_holds_no_permit_of_the_inner_service() {
    let entra = entra().await;
    let layer = auth(&entra, Hanging(fixed_keys(&entra)));
    let mut service = ServiceBuilder::new().layer(layer).concurrency_limit(1).service_fn(work);
    let mut other = service.clone();
    let mut waiting = pin!(service.ready().await.unwrap().call(strange(&entra)));
    assert!(is_pending(waiting.as_mut()));
    assert!(poll_fn(|cx| Poll::Ready(other.poll_ready(cx).is_ready())).await, "the stranger holds the only permit");
    let start = Instant::now();
    assert_eq!(other.call(good(&entra)).await.unwrap().body(), "done");
    assert_eq!(start.elapsed(), WORK);
    assert_eq!(support::kind(&waiting.await.unwrap()), RejectionKind::KeysUnavailable);
}

#[tokio::test(start_paused = true)]
async fn rejected_request_holds_no_permit_of_the_inner_service() {
    let entra = entra().await;
    let layer = auth(&entra, Hanging(fixed_keys(&entra)));
    let mut service = ServiceBuilder::new().layer(layer).concurrency_limit(1).service_fn(work);
    let mut other = service.clone();
    let response = service.ready().await.unwrap().call(request::<String>(&["Bearer a"])).await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert!(poll_fn(|cx| Poll::Ready(other.poll_ready(cx).is_ready())).await, "the rejected one holds the only permit");
    assert_eq!(other.call(good(&entra)).await.unwrap().body(), "done");
}

#[tokio::test(start_paused = true)]
async fn requests_that_waited_share_the_permits_of_the_inner_service() {
    let entra = entra().await;
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let inner = service_fn({
        let most = Arc::clone(&most);
        move |request| {
            let (running, most) = (Arc::clone(&running), Arc::clone(&most));
            async move {
                most.fetch_max(running.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
                let response = work(request).await;
                running.fetch_sub(1, Ordering::Relaxed);
                response
            }
        }
    });
    let service =
        ServiceBuilder::new().layer(auth(&entra, Late(fixed_keys(&entra)))).concurrency_limit(2).service(inner);
    let mut calls = JoinSet::new();
    for _ in 0..6 {
        calls.spawn(service.clone().oneshot(good(&entra)));
    }
    let start = Instant::now();
    assert!(calls.join_all().await.into_iter().all(|response| response.unwrap().body() == "done"));
    assert_eq!(most.load(Ordering::Relaxed), 2, "the limit holds after the wait, too");
    assert_eq!(start.elapsed(), Duration::from_secs(1) + 3 * WORK);
}

#[tokio::test(start_paused = true)]
async fn error_of_a_service_that_is_not_ready_after_the_wait_passes_through() {
    /// Ready for the first poll, broken for the second.
    #[derive(Clone)]
    struct Breaking(Arc<AtomicUsize>);

    impl Service<Request<String>> for Breaking {
        type Response = Response<String>;
        type Error = &'static str;
        type Future = std::future::Ready<Result<Response<String>, &'static str>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), &'static str>> {
            Poll::Ready(if self.0.fetch_add(1, Ordering::Relaxed) == 0 { Ok(()) } else { Err("broken meanwhile") })
        }

        fn call(&mut self, _: Request<String>) -> Self::Future {
            unreachable!("not ready")
        }
    }

    let entra = entra().await;
    let service = auth(&entra, Late(fixed_keys(&entra))).layer(Breaking(Arc::default()));
    assert_eq!(service.oneshot(good(&entra)).await.err(), Some("broken meanwhile"));
}

/// Sixteen waiting requests of a stranger at any time, and a good one every 18 ms for half a minute.
#[tokio::test(start_paused = true)]
async fn strangers_cause_no_shedding_of_requests_whose_key_is_cached() {
    let entra = entra().await;
    let layer = auth(&entra, Hanging(fixed_keys(&entra)));
    let service = ServiceBuilder::new().load_shed().layer(layer).concurrency_limit(16).service_fn(work);
    let strangers = flood(16, &service, &entra);
    let (mut calls, start) = (JoinSet::new(), Instant::now());
    while start.elapsed() < Duration::from_secs(30) {
        calls.spawn(timed(service.clone(), good(&entra)));
        sleep(Duration::from_millis(18)).await;
    }
    let outcomes = calls.join_all().await;
    let shed = outcomes.iter().filter(|(outcome, _)| outcome.as_ref().is_err_and(|error| error.is::<Overloaded>()));
    assert_eq!(shed.count(), 0, "of {} good requests", outcomes.len());
    assert!(outcomes.len() > 1600 && outcomes.iter().all(|(outcome, took)| outcome.is_ok() && *took == WORK));
    drop(strangers);
}

/// The same against a buffer of four places.
#[tokio::test(start_paused = true)]
async fn strangers_do_not_delay_requests_whose_key_is_cached() {
    let entra = entra().await;
    let layer = auth(&entra, Hanging(fixed_keys(&entra)));
    let service = ServiceBuilder::new().layer(layer).buffer(4).service_fn(work);
    let strangers = flood(16, &service, &entra);
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(30) {
        let (outcome, took) = timed(service.clone(), good(&entra)).await;
        assert_eq!((outcome.unwrap(), took), (StatusCode::OK, WORK));
        sleep(Duration::from_millis(500)).await;
    }
    drop(strangers);
}

/// So many clients that send a stranger's requests, one after the other, for as long as the set lives.
fn flood<S>(clients: usize, service: &S, entra: &MockEntra) -> JoinSet<Infallible>
where
    S: Service<Request<String>, Response = Response<String>, Error: Into<BoxError>, Future: Send>
        + Clone
        + Send
        + 'static,
{
    let token = strange(entra);
    let mut set = JoinSet::new();
    for _ in 0..clients {
        let (service, token) = (service.clone(), token.clone());
        set.spawn(async move {
            loop {
                let (_, took) = timed(service.clone(), token.clone()).await;
                // What is shed at once comes again after a breath.
                sleep(if took < WAIT { Duration::from_millis(50) } else { Duration::ZERO }).await;
            }
        });
    }
    set
}

/// One request: its status and how long it took.
async fn timed<S>(service: S, request: Request<String>) -> (Result<StatusCode, BoxError>, Duration)
where
    S: Service<Request<String>, Response = Response<String>, Error: Into<BoxError>>,
{
    let start = Instant::now();
    let outcome = service.oneshot(request).await.map(|response| response.status()).map_err(Into::into);
    (outcome, start.elapsed())
}

/// How long a request waits for a key that does not come.
const WAIT: Duration = Duration::from_secs(2);

/// How long the inner service works on a request.
const WORK: Duration = Duration::from_millis(20);
