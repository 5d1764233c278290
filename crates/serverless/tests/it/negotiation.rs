//! Handing clients over.

use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::future::join_all;
use serde_json::json;
use signalr_serverless::{ClientTokens, Endpoint, Endpoints, ErrorKind, NegotiateOptions, Role};

use crate::clock::START;
use crate::credential::{HOUR, Token};
use crate::harness::{Harness, decoded};
use crate::service::{On, Reaction, key_text};

const MINUTE: Duration = Duration::from_secs(60);

fn options() -> NegotiateOptions {
    NegotiateOptions::default().user_id("anna")
}

#[tokio::test(start_paused = true)]
async fn answers_with_the_address_and_a_token_that_the_key_signed() {
    let harness = Harness::new();
    let response = harness.chat.negotiate(options()).await.unwrap();
    assert_eq!(response.url(), "https://a.service.signalr.net/client/?hub=chat");
    let (header, claims) = decoded(response.access_token());
    assert_eq!(header, json!({ "alg": "HS256", "typ": "JWT", "kid": "kid-1" }));
    assert_eq!(
        claims,
        json!({
            "aud": "https://a.service.signalr.net/client/?hub=chat",
            "iat": START, "nbf": START, "exp": START + 3600, "asrs.s.uid": "anna",
        })
    );
    let (input, signature) = response.access_token().rsplit_once('.').unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, key_text(1).as_bytes());
    hmac::verify(&key, input.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap()).unwrap();
    assert_eq!(
        serde_json::to_value(&response).unwrap(),
        json!({ "url": response.url(), "accessToken": response.access_token() })
    );
    let seen = harness.service.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].url, "https://a.service.signalr.net/api/v1/auth/accessKey");
}

#[tokio::test(start_paused = true)]
async fn audience_is_the_endpoints_without_port_and_the_address_is_the_clients() {
    let harness = Harness::of(|credential| {
        Endpoints::default().with(
            Endpoint::entra("https://a.example:8443", credential)
                .client_url("https://clients.example:444/base/")
                .server_url("https://inside.example/data/"),
        )
    });
    let response = harness.chat.negotiate(options()).await.unwrap();
    assert_eq!(response.url(), "https://clients.example:444/base/client/?hub=chat");
    assert_eq!(decoded(response.access_token()).1["aud"], "https://a.example/client/?hub=chat");
    assert_eq!(harness.service.seen()[0].url, "https://inside.example/data/api/v1/auth/accessKey");
}

#[tokio::test(start_paused = true)]
async fn key_is_fetched_once_for_all_that_wait() {
    let harness = Harness::new();
    harness.service.next(On::Key, [Reaction::Slow(Duration::from_secs(3))]);
    let outcomes = join_all((0..1024).map(|_| harness.chat.negotiate(options()))).await;
    assert!(outcomes.iter().all(Result::is_ok));
    assert_eq!((harness.service.requests(On::Key), harness.credential.asked()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn first_negotiation_waits_five_seconds_at_most() {
    let harness = Harness::new();
    harness.service.then(On::Key, Reaction::Hangs);
    let error = harness.chat.negotiate(options()).await.unwrap_err();
    assert_eq!((error.kind(), harness.clock.elapsed()), (ErrorKind::KeyUnavailable, Duration::from_secs(5)));
    assert!(error.retry_after().is_some());
}

#[tokio::test(start_paused = true)]
async fn token_is_issued_when_the_key_has_come() {
    let harness = Harness::new();
    harness.service.next(On::Key, [Reaction::Slow(Duration::from_secs(3))]);
    let response = harness.chat.negotiate(options()).await.unwrap();
    let (_, claims) = decoded(response.access_token());
    assert_eq!((claims["iat"].as_i64(), claims["exp"].as_i64()), (Some(START + 3), Some(START + 3 + 3600)));
}

#[tokio::test(start_paused = true)]
async fn key_is_renewed_at_55_minutes_and_used_until_85() {
    let harness = Harness::new();
    harness.chat.negotiate(options()).await.unwrap();
    harness.pass(MINUTE * 54).await;
    assert_eq!(harness.service.keys(), 1);
    harness.pass(MINUTE * 2).await;
    assert_eq!(harness.service.keys(), 2);
    // Without anybody asking.
    let response = harness.chat.negotiate(options()).await.unwrap();
    assert_eq!(decoded(response.access_token()).0["kid"], "kid-2");
    harness.service.then(On::Key, Reaction::status(503));
    harness.pass(MINUTE * 83).await;
    let response = harness.chat.negotiate(options()).await.unwrap();
    assert_eq!(decoded(response.access_token()).0["kid"], "kid-2");
    harness.pass(MINUTE * 2).await;
    let error = harness.chat.negotiate(options()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::KeyUnavailable);
}

#[tokio::test(start_paused = true)]
async fn no_token_outlives_its_key() {
    let harness = Harness::new();
    harness.service.next(On::Key, [Reaction::Slow(Duration::from_secs(2))]);
    harness.service.then(On::Key, Reaction::Normal);
    harness.chat.negotiate(options()).await.unwrap();
    harness.service.then(On::Key, Reaction::status(503));
    for _ in 0..16 {
        harness.pass(MINUTE * 5).await;
        let response = harness.chat.negotiate(options().lifetime(HOUR * 24)).await.unwrap();
        let (header, claims) = decoded(response.access_token());
        // The key's time runs from the request for it.
        assert_eq!((&header["kid"], &claims["exp"]), (&json!("kid-1"), &json!(START + 90 * 60)));
    }
}

#[tokio::test(start_paused = true)]
async fn canceled_negotiation_cancels_no_fetch() {
    let harness = Harness::new();
    harness.service.next(On::Key, [Reaction::Slow(Duration::from_secs(3))]);
    let negotiation = harness.chat.negotiate(options());
    assert!(tokio::time::timeout(Duration::from_secs(1), negotiation).await.is_err());
    harness.pass(Duration::from_secs(3)).await;
    assert!(harness.client.is_ready());
    assert_eq!(harness.service.requests(On::Key), 1);
}

#[tokio::test(start_paused = true)]
async fn missing_role_is_told_at_once_and_asked_again_after_five_minutes() {
    let harness = Harness::new();
    harness.service.then(On::Key, Reaction::status(403));
    for _ in 0..3 {
        let error = harness.chat.negotiate(options()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RoleMissing { role: Role::AppServer });
    }
    assert_eq!((harness.service.requests(On::Key), harness.clock.elapsed().as_secs()), (1, 0));
    harness.service.then(On::Key, Reaction::Normal);
    harness.pass(MINUTE * 6).await;
    harness.chat.negotiate(options()).await.unwrap();
    assert_eq!(harness.service.requests(On::Key), 2);
}

#[tokio::test(start_paused = true)]
async fn rejected_token_is_renewed_once_for_the_key() {
    let harness = Harness::new();
    harness.chat.send_to_all("m", &(1,)).await.unwrap();
    harness.pass(Duration::from_secs(6)).await;
    harness.service.reject("entra-token-1".into());
    harness.chat.negotiate(options()).await.unwrap();
    assert_eq!((harness.service.requests(On::Key), harness.credential.asked()), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn service_tokens_need_no_key_and_carry_no_claims() {
    let harness = Harness::with(ClientTokens::Service);
    let response = harness.chat.negotiate(options().lifetime(MINUTE * 5)).await.unwrap();
    assert_eq!(response.access_token(), "minted-by-the-service");
    let seen = harness.service.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!(
        seen[0].url,
        "https://a.service.signalr.net/api/hubs/chat/:generateToken?api-version=2024-12-01&userId=anna&minutesToExpire=5"
    );
    let error = harness.chat.negotiate(options().claim("a", "b")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidOptions);
    assert_eq!(harness.service.seen().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn neither_kind_of_token_stands_in_for_the_other() {
    let harness = Harness::new();
    harness.service.then(On::Key, Reaction::status(403));
    assert!(harness.chat.negotiate(options()).await.is_err());
    assert_eq!(harness.service.requests(On::Data), 0);
    let harness = Harness::with(ClientTokens::Service);
    harness.service.then(On::Data, Reaction::status(403));
    let error = harness.chat.negotiate(options()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RoleMissing { role: Role::RestApiOwner });
    assert_eq!(harness.service.requests(On::Key), 0);
}

#[tokio::test(start_paused = true)]
async fn answers_of_the_service_that_are_no_tokens_are_errors() {
    let harness = Harness::with(ClientTokens::Service);
    for text in ["", "{}", r#"{"token":""}"#, r#"{"token":7}"#, "[]"] {
        harness.service.next(On::Data, [Reaction::text(200, text)]);
        let error = harness.chat.negotiate(options()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidAnswer, "{text}");
    }
    let long = format!(r#"{{"token":"{}"}}"#, "x".repeat(4097));
    harness.service.next(On::Data, [Reaction::text(200, &long)]);
    assert_eq!(harness.chat.negotiate(options()).await.unwrap_err().kind(), ErrorKind::TokenTooLong);
}

#[tokio::test(start_paused = true)]
async fn document_with_the_key_may_have_64_kilobytes() {
    for (length, requests) in [(64 * 1024, 1), (64 * 1024 + 1, 2)] {
        let harness = Harness::new();
        let mut document = String::from(r#"{"AccessKey":"k","KeyId":"i"}"#);
        document.extend(std::iter::repeat_n(' ', length - document.len()));
        harness.service.next(On::Key, [Reaction::text(200, &document)]);
        harness.chat.negotiate(options()).await.unwrap();
        assert_eq!(harness.service.requests(On::Key), requests, "{length} bytes");
    }
}

#[tokio::test(start_paused = true)]
async fn ready_waits_for_token_and_key() {
    let harness = Harness::new();
    assert!(!harness.client.is_ready());
    harness.client.ready().await.unwrap();
    assert!(harness.client.is_ready());
    harness.chat.negotiate(options()).await.unwrap();
    assert_eq!(harness.service.requests(On::Key), 1);
}

#[tokio::test(start_paused = true)]
async fn ready_with_service_tokens_needs_no_key() {
    let harness = Harness::with(ClientTokens::Service);
    harness.client.ready().await.unwrap();
    assert_eq!(harness.service.seen().len(), 0);
    assert!(harness.client.is_ready());
}

#[tokio::test(start_paused = true)]
async fn credential_that_is_not_set_up_fails_at_once_and_says_why() {
    let harness = Harness::new();
    harness.credential.then(Token::NotSetUp);
    let error = harness.client.ready().await.unwrap_err();
    assert_eq!((error.kind(), harness.clock.elapsed().as_secs()), (ErrorKind::Credential, 0));
    let error = harness.chat.negotiate(options()).await.unwrap_err();
    assert_eq!((error.kind(), harness.clock.elapsed().as_secs()), (ErrorKind::KeyUnavailable, 0));
    assert!(format!("{error:?}").contains("no managed identity is assigned"));
    let error = harness.chat.send_to_all("m", &(1,)).await.unwrap_err();
    assert_eq!((error.kind(), harness.clock.elapsed().as_secs()), (ErrorKind::Credential, 0));
}

#[test]
fn tasks_start_again_on_another_runtime() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let first = runtime();
    let harness = first.block_on(async { Harness::new() });
    harness.service.next(On::Key, [Reaction::Hangs]);
    first.block_on(async {
        let waits = tokio::time::timeout(Duration::from_secs(1), harness.chat.negotiate(options()));
        assert!(waits.await.is_err());
    });
    drop(first);
    runtime().block_on(async { harness.chat.negotiate(options()).await.unwrap() });
    assert_eq!(harness.service.requests(On::Key), 2);
}

#[tokio::test(start_paused = true)]
async fn dropping_the_client_ends_its_tasks() {
    let harness = Harness::new();
    harness.client.ready().await.unwrap();
    let Harness { service, client, chat, .. } = harness;
    drop((client, chat));
    tokio::time::sleep(HOUR * 10).await;
    assert_eq!(service.requests(On::Key), 1);
}
