//! `proxy`: what the service gets, what the caller gets, and who made which answer.

use std::net::Ipv4Addr;

use axum::body::Body;
use bytes::Bytes;
use http::header::{AUTHORIZATION, HOST};
use http::{HeaderName, HeaderValue, Method, Request, StatusCode, Version};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use mock_entra::{Endpoint, Fault};
use serde_json::json;
use signalr_upstream_auth::RejectionKind;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::child::Program;
use crate::client::{VERSIONS, request, send};
use crate::public_cloud::PublicCloud;
use crate::service::{Service, parts};

const CALL: &str = "/upstream/chat/messages/echo?a=b&c=%20";

/// Headers that a client sends to be taken for somebody else.
const FORGED: [&str; 6] = [
    "x-upstream-auth-object-id",
    "x-upstream-auth-tenant-id",
    "x_upstream_auth_object_id",
    "x-upstream_auth-roles",
    "x.upstream.auth.client.id",
    "x-upstream-auth-shadow",
];

fn forged(mut request: Request<Full<Bytes>>) -> Request<Full<Bytes>> {
    for name in FORGED {
        request.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static("forged"));
    }
    request
}

#[tokio::test]
async fn accepted_calls_arrive_with_the_caller_and_without_the_token() {
    let (cloud, service) = (PublicCloud::start().await, Service::start().await);
    let mut proxy = Program::command(&["proxy", "--to", &service.url()], cloud.settings());
    let address = proxy.loaded_address().await;
    let token = cloud.entra.token().roles(["Upstream.Call", "a,b", "c d"]).mint();
    for version in VERSIONS {
        for method in [Method::GET, Method::POST, Method::PUT, Method::DELETE, Method::PATCH] {
            let mut call = forged(request(method.clone(), CALL, Some(&token)));
            call.headers_mut().insert("x-asrs-hub", HeaderValue::from_static("chat"));
            call.headers_mut().insert("traceparent", HeaderValue::from_static(TRACE));
            if method != Method::GET {
                *call.body_mut() = Full::from("hello");
            }
            let answer = send(version, address, call).await;
            assert_eq!(answer.status, StatusCode::OK, "{version:?}");
            let seen = answer.json();
            assert_eq!((&seen["method"], &seen["target"]), (&json!(method.as_str()), &json!(CALL)));
            assert_eq!(seen["body"], if method == Method::GET { "" } else { "hello" });
            let headers = seen["headers"].as_object().unwrap();
            let header = |name: &str| headers.get(name).cloned().unwrap_or_default();
            assert_eq!(header("x-upstream-auth-object-id"), json!([cloud.entra.caller_object_id().to_string()]));
            assert_eq!(header("x-upstream-auth-tenant-id"), json!([cloud.entra.tenant().to_string()]));
            assert_eq!(header("x-upstream-auth-client-id"), json!([cloud.entra.caller_client_id().to_string()]));
            assert_eq!(header("x-upstream-auth-roles"), json!(["Upstream.Call,a%2Cb,c%20d"]));
            assert_eq!(header("x-asrs-hub"), json!(["chat"]));
            assert_eq!(header("traceparent"), json!([TRACE]));
            assert_eq!(header("host"), json!([address.to_string()]));
            assert!(!seen.to_string().contains("forged") && !headers.contains_key("authorization"), "{seen}");
        }
    }
}

#[tokio::test]
async fn rejected_calls_do_not_arrive() {
    let (cloud, service) = (PublicCloud::start().await, Service::start().await);
    let mut proxy = Program::command(&["proxy", "--to", &service.url()], cloud.settings());
    let address = proxy.loaded_address().await;
    let admin = proxy.admin_address().await;
    let entra = &cloud.entra;
    let mut malformed = request(Method::GET, "/answer/204", None);
    malformed.headers_mut().insert(AUTHORIZATION, HeaderValue::from_static("Bearer a,b"));
    let mut twice = request(Method::GET, "/answer/204", Some(&entra.token().mint()));
    twice.headers_mut().append(AUTHORIZATION, HeaderValue::from_static("Bearer b"));
    let with = |token: String| request(Method::GET, "/answer/204", Some(&token));
    for (call, kind) in [
        (request(Method::GET, "/answer/204", None), RejectionKind::MissingCredentials),
        (malformed, RejectionKind::MalformedCredentials),
        (twice, RejectionKind::MultipleCredentials),
        (with(entra.token().expired().mint()), RejectionKind::Expired),
        (with(entra.token().audience("api://somebody-else").mint()), RejectionKind::WrongAudience),
        (with(entra.token().signature([7; 256]).mint()), RejectionKind::InvalidSignature),
        (with(entra.token().delegated().mint()), RejectionKind::DelegatedToken),
    ] {
        let answer = send(Version::HTTP_11, address, call).await;
        assert_eq!(answer.status, kind.status(), "{kind}");
        assert!(answer.header("www-authenticate").starts_with("Bearer "), "{kind}");
        assert_eq!((answer.header("proxy-status"), answer.body.len()), ("", 0));
    }
    // The answer of the service is its own.
    for status in [204, 401, 404, 500, 502, 503] {
        let call = request(Method::GET, &format!("/answer/{status}"), Some(&entra.token().mint()));
        let answer = send(Version::HTTP_11, address, call).await;
        assert_eq!((answer.status.as_u16(), answer.header("proxy-status")), (status, ""));
    }
    let metrics = send(Version::HTTP_11, admin, request(Method::GET, "/metrics", None)).await;
    let metrics = String::from_utf8(metrics.body.to_vec()).unwrap();
    assert!(metrics.contains("signalr_upstream_auth_proxy_forwarded_total 6"), "{metrics}");
}

#[tokio::test]
async fn token_stays_if_it_is_to_stay_and_the_peer_is_named_by_choice() {
    let (cloud, service) = (PublicCloud::start().await, Service::start().await);
    let options = ["proxy", "--to", &service.url(), "--keep-authorization", "--forwarded", "x-forwarded"];
    let mut proxy = Program::command(&options, cloud.settings());
    let address = proxy.loaded_address().await;
    let token = cloud.entra.token().mint();
    let mut call = request(Method::GET, "/", Some(&token));
    call.headers_mut().insert("x-forwarded-for", HeaderValue::from_static("192.0.2.1"));
    let headers = &send(Version::HTTP_11, address, call).await.json()["headers"];
    assert_eq!(headers["authorization"], json!([format!("Bearer {token}")]));
    assert_eq!(headers["x-forwarded-for"], json!(["127.0.0.1"]));
    assert_eq!(headers["x-forwarded-proto"], json!(["http"]));
    assert_eq!(headers["x-forwarded-host"], json!([address.to_string()]));
}

#[tokio::test]
async fn bodies_are_streamed_both_ways() {
    let (cloud, service) = (PublicCloud::start().await, Service::start().await);
    let mut proxy = Program::command(&["proxy", "--to", &service.url()], cloud.settings());
    let address = proxy.loaded_address().await;
    let stream = TokioIo::new(TcpStream::connect(address).await.unwrap());
    let (mut client, connection) = http1::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let (sender, body) = parts();
    let call = Request::post("/echo")
        .header(HOST, "a")
        .header(AUTHORIZATION, format!("Bearer {}", cloud.entra.token().mint()))
        .body(body)
        .unwrap();
    // The answer begins, and its parts come back, while the request is still being sent.
    let mut response = client.send_request(call).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    for part in ["one", "two", "three"] {
        sender.send(Bytes::from(part)).await.unwrap();
        assert_eq!(response.frame().await.unwrap().unwrap().into_data().unwrap(), part);
    }
    drop(sender);
    assert!(response.frame().await.is_none());
    // And a long one.
    let long = vec![b'x'; 5_000_000];
    let mut call = request(Method::POST, "/echo", Some(&cloud.entra.token().mint()));
    *call.body_mut() = Full::from(long.clone());
    assert_eq!(send(Version::HTTP_2, address, call).await.body, long);
}

#[tokio::test]
async fn hop_by_hop_headers_of_the_service_stay_there() {
    let (cloud, service) = (PublicCloud::start().await, Service::start().await);
    let mut proxy = Program::command(&["proxy", "--to", &service.url()], cloud.settings());
    let address = proxy.loaded_address().await;
    let token = cloud.entra.token().mint();
    let answer = send(Version::HTTP_11, address, request(Method::GET, "/hops", Some(&token))).await;
    assert_eq!((answer.header("x-private"), answer.header("keep-alive"), answer.header("x-kept")), ("", "", "2"));
}

#[tokio::test]
async fn service_that_is_down_slow_or_breaks_is_told_from_missing_keys() {
    let (cloud, service) = (PublicCloud::start().await, Service::start().await);
    let token = cloud.entra.token().mint();
    // Nobody listens there.
    let nobody = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap();
    let mut proxy = Program::command(&["proxy", "--to", &format!("http://{nobody}")], cloud.settings());
    let answer = send(Version::HTTP_11, proxy.loaded_address().await, request(Method::GET, "/", Some(&token))).await;
    let expected = (StatusCode::BAD_GATEWAY, "signalr-upstream-auth; error=connection_refused");
    assert_eq!((answer.status, answer.header("proxy-status")), expected);
    proxy.stderr_with("requests are not forwarded").await;

    let mut proxy = Program::command(&["proxy", "--to", &service.url(), "--timeout", "1"], cloud.settings());
    let answer =
        send(Version::HTTP_11, proxy.loaded_address().await, request(Method::GET, "/slow/20000", Some(&token))).await;
    let expected = (StatusCode::GATEWAY_TIMEOUT, "signalr-upstream-auth; error=http_response_timeout");
    assert_eq!((answer.status, answer.header("proxy-status")), expected);

    // It accepts and hangs up.
    let breaking = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://{}", breaking.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = breaking.accept().await {
            let _ = stream.read(&mut [0; 1024]).await;
        }
    });
    let mut proxy = Program::command(&["proxy", "--to", &url], cloud.settings());
    let answer = send(Version::HTTP_11, proxy.loaded_address().await, request(Method::GET, "/", Some(&token))).await;
    let expected = (StatusCode::BAD_GATEWAY, "signalr-upstream-auth; error=connection_terminated");
    assert_eq!((answer.status, answer.header("proxy-status")), expected);

    cloud.entra.fail(Endpoint::Keys, Fault::status(500));
    let mut proxy = Program::command(&["proxy", "--to", &service.url()], cloud.settings());
    let answer = send(Version::HTTP_11, proxy.address().await, request(Method::GET, "/", Some(&token))).await;
    assert_eq!((answer.status, answer.header("proxy-status")), (StatusCode::SERVICE_UNAVAILABLE, ""));
    assert_ne!(answer.header("retry-after"), "");
}

#[tokio::test]
async fn more_requests_than_the_service_may_get_are_503() {
    let (cloud, service) = (PublicCloud::start().await, Service::start().await);
    let mut proxy = Program::command(&["proxy", "--to", &service.url(), "--max-requests", "1"], cloud.settings());
    let address = proxy.loaded_address().await;
    let token = cloud.entra.token().mint();
    // The first counts until its answer has been sent, and that ends with its request.
    let stream = TokioIo::new(TcpStream::connect(address).await.unwrap());
    let (mut client, connection) = http1::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let (sender, body) = parts();
    let call = Request::post("/echo").header(HOST, "a").header(AUTHORIZATION, format!("Bearer {token}"));
    let first = client.send_request(call.body(body).unwrap()).await.unwrap();
    let answer = send(Version::HTTP_11, address, request(Method::GET, "/", Some(&token))).await;
    let expected = (StatusCode::SERVICE_UNAVAILABLE, "signalr-upstream-auth; error=connection_limit_reached", "1");
    assert_eq!((answer.status, answer.header("proxy-status"), answer.header("retry-after")), expected);
    // Strangers are told what they would be told anyway.
    let answer = send(Version::HTTP_11, address, request(Method::GET, "/", None)).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    drop(sender);
    assert!(first.into_body().collect().await.unwrap().to_bytes().is_empty());
    loop {
        let answer = send(Version::HTTP_11, address, request(Method::GET, "/", Some(&token))).await;
        if answer.status == StatusCode::OK {
            break;
        }
    }
}

/// Sends bytes, and reads to the end of what comes back.
async fn raw(address: std::net::SocketAddr, text: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // A server that closes early resets what is still being sent.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn ambiguous_and_oversized_heads_are_rejected() {
    let (cloud, service) = (PublicCloud::start().await, Service::start().await);
    let mut proxy = Program::command(&["proxy", "--to", &service.url()], cloud.settings());
    let address = proxy.loaded_address().await;
    let token = cloud.entra.token().mint();
    let good = format!("Authorization: Bearer {token}\r\nConnection: close\r\n");
    let two_hosts = raw(address, &format!("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n{good}\r\n")).await;
    assert!(two_hosts.starts_with("HTTP/1.1 400 ") && two_hosts.contains("http_request_error"), "{two_hosts}");
    let tunnel = raw(address, &format!("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n{good}\r\n")).await;
    assert!(tunnel.starts_with("HTTP/1.1 400 "), "{tunnel}");
    let asterisk = raw(address, &format!("OPTIONS * HTTP/1.1\r\nHost: a\r\n{good}\r\n")).await;
    assert!(asterisk.starts_with("HTTP/1.1 400 "), "{asterisk}");
    let other_host = raw(address, &format!("GET http://b/x?y HTTP/1.1\r\nHost: a\r\n{good}\r\n")).await;
    assert!(other_host.contains("\"host\":[\"b\"]") && other_host.contains("\"target\":\"/x?y\""), "{other_host}");

    let long = cloud.entra.token().claim("padding", "x".repeat(11_000)).mint();
    assert!((14_000..16_384).contains(&long.len()));
    let query = "q".repeat(12_000);
    let head =
        format!("GET /?{query} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {long}\r\nConnection: close\r\n\r\n");
    let fits = raw(address, &head).await;
    assert!(fits.starts_with("HTTP/1.1 200 "), "{fits}");
    let too_long = raw(address, &format!("GET / HTTP/1.1\r\nHost: a\r\nx: {}\r\n{good}\r\n", "x".repeat(40_000))).await;
    assert!(too_long.is_empty() || too_long.starts_with("HTTP/1.1 431 "), "{too_long}");
}

#[tokio::test]
async fn trailers_do_not_reach_the_service() {
    let cloud = PublicCloud::start().await;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let seen = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut seen = Vec::new();
        while !seen.ends_with(b"0\r\n\r\n") {
            assert_ne!(stream.read_buf(&mut seen).await.unwrap(), 0, "{}", String::from_utf8_lossy(&seen));
        }
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
        String::from_utf8(seen).unwrap()
    });
    let mut proxy = Program::command(&["proxy", "--to", &url], cloud.settings());
    let token = cloud.entra.token().mint();
    let head = format!(
        "POST / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\nTransfer-Encoding: chunked\r\n\
             Trailer: X-Upstream-Auth-Roles\r\nConnection: close\r\n\r\n5\r\nhello\r\n0\r\nX-Upstream-Auth-Roles: Admin\r\n\r\n"
    );
    let answer = raw(proxy.loaded_address().await, &head).await;
    assert!(answer.starts_with("HTTP/1.1 204 "), "{answer}");
    let seen = seen.await.unwrap();
    assert!(seen.contains("5\r\nhello\r\n") && !seen.contains("Admin"), "{seen}");
}

#[tokio::test]
async fn shadow_mode_forwards_rejected_calls_marked_and_without_a_caller() {
    let (cloud, service) = (PublicCloud::start().await, Service::start().await);
    let options = ["proxy", "--to", &service.url(), "--dangerous-shadow-mode"];
    let mut proxy = Program::command(&options, cloud.settings());
    let address = proxy.loaded_address().await;
    proxy.stderr_with("shadow mode").await;
    let expired = cloud.entra.token().expired().mint();
    for (token, mark) in [(Some(expired), "rejected; kind=expired"), (None, "rejected; kind=missing_credentials")] {
        let answer = send(Version::HTTP_11, address, forged(request(Method::GET, "/", token.as_deref()))).await;
        assert_eq!(answer.status, StatusCode::OK);
        let headers = answer.json()["headers"].as_object().unwrap().clone();
        assert_eq!(headers["x-upstream-auth-shadow"], json!([mark]));
        assert_eq!(headers.keys().filter(|name| name.contains("upstream")).count(), 1, "{headers:?}");
        // The service protects itself, so it needs what the client sent.
        let sent = token.map(|token| json!([format!("Bearer {token}")]));
        assert_eq!(headers.get("authorization"), sent.as_ref());
    }
    let token = cloud.entra.token().mint();
    let headers = &send(Version::HTTP_11, address, request(Method::GET, "/", Some(&token))).await.json()["headers"];
    assert_eq!(headers["x-upstream-auth-shadow"], json!(["accepted"]));
    assert_eq!(headers["x-upstream-auth-object-id"], json!([cloud.entra.caller_object_id().to_string()]));
    assert_eq!(headers["authorization"], json!([format!("Bearer {token}")]));
    proxy.stderr_with("requests are rejected").await;
}

#[tokio::test]
async fn every_mode_explains_rejections_and_leaves_unverified_fields_out_as_configured() {
    let (cloud, service) = (PublicCloud::start().await, Service::start().await);
    let url = service.url();
    let modes: [&[&str]; 3] =
        [&["proxy", "--to", &url], &["proxy", "--to", &url, "--dangerous-shadow-mode"], &["forward-auth"]];
    let expired = cloud.entra.token().claim("uti", "tell-tale").expired().mint();
    for mode in modes {
        for is_logged in [true, false] {
            let mut settings = cloud.settings();
            settings.push(("SIGNALR_UPSTREAM_EXPLAIN_REJECTIONS_SECS", "60".into()));
            settings.push(("SIGNALR_UPSTREAM_LOG_UNVERIFIED_FIELDS", is_logged.to_string()));
            let mut program = Program::command(mode, settings);
            let address = program.loaded_address().await;
            send(Version::HTTP_11, address, request(Method::GET, "/", Some(&expired))).await;
            program.stderr_with("requests are rejected").await;
            let log = program.stderr_with("rejection explained").await;
            let object = cloud.entra.caller_object_id();
            assert_eq!(log.contains("unverified.token_id=\"tell-tale\""), is_logged, "{mode:?}: {log}");
            assert_eq!(log.contains(&format!("oid {object}")), is_logged, "{mode:?}: {log}");
        }
    }
}

#[tokio::test]
async fn answer_of_http_1_0_becomes_one_of_http_1_1() {
    let cloud = PublicCloud::start().await;
    let old = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://{}", old.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = old.accept().await {
            let _ = stream.read(&mut [0; 8192]).await;
            stream.write_all(b"HTTP/1.0 200 OK\r\nServer: BaseHTTP/0.6\r\n\r\nold").await.unwrap();
        }
    });
    let mut proxy = Program::command(&["proxy", "--to", &url], cloud.settings());
    let (address, token) = (proxy.loaded_address().await, cloud.entra.token().mint());
    for version in VERSIONS {
        // The client compares the version of the answer with its own.
        let answer = send(version, address, request(Method::GET, "/", Some(&token))).await;
        assert_eq!((answer.status, &answer.body[..]), (StatusCode::OK, &b"old"[..]));
    }
}

/// A body that is not read keeps nobody from an answer.
#[tokio::test]
async fn rejection_does_not_wait_for_the_body() {
    let (cloud, service) = (PublicCloud::start().await, Service::start().await);
    let mut proxy = Program::command(&["proxy", "--to", &service.url()], cloud.settings());
    let stream = TokioIo::new(TcpStream::connect(proxy.loaded_address().await).await.unwrap());
    let (mut client, connection) = http1::handshake::<_, Body>(stream).await.unwrap();
    tokio::spawn(connection);
    let (_sender, body) = parts();
    let response = client.send_request(Request::post("/echo").header(HOST, "a").body(body).unwrap()).await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
}

const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
