//! Credentials of Microsoft Entra, as settings describe them. `azure_identity` does the work; what it lacks is here.

pub(crate) mod ambient;
#[cfg(feature = "identity")]
mod answer;
#[cfg(feature = "identity")]
mod chain;
#[cfg(feature = "identity")]
mod command_line;
#[cfg(feature = "identity")]
mod federated;
#[cfg(feature = "identity")]
mod imds;
#[cfg(feature = "identity")]
mod managed_identity;
pub(crate) mod plan;
#[cfg(feature = "identity")]
mod principal;
#[cfg(all(test, feature = "identity", unix))]
#[allow(clippy::unwrap_used, reason = "a test that cannot be set up should stop")]
mod processes;
#[cfg(feature = "identity")]
mod request_secrets;
#[cfg(all(test, feature = "identity"))]
#[allow(clippy::unwrap_used, reason = "a test that cannot be set up should stop")]
mod throttling;
#[cfg(feature = "identity")]
mod transport;

#[cfg(feature = "identity")]
pub(crate) use built_in::{Transports, build};
#[cfg(not(feature = "identity"))]
pub(crate) use none::{Transports, build};

/// Why a credential cannot be built. Without a field it is the endpoint as a whole.
#[derive(Debug)]
pub(crate) struct BuildFault {
    pub(crate) field: Option<String>,
    pub(crate) problem: String,
}

impl From<String> for BuildFault {
    fn from(problem: String) -> Self {
        Self { field: None, problem }
    }
}

#[cfg(feature = "identity")]
mod built_in {
    use std::sync::Arc;

    use azure_core::credentials::TokenCredential;

    use super::ambient::Ambient;
    use super::chain::DefaultChain;
    use super::plan::CredentialPlan;
    pub(crate) use super::transport::Transports;
    use super::{BuildFault, federated, managed_identity, principal};

    /// Builds the credential of a plan. Reads the token file of a workload identity; connects to nothing.
    pub(crate) fn build(
        plan: CredentialPlan,
        ambient: &Ambient<'_>,
        transports: &Transports,
    ) -> Result<Arc<dyn TokenCredential>, BuildFault> {
        match plan {
            CredentialPlan::ManagedIdentity(id) => managed_identity::build(id, ambient, transports),
            CredentialPlan::WorkloadIdentity(workload) => principal::workload_identity(workload, transports),
            CredentialPlan::ClientSecret(application) => principal::client_secret(application, transports),
            CredentialPlan::FederatedIdentity(federated) => federated::build(federated, ambient, transports),
            CredentialPlan::Default(plan) => Ok(Arc::new(DefaultChain::build(plan, ambient, transports)?)),
        }
    }
}

#[cfg(not(feature = "identity"))]
mod none {
    use std::sync::Arc;

    use azure_core::credentials::TokenCredential;
    use azure_core::http::Transport;

    use super::BuildFault;
    use super::ambient::Ambient;
    use super::plan::CredentialPlan;

    /// Nothing to send anything with.
    #[derive(Debug)]
    pub(crate) struct Transports;

    impl Transports {
        pub(crate) fn new(_: Option<Transport>) -> Self {
            Self
        }
    }

    pub(crate) fn build(
        _: CredentialPlan,
        _: &Ambient<'_>,
        _: &Transports,
    ) -> Result<Arc<dyn TokenCredential>, BuildFault> {
        let problem = "credentials of Microsoft Entra need the feature `identity` of signalr-serverless; switch it on, or \
                       give ServiceClient::new a TokenCredential of your own";
        Err(BuildFault::from(problem.to_owned()))
    }
}
