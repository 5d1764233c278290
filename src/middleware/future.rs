//! The future of [`UpstreamAuth`](crate::UpstreamAuth).

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::authorization::Authorization;
use crate::error::Rejection;
use crate::explain::log::LateExplanation;
use crate::middleware::response::ResponseForRejection;
use crate::validator::Pending;

pin_project! {
    /// Resolves to the inner service's response, or to a rejection.
    ///
    /// A request can wait for its key. So the type names what waits with it: the service, the maker of rejections and the
    /// body.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<S, R, B>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        state: State<S, R, B>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, R, B>
    where
        S: Service<Request<B>>,
    {
        // The usual case: the key was at hand, the inner service has the request.
        Called { #[pin] response: S::Future },
        Rejected { rejection: Option<(Rejection, R)> },
        // The key has to be found first. The service has reserved nothing meanwhile.
        Waiting { waiting: Option<Box<Waiting<S, R, B>>> },
        // The token was accepted after a wait; now the service gets ready for the request.
        GettingReady { accepted: Option<Box<(S, Request<B>)>> },
    }
}

/// All that a request needs once its key is there.
pub(super) struct Waiting<S, R, B> {
    pub(super) pending: Pending,
    pub(super) request: Request<B>,
    pub(super) service: S,
    pub(super) responder: R,
    pub(super) authorization: Authorization,
    /// `None` if rejections are not explained.
    pub(super) explanation: Option<LateExplanation>,
}

impl<S, R, B> ResponseFuture<S, R, B>
where
    S: Service<Request<B>>,
{
    pub(super) fn called(response: S::Future) -> Self {
        Self { state: State::Called { response } }
    }

    pub(super) fn rejected(rejection: Rejection, responder: R) -> Self {
        Self { state: State::Rejected { rejection: Some((rejection, responder)) } }
    }

    pub(super) fn waiting(waiting: Waiting<S, R, B>) -> Self {
        Self { state: State::Waiting { waiting: Some(Box::new(waiting)) } }
    }
}

impl<S, R, B, ResBody> Future for ResponseFuture<S, R, B>
where
    S: Service<Request<B>, Response = Response<ResBody>>,
    R: ResponseForRejection<ResBody>,
{
    type Output = Result<Response<ResBody>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let next = match state.as_mut().project() {
                StateProj::Called { response } => return response.poll(cx),
                StateProj::Rejected { rejection } => {
                    #[expect(clippy::expect_used, reason = "a future is not polled again after it was ready")]
                    let (rejection, responder) = rejection.take().expect("polled after completion");
                    return Poll::Ready(Ok(respond(rejection, &responder)));
                }
                StateProj::Waiting { waiting } => {
                    #[expect(clippy::expect_used, reason = "taken below only where the state is replaced")]
                    let outcome = ready!(waiting.as_mut().expect("still waiting").pending.as_mut().poll(cx));
                    #[expect(clippy::expect_used, reason = "it was there a line ago")]
                    let Waiting { mut request, service, responder, authorization, explanation, .. } =
                        *waiting.take().expect("still waiting");
                    match outcome {
                        Ok(claims) => {
                            authorization.pass_on(&mut request, claims);
                            State::GettingReady { accepted: Some(Box::new((service, request))) }
                        }
                        Err(rejection) => {
                            if let Some(explanation) = explanation {
                                explanation.record(request.headers(), &rejection);
                            }
                            State::Rejected { rejection: Some((rejection, responder)) }
                        }
                    }
                }
                StateProj::GettingReady { accepted } => {
                    #[expect(clippy::expect_used, reason = "taken below only where the state is replaced")]
                    let (service, _) = &mut **accepted.as_mut().expect("still getting ready");
                    ready!(service.poll_ready(cx))?;
                    #[expect(clippy::expect_used, reason = "it was there a line ago")]
                    let (mut service, request) = *accepted.take().expect("still getting ready");
                    State::Called { response: service.call(request) }
                }
            };
            state.set(next);
        }
    }
}

/// The rejection rides along whatever the responder does, and a rejection never looks like anything else: the
/// service would tell its client that all went well, and a proxy that asks would let the request through.
fn respond<R, ResBody>(rejection: Rejection, responder: &R) -> Response<ResBody>
where
    R: ResponseForRejection<ResBody>,
{
    let mut response = responder.response_for_rejection(&rejection);
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        *response.status_mut() = rejection.status();
    }
    response.extensions_mut().insert(rejection);
    response
}

impl<S, R, B> fmt::Debug for ResponseFuture<S, R, B>
where
    S: Service<Request<B>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.state {
            State::Called { .. } => "ResponseFuture(called)",
            State::Rejected { .. } => "ResponseFuture(rejected)",
            State::Waiting { .. } => "ResponseFuture(waiting)",
            State::GettingReady { .. } => "ResponseFuture(getting ready)",
        })
    }
}
