//! Settings, logs and the port. An app of your own needs `UpstreamAuthLayer::from_env` and `ServiceClient::from_env` only.

use std::env;
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use signalr_emulator::Emulator;
use signalr_serverless::{ClientTokens, ServiceClient, ServiceClientOptions};
use signalr_upstream_auth::UpstreamAuthLayer;
use tokio::net::TcpListener;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::{app, embedded};

/// The app before it serves.
pub struct Started {
    /// Where clients, probes and the service call.
    pub listener: TcpListener,
    /// All routes.
    pub app: Router,
    /// Keep it as long as you serve. `None` if the app serves a real resource.
    pub emulator: Option<Arc<Emulator>>,
}

/// Opens the port as the environment says, and starts to fetch keys and tokens; neither waits for the other.
///
/// The emulator of an app without settings must not be taken for a service, so that such an app listens on a loopback
/// address only.
pub async fn start() -> Result<Started, Failure> {
    log();
    let inbound = signalr_upstream_auth::Settings::is_configured_in(env::vars_os());
    let settings = signalr_serverless::Settings::from_env(PREFIX);
    let outbound = settings.is_configured();
    let has_settings = inbound || outbound;

    // All faults at once: nobody should have to start the server several times to find them.
    let mut faults = Faults::default();
    let address = faults.take(listen_addr(has_settings));
    let client_tokens = faults.take(client_tokens());
    let test_parameters = faults.take(test_parameters());
    let options = ServiceClientOptions::default().client_tokens(client_tokens.unwrap_or_default());
    let (auth, service) = if has_settings {
        if inbound != outbound {
            faults.0.push((if inbound { OUTBOUND_MISSING } else { INBOUND_MISSING }).to_owned());
        }
        (faults.take(UpstreamAuthLayer::from_env()), faults.take(ServiceClient::from_settings(&settings, options)))
    } else {
        // It warns of unknown variables.
        faults.take(signalr_upstream_auth::Settings::from_env());
        (None, None)
    };
    let (Some(address), Some(client_tokens), Some(test_parameters)) = (address, client_tokens, test_parameters) else {
        return Err(faults.into());
    };
    if !faults.0.is_empty() {
        return Err(faults.into());
    }

    let listener = TcpListener::bind(address).await.map_err(|error| {
        Failure(format!("LISTEN_ADDR: {address} cannot be listened on: {error}; write another address"))
    })?;
    let address = listener.local_addr()?;
    let (app, emulator) = if let (Some(auth), Some(service)) = (auth, service) {
        fetch(auth.clone(), service.clone());
        (app(auth, service, test_parameters), None)
    } else {
        let emulator = Arc::new(embedded::emulator(address).await?);
        let (auth, service) = (embedded::auth(&emulator)?, embedded::service(&emulator, client_tokens)?);
        fetch(auth.clone(), service.clone());
        // The server goes on even if standard output is closed.
        let _ = writeln!(io::stdout(), "A chat with an emulator of Azure SignalR Service: http://{address}/");
        (embedded::app(Arc::clone(&emulator), auth, service, test_parameters), Some(emulator))
    };
    tracing::info!(%address, "listening");
    Ok(Started { listener, app, emulator })
}

/// Fetches what the first request needs. Failed attempts are repeated by themselves.
fn fetch(auth: UpstreamAuthLayer, service: ServiceClient) {
    tokio::spawn(async move {
        match auth.wait_for_keys().await {
            Ok(()) => tracing::info!("the keys of Entra are loaded"),
            Err(error) => tracing::warn!(%error, "no keys of Entra yet, further attempts follow"),
        }
    });
    tokio::spawn(async move {
        match service.ready().await {
            Ok(()) => tracing::info!("the app can negotiate and send"),
            Err(error) => {
                let error = &error as &(dyn std::error::Error + 'static);
                tracing::warn!(error, "the app cannot negotiate yet, further attempts follow");
            }
        }
    });
}

fn listen_addr(has_settings: bool) -> Result<SocketAddr, Failure> {
    let address = match variable("LISTEN_ADDR") {
        None => DEFAULT_ADDRESS,
        Some(text) => text.parse().map_err(|_| {
            Failure(format!("LISTEN_ADDR: `{text}` is no address; write IP and port, like {DEFAULT_ADDRESS}"))
        })?,
    };
    if has_settings || address.ip().is_loopback() { Ok(address) } else { Err(Failure(NO_SETTINGS.to_owned())) }
}

fn client_tokens() -> Result<ClientTokens, Failure> {
    match variable("CHAT_CLIENT_TOKENS").as_deref() {
        None | Some("temporary-key") => Ok(ClientTokens::TemporaryKey),
        Some("service") => Ok(ClientTokens::Service),
        Some(text) => Err(Failure(format!("CHAT_CLIENT_TOKENS: `{text}` is unknown; write temporary-key or service"))),
    }
}

fn test_parameters() -> Result<bool, Failure> {
    match variable("CHAT_TEST_PARAMETERS").as_deref() {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(text) => Err(Failure(format!("CHAT_TEST_PARAMETERS: `{text}` is unknown; write true or false"))),
    }
}

/// Escaped, since it is printed when it is wrong. A blank value counts as missing.
fn variable(name: &str) -> Option<String> {
    let value = env::var_os(name)?.to_string_lossy().trim().escape_debug().to_string();
    Some(value).filter(|value| !value.is_empty())
}

/// Writes events to standard error, at INFO and above unless `RUST_LOG` says otherwise.
fn log() {
    let filter = env::var("RUST_LOG").ok().and_then(|filter| filter.parse::<Targets>().ok());
    let filter = filter.unwrap_or_else(|| Targets::new().with_default(LevelFilter::INFO));
    let lines = tracing_subscriber::fmt::layer().with_ansi(io::stderr().is_terminal()).with_writer(io::stderr);
    tracing_subscriber::registry().with(lines).with(filter).init();
}

/// Why the server cannot start, one fault per line.
pub struct Failure(String);

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

#[derive(Default)]
struct Faults(Vec<String>);

impl Faults {
    fn take<T>(&mut self, result: Result<T, impl Into<Failure>>) -> Option<T> {
        result.map_err(|fault| self.0.push(fault.into().0)).ok()
    }
}

impl From<Faults> for Failure {
    fn from(faults: Faults) -> Self {
        Self(faults.0.join("\n"))
    }
}

/// Azure Functions uses the same.
const PREFIX: &str = signalr_serverless::Settings::DEFAULT_PREFIX;

const DEFAULT_ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 3000);

const OUTBOUND_MISSING: &str = "The variables SIGNALR_UPSTREAM_… alone are not enough: the app also has to call the \
    service. Set AzureSignalRConnectionString__serviceUri, or a connection string in AzureSignalRConnectionString.";

const INBOUND_MISSING: &str = "The variables AzureSignalRConnectionString… alone are not enough: the app also has to \
    check who calls it. Set SIGNALR_UPSTREAM_TENANT_IDS, SIGNALR_UPSTREAM_AUDIENCES and \
    SIGNALR_UPSTREAM_CALLER_OBJECT_IDS.";

const NO_SETTINGS: &str = "LISTEN_ADDR: without settings the app runs with an emulator, on a loopback address only; write one, or set both \
     SIGNALR_UPSTREAM_… and AzureSignalRConnectionString…";
