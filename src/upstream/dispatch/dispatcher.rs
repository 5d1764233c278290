//! Handlers registered by hub and event.

use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll};

use axum_core::body::Body;
use axum_core::extract::Request;
use axum_core::response::{IntoResponse, Response};
use http::{Extensions, Method, StatusCode};
use tower_service::Service;

use crate::extract::{MissingUpstreamAuthLayer, claims_of};
use crate::upstream::answer::completion::IsCompletion;
use crate::upstream::answer::reply::{IntoCompletion, IntoStatus};
use crate::upstream::body::{DEFAULT_BODY_LIMIT, read_body};
use crate::upstream::call::context::{Context, Event};
use crate::upstream::call::headers;
use crate::upstream::dispatch::handler::Handler;
use crate::upstream::error::{Error, ErrorKind};
use crate::upstream::hub::invocation::Invocation;
use crate::upstream::hub::protocol::Protocol;
use crate::upstream::payload::Payload;

/// Calls the handler that is registered for the hub and the event of a call: a tower service for
/// axum's `route_service`, or for hyper.
///
/// ```
/// use axum::Router;
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
/// let dispatcher = Dispatcher::new()
///     .connected("chat", on_connected)
///     .disconnected("chat", on_disconnected)
///     .message("chat", "echo", echo)
///     .message("*", "*", unknown);
///
/// let app: Router = Router::new().route_service("/upstream/{hub}/{category}/{event}", dispatcher);
/// ```
///
/// # The way of a call
///
/// The headers say what a call is about; the path does not matter. Anybody can write these headers, so
/// the layer that checks the token has to stand in front. The first failure decides:
///
/// 1. [`UpstreamAuthLayer`](crate::UpstreamAuthLayer) has let the call through, else 500 with a sentence for the
///    developer: [`MissingUpstreamAuthLayer`]. The method is `POST`, else 405.
/// 2. The headers can be read, else 400; the event is a known one, else 404.
/// 3. A handler is registered, else 404. The client then reads that its invocation failed with status
///    404; a handler for `*` can say more.
/// 4. The content type is one that the event can have, else 415.
/// 5. The body is no longer than the [limit](Self::body_limit), else 413, and can be read, else 400.
/// 6. The method that the body names is the one in `X-ASRS-Event`, else 400.
/// 7. The handler's parameters are extracted. Arguments that do not fit are answered with an error
///    completion and status 200, everything else with the rejection of the extractor.
/// 8. The handler is called. A message is answered with status 200 and a completion, also if the handler
///    fails; without an invocation id the answer is empty. A connection event is answered with a status.
///
/// The service may repeat a call, so handlers should be idempotent. A panic of a handler is not caught here: the
/// connection drops, and the service probably calls again. Put tower-http's `CatchPanicLayer` outside if that matters.
///
/// # Names
///
/// Hubs and events are compared without regard to ASCII case, as Microsoft's own receiver does. `*`
/// stands for any. A handler for this very hub comes before one for any hub, and within that one for
/// this very method before one for any method.
pub struct Dispatcher<S = ()> {
    routes: Arc<HashMap<Key, Route<S>>>,
    state: S,
    body_limit: usize,
    needs_layer: bool,
}

impl Dispatcher {
    /// Without handlers: answers 404 to every call.
    #[must_use]
    pub fn new() -> Self {
        Self::with_state(())
    }
}

impl<S: Clone + Send + Sync + 'static> Dispatcher<S> {
    /// Without handlers, and with a state that axum's `State` extractor finds in them.
    #[must_use]
    pub fn with_state(state: S) -> Self {
        Self { routes: Arc::default(), state, body_limit: DEFAULT_BODY_LIMIT, needs_layer: true }
    }

    /// The longest body that is read, in bytes. [`DEFAULT_BODY_LIMIT`] if not set; axum's
    /// `DefaultBodyLimit` has no say here.
    #[must_use]
    pub fn body_limit(mut self, limit: usize) -> Self {
        self.body_limit = limit;
        self
    }

    /// Serves calls that no [`UpstreamAuthLayer`](crate::UpstreamAuthLayer) of this program has checked.
    ///
    /// **Whoever reaches the dispatcher is taken for SignalR then.** Only for tests of handlers, and behind a
    /// proxy that has the token checked and that alone can connect.
    #[must_use]
    pub fn dangerous_without_layer(mut self) -> Self {
        self.needs_layer = false;
        self
    }

    /// Registers a handler for `connected` on this hub, or on any if it is `*`.
    ///
    /// # Panics
    ///
    /// If there is one already.
    #[must_use]
    pub fn connected<H, M>(self, hub: &str, handler: H) -> Self
    where
        H: Handler<M, S, Output: IntoStatus>,
        M: 'static,
    {
        self.register(hub, EventKey::Connected, connection_route(handler))
    }

    /// Registers a handler for `disconnected` on this hub, or on any if it is `*`.
    ///
    /// # Panics
    ///
    /// If there is one already.
    #[must_use]
    pub fn disconnected<H, M>(self, hub: &str, handler: H) -> Self
    where
        H: Handler<M, S, Output: IntoStatus>,
        M: 'static,
    {
        self.register(hub, EventKey::Disconnected, connection_route(handler))
    }

    /// Registers a handler for this method on this hub; `*` is any method, or any hub.
    ///
    /// # Panics
    ///
    /// If there is one already.
    #[must_use]
    pub fn message<H, M>(self, hub: &str, method: &str, handler: H) -> Self
    where
        H: Handler<M, S, Output: IntoCompletion>,
        M: 'static,
    {
        self.register(hub, EventKey::Message(Name::registered(method)), message_route(handler))
    }

    fn register(mut self, hub: &str, event: EventKey, route: Route<S>) -> Self {
        let key = Key { hub: Name::registered(hub), event };
        let shown = format!("{key:?}");
        let before = Arc::make_mut(&mut self.routes).insert(key, route);
        assert!(before.is_none(), "two handlers for {shown}");
        self
    }

    /// The most particular handler for a call.
    fn route(&self, context: &Context) -> Option<Route<S>> {
        let this_hub = Name::called(context.hub());
        [this_hub, Name::Any].into_iter().find_map(|hub| {
            EventKey::of(context.event())
                .into_iter()
                .find_map(|event| self.routes.get(&Key { hub: hub.clone(), event }).cloned())
        })
    }

    /// Fails without the layer that checks the token, unless nobody relies on one.
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
        let route = self.route(&context).ok_or(ErrorKind::NoHandler)?;
        Protocol::from_headers(&parts.headers)?;
        let body = read_body(body, self.body_limit).await?;
        let payload = Payload::parse(&context, &parts.headers, body.clone())?;
        // The extractors find what is read already. The body is there for those of others.
        parts.extensions.insert(context);
        parts.extensions.insert(payload.clone());
        let request = Request::from_parts(parts, Body::from(body));
        Ok(match (route, payload) {
            (Route::Message(handler), Payload::Message(invocation)) => handler(request, self.state, invocation).await,
            (Route::Connection(handler), _) => handler(request, self.state).await,
            // Cannot happen: handlers of messages stand under keys of messages.
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
        Self { routes: Arc::clone(&self.routes), state: self.state.clone(), ..*self }
    }
}

/// Shows how many handlers there are.
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

/// The response of a [`Dispatcher`].
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

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct Key {
    hub: Name,
    event: EventKey,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
enum EventKey {
    Connected,
    Disconnected,
    Message(Name),
}

impl EventKey {
    /// The keys under which a handler for this event may stand, the most particular first.
    fn of(event: &Event) -> Vec<Self> {
        match event {
            Event::Connected => vec![Self::Connected],
            Event::Disconnected => vec![Self::Disconnected],
            Event::Message(target) => vec![Self::Message(Name::called(target)), Self::Message(Name::Any)],
        }
    }
}

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
enum Name {
    Any,
    /// In lower case.
    This(String),
}

impl Name {
    fn registered(name: &str) -> Self {
        if name == "*" { Self::Any } else { Self::called(name) }
    }

    fn called(name: &str) -> Self {
        Self::This(name.to_ascii_lowercase())
    }
}

enum Route<S> {
    Connection(Arc<dyn Fn(Request, S) -> BoxFuture + Send + Sync>),
    Message(Arc<dyn Fn(Request, S, Invocation) -> BoxFuture + Send + Sync>),
}

impl<S> Clone for Route<S> {
    fn clone(&self) -> Self {
        match self {
            Self::Connection(handler) => Self::Connection(Arc::clone(handler)),
            Self::Message(handler) => Self::Message(Arc::clone(handler)),
        }
    }
}

type BoxFuture = Pin<Box<dyn Future<Output = Response> + Send>>;

fn connection_route<H, M, S>(handler: H) -> Route<S>
where
    H: Handler<M, S, Output: IntoStatus>,
    M: 'static,
    S: Send + 'static,
{
    Route::Connection(Arc::new(move |request, state| {
        let handler = handler.clone();
        Box::pin(async move {
            match handler.call(request, state).await {
                Ok(output) => output.into_status().into_response(),
                Err(rejection) => rejection,
            }
        })
    }))
}

fn message_route<H, M, S>(handler: H) -> Route<S>
where
    H: Handler<M, S, Output: IntoCompletion>,
    M: 'static,
    S: Send + 'static,
{
    Route::Message(Arc::new(move |request, state, invocation| {
        let handler = handler.clone();
        Box::pin(async move {
            match handler.call(request, state).await {
                Ok(output) => output.into_completion(&invocation).into_response(),
                Err(rejection) => without_false_success(rejection),
            }
        })
    }))
}

/// An extractor of somebody else may reject with any response. One that looks like success would go
/// into the client's stream, or tell it that its call went well.
fn without_false_success(rejection: Response) -> Response {
    if rejection.status().is_success() && rejection.extensions().get::<IsCompletion>().is_none() {
        tracing::warn!(
            target: crate::telemetry::events::UPSTREAM,
            { http.status = rejection.status().as_u16() },
            "an extractor rejected a call with a status of success"
        );
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    rejection
}
