//! Where the service is.

use std::str::FromStr;

use http::uri::{Authority, Parts, PathAndQuery, Scheme};
use http::{HeaderValue, Uri};

/// The address of the service behind: `http://HOST:PORT`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct ServiceUrl(Authority);

impl ServiceUrl {
    /// Where to connect.
    pub(crate) fn uri(&self) -> Uri {
        let mut parts = Parts::default();
        parts.scheme = Some(Scheme::HTTP);
        parts.authority = Some(self.0.clone());
        parts.path_and_query = Some(PathAndQuery::from_static("/"));
        Uri::from_parts(parts).unwrap_or_default()
    }

    /// What `Host` says of it (RFC 9110 section 7.2).
    pub(crate) fn host(&self) -> HeaderValue {
        // An authority is visible ASCII.
        HeaderValue::from_str(self.0.as_str()).unwrap_or(HeaderValue::from_static(""))
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
    fn service_url_says_where_to_connect() {
        for (text, uri, host) in [
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080/", "127.0.0.1:8080"),
            ("http://[::1]:8080/", "http://[::1]:8080/", "[::1]:8080"),
            ("http://app", "http://app/", "app"),
        ] {
            let service: ServiceUrl = text.parse().unwrap();
            assert_eq!((service.uri().to_string().as_str(), service.host()), (uri, HeaderValue::from_static(host)));
        }
    }
}
