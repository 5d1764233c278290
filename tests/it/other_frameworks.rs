//! The check for frameworks whose headers are not those of `http` 1: raw values and a bare token.

use http::HeaderMap;
use mock_entra::MockEntra;
use signalr_upstream_auth::keys::RemoteKeys;
use signalr_upstream_auth::{RejectionKind as K, UpstreamAuthLayer, Validator};
use support::{entra, fixed_layer, request};

fn validator(entra: &MockEntra) -> Validator {
    fixed_layer(entra, entra.policy()).validator().clone()
}

/// The verdict on these values, once as headers of `http` and once raw. They are the same.
async fn verdict(validator: &Validator, values: &[&[u8]]) -> Option<K> {
    let headers: HeaderMap = request::<String>(values).into_parts().0.headers;
    let of_headers = validator.validate(&headers).await;
    let raw = validator.validate_header_values(values).await;
    assert_eq!(raw, of_headers);
    raw.err().map(|rejection| rejection.kind())
}

#[tokio::test]
async fn raw_values_are_checked_like_headers() {
    let entra = entra().await;
    let validator = validator(&entra);
    let good = format!("Bearer {}", entra.token().mint());
    let expired = format!("Bearer {}", entra.token().expired().mint());
    let (good, expired) = (good.as_bytes(), expired.as_bytes());
    for (values, expected) in [
        (&[good][..], None),
        (&[], Some(K::MissingCredentials)),
        (&[b""], Some(K::MissingCredentials)),
        (&[b"Basic eDp5"], Some(K::UnsupportedScheme)),
        (&[b"Bearer"], Some(K::MalformedCredentials)),
        (&[b"Bearer \xff"], Some(K::MalformedCredentials)),
        (&[expired], Some(K::Expired)),
        (&[good, good], Some(K::MultipleCredentials)),
        (&[good, b""], Some(K::MultipleCredentials)),
        (&[b"Basic eDp5", good], Some(K::MultipleCredentials)),
        (&[good, good, good], Some(K::MultipleCredentials)),
    ] {
        assert_eq!(verdict(&validator, values).await, expected, "{values:?}");
    }
}

#[tokio::test]
async fn bare_token_is_checked_like_that_of_a_header() {
    let entra = entra().await;
    let validator = validator(&entra);
    let good = entra.token().mint();
    let claims = validator.validate_token(&good).await.unwrap();
    assert_eq!(Ok(claims), validator.validate_header_values([format!("Bearer {good}")]).await);
    for (token, expected) in [
        (String::new(), K::MalformedCredentials),
        (format!("Bearer {good}"), K::MalformedCredentials),
        (format!(" {good}"), K::MalformedCredentials),
        (format!("{good}\n"), K::MalformedCredentials),
        ("a".repeat(16_385), K::TokenTooLarge),
        ("a.b.c".to_owned(), K::MalformedToken),
        (entra.token().expired().mint(), K::Expired),
        (entra.token().audience("api://somebody-else").mint(), K::WrongAudience),
    ] {
        assert_eq!(validator.validate_token(&token).await.unwrap_err().kind(), expected, "{token}");
    }
}

#[tokio::test]
async fn waits_for_the_key_of_a_raw_value_and_of_a_bare_token() {
    let entra = entra().await;
    for is_bare in [false, true] {
        let keys = RemoteKeys::builder(&entra.policy()).clock(entra.clock()).build().unwrap();
        let layer = UpstreamAuthLayer::from_keys(entra.policy(), keys).with_clock(entra.clock());
        let (validator, token) = (layer.validator(), entra.token().mint());
        let outcome = match is_bare {
            true => validator.validate_token(&token).await,
            false => validator.validate_header_values([format!("Bearer {token}")]).await,
        };
        assert!(outcome.is_ok(), "cold keys, bare: {is_bare}: {outcome:?}");
    }
}
