//! The head of a request on its way to the service, and of the answer on its way back.

use http::header::{
    AUTHORIZATION, CONNECTION, COOKIE, EXPECT, FORWARDED, HOST, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::request::Parts;
use http::{Method, Version};

use crate::arguments::PeerHeaders;
use crate::identity;
use crate::server::Peer;
use crate::service_url::ServiceUrl;

/// What is done to every request.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub(super) to: ServiceUrl,
    pub(super) keep_authorization: bool,
    pub(super) forwarded: PeerHeaders,
}

impl Rules {
    /// Turns a request to this program into one to the service. Nothing that a client sent under a name of this program
    /// is left.
    ///
    /// # Errors
    ///
    /// Why there is no such request.
    pub(super) fn apply(&self, head: &mut Parts, peer: Peer) -> Result<(), &'static str> {
        if head.method == Method::CONNECT {
            return Err("this is no tunnel");
        }
        // The target wins over the header (RFC 9112 section 3.2.2), and HTTP/2 has the former only.
        let host = match head.uri.authority() {
            Some(authority) => HeaderValue::from_str(authority.as_str()).ok(),
            None => head.headers.get(HOST).cloned(),
        };
        head.uri = self.to.with_path_of(&head.uri).ok_or("the target has no path")?;
        let headers = &mut head.headers;
        remove_hop_by_hop(headers);
        identity::remove_reserved(headers);
        // This program answers `Expect: 100-continue` itself when it begins to read the body. Its connection to the
        // service has no trailers: a name of this program could stand there.
        for name in [EXPECT, TRAILER, PROXY_AUTHORIZATION] {
            headers.remove(name);
        }
        if !self.keep_authorization {
            headers.remove(AUTHORIZATION);
        }
        join_cookies(headers);
        if self.forwarded != PeerHeaders::Pass {
            forwarded(headers, self.forwarded, peer, host.as_ref());
        }
        match host {
            Some(host) => drop(headers.insert(HOST, host)),
            // HTTP/1.0 requires none. The client writes the host of the service.
            None => drop(headers.remove(HOST)),
        }
        head.version = Version::HTTP_11;
        Ok(())
    }
}

/// A request with two hosts reads differently from one server to the next (RFC 9112 section 3.2 requires 400).
pub(super) fn has_two_hosts(headers: &HeaderMap) -> bool {
    headers.get_all(HOST).iter().nth(1).is_some()
}

/// Makes the head of the service's answer one of this program.
pub(super) fn clean_response(headers: &mut HeaderMap) {
    remove_hop_by_hop(headers);
    headers.remove(PROXY_AUTHENTICATE);
}

/// RFC 9110 section 7.6.1: what `Connection` names, and what is known to be of one connection.
fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
        .collect();
    for name in named {
        headers.remove(name);
    }
    for name in [CONNECTION, KEEP_ALIVE, PROXY_CONNECTION, TE, TRANSFER_ENCODING, UPGRADE, HTTP2_SETTINGS] {
        headers.remove(name);
    }
}

/// HTTP/2 may split cookies over several lines; HTTP/1.1 has one (RFC 9113 section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    if headers.get_all(COOKIE).iter().nth(1).is_none() {
        return;
    }
    let joined = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect::<Vec<_>>().join(&b"; "[..]);
    // Valid values joined by a valid text are one.
    if let Ok(value) = HeaderValue::from_bytes(&joined) {
        headers.insert(COOKIE, value);
    }
}

fn forwarded(headers: &mut HeaderMap, how: PeerHeaders, peer: Peer, host: Option<&HeaderValue>) {
    headers.remove(FORWARDED);
    identity::remove_beginning(headers, b"x-forwarded-");
    let scheme = if peer.is_tls { "https" } else { "http" };
    let ip = peer.address.ip().to_canonical();
    if how == PeerHeaders::XForwarded {
        if let Ok(ip) = HeaderValue::try_from(ip.to_string()) {
            headers.insert(FORWARDED_FOR, ip);
        }
        headers.insert(FORWARDED_PROTO, HeaderValue::from_static(scheme));
        if let Some(host) = host {
            headers.insert(FORWARDED_HOST, host.clone());
        }
        return;
    }
    // RFC 7239 section 6: an IPv6 address stands in brackets, and so in quotes.
    let node = if ip.is_ipv6() { format!("\"[{ip}]\"") } else { ip.to_string() };
    let mut value = format!("for={node};proto={scheme}");
    // A host with a port is no token (section 4). One with a quote or a backslash is no host.
    if let Some(host) = host.and_then(|host| host.to_str().ok()).filter(|host| !host.contains(['"', '\\'])) {
        value.push_str(&format!(";host=\"{host}\""));
    }
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(FORWARDED, value);
    }
}

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn applied(forwarded: PeerHeaders, keep_authorization: bool, headers: &[(&str, &str)]) -> HeaderMap {
        let rules = Rules { to: "http://app:8080".parse().unwrap(), keep_authorization, forwarded };
        let request = Request::builder().uri("/upstream/chat?a=b").header("host", "api.example.net");
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let (mut head, ()) = request.body(()).unwrap().into_parts();
        let peer = Peer { address: "[2001:db8::1]:4711".parse().unwrap(), is_tls: true };
        rules.apply(&mut head, peer).unwrap();
        assert_eq!(head.uri, "http://app:8080/upstream/chat?a=b");
        head.headers
    }

    #[test]
    fn removes_hop_by_hop_headers_and_those_that_connection_names() {
        let headers = applied(
            PeerHeaders::Pass,
            false,
            &[
                ("connection", "close, X-Private"),
                ("connection", "x-second"),
                ("x-private", "1"),
                ("x-second", "2"),
                ("keep-alive", "timeout=5"),
                ("proxy-connection", "keep-alive"),
                ("te", "trailers"),
                ("trailer", "x-upstream-auth-roles"),
                ("transfer-encoding", "chunked"),
                ("upgrade", "websocket"),
                ("expect", "100-continue"),
                ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
                ("x-asrs-hub", "chat"),
            ],
        );
        let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["host", "traceparent", "x-asrs-hub"]);
        assert_eq!(headers["host"], "api.example.net");
    }

    #[test]
    fn removes_forged_identity_and_the_token() {
        let sent = [
            ("X-Upstream-Auth-Object-Id", "forged"),
            ("x_upstream_auth_roles", "Admin"),
            ("x-upstream_auth-tenant-id", "forged"),
            ("X-Upstream-Auth-Shadow", "accepted"),
            ("authorization", "Bearer token"),
            ("proxy-authorization", "Basic eDp5"),
        ];
        let headers = applied(PeerHeaders::Pass, false, &sent);
        assert_eq!(headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["host"]);
        assert_eq!(applied(PeerHeaders::Pass, true, &sent)["authorization"], "Bearer token");
    }

    #[test]
    fn forwarded_headers_are_those_of_the_connection_or_left_alone() {
        let sent = [
            ("x-forwarded-for", "192.0.2.1"),
            ("forwarded", "for=192.0.2.2"),
            ("x-forwarded-port", "1"),
            ("x-forwarded-prefix", "/forged"),
            ("X_Forwarded_For", "192.0.2.3"),
            ("x-forwarded_ssl", "on"),
        ];
        let passed = applied(PeerHeaders::Pass, false, &sent);
        assert_eq!(
            (&passed["x-forwarded-for"], &passed["forwarded"]),
            (&"192.0.2.1".parse().unwrap(), &"for=192.0.2.2".parse().unwrap())
        );
        let standard = applied(PeerHeaders::Forwarded, false, &sent);
        assert_eq!(standard["forwarded"], "for=\"[2001:db8::1]\";proto=https;host=\"api.example.net\"");
        assert_eq!(standard.len(), 2);
        let common = applied(PeerHeaders::XForwarded, false, &sent);
        assert_eq!(common["x-forwarded-for"], "2001:db8::1");
        assert_eq!(common["x-forwarded-proto"], "https");
        assert_eq!(common["x-forwarded-host"], "api.example.net");
        assert_eq!(common.len(), 4);
    }

    #[test]
    fn cookies_of_http2_become_one_line() {
        let headers = applied(PeerHeaders::Pass, false, &[("cookie", "a=1"), ("cookie", "b=2")]);
        assert_eq!(headers.get_all("cookie").iter().collect::<Vec<_>>(), ["a=1; b=2"]);
    }
}
