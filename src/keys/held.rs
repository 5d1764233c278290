//! The keys that are held at one moment: merged from every good answer, never replaced by one.
//!
//! Entra's key endpoint does not answer the same from one read to the next; keys vanish from it and
//! come back for hours. So an answer adds and updates by `kid`, and what it lacks stays for a while.
//!
//! The value is immutable: every change makes another, which is published whole.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};
use std::time::{Duration, Instant};

use super::jwks::{KeyEntry, KeySet, Unusable};
use super::key::VerificationKey;
use super::timing::Timing;
use crate::clock::UnixTime;
use crate::ids::KeyId;

/// A moment on both clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// Never jumps, but may stand still while the machine is suspended.
    pub(crate) mono: Instant,
    /// Runs on during a suspend, but may jump. `None` when it cannot be read.
    pub(crate) wall: Option<UnixTime>,
}

/// When something was last known to be so.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamp {
    at: Moment,
    /// How old it was already then.
    already: Duration,
}

impl Stamp {
    pub(crate) fn new(at: Moment) -> Self {
        Self { at, already: Duration::ZERO }
    }

    /// Something that was so at `then` on the wall clock. When that clock cannot be read its age cannot be
    /// told, and it counts as older than anything.
    pub(crate) fn in_the_past(then: UnixTime, now: Moment) -> Self {
        let already = now.wall.map_or(Duration::MAX, |wall| wall.saturating_since(then));
        Self { at: Moment { wall: Some(then), ..now }, already }
    }

    /// The greater of what the two clocks say: a suspend stops one, a jump back sets back the other.
    ///
    /// A jump ahead cannot be told from a suspend; it counts, and is taken back when the clock is.
    pub(crate) fn age(&self, now: Moment) -> Duration {
        let sure = self.sure_age(now);
        match (now.wall, self.at.wall) {
            (Some(now), Some(then)) => sure.max(now.saturating_since(then)),
            _ => sure,
        }
    }

    /// What no jump of the wall clock changes; a suspend may be missing from it.
    fn sure_age(&self, now: Moment) -> Duration {
        now.mono.saturating_duration_since(self.at.mono).saturating_add(self.already)
    }
}

/// Keys by `kid`, with what is needed to tell whether each still counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct HeldKeys {
    entries: HashMap<KeyId, HeldEntry, BuildHasherDefault<KeyIdHasher>>,
    forgotten: HashSet<KeyId>,
    last_good: Option<Stamp>,
}

#[derive(Clone, Debug)]
struct HeldEntry {
    entry: KeyEntry,
    /// When a good answer last listed it.
    seen: Stamp,
    /// Whether the latest good answer lists it.
    is_listed: bool,
}

/// What is held under a `kid`.
#[derive(Debug)]
pub(crate) enum Found<'k> {
    /// A key to verify with.
    Key(&'k VerificationKey),
    /// Taken out of use on this side.
    Forgotten,
    /// Nothing is held at all, or nothing fresh enough to decide anything.
    Nothing,
    /// Other keys are held; this one is in no good answer within the retention.
    Unknown,
    /// Listed, but not as a key that verifies RS256.
    Unusable,
}

/// What an answer changed, for the log.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub(crate) added: Vec<KeyId>,
    /// Listed before, not any more; still held.
    pub(crate) missing: Vec<KeyId>,
    /// Another key under the same `kid`.
    pub(crate) replaced: Vec<KeyId>,
    /// Still listed, but not as a key that verifies RS256 any more.
    pub(crate) withdrawn: Vec<KeyId>,
    /// Missing for longer than the retention.
    pub(crate) dropped: Vec<KeyId>,
    /// Not taken for want of room.
    pub(crate) surplus: usize,
}

impl HeldKeys {
    /// What is held under a `kid` at `now`.
    pub(crate) fn find(&self, id: &KeyId, now: Moment, timing: &Timing) -> Found<'_> {
        if self.forgotten.contains(id) {
            return Found::Forgotten;
        }
        if !self.is_serving(now, timing) {
            return Found::Nothing;
        }
        match self.entries.get(id) {
            Some(held) if !held.is_over(now, timing) => match &held.entry {
                KeyEntry::Usable(key) => Found::Key(key),
                KeyEntry::Unusable(_) => Found::Unusable,
            },
            _ => Found::Unknown,
        }
    }

    /// Whether there was a good answer within the stale limit.
    pub(crate) fn is_serving(&self, now: Moment, timing: &Timing) -> bool {
        self.age(now).is_some_and(|age| age < timing.stale_limit)
    }

    /// The time since the last good answer.
    pub(crate) fn age(&self, now: Moment) -> Option<Duration> {
        self.last_good.as_ref().map(|good| good.age(now))
    }

    /// How many keys there are to verify with while the answers are fresh enough: usable, within the
    /// retention, not forgotten.
    pub(crate) fn usable(&self, now: Moment, timing: &Timing) -> usize {
        let counts = |(id, held): &(&KeyId, &HeldEntry)| {
            matches!(held.entry, KeyEntry::Usable(_)) && !held.is_over(now, timing) && !self.forgotten.contains(*id)
        };
        self.entries.iter().filter(counts).count()
    }

    /// Takes in a good answer.
    pub(crate) fn merge(&mut self, answer: KeySet, seen: Stamp, now: Moment, timing: &Timing) -> Changes {
        let mut changes = Changes::default();
        let mut answer: HashMap<_, _> = answer.into_entries().collect();
        for (id, held) in &mut self.entries {
            held.merge(id, answer.remove(id), seen, &mut changes);
        }
        self.entries.retain(|id, held| {
            let is_gone = held.is_gone(now, timing);
            if is_gone {
                changes.dropped.push(id.clone());
            }
            !is_gone
        });
        // Where room is short, keys that are held go first, then those that can be used.
        let (usable, unusable): (Vec<_>, Vec<_>) =
            answer.into_iter().partition(|(_, entry)| matches!(entry, KeyEntry::Usable(_)));
        for (id, entry) in usable.into_iter().chain(unusable) {
            if self.entries.len() < MAX_KEYS {
                changes.added.push(id.clone());
                self.entries.insert(id, HeldEntry { entry, seen, is_listed: true });
            } else {
                changes.surplus += 1;
            }
        }
        self.last_good = Some(seen);
        changes
    }

    /// Refuses a key from now on, held or not.
    pub(crate) fn forget(&mut self, id: &KeyId) {
        self.forgotten.insert(id.clone());
    }

    /// Takes back [`forget`](Self::forget).
    pub(crate) fn unforget(&mut self, id: &KeyId) {
        self.forgotten.remove(id);
    }
}

impl HeldEntry {
    /// What an answer lists counts as long as that answer does; what it lacks counts for the retention
    /// after it was last seen.
    fn is_over(&self, now: Moment, timing: &Timing) -> bool {
        !self.is_listed && self.seen.age(now) >= timing.key_retention
    }

    /// Whether it will never count again. A key that is over by the wall clock alone comes back with it.
    fn is_gone(&self, now: Moment, timing: &Timing) -> bool {
        !self.is_listed && self.seen.sure_age(now) >= timing.key_retention
    }

    fn merge(&mut self, id: &KeyId, listed: Option<KeyEntry>, seen: Stamp, changes: &mut Changes) {
        let listed = match (&self.entry, listed) {
            // A key that has become unreadable is treated as missing, so that one bad answer does not end it.
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
            // The same key keeps its identity, so that tokens verified with it are still recognised at a glance.
            (KeyEntry::Usable(held), KeyEntry::Usable(new)) if held.is_same(new) => {}
            (KeyEntry::Usable(held), KeyEntry::Usable(new)) => {
                if !held.same_modulus(new) {
                    changes.replaced.push(id.clone());
                }
                self.entry = listed;
            }
            (KeyEntry::Usable(_), KeyEntry::Unusable(_)) => {
                changes.withdrawn.push(id.clone());
                self.entry = listed;
            }
            (KeyEntry::Unusable(_), _) => self.entry = listed,
        }
        self.seen = seen;
        self.is_listed = true;
    }
}

/// A hash of a few steps, for a lookup on every request.
///
/// It needs no secret: only the provider's own key names are stored, at most [`MAX_KEYS`] of them, so
/// whoever sends tokens can choose what is looked for but not what is found in its way.
#[derive(Clone, Copy, Debug, Default)]
struct KeyIdHasher(u64);

impl Hasher for KeyIdHasher {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks();
        for word in words {
            self.mix(u64::from_le_bytes(*word));
        }
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        self.mix(u64::from_le_bytes(last));
    }

    fn write_u8(&mut self, _: u8) {
        // The end of a text, which is all that is hashed.
    }

    fn finish(&self) -> u64 {
        // The table takes its slot from the low bits, which a product mixes least.
        self.0 ^ (self.0 >> 32)
    }
}

impl KeyIdHasher {
    fn mix(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(ODD);
    }
}

/// 2^64 divided by the golden ratio: odd, and its bits are evenly mixed.
const ODD: u64 = 0x9e37_79b9_7f4a_7c15;

/// Entra lists about ten keys; Microsoft's guidance asks for room for a thousand.
const MAX_KEYS: usize = 1000;
