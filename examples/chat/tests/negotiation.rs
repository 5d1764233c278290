//! `negotiate` and the probes.

mod support;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use signalr_emulator::{Fault, Operation};
use signalr_serverless::ClientTokens;
use support::{Answer, Chat, http};

/// Status and `Retry-After`. No answer may be stored or tell a client what it must not know.
fn outcome(answer: &Answer) -> (u16, Option<&str>) {
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{answer:?}");
    for secret in ["127.0.0.1", "secret", "hidden"] {
        assert!(answer.status == 200 || !answer.text.contains(secret), "{answer:?}");
    }
    (answer.status.as_u16(), answer.header("retry-after"))
}

fn claims(answer: &Answer) -> Value {
    assert_eq!(outcome(answer), (200, None));
    let answer = answer.json();
    let payload = answer["accessToken"].as_str().unwrap().split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

#[tokio::test]
async fn answers_url_and_token_of_the_hub() {
    for client_tokens in [ClientTokens::TemporaryKey, ClientTokens::Service] {
        let chat = Chat::with(client_tokens, false).await;
        // `upstream` is also the beginning of another route.
        for hub in ["Chat", "upstream"] {
            let answer = chat.negotiate(&format!("/{hub}/negotiate?negotiateVersion=1&user=anna")).await;
            assert_eq!(outcome(&answer), (200, None));
            let lower = hub.to_lowercase();
            assert_eq!(answer.json()["url"], format!("{}/client/?hub={lower}", chat.emulator.client_endpoint()));
            assert_eq!(answer.json().as_object().unwrap().len(), 2);
        }
        let by_service = client_tokens == ClientTokens::Service;
        assert_eq!(chat.emulator.log().count(Operation::AccessKey), usize::from(!by_service));
        assert_eq!(chat.emulator.log().count(Operation::GenerateToken), if by_service { 2 } else { 0 });
    }
}

#[tokio::test]
async fn rejects_missing_user_and_invalid_hub() {
    let chat = Chat::with(ClientTokens::TemporaryKey, true).await;
    for target in [
        "/chat/negotiate",
        "/chat/negotiate?user=",
        "/chat/negotiate?user=a&user=b",
        "/chat/negotiate?user=..",
        "/1chat/negotiate?user=anna",
        "/ch%20at/negotiate?user=anna",
        "/chat/negotiate?user=anna&minutes=many",
        "/chat/negotiate?user=anna&minutes=0",
        "/chat/negotiate?user=anna&close_on_expiry=1",
        "/chat/negotiate?user=anna&claim.=x",
    ] {
        assert_eq!(outcome(&chat.negotiate(target).await), (400, None), "{target}");
    }
    assert_eq!(chat.emulator.log().count(Operation::AccessKey), 0);
    assert_eq!(chat.get("/chat/negotiate?user=anna").await.status, 405);
}

#[tokio::test]
async fn client_chooses_claims_and_lifetime_in_tests_only() {
    let target = "/chat/negotiate?user=anna&claim.role=a&claim.role=b&minutes=7&close_on_expiry=true";
    let chosen = claims(&Chat::with(ClientTokens::TemporaryKey, true).await.negotiate(target).await);
    assert_eq!(chosen["role"], json!(["a", "b"]));
    assert_eq!(chosen["exp"].as_u64().unwrap() - chosen["nbf"].as_u64().unwrap(), 7 * 60);
    let ignored = claims(&Chat::start().await.negotiate(target).await);
    assert_eq!(ignored.get("role"), None);
    assert!(ignored["exp"].as_u64().unwrap() - ignored["nbf"].as_u64().unwrap() > 7 * 60);
    assert_eq!((chosen.get("asrs.s.coae"), ignored.get("asrs.s.coae")), (Some(&json!("true")), None));

    let by_service = Chat::with(ClientTokens::Service, true).await;
    assert_eq!(outcome(&by_service.negotiate(target).await), (400, None));
}

#[tokio::test]
async fn rejects_token_that_would_be_too_long() {
    let chat = Chat::with(ClientTokens::TemporaryKey, true).await;
    let target = format!("/chat/negotiate?user=anna&claim.long={}", "x".repeat(4096));
    assert_eq!(outcome(&chat.negotiate(&target).await), (413, None));
}

#[tokio::test]
async fn missing_role_is_502_and_names_the_role() {
    for (client_tokens, role) in
        [(ClientTokens::TemporaryKey, "SignalR App Server"), (ClientTokens::Service, "SignalR REST API Owner")]
    {
        let chat = Chat::with(client_tokens, false).await;
        chat.remove_roles();
        let answer = chat.negotiate("/chat/negotiate?user=anna").await;
        assert_eq!(outcome(&answer), (502, None));
        assert!(answer.text.contains(role), "{answer:?}");
    }
}

#[tokio::test]
async fn every_other_failure_is_503_with_retry_after() {
    for (client_tokens, operation) in
        [(ClientTokens::TemporaryKey, Operation::AccessKey), (ClientTokens::Service, Operation::GenerateToken)]
    {
        for fault in [Fault::status(401), Fault::status(404), Fault::answer(200, "text/plain", "hidden")] {
            let chat = Chat::with(client_tokens, false).await;
            chat.emulator.faults().stand(operation, fault);
            let answer = chat.negotiate("/chat/negotiate?user=anna").await;
            assert!(matches!(outcome(&answer), (503, Some(_))), "{answer:?}");
        }
    }
    let chat = Chat::start().await;
    chat.emulator.faults().stand(Operation::Token, Fault::status(400));
    assert!(matches!(outcome(&chat.negotiate("/chat/negotiate?user=anna").await), (503, Some(_))));
}

#[tokio::test]
async fn ready_once_both_halves_have_what_they_need() {
    for client_tokens in [ClientTokens::TemporaryKey, ClientTokens::Service] {
        let chat = Chat::with(client_tokens, false).await;
        assert_eq!(chat.get("/healthz").await.status, 200);
        assert_eq!(chat.get("/readyz").await.status, 503);
        chat.auth.wait_for_keys().await.unwrap();
        chat.service.ready().await.unwrap();
        assert_eq!(chat.get("/readyz").await.status, 200);
        let by_service = client_tokens == ClientTokens::Service;
        assert_eq!(chat.emulator.log().count(Operation::AccessKey), usize::from(!by_service));
    }
}

#[tokio::test]
async fn not_ready_without_keys_of_entra_or_a_temporary_key() {
    let chat = Chat::start().await;
    chat.service.ready().await.unwrap();
    assert_eq!(chat.get("/readyz").await.status, 503);

    let chat = Chat::start().await;
    chat.auth.wait_for_keys().await.unwrap();
    chat.emulator.faults().stand(Operation::AccessKey, Fault::status(403));
    chat.service.ready().await.unwrap_err();
    assert_eq!(chat.get("/readyz").await.status, 503);
}

#[tokio::test]
async fn rejects_upstream_call_without_token() {
    let chat = Chat::start().await;
    let call = http().post(format!("{}/upstream/chat/messages/echo", chat.url)).send().await.unwrap();
    assert_eq!(call.status(), 401);
}
