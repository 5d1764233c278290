//! Managed identities on App Service and on virtual machines.

use std::sync::Arc;

use async_trait::async_trait;
use azure_core::credentials::TokenCredential;
use azure_core::http::{AsyncRawResponse, Context, HttpClient, Request, Transport};
use azure_identity::{ManagedIdentityCredential, ManagedIdentityCredentialOptions, UserAssignedId};

use super::BuildFault;
use super::ambient::{Ambient, IDENTITY_ENDPOINT, IDENTITY_HEADER};
use super::imds::ImdsClient;
use super::plan::ManagedIdentityId;
use super::transport::{Transports, client_options};

pub(super) fn build(
    id: Option<ManagedIdentityId>,
    ambient: &Ambient<'_>,
    transports: &Transports,
) -> Result<Arc<dyn TokenCredential>, BuildFault> {
    let (transport, id) = if is_app_service(ambient) {
        let local = transports.local()?;
        match id {
            Some(ManagedIdentityId::Resource(id)) => {
                (Transport::new(Arc::new(ResourceIdClient { inner: local })), Some(UserAssignedId::ClientId(id)))
            }
            id => (local, id.map(user_assigned_id)),
        }
    } else {
        (ImdsClient::transport(ambient, transports)?, id.map(user_assigned_id))
    };
    let options =
        ManagedIdentityCredentialOptions { user_assigned_id: id, client_options: client_options(transport, None) };
    let credential = ManagedIdentityCredential::new(Some(options)).map_err(|error| error.to_string())?;
    Ok(credential)
}

/// Whether App Service, Azure Functions or Container Apps provides the identity.
pub(super) fn is_app_service(ambient: &Ambient<'_>) -> bool {
    ambient.get(IDENTITY_ENDPOINT).is_some() && ambient.get(IDENTITY_HEADER).is_some()
}

fn user_assigned_id(id: ManagedIdentityId) -> UserAssignedId {
    match id {
        ManagedIdentityId::Client(id) => UserAssignedId::ClientId(id),
        ManagedIdentityId::Object(id) => UserAssignedId::ObjectId(id),
        ManagedIdentityId::Resource(id) => UserAssignedId::ResourceId(id),
    }
}

/// Sends a resource id to App Service as `mi_res_id`, the name that it documents
/// (<https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference>).
///
/// `azure_identity` 1.0 rejects resource ids on App Service, because it would send them as `msi_res_id`. So it gets the
/// resource id as a client id, and the parameter is renamed on its way.
#[derive(Debug)]
struct ResourceIdClient {
    inner: Transport,
}

#[async_trait]
impl HttpClient for ResourceIdClient {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let mut request = request.clone();
        let pairs: Vec<_> = request.url().query_pairs().into_owned().collect();
        let renamed = pairs.iter().map(|(name, value)| {
            let name = if name == "client_id" { "mi_res_id" } else { name.as_str() };
            (name, value.as_str())
        });
        let mut url = request.url().clone();
        url.query_pairs_mut().clear().extend_pairs(renamed);
        *request.url_mut() = url;
        self.inner.send(&Context::new(), &mut request).await
    }
}
