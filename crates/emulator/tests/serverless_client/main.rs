//! `signalr-serverless` as the client of an emulator, over TLS.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod faults;
mod operations;

use std::sync::Arc;

use azure_core::cloud::CustomConfiguration;
use azure_core::credentials::Secret;
use azure_core::http::{ClientOptions, Transport};
use azure_identity::{ClientSecretCredential, ClientSecretCredentialOptions};
use signalr_emulator::mock::ObjectId;
use signalr_emulator::{Emulator, Role, defaults};
use signalr_serverless::{ClientTokens, Endpoint, Endpoints, ServiceClient, ServiceClientOptions};

/// A client of the emulator, as an application with a secret.
fn service(emulator: &Emulator, client_tokens: ClientTokens) -> ServiceClient {
    let authority = reqwest::Certificate::from_pem(emulator.certificate_authority_pem().as_bytes()).unwrap();
    let builder = reqwest::Client::builder().tls_certs_only([authority]);
    let http = Arc::new(builder.redirect(reqwest::redirect::Policy::none()).build().unwrap());
    let mut cloud = CustomConfiguration::default();
    cloud.authority_host = emulator.entra().authority_url().to_owned();
    let client_options = ClientOptions {
        transport: Some(Transport::new(http.clone())),
        cloud: Some(Arc::new(cloud.into())),
        ..ClientOptions::default()
    };
    let credential = ClientSecretCredential::new(
        &emulator.entra().mock().tenant().to_string(),
        emulator.entra().applications()[0].client_id().to_string(),
        Secret::new(defaults::CLIENT_SECRET),
        Some(ClientSecretCredentialOptions { client_options }),
    );
    let options = ServiceClientOptions::default().client_tokens(client_tokens).transport(http);
    let endpoint = Endpoint::entra(emulator.endpoint(), credential.unwrap());
    ServiceClient::from_endpoints(Endpoints::default().with(endpoint), options).unwrap()
}

/// Until there is a key or a reason why there is none. A negotiation alone waits for 5 s of real time, which is not enough
/// on a machine that is busy with other tests.
async fn settle(service: &ServiceClient) {
    let _ = service.ready().await;
}

fn caller(emulator: &Emulator) -> ObjectId {
    emulator.entra().applications()[0].object_id(emulator.entra().mock().tenant()).unwrap()
}

/// Gives the caller this role and no other.
fn grant(emulator: &Emulator, role: Option<Role>) {
    emulator.roles().remove_all(caller(emulator));
    if let Some(role) = role {
        emulator.roles().assign(caller(emulator), role);
    }
}
