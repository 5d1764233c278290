//! The app without settings: an emulator of the service in the same process, and a page that shows the loop.

mod attacks;
mod tap;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use azure_core::cloud::CustomConfiguration;
use azure_core::credentials::Secret;
use azure_core::http::{ClientOptions, Transport};
use azure_identity::{ClientSecretCredential, ClientSecretCredentialOptions};
use signalr_emulator::{Emulator, StartError, defaults};
use signalr_serverless::{ClientTokens, Endpoint, Endpoints, ServiceClient, ServiceClientOptions};
use signalr_upstream_auth::UpstreamAuthLayer;

use crate::{Chat, Failure, page};
use tap::Tap;

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

/// The routes of [`app`](crate::app), and those that show the loop on the page.
pub fn app(emulator: Arc<Emulator>, auth: UpstreamAuthLayer, service: ServiceClient, test_parameters: bool) -> Router {
    let tap = Tap::start(&emulator);
    let upstream = crate::upstream(&service)
        .layer(from_fn_with_state(tap.clone(), tap::accepted))
        .layer(auth.clone())
        .layer(from_fn_with_state(tap.clone(), tap::called));
    let shown = Router::new().route("/loop/events", get(tap::events)).with_state(tap);
    let attacks = attacks::routes(upstream.clone(), emulator);
    let open = crate::open(Chat { auth, service, test_parameters });
    upstream.merge(open).merge(page::routes(true)).merge(shown).merge(attacks)
}
