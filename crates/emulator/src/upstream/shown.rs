//! Addresses of upstreams as others may read them.

/// An address whose query has names but no values, and that names no user. The values may be keys, such as
/// `?code=` of Azure Functions.
pub(crate) fn shown(url: &str) -> String {
    let (address, query) = url.split_once('?').map_or((url, None), |(address, query)| (address, Some(query)));
    let (scheme, rest) = address.split_once("://").unwrap_or(("", address));
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let authority = match authority.rsplit_once('@') {
        Some((_, host)) => format!("{HIDDEN}@{host}"),
        None => authority.to_owned(),
    };
    let separator = if scheme.is_empty() { "" } else { "://" };
    let query = query.map(|query| {
        let pairs: Vec<_> = query.split('&').map(hidden).collect();
        format!("?{}", pairs.join("&"))
    });
    format!("{scheme}{separator}{authority}{path}{}", query.unwrap_or_default())
}

fn hidden(pair: &str) -> String {
    match pair.split_once('=') {
        Some((name, _)) => format!("{name}={HIDDEN}"),
        None if pair.is_empty() => String::new(),
        None => HIDDEN.to_owned(),
    }
}

const HIDDEN: &str = "***";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_shown_without_values_and_users() {
        for (url, expected) in [
            ("https://a.test/api/{hub}?code=KEY&e={event}", "https://a.test/api/{hub}?code=***&e=***"),
            ("https://a.test?KEY", "https://a.test?***"),
            ("https://me:KEY@a.test:8080/a@b?x=KEY?KEY", "https://***@a.test:8080/a@b?x=***"),
            ("http://127.0.0.1:3000/a/b", "http://127.0.0.1:3000/a/b"),
            ("KEY@a", "***@a"),
        ] {
            assert_eq!(shown(url), expected, "{url}");
        }
    }
}
