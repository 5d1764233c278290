//! How many instructions a check executes and how often it allocates, compared with the figures that are checked in: a
//! guard that other work on the machine cannot disturb. Needs valgrind.
//!
//! ```text
//! cargo bench -p benches --bench instructions
//! cargo bench -p benches --bench instructions -- --accept
//! cargo bench -p benches --bench instructions -- --functions accepted_cached
//! ```
//!
//! The first fails when a case takes more than 3 % more instructions than before, or allocates more than 3 % more often.
//! The second writes the new figures down. The third prints which functions the instructions of one case are in.
//!
//! The counts include what the harness does with each request: it calls the service, and the inner service drops the
//! request. The cases `unprotected` tell how much that is. `floor` compares the header with one constant value and puts
//! claims into the extensions.
//!
//! Code lines are the cache lines of 64 bytes whose code every request executes. They are shown, not compared: the
//! linker chooses where a function begins.
//!
//! What AWS-LC executes is told apart and not compared: it depends on what the processor offers. Its allocations are
//! compared: they do not.
//!
//! Each case is a process of its own, so that none changes the memory of another. One runs for each processor.

#![allow(
    clippy::as_conversions,
    clippy::expect_used,
    clippy::or_fun_call,
    clippy::unwrap_used,
    reason = "a measurement that cannot be set up should stop"
)]

mod callgrind;

use std::collections::HashMap;
use std::convert::Infallible;
use std::env;
use std::fmt::Write as _;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use http::header::{AUTHORIZATION, HeaderValue};
use http::{Request, Response};
use mock_entra::{MockEntra, SigningKey};
use signalr_upstream_auth::clock::{Clock, SystemClock};
use signalr_upstream_auth::keys::{FixedKeys, KeySet, KeySource, RemoteKeys};
use signalr_upstream_auth::{Audiences, Callers, Policy, Tenants, TokenVersion, UpstreamAuthLayer};
use tower::{Layer, Service, service_fn};

use crate::callgrind::Costs;

fn main() -> ExitCode {
    // Cargo adds the one of its own.
    let arguments: Vec<_> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["case", case] => {
            execute(case);
            ExitCode::SUCCESS
        }
        ["--functions", case] => print_functions(case),
        _ => compare(arguments.iter().any(|argument| argument == "--accept")),
    }
}

/// Runs every case under valgrind and compares the counts.
fn compare(accept: bool) -> ExitCode {
    if !callgrind::is_installed() {
        println!("NOT RUN: instruction counts: valgrind is not installed");
        return ExitCode::from(NOT_RUN);
    }
    let accepted = read_accepted();
    let mut figures = String::from(HEAD);
    let mut has_failed = false;
    println!(
        "{:<24}{:>12}{:>12}{:>9}{:>14}{:>13}{:>6}{:>12}",
        "case", "accepted", "now", "change", "with AWS-LC", "allocations", "now", "code lines"
    );
    for (case, costs) in all_costs() {
        let requests = u64::try_from(REQUESTS).unwrap();
        let (own, allocations) = (costs.own(requests), costs.allocations(requests));
        let before = accepted.get(case).copied();
        let change = before.map(|(before, _)| 100.0 * (own / before - 1.0));
        let is_worse = change.is_none_or(|change| change > TOLERANCE)
            || before.is_none_or(|(_, before)| exceeds(allocations, before));
        has_failed |= is_worse;
        println!(
            "{case:<24}{:>12}{own:>12.0}{:>9}{:>14.0}{:>13}{allocations:>6}{:>12}{}",
            before.map_or("-".to_owned(), |(before, _)| format!("{before:.0}")),
            change.map_or("-".to_owned(), |change| format!("{change:+.1} %")),
            costs.all(requests),
            before.map_or("-".to_owned(), |(_, before)| before.to_string()),
            costs.code_lines,
            if is_worse && !accept { "  FAILED" } else { "" },
        );
        writeln!(figures, "{case} {own:.0} {allocations}").unwrap();
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

/// Prints what each function of a case executes, down to one instruction in a hundred.
fn print_functions(case: &str) -> ExitCode {
    if !callgrind::is_installed() {
        println!("NOT RUN: instruction counts: valgrind is not installed");
        return ExitCode::from(NOT_RUN);
    }
    let inputs = runtime().block_on(Inputs::make()).to_text();
    let requests = u64::try_from(REQUESTS).unwrap();
    let costs = callgrind::costs(case, &mut this_program(case), &inputs, requests);
    let all = costs.all(requests);
    println!("{all:>8.0} all of {case}, on {} cache lines of code", costs.code_lines);
    for (name, cost) in costs.functions(requests).into_iter().take_while(|(_, cost)| *cost * 100.0 >= all) {
        println!("{cost:>8.0} {name}");
    }
    ExitCode::SUCCESS
}

/// The costs of every case, in their order. A thread for each processor takes the next case.
fn all_costs() -> Vec<(&'static str, Costs)> {
    let inputs = runtime().block_on(Inputs::make()).to_text();
    let requests = u64::try_from(REQUESTS).unwrap();
    let (next, costs) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(case) = CASES.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let counted = if *case == NEGOTIATE {
                        callgrind::costs(case, &mut negotiate(), "", requests)
                    } else {
                        callgrind::costs(case, &mut this_program(case), &inputs, requests)
                    };
                    costs.lock().unwrap().push((*case, counted));
                }
            });
        }
    });
    let mut costs = costs.into_inner().unwrap();
    costs.sort_by_key(|(counted, _)| CASES.iter().position(|case| case == counted));
    costs
}

/// This program under callgrind, with a case to execute.
fn this_program(case: &str) -> Command {
    let line = callgrind::command_line(case);
    let mut command = Command::new(&line[0]);
    command.args(&line[1..]).arg(env::current_exe().unwrap()).args(["case", case]);
    command
}

/// The benchmark of another package, which this one need not build then. Cargo builds it and runs it under callgrind.
fn negotiate() -> Command {
    let mut command = Command::new(env::var("CARGO").unwrap());
    command
        .args(["bench", "--quiet", "--locked", "--config"])
        .arg(format!("target.'cfg(all())'.runner = {:?}", callgrind::command_line(NEGOTIATE)))
        .args(["--package", "signalr-serverless", "--bench", "instructions", "--", &REQUESTS.to_string()]);
    command
}

/// More than the tolerance: a cache that grows allocates now and then, and not always in the same request.
fn exceeds(allocations: u64, before: u64) -> bool {
    allocations as f64 > before as f64 * (1.0 + TOLERANCE / 100.0)
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
    let layer = UpstreamAuthLayer::from_keys(policy, source);
    let (warm_up, tokens) = inputs.of_case(case);
    let answer_all = |service: &mut dyn FnMut(Request<()>, bool) -> Response<()>| {
        let mut answer = |token, is_counted| {
            let response = service(request(token), is_counted);
            assert_eq!(response.status().is_success(), is_accepted, "{case}");
        };
        // What is done once in a process is done before.
        (0..3).for_each(|_| answer(warm_up, false));
        tokens.iter().for_each(|token| answer(token, true));
    };
    match case {
        "unprotected" | "unprotected_no_header" => {
            answer_all(&mut |request, is_counted| call(&mut inner, request, is_counted))
        }
        FLOOR => {
            let known = request(warm_up).headers()[AUTHORIZATION].clone();
            let claims = runtime.block_on(layer.validate(request(warm_up).headers())).unwrap();
            let mut floor = service_fn(move |mut request: Request<()>| {
                assert_eq!(request.headers()[AUTHORIZATION].as_bytes(), known.as_bytes());
                request.extensions_mut().insert(claims.clone());
                inner.call(request)
            });
            answer_all(&mut |request, is_counted| call(&mut floor, request, is_counted));
        }
        _ => {
            let mut service = layer.layer(inner);
            answer_all(&mut |request, is_counted| call(&mut service, request, is_counted));
        }
    }
}

/// Calls the service, and has valgrind count that if told so.
fn call<S>(service: &mut S, request: Request<()>, is_counted: bool) -> Response<()>
where
    S: Service<Request<()>, Response = Response<()>, Error = Infallible>,
{
    if is_counted { measured(|| now(service.call(request))) } else { now(service.call(request)) }
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
            "unprotected" | FLOOR | "accepted_cached" => &self.good[0],
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
    FLOOR,
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
    NEGOTIATE,
];

/// The least that a check could cost.
const FLOOR: &str = "floor";

/// The client token of `signalr-serverless` with a temporary key at hand.
const NEGOTIATE: &str = "negotiate";

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
