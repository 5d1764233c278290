//! The handlers of a dispatcher, by hub and event.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use axum_core::extract::Request;
use axum_core::response::{IntoResponse, Response};
use http::StatusCode;

use crate::telemetry::events;
use crate::upstream::answer::completion::IsCompletion;
use crate::upstream::answer::reply::{IntoCompletion, IntoStatus};
use crate::upstream::call::context::{Context, Event};
use crate::upstream::dispatch::handler::Handler;
use crate::upstream::hub::invocation::Invocation;

/// The registered handlers. Clones share them.
pub(crate) struct Routes<S> {
    by_key: Arc<HashMap<Key, Route<S>>>,
}

impl<S> Routes<S> {
    pub(crate) fn new() -> Self {
        Self { by_key: Arc::default() }
    }

    pub(crate) fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Panics if the hub and the event have a handler already.
    pub(crate) fn insert(&mut self, hub: &str, event: EventKey, route: Route<S>) {
        let key = Key { hub: NamePattern::pattern(hub), event };
        let shown = key.to_string();
        let previous = Arc::make_mut(&mut self.by_key).insert(key, route);
        assert!(previous.is_none(), "two handlers for {shown}");
    }

    /// The most specific handler of a call.
    pub(crate) fn find(&self, context: &Context) -> Option<Route<S>> {
        let this_hub = NamePattern::exact(context.hub());
        [this_hub, NamePattern::Any].into_iter().find_map(|hub| {
            EventKey::candidates(context.event())
                .into_iter()
                .find_map(|event| self.by_key.get(&Key { hub: hub.clone(), event }).cloned())
        })
    }
}

impl<S> Clone for Routes<S> {
    fn clone(&self) -> Self {
        Self { by_key: Arc::clone(&self.by_key) }
    }
}

#[derive(Clone, Eq, Hash, PartialEq)]
struct Key {
    hub: NamePattern,
    event: EventKey,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { hub, event } = self;
        match event {
            EventKey::Connected => write!(f, "`connected` on hub `{hub}`"),
            EventKey::Disconnected => write!(f, "`disconnected` on hub `{hub}`"),
            EventKey::Message(method) => write!(f, "method `{method}` on hub `{hub}`"),
        }
    }
}

/// The event of a registered handler.
#[derive(Clone, Eq, Hash, PartialEq)]
pub(crate) enum EventKey {
    Connected,
    Disconnected,
    Message(NamePattern),
}

impl EventKey {
    pub(crate) fn message(method: &str) -> Self {
        Self::Message(NamePattern::pattern(method))
    }

    /// The keys whose handlers may serve this event, the most specific first.
    fn candidates(event: &Event) -> Vec<Self> {
        match event {
            Event::Connected => vec![Self::Connected],
            Event::Disconnected => vec![Self::Disconnected],
            Event::Message(method) => vec![Self::Message(NamePattern::exact(method)), Self::Message(NamePattern::Any)],
        }
    }
}

/// The name of a hub or of a method, or any of them.
#[derive(Clone, Eq, Hash, PartialEq)]
pub(crate) enum NamePattern {
    Any,
    /// In lower case.
    Exact(String),
}

impl NamePattern {
    /// A name as registered: `*` matches any.
    fn pattern(name: &str) -> Self {
        if name == "*" { Self::Any } else { Self::exact(name) }
    }

    /// A name as called: `*` is a name like any other.
    fn exact(name: &str) -> Self {
        Self::Exact(name.to_ascii_lowercase())
    }
}

impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Any => "*",
            Self::Exact(name) => name,
        })
    }
}

/// A handler whose type is erased.
pub(crate) enum Route<S> {
    Connection(Arc<dyn Fn(Request, S) -> BoxFuture + Send + Sync>),
    Message(Arc<dyn Fn(Request, S, Invocation) -> BoxFuture + Send + Sync>),
}

pub(crate) type BoxFuture = Pin<Box<dyn Future<Output = Response> + Send>>;

impl<S> Route<S> {
    pub(crate) fn connection<H, M>(handler: H) -> Self
    where
        H: Handler<M, S, Output: IntoStatus>,
        M: 'static,
        S: Send + 'static,
    {
        Self::Connection(Arc::new(move |request, state| {
            let handler = handler.clone();
            Box::pin(async move {
                match handler.call(request, state).await {
                    Ok(output) => output.into_status().into_response(),
                    Err(rejection) => rejection,
                }
            })
        }))
    }

    pub(crate) fn message<H, M>(handler: H) -> Self
    where
        H: Handler<M, S, Output: IntoCompletion>,
        M: 'static,
        S: Send + 'static,
    {
        Self::Message(Arc::new(move |request, state, invocation| {
            let handler = handler.clone();
            Box::pin(async move {
                match handler.call(request, state).await {
                    Ok(output) => output.into_completion(&invocation).into_response(),
                    Err(rejection) => without_false_success(rejection),
                }
            })
        }))
    }
}

impl<S> Clone for Route<S> {
    fn clone(&self) -> Self {
        match self {
            Self::Connection(handler) => Self::Connection(Arc::clone(handler)),
            Self::Message(handler) => Self::Message(Arc::clone(handler)),
        }
    }
}

/// Replaces a rejection with a success status by a 500. An extractor from another crate may reject with any response,
/// and the body of a successful one would go into the client's stream.
fn without_false_success(rejection: Response) -> Response {
    if rejection.status().is_success() && rejection.extensions().get::<IsCompletion>().is_none() {
        tracing::warn!(
            target: events::UPSTREAM,
            { http.response.status_code = rejection.status().as_u16() },
            "an extractor rejected a call with a status of success"
        );
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    rejection
}
