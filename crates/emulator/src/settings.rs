//! What an app is told to find the emulator.

use std::collections::BTreeMap;

use crate::auth::AccessKeys;
use crate::entra::{Application, Entra, ManagedIdentity};

/// Environment variables, by name.
pub type Variables = BTreeMap<String, String>;

/// The settings of an app that uses an emulator instead of Azure.
///
/// Each method gives the variables of one way to authenticate, under the prefix `AzureSignalRConnectionString`. The app
/// must trust the emulator's [authority](crate::Emulator::certificate_authority_pem); programs that read the operating
/// system's certificates take a file of it in `SSL_CERT_FILE`.
#[derive(Clone, Copy, Debug)]
pub struct Settings<'a> {
    pub(crate) endpoint: &'a str,
    pub(crate) client_endpoint: &'a str,
    pub(crate) proxy_url: Option<&'a str>,
    pub(crate) keys: &'a AccessKeys,
    pub(crate) entra: &'a Entra,
}

impl Settings<'_> {
    /// The system-assigned managed identity, by App Service's endpoint.
    #[must_use]
    pub fn managed_identity(&self) -> Variables {
        let mut variables = self.endpoint();
        variables.insert(key("credential"), "managedidentity".to_owned());
        variables.extend(self.app_service());
        variables
    }

    /// A user-assigned managed identity, by App Service's endpoint and its client id.
    #[must_use]
    pub fn user_assigned_identity(&self, identity: &ManagedIdentity) -> Variables {
        let mut variables = self.managed_identity();
        variables.insert(key("clientId"), identity.client_id().to_string());
        variables
    }

    /// A client secret.
    #[must_use]
    pub fn client_secret(&self, application: &Application, secret: &str) -> Variables {
        let mut variables = self.endpoint();
        variables.extend([
            (key("tenantId"), self.entra.mock().tenant().to_string()),
            (key("clientId"), application.client_id().to_string()),
            (key("clientSecret"), secret.to_owned()),
        ]);
        variables.extend(self.authority());
        variables
    }

    /// Workload identity: a token of another issuer in a file.
    #[must_use]
    pub fn workload_identity(&self, application: &Application, token_file: &str) -> Variables {
        let mut variables = self.endpoint();
        variables.extend([
            (key("credential"), "workloadidentity".to_owned()),
            ("AZURE_TENANT_ID".to_owned(), self.entra.mock().tenant().to_string()),
            ("AZURE_CLIENT_ID".to_owned(), application.client_id().to_string()),
            ("AZURE_FEDERATED_TOKEN_FILE".to_owned(), token_file.to_owned()),
        ]);
        variables.extend(self.authority());
        variables
    }

    /// A connection string with the primary access key. `None` if local authentication is disabled.
    #[must_use]
    pub fn access_key(&self) -> Option<Variables> {
        let text = self.connection_string()?;
        Some(BTreeMap::from([(PREFIX.to_owned(), text)]))
    }

    /// The connection string with the primary access key. `None` if local authentication is disabled.
    #[must_use]
    pub fn connection_string(&self) -> Option<String> {
        let key = self.keys.primary()?;
        let (endpoint, client) = (self.endpoint, self.client_endpoint);
        Some(format!("Endpoint={endpoint};AccessKey={key};ClientEndpoint={client};Version=1.0;"))
    }

    /// The variables of App Service's identity endpoint.
    #[must_use]
    pub fn app_service(&self) -> Variables {
        BTreeMap::from([
            ("IDENTITY_ENDPOINT".to_owned(), self.entra.identity_endpoint()),
            ("IDENTITY_HEADER".to_owned(), self.entra.identity_header().to_owned()),
        ])
    }

    /// Where credentials with a secret or an assertion get their tokens.
    #[must_use]
    pub fn authority(&self) -> Variables {
        BTreeMap::from([("AZURE_AUTHORITY_HOST".to_owned(), self.entra.authority_url().to_owned())])
    }

    /// Whom an upstream has to expect, as the variables of `signalr-upstream-auth`.
    ///
    /// They name no cloud, so that the app expects the public one: start the emulator with
    /// [`public_cloud`](crate::EmulatorBuilder::public_cloud) and add the variables of [`proxy`](Self::proxy). In the same
    /// process [`MockEntra::policy`](crate::mock::MockEntra::policy) is all of it.
    #[must_use]
    pub fn upstream(&self) -> Variables {
        let mock = self.entra.mock();
        BTreeMap::from([
            ("SIGNALR_UPSTREAM_TENANT_IDS".to_owned(), mock.tenant().to_string()),
            ("SIGNALR_UPSTREAM_AUDIENCES".to_owned(), format!("api://{}", mock.audience_client_id())),
            ("SIGNALR_UPSTREAM_CALLER_OBJECT_IDS".to_owned(), mock.caller_object_id().to_string()),
        ])
    }

    /// The proxy that leads to the built-in Entra under the name of the public cloud's, and to nothing else. Addresses on
    /// loopback need none. Empty without [`public_cloud`](crate::EmulatorBuilder::public_cloud).
    #[must_use]
    pub fn proxy(&self) -> Variables {
        let Some(url) = self.proxy_url else { return Variables::new() };
        BTreeMap::from([
            ("HTTPS_PROXY".to_owned(), url.to_owned()),
            ("NO_PROXY".to_owned(), "127.0.0.1,localhost".to_owned()),
        ])
    }

    /// All variables of an app in another process that checks the service's calls and calls the service with the
    /// system-assigned managed identity. `certificate_file` is where you wrote the emulator's
    /// [authority](crate::Emulator::certificate_authority_pem).
    #[must_use]
    pub fn other_process(&self, certificate_file: &str) -> Variables {
        let mut variables = self.managed_identity();
        variables.extend(self.upstream());
        variables.extend(self.proxy());
        variables.insert("SSL_CERT_FILE".to_owned(), certificate_file.to_owned());
        variables
    }

    fn endpoint(&self) -> Variables {
        BTreeMap::from([
            (key("serviceUri"), self.endpoint.to_owned()),
            (key("clientEndpoint"), self.client_endpoint.to_owned()),
        ])
    }
}

fn key(name: &str) -> String {
    format!("{PREFIX}__{name}")
}

const PREFIX: &str = "AzureSignalRConnectionString";
