//! The form, the header and the types of the claims.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::UnverifiedToken;
use super::bearer::BearerToken;
use super::compact::CompactJws;
use crate::error::{CheckName, Rejection, RejectionKind};

const HEADER: &str = r#"{"typ":"JWT","alg":"RS256","kid":"k"}"#;

fn kind(header: &str, claims: &str) -> Option<RejectionKind> {
    let token = format!("{}.{}.AAAA", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    parse(&token)
}

fn parse(token: &str) -> Option<RejectionKind> {
    rejection(token).map(|rejection| rejection.kind())
}

fn rejection(token: &str) -> Option<Rejection> {
    let token = BearerToken::from_token68(token.as_bytes()).unwrap();
    let jws = match CompactJws::decode(token) {
        Ok(jws) => jws,
        Err(kind) => return Some(kind.into()),
    };
    UnverifiedToken::parse(&jws).err()
}

#[test]
fn a_token_has_three_segments_of_strict_base64url() {
    assert_eq!(kind(HEADER, "{}"), None);
    for token in ["a", "e30", "e30.e30", "e30.e30.e30.e30", "e30.e30.e30.e30.e30.e30", "...", "e30=.e30.AA"] {
        assert_eq!(parse(token), Some(RejectionKind::MalformedToken), "{token}");
    }
    assert_eq!(parse("e30.e30.e30.e30.e30"), Some(RejectionKind::EncryptedToken));
    let good = format!("{}.e30.", URL_SAFE_NO_PAD.encode(HEADER));
    assert_eq!(parse(&format!("{good}AAAA")), None);
    // Padding, the other alphabet, an impossible length, bits beyond the last byte.
    for signature in ["AA==", "A+AA", "A/AA", "AAAAA", "AB", "A~AA"] {
        assert_eq!(parse(&format!("{good}{signature}")), Some(RejectionKind::MalformedToken), "{signature}");
    }
}

#[test]
fn form_outranks_the_header_and_the_header_outranks_all_of_the_claims() {
    let none = r#"{"alg":"none","kid":"k"}"#;
    assert_eq!(kind("[]", "{}"), Some(RejectionKind::MalformedToken));
    assert_eq!(parse(&format!("{}.e30.AAAAA", URL_SAFE_NO_PAD.encode(none))), Some(RejectionKind::MalformedToken));
    assert_eq!(kind(none, "[]"), Some(RejectionKind::AlgorithmNotAllowed));
    assert_eq!(kind(HEADER, "[]"), Some(RejectionKind::MalformedToken));
    assert_eq!(kind(none, r#"{"exp":"1"}"#), Some(RejectionKind::AlgorithmNotAllowed));
    assert_eq!(kind(none, r#"{"a":1,"a":1}"#), Some(RejectionKind::AlgorithmNotAllowed));
    assert_eq!(kind(HEADER, r#"{"exp":"1"}"#), Some(RejectionKind::MalformedClaims));
}

#[test]
fn only_rs256_in_exactly_this_spelling() {
    for algorithm in ["none", "None", "rs256", "RS256 ", "HS256", "PS256", "RS384", "ES256", ""] {
        let header = format!(r#"{{"alg":"{algorithm}","kid":"k"}}"#);
        assert_eq!(kind(&header, "{}"), Some(RejectionKind::AlgorithmNotAllowed), "{algorithm}");
    }
    assert_eq!(kind(r#"{"kid":"k"}"#, "{}"), Some(RejectionKind::MalformedHeader));
    assert_eq!(kind(r#"{"alg":["RS256"],"kid":"k"}"#, "{}"), Some(RejectionKind::MalformedHeader));
}

#[test]
fn extensions_are_rejected_whatever_they_hold() {
    for member in
        [r#""crit":["exp"]"#, r#""crit":[]"#, r#""crit":null"#, r#""b64":true"#, r#""enc":"A128GCM""#, r#""zip":1"#]
    {
        let header = format!(r#"{{"alg":"RS256","kid":"k",{member}}}"#);
        assert_eq!(kind(&header, "{}"), Some(RejectionKind::CriticalHeader), "{member}");
    }
}

#[test]
fn types_of_jwt_and_access_token_pass() {
    for (accepted, names) in [
        (true, &["JWT", "jwt", "Jwt", "at+jwt", "AT+JWT", "application/at+jwt", "Application/JWT"][..]),
        (false, &["", "JWS", "JOSE", "id+jwt", "dpop+jwt", "application/", "text/jwt", "application.JWT", "JWT "]),
    ] {
        for name in names {
            let header = format!(r#"{{"typ":"{name}","alg":"RS256","kid":"k"}}"#);
            assert_eq!(kind(&header, "{}").is_none(), accepted, "{name}");
        }
    }
    assert_eq!(kind(r#"{"typ":null,"alg":"RS256","kid":"k"}"#, "{}"), Some(RejectionKind::MalformedHeader));
}

#[test]
fn a_key_id_is_a_string_of_1_to_256_bytes() {
    let with = |kid: &str| kind(&format!(r#"{{"alg":"RS256","kid":{kid}}}"#), "{}");
    assert_eq!(with(&format!("\"{}\"", "k".repeat(256))), None);
    assert_eq!(with(&format!("\"{}\"", "k".repeat(257))), Some(RejectionKind::MalformedHeader));
    assert_eq!(with("1"), Some(RejectionKind::MalformedHeader));
    assert_eq!(with("null"), Some(RejectionKind::MalformedHeader));
    assert_eq!(with("\"\""), Some(RejectionKind::MissingKeyId));
    assert_eq!(kind(r#"{"alg":"RS256","x5t":"k"}"#, "{}"), Some(RejectionKind::MissingKeyId));
}

#[test]
fn key_hints_and_a_nonce_in_the_header_reject_nothing() {
    let header =
        r#"{"alg":"RS256","kid":"k","jku":"https://x","jwk":{},"x5u":1,"x5c":[],"x5t":"k","x5t#S256":"k","nonce":"n"}"#;
    assert_eq!(kind(header, "{}"), None);
}

#[test]
fn claims_of_the_wrong_type_are_rejected() {
    for claim in [
        r#""aud":1"#,
        r#""aud":null"#,
        r#""aud":[1]"#,
        r#""iss":["https://sts.windows.net/"]"#,
        r#""tid":1"#,
        r#""ver":2.0"#,
        r#""exp":"1""#,
        r#""exp":1.0"#,
        r#""exp":1e9"#,
        r#""exp":9223372036854775808"#,
        r#""exp":-1"#,
        r#""nbf":-1"#,
        r#""nbf":-0"#,
        r#""iat":-9223372036854775808"#,
        r#""nbf":null"#,
        r#""iat":true"#,
        r#""oid":{}"#,
        r#""sub":null"#,
        r#""appid":1"#,
        r#""azp":[]"#,
        r#""idtyp":null"#,
        r#""scp":["a"]"#,
        r#""roles":{"a":1}"#,
        r#""roles":["a",1]"#,
        r#""uti":1"#,
    ] {
        assert_eq!(kind(HEADER, &format!("{{{claim}}}")), Some(RejectionKind::MalformedClaims), "{claim}");
    }
}

#[test]
fn a_name_twice_or_another_spelling_of_tid_is_rejected() {
    for claims in [r#"{"x":1,"x":1}"#, r#"{"tid":"a","TID":"b"}"#, r#"{"Tid":"a"}"#, r#"{"exp":1,"\u0065xp":2}"#] {
        assert_eq!(kind(HEADER, claims), Some(RejectionKind::DuplicateMember), "{claims}");
    }
    assert_eq!(kind(r#"{"alg":"RS256","kid":"k","x":1,"x":2}"#, "{}"), Some(RejectionKind::DuplicateMember));
    assert_eq!(kind(r#"{"alg":"RS256","alg":"RS256","kid":"k"}"#, "{}"), Some(RejectionKind::DuplicateMember));
}

#[test]
fn a_rejection_names_the_check_that_failed() {
    let check = |header: &str, claims: &str| {
        let token = format!("{}.{}.AAAA", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        rejection(&token).map(|rejection| rejection.check())
    };
    assert_eq!(check("[]", "{}"), Some(CheckName::Form));
    assert_eq!(check(r#"{"alg":"RS256","kid":"k","x":1,"x":2}"#, "{}"), Some(CheckName::Header));
    assert_eq!(check(HEADER, "[]"), Some(CheckName::ClaimTypes));
    assert_eq!(check(HEADER, r#"{"x":1,"x":2}"#), Some(CheckName::ClaimTypes));
    assert_eq!(check(HEADER, r#"{"exp":"1"}"#), Some(CheckName::ClaimTypes));
}
