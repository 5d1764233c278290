//! The version of an access token.

use std::fmt;

/// The version of an Entra access token, its claim `ver`.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[expect(clippy::exhaustive_enums, reason = "a third version would be another check altogether")]
pub enum TokenVersion {
    /// `1.0`.
    V1,
    /// `2.0`.
    V2,
}

impl TokenVersion {
    /// Reads the claim `ver`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        [Self::V1, Self::V2].into_iter().find(|version| version.as_str() == text)
    }

    /// The version as the claim spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V1 => "1.0",
            Self::V2 => "2.0",
        }
    }
}

impl fmt::Display for TokenVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_parse_as_they_are_written() {
        for version in [TokenVersion::V1, TokenVersion::V2] {
            assert_eq!(TokenVersion::parse(version.as_str()), Some(version));
            assert_eq!(version.to_string(), version.as_str());
        }
        assert_eq!((TokenVersion::V1.as_str(), TokenVersion::V2.as_str()), ("1.0", "2.0"));
        assert_eq!(TokenVersion::parse("2"), None);
    }
}
