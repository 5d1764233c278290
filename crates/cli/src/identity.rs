//! The caller of an accepted request in headers, for the service behind.

use std::cell::RefCell;

use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use signalr_upstream_auth::Claims;

/// Sets the headers that name the caller. All of them are always set, empty where the token has no such claim: a proxy
/// that copies them replaces those that a client may have sent.
pub(crate) fn set(headers: &mut HeaderMap, claims: &Claims) {
    RECENT.with_borrow_mut(|recent| {
        let known = recent.iter().position(|(of, _)| of == claims);
        let position = known.unwrap_or_else(|| {
            recent.truncate(MOST_RECENT - 1);
            recent.insert(0, (claims.clone(), values(claims)));
            0
        });
        // A value is shared, not copied.
        for (name, value) in NAMES.iter().zip(&recent[position].1) {
            headers.insert(name, value.clone());
        }
    });
}

/// The values, in the order of [`NAMES`].
fn values(claims: &Claims) -> Values {
    let client_id = claims.client_id().map(|id| id.to_string()).unwrap_or_default();
    let audience = utf8_percent_encode(claims.audience(), UNPRINTABLE).to_string();
    let roles = roles(claims.roles().iter().map(AsRef::as_ref));
    let texts = [claims.tenant_id().to_string(), claims.object_id().to_string(), client_id, audience, roles];
    // Encoded texts and GUIDs are valid values.
    texts.map(|text| HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("")))
}

/// The roles, separated by commas. In a role, a comma, a percent sign, a blank, and whatever is not ASCII is
/// percent-encoded in UTF-8 (RFC 3986 section 2.1), so that no role is lost and none looks like two.
fn roles<'r>(roles: impl Iterator<Item = &'r str>) -> String {
    let encoded = roles.filter(|role| !role.is_empty()).map(|role| utf8_percent_encode(role, IN_ROLES).to_string());
    encoded.collect::<Vec<_>>().join(",")
}

/// Removes what a client sent under the names of this program.
pub(crate) fn remove_reserved(headers: &mut HeaderMap) {
    remove_beginning(headers, RESERVED);
}

/// Removes every header that a service may read as one whose name begins so. The beginning is in lower case.
pub(crate) fn remove_beginning(headers: &mut HeaderMap, beginning: &[u8]) {
    let names: Vec<_> = headers.keys().filter(|name| begins_like(name, beginning)).cloned().collect();
    for name in names {
        headers.remove(name);
    }
}

/// Whether a service may read the beginning of a name so. CGI and its successors (RFC 3875 section 4.1.18), among them
/// WSGI, Rack and PHP, read `-` and `_` alike; some servers do so with every other sign.
fn begins_like(name: &HeaderName, beginning: &[u8]) -> bool {
    let name = name.as_str().as_bytes();
    name.len() >= beginning.len()
        && name.iter().zip(beginning).all(|(byte, wanted)| match wanted {
            b'-' => !byte.is_ascii_alphanumeric(),
            letter => byte == letter,
        })
}

/// In shadow mode: what the check says of the request.
pub(crate) const SHADOW: HeaderName = HeaderName::from_static("x-upstream-auth-shadow");

static NAMES: [HeaderName; 5] = [
    HeaderName::from_static("x-upstream-auth-tenant-id"),
    HeaderName::from_static("x-upstream-auth-object-id"),
    HeaderName::from_static("x-upstream-auth-client-id"),
    HeaderName::from_static("x-upstream-auth-audience"),
    HeaderName::from_static("x-upstream-auth-roles"),
];

type Values = [HeaderValue; 5];

thread_local! {
    /// The values of recent tokens. Thousands of requests carry the same token, and formatting its GUIDs takes longer than
    /// finding it in the token cache.
    static RECENT: RefCell<Vec<(Claims, Values)>> = const { RefCell::new(Vec::new()) };
}

/// A service has a handful of SignalR resources, and each of them one token at a time.
const MOST_RECENT: usize = 8;

/// Names are in lower case already.
const RESERVED: &[u8] = b"x-upstream-auth";

const UNPRINTABLE: &AsciiSet = &CONTROLS.add(b' ');
const IN_ROLES: &AsciiSet = &UNPRINTABLE.add(b',').add(b'%');

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodes_what_would_be_ambiguous_in_roles() {
        assert_eq!(roles(["Upstream.Call", "Other"].into_iter()), "Upstream.Call,Other");
        assert_eq!(roles(["a b", "c,d", "e%2Cf", "é", ""].into_iter()), "a%20b,c%2Cd,e%252Cf,%C3%A9");
    }

    #[test]
    fn every_spelling_of_a_header_of_ours_is_reserved() {
        for name in [
            "X-Upstream-Auth-Object-Id",
            "x_upstream_auth_object_id",
            "X-Upstream_Auth-Object_Id",
            "x.upstream.auth.roles",
            "x-upstream-auth-anything",
            "x-upstream-authority",
            "X-Upstream-Auth",
        ] {
            assert!(begins_like(&name.parse().unwrap(), RESERVED), "{name}");
        }
        for name in ["x-upstream", "x-upstreamauth-roles", "upstream-auth-roles", "authorization", "x-asrs-hub"] {
            assert!(!begins_like(&name.parse().unwrap(), RESERVED), "{name}");
        }
    }
}
