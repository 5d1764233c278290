//! The keys of a tenant that are cached: merged from every key document, never replaced by one.
//!
//! Entra's key endpoint does not answer the same from one read to the next. Keys vanish from it and come back for
//! hours. So a document adds and updates by `kid`, and what it lacks stays for the retention.
//!
//! The value is immutable: every change makes another, which is published whole.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustc_hash::FxBuildHasher;

use super::now::{Deadline, Now, Timestamp};
use super::timing::Timing;
use crate::clock::UnixTime;
use crate::ids::KeyId;
use crate::keys::jwk::Unusable;
use crate::keys::jwks::{Compromised, KeyEntry, KeySet};
use crate::signature::key::VerificationKey;

/// Keys by `kid`, with what tells whether each still counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct CachedKeys {
    /// The hash needs no secret: only the provider chooses the names, and there are at most [`MAX_KEYS`]. Whoever sends
    /// tokens chooses what is looked up, but not what it collides with.
    entries: HashMap<KeyId, CachedEntry, FxBuildHasher>,
    revoked: HashSet<KeyId>,
    /// Moduli whose private half a document has published. What is public stays public, so none is removed.
    compromised: Arc<HashSet<Vec<u8>>>,
    last_success: Option<Timestamp>,
    /// When that reaches the maximum staleness.
    stale_at: Option<Deadline>,
}

#[derive(Clone, Debug)]
struct CachedEntry {
    entry: KeyEntry,
    /// When a document last listed it.
    last_seen: Timestamp,
    /// Whether the latest document lists it.
    is_listed: bool,
}

/// What is cached under a `kid`.
#[derive(Debug)]
pub(crate) enum Found<'k> {
    /// A key to verify with.
    Key(&'k VerificationKey),
    /// An operator has revoked it.
    Revoked,
    /// There are no keys at all, or none fresh enough to decide anything.
    NoKeys,
    /// There are keys, but no document within the retention lists this one.
    UnknownKid,
    /// Listed, but not as a key that verifies RS256.
    Unusable,
}

/// What a document changed, for the log.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub(crate) added: Vec<KeyId>,
    /// Listed before, not any more; still cached.
    pub(crate) missing: Vec<KeyId>,
    /// Another key under the same `kid`.
    pub(crate) replaced: Vec<KeyId>,
    /// Still listed, but not as a key that verifies RS256 any more.
    pub(crate) withdrawn: Vec<KeyId>,
    /// A document publishes the private half of the key.
    pub(crate) compromised: Vec<KeyId>,
    /// Missing for longer than the retention.
    pub(crate) dropped: Vec<KeyId>,
    /// How many entries are unusable only because an earlier document has published their private half.
    pub(crate) published_before: usize,
    /// How many entries there was no room for.
    pub(crate) surplus: usize,
}

impl CachedKeys {
    /// What is cached under a `kid` at `now`.
    pub(crate) fn find(&self, id: &KeyId, now: Now, timing: &Timing) -> Found<'_> {
        if self.revoked.contains(id) {
            return Found::Revoked;
        }
        if !self.is_serving(now) {
            return Found::NoKeys;
        }
        match self.entries.get(id) {
            Some(cached) if !cached.is_over(now, timing) => match &cached.entry {
                KeyEntry::Usable(key) => Found::Key(key),
                KeyEntry::Unusable(_) => Found::Unusable,
            },
            _ => Found::UnknownKid,
        }
    }

    /// Usable keys that only another state of the cache can end, beside the maximum staleness: a document lists them, and
    /// no operator has revoked them.
    pub(crate) fn listed(&self) -> impl Iterator<Item = (&KeyId, &VerificationKey)> {
        self.entries.iter().filter_map(|(id, cached)| match &cached.entry {
            KeyEntry::Usable(key) if cached.is_listed && !self.revoked.contains(id) => Some((id, key)),
            _ => None,
        })
    }

    /// Whether there was a success within the maximum staleness.
    pub(crate) fn is_serving(&self, now: Now) -> bool {
        self.stale_at.is_some_and(|at| !at.is_reached(now))
    }

    /// The time since the last success.
    pub(crate) fn age(&self, now: Now) -> Option<Duration> {
        self.last_success.as_ref().map(|success| success.age(now))
    }

    /// When the last success was, on the wall clock.
    pub(crate) fn last_success(&self, now: Now) -> Option<UnixTime> {
        Some(now.wall? - self.age(now)?)
    }

    /// When keys that are served at `now` reach the maximum staleness, on the monotonic clock.
    pub(crate) fn expires_at(&self, now: Now, timing: &Timing) -> Option<Instant> {
        let left = timing.stale_limit.saturating_sub(self.age(now)?);
        if left.is_zero() { None } else { now.monotonic.checked_add(left) }
    }

    /// How many keys there are to verify with, were the last success fresh enough: usable, within the retention, not
    /// revoked.
    pub(crate) fn usable(&self, now: Now, timing: &Timing) -> usize {
        let counts = |(id, cached): &(&KeyId, &CachedEntry)| {
            matches!(cached.entry, KeyEntry::Usable(_)) && !cached.is_over(now, timing) && !self.revoked.contains(*id)
        };
        self.entries.iter().filter(counts).count()
    }

    /// The same keys, governed by other durations.
    pub(crate) fn under(self, timing: &Timing) -> Self {
        Self { stale_at: self.last_success.map(|success| success.deadline(timing.stale_limit)), ..self }
    }

    /// Merges a document that was seen at `seen`.
    pub(crate) fn merge(&mut self, document: KeySet, seen: Timestamp, now: Now, timing: &Timing) -> Changes {
        let (mut listed, compromised) = document.into_parts();
        let mut changes = Changes { compromised: self.withdraw(&compromised), ..Changes::default() };
        for (id, entry) in &mut listed {
            if self.is_compromised(entry) {
                *entry = KeyEntry::Unusable(Unusable::Compromised);
                changes.published_before += 1;
            }
            let is_news = self.entries.get(id).is_none_or(|cached| !cached.is_compromised());
            if is_news && matches!(entry, KeyEntry::Unusable(Unusable::Compromised)) {
                changes.compromised.push(id.clone());
            }
        }
        for (id, cached) in &mut self.entries {
            cached.merge(id, listed.remove(id), seen, &mut changes);
        }
        self.entries.retain(|id, cached| {
            let is_gone = cached.is_gone(now, timing);
            if is_gone {
                changes.dropped.push(id.clone());
            }
            !is_gone
        });
        changes.added = listed.keys().cloned().collect();
        self.entries.extend(
            listed.into_iter().map(|(id, entry)| (id, CachedEntry { entry, last_seen: seen, is_listed: true })),
        );
        self.make_room(&mut changes, now);
        self.last_success = Some(seen);
        self.stale_at = Some(seen.deadline(timing.stale_limit));
        changes
    }

    /// Ends the use of cached keys whose private half a document publishes. Returns those that were usable until now.
    ///
    /// It does not take a success: such a document may have no usable key at all.
    pub(crate) fn withdraw(&mut self, found: &Compromised) -> Vec<KeyId> {
        if found.is_empty() {
            return Vec::new();
        }
        let known = Arc::make_mut(&mut self.compromised);
        // Where the entry has no modulus to tell, its `kid` does.
        let named = found.ids.iter().filter_map(|id| self.entries.get(id)).filter_map(|cached| match &cached.entry {
            KeyEntry::Usable(key) => Some(key.modulus().to_vec()),
            KeyEntry::Unusable(_) => None,
        });
        for modulus in named.chain(found.moduli.iter().cloned()) {
            if known.len() < MAX_KEYS {
                known.insert(modulus);
            }
        }
        let mut withdrawn = Vec::new();
        for (id, cached) in &mut self.entries {
            let KeyEntry::Usable(key) = &cached.entry else { continue };
            if found.ids.contains(id) || found.moduli.contains(key.modulus()) {
                cached.entry = KeyEntry::Unusable(Unusable::Compromised);
                withdrawn.push(id.clone());
            }
        }
        withdrawn
    }

    fn is_compromised(&self, entry: &KeyEntry) -> bool {
        matches!(entry, KeyEntry::Usable(key) if self.compromised.contains(key.modulus()))
    }

    /// Drops what there is no room for. Unusable entries go first, unlisted ones before listed ones; then unlisted keys,
    /// the longest missing ones first. A key that the latest document lists goes only if that lists too many.
    fn make_room(&mut self, changes: &mut Changes, now: Now) {
        let Some(excess) = self.entries.len().checked_sub(MAX_KEYS).filter(|excess| *excess > 0) else { return };
        let added: HashSet<_> = changes.added.iter().cloned().collect();
        let mut ids: Vec<_> = self.entries.keys().cloned().collect();
        ids.sort_by_cached_key(|id| {
            self.entries.get(id).map(|cached| {
                let is_usable = matches!(cached.entry, KeyEntry::Usable(_));
                (is_usable, cached.is_listed, !added.contains(id), Reverse(cached.last_seen.min_age(now)))
            })
        });
        for id in ids.into_iter().take(excess) {
            let is_listed = self.entries.remove(&id).is_some_and(|cached| cached.is_listed);
            if is_listed {
                changes.surplus += 1;
            } else {
                changes.dropped.push(id);
            }
        }
        let entries = &self.entries;
        changes.added.retain(|id| entries.contains_key(id));
    }

    /// Rejects a key from now on, cached or not.
    pub(crate) fn revoke(&mut self, id: &KeyId) {
        self.revoked.insert(id.clone());
    }

    /// Takes back [`revoke`](Self::revoke).
    pub(crate) fn reinstate(&mut self, id: &KeyId) {
        self.revoked.remove(id);
    }
}

impl CachedEntry {
    fn is_compromised(&self) -> bool {
        matches!(self.entry, KeyEntry::Unusable(Unusable::Compromised))
    }

    /// Whether it does not count at `now`. A listed entry counts as long as its document does; a missing one counts for
    /// the retention after it was last seen.
    fn is_over(&self, now: Now, timing: &Timing) -> bool {
        !self.is_listed && self.last_seen.min_age(now) >= timing.key_retention
    }

    /// Whether it will never count again. One that is over by the wall clock alone counts again once that is set back.
    fn is_gone(&self, now: Now, timing: &Timing) -> bool {
        !self.is_listed && self.last_seen.monotonic_age(now) >= timing.key_retention
    }

    fn merge(&mut self, id: &KeyId, listed: Option<KeyEntry>, seen: Timestamp, changes: &mut Changes) {
        let listed = match (&self.entry, listed) {
            // A key whose entry is malformed counts as missing, so that one bad document does not end it.
            (KeyEntry::Usable(_), None | Some(KeyEntry::Unusable(Unusable::Malformed))) | (_, None) => {
                if self.is_listed {
                    changes.missing.push(id.clone());
                }
                self.is_listed = false;
                return;
            }
            (_, Some(listed)) => listed,
        };
        match (&self.entry, &listed) {
            // The same value stays, so that the token cache compares pointers.
            (KeyEntry::Usable(cached), KeyEntry::Usable(new)) if cached == new => {}
            (KeyEntry::Usable(cached), KeyEntry::Usable(new)) => {
                if !cached.same_modulus(new) {
                    changes.replaced.push(id.clone());
                }
                self.entry = listed;
            }
            (KeyEntry::Usable(_), KeyEntry::Unusable(reason)) => {
                if *reason != Unusable::Compromised {
                    changes.withdrawn.push(id.clone());
                }
                self.entry = listed;
            }
            (KeyEntry::Unusable(_), _) => self.entry = listed,
        }
        self.last_seen = seen;
        self.is_listed = true;
    }
}

/// Entra lists about ten keys; Microsoft's guidance asks for room for a thousand.
const MAX_KEYS: usize = 1000;

#[cfg(test)]
#[path = "tests/cached.rs"]
mod tests;
