//! A process that is stopped in the middle of a fetch, and goes on later.

use std::io::BufRead;
use std::process::Stdio;
use std::time::Duration;

use mock_entra::{Endpoint, Fault, MockEntra};
use signalr_upstream_auth::keys::{KeySource, RemoteKeys};
use signalr_upstream_auth::{Audiences, Callers, Cloud, Policy, Tenants};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use super::table::Row;

/// The address of the mock in the parent process.
const CHILD: &str = "TEST_FETCHES_FROM";
const NAME: &str = "freeze::scenario_57_a_stopped_process";
const ID: &str = "11111111-aaaa-4bbb-8ccc-222222222222";
const DEADLINE: Duration = Duration::from_secs(1);

/// Loads keys, then begins a fetch for each line of input and waits for none.
async fn child(url: String) {
    let issuer = format!("{url}/{{tenantid}}/v2.0");
    let cloud = Cloud::custom(&url, &issuer, &issuer).unwrap();
    let callers = Callers::parse_object_ids([ID]).unwrap();
    let policy = Policy::builder(Tenants::parse([ID]).unwrap(), Audiences::parse([ID]).unwrap(), callers);
    let keys = RemoteKeys::builder(&policy.cloud(cloud).build().unwrap()).fetch_timeout(DEADLINE).build().unwrap();
    keys.wait_for_keys().await.unwrap();
    println!("loaded");
    let (line, mut lines) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || {
        std::io::stdin().lock().lines().map_while(Result::ok).try_for_each(|text| line.send(text))
    });
    while lines.recv().await.is_some() {
        assert!(keys.status()[0].keys() > 0);
        let keys = keys.clone();
        let waiter = tokio::spawn(async move { keys.refresh_now().await });
        tokio::task::yield_now().await;
        waiter.abort();
    }
}

async fn signal(child: &Child, signal: &str) {
    let id = child.id().unwrap().to_string();
    assert!(Command::new("kill").args([signal, &id]).status().await.unwrap().success());
}

#[tokio::test]
#[ignore = "slow: .ci/slow_tests runs it"]
async fn scenario_57_a_stopped_process() {
    if let Ok(url) = std::env::var(CHILD) {
        return child(url).await;
    }
    let entra = MockEntra::builder().tenant(ID.parse().unwrap()).start().await;
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", NAME, "--ignored", "--nocapture"]).env(CHILD, entra.url());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
    let loaded = async { while !output.next_line().await.unwrap().unwrap().ends_with("loaded") {} };
    timeout(Duration::from_secs(20), loaded).await.expect("the child loads keys");

    let mut slowest = Duration::ZERO;
    for _ in 0..2 {
        entra.fail(Endpoint::Any, Fault::hang());
        let before = entra.requests().log().len();
        input.write_all(b"\n").await.unwrap();
        entra.requests_until(|requests| requests.log().len() > before).await;
        signal(&child, "-STOP").await;
        sleep(DEADLINE + Duration::from_millis(1_500)).await;
        entra.fail(Endpoint::Any, Fault::none());
        let (thaw, before) = (Instant::now(), entra.requests().keys());
        signal(&child, "-CONT").await;
        let again = entra.requests_until(|requests| requests.keys() > before);
        timeout(Duration::from_secs(20), again).await.expect("the child asks again");
        slowest = slowest.max(thaw.elapsed());
    }
    drop(input);
    assert!(child.wait().await.unwrap().success());
    Row::new(57, "the process is stopped by SIGSTOP in the middle of a fetch, twice")
        .fetches(entra.requests().log().len(), 8..=10)
        .lost(0, 0)
        .figure("ms from SIGCONT to the request for the keys", slowest.as_millis(), ..=2_000)
        .print();
}
