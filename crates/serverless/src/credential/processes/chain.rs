//! The default chain.

use std::time::Duration;

use super::azure::{APP_SERVICE, Azure, ENTRA, IMDS, Silence};
use super::child::{ChildReport, keys, run, run_and_ask, variables};
use super::{CLIENT, ENDPOINT, IDENTITY, OTHER_CLIENT, PREFIX, RESOURCE, SECRET, TENANT};

const AZ_TOKEN: &str = r#"echo '{"accessToken":"token-of-az","expires_on":4102444800,"tokenType":"Bearer"}'"#;
const AZD_TOKEN: &str = r#"echo '{"token":"token-of-azd","expiresOn":"2100-01-01T00:00:00Z"}'"#;
const AZ_SIGNED_OUT: &str = r#"echo "ERROR: Please run 'az login' to setup account." >&2; exit 1"#;
const AZD_SIGNED_OUT: &str = r#"echo '{"type":"consoleMessage","timestamp":"2026-01-01T00:00:00Z","data":{"message":"\nERROR: not logged in, run `azd auth login` to login\n"}}' >&2; exit 1"#;

fn service_uri() -> Vec<(String, String)> {
    keys(&[("serviceUri", ENDPOINT)])
}

fn application() -> Vec<(String, String)> {
    variables(&[("AZURE_TENANT_ID", TENANT), ("AZURE_CLIENT_ID", CLIENT), ("AZURE_CLIENT_SECRET", SECRET)])
}

/// IMDS that is not there.
fn no_imds() -> (String, String) {
    ("AZURE_POD_IDENTITY_AUTHORITY_HOST".to_owned(), "http://127.0.0.1:1".to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn steps_come_in_the_order_of_dotnet() {
    let azure = Azure::start().await;
    azure.install("az", AZ_TOKEN);
    azure.install("azd", AZD_TOKEN);
    let file = azure.token_file("token-of-kubernetes");
    let common: Vec<_> = service_uri().into_iter().chain(azure.entra()).chain([azure.path(), azure.imds()]).collect();
    let workload =
        variables(&[("AZURE_TENANT_ID", TENANT), ("AZURE_CLIENT_ID", CLIENT), ("AZURE_FEDERATED_TOKEN_FILE", &file)]);

    let everything = common.iter().cloned().chain(application()).chain(workload.clone()).chain(azure.app_service());
    assert_eq!(run(everything).await.token(), "token-of-entra");
    assert!(azure.seen()[0].form.contains_key("client_secret"), "environment");

    let no_secret = common.iter().cloned().chain(workload).chain(azure.app_service());
    assert_eq!(run(no_secret).await.token(), "token-of-entra");
    assert!(azure.seen()[1].form.contains_key("client_assertion"), "workload identity");

    let no_file = common.iter().cloned().chain(azure.app_service());
    assert_eq!(run(no_file).await.token(), "token-of-app-service");

    assert_eq!(run(common.clone()).await.token(), "token-of-imds");

    let no_azure: Vec<_> = common.into_iter().chain([no_imds()]).collect();
    assert_eq!(run(no_azure.clone()).await.token(), "token-of-az");

    azure.install("az", AZ_SIGNED_OUT);
    assert_eq!(run(no_azure).await.token(), "token-of-azd");
}

#[tokio::test(flavor = "multi_thread")]
async fn connection_string_of_type_azure_is_the_default_chain() {
    let azure = Azure::start().await;
    let string = format!("Endpoint={ENDPOINT};AuthType=azure;ClientId={OTHER_CLIENT}");
    let report = run(variables(&[(PREFIX, &string)]).into_iter().chain([azure.imds(), azure.path()])).await;
    assert_eq!(report.token(), "token-of-imds");
    assert!(azure.seen().iter().all(|seen| !seen.query.contains_key("client_id")), "ignored with a warning");
    assert!(report.events.contains("AuthType=azure does not use it"), "{}", report.events);
}

#[tokio::test(flavor = "multi_thread")]
async fn machine_without_azure_is_told_every_step() {
    let azure = Azure::start().await;
    // A network that blocks the address, and one that drops its packets.
    let silent = Silence::start().await;
    for (imds, reason) in [(no_imds(), "IMDS cannot be reached"), (silent.imds(), "IMDS did not answer within 1 s")] {
        let report = run(service_uri().into_iter().chain([azure.path(), imds])).await;
        let managed_identity = format!("managed identity: {reason}");
        let expected = [
            "environment: AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET are not set",
            "workload identity: AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_FEDERATED_TOKEN_FILE are not set",
            &managed_identity,
            "Azure CLI: az is not on PATH",
            "Azure Developer CLI: azd is not on PATH",
        ];
        let mut rest = report.error();
        for part in expected {
            rest = rest.split_once(part).unwrap_or_else(|| panic!("{part} in {}", report.error())).1;
        }
        // The documented limit is 2 s; the rest is for a machine with other work. The request itself would wait for 15 s.
        let waited = report.endpoints[0].waited;
        assert!(waited < Duration::from_secs(5), "{waited:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn command_lines_that_nobody_is_signed_in_to_are_absent() {
    let azure = Azure::start().await;
    azure.install("az", AZ_SIGNED_OUT);
    azure.install("azd", AZD_SIGNED_OUT);
    let report = run(service_uri().into_iter().chain([azure.path(), no_imds()])).await;
    assert!(report.error().contains("nobody is signed in to az; run `az login`"), "{}", report.error());
    assert!(report.error().contains("nobody is signed in to azd; run `azd auth login`"), "{}", report.error());
}

#[tokio::test(flavor = "multi_thread")]
async fn command_lines_sign_in_to_the_tenant_of_the_settings() {
    let azure = Azure::start().await;
    azure.install("az", &format!(r#"echo "$@" > {}/az; exit 127"#, azure.folder().display()));
    azure.install("azd", &format!(r#"echo "$@" > {}/azd; exit 127"#, azure.folder().display()));
    let settings = keys(&[("serviceUri", ENDPOINT), ("tenantId", TENANT)]);
    let report = run(settings.into_iter().chain([azure.path(), no_imds()])).await;
    assert!(report.error().contains("azd is not on PATH"), "{}", report.error());
    for (tool, argument) in [("az", "--tenant"), ("azd", "--tenant-id")] {
        let arguments = std::fs::read_to_string(azure.folder().join(tool)).unwrap();
        assert!(arguments.contains(&format!("{argument} {TENANT}")), "{arguments}");
        assert!(arguments.contains("--scope https://signalr.azure.com/.default"), "{arguments}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rejected_step_ends_the_chain_with_its_error() {
    let rejection = r#"{"error":"invalid_client","error_codes":[7000222],"error_description":"AADSTS7000222: The provided client secret keys are expired."}"#;
    let azure = Azure::start().await;
    azure.install("az", AZ_TOKEN);
    azure.answer(ENTRA, 401, rejection);
    let machine: Vec<_> = service_uri().into_iter().chain(azure.entra()).chain([azure.path(), azure.imds()]).collect();
    let report = run(machine.iter().cloned().chain(application())).await;
    assert_ends_at(&report, "environment", "AADSTS7000222");

    azure.answer(APP_SERVICE, 403, r#"{"statusCode":403,"message":"no identity for you"}"#);
    let report = run(machine.iter().cloned().chain(azure.app_service())).await;
    assert_ends_at(&report, "managed identity", "no identity for you");

    azure.install(
        "az",
        r#"echo "ERROR: AADSTS700082: The refresh token has expired. Please run: az login" >&2; exit 1"#,
    );
    azure.install("azd", AZD_TOKEN);
    let report = run(machine.into_iter().chain([no_imds()])).await;
    assert_ends_at(&report, "Azure CLI", "AADSTS700082");
}

fn assert_ends_at(report: &ChildReport, step: &str, error: &str) {
    let start = format!("the default chain ends at {step}, which is there but gave no token");
    assert!(report.error().starts_with(&start), "{}", report.error());
    assert!(report.error().contains(error), "{}", report.error());
}

#[tokio::test(flavor = "multi_thread")]
async fn virtual_machine_without_an_identity_passes_on_to_the_command_line() {
    let not_found = r#"{"error":"invalid_request","error_description":"Identity not found"}"#;
    let azure = Azure::start().await;
    azure.install("az", AZ_TOKEN);
    let machine: Vec<_> = service_uri().into_iter().chain([azure.path(), azure.imds()]).collect();
    for _ in ["the probe", "the request"] {
        azure.answer(IMDS, 400, not_found);
    }
    assert_eq!(run(machine.iter().cloned()).await.token(), "token-of-az");

    // An identity that was asked for and is not assigned is another matter.
    for _ in ["the probe", "the request"] {
        azure.answer(IMDS, 400, not_found);
    }
    let report = run(machine.into_iter().chain(keys(&[("managedIdentityClientId", CLIENT)]))).await;
    assert_ends_at(&report, "managed identity", "has not been assigned");
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_service_of_another_cloud_is_no_managed_identity() {
    for status in [401, 403, 404, 200] {
        let azure = Azure::start().await;
        azure.install("az", AZ_TOKEN);
        azure.answer(IMDS, status, "<html>");
        let report = run(service_uri().into_iter().chain([azure.path(), azure.imds()])).await;
        assert_eq!(report.token(), "token-of-az", "{status}");
        assert_eq!(azure.seen().len(), 1, "the probe alone, after {status}");
        assert!(!azure.seen()[0].headers.contains_key("metadata"), "the probe has no such header");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn first_credential_that_worked_stays() {
    let azure = Azure::start().await;
    azure.install("azd", AZD_TOKEN);
    // Works once. Then it would be absent, and `azd` next.
    let marker = azure.folder().join("asked");
    let script = format!("if [ -e {0} ]; then {AZ_SIGNED_OUT}; fi; : > {0}; {AZ_TOKEN}", marker.display());
    azure.install("az", &script);
    let report = run_and_ask(3, service_uri().into_iter().chain([azure.path(), no_imds()])).await;
    let [first, second, third] = report.tokens() else { panic!("{report:?}") };
    assert_eq!(first.as_deref(), Ok("token-of-az"));
    for error in [second, third] {
        assert!(error.as_ref().unwrap_err().contains("nobody is signed in to az"), "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_replace_the_variables_of_the_same_meaning() {
    let azure = Azure::start().await;
    let settings = keys(&[("serviceUri", ENDPOINT), ("clientId", OTHER_CLIENT)]);
    let ambient = variables(&[("AZURE_CLIENT_ID", CLIENT)]);
    let machine: Vec<_> = [azure.imds(), azure.path()].into_iter().chain(ambient).collect();
    assert_eq!(run(settings.into_iter().chain(machine.clone())).await.token(), "token-of-imds");
    assert_eq!(run(service_uri().into_iter().chain(machine)).await.token(), "token-of-imds");
    let ids: Vec<_> = azure.seen().into_iter().filter_map(|seen| seen.query.get("client_id").cloned()).collect();
    assert_eq!(ids, [OTHER_CLIENT, CLIENT]);
}

#[tokio::test(flavor = "multi_thread")]
async fn token_file_of_the_settings_makes_a_workload_identity() {
    let azure = Azure::start().await;
    let file = azure.token_file("token-of-kubernetes");
    let settings =
        keys(&[("serviceUri", ENDPOINT), ("tenantId", TENANT), ("clientId", CLIENT), ("tokenFilePath", &file)]);
    // The setting comes before the variable.
    let ambient = variables(&[("AZURE_FEDERATED_TOKEN_FILE", "/nowhere/token")]);
    let machine = azure.entra().into_iter().chain([azure.path(), azure.imds()]).chain(ambient);
    assert_eq!(run(settings.into_iter().chain(machine)).await.token(), "token-of-entra");
    let [seen] = azure.seen().try_into().unwrap();
    assert_eq!(seen.path, format!("/{TENANT}{ENTRA}"));
    assert_eq!(
        (seen.form["client_id"].as_str(), seen.form["client_assertion"].as_str()),
        (CLIENT, "token-of-kubernetes")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_of_the_settings_name_the_managed_identity() {
    for (key, id, on_app_service, on_imds) in [
        ("managedIdentityClientId", OTHER_CLIENT, "client_id", "client_id"),
        ("managedIdentityResourceId", IDENTITY, "mi_res_id", "msi_res_id"),
    ] {
        let azure = Azure::start().await;
        // The setting comes before the variable.
        let ambient = variables(&[("AZURE_CLIENT_ID", CLIENT)]);
        let settings: Vec<_> = keys(&[("serviceUri", ENDPOINT), (key, id)]).into_iter().chain(ambient).collect();
        let machine = [azure.path(), azure.imds()];
        let report = run(settings.iter().cloned().chain(machine.clone()).chain(azure.app_service())).await;
        assert_eq!(report.token(), "token-of-app-service", "{key}");
        assert_eq!(run(settings.into_iter().chain(machine)).await.token(), "token-of-imds", "{key}");
        let [app_service, probe, imds] = azure.seen().try_into().unwrap();
        let expected = |parameter| {
            let query = [("api-version", "2019-08-01"), (parameter, id), ("resource", RESOURCE)];
            variables(&query).into_iter().collect()
        };
        assert_eq!(app_service.query, expected(on_app_service), "{key}");
        assert!(!probe.headers.contains_key("metadata"), "{probe:?}");
        assert_eq!(imds.query, expected(on_imds), "{key}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cloud_of_the_settings_counts_for_every_application() {
    let azure = Azure::start().await;
    let file = azure.token_file("token-of-kubernetes");
    let workload =
        variables(&[("AZURE_TENANT_ID", TENANT), ("AZURE_CLIENT_ID", CLIENT), ("AZURE_FEDERATED_TOKEN_FILE", &file)]);
    for (ambient, parameter) in [(application(), "client_secret"), (workload, "client_assertion")] {
        for (cloud, host) in [("usgov", "login.microsoftonline.us"), ("china", "login.partner.microsoftonline.cn")] {
            let settings = keys(&[("serviceUri", ENDPOINT), ("azureCloud", cloud)]);
            let machine = azure.entra().into_iter().chain([azure.path(), azure.imds()]);
            let report = run(settings.into_iter().chain(ambient.clone()).chain(machine)).await;
            assert_eq!(report.token(), "token-of-entra", "{cloud}");
            let seen = azure.seen().pop().unwrap();
            assert_eq!(seen.host, host);
            assert!(seen.form.contains_key(parameter), "{seen:?}");
        }
    }
    assert_eq!(azure.seen().len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn certificate_of_the_environment_is_a_fault() {
    let settings = service_uri();
    let ambient = variables(&[
        ("AZURE_TENANT_ID", TENANT),
        ("AZURE_CLIENT_ID", CLIENT),
        ("AZURE_CLIENT_CERTIFICATE_PATH", "/etc/app.pem"),
    ]);
    let report = run(settings.into_iter().chain(ambient)).await;
    assert_eq!(report.fields(), ["AZURE_CLIENT_CERTIFICATE_PATH"]);
    assert!(report.faults[0].1.contains("certificates are not supported"), "{:?}", report.faults);
}
