//! Tokens that were verified before. SignalR sends the same token thousands of times during its day,
//! and an RSA verification costs a hundred times what it takes to recognise one.

use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
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
/// again. In front stands a snapshot of the few tokens seen last, read without a lock; behind it a
/// cache bounded by weight, whose admission policy keeps the tokens that come often.
pub(crate) struct VerifiedTokens {
    recent: ArcSwap<Vec<Arc<VerifiedToken>>>,
    all: Cache<Whole, Arc<VerifiedToken>, RandomState>,
    hasher: RandomState,
    promotions: AtomicUsize,
    is_off: bool,
}

/// A token that passed every check, and what is needed to ask those again whose answer may change.
#[derive(Debug)]
pub(crate) struct VerifiedToken {
    token: Arc<[u8]>,
    fingerprint: u64,
    pub(crate) claims: Claims,
    pub(crate) tenant: TenantId,
    /// The key as the token names it. A key source may know the key by another name, too.
    pub(crate) key_id: KeyId,
    pub(crate) key: VerificationKey,
    pub(crate) validity: Validity,
}

impl VerifiedToken {
    fn is(&self, token: &[u8], fingerprint: u64) -> bool {
        self.fingerprint == fingerprint && *self.token == *token
    }

    fn weight(&self) -> u32 {
        u32::try_from(self.token.len() + self.claims.weight() + OVERHEAD).unwrap_or(u32::MAX)
    }
}

impl VerifiedTokens {
    /// A cache of at most so many bytes. None at all with 0.
    pub(crate) fn new(max_bytes: u64) -> Self {
        let hasher = RandomState::new();
        Self {
            recent: ArcSwap::default(),
            all: Cache::builder()
                .max_capacity(max_bytes)
                .weigher(|_: &Whole, verified: &Arc<VerifiedToken>| verified.weight())
                .build_with_hasher(hasher.clone()),
            hasher,
            promotions: AtomicUsize::new(0),
            is_off: max_bytes == 0,
        }
    }

    /// Finds a token that is the same to the last byte.
    pub(crate) fn find(&self, token: BearerToken<'_>) -> Option<Arc<VerifiedToken>> {
        let token = token.as_bytes();
        if self.is_off || token.len() > MAX_TOKEN {
            return None;
        }
        let fingerprint = self.hasher.hash_one(Tail(token));
        if let Some(found) = self.recent.load().iter().find(|verified| verified.is(token, fingerprint)) {
            return Some(Arc::clone(found));
        }
        let found = self.all.get(&Tail(token))?;
        // Not each time: with more live tokens than places in front, every hit would write.
        if self.promotions.fetch_add(1, Ordering::Relaxed).is_multiple_of(PROMOTE_EVERY) {
            self.promote(&found);
        }
        Some(found)
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
        if self.is_off || token.len() > MAX_TOKEN {
            return;
        }
        let fingerprint = self.hasher.hash_one(Tail(token));
        let token: Arc<[u8]> = token.into();
        let verified =
            Arc::new(VerifiedToken { token: Arc::clone(&token), fingerprint, claims, tenant, key_id, key, validity });
        self.promote(&verified);
        self.all.insert(Whole(token), verified);
    }

    fn promote(&self, verified: &Arc<VerifiedToken>) {
        self.recent.rcu(|recent| {
            let others = recent.iter().filter(|other| !other.is(&verified.token, verified.fingerprint));
            std::iter::once(verified).chain(others).take(RECENT).cloned().collect::<Vec<_>>()
        });
    }
}

impl fmt::Debug for VerifiedTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedTokens").field("entries", &self.all.entry_count()).finish_non_exhaustive()
    }
}

/// A token as a key of the cache: compared whole, hashed by its end.
#[derive(Eq, PartialEq)]
struct Whole(Arc<[u8]>);

impl Hash for Whole {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Tail(&self.0).hash(state);
    }
}

/// A borrowed token, hashed by its last 32 characters. They are the end of a signature: no two genuine
/// tokens share them, and only genuine ones are stored, so nobody can crowd a bucket.
struct Tail<'t>(&'t [u8]);

impl Hash for Tail<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(&self.0[self.0.len().saturating_sub(32)..]);
    }
}

impl Equivalent<Whole> for Tail<'_> {
    fn equivalent(&self, key: &Whole) -> bool {
        *self.0 == *key.0
    }
}

/// Longer tokens are rare and would crowd out many usual ones (1.5 KiB).
const MAX_TOKEN: usize = 4096;

/// The size of the snapshot in front. A service is called by a handful of identities; each compare
/// costs one word unless it hits.
const RECENT: usize = 8;

const PROMOTE_EVERY: usize = 64;

/// What an entry takes beside its token and claims: two reference-counted blocks and the cache's own
/// book-keeping.
const OVERHEAD: usize = 512;
