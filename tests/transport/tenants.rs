//! Several tenants, each with its own keys and its own faults.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use mock_entra::{Endpoint, Fault, MockEntra};
use signalr_upstream_auth::keys::{KeyId, KeySource, KeyState, RemoteKeys};
use signalr_upstream_auth::{
    Audiences, Callers, Policy, RejectionKind, TenantId, Tenants, UpstreamAuthLayer, Validator,
};
use tokio::time::{Instant, timeout};

const ONE: &str = "11111111-aaaa-4bbb-8ccc-222222222222";
const TWO: &str = "22222222-aaaa-4bbb-8ccc-222222222222";
const STRANGER: &str = "33333333-aaaa-4bbb-8ccc-222222222222";

fn id(tenant: &str) -> TenantId {
    tenant.parse().unwrap()
}

async fn two_tenants() -> MockEntra {
    MockEntra::builder().tenant(id(ONE)).further_tenant(id(TWO)).start().await
}

async fn tenant_of(validator: &Validator, token: &str) -> Result<TenantId, RejectionKind> {
    let headers = HeaderMap::from_iter([(AUTHORIZATION, format!("Bearer {token}").parse().unwrap())]);
    validator.validate(&headers).await.map(|claims| claims.tenant_id()).map_err(|rejection| rejection.kind())
}

#[tokio::test]
async fn black_holed_tenant_delays_no_other() {
    let entra = two_tenants().await;
    entra.fail(Endpoint::Any.of(id(ONE)), Fault::hang());
    let keys = RemoteKeys::new(&entra.policy()).unwrap();
    let start = Instant::now();
    timeout(Duration::from_secs(2), keys.wait_for_keys()).await.expect("ready with the other tenant").unwrap();
    assert!(keys.is_ready());
    assert_eq!([ONE, TWO, STRANGER].map(|tenant| keys.is_ready_for(id(tenant))), [false, true, false]);
    let layer = UpstreamAuthLayer::from_keys(entra.policy(), Arc::new(keys.clone()));
    assert_eq!([ONE, TWO].map(|tenant| layer.is_ready_for(id(tenant))), [false, true]);
    let states: Vec<_> = keys.status().iter().map(|status| (status.tenant_id(), status.state())).collect();
    assert_eq!(states, [(id(ONE), KeyState::Cold), (id(TWO), KeyState::Fresh)]);
    let validator = Validator::new(entra.policy(), keys.clone());
    assert_eq!(tenant_of(&validator, &entra.token().tenant(id(TWO)).mint()).await, Ok(id(TWO)));
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    assert_eq!(tenant_of(&validator, &entra.token().mint()).await, Err(RejectionKind::KeysUnavailable));
}

#[tokio::test]
async fn tenant_that_fails_first_does_not_end_the_wait_for_keys() {
    for (failing, other) in [(ONE, TWO), (TWO, ONE)] {
        let entra = two_tenants().await;
        entra.fail(Endpoint::Any.of(id(failing)), Fault::status(500));
        entra.fail(Endpoint::Any.of(id(other)), Fault::delay(Duration::from_millis(300)));
        let keys = RemoteKeys::new(&entra.policy()).unwrap();
        keys.wait_for_keys().await.unwrap();
        assert_eq!([failing, other].map(|tenant| keys.is_ready_for(id(tenant))), [false, true]);
        let failed = keys.status().into_iter().find(|status| status.tenant_id() == id(failing)).unwrap();
        assert!(failed.failures() > 0, "it failed while the wait went on");
    }
}

#[tokio::test]
async fn refreshes_all_tenants_at_once_and_reports_one_that_failed() {
    let entra = two_tenants().await;
    let keys = RemoteKeys::builder(&entra.policy()).fetch_timeout(Duration::from_secs(30)).build().unwrap();
    keys.wait_for_keys().await.unwrap();
    entra.requests_until(|requests| requests.keys() == 2).await;
    entra.fail(Endpoint::Keys, Fault::hang());
    let refresh = tokio::spawn({
        let keys = keys.clone();
        async move { keys.refresh_now().await }
    });
    // Neither waits for the other.
    timeout(Duration::from_secs(10), entra.requests_until(|requests| requests.keys() == 4)).await.unwrap();
    refresh.abort();
    drop(keys);

    let entra = two_tenants().await;
    let keys = RemoteKeys::new(&entra.policy()).unwrap();
    keys.wait_for_keys().await.unwrap();
    keys.refresh_now().await.unwrap();
    entra.fail(Endpoint::Keys.of(id(TWO)), Fault::status(500));
    keys.refresh_now().await.unwrap_err();
    let refreshes: Vec<_> = keys.status().iter().map(|status| (status.refreshes(), status.failures())).collect();
    assert_eq!(refreshes, [(3, 0), (2, 1)]);
}

#[tokio::test]
async fn no_token_causes_a_fetch_for_a_tenant_that_is_not_configured() {
    let entra = MockEntra::builder().tenant(id(ONE)).further_tenant(id(TWO)).further_tenant(id(STRANGER)).start().await;
    let policy = Policy::builder(
        Tenants::parse([ONE, TWO]).unwrap(),
        Audiences::parse([entra.audience_client_id().to_string()]).unwrap(),
        Callers::parse_object_ids([entra.caller_object_id().to_string()]).unwrap(),
    )
    .cloud(entra.cloud())
    .build()
    .unwrap();
    let keys = RemoteKeys::new(&policy).unwrap();
    let validator = Validator::new(policy, keys.clone());
    assert_eq!(tenant_of(&validator, &entra.token().mint()).await, Ok(id(ONE)));
    let stranger = entra.token().tenant(id(STRANGER));
    assert_eq!(tenant_of(&validator, &stranger.mint()).await, Err(RejectionKind::WrongTenant));
    assert_eq!(tenant_of(&validator, &stranger.key_id("unknown").mint()).await, Err(RejectionKind::WrongTenant));
    let hints = entra
        .token()
        .key_id("unknown")
        .header("jku", format!("{}/{STRANGER}/discovery/v2.0/keys", entra.url()))
        .header("x5u", format!("{}/{STRANGER}/x5u", entra.url()));
    assert_eq!(tenant_of(&validator, &hints.mint()).await, Err(RejectionKind::UnknownKey));
    // Asked directly, too, about a tenant it does not have.
    assert!(keys.resolve(id(STRANGER), &KeyId::new("unknown")).await.is_err());
    let requests = entra.requests();
    assert!(requests.log().len() >= 4);
    for request in requests.log() {
        assert!(request.path().contains(ONE) || request.path().contains(TWO), "{}", request.path());
    }
}

#[tokio::test]
async fn revokes_key_in_every_tenant() {
    let entra = two_tenants().await;
    let keys = RemoteKeys::new(&entra.policy()).unwrap();
    keys.refresh_now().await.unwrap();
    let validator = Validator::new(entra.policy(), keys.clone());
    let tokens = [entra.token().mint(), entra.token().tenant(id(TWO)).mint()];
    for token in &tokens {
        assert!(tenant_of(&validator, token).await.is_ok());
    }
    keys.revoke(entra.signing_key().key_id());
    for token in &tokens {
        assert_eq!(tenant_of(&validator, token).await, Err(RejectionKind::RevokedKey), "though it was accepted before");
    }
    keys.reinstate(entra.signing_key().key_id());
    for token in &tokens {
        assert!(tenant_of(&validator, token).await.is_ok());
    }
    assert_eq!(entra.requests().keys(), 2, "none of this is a reason to fetch");
}
