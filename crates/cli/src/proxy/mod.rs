//! `proxy`: checks requests, and forwards the accepted ones to a service in any language.
//!
//! hyper-util's client does the forwarding: its pool, its HTTP/1.1 and its deadlines are those that reqwest stands on, and
//! it hands bodies on without a copy. axum-reverse-proxy and reqwest add a TLS stack and redirects that a sidecar does not
//! want; pingora brings a runtime and a TLS library of its own.

mod body;
mod failure;
mod head;
mod log;

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
pub(crate) struct Proxy(Arc<Worker>);

/// What one thread works with. A connection to the service stays with the thread that opened it.
#[derive(Debug)]
struct Worker {
    shared: Arc<CommonParts>,
    client: Client<HttpConnector, Begun<Incoming>>,
}

/// What all threads have in common.
#[derive(Debug)]
struct CommonParts {
    current: Current,
    rules: Rules,
    connector: HttpConnector,
    keep_alive: Duration,
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
        if arguments.dangerous_shadow_mode {
            tracing::warn!("shadow mode: rejected requests are forwarded, marked with X-Upstream-Auth-Shadow");
        }
        Self::with_client(Arc::new(CommonParts {
            current,
            rules: Rules {
                to: arguments.to.clone(),
                // In shadow mode the service still protects itself, with what the client sent.
                keep_authorization: arguments.keep_authorization || arguments.dangerous_shadow_mode,
                forwarded: arguments.forwarded,
            },
            connector,
            keep_alive: Duration::from_secs(arguments.keep_alive),
            timeout: Duration::from_secs(arguments.timeout),
            requests: Arc::new(Semaphore::new(
                usize::try_from(arguments.max_requests).unwrap_or(Semaphore::MAX_PERMITS),
            )),
            is_shadow: arguments.dangerous_shadow_mode,
            log: ProxyLog::new(),
        }))
    }

    fn with_client(shared: Arc<CommonParts>) -> Self {
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(shared.keep_alive)
            .build(shared.connector.clone());
        Self(Arc::new(Worker { shared, client }))
    }
}

impl Answer for Proxy {
    async fn answer(&self, request: Request<Incoming>, peer: Peer) -> Response<Body> {
        let Worker { shared, client } = &*self.0;
        // Before the check: which of two hosts it would be for must not be a guess.
        if head::has_two_hosts(request.headers()) {
            return shared.failed(ForwardFailure::InvalidRequest, None);
        }
        let check = shared.current.load();
        let verdict = match check.layer.validate(request.headers()).await {
            Ok(claims) => Verdict::Accepted(claims),
            Err(rejection) if shared.is_shadow => Verdict::Rejected(rejection),
            Err(rejection) => return rejected(&rejection),
        };
        shared.forward(client, request, peer, verdict).await
    }

    fn for_worker(&self) -> Self {
        Self::with_client(Arc::clone(&self.0.shared))
    }
}

impl CommonParts {
    async fn forward(
        &self,
        client: &Client<HttpConnector, Begun<Incoming>>,
        request: Request<Incoming>,
        peer: Peer,
        verdict: Verdict,
    ) -> Response<Body> {
        let Ok(permit) = Arc::clone(&self.requests).try_acquire_owned() else {
            return self.failed(ForwardFailure::LimitReached, None);
        };
        let (mut head, body) = request.into_parts();
        if self.rules.apply(&mut head, peer).is_err() {
            return self.failed(ForwardFailure::InvalidRequest, None);
        }
        self.identify(&mut head.headers, &verdict);
        let body = Begun::new(body).await;
        let answer = timeout(self.timeout, client.request(Request::from_parts(head, body))).await;
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
