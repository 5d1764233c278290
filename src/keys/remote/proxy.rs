//! The proxy of the environment.

use std::ffi::OsString;

use http::Uri;

use crate::error::ConfigError;

/// Rejects a variable that the client would pass over in silence, only to connect without the proxy.
///
/// `read` returns the value of an environment variable. The client reads the first that is not empty of `HTTPS_PROXY`
/// and `https_proxy`, then of `ALL_PROXY` and `all_proxy`. Like other clients it reads none of them in a CGI program,
/// where a request header sets `HTTP_PROXY`.
///
/// # Errors
///
/// Names the variable. The value may contain a password, so the error does not repeat it.
pub(super) fn check_environment(read: impl Fn(&str) -> Option<OsString>) -> Result<(), ConfigError> {
    if read("REQUEST_METHOD").is_some() {
        return Ok(());
    }
    let first = |names: [&'static str; 2]| {
        names.into_iter().filter_map(|name| Some((name, read(name)?))).find(|(_, value)| !value.is_empty())
    };
    for (name, value) in
        [first(["HTTPS_PROXY", "https_proxy"]), first(["ALL_PROXY", "all_proxy"])].into_iter().flatten()
    {
        if !value.to_str().is_some_and(is_proxy) {
            let problem = "names no proxy that can be used; write `http://HOST:PORT`, or the same with https, socks5h, \
                           socks5, socks4a or socks4, percent-encode what is special in a user name or password, or \
                           unset the variable";
            return Err(ConfigError::new(name, problem));
        }
    }
    Ok(())
}

fn is_proxy(value: &str) -> bool {
    let Ok(uri) = value.parse::<Uri>() else { return false };
    let is_known = uri.scheme_str().is_none_or(|scheme| SCHEMES.iter().any(|known| scheme.eq_ignore_ascii_case(known)));
    is_known && uri.authority().is_some()
}

const SCHEMES: [&str; 6] = ["http", "https", "socks4", "socks4a", "socks5", "socks5h"];

#[cfg(test)]
mod tests {
    use super::*;

    fn check(variables: &[(&str, &str)]) -> Result<(), String> {
        check_environment(|name| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into()))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn accepts_proxies_that_the_client_can_use() {
        for value in [
            "http://10.0.0.9:3128",
            "https://user:p%40ss@proxy.example",
            "proxy.example:8080",
            "socks5h://10.0.0.9:1080",
            "socks4://10.0.0.9",
            "",
        ] {
            for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
                assert_eq!(check(&[(name, value)]), Ok(()), "{value}");
            }
        }
        assert_eq!(check(&[]), Ok(()));
        assert_eq!(check(&[("HTTP_PROXY", "ftp://no"), ("REQUEST_METHOD", "GET"), ("ALL_PROXY", "ftp://no")]), Ok(()));
    }

    #[test]
    fn names_the_variable_of_a_proxy_that_the_client_cannot_use() {
        for value in
            ["socks://10.0.0.9:1080", "ftp://secret@10.0.0.9", "http://", "http://user:p^ss@host", "/proxy", "a b"]
        {
            for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
                let error = check(&[(name, value)]).unwrap_err();
                assert!(error.contains(name) && !error.contains("secret"), "{value}: {error}");
            }
        }
        assert!(check(&[("HTTPS_PROXY", ""), ("https_proxy", "ftp://a")]).unwrap_err().contains("https_proxy"));
    }
}
