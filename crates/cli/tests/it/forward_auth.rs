//! `forward-auth`: what a proxy that asks it gets.

use http::{HeaderValue, Method, StatusCode, Version, header::AUTHORIZATION};
use mock_entra::{Endpoint, Fault};
use signalr_upstream_auth::RejectionKind;

use crate::child::Program;
use crate::client::{BARE_CHALLENGE, request, send};
use crate::public_cloud::PublicCloud;
use crate::tool::{assert_says, run};

#[tokio::test]
async fn ignores_method_and_path_and_names_the_caller() {
    let cloud = PublicCloud::start().await;
    let mut program = Program::forward_auth(cloud.settings());
    let server = program.loaded_address().await;
    let token = cloud.entra.token().roles(["Upstream.Call", "a b", "c,d", "Other"]).mint();
    for (method, path) in [(Method::GET, "/verify"), (Method::POST, "/upstream/chat/messages/echo"), (Method::PUT, "/")]
    {
        let mut call = request(method.clone(), path, Some(&token));
        call.headers_mut().insert("x-upstream-auth-object-id", HeaderValue::from_static("forged"));
        let answer = send(Version::HTTP_11, server, call).await;
        assert_eq!((answer.status, answer.body.len()), (StatusCode::OK, 0));
        assert_eq!(answer.header("x-upstream-auth-object-id"), cloud.entra.caller_object_id().to_string());
        assert_eq!(answer.header("x-upstream-auth-tenant-id"), cloud.entra.tenant().to_string());
        assert_eq!(answer.header("x-upstream-auth-client-id"), cloud.entra.caller_client_id().to_string());
        assert!(answer.header("x-upstream-auth-audience").contains("33333333-dddd-4eee-8fff-444444444444"));
        assert_eq!(answer.header("x-upstream-auth-roles"), "Upstream.Call,a%20b,c%2Cd,Other");
        let answer = send(Version::HTTP_11, server, request(method, path, None)).await;
        assert_eq!((answer.status, answer.reason()), (StatusCode::UNAUTHORIZED, BARE_CHALLENGE));
    }
    // Every name is there, so that a proxy replaces what a client sent.
    let bare = cloud.entra.token().without_claim("appid").mint();
    let answer = send(Version::HTTP_11, server, request(Method::GET, "/verify", Some(&bare))).await;
    for name in ["x-upstream-auth-client-id", "x-upstream-auth-roles"] {
        assert_eq!(answer.headers.get(name).unwrap(), "");
    }
}

#[tokio::test]
async fn names_the_caller_of_each_of_many_tokens() {
    let cloud = PublicCloud::start().await;
    let mut program = Program::forward_auth(cloud.settings());
    let server = program.loaded_address().await;
    let tokens: Vec<_> = (0..12).map(|number| cloud.entra.token().roles([format!("Role.{number}")]).mint()).collect();
    for _ in 0..3 {
        for (number, token) in tokens.iter().enumerate() {
            let answer = send(Version::HTTP_11, server, request(Method::GET, "/verify", Some(token))).await;
            assert_eq!(answer.header("x-upstream-auth-roles"), format!("Role.{number}"));
        }
    }
}

#[tokio::test]
async fn malformed_request_is_401_and_foreign_caller_403() {
    let cloud = PublicCloud::start().await;
    let mut program = Program::forward_auth(cloud.settings());
    let server = program.loaded_address().await;
    let mut twice = request(Method::GET, "/verify", Some("a"));
    twice.headers_mut().append(AUTHORIZATION, HeaderValue::from_static("Bearer b"));
    let answer = send(Version::HTTP_11, server, twice).await;
    let reason = RejectionKind::MultipleCredentials.description();
    assert_eq!((answer.status, answer.reason()), (StatusCode::UNAUTHORIZED, reason));
    let delegated = cloud.entra.token().delegated().mint();
    let answer = send(Version::HTTP_11, server, request(Method::GET, "/verify", Some(&delegated))).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn does_not_start_without_settings() {
    let ended = run(&["forward-auth"], &[], "").await;
    assert_eq!(ended.code, 2);
    assert_says(
        &ended.stderr,
        &["this server cannot start", "SIGNALR_UPSTREAM_TENANT_IDS", "SIGNALR_UPSTREAM_AUDIENCES"],
    );
    for (variable, address, option) in [("LISTEN_ADDR", "3000", "--listen"), ("ADMIN_ADDR", ":3001", "--admin")] {
        let ended = run(&["forward-auth"], &[(variable, address.to_owned())], "").await;
        assert_eq!(ended.code, 2);
        assert_says(&ended.stderr, &[option, &format!("'{address}'"), "write IP and port"]);
    }
}

#[tokio::test]
async fn probes_are_served_by_the_admin_listener_alone() {
    let cloud = PublicCloud::start().await;
    let mut program = Program::forward_auth(cloud.settings());
    let (server, admin) = (program.loaded_address().await, program.admin_address().await);
    for path in ["/healthz", "/readyz"] {
        for method in [Method::GET, Method::HEAD, Method::POST] {
            let answer = send(Version::HTTP_11, server, request(method, path, None)).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path}");
        }
        let answer = send(Version::HTTP_11, admin, request(Method::GET, path, None)).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT, "{path}");
    }
    // The check is not there: whoever reaches the one does not reach the other.
    let good = cloud.entra.token().mint();
    let answer = send(Version::HTTP_11, admin, request(Method::GET, "/verify", Some(&good))).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn readiness_waits_for_keys() {
    let cloud = PublicCloud::start().await;
    cloud.entra.fail(Endpoint::Keys, Fault::status(500));
    let mut program = Program::forward_auth(cloud.settings());
    let admin = program.admin_address().await;
    program.stderr_with("no keys yet").await;
    let ready = send(Version::HTTP_11, admin, request(Method::GET, "/readyz", None)).await;
    assert_eq!(ready.status, StatusCode::SERVICE_UNAVAILABLE);
    let alive = send(Version::HTTP_11, admin, request(Method::GET, "/healthz", None)).await;
    assert_eq!(alive.status, StatusCode::NO_CONTENT);
}
