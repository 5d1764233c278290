//! The examples that are tools: what they print about a token or a resource, and how they exit.

use std::process::Stdio;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::program;

/// What a tool that has ended printed, and its exit code.
pub(super) struct Ended {
    pub(super) code: i32,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

pub(super) async fn run(name: &str, arguments: &[&str], vars: &[(&str, String)], input: &str) -> Ended {
    let mut command = Command::new(program::path_of(name));
    for (name, _) in std::env::vars_os().filter(|(name, _)| program::decides(&name.to_string_lossy())) {
        command.env_remove(name);
    }
    command.args(arguments).envs(vars.iter().map(|(name, value)| (name, value)));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    // A tool that ends without reading breaks the pipe.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes()).await;
    let output = child.wait_with_output().await.unwrap();
    Ended {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

#[track_caller]
pub(super) fn assert_says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "`{part}` is missing in\n{text}");
    }
}

#[cfg(target_os = "linux")]
mod explain_token {
    use super::{assert_says, run};
    use crate::public_cloud::PublicCloud;

    #[tokio::test]
    async fn explains_wrong_audience_with_one_command() {
        let cloud = PublicCloud::start().await;
        let token = cloud.entra.token().audience("api://signalr-upstream").mint();
        let ended = run("explain_token", &[], &cloud.settings(), &format!("{token}\n")).await;
        assert_eq!(ended.code, 1, "{}", ended.stderr);
        assert_says(
            &ended.stdout,
            &[
                "rejected with 401: The token is for another audience (wrong_audience)",
                "audience     FAILED  wanted  33333333-dddd-4eee-8fff-444444444444\n\
                 \x20                    found   api://signalr-upstream\n",
                "has the App ID URI `api://signalr-upstream` as its audience, while a client id is configured",
                "SIGNALR_UPSTREAM_AUDIENCES",
            ],
        );
        assert!(!ended.stdout.contains('\u{1b}') && !ended.stdout.contains(&token[..20]));
    }

    #[tokio::test]
    async fn tokens_headers_and_whole_requests_are_read_from_a_file_or_standard_input() {
        let cloud = PublicCloud::start().await;
        let token = cloud.entra.token().v2().mint();
        let request = format!(
            "> POST /upstream/chat/messages/echo HTTP/1.1\r\n> Host: a:1\r\n> Authorization: Bearer {token}\r\n>\r\n"
        );
        for input in [token.clone(), format!("bearer {token}\n"), format!("Authorization: Bearer {token}"), request] {
            let ended = run("explain_token", &["-"], &cloud.settings(), &input).await;
            assert_eq!(ended.code, 0, "{}\n{}", ended.stdout, ended.stderr);
            assert!(ended.stdout.starts_with("accepted: caller "));
            let says = ["If SignalR still gets 401 or 403, something in front answers", "`Cache-Control: no-store`"];
            assert_says(&ended.stdout, &says);
        }
        let file = std::env::temp_dir().join(format!("signalr-upstream-auth-token-{}", std::process::id()));
        std::fs::write(&file, format!("x-asrs-hub: chat\nauthentication: Bearer {token}\n")).unwrap();
        let ended = run("explain_token", &["--json", file.to_str().unwrap()], &cloud.settings(), "").await;
        std::fs::remove_file(&file).unwrap();
        assert_eq!(ended.code, 1);
        let json: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
        assert_eq!((&json["accepted"], &json["kind"]), (&false.into(), &"missing_credentials".into()));
        assert!(json["advice"][0].as_str().unwrap().contains("the header `authentication`"));
    }

    #[tokio::test]
    async fn exits_with_2_and_names_what_is_missing() {
        let ended = run("explain_token", &[], &[], "").await;
        assert_eq!(ended.code, 2);
        assert_says(&ended.stderr, &["SIGNALR_UPSTREAM_TENANT_IDS", "SIGNALR_UPSTREAM_AUDIENCES"]);
        let cloud = PublicCloud::start().await;
        let ended = run("explain_token", &["/nowhere/token"], &cloud.settings(), "").await;
        assert_eq!(ended.code, 2);
        assert_says(&ended.stderr, &["/nowhere/token"]);
    }
}

#[cfg(target_os = "linux")]
mod forward_auth {
    use http::{HeaderValue, Method, StatusCode, Version, header::AUTHORIZATION};
    use mock_entra::{Endpoint, Fault};
    use signalr_upstream_auth::RejectionKind;

    use super::{assert_says, run};
    use crate::client::{BARE_CHALLENGE, request, send};
    use crate::program::Program;
    use crate::public_cloud::PublicCloud;

    #[tokio::test]
    async fn forward_auth_ignores_method_and_path_and_names_the_caller() {
        let cloud = PublicCloud::start().await;
        let mut program = Program::start("forward_auth", cloud.settings());
        let server = program.address().await;
        let token = cloud.entra.token().roles(["Upstream.Call", "a b", "c,d", "Other"]).mint();
        for (method, path) in
            [(Method::GET, "/verify"), (Method::POST, "/upstream/chat/messages/echo"), (Method::PUT, "/")]
        {
            let mut call = request(method.clone(), path, Some(&token));
            call.headers_mut().insert("x-upstream-auth-object-id", HeaderValue::from_static("forged"));
            let answer = send(Version::HTTP_11, server, call).await;
            assert_eq!((answer.status, answer.body.len()), (StatusCode::OK, 0));
            assert_eq!(answer.header("x-upstream-auth-object-id"), cloud.entra.caller_object_id().to_string());
            assert_eq!(answer.header("x-upstream-auth-tenant-id"), cloud.entra.tenant().to_string());
            assert_eq!(answer.header("x-upstream-auth-client-id"), cloud.entra.caller_client_id().to_string());
            assert!(answer.header("x-upstream-auth-audience").contains("33333333-dddd-4eee-8fff-444444444444"));
            assert_eq!(answer.header("x-upstream-auth-roles"), "Upstream.Call,Other");
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
    async fn malformed_request_is_401_and_foreign_caller_403() {
        let cloud = PublicCloud::start().await;
        let mut program = Program::start("forward_auth", cloud.settings());
        let server = program.address().await;
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
        let addresses = [("LISTEN_ADDR", "3000".to_owned()), ("ADMIN_ADDR", ":3001".to_owned())];
        let ended = run("forward_auth", &[], &addresses, "").await;
        assert_eq!(ended.code, 1);
        let says =
            ["this server cannot start", "LISTEN_ADDR: `3000`", "ADMIN_ADDR: `:3001`", "SIGNALR_UPSTREAM_TENANT_IDS"];
        assert_says(&ended.stderr, &says);
    }

    #[tokio::test]
    async fn probes_are_served_by_the_admin_listener_alone() {
        let cloud = PublicCloud::start().await;
        let mut program = Program::start("forward_auth", cloud.settings());
        let (server, admin) = (program.address().await, program.admin_address().await);
        program.stderr_with("the keys are loaded").await;
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
        let mut program = Program::start("forward_auth", cloud.settings());
        let admin = program.admin_address().await;
        program.stderr_with("no keys yet").await;
        let ready = send(Version::HTTP_11, admin, request(Method::GET, "/readyz", None)).await;
        assert_eq!(ready.status, StatusCode::SERVICE_UNAVAILABLE);
        let alive = send(Version::HTTP_11, admin, request(Method::GET, "/healthz", None)).await;
        assert_eq!(alive.status, StatusCode::NO_CONTENT);
    }
}
