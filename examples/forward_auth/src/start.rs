//! Where the server listens, for the proxy and for probes. It does not start without settings.

use std::env;
use std::fmt;
use std::io::{self, IsTerminal};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use signalr_upstream_auth::UpstreamAuthLayer;
use tokio::net::TcpListener;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// What the server runs with.
pub(crate) struct Started {
    pub(crate) auth: UpstreamAuthLayer,
    /// Where the proxy asks.
    pub(crate) checks: TcpListener,
    /// Where the orchestrator asks.
    pub(crate) probes: TcpListener,
}

/// Opens the ports and starts to load the keys; neither waits for the other.
pub(crate) async fn start() -> Result<Started, Failure> {
    log();
    // All faults at once: nobody should have to start the server several times to find them.
    let addresses = [address_of(LISTEN), address_of(ADMIN)];
    let (address, admin, auth) = match (addresses, UpstreamAuthLayer::from_env()) {
        ([Ok(address), Ok(admin)], Ok(auth)) => (address, admin, auth),
        ([address, admin], auth) => {
            let faults = [address.err(), admin.err()].map(|fault| fault.map(|fault| fault.0));
            let faults = faults.into_iter().chain([auth.err().map(|error| error.to_string())]);
            return Err(Failure(faults.flatten().collect::<Vec<_>>().join("\n")));
        }
    };
    let (checks, probes) = (listen(LISTEN, address).await?, listen(ADMIN, admin).await?);
    tracing::info!(address = %checks.local_addr()?, "listening");
    tracing::info!(admin = %probes.local_addr()?, "serving probes");
    load_keys(&auth);
    Ok(Started { auth, checks, probes })
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

fn address_of((name, default): Variable) -> Result<SocketAddr, Failure> {
    let Some(address) = env::var_os(name) else { return Ok(default) };
    let address = address.to_string_lossy();
    address.parse().map_err(|_| {
        Failure(format!("{name}: `{}` is no address; write IP and port, like {default}", address.escape_debug()))
    })
}

async fn listen((name, _): Variable, address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address)
        .await
        .map_err(|error| Failure(format!("{name}: {address} cannot be listened on: {error}; write another address")))
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

/// The name of a variable, and its default.
type Variable = (&'static str, SocketAddr);

const LISTEN: Variable = ("LISTEN_ADDR", SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 3000));
const ADMIN: Variable = ("ADMIN_ADDR", SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 3001));
