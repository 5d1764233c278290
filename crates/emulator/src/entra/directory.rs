//! Who is in the tenants, and what their tokens look like.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::principals::{Application, ManagedIdentity};
use crate::auth::{Caller, EntraCheck, Rejection, check_entra_token};
use crate::clock::EmulatorClock;
use crate::mock::{ClientId, MockEntra, ObjectId, TenantId, TokenVersion, UnixTime};

/// The built-in Entra of an [`Emulator`](crate::Emulator).
pub struct Entra {
    mock: MockEntra,
    clock: EmulatorClock,
    identity_header: String,
    addresses: Addresses,
    state: Mutex<DirectoryState>,
}

#[derive(Clone, Debug)]
struct Addresses {
    authority: String,
    identity: String,
}

#[derive(Debug)]
struct DirectoryState {
    applications: Vec<Application>,
    identities: Vec<ManagedIdentity>,
    resources: Vec<String>,
    lifetime: Duration,
}

/// What an [`Entra`] is made of.
pub(crate) struct EntraParts {
    pub(crate) mock: MockEntra,
    pub(crate) clock: EmulatorClock,
    pub(crate) identity_header: String,
    pub(crate) authority_url: String,
    pub(crate) identity_url: String,
    pub(crate) applications: Vec<Application>,
    pub(crate) identities: Vec<ManagedIdentity>,
    pub(crate) resources: Vec<String>,
}

impl Entra {
    pub(crate) fn new(parts: EntraParts) -> Self {
        let EntraParts { applications, identities, resources, .. } = parts;
        Self {
            mock: parts.mock,
            clock: parts.clock,
            identity_header: parts.identity_header,
            addresses: Addresses { authority: parts.authority_url, identity: parts.identity_url },
            state: Mutex::new(DirectoryState { applications, identities, resources, lifetime: LIFETIME }),
        }
    }

    /// The mock behind it, which publishes discovery documents and keys and mints tokens of every kind, bad ones
    /// included.
    #[must_use]
    pub fn mock(&self) -> &MockEntra {
        &self.mock
    }

    /// The authority host for credentials, `https://127.0.0.1:` and a port: the value of `AZURE_AUTHORITY_HOST`. Its
    /// certificate is of the emulator's [authority](crate::Emulator::certificate_authority_pem).
    #[must_use]
    pub fn authority_url(&self) -> &str {
        &self.addresses.authority
    }

    /// App Service's identity endpoint: the value of `IDENTITY_ENDPOINT`.
    #[must_use]
    pub fn identity_endpoint(&self) -> String {
        format!("{}/msi/token", self.addresses.identity)
    }

    /// The value of `IDENTITY_HEADER`, which the identity endpoint wants to see.
    #[must_use]
    pub fn identity_header(&self) -> &str {
        &self.identity_header
    }

    /// The identity endpoint of a virtual machine. Credentials ask at `http://169.254.169.254`; let their transport lead
    /// that address here.
    #[must_use]
    pub fn imds_endpoint(&self) -> String {
        format!("{}/metadata/identity/oauth2/token", self.addresses.identity)
    }

    /// Registers an application, or replaces the one with its client id.
    pub fn register_application(&self, application: Application) {
        let mut state = self.state();
        state.applications.retain(|present| present.client_id != application.client_id);
        state.applications.push(application);
    }

    /// Registers a managed identity. A system-assigned one replaces the one before it.
    pub fn register_identity(&self, identity: ManagedIdentity) {
        let mut state = self.state();
        let replaced = |present: &ManagedIdentity| match identity.resource_id {
            None => present.resource_id.is_none(),
            Some(_) => present.client_id == identity.client_id,
        };
        state.identities.retain(|present| !replaced(present));
        state.identities.push(identity);
    }

    /// Removes all managed identities, as on a machine without any.
    pub fn remove_identities(&self) {
        self.state().identities.clear();
    }

    /// The applications.
    #[must_use]
    pub fn applications(&self) -> Vec<Application> {
        self.state().applications.clone()
    }

    /// The managed identities.
    #[must_use]
    pub fn identities(&self) -> Vec<ManagedIdentity> {
        self.state().identities.clone()
    }

    /// How long tokens live that credentials get from now on. One hour unless you change it.
    pub fn set_token_lifetime(&self, lifetime: Duration) {
        self.state().lifetime = lifetime;
    }

    /// A token for the service's REST API, as a credential of this principal gets it.
    #[must_use]
    pub fn service_token(&self, object_id: ObjectId, client_id: ClientId) -> String {
        self.mint(self.mock.tenant(), object_id, client_id, SERVICE_RESOURCE).text
    }

    /// A token of a workload's issuer (Kubernetes, a pipeline) for an
    /// [application](Application::federated_credential)'s federated credential: the content of
    /// `AZURE_FEDERATED_TOKEN_FILE`.
    #[must_use]
    pub fn workload_token(&self, issuer: &str, subject: &str) -> String {
        let ends = self.clock.unix_seconds().saturating_add(LIFETIME.as_secs());
        self.mock
            .token()
            .issuer(issuer)
            .claim("sub", subject)
            .audience(EXCHANGE_AUDIENCES[0])
            .expires_at(UnixTime::from_secs(ends))
            .mint()
    }

    pub(crate) fn clock(&self) -> &EmulatorClock {
        &self.clock
    }

    pub(crate) fn state_application(&self, client_id: &str) -> Option<Application> {
        let client_id: ClientId = client_id.parse().ok()?;
        self.state().applications.iter().find(|application| application.client_id == client_id).cloned()
    }

    /// Whether a token may be asked for with this resource (audience).
    pub(super) fn knows_resource(&self, resource: &str) -> bool {
        let bare = resource.trim_end_matches('/');
        bare == SERVICE_RESOURCE
            || EXCHANGE_AUDIENCES.contains(&bare)
            || self.state().resources.iter().any(|known| known.trim_end_matches('/') == bare)
    }

    pub(crate) fn mint(&self, tenant: TenantId, object_id: ObjectId, client_id: ClientId, resource: &str) -> Minted {
        let now = self.clock.unix_seconds();
        let lifetime = self.state().lifetime.as_secs();
        let expires_on = now.saturating_add(lifetime);
        let text = self
            .mock
            .token()
            .v1()
            .tenant(tenant)
            .caller(object_id, client_id)
            .audience(resource)
            .issued_at(UnixTime::from_secs(now))
            .expires_at(UnixTime::from_secs(expires_on))
            .mint();
        Minted { text, lifetime, not_before: now, expires_on }
    }

    pub(crate) fn key_set(&self) -> String {
        self.mock.key_document(TokenVersion::V2)
    }

    /// Checks a token on the service's REST API.
    pub(crate) fn check(&self, token: &str, skew: u64) -> Result<Caller, Rejection> {
        let tenant = self.mock.tenant();
        let [v1, v2] = [TokenVersion::V1, TokenVersion::V2].map(|version| self.mock.issuer(tenant, version));
        let check = EntraCheck {
            key_set: &self.key_set(),
            tenant: &tenant.to_string(),
            issuers: [&v1, &v2],
            now: self.clock.unix_seconds(),
            skew,
        };
        check_entra_token(token, &check)
    }

    fn state(&self) -> MutexGuard<'_, DirectoryState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Entra {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entra").field("mock", &self.mock).field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

/// A token and its times, in seconds since 1970-01-01T00:00:00Z.
pub(crate) struct Minted {
    pub(crate) text: String,
    pub(crate) lifetime: u64,
    pub(crate) not_before: u64,
    pub(crate) expires_on: u64,
}

/// The resource of the scope `https://signalr.azure.com/.default`.
pub(super) const SERVICE_RESOURCE: &str = "https://signalr.azure.com";
/// The audiences of token exchange in the public cloud, the US government's and China's.
pub(super) const EXCHANGE_AUDIENCES: [&str; 3] =
    ["api://AzureADTokenExchange", "api://AzureADTokenExchangeUSGov", "api://AzureADTokenExchangeChina"];

const LIFETIME: Duration = Duration::from_secs(3600);
