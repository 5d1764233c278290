//! The whole loop of Azure SignalR Service in serverless mode: the app hands clients to the service, is called by it, and
//! sends through it. In both directions Microsoft Entra says who calls.

pub mod embedded;
mod methods;
mod negotiate;
mod page;
mod start;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::middleware::map_response;
use axum::routing::{get, post};
use signalr_serverless::ServiceClient;
use signalr_upstream_auth::UpstreamAuthLayer;

pub use start::{Failure, Started, start};

/// What the handlers of clients and probes need.
#[derive(Clone)]
struct Chat {
    auth: UpstreamAuthLayer,
    service: ServiceClient,
    test_parameters: bool,
}

/// All routes. `auth` checks the calls of the service; `service` is the way to it. With `test_parameters` a client may
/// choose its claims and the lifetime of its token.
pub fn app(auth: UpstreamAuthLayer, service: ServiceClient, test_parameters: bool) -> Router {
    let protected = upstream(&service).layer(auth.clone());
    protected.merge(open(Chat { auth, service, test_parameters })).merge(page::routes(false))
}

/// What the service calls. It belongs behind the layer.
fn upstream(service: &ServiceClient) -> Router {
    Router::new().route_service("/upstream/{hub}/{category}/{event}", methods::dispatcher(service.clone()))
}

/// What clients and probes call.
fn open(chat: Chat) -> Router {
    Router::new()
        .route("/{hub}/negotiate", post(negotiate::negotiate).layer(map_response(negotiate::no_store)))
        .route("/healthz", get(async || StatusCode::OK))
        .route("/readyz", get(readyz))
        .with_state(chat)
}

/// For the load balancer. Both halves are asked each time, since asking also fetches what is missing.
async fn readyz(State(chat): State<Chat>) -> StatusCode {
    let (is_called, calls) = (chat.auth.is_ready(), chat.service.is_ready());
    if is_called && calls { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}
