use aws_lc_rs::signature::{
    RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, RsaParameters, RsaPublicKeyComponents,
};
use serde_json::{Value, json};

use super::*;

#[derive(Debug)]
struct StillClock;

impl Clock for StillClock {
    fn now(&self) -> Option<UnixTime> {
        Some(UnixTime::from_secs(1_727_016_607))
    }
}

fn token() -> TokenBuilder {
    let parties = Parties {
        tenant: "11111111-aaaa-4bbb-8ccc-222222222222".parse().unwrap(),
        audience_client_id: "33333333-dddd-4eee-8fff-444444444444".parse().unwrap(),
        caller_object_id: "77777777-4321-4cba-8fed-888888888888".parse().unwrap(),
        caller_client_id: "55555555-1234-4abc-9def-666666666666".parse().unwrap(),
    };
    TokenBuilder::new(Authority::public(), Arc::new(StillClock), SigningKey::stranger(), parties)
}

fn text(token: &str, segment: usize) -> String {
    let segment = token.split('.').nth(segment).unwrap();
    String::from_utf8(URL_SAFE_NO_PAD.decode(segment).unwrap()).unwrap()
}

fn claims(token: &TokenBuilder) -> Value {
    serde_json::from_str(&text(&token.mint(), 1)).unwrap()
}

fn names(object: &Value) -> Vec<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

/// Whether the signature verifies with the published numbers of a key.
fn verifies(token: &str, key: &SigningKey, algorithm: &'static RsaParameters) -> bool {
    let (message, signature) = token.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    RsaPublicKeyComponents { n: key.modulus(), e: key.exponent() }
        .verify(algorithm, message.as_bytes(), &signature)
        .is_ok()
}

#[test]
fn v1_token_has_entras_header_and_claims_in_entras_order() {
    let token = token();
    let (minted, kid) = (token.mint(), token.key.key_id().to_string());
    assert_eq!(text(&minted, 0), format!(r#"{{"typ":"JWT","alg":"RS256","x5t":"{kid}","kid":"{kid}"}}"#));
    assert_eq!(text(&minted, 0).len(), 99);
    let claims = text(&minted, 1);
    assert!(
        claims.starts_with(
            r#"{"aud":"api://33333333-dddd-4eee-8fff-444444444444","iss":"https://sts.windows.net/11111111-aaaa-4bbb-8ccc-222222222222/","iat":1727016607,"nbf":1727016607,"exp":1727103307,"aio":""#
        ),
        "{claims}"
    );
    assert!(
        claims.contains(
            r#"","appid":"55555555-1234-4abc-9def-666666666666","appidacr":"2","idp":"https://sts.windows.net/11111111-aaaa-4bbb-8ccc-222222222222/","oid":"77777777-4321-4cba-8fed-888888888888","rh":""#
        ),
        "{claims}"
    );
    assert!(
        claims.contains(
            r#"","sub":"77777777-4321-4cba-8fed-888888888888","tid":"11111111-aaaa-4bbb-8ccc-222222222222","uti":""#
        ),
        "{claims}"
    );
    assert!(claims.contains(r#"","ver":"1.0","xms_idrel":"7 18","xms_mirid":"/subscriptions/"#), "{claims}");
}

#[test]
fn v2_token_names_caller_and_audience_as_entra_does() {
    let token = token().v2().roles(["Upstream.Call"]);
    let kid = token.key.key_id();
    assert_eq!(text(&token.mint(), 0), format!(r#"{{"typ":"JWT","alg":"RS256","kid":"{kid}"}}"#));
    let claims = claims(&token);
    assert_eq!(claims["aud"], "33333333-dddd-4eee-8fff-444444444444");
    assert_eq!(claims["iss"], "https://login.microsoftonline.com/11111111-aaaa-4bbb-8ccc-222222222222/v2.0");
    assert_eq!(claims["azp"], "55555555-1234-4abc-9def-666666666666");
    assert_eq!(claims["roles"], json!(["Upstream.Call"]));
    assert_eq!(claims["ver"], "2.0");
    assert!(claims.get("appid").is_none() && claims.get("idp").is_none() && claims.get("scp").is_none());
}

#[test]
fn tokens_verify_with_published_numbers_of_their_key_only() {
    let published = SigningKey::generate();
    for token in [token(), token().v2(), token().delegated()] {
        let token = token.signed_by(&published);
        assert!(verifies(&token.mint(), &published, &RSA_PKCS1_2048_8192_SHA256));
        assert!(!verifies(&token.mint(), &SigningKey::stranger(), &RSA_PKCS1_2048_8192_SHA256));
    }
}

#[test]
fn algorithm_is_in_header_and_signs() {
    let key = SigningKey::stranger();
    let pss = token().algorithm("PS256").mint();
    assert!(text(&pss, 0).contains(r#""alg":"PS256""#));
    assert!(verifies(&pss, &key, &RSA_PSS_2048_8192_SHA256));

    let none = token().algorithm("none").mint();
    assert!(text(&none, 0).contains(r#""alg":"none""#));
    assert!(none.ends_with('.'));

    let hmac = token().algorithm("HS256").mint();
    assert_eq!(URL_SAFE_NO_PAD.decode(hmac.rsplit_once('.').unwrap().1).unwrap().len(), 32);

    let only_named = token().header("alg", "PS256").mint();
    assert!(verifies(&only_named, &key, &RSA_PKCS1_2048_8192_SHA256));
}

#[test]
fn names_a_key_that_did_not_sign() {
    let token = token().key_id("someone else's").mint();
    assert!(text(&token, 0).ends_with(r#""kid":"someone else's"}"#));
    assert!(verifies(&token, &SigningKey::stranger(), &RSA_PKCS1_2048_8192_SHA256));
}

#[test]
fn graph_token_has_nonce_and_does_not_verify() {
    let token = token().graph();
    let minted = token.mint();
    assert!(text(&minted, 0).starts_with(r#"{"typ":"JWT","nonce":""#));
    assert!(!verifies(&minted, &token.key, &RSA_PKCS1_2048_8192_SHA256));
    let claims = claims(&token);
    assert_eq!(claims["aud"], "https://graph.microsoft.com");
    assert_eq!(claims["idtyp"], "app");
}

#[test]
fn delegated_token_keeps_client_id_and_has_user_as_subject() {
    for (token, client) in [(token().delegated(), "appid"), (token().delegated().v2(), "azp")] {
        let claims = claims(&token);
        assert_eq!(claims[client], "55555555-1234-4abc-9def-666666666666");
        assert_eq!(claims["scp"], "user_impersonation");
        assert_ne!(claims["sub"], claims["oid"]);
        assert_ne!(claims["oid"], "77777777-4321-4cba-8fed-888888888888");
        assert!(claims["oid"].as_str().unwrap().parse::<ObjectId>().is_ok());
    }
}

#[test]
fn times_follow_time_of_issue_unless_set() {
    let seconds = UnixTime::from_secs;
    let moved = claims(&token().issued_at(seconds(1000)));
    assert_eq!((&moved["iat"], &moved["nbf"], &moved["exp"]), (&json!(1000), &json!(1000), &json!(87_700)));
    let set = claims(&token().not_before(seconds(1)).expires_at(seconds(2)));
    assert_eq!((&set["iat"], &set["nbf"], &set["exp"]), (&json!(1_727_016_607), &json!(1), &json!(2)));
    assert_eq!(claims(&token().expired())["exp"], 1_727_016_607 - 3600);
    assert_eq!(claims(&token().issued_at(seconds(u64::MAX)))["exp"], u64::MAX);
}

#[test]
fn each_method_changes_one_thing() {
    let tenant = "22222222-aaaa-4bbb-8ccc-222222222222".parse().unwrap();
    let moved = claims(&token().tenant(tenant));
    assert_eq!(moved["tid"], "22222222-aaaa-4bbb-8ccc-222222222222");
    assert_eq!(moved["iss"], "https://sts.windows.net/22222222-aaaa-4bbb-8ccc-222222222222/");

    let issuer = claims(&token().issuer("https://sts.windows.net/{tenantid}/"));
    assert_eq!(issuer["iss"], "https://sts.windows.net/{tenantid}/");
    assert_eq!(issuer["tid"], "11111111-aaaa-4bbb-8ccc-222222222222");

    assert_eq!(claims(&token().audience("api://other"))["aud"], "api://other");
    assert_eq!(claims(&token().v2().audience("api://other"))["aud"], "api://other");
    assert_eq!(claims(&token().claim("aud", ["a", "b"]))["aud"], json!(["a", "b"]));
    assert_eq!(claims(&token().claim("exp", 1.5))["exp"], 1.5);

    let usual = claims(&token());
    let without = claims(&token().without_claim("oid"));
    assert_eq!(names(&without), names(&usual).into_iter().filter(|name| *name != "oid").collect::<Vec<_>>());

    let twice = text(&token().duplicate_claim("tid", "other").mint(), 1);
    assert_eq!(twice.matches(r#""tid":"#).count(), 2);
    let twice = text(&token().duplicate_header("alg", "none").mint(), 0);
    assert_eq!(twice.matches(r#""alg":"#).count(), 2);
    assert!(!text(&token().without_header("kid").mint(), 0).contains("kid"));
}

#[test]
fn raw_segments_are_signed_as_they_are() {
    let minted = token().raw_header(r#"{"alg":"RS256" }"#).raw_claims("null").claim("tid", 1).mint();
    assert_eq!((text(&minted, 0).as_str(), text(&minted, 1).as_str()), (r#"{"alg":"RS256" }"#, "null"));
    assert!(verifies(&minted, &SigningKey::stranger(), &RSA_PKCS1_2048_8192_SHA256));
    assert!(token().signature([1, 2, 3]).mint().ends_with(".AQID"));
}

#[test]
fn two_tokens_of_a_builder_differ() {
    let token = token();
    assert_ne!(claims(&token)["uti"], claims(&token)["uti"]);
    assert_eq!(claims(&token)["uti"].as_str().unwrap().len(), 22);
}

#[test]
fn mints_application_and_user_tokens_for_any_resource() {
    for token in [token(), token().v2(), token().delegated(), token().delegated().v2()] {
        let token = token.audience("https://signalr.azure.com").expires_at(UnixTime::from_secs(1_727_020_207));
        let claims = claims(&token);
        assert_eq!((&claims["aud"], &claims["exp"]), (&json!("https://signalr.azure.com"), &json!(1_727_020_207)));
        assert!(verifies(&token.mint(), &SigningKey::stranger(), &RSA_PKCS1_2048_8192_SHA256));
    }
}
