//! Tokens at the edges of each rule: good ones that must pass, bad ones that must not.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot be set up should stop")]

mod common;

use common::{NOON, entra, fixed_layer, judge};
use mock_entra::{MockEntra, TokenBuilder};
use signalr_upstream_auth::clock::UnixTime;
use signalr_upstream_auth::{RejectionKind as K, TokenVersion};

/// The claims text of a good v1 token, to be edited as text.
fn claims(entra: &MockEntra, edit: impl FnOnce(&mut Vec<String>)) -> String {
    let tenant = entra.tenant();
    let mut members = vec![
        format!("\"aud\":\"{}\"", entra.audience_client_id()),
        format!("\"iss\":\"{}\"", entra.issuer(tenant, TokenVersion::V1)),
        format!("\"iat\":{NOON}"),
        format!("\"nbf\":{NOON}"),
        format!("\"exp\":{}", NOON + 1000),
        format!("\"oid\":\"{}\"", entra.caller_object_id()),
        format!("\"sub\":\"{}\"", entra.caller_object_id()),
        format!("\"tid\":\"{tenant}\""),
        "\"ver\":\"1.0\"".to_owned(),
    ];
    edit(&mut members);
    format!("{{{}}}", members.join(","))
}

#[tokio::test]
async fn tokens_at_the_edge_of_a_rule_fall_on_the_right_side() {
    let entra = entra().await;
    let layer = fixed_layer(&entra, entra.policy());
    let kid = entra.signing_key().key_id().as_str().to_owned();
    let raw = |f: &dyn Fn(&mut Vec<String>)| entra.token().raw_claims(claims(&entra, f));
    let set = |name: &'static str, value: &'static str| {
        raw(&move |m: &mut Vec<String>| {
            m.retain(|x| !x.starts_with(&format!("\"{name}\"")));
            if !value.is_empty() {
                m.push(format!("\"{name}\":{value}"));
            }
        })
    };
    let add = |text: String| raw(&move |m: &mut Vec<String>| m.push(text.clone()));
    let mc = Some(K::MalformedClaims);
    let no_json = Some(K::MalformedToken);
    let deep = format!("\"deep\":{}1{}", "[".repeat(3000), "]".repeat(3000));
    let deep_obj = format!("\"deep\":{}1{}", "{\"a\":".repeat(1000), "}".repeat(1000));
    let many = |count| (0..count).map(|n| format!("\"k{n}\":0")).collect::<Vec<_>>().join(",");
    let rows: Vec<(&str, TokenBuilder, Option<K>)> = vec![
        ("plain", raw(&|_| ()), None),
        ("no iat", set("iat", ""), None),
        ("no nbf", set("nbf", ""), None),
        ("iat negative", set("iat", "-1"), mc),
        ("nbf negative", set("nbf", "-1"), mc),
        ("exp negative", set("exp", "-1"), mc),
        ("nbf -0", set("nbf", "-0"), mc),
        ("exp float", set("exp", "1800000000.0"), mc),
        ("exp with an exponent", set("exp", "18e8"), mc),
        ("exp huge", set("exp", "1e400"), mc),
        ("exp u64", set("exp", "18446744073709551615"), mc),
        ("exp big", set("exp", "99999999999999999999999999"), mc),
        ("exp i64 max", set("exp", "9223372036854775807"), None),
        ("exp str", set("exp", "\"1800000000\""), mc),
        ("exp bool", set("exp", "true"), mc),
        ("exp arr", set("exp", "[1800000000]"), mc),
        ("exp null", set("exp", "null"), mc),
        ("exp number obj", set("exp", "{\"$serde_json::private::Number\":\"1800000000\"}"), mc),
        ("aud number obj", set("aud", "{\"$serde_json::private::Number\":\"1800000000\"}"), mc),
        ("aud rawvalue obj", set("aud", "{\"$serde_json::private::RawValue\":\"1800000000\"}"), mc),
        ("aud num", set("aud", "12"), mc),
        ("aud num huge", set("aud", "1e999"), mc),
        ("aud -0", set("aud", "-0"), mc),
        ("aud empty arr", set("aud", "[]"), Some(K::WrongAudience)),
        ("iss null", set("iss", "null"), mc),
        ("unknown lone surrogate value", add("\"x\":\"\\ud800\"".into()), None),
        ("unknown lone surrogate name", add("\"\\ud800\":1".into()), mc),
        ("unknown NUL name", add("\"\\u0000\":1".into()), None),
        ("raw NUL in string", add("\"x\":\"\u{0}\"".into()), no_json),
        ("unknown huge number", add("\"x\":1e999".into()), None),
        ("unknown -0", add("\"x\":-0".into()), None),
        ("unknown big", add("\"x\":99999999999999999999999999999999".into()), None),
        ("unknown bad number", add("\"x\":01".into()), no_json),
        ("deep unknown", add(deep), None),
        ("deep unknown obj", add(deep_obj), None),
        ("many members", add(many(200)), None),
        ("too many members", add(many(256)), no_json),
        ("empty name", add("\"\":1".into()), None),
        ("empty name twice", add("\"\":1,\"\":2".into()), Some(K::DuplicateMember)),
        ("dup escaped", add("\"\\u0061ud\":\"x\"".into()), Some(K::DuplicateMember)),
        ("dup escaped after", add("\"x\":1,\"\\u0078\":1".into()), Some(K::DuplicateMember)),
        ("TID", add("\"TID\":1".into()), Some(K::DuplicateMember)),
        ("t\\u0049d", add("\"t\\u0049d\":1".into()), Some(K::DuplicateMember)),
        ("nested dup ok", add("\"x\":{\"a\":1,\"a\":1}".into()), None),
        ("xms_ftd etc", add("\"groups\":[\"a\"],\"wids\":[],\"xms_cc\":[\"cp1\"],\"acr\":1".into()), None),
        ("scp empty", add("\"scp\":\"\"".into()), Some(K::DelegatedToken)),
        ("scp null", add("\"scp\":null".into()), mc),
        ("scp arr", add("\"scp\":[]".into()), mc),
        ("idtyp app", add("\"idtyp\":\"app\"".into()), None),
        ("idtyp APP", add("\"idtyp\":\"APP\"".into()), Some(K::DelegatedToken)),
        ("idtyp empty", add("\"idtyp\":\"\"".into()), Some(K::DelegatedToken)),
        ("azp wrong type in v1", add("\"azp\":1".into()), mc),
        ("roles null", add("\"roles\":null".into()), mc),
        ("uti number", add("\"uti\":1".into()), mc),
        ("oid upper", set("oid", "\"77777777-4321-4CBA-8FED-888888888888\""), mc),
        ("sub missing", set("sub", ""), Some(K::MissingClaim)),
        ("tid upper", set("tid", "\"11111111-AAAA-4bbb-8ccc-222222222222\""), Some(K::WrongTenant)),
        ("tid braces", set("tid", "\"{11111111-aaaa-4bbb-8ccc-222222222222}\""), Some(K::WrongTenant)),
        ("ver num", set("ver", "1.0"), mc),
        ("ver 1", set("ver", "\"1\""), Some(K::UnsupportedVersion)),
        ("ver 2", set("ver", "\"2.0\""), Some(K::WrongIssuer)),
        ("header ws", entra.token().raw_header(format!(" \n{{\"alg\":\"RS256\",\"kid\":\"{kid}\"}}\t\r\n")), None),
        ("alg escaped", entra.token().raw_header(format!("{{\"alg\":\"RS\\u0032\\u00356\",\"kid\":\"{kid}\"}}")), None),
        (
            "alg nul",
            entra.token().raw_header(format!("{{\"alg\":\"RS256\\u0000\",\"kid\":\"{kid}\"}}")),
            Some(K::AlgorithmNotAllowed),
        ),
        (
            "kid nul",
            entra.token().raw_header(format!("{{\"alg\":\"RS256\",\"kid\":\"{kid}\\u0000\"}}")),
            Some(K::UnknownKey),
        ),
        (
            "kid case",
            entra.token().raw_header(format!("{{\"alg\":\"RS256\",\"kid\":\"{}\"}}", kid.to_lowercase())),
            if kid == kid.to_lowercase() { None } else { Some(K::UnknownKey) },
        ),
        (
            "Alg is another name than alg",
            entra.token().raw_header(format!("{{\"alg\":\"RS256\",\"Alg\":\"none\",\"kid\":\"{kid}\"}}")),
            None,
        ),
        (
            "Crit is another name than crit",
            entra.token().raw_header(format!("{{\"alg\":\"RS256\",\"Crit\":[\"x\"],\"kid\":\"{kid}\"}}")),
            None,
        ),
        ("crit after typ", entra.token().header("crit", ["exp"]), Some(K::CriticalHeader)),
        ("nonce good", entra.token().header("nonce", 5), None),
        ("jwk in header", entra.token().header("jwk", ["x"]).header("jku", "https://evil"), None),
        ("x5t wrong", entra.token().header("x5t", 5).header("x5t#S256", None::<u8>), None),
        ("cty", entra.token().header("cty", "JWT"), None),
        ("typ application", entra.token().header("typ", "application/jwt"), None),
        ("aud arr one", entra.token().claim("aud", [entra.audience_client_id().to_string()]), None),
        (
            "aud arr two",
            entra
                .token()
                .claim("aud", [entra.audience_client_id().to_string(), entra.audience_client_id().to_string()]),
            Some(K::WrongAudience),
        ),
        ("aud upper v2", entra.token().v2().audience(entra.audience_client_id().to_string().to_uppercase()), None),
        ("aud guid v1", entra.token().audience(entra.audience_client_id().to_string()), None),
        (
            "aud api v2",
            entra.token().v2().audience(format!("api://{}", entra.audience_client_id())),
            Some(K::WrongAudience),
        ),
        (
            "aud guid slash",
            entra.token().v2().audience(format!("{}/", entra.audience_client_id())),
            Some(K::WrongAudience),
        ),
        (
            "exp edge",
            entra.token().expires_at(UnixTime::from_secs(NOON - 300)).not_before(UnixTime::from_secs(NOON - 900)),
            None,
        ),
        ("nbf edge", entra.token().not_before(UnixTime::from_secs(NOON + 300)), None),
        ("iat edge", entra.token().claim("iat", NOON + 300), None),
        ("nbf==exp", entra.token().not_before(UnixTime::from_secs(NOON)).expires_at(UnixTime::from_secs(NOON)), None),
    ];
    let mut wrong = Vec::new();
    for (name, token, expected) in rows {
        let got = judge(&layer, &token.mint()).await;
        if got != expected {
            wrong.push(format!("{name}: {got:?}, expected {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
