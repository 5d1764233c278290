//! The hostile corpus. Each entry is a request as its difference from a good one, with the response it must get and the
//! work it may cause. Good requests stand among them, so that a service that rejects everything fails.
//!
//! For every entry the handler is reached by accepted requests only, the body is not polled, memory stays bounded, and
//! all responses of one kind are equal. Nothing of a credential is in a response, or in a log at any level.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::as_conversions,
    reason = "a test that cannot be set up should stop"
)]
#![allow(unreachable_pub, reason = "the modules of one test")]

mod caller;
mod compact_form;
mod credentials;
mod discovery_documents;
mod edges;
mod entry;
mod expected;
mod fixture;
mod jose_header;
mod key_documents;
mod known_flaws;
mod leaks;
mod parties;
mod probes;
mod request;
mod rotation;
mod scenario;
mod times;
mod types;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use entry::Entry;
use expected::{HEAP, fetched};
use fixture::{Fixture, Outcome};
use http::HeaderMap;
use http::header::{CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE};
use leaks::Written;
use signalr_upstream_auth::RejectionKind as K;

type Area = (&'static str, fn(&Fixture) -> Vec<Entry>);

const AREAS: &[Area] = &[
    ("caller", caller::entries),
    ("compact_form", compact_form::entries),
    ("credentials", credentials::entries),
    ("discovery_documents", discovery_documents::entries),
    ("edges", edges::entries),
    ("jose_header", jose_header::entries),
    ("key_documents", key_documents::entries),
    ("known_flaws", known_flaws::entries),
    ("parties", parties::entries),
    ("request", request::entries),
    ("rotation", rotation::entries),
    ("times", times::entries),
    ("types", types::entries),
];

/// The measured heap is that of the process, so the tests take turns.
static TURN: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn every_entry_gets_its_response_and_causes_bounded_work() {
    let _turn = turn();
    let mut failures = Vec::new();
    let mut answers: BTreeMap<K, (HeaderMap, String)> = BTreeMap::new();
    let mut pairs = BTreeSet::new();
    let mut rejected = 0;
    let mut passed = 0;
    let mut fixtures = Vec::new();
    for (area, entries) in AREAS {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let fixture = runtime.block_on(Fixture::new());
        let entries = {
            let _inside = runtime.enter();
            entries(&fixture)
        };
        let mut names = BTreeSet::new();
        for entry in entries {
            if !names.insert(entry.name.clone()) {
                failures.push(format!("{area}: {}: another entry has the name", entry.name));
            }
            if entry.expected.is_hostile() {
                rejected += 1;
            } else {
                passed += 1;
            }
            let name = format!("{area}: {}", entry.name);
            for outcome in runtime.block_on(fixture.run(&entry)) {
                pairs.extend(outcome.check.zip(outcome.kind));
                if let Err(why) = check(&entry, &outcome, &mut answers) {
                    failures.push(format!("{name}: {why}"));
                }
            }
        }
        fixtures.push((*area, runtime, fixture));
    }
    failures.extend(fetches_behind_answers(fixtures));
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), rejected + passed, failures.join("\n"));
    println!("{rejected} hostile entries, {passed} good ones");
    let kinds: Vec<_> = answers.keys().copied().collect();
    assert_eq!(kinds, K::ALL, "the kinds of rejection that an entry meets");
    // The guide's page has each rejection at the check that causes it, and no other.
    let described: BTreeSet<_> = support::checks::rows().into_iter().collect();
    assert_eq!(pairs, described);
    assert!(rejected >= 1_000, "only {rejected} hostile entries");
    assert!(passed >= 180, "only {passed} good entries");
}

/// Waits for late fetches, for all areas at the same time.
fn fetches_behind_answers(fixtures: Vec<(&str, tokio::runtime::Runtime, Fixture)>) -> Vec<String> {
    let waits: Vec<_> = fixtures
        .into_iter()
        .map(|(area, runtime, fixture)| {
            let wait = std::thread::spawn(move || runtime.block_on(fixture.unaccounted()));
            (area, wait)
        })
        .collect();
    let ended = waits.into_iter().map(|(area, wait)| (area, wait.join().unwrap()));
    ended
        .filter(|(_, unaccounted)| *unaccounted != (0, 0))
        .map(|(area, unaccounted)| format!("{area}: {unaccounted:?} documents were fetched behind the answers"))
        .collect()
}

fn check(entry: &Entry, outcome: &Outcome, answers: &mut BTreeMap<K, (HeaderMap, String)>) -> Result<(), String> {
    let expected = entry.expected;
    if outcome.panicked {
        return Err("a panic".to_owned());
    }
    expect_eq("fetches before it", outcome.before.clone(), Ok(expected.fetches_before(outcome.is_repeated)))?;
    expect_eq("kind", outcome.kind, expected.kind)?;
    expect_eq("status", outcome.status, expected.status)?;
    expected.check_fetches(outcome.fetches, outcome.is_repeated)?;
    expect_eq("refresh", outcome.refreshed, expected.refresh.filter(|_| !outcome.is_repeated))?;
    expect_eq("signatures checked", outcome.signatures, expected.signatures(outcome.is_repeated))?;
    expect_eq("handler reached", outcome.handler_reached, expected.kind.is_none())?;
    expect_eq("body polled", outcome.body_polled, false)?;
    expect_eq("connections to where a token points", outcome.trapped, 0)?;
    let is_expected = |path: &&String| outcome.usual_paths.contains(path) || entry.keys_at == Some(path.as_str());
    if let Some(path) = outcome.paths.iter().find(|path| !is_expected(path)) {
        return Err(format!("`{path}` was asked for"));
    }
    if let Some(path) = entry.keys_at.filter(|path| !outcome.is_repeated && !outcome.paths.iter().any(|p| p == path)) {
        return Err(format!("`{path}` was not asked for"));
    }
    if expected.fetches(outcome.is_repeated) == (0, 0) {
        expect_eq("polls of what needs no fetch", outcome.polls, 1)?;
    }
    let bound = HEAP + 6 * entry.bytes() + fetched(outcome.served);
    if outcome.heap > bound {
        return Err(format!("{} bytes of heap, more than {bound}", outcome.heap));
    }
    let written = [Written { place: "answer", text: &outcome.answer }, Written { place: "log", text: &outcome.log }];
    leaks::find(entry.secrets(), &outcome.known, &written)?;
    let Some(kind) = expected.kind else { return Ok(()) };
    let (status, code) = (expected.status, code(kind));
    let text = |name| outcome.headers.get(name).map(|value: &http::HeaderValue| value.to_str().unwrap());
    let challenge = match (status, code) {
        (503, _) => None,
        (_, None) => Some("Bearer realm=\"signalr-upstream\"".to_owned()),
        (_, Some(code)) => Some(format!("Bearer error=\"{code}\", error_description=\"{}\"", kind.description())),
    };
    expect_eq("WWW-Authenticate", text(WWW_AUTHENTICATE), challenge.as_deref())?;
    expect_eq("Cache-Control", text(CACHE_CONTROL), Some("no-store"))?;
    expect_eq("Retry-After", text(RETRY_AFTER).is_some(), status == 503)?;
    expect_eq("body", outcome.body.as_str(), "")?;
    let mut headers = outcome.headers.clone();
    headers.remove(RETRY_AFTER);
    let first = answers.entry(kind).or_insert_with(|| (headers.clone(), outcome.body.clone()));
    expect_eq("answer, against the first of its kind", &(headers, outcome.body.clone()), first)
}

fn expect_eq<T: PartialEq<U> + std::fmt::Debug, U: std::fmt::Debug>(
    what: &str,
    found: T,
    expected: U,
) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("{what}: {found:?}, not {expected:?}")) }
}

/// The error code of a kind (RFC 6750 section 3.1), written down a second time.
fn code(kind: K) -> Option<&'static str> {
    match kind {
        K::MissingCredentials | K::UnsupportedScheme | K::ClockUnavailable | K::KeysUnavailable => None,
        K::MalformedCredentials | K::MultipleCredentials => Some("invalid_request"),
        K::CallerNotAllowed | K::DelegatedToken | K::MissingRole => Some("insufficient_scope"),
        _ => Some("invalid_token"),
    }
}
