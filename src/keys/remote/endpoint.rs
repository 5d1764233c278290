//! Reads a tenant's documents from its cloud over HTTPS. The only file that touches the network.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use reqwest::{Client, ClientBuilder, Response, Url, redirect, retry, tls};
use tokio::time::{Instant, timeout};

use super::discovery::Discovery;
use super::schedule::{Failure, Fetched, OVERDUE, RETRY_AFTER_MAX};
use crate::clock::{Clock, UnixTime};
use crate::cloud::Cloud;
use crate::error::{Chain, ConfigError, KeyError};
use crate::ids::TenantId;

/// What a user sets on the client before we set what must hold.
pub(crate) type ConfigureClient = Box<dyn FnOnce(ClientBuilder) -> ClientBuilder + Send>;

/// A client for documents: HTTPS by rustls, HTTP/1.1, no redirects, no content coding, bounded in time.
///
/// Proxies come from the environment, certificates from the system's store.
pub(crate) fn client(
    cloud: &Cloud,
    fetch_timeout: Duration,
    configure: ConfigureClient,
) -> Result<Client, ConfigError> {
    let mut builder = Client::builder().user_agent(USER_AGENT);
    if cloud.is_plain_http() {
        // It is on this machine, where no proxy leads and no certificate is asked for, nor needed to build.
        builder = builder.no_proxy().tls_certs_only([]);
    }
    configure(builder)
        .tls_backend_rustls()
        .tls_version_min(tls::Version::TLS_1_2)
        .tls_danger_accept_invalid_certs(false)
        .tls_danger_accept_invalid_hostnames(false)
        .https_only(!cloud.is_plain_http())
        .http1_only()
        .redirect(redirect::Policy::none())
        .referer(false)
        .retry(retry::never())
        // Another crate of the build may have switched these on for every client.
        .no_gzip()
        .no_brotli()
        .no_zstd()
        .no_deflate()
        .connect_timeout(CONNECT_TIMEOUT.min(fetch_timeout))
        .timeout(fetch_timeout)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .pool_max_idle_per_host(1)
        .build()
        .map_err(|error| {
            ConfigError::new(
                "https_client",
                format!(
                    "the client for the key documents cannot be built ({}); if it lacks certificates, install the \
                     system's ca-certificates, or name a PEM file of them in SSL_CERT_FILE",
                    Chain(&error)
                ),
            )
            .caused_by(error)
        })
}

/// The address of a tenant's discovery document. The client is stricter about the names of hosts than [`Cloud`] is.
pub(crate) fn discovery_url(cloud: &Cloud, tenant: &TenantId) -> Result<Url, ConfigError> {
    Url::parse(&cloud.discovery_url(tenant)).map_err(|error| {
        let problem = format!("`{}` is no host that can be asked ({error}); correct the name", cloud.login_host());
        ConfigError::new("cloud.login", problem).caused_by(error)
    })
}

/// One tenant's documents.
pub(crate) struct Endpoint {
    client: Client,
    cloud: Cloud,
    tenant: TenantId,
    discovery_url: Url,
    clock: Arc<dyn Clock>,
    fetch_timeout: Duration,
    known: Mutex<Option<KnownDiscovery>>,
}

/// The last discovery document, for the times when only the key document can be read.
#[derive(Clone)]
struct KnownDiscovery {
    discovery: Discovery,
    /// Why the latest attempt to read it again failed.
    error: Option<KeyError>,
    /// Until when the provider asked for no more requests.
    not_before: Option<Instant>,
}

impl Endpoint {
    pub(crate) fn new(
        client: Client,
        cloud: Cloud,
        tenant: TenantId,
        clock: Arc<dyn Clock>,
        fetch_timeout: Duration,
    ) -> Result<Self, ConfigError> {
        let discovery_url = discovery_url(&cloud, &tenant)?;
        Ok(Self { client, cloud, tenant, discovery_url, clock, fetch_timeout, known: Mutex::new(None) })
    }

    /// One attempt: where the keys are, then the keys.
    pub(crate) async fn fetch(&self) -> Result<Fetched, Failure> {
        let KnownDiscovery { discovery, error: discovery_error, .. } = self.discover().await?;
        let document = self.read(&discovery.jwks_uri, MAX_KEY_DOCUMENT).await?;
        Fetched::read(&document, discovery.cloud_instance_name.as_deref(), discovery_error)
    }

    /// Reads the discovery document each time, so that a key document that has moved is found. A document that fails a
    /// check ends the attempt. One that cannot be read leaves the last one in force.
    async fn discover(&self) -> Result<KnownDiscovery, Failure> {
        let known = self.known().clone();
        let is_asked_to_wait =
            |known: &KnownDiscovery| known.not_before.is_some_and(|not_before| Instant::now() < not_before);
        if let Some(known) = known.as_ref().filter(|known| is_asked_to_wait(known)) {
            return Ok(known.clone());
        }
        let read = self.read(&self.discovery_url, MAX_DISCOVERY_DOCUMENT);
        let read = match &known {
            // Leaves time for the keys themselves.
            Some(_) => {
                timeout(self.fetch_timeout / 2, read).await.unwrap_or_else(|_| Err(failure("discovery took too long")))
            }
            None => read.await,
        };
        let latest = match (read, known) {
            (Ok(document), _) => {
                let discovery = Discovery::from_json(&document, &self.cloud, &self.tenant)?;
                KnownDiscovery { discovery, error: None, not_before: None }
            }
            (Err(failure), Some(known)) => {
                let not_before = failure.retry_after.map(|wait| Instant::now() + wait.min(RETRY_AFTER_MAX));
                KnownDiscovery { error: Some(failure.error), not_before, ..known }
            }
            (Err(failure), None) => return Err(failure),
        };
        *self.known() = Some(latest.clone());
        Ok(latest)
    }

    fn known(&self) -> MutexGuard<'_, Option<KnownDiscovery>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads a document of at most so many bytes.
    async fn read(&self, url: &Url, max: usize) -> Result<Vec<u8>, Failure> {
        let request =
            self.client.get(url.clone()).header(ACCEPT, "application/json").header(ACCEPT_ENCODING, "identity");
        let mut response = request.send().await.map_err(broken)?;
        self.check_response(&response, max)?;
        let mut document = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(broken)? {
            if document.len() + chunk.len() > max {
                return Err(failure(TOO_LARGE));
            }
            document.extend_from_slice(&chunk);
        }
        Ok(document)
    }

    /// Only a plain 200 of an acceptable length is read.
    fn check_response(&self, response: &Response, max: usize) -> Result<(), Failure> {
        let status = response.status();
        if status != StatusCode::OK {
            let error = KeyError::unavailable(format!("the provider answered with status {}", status.as_u16()));
            return Err(Failure { retry_after: self.retry_after(response.headers()), ..error.into() });
        }
        if response
            .headers()
            .get_all(CONTENT_ENCODING)
            .iter()
            .any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"))
        {
            return Err(failure("the provider sent a content coding that was not asked for"));
        }
        match response.content_length() {
            Some(length) if usize::try_from(length).is_ok_and(|length| length <= max) => Ok(()),
            Some(_) => Err(failure(TOO_LARGE)),
            None => Ok(()),
        }
    }

    /// `Retry-After` in either form, seconds or a date (RFC 9110 section 10.2.3).
    fn retry_after(&self, headers: &HeaderMap) -> Option<Duration> {
        let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Some(text.parse().map_or(Duration::MAX, Duration::from_secs));
        }
        let date = httpdate::parse_http_date(text).ok()?.duration_since(UNIX_EPOCH).ok()?;
        Some(UnixTime::from_secs(date.as_secs()).saturating_since(self.clock.now()?))
    }
}

fn failure(why: &str) -> Failure {
    KeyError::unavailable(why).into()
}

/// Without the address: it is in the configuration, and errors go to logs.
fn broken(error: reqwest::Error) -> Failure {
    KeyError::unavailable(error.without_url()).into()
}

const TOO_LARGE: &str = "the document is too large";

/// Entra's are about 2 KiB and 22 KiB.
const MAX_DISCOVERY_DOCUMENT: usize = 256 * 1024;
const MAX_KEY_DOCUMENT: usize = 1024 * 1024;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Long enough for both documents of an attempt. Too short for an attempt of another task to get a connection that a
/// runtime without a driver would have to read: that task takes over when this time has passed.
const IDLE_TIMEOUT: Duration = OVERDUE;

const USER_AGENT: &str = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION"));
