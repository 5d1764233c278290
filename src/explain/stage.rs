//! Which check a refusal came from.

use super::evidence::Evidence;
use crate::error::RejectionKind;

/// The checks in their order.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Stage {
    Credentials,
    Form,
    Header,
    Claims,
    Version,
    Tenant,
    Issuer,
    Audience,
    Times,
    Key,
    Signature,
    Application,
    Caller,
    Role,
}

impl Stage {
    pub(super) const ALL: [Self; 14] = [
        Self::Credentials,
        Self::Form,
        Self::Header,
        Self::Claims,
        Self::Version,
        Self::Tenant,
        Self::Issuer,
        Self::Audience,
        Self::Times,
        Self::Key,
        Self::Signature,
        Self::Application,
        Self::Caller,
        Self::Role,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Credentials => "credentials",
            Self::Form => "form",
            Self::Header => "header",
            Self::Claims => "claims",
            Self::Version => "version",
            Self::Tenant => "tenant",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::Times => "times",
            Self::Key => "key",
            Self::Signature => "signature",
            Self::Application => "application",
            Self::Caller => "caller",
            Self::Role => "role",
        }
    }

    /// The check that refuses for this reason. A few reasons can come from two checks; what was found
    /// tells which.
    pub(super) fn of(kind: RejectionKind, evidence: &Evidence<'_>) -> Self {
        use RejectionKind as K;
        match kind {
            K::MalformedCredentials
            | K::MissingCredentials
            | K::MultipleCredentials
            | K::TokenTooLarge
            | K::UnsupportedScheme => Self::Credentials,
            K::EncryptedToken | K::MalformedToken => Self::Form,
            K::AlgorithmNotAllowed | K::CriticalHeader | K::MalformedHeader | K::MissingKeyId | K::UnsupportedType => {
                Self::Header
            }
            K::DuplicateMember if evidence.is_header_readable() => Self::Claims,
            K::DuplicateMember => Self::Header,
            // An `oid` that is no GUID is a fault of the caller's identity, found after the signature.
            K::MalformedClaims if evidence.claims.is_some() => Self::Application,
            K::MalformedClaims => Self::Claims,
            K::MissingClaim => evidence.first_missing(),
            K::UnsupportedVersion => Self::Version,
            K::WrongTenant => Self::Tenant,
            K::WrongIssuer => Self::Issuer,
            K::GraphToken if evidence.is_audience_accepted() => Self::Signature,
            K::GraphToken | K::WrongAudience => Self::Audience,
            K::ClockUnavailable | K::Expired | K::IssuedInFuture | K::NotYetValid | K::ValidityReversed => Self::Times,
            K::ForeignCloudKey
            | K::ForeignIssuerKey
            | K::ForgottenKey
            | K::KeysUnavailable
            | K::UnknownKey
            | K::UnusableKey => Self::Key,
            K::InvalidSignature => Self::Signature,
            K::DelegatedToken => Self::Application,
            K::CallerNotAllowed => Self::Caller,
            K::MissingRole => Self::Role,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checks_are_listed_in_their_order() {
        assert!(Stage::ALL.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
