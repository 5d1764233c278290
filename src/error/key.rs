//! Why a key is not available.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Serialize, Serializer};

/// Why a key, or every key, is not available.
///
/// Two errors are equal when [`kind`](Self::kind) and [`retry_after`](Self::retry_after) are. The cause that
/// [`source`](Error::source) returns is not compared.
#[derive(Clone)]
pub struct KeyError {
    kind: KeyErrorKind,
    retry_after: Option<Duration>,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl KeyError {
    /// An operator revoked the key. The request is rejected with 401.
    #[must_use]
    pub fn revoked() -> Self {
        Self::of(KeyErrorKind::Revoked)
    }

    /// A document is malformed. As the answer of a lookup it is treated like
    /// [`unavailable`](Self::unavailable).
    #[must_use]
    pub fn malformed(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { source: Some(Arc::from(source.into())), ..Self::of(KeyErrorKind::Malformed) }
    }

    /// No keys are available now. The request is answered 503, so that its sender may try again.
    #[must_use]
    pub fn unavailable(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { source: Some(Arc::from(source.into())), ..Self::of(KeyErrorKind::Unavailable) }
    }

    /// The key set is current and does not list this key. The request is rejected with 401.
    #[must_use]
    pub fn unknown() -> Self {
        Self::of(KeyErrorKind::Unknown)
    }

    /// Entra does not know the tenant: a mistake in the configuration, which no retry mends. The request is answered 503,
    /// since nothing is known about its token.
    #[must_use]
    pub fn unknown_tenant(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { source: Some(Arc::from(source.into())), ..Self::of(KeyErrorKind::UnknownTenant) }
    }

    /// The key is listed but may not verify RS256. The request is rejected with 401.
    #[must_use]
    pub fn unusable() -> Self {
        Self::of(KeyErrorKind::Unusable)
    }

    /// Sets how long to wait before another try. The response rounds it up to whole seconds, 1 to 30.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// The kind of the error.
    #[must_use]
    pub fn kind(&self) -> KeyErrorKind {
        self.kind
    }

    /// How long to wait before another try. `None` if that is not known.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    fn of(kind: KeyErrorKind) -> Self {
        Self { kind, retry_after: None, source: None }
    }
}

impl PartialEq for KeyError {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind && self.retry_after == other.retry_after
    }
}

impl Eq for KeyError {}

impl fmt::Debug for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyError").field("kind", &self.kind).field("source", &self.source).finish_non_exhaustive()
    }
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            KeyErrorKind::Malformed => "the document is malformed",
            KeyErrorKind::Revoked => "the key is revoked",
            KeyErrorKind::Unavailable => "no verification keys are available",
            KeyErrorKind::Unknown => "the key is not listed",
            KeyErrorKind::UnknownTenant => {
                "Entra does not know this tenant in this cloud: \
                 check `tenant_ids` and `cloud` (SIGNALR_UPSTREAM_TENANT_IDS, _CLOUD)"
            }
            KeyErrorKind::Unusable => "the key is listed but unusable",
        })
    }
}

impl Error for KeyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.source {
            Some(source) => Some(source.as_ref()),
            None => None,
        }
    }
}

/// The kinds of [`KeyError`].
///
/// `Display` and `Serialize` write [`as_str`](Self::as_str).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum KeyErrorKind {
    /// A document is malformed.
    Malformed,
    /// An operator revoked the key.
    Revoked,
    /// No keys are available now.
    Unavailable,
    /// The key is not listed.
    Unknown,
    /// Entra does not know the tenant in this cloud.
    UnknownTenant,
    /// The key is listed but may not verify RS256.
    Unusable,
}

impl KeyErrorKind {
    /// The kind as a stable name in lower case, for logs and metric labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Revoked => "revoked",
            Self::Unavailable => "unavailable",
            Self::Unknown => "unknown",
            Self::UnknownTenant => "unknown_tenant",
            Self::Unusable => "unusable",
        }
    }
}

impl fmt::Display for KeyErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for KeyErrorKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equality_compares_kind_and_retry_after_and_ignores_the_cause() {
        let wait = Duration::from_secs(3);
        assert_eq!(KeyError::unavailable("a"), KeyError::unavailable("b"));
        assert_ne!(KeyError::unavailable("a"), KeyError::malformed("a"));
        assert_ne!(KeyError::unknown(), KeyError::unusable());
        assert_ne!(KeyError::unknown(), KeyError::unknown().with_retry_after(wait));
        assert_eq!(KeyError::unknown().with_retry_after(wait), KeyError::unknown().with_retry_after(wait));
    }

    #[test]
    fn kinds_are_written_in_lower_case() {
        for (error, kind, name) in [
            (KeyError::malformed("x"), KeyErrorKind::Malformed, "malformed"),
            (KeyError::revoked(), KeyErrorKind::Revoked, "revoked"),
            (KeyError::unavailable("x"), KeyErrorKind::Unavailable, "unavailable"),
            (KeyError::unknown(), KeyErrorKind::Unknown, "unknown"),
            (KeyError::unknown_tenant("x"), KeyErrorKind::UnknownTenant, "unknown_tenant"),
            (KeyError::unusable(), KeyErrorKind::Unusable, "unusable"),
        ] {
            assert_eq!((error.kind(), kind.to_string().as_str()), (kind, name));
            assert_eq!(serde_json::to_value(kind).unwrap(), name);
        }
    }
}
