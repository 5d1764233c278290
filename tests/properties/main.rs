//! Properties of every input: of accepted tokens that are changed, of tokens and claims that are accepted, of cached
//! tokens, of settings that are written in two ways.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot be set up should stop")]
#![allow(clippy::as_conversions, reason = "bytes to characters")]

#[path = "../../src/fuzzing/replay/claim_values.rs"]
mod claim_values;
#[path = "../fuzz/mod.rs"]
mod fuzz;
mod replay;
mod signed;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::sync::{Arc, Mutex, OnceLock};

use fuzz::reference::{self, CLIENT, OBJECT};
use mock_entra::{Jwk, MockEntra};
use proptest::prelude::*;
use proptest::test_runner::Config;
use signalr_upstream_auth::clock::{Clock, UnixTime};
use signalr_upstream_auth::keys::{FixedKeys, KeyError, KeyFuture, KeyId, KeySet, KeySource, Lookup, VerificationKey};
use signalr_upstream_auth::{Cloud, RejectionKind, Settings, TenantId, TokenVersion, UpstreamAuthLayer};
use support::signatures::verified as signatures_verified;
use support::{NOON, StillClock, cases, fixed_keys, fixed_layer, rejection};
use tokio::runtime::{Builder, Runtime};

/// One mock for all cases; what a case publishes it takes back.
struct Fixture {
    runtime: Runtime,
    entra: MockEntra,
    clock: Arc<StillClock>,
    layer: UpstreamAuthLayer,
    tokens: Vec<String>,
}

fn fixture() -> &'static Fixture {
    static FIXTURE: OnceLock<Fixture> = OnceLock::new();
    FIXTURE.get_or_init(|| {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let clock = StillClock::at(NOON);
        let entra = runtime.block_on(MockEntra::builder().clock(clock.clone()).start());
        let layer = fixed_layer(&entra, entra.policy());
        let tokens = vec![entra.token().mint(), entra.token().v2().roles(["Upstream.Call"]).mint()];
        Fixture { runtime, entra, clock, layer, tokens }
    })
}

impl Fixture {
    fn rejection(&self, layer: &UpstreamAuthLayer, token: &str) -> Option<RejectionKind> {
        self.runtime.block_on(rejection(layer, token))
    }
}

#[test]
fn every_change_of_one_byte_of_an_accepted_token_is_rejected() {
    let fixture = fixture();
    for token in &fixture.tokens {
        assert_eq!(fixture.rejection(&fixture.layer, token), None);
        // Every place with a few other letters, so that each segment, both dots and the last letter are among them.
        for at in 0..token.len() {
            for letter in [b'A', b'_', b'.', b'=', token.as_bytes()[at] ^ 1] {
                if letter == token.as_bytes()[at] || !letter.is_ascii_graphic() {
                    continue;
                }
                let mut changed = token.clone().into_bytes();
                changed[at] = letter;
                let changed = String::from_utf8(changed).unwrap();
                assert!(fixture.rejection(&fixture.layer, &changed).is_some(), "byte {at} to {}", letter as char);
            }
        }
    }
}

proptest! {
    #![proptest_config(Config { cases: cases(2000), failure_persistence: None, ..Config::default() })]

    #[test]
    fn any_other_byte_anywhere_in_an_accepted_token_is_rejected(
        which in 0..2_usize,
        at in any::<prop::sample::Index>(),
        byte in 0x21..=0xff_u8,
        kind in 0..3_u8,
    ) {
        let fixture = fixture();
        let token = &fixture.tokens[which];
        prop_assert_eq!(fixture.rejection(&fixture.layer, token), None);
        let mut changed = token.clone().into_bytes();
        let at = at.index(changed.len());
        match kind {
            0 => changed[at] = byte,
            1 => changed.insert(at, byte),
            _ => drop(changed.remove(at)),
        }
        prop_assume!(changed != token.as_bytes() && !changed.contains(&0x7f));
        let line = [b"Bearer ".as_slice(), &changed].concat();
        let outcome = fixture.runtime.block_on(support::send(&fixture.layer, support::request(&[line])));
        prop_assert!(outcome.is_err());
    }

    #[test]
    fn key_documents_of_any_text_agree_with_the_reference(text in "[\\[\\]{}:,\"a-z0-9\\\\u.eE+ -]{0,40}") {
        fuzz::key_document::run(text.as_bytes());
    }
}

/// Something that happens to a service, or a request.
#[derive(Clone, Copy, Debug)]
enum Event {
    Clock(u64),
    Withdraw(u8),
    /// The same modulus with another issuer under the same name.
    Foreign(u8),
    /// Another modulus under the same name.
    Replace(u8),
    Restore(u8),
    /// The key is not at hand; whoever waits for it gets it as it stands.
    Far(u8),
    Near(u8),
    /// What the clock shows when a wait is over.
    Linger(u64),
    Outage,
    Recover,
    Request(u8),
}

fn event() -> impl Strategy<Value = Event> {
    let clock = || {
        prop_oneof![
            2 => Just(NOON),
            1 => prop::sample::select(vec![NOON - 301, NOON - 300, NOON + 86_700 + 299, NOON + 86_700 + 300, NOON + 90_000, u64::MAX, 0]),
            1 => NOON - 400..NOON + 100_000,
        ]
    };
    prop_oneof![
        2 => clock().prop_map(Event::Clock),
        1 => clock().prop_map(Event::Linger),
        1 => (0..2_u8).prop_map(Event::Withdraw),
        1 => (0..2_u8).prop_map(Event::Foreign),
        1 => (0..2_u8).prop_map(Event::Replace),
        2 => (0..2_u8).prop_map(Event::Restore),
        1 => (0..2_u8).prop_map(Event::Far),
        1 => (0..2_u8).prop_map(Event::Near),
        1 => Just(Event::Outage),
        2 => Just(Event::Recover),
        9 => (0..6_u8).prop_map(Event::Request),
    ]
}

proptest! {
    #![proptest_config(Config { cases: cases(300), failure_persistence: None, ..Config::default() })]

    /// One service caches tokens, another one verifies each every time, and a third one never waits for a
    /// key. Keys and clock are the same.
    #[test]
    fn cached_token_gets_the_answer_of_the_full_check(
        events in prop::collection::vec(event(), 1..60),
    ) {
        let world = world();
        let mut world = world.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut saved = 0;
        for event in START.into_iter().chain(events) {
            saved += world.happen(event)?;
        }
        world.saved += saved;
    }
}

#[test]
fn comparison_of_cached_tokens_saves_signatures() {
    let world = world();
    let mut world = world.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let before = world.saved;
    let events = START.into_iter().chain([Event::Request(0), Event::Request(0)]);
    let saved: u64 = events.map(|event| world.happen(event).unwrap()).sum();
    assert!(saved > 0 || before > 0, "no token was ever cached");
}

#[test]
fn caches_token_whose_key_was_waited_for() {
    let world = world();
    let mut world = world.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    world.happen(Event::Clock(NOON)).unwrap();
    let fresh = world.entra.token().signed_by(&world.entra.signing_keys()[0]).mint();
    world.tokens.push(fresh);
    let request = Event::Request(u8::try_from(world.tokens.len() - 1).unwrap());
    let mut saved = Vec::new();
    let waits = world.keys.waits();
    for event in START.into_iter().chain([Event::Far(0), request, request, Event::Near(0), request]) {
        let before = world.happen(event).unwrap();
        if matches!(event, Event::Request(_)) {
            saved.push(before);
        }
    }
    assert_eq!(saved, [0, 0, 1]);
    assert_eq!(world.keys.waits() - waits, 4, "two services waited twice");
    world.tokens.pop();
}

/// Whatever was before, all is well.
const START: [Event; 7] = [
    Event::Clock(NOON),
    Event::Linger(NOON),
    Event::Restore(0),
    Event::Restore(1),
    Event::Near(0),
    Event::Near(1),
    Event::Recover,
];

/// Three services over the same keys and the same clock.
struct World {
    runtime: Runtime,
    entra: MockEntra,
    clock: Arc<StillClock>,
    keys: Arc<Changing>,
    cached: UpstreamAuthLayer,
    full: UpstreamAuthLayer,
    /// The full check with every key at hand.
    at_hand: UpstreamAuthLayer,
    tokens: Vec<String>,
    /// What the clock shows when a request comes.
    now: u64,
    /// How many signatures the one service has not had to check.
    saved: u64,
}

fn world() -> &'static Mutex<World> {
    static WORLD: OnceLock<Mutex<World>> = OnceLock::new();
    WORLD.get_or_init(|| {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let clock = StillClock::at(NOON);
        let entra = runtime.block_on(MockEntra::builder().clock(clock.clone()).start());
        let signing = entra.signing_keys();
        let variant = |change: fn(Jwk) -> Jwk, of_other: bool| {
            let entries: Vec<_> = signing
                .iter()
                .enumerate()
                .map(|(number, key)| {
                    let source = if of_other { &signing[1 - number] } else { key };
                    change(Jwk::from(source.clone().with_key_id(key.key_id().clone())))
                })
                .collect();
            entra.signing_keys().iter().for_each(|key| entra.withhold(key.key_id()));
            entries.into_iter().for_each(|entry| entra.publish(entry));
            let keys = fixed_keys(&entra);
            // What was published for this is hidden again by the next variant, under the same names.
            keys
        };
        let good = fixed_keys(&entra);
        let foreign = variant(|jwk| jwk.member("issuer", "https://login.microsoftonline.us/{tenantid}/v2.0"), false);
        let replaced = variant(|jwk| jwk, true);
        let keys = Arc::new(Changing {
            variants: [good, foreign, replaced],
            ids: signing.iter().map(|key| key.key_id().clone()).collect(),
            state: Mutex::new(State {
                standing: [Standing::Good; 2],
                is_far: [false; 2],
                is_out: false,
                waits: 0,
                wait_ends: NOON,
            }),
            clock: clock.clone(),
        });
        let layer = |keys| UpstreamAuthLayer::from_keys(entra.policy(), keys).with_clock(clock.clone());
        let token = || entra.token().signed_by(&signing[0]);
        let tokens = vec![
            token().mint(),
            token().v2().mint(),
            token().signed_by(&signing[1]).mint(),
            token().claim("nbf", NOON + 200).claim("exp", NOON + 1000).mint(),
            token().delegated().mint(),
            token().signature([7; 256]).mint(),
        ];
        Mutex::new(World {
            cached: layer(keys.clone()),
            full: layer(keys.clone()).with_token_cache_bytes(0),
            at_hand: UpstreamAuthLayer::from_keys(entra.policy(), AtHand(keys.clone()))
                .with_clock(clock.clone())
                .with_token_cache_bytes(0),
            runtime,
            entra,
            now: NOON,
            clock,
            keys,
            tokens,
            saved: 0,
        })
    })
}

impl World {
    /// Returns how many signatures were saved by it.
    fn happen(&mut self, event: Event) -> Result<u64, TestCaseError> {
        let stand = |number: u8, standing| self.keys.state.lock().unwrap().standing[usize::from(number)] = standing;
        match event {
            Event::Clock(seconds) => {
                self.now = seconds;
                self.clock.set(seconds);
            }
            Event::Linger(until) => self.keys.state.lock().unwrap().wait_ends = until,
            Event::Withdraw(number) => stand(number, Standing::Withdrawn),
            Event::Foreign(number) => stand(number, Standing::Foreign),
            Event::Replace(number) => stand(number, Standing::Replaced),
            Event::Restore(number) => stand(number, Standing::Good),
            Event::Far(number) => self.keys.state.lock().unwrap().is_far[usize::from(number)] = true,
            Event::Near(number) => self.keys.state.lock().unwrap().is_far[usize::from(number)] = false,
            Event::Outage => self.keys.state.lock().unwrap().is_out = true,
            Event::Recover => self.keys.state.lock().unwrap().is_out = false,
            Event::Request(number) => {
                let token = &self.tokens[usize::from(number)];
                let sent = |layer| {
                    self.clock.set(self.now);
                    self.runtime.block_on(rejection(layer, token))
                };
                let start = signatures_verified();
                let cached = sent(&self.cached);
                let (middle, waits) = (signatures_verified(), self.keys.waits());
                let full = sent(&self.full);
                let end = signatures_verified();
                prop_assert_eq!(cached, full);
                prop_assert_eq!(full, self.at_hand(token, self.keys.waits() > waits));
                self.clock.set(self.now);
                prop_assert!(middle - start <= end - middle);
                return Ok((end - middle) - (middle - start));
            }
        }
        Ok(0)
    }
}

impl World {
    /// What the full check says with the key at hand: when the request comes or, if the key has to be waited for, when it comes.
    fn at_hand(&self, token: &str, waits: bool) -> Option<RejectionKind> {
        let at = |seconds| {
            self.clock.set(seconds);
            self.runtime.block_on(rejection(&self.at_hand, token))
        };
        let first = at(self.now);
        let wait_ends = self.keys.state.lock().unwrap().wait_ends;
        if waits { at(wait_ends) } else { first }
    }
}

/// Keys that come, go and change.
#[derive(Debug)]
struct Changing {
    variants: [Arc<FixedKeys>; 3],
    ids: Vec<KeyId>,
    state: Mutex<State>,
    clock: Arc<StillClock>,
}

#[derive(Debug)]
struct State {
    standing: [Standing; 2],
    is_far: [bool; 2],
    is_out: bool,
    /// How often a key was waited for and came.
    waits: u64,
    wait_ends: u64,
}

#[derive(Clone, Copy, Debug)]
enum Standing {
    Good,
    Foreign,
    Replaced,
    Withdrawn,
}

impl Changing {
    /// The key as it stands, be it far or near.
    fn find(&self, tenant: TenantId, key: &KeyId, now: UnixTime) -> Lookup {
        let state = self.state.lock().unwrap();
        if state.is_out {
            return Lookup::Rejected(KeyError::unavailable("out"));
        }
        match state.standing[self.number(key)] {
            Standing::Good => self.variants[0].lookup(tenant, key, now),
            Standing::Foreign => self.variants[1].lookup(tenant, key, now),
            Standing::Replaced => self.variants[2].lookup(tenant, key, now),
            Standing::Withdrawn => Lookup::Rejected(KeyError::revoked()),
        }
    }

    fn number(&self, key: &KeyId) -> usize {
        self.ids.iter().position(|id| id == key).unwrap()
    }

    fn waits(&self) -> u64 {
        self.state.lock().unwrap().waits
    }
}

impl KeySource for Changing {
    fn lookup(&self, tenant: TenantId, key: &KeyId, now: UnixTime) -> Lookup {
        let is_far = self.state.lock().unwrap().is_far[self.number(key)];
        if is_far { Lookup::Miss } else { self.find(tenant, key, now) }
    }

    fn resolve(&self, tenant: TenantId, key: &KeyId) -> KeyFuture<Result<VerificationKey, KeyError>> {
        let answer = match self.find(tenant, key, self.clock.now().unwrap()) {
            Lookup::Found(key) => Ok(key),
            Lookup::Rejected(error) => Err(error),
            other => unreachable!("{other:?}"),
        };
        let mut state = self.state.lock().unwrap();
        state.waits += u64::from(answer.is_ok());
        let (clock, wait_ends) = (Arc::clone(&self.clock), state.wait_ends);
        Box::pin(async move {
            tokio::task::yield_now().await;
            clock.set(wait_ends);
            answer
        })
    }
}

/// The same keys, none of which is ever far.
#[derive(Debug)]
struct AtHand(Arc<Changing>);

impl KeySource for AtHand {
    fn lookup(&self, tenant: TenantId, key: &KeyId, now: UnixTime) -> Lookup {
        self.0.find(tenant, key, now)
    }

    fn resolve(&self, _: TenantId, _: &KeyId) -> KeyFuture<Result<VerificationKey, KeyError>> {
        unreachable!("nothing is ever absent")
    }
}

#[derive(Clone, Debug)]
struct Written {
    tenants: Vec<String>,
    audiences: Vec<String>,
    objects: Vec<String>,
    clients: Vec<String>,
    roles: Vec<String>,
    cloud: &'static str,
    numbers: [Option<u64>; 6],
}

fn written() -> impl Strategy<Value = Written> {
    let guid = || "[0-9a-fA-F]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9A-F]{11}1";
    let guids = move |from| prop::collection::vec(guid(), from..4);
    let audience = prop_oneof![guid().prop_map(|text| text), "api://[a-z]{1,12}(/[a-z]{1,5})?".prop_map(|text| text)];
    let number = |range: std::ops::Range<u64>| prop::option::of(range);
    (
        guids(1),
        prop::collection::vec(audience, 1..4),
        guids(0),
        guids(0),
        prop::collection::vec("[A-Za-z.]{1,12}", 0..3),
        prop::sample::select(vec!["public", "us-government", "china"]),
        (
            number(0..601),
            number(1..43_201),
            number(1..10_000_000),
            number(0..604_801),
            number(1..604_801),
            number(1..61),
        ),
    )
        .prop_map(|(tenants, audiences, objects, clients, roles, cloud, numbers)| Written {
            tenants,
            audiences,
            objects,
            clients,
            roles,
            cloud,
            numbers: [numbers.0, numbers.1, numbers.2, numbers.3, numbers.4, numbers.5],
        })
}

const NUMBERS: [&str; 6] = [
    "clock_skew_secs",
    "refresh_secs",
    "refetch_cooldown_secs",
    "key_retention_secs",
    "stale_limit_secs",
    "fetch_timeout_secs",
];

/// What counts where nothing is written, in the same order.
const DEFAULTS: [u64; 6] = [300, 3600, 30, 86_400, 86_400, 10];

impl Written {
    /// Nobody is listed, and that is meant.
    fn lets_anybody_in(&self) -> bool {
        self.objects.is_empty() && self.clients.is_empty()
    }

    fn in_a_file(&self) -> Settings {
        let mut file = serde_json::json!({
            "tenant_ids": self.tenants,
            "audiences": self.audiences,
            "caller_object_ids": self.objects,
            "caller_client_ids": self.clients,
            "allow_any_caller": self.lets_anybody_in(),
            "cloud": self.cloud,
        });
        // An empty list is an error.
        if !self.roles.is_empty() {
            file["required_roles"] = self.roles.clone().into();
        }
        for (name, number) in NUMBERS.iter().zip(self.numbers) {
            if let Some(number) = number {
                file[*name] = number.into();
            }
        }
        // By way of the text of another format.
        toml::from_str(&toml::to_string(&file).unwrap()).unwrap()
    }

    fn in_the_environment(&self) -> Settings {
        let list = |items: &[String]| items.join(" , ");
        let mut vars = vec![
            ("ALLOW_ANY_CALLER".to_owned(), self.lets_anybody_in().to_string()),
            ("TENANT_IDS".to_owned(), list(&self.tenants)),
            ("AUDIENCES".to_owned(), list(&self.audiences)),
            ("CALLER_OBJECT_IDS".to_owned(), list(&self.objects)),
            ("CALLER_CLIENT_IDS".to_owned(), list(&self.clients)),
            ("CLOUD".to_owned(), self.cloud.to_owned()),
        ];
        if !self.roles.is_empty() {
            vars.push(("REQUIRED_ROLES".to_owned(), list(&self.roles)));
        }
        for (name, number) in NUMBERS.iter().zip(self.numbers) {
            vars.extend(number.map(|number| (name.to_uppercase(), number.to_string())));
        }
        let vars =
            vars.into_iter().map(|(name, value)| (OsString::from(format!("SIGNALR_UPSTREAM_{name}")), value.into()));
        Settings::from_vars(vars).unwrap()
    }
}

proptest! {
    #![proptest_config(Config { cases: cases(300), failure_persistence: None, ..Config::default() })]

    /// The environment and a file say the same, and what is written is what counts.
    #[test]
    fn settings_mean_what_is_written_and_the_same_wherever_it_is(written in written()) {
        let (file, environment) = (written.in_a_file(), written.in_the_environment());
        let policy = file.policy().unwrap();
        prop_assert_eq!(parts(&policy), parts(&environment.policy().unwrap()));
        prop_assert_eq!(
            format!("{:?}", file.remote_keys().unwrap()),
            format!("{:?}", environment.remote_keys().unwrap())
        );
        for settings in [file, environment] {
            assert_means_what_is_written(&settings, &written)?;
        }
    }
}

fn assert_means_what_is_written(settings: &Settings, written: &Written) -> Result<(), TestCaseError> {
    let policy = settings.policy().unwrap();
    let lower_case = |items: &[String]| items.iter().map(|item| item.to_lowercase()).collect::<BTreeSet<_>>();

    let tenants: BTreeSet<_> = policy.tenants().iter().map(ToString::to_string).collect();
    prop_assert_eq!(tenants, lower_case(&written.tenants));
    prop_assert_eq!(policy.required_roles(), &written.roles[..]);

    for audience in &written.audiences {
        for version in [TokenVersion::V1, TokenVersion::V2] {
            prop_assert!(policy.audiences().accepts(audience, version), "{audience} is lost");
        }
    }
    let shown = format!("{:?}", policy.audiences());
    prop_assert_eq!(
        shown.matches("ClientId(ClientId(").count() + shown.matches("Uri(").count(),
        written.audiences.len(),
        "{}",
        shown
    );

    let tenant = policy.tenants().iter().next().unwrap();
    let (objects, clients) = (lower_case(&written.objects), lower_case(&written.clients));
    let allow = |object: &str, client: &str| {
        policy.callers().allows(*tenant, object.parse().unwrap(), Some(client.parse().unwrap()))
    };
    for id in objects.iter().chain(&clients).map(String::as_str).chain([OBJECT]) {
        let is_object = objects.contains(id) || written.lets_anybody_in();
        let is_client = clients.contains(id) || written.lets_anybody_in();
        prop_assert_eq!(allow(id, CLIENT), is_object, "{} as an object", id);
        prop_assert_eq!(allow(OBJECT, id), is_client, "{} as a client", id);
    }

    let mut seconds = DEFAULTS;
    for (second, number) in seconds.iter_mut().zip(written.numbers) {
        *second = number.unwrap_or(*second);
    }
    let [skew, refresh, cooldown, retention, stale, timeout] = seconds.map(std::time::Duration::from_secs);
    prop_assert_eq!(policy.clock_skew(), skew);
    let (cloud, login) = match written.cloud {
        "public" => (Cloud::public(), "login.microsoftonline.com"),
        "us-government" => (Cloud::us_government(), "login.microsoftonline.us"),
        _ => (Cloud::china(), "login.partner.microsoftonline.cn"),
    };
    prop_assert_eq!(policy.cloud(), &cloud);
    let keys = format!("{:?}", settings.remote_keys().unwrap());
    for part in [
        format!("cloud: Cloud({}, {login})", written.cloud),
        format!("refresh: {refresh:?}, "),
        format!("refetch_cooldown: {cooldown:?}, "),
        format!("key_retention: {retention:?}, "),
        format!("stale_limit: {stale:?}, "),
        format!("fetch_timeout: {timeout:?} "),
    ] {
        prop_assert!(keys.contains(&part), "{part} is not in {keys}");
    }
    for tenant in policy.tenants().iter() {
        prop_assert!(keys.contains(&tenant.to_string()), "{tenant} is not in {keys}");
    }
    Ok(())
}

/// What a policy shows of itself; the parts of a map come in any order.
fn parts(policy: &signalr_upstream_auth::Policy) -> Vec<String> {
    let shown = format!("{policy:?}").replace(['{', '}'], ",");
    let mut parts: Vec<_> = shown.split(',').map(|part| part.trim().to_owned()).collect();
    parts.sort_unstable();
    parts
}

/// The clock of the first fixture stays where it is.
#[test]
fn clock_of_the_fixture_stands_at_noon() {
    use signalr_upstream_auth::clock::Clock;
    let fixture = fixture();
    assert_eq!(fixture.clock.now(), fixture.entra.clock().now());
    let keys = KeySet::from_json(fixture.entra.key_document(TokenVersion::V2).as_bytes()).unwrap();
    assert_eq!(keys.usable().count(), 2);
}
