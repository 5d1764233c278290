//! The app without settings: an emulator of the service in the same process.

use std::net::SocketAddr;
use std::sync::Arc;

use azure_core::cloud::CustomConfiguration;
use azure_core::credentials::Secret;
use azure_core::http::{ClientOptions, Transport};
use azure_identity::{ClientSecretCredential, ClientSecretCredentialOptions};
use signalr_emulator::{Emulator, StartError, defaults};
use signalr_serverless::{ClientTokens, Endpoint, Endpoints, ServiceClient, ServiceClientOptions};
use signalr_upstream_auth::UpstreamAuthLayer;

use crate::Failure;

/// An emulator that calls the app at this address.
pub async fn emulator(app: SocketAddr) -> Result<Emulator, StartError> {
    Emulator::builder().upstream(&format!("http://{app}/upstream/{{hub}}/{{category}}/{{event}}")).start().await
}

/// The layer that trusts the emulator's Entra.
pub fn auth(emulator: &Emulator) -> Result<UpstreamAuthLayer, Failure> {
    Ok(UpstreamAuthLayer::new(emulator.entra().mock().policy())?)
}

/// The way to the emulator, as an application with a client secret. It trusts the emulator's certificates alone.
pub fn service(emulator: &Emulator, client_tokens: ClientTokens) -> Result<ServiceClient, Failure> {
    let authority = reqwest::Certificate::from_pem(emulator.certificate_authority_pem().as_bytes())?;
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).tls_certs_only([authority]);
    let http = Arc::new(http.build()?);

    let entra = emulator.entra();
    let mut cloud = CustomConfiguration::default();
    cloud.authority_host = entra.authority_url().to_owned();
    let client_options = ClientOptions {
        transport: Some(Transport::new(http.clone())),
        cloud: Some(Arc::new(cloud.into())),
        ..ClientOptions::default()
    };
    let credential = ClientSecretCredential::new(
        &entra.mock().tenant().to_string(),
        defaults::application(entra.mock()).client_id().to_string(),
        Secret::new(defaults::CLIENT_SECRET),
        Some(ClientSecretCredentialOptions { client_options }),
    )?;

    let endpoint = Endpoint::entra(emulator.endpoint(), credential).client_url(emulator.client_endpoint());
    let options = ServiceClientOptions::default().client_tokens(client_tokens).transport(http);
    Ok(ServiceClient::from_endpoints(Endpoints::default().with(endpoint), options)?)
}
