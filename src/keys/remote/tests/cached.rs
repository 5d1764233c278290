//! What documents, time and clocks do to cached keys.

use std::hash::BuildHasher;

use super::*;
use crate::keys::sample::{another_key, document, id, key, malformed, published, read, set, unusable};

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
        let now = Now::of_a_test();
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
        self.now.pass(time);
    }

    /// Moves the wall clock alone.
    fn jump(&mut self, seconds: i64) {
        self.now.jump(seconds);
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
fn last_success_is_a_time_of_the_wall_clock() {
    let mut case = Case::new();
    assert_eq!(case.keys.last_success(case.now), None);
    let start = case.now.wall;
    case.merge(set(&["a"]));
    case.pass(HOUR);
    assert_eq!(case.keys.last_success(case.now), start);
    assert_eq!(case.keys.last_success(Now { wall: None, ..case.now }), None);
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
    assert!(case.keys.is_serving(case.now));
    case.pass(TICK);
    assert!(!case.keys.is_serving(case.now));
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
fn listed_keys_are_those_that_only_another_state_can_end() {
    let mut case = Case::with(&["missing", "revoked", "here", "spoilt", "compromised"]);
    let entries = [key("here"), key("revoked"), malformed("spoilt"), published("compromised"), unusable("other")];
    case.merge(read(&document(&entries)));
    case.keys.revoke(&id("revoked"));
    let listed = |case: &Case| names(&case.keys.listed().map(|(id, _)| id.clone()).collect::<Vec<_>>()).join(" ");
    assert_eq!(listed(&case), "here");
    case.keys.reinstate(&id("revoked"));
    assert_eq!(listed(&case), "here revoked");
    case.pass(STALE_LIMIT - TICK);
    let found = ["missing", "revoked", "here", "spoilt", "compromised"].map(|name| case.find(name));
    assert_eq!(found, ["unknown", "key", "key", "unknown", "unusable"]);
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

#[test]
fn published_private_half_ends_a_cached_key_for_good() {
    let mut case = Case::with(&["a", "b"]);
    let changes = case.merge(read(&document(&[published("a"), key("b")])));
    assert_eq!((names(&changes.compromised), changes.withdrawn.len()), (vec!["a"], 0));
    assert_eq!(["a", "b"].map(|name| case.find(name)), ["unusable", "key"]);
    assert_eq!(case.keys.usable(case.now, &case.timing), 1);
    assert!(case.merge(read(&document(&[published("a"), key("b")]))).compromised.is_empty(), "told once");
    // Neither a document that lists the public half alone nor the time makes it secret again.
    case.merge(set(&["a", "b"]));
    assert_eq!(case.find("a"), "unusable");
    case.merge(set(&["b"]));
    case.pass(RETENTION);
    assert_eq!(names(&case.merge(set(&["b"])).dropped), ["a"]);
    assert_eq!(names(&case.merge(set(&["a", "b"])).compromised), ["a"]);
    assert_eq!(case.find("a"), "unusable");
    // Another key under that `kid` is another key.
    case.merge(read(&document(&[another_key("a", 1), key("b")])));
    assert_eq!(case.find("a"), "key");
}

#[test]
fn published_private_half_of_an_unusable_entry_is_told_once() {
    let mut case = Case::new();
    case.merge(read(&document(&[unusable("a"), key("b")])));
    let listed = document(&[published("a"), key("b")]);
    assert_eq!(names(&case.merge(read(&listed)).compromised), ["a"]);
    assert!(case.merge(read(&listed)).compromised.is_empty());
}

#[test]
fn published_moduli_are_kept_up_to_a_bound() {
    let mut case = Case::new();
    let mut entries: Vec<_> = (0..=MAX_KEYS).map(|number| published(&format!("key-{number}"))).collect();
    entries.push(key("good"));
    case.merge(read(&document(&entries)));
    assert_eq!(case.keys.compromised.len(), MAX_KEYS);
}

#[test]
fn published_private_half_ends_a_cached_key_by_kid_or_modulus() {
    let nameless = published("a").replace(r#""kid":"a","#, "");
    let renamed = published("a").replace(r#""kid":"a""#, r#""kid":"c""#);
    let unreadable = r#"{"kty":"RSA","kid":"a","n":7,"d":"AQ"}"#.to_owned();
    for entry in [nameless, renamed, unreadable] {
        let mut case = Case::with(&["a", "b"]);
        let changes = case.merge(read(&document(&[entry.clone(), key("b")])));
        assert!(names(&changes.compromised).contains(&"a"), "{entry}");
        assert_eq!(["a", "b"].map(|name| case.find(name)), ["unusable", "key"], "{entry}");
        case.merge(set(&["a", "b"]));
        assert_eq!(case.find("a"), "unusable", "{entry}");
    }
}

#[test]
fn key_that_the_latest_document_lists_is_taken_whatever_is_cached() {
    for odd in [key, unusable, malformed, published] {
        let mut case = Case::with(&["old"]);
        let mut entries: Vec<_> = (0..MAX_KEYS).map(|number| odd(&format!("odd{number}"))).collect();
        entries.push(key("old"));
        case.merge(read(&document(&entries)));
        case.pass(HOUR);
        let changes = case.merge(set(&["old", "rotated"]));
        assert_eq!(names(&changes.added), ["rotated"]);
        assert_eq!(changes.surplus, 0);
        assert_eq!(["old", "rotated"].map(|name| case.find(name)), ["key", "key"]);
        assert_eq!(case.keys.entries.len(), MAX_KEYS);
    }
}

#[test]
fn unusable_entries_go_before_keys_and_missing_keys_go_oldest_first() {
    let many = |name: &str, count: usize| (0..count).map(|number| format!("{name}{number}")).collect::<Vec<_>>();
    let mut case = Case::new();
    case.merge(set(&many("oldest", 400)));
    case.pass(HOUR);
    case.merge(set(&many("older", 400)));
    case.pass(HOUR);
    let odd: Vec<_> = many("odd", 200).iter().map(|name| unusable(name)).chain([key("older0")]).collect();
    case.merge(read(&document(&odd)));
    let left = |case: &Case| {
        ["oldest", "older", "odd", "new"]
            .map(|name| many(name, 1000).iter().filter(|n| case.find(n) != "unknown").count())
    };
    assert_eq!(left(&case), [400, 400, 200, 0]);
    case.merge(set(&many("new", 150)));
    assert_eq!(left(&case), [400, 400, 50, 150]);
    case.merge(set(&many("new", 500)));
    assert_eq!(left(&case), [100, 400, 0, 500]);
    case.merge(set(&many("new", 1000)));
    assert_eq!(left(&case), [0, 0, 0, 1000]);
    let changes = case.merge(set(&many("new", 1001)));
    assert_eq!((left(&case)[3], changes.surplus), (1000, 1));
}
