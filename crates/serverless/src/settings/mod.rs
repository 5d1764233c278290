//! Configuration from the environment, from a document or from a connection string.

mod client;
mod connection_string;
mod document;
mod entries;
mod fields;
mod identity;
mod reading;
#[cfg(any(fuzzing, test))]
pub(crate) mod reference;
mod report;
#[cfg(test)]
mod tests;
mod values;

use std::ffi::OsString;
use std::fmt;

use azure_core::http::Transport;
use serde::{Deserialize, Deserializer};
use url::Url;
use zeroize::Zeroizing;

use crate::credential::ambient::{AUTHORITY_HOST, Ambient, of_process};
use crate::credential::plan::{CredentialPlan, SecretText};
use crate::credential::{Transports, build};
use crate::endpoint::{AccessKey, Auth, EndpointConfig, Priority};
use crate::error::ConfigError;
use crate::settings::entries::{Entries, Spelling, concerns};
use crate::settings::fields::NOT_UTF_8;
pub(crate) use crate::settings::reading::Reading;
use crate::settings::reading::{read, read_connection_string};
pub(crate) use crate::settings::report::Report;

/// What an operator writes: where the service is, and how the program authenticates to it.
///
/// The settings are those of Azure Functions. Their names begin with a prefix that you choose; Functions uses
/// `AzureSignalRConnectionString`. Between the prefix and a key stands `__` in the environment and `:` in a document.
/// Case does not matter. Blank values count as missing.
///
/// | Key | Value |
/// |---|---|
/// | `serviceUri` | `https://<name>.service.signalr.net` |
/// | `credential` | `managedidentity`, `workloadidentity`, `managedidentityasfederatedidentity`; without it, a client secret if `clientSecret` is there, else the [default chain](crate::docs::credentials#the-default-chain) |
/// | `clientId` | GUID of the user-assigned identity, or of the application |
/// | `tenantId` | GUID or domain of the tenant of the application |
/// | `clientSecret` | the secret of the application, to the letter |
/// | `managedIdentityClientId`, `managedIdentityObjectId`, `managedIdentityResourceId` | a user-assigned identity, by one of its three names |
/// | `tokenFilePath` | the file of the Kubernetes token (`workloadidentity`) |
/// | `azureCloud` | `public`, `usgov` or `china`; without it, `AZURE_AUTHORITY_HOST`, else `public` |
/// | `clientEndpoint` | where clients connect, if that is another address |
/// | `serverEndpoint` | where the program sends its calls, if that is another address |
/// | `type` | `primary` (default) or `secondary` |
///
/// The prefix alone is a [connection string](Self::from_connection_string), and so is `ConnectionStrings__<prefix>`,
/// which wins; either wins over the keys. App Service's `CUSTOMCONNSTR_<prefix>` is the same as the latter.
///
/// Several endpoints have names: `Azure__SignalR__Endpoints__<name>__<key>` with the keys above, or
/// `Azure__SignalR__Endpoints__<name>`, `…__<name>__primary` and `…__<name>__secondary` with connection strings.
/// An endpoint of the prefix is added to them, without a name. Errors, events and metrics tell endpoints of one name
/// apart, as `<name>/primary` and `<name>/secondary`.
///
/// # In a document
///
/// Settings are read by any format of serde: nested maps, names with `:`, or both. Other keys of the document are
/// passed over, so that you can hand in a whole file.
///
/// ```
/// use signalr_serverless::Settings;
///
/// let settings: Settings = serde_json::from_str(
///     r#"{
///         "AzureSignalRConnectionString": {
///             "serviceUri": "https://contoso.service.signalr.net",
///             "credential": "managedidentity"
///         },
///         "Azure:SignalR:Endpoints:west": "Endpoint=https://west.service.signalr.net;AuthType=azure.msi"
///     }"#,
/// )?;
/// assert!(settings.is_configured());
/// # Ok::<(), serde_json::Error>(())
/// ```
///
/// # Errors
///
/// Reading never fails. Building a client does, with a [`ConfigError`] that holds every fault at once and names each
/// setting as it was written. A setting that is there but not used is a `tracing` warning.
///
/// Sources: [settings of Azure Functions](https://learn.microsoft.com/azure/azure-functions/functions-reference#common-properties-for-identity-based-connections),
/// [several endpoints](https://github.com/Azure/azure-sdk-for-net/blob/main/sdk/signalr/Microsoft.Azure.WebJobs.Extensions.SignalRService/docs/sharding.md).
#[derive(Clone)]
pub struct Settings {
    origin: Origin,
}

#[derive(Clone)]
enum Origin {
    Entries { prefix: String, entries: Entries },
    ConnectionString(Zeroizing<String>),
}

impl Settings {
    /// The prefix that Azure Functions uses by default.
    pub const DEFAULT_PREFIX: &'static str = "AzureSignalRConnectionString";

    /// Reads the variables of this process.
    #[must_use]
    pub fn from_env(prefix: &str) -> Self {
        Self::from_vars(prefix, std::env::vars_os())
    }

    /// Reads variables from anywhere, such as a test. Others than those of the prefix, of its connection strings and
    /// of `Azure__SignalR__Endpoints` are passed over and not kept.
    ///
    /// The variables that Azure's hosts and tools set, such as `AZURE_CLIENT_ID` and `IDENTITY_ENDPOINT`, are always
    /// those of the process.
    pub fn from_vars<I>(prefix: &str, vars: I) -> Self
    where
        I: IntoIterator<Item = (OsString, OsString)>,
    {
        let mut entries = Entries::new(Spelling::Environment);
        for (name, value) in vars.into_iter().filter(|(name, _)| concerns(name, prefix)) {
            entries.push_variable(&name.to_string_lossy(), value);
        }
        Self { origin: Origin::Entries { prefix: prefix.to_owned(), entries } }
    }

    /// Keeps a connection string. It is read when a client is built.
    ///
    /// | Key | Value |
    /// |---|---|
    /// | `Endpoint` | `https://<name>.service.signalr.net` |
    /// | `Port` | replaces the port of `Endpoint` |
    /// | `Version` | `1.0` |
    /// | `ClientEndpoint`, `ServerEndpoint` | as `clientEndpoint` and `serverEndpoint` above |
    /// | `AuthType` | see below |
    /// | `AccessKey` | an access key of the resource, if there is no `AuthType` |
    /// | `ClientId`, `TenantId`, `ClientSecret` | an application, or with `ClientId` alone a user-assigned identity |
    ///
    /// | `AuthType` | Credential |
    /// |---|---|
    /// | `azure.msi` | managed identity: system-assigned, or user-assigned with `ClientId` |
    /// | `azure.app` | client secret: `ClientId`, `TenantId` and `ClientSecret` are required |
    /// | `azure` | the default chain |
    /// | `aad` | with `ClientId` and `TenantId` as `azure.app`, else as `azure.msi` |
    ///
    /// Source: <https://learn.microsoft.com/azure/azure-signalr/concept-connection-string>.
    #[must_use]
    pub fn from_connection_string(text: &str) -> Self {
        Self { origin: Origin::ConnectionString(Zeroizing::new(text.to_owned())) }
    }

    /// The same settings under another prefix. A document has [`DEFAULT_PREFIX`](Self::DEFAULT_PREFIX) at first.
    /// Settings from the environment were filtered by their prefix, so that another one finds named endpoints only; a
    /// connection string has no prefix.
    #[must_use]
    pub fn with_prefix(mut self, prefix: &str) -> Self {
        if let Origin::Entries { prefix: old, .. } = &mut self.origin {
            prefix.clone_into(old);
        }
        self
    }

    /// Whether anything is set that describes an endpoint, be it right or wrong. For programs that do something else
    /// when they are not configured at all.
    #[must_use]
    pub fn is_configured(&self) -> bool {
        match &self.origin {
            Origin::Entries { prefix, entries } => reading::is_configured(prefix, entries),
            Origin::ConnectionString(_) => true,
        }
    }

    /// Checks everything, builds the credentials and drops them. For a program that tests its configuration.
    ///
    /// # Errors
    ///
    /// Every fault at once.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.endpoints(None).map(drop)
    }

    /// Every endpoint with its credential, built but not tried. `transport` replaces the HTTP client of all of them.
    ///
    /// Token files are read here, so call it at the start of the program.
    pub(crate) fn endpoints(&self, transport: Option<Transport>) -> Result<Vec<EndpointConfig>, ConfigError> {
        let ambient = Ambient::new(&of_process);
        let mut report = Report::default();
        let read = self.read(&ambient, &mut report);
        if let Some(first) = read.first().filter(|_| read.iter().all(|one| one.priority == Priority::Secondary)) {
            report.fault(&first.field, "all endpoints are secondary; make one primary at least");
        }
        let transports = Transports::new(transport);
        let endpoints: Vec<_> =
            read.into_iter().filter_map(|reading| configure(reading, &ambient, &transports, &mut report)).collect();
        for variable in ambient.into_unreadable() {
            report.fault(variable, NOT_UTF_8);
        }
        report.finish()?;
        Ok(endpoints)
    }

    /// The part that depends on nothing but text.
    pub(crate) fn read(&self, ambient: &Ambient<'_>, report: &mut Report) -> Vec<Reading> {
        match &self.origin {
            Origin::Entries { prefix, entries } => read(prefix, entries, ambient, report),
            Origin::ConnectionString(text) => {
                read_connection_string(text, "the connection string", ambient, report).into_iter().collect()
            }
        }
    }
}

impl Default for Settings {
    /// No settings.
    fn default() -> Self {
        Self::from_vars(Self::DEFAULT_PREFIX, [])
    }
}

/// Names only, because values may be secret.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Origin::Entries { prefix, entries } => {
                f.debug_struct("Settings").field("prefix", prefix).field("entries", entries).finish()
            }
            Origin::ConnectionString(_) => f.write_str("Settings(connection string)"),
        }
    }
}

impl<'de> Deserialize<'de> for Settings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let entries = document::deserialize(deserializer)?;
        Ok(Self { origin: Origin::Entries { prefix: Self::DEFAULT_PREFIX.to_owned(), entries } })
    }
}

/// The addresses of one endpoint.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Addresses {
    pub(crate) endpoint: Url,
    pub(crate) client_endpoint: Option<Url>,
    pub(crate) server_endpoint: Option<Url>,
}

/// How to authenticate to one endpoint.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum AuthPlan {
    AccessKey(SecretText),
    Entra(Box<CredentialPlan>),
}

impl AuthPlan {
    fn entra(plan: CredentialPlan) -> Self {
        Self::Entra(Box::new(plan))
    }
}

fn configure(
    reading: Reading,
    ambient: &Ambient<'_>,
    transports: &Transports,
    report: &mut Report,
) -> Option<EndpointConfig> {
    let Reading { name, priority, addresses, auth, field } = reading;
    let auth = match auth {
        AuthPlan::AccessKey(key) => Auth::AccessKey(AccessKey::new(key.expose().to_owned())),
        AuthPlan::Entra(plan) => {
            let host = ambient.get(AUTHORITY_HOST).filter(|_| plan.takes_authority_of_environment());
            if host.is_some_and(|host| Url::parse(&host).map_or(true, |url| url.scheme() != "https")) {
                report.fault(AUTHORITY_HOST, "is not a URL that begins with https://; correct it, or unset it");
                return None;
            }
            match build(*plan, ambient, transports) {
                Ok(credential) => Auth::Entra(credential),
                Err(fault) => {
                    report.fault(fault.field.unwrap_or(field), fault.problem);
                    return None;
                }
            }
        }
    };
    let Addresses { endpoint, client_endpoint, server_endpoint } = addresses;
    Some(EndpointConfig { name, priority, endpoint, client_endpoint, server_endpoint, auth })
}
