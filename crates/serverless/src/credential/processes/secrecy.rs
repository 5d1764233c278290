//! Nothing secret in events, errors or `Debug`, whatever happens.

use super::azure::{APP_SERVICE, Azure, ENTRA, IDENTITY_HEADER};
use super::child::{ChildReport, keys, run, run_and_ask, variables};
use super::{CLIENT, ENDPOINT, OTHER_CLIENT, PREFIX, SECRET, TENANT};

const ACCESS_KEY: &str = "YWNjZXNzLWtleS10aGF0LW5vYm9keS1tYXktc2Vl";
const KUBERNETES: &str = "token-of-kubernetes";

fn assert_silent(report: &ChildReport) {
    let errors: Vec<_> = report
        .endpoints
        .iter()
        .flat_map(|endpoint| &endpoint.tokens)
        .filter_map(|token| token.as_ref().err())
        .collect();
    let text = format!("{}\n{}\n{:?}\n{errors:?}", report.events, report.debug, report.faults);
    let tokens = ["token-of-entra", "token-of-imds", "token-of-app-service", "token-of-az"];
    for secret in [SECRET, ACCESS_KEY, IDENTITY_HEADER, KUBERNETES].into_iter().chain(tokens) {
        assert!(!text.contains(secret), "{secret} in {text}");
        let encoded: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        assert!(!text.contains(&encoded), "{encoded} in {text}");
    }
    assert!(!report.events.is_empty() || !report.debug.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn successful_credentials_tell_nothing() {
    let azure = Azure::start().await;
    let file = azure.token_file(KUBERNETES);
    let secret = [("serviceUri", ENDPOINT), ("tenantId", TENANT), ("clientId", CLIENT), ("clientSecret", SECRET)];
    let workload = [
        ("serviceUri", ENDPOINT),
        ("credential", "workloadidentity"),
        ("tenantId", TENANT),
        ("clientId", CLIENT),
        ("tokenFilePath", &file),
    ];
    let federated = [
        ("serviceUri", ENDPOINT),
        ("credential", "managedidentityasfederatedidentity"),
        ("tenantId", TENANT),
        ("clientId", CLIENT),
        ("azureCloud", "public"),
        ("managedIdentityClientId", OTHER_CLIENT),
    ];
    for settings in [&secret[..], &workload, &federated, &secret[..1]] {
        let report = run(keys(settings).into_iter().chain(azure.entra()).chain(azure.app_service())).await;
        assert!(report.tokens()[0].is_ok(), "{report:?}");
        assert_silent(&report);
    }
    let string = format!("Endpoint={ENDPOINT};AccessKey={ACCESS_KEY}");
    assert_silent(&run(variables(&[(PREFIX, &string)])).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn rejected_credentials_tell_nothing() {
    let settings =
        keys(&[("serviceUri", ENDPOINT), ("tenantId", TENANT), ("clientId", CLIENT), ("clientSecret", SECRET)]);
    let answers = [
        (
            401,
            r#"{"error":"invalid_client","error_codes":[7000215],"error_description":"AADSTS7000215: Invalid client secret provided."}"#,
        ),
        (200, r#"{"access_token":"token-of-entra"}"#),
        (200, r#"{"access_token":"token-of-entra","token_type":"Bearer","expires_in":"soon","ext_expires_in":1}"#),
        (200, "token-of-entra"),
        (503, "<html>"),
        (302, ""),
    ];
    for (status, body) in answers {
        let azure = Azure::start().await;
        azure.answer(ENTRA, status, body);
        let report = run(settings.iter().cloned().chain(azure.entra())).await;
        assert_silent(&report);
        let azure = Azure::start().await;
        azure.answer(APP_SERVICE, status, &body.replace("entra", "app-service"));
        let identity = keys(&[("serviceUri", ENDPOINT), ("credential", "managedidentity")]);
        assert_silent(&run(identity.into_iter().chain(azure.app_service())).await);
    }
}

/// A proxy or a gateway may repeat the request in its error, whole or in part.
#[tokio::test(flavor = "multi_thread")]
async fn answers_that_repeat_the_request_tell_nothing() {
    let secret =
        keys(&[("serviceUri", ENDPOINT), ("tenantId", TENANT), ("clientId", CLIENT), ("clientSecret", SECRET)]);
    let echoes = |name: &str, value: &str| {
        let encoded: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
        [
            format!("blocked: {name}={encoded}&grant_type=client_credentials"),
            format!("blocked: {name}: {value}"),
            format!(r#"{{"error":"invalid_request","error_description":"blocked: a=b&{name}={encoded}&scope=x"}}"#),
            format!(r#"{{"error":"invalid_request","error_description":"blocked: {value}"}}"#),
            format!(r#"{{"message":"blocked: {{\"{name}\": \"{value}\"}}"}}"#),
            format!(r#"{{"Message":"blocked: {name}={encoded}"}}"#),
            format!(r#"{{"error":"{value}"}}"#),
        ]
    };
    for body in echoes("client_secret", SECRET) {
        let azure = Azure::start().await;
        azure.answer(ENTRA, 400, &body);
        let report = run(secret.iter().cloned().chain(azure.entra())).await;
        assert!(report.tokens()[0].is_err(), "{report:?}");
        assert_silent(&report);
    }
    for (body, status) in echoes("X-IDENTITY-HEADER", IDENTITY_HEADER).into_iter().zip([403, 500].into_iter().cycle()) {
        let azure = Azure::start().await;
        azure.answer(APP_SERVICE, status, &body);
        let identity = keys(&[("serviceUri", ENDPOINT), ("credential", "managedidentity")]);
        let report = run(identity.into_iter().chain(azure.app_service())).await;
        assert!(report.tokens()[0].is_err(), "{report:?}");
        assert_silent(&report);
    }
    for body in echoes("client_assertion", KUBERNETES) {
        let azure = Azure::start().await;
        azure.answer(ENTRA, 401, &body);
        let file = azure.token_file(KUBERNETES);
        let workload = keys(&[
            ("serviceUri", ENDPOINT),
            ("credential", "workloadidentity"),
            ("tenantId", TENANT),
            ("clientId", CLIENT),
            ("tokenFilePath", &file),
        ]);
        let report = run(workload.into_iter().chain(azure.entra())).await;
        assert!(report.tokens()[0].is_err(), "{report:?}");
        assert_silent(&report);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_settings_tell_nothing() {
    // Each puts a secret where something else belongs, or breaks its grammar.
    let strings = [
        format!("AccessKey={ACCESS_KEY}"),
        format!("Endpoint={ACCESS_KEY};AccessKey={ACCESS_KEY}"),
        format!("Endpoint=https://{ACCESS_KEY}@contoso.service.signalr.net;AccessKey={ACCESS_KEY}"),
        format!("Endpoint={ENDPOINT};AccessKey={ACCESS_KEY};AccessKey={ACCESS_KEY}"),
        format!("Endpoint={ENDPOINT};AuthType=azure.app;ClientSecret=;{SECRET};{SECRET}=1;{SECRET}=2"),
        format!("Endpoint={ENDPOINT};AuthType=azure.app;ClientId={SECRET};TenantId={SECRET}/;ClientSecret={SECRET}"),
        format!("{ACCESS_KEY};{SECRET}"),
        format!("Endpoint={ENDPOINT};AuthType={ACCESS_KEY};Version={ACCESS_KEY};Port={ACCESS_KEY}"),
    ];
    for string in strings {
        let report = run(variables(&[(PREFIX, &string)])).await;
        assert!(!report.faults.is_empty(), "{string}");
        assert_silent(&report);
    }
    let secret = format!("{SECRET}\n");
    let keys = keys(&[
        ("serviceUri", SECRET),
        ("credential", "managedidentity"),
        ("clientSecret", &secret),
        ("clientId", SECRET),
        ("managedIdentityResourceId", SECRET),
    ]);
    let report = run_and_ask(0, keys).await;
    assert!(!report.faults.is_empty());
    assert_silent(&report);
}
