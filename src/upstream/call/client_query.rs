//! `X-ASRS-Client-Query`: the query string with which the client connected.

use std::fmt;

use http::HeaderMap;

use crate::upstream::call::headers;
use crate::upstream::error::Error;

/// The query string with which the client connected, as decoded pairs. All of it is the client's own words.
///
/// It usually holds `hub` and `id`, and the client's own token in `access_token`. That token opens a
/// connection in the client's name, so the pairs leave it out; [`access_token`](Self::access_token)
/// has it. `Debug` shows the names of the parameters and no value.
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
    /// Reads the header. No header is no pairs.
    ///
    /// # Errors
    ///
    /// [`InvalidHeader`](crate::upstream::ErrorKind::InvalidHeader) if the header is not UTF-8,
    /// [`RepeatedHeader`](crate::upstream::ErrorKind::RepeatedHeader) if there are two.
    pub fn from_headers(headers: &HeaderMap) -> Result<Self, Error> {
        Ok(headers::optional(headers, &headers::CLIENT_QUERY)?.map(Self::parse).unwrap_or_default())
    }

    /// Reads a query string, with or without the `?` before it, as browsers write them
    /// (`application/x-www-form-urlencoded`, WHATWG URL section 5.1): `+` is a space, percent escapes
    /// are UTF-8, bytes that are not are replaced by U+FFFD. Every text can be read.
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

    /// All parameters but `access_token`, in order, repeated ones included.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The token with which the client connected, the first if there are several: a secret of the
    /// client. Its name is found without regard to ASCII case.
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
    fn pairs_keep_their_order_and_their_repetitions() {
        let rows: &[(&str, &[(&str, &str)])] = &[
            ("", &[]),
            ("?", &[]),
            ("?a=1", &[("a", "1")]),
            ("a=1&b=2", &[("a", "1"), ("b", "2")]),
            ("?a=1&a=2&b=&c", &[("a", "1"), ("a", "2"), ("b", ""), ("c", "")]),
            ("?q=a%3Db%26c+d", &[("q", "a=b&c d")]),
            ("??a=1", &[("?a", "1")]),
            ("?a=%ff%", &[("a", "\u{fffd}%")]),
        ];
        for (query, expected) in rows {
            assert_eq!(ClientQuery::parse(query).iter().collect::<Vec<_>>(), *expected, "{query}");
        }
    }

    #[test]
    fn the_access_token_is_kept_apart_however_it_is_spelt() {
        for name in ["access_token", "Access_Token", "access%5Ftoken", "%61ccess_token"] {
            let query = ClientQuery::parse(&format!("?id=1&{name}=secret&{name}=secret2"));
            assert_eq!(query.iter().collect::<Vec<_>>(), [("id", "1")]);
            assert_eq!(query.first(ACCESS_TOKEN), None);
            assert_eq!(query.access_token(), Some("secret"));
            assert_eq!(format!("{query:?}"), r#"["id", "access_token"]"#);
        }
    }
}
