//! Answers of the proxy itself: neither the check's nor the service's.

use std::error::Error;
use std::io;
use std::time::Duration;

use axum::body::Body;
use http::header::{CACHE_CONTROL, HeaderName, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use hyper_util::client::legacy;

/// Why a request did not get an answer of the service.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) enum ForwardFailure {
    /// The request has no form that can be forwarded.
    InvalidRequest,
    /// As many requests are under way as the service may get.
    LimitReached,
    /// The service accepts no connection.
    ConnectionRefused,
    /// The service, or its name, is unreachable.
    Unreachable,
    /// The service did not accept a connection in time.
    ConnectionTimeout,
    /// The connection to the service broke before its answer.
    ConnectionTerminated,
    /// The service did not answer in time.
    ResponseTimeout,
}

impl ForwardFailure {
    pub(super) const ALL: [Self; 7] = [
        Self::InvalidRequest,
        Self::LimitReached,
        Self::ConnectionRefused,
        Self::Unreachable,
        Self::ConnectionTimeout,
        Self::ConnectionTerminated,
        Self::ResponseTimeout,
    ];

    /// What an error of the client means.
    pub(super) fn of(error: &legacy::Error) -> Self {
        if !error.is_connect() {
            return Self::ConnectionTerminated;
        }
        let mut source: Option<&(dyn Error + 'static)> = Some(error);
        while let Some(cause) = source {
            match cause.downcast_ref::<io::Error>().map(io::Error::kind) {
                Some(io::ErrorKind::ConnectionRefused) => return Self::ConnectionRefused,
                Some(io::ErrorKind::TimedOut) => return Self::ConnectionTimeout,
                _ => source = cause.source(),
            }
        }
        Self::Unreachable
    }

    fn status(self) -> StatusCode {
        match self {
            Self::InvalidRequest => StatusCode::BAD_REQUEST,
            Self::LimitReached => StatusCode::SERVICE_UNAVAILABLE,
            Self::ConnectionRefused | Self::Unreachable | Self::ConnectionTerminated => StatusCode::BAD_GATEWAY,
            Self::ConnectionTimeout | Self::ResponseTimeout => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    /// The error type of RFC 9209 section 2.3.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "http_request_error",
            Self::LimitReached => "connection_limit_reached",
            Self::ConnectionRefused => "connection_refused",
            Self::Unreachable => "destination_unavailable",
            Self::ConnectionTimeout => "connection_timeout",
            Self::ConnectionTerminated => "connection_terminated",
            Self::ResponseTimeout => "http_response_timeout",
        }
    }

    /// The answer. `Proxy-Status` (RFC 9209) tells it from an answer of the check, which has none.
    pub(super) fn response(self) -> Response<Body> {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.status();
        let status = format!("signalr-upstream-auth; error={}", self.as_str());
        let headers = response.headers_mut();
        headers.insert(
            PROXY_STATUS,
            HeaderValue::try_from(status).unwrap_or(HeaderValue::from_static("signalr-upstream-auth")),
        );
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self == Self::LimitReached {
            headers.insert(RETRY_AFTER, HeaderValue::from(SOON.as_secs()));
        }
        response
    }
}

const PROXY_STATUS: HeaderName = HeaderName::from_static("proxy-status");

/// A request ends within about a second.
const SOON: Duration = Duration::from_secs(1);
