//! Measures all contenders in one run and prints the tables.
//!
//! Every case goes round all contenders, one batch each, over and over; a figure is the median over the rounds. What
//! else the machine does then hits all alike, so the ratios hold where the absolute times do not.

use std::env;
use std::io::{BufRead, BufReader, Write, stdin, stdout};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use axum::http::header::HeaderMap;
use jsonwebtoken_11::crypto::{CryptoProvider, aws_lc, rust_crypto};
use peers::contender::{Contender, Outcome, Task};
use peers::field::{self, *};
use peers::time;
use peers::world::{BAD_SIGNATURE, FIRST_SIGHT, SEEN, World};
use signalr_upstream_auth::UpstreamAuthLayer;
use mock_entra::MockEntra;
use tower::Layer;

fn main() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let _entered = runtime.enter();
    if env::args().nth(1).as_deref() == Some(WORKER) {
        return work(&runtime);
    }
    let rounds = env::args().nth(1).map_or(21, |rounds| rounds.parse().expect("a number of rounds"));
    install(&aws_lc::DEFAULT_PROVIDER);
    let (world, entra, mut contenders) = runtime.block_on(async {
        let entra = MockEntra::start().await;
        let world = World::new(&entra).await;
        let mut contenders = yardsticks(&world, &entra);
        contenders.extend(field::ours(&world, &entra).await);
        contenders.extend(field::peers(&world).await);
        (world, entra, contenders)
    });
    contenders.push(worker(&world));
    let measured = measure(&world, &mut contenders, rounds);
    let allocations = count_allocations(&world);
    let report = Report { world: &world, contenders: &contenders, measured, allocations };
    report.print(rounds);
    print_threads(&runtime, &world, &entra, rounds);
}

/// What was measured: by case, by contender.
struct Measured {
    nanoseconds: f64,
    status: StatusCode,
}

fn measure(world: &World, contenders: &mut [Contender], rounds: usize) -> Vec<Vec<Measured>> {
    let headers: Vec<_> = world.cases.iter().map(|case| case.headers()).collect();
    let mut samples: Vec<Vec<Vec<f64>>> = vec![vec![Vec::new(); contenders.len()]; headers.len()];
    let mut sizes: Vec<Vec<usize>> = Vec::new();
    for (case, headers) in headers.iter().enumerate() {
        let size = |contender: &mut Contender| {
            let requests = 20;
            let elapsed = contender.run(Task { case, headers, requests }).elapsed;
            let fit = (BATCH.as_nanos() * 20 / elapsed.as_nanos().max(1)).clamp(1, 100_000);
            let fit = usize::try_from(fit).expect("a small number");
            // Requests that are to be new must not come twice.
            if headers.len() > 1 { fit.min(headers.len()) } else { fit }
        };
        sizes.push(contenders.iter_mut().map(size).collect());
    }
    let mut status = vec![vec![StatusCode::OK; contenders.len()]; headers.len()];
    for _ in 0..rounds {
        for (case, headers) in headers.iter().enumerate() {
            for (who, contender) in contenders.iter_mut().enumerate() {
                let requests = sizes[case][who];
                let outcome = contender.run(Task { case, headers, requests });
                samples[case][who].push(outcome.elapsed.as_nanos() as f64 / requests as f64);
                status[case][who] = outcome.status;
            }
        }
    }
    let median = |samples: &mut Vec<f64>| {
        samples.sort_by(f64::total_cmp);
        samples[samples.len() / 2]
    };
    samples
        .iter_mut()
        .zip(status)
        .map(|(of_case, status)| {
            let measured = |(samples, status)| Measured { nanoseconds: median(samples), status };
            of_case.iter_mut().zip(status).map(measured).collect()
        })
        .collect()
}

struct Report<'w> {
    world: &'w World,
    contenders: &'w [Contender],
    measured: Vec<Vec<Measured>>,
    allocations: Vec<(String, String, f64)>,
}

impl Report<'_> {
    fn print(&self, rounds: usize) {
        let token = self.world.cases[0].tokens().next().map_or(0, str::len);
        println!(
            "Token of {token} bytes, six RSA-2048 keys, {rounds} rounds of batches of {} ms.\n",
            BATCH.as_millis()
        );
        self.print_accepted();
        self.print_rejected();
        self.print_targets();
    }

    fn print_accepted(&self) {
        println!("Accepted: what a request costs more than without protection\n");
        println!(
            "| | cached | x floor | x ours | allocations | first sight | x bare verification | allocations |"
        );
        println!("|---|--:|--:|--:|--:|--:|--:|--:|");
        let (floor, ours, bare) = (self.added(SEEN, FLOOR), self.added(SEEN, OURS), self.raw(FIRST_SIGHT, BARE));
        for contender in self.services() {
            let seen = self.added(SEEN, contender.name);
            let first = if contender.name == FLOOR { f64::NAN } else { self.added(FIRST_SIGHT, contender.name) };
            let rejected = self.status(SEEN, contender.name) != StatusCode::OK;
            let cell = |text: String, value: f64| if value.is_nan() { "-".to_owned() } else { text };
            println!(
                "| {}{} | {} | {:.1} | {:.1} | {} | {} | {} | {} |",
                contender.name,
                if rejected { " (REJECTED IT)" } else { "" },
                time(seen),
                seen / floor,
                seen / ours,
                self.allocations(SEEN, contender.name),
                cell(time(first), first),
                cell(format!("{:.2}", first / bare), first),
                cell(self.allocations(FIRST_SIGHT, contender.name), first),
            );
        }
        for name in [BARE, BARE_PARSED] {
            let first = self.raw(FIRST_SIGHT, name);
            println!("| {name} | | | | | {} | {:.2} | |", time(first), first / bare);
        }
        println!("\nUnprotected, as it is: {} a request.\n", time(self.raw(SEEN, UNPROTECTED)));
    }

    fn print_rejected(&self) {
        let cases: Vec<_> = self.world.cases.iter().filter(|case| !case.is_good).collect();
        println!("Rejected: what a request costs more than without protection (status)\n");
        println!("| |{}", cases.iter().map(|case| format!(" {} |", case.name)).collect::<String>());
        println!("|---|{}", "--:|".repeat(cases.len()));
        for contender in self.services().filter(|contender| contender.name != FLOOR) {
            let cell = |case: &str| {
                format!(
                    " {} ({}) |",
                    time(self.added(case, contender.name)),
                    self.status(case, contender.name).as_u16()
                )
            };
            println!("| {} |{}", contender.name, cases.iter().map(|case| cell(&case.name)).collect::<String>());
        }
        println!();
    }

    fn print_targets(&self) {
        let seen = self.added(SEEN, OURS);
        let bare = self.raw(FIRST_SIGHT, BARE);
        let peer = self.services().filter(|contender| !self.is_own(contender.name));
        let peer = peer.filter(|contender| self.status(SEEN, contender.name) == StatusCode::OK);
        let (fastest, best) = peer
            .map(|contender| (contender.name, self.added(SEEN, contender.name)))
            .min_by(|(_, one), (_, other)| one.total_cmp(other))
            .expect("a peer");
        println!("Targets\n\n| target | measured | |\n|---|--:|---|");
        let row = |target: &str, measured: String, is_met: bool| {
            println!("| {target} | {measured} | {} |", if is_met { "met" } else { "missed" });
        };
        let floor = seen / self.added(SEEN, FLOOR);
        row("cached: at most 2 x the floor", format!("{floor:.2} x"), floor <= 2.0);
        let ahead = best / seen;
        row(
            &format!("at least 75 x cheaper than the fastest peer ({fastest})"),
            format!("{ahead:.0} x"),
            ahead >= 75.0,
        );
        let allocations = self.allocated(SEEN, OURS);
        row("allocations beyond the unprotected service: at most 3", format!("{allocations:.0}"), allocations <= 3.0);
        let first = self.added(FIRST_SIGHT, OURS) / bare;
        row("first sight, inserted: at most 1.3 x a bare verification", format!("{first:.2} x"), first <= 1.3);
        let first = self.added(FIRST_SIGHT, OURS) / self.raw(FIRST_SIGHT, BARE_PARSED);
        row("the same: at most 1.1 x a bare verification with a parsed key", format!("{first:.2} x"), first <= 1.1);
        let allocations = self.allocated(FIRST_SIGHT, OURS);
        row("its allocations: at most 24", format!("{allocations:.1}"), allocations <= 24.0);
        for case in self.world.cases.iter().filter(|case| !case.is_good && case.name != BAD_SIGNATURE) {
            let ratio = self.added(&case.name, OURS) / bare;
            let target = format!("rejected, {}: at most 0.1 x a bare verification", case.name);
            row(&target, format!("{ratio:.3} x"), ratio <= 0.1);
        }
        for case in self.world.cases.iter().filter(|case| !case.is_good) {
            let peers = self.services().filter(|contender| !self.is_own(contender.name));
            let (cheapest, cost) = peers
                .filter(|contender| self.status(&case.name, contender.name) != StatusCode::OK)
                .map(|contender| (contender.name, self.added(&case.name, contender.name)))
                .min_by(|(_, one), (_, other)| one.total_cmp(other))
                .expect("a peer that rejects it");
            let ratio = self.added(&case.name, OURS) / cost;
            let target = format!("rejected, {}: not dearer than the cheapest peer ({cheapest})", case.name);
            row(&target, format!("{ratio:.2} x"), ratio <= 1.0);
        }
    }

    fn services(&self) -> impl Iterator<Item = &Contender> {
        self.contenders.iter().filter(|contender| ![UNPROTECTED, BARE, BARE_PARSED].contains(&contender.name))
    }

    fn is_own(&self, name: &str) -> bool {
        [FLOOR, OURS, OURS_FIXED, OURS_WITHOUT_CACHE].contains(&name)
    }

    fn of(&self, case: &str, name: &str) -> &Measured {
        let who = self.contenders.iter().position(|contender| contender.name == name).expect("a contender");
        &self.measured[self.world.case(case)][who]
    }

    fn raw(&self, case: &str, name: &str) -> f64 {
        self.of(case, name).nanoseconds
    }

    fn status(&self, case: &str, name: &str) -> StatusCode {
        self.of(case, name).status
    }

    fn added(&self, case: &str, name: &str) -> f64 {
        self.raw(case, name) - self.raw(case, UNPROTECTED)
    }

    fn allocations(&self, case: &str, name: &str) -> String {
        let allocated = self.allocated(case, name);
        if allocated.is_nan() { "-".to_owned() } else { format!("{allocated:.0}") }
    }

    fn allocated(&self, case: &str, name: &str) -> f64 {
        let found =
            |name: &str| self.allocations.iter().find(|(c, n, _)| c == case && n == name).map(|(_, _, count)| *count);
        found(name).zip(found(UNPROTECTED)).map_or(f64::NAN, |(here, unprotected)| here - unprotected)
    }
}

/// What `allocations`, which is built beside this program, has counted.
fn count_allocations(world: &World) -> Vec<(String, String, f64)> {
    let program = env::current_exe().expect("a program").with_file_name("allocations");
    let Ok(mut child) = Command::new(program).stdin(Stdio::null()).stdout(Stdio::piped()).spawn() else {
        println!("Allocations were not counted: build the program `allocations` too.\n");
        return Vec::new();
    };
    let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    let counted = lines.map_while(Result::ok).filter_map(|line| {
        let mut fields = line.split('\t').map(str::to_owned);
        Some((fields.next()?, fields.next()?, fields.next()?.parse().ok()?))
    });
    let counted: Vec<_> = counted.filter(|(case, ..)| world.cases.iter().any(|known| known.name == *case)).collect();
    let _ = child.wait();
    counted
}

/// How a second thread with the same token adds to the first: by the clock, and by the processor time of each thread,
/// which tells what the threads cost one another however busy the machine is.
fn print_threads(runtime: &tokio::runtime::Runtime, world: &World, entra: &MockEntra, rounds: usize) {
    let layer = UpstreamAuthLayer::new(entra.policy()).expect("a layer");
    runtime.block_on(layer.wait_for_keys()).expect("keys");
    let case = &world.cases[world.case(SEEN)];
    let run = |threads: usize, is_protected: bool| {
        let (requests, start) = (200_000, Instant::now());
        let processor: Duration = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..threads)
                .map(|_| {
                    let (layer, handle) = (layer.clone(), runtime.handle());
                    scope.spawn(move || {
                        let _entered = handle.enter();
                        // Of its own, as each connection has: copies of one value share its counter.
                        let headers = &case.headers();
                        let inner = peers::contender::inner::<axum::body::Body>;
                        let mut contender = if is_protected {
                            Contender::service(OURS, move || layer.layer(inner()))
                        } else {
                            Contender::service("unprotected", inner)
                        };
                        contender.run(Task { case: 0, headers, requests }).elapsed
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).sum()
        });
        let threads = threads as f64;
        [threads / start.elapsed().as_secs_f64(), threads * threads / processor.as_secs_f64()]
    };
    let mut ratios: [Vec<f64>; 4] = Default::default();
    for _ in 0..rounds {
        for (is_protected, place) in [(true, 0), (false, 2)] {
            let (two, one) = (run(2, is_protected), run(1, is_protected));
            ratios[place].push(two[0] / one[0]);
            ratios[place + 1].push(two[1] / one[1]);
        }
    }
    let [by_clock, by_processor, bare_by_clock, bare_by_processor] = ratios.map(|mut ratios| {
        ratios.sort_by(f64::total_cmp);
        ratios[ratios.len() / 2]
    });
    for (what, ratio, bare) in
        [("by the clock", by_clock, bare_by_clock), ("by processor time", by_processor, bare_by_processor)]
    {
        let verdict = if ratio >= 1.8 { "met" } else { "missed" };
        println!(
            "| two threads, one token, {what}: at least 1.8 x the rate of one | {ratio:.2} x (unprotected {bare:.2} x) | {verdict} |"
        );
    }
}

fn install(provider: &'static CryptoProvider) {
    provider.install_default().expect("the first provider of this process");
}

/// A contender that needs another default provider than this process has, in a process of its own.
fn worker(world: &World) -> Contender {
    struct Process {
        child: Child,
        input: ChildStdin,
        output: BufReader<ChildStdout>,
    }

    impl Drop for Process {
        fn drop(&mut self) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }

    let mut child = Command::new(env::current_exe().expect("a program"))
        .arg(WORKER)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a process");
    let input = child.stdin.take().expect("its input");
    let output = BufReader::new(child.stdout.take().expect("its output"));
    let mut process = Process { child, input, output };
    writeln!(process.input, "{}", serde_json::to_string(world).expect("JSON")).expect("a listener");
    Contender::new(RUST_CRYPTO, move |task| {
        writeln!(process.input, "{} {}", task.case, task.requests).expect("a listener");
        let mut line = String::new();
        process.output.read_line(&mut line).expect("an answer");
        let (elapsed, status) = line.trim().split_once(' ').expect("two numbers");
        Outcome {
            elapsed: Duration::from_nanos(elapsed.parse().expect("nanoseconds")),
            status: StatusCode::from_u16(status.parse().expect("a status")).expect("a status"),
        }
    })
}

/// The other side of [`worker`].
fn work(runtime: &tokio::runtime::Runtime) {
    install(&rust_crypto::DEFAULT_PROVIDER);
    let mut lines = stdin().lock().lines().map_while(Result::ok);
    let world: World = serde_json::from_str(&lines.next().expect("a world")).expect("a world");
    let headers: Vec<Vec<HeaderMap>> = world.cases.iter().map(|case| case.headers()).collect();
    let mut contender = runtime.block_on(tower_oauth2(RUST_CRYPTO, &world));
    for line in lines {
        let (case, requests) = line.split_once(' ').expect("two numbers");
        let case: usize = case.parse().expect("a case");
        let task = Task { case, headers: &headers[case], requests: requests.parse().expect("a number") };
        let Outcome { elapsed, status } = contender.run(task);
        writeln!(stdout(), "{} {}", elapsed.as_nanos(), status.as_u16()).expect("a listener");
    }
}

const WORKER: &str = "worker";
const BATCH: Duration = Duration::from_millis(15);
