//! How many instructions a check executes, compared with the figures that are checked in: a guard that other work on
//! the machine cannot disturb. Needs valgrind.
//!
//! ```text
//! cargo bench -p benches --bench instructions
//! cargo bench -p benches --bench instructions -- --accept
//! ```
//!
//! The first fails when a case takes more than 3 % more than before. The second writes the new figures down.
//!
//! What AWS-LC executes is told apart and not compared: it depends on what the processor offers.

#![allow(
    clippy::as_conversions,
    clippy::expect_used,
    clippy::or_fun_call,
    clippy::unwrap_used,
    reason = "a measurement that cannot be set up should stop"
)]

use std::collections::HashMap;
use std::env;
use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use http::header::{AUTHORIZATION, HeaderValue};
use http::{Request, Response};
use mock_entra::{MockEntra, SigningKey};
use signalr_upstream_auth::clock::{Clock, SystemClock};
use signalr_upstream_auth::keys::{FixedKeys, KeySet, KeySource, RemoteKeys};
use signalr_upstream_auth::{Audiences, Callers, Policy, Tenants, TokenVersion, UpstreamAuthLayer};
use tower::{Layer, Service, service_fn};

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["case", case] => {
            execute(case);
            ExitCode::SUCCESS
        }
        _ => compare(arguments.iter().any(|argument| argument == "--accept")),
    }
}

/// Runs every case under valgrind and compares the counts.
fn compare(accept: bool) -> ExitCode {
    if Command::new("valgrind").arg("--version").stdout(Stdio::null()).status().is_err() {
        println!("NOT RUN: instruction counts: valgrind is not installed");
        return ExitCode::from(NOT_RUN);
    }
    let inputs = runtime().block_on(Inputs::make());
    let accepted = read_accepted();
    let mut figures = String::from(HEAD);
    let mut has_failed = false;
    println!("{:<24}{:>12}{:>12}{:>9}{:>14}", "case", "accepted", "now", "change", "with AWS-LC");
    for case in CASES {
        let count = count(case, &inputs);
        let before = accepted.get(*case).copied();
        let change = before.map(|before| 100.0 * (count.own / before - 1.0));
        let is_worse = change.is_none_or(|change| change > TOLERANCE);
        has_failed |= is_worse;
        println!(
            "{case:<24}{:>12}{:>12.0}{:>9}{:>14.0}{}",
            before.map_or("-".to_owned(), |before| format!("{before:.0}")),
            count.own,
            change.map_or("-".to_owned(), |change| format!("{change:+.1} %")),
            count.own + count.crypto,
            if is_worse && !accept { "  FAILED" } else { "" },
        );
        writeln!(figures, "{case} {:.0}", count.own).unwrap();
    }
    if accept {
        fs::write(accepted_path(), figures).unwrap();
        println!("\nThese are the accepted figures from now on.");
    } else if has_failed {
        println!(
            "\nMore than {TOLERANCE} % up. If that is meant: cargo bench -p benches --bench instructions -- --accept"
        );
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Instructions per request.
struct Count {
    own: f64,
    crypto: f64,
}

fn count(case: &str, inputs: &Inputs) -> Count {
    let out = env::temp_dir().join(format!("instructions-{}-{case}", std::process::id()));
    let mut child = Command::new("valgrind")
        .args(["--tool=callgrind", "--quiet", "--collect-atstart=no", "--toggle-collect=*instructions*measured*"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(env::current_exe().unwrap())
        .args(["case", case])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(inputs.to_text().as_bytes()).unwrap();
    assert!(child.wait().unwrap().success(), "valgrind could not run {case}");
    let profile = fs::read_to_string(&out).unwrap();
    fs::remove_file(&out).unwrap();
    let (total, crypto) = read_profile(&profile);
    let requests = REQUESTS as f64;
    Count { own: (total - crypto) as f64 / requests, crypto: crypto as f64 / requests }
}

/// All instructions of a profile, and those of calls from Rust into AWS-LC.
///
/// The format is that of <https://valgrind.org/docs/manual/cl-format.html>: costs of a function itself stand on lines
/// of their own; the line after `calls=` is the cost of a call to the function that `cfn=` names.
fn read_profile(profile: &str) -> (u64, u64) {
    let mut names: HashMap<&str, &str> = HashMap::new();
    let (mut caller, mut callee) = ("", "");
    let (mut total, mut crypto) = (0, 0);
    let mut is_call = false;
    for line in profile.lines() {
        if let Some(name) = line.strip_prefix("fn=") {
            caller = resolve(name, &mut names);
        } else if let Some(name) = line.strip_prefix("cfn=") {
            callee = resolve(name, &mut names);
        } else if line.starts_with("calls=") {
            is_call = true;
        } else if line.starts_with(|first: char| first.is_ascii_digit() || "+-*".contains(first)) {
            let cost: u64 = line.split_whitespace().nth(1).and_then(|cost| cost.parse().ok()).unwrap_or(0);
            match std::mem::take(&mut is_call) {
                false => total += cost,
                true if is_rust(caller) && callee.starts_with("aws_lc_") => crypto += cost,
                true => {}
            }
        }
    }
    (total, crypto)
}

/// A name is written once, with a number, and is the number from then on.
fn resolve<'p>(name: &'p str, names: &mut HashMap<&'p str, &'p str>) -> &'p str {
    match name.split_once(' ') {
        Some((number, name)) => {
            names.insert(number, name);
            name
        }
        None => names.get(name).copied().unwrap_or(name),
    }
}

fn is_rust(name: &str) -> bool {
    name.contains("::") || name.starts_with("_R") || name.starts_with("_ZN")
}

fn read_accepted() -> HashMap<String, f64> {
    let text = fs::read_to_string(accepted_path()).unwrap_or_default();
    let figure = |line: &str| {
        let (case, count) = line.split_once(' ')?;
        Some((case.to_owned(), count.parse().ok()?))
    };
    text.lines().filter_map(figure).collect()
}

fn accepted_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("instructions.txt")
}

/// One case, in the process that valgrind watches.
fn execute(case: &str) {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).unwrap();
    let inputs = Inputs::from_text(&text);
    let runtime = runtime();
    // A task is started and never gets its turn.
    let _entered = runtime.enter();
    let keys = KeySet::from_json(inputs.keys.as_bytes()).unwrap();
    let policy = Policy::builder(
        Tenants::parse([TENANT]).unwrap(),
        Audiences::parse([AUDIENCE]).unwrap(),
        Callers::parse_object_ids([CALLER]).unwrap(),
    );
    let policy = policy.build().unwrap();
    let source: Arc<dyn KeySource> = if case.starts_with("accepted") {
        let now = SystemClock::default().now().unwrap();
        Arc::new(RemoteKeys::builder(&policy).seed(TENANT.parse().unwrap(), keys, now).build().unwrap())
    } else {
        Arc::new(FixedKeys::new(keys))
    };
    let inner = service_fn(|request: Request<()>| {
        drop(request);
        std::future::ready(Ok::<_, std::convert::Infallible>(Response::new(())))
    });
    let mut service = UpstreamAuthLayer::from_keys(policy, source).layer(inner);
    let mut answer = |token: &str, is_counted: bool| {
        let mut request = Request::new(());
        if !token.is_empty() {
            request.headers_mut().insert(AUTHORIZATION, HeaderValue::try_from(format!("Bearer {token}")).unwrap());
        }
        let call = || now(service.call(request));
        let response = if is_counted { measured(call) } else { call() };
        assert_eq!(response.status().is_success(), case.starts_with("accepted"), "{case}");
    };
    // What is done once in a process is done before.
    let warm_up = &inputs.good[REQUESTS];
    let tokens: Vec<&str> = match case {
        "accepted_cached" => vec![&inputs.good[0]; REQUESTS],
        "accepted_first_sight" => inputs.good[..REQUESTS].iter().map(String::as_str).collect(),
        "rejected_no_header" => vec![""; REQUESTS],
        "rejected_expired" => vec![&inputs.expired; REQUESTS],
        "rejected_unknown_key" => vec![&inputs.unknown_key; REQUESTS],
        other => panic!("there is no case {other}"),
    };
    let first = if case == "accepted_first_sight" { warm_up } else { tokens[0] };
    for _ in 0..3 {
        answer(first, false);
    }
    for token in tokens {
        answer(token, true);
    }
}

/// The outcome of a future that has nothing to wait for.
fn now<F: Future<Output = Result<Response<()>, std::convert::Infallible>>>(future: F) -> Response<()> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(response)) => response,
        Poll::Pending => panic!("the keys are there, so nothing waits"),
    }
}

/// Valgrind counts from the beginning of this function to its end.
#[inline(never)]
fn measured<T>(run: impl FnOnce() -> T) -> T {
    std::hint::black_box(run())
}

/// What goes into the watched process: made outside, since valgrind is slow.
struct Inputs {
    keys: String,
    expired: String,
    unknown_key: String,
    good: Vec<String>,
}

impl Inputs {
    async fn make() -> Self {
        let entra = MockEntra::builder().public_cloud().start().await;
        let token = entra.token();
        let good = (0..=REQUESTS).map(|n| token.clone().claim("uti", format!("{n:022}")).mint()).collect();
        Self {
            keys: entra.key_document(TokenVersion::V2),
            expired: token.clone().expired().mint(),
            unknown_key: token.signed_by(&SigningKey::stranger()).mint(),
            good,
        }
    }

    fn to_text(&self) -> String {
        let Self { keys, expired, unknown_key, good } = self;
        [keys, expired, unknown_key].into_iter().chain(good).map(|line| format!("{line}\n")).collect()
    }

    fn from_text(text: &str) -> Self {
        let mut lines = text.lines().map(str::to_owned);
        let mut next = || lines.next().unwrap();
        let (keys, expired, unknown_key) = (next(), next(), next());
        Self { keys, expired, unknown_key, good: lines.collect() }
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

const CASES: &[&str] =
    &["accepted_cached", "accepted_first_sight", "rejected_no_header", "rejected_expired", "rejected_unknown_key"];

const TENANT: &str = "11111111-aaaa-4bbb-8ccc-222222222222";
const AUDIENCE: &str = "33333333-dddd-4eee-8fff-444444444444";
const CALLER: &str = "77777777-4321-4cba-8fed-888888888888";

/// Requests of a case.
const REQUESTS: usize = 40;

/// Percent.
const TOLERANCE: f64 = 3.0;

const HEAD: &str = "\
# Instructions per request on x86-64, without those of AWS-LC. Compared and replaced by
# cargo bench -p benches --bench instructions [-- --accept]
";

/// The exit status that says that nothing was compared.
const NOT_RUN: u8 = 77;
