//! The keys of a tenant that are cached: merged from every key document, never replaced by one.
//!
//! Entra's key endpoint does not answer the same from one read to the next. Keys vanish from it and come back for
//! hours. So a document adds and updates by `kid`, and what it lacks stays for the retention.
//!
//! The value is immutable: every change makes another, which is published whole.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use rustc_hash::FxBuildHasher;

use super::now::{Now, Timestamp};
use super::timing::Timing;
use crate::ids::KeyId;
use crate::keys::jwks::{KeyEntry, KeySet, Unusable};
use crate::signature::key::VerificationKey;

/// Keys by `kid`, with what tells whether each still counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct CachedKeys {
    /// The hash needs no secret: only the provider chooses the names, and there are at most [`MAX_KEYS`]. Whoever sends
    /// tokens chooses what is looked up, but not what it collides with.
    entries: HashMap<KeyId, CachedEntry, FxBuildHasher>,
    revoked: HashSet<KeyId>,
    last_success: Option<Timestamp>,
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
    /// Missing for longer than the retention.
    pub(crate) dropped: Vec<KeyId>,
    /// How many entries there was no room for.
    pub(crate) surplus: usize,
}

impl CachedKeys {
    /// What is cached under a `kid` at `now`.
    pub(crate) fn find(&self, id: &KeyId, now: Now, timing: &Timing) -> Found<'_> {
        if self.revoked.contains(id) {
            return Found::Revoked;
        }
        if !self.is_serving(now, timing) {
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

    /// Whether there was a success within the maximum staleness.
    pub(crate) fn is_serving(&self, now: Now, timing: &Timing) -> bool {
        self.age(now).is_some_and(|age| age < timing.stale_limit)
    }

    /// The time since the last success.
    pub(crate) fn age(&self, now: Now) -> Option<Duration> {
        self.last_success.as_ref().map(|success| success.age(now))
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

    /// Merges a document that was seen at `seen`.
    pub(crate) fn merge(&mut self, document: KeySet, seen: Timestamp, now: Now, timing: &Timing) -> Changes {
        let mut changes = Changes::default();
        let mut listed: HashMap<_, _> = document.into_entries().collect();
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
        // Where room is short, cached keys come first, then those that can be used.
        let (usable, unusable): (Vec<_>, Vec<_>) =
            listed.into_iter().partition(|(_, entry)| matches!(entry, KeyEntry::Usable(_)));
        for (id, entry) in usable.into_iter().chain(unusable) {
            if self.entries.len() < MAX_KEYS {
                changes.added.push(id.clone());
                self.entries.insert(id, CachedEntry { entry, last_seen: seen, is_listed: true });
            } else {
                changes.surplus += 1;
            }
        }
        self.last_success = Some(seen);
        changes
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
            (KeyEntry::Usable(_), KeyEntry::Unusable(_)) => {
                changes.withdrawn.push(id.clone());
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
mod tests {
    use std::hash::BuildHasher;

    use super::*;
    use crate::clock::UnixTime;
    use crate::keys::sample::{another_key, document, id, key, malformed, read, set, unusable};

    const HOUR: Duration = Duration::from_secs(3600);
    const RETENTION: Duration = Duration::from_secs(10 * 3600);
    const STALE_LIMIT: Duration = Duration::from_secs(20 * 3600);
    const TICK: Duration = Duration::from_nanos(1);

    /// Cached keys and the two clocks.
    struct Case {
        keys: CachedKeys,
        timing: Timing,
        now: Now,
    }

    impl Case {
        fn new() -> Self {
            let timing = Timing { key_retention: RETENTION, stale_limit: STALE_LIMIT, ..Timing::default() };
            let now = Now { monotonic: Instant::now(), wall: Some(UnixTime::from_secs(1_700_000_000)) };
            Self { keys: CachedKeys::default(), timing, now }
        }

        fn with(names: &[&str]) -> Self {
            let mut case = Self::new();
            case.merge(set(names));
            case
        }

        fn merge(&mut self, document: KeySet) -> Changes {
            self.keys.merge(document, Timestamp::new(self.now), self.now, &self.timing)
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
            match self.keys.find(&id(name), self.now, &self.timing) {
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
    fn has_no_keys_before_the_first_success() {
        assert_eq!(Case::new().find("a"), "nothing");
        assert_eq!(Case::new().keys.age(Case::new().now), None);
    }

    #[test]
    fn document_adds_to_cached_keys() {
        let mut case = Case::with(&["a", "b"]);
        let changes = case.merge(set(&["b", "c"]));
        assert_eq!((names(&changes.added), names(&changes.missing)), (vec!["c"], vec!["a"]));
        assert_eq!(["a", "b", "c", "d"].map(|name| case.find(name)), ["key", "key", "key", "unknown"]);
        assert!(case.merge(set(&["b", "c"])).missing.is_empty(), "told once");
    }

    #[test]
    fn missing_key_stays_for_the_retention_after_it_was_last_seen() {
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
    fn key_that_comes_back_gets_a_new_retention() {
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
    fn listed_key_counts_as_long_as_its_document() {
        let mut case = Case::with(&["a"]);
        case.pass(STALE_LIMIT - TICK);
        assert_eq!(case.find("a"), "key");
    }

    #[test]
    fn no_key_counts_beyond_the_maximum_staleness() {
        let mut case = Case::with(&["a"]);
        case.pass(STALE_LIMIT - TICK);
        assert!(case.keys.is_serving(case.now, &case.timing));
        case.pass(TICK);
        assert!(!case.keys.is_serving(case.now, &case.timing));
        assert_eq!(["a", "b"].map(|name| case.find(name)), ["nothing", "nothing"]);
        case.merge(set(&["b"]));
        assert_eq!(["a", "b"].map(|name| case.find(name)), ["unknown", "key"]);
    }

    #[test]
    fn document_replaces_the_keys_without_retention() {
        let mut case = Case::with(&["a", "b"]);
        case.timing.key_retention = Duration::ZERO;
        assert_eq!(names(&case.merge(set(&["b"])).dropped), ["a"]);
        assert_eq!(["a", "b"].map(|name| case.find(name)), ["unknown", "key"]);
    }

    #[test]
    fn same_key_keeps_its_identity() {
        let mut case = Case::with(&["a"]);
        let place = |case: &Case| match case.keys.find(&id("a"), case.now, &case.timing) {
            Found::Key(key) => key.id().as_str().as_ptr(),
            other => panic!("{other:?}"),
        };
        let before = place(&case);
        case.merge(set(&["a"]));
        assert_eq!(place(&case), before);
    }

    #[test]
    fn another_key_of_the_same_kid_replaces_it_at_once() {
        let mut case = Case::with(&["a"]);
        let other = read(&document(&[another_key("a", 1)]));
        let new = other.usable().next().unwrap().clone();
        assert_eq!(names(&case.merge(other).replaced), ["a"]);
        assert!(matches!(case.keys.find(&id("a"), case.now, &case.timing), Found::Key(key) if *key == new));
    }

    #[test]
    fn key_with_more_members_is_not_another_key() {
        let mut case = Case::with(&["a"]);
        let more = key("a").replace("\"kty\"", "\"issuer\":\"https://sts.example\",\"kty\"");
        let changes = case.merge(read(&document(&[more])));
        assert!(changes.replaced.is_empty() && changes.withdrawn.is_empty());
        assert!(matches!(case.keys.find(&id("a"), case.now, &case.timing), Found::Key(key) if key.issuer().is_some()));
    }

    #[test]
    fn malformed_entry_takes_no_key_away_before_the_retention() {
        let mut case = Case::with(&["a", "b"]);
        let changes = case.merge(read(&document(&[malformed("a"), key("b")])));
        assert_eq!(names(&changes.missing), ["a"]);
        assert_eq!(case.find("a"), "key");
        case.pass(RETENTION);
        case.merge(read(&document(&[malformed("a"), key("b")])));
        assert_eq!(case.find("a"), "unknown");
        case.merge(read(&document(&[malformed("a"), key("b")])));
        assert_eq!(case.find("a"), "unusable", "it is listed, so no fetch would bring it");
    }

    #[test]
    fn key_listed_as_unusable_is_not_used_any_more() {
        let mut case = Case::with(&["a", "b"]);
        assert_eq!(names(&case.merge(read(&document(&[unusable("a"), key("b")]))).withdrawn), ["a"]);
        assert_eq!(case.find("a"), "unusable");
        case.merge(set(&["b"]));
        assert_eq!(case.find("a"), "unusable", "kept for the retention like a key");
        case.merge(set(&["a"]));
        assert_eq!(case.find("a"), "key");
    }

    #[test]
    fn kid_of_two_keys_is_unusable_until_it_is_listed_once() {
        let mut case = Case::with(&["a", "b"]);
        case.merge(read(&document(&[key("a"), another_key("a", 1), key("b")])));
        assert_eq!(case.find("a"), "unusable");
        case.merge(set(&["b"]));
        assert_eq!(case.find("a"), "unusable");
        case.merge(set(&["a"]));
        assert_eq!(case.find("a"), "key");
    }

    #[test]
    fn revoked_key_is_rejected_whatever_is_cached() {
        let mut case = Case::with(&["a", "b"]);
        case.keys.revoke(&id("a"));
        case.keys.revoke(&id("never seen"));
        case.merge(set(&["a", "b"]));
        assert_eq!(["a", "b", "never seen"].map(|name| case.find(name)), ["revoked", "key", "revoked"]);
        assert_eq!(case.keys.usable(case.now, &case.timing), 1);
        case.pass(STALE_LIMIT);
        assert_eq!(case.find("a"), "revoked");
        case.keys.reinstate(&id("a"));
        assert_eq!(case.find("a"), "nothing");
        case.merge(set(&["a", "b"]));
        assert_eq!(case.find("a"), "key");
    }

    #[test]
    fn counts_only_keys_that_can_be_used() {
        let mut case = Case::with(&["a", "b"]);
        case.merge(read(&document(&[key("b"), unusable("c")])));
        assert_eq!(case.keys.usable(case.now, &case.timing), 2);
        case.pass(RETENTION);
        assert_eq!(case.keys.usable(case.now, &case.timing), 1);
    }

    #[test]
    fn keeps_cached_keys_and_prefers_usable_ones_where_room_is_short() {
        let cached: Vec<_> = (0..990).map(|number| format!("cached{number}")).collect();
        let mut case = Case::new();
        case.merge(set(&cached));
        let mut entries: Vec<_> = (0..20_000).map(|number| unusable(&format!("odd{number}"))).collect();
        entries.extend((0..8).map(|number| key(&format!("new{number}"))));
        let changes = case.merge(read(&document(&entries)));
        assert_eq!((changes.added.len(), changes.surplus), (10, 19_998));
        assert!(cached.iter().all(|name| case.find(name) == "key"));
        assert!((0..8).all(|number| case.find(&format!("new{number}")) == "key"));
        assert_eq!(case.keys.entries.len(), 1000);
    }

    #[test]
    fn keys_beyond_their_retention_make_room_at_once() {
        let old: Vec<_> = (0..MAX_KEYS).map(|number| format!("old{number}")).collect();
        let mut case = Case::new();
        case.merge(set(&old));
        case.pass(RETENTION);
        let changes = case.merge(set(&["old7", "new"]));
        assert_eq!((changes.dropped.len(), changes.surplus), (MAX_KEYS - 1, 0));
        assert_eq!(["old7", "new"].map(|name| case.find(name)), ["key", "key"]);
    }

    #[test]
    fn wall_clock_of_whole_seconds_takes_no_key_away_early() {
        let mut case = Case::with(&["a"]);
        case.merge(set(&["b"]));
        case.now.monotonic += RETENTION - Duration::from_millis(900);
        case.jump(i64::try_from(RETENTION.as_secs()).unwrap());
        assert_eq!(case.find("a"), "key");
        case.now.monotonic += Duration::from_millis(900);
        assert_eq!(case.find("a"), "unknown");
    }

    #[test]
    fn suspend_ages_keys_by_the_wall_clock() {
        let mut case = Case::with(&["a"]);
        case.jump(26 * 3600);
        assert_eq!(case.find("a"), "nothing");
    }

    #[test]
    fn wall_clock_set_back_does_not_make_keys_younger() {
        let mut case = Case::with(&["a"]);
        case.pass(STALE_LIMIT);
        case.jump(-90_000);
        assert_eq!(case.find("a"), "nothing");
        case.now.wall = None;
        assert_eq!(case.find("a"), "nothing");
    }

    #[test]
    fn unreadable_wall_clock_leaves_keys_alone() {
        let mut case = Case::with(&["a"]);
        case.now.wall = None;
        case.pass(HOUR);
        assert_eq!(case.find("a"), "key");
        case.merge(set(&["a"]));
        case.now.wall = Some(UnixTime::from_secs(1_700_000_000));
        assert_eq!(case.find("a"), "key");
    }

    #[test]
    fn jump_there_and_back_takes_no_key_away_for_good() {
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
    fn seed_is_as_old_as_it_says() {
        let mut case = Case::new();
        let seed = |case: &mut Case, age: u64| {
            let taken = UnixTime::from_secs(case.now.wall.unwrap().as_secs() - age);
            case.keys.merge(set(&["a"]), Timestamp::in_the_past(taken, case.now), case.now, &case.timing);
        };
        seed(&mut case, 3600);
        assert_eq!(case.keys.age(case.now), Some(HOUR));
        case.jump(-3600);
        assert_eq!(case.keys.age(case.now), Some(HOUR), "on either clock");
        seed(&mut case, STALE_LIMIT.as_secs());
        assert_eq!(case.find("a"), "nothing");
    }

    #[test]
    fn suspend_adds_to_the_age_of_a_seed() {
        let mut case = Case::new();
        let taken = UnixTime::from_secs(case.now.wall.unwrap().as_secs() - 19 * 3600);
        case.keys.merge(set(&["a"]), Timestamp::in_the_past(taken, case.now), case.now, &case.timing);
        case.jump(2 * 3600);
        assert_eq!(case.find("a"), "nothing");
    }

    #[test]
    fn keys_expire_with_the_maximum_staleness_and_not_with_a_retention() {
        let mut case = Case::new();
        assert_eq!(case.keys.expires_at(case.now, &case.timing), None);
        case.merge(set(&["a", "b"]));
        let start = case.now.monotonic;
        assert_eq!(case.keys.expires_at(case.now, &case.timing), Some(start + STALE_LIMIT));
        case.pass(HOUR);
        case.merge(set(&["b"]));
        assert_eq!(case.keys.expires_at(case.now, &case.timing), Some(start + HOUR + STALE_LIMIT));
        case.pass(RETENTION - HOUR);
        assert_eq!(case.find("a"), "unknown", "nobody has to wake up for that");
        assert_eq!(case.keys.expires_at(case.now, &case.timing), Some(start + HOUR + STALE_LIMIT));
        case.pass(HOUR + STALE_LIMIT - RETENTION);
        assert_eq!(case.keys.expires_at(case.now, &case.timing), None, "nothing is left that could expire");
    }

    #[test]
    fn seed_of_unknown_age_is_not_served() {
        let mut case = Case::new();
        let taken = case.now.wall.unwrap();
        case.now.wall = None;
        case.keys.merge(set(&["a"]), Timestamp::in_the_past(taken, case.now), case.now, &case.timing);
        assert_eq!(case.find("a"), "nothing");
    }

    #[test]
    fn seed_from_the_future_ages_by_the_monotonic_clock() {
        let mut case = Case::new();
        let taken = UnixTime::from_secs(case.now.wall.unwrap().as_secs() + 1_000_000);
        case.keys.merge(set(&["a"]), Timestamp::in_the_past(taken, case.now), case.now, &case.timing);
        case.pass(STALE_LIMIT - TICK);
        assert_eq!(case.find("a"), "key");
        case.pass(TICK);
        assert_eq!(case.find("a"), "nothing");
    }

    #[test]
    fn hash_spreads_names_over_the_whole_table() {
        let hash = |name: String| FxBuildHasher.hash_one(id(&name));
        let slots: HashSet<_> = (0..1000).map(|number| hash(format!("key-{number}")) % 1024).collect();
        assert!(slots.len() > 500, "{}", slots.len());
        let tags: HashSet<_> = (0..1000).map(|number| hash(format!("{number:027}")) >> 57).collect();
        assert!(tags.len() > 100, "{}", tags.len());
    }
}
