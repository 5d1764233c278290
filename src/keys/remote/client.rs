//! The HTTP client: what a user may set, and what holds in spite of it.

use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::Resolve;
use reqwest::{Client, ClientBuilder, redirect, retry, tls};

use super::proxy;
use super::race::{FirstConnection, OneAddress};
use super::schedule::OVERDUE;
use crate::cloud::Cloud;
use crate::error::{Chain, ConfigError};

/// What a user sets on the client before we set what must hold.
pub(crate) type ConfigureClient = Box<dyn FnOnce(ClientBuilder) -> ClientBuilder + Send>;

/// A client for documents: HTTPS by rustls, HTTP/1.1, no redirects, no content coding, bounded in time.
///
/// Proxies come from the environment, certificates from the system's store. The guide, page `dependencies`, has a row
/// for each feature of `reqwest` that another crate of the build may switch on.
pub(crate) fn build(
    cloud: &Cloud,
    fetch_timeout: Duration,
    resolver: Arc<dyn Resolve>,
    configure: ConfigureClient,
) -> Result<Client, ConfigError> {
    // Before what the user sets: another crate may have made `hickory-dns` the resolver of every client.
    let mut builder = Client::builder().user_agent(USER_AGENT).no_hickory_dns().dns_resolver(OneAddress(resolver));
    if cloud.is_plain_http() {
        // It is on this machine, where no proxy leads and no certificate is asked for, nor needed to build.
        builder = builder.no_proxy().tls_certs_only([]);
    } else {
        proxy::check_environment(|name| std::env::var_os(name))?;
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
        // Divided by the addresses that a resolver of `configure` answers. `OneAddress` answers one.
        .connect_timeout(fetch_timeout)
        .timeout(fetch_timeout)
        // Outside of every other layer: a connection is up when they say so.
        .connector_layer(FirstConnection)
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

/// Long enough for both documents of an attempt. Too short for an attempt of another task to get a connection that a
/// runtime without a driver would have to read: that task takes over when this time has passed.
const IDLE_TIMEOUT: Duration = OVERDUE;

const USER_AGENT: &str = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION"));
