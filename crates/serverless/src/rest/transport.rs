//! Who sends a request: the library's own client, or the one of the app behind the trait of `azure_core`.

use std::error::Error as StdError;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use azure_core::error::ErrorKind as AzureErrorKind;
use azure_core::http::{HttpClient, Method, Request};
use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue};
use url::Url;

use super::call::Call;
use super::response::Response;
use crate::error::{Cause, ConfigError};

/// An HTTP client.
#[derive(Clone, Debug)]
pub(crate) enum Transport {
    /// Called directly. Through the trait of `azure_core` each request and each answer is built twice.
    Own(reqwest::Client),
    Given(Arc<dyn HttpClient>),
}

/// Why there is no answer.
pub(crate) enum Failure {
    /// Nothing has left.
    NotSent(Cause),
    /// The request, or a part of it, may have left.
    NoAnswer(Cause),
}

impl Transport {
    /// A client over rustls that follows no redirects: a token is for the endpoint alone.
    ///
    /// `azure_core::http::new_http_client` would panic where the machine has no certificate authorities.
    pub(crate) fn own() -> Result<Self, ConfigError> {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_LIMIT)
            .pool_idle_timeout(POOL_IDLE)
            .build()
            .map_err(|error| {
                let problem = format!("there is no TLS client, check this machine's certificates: {error}");
                ConfigError::new("transport", problem)
            })?;
        Ok(Self::Own(client))
    }

    /// Sends the call to this address.
    pub(crate) async fn send(&self, call: &Call, url: Url, authorization: Option<&str>) -> Result<Response, Failure> {
        match self {
            Self::Own(client) => {
                let answer = client.execute(own_request(call, url, authorization)?).await;
                answer.map(Response::from).map_err(|error| {
                    let cause = cause(&error);
                    if error.is_connect() { Failure::NotSent(cause) } else { Failure::NoAnswer(cause) }
                })
            }
            Self::Given(client) => {
                let answer = client.execute_request(&given_request(call, url, authorization)).await;
                answer.map(Response::from).map_err(|error| {
                    let is_connect = *error.kind() == AzureErrorKind::Connection;
                    let cause = cause(&error);
                    if is_connect { Failure::NotSent(cause) } else { Failure::NoAnswer(cause) }
                })
            }
        }
    }
}

fn own_request(call: &Call, url: Url, authorization: Option<&str>) -> Result<reqwest::Request, Failure> {
    let method = http::Method::from_bytes(call.method.as_str().as_bytes())
        .map_err(|_| Failure::NotSent(Cause::text("the method has characters that no method has")))?;
    let mut request = reqwest::Request::new(method, url);
    for (name, value) in headers(call) {
        request.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    if let Some(value) = authorization {
        let mut value = HeaderValue::from_str(value)
            .map_err(|_| Failure::NotSent(Cause::text("the token has characters that no header has")))?;
        // Hidden in `Debug`, and never in a table of HTTP/2 (RFC 7541 section 7.1.3).
        value.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, value);
    }
    if let Some(body) = &call.body {
        *request.body_mut() = Some(body.bytes.clone().into());
    }
    Ok(request)
}

fn given_request(call: &Call, url: Url, authorization: Option<&str>) -> Request {
    let mut request = Request::new(url, call.method);
    for (name, value) in headers(call) {
        request.insert_header(name, value);
    }
    if let Some(value) = authorization {
        request.insert_header("authorization", value.to_owned());
    }
    if let Some(body) = &call.body {
        request.set_body(body.bytes.clone());
    }
    request
}

/// All but `Authorization`, which alone differs from try to try.
fn headers(call: &Call) -> impl Iterator<Item = (&'static str, &'static str)> {
    let accept = call.wanted.map(|_| ("accept", "application/json"));
    let body = match &call.body {
        Some(body) => Some(("content-type", body.content_type)),
        // HTTP/1.1 servers may ask for it (RFC 9110 section 8.6).
        None if matches!(call.method, Method::Post | Method::Put) => Some(("content-length", "0")),
        None => None,
    };
    [Some(("user-agent", USER_AGENT)), accept, body].into_iter().flatten()
}

/// Why there was no answer, without the URL: its path holds users and groups.
fn cause(error: &(dyn StdError + 'static)) -> Cause {
    let mut text = String::from("the request failed");
    let mut source = error.source();
    if source.is_none() && error.downcast_ref::<reqwest::Error>().is_none() {
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

const USER_AGENT: &str = concat!("signalr-serverless/", env!("CARGO_PKG_VERSION"));

const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// Less than the four minutes after which Azure's load balancers drop an idle connection.
const POOL_IDLE: Duration = Duration::from_secs(90);
