//! What can go wrong, in three types that are never mixed: [`Rejection`] for a request, [`KeyError`]
//! for the keys, [`ConfigError`] for the program that starts. This file imports nothing of the crate.

mod check;

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;

pub use self::check::CheckName;

/// Why a request was rejected.
///
/// The value travels in the extensions of the rejection response, so that a layer outside can log or
/// count it. It never holds anything of the token.
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

    /// The status of the rejection, as in [`RejectionKind::status`].
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.kind.status()
    }

    /// For a 503, how long to wait before another try: whole seconds, 1 to 30. `None` otherwise.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        (self.status() == StatusCode::SERVICE_UNAVAILABLE).then(|| {
            let wanted = self.source.as_ref().and_then(KeyError::retry_after).unwrap_or(RETRY_AFTER_DEFAULT);
            let seconds = wanted.as_secs() + u64::from(wanted.subsec_nanos() > 0);
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
        let kind = match error.kind {
            KeyErrorKind::Revoked => RejectionKind::RevokedKey,
            KeyErrorKind::Malformed | KeyErrorKind::Unavailable => RejectionKind::KeysUnavailable,
            KeyErrorKind::Unknown => RejectionKind::UnknownKey,
            KeyErrorKind::Unusable => RejectionKind::UnusableKey,
        };
        Self { kind, check: kind.check(), source: Some(error) }
    }
}

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

/// Declares [`RejectionKind`] with everything that is said of a kind in one row.
macro_rules! rejection_kinds {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $check:ident, $class:ident, $description:literal;)+) => {
        /// The checks a request can fail, one name each.
        ///
        /// The status says whose fault it is: 400 for a malformed request, 401 for credentials that
        /// prove nothing, 403 for a proven caller that is not wanted, 503 when this side cannot tell
        /// (RFC 6750 section 3.1).
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
            /// Kinds whose challenge is bare, and those without a challenge, have one too; it is
            /// what [`Rejection`] displays.
            #[must_use]
            pub const fn description(self) -> &'static str {
                match self { $(Self::$name => $description,)+ }
            }

            /// The challenge in full, where there is one (RFC 6750 section 3).
            pub(crate) const fn challenge(self) -> Option<&'static str> {
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

/// The challenge of a class of rejections, put together by the compiler.
macro_rules! challenge {
    (Unavailable, $description:literal) => {
        None
    };
    (Unauthenticated, $description:literal) => {
        Some("Bearer")
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
        Some(concat!("Bearer error=\"", $code, "\", error_description=\"", $description, "\""))
    };
}

rejection_kinds! {
    /// The `alg` of the token's header is not exactly `RS256` (RFC 8725 section 3.1).
    AlgorithmNotAllowed = "algorithm_not_allowed", Header, InvalidToken, "The signature algorithm is not allowed";
    /// The token is sound, but its caller is not on the list.
    CallerNotAllowed = "caller_not_allowed", Caller, InsufficientScope, "The caller is not allowed";
    /// The wall clock cannot be read or stands before 1970, so no time can be judged.
    ClockUnavailable = "clock_unavailable", Times, Unavailable, "The clock cannot be read";
    /// The token's header asks for an extension: `crit`, `b64`, `enc` or `zip` (RFC 7515 section 4.1.11).
    CriticalHeader = "critical_header", Header, InvalidToken, "The token header asks for an unsupported extension";
    /// The token speaks for a user: `scp`, an `idtyp` other than `app`, or `sub` other than `oid`.
    DelegatedToken = "delegated_token", Application, InsufficientScope, "The token was issued for a user, not for an application";
    /// A top-level name occurs twice in the header or the claims, or `tid` stands beside another spelling of it.
    DuplicateMember = "duplicate_member", Header, InvalidToken, "The token names a member twice";
    /// The token has five segments: it is encrypted (JWE), which this crate does not read.
    EncryptedToken = "encrypted_token", Form, InvalidToken, "The token is encrypted";
    /// `exp` lies further back than the clock skew.
    Expired = "expired", Times, InvalidToken, "The token has expired";
    /// The signing key belongs to another cloud: its `cloud_instance_name` is not the expected one.
    ForeignCloudKey = "foreign_cloud_key", Key, InvalidToken, "The signing key belongs to another cloud";
    /// The signing key may not sign for this tenant: its `issuer` names another one, as personal-account keys do.
    ForeignIssuerKey = "foreign_issuer_key", Key, InvalidToken, "The signing key belongs to another issuer";
    /// The token is for Microsoft Graph, whose signature nobody else can verify: the upstream's resource is probably empty.
    GraphToken = "graph_token", Audience, InvalidToken, "The token was issued for Microsoft Graph";
    /// The signature does not fit the key.
    InvalidSignature = "invalid_signature", Signature, InvalidToken, "The signature is invalid";
    /// `iat` lies further ahead than the clock skew.
    IssuedInFuture = "issued_in_future", Times, InvalidToken, "The token was issued in the future";
    /// No verification keys can be had just now.
    KeysUnavailable = "keys_unavailable", Key, Unavailable, "The verification keys are not available";
    /// A claim that is read has the wrong JSON type.
    MalformedClaims = "malformed_claims", ClaimTypes, InvalidToken, "A claim has the wrong type";
    /// `Bearer` without a token, or with something that is not one token68 (RFC 6750 section 2.1).
    MalformedCredentials = "malformed_credentials", Credentials, InvalidRequest, "The Authorization header is malformed";
    /// A member of the token's header is missing or has the wrong JSON type, or `kid` is too long.
    MalformedHeader = "malformed_header", Header, InvalidToken, "The token header is malformed";
    /// Not three segments of strict base64url with JSON objects in the first two (RFC 7515 section 5.2), of at most
    /// 256 members each.
    MalformedToken = "malformed_token", Form, InvalidToken, "The token is malformed";
    /// A required claim is missing.
    MissingClaim = "missing_claim", Version, InvalidToken, "A required claim is missing";
    /// There is no `Authorization` header, or it is empty.
    MissingCredentials = "missing_credentials", Credentials, Unauthenticated, "No credentials were sent";
    /// The token's header has no `kid`.
    MissingKeyId = "missing_key_id", Header, InvalidToken, "The token names no signing key";
    /// The caller has none of the required roles.
    MissingRole = "missing_role", Role, InsufficientScope, "The caller lacks a required role";
    /// There is more than one `Authorization` header (RFC 6750 section 3.1).
    MultipleCredentials = "multiple_credentials", Credentials, InvalidRequest, "More than one Authorization header was sent";
    /// `nbf` lies further ahead than the clock skew.
    NotYetValid = "not_yet_valid", Times, InvalidToken, "The token is not valid yet";
    /// The signing key was taken out of use on this side.
    RevokedKey = "revoked_key", Key, InvalidToken, "The signing key is no longer accepted";
    /// More than 16,384 bytes of credentials.
    TokenTooLarge = "token_too_large", Credentials, InvalidToken, "The token is too large";
    /// No good key document of late lists the token's `kid`.
    UnknownKey = "unknown_key", Key, InvalidToken, "The signing key is not known";
    /// The `Authorization` header has a scheme other than `Bearer`.
    UnsupportedScheme = "unsupported_scheme", Credentials, Unauthenticated, "The credentials are not of the Bearer scheme";
    /// `typ` is something else than a JWT or an access token.
    UnsupportedType = "unsupported_type", Header, InvalidToken, "The token is of another type";
    /// `ver` is neither `1.0` nor `2.0`.
    UnsupportedVersion = "unsupported_version", Version, InvalidToken, "The token version is not supported";
    /// The key the token names is listed but may not verify RS256: kind, size, exponent, `use`, `key_ops` or `alg`.
    UnusableKey = "unusable_key", Key, InvalidToken, "The signing key cannot be used";
    /// `nbf` is later than `exp`.
    ValidityReversed = "validity_reversed", Times, InvalidToken, "The token ends before it begins";
    /// `aud` is not among the allowed audiences.
    WrongAudience = "wrong_audience", Audience, InvalidToken, "The token is for another audience";
    /// `iss` is not the issuer that `tid` and `ver` call for in this cloud.
    WrongIssuer = "wrong_issuer", Issuer, InvalidToken, "The issuer is not allowed";
    /// `tid` is not among the allowed tenants.
    WrongTenant = "wrong_tenant", Tenant, InvalidToken, "The tenant is not allowed";
}

/// Whose fault a rejection is. Status and challenge follow from it.
#[derive(Clone, Copy)]
enum Class {
    InsufficientScope,
    InvalidRequest,
    InvalidToken,
    Unauthenticated,
    Unavailable,
}

impl RejectionKind {
    /// The status of the rejection: 400, 401, 403 or 503.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self.class() {
            Class::InsufficientScope => StatusCode::FORBIDDEN,
            Class::InvalidRequest => StatusCode::BAD_REQUEST,
            Class::InvalidToken | Class::Unauthenticated => StatusCode::UNAUTHORIZED,
            Class::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The `error` code of the challenge (RFC 6750 section 3.1). `None` where the challenge is bare
    /// (no credentials of ours were sent) and where there is no challenge (503).
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

/// Why a key, or any key at all, cannot be had.
#[derive(Clone)]
pub struct KeyError {
    kind: KeyErrorKind,
    retry_after: Option<Duration>,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl KeyError {
    /// The key was taken out of use on this side. The request is rejected with 401.
    #[must_use]
    pub fn revoked() -> Self {
        Self::of(KeyErrorKind::Revoked)
    }

    /// A document cannot be used. As a lookup's answer it is treated like [`unavailable`](Self::unavailable).
    #[must_use]
    pub fn malformed(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { source: Some(Arc::from(source.into())), ..Self::of(KeyErrorKind::Malformed) }
    }

    /// No keys can be had just now. The request is answered 503, so that its sender may try again.
    #[must_use]
    pub fn unavailable(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { source: Some(Arc::from(source.into())), ..Self::of(KeyErrorKind::Unavailable) }
    }

    /// The keys are there and current, and this one is not among them. The request is rejected with 401.
    #[must_use]
    pub fn unknown() -> Self {
        Self::of(KeyErrorKind::Unknown)
    }

    /// The key is listed but may not verify this kind of token. The request is rejected with 401.
    #[must_use]
    pub fn unusable() -> Self {
        Self::of(KeyErrorKind::Unusable)
    }

    /// Says after how long another try makes sense. The answer rounds it up to whole seconds, 1 to 30.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// What kind of trouble it is.
    #[must_use]
    pub fn kind(&self) -> KeyErrorKind {
        self.kind
    }

    /// After how long another try makes sense, where that is known.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    fn of(kind: KeyErrorKind) -> Self {
        Self { kind, retry_after: None, source: None }
    }
}

impl fmt::Debug for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyError").field("kind", &self.kind).field("source", &self.source).finish_non_exhaustive()
    }
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            KeyErrorKind::Revoked => "the key was taken out of use",
            KeyErrorKind::Malformed => "the document cannot be used",
            KeyErrorKind::Unavailable => "no verification keys can be had",
            KeyErrorKind::Unknown => "the key is not listed",
            KeyErrorKind::Unusable => "the key is listed but may not be used",
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
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum KeyErrorKind {
    /// The key was taken out of use on this side.
    Revoked,
    /// A document cannot be used.
    Malformed,
    /// No keys can be had just now.
    Unavailable,
    /// The key is not listed.
    Unknown,
    /// The key is listed but may not be used.
    Unusable,
}

/// What is wrong with a configuration: every fault that was found, each with the field it is about
/// and what to write there.
#[derive(Clone)]
pub struct ConfigError {
    faults: Vec<ConfigFault>,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl ConfigError {
    pub(crate) fn new(field: impl Into<Cow<'static, str>>, problem: impl Into<String>) -> Self {
        Self { faults: vec![ConfigFault::new(field, problem)], source: None }
    }

    /// All of several faults, if there is one.
    pub(crate) fn from_faults(faults: Vec<ConfigFault>) -> Option<Self> {
        (!faults.is_empty()).then_some(Self { faults, source: None })
    }

    #[cfg(feature = "remote")]
    pub(crate) fn caused_by(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(Arc::from(source.into()));
        self
    }

    /// Adds the faults of another error to this one's.
    #[cfg(feature = "remote")]
    pub(crate) fn join(mut self, other: Self) -> Self {
        self.faults.extend(other.faults);
        self.source = self.source.or(other.source);
        self
    }

    /// The same faults with their fields named otherwise, for a reader who knows them by another name.
    #[cfg(feature = "remote")]
    pub(crate) fn rename_fields(mut self, name: impl Fn(&str) -> String) -> Self {
        for fault in &mut self.faults {
            fault.field = name(&fault.field).into();
        }
        self
    }

    /// The faults, in the order in which they were found. There is at least one.
    pub fn faults(&self) -> impl Iterator<Item = &ConfigFault> {
        self.faults.iter()
    }
}

impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `main` prints a returned error with `Debug`; the reader there wants the sentences.
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.faults.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{fault}")?;
        }
        Ok(())
    }
}

impl Error for ConfigError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.source {
            Some(source) => Some(source.as_ref()),
            None => None,
        }
    }
}

/// One fault of a configuration.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConfigFault {
    field: Cow<'static, str>,
    problem: String,
}

impl ConfigFault {
    pub(crate) fn new(field: impl Into<Cow<'static, str>>, problem: impl Into<String>) -> Self {
        Self { field: field.into(), problem: problem.into() }
    }

    /// The field, as the configuration names it: `tenant_ids`, or `SIGNALR_UPSTREAM_TENANT_IDS` when
    /// it came from the environment.
    #[must_use]
    pub fn field(&self) -> &str {
        &self.field
    }

    /// What is wrong and what to write instead.
    #[must_use]
    pub fn problem(&self) -> &str {
        &self.problem
    }
}

impl fmt::Display for ConfigFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.problem)
    }
}

/// An error with all its causes in one line.
#[cfg(feature = "remote")]
pub(crate) struct Chain<'e>(pub(crate) &'e (dyn Error + 'static));

#[cfg(feature = "remote")]
impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut error: Option<&dyn Error> = Some(self.0);
        let mut separator = "";
        while let Some(cause) = error {
            write!(f, "{separator}{cause}")?;
            separator = ": ";
            error = cause.source();
        }
        Ok(())
    }
}

const RETRY_AFTER_DEFAULT: Duration = Duration::from_secs(5);
const RETRY_AFTER_MAX: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn kinds_are_listed_in_alphabetical_order_and_named_apart() {
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
    fn retry_after_is_whole_seconds_from_1_to_30() {
        let after = |wait| Rejection::from(KeyError::unavailable("down").with_retry_after(wait)).retry_after();
        assert_eq!(after(Duration::ZERO), Some(Duration::from_secs(1)));
        assert_eq!(after(Duration::from_millis(1001)), Some(Duration::from_secs(2)));
        assert_eq!(after(Duration::from_secs(900)), Some(Duration::from_secs(30)));
        assert_eq!(Rejection::from(RejectionKind::Expired).retry_after(), None);
        assert_eq!(Rejection::from(KeyError::unknown().with_retry_after(Duration::from_secs(3))).retry_after(), None);
    }
}
