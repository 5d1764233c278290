//! Tokens that were verified before. SignalR sends the same token thousands of times during its day,
//! and an RSA verification costs a hundred times what it takes to recognise one.

use std::fmt;
use std::hash::{Hash, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arc_swap::ArcSwap;
use moka::Equivalent;
use moka::sync::Cache;

use crate::claims::Claims;
use crate::ids::KeyId;
use crate::signature::key::VerificationKey;
use crate::token::bearer::BearerToken;
use crate::token::times::Validity;

/// Accepted tokens, whole, with what was found out about each.
///
/// Being in here proves nothing for the present moment: the caller asks the clock and the key source
/// again. In front stands a snapshot of a few tokens that come often, read without a lock; behind it a
/// cache bounded by weight, whose admission policy (TinyLFU) prefers what is asked for often. A token gets
/// into a full snapshot only by being asked for again and again: whoever has any number of valid tokens
/// and shows each once pushes nobody out of it.
pub(crate) struct TokenCache {
    front: ArcSwap<Vec<FrontEntry>>,
    all: Cache<Whole, Arc<CachedToken>, RandomState>,
    hits_behind: AtomicUsize,
    is_off: bool,
}

/// A token that passed every check, and what is needed to ask those again whose answer may change.
#[derive(Debug)]
pub(crate) struct CachedToken {
    token: Arc<[u8]>,
    claims: Claims,
    /// The key as the token names it. A key source may know the key by another name, too.
    pub(crate) key_id: KeyId,
    pub(crate) key: VerificationKey,
    pub(crate) validity: Validity,
}

impl CachedToken {
    fn weight(&self) -> u32 {
        u32::try_from(self.token.len() + self.claims.weight() + OVERHEAD).unwrap_or(u32::MAX)
    }
}

/// A token of the snapshot, its tail at hand so that another token is passed over at a glance.
#[derive(Clone)]
struct FrontEntry {
    tail: Tail,
    verified: Arc<CachedToken>,
    /// Its claims once for each lane, since all threads copy those of the one token that all calls carry.
    claims: Arc<[Claims; LANES]>,
}

impl FrontEntry {
    fn new(tail: Tail, verified: Arc<CachedToken>) -> Self {
        let claims = Arc::new(std::array::from_fn(|_| verified.claims.apart()));
        Self { tail, verified, claims }
    }

    /// The claims for this thread to copy.
    fn claims(&self) -> &Claims {
        let lane = LANE.with(|lane| *lane);
        self.claims.get(lane).unwrap_or(&self.verified.claims)
    }

    fn is(&self, tail: Tail, token: &[u8]) -> bool {
        self.tail == tail && *self.verified.token == *token
    }
}

impl TokenCache {
    /// A cache of at most so many bytes. None at all with 0.
    pub(crate) fn new(max_bytes: u64) -> Self {
        Self {
            front: ArcSwap::default(),
            all: Cache::builder()
                .max_capacity(max_bytes)
                .weigher(|_: &Whole, verified: &Arc<CachedToken>| verified.weight())
                .build_with_hasher(RandomState::new()),
            hits_behind: AtomicUsize::new(0),
            is_off: max_bytes == 0,
        }
    }

    /// Finds a token that is the same to the last byte, and says what `judge` makes of it.
    ///
    /// The claims beside it are its own, for this thread to copy.
    pub(crate) fn find<T>(
        &self,
        token: BearerToken<'_>,
        judge: impl FnOnce(&CachedToken, &Claims) -> Option<T>,
    ) -> Option<T> {
        let token = token.as_bytes();
        let tail = self.key_of(token)?;
        if let Some(found) = self.front.load().iter().find(|entry| entry.is(tail, token)) {
            return judge(&found.verified, found.claims());
        }
        let found = self.all.get(&Borrowed { tail, token })?;
        // Not each time: with more live tokens than places in front, every hit would write.
        if self.hits_behind.fetch_add(1, Ordering::Relaxed).is_multiple_of(PROMOTE_EVERY) {
            self.promote(FrontEntry::new(tail, Arc::clone(&found)));
        }
        judge(&found, &found.claims)
    }

    /// Remembers a token that was just accepted.
    pub(crate) fn remember(
        &self,
        token: BearerToken<'_>,
        claims: Claims,
        (key_id, key): (KeyId, VerificationKey),
        validity: Validity,
    ) {
        let token = token.as_bytes();
        let Some(tail) = self.key_of(token) else { return };
        let verified = Arc::new(CachedToken { token: token.into(), claims, key_id, key, validity });
        let front = self.front.load();
        // What is known of a token that is there already has changed.
        if front.len() < FRONT || front.iter().any(|entry| entry.is(tail, token)) {
            self.promote(FrontEntry::new(tail, Arc::clone(&verified)));
        }
        self.all.insert(Whole { tail, token: Arc::clone(&verified.token) }, verified);
    }

    /// The tail of a token that may be in here.
    fn key_of(&self, token: &[u8]) -> Option<Tail> {
        if self.is_off || token.len() > MAX_TOKEN { None } else { Tail::of(token) }
    }

    /// Puts a token in the first place; the one that got there longest ago has to go.
    fn promote(&self, new: FrontEntry) {
        self.front.rcu(|front| {
            let others = front.iter().filter(|other| !other.is(new.tail, &new.verified.token));
            std::iter::once(&new).chain(others).take(FRONT).cloned().collect::<Vec<_>>()
        });
    }
}

impl fmt::Debug for TokenCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenCache").field("entries", &self.all.entry_count()).finish_non_exhaustive()
    }
}

/// The last 16 characters of a token, 96 bits. They are the end of a signature: no two genuine tokens
/// share them, and only genuine ones are stored, so nobody can crowd a bucket. Whoever does not know them
/// gets no byte of a stored token compared with his.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
struct Tail(u128);

impl Tail {
    fn of(token: &[u8]) -> Option<Self> {
        token.last_chunk().map(|end| Self(u128::from_le_bytes(*end)))
    }
}

/// A token as a key of the cache: compared whole, hashed by its tail.
struct Whole {
    tail: Tail,
    token: Arc<[u8]>,
}

impl Hash for Whole {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.tail.hash(state);
    }
}

impl PartialEq for Whole {
    fn eq(&self, other: &Self) -> bool {
        self.tail == other.tail && self.token == other.token
    }
}

impl Eq for Whole {}

/// A token as it is looked for.
struct Borrowed<'t> {
    tail: Tail,
    token: &'t [u8],
}

impl Hash for Borrowed<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.tail.hash(state);
    }
}

impl Equivalent<Whole> for Borrowed<'_> {
    fn equivalent(&self, key: &Whole) -> bool {
        self.tail == key.tail && *self.token == *key.token
    }
}

/// Longer tokens are rare and would crowd out many usual ones (1.5 KiB).
const MAX_TOKEN: usize = 4096;

/// The size of the snapshot in front. A service is called by a handful of identities; each compare
/// costs two words unless it hits.
const FRONT: usize = 8;

const PROMOTE_EVERY: usize = 64;

/// Threads that copy the claims of one token at once and do not disturb each other.
const LANES: usize = 8;

thread_local! {
    /// Threads take the lanes by turns.
    static LANE: usize = {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        THREADS.fetch_add(1, Ordering::Relaxed) % LANES
    };
}

/// What an entry takes beside its token and claims: two reference-counted blocks and the cache's own
/// book-keeping.
const OVERHEAD: usize = 512;

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;
    use crate::claims::{ClaimValues, TokenVersion};
    use crate::clock::UnixTime;
    use crate::keys::jwks::KeySet;

    /// A token as long as Entra's, told apart by its end.
    fn token(number: usize) -> Vec<u8> {
        let mut token = vec![b'a'; 1500];
        token[1484..].copy_from_slice(format!("{number:016}").as_bytes());
        token
    }

    fn find(tokens: &TokenCache, token: &[u8]) -> Option<String> {
        let token = BearerToken::from_token68(token).unwrap();
        tokens.find(token, |_, claims| Some(claims.audience().to_owned()))
    }

    fn remember(tokens: &TokenCache, token: &[u8], audience: &str) {
        let modulus = [&[0x80][..], &[1; 255]].concat();
        let keys =
            format!(r#"{{"keys":[{{"kty":"RSA","kid":"k","e":"AQAB","n":"{}"}}]}}"#, URL_SAFE_NO_PAD.encode(modulus));
        let key = KeySet::from_json(keys.as_bytes()).unwrap().usable().next().unwrap().clone();
        let id = "11111111-aaaa-4bbb-8ccc-222222222222";
        let claims = Claims::assertion(ClaimValues {
            tenant_id: id.parse().unwrap(),
            object_id: id.parse().unwrap(),
            client_id: None,
            audience: audience.to_owned(),
            version: TokenVersion::V1,
            roles: Vec::new(),
            expires_at: UnixTime::from_secs(1),
            token_id: None,
        });
        let validity = Validity { exp: 1, nbf: None, iat: None };
        tokens.remember(BearerToken::from_token68(token).unwrap(), claims, (key.id().clone(), key), validity);
    }

    fn with(max_bytes: u64, numbers: impl IntoIterator<Item = usize>) -> TokenCache {
        let tokens = TokenCache::new(max_bytes);
        for number in numbers {
            remember(&tokens, &token(number), "a");
        }
        tokens.all.run_pending_tasks();
        tokens
    }

    fn is_in_front(tokens: &TokenCache, token: &[u8]) -> bool {
        tokens.front.load().iter().any(|entry| *entry.verified.token == *token)
    }

    #[test]
    fn a_token_is_found_by_every_byte_of_it_in_front_and_behind() {
        let tokens = with(1 << 20, 0..=FRONT);
        for (number, is_front) in [(0, true), (FRONT, false)] {
            let known = token(number);
            assert_eq!(is_in_front(&tokens, &known), is_front);
            for place in 0..known.len() {
                let mut other = known.clone();
                other[place] = b'b';
                assert_eq!(find(&tokens, &other), None, "byte {place}");
            }
            assert_eq!(find(&tokens, &known[1..]), None);
            assert_eq!(find(&tokens, &[&known[..], b"a"].concat()), None);
            assert_eq!(find(&tokens, &[b"a", &known[..]].concat()), None);
            assert!(find(&tokens, &known).is_some());
        }
    }

    #[test]
    fn tokens_of_one_end_are_two_tokens() {
        let tokens = with(1 << 20, 0..=FRONT);
        let (one, mut other) = (token(FRONT + 1), token(FRONT + 1));
        other[0] = b'b';
        remember(&tokens, &one, "one");
        remember(&tokens, &other, "other");
        assert_eq!(find(&tokens, &one).as_deref(), Some("one"));
        assert_eq!(find(&tokens, &other).as_deref(), Some("other"));
    }

    #[test]
    fn the_front_needs_nothing_behind_it() {
        let tokens = with(1 << 20, 0..2);
        tokens.all.invalidate_all();
        tokens.all.run_pending_tasks();
        assert!(find(&tokens, &token(0)).is_some());
        assert_eq!(find(&tokens, &token(2)), None);
    }

    #[test]
    fn threads_copy_claims_from_lanes_of_their_own() {
        let tokens = Arc::new(with(1 << 20, 0..1));
        let lanes: Vec<_> = (0..LANES)
            .map(|_| {
                let tokens = Arc::clone(&tokens);
                let lane = move || std::ptr::from_ref(tokens.front.load()[0].claims()).addr();
                std::thread::spawn(lane).join().unwrap()
            })
            .collect();
        // Other tests start threads, too, and take lanes between.
        assert!(lanes.iter().collect::<std::collections::HashSet<_>>().len() > 1, "{lanes:?}");
    }

    #[test]
    fn an_entry_weighs_its_token_its_claims_and_something_over() {
        let tokens = with(1 << 20, 0..3);
        let claims = tokens.front.load()[0].verified.claims.weight();
        assert_eq!(tokens.all.weighted_size(), u64::try_from(3 * (1500 + claims + OVERHEAD)).unwrap());
    }

    #[test]
    fn what_is_remembered_is_not_shown() {
        assert_eq!(format!("{:?}", with(1 << 20, 0..3)), "TokenCache { entries: 3, .. }");
    }

    #[test]
    fn what_is_no_token_of_entras_size_is_not_remembered() {
        let tokens = TokenCache::new(1 << 20);
        for length in [1, 15, MAX_TOKEN + 1] {
            remember(&tokens, &vec![b'a'; length], "a");
            assert_eq!(find(&tokens, &vec![b'a'; length]), None, "{length}");
        }
        for length in [16, MAX_TOKEN] {
            remember(&tokens, &vec![b'a'; length], "a");
            assert!(find(&tokens, &vec![b'a'; length]).is_some(), "{length}");
        }
    }

    #[test]
    fn with_no_room_nothing_is_remembered() {
        let tokens = with(0, 0..3);
        assert_eq!(find(&tokens, &token(0)), None);
        assert!(tokens.front.load().is_empty());
        assert_eq!(tokens.all.entry_count(), 0);
    }

    #[test]
    fn a_later_verdict_replaces_the_earlier_in_front_and_behind() {
        let tokens = with(1 << 20, 0..20);
        for number in [0, 19] {
            remember(&tokens, &token(number), "later");
            assert_eq!(find(&tokens, &token(number)).as_deref(), Some("later"));
        }
        assert_eq!(tokens.front.load().len(), FRONT);
    }

    #[test]
    fn the_weight_of_all_stays_within_the_bound() {
        let bound = 100_000;
        let tokens = with(bound, 0..1000);
        assert!(tokens.all.weighted_size() <= bound, "{}", tokens.all.weighted_size());
        assert!(tokens.all.entry_count() >= 40, "{}", tokens.all.entry_count());
    }

    #[test]
    fn the_front_takes_the_first_tokens_and_then_those_that_come_again() {
        let tokens = with(1 << 20, 0..100);
        assert!((0..FRONT).all(|number| is_in_front(&tokens, &token(number))));
        assert!(!is_in_front(&tokens, &token(99)));
        for _ in 0..PROMOTE_EVERY {
            find(&tokens, &token(99));
        }
        assert!(is_in_front(&tokens, &token(99)));
        // The one that got there longest ago has made room, and is found behind.
        assert!(!is_in_front(&tokens, &token(0)) && find(&tokens, &token(0)).is_some());
        assert_eq!(tokens.front.load().len(), FRONT);
    }

    #[test]
    fn tokens_shown_once_push_nobody_out_of_the_front() {
        let tokens = with(100_000, 0..FRONT);
        for number in 1000..6000 {
            find(&tokens, &token(number));
            remember(&tokens, &token(number), "stranger");
            assert!(find(&tokens, &token(number % FRONT)).is_some());
        }
        assert!((0..FRONT).all(|number| is_in_front(&tokens, &token(number))));
    }

    #[test]
    fn steady_tokens_behind_outlive_any_number_of_others() {
        let tokens = with(100_000, 0..FRONT + 8);
        let steady: Vec<_> = (FRONT..FRONT + 8).map(token).collect();
        let (mut asked, mut missed) = (0, 0);
        for number in 1000..6000 {
            if find(&tokens, &token(number)).is_none() {
                remember(&tokens, &token(number), "stranger");
            }
            let token = &steady[number % steady.len()];
            asked += 1;
            if find(&tokens, token).is_none() {
                missed += 1;
                remember(&tokens, token, "steady");
            }
        }
        assert!(missed * 50 <= asked, "{missed} of {asked}");
    }
}
