//! The middleware.

use std::task::{Context, Poll};

use http::header::AUTHORIZATION;
use http::{Request, Response};
use tower_service::Service;

use crate::claims::Claims;
use crate::middleware::future::{ResponseFuture, Waiting};
use crate::middleware::response::{DefaultResponse, ResponseForRejection};
use crate::validator::{Validator, Verdict};

/// Calls the inner service with requests that carry an accepted token, and rejects all others.
///
/// Made by [`UpstreamAuthLayer`](crate::UpstreamAuthLayer). An accepted request has the
/// [`Claims`] in its extensions. A rejection is a response, never an error: the error type is the inner
/// service's. The body is not touched.
#[derive(Clone, Debug)]
pub struct UpstreamAuth<S, R = DefaultResponse> {
    inner: S,
    validator: Validator,
    responder: R,
    authorization: Authorization,
}

/// What becomes of the `Authorization` header of an accepted request.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Authorization {
    /// It stays, marked sensitive so that it is not printed and not put into a compression table.
    #[default]
    Keep,
    Remove,
}

impl<S, R> UpstreamAuth<S, R> {
    pub(crate) fn new(inner: S, validator: Validator, responder: R, authorization: Authorization) -> Self {
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
        let hand_over = match self.authorization {
            Authorization::Keep => keep_authorization,
            Authorization::Remove => strip_authorization,
        };
        match self.validator.judge(request.headers()) {
            Verdict::Accepted(claims) => {
                hand_over(&mut request, claims);
                ResponseFuture::called(self.inner.call(request))
            }
            Verdict::Rejected(rejection) => ResponseFuture::rejected(rejection, self.responder.clone()),
            Verdict::Waiting(pending) => {
                // The service that was polled ready is the one to be called:
                // https://docs.rs/tower-service/0.3/tower_service/trait.Service.html#be-careful-when-cloning-inner-services
                let clone = self.inner.clone();
                let service = std::mem::replace(&mut self.inner, clone);
                let responder = self.responder.clone();
                ResponseFuture::waiting(Waiting { pending, request, service, responder, hand_over })
            }
        }
    }
}

fn keep_authorization<B>(request: &mut Request<B>, claims: Claims) {
    if let Some(value) = request.headers_mut().get_mut(AUTHORIZATION) {
        value.set_sensitive(true);
    }
    request.extensions_mut().insert(claims);
}

fn strip_authorization<B>(request: &mut Request<B>, claims: Claims) {
    request.headers_mut().remove(AUTHORIZATION);
    request.extensions_mut().insert(claims);
}
