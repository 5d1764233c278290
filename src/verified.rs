//! Tokens that were verified before. SignalR sends the same token thousands of times during its day,
//! and an RSA verification costs a hundred times what it takes to recognise one.

use std::fmt;
use std::hash::{Hash, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arc_swap::ArcSwap;
use moka::Equivalent;
use moka::sync::Cache;

use crate::bearer::BearerToken;
use crate::claims::Claims;
use crate::ids::{KeyId, TenantId};
use crate::keys::key::VerificationKey;
use crate::validity::Validity;

/// Accepted tokens, whole, with what was found out about each.
///
/// Being in here proves nothing for the present moment: the caller asks the clock and the key source
/// again. In front stands a snapshot of a few tokens that come often, read without a lock; behind it a
/// cache bounded by weight, whose admission policy (TinyLFU) prefers what is asked for often. A token gets
/// into a full snapshot only by being asked for again and again: whoever has any number of valid tokens
/// and shows each once pushes nobody out of it.
pub(crate) struct VerifiedTokens {
    front: ArcSwap<Vec<FrontEntry>>,
    all: Cache<Whole, Arc<VerifiedToken>, RandomState>,
    hits_behind: AtomicUsize,
    is_off: bool,
}

/// A token that passed every check, and what is needed to ask those again whose answer may change.
#[derive(Debug)]
pub(crate) struct VerifiedToken {
    token: Arc<[u8]>,
    pub(crate) claims: Claims,
    pub(crate) tenant: TenantId,
    /// The key as the token names it. A key source may know the key by another name, too.
    pub(crate) key_id: KeyId,
    pub(crate) key: VerificationKey,
    pub(crate) validity: Validity,
}

impl VerifiedToken {
    fn weight(&self) -> u32 {
        u32::try_from(self.token.len() + self.claims.weight() + OVERHEAD).unwrap_or(u32::MAX)
    }
}

/// A token of the snapshot, its tail at hand so that another token is passed over at a glance.
#[derive(Clone)]
struct FrontEntry {
    tail: Tail,
    verified: Arc<VerifiedToken>,
}

impl FrontEntry {
    fn is(&self, tail: Tail, token: &[u8]) -> bool {
        self.tail == tail && *self.verified.token == *token
    }
}

impl VerifiedTokens {
    /// A cache of at most so many bytes. None at all with 0.
    pub(crate) fn new(max_bytes: u64) -> Self {
        Self {
            front: ArcSwap::default(),
            all: Cache::builder()
                .max_capacity(max_bytes)
                .weigher(|_: &Whole, verified: &Arc<VerifiedToken>| verified.weight())
                .build_with_hasher(RandomState::new()),
            hits_behind: AtomicUsize::new(0),
            is_off: max_bytes == 0,
        }
    }

    /// Finds a token that is the same to the last byte, and says what `judge` makes of it.
    pub(crate) fn find<T>(&self, token: BearerToken<'_>, judge: impl FnOnce(&VerifiedToken) -> Option<T>) -> Option<T> {
        let token = token.as_bytes();
        let tail = self.key_of(token)?;
        if let Some(found) = self.front.load().iter().find(|entry| entry.is(tail, token)) {
            return judge(&found.verified);
        }
        let found = self.all.get(&Borrowed { tail, token })?;
        // Not each time: with more live tokens than places in front, every hit would write.
        if self.hits_behind.fetch_add(1, Ordering::Relaxed).is_multiple_of(PROMOTE_EVERY) {
            self.promote(FrontEntry { tail, verified: Arc::clone(&found) });
        }
        judge(&found)
    }

    /// Remembers a token that was just accepted.
    pub(crate) fn remember(
        &self,
        token: BearerToken<'_>,
        claims: Claims,
        tenant: TenantId,
        (key_id, key): (KeyId, VerificationKey),
        validity: Validity,
    ) {
        let token = token.as_bytes();
        let Some(tail) = self.key_of(token) else { return };
        let verified = Arc::new(VerifiedToken { token: token.into(), claims, tenant, key_id, key, validity });
        let front = self.front.load();
        // What is known of a token that is there already has changed.
        if front.len() < FRONT || front.iter().any(|entry| entry.is(tail, token)) {
            self.promote(FrontEntry { tail, verified: Arc::clone(&verified) });
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

impl fmt::Debug for VerifiedTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedTokens").field("entries", &self.all.entry_count()).finish_non_exhaustive()
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

/// What an entry takes beside its token and claims: two reference-counted blocks and the cache's own
/// book-keeping.
const OVERHEAD: usize = 512;
