//! Reads a tenant's documents from its cloud over HTTPS. With `client` and `race`, all that touches the network.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, StatusCode};
use reqwest::{Client, Response, Url};
use tokio::time::{Instant, timeout};

use super::discovery::Discovery;
use super::entra_error::EntraError;
use super::race::{self, Paths};
use super::schedule::{Failure, Fetched, RETRY_AFTER_MAX};
use crate::clock::{Clock, UnixTime};
use crate::cloud::Cloud;
use crate::error::{ConfigError, KeyError};
use crate::ids::TenantId;

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
    paths: Arc<Paths>,
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
        let (known, paths) = (Mutex::new(None), Arc::default());
        Ok(Self { client, cloud, tenant, discovery_url, clock, fetch_timeout, known, paths })
    }

    /// One attempt: where the keys are, then the keys.
    pub(crate) async fn fetch(&self) -> Result<Fetched, Failure> {
        self.paths.begin();
        let KnownDiscovery { discovery, error: discovery_error, .. } = self.discover().await?;
        let document = self.read(&discovery.jwks_uri, MAX_KEY_DOCUMENT).await?;
        self.paths.succeed();
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
        let request = || {
            self.client.get(url.clone()).header(ACCEPT, "application/json").header(ACCEPT_ENCODING, "identity").send()
        };
        let response = race::send(&self.paths, request).await.map_err(broken)?;
        if response.status() != StatusCode::OK {
            let retry_after = self.retry_after(response.headers());
            let status = response.status();
            let error =
                read_body(response, MAX_ERROR_DOCUMENT).await.ok().and_then(|body| EntraError::from_json(&body));
            return Err(Failure { retry_after, ..unexpected_status(status, error).into() });
        }
        read_body(response, max).await
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

/// Reads a body of at most so many bytes.
async fn read_body(mut response: Response, max: usize) -> Result<Vec<u8>, Failure> {
    let is_coded = |coding: &HeaderValue| !coding.as_bytes().eq_ignore_ascii_case(b"identity");
    if response.headers().get_all(CONTENT_ENCODING).iter().any(is_coded) {
        return Err(failure("the provider sent a content coding that was not asked for"));
    }
    if response.content_length().is_some_and(|length| usize::try_from(length).map_or(true, |length| length > max)) {
        return Err(failure(TOO_LARGE));
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(broken)? {
        if body.len() + chunk.len() > max {
            return Err(failure(TOO_LARGE));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Only a plain 200 brings a document.
fn unexpected_status(status: StatusCode, error: Option<EntraError>) -> KeyError {
    let answered = format!("the provider answered with status {}", status.as_u16());
    match error {
        Some(error) if matches!(status.as_u16(), 400 | 404) && error.is_unknown_tenant() => {
            KeyError::unknown_tenant(format!("{answered} and {error}"))
        }
        Some(error) => KeyError::unavailable(format!("{answered} and {error}")),
        None => KeyError::unavailable(answered),
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

/// Entra's are below 1 KiB.
const MAX_ERROR_DOCUMENT: usize = 8 * 1024;
