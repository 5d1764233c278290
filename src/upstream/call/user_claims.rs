//! `X-ASRS-User-Claims`: the claims of the client's token, as one text that cannot always be taken apart.

use std::fmt;

use http::HeaderMap;

use crate::upstream::call::headers;
use crate::upstream::error::Error;

/// The claims of the user behind the connection, in the order in which the service wrote them.
///
/// They come from the token that your `negotiate` endpoint minted, together with claims that belong
/// to every JWT (`nbf`, `exp`, `iat`, `aud`). A type may occur more than once, as roles do; all
/// occurrences are kept. They can change between two calls of one connection.
///
/// # The header cannot always be read back
///
/// The service writes `type: value` items and puts a comma between them, without any quoting. This
/// is how they are read:
///
/// 1. All lines of the header count, joined with a comma.
/// 2. The text is cut at commas. An item's type ends at the first colon that is followed by a space,
///    since types are often URIs with colons of their own. A colon at the end of a line counts, too:
///    HTTP removed the space after it.
/// 3. An item without such a colon belongs to the value before it, comma and spaces included, so
///    values with commas stay whole. If there is none before it, it is kept under the empty type.
///
/// <div class="warning">
///
/// A value that holds a comma, a word, a colon and a space reads as two claims. Whoever may choose
/// the value of *any* claim, a display name for example, can write `Bob, role: admin` there. Take no
/// decision about rights from this list unless every claim in the client tokens is under your control.
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
    /// Reads every `X-ASRS-User-Claims` line. No line, or an empty one, is no claims.
    ///
    /// # Errors
    ///
    /// [`InvalidHeader`](crate::upstream::ErrorKind::InvalidHeader) if a line is not UTF-8.
    pub fn from_headers(headers: &HeaderMap) -> Result<Self, Error> {
        let lines = headers::lines(headers, &headers::USER_CLAIMS).collect::<Result<Vec<_>, _>>()?;
        Ok(Self::parse(lines))
    }

    /// Reads the values of the header, one text per line. Every text can be read.
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
                    // Where a line begins, the spaces before the item are HTTP's and not the value's.
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

    /// All values of a type, in order.
    pub fn all<'a>(&'a self, claim_type: &'a str) -> impl Iterator<Item = &'a str> + 'a {
        self.claims.iter().filter(move |claim| claim.claim_type == claim_type).map(UserClaim::value)
    }

    /// All claims, in order.
    pub fn iter(&self) -> std::slice::Iter<'_, UserClaim> {
        self.claims.iter()
    }

    /// How many claims there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.claims.len()
    }

    /// Whether there is no claim.
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

impl<'a> IntoIterator for &'a UserClaims {
    type Item = &'a UserClaim;
    type IntoIter = std::slice::Iter<'a, UserClaim>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
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
    /// The type: a short name or a URI. Empty for text that stands before the first claim.
    #[must_use]
    pub fn claim_type(&self) -> &str {
        &self.claim_type
    }

    /// The value. May be empty.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }
}

/// Shows the type and not the value.
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
    fn items_are_split_as_the_documentation_says() {
        type Row<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)]);
        let rows: &[Row<'_>] = &[
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
        for (lines, expected) in rows {
            let expected: Vec<_> = expected.iter().map(|(t, v)| (t.to_string(), v.to_string())).collect();
            assert_eq!(pairs(lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn values_do_not_show_in_debug_output() {
        let claims = UserClaims::parse(["mail: secret@example.net"]);
        assert_eq!(format!("{claims:?}"), r#"["mail"]"#);
        assert_eq!(format!("{:?}", claims.iter().next().unwrap()), r#"UserClaim { claim_type: "mail", .. }"#);
    }
}
