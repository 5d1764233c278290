//! How credentials reach Entra and the identity endpoints of a machine.

use std::cell::OnceCell;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use azure_core::Error;
use azure_core::cloud::{CloudConfiguration, CustomConfiguration};
use azure_core::error::ErrorKind;
use azure_core::http::{AsyncRawResponse, ClientOptions, Context, HttpClient, Request, RetryOptions, Transport};
use futures_util::StreamExt;
use zeroize::Zeroizing;

use super::plan::AzureCloud;
use super::{BuildFault, answer};

/// The HTTP clients of credentials, each built when the first one needs it: that reads the machine's certificates.
#[derive(Debug)]
pub(crate) struct Transports {
    /// The user's, which replaces both of ours.
    given: Option<Transport>,
    entra: OnceCell<Transport>,
    local: OnceCell<Transport>,
}

impl Transports {
    pub(crate) const fn new(given: Option<Transport>) -> Self {
        Self { given, entra: OnceCell::new(), local: OnceCell::new() }
    }

    /// For Entra's token endpoints.
    pub(super) fn entra(&self) -> Result<Transport, BuildFault> {
        self.shared(&self.entra, || reqwest::Client::builder().connect_timeout(CONNECT_TIMEOUT))
    }

    /// For the identity endpoint of this machine. It never goes through a proxy: the endpoint is local, and its
    /// requests carry a header that proves where they come from
    /// (<https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token>).
    pub(super) fn local(&self) -> Result<Transport, BuildFault> {
        self.shared(&self.local, || reqwest::Client::builder().connect_timeout(LOCAL_CONNECT_TIMEOUT).no_proxy())
    }

    fn shared(
        &self,
        built: &OnceCell<Transport>,
        builder: impl FnOnce() -> reqwest::ClientBuilder,
    ) -> Result<Transport, BuildFault> {
        if let Some(transport) = built.get() {
            return Ok(transport.clone());
        }
        let inner = match &self.given {
            Some(transport) => transport.clone(),
            None => {
                let client = builder().timeout(TIMEOUT).redirect(reqwest::redirect::Policy::none()).build();
                Transport::new(Arc::new(client.map_err(|error| format!("no HTTP client could be built: {error}"))?))
            }
        };
        Ok(built.get_or_init(|| Transport::new(Arc::new(Bounded { inner }))).clone())
    }
}

/// The options of a credential: one request at a time, because whoever renews the token repeats and backs off.
pub(super) fn client_options(transport: Transport, cloud: Option<AzureCloud>) -> ClientOptions {
    ClientOptions {
        retry: RetryOptions::none(),
        transport: Some(transport),
        cloud: cloud.map(|cloud| Arc::new(configuration(cloud))),
        ..ClientOptions::default()
    }
}

/// The cloud with its authority host. `azure_core` has the former host of China
/// (<https://learn.microsoft.com/azure/china/resources-developer-guide>).
fn configuration(cloud: AzureCloud) -> CloudConfiguration {
    let mut custom = CustomConfiguration::default();
    match cloud {
        AzureCloud::Public => return CloudConfiguration::AzurePublic,
        AzureCloud::UsGovernment => return CloudConfiguration::AzureGovernment,
        AzureCloud::China => "https://login.partner.microsoftonline.cn".clone_into(&mut custom.authority_host),
    }
    CloudConfiguration::Custom(custom)
}

/// Reads an answer whole, but not without end, and hands on what was understood of it.
#[derive(Debug)]
struct Bounded {
    inner: Transport,
}

#[async_trait]
impl HttpClient for Bounded {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let response = self.inner.send(&Context::new(), &mut request.clone()).await?;
        let (status, headers, mut stream) = response.deconstruct();
        let mut body = Zeroizing::new(Vec::new());
        while let Some(part) = stream.next().await {
            body.extend_from_slice(&part?);
            if body.len() > BODY_LIMIT {
                let problem = format!("the answer of the identity endpoint is longer than {BODY_LIMIT} bytes");
                return Err(Error::with_message(ErrorKind::DataConversion, problem));
            }
        }
        let body = answer::rewritten(request, status, &body)?;
        Ok(AsyncRawResponse::from_bytes(status, headers, body))
    }
}

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A machine that has the endpoint answers in milliseconds; one that has not often drops the packets.
const LOCAL_CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// For a whole request, its answer included.
const TIMEOUT: Duration = Duration::from_secs(15);
/// Tokens have a few kilobytes.
const BODY_LIMIT: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use azure_core::Bytes;
    use azure_core::http::headers::Headers;
    use azure_core::http::{Method, StatusCode, Url};

    use super::*;

    /// Answers with a body that never ends.
    #[derive(Debug)]
    struct Endless;

    #[async_trait]
    impl HttpClient for Endless {
        async fn execute_request(&self, _: &Request) -> azure_core::Result<AsyncRawResponse> {
            let part = || Ok(Bytes::from_static(&[b' '; 4096]));
            let body = futures_util::stream::repeat_with(part);
            Ok(AsyncRawResponse::new(StatusCode::Ok, Headers::new(), Box::pin(body)))
        }
    }

    #[tokio::test]
    async fn endless_answer_ends_with_an_error() {
        let transport = Transports::new(Some(Transport::new(Arc::new(Endless)))).entra().unwrap();
        let mut request = Request::new(Url::parse("https://login.microsoftonline.com").unwrap(), Method::Get);
        let error = transport.send(&Context::new(), &mut request).await.unwrap_err();
        assert!(error.to_string().contains("longer than"), "{error}");
    }

    #[test]
    fn clients_are_built_once() {
        let transports = Transports::new(None);
        for _ in 0..2 {
            transports.local().unwrap();
        }
        assert!(transports.local.get().is_some());
        assert!(transports.entra.get().is_none(), "nobody needed it");
    }
}
