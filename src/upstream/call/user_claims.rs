//! `X-ASRS-User-Claims`: the claims of the client's token, in a format that cannot always be parsed back.

use std::fmt;

use http::HeaderMap;

use crate::upstream::call::headers;
use crate::upstream::error::Error;

/// The claims of the user behind the connection, in the order in which the service wrote them.
///
/// They come from the client token that your `negotiate` endpoint minted, and include the registered claims of every
/// JWT (`nbf`, `exp`, `iat`, `aud`). A type may occur several times, as roles do; the list keeps every occurrence.
/// The claims can change between two calls of one connection.
///
/// # The header cannot always be parsed back
///
/// The service writes `type: value` items and puts a comma between them, without any quoting. The list is parsed by
/// these rules:
///
/// 1. All lines of the header count. They are joined with a comma.
/// 2. The text is split at commas. The type of an item ends at the first colon that a space follows, since types are
///    often URIs with colons of their own. A colon at the end of a line also ends a type: HTTP removed the space
///    after it.
/// 3. An item without such a colon continues the value before it, with its comma and spaces, so values with commas
///    stay whole. If no item precedes it, it gets the empty type.
///
/// <div class="warning">
///
/// A value that contains a comma, a word, a colon and a space is parsed as two claims. Whoever can choose the value of
/// *any* claim, such as a display name, can write `Bob, role: admin` there. Do not base authorization on this list
/// unless you control every claim in the client tokens.
///
/// </div>
///
/// ```
/// use signalr_upstream_auth::upstream::UserClaims;
///
/// let claims = UserClaims::parse(["nameid: alice, role: editor, role: author, city: Paris, Texas"]);
/// assert_eq!(claims.first("nameid"), Some("alice"));
/// assert_eq!(claims.all("role").collect::<Vec<_>>(), ["editor", "author"]);
/// assert_eq!(claims.first("city"), Some("Paris, Texas"));
/// ```
#[derive(Clone, Default, Eq, PartialEq)]
pub struct UserClaims {
    claims: Vec<UserClaim>,
}

impl UserClaims {
    /// Parses every `X-ASRS-User-Claims` line. A missing header or an empty line gives no claims.
    ///
    /// # Errors
    ///
    /// [`InvalidHeader`](crate::upstream::ErrorKind::InvalidHeader) if a line is not UTF-8.
    pub fn from_headers(headers: &HeaderMap) -> Result<Self, Error> {
        let lines = headers::lines(headers, &headers::USER_CLAIMS).collect::<Result<Vec<_>, _>>()?;
        Ok(Self::parse(lines))
    }

    /// Parses the values of the header, one string per line. Every string can be parsed.
    pub fn parse<'a>(lines: impl IntoIterator<Item = &'a str>) -> Self {
        let mut claims = Self::default();
        for line in lines {
            if line.trim().is_empty() {
                continue;
            }
            let mut items = line.split(',').peekable();
            let mut separator = ", ";
            while let Some(item) = items.next() {
                let text = item.trim_start_matches(OPTIONAL_WHITESPACE);
                match split_claim(text, items.peek().is_none()) {
                    Some((claim_type, value)) => claims.push(claim_type, value),
                    // At the start of a line, the spaces before the item belong to HTTP, not to the value.
                    None => claims.extend_last(separator, if separator == "," { item } else { text }),
                }
                separator = ",";
            }
        }
        claims
    }

    /// The first value of a type. Types are compared byte for byte.
    #[must_use]
    pub fn first(&self, claim_type: &str) -> Option<&str> {
        self.claims.iter().find(|claim| claim.claim_type == claim_type).map(UserClaim::value)
    }

    /// All values of a type, in order. Types are compared byte for byte.
    pub fn all<'a>(&'a self, claim_type: &'a str) -> impl Iterator<Item = &'a str> + 'a {
        self.claims.iter().filter(move |claim| claim.claim_type == claim_type).map(UserClaim::value)
    }

    /// All claims, in order.
    pub fn iter(&self) -> impl Iterator<Item = &UserClaim> {
        self.claims.iter()
    }

    /// The number of claims.
    #[must_use]
    pub fn len(&self) -> usize {
        self.claims.len()
    }

    /// Whether the list is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.claims.is_empty()
    }

    fn push(&mut self, claim_type: &str, value: &str) {
        self.claims.push(UserClaim { claim_type: claim_type.to_owned(), value: value.to_owned() });
    }

    fn extend_last(&mut self, separator: &str, text: &str) {
        match self.claims.last_mut() {
            Some(last) => {
                last.value.push_str(separator);
                last.value.push_str(text);
            }
            None => self.push("", text),
        }
    }
}

/// Shows the types and no values.
impl fmt::Debug for UserClaims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.claims.iter().map(UserClaim::claim_type)).finish()
    }
}

/// One claim of a [`UserClaims`] list.
#[derive(Clone, Eq, PartialEq)]
pub struct UserClaim {
    claim_type: String,
    value: String,
}

impl UserClaim {
    /// The type: a short name or a URI. Empty for text before the first claim.
    #[must_use]
    pub fn claim_type(&self) -> &str {
        &self.claim_type
    }

    /// The value. It may be empty.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }
}

/// Shows the type and no value.
impl fmt::Debug for UserClaim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserClaim").field("claim_type", &self.claim_type).finish_non_exhaustive()
    }
}

fn split_claim(item: &str, ends_line: bool) -> Option<(&str, &str)> {
    let (claim_type, value) = match item.split_once(": ") {
        Some(parts) => parts,
        None if ends_line => (item.strip_suffix(':')?, ""),
        None => return None,
    };
    (!claim_type.is_empty()).then_some((claim_type, value))
}

/// RFC 9110 section 5.6.3.
const OPTIONAL_WHITESPACE: [char; 2] = [' ', '\t'];

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(lines: &[&str]) -> Vec<(String, String)> {
        UserClaims::parse(lines.iter().copied()).claims.into_iter().map(|c| (c.claim_type, c.value)).collect()
    }

    #[test]
    fn splits_items_by_the_documented_rules() {
        type Case<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)]);
        let cases: &[Case<'_>] = &[
            (&[], &[]),
            (&[""], &[]),
            (&["nameid: alice"], &[("nameid", "alice")]),
            (&["nameid: alice, role: editor"], &[("nameid", "alice"), ("role", "editor")]),
            (&["nameid: alice,role: editor"], &[("nameid", "alice"), ("role", "editor")]),
            (&["nameid: alice", "role: editor"], &[("nameid", "alice"), ("role", "editor")]),
            (&["role: a, role: b, role: a"], &[("role", "a"), ("role", "b"), ("role", "a")]),
            (&["city: Paris, Texas, x: y"], &[("city", "Paris, Texas"), ("x", "y")]),
            (&["list: a,b,,c"], &[("list", "a,b,,c")]),
            (&["name: a", "b", "x: y"], &[("name", "a, b"), ("x", "y")]),
            (&["http://schemas.example/claims/role: a:b"], &[("http://schemas.example/claims/role", "a:b")]),
            (&["url: http://x/?a: b"], &[("url", "http://x/?a: b")]),
            (&["empty: , x: y"], &[("empty", ""), ("x", "y")]),
            (&["x: y, empty:"], &[("x", "y"), ("empty", "")]),
            (&["x: y, a:b"], &[("x", "y, a:b")]),
            (&["x: y, a:, b: c"], &[("x", "y, a:"), ("b", "c")]),
            (&["nameid:alice"], &[("", "nameid:alice")]),
            (&["nameid:alice, role: x"], &[("", "nameid:alice"), ("role", "x")]),
            (&["x: y, : z"], &[("x", "y, : z")]),
            (&["name: José 日本"], &[("name", "José 日本")]),
        ];
        for (lines, expected) in cases {
            let expected: Vec<_> = expected.iter().map(|(t, v)| (t.to_string(), v.to_string())).collect();
            assert_eq!(pairs(lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn debug_output_hides_values() {
        let claims = UserClaims::parse(["mail: secret@example.net"]);
        assert_eq!(format!("{claims:?}"), r#"["mail"]"#);
        assert_eq!(format!("{:?}", claims.iter().next().unwrap()), r#"UserClaim { claim_type: "mail", .. }"#);
    }
}
