//! `X-ASRS-Client-Query`: the query string with which the client connected.

use std::fmt;

use http::HeaderMap;

use crate::upstream::call::headers;
use crate::upstream::error::Error;

/// The query string with which the client connected, as decoded pairs. The client chooses all of it.
///
/// It usually contains `hub` and `id`, and the client's own token in `access_token`. That token opens a connection in
/// the client's name, so the pairs omit it; [`access_token`](Self::access_token) returns it. `Debug` shows the names
/// of the parameters and no value.
///
/// ```
/// use signalr_upstream_auth::upstream::ClientQuery;
///
/// let query = ClientQuery::parse("?hub=chat&room=caf%C3%A9+1&access_token=eyJ");
/// assert_eq!(query.first("room"), Some("café 1"));
/// assert_eq!(query.iter().count(), 2);
/// assert_eq!(query.access_token(), Some("eyJ"));
/// ```
#[derive(Clone, Default, Eq, PartialEq)]
pub struct ClientQuery {
    pairs: Vec<(String, String)>,
    access_token: Option<String>,
}

impl ClientQuery {
    /// Parses the header. A missing header gives no pairs.
    ///
    /// # Errors
    ///
    /// [`InvalidHeader`](crate::upstream::ErrorKind::InvalidHeader) if the header is not UTF-8,
    /// [`RepeatedHeader`](crate::upstream::ErrorKind::RepeatedHeader) if there are several.
    pub fn from_headers(headers: &HeaderMap) -> Result<Self, Error> {
        Ok(headers::optional(headers, &headers::CLIENT_QUERY)?.map(Self::parse).unwrap_or_default())
    }

    /// Parses a query string, with or without a leading `?`, as browsers write it
    /// (`application/x-www-form-urlencoded`, WHATWG URL section 5.1): `+` is a space, percent escapes are UTF-8, and
    /// U+FFFD replaces invalid bytes. Every string can be parsed.
    #[must_use]
    pub fn parse(query: &str) -> Self {
        let mut parsed = Self::default();
        for (name, value) in form_urlencoded::parse(query.strip_prefix('?').unwrap_or(query).as_bytes()) {
            if name.eq_ignore_ascii_case(ACCESS_TOKEN) {
                parsed.access_token.get_or_insert_with(|| value.into_owned());
            } else {
                parsed.pairs.push((name.into_owned(), value.into_owned()));
            }
        }
        parsed
    }

    /// The first value of a parameter other than `access_token`. Names are compared byte for byte.
    #[must_use]
    pub fn first(&self, name: &str) -> Option<&str> {
        self.iter().find(|(found, _)| *found == name).map(|(_, value)| value)
    }

    /// All values of a parameter other than `access_token`, in order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> + 'a {
        self.iter().filter(move |(found, _)| *found == name).map(|(_, value)| value)
    }

    /// All parameters except `access_token`, in order, with repetitions.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The token with which the client connected: a secret of the client. The first if there are several. Its name is
    /// matched without regard to ASCII case.
    #[must_use]
    pub fn access_token(&self) -> Option<&str> {
        self.access_token.as_deref()
    }
}

/// Shows the names of the parameters and no value.
impl fmt::Debug for ClientQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.pairs.iter().map(|(name, _)| name))
            .entries(self.access_token.iter().map(|_| ACCESS_TOKEN))
            .finish()
    }
}

const ACCESS_TOKEN: &str = "access_token";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_order_and_repetitions_of_pairs() {
        let cases: &[(&str, &[(&str, &str)])] = &[
            ("", &[]),
            ("?", &[]),
            ("?a=1", &[("a", "1")]),
            ("a=1&b=2", &[("a", "1"), ("b", "2")]),
            ("?a=1&a=2&b=&c", &[("a", "1"), ("a", "2"), ("b", ""), ("c", "")]),
            ("?q=a%3Db%26c+d", &[("q", "a=b&c d")]),
            ("??a=1", &[("?a", "1")]),
            ("?a=%ff%", &[("a", "\u{fffd}%")]),
        ];
        for (query, expected) in cases {
            assert_eq!(ClientQuery::parse(query).iter().collect::<Vec<_>>(), *expected, "{query}");
        }
    }

    #[test]
    fn separates_access_token_in_every_spelling() {
        for name in ["access_token", "Access_Token", "access%5Ftoken", "%61ccess_token"] {
            let query = ClientQuery::parse(&format!("?id=1&{name}=secret&{name}=secret2"));
            assert_eq!(query.iter().collect::<Vec<_>>(), [("id", "1")]);
            assert_eq!(query.first(ACCESS_TOKEN), None);
            assert_eq!(query.access_token(), Some("secret"));
            assert_eq!(format!("{query:?}"), r#"["id", "access_token"]"#);
        }
    }
}
