//! The identifiers of Entra as types that cannot be mixed up. This file imports nothing of the crate.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// A GUID as Entra writes it: 8-4-4-4-12 hexadecimal digits.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct Guid(u128);

impl Guid {
    /// Reads a GUID with digits in any case, without braces.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let bytes: &[u8; 36] = text.as_bytes().try_into().ok()?;
        let mut value: u128 = 0;
        for (position, byte) in bytes.iter().enumerate() {
            if matches!(position, 8 | 13 | 18 | 23) {
                if *byte != b'-' {
                    return None;
                }
            } else {
                value = value << 4 | u128::from(char::from(*byte).to_digit(16)?);
            }
        }
        Some(Self(value))
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(value) = self;
        write!(
            f,
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            value >> 96,
            (value >> 80) & 0xffff,
            (value >> 64) & 0xffff,
            (value >> 48) & 0xffff,
            value & 0xffff_ffff_ffff
        )
    }
}

/// Reads an identifier as Entra's tokens carry it: in lower case only.
pub(crate) fn from_lower_case<T: FromStr<Err = InvalidGuid>>(text: &str) -> Option<T> {
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) { None } else { text.parse().ok() }
}

/// A text that is not a GUID.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not a GUID: 36 characters like 11111111-aaaa-4bbb-8ccc-222222222222, not all zero, no braces")]
#[non_exhaustive]
pub struct InvalidGuid;

macro_rules! guid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        ///
        /// Reads a GUID in any case and shows it in lower case.
        #[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub struct $name(Guid);

        impl FromStr for $name {
            type Err = InvalidGuid;

            fn from_str(text: &str) -> Result<Self, InvalidGuid> {
                Guid::parse(text).filter(|guid| guid.0 != 0).map(Self).ok_or(InvalidGuid)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }
    };
}

guid_id! {
    /// A tenant (directory) of Entra, the `tid` of its tokens.
    TenantId
}
guid_id! {
    /// The client (application) id of an app registration or a managed identity: `appid` in v1 tokens, `azp` in v2.
    ClientId
}
guid_id! {
    /// The object id of a service principal, the `oid` of app-only tokens. The portal calls it
    /// "Object (principal) ID" on a resource's Identity page.
    ObjectId
}

/// The name of a signing key, `kid` (RFC 7515 section 4.1.4): an opaque text, compared byte for byte.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct KeyId(Arc<str>);

impl KeyId {
    /// Any text; only those of 1 to 256 bytes ever name a key.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(Arc::from(text))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a text may name a key at all.
    pub(crate) fn fits(text: &str) -> bool {
        (1..=Self::MAX_BYTES).contains(&text.len())
    }

    const MAX_BYTES: usize = 256;
}

impl From<&str> for KeyId {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.escape_debug().fmt(f)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({:?})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOWER: &str = "11111111-aaaa-4bbb-8ccc-222222222222";

    #[test]
    fn guids_are_read_in_any_case_and_shown_in_lower_case() {
        let id: TenantId = LOWER.to_uppercase().parse().unwrap();
        assert_eq!(id.to_string(), LOWER);
        assert_eq!(Some(id), from_lower_case(LOWER));
    }

    #[test]
    fn tokens_carry_guids_in_lower_case_only() {
        assert_eq!(from_lower_case::<TenantId>(&LOWER.to_uppercase()), None);
    }

    #[test]
    fn nonsense_is_no_guid() {
        for text in [
            "",
            "common",
            "{11111111-aaaa-4bbb-8ccc-222222222222}",
            "11111111aaaa4bbb8ccc222222222222",
            "11111111-aaaa-4bbb-8ccc-22222222222",
            "11111111-aaaa-4bbb-8ccc-2222222222222",
            "11111111-aaaa-4bbb-8ccc-22222222222g",
            "1111111-1aaaa-4bbb-8ccc-222222222222",
            "+1111111-aaaa-4bbb-8ccc-222222222222",
            "00000000-0000-0000-0000-000000000000",
        ] {
            assert_eq!(text.parse::<TenantId>(), Err(InvalidGuid), "{text}");
        }
    }

    #[test]
    fn a_key_id_is_shown_escaped_since_anybody_may_have_chosen_it() {
        let id = KeyId::new("a\n\u{1b}");
        assert_eq!((id.to_string().as_str(), format!("{id:?}").as_str()), ("a\\n\\u{1b}", "KeyId(\"a\\n\\u{1b}\")"));
    }
}
