//! The checks that an explanation lists.

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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checks_are_listed_in_their_order() {
        assert!(Stage::ALL.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
