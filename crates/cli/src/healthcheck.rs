//! `healthcheck`: asks a running instance whether it is ready.

use std::error::Error;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use axum::body::Body;
use http::{Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::time::{Instant, sleep, timeout};

use crate::arguments::HealthcheckArguments;
use crate::failure::Failure;

/// Exit code 0 says that the instance is ready.
///
/// # Errors
///
/// It is not within the wait, or nobody answers (exit code 1).
pub(crate) fn run(arguments: &HealthcheckArguments) -> Result<ExitCode, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::failed(UNKNOWN, error))?;
    runtime.block_on(async {
        let end = Instant::now() + Duration::from_secs(arguments.wait);
        loop {
            let outcome = check(arguments).await;
            let left = end.saturating_duration_since(Instant::now());
            if outcome.is_ok() || left.is_zero() {
                return outcome;
            }
            sleep(PAUSE.min(left)).await;
        }
    })
}

async fn check(arguments: &HealthcheckArguments) -> Result<ExitCode, Failure> {
    match timeout(Duration::from_secs(arguments.timeout), ask(arguments.admin)).await {
        Ok(Ok(status)) if status.is_success() => Ok(ExitCode::SUCCESS),
        Ok(Ok(status)) => Err(Failure::failed("not ready", format!("/readyz answers {status}"))),
        Ok(Err(error)) => Err(Failure::failed(UNKNOWN, format!("{}: {error}", arguments.admin))),
        Err(_) => {
            let seconds = arguments.timeout;
            Err(Failure::failed(UNKNOWN, format!("{}: no answer within {seconds} seconds", arguments.admin)))
        }
    }
}

async fn ask(admin: SocketAddr) -> Result<StatusCode, Box<dyn Error>> {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let request = Request::get(format!("http://{}/readyz", reachable(admin))).body(Body::empty())?;
    Ok(client.request(request).await?.status())
}

/// Where an instance that listens on every address can be reached from beside it.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

/// Between two questions.
const PAUSE: Duration = Duration::from_millis(250);
const UNKNOWN: &str = "no answer of the instance";
