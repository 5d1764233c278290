//! The signature check as tower middleware: layer, service and response future.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::telemetry::events;
use crate::upstream::call::headers;
use crate::upstream::call::signature::SignatureCheck;
use crate::upstream::error::Error;

/// Applies [`VerifySignature`] to a service, **inside** the layer that checks the token.
///
/// <div class="warning">
///
/// **This layer never replaces the token.** [`SignatureCheck`] says why.
///
/// </div>
///
/// ```
/// use axum::{Router, routing::post};
/// use signalr_upstream_auth::UpstreamAuthLayer;
/// use signalr_upstream_auth::upstream::{SignatureCheck, VerifySignatureLayer};
///
/// fn app(auth: UpstreamAuthLayer) -> Result<Router, signalr_upstream_auth::ConfigError> {
///     let check = SignatureCheck::new(["primary-key-for-tests-only"])?;
///     Ok(Router::new()
///         .route("/upstream/{hub}/{category}/{event}", post(|| async {}))
///         .route_layer(VerifySignatureLayer::new(check))
///         // Last, since axum runs the last layer first.
///         .route_layer(auth))
/// }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct VerifySignatureLayer {
    check: SignatureCheck,
}

impl VerifySignatureLayer {
    /// Creates a layer that runs this check.
    pub fn new(check: SignatureCheck) -> Self {
        Self { check }
    }
}

impl<S> Layer<S> for VerifySignatureLayer {
    type Service = VerifySignature<S>;

    fn layer(&self, inner: S) -> Self::Service {
        VerifySignature { inner, check: self.check.clone() }
    }
}

/// Calls the inner service with requests whose `X-ASRS-Signature` passes a [`SignatureCheck`], and rejects all
/// others.
///
/// Made by [`VerifySignatureLayer`]. A rejection is an empty response with the status of the
/// [`Error`], which it carries in its extensions. The service does not touch the body of the
/// request.
#[derive(Clone, Debug)]
pub struct VerifySignature<S> {
    inner: S,
    check: SignatureCheck,
}

impl<S, B, R> Service<Request<B>> for VerifySignature<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Default,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = VerifySignatureFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        headers::mark_sensitive(request.headers_mut());
        match self.check.check(request.headers()) {
            Ok(()) => VerifySignatureFuture { state: SignatureState::Called { response: self.inner.call(request) } },
            Err(error) => {
                tracing::debug!(target: events::UPSTREAM, { error.type = error.kind().as_str() }, "signature check rejected a call");
                VerifySignatureFuture { state: SignatureState::Rejected { error: Some(error) } }
            }
        }
    }
}

pin_project! {
    /// Resolves to the inner service's response, or to a rejection. The response future of [`VerifySignature`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct VerifySignatureFuture<F> {
        #[pin]
        state: SignatureState<F>,
    }
}

pin_project! {
    #[derive(Debug)]
    #[project = SignatureStateProj]
    enum SignatureState<F> {
        Called { #[pin] response: F },
        Rejected { error: Option<Error> },
    }
}

impl<F, R, E> Future for VerifySignatureFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: Default,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            SignatureStateProj::Called { response } => response.poll(cx),
            SignatureStateProj::Rejected { error } => {
                #[expect(clippy::expect_used, reason = "a future is not polled again after it was ready")]
                let error = error.take().expect("polled after completion");
                Poll::Ready(Ok(rejection(&error)))
            }
        }
    }
}

/// Drops the line of text: `R: Default` can only be empty.
fn rejection<R: Default>(error: &Error) -> Response<R> {
    let mut response = error.to_response::<bytes::Bytes>().map(|_| R::default());
    response.headers_mut().remove(http::header::CONTENT_TYPE);
    response
}
