//! The examples that are tools: what they print about a token or a resource, and how they exit.

use std::process::Stdio;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::program;

/// What a tool that has ended printed, and its exit code.
struct Ended {
    code: i32,
    stdout: String,
    stderr: String,
}

async fn run(name: &str, arguments: &[&str], vars: &[(&str, String)], input: &str) -> Ended {
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
fn assert_says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "`{part}` is missing in\n{text}");
    }
}

#[cfg(target_os = "linux")]
mod explain_token {
    use super::super::public_cloud::PublicCloud;
    use super::{assert_says, run};

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
    use signalr_upstream_auth::RejectionKind;

    use super::super::client::{BARE_CHALLENGE, request, send};
    use super::super::program::Program;
    use super::super::public_cloud::PublicCloud;
    use super::{assert_says, run};

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
        let ended = run("forward_auth", &[], &[], "").await;
        assert_eq!(ended.code, 1);
        assert_says(&ended.stderr, &["this server cannot start", "SIGNALR_UPSTREAM_TENANT_IDS"]);
    }

    #[tokio::test]
    async fn probes_never_answer_200_to_a_check_request() {
        let cloud = PublicCloud::start().await;
        let mut program = Program::start("forward_auth", cloud.settings());
        let server = program.address().await;
        let healthz = send(Version::HTTP_11, server, request(Method::GET, "/healthz", None)).await;
        assert_eq!(healthz.status, StatusCode::NO_CONTENT);
        let readyz = send(Version::HTTP_11, server, request(Method::GET, "/readyz", None)).await;
        assert_ne!(readyz.status, StatusCode::OK);
    }
}

mod check_azure {
    use super::{Ended, assert_says, run};

    async fn check(file: &str, arguments: &[&str], changes: &[(&str, &str)]) -> Ended {
        let path = format!("{}/azure/{file}", env!("CARGO_MANIFEST_DIR"));
        let mut vars = vec![
            ("SIGNALR_UPSTREAM_TENANT_IDS", "11111111-aaaa-4bbb-8ccc-222222222222".to_owned()),
            ("SIGNALR_UPSTREAM_AUDIENCES", "33333333-dddd-4eee-8fff-444444444444".to_owned()),
            ("SIGNALR_UPSTREAM_CALLER_OBJECT_IDS", "77777777-4321-4cba-8fed-888888888888".to_owned()),
        ];
        for (name, value) in changes {
            vars.retain(|(known, _)| known != name);
            vars.push((name, (*value).to_owned()));
        }
        run("check_azure", &[&[&*path], arguments].concat(), &vars, "").await
    }

    #[tokio::test]
    async fn finds_no_fault_in_matching_resource() {
        let ended = check("show.json", &[], &[]).await;
        assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
        assert_eq!(
            ended.stdout,
            "SignalR resource contoso\n\
             \x20 ok    cloud: westeurope is in the cloud `public`, as configured\n\
             \x20 ok    service mode: Serverless\n\
             \x20 ok    tenant: 11111111-aaaa-4bbb-8ccc-222222222222, as configured\n\
             \x20 ok    identity: system-assigned, object id 77777777-4321-4cba-8fed-888888888888, may call\n\
             \x20 ok    upstream https://api.example.net/upstream/{hub}/{category}/{event}: managed identity, audience \
             `33333333-dddd-4eee-8fff-444444444444`, as configured\n\
             \x20 ok    access keys: disabled\n"
        );
    }

    #[tokio::test]
    async fn every_fault_has_its_line() {
        let ended = check("wrong.json", &[], &[]).await;
        assert_eq!(ended.code, 1);
        assert_says(
            &ended.stdout,
            &[
                "FAIL  cloud: usgovvirginia is in the cloud `us-government`",
                "FAIL  service mode: Default",
                "FAIL  tenant: 11111111-aaaa-4bbb-8ccc-333333333333 is not among",
                "FAIL  identity: system-assigned, object id 77777777-4321-4cba-8fed-999999999999, is not among",
                "FAIL  upstream https://one.example.net/{event}: no token is sent",
                "FAIL  upstream https://two.example.net/{event}: the audience is empty, so the token is for Microsoft Graph",
                "FAIL  upstream https://three.example.net/{event}: the audience `44444444-dddd-4eee-8fff-555555555555` is not",
                "FAIL  upstream http://four.example.net/{event}: without TLS",
                "FAIL  upstream http://four.example.net/{event}: audience `https://management.azure.com/` is the audience of Azure",
                "ok    upstream https://five.example.net/{event}: managed identity",
                "note  access keys: enabled",
            ],
        );
        // One address alone fits.
        let ended = check("wrong.json", &["--url", "https://five.example.net/"], &[]).await;
        assert!(!ended.stdout.contains("one.example.net"));
        let ended = check("wrong.json", &["--url", "https://six.example.net/"], &[]).await;
        assert_says(&ended.stdout, &["FAIL  upstream: no address that begins with https://six.example.net/"]);
    }

    #[tokio::test]
    async fn identities_of_either_kind_are_compared_in_a_list_of_resources() {
        let by_client = [
            ("SIGNALR_UPSTREAM_CALLER_OBJECT_IDS", ""),
            ("SIGNALR_UPSTREAM_CALLER_CLIENT_IDS", "55555555-1234-4abc-9def-666666666666"),
        ];
        let ended = check("user_assigned.json", &[], &by_client).await;
        assert_says(
            &ended.stdout,
            &[
                "ok    identity: user-assigned upstream, object id 77777777-4321-4cba-8fed-888888888888, may call",
                "SignalR resource bare",
                "FAIL  identity: none",
                "FAIL  service mode: none is set",
                "FAIL  upstream: no address; SignalR calls nobody",
            ],
        );
        // The client id of a system-assigned identity is not in the file.
        let ended = check("show.json", &[], &by_client).await;
        assert_eq!(ended.code, 0);
        assert_says(&ended.stdout, &["?     identity: system-assigned", "az ad sp show"]);
    }

    #[tokio::test]
    async fn templates_are_read_with_their_parameters_and_what_they_leave_open_is_said() {
        let ended = check("template.json", &[], &[]).await;
        assert_eq!(ended.code, 1);
        assert_says(
            &ended.stdout,
            &[
                "SignalR resource from-template",
                "FAIL  API version: 2020-05-01 silently drops the upstream's authentication",
                "ok    service mode: Serverless",
                "?     identity: system-assigned; its object id is not in the file",
                "ok    upstream [parameters('upstreamUrl')]: managed identity, audience `33333333-dddd-4eee-8fff-444444444444`",
                "SignalR resource nested",
                "ok    API version: 2024-03-01",
                "?     identity: user-assigned",
                "?     upstream https://api.example.net/upstream/{hub}/{category}/{event}: audience [reference('app').appId]",
            ],
        );
    }

    #[tokio::test]
    async fn notes_uri_audience_before_a_switch_to_v2_tokens() {
        let uri = [("SIGNALR_UPSTREAM_AUDIENCES", "api://33333333-dddd-4eee-8fff-444444444444")];
        let ended = check("user_assigned.json", &[], &uri).await;
        assert_says(&ended.stdout, &["note  upstream https://api.example.net", "requestedAccessTokenVersion 2"]);
        assert!(!check("user_assigned.json", &[], &[]).await.stdout.contains("requestedAccessTokenVersion"));
    }

    #[tokio::test]
    async fn exits_with_2_without_signalr_resource() {
        let ended = check("../npm/package.json", &[], &[]).await;
        assert_eq!(ended.code, 2);
        assert_says(&ended.stderr, &["az signalr show"]);
        let ended = check("../npm/hub.js", &[], &[]).await;
        assert_says(&ended.stderr, &["no JSON"]);
        let ended = check("show.json", &[], &[("SIGNALR_UPSTREAM_TENANT_IDS", "")]).await;
        assert_eq!(ended.code, 2);
        assert_says(&ended.stderr, &["SIGNALR_UPSTREAM_TENANT_IDS"]);
    }
}
