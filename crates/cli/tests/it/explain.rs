//! `explain`: what it prints about a token, and how it exits.

use crate::public_cloud::PublicCloud;
use crate::tool::{assert_says, run, run_unread};

#[tokio::test]
async fn explains_wrong_audience_with_one_command() {
    let cloud = PublicCloud::start().await;
    let token = cloud.entra.token().audience("api://signalr-upstream").mint();
    let ended = run(&["explain"], &cloud.settings(), &format!("{token}\n")).await;
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
        let ended = run(&["explain", "-"], &cloud.settings(), &input).await;
        assert_eq!(ended.code, 0, "{}\n{}", ended.stdout, ended.stderr);
        assert!(ended.stdout.starts_with("accepted: caller "));
        let says = ["If SignalR still gets 401 or 403, something in front answers", "`Cache-Control: no-store`"];
        assert_says(&ended.stdout, &says);
    }
    let file = std::env::temp_dir().join(format!("signalr-upstream-auth-token-{}", std::process::id()));
    std::fs::write(&file, format!("x-asrs-hub: chat\nauthentication: Bearer {token}\n")).unwrap();
    let ended = run(&["explain", "--json", file.to_str().unwrap()], &cloud.settings(), "").await;
    std::fs::remove_file(&file).unwrap();
    assert_eq!(ended.code, 1);
    let json: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((&json["accepted"], &json["kind"]), (&false.into(), &"missing_credentials".into()));
    assert!(json["advice"][0].as_str().unwrap().contains("the header `authentication`"));
}

#[tokio::test]
async fn closed_pipe_changes_no_exit_code() {
    let cloud = PublicCloud::start().await;
    let file = std::env::temp_dir().join(format!("signalr-upstream-auth-unread-{}", std::process::id()));
    for (token, code) in [(cloud.entra.token().mint(), 0), (cloud.entra.token().expired().mint(), 1)] {
        std::fs::write(&file, token).unwrap();
        for form in [&["explain"][..], &["explain", "--json"]] {
            let arguments = [form, &[file.to_str().unwrap()]].concat();
            assert_eq!(run_unread(&arguments, &cloud.settings()).await, code, "{arguments:?}");
        }
    }
    std::fs::remove_file(&file).unwrap();
}

#[tokio::test]
async fn exits_with_2_and_names_what_is_missing() {
    let ended = run(&["explain"], &[], "").await;
    assert_eq!(ended.code, 2);
    assert_says(&ended.stderr, &["SIGNALR_UPSTREAM_TENANT_IDS", "SIGNALR_UPSTREAM_AUDIENCES"]);
    let cloud = PublicCloud::start().await;
    let ended = run(&["explain", "/nowhere/token"], &cloud.settings(), "").await;
    assert_eq!(ended.code, 2);
    assert_says(&ended.stderr, &["/nowhere/token"]);
}
