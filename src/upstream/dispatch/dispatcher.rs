//! The dispatcher: a tower service that calls the handler of a call.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{self, Poll};

use axum_core::body::Body;
use axum_core::extract::Request;
use axum_core::response::{IntoResponse, Response};
use http::{Extensions, Method};
use tower_service::Service;

use crate::extract::{MissingUpstreamAuthLayer, claims_of};
use crate::upstream::answer::reply::{IntoCompletion, IntoStatus};
use crate::upstream::body::{DEFAULT_BODY_LIMIT, read_body};
use crate::upstream::call::context::Context;
use crate::upstream::call::headers;
use crate::upstream::dispatch::handler::Handler;
use crate::upstream::dispatch::routes::{BoxFuture, EventKey, Route, Routes};
use crate::upstream::error::{Error, ErrorKind};
use crate::upstream::payload::{Payload, protocol_of};

/// Calls the handler that is registered for the hub and the event of a call: a tower service for axum's
/// `route_service`, or for hyper.
///
/// <div class="warning">
///
/// Requires the features **`axum` and `upstream`**. With hyper you need both as well: the parameters of handlers are
/// axum extractors, from the small crate `axum-core`. Without `axum`, use [`Payload::parse`] and
/// [`IntoCompletion`].
///
/// </div>
///
/// ```
/// use axum::Router;
/// use signalr_upstream_auth::UpstreamAuthLayer;
/// use signalr_upstream_auth::upstream::{Arguments, Context, Disconnected, Dispatcher, HandlerError, Reply};
///
/// async fn on_connected(context: Context) {
///     tracing::info!(connection = context.connection_id(), "connected");
/// }
///
/// async fn on_disconnected(context: Context, disconnected: Disconnected) {
///     tracing::info!(connection = context.connection_id(), error = disconnected.error(), "disconnected");
/// }
///
/// async fn echo(Arguments((text,)): Arguments<(String,)>) -> Reply<String> {
///     Reply(text)
/// }
///
/// async fn unknown() -> HandlerError {
///     HandlerError::new("There is no such method")
/// }
///
/// fn app(auth: UpstreamAuthLayer) -> Router {
///     let dispatcher = Dispatcher::new()
///         .connected("chat", on_connected)
///         .disconnected("chat", on_disconnected)
///         .message("chat", "echo", echo)
///         .message("*", "*", unknown);
///     Router::new().route_service("/upstream/{hub}/{category}/{event}", dispatcher).route_layer(auth)
/// }
/// ```
///
/// # Steps
///
/// The headers name the hub and the event; the path does not matter. Anybody can write these headers, so the layer that
/// checks the token must run first. The first failure ends the call:
///
/// 1. [`UpstreamAuthLayer`](crate::UpstreamAuthLayer) has accepted the request, else 500 with a hint for the
///    developer: [`MissingUpstreamAuthLayer`]. The method is `POST`, else 405.
/// 2. The headers are well-formed, else 400. The event is known, else 404.
/// 3. A handler is registered, else 404. The client then reads that its invocation failed with status 404. Register a
///    handler for `*` to say more.
/// 4. The event can have the content type, else 415.
/// 5. The body is no longer than the [limit](Self::body_limit), else 413. The body is well-formed, else 400.
/// 6. The body names the method in `X-ASRS-Event`, else 400.
/// 7. The extractors give the handler's parameters. If the arguments do not match, the response is an error completion
///    with status 200. Otherwise it is the rejection of the extractor.
/// 8. The handler runs. The response to a message is a completion with status 200, even if the handler fails. It is
///    empty without an invocation id. The response to a connection event is a status.
///
/// The service may repeat a call, so make your handlers idempotent. The dispatcher does not catch panics of a handler:
/// the connection drops, and the service probably repeats the call. Add tower-http's `CatchPanicLayer` outside if that
/// matters to you.
///
/// # Names
///
/// Hubs and events are compared without regard to ASCII case, as in Microsoft's Azure Functions trigger. `*` matches
/// any. A handler for the exact hub takes precedence over one for any hub, then a handler for the exact method over one
/// for any method.
pub struct Dispatcher<S = ()> {
    routes: Routes<S>,
    state: S,
    body_limit: usize,
    needs_layer: bool,
}

impl Dispatcher {
    /// Creates a dispatcher without handlers, which answers 404 to every call.
    #[must_use]
    pub fn new() -> Self {
        Self::from_state(())
    }
}

impl<S: Clone + Send + Sync + 'static> Dispatcher<S> {
    /// Creates a dispatcher without handlers. Handlers get the state through axum's `State` extractor.
    #[must_use]
    pub fn from_state(state: S) -> Self {
        Self { routes: Routes::new(), state, body_limit: DEFAULT_BODY_LIMIT, needs_layer: true }
    }

    /// Sets the maximum length of a body, in bytes. The default is [`DEFAULT_BODY_LIMIT`]; axum's `DefaultBodyLimit`
    /// has no effect here.
    #[must_use]
    pub fn body_limit(mut self, limit: usize) -> Self {
        self.body_limit = limit;
        self
    }

    /// Serves calls that no [`UpstreamAuthLayer`](crate::UpstreamAuthLayer) of this program has checked.
    ///
    /// **The dispatcher then takes every caller for SignalR.** Use it only to test handlers, or behind a proxy that has
    /// the token checked and is the only one that can connect.
    #[must_use]
    pub fn dangerous_without_layer(mut self) -> Self {
        self.needs_layer = false;
        self
    }

    /// Registers a handler for `connected` on this hub; `*` matches any hub.
    ///
    /// # Panics
    ///
    /// If this hub has a handler for `connected` already.
    #[must_use]
    pub fn connected<H, M>(self, hub: &str, handler: H) -> Self
    where
        H: Handler<M, S, Output: IntoStatus>,
        M: 'static,
    {
        self.register(hub, EventKey::Connected, Route::connection(handler))
    }

    /// Registers a handler for `disconnected` on this hub; `*` matches any hub.
    ///
    /// # Panics
    ///
    /// If this hub has a handler for `disconnected` already.
    #[must_use]
    pub fn disconnected<H, M>(self, hub: &str, handler: H) -> Self
    where
        H: Handler<M, S, Output: IntoStatus>,
        M: 'static,
    {
        self.register(hub, EventKey::Disconnected, Route::connection(handler))
    }

    /// Registers a handler for this method on this hub; `*` matches any hub or any method.
    ///
    /// # Panics
    ///
    /// If this hub has a handler for this method already.
    #[must_use]
    pub fn message<H, M>(self, hub: &str, method: &str, handler: H) -> Self
    where
        H: Handler<M, S, Output: IntoCompletion>,
        M: 'static,
    {
        self.register(hub, EventKey::message(method), Route::message(handler))
    }

    fn register(mut self, hub: &str, event: EventKey, route: Route<S>) -> Self {
        self.routes.insert(hub, event, route);
        self
    }

    /// Fails without the layer that checks the token, unless `dangerous_without_layer` was called.
    fn check_layer(&self, extensions: &Extensions) -> Result<(), MissingUpstreamAuthLayer> {
        if self.needs_layer { claims_of(extensions).map(drop) } else { Ok(()) }
    }

    async fn dispatch<B>(self, request: http::Request<B>) -> Result<Response, Error>
    where
        B: http_body::Body + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (mut parts, body) = request.into_parts();
        if parts.method != Method::POST {
            return Err(ErrorKind::MethodNotAllowed.into());
        }
        headers::mark_sensitive(&mut parts.headers);
        let context = Context::from_headers(&parts.headers)?;
        let route = self.routes.find(&context).ok_or(ErrorKind::NoHandler)?;
        protocol_of(&context, &parts.headers)?;
        let body = read_body(body, self.body_limit).await?;
        let payload = Payload::parse(&context, &parts.headers, body.clone())?;
        // Our extractors take the parsed values. The body serves the extractors of other crates.
        parts.extensions.insert(context);
        parts.extensions.insert(payload.clone());
        let request = Request::from_parts(parts, Body::from(body));
        Ok(match (route, payload) {
            (Route::Message(handler), Payload::Message(invocation)) => handler(request, self.state, invocation).await,
            (Route::Connection(handler), _) => handler(request, self.state).await,
            // Unreachable: only a key of a message leads to a handler of messages.
            (Route::Message(_), _) => return Err(ErrorKind::EventMismatch.into()),
        })
    }
}

impl Default for Dispatcher {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: Clone> Clone for Dispatcher<S> {
    fn clone(&self) -> Self {
        Self { routes: self.routes.clone(), state: self.state.clone(), ..*self }
    }
}

/// Shows the number of handlers.
impl<S> fmt::Debug for Dispatcher<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dispatcher")
            .field("handlers", &self.routes.len())
            .field("body_limit", &self.body_limit)
            .field("needs_layer", &self.needs_layer)
            .finish_non_exhaustive()
    }
}

impl<S, B> Service<http::Request<B>> for Dispatcher<S>
where
    S: Clone + Send + Sync + 'static,
    B: http_body::Body<Data: Send> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = DispatcherFuture;

    fn poll_ready(&mut self, _: &mut task::Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> DispatcherFuture {
        let dispatcher = self.clone();
        DispatcherFuture {
            response: Box::pin(async move {
                match dispatcher.check_layer(request.extensions()) {
                    Ok(()) => dispatcher.dispatch(request).await.unwrap_or_else(Error::into_response),
                    Err(missing) => missing.into_response(),
                }
            }),
        }
    }
}

/// The response future of [`Dispatcher`].
#[must_use = "futures do nothing unless polled"]
pub struct DispatcherFuture {
    response: BoxFuture,
}

impl fmt::Debug for DispatcherFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DispatcherFuture").finish_non_exhaustive()
    }
}

impl Future for DispatcherFuture {
    type Output = Result<Response, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        self.response.as_mut().poll(cx).map(Ok)
    }
}
