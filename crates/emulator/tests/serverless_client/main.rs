//! `signalr-serverless` as the client of an emulator, over TLS.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod faults;
mod operations;
mod rotation;
#[path = "../support/mod.rs"]
mod support;

use std::net::{Ipv4Addr, SocketAddr};
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
    let options = ServiceClientOptions::default().client_tokens(client_tokens);
    service_at(emulator.endpoint(), emulator, options.transport(http_client(emulator.certificate_authority_pem())))
}

/// The same with an address and a transport of its own. Entra gets the usual transport.
fn service_at(endpoint: &str, emulator: &Emulator, options: ServiceClientOptions) -> ServiceClient {
    let http = http_client(emulator.certificate_authority_pem());
    let mut cloud = CustomConfiguration::default();
    cloud.authority_host = emulator.entra().authority_url().to_owned();
    let client_options = ClientOptions {
        transport: Some(Transport::new(http)),
        cloud: Some(Arc::new(cloud.into())),
        ..ClientOptions::default()
    };
    let credential = ClientSecretCredential::new(
        &emulator.entra().mock().tenant().to_string(),
        emulator.entra().applications()[0].client_id().to_string(),
        Secret::new(defaults::CLIENT_SECRET),
        Some(ClientSecretCredentialOptions { client_options }),
    );
    let endpoint = Endpoint::entra(endpoint, credential.unwrap());
    ServiceClient::from_endpoints(Endpoints::default().with(endpoint), options).unwrap()
}

/// An HTTP client that trusts this authority alone.
fn http_client(authority_pem: &str) -> Arc<reqwest::Client> {
    let authority = reqwest::Certificate::from_pem(authority_pem.as_bytes()).unwrap();
    // The name of the service in Azure, for which the emulator has no certificate.
    let builder = reqwest::Client::builder().resolve(AZURE, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    let builder = builder.tls_certs_only([authority]).redirect(reqwest::redirect::Policy::none());
    Arc::new(builder.build().unwrap())
}

const AZURE: &str = "contoso.service.signalr.net";

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
