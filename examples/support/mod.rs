//! What the example servers have in common: where they listen, what they say when a setting is wrong, and what they do
//! without any settings.

mod embedded;

use std::env;
use std::error::Error;
use std::fmt;
use std::io::{self, IsTerminal};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use http::HeaderMap;
use signalr_upstream_auth::{ConfigError, InvalidGuid, Settings, UpstreamAuthLayer};
use tokio::net::TcpListener;
use tracing_subscriber::EnvFilter;

/// Opens the port and starts loading the keys; neither waits for the other.
///
/// The layer is the `configured` one. If no setting at all is in the environment and the address is a loopback one, it
/// is the layer of an Entra inside this program, for which somebody must not take a real one.
pub(crate) async fn start(
    configured: fn() -> Result<UpstreamAuthLayer, ConfigError>,
) -> Result<(UpstreamAuthLayer, TcpListener), Failure> {
    log();
    match (listen_addr(), Settings::is_configured_in(env::vars_os())) {
        (Ok(address), false) if address.ip().is_loopback() => {
            // For its warnings: somebody may have misspelt the one variable that is set.
            Settings::from_env()?;
            embedded::start(listen(address).await?).await
        }
        (Err(fault), false) => Err(fault),
        (address, is_configured) => open(address, configured)
            .await
            .map_err(|failure| if is_configured { failure } else { failure.and(NO_SETTINGS) }),
    }
}

/// The same without an Entra of its own: where settings that got lost must not let anybody in.
#[allow(dead_code, reason = "one of the servers is of this kind")]
pub(crate) async fn start_configured(
    configured: fn() -> Result<UpstreamAuthLayer, ConfigError>,
) -> Result<(UpstreamAuthLayer, TcpListener), Failure> {
    log();
    open(listen_addr(), configured).await
}

async fn open(
    address: Result<SocketAddr, Failure>,
    configured: fn() -> Result<UpstreamAuthLayer, ConfigError>,
) -> Result<(UpstreamAuthLayer, TcpListener), Failure> {
    let (address, auth) = both(address, configured().map_err(Failure::from))?;
    let listener = listen(address).await?;
    tracing::info!(address = %listener.local_addr()?, "listening");
    load_keys(&auth);
    Ok((auth, listener))
}

/// Writes events to standard error, at INFO and above if `RUST_LOG` says nothing else.
fn log() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let is_terminal = io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(is_terminal).with_writer(io::stderr).init();
}

/// Whether a call was made by hand rather than by the service, which names the connection in every call. With
/// `curl` and a token alone one can then see whether the token is let through: such a call is answered with 200 and
/// nothing.
pub(crate) fn is_by_hand(headers: &HeaderMap) -> bool {
    !headers.contains_key("x-asrs-connection-id")
}

/// Why the program ends. It prints as sentences, one per line, also from `main`.
pub(crate) struct Failure(String);

impl Failure {
    fn and(self, other: impl fmt::Display) -> Self {
        Self(format!("{self}\n{other}"))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "this server cannot start\n{self}")
    }
}

impl Error for Failure {}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self(error.to_string())
    }
}

impl From<InvalidGuid> for Failure {
    fn from(error: InvalidGuid) -> Self {
        Self(error.to_string())
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self(error.to_string())
    }
}

/// Both values, or all that is wrong with either.
fn both<A, B>(one: Result<A, Failure>, other: Result<B, Failure>) -> Result<(A, B), Failure> {
    match (one, other) {
        (Ok(one), Ok(other)) => Ok((one, other)),
        (Err(one), Err(other)) => Err(one.and(other)),
        (Err(failure), Ok(_)) | (Ok(_), Err(failure)) => Err(failure),
    }
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

/// Has the keys fetched before the first request asks for them. What fails is tried again by itself.
fn load_keys(auth: &UpstreamAuthLayer) {
    let auth = auth.clone();
    tokio::spawn(async move {
        match auth.wait_for_keys().await {
            Ok(()) => tracing::info!("the keys are loaded"),
            Err(error) => tracing::warn!(%error, "no keys yet, further attempts follow"),
        }
    });
}

const DEFAULT_ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 3000);

const NO_SETTINGS: &str =
    "Without any setting this example runs on an Entra of its own, but on a loopback address only.";
