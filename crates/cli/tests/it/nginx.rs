//! `forward-auth` behind a real nginx with the configuration of the guide. `crates/cli/tests/nginx/run` runs these tests.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use axum::Json;
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, Version};
use bytes::Bytes;
use mock_entra::{Endpoint, Fault, UpstreamRequest};
use serde_json::{Value, json};
use signalr_upstream_auth::RejectionKind;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::time::sleep;

use crate::child::Program;
use crate::client::{self, Answer};
use crate::public_cloud::PublicCloud;

#[tokio::test]
#[ignore = "needs nginx: run crates/cli/tests/nginx/run"]
async fn nginx_lets_good_calls_through_and_rejects_bad_ones() {
    let cloud = PublicCloud::start().await;
    let mut auth = Program::forward_auth(cloud.settings());
    let nginx = Nginx::start(auth.address().await).await;
    let entra = &cloud.entra;

    for token in [entra.token(), entra.token().v2(), entra.token().roles(["Upstream.Call", "a,b"])] {
        // What a client may send under the names that the service believes.
        let forged = ["X-Upstream-Auth-Object-Id", "x-upstream-auth-tenant-id", "X_Upstream_Auth_Object_Id"];
        let call = UpstreamRequest::message("chat", "echo").invocation_id("1").argument("hi").bearer(token.mint());
        let call = forged.into_iter().fold(call, |call, name| call.header(name, "forged"));
        let answer = nginx.send(call.header("X-Upstream-Auth-Roles", "Admin")).await;
        assert_eq!(answer.status, StatusCode::OK);
        let seen = answer.json();
        let header = |name: &str| seen["headers"][name].as_array().cloned().unwrap_or_default();
        assert_eq!(header("x-upstream-auth-object-id"), [json!(entra.caller_object_id().to_string())]);
        assert_eq!(header("x-upstream-auth-tenant-id"), [json!(entra.tenant().to_string())]);
        assert_eq!(header("x-upstream-auth-client-id"), [json!(entra.caller_client_id().to_string())]);
        assert_eq!(header("x-upstream-auth-audience").len(), 1);
        let roles = header("x-upstream-auth-roles");
        assert!(roles.is_empty() || roles == ["Upstream.Call,a%2Cb"], "{roles:?}");
        assert!(!seen.to_string().contains("forged"), "{seen}");
        assert!(header("authorization").is_empty());
        assert_eq!(header("x-asrs-hub"), ["chat"]);
        assert_eq!(seen["path"], "/upstream/chat/messages/echo");
        assert!(seen["body"].as_str().unwrap().contains("\"hi\""), "the body arrives: {seen}");
    }

    let stranger = "aaaaaaaa-0000-4000-8000-000000000001";
    for (token, status, kind) in [
        (entra.token().audience("api://somebody-else"), 401, RejectionKind::WrongAudience),
        (entra.token().expired(), 401, RejectionKind::Expired),
        (entra.token().graph(), 401, RejectionKind::GraphToken),
        (entra.token().signature([7; 256]), 401, RejectionKind::InvalidSignature),
        (
            entra.token().caller(stranger.parse().unwrap(), stranger.parse().unwrap()),
            403,
            RejectionKind::CallerNotAllowed,
        ),
        (entra.token().delegated(), 403, RejectionKind::DelegatedToken),
    ] {
        let answer = nginx.call(Some(&format!("Bearer {}", token.mint()))).await;
        assert_eq!(answer.status.as_u16(), status, "{kind}");
        // nginx hands on the challenge of a 401 alone.
        assert_eq!(answer.reason(), if status == 401 { kind.description() } else { "" });
    }
    // No credentials, another scheme, and what the layer alone would answer with 400.
    for (line, challenge) in [
        (None, client::BARE_CHALLENGE),
        (Some("Basic eDp5"), client::BARE_CHALLENGE),
        (Some("Bearer a,b"), RejectionKind::MalformedCredentials.description()),
        (Some("Bearer"), RejectionKind::MalformedCredentials.description()),
    ] {
        let answer = nginx.call(line).await;
        assert_eq!((answer.status, answer.reason()), (StatusCode::UNAUTHORIZED, challenge), "{line:?}");
    }
    // Since 1.23 nginx itself answers the second header with 400.
    let good = entra.token().mint();
    let mut twice = client::request(Method::POST, "/upstream/chat/messages/echo", Some(&good));
    twice.headers_mut().append(AUTHORIZATION, HeaderValue::try_from(format!("Bearer {good}")).unwrap());
    let answer = client::send(Version::HTTP_11, nginx.address, twice).await;
    assert!(matches!(answer.status.as_u16(), 400 | 401), "{}", answer.status);

    // A token near the bound.
    let long = entra.token().claim("padding", "x".repeat(11_000)).mint();
    assert!((14_000..16_384).contains(&long.len()));
    assert_eq!(nginx.call(Some(&format!("Bearer {long}"))).await.status, StatusCode::OK);

    // The subrequest's address is nobody else's, and the service's own answers stay as they are.
    let request = client::request(Method::GET, "/verify", Some(&good));
    assert_eq!(client::send(Version::HTTP_11, nginx.address, request).await.status, StatusCode::NOT_FOUND);
    for status in [204, 404, 500, 503] {
        let call = UpstreamRequest::message("chat", "echo").bearer(&good).header("x-answer", status.to_string());
        let answer = nginx.send(call).await;
        assert_eq!(answer.status.as_u16(), status);
        assert_eq!(answer.header("retry-after"), "");
    }
}

#[tokio::test]
#[ignore = "needs nginx: run crates/cli/tests/nginx/run"]
async fn unavailable_keys_are_503_and_never_500() {
    let cloud = PublicCloud::start().await;
    cloud.entra.fail(Endpoint::Keys, Fault::status(500));
    let mut auth = Program::forward_auth(cloud.settings());
    let nginx = Nginx::start(auth.address().await).await;
    let token = format!("Bearer {}", cloud.entra.token().mint());
    for _ in 0..2 {
        let answer = nginx.call(Some(&token)).await;
        assert_eq!((answer.status, answer.header("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, "5"));
        assert_eq!(answer.header("cache-control"), "no-store");
    }
    // A token that is bad whatever the keys are.
    let bad = format!("Bearer {}", cloud.entra.token().expired().mint());
    assert_eq!(nginx.call(Some(&bad)).await.status, StatusCode::UNAUTHORIZED);
    // And without anybody to ask.
    drop(auth);
    for line in [&token, &bad] {
        let answer = nginx.call(Some(line)).await;
        assert_eq!((answer.status, answer.header("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, "5"));
    }
}

/// An nginx with the guide's configuration before a check and a service that shows what it got.
struct Nginx {
    address: SocketAddr,
    folder: PathBuf,
    child: Child,
}

impl Nginx {
    async fn start(auth: SocketAddr) -> Self {
        let service = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let behind = service.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(service, axum::Router::new().fallback(show)).await });

        // A port that was free a moment ago.
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap();
        let site = include_str!("../../../../src/docs/nginx.conf");
        let places = [("127.0.0.1:3000", auth), ("127.0.0.1:8080", behind), ("127.0.0.1:8000", address)];
        let site = places.into_iter().fold(site.to_owned(), |site, (shown, real)| {
            assert_eq!(site.matches(shown).count(), 1, "{shown}");
            site.replace(shown, &real.to_string())
        });
        let folder = std::env::temp_dir().join(format!("signalr-upstream-auth-nginx-{}", address.port()));
        std::fs::create_dir_all(&folder).unwrap();
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
        let temporary = temporary.map(|name| format!("{name}_temp_path {}/{name};", folder.display())).join("\n");
        let main = format!(
            "daemon off; pid {0}/pid; error_log stderr warn;\nevents {{}}\nhttp {{\naccess_log off;\n{temporary}\n{site}\n}}\n",
            folder.display()
        );
        let file = folder.join("nginx.conf");
        std::fs::write(&file, main).unwrap();
        let mut command = Command::new("nginx");
        command.arg("-p").arg(&folder).arg("-c").arg(&file).stdin(Stdio::null());
        let child = command.spawn().unwrap();
        for _ in 0..200 {
            if TcpStream::connect(address).await.is_ok() {
                return Self { address, folder, child };
            }
            sleep(Duration::from_millis(25)).await;
        }
        panic!("nginx does not listen on {address}");
    }

    /// A call of SignalR's with this `Authorization` line.
    async fn call(&self, line: Option<&str>) -> Answer {
        let call = UpstreamRequest::message("chat", "echo").argument("hi");
        self.send(line.into_iter().fold(call, |call, line| call.header("authorization", line))).await
    }

    async fn send(&self, call: UpstreamRequest) -> Answer {
        client::send(Version::HTTP_11, self.address, call.into_request()).await
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // SIGTERM lets the master take its workers along, which SIGKILL would not.
        if let Some(master) = self.child.id() {
            let _ = std::process::Command::new("kill").arg(master.to_string()).status();
        }
        while matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The service behind: answers what it got, or with the status it is asked for.
async fn show(uri: Uri, headers: HeaderMap, body: Bytes) -> (StatusCode, Json<Value>) {
    let values = |name: &HeaderName| {
        let values = headers.get_all(name).iter().map(HeaderValue::to_str);
        Value::from(values.map(|value| value.unwrap().to_owned()).collect::<Vec<_>>())
    };
    let seen: serde_json::Map<_, _> = headers.keys().map(|name| (name.to_string(), values(name))).collect();
    let status = headers.get("x-answer").and_then(|status| StatusCode::from_bytes(status.as_bytes()).ok());
    let body = String::from_utf8_lossy(&body);
    (status.unwrap_or(StatusCode::OK), Json(json!({ "path": uri.path(), "headers": seen, "body": body })))
}
