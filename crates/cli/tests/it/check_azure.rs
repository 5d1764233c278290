//! `check-azure`: what it prints about a resource, and how it exits.

use crate::tool::{Ended, assert_says, run};

async fn check(file: &str, arguments: &[&str], changes: &[(&str, &str)]) -> Ended {
    let path = format!("{}/../../tests/azure/{file}", env!("CARGO_MANIFEST_DIR"));
    let mut vars = vec![
        ("SIGNALR_UPSTREAM_TENANT_IDS", "11111111-aaaa-4bbb-8ccc-222222222222".to_owned()),
        ("SIGNALR_UPSTREAM_AUDIENCES", "33333333-dddd-4eee-8fff-444444444444".to_owned()),
        ("SIGNALR_UPSTREAM_CALLER_OBJECT_IDS", "77777777-4321-4cba-8fed-888888888888".to_owned()),
    ];
    for (name, value) in changes {
        vars.retain(|(known, _)| known != name);
        vars.push((name, (*value).to_owned()));
    }
    run(&[&["check-azure", &*path], arguments].concat(), &vars, "").await
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

#[tokio::test]
async fn leaves_expressions_of_a_bicep_module_open() {
    let ended = check("module.json", &[], &[]).await;
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (
            0,
            "SignalR resource [parameters('name')]\n\
             \x20 ok    API version: 2024-03-01 knows the upstream's authentication\n\
             \x20 ?     service mode: [parameters('features')]; it must be Serverless\n\
             \x20 ?     identity: [if(empty(parameters('managedIdentities')), null(), createObject('type', 'SystemAssigned', \
             'userAssignedIdentities', variables('assigned')))]; there must be one\n\
             \x20 ?     upstream: [if(empty(parameters('upstreamTemplates')), null(), createObject('templates', \
             parameters('upstreamTemplates')))]\n\
             \x20 ?     access keys: [coalesce(parameters('disableLocalAuth'), true())]; true disables them\n"
        )
    );
}

#[tokio::test]
async fn arguments_of_a_nested_deployment_replace_defaults() {
    let ended = check("nested_module.json", &[], &[]).await;
    assert_eq!(ended.code, 0, "{}", ended.stdout);
    assert_says(
        &ended.stdout,
        &[
            "SignalR resource from-module\n",
            "ok    API version: 2020-07-01-preview knows the upstream's authentication",
            "ok    service mode: Serverless",
            "ok    upstream [parameters('secret')]: managed identity, audience `33333333-dddd-4eee-8fff-444444444444`",
            "SignalR resource loops\n",
            "?     service mode: [copy]; it must be Serverless",
            "?     identity: user-assigned, [variables('ids')]; there must be one",
            "?     upstream: [copy]",
        ],
    );
    assert!(!ended.stdout.contains("default"), "{}", ended.stdout);
}

#[tokio::test]
async fn reads_member_names_in_any_case() {
    let ended = check("capitals.json", &[], &[]).await;
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (
            0,
            "SignalR resource capitals\n\
             \x20 ok    API version: 2021-04-01-preview knows the upstream's authentication\n\
             \x20 ok    cloud: westeurope is in the cloud `public`, as configured\n\
             \x20 ok    service mode: Serverless\n\
             \x20 ok    tenant: 11111111-aaaa-4bbb-8ccc-222222222222, as configured\n\
             \x20 ok    identity: system-assigned, object id 77777777-4321-4cba-8fed-888888888888, may call\n\
             \x20 ok    upstream https://api.example.net/upstream/{hub}/{category}/{event}: managed identity, audience \
             `api://33333333-dddd-4eee-8fff-444444444444`, as configured\n\
             \x20 ok    access keys: disabled\n"
        )
    );
}

#[tokio::test]
async fn finds_events_that_never_fire() {
    let ended = check("patterns.json", &[], &[]).await;
    assert_eq!(ended.code, 1);
    assert_says(
        &ended.stdout,
        &[
            "FAIL  upstream https://one.example.net/{event}: the event `connect` never fires; SignalR's is `connected`\n",
            "FAIL  upstream https://one.example.net/{event}: the event `disconnect` never fires; SignalR's is `disconnected`\n",
            "FAIL  upstream https://two.example.net/{event}: the event `connect` never fires; SignalR's is `connected`. \
             If it is a method that clients call, set categoryPattern to `messages`\n",
            "FAIL  upstream https://four.example.net/{event}: the category `connection` never matches; there are \
             `connections` and `messages`\n",
            "note  upstream https://ten.example.net/{event}: `Connections` may not match because of its case; write `connections`",
            "note  upstream https://ten.example.net/{event}: `Connected` may not match because of its case; write `connected`",
            "FAIL  upstream https://ten.example.net/{event}: the event `other` never fires; the category `connections` has \
             `connected` and `disconnected`",
        ],
    );
    // Clients may call methods of these names.
    assert!(!ended.stdout.contains("FAIL  upstream https://three.example.net"), "{}", ended.stdout);
    assert!(!ended.stdout.contains("`chat` never fires"), "{}", ended.stdout);
}

#[tokio::test]
async fn finds_template_whose_events_earlier_ones_take() {
    let ended = check("patterns.json", &["--url", "https://"], &[]).await;
    assert_says(
        &ended.stdout,
        &[
            "FAIL  upstream https://seven.example.net/{event}: never called, because earlier templates take all its events: several \
             together",
            "FAIL  upstream https://nine.example.net/{event}: never called, because earlier templates take all its events: \
             upstream https://eight.example.net/{event}",
        ],
    );
    assert_eq!(ended.stdout.matches("never called").count(), 2, "{}", ended.stdout);
    // Also where only the later one is looked at.
    let ended = check("patterns.json", &["--url", "https://nine.example.net/"], &[]).await;
    assert_says(&ended.stdout, &["take all its events: upstream https://eight.example.net/{event}"]);
    assert!(!ended.stdout.contains("seven"));
}

#[tokio::test]
async fn reads_key_vault_references_wherever_they_stand() {
    let ended = check("addresses.json", &[], &[]).await;
    assert_eq!(ended.code, 1);
    let right = "with the resource's identity, which needs the right to read it; see `az role assignment list --scope \
                 VAULT_ID` (Key Vault Secrets User) or the vault's access policies";
    assert_says(
        &ended.stdout,
        &[
            &format!(
                "?     upstream https://one.example.net/{{event}}?hub={{hub}}&code={{@Microsoft.KeyVault(SecretUri=https://\
                 vault.vault.azure.net/secrets/one/)}}: reads the secret https://vault.vault.azure.net/secrets/one/ {right}"
            ),
            &format!("reads the secret https://vault.vault.azure.net/secrets/two/0123456789abcdef {right}"),
            "ok    upstream {@microsoft.keyvault(secreturi=https://vault.vault.azure.net/secrets/two/0123456789abcdef)}/{event}: \
             managed identity",
            "FAIL  upstream https://four.example.net/{event}?code=…: its reference to Key Vault is not read; SignalR's form is \
             {@Microsoft.KeyVault(SecretUri=https://…)}, with the braces",
            "FAIL  upstream https://five.example.net/{@Microsoft.KeyVault(SecretUri=vault/five)}/{event}: `vault/five` is no \
             SecretUri",
            "SignalR resource no-identity",
            "FAIL  identity: none",
            "the secret https://vault.vault.azure.net/secrets/one is read with the resource's identity, and there is none; \
             switch one on and give it the right to read the secret (Key Vault Secrets User)",
        ],
    );
    for name in ["one", "two"] {
        assert!(
            !ended.stdout.contains(&format!("FAIL  upstream https://{name}.example.net/{{event}}?hub")),
            "{}",
            ended.stdout
        );
    }
    // An address that is a secret may begin with anything.
    let ended = check("addresses.json", &["--url", "https://two.example.net/"], &[]).await;
    assert_says(&ended.stdout, &["secrets/two"]);
    assert!(!ended.stdout.contains("secrets/one/"), "{}", ended.stdout);
}

#[tokio::test]
async fn finds_addresses_without_https_or_with_secrets_or_hosts_of_clients() {
    let ended = check("addresses.json", &[], &[]).await;
    assert_says(
        &ended.stdout,
        &[
            "note  upstream https://three.example.net/{event}?code=…&v=…: a secret stands in the query in clear text. Beside the \
             token it proves nothing more",
            "FAIL  upstream six.example.net/{event}: it does not begin with https://",
            "FAIL  upstream https://{event}.seven.example.net/: `{event}` stands in the host, so clients choose who gets the token",
            "FAIL  upstream: a template without an address",
        ],
    );
    assert!(!ended.stdout.contains("clear-text-key"), "{}", ended.stdout);
    // The scheme has no case; the audience that anybody can ask a token for fails whatever is configured.
    let eighth: Vec<_> = ended.stdout.lines().filter(|line| line.contains("eight.example.net")).collect();
    assert!(
        matches!(eighth[..], [line] if line.starts_with("  FAIL") && line.contains("api://AzureADTokenExchange")),
        "{eighth:?}"
    );
}

#[tokio::test]
async fn reads_state_and_plan_of_terraform() {
    let ended = check("terraform_state.json", &[], &[]).await;
    assert_eq!(ended.code, 1);
    assert_says(
        &ended.stdout,
        &[
            "SignalR resource from-terraform",
            "ok    service mode: Serverless",
            "ok    identity: user-assigned upstream, object id 77777777-4321-4cba-8fed-888888888888, may call",
            "FAIL  upstream https://old.example.net/{hub}/api/{category}/{event}: no token is sent",
            "FAIL  upstream https://swapped.example.net/{event}: the event `connect` never fires",
            "FAIL  upstream https://swapped.example.net/{event}: the audience `55555555-1234-4abc-9def-666666666666` is the \
             client id of the resource's identity; write that of your app registration",
            "ok    upstream https://api.example.net/upstream/{hub}/{category}/{event}: managed identity, audience \
             `33333333-dddd-4eee-8fff-444444444444`, as configured",
            "ok    access keys: disabled",
        ],
    );
    let ended = check("terraform_plan.json", &[], &[]).await;
    assert_eq!(ended.code, 0, "{}", ended.stdout);
    assert_says(
        &ended.stdout,
        &[
            "SignalR resource planned",
            "?     identity: system-assigned; its object id is not in the file",
            "?     upstream https://api.example.net/upstream/{hub}/{category}/{event}: audience [known after apply]",
            "SignalR resource azapi",
            "ok    API version: 2024-03-01",
            "ok    upstream https://api.example.net/{event}: managed identity",
        ],
    );
    assert!(!ended.stdout.contains("prior"), "{}", ended.stdout);
}
