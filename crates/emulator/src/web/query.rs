//! Query strings and form bodies.

use super::form::percent_decode;

/// The pairs of a query string or of an `application/x-www-form-urlencoded` body, decoded, in their order.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads a query without its `?`. Pairs that are not UTF-8 are dropped.
    pub(crate) fn read(raw: &str) -> Self {
        let pairs = raw.split('&').filter(|pair| !pair.is_empty()).filter_map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((decode(name)?, decode(value)?))
        });
        Self(pairs.collect())
    }

    /// The first value of a name. Names are compared without regard to ASCII case, as ASP.NET does.
    pub(crate) fn first(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(present, _)| present.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// All values of a name.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(present, _)| present.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

fn decode(text: &str) -> Option<String> {
    percent_decode(&text.replace('+', " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_repeat_and_ignore_case() {
        let query = Query::read("excluded=a&Excluded=b+c&api-version=2024-12-01&flag&=x&%FF=1");
        assert_eq!(query.all("excluded").collect::<Vec<_>>(), ["a", "b c"]);
        assert_eq!(query.first("API-VERSION"), Some("2024-12-01"));
        assert_eq!(query.first("flag"), Some(""));
        assert_eq!(query.first("missing"), None);
        assert_eq!(query.pairs().count(), 5);
    }
}
