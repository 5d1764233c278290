//! The JSON types of claims, and names that occur twice or differ in case.

use serde_json::{Value, json};
use signalr_upstream_auth::RejectionKind as K;

use crate::entry::{Entry, Sent};
use crate::expected::{PASS, rejected};
use crate::fixture::Fixture;

pub fn entries(fixture: &Fixture) -> Vec<Entry> {
    let mut entries = Vec::new();
    // Every claim that is read, in every type that it is not.
    let texts = ["iss", "tid", "ver", "oid", "sub", "appid", "azp", "idtyp", "scp", "uti"];
    let wrong = [
        ("null", Value::Null),
        ("a number", json!(7)),
        ("false", json!(false)),
        ("a list of it", json!(["x"])),
        ("an object", json!({"x": "x"})),
    ];
    for name in texts {
        for (kind, value) in &wrong {
            let token = fixture.token().claim(name, value).mint();
            entries.push(Entry::sent(
                format!("{name}: {kind}"),
                rejected(401, K::MalformedClaims),
                Sent::token(&token),
            ));
        }
    }
    let wrong_lists = [
        ("null", Value::Null),
        ("a number", json!(7)),
        ("true", json!(true)),
        ("an object", json!({"0": "x"})),
        ("a list with null", json!(["x", null])),
        ("a list with a number", json!(["x", 7])),
        ("a list in a list", json!([["x"]])),
        ("a list with an object", json!([{}])),
    ];
    for name in ["aud", "roles"] {
        for (kind, value) in &wrong_lists {
            let token = fixture.token().claim(name, value).mint();
            entries.push(Entry::sent(
                format!("{name}: {kind}"),
                rejected(401, K::MalformedClaims),
                Sent::token(&token),
            ));
        }
    }
    entries.extend(fixture.tokens(
        rejected(401, K::MalformedClaims),
        &[
            ("aud: half a surrogate pair", |token| token.raw_claims(r#"{"aud":"\ud800"}"#)),
            ("a name that is half a surrogate pair", |token| token.raw_claims(r#"{"\ud800":1}"#)),
            ("iss: a number beyond all bounds", |token| token.raw_claims(r#"{"iss":1e999}"#)),
        ],
    ));
    // A claim that is read comes twice, with the same value.
    for name in ["aud", "iss", "tid", "ver", "oid", "sub", "appid"] {
        let good = fixture.token();
        let value = claim_of(&good.mint(), name);
        let token = good.duplicate_claim(name, value).mint();
        entries.push(Entry::sent(format!("{name}: twice"), rejected(401, K::DuplicateMember), Sent::token(&token)));
    }
    entries.extend(fixture.tokens(
        rejected(401, K::DuplicateMember),
        &[
            ("roles: twice", |token| token.roles(["a"]).duplicate_claim("roles", ["b"])),
            ("uti: twice", |token| token.duplicate_claim("uti", "x")),
            ("scp: twice", |token| token.claim("scp", "a").duplicate_claim("scp", "b")),
            ("azp: twice", |token| token.duplicate_claim("azp", "a").duplicate_claim("azp", "b")),
            ("an unknown name twice", |token| token.duplicate_claim("x", 1).duplicate_claim("x", 2)),
            ("an unknown name twice, once escaped", |token| token.raw_claims(r#"{"xy":1,"x\u0079":2}"#)),
            ("an empty name twice", |token| token.duplicate_claim("", 1).duplicate_claim("", 2)),
            ("aud twice, once escaped", |token| token.raw_claims(r#"{"aud":"a","\u0061ud":"b"}"#)),
            ("the hundredth name twice", |token| {
                (0..120).fold(token, |token, number| token.claim(&format!("c{number}"), 0)).duplicate_claim("c99", 0)
            }),
            ("tid and TID", |token| token.claim("TID", "x")),
            ("tid and Tid", |token| token.claim("Tid", 1)),
            ("tid and tiD, escaped", |token| token.raw_claims(r#"{"tid":"a","ti\u0044":"b"}"#)),
            ("TID alone", |token| token.without_claim("tid").claim("TID", "11111111-aaaa-4bbb-8ccc-222222222222")),
        ],
    ));
    entries.extend(fixture.tokens(
        rejected(401, K::MissingClaim),
        &[
            ("no claims", |token| token.raw_claims("{}")),
            ("ver: missing", |token| token.without_claim("ver")),
            ("tid: missing", |token| token.without_claim("tid")),
            ("iss: missing", |token| token.without_claim("iss")),
            ("aud: missing", |token| token.without_claim("aud")),
            ("AUD instead of aud", |token| {
                token.without_claim("aud").claim("AUD", "api://33333333-dddd-4eee-8fff-444444444444")
            }),
            ("a blank behind the name", |token| {
                token.without_claim("aud").claim("aud ", "api://33333333-dddd-4eee-8fff-444444444444")
            }),
            ("a zero behind the name", |token| {
                token.without_claim("aud").claim("aud\0", "api://33333333-dddd-4eee-8fff-444444444444")
            }),
        ],
    ));
    // What is not looked at before the signature is missing only after it.
    entries.extend(fixture.tokens(
        rejected(401, K::MissingClaim).signed(),
        &[("oid: missing", |token| token.without_claim("oid")), ("sub: missing", |token| token.without_claim("sub"))],
    ));
    entries.extend(fixture.tokens(
        rejected(401, K::UnsupportedVersion),
        &[
            ("ver: 1", |token| token.claim("ver", "1")),
            ("ver: 2", |token| token.claim("ver", "2")),
            ("ver: 1.00", |token| token.claim("ver", "1.00")),
            ("ver: 3.0", |token| token.claim("ver", "3.0")),
            ("ver: empty", |token| token.claim("ver", "")),
            ("ver: a blank behind", |token| token.claim("ver", "1.0 ")),
            ("ver: v1.0", |token| token.claim("ver", "v1.0")),
            ("ver: another script's digits", |token| token.claim("ver", "\u{661}.\u{660}")),
        ],
    ));
    entries.extend(fixture.tokens(
        PASS,
        &[
            ("roles: one text", |token| token.claim("roles", "Upstream.Call")),
            ("roles: none", |token| token.claim("roles", json!([]))),
            ("aud: a list of one", |token| token.claim("aud", ["api://33333333-dddd-4eee-8fff-444444444444"])),
            ("uti: missing", |token| token.without_claim("uti")),
            ("uti: empty", |token| token.claim("uti", "")),
            ("appid: missing, with a caller known by its object", |token| token.without_claim("appid")),
            ("appid: no GUID, with a caller known by its object", |token| token.claim("appid", "x")),
            ("azp: in a v1 token", |token| token.claim("azp", "x")),
            ("every claim of a managed identity", |token| token),
            ("every claim of version 2", |token| token.v2()),
            ("claims of names that almost mean something", |token| {
                token.claim("Aud", 1).claim("ISS", 2).claim("expires", 3).claim("__proto__", json!({"admin": true}))
            }),
        ],
    ));
    entries
}

/// A claim of a token that was minted.
fn claim_of(token: &str, name: &str) -> Value {
    use base64::Engine as _;
    let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice::<Value>(&claims).unwrap()[name].clone()
}
