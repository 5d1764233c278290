//! The examples without settings, and with wrong ones.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use RejectionKind::{CallerNotAllowed, Expired, GraphToken, WrongAudience, WrongTenant};
use http::{Method, StatusCode};
use mock_entra::UpstreamRequest;
use serde_json::json;
use signalr_upstream_auth::RejectionKind;
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::client::{BARE_CHALLENGE, VERSIONS, request, send};
use crate::program::{PATH, Program, SERVERS};

const VARIABLES: [&str; 15] = [
    "SIGNALR_UPSTREAM_TENANT_IDS",
    "SIGNALR_UPSTREAM_AUDIENCES",
    "SIGNALR_UPSTREAM_CALLER_OBJECT_IDS",
    "SIGNALR_UPSTREAM_CALLER_CLIENT_IDS",
    "SIGNALR_UPSTREAM_ALLOW_ANY_CALLER",
    "SIGNALR_UPSTREAM_REQUIRED_ROLES",
    "SIGNALR_UPSTREAM_REVOKED_KEYS",
    "SIGNALR_UPSTREAM_CLOUD",
    "SIGNALR_UPSTREAM_CLOCK_SKEW_SECS",
    "SIGNALR_UPSTREAM_REFRESH_SECS",
    "SIGNALR_UPSTREAM_REFETCH_COOLDOWN_SECS",
    "SIGNALR_UPSTREAM_KEY_RETENTION_SECS",
    "SIGNALR_UPSTREAM_STALE_LIMIT_SECS",
    "SIGNALR_UPSTREAM_FETCH_TIMEOUT_SECS",
    "SIGNALR_UPSTREAM_EXPLAIN_REJECTIONS_SECS",
];

const NOTHING: [(&str, &str); 0] = [];

/// A server without settings: where it listens, and the token of its `curl` line.
async fn embedded(name: &'static str) -> (Program, String, SocketAddr, String) {
    let mut program = Program::start(name, NOTHING);
    let text = program.stdout_with("Listening on http://").await;
    let curl = text.lines().find(|line| line.trim_start().starts_with("curl ")).unwrap().to_owned();
    let token = curl.split_once("Authorization: Bearer ").unwrap().1.split_once('"').unwrap().0.to_owned();
    let url = curl.split_whitespace().last().unwrap();
    let server = url.strip_prefix("http://").unwrap().strip_suffix("/whoami").unwrap().parse().unwrap();
    (program, text, server, token)
}

#[tokio::test]
async fn server_without_settings_prints_accepted_and_rejected_calls() {
    for name in SERVERS {
        let (_program, text, server, _) = embedded(name).await;
        let rows = [
            ("a good v1 token", "200 OK", ""),
            ("a good v2 token", "200 OK", ""),
            ("no token", "401 Unauthorized", BARE_CHALLENGE),
            ("a token for another audience", "401 Unauthorized", WrongAudience.description()),
            ("a token of another tenant", "401 Unauthorized", WrongTenant.description()),
            ("an expired token", "401 Unauthorized", Expired.description()),
            ("a token of another caller", "403 Forbidden", CallerNotAllowed.description()),
            ("a token for Microsoft Graph", "401 Unauthorized", GraphToken.description()),
        ];
        for (call, status, reason) in rows {
            let row = format!("  {call:<30}{status:<18}{reason}");
            assert!(text.lines().any(|line| line == row.trim_end()), "{row} in {text}");
        }
        assert!(text.contains(&format!("POST http://{server}{PATH}")), "{text}");
    }
}

#[tokio::test]
async fn a_server_answers_over_http1_and_http2() {
    for name in SERVERS {
        let (_program, _, server, token) = embedded(name).await;
        for version in VERSIONS {
            let call = |method, path, token: Option<&str>| send(version, server, request(method, path, token));
            for path in ["/healthz", "/readyz"] {
                let answer = call(Method::GET, path, None).await;
                assert_eq!(answer.status, StatusCode::OK, "{name} {version:?} {path}");
            }
            let answer = call(Method::GET, "/whoami", Some(&token)).await;
            let expected = json!({
                "tenant_id": "11111111-aaaa-4bbb-8ccc-222222222222",
                "object_id": "77777777-4321-4cba-8fed-888888888888",
                "client_id": "55555555-1234-4abc-9def-666666666666",
                "audience": "api://33333333-dddd-4eee-8fff-444444444444",
                "token_version": "1.0",
                "roles": [],
            });
            assert_eq!((answer.status, answer.json()), (StatusCode::OK, expected), "{name} {version:?}");
            assert_eq!(answer.header("content-type"), "application/json");
            let upstream = UpstreamRequest::message("chat", "echo").argument("hi");
            let answer = send(version, server, upstream.clone().bearer(&token).into_request()).await;
            assert_eq!((answer.status, answer.body.len()), (StatusCode::OK, 0), "{name} {version:?}");
            let answer = send(version, server, upstream.into_request()).await;
            assert_eq!(
                (answer.status, answer.reason()),
                (StatusCode::UNAUTHORIZED, BARE_CHALLENGE),
                "{name} {version:?}"
            );
            assert_eq!(answer.header("cache-control"), "no-store");
            let answer = call(Method::GET, "/whoami", None).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{name} {version:?}");
            for path in ["/", "/upstream/chat/messages", "/upstream/chat/messages/echo/more"] {
                let answer = call(Method::POST, path, Some(&token)).await;
                assert_eq!(answer.status, StatusCode::NOT_FOUND, "{name} {version:?} {path}");
            }
        }
    }
}

#[tokio::test]
async fn a_server_answers_the_calls_of_the_service_in_the_clients_protocol() {
    let echo = || UpstreamRequest::message("chat", "Echo").invocation_id("42").argument("hi");
    let unknown = || UpstreamRequest::message("chat", "nobody").invocation_id("42");
    let record = |json: &str| format!("{json}\u{1e}").into_bytes();
    let error = "There is no such method";
    let broadcast = |text: &str| UpstreamRequest::message("chat", "broadcast").invocation_id("42").argument(text);
    let cases: [(UpstreamRequest, Vec<u8>); 13] = [
        (echo(), record(r#"{"type":3,"invocationId":"42","result":"hi"}"#)),
        (unknown(), record(&format!(r#"{{"type":3,"invocationId":"42","error":"{error}"}}"#))),
        (echo().message_pack(), b"\x0a\x95\x03\x80\xa2\x34\x32\x03\xa2\x68\x69".to_vec()),
        (unknown().message_pack(), [b"\x1f\x95\x03\x80\xa242\x01\xb7", error.as_bytes()].concat()),
        (broadcast("hi"), record(r#"{"type":3,"invocationId":"42"}"#)),
        (broadcast("hi").message_pack(), b"\x07\x94\x03\x80\xa242\x02".to_vec()),
        (broadcast(""), record(r#"{"type":3,"invocationId":"42","error":"There is nothing to say"}"#)),
        (broadcast("").message_pack(), b"\x1f\x95\x03\x80\xa242\x01\xb7There is nothing to say".to_vec()),
        (
            broadcast("hi").argument("more"),
            record(r#"{"type":3,"invocationId":"42","error":"The arguments do not fit the method"}"#),
        ),
        // Nobody waits for an answer to these.
        (UpstreamRequest::message("chat", "echo").argument("hi"), Vec::new()),
        (UpstreamRequest::message("chat", "nobody"), Vec::new()),
        (UpstreamRequest::connected("chat").user_id("alice"), Vec::new()),
        (UpstreamRequest::disconnected("chat", Some("gone")), Vec::new()),
    ];
    for name in SERVERS {
        let (_program, _, server, token) = embedded(name).await;
        for (number, (call, expected)) in cases.iter().enumerate() {
            let request = call.clone().bearer(&token).into_request();
            let answer = send(VERSIONS[0], server, request).await;
            assert_eq!((answer.status, &answer.body[..]), (StatusCode::OK, &expected[..]), "{name} {number}");
        }
        // By hand, with nothing but a token.
        let answer = send(VERSIONS[0], server, request(Method::POST, PATH, Some(&token))).await;
        assert_eq!((answer.status, answer.body.len()), (StatusCode::OK, 0), "{name}");
    }
}

#[tokio::test]
async fn bad_settings_end_a_server_before_it_connects() {
    let network = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let proxy = format!("http://{}", network.local_addr().unwrap());
    let vars = [
        ("LISTEN_ADDR", "localhost"),
        ("SIGNALR_UPSTREAM_TENANT_IDS", "contoso.com"),
        ("SIGNALR_UPSTREAM_AUDIENCES", "https://graph.microsoft.com"),
        ("SIGNALR_UPSTREAM_ALLOW_ANY_CALLER", "yes"),
        ("SIGNALR_UPSTREAM_CLOUD", "azure"),
        ("SIGNALR_UPSTREAM_CLOCK_SKEW_SECS", "601"),
        ("SIGNALR_UPSTREAM_REFRESH_SECS", "0"),
        ("SIGNALR_UPSTREAM_REFETCH_COOLDOWN_SECS", "30s"),
        ("SIGNALR_UPSTREAM_KEY_RETENTION_SECS", "604801"),
        ("SIGNALR_UPSTREAM_STALE_LIMIT_SECS", "0"),
        ("SIGNALR_UPSTREAM_FETCH_TIMEOUT_SECS", "0"),
        ("HTTPS_PROXY", &proxy),
    ];
    let expected = [
        "LISTEN_ADDR: `localhost` is no address; write IP and port, like 127.0.0.1:3000",
        "SIGNALR_UPSTREAM_TENANT_IDS: `contoso.com` is a domain name; write the tenant's GUID",
        "SIGNALR_UPSTREAM_AUDIENCES: `https://graph.microsoft.com` is the audience of Microsoft Graph",
        "SIGNALR_UPSTREAM_CALLER_OBJECT_IDS: no caller is listed",
        "SIGNALR_UPSTREAM_ALLOW_ANY_CALLER: `yes` is neither `true` nor `false`",
        "SIGNALR_UPSTREAM_CLOUD: `azure` is not a cloud; write public, us-government or china",
        "SIGNALR_UPSTREAM_CLOCK_SKEW_SECS: write 0 to 600 seconds",
        "SIGNALR_UPSTREAM_REFRESH_SECS: write 1 to 43200 seconds",
        "SIGNALR_UPSTREAM_REFETCH_COOLDOWN_SECS: `30s` is not a number of seconds",
        "SIGNALR_UPSTREAM_KEY_RETENTION_SECS: write 0 to 604800 seconds",
        "SIGNALR_UPSTREAM_STALE_LIMIT_SECS: write 1 to 604800 seconds",
        "SIGNALR_UPSTREAM_FETCH_TIMEOUT_SECS: write 1 to 60 seconds",
    ];
    for name in SERVERS {
        let (status, stderr) = Program::start(name, vars).end().await;
        assert!(!status.success(), "{name}: {status}");
        let lines: Vec<_> = stderr.lines().skip(1).collect();
        assert_eq!(lines.len(), expected.len(), "{name}: {stderr}");
        for (line, expected) in lines.iter().zip(expected) {
            assert!(line.starts_with(expected), "{name}: {line}");
        }
    }
    assert!(timeout(Duration::ZERO, network.accept()).await.is_err(), "nothing was connected to");
}

#[tokio::test]
async fn treats_empty_variable_as_a_setting() {
    for variable in VARIABLES {
        let (status, stderr) = Program::start(SERVERS[0], [(variable, "")]).end().await;
        assert!(!status.success(), "{variable}: {status}");
        assert!(stderr.contains("SIGNALR_UPSTREAM_TENANT_IDS: write the GUID"), "{variable}: {stderr}");
    }
    let (status, stderr) = Program::start(SERVERS[1], VARIABLES.map(|variable| (variable, ""))).end().await;
    assert!(!status.success() && stderr.contains("SIGNALR_UPSTREAM_TENANT_IDS: write the GUID"), "{stderr}");
}

#[tokio::test]
async fn server_without_settings_listens_on_loopback_only() {
    for name in SERVERS {
        for address in ["0.0.0.0:0", "[::]:0"] {
            let (status, stderr) = Program::start(name, [("LISTEN_ADDR", address)]).end().await;
            assert!(!status.success(), "{name} {address}: {status}");
            assert!(stderr.contains("SIGNALR_UPSTREAM_TENANT_IDS: write the GUID"), "{name} {address}: {stderr}");
            assert!(stderr.contains("on a loopback address only"), "{name} {address}: {stderr}");
        }
    }
}

#[tokio::test]
async fn server_ends_when_its_address_is_unavailable() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for name in SERVERS {
        for (address, expected) in
            [(&*taken, "cannot be listened on"), ("", "is no address"), ("3000", "is no address")]
        {
            let (status, stderr) = Program::start(name, [("LISTEN_ADDR", address)]).end().await;
            assert!(!status.success(), "{name} {address}: {status}");
            assert!(stderr.contains("LISTEN_ADDR: ") && stderr.contains(expected), "{name} {address}: {stderr}");
        }
    }
}

#[tokio::test]
async fn server_ends_on_a_misspelt_variable() {
    for name in SERVERS {
        let (status, stderr) = Program::start(name, [("SIGNALR_UPSTREAM_TENANT_ID", "hunter2")]).end().await;
        assert!(!status.success(), "{name}: {status}");
        let fault = "SIGNALR_UPSTREAM_TENANT_ID: is not a setting; if you mean SIGNALR_UPSTREAM_TENANT_IDS, write that";
        assert!(stderr.contains(fault) && !stderr.contains("hunter2"), "{name}: {stderr}");
    }
}

#[tokio::test]
async fn warns_of_variables_that_kubernetes_injects() {
    for name in SERVERS {
        let mut program = Program::start(name, [("SIGNALR_UPSTREAM_SERVICE_HOST", "10.0.0.7")]);
        program.stdout_with("Listening on http://").await;
        let log = program.stderr_with("SIGNALR_UPSTREAM_SERVICE_HOST").await;
        assert!(log.contains("WARN") && !log.contains("10.0.0.7"), "{name}: {log}");
    }
}

#[tokio::test]
async fn custom_key_source_follows_its_file() {
    let (status, printed) = Program::start("custom_key_source", NOTHING).output().await;
    assert!(status.success(), "{status}: {printed}");
    let answers: Vec<_> = printed.lines().filter(|line| line.starts_with("  ")).collect();
    let [before_fixed, before_file, after_fixed, after_file] = &answers[..] else { panic!("{printed}") };
    assert!(before_fixed.contains("fixed keys   accepts it") && before_file.contains("key file     accepts it"));
    assert!(after_fixed.contains("rejects it: The signing key is not known (401 Unauthorized)"), "{printed}");
    assert!(after_file.contains("accepts it: the caller is 77777777-4321-4cba-8fed-888888888888"), "{printed}");
}

/// The commands of its page, and what the page says that they show.
#[tokio::test]
async fn metrics_upstream_counts_the_call_of_its_curl_line() {
    let mut program = Program::start("metrics_upstream", NOTHING);
    let text = program.stdout_with("/metrics").await;
    let lines: Vec<_> = text.lines().filter_map(|line| line.trim_start().strip_prefix("curl ")).collect();
    let [call, scrape] = lines[..] else { panic!("two lines of curl: {text}") };
    let token = call.split_once("Authorization: Bearer ").unwrap().1.split_once('"').unwrap().0;
    let server = scrape.strip_prefix("http://").unwrap().strip_suffix("/metrics").unwrap().parse().unwrap();
    assert!(call.ends_with(&format!("http://{server}{PATH}")), "{call}");
    let answer = send(VERSIONS[0], server, request(Method::POST, PATH, Some(token))).await;
    assert_eq!(answer.status, StatusCode::OK);
    let answer = send(VERSIONS[0], server, request(Method::GET, "/metrics", None)).await;
    let metrics = String::from_utf8(answer.body.to_vec()).unwrap();
    let shown = include_str!("../../examples/metrics/README.md").lines();
    let shown = shown.filter(|line| line.starts_with("signalr_upstream_auth_")).collect::<Vec<_>>();
    assert_eq!(shown.len(), 1, "the page shows one line");
    assert!(metrics.lines().any(|line| line == shown[0]), "{} is not in {metrics}", shown[0]);
}
