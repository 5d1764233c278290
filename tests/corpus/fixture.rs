//! The services that entries are sent to, and what is recorded of each request.

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
use mock_entra::{Endpoint, Fault, Jwk, MockEntra, SigningKey, TokenBuilder};
use peak_alloc::PeakAlloc;
use signalr_upstream_auth::keys::RemoteKeys;
use signalr_upstream_auth::{Claims, ObjectId, Policy, Rejection, RejectionKind as K, TokenVersion, UpstreamAuthLayer};
use tokio::task::JoinSet;
use tower::{Layer, ServiceExt};
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::fmt::MakeWriter;

use crate::leaks::with_canaries;
use crate::scenario::{Scenario, Step};
use support::{NOON, StillClock, entra};

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// What a request may take on the heap beyond a few times its own size. Most of it is what the test itself keeps.
pub const HEAP: usize = 100_000;

/// What documents may take on the heap, of which so many bytes were served: a list of the shortest entries there can be
/// the most for each byte, up to the thousand that are held. The mock that writes them is counted, too.
pub fn fetched(served: usize) -> usize {
    (20 * served).min(500_000 + 5 * served)
}

/// What becomes of an entry.
#[derive(Clone, Copy, Debug)]
pub struct Expected {
    pub status: u16,
    pub kind: Option<K>,
    first_fetches: (usize, usize),
    later_fetches: (usize, usize),
    first_signatures: u64,
    later_signatures: u64,
    /// What is fetched by all that happens before the request.
    fetches_before: (usize, usize),
    /// Whether a refresh of the keys succeeds, for entries about documents.
    pub refresh: Option<bool>,
    /// Whether the fetches are repeated while the request waits.
    is_retried: bool,
}

/// Accepted after one signature, and from the cache the second time.
pub const PASS: Expected = Expected {
    status: 200,
    kind: None,
    first_fetches: (0, 0),
    later_fetches: (0, 0),
    first_signatures: 1,
    later_signatures: 0,
    fetches_before: (0, 0),
    refresh: None,
    is_retried: false,
};

/// A good token, after a refresh that brought a good document.
pub const TAKEN: Expected = Expected { refresh: Some(true), first_fetches: (1, 1), ..PASS };

/// A good token, after a refresh that brought a document which changes nothing. The key document is read.
pub const KEPT: Expected = Expected { refresh: Some(false), first_fetches: (1, 1), ..PASS };

/// The same, where nothing further is asked after the discovery document.
pub const NOT_FOLLOWED: Expected = Expected { refresh: Some(false), first_fetches: (1, 0), ..PASS };

/// Rejected without a fetch and without a look at the signature.
pub const fn rejected(status: u16, kind: K) -> Expected {
    Expected {
        status,
        kind: Some(kind),
        first_fetches: (0, 0),
        later_fetches: (0, 0),
        first_signatures: 0,
        later_signatures: 0,
        fetches_before: (0, 0),
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

    /// Documents are fetched for it the first time only.
    pub const fn fetching_once(self, discovery: usize, keys: usize) -> Self {
        Self { first_fetches: (discovery, keys), later_fetches: (0, 0), ..self }
    }

    /// Documents are fetched by what happens before it.
    pub const fn after(self, discovery: usize, keys: usize) -> Self {
        Self { fetches_before: (discovery, keys), ..self }
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

    /// How many documents of each kind are fetched for it.
    pub fn fetches(&self, is_repeated: bool) -> (usize, usize) {
        if is_repeated { self.later_fetches } else { self.first_fetches }
    }

    /// How many were fetched by what happened before it.
    pub fn fetches_before(&self, is_repeated: bool) -> (usize, usize) {
        if is_repeated { (0, 0) } else { self.fetches_before }
    }

    pub fn check_fetches(&self, found: (usize, usize), is_repeated: bool) -> Result<(), String> {
        let expected = self.fetches(is_repeated);
        let times = if self.is_retried { found.0.clamp(ATTEMPTS.0, ATTEMPTS.1) } else { 1 };
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

/// How many attempts a request without keys sees fail, at once and after a half to one, one to two, and two to four
/// halves of a second, before its two seconds are over: three or four, and two when each attempt itself takes long.
///
/// It cannot be made exact here. The waits are random on purpose, and time that is paused runs on by itself whenever
/// all wait for a socket, so that no answer of a real connection would come within any limit. Paused time and exact
/// numbers are in `src/keys/remote/tests/scenarios`, without sockets; and a provider that asks for patience is asked once, also here.
const ATTEMPTS: (usize, usize) = (2, 4);

/// How long a refresh may take at most: the limit of a fetch by default.
const PATIENCE: Duration = Duration::from_secs(5);

/// One request with what must become of it.
pub struct Entry {
    pub name: String,
    pub expected: Expected,
    sent: Sent,
    setup: Setup,
    /// The path that its key document is at, if it is another than the tenant's own.
    pub keys_at: Option<&'static str>,
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
enum Setup {
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
    /// A service with a past.
    Scenario(Scenario),
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

    /// Everything of it that can hold a token. The names of hub and event are logged as they are.
    pub fn secrets(&self) -> impl Iterator<Item = &[u8]> {
        let is_named = |name: &HeaderName| ["x-asrs-hub", "x-asrs-event"].contains(&name.as_str());
        let values = self.headers.iter().filter(move |(name, _)| !is_named(name)).map(|(_, value)| &value[..]);
        values.chain([self.uri.as_bytes()])
    }

    fn request(&self, fixture: &Fixture, polled: &Arc<AtomicBool>) -> Request<Untouchable> {
        let mut request = Request::new(Untouchable(Arc::clone(polled)));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.parse().unwrap();
        for (name, value) in &self.headers {
            request.headers_mut().append(name, HeaderValue::from_bytes(value).unwrap());
        }
        if self.has_claims {
            request.extensions_mut().insert(fixture.claims_of_another.clone());
        }
        request
    }
}

impl Entry {
    fn of(name: impl Into<String>, expected: Expected, sent: Sent, setup: Setup) -> Self {
        Self { name: name.into(), expected, sent, setup, keys_at: None }
    }

    /// A request to the usual service.
    pub fn sent(name: impl Into<String>, expected: Expected, sent: Sent) -> Self {
        Self::of(name, expected, sent, Setup::Warm)
    }

    /// A request to a service with another policy.
    pub fn to_policy(name: impl Into<String>, expected: Expected, sent: Sent, policy: Policy) -> Self {
        Self::of(name, expected, sent, Setup::Policy(policy))
    }

    /// A request to a service whose clock cannot be read.
    pub fn clockless(name: impl Into<String>, expected: Expected, sent: Sent) -> Self {
        Self::of(name, expected, sent, Setup::Clockless)
    }

    /// A token of a key that a mock of its own lists with a difference, beside two sound keys.
    pub fn listed(name: &str, expected: Expected, listed: impl FnOnce(&SigningKey) -> Jwk) -> Self {
        let entra = Arc::new(blocking(entra));
        let key = entra.new_key();
        entra.publish(listed(&key));
        let sent = Sent::token(&with_canaries(entra.token()).signed_by(&key).mint());
        Self::of(name, expected, sent, Setup::Loaded(entra))
    }

    /// A good token for a service that has its keys and reads them anew, when a document is answered otherwise.
    pub fn served(name: &str, expected: Expected, endpoint: Endpoint, fault: impl FnOnce(&MockEntra) -> Fault) -> Self {
        let entra = Arc::new(blocking(entra));
        let fault = fault(&entra);
        let sent = Sent::token(&with_canaries(entra.token()).mint());
        Self::of(name, expected, sent, Setup::Served(entra, endpoint, fault))
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
        let sent = Sent::token(&with_canaries(entra.token()).mint());
        Self::of(name, expected, sent, Setup::Cold(entra))
    }

    /// A request to a service with a mock and a past of its own.
    pub fn scenario(
        name: impl Into<String>,
        expected: Expected,
        tell: impl FnOnce(&MockEntra, &mut Scenario) -> Sent,
    ) -> Self {
        let entra = Arc::new(blocking(entra));
        let mut scenario = Scenario::new(Arc::clone(&entra));
        let sent = tell(&entra, &mut scenario);
        Self::of(name, expected, sent, Setup::Scenario(scenario))
    }

    /// With the key document at another path.
    pub fn keys_at(self, path: &'static str) -> Self {
        Self { keys_at: Some(path), ..self }
    }

    /// Everything that is sent for it and can hold a token.
    pub fn secrets(&self) -> impl Iterator<Item = &[u8]> {
        let before = match &self.setup {
            Setup::Scenario(scenario) => Some(scenario.sent()),
            _ => None,
        };
        before.into_iter().flatten().chain([&self.sent]).flat_map(Sent::secrets)
    }

    /// The bytes of the whole request.
    pub fn bytes(&self) -> usize {
        self.sent.uri.len()
            + self.sent.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum::<usize>()
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
    /// What was fetched before the request came, or what went wrong there.
    pub before: Result<(usize, usize), String>,
    /// The paths that were asked for on behalf of the request and before.
    pub paths: Vec<String>,
    /// The paths that may be asked for: those of the tenant.
    pub usual_paths: [String; 2],
    /// The bytes that documents were served in for the request.
    pub served: usize,
    /// How often the request was polled before there was an answer.
    pub polls: usize,
    pub signatures: u64,
    pub handler_reached: bool,
    pub body_polled: bool,
    pub refreshed: Option<bool>,
    pub trapped: usize,
    pub heap: usize,
    pub log: String,
    /// The answer with everything in it, and the rejection it carries in all its forms.
    pub answer: String,
    /// What the service knows without any request: its own addresses and issuers.
    pub known: Vec<String>,
}

/// The usual service.
pub struct Fixture {
    pub entra: MockEntra,
    /// Listens where hostile tokens point to.
    pub trap: MockEntra,
    layer: UpstreamAuthLayer,
    claims_of_another: Claims,
    log: Log,
    /// What its mock was asked for by services that were made ready, and during entries.
    accounted: Cell<(usize, usize)>,
}

impl Fixture {
    pub async fn new() -> Self {
        let entra = entra().await;
        let trap = support::entra().await;
        let keys = remote_keys(&entra);
        let layer = UpstreamAuthLayer::from_keys(entra.policy(), keys).with_clock(entra.clock());
        layer.wait_for_keys().await.unwrap();
        let another = MockEntra::builder()
            .clock(StillClock::at(NOON))
            .caller(ANOTHER.parse().unwrap(), ANOTHER.parse().unwrap())
            .start()
            .await;
        let claims_of_another = another.claims();
        let accounted = Cell::new(asked(&entra));
        Self { entra, trap, layer, claims_of_another, log: Log::default(), accounted }
    }

    /// What the mock was asked for after an answer was given, by something that went on behind it. In real time, for
    /// the mock is asked through sockets.
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
        with_canaries(self.entra.token())
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

    /// `Authorization` lines, in which `{}` stands for a good token that is in no cache.
    pub fn lines(&self, expected: Expected, entries: &[(&str, &[&str])]) -> Vec<Entry> {
        let entry = |(name, lines): &(&str, &[&str])| {
            let good = self.good();
            let lines: Vec<_> = lines.iter().map(|line| line.replace("{}", &good)).collect();
            Entry::sent(*name, expected, Sent::lines(&lines))
        };
        entries.iter().map(entry).collect()
    }

    /// Sends an entry twice: what is rejected once is rejected twice, and what is accepted is cached.
    pub async fn run(&self, entry: &Entry) -> Vec<Outcome> {
        let (entra, keys, layer) = match &entry.setup {
            Setup::Warm => (&self.entra, None, self.layer.clone()),
            Setup::Clockless => (&self.entra, None, self.layer.clone().with_clock(StillClock::at(u64::MAX))),
            Setup::Policy(policy) => {
                let (keys, layer) = service(&self.entra, policy.clone());
                (&self.entra, Some(keys), layer)
            }
            Setup::Loaded(entra) | Setup::Served(entra, ..) | Setup::Cold(entra) => {
                let (keys, layer) = service(entra, entra.policy());
                (&**entra, Some(keys), layer)
            }
            Setup::Scenario(scenario) => {
                let keys = Arc::new((scenario.configure)(RemoteKeys::builder(&scenario.policy)).build().unwrap());
                let layer = UpstreamAuthLayer::from_keys(scenario.policy.clone(), keys.clone());
                (&*scenario.entra, Some(keys), layer.with_clock(scenario.entra.clock()))
            }
        };
        let mut past = Past::start(self, entra);
        if let Setup::Cold(_) = entry.setup {
            let first = self.send(entry, entra, &layer, past, false).await;
            if entry.expected.is_retried {
                // The next one would come while another attempt is due.
                return vec![first];
            }
            return vec![first, self.send(entry, entra, &layer, Past::start(self, entra), true).await];
        }
        let before = asked(entra);
        layer.wait_for_keys().await.unwrap();
        let after = asked(entra);
        let is_scenario = matches!(entry.setup, Setup::Scenario(_));
        if !is_scenario {
            cool_down().await;
        }
        self.account(entra, (after.0 - before.0, after.1 - before.1));
        past.fetches = after;
        match &entry.setup {
            Setup::Served(_, endpoint, fault) => {
                entra.fail(*endpoint, fault.clone());
                past.refresh = keys;
            }
            Setup::Scenario(scenario) => {
                let keys = keys.expect("a scenario has keys");
                let mut told = Ok(());
                for step in &scenario.steps {
                    told = told.and(self.take(step, entra, &keys, &layer).await);
                }
                let now = asked(entra);
                past.before = told.map(|()| (now.0 - after.0, now.1 - after.1));
                past.fetches = now;
            }
            _ => {}
        }
        let first = self.send(entry, entra, &layer, past, false).await;
        if !is_scenario {
            cool_down().await;
        }
        vec![first, self.send(entry, entra, &layer, Past::start(self, entra), true).await]
    }

    /// Takes a step of a scenario. Says what went otherwise than told.
    async fn take(
        &self,
        step: &Step,
        entra: &MockEntra,
        keys: &RemoteKeys,
        layer: &UpstreamAuthLayer,
    ) -> Result<(), String> {
        let polled = Arc::default();
        let ask = |sent: &Sent| ask(layer.clone(), sent.request(self, &polled), self.claims_of_another.object_id());
        let check = |seen: Seen, kind: &Option<K>| match seen.kind() == *kind && !seen.panicked {
            true => Ok(()),
            false => Err(format!("a request before: {:?}, not {kind:?}", seen.kind())),
        };
        match step {
            Step::Happens(what) => what(entra, keys),
            Step::CoolDown => cool_down().await,
            Step::Refresh(is_good) => {
                let outcome = tokio::time::timeout(PATIENCE, keys.refresh_now()).await;
                if !matches!(&outcome, Ok(outcome) if outcome.is_ok() == *is_good) {
                    return Err(format!("a refresh before: {outcome:?}"));
                }
            }
            Step::InTurn(sent, kind) => {
                for sent in sent {
                    check(ask(sent).await, kind)?;
                }
            }
            Step::AtOnce(sent, kind) => {
                let mut all: JoinSet<_> = sent.iter().map(ask).collect();
                while let Some(seen) = all.join_next().await {
                    check(seen.unwrap(), kind)?;
                }
            }
            Step::Left(sent) => {
                let before = entra.requests().log().len();
                tokio::spawn(ask(sent));
                entra.requests_until(|requests| requests.log().len() > before).await;
            }
        }
        Ok(())
    }

    /// Sends an entry once, after a refresh of the keys if there is one to make.
    async fn send(
        &self,
        entry: &Entry,
        entra: &MockEntra,
        layer: &UpstreamAuthLayer,
        past: Past,
        is_repeated: bool,
    ) -> Outcome {
        let polled = Arc::new(AtomicBool::new(false));
        let request = entry.sent.request(self, &polled);
        let asking = ask(layer.clone(), request, self.claims_of_another.object_id());
        let (served_before, signatures_before) = (entra.requests().bytes_sent(), self.log.signatures());
        let trapped_before = self.trap.requests().connections();
        let heap_before = ALLOCATOR.current_usage();
        ALLOCATOR.reset_peak_usage();
        let refreshed = match &past.refresh {
            Some(keys) => Some(keys.refresh_now().await.is_ok()),
            None => None,
        };
        let Seen { panicked, polls, handler_reached, response } = asking.await;
        let heap = ALLOCATOR.peak_usage().saturating_sub(heap_before);
        drop(past.guard);
        let (now, requests) = (asked(entra), entra.requests());
        let fetches = (now.0 - past.fetches.0, now.1 - past.fetches.1);
        self.account(entra, fetches);
        let signatures = self.log.signatures() - signatures_before;
        let log = self.log.take();
        let rejection = response.extensions().get::<Rejection>();
        let values = response.headers().values().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        let texts = rejection.iter().flat_map(|rejection| [format!("{rejection:#?}"), rejection.to_string()]);
        let answer = values.chain(texts).chain([response.body().clone()]).collect::<Vec<_>>().join("\n");
        let discovery = format!("/{}/v2.0/.well-known/openid-configuration", entra.tenant());
        let keys = format!("/{}/discovery/v2.0/keys", entra.tenant());
        let known = [discovery.as_str(), keys.as_str()].map(|path| format!("{}{path}", entra.url()));
        let issuers = [TokenVersion::V1, TokenVersion::V2].map(|version| entra.issuer(entra.tenant(), version));
        Outcome {
            is_repeated,
            panicked,
            status: response.status().as_u16(),
            kind: rejection.map(Rejection::kind),
            headers: response.headers().clone(),
            body: response.body().clone(),
            fetches,
            before: past.before,
            paths: requests.log()[past.asked..].iter().map(|request| request.path().to_owned()).collect(),
            usual_paths: [discovery, keys],
            served: requests.bytes_sent() - served_before,
            polls,
            signatures,
            handler_reached,
            body_polled: polled.load(Ordering::Relaxed),
            refreshed,
            trapped: self.trap.requests().connections() - trapped_before,
            heap,
            log,
            answer,
            known: known.into_iter().chain(issuers).collect(),
        }
    }
}

/// What has happened at a mock before a request, and the log from there on.
struct Past {
    /// How many requests there were at the mock, whatever they asked for.
    asked: usize,
    /// How many documents had been fetched when the request came.
    fetches: (usize, usize),
    before: Result<(usize, usize), String>,
    refresh: Option<Arc<RemoteKeys>>,
    guard: DefaultGuard,
}

impl Past {
    fn start(fixture: &Fixture, entra: &MockEntra) -> Self {
        let subscriber =
            tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(fixture.log.clone()).finish();
        fixture.log.take();
        Self {
            asked: entra.requests().log().len(),
            fetches: asked(entra),
            before: Ok((0, 0)),
            refresh: None,
            guard: tracing::subscriber::set_default(subscriber),
        }
    }
}

/// What was seen of one request from outside.
struct Seen {
    panicked: bool,
    polls: usize,
    handler_reached: bool,
    response: Response<String>,
}

impl Seen {
    fn kind(&self) -> Option<K> {
        self.response.extensions().get::<Rejection>().map(Rejection::kind)
    }
}

/// Sends one request through a layer to a handler that must not see the claims of this object.
fn ask(
    layer: UpstreamAuthLayer,
    request: Request<Untouchable>,
    another: ObjectId,
) -> impl Future<Output = Seen> + Send + use<> {
    let reached = Arc::new(AtomicBool::new(false));
    let handler = Arc::clone(&reached);
    let service = layer.layer(tower::service_fn(move |request: Request<Untouchable>| {
        handler.store(true, Ordering::Relaxed);
        let claims = request.extensions().get::<Claims>().expect("claims");
        assert_ne!(claims.object_id(), another, "claims that somebody else put there");
        std::future::ready(Ok::<_, Infallible>(Response::new("reached".to_owned())))
    }));
    let mut watched = Watched { future: Box::pin(service.oneshot(request)), polls: 0 };
    async move {
        let response = (&mut watched).await;
        Seen {
            panicked: response.is_none(),
            polls: watched.polls,
            handler_reached: reached.load(Ordering::Relaxed),
            response: response.map_or_else(|| Response::new(String::new()), Result::unwrap),
        }
    }
}

/// Lets the shortest cooldown pass, without waiting for it.
async fn cool_down() {
    tokio::time::pause();
    tokio::time::advance(COOLDOWN).await;
    tokio::time::resume();
}

pub const COOLDOWN: Duration = Duration::from_secs(1);

/// How often a mock was asked for discovery and for keys.
fn asked(entra: &MockEntra) -> (usize, usize) {
    let requests = entra.requests();
    (requests.discovery(), requests.keys())
}

/// A service with keys of its own.
fn service(entra: &MockEntra, policy: Policy) -> (Arc<RemoteKeys>, UpstreamAuthLayer) {
    let keys = remote_keys(entra);
    let layer = UpstreamAuthLayer::from_keys(policy, keys.clone()).with_clock(entra.clock());
    (keys, layer)
}

/// Remote keys with their defaults, but that every unknown key may cause a fetch.
fn remote_keys(entra: &MockEntra) -> Arc<RemoteKeys> {
    Arc::new(RemoteKeys::builder(&entra.policy()).refetch_cooldown(COOLDOWN).build().unwrap())
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

/// A future whose panic is `None` and whose polls are counted.
struct Watched<F> {
    future: Pin<Box<F>>,
    polls: usize,
}

impl<F: Future> Future for Watched<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.polls += 1;
        match std::panic::catch_unwind(AssertUnwindSafe(|| self.future.as_mut().poll(cx))) {
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
    /// How many signatures were verified, by what has been written since the log was taken.
    fn signatures(&self) -> u64 {
        let log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        memchr::memmem::find_iter(&log, "verifying a signature").map(|_| 1).sum()
    }

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
