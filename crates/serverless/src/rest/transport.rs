//! The HTTP client. `azure_core`'s trait is the seam; its `Connection` errors say that nothing has left.

use std::error::Error as _;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use azure_core::http::HttpClient;

use crate::error::{Cause, ConfigError};

/// A client over rustls that follows no redirects: a token is for the endpoint alone.
///
/// `azure_core::http::new_http_client` would panic where the machine has no certificate authorities.
pub(crate) fn default_client() -> Result<Arc<dyn HttpClient>, ConfigError> {
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_LIMIT)
        .pool_idle_timeout(POOL_IDLE)
        .build()
        .map_err(|error| {
            ConfigError::new("transport", format!("there is no TLS client, check this machine's certificates: {error}"))
        })?;
    Ok(Arc::new(client))
}

/// Why there was no answer, without the URL: its path holds users and groups.
pub(crate) fn cause(error: &azure_core::Error) -> Cause {
    let mut text = String::from("the request failed");
    let mut source = error.source();
    if source.is_none() {
        let _ = write!(text, ": {error}");
    }
    while let Some(error) = source {
        if error.downcast_ref::<reqwest::Error>().is_none() {
            let _ = write!(text, ": {error}");
        }
        source = error.source();
    }
    Cause::text(&text)
}

const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// Less than the four minutes after which Azure's load balancers drop an idle connection.
const POOL_IDLE: Duration = Duration::from_secs(90);
