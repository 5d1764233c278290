//! The kinds of [`Error`](super::Error).

use std::time::Duration;

use crate::role::Role;

/// What went wrong, for a program to decide by.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The service answered 403: the caller lacks this role (or a role that includes it), the role is younger than
    /// 30 minutes, or the resource's network rules do not admit this address.
    RoleMissing {
        /// The role with the least rights that the operation needs.
        role: Role,
    },
    /// The service answered 401, also to a new token if a try was left for one.
    Unauthorized,
    /// The service answered 404. With a [`service_code`](super::Error::service_code), what the call names does not
    /// exist; without one, the endpoint may be wrong.
    NotFound,
    /// The service answered 429, and went on doing so.
    Throttled {
        /// How long the service wants to be left alone, if it said so.
        retry_after: Option<Duration>,
    },
    /// The service, or the source of Entra tokens, cannot be reached or cannot answer now.
    Unavailable,
    /// The credential gave no Entra token, and another attempt soon will not help: it is not set up, or Entra rejects
    /// it.
    Credential,
    /// There is no temporary access key that could sign a client token now.
    KeyUnavailable,
    /// The client token would be longer than 4,096 characters, which the service does not accept.
    TokenTooLong,
    /// An id is empty, `.`, `..`, or outside the limits of the service.
    InvalidId,
    /// A hub name does not match the service's pattern.
    InvalidName,
    /// The body would be larger than 1 MB, which the service does not accept. Nothing was sent.
    BodyTooLarge,
    /// The configuration has faults; the source is a [`ConfigError`](super::ConfigError).
    Config,
    /// Arguments do not serialize to a sequence, or not at all. Nothing was sent.
    InvalidArguments,
    /// An option is out of its bounds, or the chosen [`ClientTokens`](crate::ClientTokens) cannot carry it.
    InvalidOptions,
    /// The service rejected the request itself with another 4xx status.
    Rejected,
    /// The answer is not one that the service gives: a redirect, or a body that cannot be read.
    InvalidAnswer,
}

impl ErrorKind {
    /// The kind as a stable name in snake case, for logs and metric labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RoleMissing { .. } => "role_missing",
            Self::Unauthorized => "unauthorized",
            Self::NotFound => "not_found",
            Self::Throttled { .. } => "throttled",
            Self::Unavailable => "unavailable",
            Self::Credential => "credential",
            Self::KeyUnavailable => "key_unavailable",
            Self::TokenTooLong => "token_too_long",
            Self::InvalidId => "invalid_id",
            Self::InvalidName => "invalid_name",
            Self::BodyTooLarge => "body_too_large",
            Self::Config => "config",
            Self::InvalidArguments => "invalid_arguments",
            Self::InvalidOptions => "invalid_options",
            Self::Rejected => "rejected",
            Self::InvalidAnswer => "invalid_answer",
        }
    }
}
