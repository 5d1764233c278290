//! A server with and without the layer, under load over loopback. Needs `wrk`, and `taskset` to keep server and load
//! on processors of their own.
//!
//! ```text
//! cargo bench -p benches --bench end_to_end
//! cargo bench -p benches --bench end_to_end -- 9 5
//! ```
//!
//! The numbers are rounds and seconds of each run (5 and 3 if left out). All kinds of load take turns; a figure is the
//! median over the rounds.

#![allow(
    clippy::as_conversions,
    clippy::expect_used,
    clippy::or_fun_call,
    clippy::unwrap_used,
    reason = "a measurement that cannot be set up should stop"
)]

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use bytes::Bytes;
use http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use mock_entra::MockEntra;
use signalr_upstream_auth::UpstreamAuthLayer;
use tokio::net::TcpListener;
use tower::{Layer, Service, service_fn};

fn main() {
    let arguments: Vec<_> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let Some("serve") = arguments.first().map(String::as_str) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        return runtime.block_on(serve());
    }
    let number = |at: usize, default| arguments.get(at).map_or(default, |text| text.parse().unwrap());
    if Command::new("wrk").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
        println!("NOT RUN: end to end: wrk is not installed (Debian's package wrk)");
        return;
    }
    Load::start(number(0, 5), number(1, 3)).run();
}

/// The server: one thread, three ports, the same service behind each.
async fn serve() {
    let entra = MockEntra::start().await;
    let layer = UpstreamAuthLayer::new(entra.policy()).unwrap();
    layer.wait_for_keys().await.unwrap();
    let handler = service_fn(async |request: Request<Incoming>| {
        drop(request);
        Ok::<_, std::convert::Infallible>(Response::new(Full::<Bytes>::default()))
    });
    let floods = floods(&entra);
    let good = floods.iter().find(|(name, _)| *name == GOOD).and_then(|(_, tokens)| tokens.first()).unwrap();
    let known = HeaderValue::try_from(format!("Bearer {good}")).unwrap();
    let claims = layer.validate(&HeaderMap::from_iter([(AUTHORIZATION, known.clone())])).await.unwrap();
    // One comparison with a constant header, and claims into the extensions.
    let floor = service_fn(move |mut request: Request<Incoming>| {
        assert_eq!(request.headers()[AUTHORIZATION].as_bytes(), known.as_bytes());
        request.extensions_mut().insert(claims.clone());
        handler.clone().call(request)
    });
    let open = listen(handler).await;
    let floor = listen(floor).await;
    let protected = listen(layer.layer(handler)).await;
    println!("{open}\n{floor}\n{protected}");
    for (name, tokens) in floods {
        println!("{name}\t{}", tokens.join(" "));
    }
    println!("end");
    std::future::pending::<()>().await;
}

async fn listen<S>(service: S) -> SocketAddr
where
    S: Service<Request<Incoming>, Response = Response<Full<Bytes>>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: std::error::Error + Send + Sync,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            let service = TowerToHyperService::new(service.clone());
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    address
}

/// Tokens that are sent, by the name of the load.
fn floods(entra: &MockEntra) -> Vec<(&'static str, Vec<String>)> {
    let known = entra.signing_key();
    let good = entra.token();
    let (sample, another) = (good.mint(), good.clone().claim("uti", "another").mint());
    // Letters that are no base64url of JSON, in the shape of a token.
    let garbage = |n: usize| format!("{n:08}{}", sample.chars().rev().collect::<String>());
    let unsigned = |n: usize| good.clone().claim("uti", format!("{n:022}")).signature([n.to_be_bytes(); 32].concat());
    vec![
        (GOOD, vec![sample.clone()]),
        (GARBAGE, (0..DISTINCT).map(garbage).collect()),
        (UNKNOWN, (0..DISTINCT).map(|n| unsigned(n).key_id(format!("unknown-{n}").as_str()).mint()).collect()),
        (BAD_SIGNATURE, (0..DISTINCT).map(|n| unsigned(n).key_id(known.key_id().clone()).mint()).collect()),
        // Not one of a stranger's key, which can exceed the modulus and costs no verification then.
        (REPEATED, vec![[sample.rsplit_once('.').unwrap().0, another.rsplit_once('.').unwrap().1].join(".")]),
    ]
}

/// The other side: starts the server and lets `wrk` loose on it.
struct Load {
    server: Child,
    open: String,
    floor: String,
    protected: String,
    scripts: PathBuf,
    rounds: usize,
    seconds: usize,
}

/// What a run of `wrk` says.
struct Run {
    rate: f64,
    median: f64,
    last_percent: f64,
    /// Microseconds of the server's processor per request.
    cpu: f64,
}

impl Load {
    fn start(rounds: usize, seconds: usize) -> Self {
        let mut server =
            pinned(0, &env::current_exe().unwrap()).arg("serve").stdout(Stdio::piped()).spawn().expect("a server");
        let mut lines = BufReader::new(server.stdout.take().unwrap()).lines().map(Result::unwrap);
        let url = |line: Option<String>| format!("http://{}/upstream/chat/messages/echo", line.unwrap());
        let (open, floor, protected) = (url(lines.next()), url(lines.next()), url(lines.next()));
        let scripts = env::temp_dir().join(format!("end-to-end-{}", std::process::id()));
        fs::create_dir_all(&scripts).unwrap();
        for line in lines.take_while(|line| line != "end") {
            let (name, tokens) = line.split_once('\t').unwrap();
            write_script(&scripts, name, tokens);
        }
        Self { server, open, floor, protected, scripts, rounds, seconds }
    }

    fn run(&self) {
        println!(
            "\nhyper, HTTP/1.1, one thread; wrk, one thread, {CONNECTIONS} connections; {} rounds of {} s.\n",
            self.rounds, self.seconds
        );
        self.print_alone();
        self.print_beside();
    }

    /// Each load by itself.
    fn print_alone(&self) {
        let loads = [
            ("unprotected", &self.open, GOOD),
            ("floor", &self.floor, GOOD),
            ("protected, good token", &self.protected, GOOD),
            ("protected, distinct garbage", &self.protected, GARBAGE),
            ("protected, unknown keys", &self.protected, UNKNOWN),
            ("protected, bad signatures", &self.protected, BAD_SIGNATURE),
        ];
        let mut runs: Vec<Vec<Run>> = loads.iter().map(|_| Vec::new()).collect();
        let mut memory = vec![0; loads.len()];
        for round in 0..self.rounds {
            // Each round begins with another load, so that none always follows the same one.
            for at in (0..loads.len()).map(|at| (at + round) % loads.len()) {
                let (_, url, script) = &loads[at];
                let cpu = self.cpu();
                let text = finish(self.wrk(url, script, CONNECTIONS));
                let mut run = parse(&text);
                run.cpu = (self.cpu() - cpu) / number_after(&text, " requests in");
                runs[at].push(run);
                memory[at] = memory[at].max(self.memory());
            }
        }
        println!(
            "| | requests/s | of unprotected | p50 | p99 | of unprotected | server CPU per request | of unprotected | its memory |"
        );
        println!("|---|--:|--:|--:|--:|--:|--:|--:|--:|");
        for (at, (name, ..)) in loads.iter().enumerate() {
            let ratio =
                |of: fn(&Run) -> f64| median(runs[at].iter().zip(&runs[0]).map(|(run, open)| of(run) / of(open)));
            println!(
                "| {name} | {:.0} | {:.3} | {:.0} µs | {:.0} µs | {:.2} | {:.2} µs | {:.3} | {} MiB |",
                median(runs[at].iter().map(|run| run.rate)),
                ratio(|run| run.rate),
                median(runs[at].iter().map(|run| run.median)),
                median(runs[at].iter().map(|run| run.last_percent)),
                ratio(|run| run.last_percent),
                median(runs[at].iter().map(|run| run.cpu)),
                ratio(|run| run.cpu),
                memory[at] / 1024,
            );
        }
    }

    /// Good requests while others flood the same server.
    fn print_beside(&self) {
        let others = [None, Some(GOOD), Some(GARBAGE), Some(UNKNOWN), Some(BAD_SIGNATURE), Some(REPEATED)];
        let mut runs: Vec<Vec<Run>> = others.iter().map(|_| Vec::new()).collect();
        for _ in 0..self.rounds {
            for (at, other) in others.iter().enumerate() {
                let flood = other.map(|other| self.wrk(&self.protected, other, CONNECTIONS / 2));
                runs[at].push(parse(&finish(self.wrk(&self.protected, GOOD, CONNECTIONS / 2))));
                flood.map(finish);
            }
        }
        println!("\nGood requests ({0} connections) while as many other connections send\n", CONNECTIONS / 2);
        println!("| beside them | good requests/s | their p50 | their p99 | of p99 beside good ones |");
        println!("|---|--:|--:|--:|--:|");
        for (at, other) in others.iter().enumerate() {
            let ratio = median(runs[at].iter().zip(&runs[1]).map(|(run, good)| run.last_percent / good.last_percent));
            println!(
                "| {} | {:.0} | {:.0} µs | {:.0} µs | {ratio:.2} |",
                other.unwrap_or("nothing"),
                median(runs[at].iter().map(|run| run.rate)),
                median(runs[at].iter().map(|run| run.median)),
                median(runs[at].iter().map(|run| run.last_percent)),
            );
        }
    }

    fn wrk(&self, url: &str, script: &str, connections: usize) -> Child {
        pinned(1, Path::new("wrk"))
            .args(["--threads", "1", "--latency", "--connections", &connections.to_string()])
            .args(["--duration", &format!("{}s", self.seconds), "--script"])
            .arg(script_path(&self.scripts, script))
            .arg(url)
            .stdout(Stdio::piped())
            .spawn()
            .expect("wrk")
    }

    /// Microseconds that the server has had so far.
    fn cpu(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.server.id())).unwrap_or_default();
        let fields: Vec<_> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |at: usize| fields.get(at).and_then(|ticks| ticks.parse::<f64>().ok()).unwrap_or(f64::NAN);
        // User and system time, in ticks of 10 ms (proc_pid_stat(5)).
        (ticks(11) + ticks(12)) * 10_000.0
    }

    /// KiB of memory that the server holds.
    fn memory(&self) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.server.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
        line.trim().trim_end_matches(" kB").parse().unwrap_or(0)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
        let _ = fs::remove_dir_all(&self.scripts);
    }
}

/// A program on one processor, where that can be had.
fn pinned(processor: usize, program: &Path) -> Command {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let has_taskset = Command::new("taskset").arg("--version").stdout(Stdio::null()).status().is_ok();
    if processors < 2 || !has_taskset {
        return Command::new(program);
    }
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", &processor.to_string()]).arg(program);
    command
}

fn script_path(directory: &Path, name: &str) -> PathBuf {
    directory.join(format!("{}.lua", name.replace(' ', "-")))
}

/// A script that sends the tokens in turn, its requests put together before the first is sent.
fn write_script(directory: &Path, name: &str, tokens: &str) {
    let mut script = fs::File::create(script_path(directory, name)).unwrap();
    let list: Vec<_> = tokens.split(' ').map(|token| format!("\"{token}\"")).collect();
    write!(
        script,
        r#"
local tokens = {{ {} }}
local requests, turn = {{}}, 0
function init(args)
  for index, token in ipairs(tokens) do
    requests[index] = wrk.format("POST", nil, {{
      ["Authorization"] = "Bearer " .. token, ["Content-Type"] = "application/json",
      ["X-ASRS-Hub"] = "chat", ["X-ASRS-Category"] = "messages", ["X-ASRS-Event"] = "echo",
      ["X-ASRS-Connection-Id"] = "Zm9vYmFyLWNvbm5lY3Rpb24", ["X-ASRS-User-Id"] = "user-1",
    }}, "{{}}")
  end
end
function request()
  turn = turn % #requests + 1
  return requests[turn]
end
"#,
        list.join(",\n")
    )
    .unwrap();
}

fn finish(run: Child) -> String {
    let output = run.wait_with_output().unwrap();
    assert!(output.status.success(), "wrk failed");
    String::from_utf8(output.stdout).unwrap()
}

fn parse(text: &str) -> Run {
    let latency = |percentile: &str| {
        let value = text.lines().find_map(|line| line.trim().strip_prefix(percentile)).unwrap().trim();
        let (number, unit) = value.split_at(value.find(|c: char| c.is_ascii_alphabetic()).unwrap());
        number.parse::<f64>().unwrap()
            * match unit {
                "us" => 1.0,
                "ms" => 1_000.0,
                _ => 1_000_000.0,
            }
    };
    let rate = text.lines().find_map(|line| line.trim().strip_prefix("Requests/sec:")).unwrap();
    Run { rate: rate.trim().parse().unwrap(), median: latency("50%"), last_percent: latency("99%"), cpu: f64::NAN }
}

/// The number that stands before some words.
fn number_after(text: &str, words: &str) -> f64 {
    let (before, _) = text.split_once(words).unwrap();
    before.rsplit(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap()
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

const GOOD: &str = "good tokens";
const GARBAGE: &str = "distinct garbage";
const UNKNOWN: &str = "unknown keys";
const BAD_SIGNATURE: &str = "bad signatures";
const REPEATED: &str = "one bad signature";

const DISTINCT: usize = 2_000;
const CONNECTIONS: usize = 32;
