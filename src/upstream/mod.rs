//! The calls of the service: typed headers and bodies, and the answers that it expects (feature `upstream`).
//!
//! Use this module for the handler behind the layer that checks the token. The layer reads one header and never touches
//! the body. This module parses the other headers and the body of a call, and writes the answer in the one form that
//! does not break the client's stream. It verifies nothing. **Use it behind the layer.**
//!
//! The feature is off by default, since the token check needs neither a MessagePack library nor code that reads bodies.
//!
//! # Names
//!
//! Short names such as [`Error`], [`Event`], [`Context`] and [`Handler`] are meant to be qualified, as in
//! [`std::io`] or [`std::fmt`]: write `upstream::Error`. Import the module, and by name the types
//! that you use often. Do not import it with a glob (`upstream::*`): that would shadow or collide with `std::error::Error`,
//! `std::task::Context`, `anyhow::Context` and `axum::handler::Handler`.
//!
//! # A call
//!
//! In serverless mode, Azure SignalR Service calls its upstream with `POST` for each event:
//!
//! | Category | Event | Body | Answer |
//! |---|---|---|---|
//! | `connections` | `connected` | JSON: [`Connected`] | a status |
//! | `connections` | `disconnected` | JSON: [`Disconnected`] | a status |
//! | `messages` | the name of the method | JSON or MessagePack, the client's protocol: [`Invocation`] | a [`Completion`] |
//!
//! 1. The headers become a [`Context`]: hub, event, connection, user, the user's claims, the client's query. Its
//!    documentation says which of these the client chooses.
//! 2. The body becomes a [`Payload`]. The service sends it without the framing of the hub protocol.
//! 3. The answer to an [`Invocation`] with an id is status 200 and one [`Completion`], with framing: the service passes
//!    the bytes on to the client unchanged. The failure of a method is a completion as well. The answer to an
//!    invocation without an id, a "send", is 200 and an empty body.
//! 4. Any other answer to an invocation reaches the client as "Invocation failed, status code N". The service probably
//!    repeats a call after 408 and 5xx. So make handlers idempotent. This module answers 4xx to a call that can never
//!    succeed.
//!
//! # With axum
//!
//! A [`Dispatcher`] calls handlers that you register by hub and event. Their parameters are axum extractors, those of
//! this module included. Their return type must be an answer.
//!
//! ```
//! use axum::Router;
//! use signalr_upstream_auth::UpstreamAuthLayer;
//! use signalr_upstream_auth::upstream::{Arguments, Context, Dispatcher, HandlerError, Reply};
//!
//! async fn divide(context: Context, Arguments((a, b)): Arguments<(i64, i64)>) -> Result<Reply<i64>, HandlerError> {
//!     tracing::debug!(user = context.user_id(), "divide");
//!     Ok(Reply(a.checked_div(b).ok_or_else(|| HandlerError::new("Cannot divide"))?))
//! }
//!
//! fn app(auth: UpstreamAuthLayer) -> Router {
//!     let signalr = Dispatcher::new().message("calculator", "divide", divide);
//!     Router::new().route_service("/upstream/{hub}/{category}/{event}", signalr).route_layer(auth)
//! }
//! ```
//!
//! <div class="warning">
//!
//! `Dispatcher`, `Handler` and the extractors require the feature **`axum`** in addition to `upstream`.
//!
//! </div>
//!
//! A handler of messages that does not return a completion does not compile:
//!
//! ```compile_fail,E0277
//! use signalr_upstream_auth::upstream::Dispatcher;
//!
//! let dispatcher = Dispatcher::<()>::new().message("chat", "greet", async || "<h1>hello</h1>");
//! ```
//!
//! [`Context`], [`Payload`], [`Invocation`], [`Arguments`] and [`Disconnected`] are also extractors of any axum handler;
//! [`Completion`] and [`Error`] are responses.
//!
//! # Without axum
//!
//! Plain functions do the same, here with hyper:
//!
//! ```
//! use std::convert::Infallible;
//!
//! use bytes::Bytes;
//! use http_body_util::Full;
//! use hyper::{Request, Response, body::Incoming};
//! use signalr_upstream_auth::UpstreamAuthLayer;
//! use signalr_upstream_auth::upstream::{
//!     self, Context, DEFAULT_BODY_LIMIT, HandlerError, IntoCompletion, Invocation, Payload, Reply, read_body,
//! };
//! use tower::{Layer, Service, service_fn};
//!
//! /// What you serve: `on_event` gets accepted calls only.
//! fn service(
//!     auth: UpstreamAuthLayer,
//! ) -> impl Service<Request<Incoming>, Response = Response<Full<Bytes>>, Error = Infallible> + Clone {
//!     auth.layer(service_fn(on_event))
//! }
//!
//! async fn on_event(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
//!     Ok(answer(request).await.unwrap_or_else(|error| error.to_response()))
//! }
//!
//! async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, upstream::Error> {
//!     let (parts, body) = request.into_parts();
//!     let context = Context::from_headers(&parts.headers)?;
//!     let body = read_body(body, DEFAULT_BODY_LIMIT).await?;
//!     Ok(match Payload::parse(&context, &parts.headers, body)? {
//!         Payload::Message(invocation) => on_message(&invocation).into_completion(&invocation).to_response(),
//!         _ => Response::default(),
//!     })
//! }
//!
//! fn on_message(invocation: &Invocation) -> Result<Reply<String>, HandlerError> {
//!     if invocation.target().eq_ignore_ascii_case("echo") {
//!         Ok(Reply(invocation.argument(0)?))
//!     } else {
//!         Err(HandlerError::new("There is no such method"))
//!     }
//! }
//! ```
//!
//! # The signature
//!
//! [`SignatureCheck`] and [`VerifySignatureLayer`] check `X-ASRS-Signature` in addition to the token. **They never
//! replace it.**
//!
//! # Not in this module
//!
//! - Streaming from clients: serverless mode does not have it.
//! - Messages *to* clients: send them through the service's REST API.
//! - The decision who may connect: make it in `negotiate`. The service raises no event before a connection exists.

// Imports point one way: error <- hub <- call <- answer <- payload <- dispatch. `body` and `signature_layer` import
// from the first three only.
mod answer;
mod body;
mod call;
#[cfg(feature = "axum")]
mod dispatch;
mod error;
mod hub;
mod payload;
mod signature_layer;

pub use answer::completion::Completion;
pub use answer::handler_error::HandlerError;
pub use answer::reply::{IntoCompletion, IntoStatus, Reply};
pub use body::{DEFAULT_BODY_LIMIT, read_body};
pub use call::client_query::ClientQuery;
pub use call::connection::{Connected, Disconnected};
pub use call::context::{Context, Event};
pub use call::headers::mark_sensitive;
pub use call::signature::{SignatureCheck, Signatures};
pub use call::user_claims::{UserClaim, UserClaims};
#[cfg(feature = "axum")]
pub use dispatch::dispatcher::{Dispatcher, DispatcherFuture};
#[cfg(feature = "axum")]
pub use dispatch::extract::{Arguments, ArgumentsRejection};
#[cfg(feature = "axum")]
pub use dispatch::handler::Handler;
pub use error::{Error, ErrorKind};
pub use hub::invocation::Invocation;
pub use hub::protocol::Protocol;
pub use payload::Payload;
pub use signature_layer::{VerifySignature, VerifySignatureFuture, VerifySignatureLayer};
