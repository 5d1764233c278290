//! The forms of Entra's tokens: both versions, clouds, several tenants, audiences, callers, and the claims of an
//! accepted one.

use std::sync::Arc;

use mock_entra::{Endpoint, Fault, Jwk, MockEntra, MockEntraBuilder};
use signalr_upstream_auth::clock::UnixTime;
use signalr_upstream_auth::keys::{KeyId, KeySet, KeySource, RemoteKeys};
use signalr_upstream_auth::{
    Audiences, Callers, Cloud, Policy, RejectionKind, Tenants, TokenVersion, UpstreamAuthLayer,
};
use support::{NOON, StillClock, entra, fixed_keys, fixed_layer, rejection, request, send};

const OTHER_TENANT: &str = "11111111-aaaa-4bbb-8ccc-999999999999";

#[tokio::test]
async fn claims_have_the_values_of_the_token() {
    let entra = entra().await;
    let layer = fixed_layer(&entra, entra.policy());
    for (token, version, audience) in [
        (entra.token(), TokenVersion::V1, format!("api://{}", entra.audience_client_id())),
        (entra.token().v2(), TokenVersion::V2, entra.audience_client_id().to_string()),
    ] {
        let token = token.roles(["Upstream.Call", "Other"]).claim("uti", "AbCdEf");
        let claims = send(&layer, request(&[format!("Bearer {}", token.mint())])).await.unwrap();
        assert_eq!(claims.tenant_id(), entra.tenant());
        assert_eq!(claims.object_id(), entra.caller_object_id());
        assert_eq!(claims.client_id(), Some(entra.caller_client_id()));
        assert_eq!((claims.version(), claims.audience()), (version, audience.as_str()));
        assert_eq!(claims.roles(), ["Upstream.Call", "Other"]);
        assert_eq!(claims.expires_at(), UnixTime::from_secs(NOON + 86_700));
        assert_eq!(claims.token_id(), Some("AbCdEf"));
    }
    let claims = entra.claims();
    assert_eq!((claims.roles(), claims.tenant_id()), (&[][..], entra.tenant()));
}

#[tokio::test]
async fn reads_client_id_from_the_claim_of_each_version() {
    let entra = entra().await;
    let policy = policy(&entra, Callers::parse_client_ids([entra.caller_client_id().to_string()]).unwrap());
    let layer = fixed_layer(&entra, policy);
    let caller = entra.caller_client_id().to_string();
    assert_eq!(rejection(&layer, &entra.token().mint()).await, None);
    assert_eq!(rejection(&layer, &entra.token().v2().mint()).await, None);
    let swapped = [
        entra.token().without_claim("appid").claim("azp", &caller),
        entra.token().v2().without_claim("azp").claim("appid", &caller),
        entra.token().claim("appid", "not-a-guid"),
    ];
    for token in swapped {
        assert_eq!(rejection(&layer, &token.mint()).await, Some(RejectionKind::CallerNotAllowed));
    }
    // Without a caller list by client id neither is needed.
    let layer = fixed_layer(&entra, entra.policy());
    assert_eq!(rejection(&layer, &entra.token().without_claim("appid").mint()).await, None);
}

#[tokio::test]
async fn every_cloud_accepts_its_own_tokens_and_no_others() {
    type Make = fn(MockEntraBuilder) -> MockEntraBuilder;
    let build: [(Make, Cloud); 3] = [
        (MockEntraBuilder::public_cloud, Cloud::public()),
        (MockEntraBuilder::us_government_cloud, Cloud::us_government()),
        (MockEntraBuilder::china_cloud, Cloud::china()),
    ];
    for (own, (mock, _)) in build.iter().enumerate() {
        let entra = mock(MockEntra::builder().clock(StillClock::at(NOON))).start().await;
        for (other, (_, cloud)) in build.iter().enumerate() {
            let layer = fixed_layer(&entra, entra.policy_builder().cloud(cloud.clone()).build().unwrap());
            let (v1, v2) =
                (rejection(&layer, &entra.token().mint()).await, rejection(&layer, &entra.token().v2().mint()).await);
            if own == other {
                assert_eq!((v1, v2), (None, None), "{cloud:?}");
            } else {
                assert!(v1.is_some() && v2.is_some(), "{cloud:?} accepts {:?}", entra.cloud());
            }
        }
    }
}

#[tokio::test]
async fn rejects_government_key_in_public_documents_for_public_tenants() {
    // The issuer of v1 tokens is written alike in both clouds, so the label alone tells them apart.
    let entra = MockEntra::builder().clock(StillClock::at(NOON)).public_cloud().start().await;
    let key = entra.new_key();
    entra.publish(Jwk::from(&key).member("cloud_instance_name", "microsoftonline.us"));
    let token = entra.token().signed_by(&key).mint();
    let strict = fixed_layer(&entra, entra.policy());
    assert_eq!(rejection(&strict, &token).await, Some(RejectionKind::ForeignCloudKey));
    let lax = entra.policy_builder().dangerous_accept_foreign_cloud_instance_names().build().unwrap();
    assert_eq!(rejection(&fixed_layer(&entra, lax), &token).await, None);
}

#[tokio::test]
async fn rejects_keys_of_another_cloud() {
    let entra = MockEntra::builder().clock(StillClock::at(NOON)).start().await;
    let keys = Arc::new(RemoteKeys::new(&entra.policy()).unwrap());
    for (label, expected) in [("entra.test", None), ("another.test", Some(RejectionKind::ForeignCloudKey))] {
        let policy = entra.policy_builder().cloud(entra.cloud().with_cloud_instance_name(label)).build().unwrap();
        let layer = UpstreamAuthLayer::from_keys(policy, keys.clone()).with_clock(entra.clock());
        assert_eq!(rejection(&layer, &entra.token().mint()).await, expected, "{label}");
    }
}

#[tokio::test]
async fn rejects_key_of_another_cloud_than_its_discovery_document_where_the_policy_names_none() {
    let entra = MockEntra::builder().clock(StillClock::at(NOON)).without_cloud_instance_name().start().await;
    let key = entra.new_key();
    entra.publish(Jwk::from(&key).member("cloud_instance_name", "one.test"));
    let mut document: serde_json::Value = serde_json::from_str(&entra.discovery_document(TokenVersion::V2)).unwrap();
    for (label, expected) in [("one.test", None), ("two.test", Some(RejectionKind::ForeignCloudKey))] {
        document["cloud_instance_name"] = label.into();
        entra.fail(Endpoint::Discovery, Fault::content("application/json", document.to_string()));
        let layer = UpstreamAuthLayer::new(entra.policy()).unwrap().with_clock(entra.clock());
        assert_eq!(rejection(&layer, &entra.token().signed_by(&key).mint()).await, expected, "{label}");
    }
}

#[tokio::test]
async fn key_with_issuer_serves_its_tenant_and_key_without_serves_all() {
    let (own, other) = (entra().await.tenant(), OTHER_TENANT.parse().unwrap());
    let entra = MockEntra::builder().clock(StillClock::at(NOON)).further_tenant(other).start().await;
    let [bare, fixed] = [entra.new_key(), entra.new_key()];
    entra.publish(Jwk::from(&bare).without_member("issuer").without_member("cloud_instance_name"));
    // A key's issuer may be of either version.
    entra.publish(Jwk::from(&fixed).member("issuer", entra.issuer(own, TokenVersion::V1)));
    let layer = fixed_layer(&entra, entra.policy());
    for token in [entra.token(), entra.token().v2()] {
        for (tenant, key, expected) in [
            (own, &bare, None),
            (other, &bare, None),
            (own, &fixed, None),
            (other, &fixed, Some(RejectionKind::ForeignIssuerKey)),
        ] {
            assert_eq!(rejection(&layer, &token.clone().tenant(tenant).signed_by(key).mint()).await, expected);
        }
    }
}

#[tokio::test]
async fn accepts_tenant_object_pair_in_that_tenant_only() {
    let (own, other) = (entra().await.tenant(), OTHER_TENANT.parse().unwrap());
    let entra = MockEntra::builder().clock(StillClock::at(NOON)).further_tenant(other).start().await;
    let callers = Callers::new([(own, entra.caller_object_id())]).unwrap();
    let layer = fixed_layer(&entra, policy(&entra, callers));
    assert_eq!(rejection(&layer, &entra.token().mint()).await, None);
    assert_eq!(rejection(&layer, &entra.token().tenant(other).mint()).await, Some(RejectionKind::CallerNotAllowed));
}

#[tokio::test]
async fn requires_roles_only_where_they_are_configured() {
    let entra = entra().await;
    let with_roles = entra.policy_builder().required_roles(["Upstream.Call", "Admin"]).build().unwrap();
    let layer = fixed_layer(&entra, with_roles);
    assert_eq!(rejection(&layer, &entra.token().roles(["Other", "Admin"]).mint()).await, None);
    assert_eq!(rejection(&layer, &entra.token().claim("roles", "Upstream.Call").mint()).await, None);
    assert_eq!(rejection(&layer, &entra.token().mint()).await, Some(RejectionKind::MissingRole));
}

#[tokio::test]
async fn any_caller_in_tenant_still_rejects_delegated_tokens() {
    let entra = entra().await;
    let layer = fixed_layer(&entra, policy(&entra, Callers::dangerous_any_in_tenant()));
    let stranger: &str = "aaaaaaaa-0000-4000-8000-000000000001";
    let token = entra.token().caller(stranger.parse().unwrap(), stranger.parse().unwrap());
    assert_eq!(rejection(&layer, &token.mint()).await, None);
    assert_eq!(rejection(&layer, &token.delegated().mint()).await, Some(RejectionKind::DelegatedToken));
    assert_eq!(
        rejection(&layer, &entra.token().tenant(OTHER_TENANT.parse().unwrap()).mint()).await,
        Some(RejectionKind::WrongTenant)
    );
}

#[tokio::test]
async fn rejects_key_that_the_policy_revokes_from_the_start_without_a_fetch() {
    let entra = entra().await;
    let signer = entra.signing_key().key_id().clone();
    let policy = entra.policy_builder().revoked_keys([signer.clone()]).build().unwrap();
    let token = entra.token().mint();

    let keys = RemoteKeys::builder(&policy).clock(entra.clock()).build().unwrap();
    let remote = UpstreamAuthLayer::from_keys(policy.clone(), keys.clone()).with_clock(entra.clock());
    assert_eq!(rejection(&remote, &token).await, Some(RejectionKind::RevokedKey));
    let requests = entra.requests();
    assert_eq!((requests.discovery(), requests.keys()), (0, 0), "the verdict needs no key");
    keys.wait_for_keys().await.unwrap();
    let listed = KeySet::from_json(entra.key_document(TokenVersion::V2).as_bytes()).unwrap().usable().count();
    assert_eq!(keys.status()[0].keys() + 1, listed, "a revoked key does not count");
    keys.reinstate(&signer);
    assert_eq!(rejection(&remote, &token).await, Some(RejectionKind::RevokedKey), "nothing takes it back");

    // With any key source, and only this key.
    let fixed = fixed_layer(&entra, policy);
    assert_eq!(rejection(&fixed, &token).await, Some(RejectionKind::RevokedKey));
    let other = entra.policy_builder().revoked_keys([KeyId::new("another")]).build().unwrap();
    assert_eq!(rejection(&fixed_layer(&entra, other), &token).await, None);
}

#[tokio::test]
async fn checks_times_of_a_cached_token_again() {
    let clock = StillClock::at(NOON);
    let entra = MockEntra::builder().clock(clock.clone()).start().await;
    let layer = UpstreamAuthLayer::from_keys(entra.policy(), fixed_keys(&entra)).with_clock(clock.clone());
    let token = entra.token().expires_at(UnixTime::from_secs(NOON + 1000)).mint();
    for (seconds, expected) in [
        (NOON, None),
        (NOON + 1299, None),
        (NOON + 1300, Some(RejectionKind::Expired)),
        (NOON - 300, None),
        (NOON - 301, Some(RejectionKind::NotYetValid)),
        (u64::MAX, Some(RejectionKind::ClockUnavailable)),
        (NOON, None),
    ] {
        clock.set(seconds);
        assert_eq!(rejection(&layer, &token).await, expected, "{seconds}");
    }
}

#[tokio::test]
async fn checks_times_exactly_with_zero_skew() {
    let entra = entra().await;
    let layer = fixed_layer(&entra, entra.policy_builder().clock_skew(std::time::Duration::ZERO).build().unwrap());
    let ending = |seconds| entra.token().expires_at(UnixTime::from_secs(seconds)).without_claim("nbf").mint();
    assert_eq!(rejection(&layer, &ending(NOON + 1)).await, None);
    assert_eq!(rejection(&layer, &ending(NOON)).await, Some(RejectionKind::Expired));
}

#[tokio::test]
async fn every_change_of_one_byte_of_an_accepted_token_is_rejected() {
    let entra = entra().await;
    let layer = fixed_layer(&entra, entra.policy());
    let good = entra.token().mint();
    assert_eq!(rejection(&layer, &good).await, None);
    for position in 0..good.len() {
        let mut bytes = good.clone().into_bytes();
        bytes[position] = if bytes[position] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(bytes).unwrap();
        assert!(rejection(&layer, &changed).await.is_some(), "byte {position}");
    }
    assert_eq!(rejection(&layer, &good).await, None);
}

fn policy(entra: &MockEntra, callers: Callers) -> Policy {
    Policy::builder(
        Tenants::parse(entra.tenants().iter().map(ToString::to_string)).unwrap(),
        Audiences::parse([entra.audience_client_id().to_string()]).unwrap(),
        callers,
    )
    .cloud(entra.cloud())
    .build()
    .unwrap()
}
