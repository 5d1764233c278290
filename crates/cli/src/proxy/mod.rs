//! `proxy`: checks requests, and forwards the accepted ones to a service in any language.
//!
//! hyper-util's client does the forwarding: its pool, its HTTP/1.1 and its deadlines are those that reqwest stands on, and
//! it hands bodies on without a copy. axum-reverse-proxy and reqwest add a TLS stack and redirects that a sidecar does not
//! want; pingora brings a runtime and a TLS library of its own.

mod body;
mod failure;
mod head;
mod log;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::header::HeaderValue;
use http::{HeaderMap, Request, Response, Version};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use signalr_upstream_auth::{Claims, Rejection, rejection_headers};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tower::{Layer, ServiceExt, service_fn};

use self::body::Begun;
use self::failure::ForwardFailure;
use self::head::Rules;
use self::log::ProxyLog;
use crate::arguments::ProxyArguments;
use crate::current::Current;
use crate::identity;
use crate::server::{Answer, Peer};

/// The check in front of a service.
#[derive(Clone, Debug)]
pub(crate) struct Proxy(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    current: Current,
    rules: Rules,
    client: Client<HttpConnector, Begun<Incoming>>,
    timeout: Duration,
    requests: Arc<Semaphore>,
    is_shadow: bool,
    log: ProxyLog,
}

/// What the check says of a request that is forwarded.
enum Verdict {
    Accepted(Claims),
    /// In shadow mode only.
    Rejected(Rejection),
}

impl Proxy {
    pub(crate) fn new(arguments: &ProxyArguments, current: Current) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(Duration::from_secs(arguments.connect_timeout)));
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(arguments.keep_alive))
            .build(connector);
        if arguments.dangerous_shadow_mode {
            tracing::warn!("shadow mode: rejected requests are forwarded, marked with X-Upstream-Auth-Shadow");
        }
        Self(Arc::new(Inner {
            current,
            rules: Rules {
                to: arguments.to.clone(),
                keep_authorization: arguments.keep_authorization,
                forwarded: arguments.forwarded,
            },
            client,
            timeout: Duration::from_secs(arguments.timeout),
            requests: Arc::new(Semaphore::new(
                usize::try_from(arguments.max_requests).unwrap_or(Semaphore::MAX_PERMITS),
            )),
            is_shadow: arguments.dangerous_shadow_mode,
            log: ProxyLog::new(),
        }))
    }
}

impl Answer for Proxy {
    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        // Before the check: which of two hosts it would be for must not be a guess.
        if head::has_two_hosts(request.headers()) {
            return self.0.failed(ForwardFailure::InvalidRequest, None);
        }
        let check = self.0.current.load();
        if self.0.is_shadow {
            let verdict = match check.layer.validate(request.headers()).await {
                Ok(claims) => Verdict::Accepted(claims),
                Err(rejection) => Verdict::Rejected(rejection),
            };
            return self.0.forward(request, verdict).await;
        }
        let inner = Arc::clone(&self.0);
        let service = service_fn(move |request: Request<Incoming>| {
            let inner = Arc::clone(&inner);
            async move {
                Ok(match request.extensions().get::<Claims>().cloned() {
                    Some(claims) => inner.forward(request, Verdict::Accepted(claims)).await,
                    // The layer puts them there. Without them nothing was checked.
                    None => inner.failed(ForwardFailure::InvalidRequest, None),
                })
            }
        });
        match check.layer.clone().with_rejection_response(rejected).layer(service).oneshot(request).await {
            Ok(response) => response,
            Err::<_, Infallible>(never) => match never {},
        }
    }
}

impl Inner {
    async fn forward(&self, request: Request<Incoming>, verdict: Verdict) -> Response<Body> {
        let Ok(permit) = Arc::clone(&self.requests).try_acquire_owned() else {
            return self.failed(ForwardFailure::LimitReached, None);
        };
        let (mut head, body) = request.into_parts();
        let peer = head.extensions.get::<Peer>().copied();
        if self.rules.apply(&mut head, peer).is_err() {
            return self.failed(ForwardFailure::InvalidRequest, None);
        }
        self.identify(&mut head.headers, &verdict);
        let body = Begun::new(body).await;
        let answer = timeout(self.timeout, self.client.request(Request::from_parts(head, body))).await;
        let response = match answer {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return self.failed(ForwardFailure::of(&error), Some(&error)),
            Err(elapsed) => return self.failed(ForwardFailure::ResponseTimeout, Some(&elapsed)),
        };
        if response.status().is_informational() {
            // The service switches protocols, though nobody asked for it.
            return self.failed(ForwardFailure::ConnectionTerminated, None);
        }
        self.log.forwarded();
        let (mut head, body) = response.into_parts();
        head::clean_response(&mut head.headers);
        // A version is of one connection (RFC 9110 section 2.5). Services that speak HTTP/1.0 are common: Python's.
        head.version = Version::HTTP_11;
        // The request counts until its answer has been sent.
        let body = Begun::new(body).await.map_frame(move |frame| {
            let _ = &permit;
            frame
        });
        Response::from_parts(head, Body::new(body))
    }

    /// Says who calls, once nothing is left that a client could have said under these names.
    fn identify(&self, headers: &mut HeaderMap, verdict: &Verdict) {
        match verdict {
            Verdict::Accepted(claims) => {
                identity::set(headers, claims);
                if self.is_shadow {
                    headers.insert(identity::SHADOW, HeaderValue::from_static("accepted"));
                }
            }
            Verdict::Rejected(rejection) => {
                let mark = HeaderValue::try_from(format!("rejected; kind={}", rejection.kind()));
                headers.insert(identity::SHADOW, mark.unwrap_or(HeaderValue::from_static("rejected")));
            }
        }
    }

    fn failed(&self, failure: ForwardFailure, error: Option<&(dyn std::error::Error + 'static)>) -> Response<Body> {
        self.log.failed(failure, error);
        failure.response()
    }
}

fn rejected(rejection: &Rejection) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = rejection.status();
    *response.headers_mut() = rejection_headers(rejection);
    response
}
