//! The rules of the settings: every fault, with the setting as it was written.

use super::child::{keys, run, run_and_ask, run_os, variables};
use super::{CLIENT, ENDPOINT, IDENTITY, OBJECT, OTHER_CLIENT, PREFIX, SECRET, TENANT};

/// Checks that these keys of the prefix have these faults: the key, and a part of the problem.
async fn assert_faults(settings: &[(&str, &str)], expected: &[(&str, &str)]) {
    let all: Vec<_> = [("serviceUri", ENDPOINT)].into_iter().chain(settings.iter().copied()).collect();
    let report = run(keys(&all)).await;
    let fields: Vec<_> = expected.iter().map(|(key, _)| format!("{PREFIX}__{key}")).collect();
    assert_eq!(report.fields(), fields, "{settings:?}: {:?}", report.faults);
    for ((_, problem), (_, part)) in report.faults.iter().zip(expected) {
        assert!(problem.contains(part), "{problem}");
    }
}

#[tokio::test]
async fn rejects_two_managed_identity_ids() {
    let two_of = [
        [("managedIdentityResourceId", IDENTITY), ("managedIdentityObjectId", OBJECT)],
        [("managedIdentityObjectId", OBJECT), ("managedIdentityClientId", CLIENT)],
        [("managedIdentityClientId", CLIENT), ("clientId", OTHER_CLIENT)],
        [("managedIdentityResourceId", IDENTITY), ("clientId", CLIENT)],
    ];
    for [first, second] in two_of {
        let problem = format!("names an identity, and so does {PREFIX}__{}", first.0);
        assert_faults(&[("credential", "managedidentity"), first, second], &[(second.0, &problem)]).await;
    }
    let settings = [
        ("credential", "managedidentityasfederatedidentity"),
        ("tenantId", TENANT),
        ("clientId", CLIENT),
        ("azureCloud", "public"),
        ("managedIdentityClientId", OTHER_CLIENT),
        ("managedIdentityObjectId", OBJECT),
    ];
    assert_faults(&settings, &[("managedIdentityClientId", "names an identity")]).await;
    let settings = [("managedIdentityResourceId", IDENTITY), ("managedIdentityClientId", CLIENT)];
    assert_faults(&settings, &[("managedIdentityClientId", "names an identity")]).await;
    let settings = [("managedIdentityResourceId", IDENTITY), ("clientId", CLIENT)];
    assert_faults(&settings, &[("managedIdentityResourceId", "names an identity")]).await;
}

#[tokio::test]
async fn rejects_secret_and_token_file_with_managed_identity() {
    let settings = [("credential", "managedidentity"), ("clientSecret", SECRET), ("tokenFilePath", "/token")];
    let expected = [("clientSecret", "contradicts `managedidentity`"), ("tokenFilePath", "is of `workloadidentity`")];
    assert_faults(&settings, &expected).await;
}

#[tokio::test]
async fn rejects_secret_and_managed_identity_with_workload_identity() {
    let settings = [
        ("credential", "workloadidentity"),
        ("tenantId", TENANT),
        ("clientId", CLIENT),
        ("tokenFilePath", "/nowhere/token"),
        ("clientSecret", SECRET),
        ("managedIdentityClientId", CLIENT),
        ("managedIdentityObjectId", OBJECT),
        ("managedIdentityResourceId", IDENTITY),
    ];
    let expected = [
        ("clientSecret", "contradicts `workloadidentity`"),
        ("managedIdentityResourceId", "contradicts `workloadidentity`"),
        ("managedIdentityObjectId", "contradicts `workloadidentity`"),
        ("managedIdentityClientId", "contradicts `workloadidentity`"),
        ("tokenFilePath", "cannot be opened"),
    ];
    assert_faults(&settings, &expected).await;
}

#[tokio::test]
async fn names_what_a_workload_identity_lacks_and_its_variable() {
    let expected = [
        ("tenantId", "AZURE_TENANT_ID"),
        ("clientId", "AZURE_CLIENT_ID"),
        ("tokenFilePath", "AZURE_FEDERATED_TOKEN_FILE"),
    ];
    assert_faults(&[("credential", "workloadidentity")], &expected).await;
}

#[tokio::test]
async fn rejects_secret_with_federated_identity() {
    let settings = [
        ("credential", "managedidentityasfederatedidentity"),
        ("tenantId", TENANT),
        ("clientId", CLIENT),
        ("azureCloud", "public"),
        ("managedIdentityClientId", OTHER_CLIENT),
        ("clientSecret", SECRET),
    ];
    assert_faults(&settings, &[("clientSecret", "signs in without a secret")]).await;
}

#[tokio::test]
async fn names_what_a_federated_identity_lacks() {
    let expected = [
        ("tenantId", "is missing"),
        ("clientId", "is missing"),
        ("azureCloud", "public, usgov or china"),
        ("managedIdentityClientId", "A system-assigned identity cannot be used"),
    ];
    assert_faults(&[("credential", "managedidentityasfederatedidentity")], &expected).await;
}

#[tokio::test]
async fn rejects_unknown_names() {
    assert_faults(&[("credential", "azurepipelines")], &[("credential", "`azurepipelines` is no credential")]).await;
    assert_faults(&[("credential", "managed-identity")], &[("credential", "`managed-identity` is no credential")])
        .await;
    assert_faults(&[("azureCloud", "germany")], &[("azureCloud", "`germany` is no cloud")]).await;
    assert_faults(&[("type", "third")], &[("type", "`third` is no type")]).await;
    let string = format!("Endpoint={ENDPOINT};AuthType=entra;AccessKey={SECRET}");
    let report = run(variables(&[(PREFIX, &string)])).await;
    assert_eq!(report.fields(), [format!("AuthType of {PREFIX}")]);
    assert!(report.faults[0].1.contains("`entra` is no AuthType; write azure.msi"), "{:?}", report.faults);
}

#[tokio::test]
async fn rejects_certificates_and_says_what_to_use() {
    let use_instead = "use a managed identity, a workload identity or a client secret";
    let settings = [("tenantId", TENANT), ("clientId", CLIENT), ("clientCertificate", "0123456789ABCDEF")];
    assert_faults(&settings, &[("clientCertificate", use_instead)]).await;
    for (auth_type, key) in [("azure.app", "ClientCert"), ("aad", "ClientCertPath")] {
        let string =
            format!("Endpoint={ENDPOINT};AuthType={auth_type};ClientId={CLIENT};TenantId={TENANT};{key}=/app.pem");
        let report = run(variables(&[(PREFIX, &string)])).await;
        assert_eq!(report.fields(), [format!("{key} of {PREFIX}")]);
        assert!(report.faults[0].1.contains(use_instead), "{:?}", report.faults);
    }
}

#[tokio::test]
async fn rejects_authority_host_without_https_only_where_it_counts() {
    let host = variables(&[("AZURE_AUTHORITY_HOST", "http://login.contoso.com")]);
    let application = [("serviceUri", ENDPOINT), ("tenantId", TENANT), ("clientId", CLIENT), ("clientSecret", SECRET)];
    let report = run(keys(&application).into_iter().chain(host.clone())).await;
    assert_eq!(report.fields(), ["AZURE_AUTHORITY_HOST"]);
    let elsewhere = [("azureCloud", "china")];
    let report = run_and_ask(0, keys(&application).into_iter().chain(keys(&elsewhere)).chain(host)).await;
    assert!(report.faults.is_empty(), "{:?}", report.faults);
}

#[tokio::test]
async fn rejects_object_id_and_incomplete_secret_without_a_credential() {
    assert_faults(&[("managedIdentityObjectId", OBJECT)], &[("managedIdentityObjectId", "needs `credential`")]).await;
    let expected = [("tenantId", "a client secret needs it"), ("clientId", "a client secret needs it")];
    assert_faults(&[("clientSecret", SECRET)], &expected).await;
}

#[tokio::test]
async fn reports_every_fault_at_once_as_written() {
    let settings = variables(&[
        ("AzureSignalRConnectionString__SERVICEURI", "contoso.service.signalr.net"),
        ("azuresignalrconnectionstring__ClientID", "my-app"),
        ("AzureSignalRConnectionString__tenantId", "contoso/onmicrosoft"),
        ("AzureSignalRConnectionString__clientSecret", "secret-with-line-break\n"),
        ("AzureSignalRConnectionString__serverEndpoint", "http://proxy.contoso.com"),
        ("AzureSignalRConnectionString__clientEndpoint", "https://user:password@proxy.contoso.com"),
        ("Azure__SignalR__Endpoints__west", "Endpoint=ftp://west;Port=0;Version=2.0;AuthType=azure.app"),
        ("Azure__SignalR__Endpoints__east__type", "primary"),
    ]);
    let report = run(settings).await;
    let expected = [
        "AzureSignalRConnectionString__SERVICEURI",
        "AzureSignalRConnectionString__clientEndpoint",
        "AzureSignalRConnectionString__serverEndpoint",
        "AzureSignalRConnectionString__tenantId",
        "azuresignalrconnectionstring__ClientID",
        "AzureSignalRConnectionString__clientSecret",
        "Azure__SignalR__Endpoints__east__serviceUri",
        "Endpoint of Azure__SignalR__Endpoints__west",
        "Port of Azure__SignalR__Endpoints__west",
        "Version of Azure__SignalR__Endpoints__west",
        "ClientId of Azure__SignalR__Endpoints__west",
        "TenantId of Azure__SignalR__Endpoints__west",
        "ClientSecret of Azure__SignalR__Endpoints__west",
    ];
    assert_eq!(report.fields(), expected);
}

/// Passed over, it would let the program sign in as somebody else than the machine says.
#[tokio::test]
async fn rejects_variables_of_the_machine_that_are_not_utf_8() {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;

    let os = |pairs: Vec<(String, String)>| {
        pairs.into_iter().map(|(name, value)| (OsString::from(name), OsString::from(value))).collect::<Vec<_>>()
    };
    let broken = |name: &str| (OsString::from(name), OsString::from_vec(b"value-\xff".to_vec()));
    let chain = os(keys(&[("serviceUri", ENDPOINT)]));
    let string = os(variables(&[(PREFIX, &format!("Endpoint={ENDPOINT};AuthType=azure"))]));
    for variable in [
        "AZURE_TENANT_ID",
        "AZURE_CLIENT_ID",
        "AZURE_CLIENT_SECRET",
        "AZURE_FEDERATED_TOKEN_FILE",
        "AZURE_POD_IDENTITY_AUTHORITY_HOST",
        "IDENTITY_ENDPOINT",
    ] {
        for settings in [&chain, &string] {
            let report = run_os(0, settings.iter().cloned().chain([broken(variable)])).await;
            assert_eq!(report.faults, [(variable.to_owned(), "is not UTF-8; write it again as plain text".to_owned())]);
        }
    }
    let endpoint = os(variables(&[("IDENTITY_ENDPOINT", "http://127.0.0.1:1/msi/token")]));
    let report = run_os(0, chain.iter().cloned().chain(endpoint).chain([broken("IDENTITY_HEADER")])).await;
    assert_eq!(report.fields(), ["IDENTITY_HEADER"]);

    let workload = os(keys(&[("serviceUri", ENDPOINT), ("credential", "workloadidentity")]));
    let names = ["AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_FEDERATED_TOKEN_FILE"];
    let report = run_os(0, workload.into_iter().chain(names.map(broken))).await;
    assert_eq!(report.fields(), names);

    let application = [("serviceUri", ENDPOINT), ("tenantId", TENANT), ("clientId", CLIENT), ("clientSecret", SECRET)];
    let report = run_os(0, os(keys(&application)).into_iter().chain([broken("AZURE_AUTHORITY_HOST")])).await;
    assert_eq!(report.fields(), ["AZURE_AUTHORITY_HOST"]);
    // What no credential of the settings reads is nobody's fault.
    let report = run_os(0, os(keys(&application)).into_iter().chain([broken("AZURE_CLIENT_SECRET")])).await;
    assert!(report.faults.is_empty(), "{:?}", report.faults);
}

#[tokio::test]
async fn names_the_prefix_when_nothing_is_configured() {
    let report = run([]).await;
    assert_eq!(report.fields(), [PREFIX]);
    assert!(report.faults[0].1.contains("no endpoint is configured"), "{:?}", report.faults);
}

#[tokio::test]
async fn connection_strings_win_and_the_section_of_connection_strings_first() {
    let string = |host: &str| format!("Endpoint=https://{host};AccessKey={SECRET}");
    let address = |settings: &[(&str, &str)]| {
        let settings = variables(settings);
        async move {
            let report = run(settings).await;
            assert!(report.faults.is_empty(), "{:?}", report.faults);
            let [endpoint] = &report.endpoints[..] else { panic!("{report:?}") };
            assert!(!endpoint.uses_entra);
            endpoint.address.clone()
        }
    };
    let key =
        (format!("{PREFIX}__serviceUri"), format!("ConnectionStrings__{PREFIX}"), format!("CUSTOMCONNSTR_{PREFIX}"));
    let (plain, section, custom) = (string("plain"), string("section"), string("custom"));
    let settings = [(key.0.as_str(), ENDPOINT), (PREFIX, &plain), (key.1.as_str(), &section)];
    assert_eq!(address(&settings).await, "https://section/");
    assert_eq!(address(&settings[..2]).await, "https://plain/");
    assert_eq!(
        address(&[(key.0.as_str(), ENDPOINT), (PREFIX, &plain), (key.2.as_str(), &custom)]).await,
        "https://custom/"
    );
}

#[tokio::test]
async fn reads_named_endpoints_of_both_kinds() {
    let string = |host: &str| {
        format!(
            "Endpoint=https://{host};AccessKey={SECRET};ClientEndpoint=https://edge.{host}/;ServerEndpoint=https://{host}/base"
        )
    };
    let settings = variables(&[
        (PREFIX, &string("unnamed")),
        ("Azure__SignalR__Endpoints__b__primary", &string("b1")),
        ("Azure__SignalR__Endpoints__b__secondary", &string("b2")),
        ("Azure__SignalR__Endpoints__a", &string("a")),
    ]);
    let report = run(settings).await;
    assert!(report.faults.is_empty(), "{:?}", report.faults);
    let found: Vec<_> = report
        .endpoints
        .iter()
        .map(|endpoint| (endpoint.name.as_deref(), endpoint.is_primary, endpoint.address.as_str()))
        .collect();
    let expected = [
        (None, true, "https://unnamed/"),
        (Some("a"), true, "https://a/"),
        (Some("b"), true, "https://b1/"),
        (Some("b"), false, "https://b2/"),
    ];
    assert_eq!(found, expected);
    assert_eq!(report.endpoints[1].client_address.as_deref(), Some("https://edge.a/"));
    assert_eq!(report.endpoints[1].server_address.as_deref(), Some("https://a/base"));
}

#[tokio::test]
async fn unused_keys_get_a_warning() {
    let settings = keys(&[
        ("serviceUri", ENDPOINT),
        ("credential", "managedidentity"),
        ("tenantId", TENANT),
        ("azureCloud", "usgov"),
        ("hubName", "chat"),
    ]);
    let closed = variables(&[("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:1")]);
    let report = run(settings.into_iter().chain(closed.clone())).await;
    assert!(report.faults.is_empty(), "{:?}", report.faults);
    for part in ["__tenantId problem=\"managedidentity does not use it", "__azureCloud", "__hubName"] {
        assert!(report.events.contains(part), "{part}: {}", report.events);
    }
    let limited = keys(&[("serviceUri", ENDPOINT)]).into_iter().chain(variables(&[("AZURE_TOKEN_CREDENTIALS", "dev")]));
    assert!(run_and_ask(0, limited).await.events.contains("AZURE_TOKEN_CREDENTIALS"));
    let string = format!("Endpoint={ENDPOINT};AuthType=azure.msi;AccessKey={SECRET};TenantId={TENANT};Hub=chat;tail");
    let report = run(variables(&[(PREFIX, &string)]).into_iter().chain(closed)).await;
    assert!(report.faults.is_empty(), "{:?}", report.faults);
    let parts = [
        "AccessKey of AzureSignalRConnectionString",
        "TenantId of AzureSignalRConnectionString",
        "key of part 5",
        "part 6 has no `=`",
    ];
    for part in parts {
        assert!(report.events.contains(part), "{part}: {}", report.events);
    }
}
