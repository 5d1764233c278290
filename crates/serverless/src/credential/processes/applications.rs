//! Applications of Entra: client secrets, workload identities and federated managed identities.

use super::azure::{APP_SERVICE, Azure, ENTRA, IDENTITY_HEADER};
use super::child::{keys, run, variables};
use super::{CLIENT, ENDPOINT, IDENTITY, OBJECT, OTHER_CLIENT, PREFIX, SECRET, TENANT};

const SCOPE: &str = "https://signalr.azure.com/.default";

#[tokio::test(flavor = "multi_thread")]
async fn client_secret_signs_in_to_its_tenant() {
    let azure = Azure::start().await;
    let settings =
        keys(&[("serviceUri", ENDPOINT), ("tenantId", TENANT), ("clientId", CLIENT), ("clientSecret", SECRET)]);
    let report = run(settings.into_iter().chain(azure.entra())).await;
    assert_eq!(report.token(), "token-of-entra");
    let [seen] = azure.seen().try_into().unwrap();
    assert_eq!((seen.host.as_str(), seen.path), ("login.microsoftonline.com", format!("/{TENANT}{ENTRA}")));
    let expected =
        [("client_id", CLIENT), ("client_secret", SECRET), ("grant_type", "client_credentials"), ("scope", SCOPE)];
    assert_eq!(seen.form, variables(&expected).into_iter().collect());
}

#[tokio::test(flavor = "multi_thread")]
async fn connection_strings_name_applications() {
    for auth_type in ["azure.app", "aad", "AAD"] {
        let azure = Azure::start().await;
        let string = format!(
            "Endpoint={ENDPOINT}/;AuthType={auth_type};ClientId={CLIENT};ClientSecret={SECRET};TenantId={TENANT}"
        );
        let report = run(variables(&[(PREFIX, &string)]).into_iter().chain(azure.entra())).await;
        assert_eq!(report.token(), "token-of-entra", "{auth_type}");
        assert_eq!(azure.seen()[0].form["client_secret"], SECRET);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn client_secret_signs_in_to_the_cloud_of_the_settings() {
    for (cloud, host) in CLOUDS.map(|(cloud, host, _)| (cloud, host)) {
        let azure = Azure::start().await;
        let settings = keys(&[
            ("serviceUri", ENDPOINT),
            ("tenantId", TENANT),
            ("clientId", CLIENT),
            ("clientSecret", SECRET),
            ("azureCloud", cloud),
        ]);
        let report = run(settings.into_iter().chain(azure.entra())).await;
        assert_eq!(report.token(), "token-of-entra");
        assert_eq!(azure.seen()[0].host, host);
        assert_eq!(azure.seen()[0].form["scope"], SCOPE, "the scope is the same in every cloud");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn authority_host_of_the_environment_counts_without_a_cloud() {
    let azure = Azure::start().await;
    let settings =
        keys(&[("serviceUri", ENDPOINT), ("tenantId", TENANT), ("clientId", CLIENT), ("clientSecret", SECRET)]);
    let authority = variables(&[("AZURE_AUTHORITY_HOST", "https://login.microsoftonline.us/")]);
    let report = run(settings.into_iter().chain(authority).chain(azure.entra())).await;
    assert_eq!(report.token(), "token-of-entra");
    assert_eq!(azure.seen()[0].host, "login.microsoftonline.us");
}

#[tokio::test(flavor = "multi_thread")]
async fn workload_identity_presents_the_token_of_its_file() {
    let ids = [("tenantId", TENANT), ("clientId", CLIENT)];
    let ambient = [("AZURE_TENANT_ID", TENANT), ("AZURE_CLIENT_ID", CLIENT)];
    for is_ambient in [false, true] {
        let azure = Azure::start().await;
        let file = azure.token_file("token-of-kubernetes");
        let mut settings = keys(&[("serviceUri", ENDPOINT), ("credential", "workloadidentity")]);
        if is_ambient {
            settings.extend(variables(&ambient));
            settings.extend(variables(&[("AZURE_FEDERATED_TOKEN_FILE", &file)]));
        } else {
            settings.extend(keys(&ids));
            settings.extend(keys(&[("tokenFilePath", &file)]));
        }
        let report = run(settings.into_iter().chain(azure.entra())).await;
        assert_eq!(report.token(), "token-of-entra");
        let [seen] = azure.seen().try_into().unwrap();
        assert_eq!(seen.path, format!("/{TENANT}{ENTRA}"));
        assert_eq!(seen.form["client_assertion"], "token-of-kubernetes");
        assert_eq!((seen.form["client_id"].as_str(), seen.form["scope"].as_str()), (CLIENT, SCOPE));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn workload_identity_signs_in_to_the_cloud_of_the_settings() {
    for (cloud, host, _) in CLOUDS {
        let azure = Azure::start().await;
        let settings = keys(&[
            ("serviceUri", ENDPOINT),
            ("credential", "workloadidentity"),
            ("tenantId", TENANT),
            ("clientId", CLIENT),
            ("tokenFilePath", &azure.token_file("token-of-kubernetes")),
            ("azureCloud", cloud),
        ]);
        // The setting comes before the variable.
        let authority = variables(&[("AZURE_AUTHORITY_HOST", "https://login.contoso.com/")]);
        let report = run(settings.into_iter().chain(authority).chain(azure.entra())).await;
        assert_eq!(report.token(), "token-of-entra", "{cloud}");
        let [seen] = azure.seen().try_into().unwrap();
        assert_eq!((seen.host.as_str(), seen.path), (host, format!("/{TENANT}{ENTRA}")));
        assert_eq!(
            (seen.form["client_assertion"].as_str(), seen.form["scope"].as_str()),
            ("token-of-kubernetes", SCOPE)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn federated_identity_crosses_tenants_in_three_clouds() {
    for (cloud, host, resource) in CLOUDS {
        for (key, id, parameter) in [
            ("managedIdentityClientId", OTHER_CLIENT, "client_id"),
            ("managedIdentityObjectId", OBJECT, "object_id"),
            ("managedIdentityResourceId", IDENTITY, "msi_res_id"),
        ] {
            let azure = Azure::start().await;
            let settings = keys(&[
                ("serviceUri", ENDPOINT),
                ("credential", "managedidentityasfederatedidentity"),
                ("tenantId", TENANT),
                ("clientId", CLIENT),
                ("azureCloud", cloud),
                (key, id),
            ]);
            let report = run(settings.into_iter().chain(azure.entra()).chain([azure.imds()])).await;
            assert_eq!(report.token(), "token-of-entra", "{cloud}");
            let [identity, application] = azure.seen().try_into().unwrap();
            assert_eq!((identity.query["resource"].as_str(), identity.query[parameter].as_str()), (resource, id));
            assert_eq!((application.host.as_str(), application.path), (host, format!("/{TENANT}{ENTRA}")));
            assert_eq!(application.form["client_assertion"], "token-of-imds");
            assert_eq!((application.form["client_id"].as_str(), application.form["scope"].as_str()), (CLIENT, SCOPE));
        }
    }
}

/// App Service has another name for the resource id than IMDS.
#[tokio::test(flavor = "multi_thread")]
async fn federated_identity_presents_the_token_of_app_service() {
    for (key, id, parameter) in [
        ("managedIdentityClientId", OTHER_CLIENT, "client_id"),
        ("managedIdentityObjectId", OBJECT, "object_id"),
        ("managedIdentityResourceId", IDENTITY, "mi_res_id"),
    ] {
        let azure = Azure::start().await;
        let settings = keys(&[
            ("serviceUri", ENDPOINT),
            ("credential", "managedidentityasfederatedidentity"),
            ("tenantId", TENANT),
            ("clientId", CLIENT),
            ("azureCloud", "public"),
            (key, id),
        ]);
        let report = run(settings.into_iter().chain(azure.entra()).chain(azure.app_service())).await;
        assert_eq!(report.token(), "token-of-entra", "{key}");
        let [identity, application] = azure.seen().try_into().unwrap();
        let resource = "api://AzureADTokenExchange";
        let expected = variables(&[("api-version", "2019-08-01"), (parameter, id), ("resource", resource)]);
        assert_eq!((identity.path.as_str(), identity.query), (APP_SERVICE, expected.into_iter().collect()), "{key}");
        assert_eq!(identity.headers["x-identity-header"], IDENTITY_HEADER);
        assert_eq!(application.path, format!("/{TENANT}{ENTRA}"));
        assert_eq!(application.form["client_assertion"], "token-of-app-service");
        assert_eq!((application.form["client_id"].as_str(), application.form["scope"].as_str()), (CLIENT, SCOPE));
    }
}

/// Name, authority and the resource of the token exchange.
const CLOUDS: [(&str, &str, &str); 3] = [
    ("public", "login.microsoftonline.com", "api://AzureADTokenExchange"),
    ("usgov", "login.microsoftonline.us", "api://AzureADTokenExchangeUSGov"),
    ("China", "login.partner.microsoftonline.cn", "api://AzureADTokenExchangeChina"),
];
