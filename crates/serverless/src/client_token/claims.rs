//! The claims set of a client token.

use std::borrow::Cow;
use std::time::Duration;

use background_refresh::UnixTime;
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::options::NegotiateOptions;

/// When a token is valid.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Validity {
    issued: UnixTime,
    expires: UnixTime,
}

impl Validity {
    /// From now for so long, but never beyond `end`. `None` if nothing would be left.
    pub(crate) fn new(now: UnixTime, lifetime: Duration, end: Option<UnixTime>) -> Option<Self> {
        let asked = now.as_secs().saturating_add(lifetime.as_secs());
        let expires = end.map_or(asked, |end| asked.min(end.as_secs()));
        (expires > now.as_secs()).then_some(Self { issued: now, expires: UnixTime::from_secs(expires) })
    }

    #[cfg(test)]
    pub(crate) fn expires(&self) -> UnixTime {
        self.expires
    }
}

/// Whom a client token is for: `{origin}/client/?hub={hub}`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Audience<'a> {
    /// `scheme://host`, without a port.
    pub(crate) origin: &'a str,
    /// In lower case.
    pub(crate) hub: &'a str,
}

impl Serialize for Audience<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}/client/?hub={}", self.origin, self.hub))
    }
}

/// The claims set, which serializes to a JSON object.
#[derive(Debug)]
pub(crate) struct Claims<'a> {
    pub(crate) audience: Audience<'a>,
    pub(crate) validity: Validity,
    pub(crate) options: &'a NegotiateOptions,
}

impl Serialize for Claims<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("aud", &self.audience)?;
        map.serialize_entry("iat", &self.validity.issued.as_secs())?;
        map.serialize_entry("nbf", &self.validity.issued.as_secs())?;
        map.serialize_entry("exp", &self.validity.expires.as_secs())?;
        if let Some(user) = self.options.user() {
            map.serialize_entry("asrs.s.uid", user)?;
        }
        if self.options.has_detailed_errors() {
            map.serialize_entry("asrs.s.derror", "True")?;
        }
        if self.options.closes_on_expiry() {
            map.serialize_entry("asrs.s.coae", "true")?;
            map.serialize_entry("asrs.s.aeo", &self.validity.expires.as_secs().to_string())?;
        }
        for (name, values) in self.options.claims() {
            if name == "sub" {
                // The service takes the first as the user if there is no other user id.
                let (first, rest) = values.split_at(values.len().min(1));
                serialize_values(&mut map, "sub", first)?;
                serialize_values(&mut map, "asrs.u.sub", rest)?;
            } else {
                serialize_values(&mut map, &travel_name(name), values)?;
            }
        }
        map.end()
    }
}

/// One text as itself, several as a list, none not at all.
fn serialize_values<M: SerializeMap>(map: &mut M, name: &str, values: &[String]) -> Result<(), M::Error> {
    match values {
        [] => Ok(()),
        [value] => map.serialize_entry(name, value),
        values => map.serialize_entry(name, values),
    }
}

/// The name under which a claim of the app's travels.
///
/// Everything of the service's own namespace is renamed too, so that no claim can set another user id, and so that
/// one named `asrs.u.x` keeps its name when the service takes the prefix off.
fn travel_name(name: &str) -> Cow<'_, str> {
    if RESERVED.contains(&name) || name.starts_with("asrs.") { format!("asrs.u.{name}").into() } else { name.into() }
}

/// Names that mean something to the service or to a JWT library.
const RESERVED: [&str; 11] = ["aud", "exp", "iat", "nbf", "iss", "actort", "acr", "azp", "c_hash", "jti", "nonce"];
