//! The service: checks a request, then calls the inner service or answers with the rejection.

use std::task::{Context, Poll};

use http::{Request, Response};
use tower_service::Service;

use super::authorization::Authorization;
use crate::explain::log::ExplanationLog;
use crate::middleware::future::{ResponseFuture, Waiting};
use crate::middleware::response::{DefaultResponse, ResponseForRejection};
use crate::validator::{Validator, Verdict};

/// Calls the inner service with requests that carry an accepted token, and rejects all others.
///
/// Made by [`UpstreamAuthLayer`](crate::UpstreamAuthLayer). An accepted request has the [`Claims`](crate::Claims) in its
/// extensions. A rejection is a response, never an error: the error type is the inner service's. The body is not
/// touched.
///
/// # Readiness
///
/// The service is ready when the inner service is. What the inner service reserved for a request, such as the permit of
/// a concurrency limit, serves accepted requests only. A request that is rejected, or whose key is not cached, releases
/// it at once. After the wait for its key, an accepted request gets the inner service ready for itself. So only a
/// request that waited for its key feels the inner service's backpressure inside the response future.
///
/// A limit further out counts every request for as long as it waits, those of strangers included: up to two seconds
/// each. Put limits and load shedding that shall serve your callers behind this layer.
///
/// The inner service must be `Clone`, and a clone must reserve nothing before it is polled ready, as with all services
/// of `tower`. Put a service that is not `Clone` behind `tower`'s `Buffer` or `BoxCloneService`.
#[derive(Clone, Debug)]
pub struct UpstreamAuth<S, R = DefaultResponse> {
    inner: S,
    validator: Validator,
    responder: R,
    authorization: Authorization,
    explanations: ExplanationLog,
}

impl<S, R> UpstreamAuth<S, R> {
    pub(super) fn new(
        inner: S,
        validator: Validator,
        responder: R,
        authorization: Authorization,
        explanations: ExplanationLog,
    ) -> Self {
        Self { inner, validator, responder, authorization, explanations }
    }
}

impl<S, R, ReqBody, ResBody> Service<Request<ReqBody>> for UpstreamAuth<S, R>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone,
    R: ResponseForRejection<ResBody> + Clone,
{
    type Response = Response<ResBody>;
    type Error = S::Error;
    type Future = ResponseFuture<S, R, ReqBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        match self.validator.check_and_mark(request.headers_mut()) {
            Verdict::Accepted(claims) => {
                self.authorization.pass_on(&mut request, claims);
                ResponseFuture::called(self.inner.call(request))
            }
            Verdict::Rejected(rejection) => {
                self.release();
                self.explanations.record(&self.validator, request.headers(), &rejection);
                ResponseFuture::rejected(rejection, self.responder.clone())
            }
            Verdict::Waiting(pending) => {
                self.release();
                let service = self.inner.clone();
                let responder = self.responder.clone();
                let authorization = self.authorization;
                let explanation = self.explanations.later(&self.validator);
                ResponseFuture::waiting(Waiting { pending, request, service, responder, authorization, explanation })
            }
        }
    }
}

impl<S: Clone, R> UpstreamAuth<S, R> {
    /// Gives back what the inner service reserved when it was polled ready: "such resources are released if the service
    /// is dropped before `call` is invoked" (`tower_service::Service::poll_ready`). Otherwise strangers could hold it.
    fn release(&mut self) {
        self.inner = self.inner.clone();
    }
}
