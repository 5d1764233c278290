//! Tokens at the edges of each rule, on both sides.

use mock_entra::TokenBuilder;
use signalr_upstream_auth::clock::UnixTime;
use signalr_upstream_auth::{RejectionKind as K, TokenVersion};
use support::NOON;

use crate::entry::{Entry, Sent};
use crate::expected::{Expected, PASS, rejected};
use crate::fixture::Fixture;

/// The claims of a good v1 token, one text for each member, to be edited as text.
fn members(fixture: &Fixture) -> Vec<String> {
    let (tenant, caller) = (fixture.tenant(), fixture.entra.caller_object_id());
    vec![
        format!("\"aud\":\"{}\"", fixture.audience()),
        format!("\"iss\":\"{}\"", fixture.issuer(TokenVersion::V1)),
        format!("\"iat\":{NOON}"),
        format!("\"nbf\":{NOON}"),
        format!("\"exp\":{}", NOON + 1000),
        format!("\"oid\":\"{caller}\""),
        format!("\"sub\":\"{caller}\""),
        format!("\"tid\":\"{tenant}\""),
        "\"ver\":\"1.0\"".to_owned(),
    ]
}

pub fn entries(fixture: &Fixture) -> Vec<Entry> {
    let token = || fixture.entra.token();
    let audience = || fixture.audience();
    let kid = fixture.entra.signing_key().key_id().as_str().to_owned();
    let raw = |members: &[String]| token().raw_claims(format!("{{{}}}", members.join(",")));
    // A claim with another value, or without one if that is empty.
    let set = |name: &str, value: &str| {
        let mut members = members(fixture);
        members.retain(|member| !member.starts_with(&format!("\"{name}\"")));
        if !value.is_empty() {
            members.push(format!("\"{name}\":{value}"));
        }
        raw(&members)
    };
    let add = |text: String| raw(&[members(fixture), vec![text]].concat());
    let mc = rejected(401, K::MalformedClaims);
    let no_json = rejected(401, K::MalformedToken);
    let unknown_key = rejected(401, K::UnknownKey).fetching(1, 1);
    let deep = format!("\"deep\":{}1{}", "[".repeat(3000), "]".repeat(3000));
    let deep_obj = format!("\"deep\":{}1{}", "{\"a\":".repeat(1000), "}".repeat(1000));
    let many = |count| (0..count).map(|n| format!("\"k{n}\":0")).collect::<Vec<_>>().join(",");
    let cases: Vec<(&str, TokenBuilder, Expected)> = vec![
        ("plain", raw(&members(fixture)), PASS),
        ("no iat", set("iat", ""), PASS),
        ("no nbf", set("nbf", ""), PASS),
        ("iat negative", set("iat", "-1"), mc),
        ("nbf negative", set("nbf", "-1"), mc),
        ("exp negative", set("exp", "-1"), mc),
        ("nbf -0", set("nbf", "-0"), mc),
        ("exp float", set("exp", "1800000000.0"), mc),
        ("exp with an exponent", set("exp", "18e8"), mc),
        ("exp huge", set("exp", "1e400"), mc),
        ("exp u64", set("exp", "18446744073709551615"), mc),
        ("exp big", set("exp", "99999999999999999999999999"), mc),
        ("exp i64 max", set("exp", "9223372036854775807"), PASS),
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
        ("aud empty arr", set("aud", "[]"), rejected(401, K::WrongAudience)),
        ("iss null", set("iss", "null"), mc),
        ("unknown lone surrogate value", add("\"x\":\"\\ud800\"".into()), PASS),
        ("unknown lone surrogate name", add("\"\\ud800\":1".into()), mc),
        ("unknown NUL name", add("\"\\u0000\":1".into()), PASS),
        ("raw NUL in string", add("\"x\":\"\u{0}\"".into()), no_json),
        ("unknown huge number", add("\"x\":1e999".into()), PASS),
        ("unknown -0", add("\"x\":-0".into()), PASS),
        ("unknown big", add("\"x\":99999999999999999999999999999999".into()), PASS),
        ("unknown bad number", add("\"x\":01".into()), no_json),
        ("deep unknown, too long for the cache", add(deep), PASS.signed()),
        ("deep unknown obj, too long for the cache", add(deep_obj), PASS.signed()),
        ("many members", add(many(200)), PASS),
        ("too many members", add(many(256)), no_json),
        ("empty name", add("\"\":1".into()), PASS),
        ("empty name twice", add("\"\":1,\"\":2".into()), rejected(401, K::DuplicateMember)),
        ("dup escaped", add("\"\\u0061ud\":\"x\"".into()), rejected(401, K::DuplicateMember)),
        ("dup escaped after", add("\"x\":1,\"\\u0078\":1".into()), rejected(401, K::DuplicateMember)),
        ("TID", add("\"TID\":1".into()), rejected(401, K::DuplicateMember)),
        ("t\\u0049d", add("\"t\\u0049d\":1".into()), rejected(401, K::DuplicateMember)),
        ("nested dup ok", add("\"x\":{\"a\":1,\"a\":1}".into()), PASS),
        ("xms_ftd etc", add("\"groups\":[\"a\"],\"wids\":[],\"xms_cc\":[\"cp1\"],\"acr\":1".into()), PASS),
        ("scp empty", add("\"scp\":\"\"".into()), rejected(403, K::DelegatedToken).signed()),
        ("scp null", add("\"scp\":null".into()), mc),
        ("scp arr", add("\"scp\":[]".into()), mc),
        ("idtyp app", add("\"idtyp\":\"app\"".into()), PASS),
        ("idtyp APP", add("\"idtyp\":\"APP\"".into()), rejected(403, K::DelegatedToken).signed()),
        ("idtyp empty", add("\"idtyp\":\"\"".into()), rejected(403, K::DelegatedToken).signed()),
        ("azp wrong type in v1", add("\"azp\":1".into()), mc),
        ("roles null", add("\"roles\":null".into()), mc),
        ("uti number", add("\"uti\":1".into()), mc),
        ("oid upper", set("oid", "\"77777777-4321-4CBA-8FED-888888888888\""), mc.signed()),
        ("sub missing", set("sub", ""), rejected(401, K::MissingClaim).signed()),
        ("tid upper", set("tid", "\"11111111-AAAA-4bbb-8ccc-222222222222\""), rejected(401, K::WrongTenant)),
        ("tid braces", set("tid", "\"{11111111-aaaa-4bbb-8ccc-222222222222}\""), rejected(401, K::WrongTenant)),
        ("ver num", set("ver", "1.0"), mc),
        ("ver 1", set("ver", "\"1\""), rejected(401, K::UnsupportedVersion)),
        ("ver 2", set("ver", "\"2.0\""), rejected(401, K::WrongIssuer)),
        ("header ws", token().raw_header(format!(" \n{{\"alg\":\"RS256\",\"kid\":\"{kid}\"}}\t\r\n")), PASS),
        ("alg escaped", token().raw_header(format!("{{\"alg\":\"RS\\u0032\\u00356\",\"kid\":\"{kid}\"}}")), PASS),
        (
            "alg nul",
            token().raw_header(format!("{{\"alg\":\"RS256\\u0000\",\"kid\":\"{kid}\"}}")),
            rejected(401, K::AlgorithmNotAllowed),
        ),
        ("kid nul", token().raw_header(format!("{{\"alg\":\"RS256\",\"kid\":\"{kid}\\u0000\"}}")), unknown_key),
        (
            "kid case",
            token().raw_header(format!("{{\"alg\":\"RS256\",\"kid\":\"{}\"}}", kid.to_lowercase())),
            unknown_key,
        ),
        (
            "Alg is another name than alg",
            token().raw_header(format!("{{\"alg\":\"RS256\",\"Alg\":\"none\",\"kid\":\"{kid}\"}}")),
            PASS,
        ),
        (
            "Crit is another name than crit",
            token().raw_header(format!("{{\"alg\":\"RS256\",\"Crit\":[\"x\"],\"kid\":\"{kid}\"}}")),
            PASS,
        ),
        ("crit after typ", token().header("crit", ["exp"]), rejected(401, K::CriticalHeader)),
        ("nonce good", token().header("nonce", 5), PASS),
        ("jwk in header", token().header("jwk", ["x"]).header("jku", "https://evil"), PASS),
        ("x5t wrong", token().header("x5t", 5).header("x5t#S256", None::<u8>), PASS),
        ("cty", token().header("cty", "JWT"), PASS),
        ("typ application", token().header("typ", "application/jwt"), PASS),
        ("aud arr one", token().claim("aud", [audience()]), PASS),
        ("aud arr two", token().claim("aud", [audience(), audience()]), rejected(401, K::WrongAudience)),
        ("aud upper v2", token().v2().audience(audience().to_uppercase()), PASS),
        ("aud guid v1", token().audience(audience()), PASS),
        ("aud api v2", token().v2().audience(format!("api://{}", audience())), rejected(401, K::WrongAudience)),
        ("aud guid slash", token().v2().audience(format!("{}/", audience())), rejected(401, K::WrongAudience)),
        (
            "exp edge",
            token().issued_at(UnixTime::from_secs(NOON - 900)).expires_at(UnixTime::from_secs(NOON - 299)),
            PASS,
        ),
        ("nbf edge", token().not_before(UnixTime::from_secs(NOON + 300)), PASS),
        ("iat edge", token().claim("iat", NOON + 300), PASS),
        ("nbf==exp", token().not_before(UnixTime::from_secs(NOON)).expires_at(UnixTime::from_secs(NOON)), PASS),
    ];
    cases.into_iter().map(|(name, token, expected)| Entry::sent(name, expected, Sent::token(&token.mint()))).collect()
}
