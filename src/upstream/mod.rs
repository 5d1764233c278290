//! What the service sends beside the token, and what it wants back (feature `upstream`).
//!
//! The feature is off by default, since the token check needs none of it: neither a MessagePack
//! library nor code that reads bodies is compiled for those who only want that.
//!
//! The layer that checks the token reads one header and never touches the body. What comes after it
//! is here: the headers of a call as a value, its body as a value, and the answer in the one form that
//! does not break the client's stream. Nothing here proves anything. **Use it behind the layer.**
//!
//! # A call
//!
//! In serverless mode Azure SignalR Service calls its upstream with `POST` when something happens:
//!
//! | Category | Event | Body | Answer |
//! |---|---|---|---|
//! | `connections` | `connected` | JSON: [`Connected`] | a status |
//! | `connections` | `disconnected` | JSON: [`Disconnected`] | a status |
//! | `messages` | the name of the method | JSON or MessagePack, as the client speaks: [`Invocation`] | a [`Completion`] |
//!
//! 1. The headers become a [`Context`]: hub, event, connection, user, the user's claims, the client's
//!    query. Its documentation says which of these are the client's own words.
//! 2. The body becomes a [`Payload`]. The service sends it without the framing of the hub protocol.
//! 3. An [`Invocation`] with an id is answered with status 200 and one [`Completion`], with framing:
//!    the service hands the bytes on to the client as they are. Failures of the method are completions,
//!    too. An invocation without an id, a "send", is answered with 200 and nothing.
//! 4. Any other answer to an invocation reaches the client as "Invocation failed, status code N". The
//!    service probably repeats a call after 408 and 5xx, so handlers should be idempotent, and what can
//!    never succeed is answered 4xx here.
//!
//! # With axum
//!
//! A [`Dispatcher`] calls handlers that are registered by hub and event. Their parameters are axum
//! extractors, those of this module among them, and what they return must be an answer.
//!
//! ```
//! use axum::Router;
//! use signalr_upstream_auth::upstream::{Arguments, Context, Dispatcher, HandlerError, Reply};
//!
//! async fn divide(context: Context, Arguments((a, b)): Arguments<(i64, i64)>) -> Result<Reply<i64>, HandlerError> {
//!     tracing::debug!(user = context.user_id(), "divide");
//!     Ok(Reply(a.checked_div(b).ok_or_else(|| HandlerError::new("Cannot divide"))?))
//! }
//!
//! let app: Router = Router::new().route_service(
//!     "/upstream/{hub}/{category}/{event}",
//!     Dispatcher::new().message("calculator", "divide", divide),
//! ); // and `.layer(…)` with the layer that checks the token
//! ```
//!
//! What is not a completion does not compile:
//!
//! ```compile_fail,E0277
//! use signalr_upstream_auth::upstream::Dispatcher;
//!
//! let dispatcher = Dispatcher::<()>::new().message("chat", "greet", async || "<h1>hello</h1>");
//! ```
//!
//! [`Context`], [`Payload`], [`Invocation`], [`Arguments`] and [`Disconnected`] are extractors of any
//! axum handler, too; [`Completion`] and [`Error`] are responses.
//!
//! # Without axum
//!
//! The same through plain functions, here with hyper:
//!
//! ```
//! use std::convert::Infallible;
//!
//! use bytes::Bytes;
//! use http_body_util::Full;
//! use hyper::{Request, Response, body::Incoming};
//! use signalr_upstream_auth::upstream::{
//!     Context, DEFAULT_BODY_LIMIT, Error, HandlerError, IntoCompletion, Invocation, Payload, Reply, read_body,
//! };
//!
//! async fn on_event(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
//!     Ok(answer(request).await.unwrap_or_else(|error| error.to_response()))
//! }
//!
//! async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Error> {
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
//! [`SignatureCheck`] and [`VerifySignatureLayer`] check `X-ASRS-Signature` in addition to the token. **They
//! never replace it.**
//!
//! # What is not here
//!
//! Streaming from clients does not exist in serverless mode. Messages *to* clients go through the
//! service's REST API. A decision whether somebody may connect belongs into `negotiate`: there is no
//! event before the connection is made.

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
