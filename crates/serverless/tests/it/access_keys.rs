//! Access keys of the resource, through the same code.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use signalr_serverless::{Endpoint, Endpoints, ErrorKind, NegotiateOptions};

use crate::clock::START;
use crate::harness::{Harness, decoded};
use crate::service::{On, Reaction};

const KEY: &str = "YWNjZXNzLWtleQ==";

fn harness() -> Harness {
    Harness::of(|_| {
        Endpoints::default().with(Endpoint::access_key("https://a.service.signalr.net:8443", KEY.to_owned()))
    })
}

fn is_signed(token: &str) -> bool {
    let (input, signature) = token.rsplit_once('.').unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, KEY.as_bytes());
    hmac::verify(&key, input.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap()).is_ok()
}

#[tokio::test(start_paused = true)]
async fn client_token_is_signed_with_the_key_itself() {
    let harness = harness();
    let response = harness.chat.negotiate(NegotiateOptions::default()).await.unwrap();
    assert!(is_signed(response.access_token()));
    let (header, claims) = decoded(response.access_token());
    assert_eq!(header, json!({ "alg": "HS256", "typ": "JWT" }));
    assert_eq!(claims["exp"], START + 3600);
    assert!(harness.service.seen().is_empty() && harness.client.is_ready());
}

#[tokio::test(start_paused = true)]
async fn call_carries_a_token_for_its_address_alone() {
    let harness = harness();
    harness.chat.send_to_user("a b", "m", &(1,)).await.unwrap();
    let seen = harness.service.seen().pop().unwrap();
    let token = seen.authorization.unwrap().strip_prefix("Bearer ").unwrap().to_owned();
    assert!(is_signed(&token));
    let audience = "https://a.service.signalr.net:8443/api/hubs/chat/users/a%20b/:send";
    assert_eq!(decoded(&token).1, json!({ "aud": audience, "iat": START, "nbf": START, "exp": START + 600 }));
}

#[tokio::test(start_paused = true)]
async fn rejected_key_is_not_tried_again() {
    let harness = harness();
    harness.service.then(On::Data, Reaction::status(401));
    assert_eq!(harness.chat.send_to_all("m", &(1,)).await.unwrap_err().kind(), ErrorKind::Unauthorized);
    assert_eq!(harness.service.requests(On::Data), 1);
}
