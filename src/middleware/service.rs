//! The service: checks a request, then calls the inner service or answers with the rejection.

use std::task::{Context, Poll};

use http::{Request, Response};
use tower_service::Service;

use super::authorization::Authorization;
use crate::middleware::future::{ResponseFuture, Waiting};
use crate::middleware::response::{DefaultResponse, ResponseForRejection};
use crate::validator::{Validator, Verdict};

/// Calls the inner service with requests that carry an accepted token, and rejects all others.
///
/// Made by [`UpstreamAuthLayer`](crate::UpstreamAuthLayer). The inner service must be `Clone`: a request that waits for
/// a key takes the service that was polled ready along. Wrap a service that is not `Clone` in `tower`'s `Buffer`.
///
/// An accepted request has the [`Claims`](crate::Claims) in its extensions. A rejection is a response, never an error:
/// the error type is the inner service's. The body is not touched.
#[derive(Clone, Debug)]
pub struct UpstreamAuth<S, R = DefaultResponse> {
    inner: S,
    validator: Validator,
    responder: R,
    authorization: Authorization,
}

impl<S, R> UpstreamAuth<S, R> {
    pub(super) fn new(inner: S, validator: Validator, responder: R, authorization: Authorization) -> Self {
        Self { inner, validator, responder, authorization }
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
        match self.validator.check_headers(request.headers()) {
            Verdict::Accepted(claims) => {
                self.authorization.pass_on(&mut request, claims);
                ResponseFuture::called(self.inner.call(request))
            }
            Verdict::Rejected(rejection) => ResponseFuture::rejected(rejection, self.responder.clone()),
            Verdict::Waiting(pending) => {
                // Only the service that was polled ready may be called, so it goes along and a clone stays:
                // https://docs.rs/tower-service/0.3/tower_service/trait.Service.html#be-careful-when-cloning-inner-services
                let clone = self.inner.clone();
                let service = std::mem::replace(&mut self.inner, clone);
                let responder = self.responder.clone();
                let authorization = self.authorization;
                ResponseFuture::waiting(Waiting { pending, request, service, responder, authorization })
            }
        }
    }
}
