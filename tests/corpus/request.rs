//! Everything around the `Authorization` header: other places for a token, other methods and paths, headers that other
//! systems trust.

use http::Method;
use signalr_upstream_auth::RejectionKind as K;

use crate::entry::{Entry, Sent};
use crate::expected::{PASS, rejected};
use crate::fixture::Fixture;

pub fn entries(fixture: &Fixture) -> Vec<Entry> {
    let good = fixture.good();
    let bearer = format!("Bearer {good}");
    let none: [&str; 0] = [];
    let without = || Sent::lines(&none);
    let with = || Sent::token(&fixture.good());
    let mut entries = Vec::new();

    let missing = rejected(401, K::MissingCredentials);
    for (name, sent) in [
        ("no header at all", without()),
        ("the token in the query", without().uri(format!("/upstream/chat/messages/echo?access_token={good}"))),
        ("the token in the path", without().uri(format!("/{good}"))),
        ("the token in a cookie", without().header("cookie", format!("access_token={good}"))),
        ("the token in Proxy-Authorization", without().header("proxy-authorization", &bearer)),
        ("the token in X-Authorization", without().header("x-authorization", &bearer)),
        ("the token in Authentication", without().header("authentication", &bearer)),
        ("the token in X-Forwarded-Authorization", without().header("x-forwarded-authorization", &bearer)),
        ("the token in X-Original-Authorization", without().header("x-original-authorization", &bearer)),
        ("the token in Sec-WebSocket-Protocol", without().header("sec-websocket-protocol", format!("bearer, {good}"))),
        ("the token in an alias with an underscore", without().header("authorization_", &bearer)),
        ("the token in an alias with a dot", without().header("authorization.", &bearer)),
        ("the token in HTTP_AUTHORIZATION", without().header("http_authorization", &bearer)),
        ("the token in the headers of App Service", without().header("x-ms-token-aad-access-token", &good)),
        ("a principal as App Service sends it", without().header("x-ms-client-principal", "eyJhdXRoX3R5cCI6ImFhZCJ9")),
        (
            "a principal's id as App Service sends it",
            without().header("x-ms-client-principal-id", "77777777-4321-4cba-8fed-888888888888"),
        ),
        ("a user as proxies send it", without().header("x-forwarded-user", "admin")),
        ("a user as web servers send it", without().header("remote-user", "admin")),
        ("SignalR's own signature header", without().header("x-asrs-signature", "sha256=00,sha256=00")),
        (
            "SignalR's headers without a token",
            without().header("x-asrs-hub", "chat").header("x-asrs-connection-id", "c"),
        ),
        ("a client certificate in a header", without().header("x-client-cert", "MIIC")),
        ("an internal marker", without().header("x-internal", "true")),
        ("localhost in X-Forwarded-For", without().header("x-forwarded-for", "127.0.0.1")),
        ("another URL for the rewriter", without().header("x-original-url", "/healthz")),
        ("another method for the rewriter", without().header("x-http-method-override", "OPTIONS")),
        ("a preflight", without().method(Method::OPTIONS).header("access-control-request-method", "POST")),
        ("HEAD", without().method(Method::HEAD)),
        ("GET of the health check", without().method(Method::GET).uri("/healthz")),
        ("TRACE", without().method(Method::TRACE)),
        ("CONNECT", without().method(Method::CONNECT).uri("example.com:443")),
        ("a method nobody knows", without().method(Method::from_bytes(b"PROPFIND").unwrap())),
        (
            "a WebSocket upgrade",
            without().method(Method::GET).header("upgrade", "websocket").header("connection", "upgrade"),
        ),
        (
            "SignalR's abuse-protection handshake",
            without().method(Method::OPTIONS).header("webhook-request-origin", "x.service.signalr.net"),
        ),
        ("a path with dots", without().uri("/healthz/../upstream/chat")),
        ("a path with encoded dots", without().uri("/healthz/%2e%2e/upstream/chat")),
        ("a path with two slashes", without().uri("//upstream/chat")),
        ("an absolute URI", without().uri("http://localhost/upstream/chat")),
        ("an asterisk for a path", without().method(Method::OPTIONS).uri("*")),
        ("Expect: 100-continue", without().header("expect", "100-continue")),
        ("claims that somebody else put into the extensions", without().with_claims_of_another()),
        ("a body that claims to be endless", without().header("content-length", "18446744073709551615")),
    ] {
        entries.push(Entry::sent(name, missing, sent));
    }
    let many = (0..64).fold(without(), |sent, number| sent.header(&format!("x-authorization-{number}"), &bearer));
    entries.push(Entry::sent("the token in sixty-four other headers", missing, many));

    for (name, sent) in [
        ("a good call", with()),
        ("GET", with().method(Method::GET)),
        ("OPTIONS", with().method(Method::OPTIONS)),
        ("HEAD with a token", with().method(Method::HEAD)),
        ("a WebSocket upgrade with a token", with().method(Method::GET).header("upgrade", "websocket")),
        ("another token in the query", with().uri("/upstream/chat?access_token=eyJhbGciOiJub25lIn0.e30.")),
        ("credentials for the proxy beside", with().header("proxy-authorization", "Basic eDp5")),
        ("a cookie beside", with().header("cookie", "session=1")),
        ("SignalR's headers beside", with().header("x-asrs-hub", "chat").header("x-asrs-user-claims", "a: b")),
        ("a wrong signature header beside", with().header("x-asrs-signature", "sha256=00")),
        ("an alias with an underscore beside", with().header("authorization_", "Bearer x")),
        ("the claims of another in the extensions", with().with_claims_of_another()),
        ("an absolute URI with a token", with().uri("http://localhost/upstream/chat")),
        ("a health check with a token", with().method(Method::GET).uri("/healthz")),
    ] {
        entries.push(Entry::sent(name, PASS, sent));
    }
    entries
}
