//! Applications of Entra: by client secret, and by the token of a Kubernetes service account.

use std::sync::Arc;

use azure_core::credentials::{Secret, TokenCredential};
use azure_identity::{
    ClientAssertionCredentialOptions, ClientSecretCredential, ClientSecretCredentialOptions,
    WorkloadIdentityCredential, WorkloadIdentityCredentialOptions,
};

use super::BuildFault;
use super::plan::{ClientSecret, WorkloadIdentity};
use super::transport::{Transports, client_options};

pub(super) fn client_secret(
    application: ClientSecret,
    transports: &Transports,
) -> Result<Arc<dyn TokenCredential>, BuildFault> {
    let ClientSecret { tenant_id, client_id, secret, cloud } = application;
    let options = ClientSecretCredentialOptions { client_options: client_options(transports.entra()?, cloud) };
    let secret = Secret::new(secret.expose().to_owned());
    let credential =
        ClientSecretCredential::new(&tenant_id, client_id, secret, Some(options)).map_err(|error| error.to_string())?;
    Ok(credential)
}

/// Opens the token file, so that a wrong path ends the start.
#[expect(clippy::disallowed_methods, reason = "at the start, outside of async; `azure_identity` reads it in a thread")]
pub(super) fn workload_identity(
    workload: WorkloadIdentity,
    transports: &Transports,
) -> Result<Arc<dyn TokenCredential>, BuildFault> {
    let WorkloadIdentity { tenant_id, client_id, token_file, token_file_field, cloud } = workload;
    if let Err(error) = std::fs::File::open(&token_file) {
        return Err(BuildFault {
            field: Some(token_file_field),
            problem: format!("the file cannot be opened ({error}); write the path of the Kubernetes token"),
        });
    }
    let client_options = client_options(transports.entra()?, cloud);
    let options = WorkloadIdentityCredentialOptions {
        credential_options: ClientAssertionCredentialOptions { client_options },
        client_id: Some(client_id),
        tenant_id: Some(tenant_id),
        token_file_path: Some(token_file),
    };
    let credential = WorkloadIdentityCredential::new(Some(options)).map_err(|error| error.to_string())?;
    Ok(credential)
}
