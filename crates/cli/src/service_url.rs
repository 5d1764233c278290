//! Where the service is.

use std::str::FromStr;

use http::Uri;
use http::uri::{Authority, PathAndQuery, Scheme};

/// The address of the service behind: `http://HOST:PORT`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct ServiceUrl(Authority);

impl ServiceUrl {
    /// The same path and query at the service. `None` for a target without a path, such as `*`.
    pub(crate) fn with_path_of(&self, target: &Uri) -> Option<Uri> {
        let path = target.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
        if !path.as_str().starts_with('/') {
            return None;
        }
        Uri::builder().scheme(Scheme::HTTP).authority(self.0.clone()).path_and_query(path).build().ok()
    }
}

impl FromStr for ServiceUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url: Uri = text.parse().map_err(|_| "this is no URL; write http://HOST:PORT")?;
        match url.scheme_str() {
            Some("http") => {}
            Some("https") => {
                return Err(
                    "this program speaks no TLS to the service; run it beside the service, and write http://HOST:PORT",
                );
            }
            _ => return Err("the scheme is missing; write http://HOST:PORT"),
        }
        let authority = url.authority().ok_or("the host is missing; write http://HOST:PORT")?;
        if authority.as_str().contains('@') {
            return Err("a user is no part of the address; write http://HOST:PORT");
        }
        if url.query().is_some() || !matches!(url.path(), "" | "/") {
            return Err("requests keep their own path; write http://HOST:PORT without one");
        }
        Ok(Self(authority.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn service_url_is_scheme_host_and_port() {
        for text in ["http://127.0.0.1:8080", "http://localhost:80/", "http://[::1]:8080", "http://app"] {
            assert!(text.parse::<ServiceUrl>().is_ok(), "{text}");
        }
        for (text, part) in [
            ("https://app", "run it beside the service, and write http://HOST:PORT"),
            ("app:8080", "scheme"),
            ("127.0.0.1:8080", "scheme"),
            ("http://u:p@app", "user"),
            ("http://app/base", "path"),
            ("http://app/?a=b", "path"),
            ("http:// app", "no URL"),
        ] {
            let error = text.parse::<ServiceUrl>().unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn path_and_query_stay_byte_for_byte() {
        let service: ServiceUrl = "http://app:1".parse().unwrap();
        for target in ["/", "/a/b?c=d", "/%2e%2E/a//b/./?x=%20+&&", "/a?"] {
            let there = service.with_path_of(&target.parse().unwrap()).unwrap();
            assert_eq!(there.to_string(), format!("http://app:1{target}"));
        }
        let absolute = service.with_path_of(&"http://elsewhere/a?b".parse().unwrap()).unwrap();
        assert_eq!(absolute.to_string(), "http://app:1/a?b");
        assert_eq!(service.with_path_of(&"*".parse().unwrap()), None);
    }
}
