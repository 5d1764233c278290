//! The claims set of a client token.

use std::io;
use std::time::Duration;

use background_refresh::UnixTime;

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

/// Whom a client token is for: `{origin}/client/?hub={hub}`, as a JSON string.
#[derive(Clone, Debug)]
pub(crate) struct Audience(String);

impl Audience {
    /// `origin` is `scheme://host` without a port, `hub` in lower case.
    pub(crate) fn new(origin: &str, hub: &str) -> Self {
        Self(serde_json::Value::String([origin, "/client/?hub=", hub].concat()).to_string())
    }
}

/// The claims set.
#[derive(Debug)]
pub(crate) struct Claims<'a> {
    pub(crate) audience: &'a Audience,
    pub(crate) validity: Validity,
    pub(crate) options: &'a NegotiateOptions,
}

impl Claims<'_> {
    /// Appends the JSON object, without a detour by the data model of serde: each negotiation waits for it.
    pub(crate) fn write(&self, json: &mut Vec<u8>) -> io::Result<()> {
        let (issued, expires) = (self.validity.issued.as_secs(), self.validity.expires.as_secs());
        json.extend_from_slice(br#"{"aud":"#);
        json.extend_from_slice(self.audience.0.as_bytes());
        for (name, seconds) in [(r#","iat":"#, issued), (r#","nbf":"#, issued), (r#","exp":"#, expires)] {
            json.extend_from_slice(name.as_bytes());
            serde_json::to_writer(&mut *json, &seconds)?;
        }
        if let Some(user) = self.options.user() {
            json.extend_from_slice(br#","asrs.s.uid":"#);
            serde_json::to_writer(&mut *json, user)?;
        }
        if self.options.has_detailed_errors() {
            json.extend_from_slice(br#","asrs.s.derror":"True""#);
        }
        if self.options.closes_on_expiry() {
            json.extend_from_slice(br#","asrs.s.coae":"true","asrs.s.aeo":""#);
            serde_json::to_writer(&mut *json, &expires)?;
            json.push(b'"');
        }
        for (name, values) in self.options.claims() {
            if name == "sub" {
                // The service takes the first as the user if there is neither a user id nor a `nameid`.
                let (first, rest) = values.split_at(values.len().min(1));
                write_values(json, "sub", first)?;
                write_values(json, "asrs.u.sub", rest)?;
            } else if is_reserved(name) {
                write_values(json, &["asrs.u.", name].concat(), values)?;
            } else {
                write_values(json, name, values)?;
            }
        }
        json.push(b'}');
        Ok(())
    }
}

/// A further member: one text as itself, several as a list. Without values nothing is written: a single `sub` has no
/// rest.
fn write_values(json: &mut Vec<u8>, name: &str, values: &[String]) -> io::Result<()> {
    if values.is_empty() {
        return Ok(());
    }
    json.push(b',');
    serde_json::to_writer(&mut *json, name)?;
    json.push(b':');
    match values {
        [value] => serde_json::to_writer(json, value)?,
        values => serde_json::to_writer(json, values)?,
    }
    Ok(())
}

/// Whether a claim of the app's travels as `asrs.u.<name>`: its name means something to the service or to a JWT library.
///
/// The whole namespace of the service is reserved, so that no claim overwrites the user id, and so that one named
/// `asrs.u.x` keeps its name when the service takes the prefix off.
fn is_reserved(name: &str) -> bool {
    matches!(name, "aud" | "exp" | "iat" | "nbf" | "iss" | "actort" | "acr" | "azp" | "c_hash" | "jti" | "nonce")
        || name.starts_with("asrs.")
}
