//! What the steps of a check cost, in time and in allocations.
//!
//! ```text
//! cargo bench -p benches --bench steps
//! ```
//!
//! A check that is rejected has gone exactly as far as the step that rejects, so the rows of `rejected`, from top to
//! bottom, are the steps up to there: a step costs what its row has more than the one above.

#![allow(
    clippy::as_conversions,
    clippy::expect_used,
    clippy::or_fun_call,
    clippy::unwrap_used,
    reason = "a measurement that cannot be set up should stop"
)]

use std::pin::pin;
use std::sync::LazyLock;
use std::task::{Context, Poll, Waker};

use divan::{AllocProfiler, Bencher, black_box};
use http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use http::{Request, Response};
use mock_entra::MockEntra;
use signalr_upstream_auth::keys::{FixedKeys, KeyId, KeySet, KeySource, RemoteKeys};
use signalr_upstream_auth::{Claims, RejectionKind, TenantId, TokenVersion, UpstreamAuthLayer, Validator};
use tokio::runtime::Runtime;
use tower::{Layer, Service, service_fn};

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

fn main() {
    // Keys are fetched by a task, which needs its runtime for as long as the benchmarks run.
    let _runtime = WORLD.runtime.enter();
    divan::main();
}

/// The validator alone: headers in, claims or rejection out.
mod check {
    use super::*;

    #[divan::bench]
    fn accepted_cached(bencher: Bencher<'_, '_>) {
        accept(bencher, &WORLD.caching(), &WORLD.good);
    }

    #[divan::bench]
    fn accepted_cached_fixed_keys(bencher: Bencher<'_, '_>) {
        let keys = KeySet::from_json(WORLD.entra.key_document(TokenVersion::V2).as_bytes()).unwrap();
        let validator = Validator::new(WORLD.entra.policy(), FixedKeys::new(keys));
        accept(bencher, &validator, &WORLD.good);
    }

    /// Verified each time, never cached.
    #[divan::bench]
    fn accepted_without_cache(bencher: Bencher<'_, '_>) {
        accept(bencher, &WORLD.without_cache(), &WORLD.good);
    }

    /// Verified and cached.
    #[divan::bench]
    fn accepted_first_sight(bencher: Bencher<'_, '_>) {
        let (mut validator, mut tokens) = (WORLD.caching(), WORLD.many.iter());
        bencher
            .with_inputs(|| {
                let headers = tokens.next().unwrap_or_else(|| {
                    validator = WORLD.caching();
                    tokens = WORLD.many.iter();
                    &WORLD.many[0]
                });
                (validator.clone(), headers)
            })
            .bench_local_refs(|(validator, headers)| assert!(check(validator, headers).is_ok()));
    }

    /// Cached, one of so many that are in use.
    #[divan::bench(args = [1, 8, 9, 100, 1000])]
    fn live_tokens(bencher: Bencher<'_, '_>, live: usize) {
        let validator = WORLD.caching();
        let tokens = &WORLD.many[..live];
        for headers in tokens.iter().chain(tokens) {
            assert!(check(&validator, headers).is_ok());
        }
        let mut next = tokens.iter().cycle();
        bencher.with_inputs(|| next.next().unwrap()).bench_local_values(|headers| check(&validator, headers).is_ok());
    }

    fn accept(bencher: Bencher<'_, '_>, validator: &Validator, headers: &HeaderMap) {
        assert!(check(validator, headers).is_ok());
        bencher.bench_local(|| check(validator, black_box(headers)).unwrap());
    }

    #[divan::bench(args = WORLD.rejected.iter())]
    fn rejected(bencher: Bencher<'_, '_>, case: &Rejected) {
        let validator = WORLD.caching();
        assert_eq!(check(&validator, &case.headers), Err(case.kind));
        bencher.bench_local(|| check(&validator, black_box(&case.headers)).unwrap_err());
    }
}

/// The whole layer around a service that does nothing, rejection responses included.
mod layer {
    use super::*;

    #[divan::bench]
    fn unprotected(bencher: Bencher<'_, '_>) {
        answer(bencher, inner(), &WORLD.good);
    }

    /// One comparison with a constant header, and claims into the extensions.
    #[divan::bench]
    fn floor(bencher: Bencher<'_, '_>) {
        answer(bencher, known_token(), &WORLD.good);
    }

    #[divan::bench]
    fn accepted_cached(bencher: Bencher<'_, '_>) {
        answer(bencher, WORLD.layer().layer(inner()), &WORLD.good);
    }

    #[divan::bench(args = WORLD.rejected.iter())]
    fn rejected(bencher: Bencher<'_, '_>, case: &Rejected) {
        answer(bencher, WORLD.layer().layer(inner()), &case.headers);
    }

    /// One request after the other, with so many KiB of other memory read before each. A server's kernel does that to the
    /// caches of the processor.
    mod after_other_work {
        use super::*;

        const KIB: [usize; 4] = [0, 64, 256, 2048];

        #[divan::bench(args = KIB, sample_size = 1, sample_count = 5000)]
        fn unprotected(bencher: Bencher<'_, '_>, kib: usize) {
            answer_after(bencher, inner(), kib);
        }

        #[divan::bench(args = KIB, sample_size = 1, sample_count = 5000)]
        fn floor(bencher: Bencher<'_, '_>, kib: usize) {
            answer_after(bencher, known_token(), kib);
        }

        #[divan::bench(args = KIB, sample_size = 1, sample_count = 5000)]
        fn accepted_cached(bencher: Bencher<'_, '_>, kib: usize) {
            answer_after(bencher, WORLD.layer().layer(inner()), kib);
        }

        fn answer_after<S>(bencher: Bencher<'_, '_>, mut service: S, kib: usize)
        where
            S: Service<Request<()>, Response = Response<()>>,
        {
            let other = vec![1_u8; kib * 1024];
            bencher
                .with_inputs(|| {
                    black_box(other.iter().step_by(CACHE_LINE).fold(0, |sum: u8, byte| sum.wrapping_add(*byte)));
                    // A copy: the server has just read this header.
                    request(&HeaderMap::from_iter([(
                        AUTHORIZATION,
                        HeaderValue::from_bytes(WORLD.good[AUTHORIZATION].as_bytes()).unwrap(),
                    )]))
                })
                .bench_local_values(|request| now(service.call(request)).ok());
        }

        const CACHE_LINE: usize = 64;
    }

    fn known_token() -> impl Service<Request<()>, Response = Response<()>> {
        let (known, mut inner) = (WORLD.good[AUTHORIZATION].clone(), inner());
        let claims = check(&WORLD.caching(), &WORLD.good).unwrap();
        service_fn(move |mut request: Request<()>| {
            assert_eq!(request.headers()[AUTHORIZATION].as_bytes(), known.as_bytes());
            request.extensions_mut().insert(claims.clone());
            inner.call(request)
        })
    }

    fn inner() -> impl Service<Request<()>, Response = Response<()>> + Clone {
        service_fn(|request: Request<()>| {
            black_box(request.extensions().get::<Claims>());
            std::future::ready(Ok::<_, std::convert::Infallible>(Response::new(())))
        })
    }

    fn answer<S>(bencher: Bencher<'_, '_>, mut service: S, headers: &HeaderMap)
    where
        S: Service<Request<()>, Response = Response<()>>,
    {
        bencher.with_inputs(|| request(headers)).bench_local_values(|request| now(service.call(request)).ok());
    }

    fn request(headers: &HeaderMap) -> Request<()> {
        let mut request = Request::new(());
        *request.headers_mut() = headers.clone();
        request
    }
}

/// The question for a key, which is part of every check.
mod clock {
    use std::time::{Instant, SystemTime};

    use signalr_upstream_auth::clock::{Clock, SystemClock};

    #[divan::bench]
    fn wall() -> Option<signalr_upstream_auth::clock::UnixTime> {
        SystemClock::default().now()
    }

    #[divan::bench]
    #[expect(clippy::disallowed_methods, reason = "the clock that is compared")]
    fn wall_of_the_standard_library() -> SystemTime {
        SystemTime::now()
    }

    #[divan::bench]
    fn monotonic() -> Instant {
        Instant::now()
    }
}

mod key_lookup {
    use super::*;

    #[divan::bench(args = [1, 10, 1000])]
    fn fixed(bencher: Bencher<'_, '_>, keys: usize) {
        let (document, names) = document(keys);
        let source = FixedKeys::new(KeySet::from_json(document.as_bytes()).unwrap());
        look_up(bencher, &source, WORLD.entra.tenant(), &names);
    }

    #[divan::bench(args = [1, 10, 1000])]
    fn remote(bencher: Bencher<'_, '_>, keys: usize) {
        let (document, names) = document(keys);
        let source = RemoteKeys::builder(&WORLD.entra.policy())
            .seed(WORLD.entra.tenant(), KeySet::from_json(document.as_bytes()).unwrap(), WORLD.now())
            .build()
            .unwrap();
        look_up(bencher, &source, WORLD.entra.tenant(), &names);
    }

    #[divan::bench(args = [1, 10, 100])]
    fn remote_tenants(bencher: Bencher<'_, '_>, tenants: usize) {
        let tenants: Vec<TenantId> =
            (1..=tenants).map(|n| format!("{n:08x}-aaaa-4bbb-8ccc-222222222222").parse().unwrap()).collect();
        let (document, names) = document(10);
        let policy = signalr_upstream_auth::Policy::builder(
            signalr_upstream_auth::Tenants::parse(tenants.iter().map(ToString::to_string)).unwrap(),
            signalr_upstream_auth::Audiences::parse([WORLD.entra.audience_client_id().to_string()]).unwrap(),
            signalr_upstream_auth::Callers::dangerous_any_in_tenant(),
        )
        .cloud(WORLD.entra.cloud())
        .build()
        .unwrap();
        let keys = KeySet::from_json(document.as_bytes()).unwrap();
        let builder = tenants
            .iter()
            .fold(RemoteKeys::builder(&policy), |builder, tenant| builder.seed(*tenant, keys.clone(), WORLD.now()));
        let source = builder.build().unwrap();
        look_up(bencher, &source, tenants[tenants.len() / 2], &names);
    }

    fn look_up(bencher: Bencher<'_, '_>, source: &dyn KeySource, tenant: TenantId, names: &[KeyId]) {
        let (mut next, now) = (names.iter().cycle(), WORLD.now());
        bencher.bench_local(|| {
            let found = source.lookup(black_box(tenant), next.next().unwrap(), black_box(now));
            assert!(matches!(found, signalr_upstream_auth::keys::Lookup::Found(_)));
            found
        });
    }

    /// So many keys, all with the same modulus, under names as long as Entra's.
    fn document(keys: usize) -> (String, Vec<KeyId>) {
        let names: Vec<_> = (0..keys).map(|n| KeyId::new(&format!("key-{n:04}-of-27-characters-xx"))).collect();
        let entry = WORLD.entra.key_document(TokenVersion::V2);
        let modulus = entry.split("\"n\":\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
        let entry = |name: &KeyId| {
            format!(r#"{{"kty":"RSA","use":"sig","kid":"{}","n":"{modulus}","e":"AQAB"}}"#, name.as_str())
        };
        (format!(r#"{{"keys":[{}]}}"#, names.iter().map(entry).collect::<Vec<_>>().join(",")), names)
    }
}

/// An Entra, its keys fetched, and requests.
struct World {
    runtime: Runtime,
    entra: MockEntra,
    keys: RemoteKeys,
    good: HeaderMap,
    many: Vec<HeaderMap>,
    rejected: Vec<Rejected>,
}

/// A request that a step rejects.
struct Rejected {
    kind: RejectionKind,
    what: &'static str,
    headers: HeaderMap,
}

impl std::fmt::Display for Rejected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.what)
    }
}

static WORLD: LazyLock<World> = LazyLock::new(World::new);

impl World {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let entra = runtime.block_on(MockEntra::start());
        let keys = RemoteKeys::new(&entra.policy()).unwrap();
        runtime.block_on(async {
            keys.wait_for_keys().await.unwrap();
            // A request with an unknown key: its fetch is the last one before the cooldown.
            let stranger = KeyId::new("unknown");
            keys.resolve(entra.tenant(), &stranger).await.unwrap_err();
        });
        let good = bearer(&entra.token().mint());
        let many = (0..1500).map(|n| bearer(&entra.token().claim("uti", format!("{n:022}")).mint())).collect();
        let rejected = rejected(&entra);
        Self { runtime, entra, keys, good, many, rejected }
    }

    fn caching(&self) -> Validator {
        Validator::new(self.entra.policy(), self.keys.clone())
    }

    fn without_cache(&self) -> Validator {
        self.caching().with_token_cache_bytes(0)
    }

    fn layer(&self) -> UpstreamAuthLayer {
        UpstreamAuthLayer::from_keys(self.entra.policy(), self.keys.clone())
    }

    fn now(&self) -> signalr_upstream_auth::clock::UnixTime {
        self.entra.clock().now().unwrap()
    }
}

fn rejected(entra: &MockEntra) -> Vec<Rejected> {
    use RejectionKind::*;
    let token = entra.token();
    let good = token.clone().mint();
    let another = token.clone().claim("uti", "another").mint();
    let case = |what, kind, token: String| Rejected { kind, what, headers: bearer(&token) };
    vec![
        Rejected { kind: MissingCredentials, what: "01 no header", headers: HeaderMap::new() },
        case("02 over 16 KiB", TokenTooLarge, "a".repeat(16_385)),
        case("03 over 16 KiB, 4 times as long", TokenTooLarge, "a".repeat(65_540)),
        case("04 not a token", MalformedCredentials, format!("{good},")),
        case("05 no segments, 16 KiB", MalformedToken, "a".repeat(16_377)),
        case("06 two segments", MalformedToken, good.rsplit_once('.').unwrap().0.to_owned()),
        case("07 claims no object", MalformedToken, token.clone().raw_claims("[]").mint()),
        case("08 other algorithm", AlgorithmNotAllowed, token.clone().header("alg", "HS256").mint()),
        case(
            "09 other tenant",
            WrongTenant,
            token.clone().tenant("22222222-bbbb-4ccc-8ddd-333333333333".parse().unwrap()).mint(),
        ),
        case("10 other audience", WrongAudience, token.clone().audience("api://another").mint()),
        case("11 expired", Expired, token.clone().expired().mint()),
        case("12 unknown key", UnknownKey, token.clone().key_id("unknown").mint()),
        case("13 bad signature", InvalidSignature, with_signature_of(&another, &good)),
        case(
            "14 other caller",
            CallerNotAllowed,
            token
                .clone()
                .caller("88888888-5432-4dcb-8aed-999999999999".parse().unwrap(), entra.caller_client_id())
                .mint(),
        ),
        // The dearest of their size that were found.
        case("15 thousands of members, 16 KiB", MalformedToken, token.clone().raw_claims(members(1_500)).mint()),
        case(
            "16 thousands of roles and a bad signature, 16 KiB",
            InvalidSignature,
            with_signature_of(&another, &token.roles(vec![""; 3_500]).mint()),
        ),
    ]
}

/// A token with the signature of another one under the same key. One under a stranger's key can exceed the modulus, and
/// costs no verification then.
fn with_signature_of(other: &str, token: &str) -> String {
    let (_, signature) = other.rsplit_once('.').unwrap();
    let (input, _) = token.rsplit_once('.').unwrap();
    [input, signature].join(".")
}

/// An object with so many short names.
fn members(count: usize) -> String {
    let members: Vec<_> = (0..count).map(|number| format!("\"{number:x}\":0")).collect();
    format!("{{{}}}", members.join(","))
}

fn bearer(token: &str) -> HeaderMap {
    HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::try_from(format!("Bearer {token}")).unwrap())])
}

fn check(validator: &Validator, headers: &HeaderMap) -> Result<Claims, RejectionKind> {
    now(validator.validate(headers)).map_err(|rejection| rejection.kind())
}

/// The outcome of a future that has nothing to wait for.
fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => panic!("the keys are there, so nothing waits"),
    }
}
