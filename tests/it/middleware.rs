//! What tower requires of a middleware: it calls the ready service, passes errors through, survives a dropped future
//! and hands on the request unchanged.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};

use http::header::AUTHORIZATION;
use http::{Request, Response, StatusCode};
use mock_entra::MockEntra;
use signalr_upstream_auth::clock::UnixTime;
use signalr_upstream_auth::keys::{FixedKeys, KeyError, KeyFuture, KeyId, KeySource, Lookup, VerificationKey};
use signalr_upstream_auth::{Claims, Rejection, RejectionKind, TenantId, UpstreamAuth, UpstreamAuthLayer};
use support::{NOON, Picky, StillClock, entra, fixed_keys, fixed_layer, request};
use tokio::sync::watch;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

fn good(entra: &MockEntra) -> Request<String> {
    request(&[format!("Bearer {}", entra.token().mint())])
}

#[tokio::test]
async fn request_with_cached_key_finishes_on_its_first_poll_on_the_ready_service() {
    let entra = entra().await;
    let picky = Picky::default();
    let clones = Arc::clone(&picky.clones);
    let mut service = fixed_layer(&entra, entra.policy()).layer(picky);
    for _ in 0..3 {
        let response = service.ready().await.unwrap().call(good(&entra));
        let mut response = pin!(response);
        let Poll::Ready(Ok(response)) = response.as_mut().poll(&mut Context::from_waker(Waker::noop())) else {
            panic!("not ready on the first poll");
        };
        assert_eq!(response.body(), "picked");
    }
    assert_eq!(clones.load(Ordering::Relaxed), 0, "the inner service is not cloned while the key is at hand");
}

#[tokio::test]
async fn waiting_request_calls_a_service_that_it_got_ready() {
    let entra = entra().await;
    let gate = Gate::new(&entra);
    let mut service = gate.layer(&entra).layer(Picky::default());
    let waiting = service.ready().await.unwrap().call(good(&entra));
    gate.open();
    assert_eq!(waiting.await.unwrap().body(), "picked");
    // What was left behind is another clone, which has to be polled ready again, and is.
    assert_eq!(service.ready().await.unwrap().call(good(&entra)).await.unwrap().body(), "picked");
}

#[tokio::test]
async fn rejects_token_that_expires_while_its_key_is_fetched() {
    let clock = StillClock::at(NOON);
    let entra = MockEntra::builder().clock(clock.clone()).start().await;
    let gate = Gate::new(&entra);
    let mut service = gate.layer(&entra).layer(Picky::default());
    let mut waiting = pin!(service.ready().await.unwrap().call(good(&entra)));
    assert!(waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    clock.set(NOON + 86_700 + 300);
    gate.open();
    assert_eq!(support::kind(&waiting.await.unwrap()), RejectionKind::Expired);
}

#[tokio::test]
async fn layer_wraps_services_that_insist_on_readiness() {
    let entra = entra().await;
    let auth = fixed_layer(&entra, entra.policy());
    let inner = service_fn(|_: Request<String>| async { Ok::<_, Infallible>(Response::new(String::new())) });
    let limited = ServiceBuilder::new().layer(auth.clone()).concurrency_limit(1).service(inner);
    assert_eq!(limited.oneshot(good(&entra)).await.unwrap().status(), StatusCode::OK);
    let buffered = ServiceBuilder::new().layer(auth).buffer(1).service(inner);
    assert_eq!(buffered.oneshot(good(&entra)).await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn errors_of_the_inner_service_pass_through_unchanged() {
    #[derive(Debug, Eq, PartialEq)]
    struct Broken(u8);
    let entra = entra().await;
    let inner = service_fn(|_: Request<String>| async { Err::<Response<String>, _>(Broken(7)) });
    let service = fixed_layer(&entra, entra.policy()).layer(inner);
    assert_eq!(service.clone().oneshot(good(&entra)).await.unwrap_err(), Broken(7));
    // A rejection is a response.
    assert_eq!(service.oneshot(request::<String>(&[""; 0])).await.unwrap().status(), StatusCode::UNAUTHORIZED);

    let unready = UnreadyService;
    let mut service = fixed_layer(&entra, entra.policy()).layer(unready);
    assert_eq!(service.ready().await.err(), Some("not ready"));
}

/// Fails before it is called.
#[derive(Clone)]
struct UnreadyService;

impl Service<Request<String>> for UnreadyService {
    type Response = Response<String>;
    type Error = &'static str;
    type Future = std::future::Ready<Result<Response<String>, &'static str>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), &'static str>> {
        Poll::Ready(Err("not ready"))
    }

    fn call(&mut self, _: Request<String>) -> Self::Future {
        unreachable!("never ready")
    }
}

#[tokio::test]
async fn the_request_arrives_as_it_was_sent_with_claims_and_a_sensitive_token() {
    let entra = entra().await;
    let layer = fixed_layer(&entra, entra.policy());
    let sent = good(&entra);
    let line = sent.headers()[AUTHORIZATION].clone();
    let sent = sent.map(|_| "body".to_owned());

    // Twice, since the second time the token is cached.
    for _ in 0..2 {
        let entra_caller = entra.caller_object_id();
        let line = line.clone();
        let inner = service_fn(move |request: Request<String>| {
            let line = line.clone();
            async move {
                assert_eq!(request.extensions().get::<Claims>().unwrap().object_id(), entra_caller);
                assert_eq!(request.headers()[AUTHORIZATION], line);
                assert!(request.headers()[AUTHORIZATION].is_sensitive());
                assert_eq!(request.body(), "body");
                Ok::<_, Infallible>(Response::new("reached".to_owned()))
            }
        });
        assert_eq!(layer.layer(inner).oneshot(sent.clone()).await.unwrap().body(), "reached");
    }

    let inner = service_fn(|request: Request<String>| async move {
        assert!(request.headers().get(AUTHORIZATION).is_none());
        Ok::<_, Infallible>(Response::new("reached".to_owned()))
    });
    let response = layer.strip_authorization().layer(inner).oneshot(sent).await.unwrap();
    assert_eq!(response.body(), "reached");
}

#[tokio::test]
async fn custom_response_keeps_the_rejection() {
    let entra = entra().await;
    let layer = fixed_layer(&entra, entra.policy()).with_rejection_response(|rejection: &Rejection| {
        let mut response = Response::new(rejection.kind().to_string());
        *response.status_mut() = StatusCode::IM_A_TEAPOT;
        response
    });
    let inner = service_fn(|_: Request<String>| async { Ok::<_, Infallible>(Response::new(String::new())) });
    let response = layer.layer(inner).oneshot(request::<String>(&[""; 0])).await.unwrap();
    assert_eq!((response.status(), response.body().as_str()), (StatusCode::IM_A_TEAPOT, "missing_credentials"));
    assert_eq!(support::kind(&response), RejectionKind::MissingCredentials);
}

#[tokio::test]
async fn replaces_success_status_of_custom_rejection() {
    let entra = entra().await;
    for status in [100, 200, 204, 302, 399, 400, 499, 500, 599] {
        let layer = fixed_layer(&entra, entra.policy()).with_rejection_response(move |_: &Rejection| {
            let mut response = Response::new(String::new());
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            response
        });
        let inner = service_fn(|_: Request<String>| async { Ok::<_, Infallible>(Response::new(String::new())) });
        let response = layer.layer(inner).oneshot(request::<String>(&[""; 0])).await.unwrap();
        assert_eq!(response.status().as_u16(), if status < 400 { 401 } else { status }, "{status}");
    }
}

#[tokio::test]
async fn layer_needs_no_default_body_and_no_send() {
    struct NoDefault(&'static str);
    let entra = entra().await;
    let local = std::rc::Rc::new(());
    let inner = service_fn(move |_: Request<std::rc::Rc<()>>| {
        let local = std::rc::Rc::clone(&local);
        async move {
            drop(local);
            Ok::<_, Infallible>(Response::new(NoDefault("reached")))
        }
    });
    let reject = |_: &Rejection| Response::new(NoDefault("rejected"));
    let service = fixed_layer(&entra, entra.policy()).with_rejection_response(reject).layer(inner);
    let accepted = good(&entra).map(|_| std::rc::Rc::new(()));
    assert_eq!(service.clone().oneshot(accepted).await.unwrap().body().0, "reached");
    assert_eq!(service.oneshot(Request::new(std::rc::Rc::new(()))).await.unwrap().body().0, "rejected");
}

#[tokio::test]
async fn dropped_request_leaves_the_service_ready_for_the_next() {
    let entra = entra().await;
    let gate = Gate::new(&entra);
    let mut service = gate.layer(&entra).layer(Picky::default());
    {
        let mut waiting = pin!(service.ready().await.unwrap().call(good(&entra)));
        assert!(waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    gate.open();
    assert_eq!(service.ready().await.unwrap().call(good(&entra)).await.unwrap().body(), "picked");
}

#[tokio::test]
async fn rejects_cached_tokens_of_a_withdrawn_key() {
    let entra = entra().await;
    let gate = Gate::new(&entra);
    gate.open();
    let layer = gate.layer(&entra);
    let token = entra.token().mint();
    assert_eq!(support::rejection(&layer, &token).await, None);
    assert_eq!(support::rejection(&layer, &token).await, None);
    gate.withdraw();
    assert_eq!(support::rejection(&layer, &token).await, Some(RejectionKind::RevokedKey));
    gate.open();
    assert_eq!(support::rejection(&layer, &token).await, None);
}

#[test]
fn the_public_types_can_be_shared_between_threads_and_cloned() {
    fn shared<T: Send + Sync + Clone + std::fmt::Debug + 'static>() {}
    fn sent<T: Send>() {}
    shared::<UpstreamAuthLayer>();
    shared::<UpstreamAuth<Picky>>();
    shared::<Claims>();
    shared::<Rejection>();
    shared::<KeyError>();
    shared::<signalr_upstream_auth::Policy>();
    shared::<signalr_upstream_auth::Validator>();
    shared::<signalr_upstream_auth::keys::RemoteKeys>();
    shared::<signalr_upstream_auth::ConfigError>();
    shared::<Arc<dyn KeySource>>();
    sent::<signalr_upstream_auth::ResponseFuture<Picky, signalr_upstream_auth::DefaultResponse, String>>();
}

/// The mock's keys behind a gate: absent until it is opened, revoked once they are withdrawn.
#[derive(Clone, Debug)]
struct Gate {
    keys: Arc<FixedKeys>,
    state: watch::Sender<State>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Closed,
    Open,
    Withdrawn,
}

impl Gate {
    fn new(entra: &MockEntra) -> Self {
        Self { keys: fixed_keys(entra), state: watch::Sender::new(State::Closed) }
    }

    fn layer(&self, entra: &MockEntra) -> UpstreamAuthLayer {
        UpstreamAuthLayer::from_keys(entra.policy(), self.clone()).with_clock(entra.clock())
    }

    fn open(&self) {
        self.state.send_replace(State::Open);
    }

    fn withdraw(&self) {
        self.state.send_replace(State::Withdrawn);
    }
}

impl KeySource for Gate {
    fn lookup(&self, tenant: TenantId, key: &KeyId, now: UnixTime) -> Lookup {
        match *self.state.borrow() {
            State::Closed => Lookup::Miss,
            State::Open => self.keys.lookup(tenant, key, now),
            State::Withdrawn => Lookup::Rejected(KeyError::revoked()),
        }
    }

    fn resolve(&self, tenant: TenantId, key: &KeyId) -> KeyFuture<Result<VerificationKey, KeyError>> {
        let (gate, tenant, key) = (self.clone(), tenant, key.clone());
        Box::pin(async move {
            let mut state = gate.state.subscribe();
            let _ = state.wait_for(|state| *state != State::Closed).await;
            gate.keys.resolve(tenant, &key).await
        })
    }
}
