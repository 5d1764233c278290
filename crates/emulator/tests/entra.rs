//! The token endpoint and the identity endpoints, by raw requests and by azure_identity.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::sync::Arc;

use azure_core::credentials::{Secret, TokenCredential};
use azure_core::http::{ClientOptions, Transport};
use azure_identity::{ClientSecretCredential, ClientSecretCredentialOptions};
use http::{Method, StatusCode};
use mock_entra::Endpoint;
use serde_json::{Value, json};
use signalr_emulator::entra::ManagedIdentity;
use signalr_emulator::mock::{TenantId, TokenVersion};
use signalr_emulator::{Emulator, Fault, Operation, Role, defaults};
use support::{Ask, Reply, ask};

const SCOPE: &str = "https://signalr.azure.com/.default";

fn form(pairs: &[(&str, &str)]) -> String {
    let escape =
        |text: &str| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
    pairs.iter().map(|(name, value)| format!("{name}={}", escape(value))).collect::<Vec<_>>().join("&")
}

async fn token(emulator: &Emulator, tenant: &str, pairs: &[(&str, &str)]) -> Reply {
    let request = ask(emulator, Method::POST, &format!("/{tenant}/oauth2/v2.0/token"));
    let request = request.at(emulator.entra().authority_url());
    request.content("application/x-www-form-urlencoded", form(pairs)).send(emulator).await
}

fn identity(emulator: &Emulator, path: &str, query: &str) -> Ask {
    let endpoint = emulator.entra().identity_endpoint();
    let origin = endpoint.strip_suffix("/msi/token").unwrap();
    ask(emulator, Method::GET, &format!("{path}?{query}")).at(origin)
}

/// Whether the service accepts the token.
async fn works(emulator: &Emulator, token: &str) -> bool {
    let request = ask(emulator, Method::POST, "/api/hubs/chat/:send?api-version=2024-12-01").bearer(token);
    request.json(json!({"target": "news"})).send(emulator).await.status == 202
}

#[tokio::test]
async fn a_secret_gets_a_token_that_the_service_accepts() {
    let emulator = Emulator::start().await.unwrap();
    let tenant = emulator.entra().mock().tenant().to_string();
    let client_id = emulator.entra().applications()[0].client_id().to_string();
    let good = [
        ("grant_type", "client_credentials"),
        ("client_id", client_id.as_str()),
        ("client_secret", defaults::CLIENT_SECRET),
        ("scope", SCOPE),
    ];
    let reply = token(&emulator, &tenant, &good).await;
    assert_eq!((reply.status, &reply.headers["cache-control"]), (StatusCode::OK, &"no-store".parse().unwrap()));
    let body = reply.json();
    assert_eq!((&body["token_type"], &body["expires_in"]), (&json!("Bearer"), &json!(3600)));
    assert!(works(&emulator, body["access_token"].as_str().unwrap()).await);

    for (name, value, status, error) in [
        ("grant_type", "password", 400, "unsupported_grant_type"),
        ("grant_type", "", 400, "invalid_request"),
        ("client_id", "", 400, "invalid_request"),
        ("client_id", "eeeeeeee-0001-4000-8000-000000000001", 400, "unauthorized_client"),
        ("client_id", "x", 400, "unauthorized_client"),
        ("client_secret", "wrong", 401, "invalid_client"),
        ("scope", "", 400, "invalid_scope"),
        ("scope", "https://signalr.azure.com", 400, "invalid_scope"),
        ("scope", "https://other.test/.default", 400, "invalid_resource"),
    ] {
        let pairs = good.map(|pair| if pair.0 == name { (name, value) } else { pair });
        let reply = token(&emulator, &tenant, &pairs).await;
        let body = reply.json();
        assert_eq!((reply.status.as_u16(), &body["error"]), (status, &json!(error)), "{name}={value}");
        assert!(body["error_description"].as_str().unwrap().starts_with("AADSTS"), "{name}={value}");
        assert!(body["error_codes"].as_array().unwrap()[0].is_u64(), "{name}={value}");
    }
    let reply = token(&emulator, "22222222-aaaa-4bbb-8ccc-222222222222", &good).await;
    assert_eq!(reply.json()["error_codes"], json!([90002]));
    let without_proof = &good[..2];
    assert_eq!(token(&emulator, &tenant, without_proof).await.json()["error_codes"], json!([7_000_218]));
    let text = format!("{:?}", emulator.log());
    assert!(!text.contains(defaults::CLIENT_SECRET));
}

#[tokio::test]
async fn assertions_stand_for_an_application() {
    let emulator = Emulator::start().await.unwrap();
    let entra = emulator.entra();
    let (tenant, mock) = (entra.mock().tenant().to_string(), entra.mock());
    let client_id = entra.applications()[0].client_id().to_string();
    let workload = |issuer: &str, subject: &str| entra.workload_token(issuer, subject);
    let identity = &entra.identities()[1];
    let exchange =
        |audience: &str| mock.token().caller(identity.object_id(), identity.client_id()).audience(audience).mint();
    let now = emulator.clock().unix_seconds();
    let expired = mock
        .token()
        .issuer(defaults::WORKLOAD_ISSUER)
        .claim("sub", defaults::WORKLOAD_SUBJECT)
        .audience("api://AzureADTokenExchange")
        .claim("exp", now);
    for (case, assertion, expected) in [
        ("workload", workload(defaults::WORKLOAD_ISSUER, defaults::WORKLOAD_SUBJECT), None),
        ("managed identity", exchange("api://AzureADTokenExchange"), None),
        ("managed identity, US government", exchange("api://AzureADTokenExchangeUSGov"), None),
        ("managed identity, China", exchange("api://AzureADTokenExchangeChina"), None),
        ("other subject", workload(defaults::WORKLOAD_ISSUER, "system:serviceaccount:chat:other"), Some(700_213)),
        ("other issuer", workload("https://oidc.other.test/", defaults::WORKLOAD_SUBJECT), Some(700_213)),
        ("other audience", exchange("https://signalr.azure.com"), Some(700_212)),
        ("expired", expired.mint(), Some(700_027)),
        ("unsigned", expired.clone().algorithm("none").mint(), Some(700_027)),
        ("no token", "x".to_owned(), Some(700_027)),
    ] {
        let reply = token(
            &emulator,
            &tenant,
            &[
                ("grant_type", "client_credentials"),
                ("client_id", &client_id),
                ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
                ("client_assertion", &assertion),
                ("scope", SCOPE),
            ],
        )
        .await;
        match expected {
            None => assert!(works(&emulator, reply.json()["access_token"].as_str().unwrap()).await, "{case}"),
            Some(code) => assert_eq!(reply.json()["error_codes"], json!([code]), "{case}"),
        }
    }
}

#[tokio::test]
async fn app_service_gives_tokens_of_its_identities() {
    let emulator = Emulator::start().await.unwrap();
    let header = emulator.entra().identity_header().to_owned();
    let identities = emulator.entra().identities();
    let (system, user) = (&identities[0], &identities[1]);
    let base = "api-version=2019-08-01&resource=https%3A%2F%2Fsignalr.azure.com";
    for (query, expected) in [
        (base.to_owned(), Some(system)),
        (format!("{base}&client_id={}", user.client_id()), Some(user)),
        (format!("{base}&principal_id={}", user.object_id()), Some(user)),
        (format!("{base}&mi_res_id={}", user.resource_id().unwrap()), Some(user)),
        (format!("{base}&client_id=eeeeeeee-0001-4000-8000-000000000001"), None),
        (format!("{base}&client_id={}&principal_id={}", user.client_id(), user.object_id()), None),
        ("api-version=2018-02-01&resource=https%3A%2F%2Fsignalr.azure.com".to_owned(), None),
        ("api-version=2019-08-01".to_owned(), None),
        ("api-version=2019-08-01&resource=https%3A%2F%2Fother.test".to_owned(), None),
    ] {
        let reply =
            identity(&emulator, "/msi/token", &query).header("x-identity-header", &header).send(&emulator).await;
        check_identity(&emulator, &reply, &query, expected).await;
    }
    for wrong in ["", "other"] {
        let reply = identity(&emulator, "/msi/token", base).header("x-identity-header", wrong).send(&emulator).await;
        assert_eq!(reply.status, 401);
    }
}

#[tokio::test]
async fn imds_gives_tokens_of_its_identities() {
    let emulator = Emulator::start().await.unwrap();
    let identities = emulator.entra().identities();
    let (system, user) = (&identities[0], &identities[1]);
    let base = "api-version=2018-02-01&resource=https%3A%2F%2Fsignalr.azure.com";
    let path = "/metadata/identity/oauth2/token";
    for (query, expected) in [
        (base.to_owned(), Some(system)),
        (format!("{base}&object_id={}", user.object_id()), Some(user)),
        (format!("{base}&msi_res_id={}", user.resource_id().unwrap()), Some(user)),
        (format!("{base}&object_id=eeeeeeee-0001-4000-8000-000000000001"), None),
        ("resource=https%3A%2F%2Fsignalr.azure.com".to_owned(), None),
    ] {
        let reply = identity(&emulator, path, &query).header("metadata", "true").send(&emulator).await;
        check_identity(&emulator, &reply, &query, expected).await;
    }
    assert_eq!(identity(&emulator, path, base).send(&emulator).await.status, 400);
    let forwarded = identity(&emulator, path, base).header("metadata", "true").header("x-forwarded-for", "10.0.0.1");
    assert_eq!(forwarded.send(&emulator).await.status, 400);
    emulator.entra().remove_identities();
    assert_eq!(identity(&emulator, path, base).header("metadata", "true").send(&emulator).await.status, 400);
}

async fn check_identity(emulator: &Emulator, reply: &Reply, query: &str, expected: Option<&ManagedIdentity>) {
    let body = reply.json();
    let Some(expected) = expected else {
        assert_eq!(reply.status, 400, "{query}");
        assert!(body["error"].is_string(), "{query}");
        return;
    };
    assert_eq!(
        (reply.status, &body["client_id"]),
        (StatusCode::OK, &json!(expected.client_id().to_string())),
        "{query}"
    );
    assert!(body["expires_on"].as_str().unwrap().parse::<u64>().is_ok(), "{query}");
    assert_eq!((&body["token_type"], &body["resource"]), (&json!("Bearer"), &json!("https://signalr.azure.com")));
    assert!(works(emulator, body["access_token"].as_str().unwrap()).await, "{query}");
}

#[tokio::test]
async fn the_authority_publishes_documents_of_every_directory() {
    let further: TenantId = "22222222-aaaa-4bbb-8ccc-222222222222".parse().unwrap();
    let emulator = Emulator::builder().further_tenant(further).start().await.unwrap();
    let mock = emulator.entra().mock();
    for (directory, path, expected) in [
        ("common", "discovery/keys", 200),
        ("common", "discovery/v2.0/keys", 200),
        ("organizations", "v2.0/.well-known/openid-configuration", 200),
        (&further.to_string(), ".well-known/openid-configuration", 200),
        (&further.to_string(), "discovery/v2.0/keys?appid=1", 200),
        ("33333333-aaaa-4bbb-8ccc-222222222222", "discovery/v2.0/keys", 400),
    ] {
        let request = ask(&emulator, Method::GET, &format!("/{directory}/{path}"));
        let reply = request.at(emulator.entra().authority_url()).send(&emulator).await;
        assert_eq!(reply.status, expected, "{directory} {path}");
        let direct = ask(&emulator, Method::GET, &format!("/{directory}/{path}")).at(mock.url()).send(&emulator).await;
        assert_eq!(
            (reply.body, reply.headers["content-type"].clone()),
            (direct.body, direct.headers["content-type"].clone())
        );
    }
    assert_eq!(mock.requests().of(further).keys(), 2);
}

#[tokio::test]
async fn faults_of_the_mock_hold_at_the_authority() {
    let emulator = Emulator::start().await.unwrap();
    let mock = emulator.entra().mock();
    let keys = || ask(&emulator, Method::GET, "/common/discovery/keys").at(emulator.entra().authority_url());
    mock.fail(Endpoint::Keys, mock_entra::Fault::status(503).header("Retry-After", "7"));
    let reply = keys().send(&emulator).await;
    assert_eq!((reply.status, &reply.headers["retry-after"]), (StatusCode::SERVICE_UNAVAILABLE, &"7".parse().unwrap()));
    let document = mock.key_document(TokenVersion::V1);
    mock.script(
        Endpoint::Keys,
        [mock_entra::Fault::cut_chunk(), mock_entra::Fault::truncated(9), mock_entra::Fault::reset()],
    );
    for _ in 0..3 {
        assert!(keys().try_send(&emulator).await.is_err());
    }
    assert_eq!(emulator.log().last().unwrap().status, None);
    mock.recover();
    mock.fail_next(1, Endpoint::Keys, mock_entra::Fault::oversize(1_000_000).chunked());
    assert_eq!(keys().send(&emulator).await.body.len(), 1_000_000);
    assert_eq!(keys().send(&emulator).await.body, document);
    assert_eq!(mock.requests().keys(), 6);
}

#[tokio::test]
async fn the_authority_publishes_documents() {
    let emulator = Emulator::start().await.unwrap();
    let mock = emulator.entra().mock();
    for path in [
        "v2.0/.well-known/openid-configuration",
        ".well-known/openid-configuration",
        "discovery/v2.0/keys",
        "discovery/keys",
    ] {
        let request = ask(&emulator, Method::GET, &format!("/{}/{path}", mock.tenant()));
        let reply = request.at(emulator.entra().authority_url()).send(&emulator).await;
        assert!(matches!(reply.json(), Value::Object(_)), "{path}");
    }
    let unknown = ask(&emulator, Method::GET, "/x/discovery/keys").at(emulator.entra().authority_url());
    assert_eq!(unknown.send(&emulator).await.status, 404);
}

#[tokio::test]
async fn azure_identity_gets_tokens_with_a_secret() {
    let emulator = Emulator::start().await.unwrap();
    let certificate = reqwest::Certificate::from_pem(emulator.certificate_authority_pem().as_bytes()).unwrap();
    let client = reqwest::Client::builder().tls_certs_only([certificate]).build().unwrap();
    let mut cloud = azure_core::cloud::CustomConfiguration::default();
    cloud.authority_host = emulator.entra().authority_url().to_owned();
    let client_options = ClientOptions {
        transport: Some(Transport::new(Arc::new(client))),
        cloud: Some(Arc::new(cloud.into())),
        ..Default::default()
    };
    let options = ClientSecretCredentialOptions { client_options };
    let credential = ClientSecretCredential::new(
        &emulator.entra().mock().tenant().to_string(),
        emulator.entra().applications()[0].client_id().to_string(),
        Secret::new(defaults::CLIENT_SECRET),
        Some(options),
    )
    .unwrap();
    let token = credential.get_token(&[SCOPE], None).await.unwrap();
    assert!(works(&emulator, token.token.secret()).await);
    assert_eq!(emulator.log().count(Operation::Token), 1);
}

/// Runs in a process of its own, because credentials read the environment and a test must not change its own.
#[tokio::test]
#[ignore = "started by azure_identity_gets_tokens_of_a_managed_identity"]
async fn child_with_a_managed_identity() {
    let id = std::env::var("CHILD_CLIENT_ID").ok().map(azure_identity::UserAssignedId::ClientId);
    let options = azure_identity::ManagedIdentityCredentialOptions { user_assigned_id: id, ..Default::default() };
    let credential = azure_identity::ManagedIdentityCredential::new(Some(options)).unwrap();
    let token = credential.get_token(&[SCOPE], None).await.unwrap();
    println!("token={}", token.token.secret());
}

#[tokio::test]
async fn azure_identity_gets_tokens_of_a_managed_identity() {
    let emulator = Emulator::start().await.unwrap();
    let user_assigned = emulator.entra().identities()[1].client_id().to_string();
    for child_client_id in [None, Some(user_assigned)] {
        let output = tokio::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--ignored", "--nocapture", "child_with_a_managed_identity"])
            .envs(emulator.settings().managed_identity())
            .envs(child_client_id.map(|id| ("CHILD_CLIENT_ID", id)))
            .output()
            .await
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let token = text.lines().find_map(|line| line.split_once("token=")).unwrap_or_else(|| panic!("{text}")).1;
        assert!(works(&emulator, token).await);
    }
    assert_eq!(emulator.log().count(Operation::IdentityEndpoint), 2);
}

#[tokio::test]
async fn settings_name_the_emulators_addresses() {
    let emulator = Emulator::start().await.unwrap();
    let settings = emulator.settings();
    let application = &emulator.entra().applications()[0];
    for (variables, names) in [
        (settings.managed_identity(), vec!["__credential", "__serviceUri", "__clientEndpoint"]),
        (settings.user_assigned_identity(&emulator.entra().identities()[1]), vec!["__clientId"]),
        (settings.client_secret(application, "s"), vec!["__tenantId", "__clientId", "__clientSecret"]),
        (settings.workload_identity(application, "/file"), vec!["__credential"]),
    ] {
        for name in names {
            assert!(variables.contains_key(&format!("AzureSignalRConnectionString{name}")), "{name}");
        }
        assert_eq!(variables["AzureSignalRConnectionString__serviceUri"], emulator.endpoint());
    }
    let text = &settings.access_key().unwrap()["AzureSignalRConnectionString"];
    assert!(text.contains(&format!("Endpoint={};", emulator.endpoint())), "{text}");
    assert!(settings.upstream().contains_key("SIGNALR_UPSTREAM_TENANT_IDS"));
}

#[tokio::test]
async fn identity_endpoints_have_faults() {
    let emulator = Emulator::start().await.unwrap();
    emulator.faults().next(Operation::Imds, Fault::status(429).header("Retry-After", "3"));
    let query = "api-version=2018-02-01&resource=https%3A%2F%2Fsignalr.azure.com";
    let request = identity(&emulator, "/metadata/identity/oauth2/token", query).header("metadata", "true");
    let reply = request.clone().send(&emulator).await;
    assert_eq!((reply.status.as_u16(), &reply.headers["retry-after"]), (429, &"3".parse().unwrap()));
    assert!(!emulator.log().last().unwrap().processed);
    assert_eq!(request.send(&emulator).await.status, 200);
}

#[tokio::test]
async fn principals_have_the_roles_that_the_builder_gives() {
    let emulator = Emulator::builder().roles([]).start().await.unwrap();
    let system = emulator.entra().identities()[0].clone();
    let token = emulator.entra().service_token(system.object_id(), system.client_id());
    assert!(!works(&emulator, &token).await);
    emulator.roles().assign(system.object_id(), Role::RestApiOwner);
    assert!(works(&emulator, &token).await);
}
