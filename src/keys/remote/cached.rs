//! The keys that are held at one moment: merged from every good answer, never replaced by one.
//!
//! Entra's key endpoint does not answer the same from one read to the next; keys vanish from it and
//! come back for hours. So an answer adds and updates by `kid`, and what it lacks stays for a while.
//!
//! The value is immutable: every change makes another, which is published whole.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};
use std::time::{Duration, Instant};

use super::now::{Now, Timestamp};
use super::timing::Timing;
use crate::ids::KeyId;
use crate::keys::jwks::{KeyEntry, KeySet, Unusable};
use crate::signature::key::VerificationKey;

/// Keys by `kid`, with what is needed to tell whether each still counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct CachedKeys {
    entries: HashMap<KeyId, CachedEntry, BuildHasherDefault<KeyIdHasher>>,
    revoked: HashSet<KeyId>,
    last_good: Option<Timestamp>,
}

#[derive(Clone, Debug)]
struct CachedEntry {
    entry: KeyEntry,
    /// When a good answer last listed it.
    seen: Timestamp,
    /// Whether the latest good answer lists it.
    is_listed: bool,
}

/// What is held under a `kid`.
#[derive(Debug)]
pub(crate) enum Found<'k> {
    /// A key to verify with.
    Key(&'k VerificationKey),
    /// Taken out of use on this side.
    Revoked,
    /// Nothing is held at all, or nothing fresh enough to decide anything.
    NoKeys,
    /// Other keys are held; this one is in no good answer within the retention.
    UnknownKid,
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

impl CachedKeys {
    /// What is held under a `kid` at `now`.
    pub(crate) fn find(&self, id: &KeyId, now: Now, timing: &Timing) -> Found<'_> {
        if self.revoked.contains(id) {
            return Found::Revoked;
        }
        if !self.is_serving(now, timing) {
            return Found::NoKeys;
        }
        match self.entries.get(id) {
            Some(held) if !held.is_over(now, timing) => match &held.entry {
                KeyEntry::Usable(key) => Found::Key(key),
                KeyEntry::Unusable(_) => Found::Unusable,
            },
            _ => Found::UnknownKid,
        }
    }

    /// Whether there was a good answer within the stale limit.
    pub(crate) fn is_serving(&self, now: Now, timing: &Timing) -> bool {
        self.age(now).is_some_and(|age| age < timing.stale_limit)
    }

    /// The time since the last good answer.
    pub(crate) fn age(&self, now: Now) -> Option<Duration> {
        self.last_good.as_ref().map(|good| good.age(now))
    }

    /// When something that counts at `now` stops counting, by the clock that never jumps: all keys with the
    /// stale limit, one that is not listed any more with its retention.
    pub(crate) fn next_end(&self, now: Now, timing: &Timing) -> Option<Instant> {
        let all = self.age(now).map(|age| timing.stale_limit.saturating_sub(age));
        let unlisted = self.entries.values().filter(|held| !held.is_listed);
        let each = unlisted.map(|held| timing.key_retention.saturating_sub(held.seen.monotonic_age(now)));
        let next = all.into_iter().chain(each).filter(|left| !left.is_zero()).min()?;
        now.monotonic.checked_add(next)
    }

    /// How many keys there are to verify with while the answers are fresh enough: usable, within the
    /// retention, not revoked.
    pub(crate) fn usable(&self, now: Now, timing: &Timing) -> usize {
        let counts = |(id, held): &(&KeyId, &CachedEntry)| {
            matches!(held.entry, KeyEntry::Usable(_)) && !held.is_over(now, timing) && !self.revoked.contains(*id)
        };
        self.entries.iter().filter(counts).count()
    }

    /// Takes in a good answer.
    pub(crate) fn merge(&mut self, answer: KeySet, seen: Timestamp, now: Now, timing: &Timing) -> Changes {
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
                self.entries.insert(id, CachedEntry { entry, seen, is_listed: true });
            } else {
                changes.surplus += 1;
            }
        }
        self.last_good = Some(seen);
        changes
    }

    /// Rejects a key from now on, held or not.
    pub(crate) fn revoke(&mut self, id: &KeyId) {
        self.revoked.insert(id.clone());
    }

    /// Takes back [`revoke`](Self::revoke).
    pub(crate) fn reinstate(&mut self, id: &KeyId) {
        self.revoked.remove(id);
    }
}

impl CachedEntry {
    /// What an answer lists counts as long as that answer does; what it lacks counts for the retention
    /// after it was last seen.
    fn is_over(&self, now: Now, timing: &Timing) -> bool {
        !self.is_listed && self.seen.min_age(now) >= timing.key_retention
    }

    /// Whether it will never count again. A key that is over by the wall clock alone comes back with it.
    fn is_gone(&self, now: Now, timing: &Timing) -> bool {
        !self.is_listed && self.seen.monotonic_age(now) >= timing.key_retention
    }

    fn merge(&mut self, id: &KeyId, listed: Option<KeyEntry>, seen: Timestamp, changes: &mut Changes) {
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
            // The same key keeps its identity, so that tokens verified with it are still token_cache_hit at a glance.
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
        // A product mixes its high bits best; the table looks at the lowest and the highest.
        let mixed = (self.0 ^ (self.0 >> 32)).wrapping_mul(ODD);
        mixed ^ (mixed >> 32)
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

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::hash::{BuildHasher, BuildHasherDefault};

    use super::*;
    use crate::clock::UnixTime;
    use crate::keys::sample::{another_key, document, id, key, read, set, unfit, unreadable};

    const HOUR: Duration = Duration::from_secs(3600);
    const RETENTION: Duration = Duration::from_secs(10 * 3600);
    const STALE_LIMIT: Duration = Duration::from_secs(20 * 3600);
    const TICK: Duration = Duration::from_nanos(1);

    /// Held keys and the two clocks.
    struct Case {
        held: CachedKeys,
        timing: Timing,
        now: Now,
    }

    impl Case {
        fn new() -> Self {
            let timing = Timing { key_retention: RETENTION, stale_limit: STALE_LIMIT, ..Timing::default() };
            let now = Now { monotonic: Instant::now(), wall: Some(UnixTime::from_secs(1_700_000_000)) };
            Self { held: CachedKeys::default(), timing, now }
        }

        fn with(names: &[&str]) -> Self {
            let mut case = Self::new();
            case.merge(set(names));
            case
        }

        fn merge(&mut self, answer: KeySet) -> Changes {
            self.held.merge(answer, Timestamp::new(self.now), self.now, &self.timing)
        }

        fn pass(&mut self, time: Duration) {
            self.now.monotonic += time;
            self.jump(i64::try_from(time.as_secs()).unwrap());
        }

        /// Moves the wall clock alone.
        fn jump(&mut self, seconds: i64) {
            self.now.wall =
                self.now.wall.map(|wall| UnixTime::from_secs(wall.as_secs().checked_add_signed(seconds).unwrap()));
        }

        fn find(&self, name: &str) -> &'static str {
            match self.held.find(&id(name), self.now, &self.timing) {
                Found::Key(_) => "key",
                Found::Revoked => "revoked",
                Found::NoKeys => "nothing",
                Found::UnknownKid => "unknown",
                Found::Unusable => "unusable",
            }
        }
    }

    fn names(ids: &[KeyId]) -> Vec<&str> {
        let mut names: Vec<_> = ids.iter().map(KeyId::as_str).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn without_a_good_answer_there_is_nothing() {
        assert_eq!(Case::new().find("a"), "nothing");
        assert_eq!(Case::new().held.age(Case::new().now), None);
    }

    #[test]
    fn an_answer_adds_to_what_is_held() {
        let mut case = Case::with(&["a", "b"]);
        let changes = case.merge(set(&["b", "c"]));
        assert_eq!((names(&changes.added), names(&changes.missing)), (vec!["c"], vec!["a"]));
        assert_eq!(["a", "b", "c", "d"].map(|name| case.find(name)), ["key", "key", "key", "unknown"]);
        assert!(case.merge(set(&["b", "c"])).missing.is_empty(), "told once");
    }

    #[test]
    fn a_missing_key_stays_for_the_retention_after_it_was_last_seen() {
        let mut case = Case::with(&["a"]);
        case.pass(HOUR);
        case.merge(set(&["a"]));
        case.pass(RETENTION - TICK);
        assert!(case.merge(set(&["b"])).dropped.is_empty());
        assert_eq!(case.find("a"), "key");
        case.pass(TICK);
        assert_eq!(case.find("a"), "unknown", "before any other answer says so");
        assert_eq!(names(&case.merge(set(&["b"])).dropped), ["a"]);
        assert_eq!(case.find("a"), "unknown");
    }

    #[test]
    fn a_key_that_comes_back_counts_anew() {
        let mut case = Case::with(&["a"]);
        case.merge(set(&["b"]));
        case.pass(RETENTION - TICK);
        case.merge(set(&["a"]));
        case.pass(TICK);
        case.merge(set(&["b"]));
        case.pass(RETENTION - TICK - TICK);
        assert_eq!(case.find("a"), "key");
    }

    #[test]
    fn a_listed_key_counts_as_long_as_its_answer() {
        let mut case = Case::with(&["a"]);
        case.pass(STALE_LIMIT - TICK);
        assert_eq!(case.find("a"), "key");
    }

    #[test]
    fn after_the_stale_limit_nothing_counts() {
        let mut case = Case::with(&["a"]);
        case.pass(STALE_LIMIT - TICK);
        assert!(case.held.is_serving(case.now, &case.timing));
        case.pass(TICK);
        assert!(!case.held.is_serving(case.now, &case.timing));
        assert_eq!(["a", "b"].map(|name| case.find(name)), ["nothing", "nothing"]);
        case.merge(set(&["b"]));
        assert_eq!(["a", "b"].map(|name| case.find(name)), ["unknown", "key"]);
    }

    #[test]
    fn without_retention_an_answer_replaces_the_set() {
        let mut case = Case::with(&["a", "b"]);
        case.timing.key_retention = Duration::ZERO;
        assert_eq!(names(&case.merge(set(&["b"])).dropped), ["a"]);
        assert_eq!(["a", "b"].map(|name| case.find(name)), ["unknown", "key"]);
    }

    #[test]
    fn the_same_key_keeps_its_identity() {
        let mut case = Case::with(&["a"]);
        let place = |case: &Case| match case.held.find(&id("a"), case.now, &case.timing) {
            Found::Key(key) => key.id().as_str().as_ptr(),
            other => panic!("{other:?}"),
        };
        let before = place(&case);
        case.merge(set(&["a"]));
        assert_eq!(place(&case), before);
    }

    #[test]
    fn another_key_of_the_same_name_takes_its_place_at_once() {
        let mut case = Case::with(&["a"]);
        let other = read(&document(&[another_key("a", 1)]));
        let new = other.usable().next().unwrap().clone();
        assert_eq!(names(&case.merge(other).replaced), ["a"]);
        assert!(matches!(case.held.find(&id("a"), case.now, &case.timing), Found::Key(key) if key.is_same(&new)));
    }

    #[test]
    fn a_key_that_says_more_of_itself_is_not_another_key() {
        let mut case = Case::with(&["a"]);
        let more = key("a").replace("\"kty\"", "\"issuer\":\"https://sts.example\",\"kty\"");
        let changes = case.merge(read(&document(&[more])));
        assert!(changes.replaced.is_empty() && changes.withdrawn.is_empty());
        assert!(matches!(case.held.find(&id("a"), case.now, &case.timing), Found::Key(key) if key.issuer().is_some()));
    }

    #[test]
    fn an_entry_that_cannot_be_read_takes_no_key_away_before_the_retention() {
        let mut case = Case::with(&["a", "b"]);
        let changes = case.merge(read(&document(&[unreadable("a"), key("b")])));
        assert_eq!(names(&changes.missing), ["a"]);
        assert_eq!(case.find("a"), "key");
        case.pass(RETENTION);
        case.merge(read(&document(&[unreadable("a"), key("b")])));
        assert_eq!(case.find("a"), "unknown");
        case.merge(read(&document(&[unreadable("a"), key("b")])));
        assert_eq!(case.find("a"), "unusable", "it is listed, so no fetch would bring it");
    }

    #[test]
    fn a_key_that_is_listed_as_unfit_is_not_used_any_more() {
        let mut case = Case::with(&["a", "b"]);
        assert_eq!(names(&case.merge(read(&document(&[unfit("a"), key("b")]))).withdrawn), ["a"]);
        assert_eq!(case.find("a"), "unusable");
        case.merge(set(&["b"]));
        assert_eq!(case.find("a"), "unusable", "remembered for the retention like a key");
        case.merge(set(&["a"]));
        assert_eq!(case.find("a"), "key");
    }

    #[test]
    fn a_name_for_two_keys_is_unusable_until_it_is_listed_once() {
        let mut case = Case::with(&["a", "b"]);
        case.merge(read(&document(&[key("a"), another_key("a", 1), key("b")])));
        assert_eq!(case.find("a"), "unusable");
        case.merge(set(&["b"]));
        assert_eq!(case.find("a"), "unusable");
        case.merge(set(&["a"]));
        assert_eq!(case.find("a"), "key");
    }

    #[test]
    fn a_forgotten_key_is_rejected_whatever_is_held() {
        let mut case = Case::with(&["a", "b"]);
        case.held.revoke(&id("a"));
        case.held.revoke(&id("never seen"));
        case.merge(set(&["a", "b"]));
        assert_eq!(["a", "b", "never seen"].map(|name| case.find(name)), ["revoked", "key", "revoked"]);
        assert_eq!(case.held.usable(case.now, &case.timing), 1);
        case.pass(STALE_LIMIT);
        assert_eq!(case.find("a"), "revoked");
        case.held.reinstate(&id("a"));
        assert_eq!(case.find("a"), "nothing");
        case.merge(set(&["a", "b"]));
        assert_eq!(case.find("a"), "key");
    }

    #[test]
    fn only_keys_that_count_are_counted() {
        let mut case = Case::with(&["a", "b"]);
        case.merge(read(&document(&[key("b"), unfit("c")])));
        assert_eq!(case.held.usable(case.now, &case.timing), 2);
        case.pass(RETENTION);
        assert_eq!(case.held.usable(case.now, &case.timing), 1);
    }

    #[test]
    fn where_room_is_short_keys_that_are_held_stay_and_usable_ones_come_first() {
        let held: Vec<_> = (0..990).map(|number| format!("held{number}")).collect();
        let mut case = Case::new();
        case.merge(set(&held));
        let mut entries: Vec<_> = (0..20_000).map(|number| unfit(&format!("odd{number}"))).collect();
        entries.extend((0..8).map(|number| key(&format!("new{number}"))));
        let changes = case.merge(read(&document(&entries)));
        assert_eq!((changes.added.len(), changes.surplus), (10, 19_998));
        assert!(held.iter().all(|name| case.find(name) == "key"));
        assert!((0..8).all(|number| case.find(&format!("new{number}")) == "key"));
        assert_eq!(case.held.entries.len(), 1000);
    }

    #[test]
    fn keys_whose_time_is_over_make_room_at_once() {
        let old: Vec<_> = (0..MAX_KEYS).map(|number| format!("old{number}")).collect();
        let mut case = Case::new();
        case.merge(set(&old));
        case.pass(RETENTION);
        let changes = case.merge(set(&["old7", "new"]));
        assert_eq!((changes.dropped.len(), changes.surplus), (MAX_KEYS - 1, 0));
        assert_eq!(["old7", "new"].map(|name| case.find(name)), ["key", "key"]);
    }

    #[test]
    fn a_wall_clock_that_counts_whole_seconds_takes_no_key_away_early() {
        let mut case = Case::with(&["a"]);
        case.merge(set(&["b"]));
        case.now.monotonic += RETENTION - Duration::from_millis(900);
        case.jump(i64::try_from(RETENTION.as_secs()).unwrap());
        assert_eq!(case.find("a"), "key");
        case.now.monotonic += Duration::from_millis(900);
        assert_eq!(case.find("a"), "unknown");
    }

    #[test]
    fn a_suspend_ages_keys_by_the_wall_clock() {
        let mut case = Case::with(&["a"]);
        case.jump(26 * 3600);
        assert_eq!(case.find("a"), "nothing");
    }

    #[test]
    fn a_wall_clock_set_back_does_not_make_keys_younger() {
        let mut case = Case::with(&["a"]);
        case.pass(STALE_LIMIT);
        case.jump(-90_000);
        assert_eq!(case.find("a"), "nothing");
        case.now.wall = None;
        assert_eq!(case.find("a"), "nothing");
    }

    #[test]
    fn a_wall_clock_that_cannot_be_read_leaves_keys_alone() {
        let mut case = Case::with(&["a"]);
        case.now.wall = None;
        case.pass(HOUR);
        assert_eq!(case.find("a"), "key");
        case.merge(set(&["a"]));
        case.now.wall = Some(UnixTime::from_secs(1_700_000_000));
        assert_eq!(case.find("a"), "key");
    }

    #[test]
    fn a_jump_there_and_back_takes_no_key_away_for_good() {
        let mut case = Case::with(&["a", "b"]);
        case.merge(set(&["b"]));
        case.jump(10 * 365 * 86_400);
        assert_eq!(["a", "b"].map(|name| case.find(name)), ["nothing", "nothing"]);
        case.merge(set(&["b"]));
        assert_eq!(["a", "b"].map(|name| case.find(name)), ["unknown", "key"]);
        case.jump(-10 * 365 * 86_400);
        assert_eq!(["a", "b"].map(|name| case.find(name)), ["key", "key"]);
    }

    #[test]
    fn a_seed_is_as_old_as_it_says() {
        let mut case = Case::new();
        let seed = |case: &mut Case, age: u64| {
            let taken = UnixTime::from_secs(case.now.wall.unwrap().as_secs() - age);
            case.held.merge(set(&["a"]), Timestamp::in_the_past(taken, case.now), case.now, &case.timing);
        };
        seed(&mut case, 3600);
        assert_eq!(case.held.age(case.now), Some(HOUR));
        case.jump(-3600);
        assert_eq!(case.held.age(case.now), Some(HOUR), "on either clock");
        seed(&mut case, STALE_LIMIT.as_secs());
        assert_eq!(case.find("a"), "nothing");
    }

    #[test]
    fn a_suspend_ages_a_seed_beyond_what_it_was_already() {
        let mut case = Case::new();
        let taken = UnixTime::from_secs(case.now.wall.unwrap().as_secs() - 19 * 3600);
        case.held.merge(set(&["a"]), Timestamp::in_the_past(taken, case.now), case.now, &case.timing);
        case.jump(2 * 3600);
        assert_eq!(case.find("a"), "nothing");
    }

    #[test]
    fn the_next_end_is_that_of_a_retention_or_of_the_stale_limit() {
        let mut case = Case::new();
        assert_eq!(case.held.next_end(case.now, &case.timing), None);
        case.merge(set(&["a", "b"]));
        let start = case.now.monotonic;
        assert_eq!(case.held.next_end(case.now, &case.timing), Some(start + STALE_LIMIT));
        case.pass(HOUR);
        case.merge(set(&["b"]));
        assert_eq!(case.held.next_end(case.now, &case.timing), Some(start + RETENTION));
        case.pass(RETENTION - HOUR);
        assert_eq!(case.held.next_end(case.now, &case.timing), Some(start + HOUR + STALE_LIMIT));
        case.pass(HOUR + STALE_LIMIT - RETENTION);
        assert_eq!(case.held.next_end(case.now, &case.timing), None, "nothing is left that could end");
    }

    #[test]
    fn a_seed_whose_age_cannot_be_told_is_not_served() {
        let mut case = Case::new();
        let taken = case.now.wall.unwrap();
        case.now.wall = None;
        case.held.merge(set(&["a"]), Timestamp::in_the_past(taken, case.now), case.now, &case.timing);
        assert_eq!(case.find("a"), "nothing");
    }

    #[test]
    fn a_seed_from_the_future_ages_by_the_clock_that_never_jumps() {
        let mut case = Case::new();
        let taken = UnixTime::from_secs(case.now.wall.unwrap().as_secs() + 1_000_000);
        case.held.merge(set(&["a"]), Timestamp::in_the_past(taken, case.now), case.now, &case.timing);
        case.pass(STALE_LIMIT - TICK);
        assert_eq!(case.find("a"), "key");
        case.pass(TICK);
        assert_eq!(case.find("a"), "nothing");
    }

    #[test]
    fn names_are_spread_over_the_whole_table() {
        let hash = |name: String| BuildHasherDefault::<KeyIdHasher>::default().hash_one(id(&name));
        let slots: HashSet<_> = (0..1000).map(|number| hash(format!("key-{number}")) % 1024).collect();
        assert!(slots.len() > 500, "{}", slots.len());
        let tags: HashSet<_> = (0..1000).map(|number| hash(format!("{number:027}")) >> 57).collect();
        assert!(tags.len() > 100, "{}", tags.len());
    }
}
