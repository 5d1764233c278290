//! Client tokens under two implementations that share no code with this one: PyJWT and npm `jose`. Runs with
//! `tests/differential/run.sh`, which fetches both.

#![allow(clippy::disallowed_methods, reason = "tests may block")]
#![expect(clippy::unwrap_used, reason = "a test that panics fails")]

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_lc_rs::hmac;
use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::http::headers::Headers;
use azure_core::http::{AsyncRawResponse, HttpClient, Request};
use azure_core::time::OffsetDateTime;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Map, Value, json};
use signalr_serverless::{Endpoint, Endpoints, NegotiateOptions, ServiceClient, ServiceClientOptions};

const ENDPOINT: &str = "https://a.service.signalr.net:443";
const AUDIENCE: &str = "https://a.service.signalr.net/client/?hub=chat";

/// Ids and texts of keys. The first is an access key, which has no id; the others are temporary.
const KEYS: [(Option<&str>, &str); 3] = [
    (None, "YWNjZXNzLWtleS13aXRoLW1vcmUtdGhhbi0zMi1ieXRlcw=="),
    (Some("kid-1"), "dGVtcG9yYXJ5LWtleS13aXRoLW1vcmUtdGhhbi0zMi1ieXRlcw=="),
    (Some("id \"with\" ü/+.="), "a key that is no base64, with more than 32 bytes and an ü"),
];

/// How long a temporary key lives, in seconds.
const KEY_LIFE: u64 = 90 * 60;

/// What an app asked for, and the token that it got.
struct Made {
    token: String,
    key_id: Option<&'static str>,
    lifetime: u64,
    closes_on_expiry: bool,
    /// All claims but those of time.
    claims: Map<String, Value>,
    /// The earliest and the latest end of the key.
    key_end: Option<(u64, u64)>,
}

/// The service: answers with the document of one temporary key.
#[derive(Debug)]
struct KeyService(Value);

#[async_trait::async_trait]
impl HttpClient for KeyService {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        assert_eq!(request.url().path(), "/api/v1/auth/accessKey");
        Ok(AsyncRawResponse::from_bytes(200_u16.into(), Headers::new(), Bytes::from(self.0.to_string())))
    }
}

#[derive(Debug)]
struct Credential;

#[async_trait::async_trait]
impl TokenCredential for Credential {
    async fn get_token(&self, _: &[&str], _: Option<TokenRequestOptions<'_>>) -> azure_core::Result<AccessToken> {
        Ok(AccessToken::new("entra-token", OffsetDateTime::now_utc() + azure_core::time::Duration::HOUR))
    }
}

fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

/// Tokens of one key with random users and claims.
async fn tokens(index: usize, count: usize, runner: &mut TestRunner) -> Vec<Made> {
    let (key_id, text) = KEYS[index];
    let endpoint = match key_id {
        None => Endpoint::access_key(ENDPOINT, text.to_owned()),
        Some(_) => Endpoint::entra(ENDPOINT, Arc::new(Credential)),
    };
    let transport = Arc::new(KeyService(json!({ "AccessKey": text, "KeyId": key_id })));
    let options = ServiceClientOptions::default().transport(transport);
    let service = ServiceClient::from_endpoints(Endpoints::default().with(endpoint), options).unwrap();
    let chat = service.hub("Chat").unwrap();
    let before = unix_seconds();
    service.ready().await.unwrap();
    // Rounded down to seconds by two clocks, so it may come out a second early, and never late.
    let key_end = key_id.map(|_| (before + KEY_LIFE - 1, unix_seconds() + KEY_LIFE));

    let name = prop_oneof![
        3 => "[a-z]{3,8}",
        3 => prop::sample::select(RESERVED.to_vec()).prop_map(str::to_owned),
        2 => "asrs\\.[su]\\.[a-z]{1,5}",
        1 => Just("sub".to_owned()),
        1 => "\\PC{1,8}",
    ];
    let claims = prop::collection::btree_map(name, prop::collection::vec("\\PC{0,12}", 1..4), 0..7);
    let strategy = (prop::option::of("u\\PC{0,20}"), claims, 600..90_000_u64, any::<bool>(), any::<bool>());
    let mut made = Vec::with_capacity(count);
    for _ in 0..count {
        let (user, claims, lifetime, closes_on_expiry, detailed_errors) = strategy.new_tree(runner).unwrap().current();
        let mut options = NegotiateOptions::default()
            .lifetime(Duration::from_secs(lifetime))
            .close_on_authentication_expiry(closes_on_expiry)
            .detailed_errors(detailed_errors);
        let mut expected = expected_claims(&claims);
        expected.insert("aud".to_owned(), json!(AUDIENCE));
        if let Some(user) = user {
            expected.insert("asrs.s.uid".to_owned(), json!(user));
            options = options.user_id(user);
        }
        if detailed_errors {
            expected.insert("asrs.s.derror".to_owned(), json!("True"));
        }
        for (name, values) in claims {
            options = options.claim_values(name, values);
        }
        let token = chat.negotiate(options).await.unwrap().access_token().to_owned();
        made.push(Made { token, key_id, lifetime, closes_on_expiry, claims: expected, key_end });
    }
    made
}

/// The rule of the service's SDK, written a second time: claims that mean something to the service or to a library of
/// tokens travel under another name, `sub` from its second value on.
fn expected_claims(claims: &BTreeMap<String, Vec<String>>) -> Map<String, Value> {
    let renamed = |name: &str| format!("asrs.u.{name}");
    let mut expected = Map::new();
    let mut insert = |name: String, values: &[String]| match values {
        [] => None,
        [value] => expected.insert(name, json!(value)),
        values => expected.insert(name, json!(values)),
    };
    for (name, values) in claims {
        match (name.as_str(), values.as_slice()) {
            ("sub", [first, others @ ..]) => {
                insert(name.clone(), std::slice::from_ref(first));
                insert(renamed(name), others);
            }
            (reserved, values) if RESERVED.contains(&reserved) || reserved.starts_with("asrs.") => {
                insert(renamed(name), values);
            }
            (_, values) => {
                insert(name.clone(), values);
            }
        }
    }
    expected
}

const RESERVED: [&str; 11] = ["aud", "exp", "iat", "nbf", "iss", "actort", "acr", "azp", "c_hash", "jti", "nonce"];

/// What the other implementation says of each token: its JOSE header and its claims set, or why it rejects it.
fn read_by(program: &str, script: &str, tokens: &[String]) -> Vec<String> {
    let path = format!("{}/tests/differential/{script}", env!("CARGO_MANIFEST_DIR"));
    let mut child = Command::new(program)
        .arg(path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program}: {error}; use tests/differential/run.sh"));
    let tokens: Vec<_> = tokens.iter().map(|token| STANDARD.encode(token)).collect();
    let keys: BTreeMap<_, _> = KEYS.map(|(id, text)| (id.unwrap_or_default(), text)).into();
    let task = json!({ "keys": keys, "audience": AUDIENCE, "tokens": tokens });
    child.stdin.take().unwrap().write_all(task.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{script} failed");
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// Checks what was read of a token against what the app asked for. Says whether the end of the key cut its lifetime.
fn check(made: &Made, read: &Value, script: &str) -> bool {
    let mut header = json!({ "alg": "HS256", "typ": "JWT" });
    if let Some(key_id) = made.key_id {
        header["kid"] = json!(key_id);
    }
    assert_eq!(read["header"], header, "{script}");

    let time = |name: &str| read["claims"][name].as_u64().unwrap();
    let (issued, expires) = (time("iat"), time("exp"));
    let mut claims = made.claims.clone();
    for (name, seconds) in [("iat", issued), ("nbf", issued), ("exp", expires)] {
        claims.insert(name.to_owned(), json!(seconds));
    }
    if made.closes_on_expiry {
        claims.insert("asrs.s.coae".to_owned(), json!("true"));
        claims.insert("asrs.s.aeo".to_owned(), json!(expires.to_string()));
    }
    assert_eq!(read["claims"], Value::Object(claims), "{script}");

    let asked = issued + made.lifetime;
    let is_cut = expires != asked;
    if is_cut {
        let (earliest, latest) = made.key_end.unwrap_or_else(|| panic!("{script}: an access key has no end"));
        assert!(expires < asked && (earliest..=latest).contains(&expires), "{script}: {expires}");
    } else if let Some((_, latest)) = made.key_end {
        assert!(expires <= latest, "{script}: {expires} is beyond the end of the key");
    }
    is_cut
}

/// The token, but with the id of another key in its header and a signature that covers it.
fn with_key_id(token: &str, key_id: &str, text: &str) -> String {
    let header = URL_SAFE_NO_PAD.encode(json!({ "alg": "HS256", "kid": key_id, "typ": "JWT" }).to_string());
    let input = format!("{header}.{}", token.split('.').nth(1).unwrap());
    let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, text.as_bytes()), input.as_bytes());
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
}

#[test]
#[ignore = "needs PyJWT and jose: tests/differential/run.sh"]
fn two_other_implementations_verify_every_token() {
    let python = std::env::var("DIFFERENTIAL_PYTHON3").unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let mut runner = TestRunner::deterministic();
    let made: Vec<_> = (0..KEYS.len()).flat_map(|index| runtime.block_on(tokens(index, 200, &mut runner))).collect();
    let mut tokens: Vec<String> = made.iter().map(|made| made.token.clone()).collect();
    // A check that cannot fail is none: one token is changed, and one names a key that did not sign it.
    let mut changed = tokens[0].clone().into_bytes();
    let last = changed.len() - 2;
    changed[last] = if changed[last] == b'A' { b'B' } else { b'A' };
    tokens.push(String::from_utf8(changed).unwrap());
    tokens.push(with_key_id(&tokens[0], "kid-1", KEYS[2].1));
    for (program, script) in [(&*python, "verify.py"), ("node", "verify.mjs")] {
        let read = read_by(program, script, &tokens);
        assert_eq!(read.len(), tokens.len(), "{script}");
        let mut cut = 0;
        for (made, line) in made.iter().zip(&read) {
            let read = serde_json::from_str(line).unwrap_or_else(|_| panic!("{script}: {line}"));
            cut += usize::from(check(made, &read, script));
        }
        assert!((100..400).contains(&cut), "{script}: {cut} tokens end with their key");
        for line in &read[made.len()..] {
            assert!(line.starts_with("rejected"), "{script}: {line}");
        }
    }
    println!("{} tokens verified by PyJWT and jose", made.len());
}
