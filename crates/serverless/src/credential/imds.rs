//! The instance metadata service of virtual machines, which hands out tokens of managed identities.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use azure_core::Error;
use azure_core::error::ErrorKind;
use azure_core::http::{AsyncRawResponse, Context, HttpClient, Method, Request, StatusCode, Transport};
use url::Url;

use super::ambient::{Ambient, IMDS_AUTHORITY};
use super::transport::Transports;
use super::{BuildFault, answer};
use crate::error::Cause;
use crate::retry_after;

/// A transport to IMDS.
#[derive(Debug)]
pub(super) struct ImdsClient {
    inner: Transport,
    /// Where IMDS is instead of its usual address.
    authority: Option<Url>,
}

impl ImdsClient {
    pub(super) fn transport(ambient: &Ambient<'_>, transports: &Transports) -> Result<Transport, BuildFault> {
        let authority = match ambient.get(IMDS_AUTHORITY) {
            Some(text) => Some(Url::parse(&text).map_err(|error| BuildFault {
                field: Some(IMDS_AUTHORITY.to_owned()),
                problem: format!("is not a URL ({error}); write it like http://169.254.169.254, or unset it"),
            })?),
            None => None,
        };
        Ok(Transport::new(Arc::new(Self { inner: transports.local()?, authority })))
    }
}

#[async_trait]
impl HttpClient for ImdsClient {
    /// One request, whatever comes of it: whoever renews the token repeats and follows `Retry-After`. `azure_identity`
    /// would repeat for more than a minute, so each answer that it repeats after comes back as an error.
    ///
    /// A machine without IMDS is not an outage that another attempt might survive.
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let mut request = request.clone();
        if let Some(authority) = &self.authority {
            let mut url = authority.clone();
            url.set_path(request.url().path());
            url.set_query(request.url().query());
            *request.url_mut() = url;
        }
        let response = self.inner.send(&Context::new(), &mut request).await.map_err(|error| match error.kind() {
            ErrorKind::Connection => Error::with_error(
                ErrorKind::Credential,
                error,
                "IMDS cannot be reached: this machine is no Azure virtual machine, or its network blocks 169.254.169.254",
            ),
            // The connection broke, which `azure_identity` repeats as well.
            ErrorKind::Io => Error::with_error(ErrorKind::DataConversion, error, "IMDS gave no answer"),
            _ => error,
        })?;
        let status = response.status();
        if status.is_success() || matches!(u16::from(status), 400..=403) {
            return Ok(response);
        }
        let answer = response.try_into_raw_response().await?;
        let message = match answer::description(status, answer.body()) {
            Some(description) => format!("IMDS answered {status}: {description}"),
            None => format!("IMDS answered {status}"),
        };
        let kind = ErrorKind::HttpResponse { status, error_code: None, raw_response: Some(Box::new(answer)) };
        Err(Error::with_message(kind, message))
    }
}

/// Why [`probe`] found no identity.
#[derive(Debug)]
pub(super) enum ProbeFault {
    /// There is no IMDS.
    Absent(String),
    /// There is one, and it asks to be left alone for a while.
    Busy(Error),
}

/// Asks whether IMDS is there.
///
/// As in .NET, the request lacks the header `Metadata`. IMDS answers 400 at once; other clouds have something else at
/// the same address, and it must not be taken for an identity.
pub(super) async fn probe(transport: &Transport) -> Result<(), ProbeFault> {
    let url = Url::parse(TOKEN_URL).map_err(|error| ProbeFault::Absent(error.to_string()))?;
    let mut request = Request::new(url, Method::Get);
    let context = Context::new();
    let status = match tokio::time::timeout(PROBE_TIMEOUT, transport.send(&context, &mut request)).await {
        Err(_) => {
            let reason = format!("IMDS did not answer within {} s", PROBE_TIMEOUT.as_secs());
            return Err(ProbeFault::Absent(reason));
        }
        Ok(Ok(response)) => response.status(),
        Ok(Err(error)) => match error.http_status() {
            Some(_) if retry_after::of_answer(&error).is_some() => return Err(ProbeFault::Busy(error)),
            Some(status) => status,
            None => return Err(ProbeFault::Absent(Cause::of(&error).to_string())),
        },
    };
    match status {
        StatusCode::BadRequest | StatusCode::TooManyRequests => Ok(()),
        status if status.is_server_error() => Ok(()),
        status => {
            let reason = format!("169.254.169.254 answered {status}, which is not the answer of Azure's IMDS");
            Err(ProbeFault::Absent(reason))
        }
    }
}

const TOKEN_URL: &str = "http://169.254.169.254/metadata/identity/oauth2/token";

const PROBE_TIMEOUT: Duration = Duration::from_secs(1);
