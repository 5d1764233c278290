//! JWK sets (RFC 7517, RFC 7518 section 6.3) as Entra, a faulty proxy or an attacker serves them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mock_entra::{Endpoint, Fault, Jwk, MockEntra, SigningKey};
use serde_json::{Value, json};
use signalr_upstream_auth::{RejectionKind as K, TokenVersion};

use crate::entry::Entry;
use crate::expected::{Expected, KEPT, PASS, TAKEN, rejected};
use crate::fixture::Fixture;

type Listed = fn(&SigningKey) -> Jwk;
type Served = fn(&MockEntra) -> Fault;

pub fn entries(_: &Fixture) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut listed = |expected: Expected, rows: &[(&str, Listed)]| {
        entries.extend(rows.iter().map(|(name, listed)| Entry::listed(name, expected, listed)));
    };
    listed(
        PASS,
        &[
            ("as Entra lists it", |key| key.into()),
            ("use: missing", |key| Jwk::from(key).without_member("use")),
            ("alg: RS256", |key| Jwk::from(key).member("alg", "RS256")),
            ("key_ops: verify", |key| Jwk::from(key).member("key_ops", ["verify"])),
            ("key_ops: verify among others", |key| Jwk::from(key).member("key_ops", ["sign", "verify", "x"])),
            ("key_ops: verify beside nonsense", |key| Jwk::from(key).member("key_ops", json!([1, "verify", null]))),
            ("x5c: missing", |key| Jwk::from(key).without_member("x5c")),
            ("x5c: nonsense", |key| Jwk::from(key).member("x5c", 7)),
            ("x5t: of something else", |key| Jwk::from(key).member("x5t", "AAAA")),
            ("issuer: missing", |key| Jwk::from(key).without_member("issuer")),
            ("issuer: blank", |key| Jwk::from(key).member("issuer", " ")),
            ("cloud_instance_name: missing", |key| Jwk::from(key).without_member("cloud_instance_name")),
            ("cloud_instance_name: blank", |key| Jwk::from(key).member("cloud_instance_name", "")),
            ("unknown members", |key| Jwk::from(key).member("x", json!({"a": [1]})).member("nbf", 1)),
            ("use: null", |key| Jwk::from(key).member("use", json!(null))),
            ("alg: null", |key| Jwk::from(key).member("alg", json!(null))),
            ("key_ops: null", |key| Jwk::from(key).member("key_ops", json!(null))),
            ("issuer: null", |key| Jwk::from(key).member("issuer", json!(null))),
            ("cloud_instance_name: null", |key| Jwk::from(key).member("cloud_instance_name", json!(null))),
            ("private members that are empty", |key| {
                Jwk::from(key).member("d", "").member("p", json!(null)).member("oth", json!([]))
            }),
        ],
    );
    listed(
        rejected(401, K::UnusableKey),
        &[
            ("private member d", |key| Jwk::from(key).member("d", "AAAA")),
            ("private member p, a number", |key| Jwk::from(key).member("p", 1)),
            ("private member oth", |key| Jwk::from(key).member("oth", json!([{"r": "AA"}]))),
            ("private member k beside the modulus", |key| Jwk::from(key).member("k", "AAAA")),
            ("kty: EC", |key| Jwk::from(key).member("kty", "EC")),
            ("kty: oct", |key| Jwk::from(key).member("kty", "oct")),
            ("kty: OKP", |key| Jwk::from(key).member("kty", "OKP")),
            ("kty: rsa", |key| Jwk::from(key).member("kty", "rsa")),
            ("kty: missing", |key| Jwk::from(key).without_member("kty")),
            ("kty: a number", |key| Jwk::from(key).member("kty", 1)),
            ("kty: a list", |key| Jwk::from(key).member("kty", ["RSA"])),
            ("an oct key with the public modulus", |key| {
                Jwk::raw(
                    json!({"kty": "oct", "kid": key.key_id().as_str(), "k": URL_SAFE_NO_PAD.encode(key.modulus()), "alg": "HS256"}),
                )
            }),
            ("use: enc", |key| Jwk::from(key).member("use", "enc")),
            ("use: SIG", |key| Jwk::from(key).member("use", "SIG")),
            ("use: empty", |key| Jwk::from(key).member("use", "")),
            ("use: a list", |key| Jwk::from(key).member("use", ["sig"])),
            ("alg: RS512", |key| Jwk::from(key).member("alg", "RS512")),
            ("alg: PS256", |key| Jwk::from(key).member("alg", "PS256")),
            ("alg: HS256", |key| Jwk::from(key).member("alg", "HS256")),
            ("alg: none", |key| Jwk::from(key).member("alg", "none")),
            ("alg: rs256", |key| Jwk::from(key).member("alg", "rs256")),
            ("alg: RSA-OAEP", |key| Jwk::from(key).member("alg", "RSA-OAEP")),
            ("key_ops: sign alone", |key| Jwk::from(key).member("key_ops", ["sign"])),
            ("key_ops: none", |key| Jwk::from(key).member("key_ops", json!([]))),
            ("key_ops: encrypt", |key| Jwk::from(key).member("key_ops", ["encrypt"])),
            ("key_ops: a text", |key| Jwk::from(key).member("key_ops", "verify")),
            ("key_ops: nested", |key| Jwk::from(key).member("key_ops", json!([["verify"]]))),
            ("e: 3", |key| Jwk::from(key).member("e", "Aw")),
            ("e: 1", |key| Jwk::from(key).member("e", "AQ")),
            ("e: 0", |key| Jwk::from(key).member("e", "AA")),
            ("e: even", |key| Jwk::from(key).member("e", "AQAA")),
            ("e: empty", |key| Jwk::from(key).member("e", "")),
            ("e: missing", |key| Jwk::from(key).without_member("e")),
            ("e: with a zero byte before", |key| Jwk::from(key).member("e", "AAEAAQ")),
            ("e: padded", |key| Jwk::from(key).member("e", "AQAB==")),
            ("e: a number", |key| Jwk::from(key).member("e", 65537)),
            ("e: very large", |key| Jwk::from(key).member("e", URL_SAFE_NO_PAD.encode([0xff; 256]))),
            ("n: missing", |key| Jwk::from(key).without_member("n")),
            ("n: empty", |key| Jwk::from(key).member("n", "")),
            ("n: a number", |key| Jwk::from(key).member("n", 7)),
            ("n: null", |key| Jwk::from(key).member("n", json!(null))),
            ("n: of 512 bits", |key| Jwk::from(key).member("n", modulus(64))),
            ("n: of 1024 bits", |key| Jwk::from(key).member("n", modulus(128))),
            ("n: of 2040 bits", |key| Jwk::from(key).member("n", modulus(255))),
            ("n: of 2047 bits", |key| Jwk::from(key).member("n", encoded(key, |n| n[0] &= 0x7f))),
            ("n: of 2056 bits", |key| Jwk::from(key).member("n", modulus(257))),
            ("n: of 8192 bits", |key| Jwk::from(key).member("n", modulus(1024))),
            ("n: of 16384 bits", |key| Jwk::from(key).member("n", modulus(2048))),
            ("n: with a zero byte before", |key| {
                Jwk::from(key).member("n", URL_SAFE_NO_PAD.encode([&[0], &key.modulus()[..]].concat()))
            }),
            ("n: even", |key| Jwk::from(key).member("n", encoded(key, |n| n[255] &= 0xfe))),
            ("n: zero", |key| Jwk::from(key).member("n", URL_SAFE_NO_PAD.encode([0; 256]))),
            ("n: padded", |key| Jwk::from(key).member("n", format!("{}==", URL_SAFE_NO_PAD.encode(key.modulus())))),
            ("n: in the standard alphabet", |key| {
                Jwk::from(key).member("n", base64::engine::general_purpose::STANDARD.encode(key.modulus()))
            }),
            ("n: with blanks", |key| Jwk::from(key).member("n", format!(" {}", URL_SAFE_NO_PAD.encode(key.modulus())))),
            ("n: hexadecimal", |key| Jwk::from(key).member("n", format!("0x{}", "ab".repeat(256)))),
            ("issuer: a number", |key| Jwk::from(key).member("issuer", 1)),
            ("issuer: a list", |key| Jwk::from(key).member("issuer", ["https://x"])),
            ("cloud_instance_name: a number", |key| Jwk::from(key).member("cloud_instance_name", 1)),
            ("an entry with only its name", |key| Jwk::raw(json!({"kid": key.key_id().as_str()}))),
        ],
    );
    listed(
        rejected(401, K::UnknownKey).fetching(1, 1),
        &[
            ("kid: missing", |key| Jwk::from(key).without_member("kid")),
            ("kid: null", |key| Jwk::from(key).member("kid", json!(null))),
            ("kid: a number", |key| Jwk::from(key).member("kid", 7)),
            ("kid: empty", |key| Jwk::from(key).member("kid", "")),
            ("kid: in another case", |key| Jwk::from(key).member("kid", swapped_case(key.key_id().as_str()))),
            ("kid: a blank behind", |key| Jwk::from(key).member("kid", format!("{} ", key.key_id().as_str()))),
            ("kid: cut by a letter", |key| Jwk::from(key).member("kid", &key.key_id().as_str()[..26])),
            ("kid: longer than a name may be", |key| Jwk::from(key).member("kid", key.key_id().as_str().repeat(10))),
            ("an entry that is null", |_| Jwk::raw(json!(null))),
            ("an entry that is a number", |_| Jwk::raw(7)),
            ("an entry that is a text", |_| Jwk::raw("key")),
            ("an entry that is a list", |key| Jwk::raw(json!([key.key_id().as_str()]))),
            ("an entry that is empty", |_| Jwk::raw(json!({}))),
        ],
    );
    listed(
        rejected(401, K::ForeignIssuerKey),
        &[
            ("issuer: personal accounts", |key| {
                Jwk::from(key)
                    .member("issuer", "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0")
            }),
            ("issuer: another cloud", |key| {
                Jwk::from(key).member("issuer", "https://login.microsoftonline.us/{tenantid}/v2.0")
            }),
            ("issuer: another host", |key| Jwk::from(key).member("issuer", "https://evil.example/{tenantid}/v2.0")),
            ("issuer: the placeholder alone", |key| Jwk::from(key).member("issuer", "{tenantid}")),
            ("issuer: another placeholder", |key| {
                Jwk::from(key).member("issuer", "https://login.microsoftonline.com/{tenant}/v2.0")
            }),
            ("issuer: B2C", |key| Jwk::from(key).member("issuer", "https://contoso.b2clogin.com/{tenantid}/v2.0/")),
        ],
    );
    listed(
        rejected(401, K::ForeignCloudKey),
        &[
            ("cloud_instance_name: the US Government", |key| {
                Jwk::from(key).member("cloud_instance_name", "microsoftonline.us")
            }),
            ("cloud_instance_name: another case", |key| Jwk::from(key).member("cloud_instance_name", "Entra.test")),
            ("cloud_instance_name: a blank behind", |key| Jwk::from(key).member("cloud_instance_name", "entra.test ")),
        ],
    );
    listed(
        rejected(401, K::InvalidSignature).signed(),
        &[
            ("n: of another key", |key| {
                Jwk::from(key).member("n", URL_SAFE_NO_PAD.encode(SigningKey::stranger().modulus()))
            }),
            ("n: one bit off", |key| Jwk::from(key).member("n", encoded(key, |n| n[100] ^= 4))),
            ("n: of 4096 bits of nonsense", |key| Jwk::from(key).member("n", modulus(512))),
            ("n: of 3072 bits of nonsense", |key| Jwk::from(key).member("n", modulus(384))),
            ("n: all ones", |key| Jwk::from(key).member("n", URL_SAFE_NO_PAD.encode([0xff; 256]))),
        ],
    );

    let mut whole = |expected: Expected, rows: &[(&str, Served)]| {
        entries.extend(rows.iter().map(|(name, fault)| Entry::served(name, expected, Endpoint::Keys, fault)));
    };
    whole(
        KEPT,
        &[
            ("document: empty", |_| Fault::empty()),
            ("document: a page for people", |_| Fault::html()),
            ("document: null", |_| document("null")),
            ("document: a list of keys", |entra| document(keys(entra).to_string())),
            ("document: no keys member", |_| document("{}")),
            ("document: keys is null", |_| document(r#"{"keys":null}"#)),
            ("document: keys is an object", |_| document(r#"{"keys":{}}"#)),
            ("document: keys is a text", |_| document(r#"{"keys":"x"}"#)),
            ("document: keys is empty", |_| document(r#"{"keys":[]}"#)),
            ("document: Keys instead", |entra| document(json!({"Keys": keys(entra)}).to_string())),
            ("document: keys twice", |entra| document(format!("{{\"keys\":{0},\"keys\":{0}}}", keys(entra)))),
            ("document: another name twice", |entra| document(format!("{{\"x\":1,\"x\":2,\"keys\":{}}}", keys(entra)))),
            ("document: cut off", |entra| document(entra.key_document(TokenVersion::V2)[..500].to_owned())),
            ("document: something behind", |entra| document(format!("{} x", entra.key_document(TokenVersion::V2)))),
            ("document: a byte order mark", |entra| {
                document(format!("\u{feff}{}", entra.key_document(TokenVersion::V2)))
            }),
            ("document: not UTF-8", |_| document(b"{\"keys\":[],\"x\":\"\xff\"}".to_vec())),
            ("document: no usable key", |_| document(r#"{"keys":[{"kty":"EC","kid":"a"},{"kty":"oct","kid":"b"}]}"#)),
            ("document: nested without end", |_| document(format!("{{\"keys\":{}", "[".repeat(100_000)))),
            ("document: an error as OAuth has it", |_| document(r#"{"error":"server_error"}"#)),
            ("answer: 204", |_| Fault::status(204)),
            ("answer: 302 to somewhere", |_| Fault::redirect(302, "http://127.0.0.1:1/keys")),
            ("answer: 404", |_| Fault::status(404)),
            ("answer: 500", |_| Fault::status(500)),
            ("answer: a content coding", |entra| Fault::gzip(entra.key_document(TokenVersion::V2))),
            ("answer: beyond a mebibyte", |_| Fault::oversize(1_048_577)),
            ("answer: beyond a mebibyte in chunks", |_| Fault::oversize(1_048_577).chunked()),
            ("answer: without end", |_| Fault::endless()),
            ("answer: a connection that closes", |_| Fault::reset()),
            ("answer: no HTTP", |_| Fault::raw("SSH-2.0-OpenSSH\r\n")),
            ("answer: cut short", |_| Fault::truncated(100)),
        ],
    );
    whole(
        TAKEN,
        &[
            ("document: as Entra serves it", |_| Fault::none()),
            ("document: with blanks", |entra| document(format!(" \r\n\t{}\n", entra.key_document(TokenVersion::V2)))),
            ("document: with other members", |entra| {
                document(json!({"x": [1, {"y": null}], "keys": keys(entra)}).to_string())
            }),
            ("document: as plain text", |entra| Fault::content("text/plain", entra.key_document(TokenVersion::V2))),
            ("document: in the reverse order", |entra| {
                let mut keys = keys(entra);
                keys.as_array_mut().unwrap().reverse();
                document(json!({"keys": keys}).to_string())
            }),
            ("document: of version 1", |entra| document(entra.key_document(TokenVersion::V1))),
            ("document: among a thousand others", |entra| {
                let mut keys = keys(entra);
                keys.as_array_mut()
                    .unwrap()
                    .extend((0..1000).map(|number| json!({"kty": "EC", "kid": number.to_string()})));
                document(json!({"keys": keys}).to_string())
            }),
            ("document: of exactly a mebibyte", |_| Fault::oversize(1_048_576)),
            ("answer: forbidden to be stored", |_| Fault::none().header("Cache-Control", "no-store, max-age=0")),
        ],
    );
    // Two entries of one name, for the name that the token has.
    let mut twice = |name: &str, expected: Expected, second: fn(&Value) -> Value| {
        entries.push(Entry::served(name, expected, Endpoint::Keys, |entra| {
            let mut keys = keys(entra);
            let id = entra.signing_key().key_id().as_str().to_owned();
            let first = keys.as_array().unwrap().iter().find(|key| key["kid"] == id.as_str()).unwrap().clone();
            keys.as_array_mut().unwrap().push(second(&first));
            document(json!({"keys": keys}).to_string())
        }));
    };
    twice("one kid twice: the same key", TAKEN, Value::clone);
    twice("one kid twice: the same key for encryption", TAKEN, |key| changed(key, "use", json!("enc")));
    twice("one kid twice: an entry that cannot be read", TAKEN, |key| changed(key, "n", json!(7)));
    let ambiguous = rejected(401, K::UnusableKey).taken();
    twice("one kid twice: another modulus", ambiguous, |key| {
        changed(key, "n", json!(URL_SAFE_NO_PAD.encode(SigningKey::stranger().modulus())))
    });
    twice("one kid twice: another kind", ambiguous, |key| changed(key, "kty", json!("EC")));
    entries
}

fn changed(key: &Value, name: &str, value: Value) -> Value {
    let mut key = key.clone();
    key[name] = value;
    key
}

fn document(text: impl Into<bytes::Bytes>) -> Fault {
    Fault::content("application/json; charset=utf-8", text)
}

fn keys(entra: &MockEntra) -> Value {
    serde_json::from_str::<Value>(&entra.key_document(TokenVersion::V2)).unwrap()["keys"].clone()
}

/// A modulus of so many bytes that is nothing but well-formed.
fn modulus(bytes: usize) -> String {
    URL_SAFE_NO_PAD.encode(vec![0xab; bytes])
}

fn encoded(key: &SigningKey, change: fn(&mut Vec<u8>)) -> String {
    let mut modulus = key.modulus();
    change(&mut modulus);
    URL_SAFE_NO_PAD.encode(modulus)
}

fn swapped_case(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }).collect()
}
