//! The bodies of the two connection events. They are JSON for every client protocol.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, DeserializeOwned, IgnoredAny, MapAccess, Visitor};

use crate::upstream::error::{Error, ErrorKind};
use crate::upstream::hub::json;

/// The body of a `connected` event. It carries no information beyond the [`Context`](crate::upstream::Context).
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Connected;

impl Connected {
    /// Parses the body: empty, or a JSON object with any members. One record separator (0x1E) may follow.
    ///
    /// # Errors
    ///
    /// [`MalformedBody`](ErrorKind::MalformedBody) for anything else.
    pub fn parse(body: &[u8]) -> Result<Self, Error> {
        read_object::<BTreeMap<String, IgnoredAny>>(body).map(|_| Self)
    }
}

/// The body of a `disconnected` event.
///
/// ```
/// use signalr_upstream_auth::upstream::Disconnected;
///
/// assert_eq!(Disconnected::parse(br#"{"Type":11,"Error":"ping timeout"}"#)?.error(), Some("ping timeout"));
/// assert_eq!(Disconnected::parse(br#"{"Type":11}"#)?.error(), None);
/// # Ok::<(), signalr_upstream_auth::upstream::Error>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Disconnected {
    error: Option<String>,
}

impl Disconnected {
    /// Parses the body: empty, or a JSON object with an optional member `Error` and any other members. The name
    /// `Error` is matched without regard to ASCII case. One record separator (0x1E) may follow.
    ///
    /// # Errors
    ///
    /// [`MalformedBody`](ErrorKind::MalformedBody) for anything else, for an `Error` that is neither a string nor
    /// null, and for a repeated `Error`.
    pub fn parse(body: &[u8]) -> Result<Self, Error> {
        read_object(body).map(|ErrorBody { error }| Self { error })
    }

    /// Why the connection was lost. `None` after a clean close: the error is absent, null or empty.
    #[must_use]
    pub fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }
}

fn read_object<T: DeserializeOwned + Default>(body: &[u8]) -> Result<T, Error> {
    let body = json::without_separator(body);
    if body.trim_ascii().is_empty() {
        return Ok(T::default());
    }
    serde_json::from_slice(body).map_err(|source| Error::because(ErrorKind::MalformedBody, source))
}

/// The only documented member. The emulator also writes a numeric `type`, as `Type` or `type`.
#[derive(Default)]
struct ErrorBody {
    error: Option<String>,
}

impl<'de> Deserialize<'de> for ErrorBody {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ErrorBodyVisitor)
    }
}

struct ErrorBodyVisitor;

impl<'de> Visitor<'de> for ErrorBodyVisitor {
    type Value = ErrorBody;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the JSON object of a connection event")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ErrorBody, A::Error> {
        let mut error: Option<Option<String>> = None;
        while let Some(name) = map.next_key::<String>()? {
            if !name.eq_ignore_ascii_case("error") {
                map.next_value::<IgnoredAny>()?;
            } else if error.replace(map.next_value()?).is_some() {
                return Err(de::Error::duplicate_field("error"));
            }
        }
        Ok(ErrorBody { error: error.flatten().filter(|text| !text.is_empty()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_error_in_any_case_and_reads_empty_as_none() {
        let cases: &[(&str, Result<Option<&str>, ()>)] = &[
            ("", Ok(None)),
            ("\u{1e}", Ok(None)),
            (" \n", Ok(None)),
            ("{}", Ok(None)),
            (r#"{"Type":11}"#, Ok(None)),
            (r#"{"Type":11,"Error":null}"#, Ok(None)),
            (r#"{"Type":11,"Error":""}"#, Ok(None)),
            (r#"{"Type":11,"Error":"lost"}"#, Ok(Some("lost"))),
            (r#"{"type":11,"error":"lost"}"#, Ok(Some("lost"))),
            ("{\"ERROR\":\"lost\",\"x\":[{}]}\u{1e}", Ok(Some("lost"))),
            (r#"{"error":"a","Error":"b"}"#, Err(())),
            (r#"{"error":null,"error":"b"}"#, Err(())),
            (r#"{"error":1}"#, Err(())),
            (r#"{"error":"a"} x"#, Err(())),
            ("{}\u{1e}\u{1e}", Err(())),
            ("[]", Err(())),
            ("null", Err(())),
            ("{", Err(())),
        ];
        for (body, expected) in cases {
            let parsed = Disconnected::parse(body.as_bytes());
            let found = parsed.as_ref().map(Disconnected::error).map_err(|error| {
                assert_eq!(error.kind(), ErrorKind::MalformedBody);
            });
            assert_eq!(found, *expected, "{body}");
        }
    }

    #[test]
    fn connected_accepts_an_empty_body_or_any_object() {
        for body in ["", "\u{1e}", "{}", r#"{"type":10}"#, "{\"type\":10}\u{1e}", r#"{"Error":1,"error":2}"#] {
            assert!(Connected::parse(body.as_bytes()).is_ok(), "{body}");
        }
        for body in ["[]", "null", "{", "{}{}", "\u{1e}{}"] {
            assert_eq!(Connected::parse(body.as_bytes()).unwrap_err().kind(), ErrorKind::MalformedBody, "{body}");
        }
    }
}
