//! The example servers with settings, in front of a public cloud on loopback.

use std::net::SocketAddr;
use std::time::Duration;

use RejectionKind::{
    AlgorithmNotAllowed, CallerNotAllowed, CriticalHeader, DelegatedToken, DuplicateMember, Expired, ForeignCloudKey,
    ForeignIssuerKey, GraphToken, InvalidSignature, IssuedInFuture, MissingKeyId, MissingRole, NotYetValid, UnknownKey,
    WrongAudience, WrongIssuer, WrongTenant,
};
use http::{Method, StatusCode, Version};
use mock_entra::{Endpoint, Fault, Jwk, MockEntra, SigningKey, TokenBuilder, UpstreamRequest};
use serde_json::json;
use signalr_upstream_auth::clock::UnixTime;
use signalr_upstream_auth::{RejectionKind, TokenVersion};
use tokio::time::{sleep, timeout};

use crate::client::{VERSIONS, request, send};
use crate::program::{PATH, Program, SERVERS};
use crate::public_cloud::PublicCloud;

/// Waits until a server has keys.
async fn ready(server: SocketAddr) {
    let poll = async {
        while send(Version::HTTP_11, server, request(Method::GET, "/readyz", None)).await.status != StatusCode::OK {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(30), poll).await.expect("the keys are loaded by themselves");
}

#[tokio::test]
async fn configured_server_loads_its_keys_once_before_the_first_call() {
    for name in SERVERS {
        let cloud = PublicCloud::start().await;
        let mut program = Program::start(name, cloud.settings());
        let server = program.address().await;
        ready(server).await;
        for version in VERSIONS {
            for token in [cloud.entra.token().v1(), cloud.entra.token().v2()] {
                let call = UpstreamRequest::message("chat", "echo").bearer(token.mint()).into_request();
                assert_eq!(send(version, server, call).await.status, StatusCode::OK, "{name} {version:?}");
            }
        }
        let requests = cloud.entra.requests();
        assert_eq!((requests.discovery(), requests.keys(), requests.log().len()), (1, 1, 2), "{name}");
        let targets = cloud.targets();
        assert!(targets.iter().all(|target| target == "login.microsoftonline.com:443"), "{name}: {targets:?}");
    }
}

#[tokio::test]
async fn a_server_listens_before_it_has_keys_and_says_so() {
    for name in SERVERS {
        let cloud = PublicCloud::start().await;
        cloud.entra.fail(Endpoint::Any, Fault::status(500));
        let mut program = Program::start(name, cloud.settings());
        let server = program.address().await;
        let call = |method, path, token: Option<String>| async move {
            send(Version::HTTP_11, server, request(method, path, token.as_deref())).await
        };
        assert_eq!(call(Method::GET, "/healthz", None).await.status, StatusCode::OK, "{name}");
        let probe = call(Method::GET, "/readyz", None).await;
        assert_eq!(probe.status, StatusCode::SERVICE_UNAVAILABLE, "{name}");
        let reasons = ["the keys are not loaded yet", "no verification keys are available"];
        assert!(reasons.iter().any(|reason| probe.body == reason.as_bytes()), "{name}: {probe:?}");
        assert_eq!(call(Method::POST, PATH, None).await.status, StatusCode::UNAUTHORIZED, "{name}");
        let answer = call(Method::POST, PATH, Some(cloud.entra.token().mint())).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{name}");
        let wait: u64 = answer.header("retry-after").parse().unwrap();
        assert!((1..=30).contains(&wait) && answer.reason().is_empty(), "{name}: {answer:?}");
        program.stderr_with("keys could not be fetched").await;
        cloud.entra.recover();
        ready(server).await;
        let answer = call(Method::POST, PATH, Some(cloud.entra.token().mint())).await;
        assert_eq!(answer.status, StatusCode::OK, "{name}");
    }
}

#[tokio::test]
async fn readiness_probe_says_that_entra_does_not_know_the_tenant() {
    for name in SERVERS {
        let cloud = PublicCloud::start().await;
        let body = r#"{"error":"invalid_tenant","error_codes":[90002]}"#;
        let head = format!("HTTP/1.1 400 Bad Request\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
        cloud.entra.fail(Endpoint::Discovery, Fault::raw(head + body));
        let mut program = Program::start(name, cloud.settings());
        let server = program.address().await;
        program.stderr_with("keys could not be fetched").await;
        let probe = send(Version::HTTP_11, server, request(Method::GET, "/readyz", None)).await;
        assert_eq!(probe.status, StatusCode::SERVICE_UNAVAILABLE, "{name}");
        let expected = "Entra does not know this tenant in this cloud: check `tenant_ids` and `cloud` \
                        (SIGNALR_UPSTREAM_TENANT_IDS, _CLOUD): the provider answered with status 400 and AADSTS90002";
        assert_eq!(String::from_utf8_lossy(&probe.body), expected, "{name}");
    }
}

#[tokio::test]
async fn actix_upstream_checks_calls_with_its_settings() {
    let cloud = PublicCloud::start().await;
    let mut program = Program::start("actix_upstream", cloud.settings());
    let text = program.stdout_with("Listening on http://").await;
    let server = text.trim().rsplit('/').next().unwrap().parse().unwrap();
    let call = |token: Option<String>| async move {
        send(Version::HTTP_11, server, request(Method::POST, PATH, token.as_deref())).await
    };
    assert_eq!(call(None).await.status, StatusCode::UNAUTHORIZED);
    let accepted = async {
        loop {
            // 503 until the first fetch of the keys has ended.
            match call(Some(good(&cloud.entra).mint())).await {
                answer if answer.status != StatusCode::SERVICE_UNAVAILABLE => break answer,
                _ => sleep(Duration::from_millis(10)).await,
            }
        }
    };
    let answer = timeout(Duration::from_secs(30), accepted).await.expect("the keys are loaded by themselves");
    assert_eq!((answer.status, &answer.body[..]), (StatusCode::OK, &b"77777777-4321-4cba-8fed-888888888888"[..]));
}

/// A good token as a server accepts it that requires a role.
fn good(entra: &MockEntra) -> TokenBuilder {
    entra.token().roles(["Upstream.Call"])
}

/// A key that is published with another value of a member.
fn published(entra: &MockEntra, member: &str, value: &str) -> TokenBuilder {
    let key = entra.new_key();
    entra.publish(Jwk::from(&key).member(member, value));
    good(entra).signed_by(&key)
}

/// What is wrong with a token, and the reason why it is rejected.
fn bad_tokens(entra: &MockEntra) -> Vec<(&'static str, TokenBuilder, RejectionKind)> {
    const OTHER: &str = "22222222-bbbb-4ccc-8ddd-333333333333";
    let good = || good(entra);
    let tenant = entra.tenant();
    let v1_issuer = entra.issuer(tenant, TokenVersion::V1);
    let v2_issuer = entra.issuer(tenant, TokenVersion::V2);
    let other_v1_issuer = entra.issuer(OTHER.parse().unwrap(), TokenVersion::V1);
    let other_v2_issuer = entra.issuer(OTHER.parse().unwrap(), TokenVersion::V2);
    let soon = UnixTime::from_secs(entra.clock().now().unwrap().as_secs() + 3600);
    let forged = SigningKey::stranger().with_key_id(entra.signing_key().key_id().clone());
    let personal_issuer = "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0";
    vec![
        ("another tenant, v1", good().tenant(OTHER.parse().unwrap()), WrongTenant),
        ("another tenant, v2", good().v2().tenant(OTHER.parse().unwrap()), WrongTenant),
        ("tid of another tenant than iss", good().claim("tid", OTHER), WrongTenant),
        ("iss of another tenant than tid, v1", good().issuer(other_v1_issuer), WrongIssuer),
        ("iss of another tenant than tid, v2", good().v2().issuer(other_v2_issuer), WrongIssuer),
        ("ver 1.0 with the issuer of v2", good().issuer(&v2_issuer), WrongIssuer),
        ("ver 2.0 with the issuer of v1", good().v2().issuer(&v1_issuer), WrongIssuer),
        ("a key of another cloud", published(entra, "cloud_instance_name", "microsoftonline.us"), ForeignCloudKey),
        ("a key of personal accounts", published(entra, "issuer", personal_issuer), ForeignIssuerKey),
        ("another audience", good().audience("api://another"), WrongAudience),
        ("Microsoft Graph", good().graph(), GraphToken),
        ("expired", good().expired(), Expired),
        ("not yet valid", good().not_before(soon), NotYetValid),
        ("issued in the future", good().issued_at(soon).not_before(UnixTime::from_secs(0)), IssuedInFuture),
        ("on behalf of a user", good().delegated(), DelegatedToken),
        ("another caller", good().caller(OTHER.parse().unwrap(), OTHER.parse().unwrap()), CallerNotAllowed),
        ("no role", entra.token(), MissingRole),
        ("another role", good().roles(["upstream.call"]), MissingRole),
        ("alg none", good().algorithm("none"), AlgorithmNotAllowed),
        ("alg HS256", good().algorithm("HS256"), AlgorithmNotAllowed),
        ("alg PS256", good().algorithm("PS256"), AlgorithmNotAllowed),
        ("no kid", good().without_header("kid"), MissingKeyId),
        ("a kid that nobody knows", good().key_id("nobody"), UnknownKey),
        ("signed by somebody else", good().signed_by(&forged), InvalidSignature),
        ("crit", good().header("crit", ["exp"]), CriticalHeader),
        ("a claim twice", good().duplicate_claim("tid", tenant.to_string()), DuplicateMember),
        ("a member of the header twice", good().duplicate_header("alg", "RS256"), DuplicateMember),
    ]
}

#[tokio::test]
async fn configured_server_accepts_good_tokens_and_rejects_bad_ones() {
    let cloud = PublicCloud::start().await;
    let entra = &cloud.entra;
    let bad = bad_tokens(entra);
    for (name, version) in SERVERS.into_iter().zip(VERSIONS) {
        let mut vars = cloud.settings();
        vars.push(("SIGNALR_UPSTREAM_REQUIRED_ROLES", "Upstream.Call".to_owned()));
        let mut program = Program::start(name, vars);
        let server = program.address().await;
        ready(server).await;
        for (token, number, audience) in [
            (good(entra).v1(), "1.0", format!("api://{}", entra.audience_client_id())),
            (good(entra).v2(), "2.0", entra.audience_client_id().to_string()),
        ] {
            let token = token.mint();
            let call = UpstreamRequest::message("chat", "echo").bearer(&token).into_request();
            let answer = send(version, server, call).await;
            assert_eq!(answer.status, StatusCode::OK, "{name} {number}: {answer:?}");
            let answer = send(version, server, request(Method::GET, "/whoami", Some(&token))).await;
            let expected = json!({
                "tenant_id": entra.tenant().to_string(),
                "object_id": entra.caller_object_id().to_string(),
                "client_id": entra.caller_client_id().to_string(),
                "audience": audience,
                "token_version": number,
                "roles": ["Upstream.Call"],
            });
            assert_eq!(answer.json(), expected, "{name}");
        }
        for (what, token, kind) in &bad {
            let call = UpstreamRequest::message("chat", "echo").bearer(token.mint()).into_request();
            let answer = send(version, server, call).await;
            assert_eq!((answer.status, answer.reason()), (kind.status(), kind.description()), "{name}: {what}");
            assert!(answer.body.is_empty(), "{name}: {what}");
        }
    }
}

#[tokio::test]
async fn accepts_smallest_and_largest_durations() {
    let most = u64::MAX.to_string();
    let cloud = PublicCloud::start().await;
    for seconds in [["0", "1", "1", "0", "1", "1"], ["600", "43200", &most, "604800", "604800", "60"]] {
        let names = [
            "SIGNALR_UPSTREAM_CLOCK_SKEW_SECS",
            "SIGNALR_UPSTREAM_REFRESH_SECS",
            "SIGNALR_UPSTREAM_REFETCH_COOLDOWN_SECS",
            "SIGNALR_UPSTREAM_KEY_RETENTION_SECS",
            "SIGNALR_UPSTREAM_STALE_LIMIT_SECS",
            "SIGNALR_UPSTREAM_FETCH_TIMEOUT_SECS",
        ];
        let mut vars = cloud.settings();
        vars.extend(names.into_iter().zip(seconds.map(str::to_owned)));
        let mut program = Program::start(SERVERS[0], vars);
        let server = program.address().await;
        ready(server).await;
        for (token, status) in [
            (cloud.entra.token().key_id("nobody"), StatusCode::UNAUTHORIZED),
            (cloud.entra.token().key_id("somebody"), StatusCode::UNAUTHORIZED),
            (cloud.entra.token(), StatusCode::OK),
        ] {
            let call = request(Method::POST, PATH, Some(&token.mint()));
            assert_eq!(send(Version::HTTP_11, server, call).await.status, status, "{seconds:?}");
        }
    }
}
