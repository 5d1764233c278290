//! Applications and managed identities.

use std::fmt;

use crate::mock::{ClientId, ObjectId, TenantId};

/// An app registration that gets tokens with a secret or with a federated credential.
///
/// A multi-tenant application has a service principal, and with it an object id, in each tenant where it gets tokens.
#[derive(Clone)]
#[must_use = "an application does nothing until it is registered"]
pub struct Application {
    pub(super) client_id: ClientId,
    pub(super) service_principals: Vec<(TenantId, ObjectId)>,
    pub(super) secrets: Vec<String>,
    pub(super) federated: Vec<FederatedCredential>,
}

/// Which token of another issuer stands for an application.
#[derive(Clone, Debug)]
pub(super) struct FederatedCredential {
    pub(super) issuer: String,
    pub(super) subject: String,
}

impl Application {
    /// An application without service principals and credentials.
    pub fn new(client_id: ClientId) -> Self {
        Self { client_id, service_principals: Vec::new(), secrets: Vec::new(), federated: Vec::new() }
    }

    /// Its service principal in a tenant: the `oid` of the tokens that it gets there.
    pub fn service_principal(mut self, tenant: TenantId, object_id: ObjectId) -> Self {
        self.service_principals.push((tenant, object_id));
        self
    }

    /// One more client secret.
    pub fn secret(mut self, secret: &str) -> Self {
        self.secrets.push(secret.to_owned());
        self
    }

    /// One more federated credential: tokens of this issuer and subject, for the audience of token exchange, stand for
    /// the application.
    ///
    /// They must be signed with a key of the built-in Entra. For a managed identity the issuer is that of its tenant and
    /// the subject its object id; for a workload see [`Entra::workload_token`](super::Entra::workload_token).
    pub fn federated_credential(mut self, issuer: &str, subject: &str) -> Self {
        self.federated.push(FederatedCredential { issuer: issuer.to_owned(), subject: subject.to_owned() });
        self
    }

    /// The client id.
    #[must_use]
    pub fn client_id(&self) -> ClientId {
        self.client_id
    }

    /// The object id of its service principal in a tenant.
    #[must_use]
    pub fn object_id(&self, tenant: TenantId) -> Option<ObjectId> {
        self.service_principals.iter().find(|(present, _)| *present == tenant).map(|(_, object_id)| *object_id)
    }
}

impl fmt::Debug for Application {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Application")
            .field("client_id", &self.client_id)
            .field("service_principals", &self.service_principals)
            .field("secrets", &self.secrets.len())
            .field("federated", &self.federated)
            .finish()
    }
}

/// A managed identity of the machine where the app runs.
#[derive(Clone, Debug)]
#[must_use = "an identity does nothing until it is registered"]
pub struct ManagedIdentity {
    pub(super) client_id: ClientId,
    pub(super) object_id: ObjectId,
    pub(super) tenant: TenantId,
    /// `None` for the system-assigned identity.
    pub(super) resource_id: Option<String>,
}

impl ManagedIdentity {
    /// The identity that belongs to the machine: requests that name no identity get its tokens.
    pub fn system_assigned(tenant: TenantId, object_id: ObjectId, client_id: ClientId) -> Self {
        Self { client_id, object_id, tenant, resource_id: None }
    }

    /// An identity of its own, named by its client id, object id or Azure resource id.
    pub fn user_assigned(tenant: TenantId, object_id: ObjectId, client_id: ClientId, resource_id: &str) -> Self {
        Self { client_id, object_id, tenant, resource_id: Some(resource_id.to_owned()) }
    }

    /// The client id.
    #[must_use]
    pub fn client_id(&self) -> ClientId {
        self.client_id
    }

    /// The object id.
    #[must_use]
    pub fn object_id(&self) -> ObjectId {
        self.object_id
    }

    /// The Azure resource id; `None` for the system-assigned identity.
    #[must_use]
    pub fn resource_id(&self) -> Option<&str> {
        self.resource_id.as_deref()
    }
}
