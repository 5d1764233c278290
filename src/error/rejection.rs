//! Why a request is rejected, and how the rejection is answered.

use std::error::Error;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use http::{HeaderValue, StatusCode};
use serde::{Serialize, Serializer};

use super::check::CheckName;
use super::key::{KeyError, KeyErrorKind};

/// Why a request was rejected.
///
/// The layer puts the value into the extensions of the response, so that an outer layer can log or count it.
/// It never holds anything of the token.
///
/// Two rejections are equal when they are answered alike: same [`kind`](Self::kind) and same
/// [`retry_after`](Self::retry_after). Neither the check nor the cause that [`source`](Error::source) returns is
/// compared.
///
/// ```
/// use http::Response;
/// use signalr_upstream_auth::{Rejection, RejectionKind};
///
/// /// What an outer layer may do with a response.
/// fn is_a_mistake_in_the_settings<B>(response: &Response<B>) -> bool {
///     let kind = response.extensions().get::<Rejection>().map(Rejection::kind);
///     matches!(kind, Some(RejectionKind::WrongAudience | RejectionKind::WrongTenant | RejectionKind::CallerNotAllowed))
/// }
/// # assert!(!is_a_mistake_in_the_settings(&Response::new(())));
/// ```
#[derive(Clone)]
pub struct Rejection {
    kind: RejectionKind,
    check: CheckName,
    source: Option<KeyError>,
}

impl Rejection {
    /// A rejection by one of several checks that reject for this reason.
    pub(crate) fn at(check: CheckName, kind: RejectionKind) -> Self {
        Self { check, ..Self::from(kind) }
    }

    /// Why the request was rejected.
    #[must_use]
    pub fn kind(&self) -> RejectionKind {
        self.kind
    }

    /// The check that failed.
    #[must_use]
    pub fn check(&self) -> CheckName {
        self.check
    }

    /// The status of the response, as in [`RejectionKind::status`].
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.kind.status()
    }

    /// For a 503, how long to wait before another try: whole seconds, 1 to 30. `None` otherwise.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        (self.status() == StatusCode::SERVICE_UNAVAILABLE).then(|| {
            let wait = self.source.as_ref().and_then(KeyError::retry_after).unwrap_or(RETRY_AFTER_DEFAULT);
            let seconds = wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0));
            Duration::from_secs(seconds.clamp(1, RETRY_AFTER_MAX.as_secs()))
        })
    }
}

impl From<RejectionKind> for Rejection {
    fn from(kind: RejectionKind) -> Self {
        Self { kind, check: kind.check(), source: None }
    }
}

impl From<KeyError> for Rejection {
    fn from(error: KeyError) -> Self {
        let kind = match error.kind() {
            KeyErrorKind::Malformed | KeyErrorKind::Unavailable | KeyErrorKind::UnknownTenant => {
                RejectionKind::KeysUnavailable
            }
            KeyErrorKind::Revoked => RejectionKind::RevokedKey,
            KeyErrorKind::Unknown => RejectionKind::UnknownKey,
            KeyErrorKind::Unusable => RejectionKind::UnusableKey,
        };
        Self { kind, check: kind.check(), source: Some(error) }
    }
}

impl PartialEq for Rejection {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind && self.retry_after() == other.retry_after()
    }
}

impl Eq for Rejection {}

impl fmt::Debug for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rejection")
            .field("kind", &self.kind)
            .field("check", &self.check)
            .field("retry_after", &self.retry_after())
            .field("source", &self.source)
            .finish()
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.description())
    }
}

impl Error for Rejection {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.source {
            Some(source) => Some(source),
            None => None,
        }
    }
}

/// Declares [`RejectionKind`]: one row holds everything about a kind.
macro_rules! rejection_kinds {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $check:ident, $class:ident, $description:literal;)+) => {
        /// The reasons to reject a request, one kind each.
        ///
        /// The status follows RFC 6750 section 3.1: 400 for a malformed request, 401 for credentials that are
        /// missing or not valid, 403 for a valid token whose caller may not call. It is 503 when no decision is
        /// possible.
        ///
        /// `Display`, `FromStr` and `Serialize` use [`as_str`](Self::as_str).
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        #[non_exhaustive]
        pub enum RejectionKind {
            $($(#[$doc])* $name,)+
        }

        impl RejectionKind {
            /// Every kind, in alphabetical order.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The kind as a stable name in snake case, for logs and metric labels.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }

            /// The fixed phrase sent as `error_description`. It never depends on the request.
            ///
            /// Every kind has one, also where the response carries no `error_description`.
            /// [`Rejection`] displays it.
            #[must_use]
            pub const fn description(self) -> &'static str {
                match self { $(Self::$name => $description,)+ }
            }

            /// The whole challenge, where there is one (RFC 6750 section 3).
            pub(crate) fn challenge(self) -> Option<HeaderValue> {
                match self { $(Self::$name => challenge!($class, $description),)+ }
            }

            /// The check that rejects for this reason, or the first of them where several can.
            const fn check(self) -> CheckName {
                match self { $(Self::$name => CheckName::$check,)+ }
            }

            const fn class(self) -> Class {
                match self { $(Self::$name => Class::$class,)+ }
            }
        }
    };
}

/// The challenge of a class of rejections, concatenated and validated at compile time: `from_static` reads every byte.
macro_rules! challenge {
    (Unavailable, $description:literal) => {
        None
    };
    (Unauthenticated, $description:literal) => {
        // The scheme needs a parameter (RFC 6750 section 3), and a request without a token gets no error code (section 3.1).
        Some(const { HeaderValue::from_static("Bearer realm=\"signalr-upstream\"") })
    };
    (InvalidRequest, $description:literal) => {
        challenge!("invalid_request", $description)
    };
    (InvalidToken, $description:literal) => {
        challenge!("invalid_token", $description)
    };
    (InsufficientScope, $description:literal) => {
        challenge!("insufficient_scope", $description)
    };
    ($code:literal, $description:literal) => {
        Some(
            const {
                HeaderValue::from_static(concat!(
                    "Bearer error=\"",
                    $code,
                    "\", error_description=\"",
                    $description,
                    "\""
                ))
            },
        )
    };
}

rejection_kinds! {
    /// The `alg` of the token's header is not exactly `RS256` (RFC 8725 section 3.1).
    AlgorithmNotAllowed = "algorithm_not_allowed", Header, InvalidToken, "The signature algorithm is not allowed";
    /// The token is valid, but its caller is not on the list.
    CallerNotAllowed = "caller_not_allowed", Caller, InsufficientScope, "The caller is not allowed";
    /// The wall clock is unavailable or stands before 1970, so no time can be checked.
    ClockUnavailable = "clock_unavailable", Times, Unavailable, "The clock cannot be read";
    /// The JOSE header asks for an extension: `crit`, `b64`, `enc` or `zip` (RFC 7515 section 4.1.11).
    CriticalHeader = "critical_header", Header, InvalidToken, "The token header asks for an unsupported extension";
    /// The token was issued for a user: `scp`, an `idtyp` other than `app`, or `sub` other than `oid`.
    DelegatedToken = "delegated_token", Application, InsufficientScope, "The token was issued for a user, not for an application";
    /// A top-level name occurs twice in the JOSE header or the claims set, or `tid` beside another spelling of it.
    DuplicateMember = "duplicate_member", Header, InvalidToken, "The token names a member twice";
    /// The token has five segments: it is encrypted (JWE), which this crate does not read.
    EncryptedToken = "encrypted_token", Form, InvalidToken, "The token is encrypted";
    /// `exp` plus the clock skew is reached (RFC 7519 section 4.1.4: rejected on or after `exp`).
    Expired = "expired", Times, InvalidToken, "The token has expired";
    /// The signing key belongs to another cloud: its `cloud_instance_name` is not the expected one.
    ForeignCloudKey = "foreign_cloud_key", Key, InvalidToken, "The signing key belongs to another cloud";
    /// The signing key may not sign for this tenant: its `issuer` names another one, as personal-account keys do.
    ForeignIssuerKey = "foreign_issuer_key", Key, InvalidToken, "The signing key belongs to another issuer";
    /// The token is for Microsoft Graph, and only Graph can verify its signature. The upstream's resource is probably empty.
    GraphToken = "graph_token", Audience, InvalidToken, "The token was issued for Microsoft Graph";
    /// The signature does not verify with the key.
    InvalidSignature = "invalid_signature", Signature, InvalidToken, "The signature is invalid";
    /// `iat` lies further ahead than the clock skew.
    IssuedInFuture = "issued_in_future", Times, InvalidToken, "The token was issued in the future";
    /// No verification keys are available now.
    KeysUnavailable = "keys_unavailable", Key, Unavailable, "The verification keys are not available";
    /// A claim that this crate reads has the wrong JSON type.
    MalformedClaims = "malformed_claims", ClaimTypes, InvalidToken, "A claim has the wrong type";
    /// `Bearer` without a token, or with something that is not one token68 (RFC 6750 section 2.1).
    MalformedCredentials = "malformed_credentials", Credentials, InvalidRequest, "The Authorization header is malformed";
    /// A member of the JOSE header is missing or has the wrong JSON type, or `kid` is too long.
    MalformedHeader = "malformed_header", Header, InvalidToken, "The token header is malformed";
    /// Not three segments of strict base64url with JSON objects in the first two (RFC 7515 section 5.2), of at most
    /// 256 members each.
    MalformedToken = "malformed_token", Form, InvalidToken, "The token is malformed";
    /// A required claim is missing.
    MissingClaim = "missing_claim", Version, InvalidToken, "A required claim is missing";
    /// There is no `Authorization` header, or it is empty.
    MissingCredentials = "missing_credentials", Credentials, Unauthenticated, "No credentials were sent";
    /// The JOSE header has no `kid`.
    MissingKeyId = "missing_key_id", Header, InvalidToken, "The token names no signing key";
    /// The caller has none of the required roles.
    MissingRole = "missing_role", Role, InsufficientScope, "The caller lacks a required role";
    /// There is more than one `Authorization` header (RFC 6750 section 3.1).
    MultipleCredentials = "multiple_credentials", Credentials, InvalidRequest, "More than one Authorization header was sent";
    /// `nbf` lies further ahead than the clock skew.
    NotYetValid = "not_yet_valid", Times, InvalidToken, "The token is not valid yet";
    /// An operator revoked the signing key.
    RevokedKey = "revoked_key", Key, InvalidToken, "The signing key is no longer accepted";
    /// More than 16,384 bytes of credentials.
    TokenTooLarge = "token_too_large", Credentials, InvalidToken, "The token is too large";
    /// No recent key set lists the token's `kid`.
    UnknownKey = "unknown_key", Key, InvalidToken, "The signing key is not known";
    /// The `Authorization` header has a scheme other than `Bearer`.
    UnsupportedScheme = "unsupported_scheme", Credentials, Unauthenticated, "The credentials are not of the Bearer scheme";
    /// `typ` is something else than a JWT or an access token.
    UnsupportedType = "unsupported_type", Header, InvalidToken, "The token is of another type";
    /// `ver` is neither `1.0` nor `2.0`.
    UnsupportedVersion = "unsupported_version", Version, InvalidToken, "The token version is not supported";
    /// The key is listed but may not verify RS256, for its `kty`, size, exponent, `use`, `key_ops` or `alg`. Or the
    /// document lists two keys of this `kid`, or publishes the key's private half.
    UnusableKey = "unusable_key", Key, InvalidToken, "The signing key cannot be used";
    /// `nbf` or `iat` is later than `exp`.
    ValidityReversed = "validity_reversed", Times, InvalidToken, "The token ends before it begins";
    /// `aud` is not among the allowed audiences.
    WrongAudience = "wrong_audience", Audience, InvalidToken, "The token is for another audience";
    /// `iss` is not the issuer that `tid` and `ver` require in this cloud.
    WrongIssuer = "wrong_issuer", Issuer, InvalidToken, "The issuer is not allowed";
    /// `tid` is not among the allowed tenants.
    WrongTenant = "wrong_tenant", Tenant, InvalidToken, "The tenant is not allowed";
}

/// The class of a kind, from which status and challenge follow.
#[derive(Clone, Copy)]
enum Class {
    InsufficientScope,
    InvalidRequest,
    InvalidToken,
    Unauthenticated,
    Unavailable,
}

impl RejectionKind {
    /// The status of the response: 400, 401, 403 or 503.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self.class() {
            Class::InsufficientScope => StatusCode::FORBIDDEN,
            Class::InvalidRequest => StatusCode::BAD_REQUEST,
            Class::InvalidToken | Class::Unauthenticated => StatusCode::UNAUTHORIZED,
            Class::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The `error` code of the challenge (RFC 6750 section 3.1). `None` where the challenge has no code,
    /// because the request carried no bearer token, and where there is no challenge (503).
    #[must_use]
    pub const fn error_code(self) -> Option<&'static str> {
        match self.class() {
            Class::InsufficientScope => Some("insufficient_scope"),
            Class::InvalidRequest => Some("invalid_request"),
            Class::InvalidToken => Some("invalid_token"),
            Class::Unauthenticated | Class::Unavailable => None,
        }
    }
}

impl fmt::Display for RejectionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for RejectionKind {
    type Err = UnknownRejectionKind;

    /// Reads [`as_str`](Self::as_str), byte for byte.
    fn from_str(text: &str) -> Result<Self, UnknownRejectionKind> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == text).ok_or(UnknownRejectionKind)
    }
}

impl Serialize for RejectionKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// A text that names no [`RejectionKind`] of this version.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct UnknownRejectionKind;

impl fmt::Display for UnknownRejectionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unknown rejection kind; write a name of `RejectionKind::ALL`, like `wrong_audience`")
    }
}

impl Error for UnknownRejectionKind {}

const RETRY_AFTER_DEFAULT: Duration = Duration::from_secs(5);
const RETRY_AFTER_MAX: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn kinds_are_sorted_and_names_and_phrases_are_unique() {
        let names: Vec<_> = RejectionKind::ALL.iter().map(|kind| kind.as_str()).collect();
        let mut sorted = names.clone();
        sorted.sort_unstable();
        assert_eq!(names, sorted);
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
        let phrases: BTreeSet<_> = RejectionKind::ALL.iter().map(|kind| kind.description()).collect();
        assert_eq!(phrases.len(), names.len(), "each kind has its own phrase");
    }

    #[test]
    fn descriptions_need_no_quoting() {
        // RFC 6750 section 3: error_description may hold %x20-21, %x23-5B and %x5D-7E.
        for kind in RejectionKind::ALL {
            assert!(
                kind.description().bytes().all(|byte| (0x20..0x7f).contains(&byte) && byte != b'"' && byte != b'\\'),
                "{kind}"
            );
        }
    }

    #[test]
    fn names_are_parsed_as_they_are_written() {
        for kind in RejectionKind::ALL {
            assert_eq!(kind.to_string().parse(), Ok(*kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
        for text in ["", "Expired", "expired ", "none"] {
            assert_eq!(text.parse::<RejectionKind>(), Err(UnknownRejectionKind), "{text}");
        }
        assert!(UnknownRejectionKind.to_string().contains("wrong_audience"));
    }

    #[test]
    fn retry_after_is_whole_seconds_from_1_to_30() {
        let after = |wait| Rejection::from(KeyError::unavailable("down").with_retry_after(wait)).retry_after();
        assert_eq!(after(Duration::ZERO), Some(Duration::from_secs(1)));
        assert_eq!(after(Duration::from_millis(1001)), Some(Duration::from_secs(2)));
        assert_eq!(after(Duration::from_secs(900)), Some(Duration::from_secs(30)));
        assert_eq!(after(Duration::MAX), Some(RETRY_AFTER_MAX));
        assert_eq!(Rejection::from(RejectionKind::Expired).retry_after(), None);
        assert_eq!(Rejection::from(KeyError::unknown().with_retry_after(Duration::from_secs(3))).retry_after(), None);
    }

    #[test]
    fn equal_rejections_are_answered_alike() {
        assert_eq!(Rejection::from(KeyError::unknown()), RejectionKind::UnknownKey.into());
        assert_eq!(Rejection::from(KeyError::unavailable("a")), KeyError::malformed("b").into());
        assert_ne!(Rejection::from(RejectionKind::Expired), RejectionKind::NotYetValid.into());
        let later = KeyError::unavailable("a").with_retry_after(Duration::from_secs(9));
        assert_ne!(Rejection::from(later), KeyError::unavailable("a").into());
    }
}
