//! The identifiers of Entra, one type each. This file imports nothing of the crate.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A GUID as Entra writes it: 8-4-4-4-12 hexadecimal digits.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct Guid(u128);

impl Guid {
    /// Reads a GUID in upper or lower case, without braces.
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

/// Reads an identifier in lower case, the only form in Entra's tokens.
pub(crate) fn from_lower_case<T: FromStr<Err = InvalidGuid>>(text: &str) -> Option<T> {
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) { None } else { text.parse().ok() }
}

/// A text that is not a GUID, or the GUID of zeros only.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct InvalidGuid;

impl fmt::Display for InvalidGuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "not a GUID; write 36 characters like 11111111-aaaa-4bbb-8ccc-222222222222, without braces and not all zeros",
        )
    }
}

impl Error for InvalidGuid {}

macro_rules! guid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        ///
        /// `FromStr` and `Deserialize` read a GUID in upper or lower case; `Display` and `Serialize` write it in
        /// lower case.
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

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                BorrowedText::deserialize(deserializer)?.0.parse().map_err(D::Error::custom)
            }
        }
    };
}

/// A text of any format, borrowed where the format can lend it.
#[derive(Deserialize)]
#[serde(transparent)]
struct BorrowedText<'t>(#[serde(borrow)] Cow<'t, str>);

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

/// The key id of a signing key, `kid` (RFC 7515 section 4.1.4): an opaque text, compared byte for byte.
///
/// `Serialize` and `Deserialize` use the text as it is. `Display` and `Debug` escape it, since a key id may come
/// from an untrusted token.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct KeyId(Arc<str>);

impl KeyId {
    /// A key id of any text. Only a text of 1 to 256 bytes ever names a key.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(Arc::from(text))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the other's clone.
    #[cfg(feature = "remote")]
    pub(crate) fn is_clone_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Whether a text has the length of a key id.
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

impl From<String> for KeyId {
    fn from(text: String) -> Self {
        Self(Arc::from(text))
    }
}

impl AsRef<str> for KeyId {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl Serialize for KeyId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for KeyId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        BorrowedText::deserialize(deserializer).map(|text| Self::new(&text.0))
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
    fn parses_guids_in_any_case_and_writes_lower_case() {
        let id: TenantId = LOWER.to_uppercase().parse().unwrap();
        assert_eq!(id.to_string(), LOWER);
        assert_eq!(Some(id), from_lower_case(LOWER));
    }

    #[test]
    fn rejects_upper_case_where_a_token_carries_the_guid() {
        assert_eq!(from_lower_case::<TenantId>(&LOWER.to_uppercase()), None);
    }

    #[test]
    fn rejects_text_that_is_not_a_guid() {
        for text in NOT_GUIDS {
            assert_eq!(text.parse::<TenantId>(), Err(InvalidGuid), "{text}");
        }
    }

    #[test]
    fn serde_writes_lower_case_and_reads_what_parse_reads() {
        let id: ObjectId = LOWER.parse().unwrap();
        assert_eq!(serde_json::to_value(id).unwrap(), LOWER);
        assert_eq!(serde_json::from_value::<ObjectId>(LOWER.to_uppercase().into()).unwrap(), id);
        // The escape makes the format hand out an owned text.
        let escaped = LOWER.replacen('1', "\\u0031", 1);
        assert_eq!(serde_json::from_str::<ObjectId>(&format!("\"{escaped}\"")).unwrap(), id);
        for text in NOT_GUIDS {
            let error = serde_json::from_value::<ClientId>(text.into()).unwrap_err();
            assert!(error.to_string().starts_with("not a GUID; write 36 characters"), "{text}: {error}");
        }
        assert!(serde_json::from_str::<TenantId>("7").is_err());
    }

    #[test]
    fn serde_keeps_every_byte_of_a_key_id() {
        for text in ["", "a", "a\n\u{1b}\"", "ä"] {
            let id = KeyId::new(text);
            let json = serde_json::to_string(&id).unwrap();
            assert_eq!(json, serde_json::to_string(text).unwrap());
            assert_eq!(serde_json::from_str::<KeyId>(&json).unwrap(), id);
            assert_eq!((KeyId::from(text.to_owned()), id.as_ref()), (id.clone(), text));
        }
    }

    #[test]
    fn escapes_a_key_id_when_it_is_printed() {
        let id = KeyId::new("a\n\u{1b}");
        assert_eq!((id.to_string().as_str(), format!("{id:?}").as_str()), ("a\\n\\u{1b}", "KeyId(\"a\\n\\u{1b}\")"));
    }

    const NOT_GUIDS: [&str; 10] = [
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
    ];
}
