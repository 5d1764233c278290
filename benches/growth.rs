//! What grows with the number of tokens, keys and tenants, and what does not.
//!
//! ```text
//! cargo bench -p benches --bench growth
//! ```
//!
//! The cases of a table take turns in batches of a few milliseconds; a figure is the median over the rounds, of
//! processor time. Mints 100,000 tokens first, which takes about a minute; `-- 20000` mints fewer.

#![allow(
    clippy::as_conversions,
    clippy::expect_used,
    clippy::or_fun_call,
    clippy::unwrap_used,
    reason = "a measurement that cannot be set up should stop"
)]

use std::hint::black_box;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use cpu_time::ThreadTime;
use http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use mock_entra::MockEntra;
use peak_alloc::PeakAlloc;
use signalr_upstream_auth::clock::{Clock, SystemClock, UnixTime};
use signalr_upstream_auth::keys::{FixedKeys, KeyId, KeySet, KeySource, Lookup, RemoteKeys};
use signalr_upstream_auth::{
    Audiences, Callers, Claims, Policy, Rejection, TenantId, Tenants, TokenVersion, Validator,
};

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

fn main() {
    let tokens = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(100_000);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let _entered = runtime.enter();
    let world = runtime.block_on(World::new());
    println!("\nMinting {tokens} tokens ...");
    let tokens = world.mint(tokens);
    print_live_tokens(&world, &tokens);
    print_keys(&world);
    print_memory(&world, &tokens);
    print_adversary(&world, &tokens);
}

/// Tokens that are all in use, one after the other.
fn print_live_tokens(world: &World, tokens: &[HeaderMap]) {
    let counts: Vec<_> = [1, 8, 16, 100, 1_000, 10_000, 100_000].into_iter().filter(|n| *n <= tokens.len()).collect();
    let cases = counts
        .iter()
        .map(|live| -> Case<'_> {
            let validator = world.validator().with_token_cache_bytes(1 << 30);
            let tokens = &tokens[..*live];
            for headers in tokens.iter().chain(tokens) {
                check(&validator, headers).unwrap();
            }
            let mut next = tokens.iter().cycle();
            Box::new(move || check(&validator, next.next().unwrap()).is_ok())
        })
        .collect();
    let costs = measure(cases);
    println!("\n| live tokens | a hit | x one token | x 100 tokens |\n|--:|--:|--:|--:|");
    let hundred = counts.iter().position(|live| *live == 100).map_or(f64::NAN, |at| costs[at]);
    for (live, cost) in counts.iter().zip(&costs) {
        println!("| {live} | {cost:.0} ns | {:.2} | {:.2} |", cost / costs[0], cost / hundred);
    }
    println!("\nUp to 8 are found in the snapshot, the rest in the cache behind it.");
}

/// The question for a key, with more keys and more tenants.
fn print_keys(world: &World) {
    let mut names = Vec::new();
    let mut cases: Vec<Case<'_>> = Vec::new();
    for keys in [1, 10, 1_000] {
        let (document, ids) = world.document(keys);
        let fixed = Arc::new(FixedKeys::new(document.clone()));
        let remote = world.remote(&[world.tenant()], &document);
        for (name, source) in [("fixed", fixed as Arc<dyn KeySource>), ("remote", remote)] {
            names.push(format!("{name}, {keys} keys"));
            cases.push(Box::new(look_up(source, vec![world.tenant()], ids.clone())));
        }
    }
    for tenants in [1, 10, 100] {
        let tenants: Vec<TenantId> =
            (1..=tenants).map(|n| format!("{n:08x}-aaaa-4bbb-8ccc-222222222222").parse().unwrap()).collect();
        let (document, ids) = world.document(10);
        names.push(format!("remote, {} tenants of 10 keys", tenants.len()));
        cases.push(Box::new(look_up(world.remote(&tenants, &document), tenants, ids)));
    }
    let costs = measure(cases);
    println!("\n| keys | a lookup |\n|---|--:|");
    for (name, cost) in names.iter().zip(costs) {
        println!("| {name} | {cost:.0} ns |");
    }
}

fn look_up(source: Arc<dyn KeySource>, tenants: Vec<TenantId>, keys: Vec<KeyId>) -> impl FnMut() -> bool {
    let (mut turn, now) = (0, SystemClock::default().now().unwrap());
    move || {
        turn += 1;
        let (tenant, key) = (tenants[turn % tenants.len()], &keys[turn % keys.len()]);
        matches!(source.lookup(black_box(tenant), black_box(key), black_box(now)), Lookup::Found(_))
    }
}

/// What cached tokens take on the heap.
fn print_memory(world: &World, tokens: &[HeaderMap]) {
    println!("\n| bound | tokens accepted | most on the heap | at the end | per token |\n|--:|--:|--:|--:|--:|");
    for (bound, name) in [(1 << 30, "1 GiB"), (DEFAULT_BOUND, "8 MiB")] {
        let validator = world.validator().with_token_cache_bytes(bound);
        let before = ALLOCATOR.current_usage();
        ALLOCATOR.reset_peak_usage();
        for headers in tokens {
            check(&validator, headers).unwrap();
        }
        let most = ALLOCATOR.peak_usage().saturating_sub(before);
        let end = ALLOCATOR.current_usage().saturating_sub(before);
        let each = if bound > DEFAULT_BOUND { format!("{} bytes", end / tokens.len()) } else { String::new() };
        println!("| {name} | {} | {:.2} MiB | {:.2} MiB | {each} |", tokens.len(), most as f64 / MIB, end as f64 / MIB);
    }
}

/// Somebody with any number of valid tokens, each shown once, and others who come again and again.
fn print_adversary(world: &World, tokens: &[HeaderMap]) {
    let (steady, strangers) = tokens.split_at(32);
    let unknown = world.validator().with_token_cache_bytes(0);
    let start = ThreadTime::now();
    for headers in &strangers[..200] {
        check(&unknown, headers).unwrap();
    }
    let verification = start.elapsed() / 200;
    println!("\n| steady tokens | strangers' tokens | steady requests | of these verified anew |\n|--:|--:|--:|--:|");
    for count in [4, 32] {
        let validator = world.validator();
        let steady = &steady[..count];
        for headers in steady.iter().chain(steady) {
            check(&validator, headers).unwrap();
        }
        let (mut asked, mut anew) = (0, 0);
        for (turn, headers) in strangers.iter().enumerate() {
            check(&validator, headers).unwrap();
            let start = ThreadTime::now();
            check(&validator, &steady[turn % count]).unwrap();
            asked += 1;
            anew += usize::from(start.elapsed() > verification / 2);
        }
        println!("| {count} | {} | {asked} | {anew} ({:.2} %) |", strangers.len(), 100.0 * anew as f64 / asked as f64);
    }
    println!("\nWhat takes longer than half a verification counts as one.");
}

/// Something to be done again and again, which says whether it went well.
type Case<'w> = Box<dyn FnMut() -> bool + 'w>;

/// Nanoseconds of each case, taking turns.
fn measure(mut cases: Vec<Case<'_>>) -> Vec<f64> {
    let batch = |case: &mut Case<'_>, times: u32| {
        let start = ThreadTime::now();
        for _ in 0..times {
            assert!(case());
        }
        start.elapsed()
    };
    let times: Vec<u32> = cases
        .iter_mut()
        .map(|case| {
            let each = batch(case, 1_000).as_nanos() / 1_000;
            u32::try_from(BATCH.as_nanos() / each.max(1)).unwrap()
        })
        .collect();
    let mut samples = vec![Vec::new(); cases.len()];
    for _ in 0..ROUNDS {
        for ((case, times), samples) in cases.iter_mut().zip(&times).zip(&mut samples) {
            samples.push(batch(case, *times).as_nanos() as f64 / f64::from(*times));
        }
    }
    let median = |samples: &mut Vec<f64>| {
        samples.sort_by(f64::total_cmp);
        samples[samples.len() / 2]
    };
    samples.iter_mut().map(median).collect()
}

struct World {
    entra: MockEntra,
    keys: RemoteKeys,
}

impl World {
    async fn new() -> Self {
        let entra = MockEntra::start().await;
        let keys = RemoteKeys::new(&entra.policy()).unwrap();
        keys.wait_for_keys().await.unwrap();
        Self { entra, keys }
    }

    fn tenant(&self) -> TenantId {
        self.entra.tenant()
    }

    fn validator(&self) -> Validator {
        Validator::new(self.entra.policy(), self.keys.clone())
    }

    /// Different tokens, all good.
    fn mint(&self, count: usize) -> Vec<HeaderMap> {
        let token = self.entra.token();
        let mint = |n: usize| bearer(&token.clone().claim("uti", format!("{n:022}")).mint());
        let half = count / 2;
        std::thread::scope(|scope| {
            let other = scope.spawn(|| (0..half).map(mint).collect::<Vec<_>>());
            let mut tokens: Vec<_> = (half..count).map(mint).collect();
            tokens.extend(other.join().unwrap());
            tokens
        })
    }

    /// So many keys, all with the same modulus, under names as long as Entra's.
    fn document(&self, keys: usize) -> (KeySet, Vec<KeyId>) {
        let document = self.entra.key_document(TokenVersion::V2);
        let (_, modulus) = document.split_once(r#""n":""#).unwrap();
        let (modulus, _) = modulus.split_once('"').unwrap();
        let ids: Vec<_> = (0..keys).map(|n| KeyId::new(&format!("key-{n:04}-of-27-characters-xx"))).collect();
        let entry = |id: &KeyId| format!(r#"{{"kty":"RSA","kid":"{}","n":"{modulus}","e":"AQAB"}}"#, id.as_str());
        let entries: Vec<_> = ids.iter().map(entry).collect();
        (KeySet::from_json(format!(r#"{{"keys":[{}]}}"#, entries.join(",")).as_bytes()).unwrap(), ids)
    }

    fn remote(&self, tenants: &[TenantId], keys: &KeySet) -> Arc<RemoteKeys> {
        let policy = Policy::builder(
            Tenants::parse(tenants.iter().map(ToString::to_string)).unwrap(),
            Audiences::parse([self.entra.audience_client_id().to_string()]).unwrap(),
            Callers::dangerous_any_in_tenant(),
        );
        let policy = policy.cloud(self.entra.cloud()).build().unwrap();
        let now: UnixTime = self.entra.clock().now().unwrap();
        let seed = |builder: signalr_upstream_auth::keys::RemoteKeysBuilder, tenant: &TenantId| {
            builder.seed(*tenant, keys.clone(), now)
        };
        Arc::new(tenants.iter().fold(RemoteKeys::builder(&policy), seed).build().unwrap())
    }
}

fn bearer(token: &str) -> HeaderMap {
    HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::try_from(format!("Bearer {token}")).unwrap())])
}

fn check(validator: &Validator, headers: &HeaderMap) -> Result<Claims, Rejection> {
    match pin!(validator.validate(headers)).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => panic!("the keys are there, so nothing waits"),
    }
}

const DEFAULT_BOUND: u64 = 8 << 20;
const MIB: f64 = 1_048_576.0;
const BATCH: Duration = Duration::from_millis(10);
const ROUNDS: usize = 21;
