//! `forward-auth` behind real proxies with the very files of `deploy/`. `crates/cli/tests/proxies/run` runs these tests.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, StatusCode, Version};
use http_body_util::Full;
use mock_entra::UpstreamRequest;
use serde_json::json;
use signalr_upstream_auth::RejectionKind;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::time::sleep;

use crate::child::Program;
use crate::client::{Answer, request, send};
use crate::public_cloud::PublicCloud;
use crate::service::Service;

/// A proxy, and what it cannot do.
struct Kind {
    program: &'static str,
    arguments: &'static [&'static str],
    files: &'static [(&'static str, &'static str)],
    /// The status when the check is unreachable.
    without_check: StatusCode,
}

const ENVOY: Kind = Kind {
    program: "envoy",
    arguments: &["-c", "envoy.yaml", "--disable-hot-restart", "--concurrency", "1", "--log-level", "error"],
    files: &[("envoy.yaml", include_str!("../../../../deploy/envoy/envoy.yaml"))],
    without_check: StatusCode::SERVICE_UNAVAILABLE,
};

const TRAEFIK: Kind = Kind {
    program: "traefik",
    arguments: &["--configfile=traefik.yml"],
    files: &[
        ("traefik.yml", include_str!("../../../../deploy/traefik/traefik.yml")),
        ("dynamic.yml", include_str!("../../../../deploy/traefik/dynamic.yml")),
    ],
    without_check: StatusCode::INTERNAL_SERVER_ERROR,
};

const CADDY: Kind = Kind {
    program: "caddy",
    arguments: &["run", "--config", "Caddyfile", "--adapter", "caddyfile"],
    files: &[("Caddyfile", include_str!("../../../../deploy/caddy/Caddyfile"))],
    without_check: StatusCode::BAD_GATEWAY,
};

#[tokio::test]
#[ignore = "needs envoy: run crates/cli/tests/proxies/run"]
async fn envoy_passes_the_table() {
    passes_the_table(&ENVOY).await;
}

#[tokio::test]
#[ignore = "needs traefik: run crates/cli/tests/proxies/run"]
async fn traefik_passes_the_table() {
    passes_the_table(&TRAEFIK).await;
}

#[tokio::test]
#[ignore = "needs caddy: run crates/cli/tests/proxies/run"]
async fn caddy_passes_the_table() {
    passes_the_table(&CADDY).await;
}

async fn passes_the_table(kind: &Kind) {
    let (cloud, service) = (PublicCloud::start().await, Service::start().await);
    let mut auth = Program::forward_auth(cloud.settings());
    let proxy = Proxy::start(kind, auth.loaded_address().await, service.address).await;
    let entra = &cloud.entra;

    // Good calls arrive, and the identity is the check's alone.
    for token in [entra.token(), entra.token().v2(), entra.token().roles(["Upstream.Call", "a,b"])] {
        let names = ["X-Upstream-Auth-Object-Id", "x-upstream-auth-roles", "X_Upstream_Auth_Object_Id"];
        let call = UpstreamRequest::message("chat", "echo").argument("hi").bearer(token.mint());
        let call = names.into_iter().fold(call, |call, name| call.header(name, "forged"));
        let answer = proxy.send(call).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        let seen = answer.json();
        let header = |name: &str| seen["headers"][name].as_array().cloned().unwrap_or_default();
        assert_eq!(header("x-upstream-auth-object-id"), [json!(entra.caller_object_id().to_string())]);
        assert_eq!(header("x-upstream-auth-tenant-id"), [json!(entra.tenant().to_string())]);
        let roles: Vec<_> = header("x-upstream-auth-roles").into_iter().filter(|roles| roles != "").collect();
        assert!(roles.is_empty() || roles == ["Upstream.Call,a%2Cb"], "{roles:?}");
        assert!(!seen.to_string().contains("forged"), "{seen}");
        assert!(header("authorization").iter().all(|value| value == ""), "{seen}");
        assert_eq!(header("x-asrs-hub"), ["chat"]);
        assert!(seen["body"].as_str().unwrap().contains("\"hi\""), "{seen}");
    }

    // Bad ones do not, and the caller learns why.
    for (token, status, reason) in [
        (entra.token().audience("api://somebody-else"), 401, RejectionKind::WrongAudience),
        (entra.token().expired(), 401, RejectionKind::Expired),
        (entra.token().signature([7; 256]), 401, RejectionKind::InvalidSignature),
        (entra.token().delegated(), 403, RejectionKind::DelegatedToken),
    ] {
        let answer = proxy.call(Some(&token.mint())).await;
        assert_eq!((answer.status.as_u16(), answer.reason()), (status, reason.description()));
    }
    assert_eq!(proxy.call(None).await.status, StatusCode::UNAUTHORIZED);
    let good: Arc<str> = entra.token().mint().into();
    let outside = send(Version::HTTP_11, proxy.address, request(Method::GET, "/verify", Some(&good))).await;
    assert_eq!(outside.status, StatusCode::NOT_FOUND);

    // Long tokens and bodies.
    let long = entra.token().claim("padding", "x".repeat(11_000)).mint();
    assert!((14_000..16_384).contains(&long.len()));
    assert_eq!(proxy.call(Some(&long)).await.status, StatusCode::OK);
    let mut call = request(Method::POST, "/upstream/chat/messages/echo", Some(&good));
    *call.body_mut() = Full::from(vec![b'x'; 1_000_000]);
    let answer = send(Version::HTTP_11, proxy.address, call).await;
    assert_eq!((answer.status, answer.json()["body"].as_str().unwrap().len()), (StatusCode::OK, 1_000_000));

    // Many at once.
    let many = (0..200).map(|_| {
        let (good, address) = (Arc::clone(&good), proxy.address);
        tokio::spawn(async move {
            let call = request(Method::POST, "/upstream/chat/messages/echo", Some(&good));
            send(Version::HTTP_11, address, call).await.status
        })
    });
    for call in many.collect::<Vec<_>>() {
        assert_eq!(call.await.unwrap(), StatusCode::OK);
    }

    // Never open when the check fails.
    drop(auth);
    for token in [Some(&*good), None] {
        assert_eq!(proxy.call(token).await.status, kind.without_check);
    }
}

/// A running proxy, ended when dropped.
struct Proxy {
    address: SocketAddr,
    folder: PathBuf,
    child: Child,
}

impl Proxy {
    async fn start(kind: &Kind, auth: SocketAddr, service: SocketAddr) -> Self {
        // A port that was free when it was asked for.
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap();
        let folder = std::env::temp_dir().join(format!("signalr-upstream-auth-{}-{}", kind.program, address.port()));
        std::fs::create_dir_all(&folder).unwrap();
        let ports = [(3000, auth.port()), (8080, service.port()), (8000, address.port())];
        for (name, text) in kind.files {
            let text = ports.into_iter().fold((*text).to_owned(), |text, (shown, real)| {
                let forms = [format!("127.0.0.1:{shown}"), format!("port_value: {shown}")];
                let real = [format!("127.0.0.1:{real}"), format!("port_value: {real}")];
                forms.iter().zip(real).fold(text, |text, (shown, real)| text.replace(shown, &real))
            });
            std::fs::write(folder.join(name), text).unwrap();
        }
        let mut command = Command::new(kind.program);
        command.args(kind.arguments).current_dir(&folder).env("HOME", &folder);
        command.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
        let child = command.spawn().unwrap();
        let proxy = Self { address, folder, child };
        for _ in 0..400 {
            // Traefik listens before it knows its routes.
            if TcpStream::connect(address).await.is_ok() && proxy.call(None).await.status != StatusCode::NOT_FOUND {
                return proxy;
            }
            sleep(Duration::from_millis(25)).await;
        }
        panic!("{} does not serve on {address}", kind.program);
    }

    async fn call(&self, token: Option<&str>) -> Answer {
        let call = UpstreamRequest::message("chat", "echo").argument("hi");
        self.send(token.into_iter().fold(call, |call, token| call.bearer(token))).await
    }

    async fn send(&self, call: UpstreamRequest) -> Answer {
        send(Version::HTTP_11, self.address, call.into_request()).await
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.start_kill();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
