//! How many instructions a check executes and how often it allocates, compared with the figures that are checked in: a
//! guard that other work on the machine cannot disturb. Needs valgrind.
//!
//! ```text
//! cargo bench -p benches --bench instructions
//! cargo bench -p benches --bench instructions -- --accept
//! ```
//!
//! The first fails when a case takes more than 3 % more instructions than before, or allocates more than 3 % more often.
//! The second writes the new figures down.
//!
//! The counts include what the harness does with each request: it calls the service, and the inner service drops the
//! request. The cases `unprotected` tell how much that is.
//!
//! What AWS-LC executes is told apart and not compared: it depends on what the processor offers. Its allocations are
//! compared: they do not.

#![allow(
    clippy::as_conversions,
    clippy::expect_used,
    clippy::or_fun_call,
    clippy::unwrap_used,
    reason = "a measurement that cannot be set up should stop"
)]

use std::collections::HashMap;
use std::convert::Infallible;
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
        ["case", case, end] => {
            execute(case, end == "called");
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
    println!(
        "{:<24}{:>12}{:>12}{:>9}{:>14}{:>13}{:>6}",
        "case", "accepted", "now", "change", "with AWS-LC", "allocations", "now"
    );
    for case in CASES {
        let (count, allocations) = (count(case, &inputs), allocations(case, &inputs));
        let before = accepted.get(*case).copied();
        let change = before.map(|(before, _)| 100.0 * (count.own / before - 1.0));
        let is_worse = change.is_none_or(|change| change > TOLERANCE)
            || before.is_none_or(|(_, before)| exceeds(allocations, before));
        has_failed |= is_worse;
        println!(
            "{case:<24}{:>12}{:>12.0}{:>9}{:>14.0}{:>13}{allocations:>6}{}",
            before.map_or("-".to_owned(), |(before, _)| format!("{before:.0}")),
            count.own,
            change.map_or("-".to_owned(), |change| format!("{change:+.1} %")),
            count.own + count.crypto,
            before.map_or("-".to_owned(), |(_, before)| before.to_string()),
            if is_worse && !accept { "  FAILED" } else { "" },
        );
        writeln!(figures, "{case} {:.0} {allocations}", count.own).unwrap();
    }
    if accept {
        fs::write(accepted_path(), figures).unwrap();
        println!("\nThese are the accepted figures from now on.");
    } else if has_failed {
        println!(
            "\nMore than {TOLERANCE} % up, or more allocations. If that is meant: \
             cargo bench -p benches --bench instructions -- --accept"
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
    let file = format!("--callgrind-out-file={}", out.display());
    let options = ["--tool=callgrind", "--quiet", "--collect-atstart=no", "--toggle-collect=*instructions*measured*"];
    valgrind([&options[..], &[&file]].concat(), [case, "called"], inputs);
    let profile = fs::read_to_string(&out).unwrap();
    fs::remove_file(&out).unwrap();
    let (total, crypto) = read_profile(&profile);
    let requests = REQUESTS as f64;
    Count { own: (total - crypto) as f64 / requests, crypto: crypto as f64 / requests }
}

/// Calls of `malloc` and its like per request: those of a process that sends the requests, less those of one that drops
/// them.
fn allocations(case: &str, inputs: &Inputs) -> u64 {
    let of_process = |end| {
        let report = valgrind(vec!["--tool=dhat", "--dhat-out-file=/dev/null"], [case, end], inputs);
        let total =
            report.lines().find_map(|line| line.split_once("Total:")?.1.split_once(" bytes in ")?.1.split(' ').next());
        total.and_then(|blocks| blocks.replace(',', "").parse::<u64>().ok()).expect("dhat counts blocks")
    };
    let requests = u64::try_from(REQUESTS).unwrap();
    // Rounded: a cache that grows does so now and then.
    (of_process("called") - of_process("dropped") + requests / 2) / requests
}

/// More than the tolerance: a cache that grows allocates now and then, and not always in the same request.
fn exceeds(allocations: u64, before: u64) -> bool {
    allocations as f64 > before as f64 * (1.0 + TOLERANCE / 100.0)
}

/// Runs one case under valgrind, and returns what that reports.
fn valgrind(options: Vec<&str>, case: [&str; 2], inputs: &Inputs) -> String {
    let mut child = Command::new("valgrind")
        .args(options)
        .arg(env::current_exe().unwrap())
        .arg("case")
        .args(case)
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(inputs.to_text().as_bytes()).unwrap();
    let ended = child.wait_with_output().unwrap();
    let report = String::from_utf8(ended.stderr).unwrap();
    assert!(ended.status.success(), "valgrind could not run {case:?}: {report}");
    report
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
                // The crate `aws_lc_rs` is ours to count, what it calls is not.
                true if is_rust(caller) && !is_rust(callee) && callee.starts_with("aws_lc_") => crypto += cost,
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

/// Instructions and allocations of each case.
fn read_accepted() -> HashMap<String, (f64, u64)> {
    let text = fs::read_to_string(accepted_path()).unwrap_or_default();
    let figure = |line: &str| {
        let mut words = line.split(' ');
        Some((words.next()?.to_owned(), (words.next()?.parse().ok()?, words.next()?.parse().ok()?)))
    };
    text.lines().filter_map(figure).collect()
}

fn accepted_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("instructions.txt")
}

/// One case, in the process that valgrind watches. The requests are made in any case, and sent if `is_called`.
fn execute(case: &str, is_called: bool) {
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
    let is_accepted = !case.starts_with("rejected");
    let source: Arc<dyn KeySource> = if is_accepted {
        let now = SystemClock::default().now().unwrap();
        Arc::new(RemoteKeys::builder(&policy).seed(TENANT.parse().unwrap(), keys, now).build().unwrap())
    } else {
        Arc::new(FixedKeys::new(keys))
    };
    let mut inner = service_fn(|request: Request<()>| {
        drop(request);
        std::future::ready(Ok::<_, Infallible>(Response::new(())))
    });
    let mut service = UpstreamAuthLayer::from_keys(policy, source).layer(inner);
    let mut answer = |request: Request<()>, is_counted: bool| {
        let response = match (case.starts_with("unprotected"), is_counted) {
            (true, true) => measured(|| now(inner.call(request))),
            (true, false) => now(inner.call(request)),
            (false, true) => measured(|| now(service.call(request))),
            (false, false) => now(service.call(request)),
        };
        assert_eq!(response.status().is_success(), is_accepted, "{case}");
    };
    let (warm_up, tokens) = inputs.of_case(case);
    // What is done once in a process is done before.
    for _ in 0..3 {
        answer(request(warm_up), false);
    }
    for token in tokens {
        let request = request(token);
        if is_called {
            answer(request, true);
        }
    }
}

fn request(token: &str) -> Request<()> {
    let mut request = Request::new(());
    if !token.is_empty() {
        request.headers_mut().insert(AUTHORIZATION, HeaderValue::try_from(format!("Bearer {token}")).unwrap());
    }
    request
}

/// The outcome of a future that has nothing to wait for.
fn now<F: Future<Output = Result<Response<()>, Infallible>>>(future: F) -> Response<()> {
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
    /// The token of each case that has its own.
    rejected: Vec<(String, String)>,
    good: Vec<String>,
}

impl Inputs {
    async fn make() -> Self {
        let entra = MockEntra::builder().public_cloud().start().await;
        let token = entra.token();
        let good: Vec<_> = (0..=REQUESTS).map(|n| token.clone().claim("uti", format!("{n:022}")).mint()).collect();
        // The signature of another token: one by a stranger's key can exceed the modulus, and costs no verification then.
        let of =
            |token: &str| token.rsplit_once('.').map(|(input, signature)| (input.to_owned(), signature.to_owned()));
        let bad_signature = format!("{}.{}", of(&good[0]).unwrap().0, of(&good[1]).unwrap().1);
        let rejected = [
            ("rejected_not_a_token", format!("{},", good[0])),
            ("rejected_too_large", "a".repeat(65_536)),
            ("rejected_two_segments", of(&good[0]).unwrap().0),
            ("rejected_other_alg", token.clone().header("alg", "HS256").mint()),
            ("rejected_other_audience", token.clone().audience("api://another").mint()),
            ("rejected_expired", token.clone().expired().mint()),
            ("rejected_unknown_key", token.signed_by(&SigningKey::stranger()).mint()),
            ("rejected_bad_signature", bad_signature),
        ];
        let rejected = rejected.map(|(case, token)| (case.to_owned(), token)).to_vec();
        Self { keys: entra.key_document(TokenVersion::V2), rejected, good }
    }

    /// The token of the requests before, and those of the requests of a case.
    fn of_case(&self, case: &str) -> (&str, Vec<&str>) {
        let own = || self.rejected.iter().find(|(name, _)| name == case).map(|(_, token)| token.as_str());
        let token = match case {
            "accepted_first_sight" => {
                let (warm_up, tokens) = self.good.split_last().unwrap();
                return (warm_up, tokens.iter().map(String::as_str).collect());
            }
            "unprotected" | "accepted_cached" => &self.good[0],
            "unprotected_no_header" | "rejected_no_header" => "",
            other => own().unwrap_or_else(|| panic!("there is no case {other}")),
        };
        (token, vec![token; REQUESTS])
    }

    fn to_text(&self) -> String {
        let Self { keys, rejected, good } = self;
        let rejected = rejected.iter().map(|(case, token)| format!("{case} {token}\n"));
        std::iter::once(format!("{keys}\n"))
            .chain(rejected)
            .chain(good.iter().map(|token| format!("{token}\n")))
            .collect()
    }

    fn from_text(text: &str) -> Self {
        let mut lines = text.lines();
        let keys = lines.next().unwrap().to_owned();
        let (rejected, good): (Vec<_>, Vec<_>) = lines.partition(|line| line.contains(' '));
        let rejected = rejected.iter().filter_map(|line| line.split_once(' '));
        Self {
            keys,
            rejected: rejected.map(|(case, token)| (case.to_owned(), token.to_owned())).collect(),
            good: good.into_iter().map(str::to_owned).collect(),
        }
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

const CASES: &[&str] = &[
    "unprotected",
    "unprotected_no_header",
    "accepted_cached",
    "accepted_first_sight",
    "rejected_no_header",
    "rejected_not_a_token",
    "rejected_too_large",
    "rejected_two_segments",
    "rejected_other_alg",
    "rejected_other_audience",
    "rejected_expired",
    "rejected_unknown_key",
    "rejected_bad_signature",
];

const TENANT: &str = "11111111-aaaa-4bbb-8ccc-222222222222";
const AUDIENCE: &str = "33333333-dddd-4eee-8fff-444444444444";
const CALLER: &str = "77777777-4321-4cba-8fed-888888888888";

/// Requests of a case.
const REQUESTS: usize = 40;

/// Percent.
const TOLERANCE: f64 = 3.0;

const HEAD: &str = "\
# Instructions per request on x86-64, without those of AWS-LC, and allocations. Compared and replaced by
# cargo bench -p benches --bench instructions [-- --accept]
";

/// The exit status that says that nothing was compared.
const NOT_RUN: u8 = 77;
