//! The services that entries are sent to, and what is recorded of each request.

use std::cell::Cell;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::{HeaderMap, Request, Response};
use mock_entra::{MockEntra, TokenBuilder};
use peak_alloc::PeakAlloc;
use signalr_upstream_auth::keys::RemoteKeys;
use signalr_upstream_auth::{
    CheckName, Claims, ObjectId, Policy, Rejection, RejectionKind as K, TokenVersion, UpstreamAuthLayer,
};
use support::{NOON, StillClock, entra};
use tokio::task::JoinSet;
use tower::{Layer, ServiceExt};
use tracing::subscriber::DefaultGuard;

use crate::entry::{Entry, Sent, Setup};
use crate::expected::Expected;
use crate::leaks::with_canaries;
use crate::probes::{Log, Untouchable, Watched};
use crate::scenario::Step;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// How long a refresh may take at most: the limit of a fetch by default.
const PATIENCE: Duration = Duration::from_secs(5);

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
    /// The check that rejected it.
    pub check: Option<CheckName>,
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
        let ask = |sent: &Sent| {
            ask(layer.clone(), sent.request(&self.claims_of_another, &polled), self.claims_of_another.object_id())
        };
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
        let request = entry.sent.request(&self.claims_of_another, &polled);
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
            check: rejection.map(Rejection::check),
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

const ANOTHER: &str = "aaaaaaaa-0000-4000-8000-000000000002";
pub const STRANGER: &str = "aaaaaaaa-0000-4000-8000-000000000001";
pub const OTHER_TENANT: &str = "11111111-aaaa-4bbb-8ccc-999999999999";
