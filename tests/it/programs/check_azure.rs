//! The example `check_azure`: what it prints about a resource, and how it exits.

use super::tools::{Ended, assert_says, run};

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
