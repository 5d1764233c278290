//! The signature check as a tower layer.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::error::Error;
use crate::upstream::call::headers;
use crate::upstream::call::signature::SignatureCheck;

/// Puts a [`SignatureCheck`] in front of a service, **behind** the layer that checks the token.
///
/// <div class="warning">
///
/// **This layer never replaces the token.** [`SignatureCheck`] says why.
///
/// </div>
///
/// A rejection is an empty response with the status of the [`Error`], which rides in its extensions. The
/// body of the request is not touched.
///
/// ```
/// use axum::{Router, routing::post};
/// use signalr_upstream_auth::upstream::{SignatureCheck, SignatureLayer};
///
/// let check = SignatureCheck::new(["primary-key-for-tests-only"])?;
/// let app: Router = Router::new()
///     .route("/upstream", post(|| async {}))
///     .layer(SignatureLayer::new(check));
///     // and, as the last one, the layer that checks the token: in axum the last layer comes first
/// # Ok::<(), signalr_upstream_auth::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct SignatureLayer {
    check: SignatureCheck,
}

impl SignatureLayer {
    /// A layer that makes this check.
    pub fn new(check: SignatureCheck) -> Self {
        Self { check }
    }
}

impl<S> Layer<S> for SignatureLayer {
    type Service = SignatureGuard<S>;

    fn layer(&self, inner: S) -> Self::Service {
        SignatureGuard { inner, check: self.check.clone() }
    }
}

/// The service that [`SignatureLayer`] makes.
#[derive(Clone, Debug)]
pub struct SignatureGuard<S> {
    inner: S,
    check: SignatureCheck,
}

impl<S, B, R> Service<Request<B>> for SignatureGuard<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Default,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = SignatureFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        headers::mark_sensitive(request.headers_mut());
        match self.check.check(request.headers()) {
            Ok(()) => SignatureFuture { state: State::Called { inner: self.inner.call(request) } },
            Err(error) => {
                tracing::debug!(target: crate::telemetry::events::UPSTREAM, { error.kind = error.kind().as_str() }, "signature check rejected a call");
                SignatureFuture { state: State::Rejected { error: Some(error) } }
            }
        }
    }
}

pin_project! {
    /// The response of [`SignatureGuard`].
    #[derive(Debug)]
    pub struct SignatureFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[derive(Debug)]
    #[project = StateProjection]
    enum State<F> {
        Called {
            #[pin]
            inner: F,
        },
        Rejected {
            error: Option<Error>,
        },
    }
}

impl<F, R, E> Future for SignatureFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: Default,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProjection::Called { inner } => inner.poll(cx),
            StateProjection::Rejected { error } => match error.take() {
                Some(error) => Poll::Ready(Ok(rejection(&error))),
                None => Poll::Pending,
            },
        }
    }
}

/// Without the line of text: an empty body is all that every body type has.
fn rejection<R: Default>(error: &Error) -> Response<R> {
    let mut response = error.to_response::<bytes::Bytes>().map(|_| R::default());
    response.headers_mut().remove(http::header::CONTENT_TYPE);
    response
}
