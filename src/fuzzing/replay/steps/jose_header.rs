//! Any bytes as the header of a token: it is accepted exactly if the reference implementation accepts it.

use signalr_upstream_auth::fuzzing::unverified_token;

use super::super::plain_json::{Fault, Json, assert_no_name_twice, parse};
use super::compact::compact;

pub fn run(data: &[u8]) {
    if data.len() > 10_000 {
        return;
    }
    let found = unverified_token(&compact(data, b"{}"));
    match parse(data) {
        Err(Fault::TooDeep) => {}
        Err(Fault::NotJson) => assert!(found.is_err()),
        Ok(header) => assert_eq!(found.ok(), reference(&header)),
    }
}

/// The `kid` of a header that may stand before a token of Entra's.
fn reference(header: &Json) -> Option<String> {
    let members = header.few_members()?;
    let mut seen: Vec<&str> = Vec::new();
    for (name, _) in members {
        let name = name.as_deref()?;
        if seen.contains(&name) || matches!(name, "crit" | "b64" | "enc" | "zip") {
            return None;
        }
        seen.push(name);
    }
    let member =
        |wanted: &str| members.iter().find(|(name, _)| name.as_deref() == Some(wanted)).map(|(_, value)| value);
    if member("alg")?.text()? != "RS256" {
        return None;
    }
    if let Some(kind) = member("typ") {
        let kind = kind.text()?.to_ascii_lowercase();
        if !matches!(kind.as_str(), "jwt" | "at+jwt" | "application/jwt" | "application/at+jwt") {
            return None;
        }
    }
    let key_id = member("kid")?.text()?;
    (1..=256).contains(&key_id.len()).then(|| key_id.to_owned())
}

pub fn assert_sound(header: &Json, key_id: &str) {
    assert_no_name_twice(header);
    assert_eq!(reference(header).as_deref(), Some(key_id));
}
