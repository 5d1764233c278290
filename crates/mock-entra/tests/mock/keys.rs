//! Publication and rotation of keys.

use mock_entra::{Jwk, MockEntra, SigningKey};
use serde_json::Value;
use signalr_upstream_auth::TokenVersion;
use signalr_upstream_auth::keys::KeyId;

/// The key ids in the key document, in order.
fn listed(entra: &MockEntra) -> Vec<KeyId> {
    let document: Value = serde_json::from_str(&entra.key_document(TokenVersion::V2)).unwrap();
    let ids = document["keys"].as_array().unwrap().iter();
    ids.map(|key| key["kid"].as_str().unwrap().into()).collect()
}

#[tokio::test]
async fn signing_key_is_published_among_others() {
    let entra = MockEntra::start().await;
    let ids = listed(&entra);
    assert_eq!(ids.len(), 2);
    assert!(ids.contains(entra.signing_key().key_id()));
    assert_ne!(&ids[0], entra.signing_key().key_id());
}

#[tokio::test]
async fn two_mocks_have_no_key_id_in_common() {
    let (one, two) = (MockEntra::start().await, MockEntra::start().await);
    assert!(listed(&one).iter().all(|id| !listed(&two).contains(id)));
    assert_eq!(one.signing_key().modulus(), two.signing_key().modulus());
}

#[tokio::test]
async fn rotation_adds_a_key_and_signs_with_it() {
    let entra = MockEntra::start().await;
    let before = listed(&entra);
    let old = entra.signing_key();
    let new = entra.rotate();
    assert_eq!(listed(&entra), [before, vec![new.clone()]].concat());
    assert_eq!(entra.signing_key().key_id(), &new);
    assert_ne!(entra.signing_key().modulus(), old.modulus());
}

#[tokio::test]
async fn abrupt_rotation_publishes_new_key_only() {
    let entra = MockEntra::start().await;
    let new = entra.rotate_abruptly();
    assert_eq!(listed(&entra), [new]);
    assert_eq!(entra.signing_keys().len(), 3);
}

#[tokio::test]
async fn withheld_key_is_not_listed_and_goes_on_signing() {
    let entra = MockEntra::start().await;
    let (before, id) = (listed(&entra), entra.signing_key().key_id().clone());
    entra.withhold(&id);
    assert!(!listed(&entra).contains(&id) && listed(&entra).len() == 1);
    assert_eq!(entra.signing_key().key_id(), &id);
    entra.restore(&id);
    assert_eq!(listed(&entra), before);
}

#[tokio::test]
#[should_panic(expected = "no published key has the id nobody")]
async fn withholding_an_unpublished_key_panics() {
    MockEntra::start().await.withhold(&"nobody".into());
}

#[tokio::test]
async fn odd_entries_are_published_unchanged() {
    let entra = MockEntra::start().await;
    let id = entra.signing_key().key_id().clone();
    entra.publish(SigningKey::stranger().with_key_id(id.clone()));
    entra.publish(Jwk::raw(serde_json::json!({"kid": "ec", "kty": "EC"})));
    assert_eq!(listed(&entra).iter().filter(|listed| **listed == id).count(), 2);
    assert!(entra.key_document(TokenVersion::V1).ends_with(r#",{"kid":"ec","kty":"EC"}]}"#));
    entra.withhold(&"ec".into());
    assert!(!listed(&entra).contains(&"ec".into()));
}

#[tokio::test]
async fn key_can_be_published_before_it_signs() {
    let entra = MockEntra::start().await;
    let next = entra.new_key();
    entra.publish(&next);
    assert_ne!(entra.signing_key().key_id(), next.key_id());
    entra.sign_with(&next);
    assert_eq!(entra.signing_key().key_id(), next.key_id());
    assert!(listed(&entra).contains(next.key_id()));
}
