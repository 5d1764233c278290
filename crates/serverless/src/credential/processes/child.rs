//! The child process and what it tells.

use std::ffi::OsString;
use std::io::Write;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::PREFIX;
use crate::endpoint::{Auth, EndpointConfig, Priority};
use crate::error::Cause;
use crate::retry_after;
use crate::{NegotiateOptions, ServiceClient, Settings};

/// What a child found.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(super) struct ChildReport {
    /// Field and problem.
    pub(super) faults: Vec<(String, String)>,
    pub(super) endpoints: Vec<ChildEndpoint>,
    pub(super) calls: Option<ChildCalls>,
    /// All events of the process.
    pub(super) events: String,
    /// `Debug` of all that has one.
    pub(super) debug: String,
}

#[derive(Debug, Deserialize, Serialize)]
pub(super) struct ChildEndpoint {
    pub(super) name: Option<String>,
    pub(super) is_primary: bool,
    pub(super) address: String,
    pub(super) client_address: Option<String>,
    pub(super) server_address: Option<String>,
    pub(super) uses_entra: bool,
    /// A token or an error for each time that the credential was asked.
    pub(super) tokens: Vec<Result<String, String>>,
    /// What the answer of the last error asked for.
    pub(super) retry_after: Option<String>,
    /// How long the credential took for all of them.
    pub(super) waited: Duration,
}

/// What a client of these settings did with its calls.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct ChildCalls {
    /// Where a client of the app connects.
    pub(super) url: String,
    pub(super) access_token: String,
}

impl ChildReport {
    pub(super) fn fields(&self) -> Vec<&str> {
        self.faults.iter().map(|(field, _)| field.as_str()).collect()
    }

    /// The first endpoint's tokens.
    pub(super) fn tokens(&self) -> &[Result<String, String>] {
        assert!(self.faults.is_empty(), "{:?}", self.faults);
        &self.endpoints[0].tokens
    }

    pub(super) fn token(&self) -> &str {
        self.tokens()[0].as_deref().unwrap()
    }

    pub(super) fn error(&self) -> &str {
        self.tokens()[0].as_ref().unwrap_err()
    }
}

/// The test that is the child.
const CHILD: &str = "credential::processes::child::child";

const MARKER: &str = "SIGNALR_SERVERLESS_CHILD_ASKS";
const CALLS: &str = "SIGNALR_SERVERLESS_CHILD_CALLS";

/// Runs a child with these variables and no others, and asks each credential once.
pub(super) async fn run<V: IntoIterator<Item = (String, String)>>(variables: V) -> ChildReport {
    run_and_ask(1, variables).await
}

/// The same with a client, which negotiates and then sends to all.
pub(super) async fn run_and_call<V: IntoIterator<Item = (String, String)>>(variables: V) -> ChildReport {
    run_and_ask(0, variables.into_iter().chain([(CALLS.to_owned(), "1".to_owned())])).await
}

pub(super) async fn run_and_ask<V: IntoIterator<Item = (String, String)>>(times: usize, variables: V) -> ChildReport {
    run_os(times, variables.into_iter().map(|(name, value)| (OsString::from(name), OsString::from(value)))).await
}

/// The same with values that need not be UTF-8.
pub(super) async fn run_os<V: IntoIterator<Item = (OsString, OsString)>>(times: usize, variables: V) -> ChildReport {
    let output = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", CHILD, "--nocapture", "--test-threads=1"])
        .env_clear()
        .envs(variables)
        .env(MARKER, times.to_string())
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    let report = stdout.lines().find_map(|line| line.split_once(REPORT)).map(|(_, report)| report);
    let report = report.unwrap_or_else(|| panic!("{stdout}\n{}", String::from_utf8_lossy(&output.stderr)));
    serde_json::from_str(report).unwrap()
}

/// Variables of the default prefix, by key.
pub(super) fn keys(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(key, value)| (format!("{PREFIX}__{key}"), (*value).to_owned())).collect()
}

pub(super) fn variables(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

const REPORT: &str = "REPORT OF THE CHILD ";

/// Does nothing unless [`run`] started this process.
#[test]
fn child() {
    let Some(times) = std::env::var(MARKER).ok().and_then(|times| times.parse().ok()) else { return };
    let events = Events::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer({
            let events = events.clone();
            move || events.clone()
        })
        .finish();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut report = tracing::subscriber::with_default(subscriber, || runtime.block_on(report(times)));
    report.events = String::from_utf8(events.0.lock().unwrap().clone()).unwrap();
    println!("{REPORT}{}", serde_json::to_string(&report).unwrap());
}

async fn report(times: usize) -> ChildReport {
    let settings = Settings::from_env(PREFIX);
    let mut report = ChildReport { debug: format!("{settings:?}"), ..ChildReport::default() };
    match settings.endpoints(None) {
        Ok(endpoints) => {
            report.debug += &format!("{endpoints:?}");
            for endpoint in endpoints {
                report.endpoints.push(ask(endpoint, times, &mut report.debug).await);
            }
        }
        Err(error) => {
            report.debug += &format!("{error:?} {error}");
            let faults = error.faults().map(|fault| (fault.field().to_owned(), fault.problem().to_owned()));
            report.faults = faults.collect();
        }
    }
    if std::env::var_os(CALLS).is_some() {
        report.calls = Some(call().await);
    }
    report
}

async fn call() -> ChildCalls {
    let chat = ServiceClient::from_env(PREFIX).unwrap().hub("chat").unwrap();
    let response = chat.negotiate(NegotiateOptions::default()).await.unwrap();
    chat.send_to_all("news", &("hello",)).await.unwrap();
    ChildCalls { url: response.url().to_owned(), access_token: response.access_token().to_owned() }
}

async fn ask(config: EndpointConfig, times: usize, debug: &mut String) -> ChildEndpoint {
    let mut endpoint = ChildEndpoint {
        name: config.name,
        is_primary: config.priority == Priority::Primary,
        address: config.endpoint.to_string(),
        client_address: config.client_endpoint.map(|url| url.to_string()),
        server_address: config.server_endpoint.map(|url| url.to_string()),
        uses_entra: matches!(config.auth, Auth::Entra(_)),
        tokens: Vec::new(),
        retry_after: None,
        waited: Duration::ZERO,
    };
    let Auth::Entra(credential) = config.auth else { return endpoint };
    *debug += &format!("{credential:?}");
    let start = Instant::now();
    for _ in 0..times {
        let token = credential.get_token(&["https://signalr.azure.com/.default"], None).await;
        *debug += &format!("{token:?}");
        endpoint.tokens.push(match token {
            Ok(token) => Ok(token.token.secret().to_owned()),
            Err(error) => {
                endpoint.retry_after = retry_after::of_answer(&error);
                Err(Cause::of(&error).to_string())
            }
        });
    }
    endpoint.waited = start.elapsed();
    endpoint
}

#[derive(Clone, Default)]
struct Events(Arc<Mutex<Vec<u8>>>);

impl Write for Events {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
