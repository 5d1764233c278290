//! A managed identity as the federated identity of an application: the way across tenants without a secret.
//!
//! The application of tenant A trusts the managed identity. Its token for *Azure AD Token Exchange* is the client
//! assertion with which the application signs in to tenant B, where the SignalR resource is
//! (<https://learn.microsoft.com/azure/azure-signalr/signalr-howto-authorize-cross-tenant>).

use std::sync::Arc;

use async_trait::async_trait;
use azure_core::credentials::TokenCredential;
use azure_core::http::ClientMethodOptions;
use azure_identity::{ClientAssertion, ClientAssertionCredential, ClientAssertionCredentialOptions};

use super::ambient::Ambient;
use super::plan::{AzureCloud, FederatedIdentity};
use super::transport::{Transports, client_options};
use super::{BuildFault, managed_identity};

pub(super) fn build(
    federated: FederatedIdentity,
    ambient: &Ambient<'_>,
    transports: &Transports,
) -> Result<Arc<dyn TokenCredential>, BuildFault> {
    let FederatedIdentity { tenant_id, client_id, identity, cloud } = federated;
    let assertion = ManagedIdentityAssertion {
        identity: managed_identity::build(Some(identity), ambient, transports)?,
        scope: exchange_scope(cloud),
    };
    let options = ClientAssertionCredentialOptions { client_options: client_options(transports.entra()?, Some(cloud)) };
    let credential = ClientAssertionCredential::new(tenant_id, client_id, assertion, Some(options))
        .map_err(|error| error.to_string())?;
    Ok(credential)
}

/// The scope of the exchange differs between clouds; a token of the wrong one is rejected with `AADSTS700212`.
const fn exchange_scope(cloud: AzureCloud) -> &'static str {
    match cloud {
        AzureCloud::Public => "api://AzureADTokenExchange/.default",
        AzureCloud::UsGovernment => "api://AzureADTokenExchangeUSGov/.default",
        AzureCloud::China => "api://AzureADTokenExchangeChina/.default",
    }
}

#[derive(Debug)]
struct ManagedIdentityAssertion {
    identity: Arc<dyn TokenCredential>,
    scope: &'static str,
}

#[async_trait]
impl ClientAssertion for ManagedIdentityAssertion {
    async fn secret(&self, _: Option<ClientMethodOptions<'_>>) -> azure_core::Result<String> {
        let token = self.identity.get_token(&[self.scope], None).await?;
        Ok(token.token.secret().to_owned())
    }
}
