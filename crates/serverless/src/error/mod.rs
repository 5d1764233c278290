//! What can go wrong: [`Error`] for a call, [`ConfigError`] for the program that starts.

mod cause;
mod config;
mod kind;
mod redaction;
mod service;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;

pub(crate) use cause::Cause;
pub use config::{ConfigError, ConfigFault};
pub use kind::ErrorKind;
#[cfg(feature = "identity")]
pub(crate) use redaction::without_tokens;
pub use service::ServiceError;

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call failed. It never holds a key, a token or a message.
///
/// Cloning is cheap: everyone who waited for the same fetch gets the same error.
#[derive(Clone)]
pub struct Error(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    text: Cow<'static, str>,
    retry_after: Option<Duration>,
    may_be_delivered: bool,
    endpoint: Option<Arc<str>>,
    source: Option<ErrorSource>,
    endpoints: Vec<EndpointError>,
}

#[derive(Clone)]
enum ErrorSource {
    Service(ServiceError),
    Config(ConfigError),
    Cause(Cause),
    Error(Error),
}

/// What came of a call at one of several endpoints.
#[derive(Clone, Debug)]
pub struct EndpointError {
    endpoint: Arc<str>,
    error: Option<Error>,
}

impl EndpointError {
    pub(crate) fn new(endpoint: Arc<str>, error: Option<Error>) -> Self {
        Self { endpoint, error }
    }

    /// The endpoint's name, or its host if it has none.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Why the call failed there. `None` if it succeeded.
    #[must_use]
    pub fn error(&self) -> Option<&Error> {
        self.error.as_ref()
    }
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, text: impl Into<Cow<'static, str>>) -> Self {
        Self(Arc::new(Inner {
            kind,
            text: text.into(),
            retry_after: None,
            may_be_delivered: false,
            endpoint: None,
            source: None,
            endpoints: Vec::new(),
        }))
    }

    pub(crate) fn with_service(self, error: ServiceError) -> Self {
        self.change(|inner| inner.source = Some(ErrorSource::Service(error)))
    }

    pub(crate) fn with_cause(self, cause: Cause) -> Self {
        self.change(|inner| inner.source = Some(ErrorSource::Cause(cause)))
    }

    pub(crate) fn with_error(self, error: Self) -> Self {
        self.change(|inner| inner.source = Some(ErrorSource::Error(error)))
    }

    pub(crate) fn with_retry_after(self, wait: Option<Duration>) -> Self {
        self.change(|inner| inner.retry_after = wait)
    }

    pub(crate) fn with_endpoint(self, endpoint: &Arc<str>) -> Self {
        self.change(|inner| inner.endpoint = Some(Arc::clone(endpoint)))
    }

    pub(crate) fn with_endpoints(self, endpoints: Vec<EndpointError>) -> Self {
        self.change(|inner| inner.endpoints = endpoints)
    }

    /// The request was under way when the call failed.
    pub(crate) fn and_may_be_delivered(self) -> Self {
        self.change(|inner| inner.may_be_delivered = true)
    }

    fn change(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }

    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// How long to wait before another try, if that is known.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self.0.kind {
            ErrorKind::Throttled { retry_after } => retry_after.or(self.0.retry_after),
            _ => self.0.retry_after,
        }
    }

    /// Whether the service may have carried out the call all the same: the request had left, and no answer came or
    /// it was a 500 or 504. If you repeat a send after this, clients may get the message twice.
    #[must_use]
    pub fn may_be_delivered(&self) -> bool {
        self.0.may_be_delivered || self.0.endpoints.iter().filter_map(EndpointError::error).any(Self::may_be_delivered)
    }

    /// The service's own code, for example `Warning.Connection.NotExisted`.
    #[must_use]
    pub fn service_code(&self) -> Option<&str> {
        self.service().and_then(ServiceError::code)
    }

    /// What the service said, if it answered.
    #[must_use]
    pub fn service(&self) -> Option<&ServiceError> {
        match &self.0.source {
            Some(ErrorSource::Service(error)) => Some(error),
            Some(ErrorSource::Error(error)) => error.service(),
            _ => None,
        }
    }

    /// The status with which an app answers a client whose request failed so: 400, 404 and 413 for what the client sent,
    /// 502 if the service rejects this app, 503 if it is not available now, 500 for a configuration with faults.
    #[must_use]
    pub fn http_status(&self) -> StatusCode {
        match self.0.kind {
            ErrorKind::InvalidId | ErrorKind::InvalidName | ErrorKind::InvalidArguments | ErrorKind::InvalidOptions => {
                StatusCode::BAD_REQUEST
            }
            ErrorKind::TokenTooLong | ErrorKind::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            ErrorKind::NotFound if self.service_code().is_some() => StatusCode::NOT_FOUND,
            ErrorKind::RoleMissing { .. }
            | ErrorKind::Unauthorized
            | ErrorKind::NotFound
            | ErrorKind::Rejected
            | ErrorKind::InvalidAnswer => StatusCode::BAD_GATEWAY,
            ErrorKind::Throttled { .. }
            | ErrorKind::Unavailable
            | ErrorKind::Credential
            | ErrorKind::KeyUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            ErrorKind::Config => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The endpoint at which the call failed: its name, or its host if it has none.
    #[must_use]
    pub fn endpoint(&self) -> Option<&str> {
        self.0.endpoint.as_deref()
    }

    /// With several endpoints, what came of the call at each.
    #[must_use]
    pub fn endpoints(&self) -> &[EndpointError] {
        &self.0.endpoints
    }
}

impl From<ConfigError> for Error {
    fn from(error: ConfigError) -> Self {
        Self::new(ErrorKind::Config, "the configuration has faults")
            .change(|inner| inner.source = Some(ErrorSource::Config(error)))
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Error");
        debug.field("kind", &self.0.kind).field("text", &self.0.text);
        if let Some(endpoint) = &self.0.endpoint {
            debug.field("endpoint", endpoint);
        }
        if let Some(wait) = self.retry_after() {
            debug.field("retry_after", &wait);
        }
        if self.0.may_be_delivered {
            debug.field("may_be_delivered", &true);
        }
        match &self.0.source {
            Some(ErrorSource::Service(error)) => debug.field("source", error),
            Some(ErrorSource::Config(error)) => debug.field("source", error),
            Some(ErrorSource::Cause(error)) => debug.field("source", error),
            Some(ErrorSource::Error(error)) => debug.field("source", error),
            None => &mut debug,
        };
        if !self.0.endpoints.is_empty() {
            debug.field("endpoints", &self.0.endpoints);
        }
        debug.finish()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(endpoint) = &self.0.endpoint {
            write!(f, "{endpoint}: ")?;
        }
        f.write_str(&self.0.text)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self.0.source.as_ref()? {
            ErrorSource::Service(error) => Some(error),
            ErrorSource::Config(error) => Some(error),
            ErrorSource::Cause(error) => Some(error),
            ErrorSource::Error(error) => Some(error),
        }
    }
}

/// An error with its causes, on one line, for events.
pub(crate) struct Chain<'a>(pub(crate) &'a Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = std::error::Error::source(self.0);
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;
    use crate::role::Role;

    #[test]
    fn names_the_endpoint_and_keeps_what_the_service_said() {
        let service = ServiceError::new(StatusCode::NOT_FOUND, Some("Warning.User.NotExisted"), None);
        let error =
            Error::new(ErrorKind::NotFound, "not there").with_service(service).with_endpoint(&Arc::from("east"));
        assert_eq!(error.to_string(), "east: not there");
        assert_eq!(error.service_code(), Some("Warning.User.NotExisted"));
        assert_eq!(
            Chain(&error).to_string(),
            "east: not there: the service answered 404 Not Found, Warning.User.NotExisted"
        );
        let outer = Error::new(ErrorKind::KeyUnavailable, "no key").with_error(error);
        assert_eq!(outer.service_code(), Some("Warning.User.NotExisted"));
    }

    #[test]
    fn retry_after_comes_from_the_kind_or_beside_it() {
        let wait = Some(Duration::from_secs(3));
        assert_eq!(Error::new(ErrorKind::Throttled { retry_after: wait }, "").retry_after(), wait);
        assert_eq!(Error::new(ErrorKind::Unavailable, "").with_retry_after(wait).retry_after(), wait);
        assert_eq!(Error::new(ErrorKind::RoleMissing { role: Role::AppServer }, "").retry_after(), None);
    }

    #[test]
    fn one_endpoint_that_may_have_delivered_is_enough() {
        let failed = Error::new(ErrorKind::Unavailable, "").and_may_be_delivered();
        let several = Error::new(ErrorKind::Unavailable, "")
            .with_endpoints(vec![EndpointError::new(Arc::from("a"), Some(failed))]);
        assert!(several.may_be_delivered());
    }
}
