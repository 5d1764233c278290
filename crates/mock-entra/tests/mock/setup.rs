//! What the builder sets.

use std::sync::Arc;

use mock_entra::MockEntra;
use serde_json::Value;
use signalr_upstream_auth::clock::{Clock, UnixTime};
use signalr_upstream_auth::{TenantId, TokenVersion};

#[derive(Debug)]
struct StillClock;

impl Clock for StillClock {
    fn now(&self) -> Option<UnixTime> {
        Some(UnixTime::from_secs(1_000_000))
    }
}

#[tokio::test]
async fn builder_sets_names_ids_and_clock() {
    let tenant: TenantId = "22222222-aaaa-4bbb-8ccc-222222222222".parse().unwrap();
    let further: TenantId = "33333333-aaaa-4bbb-8ccc-222222222222".parse().unwrap();
    let entra = MockEntra::builder()
        .tenant(tenant)
        .further_tenant(further)
        .audience_client_id("44444444-dddd-4eee-8fff-444444444444".parse().unwrap())
        .caller(
            "88888888-4321-4cba-8fed-888888888888".parse().unwrap(),
            "66666666-1234-4abc-9def-666666666666".parse().unwrap(),
        )
        .public_cloud()
        .cloud_instance_name("elsewhere.test")
        .clock(Arc::new(StillClock))
        .start()
        .await;
    assert_eq!(entra.tenants(), [tenant, further]);
    let issuer = "https://sts.windows.net/33333333-aaaa-4bbb-8ccc-222222222222/";
    assert_eq!(entra.issuer(further, TokenVersion::V1), issuer);
    assert_eq!(entra.cloud_instance_name(), Some("elsewhere.test"));

    let discovery: Value = serde_json::from_str(&entra.discovery_document(TokenVersion::V2)).unwrap();
    assert_eq!(discovery["issuer"], entra.issuer(tenant, TokenVersion::V2));
    assert_eq!(discovery["cloud_instance_name"], "elsewhere.test");
    let keys: Value = serde_json::from_str(&entra.key_document(TokenVersion::V2)).unwrap();
    assert_eq!(keys["keys"][0]["cloud_instance_name"], "elsewhere.test");
    assert_eq!(keys["keys"][0]["issuer"], "https://login.microsoftonline.com/{tenantid}/v2.0");

    let token = entra.token().mint();
    let claims = token.split('.').nth(1).unwrap();
    let claims = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, claims).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!(claims["iat"], 1_000_000);
    assert_eq!(claims["aud"], "api://44444444-dddd-4eee-8fff-444444444444");
    assert_eq!(claims["appid"], "66666666-1234-4abc-9def-666666666666");
    assert_eq!(claims["oid"], "88888888-4321-4cba-8fed-888888888888");
}

#[tokio::test]
async fn custom_cloud_has_address_of_mock() {
    let entra = MockEntra::builder().without_cloud_instance_name().start().await;
    let tenant = "11111111-aaaa-4bbb-8ccc-222222222222";
    assert_eq!(entra.issuer(entra.tenant(), TokenVersion::V1), format!("{}/{tenant}/", entra.url()));
    assert_eq!(entra.issuer(entra.tenant(), TokenVersion::V2), format!("{}/{tenant}/v2.0", entra.url()));
    assert_eq!(entra.cloud_instance_name(), None);
}
