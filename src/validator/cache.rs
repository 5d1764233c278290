//! The token cache: accepted tokens, so that each signature is verified once.
//!
//! SignalR sends the same token thousands of times during its day, and an RSA verification costs a hundred times as
//! much as a hit.

use std::fmt;
use std::hash::RandomState;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use moka::Expiry;
use moka::sync::Cache;

use super::shards::{self, ShardedClaims};
use crate::clock::UnixTime;
use crate::ids::TenantId;
use crate::policy::claims::Claims;
use crate::policy::stages::AuthorizedToken;
use crate::signature::rs256::Rs256Key;
use crate::token::bearer::BearerToken;
use crate::token::times::Window;

/// Accepted tokens, whole, in two tiers.
///
/// A hit proves nothing about the present: the caller checks the times and the key again. The hot tier is a snapshot of
/// a few frequent tokens, read without a lock. The main tier is bounded by weight, and its admission policy (TinyLFU)
/// prefers frequent tokens. A token enters a full hot tier only after many hits, so that a caller with any number of
/// valid tokens that shows each once evicts nothing from it.
///
/// A token that is no longer valid at any skew leaves the main tier then, and the hot tier when another enters it.
pub(crate) struct TokenCache {
    hot: ArcSwap<Vec<HotEntry>>,
    main: Cache<Tail, Arc<CachedToken>, RandomState>,
    main_hits: AtomicUsize,
    /// The bytes that the hot tier may take.
    hot_bytes: usize,
    skew: Duration,
    is_off: bool,
}

/// An accepted token.
pub(crate) struct CachedToken {
    token: Box<[u8]>,
    pub(crate) tenant: TenantId,
    pub(crate) authorized: AuthorizedToken,
    /// When its times accept it.
    pub(crate) window: Window,
    /// How long it stays from its insertion on.
    lifetime: Duration,
}

impl CachedToken {
    /// The bytes that the token takes in the main tier.
    fn weight(&self) -> usize {
        self.token.len() + self.authorized.claims().weight() + OVERHEAD
    }
}

/// A token of the hot tier. Its tail stands beside it, so that another token is passed over after one comparison.
#[derive(Clone)]
pub(crate) struct HotEntry {
    tail: Tail,
    cached: Arc<CachedToken>,
    claims: ShardedClaims,
}

impl HotEntry {
    fn new(tail: Tail, cached: Arc<CachedToken>) -> Self {
        let claims = ShardedClaims::new(cached.authorized.claims());
        Self { tail, cached, claims }
    }

    /// The bytes that the token takes in the hot tier, counted as if the main tier had evicted it.
    fn weight(&self) -> usize {
        self.cached.weight() + shards::BYTES
    }

    fn is(&self, tail: Tail, token: &[u8]) -> bool {
        self.tail == tail && *self.cached.token == *token
    }
}

impl TokenCache {
    /// A cache of at most so many bytes for tokens that are valid for `skew` beyond their `exp`. Off with 0 bytes.
    pub(crate) fn new(max_bytes: u64, skew: Duration) -> Self {
        let hot_bytes = (max_bytes / HOT_SHARE).min(MAX_HOT_BYTES);
        let main = Cache::builder()
            .max_capacity(max_bytes - hot_bytes)
            .weigher(|_: &Tail, cached: &Arc<CachedToken>| u32::try_from(cached.weight()).unwrap_or(u32::MAX))
            .expire_after(AtEndOfToken)
            .build_with_hasher(RandomState::new());
        Self {
            hot: ArcSwap::default(),
            main,
            main_hits: AtomicUsize::new(0),
            hot_bytes: usize::try_from(hot_bytes).unwrap_or(usize::MAX),
            skew,
            is_off: max_bytes == 0,
        }
    }

    /// Looks a token up at `now`. A hit is an accepted token that equals this one, byte by byte: `check` gets what is known
    /// of it, and the claims for this thread to clone. It is called here, where the snapshot is borrowed: to return what is
    /// known would count a reference up and down with each hit.
    pub(crate) fn get<T>(
        &self,
        token: BearerToken<'_>,
        now: UnixTime,
        check: impl FnOnce(&CachedToken, &Claims) -> Option<T>,
    ) -> Option<T> {
        let token = token.as_bytes();
        let tail = self.tail_of(token)?;
        let hot = self.hot.load();
        if let Some(entry) = hot.iter().find(|entry| entry.is(tail, token)) {
            return check(&entry.cached, entry.claims.of_this_thread());
        }
        drop(hot);
        if !ends_in_signature(token) {
            return None;
        }
        let cached = self.main.get(&tail).filter(|cached| *cached.token == *token)?;
        // Not with each hit: with more frequent tokens than hot places, every hit would write.
        if self.main_hits.fetch_add(1, Ordering::Relaxed).is_multiple_of(PROMOTE_EVERY) {
            self.promote(HotEntry::new(tail, Arc::clone(&cached)), Some(now));
        }
        check(&cached, cached.authorized.claims())
    }

    /// Inserts a token that was just accepted at `now`.
    pub(crate) fn insert(&self, token: BearerToken<'_>, authorized: AuthorizedToken, now: Option<UnixTime>) {
        let token = token.as_bytes();
        let Some(tail) = self.tail_of(token) else { return };
        let lifetime = self.lifetime(&authorized, now);
        let (tenant, window) = (authorized.claims().tenant_id(), authorized.validity().window(self.skew));
        let cached = Arc::new(CachedToken { token: token.into(), tenant, authorized, window, lifetime });
        let hot = self.hot.load();
        let has_room = hot.iter().filter(|entry| !self.is_over(entry, now)).count() < HOT;
        // A token that is hot already replaces what was known of it.
        if has_room || hot.iter().any(|entry| entry.is(tail, token)) {
            self.promote(HotEntry::new(tail, Arc::clone(&cached)), now);
        }
        self.main.insert(tail, cached);
    }

    /// The tail of a token that may be cached.
    fn tail_of(&self, token: &[u8]) -> Option<Tail> {
        if self.is_off || token.len() > MAX_TOKEN { None } else { Tail::of(token) }
    }

    /// Puts a token first into the hot tier. Tokens that are over at `now` leave, then those that have been there for
    /// the longest time, until all fit.
    fn promote(&self, new: HotEntry, now: Option<UnixTime>) {
        self.hot.rcu(|hot| {
            let others = hot.iter().filter(|other| !other.is(new.tail, &new.cached.token) && !self.is_over(other, now));
            let mut bytes = 0;
            let fits = |entry: &&HotEntry| {
                bytes += entry.weight();
                bytes <= self.hot_bytes
            };
            std::iter::once(&new).chain(others).take(HOT).take_while(fits).cloned().collect::<Vec<_>>()
        });
    }

    fn is_over(&self, entry: &HotEntry, now: Option<UnixTime>) -> bool {
        now.is_some() && self.lifetime(&entry.cached.authorized, now).is_zero()
    }

    /// How long a token is valid from `now` on. The times are checked with each hit, so an unknown time harms nothing.
    fn lifetime(&self, authorized: &AuthorizedToken, now: Option<UnixTime>) -> Duration {
        let Some(now) = now else { return Duration::MAX };
        let end = authorized.validity().ends().as_secs().saturating_add(self.skew.as_secs());
        Duration::from_secs(end.saturating_sub(now.as_secs()))
    }
}

impl fmt::Debug for TokenCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenCache").field("entries", &self.main.entry_count()).finish_non_exhaustive()
    }
}

/// Evicts a token from the main tier when its lifetime is over.
struct AtEndOfToken;

impl Expiry<Tail, Arc<CachedToken>> for AtEndOfToken {
    fn expire_after_create(&self, _: &Tail, cached: &Arc<CachedToken>, _: Instant) -> Option<Duration> {
        Some(cached.lifetime)
    }

    fn expire_after_update(
        &self,
        _: &Tail,
        cached: &Arc<CachedToken>,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(cached.lifetime)
    }
}

/// The last 16 characters of a token, 96 bits of its signature. No two genuine tokens share them, and only genuine ones
/// are cached, so nobody can crowd a bucket. A caller who does not know them has no byte of a cached token compared
/// with its own.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
struct Tail(u128);

impl Tail {
    fn of(token: &[u8]) -> Option<Self> {
        token.last_chunk().map(|end| Self(u128::from_le_bytes(*end)))
    }
}

/// Whether a token ends in a segment as long as a signature that some key verifies. No other token is accepted, so most
/// that are none cost no look-up.
fn ends_in_signature(token: &[u8]) -> bool {
    let is_dot = |at: usize| token.get(at) == Some(&b'.');
    Rs256Key::MODULUS_BYTES.into_iter().any(|bytes| {
        let characters = (bytes * 4).div_ceil(3);
        token.len().checked_sub(characters + 1).is_some_and(is_dot)
    })
}

/// Longer tokens are rare and would crowd out many usual ones (1.5 KiB).
const MAX_TOKEN: usize = 4096;

/// The places of the hot tier. A service is called by a handful of identities; each comparison costs two words
/// unless it hits.
const HOT: usize = 8;

/// The hot tier takes at most this part of the bound: one half.
const HOT_SHARE: u64 = 2;

/// More than eight of the longest tokens take.
const MAX_HOT_BYTES: u64 = 128 * 1024;

const PROMOTE_EVERY: usize = 64;

/// What an entry takes beside its token and claims: two reference-counted blocks and the book-keeping of the tiers.
const OVERHEAD: usize = 512;

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;
    use crate::keys::jwks::KeySet;
    use crate::token::times::Validity;

    /// A token as long as Entra's with a signature of 256 bytes, told apart by its end.
    fn token(number: usize) -> Vec<u8> {
        let mut token = vec![b'a'; 1500];
        token[1500 - 343] = b'.';
        token[1484..].copy_from_slice(format!("{number:016}").as_bytes());
        token
    }

    const NOW: u64 = 1_790_000_000;
    const SKEW: Duration = Duration::from_secs(300);

    fn cache(max_bytes: u64) -> TokenCache {
        TokenCache::new(max_bytes, SKEW)
    }

    fn at(seconds: u64) -> Option<UnixTime> {
        Some(UnixTime::from_secs(seconds))
    }

    fn get(tokens: &TokenCache, token: &[u8]) -> Option<String> {
        get_at(tokens, token, NOW)
    }

    fn get_at(tokens: &TokenCache, token: &[u8], now: u64) -> Option<String> {
        tokens.get(BearerToken::from_token68(token).unwrap(), UnixTime::from_secs(now), |cached, claims| {
            assert_eq!(claims, cached.authorized.claims());
            Some(claims.audience().to_owned())
        })
    }

    fn insert(tokens: &TokenCache, token: &[u8], audience: &str) {
        insert_until(tokens, token, audience, NOW + 3600, NOW);
    }

    /// Inserts a token with this `exp` at this time.
    fn insert_until(tokens: &TokenCache, token: &[u8], audience: &str, exp: u64, now: u64) {
        let modulus = [&[0x80][..], &[1; 255]].concat();
        let keys =
            format!(r#"{{"keys":[{{"kty":"RSA","kid":"k","e":"AQAB","n":"{}"}}]}}"#, URL_SAFE_NO_PAD.encode(modulus));
        let key = KeySet::from_json(keys.as_bytes()).unwrap().usable().next().unwrap().clone();
        let validity = Validity { exp: i64::try_from(exp).unwrap(), nbf: None, iat: None };
        let authorized = AuthorizedToken::sample(Claims::sample(audience), key, validity);
        tokens.insert(BearerToken::from_token68(token).unwrap(), authorized, at(now));
    }

    fn with(max_bytes: u64, numbers: impl IntoIterator<Item = usize>) -> TokenCache {
        let tokens = cache(max_bytes);
        for number in numbers {
            insert(&tokens, &token(number), "a");
        }
        tokens.main.run_pending_tasks();
        tokens
    }

    fn is_hot(tokens: &TokenCache, token: &[u8]) -> bool {
        tokens.hot.load().iter().any(|entry| *entry.cached.token == *token)
    }

    fn hot_bytes(tokens: &TokenCache) -> usize {
        tokens.hot.load().iter().map(|entry| entry.cached.weight() + shards::BYTES).sum()
    }

    #[test]
    fn hits_only_a_token_that_is_equal_in_every_byte() {
        let tokens = with(1 << 20, 0..=HOT);
        for (number, is_in_hot_tier) in [(0, true), (HOT, false)] {
            let known = token(number);
            assert_eq!(is_hot(&tokens, &known), is_in_hot_tier);
            for place in 0..known.len() {
                let mut other = known.clone();
                other[place] = b'b';
                assert_eq!(get(&tokens, &other), None, "byte {place}");
            }
            assert_eq!(get(&tokens, &known[1..]), None);
            assert_eq!(get(&tokens, &[&known[..], b"a"].concat()), None);
            assert_eq!(get(&tokens, &[b"a", &known[..]].concat()), None);
            assert!(get(&tokens, &known).is_some());
        }
    }

    #[test]
    fn of_two_tokens_with_one_tail_the_later_stays_and_neither_gets_the_claims_of_the_other() {
        let tokens = with(1 << 20, 0..=HOT);
        let (one, mut other) = (token(HOT + 1), token(HOT + 1));
        other[0] = b'b';
        insert(&tokens, &one, "one");
        insert(&tokens, &other, "other");
        assert_eq!(get(&tokens, &one), None);
        assert_eq!(get(&tokens, &other).as_deref(), Some("other"));
    }

    #[test]
    fn main_tier_hits_tokens_with_a_signature_of_any_size_and_looks_no_other_up() {
        let tokens = with(1 << 20, 0..HOT);
        for (bytes, expected) in [(255, false), (256, true), (257, false), (384, true), (512, true), (513, false)] {
            let signature = URL_SAFE_NO_PAD.encode(vec![u8::try_from(bytes % 256).unwrap(); bytes]);
            let token = format!("header.claims.{signature}");
            insert(&tokens, token.as_bytes(), "a");
            assert!(!is_hot(&tokens, token.as_bytes()));
            assert_eq!(get(&tokens, token.as_bytes()).is_some(), expected, "{bytes}");
        }
    }

    #[test]
    fn hot_tier_hits_without_main_tier() {
        let tokens = with(1 << 20, 0..2);
        tokens.main.invalidate_all();
        tokens.main.run_pending_tasks();
        assert!(get(&tokens, &token(0)).is_some());
        assert_eq!(get(&tokens, &token(2)), None);
    }

    #[test]
    fn an_entry_weighs_its_token_claims_and_overhead() {
        let tokens = with(1 << 20, 0..3);
        let claims = tokens.hot.load()[0].cached.authorized.claims().weight();
        assert_eq!(tokens.main.weighted_size(), u64::try_from(3 * (1500 + claims + OVERHEAD)).unwrap());
    }

    #[test]
    fn debug_shows_no_token() {
        assert_eq!(format!("{:?}", with(1 << 20, 0..3)), "TokenCache { entries: 3, .. }");
    }

    #[test]
    fn caches_no_token_shorter_or_longer_than_entras() {
        let tokens = cache(1 << 20);
        for length in [1, 15, MAX_TOKEN + 1] {
            insert(&tokens, &vec![b'a'; length], "a");
            assert_eq!(get(&tokens, &vec![b'a'; length]), None, "{length}");
        }
        for length in [16, MAX_TOKEN] {
            insert(&tokens, &vec![b'a'; length], "a");
            assert!(get(&tokens, &vec![b'a'; length]).is_some(), "{length}");
        }
    }

    #[test]
    fn caches_nothing_with_a_bound_of_zero() {
        let tokens = with(0, 0..3);
        assert_eq!(get(&tokens, &token(0)), None);
        assert!(tokens.hot.load().is_empty());
        assert_eq!(tokens.main.entry_count(), 0);
    }

    #[test]
    fn a_later_insert_replaces_the_earlier_in_both_tiers() {
        let tokens = with(1 << 20, 0..20);
        for number in [0, 19] {
            insert(&tokens, &token(number), "later");
            assert_eq!(get(&tokens, &token(number)).as_deref(), Some("later"));
        }
        assert_eq!(tokens.hot.load().len(), HOT);
    }

    #[test]
    fn weight_of_both_tiers_stays_within_the_bound() {
        for bound in [1, 10_000, 100_000, 1 << 20] {
            let tokens = with(bound, 0..1000);
            for number in 0..1000 {
                get(&tokens, &token(number));
            }
            let weight = tokens.main.weighted_size() + u64::try_from(hot_bytes(&tokens)).unwrap();
            assert!(weight <= bound, "{weight} of {bound}");
        }
        assert!(with(100_000, 0..1000).main.entry_count() >= 12);
    }

    #[test]
    fn a_bound_of_one_byte_caches_nothing() {
        let tokens = with(1, 0..3);
        assert!(tokens.hot.load().is_empty());
        assert_eq!(get(&tokens, &token(0)), None);
    }

    #[test]
    fn tokens_leave_the_main_tier_when_they_are_over() {
        let tokens = cache(1 << 20);
        // Valid for the last second of the skew, and no longer.
        insert_until(&tokens, &token(1), "last second", NOW - 299, NOW);
        assert_eq!(get(&tokens, &token(1)).as_deref(), Some("last second"));
        insert_until(&tokens, &token(2), "over", NOW - 300, NOW);
        tokens.main.run_pending_tasks();
        assert!(tokens.main.get(&tokens.tail_of(&token(2)).unwrap()).is_none());
        // One that is inserted again stays as long as it is valid then.
        insert(&tokens, &token(3), "valid");
        insert_until(&tokens, &token(3), "over", NOW - 300, NOW);
        tokens.main.run_pending_tasks();
        assert!(tokens.main.get(&tokens.tail_of(&token(3)).unwrap()).is_none());
    }

    #[test]
    fn lifetime_ends_with_the_skew_after_exp() {
        let tokens = cache(1 << 20);
        let lifetime = |exp: u64, now| {
            insert_until(&tokens, &token(1), "a", exp, NOW);
            let hot = tokens.hot.load();
            tokens.lifetime(&hot.first().unwrap().cached.authorized, now)
        };
        assert_eq!(lifetime(NOW + 100, at(NOW)), Duration::from_secs(400));
        assert_eq!(lifetime(NOW + 100, at(NOW + 399)), Duration::from_secs(1));
        assert_eq!(lifetime(NOW + 100, at(NOW + 400)), Duration::ZERO);
        assert_eq!(lifetime(NOW + 100, None), Duration::MAX);
    }

    #[test]
    fn a_new_token_takes_the_hot_place_of_one_that_is_over() {
        let tokens = cache(1 << 20);
        for number in 0..HOT {
            insert_until(&tokens, &token(number), "old", NOW, NOW);
        }
        let later = NOW + 300;
        insert_until(&tokens, &token(100), "new", later + 3600, later);
        assert!(is_hot(&tokens, &token(100)), "the hot tier is full of tokens that are over");
        assert_eq!(tokens.hot.load().len(), 1);
    }

    #[test]
    fn a_frequent_token_takes_the_hot_place_of_those_that_are_over() {
        let tokens = cache(1 << 20);
        for number in 0..HOT {
            insert_until(&tokens, &token(number), "old", NOW, NOW);
        }
        insert(&tokens, &token(100), "frequent");
        assert!(!is_hot(&tokens, &token(100)));
        let later = NOW + 300;
        (0..=PROMOTE_EVERY).for_each(|_| drop(get_at(&tokens, &token(100), later)));
        assert!(is_hot(&tokens, &token(100)));
        assert_eq!(tokens.hot.load().len(), 1, "those that are over have left");
    }

    #[test]
    fn hot_tier_takes_the_first_tokens_then_frequent_ones() {
        let tokens = with(1 << 20, 0..100);
        assert!((0..HOT).all(|number| is_hot(&tokens, &token(number))));
        assert!(!is_hot(&tokens, &token(99)));
        for _ in 0..PROMOTE_EVERY {
            get(&tokens, &token(99));
        }
        assert!(is_hot(&tokens, &token(99)));
        // The one that got there longest ago has made room, and is found in the main tier.
        assert!(!is_hot(&tokens, &token(0)) && get(&tokens, &token(0)).is_some());
        assert_eq!(tokens.hot.load().len(), HOT);
    }

    #[test]
    fn tokens_shown_once_evict_nothing_from_the_hot_tier() {
        let tokens = with(100_000, 0..HOT);
        for number in 1000..6000 {
            get(&tokens, &token(number));
            insert(&tokens, &token(number), "stranger");
            assert!(get(&tokens, &token(number % HOT)).is_some());
        }
        assert!((0..HOT).all(|number| is_hot(&tokens, &token(number))));
    }

    #[test]
    fn frequent_tokens_of_the_main_tier_survive_a_flood_of_others() {
        let tokens = with(100_000, 0..HOT + 8);
        let steady: Vec<_> = (HOT..HOT + 8).map(token).collect();
        let (mut asked, mut missed) = (0, 0);
        for number in 1000..6000 {
            if get(&tokens, &token(number)).is_none() {
                insert(&tokens, &token(number), "stranger");
            }
            let token = &steady[number % steady.len()];
            asked += 1;
            if get(&tokens, token).is_none() {
                missed += 1;
                insert(&tokens, token, "steady");
            }
        }
        assert!(missed * 50 <= asked, "{missed} of {asked}");
    }
}
