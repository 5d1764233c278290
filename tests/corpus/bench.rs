//! What entries are sent through, and what is seen of each.

use std::cell::Cell;
use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response};
use hyper::body::{Body, Frame};
use peak_alloc::PeakAlloc;
use signalr_upstream_auth::fuzzing::signatures_checked;
use signalr_upstream_auth::testing::{Endpoint, Fault, Jwk, MockEntra, SigningKey, TokenBuilder};
use signalr_upstream_auth::{
    Claims, Policy, Rejection, RejectionKind as K, RemoteKeys, TokenVersion, UpstreamAuthLayer,
};
use tower::{Layer, ServiceExt};
use tracing_subscriber::fmt::MakeWriter;

use crate::common::{NOON, StillClock, entra};

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// What a request may take on the heap beyond a few times its own size. Most of it is what the test itself keeps.
pub const HEAP: usize = 100_000;

/// What fetching documents may take: one of a mebibyte, read by this crate, and the mock that writes it.
pub const DOCUMENT: usize = 4_000_000;

/// What becomes of an entry.
#[derive(Clone, Copy, Debug)]
pub struct Expected {
    pub status: u16,
    pub kind: Option<K>,
    first_fetches: (usize, usize),
    later_fetches: (usize, usize),
    first_signatures: u64,
    later_signatures: u64,
    /// Whether a refresh of the keys succeeds, for entries about documents.
    pub refresh: Option<bool>,
    /// Whether the fetches are repeated while the request waits.
    is_retried: bool,
}

/// Accepted after one signature, and recognised without one the second time.
pub const PASS: Expected = Expected {
    status: 200,
    kind: None,
    first_fetches: (0, 0),
    later_fetches: (0, 0),
    first_signatures: 1,
    later_signatures: 0,
    refresh: None,
    is_retried: false,
};

/// A good token, after a refresh that brought a good document.
pub const TAKEN: Expected = Expected { refresh: Some(true), first_fetches: (1, 1), ..PASS };

/// A good token, after a refresh that brought a document which changes nothing. The key document is read.
pub const KEPT: Expected = Expected { refresh: Some(false), first_fetches: (1, 1), ..PASS };

/// The same, where nothing further is asked after the discovery document.
pub const NOT_FOLLOWED: Expected = Expected { refresh: Some(false), first_fetches: (1, 0), ..PASS };

/// Refused without a fetch and without a look at the signature.
pub const fn refused(status: u16, kind: K) -> Expected {
    Expected {
        status,
        kind: Some(kind),
        first_fetches: (0, 0),
        later_fetches: (0, 0),
        first_signatures: 0,
        later_signatures: 0,
        refresh: None,
        is_retried: false,
    }
}

impl Expected {
    /// The signature is checked, every time anew.
    pub const fn signed(self) -> Self {
        Self { first_signatures: 1, later_signatures: 1, ..self }
    }

    /// Documents are fetched for it, every time anew: so many of discovery, so many of keys.
    pub const fn fetching(self, discovery: usize, keys: usize) -> Self {
        Self { first_fetches: (discovery, keys), later_fetches: (discovery, keys), ..self }
    }

    /// After a refresh that brought a good document.
    pub const fn taken(self) -> Self {
        Self { first_fetches: (1, 1), refresh: Some(true), ..self }
    }

    /// Documents are fetched again and again while the request waits.
    pub const fn retrying(self, discovery: usize, keys: usize) -> Self {
        Self { is_retried: true, ..self.fetching(discovery, keys) }
    }

    /// Whether this is about something that must not be believed.
    pub fn is_hostile(&self) -> bool {
        self.kind.is_some() || self.refresh == Some(false)
    }

    pub fn judge_fetches(&self, found: (usize, usize), is_repeated: bool) -> Result<(), String> {
        let expected = if is_repeated { self.later_fetches } else { self.first_fetches };
        let times = if self.is_retried { found.0.clamp(1, 6) } else { 1 };
        if found == (expected.0 * times, expected.1 * times) {
            Ok(())
        } else {
            Err(format!("fetches of discovery and key documents: {found:?}, not {expected:?}"))
        }
    }

    pub fn signatures(&self, is_repeated: bool) -> u64 {
        if is_repeated { self.later_signatures } else { self.first_signatures }
    }
}

/// One request with what must become of it.
pub struct Entry {
    pub name: String,
    pub expected: Expected,
    sent: Sent,
    scene: Scene,
}

/// A request.
#[derive(Clone, Debug)]
pub struct Sent {
    method: Method,
    uri: String,
    headers: Vec<(HeaderName, Vec<u8>)>,
    /// Whether somebody before the layer has put claims into its extensions.
    has_claims: bool,
}

/// The service it meets.
#[allow(clippy::large_enum_variant, reason = "there is one for each entry, not for each request")]
enum Scene {
    /// A service with keys, which many entries meet one after the other.
    Warm,
    /// The same with another policy.
    Policy(Policy),
    /// A service without a clock.
    Clockless,
    /// A mock of its own whose service has its keys already.
    Loaded(Arc<MockEntra>),
    /// A mock of its own whose service has its keys already and reads them anew, when a document is answered otherwise.
    Served(Arc<MockEntra>, Endpoint, Fault),
    /// A mock of its own whose service has not asked for keys yet.
    Cold(Arc<MockEntra>),
}

impl Sent {
    /// A call with these `Authorization` lines.
    pub fn lines(lines: &[impl AsRef<[u8]>]) -> Self {
        let headers = lines.iter().map(|line| (AUTHORIZATION, line.as_ref().to_vec())).collect();
        Self { method: Method::POST, uri: "/upstream/chat/messages/echo".to_owned(), headers, has_claims: false }
    }

    /// A call with one token.
    pub fn token(token: &str) -> Self {
        Self::lines(&[format!("Bearer {token}")])
    }

    pub fn method(self, method: Method) -> Self {
        Self { method, ..self }
    }

    pub fn uri(self, uri: impl Into<String>) -> Self {
        Self { uri: uri.into(), ..self }
    }

    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.parse().unwrap(), value.as_ref().to_vec()));
        self
    }

    pub fn with_claims_of_another(self) -> Self {
        Self { has_claims: true, ..self }
    }

    fn request(&self, bench: &Bench, polled: &Arc<AtomicBool>) -> Request<Untouchable> {
        let mut request = Request::new(Untouchable(Arc::clone(polled)));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.parse().unwrap();
        for (name, value) in &self.headers {
            request.headers_mut().append(name, HeaderValue::from_bytes(value).unwrap());
        }
        if self.has_claims {
            request.extensions_mut().insert(bench.claims_of_another.clone());
        }
        request
    }
}

impl Entry {
    fn of(name: impl Into<String>, expected: Expected, sent: Sent, scene: Scene) -> Self {
        Self { name: name.into(), expected, sent, scene }
    }

    /// A request to the usual service.
    pub fn sent(name: impl Into<String>, expected: Expected, sent: Sent) -> Self {
        Self::of(name, expected, sent, Scene::Warm)
    }

    /// A request to a service with another policy.
    pub fn to_policy(name: impl Into<String>, expected: Expected, sent: Sent, policy: Policy) -> Self {
        Self::of(name, expected, sent, Scene::Policy(policy))
    }

    /// A request to a service whose clock cannot be read.
    pub fn clockless(name: impl Into<String>, expected: Expected, sent: Sent) -> Self {
        Self::of(name, expected, sent, Scene::Clockless)
    }

    /// A token of a key that a mock of its own lists with a difference, beside two sound keys.
    pub fn listed(name: &str, expected: Expected, listed: impl FnOnce(&SigningKey) -> Jwk) -> Self {
        let entra = Arc::new(blocking(entra));
        let key = entra.new_key();
        entra.publish(listed(&key));
        let sent = Sent::token(&entra.token().signed_by(&key).mint());
        Self::of(name, expected, sent, Scene::Loaded(entra))
    }

    /// A good token for a service that has its keys and reads them anew, when a document is answered otherwise.
    pub fn served(name: &str, expected: Expected, endpoint: Endpoint, fault: impl FnOnce(&MockEntra) -> Fault) -> Self {
        let entra = Arc::new(blocking(entra));
        let fault = fault(&entra);
        let sent = Sent::token(&entra.token().mint());
        Self::of(name, expected, sent, Scene::Served(entra, endpoint, fault))
    }

    /// A good token for a service without keys, whose fetches of a document are all answered otherwise.
    pub fn unserved(
        name: &str,
        expected: Expected,
        endpoint: Endpoint,
        fault: impl FnOnce(&MockEntra) -> Fault,
    ) -> Self {
        let entra = Arc::new(blocking(entra));
        let fault = fault(&entra);
        entra.fail(endpoint, fault);
        let sent = Sent::token(&entra.token().mint());
        Self::of(name, expected, sent, Scene::Cold(entra))
    }

    /// The bytes of the whole request.
    pub fn bytes(&self) -> usize {
        self.sent.uri.len()
            + self.sent.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum::<usize>()
    }

    pub fn credentials(&self) -> impl Iterator<Item = &[u8]> {
        self.sent.headers.iter().filter(|(name, _)| *name == AUTHORIZATION).map(|(_, value)| &value[..])
    }
}

/// The difference of a token from a good one.
pub type Change = fn(TokenBuilder) -> TokenBuilder;

/// What was seen of one request.
#[derive(Debug)]
pub struct Outcome {
    /// Whether the same request was sent before.
    pub is_repeated: bool,
    pub panicked: bool,
    pub status: u16,
    pub kind: Option<K>,
    pub headers: HeaderMap,
    pub body: String,
    pub fetches: (usize, usize),
    pub signatures: u64,
    pub handler_reached: bool,
    pub body_polled: bool,
    pub refreshed: Option<bool>,
    pub trapped: usize,
    pub heap: usize,
    pub log: String,
}

impl Outcome {
    pub fn answer_text(&self) -> String {
        let values = self.headers.values().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        values.chain([self.body.clone()]).collect::<Vec<_>>().join("\n")
    }
}

/// The usual service.
pub struct Bench {
    pub entra: MockEntra,
    /// Listens where hostile tokens point to.
    pub trap: MockEntra,
    layer: UpstreamAuthLayer,
    claims_of_another: Claims,
    log: Log,
    /// What its mock was asked for by services that were made ready, and during entries.
    accounted: Cell<(usize, usize)>,
}

impl Bench {
    pub async fn new() -> Self {
        let entra = entra().await;
        let trap = crate::common::entra().await;
        let keys = remote_keys(&entra);
        let layer = UpstreamAuthLayer::with_keys(entra.policy(), keys).with_clock(entra.clock());
        layer.ready().await.unwrap();
        let another = MockEntra::builder()
            .clock(StillClock::at(NOON))
            .caller(ANOTHER.parse().unwrap(), ANOTHER.parse().unwrap())
            .start()
            .await;
        let claims_of_another = another.claims();
        let accounted = Cell::new(asked(&entra));
        Self { entra, trap, layer, claims_of_another, log: Log::default(), accounted }
    }

    /// What the mock was asked for after an answer was given, by something that went on behind it.
    pub async fn unaccounted(&self) -> (usize, usize) {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let (asked, accounted) = (asked(&self.entra), self.accounted.get());
        (asked.0 - accounted.0, asked.1 - accounted.1)
    }

    fn account(&self, entra: &MockEntra, fetches: (usize, usize)) {
        if entra.url() == self.entra.url() {
            let accounted = self.accounted.get();
            self.accounted.set((accounted.0 + fetches.0, accounted.1 + fetches.1));
        }
    }

    pub fn token(&self) -> TokenBuilder {
        self.entra.token()
    }

    /// A good token.
    pub fn good(&self) -> String {
        self.token().mint()
    }

    pub fn tenant(&self) -> String {
        self.entra.tenant().to_string()
    }

    pub fn audience(&self) -> String {
        self.entra.audience_client_id().to_string()
    }

    pub fn issuer(&self, version: TokenVersion) -> String {
        self.entra.issuer(self.entra.tenant(), version)
    }

    /// Tokens that differ from a good one as said.
    pub fn tokens(&self, expected: Expected, entries: &[(&str, Change)]) -> Vec<Entry> {
        let entry =
            |(name, change): &(&str, Change)| Entry::sent(*name, expected, Sent::token(&change(self.token()).mint()));
        entries.iter().map(entry).collect()
    }

    /// `Authorization` lines, in which `{}` stands for a good token that was not seen before.
    pub fn lines(&self, expected: Expected, entries: &[(&str, &[&str])]) -> Vec<Entry> {
        let entry = |(name, lines): &(&str, &[&str])| {
            let good = self.good();
            let lines: Vec<_> = lines.iter().map(|line| line.replace("{}", &good)).collect();
            Entry::sent(*name, expected, Sent::lines(&lines))
        };
        entries.iter().map(entry).collect()
    }

    /// Sends an entry twice: what is refused once is refused twice, and what is accepted is recognised.
    pub async fn run(&self, entry: &Entry) -> Vec<Outcome> {
        let (entra, keys, layer) = match &entry.scene {
            Scene::Warm => (&self.entra, None, self.layer.clone()),
            Scene::Clockless => (&self.entra, None, self.layer.clone().with_clock(StillClock::at(u64::MAX))),
            Scene::Policy(policy) => {
                let (keys, layer) = service(&self.entra, policy.clone());
                (&self.entra, Some(keys), layer)
            }
            Scene::Loaded(entra) | Scene::Served(entra, ..) | Scene::Cold(entra) => {
                let (keys, layer) = service(entra, entra.policy());
                (&**entra, Some(keys), layer)
            }
        };
        if let Scene::Cold(_) = entry.scene {
            // The next one would come while another attempt is due.
            return vec![self.send(entry, entra, &layer, None, false).await];
        }
        let before = asked(entra);
        layer.ready().await.unwrap();
        let after = asked(entra);
        self.account(entra, (after.0 - before.0, after.1 - before.1));
        let mut refreshed = None;
        if let Scene::Served(_, endpoint, fault) = &entry.scene {
            entra.fail(*endpoint, fault.clone());
            refreshed = keys.as_deref();
        }
        vec![self.send(entry, entra, &layer, refreshed, false).await, self.send(entry, entra, &layer, None, true).await]
    }

    /// Sends an entry once, after a refresh of the keys if there is one to make.
    async fn send(
        &self,
        entry: &Entry,
        entra: &MockEntra,
        layer: &UpstreamAuthLayer,
        refresh: Option<&RemoteKeys>,
        is_repeated: bool,
    ) -> Outcome {
        let polled = Arc::new(AtomicBool::new(false));
        let reached = Arc::new(AtomicBool::new(false));
        let handler = Arc::clone(&reached);
        let another = self.claims_of_another.object_id();
        let service = layer.clone().layer(tower::service_fn(move |request: Request<Untouchable>| {
            handler.store(true, Ordering::Relaxed);
            let claims = request.extensions().get::<Claims>().expect("claims");
            assert_ne!(claims.object_id(), another, "claims that somebody else put there");
            std::future::ready(Ok::<_, Infallible>(Response::new("reached".to_owned())))
        }));
        let request = entry.sent.request(self, &polled);
        let (fetches_before, signatures_before) = (asked(entra), signatures_checked());
        let trapped_before = self.trap.requests().connections();
        let subscriber =
            tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(self.log.clone()).finish();
        let guard = tracing::subscriber::set_default(subscriber);
        self.log.take();
        let heap_before = ALLOCATOR.current_usage();
        ALLOCATOR.reset_peak_usage();
        let refreshed = match refresh {
            Some(keys) => Some(keys.refresh_now().await.is_ok()),
            None => None,
        };
        let response = CatchPanic(Box::pin(service.oneshot(request))).await;
        let heap = ALLOCATOR.peak_usage().saturating_sub(heap_before);
        drop(guard);
        let (fetches_after, signatures_after) = (asked(entra), signatures_checked());
        let fetches = (fetches_after.0 - fetches_before.0, fetches_after.1 - fetches_before.1);
        self.account(entra, fetches);
        let panicked = response.is_none();
        let response = response.map_or_else(|| Response::new(String::new()), Result::unwrap);
        Outcome {
            is_repeated,
            panicked,
            status: response.status().as_u16(),
            kind: response.extensions().get::<Rejection>().map(Rejection::kind),
            headers: response.headers().clone(),
            body: response.into_body(),
            fetches,
            signatures: signatures_after - signatures_before,
            handler_reached: reached.load(Ordering::Relaxed),
            body_polled: polled.load(Ordering::Relaxed),
            refreshed,
            trapped: self.trap.requests().connections() - trapped_before,
            heap,
            log: self.log.take(),
        }
    }
}

/// How often a mock was asked for discovery and for keys.
fn asked(entra: &MockEntra) -> (usize, usize) {
    let requests = entra.requests();
    (requests.discovery(), requests.keys())
}

/// A service with keys of its own.
fn service(entra: &MockEntra, policy: Policy) -> (Arc<RemoteKeys>, UpstreamAuthLayer) {
    let keys = remote_keys(entra);
    let layer = UpstreamAuthLayer::with_keys(policy, keys.clone()).with_clock(entra.clock());
    (keys, layer)
}

/// Keys as in earnest, but that every unknown key may cause a fetch.
fn remote_keys(entra: &MockEntra) -> Arc<RemoteKeys> {
    Arc::new(RemoteKeys::builder(&entra.policy()).refetch_cooldown(Duration::ZERO).build().unwrap())
}

/// Entries are made inside a runtime already.
fn blocking<F: Future>(make: impl FnOnce() -> F) -> F::Output {
    let mut future = std::pin::pin!(make());
    match future.as_mut().poll(&mut Context::from_waker(std::task::Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => unreachable!("a mock starts without waiting"),
    }
}

/// A body that tells when it is polled.
struct Untouchable(Arc<AtomicBool>);

impl Body for Untouchable {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.store(true, Ordering::Relaxed);
        Poll::Ready(None)
    }
}

/// A future whose panic is `None`.
struct CatchPanic<F>(Pin<Box<F>>);

impl<F: Future> Future for CatchPanic<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match std::panic::catch_unwind(AssertUnwindSafe(|| self.0.as_mut().poll(cx))) {
            Ok(poll) => poll.map(Some),
            Err(_) => Poll::Ready(None),
        }
    }
}

/// Where log lines go.
#[derive(Clone)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Default for Log {
    fn default() -> Self {
        // Room enough that its growth is not taken for that of the service.
        Self(Arc::new(Mutex::new(Vec::with_capacity(4_000_000))))
    }
}

impl Log {
    fn take(&self) -> String {
        let mut log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&log).into_owned();
        log.clear();
        text
    }
}

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for Log {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        self.clone()
    }
}

const ANOTHER: &str = "aaaaaaaa-0000-4000-8000-000000000002";
pub const STRANGER: &str = "aaaaaaaa-0000-4000-8000-000000000001";
pub const OTHER_TENANT: &str = "11111111-aaaa-4bbb-8ccc-999999999999";
