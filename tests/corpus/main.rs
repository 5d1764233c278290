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
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use entry::Entry;
use expected::{HEAP, fetched};
use fixture::{Fixture, Outcome};
use http::header::{CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE};
use leaks::Written;
use serde::{Deserialize, Serialize};
use signalr_upstream_auth::{CheckName, RejectionKind as K};

type Area = (&'static str, fn(&Fixture) -> Vec<Entry>);

/// In an order in which both halves, which have every second one, take the same time.
const AREAS: &[Area] = &[
    ("caller", caller::entries),
    ("compact_form", compact_form::entries),
    ("credentials", credentials::entries),
    ("discovery_documents", discovery_documents::entries),
    ("edges", edges::entries),
    ("key_documents", key_documents::entries),
    ("jose_header", jose_header::entries),
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

/// Selects the half of the areas that a child process runs.
const HALF: &str = "CORPUS_HALF";

const NAME: &str = "every_entry_gets_its_response_and_causes_bounded_work";

/// What was found in one half of the areas.
#[derive(Default, Deserialize, Serialize)]
struct Findings {
    failures: Vec<String>,
    rejected: usize,
    passed: usize,
    /// The first response of each kind of rejection, by the kind's name.
    answers: BTreeMap<String, String>,
    /// Which check has caused which kind.
    causes: BTreeSet<String>,
}

/// The halves run side by side, each in a process of its own, whose heap is measured.
#[test]
fn every_entry_gets_its_response_and_causes_bounded_work() {
    let _turn = turn();
    if std::env::var_os(HALF).is_some() {
        println!("{}", serde_json::to_string(&findings(1)).unwrap());
        return;
    }
    let other = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", NAME, "--nocapture"])
        .env(HALF, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let Findings { mut failures, rejected, passed, mut answers, mut causes } = findings(0);
    let output = other.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let other: Findings = text.lines().find_map(|line| serde_json::from_str(line).ok()).expect("the other half");
    let (rejected, passed) = (rejected + other.rejected, passed + other.passed);
    failures.extend(other.failures);
    causes.extend(other.causes);
    for (kind, answer) in other.answers {
        let first = answers.entry(kind.clone()).or_insert_with(|| answer.clone());
        if let Err(why) = expect_eq(&format!("{kind}: answer of the other half"), &answer, &*first) {
            failures.push(why);
        }
    }
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), rejected + passed, failures.join("\n"));
    println!("{rejected} hostile entries, {passed} good ones");
    let kinds: BTreeSet<_> = K::ALL.iter().map(ToString::to_string).collect();
    assert_eq!(answers.into_keys().collect::<BTreeSet<_>>(), kinds, "the kinds of rejection that an entry meets");
    // The guide's page has each rejection at the check that causes it, and no other.
    assert_eq!(causes, support::checks::rows().into_iter().map(cause).collect());
    assert!(rejected >= 1_000, "only {rejected} hostile entries");
    assert!(passed >= 180, "only {passed} good entries");
}

/// Sends the entries of every second area, from this one on.
fn findings(half: usize) -> Findings {
    let mut found = Findings::default();
    let mut fixtures = Vec::new();
    for (area, entries) in AREAS.iter().skip(half).step_by(2) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let fixture = runtime.block_on(Fixture::new());
        let entries = {
            let _inside = runtime.enter();
            entries(&fixture)
        };
        let mut names = BTreeSet::new();
        for entry in entries {
            if !names.insert(entry.name.clone()) {
                found.failures.push(format!("{area}: {}: another entry has the name", entry.name));
            }
            if entry.expected.is_hostile() {
                found.rejected += 1;
            } else {
                found.passed += 1;
            }
            let name = format!("{area}: {}", entry.name);
            for outcome in runtime.block_on(fixture.run(&entry)) {
                found.causes.extend(outcome.check.zip(outcome.kind).map(cause));
                if let Err(why) = check(&entry, &outcome, &mut found.answers) {
                    found.failures.push(format!("{name}: {why}"));
                }
            }
        }
        fixtures.push((*area, runtime, fixture));
    }
    found.failures.extend(fetches_behind_answers(fixtures));
    found
}

fn cause((check, kind): (CheckName, K)) -> String {
    format!("{check:?}: {kind}")
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

fn check(entry: &Entry, outcome: &Outcome, answers: &mut BTreeMap<String, String>) -> Result<(), String> {
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
    let mut headers: Vec<_> = outcome.headers.iter().filter(|(name, _)| *name != RETRY_AFTER).collect();
    headers.sort_by_key(|(name, _)| name.as_str());
    let answer = format!("{headers:?} {:?}", outcome.body);
    let first = answers.entry(kind.to_string()).or_insert_with(|| answer.clone());
    expect_eq("answer, against the first of its kind", &answer, first)
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
