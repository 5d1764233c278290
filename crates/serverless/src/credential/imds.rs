//! The instance metadata service of virtual machines, which hands out tokens of managed identities.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use azure_core::Error;
use azure_core::error::ErrorKind;
use azure_core::http::{AsyncRawResponse, Context, HttpClient, Method, Request, StatusCode, Transport};
use url::Url;

use super::BuildFault;
use super::ambient::{Ambient, IMDS_AUTHORITY};
use super::transport::Transports;
use crate::error::Cause;

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
    /// A machine without IMDS is not an outage that another attempt might survive, so it ends the attempts of
    /// `azure_identity`, which would take more than a minute.
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let mut request = request.clone();
        if let Some(authority) = &self.authority {
            let mut url = authority.clone();
            url.set_path(request.url().path());
            url.set_query(request.url().query());
            *request.url_mut() = url;
        }
        self.inner.send(&Context::new(), &mut request).await.map_err(|error| match error.kind() {
            ErrorKind::Connection => Error::with_error(
                ErrorKind::Credential,
                error,
                "IMDS cannot be reached: this machine is no Azure virtual machine, or its network blocks 169.254.169.254",
            ),
            _ => error,
        })
    }
}

/// Asks whether IMDS is there. The reason comes back if it is not.
///
/// As in .NET, the request lacks the header `Metadata`. IMDS answers 400 at once; other clouds have something else at
/// the same address, and it must not be taken for an identity.
pub(super) async fn probe(transport: &Transport) -> Result<(), String> {
    let url = Url::parse(TOKEN_URL).map_err(|error| error.to_string())?;
    let mut request = Request::new(url, Method::Get);
    let context = Context::new();
    match tokio::time::timeout(PROBE_TIMEOUT, transport.send(&context, &mut request)).await {
        Err(_) => Err(format!("IMDS did not answer within {} s", PROBE_TIMEOUT.as_secs())),
        Ok(Err(error)) => Err(Cause::of(&error).to_string()),
        Ok(Ok(response)) => match response.status() {
            StatusCode::BadRequest | StatusCode::TooManyRequests => Ok(()),
            status if status.is_server_error() => Ok(()),
            status => Err(format!("169.254.169.254 answered {status}, which is not the answer of Azure's IMDS")),
        },
    }
}

const TOKEN_URL: &str = "http://169.254.169.254/metadata/identity/oauth2/token";

const PROBE_TIMEOUT: Duration = Duration::from_secs(1);
