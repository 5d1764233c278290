//! Credentials as settings describe them. A plan is checked but not built: nothing has been read or connected yet.

use std::fmt;
use std::path::PathBuf;

use zeroize::Zeroizing;

/// Which credential to build.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum CredentialPlan {
    /// A managed identity of this machine or app; `None` is the system-assigned one.
    ManagedIdentity(Option<ManagedIdentityId>),
    /// A Kubernetes service account that an Entra application trusts.
    WorkloadIdentity(WorkloadIdentity),
    ClientSecret(ClientSecret),
    /// A managed identity whose token is the client assertion of an application, possibly of another tenant.
    FederatedIdentity(FederatedIdentity),
    /// The default chain.
    Default(DefaultChainPlan),
}

impl CredentialPlan {
    /// Whether the credential signs in to the authority host of the environment.
    pub(crate) fn takes_authority_of_environment(&self) -> bool {
        match self {
            Self::ManagedIdentity(_) | Self::FederatedIdentity(_) => false,
            Self::WorkloadIdentity(workload) => workload.cloud.is_none(),
            Self::ClientSecret(application) => application.cloud.is_none(),
            Self::Default(DefaultChainPlan { environment, workload_identity, .. }) => {
                environment.as_ref().is_ok_and(|application| application.cloud.is_none())
                    || workload_identity.as_ref().is_ok_and(|workload| workload.cloud.is_none())
            }
        }
    }
}

/// A user-assigned identity, by one of its three names.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum ManagedIdentityId {
    Client(String),
    Object(String),
    Resource(String),
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct WorkloadIdentity {
    pub(crate) tenant_id: String,
    pub(crate) client_id: String,
    pub(crate) token_file: PathBuf,
    /// The setting or variable that names the file, for the error.
    pub(crate) token_file_field: String,
    pub(crate) cloud: Option<AzureCloud>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct ClientSecret {
    pub(crate) tenant_id: String,
    pub(crate) client_id: String,
    pub(crate) secret: SecretText,
    pub(crate) cloud: Option<AzureCloud>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct FederatedIdentity {
    pub(crate) tenant_id: String,
    pub(crate) client_id: String,
    pub(crate) identity: ManagedIdentityId,
    pub(crate) cloud: AzureCloud,
}

/// The steps of the default chain that depend on settings. An absent step says why.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct DefaultChainPlan {
    pub(crate) environment: Result<ClientSecret, String>,
    pub(crate) workload_identity: Result<WorkloadIdentity, String>,
    pub(crate) managed_identity: Option<ManagedIdentityId>,
    /// The tenant that the command-line tools sign in to; theirs if there is none.
    pub(crate) tenant_id: Option<String>,
}

/// A cloud by the name that Azure Functions gives it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum AzureCloud {
    Public,
    UsGovernment,
    China,
}

impl AzureCloud {
    /// `public`, `usgov` or `china`, in any case.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        [("public", Self::Public), ("usgov", Self::UsGovernment), ("china", Self::China)]
            .into_iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(text))
            .map(|(_, cloud)| cloud)
    }
}

impl From<Zeroizing<String>> for SecretText {
    fn from(text: Zeroizing<String>) -> Self {
        Self(text)
    }
}

/// A secret that is erased when it is dropped, and that `Debug` does not print.
#[derive(Clone, Eq, PartialEq)]
pub(crate) struct SecretText(Zeroizing<String>);

impl SecretText {
    pub(crate) fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText")
    }
}
