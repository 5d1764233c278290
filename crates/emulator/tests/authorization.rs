//! Tokens, access keys and roles on the REST API.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::json;
use signalr_emulator::mock::{TokenBuilder, TokenVersion, UnixTime};
use signalr_emulator::{Caller, Emulator, Operation, Role};
use support::{Reply, VERSION, ask, owner, principal, sign, token_with};

const SEND: &str = "/api/hubs/chat/:send?api-version=2024-12-01";

async fn send_with(emulator: &Emulator, token: &str) -> Reply {
    ask(emulator, Method::POST, SEND).bearer(token).json(json!({"target": "news"})).send(emulator).await
}

/// The token of an owner, before it is minted.
fn builder(emulator: &Emulator) -> TokenBuilder {
    let (object_id, client_id) = principal();
    emulator.roles().assign(object_id, Role::ServiceOwner);
    emulator.entra().mock().token().caller(object_id, client_id).audience("https://signalr.azure.com")
}

#[tokio::test]
async fn tokens_of_the_resources_tenant_are_accepted() {
    let emulator = Emulator::start().await.unwrap();
    let good = builder(&emulator);
    for token in [
        good.clone(),
        good.clone().v2(),
        good.clone().audience("https://signalr.azure.com/"),
        good.clone().claim("aud", ["https://other.test", "https://signalr.azure.com"]),
    ] {
        assert_eq!(send_with(&emulator, &token.mint()).await.status, 202);
    }
    let (object_id, client_id) = principal();
    let logged = emulator.log().last().unwrap();
    let Some(Caller::Entra { object_id: logged_object, client_id: logged_client, .. }) = logged.caller else {
        panic!("{logged:?}")
    };
    assert_eq!((logged_object, logged_client), (object_id.to_string(), client_id.to_string()));
}

#[tokio::test]
async fn tokens_that_prove_nothing_are_rejected() {
    let other = "22222222-aaaa-4bbb-8ccc-222222222222".parse().unwrap();
    let emulator = Emulator::builder().further_tenant(other).start().await.unwrap();
    let mock = emulator.entra().mock();
    let good = builder(&emulator);
    let now = emulator.clock().unix_seconds();
    let stranger = Emulator::start().await.unwrap();
    let withheld = mock.new_key();
    let cases: Vec<(&str, String)> = vec![
        ("audience of another service", good.clone().audience("https://webpubsub.azure.com").mint()),
        ("audience with a path", good.clone().audience("https://signalr.azure.com/.default").mint()),
        ("audience in capitals", good.clone().audience("https://SignalR.azure.com").mint()),
        ("no audience", good.clone().without_claim("aud").mint()),
        ("expired", good.clone().expired().mint()),
        ("expires now", good.clone().expires_at(UnixTime::from_secs(now)).mint()),
        ("not yet valid", good.clone().not_before(UnixTime::from_secs(now + 60)).mint()),
        ("no expiry", good.clone().without_claim("exp").mint()),
        ("another tenant", good.clone().tenant(other).mint()),
        ("another tenant's tid", good.clone().claim("tid", other.to_string()).mint()),
        ("another tenant's issuer", good.clone().issuer(mock.issuer(other, TokenVersion::V1)).mint()),
        ("no object id", good.clone().without_claim("oid").mint()),
        ("no signature", good.clone().signature(Vec::new()).mint()),
        ("wrong signature", good.clone().signature(vec![1; 256]).mint()),
        ("key that is not published", good.clone().signed_by(&withheld).mint()),
        (
            "unpublished key under a published id",
            good.clone().signed_by(&withheld).key_id(mock.signing_key().key_id().clone()).mint(),
        ),
        ("alg none", good.clone().algorithm("none").mint()),
        ("HS256 with the public key", good.clone().algorithm("HS256").mint()),
        ("PS256", good.clone().algorithm("PS256").mint()),
        ("another emulator's Entra", builder(&stranger).mint()),
        ("a temporary-key token without a key", sign("nobody", "key", &json!({"aud": "x", "exp": now + 60}))),
        ("no token", String::new()),
        ("not a token", "a.b.c".to_owned()),
    ];
    for (case, token) in cases {
        let reply = send_with(&emulator, &token).await;
        assert_eq!((reply.status, reply.body.len()), (StatusCode::UNAUTHORIZED, 0), "{case}");
        assert_eq!(reply.headers["www-authenticate"], "Bearer", "{case}");
        let logged = emulator.log().last().unwrap();
        assert!(logged.rejection.is_some() && !logged.processed && logged.caller.is_none(), "{case}");
    }
    for (name, value) in [("x-none", "x"), ("authorization", "Basic abc"), ("authorization", "Bearer")] {
        let request = ask(&emulator, Method::POST, SEND).header(name, value).json(json!({"target": "news"}));
        assert_eq!(request.send(&emulator).await.status, 401, "{name}: {value}");
    }
}

#[tokio::test]
async fn each_operation_asks_for_its_role() {
    let emulator = Emulator::start().await.unwrap();
    let all = [Role::AppServer, Role::RestApiOwner, Role::RestApiReader, Role::ServiceOwner];
    let owners = [Role::RestApiOwner, Role::ServiceOwner];
    let readers = [Role::RestApiOwner, Role::RestApiReader, Role::ServiceOwner];
    let closers = [Role::AppServer, Role::RestApiOwner, Role::ServiceOwner];
    let hub = "/api/hubs/chat";
    let cases: Vec<(Method, String, &[Role])> = vec![
        (Method::GET, "/api/auth/accessKey".into(), &[Role::AppServer, Role::ServiceOwner]),
        (Method::GET, "/api/v1/auth/accessKey".into(), &[Role::AppServer, Role::ServiceOwner]),
        (Method::POST, format!("{hub}/:generateToken"), &owners),
        (Method::POST, format!("{hub}/:send"), &owners),
        (Method::POST, format!("{hub}/:execute"), &owners),
        (Method::POST, format!("{hub}/users/a/:send"), &owners),
        (Method::POST, format!("{hub}/groups/a/:send"), &owners),
        (Method::POST, format!("{hub}/connections/a/:send"), &owners),
        (Method::POST, format!("{hub}/connections/a/:invoke"), &owners),
        (Method::POST, format!("{hub}/connections/a/streams/s/:send"), &owners),
        (Method::POST, format!("{hub}/connections/a/streams/s/:complete"), &owners),
        (Method::POST, format!("{hub}/:closeConnections"), &closers),
        (Method::POST, format!("{hub}/groups/a/:closeConnections"), &closers),
        (Method::POST, format!("{hub}/users/a/:closeConnections"), &closers),
        (Method::DELETE, format!("{hub}/connections/a"), &closers),
        (Method::HEAD, format!("{hub}/connections/a"), &readers),
        (Method::HEAD, format!("{hub}/groups/a"), &readers),
        (Method::HEAD, format!("{hub}/users/a"), &readers),
        (Method::HEAD, format!("{hub}/users/a/groups/b"), &readers),
        (Method::GET, format!("{hub}/groups/a/connections"), &readers),
        (Method::PUT, format!("{hub}/users/a/groups/b"), &owners),
        (Method::DELETE, format!("{hub}/users/a/groups/b"), &owners),
        (Method::DELETE, format!("{hub}/users/a/groups"), &owners),
        (Method::PUT, format!("{hub}/groups/a/connections/c"), &owners),
        (Method::DELETE, format!("{hub}/groups/a/connections/c"), &owners),
        (Method::DELETE, format!("{hub}/connections/c/groups"), &owners),
        (Method::HEAD, "/api/health".into(), &all),
    ];
    for (method, path, allowed) in cases {
        for role in all {
            let token = token_with(&emulator, role);
            let request = ask(&emulator, method.clone(), &format!("{path}?{VERSION}")).bearer(&token);
            let reply = request.json(json!([])).send(&emulator).await;
            let forbidden = reply.status == StatusCode::FORBIDDEN;
            assert_eq!(!forbidden, allowed.contains(&role), "{method} {path} as {}: {}", role.name(), reply.status);
            assert!(!forbidden || reply.body.is_empty() && reply.error_code().is_none(), "{method} {path}");
        }
    }
}

#[tokio::test]
async fn a_role_acts_when_azure_has_spread_it() {
    let emulator = Emulator::start().await.unwrap();
    let (object_id, client_id) = principal();
    let token = emulator.entra().service_token(object_id, client_id);
    emulator.roles().assign_delayed(object_id, Role::RestApiOwner, Duration::from_secs(600));
    assert_eq!(send_with(&emulator, &token).await.status, 403);
    emulator.clock().advance(Duration::from_secs(600));
    assert_eq!(send_with(&emulator, &token).await.status, 202);
    emulator.roles().remove(object_id, Role::RestApiOwner);
    assert_eq!(send_with(&emulator, &token).await.status, 403);
    let rejection = emulator.log().last().unwrap().rejection.unwrap();
    assert!(rejection.contains("Microsoft.SignalRService/SignalR/hub/send/action"), "{rejection}");
}

#[tokio::test]
async fn an_entra_token_ends_by_the_emulators_clock() {
    let emulator = Emulator::start().await.unwrap();
    let token = token_with(&emulator, Role::ServiceOwner);
    emulator.clock().advance(Duration::from_secs(3598));
    assert_eq!(send_with(&emulator, &token).await.status, 202);
    emulator.clock().advance(Duration::from_secs(3));
    assert_eq!(send_with(&emulator, &token).await.status, 401);
}

async fn temporary_key(emulator: &Emulator) -> (String, String) {
    let reply = owner(emulator, Method::GET, "/api/auth/accessKey").send(emulator).await;
    let body = reply.json();
    let text = |name: &str| body[name].as_str().unwrap().to_owned();
    assert_eq!(body.as_object().unwrap().len(), 2);
    (text("KeyId"), text("AccessKey"))
}

/// Sends with a token that a key signed.
async fn send_signed(emulator: &Emulator, key_id: &str, key: &str, audience: &str, path: &str) -> StatusCode {
    let claims = json!({"aud": audience, "exp": emulator.clock().unix_seconds() + 3600});
    let request = ask(emulator, Method::POST, path).bearer(&sign(key_id, key, &claims));
    request.json(json!({"target": "news"})).send(emulator).await.status
}

#[tokio::test]
async fn access_keys_sign_calls_for_their_own_address() {
    let emulator = Emulator::start().await.unwrap();
    let keys = [emulator.keys().primary().unwrap(), emulator.keys().secondary().unwrap()];
    let endpoint = emulator.endpoint();
    for key in &keys {
        for (audience, expected) in [
            (format!("{endpoint}/api/hubs/chat/:send"), 202),
            (format!("{endpoint}/api/hubs/chat/:send/"), 202),
            ("https://127.0.0.1/api/hubs/chat/:send".to_owned(), 202),
            (format!("{endpoint}/api/hubs/chat/:Send"), 401),
            (format!("{endpoint}/api/hubs/other/:send"), 401),
            (format!("{endpoint}/api/hubs/chat/:send?api-version=2024-12-01"), 401),
            ("https://other.test/api/hubs/chat/:send".to_owned(), 401),
            ("https://signalr.azure.com".to_owned(), 401),
            (endpoint.to_owned(), 401),
        ] {
            assert_eq!(send_signed(&emulator, "-1", key, &audience, SEND).await, expected, "{audience}");
        }
    }
    let key = ask(&emulator, Method::GET, "/api/v1/auth/accessKey");
    let claims =
        json!({"aud": format!("{endpoint}/api/v1/auth/accessKey"), "exp": emulator.clock().unix_seconds() + 60});
    assert_eq!(key.bearer(&sign("", &keys[0], &claims)).send(&emulator).await.status, 403);
}

#[tokio::test]
async fn a_key_token_needs_an_end_that_is_to_come() {
    let emulator = Emulator::start().await.unwrap();
    let key = emulator.keys().primary().unwrap();
    let audience = format!("{}/api/hubs/chat/:send", emulator.endpoint());
    for claims in [json!({"aud": audience}), json!({"aud": audience, "exp": emulator.clock().unix_seconds()})] {
        assert_eq!(send_with(&emulator, &sign("", &key, &claims)).await.status, 401);
    }
}

#[tokio::test]
async fn disabling_local_authentication_leaves_temporary_keys() {
    let emulator = Emulator::start().await.unwrap();
    let primary = emulator.keys().primary().unwrap();
    let (id, temporary) = temporary_key(&emulator).await;
    let audience = format!("{}/api/hubs/chat/:send", emulator.endpoint());
    emulator.keys().disable_local_auth();
    assert_eq!(send_signed(&emulator, "", &primary, &audience, SEND).await, 401);
    assert_eq!(send_signed(&emulator, &id, &temporary, &audience, SEND).await, 202);
    assert_eq!(emulator.settings().connection_string(), None);
    let disabled = Emulator::builder().disable_local_auth().start().await.unwrap();
    assert_eq!(disabled.keys().primary(), None);
}

#[tokio::test]
async fn temporary_keys_end_after_90_minutes() {
    let emulator = Emulator::start().await.unwrap();
    let (id, key) = temporary_key(&emulator).await;
    let audience = format!("{}/api/hubs/chat/:send", emulator.endpoint());
    emulator.clock().advance(Duration::from_secs(89 * 60));
    assert_eq!(send_signed(&emulator, &id, &key, &audience, SEND).await, 202);
    let (next_id, next_key) = temporary_key(&emulator).await;
    emulator.clock().advance(Duration::from_secs(60));
    assert_eq!(send_signed(&emulator, &id, &key, &audience, SEND).await, 401);
    assert_eq!(send_signed(&emulator, &next_id, &next_key, &audience, SEND).await, 202);
    assert_eq!(emulator.keys().temporary_ids(), [next_id]);
}

#[tokio::test]
async fn the_service_makes_client_tokens() {
    use base64::Engine as _;
    let emulator = Emulator::start().await.unwrap();
    for (query, lifetime, user) in [("", 3600, None), ("?minutesToExpire=5&userId=anna%20b", 300, Some("anna b"))] {
        let path = format!("/api/hubs/Chat/:generateToken{query}");
        let body = owner(&emulator, Method::POST, &path).send(&emulator).await.json();
        let token = body["token"].as_str().unwrap();
        let claims = token.split('.').nth(1).unwrap();
        let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(claims).unwrap();
        let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
        assert_eq!(claims["aud"], "https://127.0.0.1/client/?hub=chat");
        assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), lifetime);
        assert_eq!(claims.get("asrs.s.uid").and_then(|user| user.as_str()), user);
    }
    for minutes in ["0", "-1", "x"] {
        let path = format!("/api/hubs/chat/:generateToken?minutesToExpire={minutes}");
        assert_eq!(owner(&emulator, Method::POST, &path).send(&emulator).await.status, 400);
    }
}

#[tokio::test]
async fn the_log_holds_no_secret() {
    let emulator = Emulator::start().await.unwrap();
    let token = token_with(&emulator, Role::ServiceOwner);
    let (_, key) = temporary_key(&emulator).await;
    send_with(&emulator, &token).await;
    let text = format!("{:?} {emulator:?} {:?}", emulator.log(), emulator.keys());
    assert!(!text.contains(&token) && !text.contains(&key) && !text.contains(&emulator.keys().primary().unwrap()));
    assert_eq!(emulator.log().count(Operation::AccessKey), 1);
}
