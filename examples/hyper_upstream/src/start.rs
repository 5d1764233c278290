//! Where the server listens, and whose tokens it accepts.

use std::env;
use std::error::Error as _;
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use mock_entra::MockEntra;
use signalr_upstream_auth::keys::KeyErrorKind;
use signalr_upstream_auth::{Settings, UpstreamAuthLayer};
use tokio::net::TcpListener;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Opens the port and starts to load the keys; neither waits for the other.
///
/// The settings decide whose tokens the layer accepts. Without any, it accepts those of a mock inside this program. Such
/// a server must not be taken for a real one, so it listens on a loopback address only.
pub(crate) async fn start() -> Result<(UpstreamAuthLayer, TcpListener), Failure> {
    log();
    let is_configured = Settings::is_configured_in(env::vars_os());
    let address = match (listen_addr(), is_configured) {
        (Ok(address), false) if address.ip().is_loopback() => {
            // It warns of unknown variables.
            Settings::from_env()?;
            return start_embedded(listen(address).await?).await;
        }
        (Err(fault), false) => return Err(fault),
        (address, _) => address,
    };
    // All faults at once: nobody should have to start the server several times to find them.
    let (address, auth) = match (address, UpstreamAuthLayer::from_env()) {
        (Ok(address), Ok(auth)) => (address, auth),
        (address, auth) => {
            let faults = [
                address.err().map(|fault| fault.0),
                auth.err().map(|error| error.to_string()),
                (!is_configured).then(|| NO_SETTINGS.to_owned()),
            ];
            return Err(Failure(faults.into_iter().flatten().collect::<Vec<_>>().join("\n")));
        }
    };
    let listener = listen(address).await?;
    tracing::info!(address = %listener.local_addr()?, "listening");
    load_keys(&auth);
    Ok((auth, listener))
}

/// Trusts a mock that lives as long as this program, and prints which calls get through.
async fn start_embedded(listener: TcpListener) -> Result<(UpstreamAuthLayer, TcpListener), Failure> {
    let entra = MockEntra::start().await;
    let auth = UpstreamAuthLayer::new(entra.policy())?;
    load_keys(&auth);
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        let text = entra.demonstrate(address).await;
        // The server goes on even if standard output is closed.
        let _ = io::stdout().write_all(text.as_bytes());
        std::future::pending::<()>().await;
        drop(entra);
    });
    Ok((auth, listener))
}

/// Writes events to standard error, at INFO and above unless `RUST_LOG` says otherwise.
fn log() {
    let filter = env::var("RUST_LOG").ok().and_then(|filter| filter.parse::<Targets>().ok());
    let filter = filter.unwrap_or_else(|| Targets::new().with_default(LevelFilter::INFO));
    let lines = tracing_subscriber::fmt::layer().with_ansi(io::stderr().is_terminal()).with_writer(io::stderr);
    tracing_subscriber::registry().with(lines).with(filter).init();
}

/// Fetches the keys before the first request needs them. A failed attempt is repeated by itself.
fn load_keys(auth: &UpstreamAuthLayer) {
    let auth = auth.clone();
    tokio::spawn(async move {
        match auth.wait_for_keys().await {
            Ok(()) => tracing::info!("the keys are loaded"),
            Err(error) => tracing::warn!(%error, "no keys yet, further attempts follow"),
        }
    });
}

/// For the load balancer and for whoever looks why it sends nothing: without keys the layer answers 503 to every call.
/// `None` once there are keys.
///
/// Anybody may ask. So the cause of an outage, which may name your proxy, is in the log only.
pub(crate) fn why_not_ready(auth: &UpstreamAuthLayer) -> Option<String> {
    if auth.is_ready() {
        return None;
    }
    let Some(error) = auth.last_key_error() else { return Some("the keys are not loaded yet".to_owned()) };
    Some(match (error.kind(), error.source()) {
        // It has Entra's code.
        (KeyErrorKind::UnknownTenant, Some(cause)) => format!("{error}: {cause}"),
        _ => error.to_string(),
    })
}

fn listen_addr() -> Result<SocketAddr, Failure> {
    let Some(address) = env::var_os("LISTEN_ADDR") else { return Ok(DEFAULT_ADDRESS) };
    let address = address.to_string_lossy();
    address.parse().map_err(|_| {
        Failure(format!(
            "LISTEN_ADDR: `{}` is no address; write IP and port, like {DEFAULT_ADDRESS}",
            address.escape_debug()
        ))
    })
}

async fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| {
        Failure(format!("LISTEN_ADDR: {address} cannot be listened on: {error}; write another address"))
    })
}

/// Why the server cannot start, one fault per line.
pub(crate) struct Failure(String);

/// What `main` prints.
impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "this server cannot start\n{}", self.0)
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

const DEFAULT_ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 3000);

const NO_SETTINGS: &str =
    "Without any setting this example runs on an Entra of its own, but on a loopback address only.";
