//! Managed identities on App Service and on virtual machines.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::azure::{ACCESS_KEY, APP_SERVICE, Azure, IDENTITY_HEADER, IMDS, RETRY_AFTER, SEND};
use super::child::{keys, run, run_and_call, variables};
use super::{CLIENT, ENDPOINT, IDENTITY, OBJECT, PREFIX, RESOURCE};

/// How an identity is named by settings, and by which parameter on App Service and on IMDS.
const IDENTITIES: [(&str, &str, &str, &str); 4] = [
    ("clientId", CLIENT, "client_id", "client_id"),
    ("managedIdentityClientId", CLIENT, "client_id", "client_id"),
    ("managedIdentityObjectId", OBJECT, "object_id", "object_id"),
    ("managedIdentityResourceId", IDENTITY, "mi_res_id", "msi_res_id"),
];

#[tokio::test(flavor = "multi_thread")]
async fn system_assigned_identity_gets_its_token_from_app_service() {
    let azure = Azure::start().await;
    let settings = keys(&[("serviceUri", ENDPOINT), ("credential", "managedidentity")]);
    let report = run(settings.into_iter().chain(azure.app_service())).await;
    assert_eq!(report.token(), "token-of-app-service");
    let [seen] = azure.seen().try_into().unwrap();
    assert_eq!(seen.path, APP_SERVICE);
    assert_eq!(
        seen.query.into_iter().collect::<Vec<_>>(),
        variables(&[("api-version", "2019-08-01"), ("resource", RESOURCE)])
    );
    assert_eq!(seen.headers["x-identity-header"], IDENTITY_HEADER);
}

#[tokio::test(flavor = "multi_thread")]
async fn user_assigned_identities_are_named_as_app_service_documents() {
    for (key, id, parameter, _) in IDENTITIES {
        let azure = Azure::start().await;
        let settings = keys(&[("serviceUri", ENDPOINT), ("credential", "ManagedIdentity"), (key, id)]);
        let report = run(settings.into_iter().chain(azure.app_service())).await;
        assert_eq!(report.token(), "token-of-app-service", "{key}");
        let [seen] = azure.seen().try_into().unwrap();
        let expected = variables(&[("api-version", "2019-08-01"), (parameter, id), ("resource", RESOURCE)]);
        assert_eq!(seen.query, expected.into_iter().collect(), "{key}");
        assert_eq!(seen.headers["x-identity-header"], IDENTITY_HEADER);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn system_assigned_identity_gets_its_token_from_imds_without_a_proxy() {
    let azure = Azure::start().await;
    let settings = keys(&[("serviceUri", ENDPOINT), ("credential", "managedidentity")]);
    // The proxy of these variables is dead.
    let report = run(settings.into_iter().chain(azure.entra()).chain([azure.imds()])).await;
    assert_eq!(report.token(), "token-of-imds");
    let [seen] = azure.seen().try_into().unwrap();
    assert_eq!(seen.path, IMDS);
    assert_eq!(seen.query, variables(&[("api-version", "2019-08-01"), ("resource", RESOURCE)]).into_iter().collect());
    assert_eq!(seen.headers["metadata"], "true");
}

#[tokio::test(flavor = "multi_thread")]
async fn user_assigned_identities_are_named_as_imds_documents() {
    for (key, id, _, parameter) in IDENTITIES {
        let azure = Azure::start().await;
        let settings = keys(&[("serviceUri", ENDPOINT), ("credential", "managedidentity"), (key, id)]);
        let report = run(settings.into_iter().chain([azure.imds()])).await;
        assert_eq!(report.token(), "token-of-imds", "{key}");
        let [seen] = azure.seen().try_into().unwrap();
        let expected = variables(&[("api-version", "2019-08-01"), (parameter, id), ("resource", RESOURCE)]);
        assert_eq!(seen.query, expected.into_iter().collect(), "{key}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connection_strings_name_managed_identities() {
    let rows = [("AuthType=azure.msi", None), ("AuthType=aad", None), ("AuthType=AZURE.MSI;ClientId=", None)];
    let ids = ["AuthType=azure.msi", "AuthType=aad"].map(|text| (text, Some(CLIENT)));
    for (text, id) in rows.into_iter().chain(ids) {
        let azure = Azure::start().await;
        let id_pair = id.map(|id| format!(";ClientId={id}")).unwrap_or_default();
        let string = format!("Endpoint={ENDPOINT};{text}{id_pair};Version=1.0;");
        let report = run(variables(&[(PREFIX, &string)]).into_iter().chain([azure.imds()])).await;
        assert_eq!(report.token(), "token-of-imds", "{string}");
        assert_eq!(azure.seen()[0].query.get("client_id").map(String::as_str), id, "{string}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoints_authenticate_with_different_identities() {
    let azure = Azure::start().await;
    let settings = variables(&[
        ("Azure__SignalR__Endpoints__one__serviceUri", "https://one.service.signalr.net"),
        ("Azure__SignalR__Endpoints__one__credential", "managedidentity"),
        ("AZURE__SIGNALR__ENDPOINTS__two__ServiceUri", "https://two.service.signalr.net"),
        ("AZURE__SIGNALR__ENDPOINTS__two__Credential", "managedidentity"),
        ("AZURE__SIGNALR__ENDPOINTS__two__ClientId", CLIENT),
        ("AZURE__SIGNALR__ENDPOINTS__two__Type", "Secondary"),
    ]);
    let report = run(settings.into_iter().chain([azure.imds()])).await;
    assert!(report.faults.is_empty(), "{:?}", report.faults);
    let [one, two] = &report.endpoints[..] else { panic!("{report:?}") };
    assert_eq!((one.name.as_deref(), one.is_primary), (Some("one"), true));
    assert_eq!((two.name.as_deref(), two.is_primary), (Some("two"), false));
    let ids: Vec<_> = azure.seen().into_iter().map(|seen| seen.query.get("client_id").cloned()).collect();
    assert_eq!(ids, [None, Some(CLIENT.to_owned())]);
}

/// The other keys of an endpoint: where clients connect, and where the program sends.
#[tokio::test(flavor = "multi_thread")]
async fn addresses_of_the_settings_are_those_of_negotiations_and_calls() {
    for prefix in [PREFIX, "Azure__SignalR__Endpoints__one"] {
        let azure = Azure::start().await;
        let inside = format!("http://{}/inside/", azure.service());
        let settings = [
            ("serviceUri", ENDPOINT),
            ("credential", "managedidentity"),
            ("clientEndpoint", "https://clients.contoso.com:8443/outside/"),
            ("serverEndpoint", &inside),
        ];
        let settings = settings.map(|(key, value)| (format!("{prefix}__{key}"), value.to_owned()));
        let report = run_and_call(settings.into_iter().chain([azure.imds()])).await;
        assert!(report.faults.is_empty(), "{:?}", report.faults);
        let calls = report.calls.unwrap();
        assert_eq!(calls.url, "https://clients.contoso.com:8443/outside/client/?hub=chat");
        let claims = calls.access_token.split('.').nth(1).unwrap();
        let claims: serde_json::Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
        assert_eq!(claims["aud"], format!("{ENDPOINT}/client/?hub=chat"), "never one of the other addresses");
        let seen = azure.seen();
        for (path, seen) in [ACCESS_KEY, SEND].into_iter().zip(&seen[seen.len() - 2..]) {
            assert_eq!(seen.headers["host"], azure.service().to_string());
            assert_eq!(seen.path, format!("/inside{path}"));
            assert_eq!(seen.headers["authorization"], "Bearer token-of-imds");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn error_keeps_what_the_identity_endpoint_asks_for() {
    let azure = Azure::start().await;
    for (endpoint, variables) in [(APP_SERVICE, azure.app_service().to_vec()), (IMDS, vec![azure.imds()])] {
        azure.answer(endpoint, 429, "");
        let before = azure.seen().len();
        let settings = keys(&[("serviceUri", ENDPOINT), ("credential", "managedidentity")]);
        let report = run(settings.into_iter().chain(variables)).await;
        assert_eq!(report.endpoints[0].retry_after, Some(RETRY_AFTER.to_string()), "{endpoint}: {}", report.error());
        assert_eq!(azure.seen().len() - before, 1, "{endpoint}: nobody but the schedule repeats");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn managed_identity_on_a_machine_without_imds_fails_at_once() {
    let azure = Azure::start().await;
    let settings = keys(&[("serviceUri", ENDPOINT), ("credential", "managedidentity")]);
    let closed = ("AZURE_POD_IDENTITY_AUTHORITY_HOST".to_owned(), "http://127.0.0.1:1".to_owned());
    let report = run(settings.into_iter().chain([closed])).await;
    assert!(report.error().contains("this machine is no Azure virtual machine"), "{}", report.error());
    assert!(azure.seen().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_without_support_are_faults() {
    for (variable, host) in [("MSI_ENDPOINT", "CloudShell"), ("IMDS_ENDPOINT", "Azure Arc")] {
        let settings = keys(&[("serviceUri", ENDPOINT), ("credential", "managedidentity")]);
        let mut host_variables = variables(&[(variable, "http://127.0.0.1:1")]);
        if variable == "IMDS_ENDPOINT" {
            host_variables.extend(variables(&[("IDENTITY_ENDPOINT", "http://127.0.0.1:1")]));
        }
        let report = run(settings.into_iter().chain(host_variables)).await;
        let [(field, problem)] = &report.faults[..] else { panic!("{report:?}") };
        assert_eq!(field, PREFIX);
        assert!(problem.contains(host), "{problem}");
    }
}
