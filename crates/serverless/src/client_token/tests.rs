//! Client tokens, read again by other code than the one that wrote them.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_lc_rs::hmac;
use background_refresh::UnixTime;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const SECRET: &str = "dGhlIHRleHQgaXMgdGhlIGtleQ==";
const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

fn key(kid: Option<&str>) -> SigningKey {
    SigningKey::new(&hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes()), kid)
}

fn minted(options: &NegotiateOptions, end: Option<u64>) -> Result<(Value, Value)> {
    let validity = Validity::new(NOW, options.valid_for(), end.map(UnixTime::from_secs)).unwrap();
    let token = mint(&key(Some("kid-1")), &Claims { audience: &audience(), validity, options })?;
    Ok(read(&token))
}

fn audience() -> Audience {
    Audience::new("https://a", "chat")
}

/// Header and claims set of a token whose signature verifies.
fn read(token: &str) -> (Value, Value) {
    let (input, signature) = token.rsplit_once('.').unwrap();
    let verifying = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    hmac::verify(&verifying, input.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap()).unwrap();
    let (header, claims) = input.split_once('.').unwrap();
    let json = |part: &str| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
    (json(header), json(claims))
}

#[test]
fn carries_what_the_service_reads() {
    let options = NegotiateOptions::default().user_id("anna");
    let (header, claims) = minted(&options, None).unwrap();
    assert_eq!(header, json!({ "alg": "HS256", "typ": "JWT", "kid": "kid-1" }));
    assert_eq!(
        claims,
        json!({
            "aud": "https://a/client/?hub=chat",
            "iat": NOW.as_secs(), "nbf": NOW.as_secs(), "exp": NOW.as_secs() + 3600,
            "asrs.s.uid": "anna",
        })
    );
}

/// An access token is what another version of this crate would have made of the same options.
#[test]
fn token_is_written_byte_for_byte() {
    let options = NegotiateOptions::default()
        .user_id("anna \"ü\"")
        .detailed_errors(true)
        .close_on_authentication_expiry(true)
        .claim("role", "member")
        .claim_values("team", ["blue", "a\\b\n"])
        .claim("iss", "mine")
        .claim_values("sub", ["a", "b"]);
    let validity = Validity::new(NOW, options.valid_for(), None).unwrap();
    let token = mint(&key(Some("kid-1")), &Claims { audience: &audience(), validity, options: &options }).unwrap();
    let mut parts = token.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).unwrap());
    let mut text = || String::from_utf8(parts.next().unwrap()).unwrap();
    assert_eq!(text(), r#"{"alg":"HS256","kid":"kid-1","typ":"JWT"}"#);
    assert_eq!(
        text(),
        concat!(
            r#"{"aud":"https://a/client/?hub=chat","iat":1800000000,"nbf":1800000000,"exp":1800003600,"#,
            r#""asrs.s.uid":"anna \"ü\"","asrs.s.derror":"True","asrs.s.coae":"true","asrs.s.aeo":"1800003600","#,
            r#""role":"member","team":["blue","a\\b\n"],"asrs.u.iss":"mine","sub":"a","asrs.u.sub":"b"}"#,
        )
    );
}

#[test]
fn access_key_has_no_kid() {
    let options = NegotiateOptions::default();
    let validity = Validity::new(NOW, options.valid_for(), None).unwrap();
    let token = mint(&key(None), &Claims { audience: &audience(), validity, options: &options }).unwrap();
    assert_eq!(read(&token).0, json!({ "alg": "HS256", "typ": "JWT" }));
}

#[test]
fn options_become_the_services_own_claims() {
    let options = NegotiateOptions::default()
        .lifetime(Duration::from_secs(90))
        .close_on_authentication_expiry(true)
        .detailed_errors(true);
    let (_, claims) = minted(&options, None).unwrap();
    assert_eq!(claims["asrs.s.coae"], "true");
    assert_eq!(claims["asrs.s.aeo"], (NOW.as_secs() + 90).to_string());
    assert_eq!(claims["asrs.s.derror"], "True");
}

#[test]
fn expiry_never_exceeds_the_end_of_the_key() {
    let options = NegotiateOptions::default().close_on_authentication_expiry(true);
    let end = NOW.as_secs() + 60;
    let (_, claims) = minted(&options, Some(end)).unwrap();
    assert_eq!((&claims["exp"], &claims["asrs.s.aeo"]), (&json!(end), &json!(end.to_string())));
    assert_eq!(Validity::new(NOW, Duration::from_secs(9), Some(NOW)), None);
    let far = Validity::new(NOW, Duration::MAX, None).unwrap();
    assert_eq!(far.expires().as_secs(), u64::MAX);
}

#[test]
fn renames_claims_that_clash() {
    let names = ["aud", "exp", "iat", "nbf", "iss", "actort", "acr", "azp", "c_hash", "jti", "nonce"];
    let options = names.into_iter().fold(NegotiateOptions::default(), |options, name| options.claim(name, "mine"));
    let (_, claims) = minted(&options, None).unwrap();
    for name in names {
        assert_eq!(claims[format!("asrs.u.{name}")], "mine", "{name}");
    }
    assert_eq!(claims["aud"], "https://a/client/?hub=chat");
    assert_eq!(claims.get("iss"), None);
}

#[test]
fn no_claim_overwrites_the_user_id() {
    let options = NegotiateOptions::default().user_id("anna").claim("asrs.s.uid", "admin").claim("asrs.u.x", "y");
    let (_, claims) = minted(&options, None).unwrap();
    assert_eq!(claims["asrs.s.uid"], "anna");
    assert_eq!(claims["asrs.u.asrs.s.uid"], "admin");
    assert_eq!(claims["asrs.u.asrs.u.x"], "y");
}

/// The service reads them, in this order, when there is no user id.
#[test]
fn without_user_id_the_claims_that_name_the_user_keep_their_names() {
    let options = NegotiateOptions::default().claim("nameid", "anna").claim("sub", "bob");
    let (_, claims) = minted(&options, None).unwrap();
    assert_eq!(claims.get("asrs.s.uid"), None);
    assert_eq!((&claims["nameid"], &claims["sub"]), (&json!("anna"), &json!("bob")));
}

#[test]
fn first_subject_keeps_its_name() {
    let options = NegotiateOptions::default().claim("sub", "a").claim_values("sub", ["b", "c"]);
    let (_, claims) = minted(&options, None).unwrap();
    assert_eq!((&claims["sub"], &claims["asrs.u.sub"]), (&json!("a"), &json!(["b", "c"])));
}

#[test]
fn claims_of_one_name_become_a_list() {
    let options = NegotiateOptions::default().claim("role", "a").claim("x", "1").claim("role", "b");
    let (_, claims) = minted(&options, None).unwrap();
    assert_eq!((&claims["role"], &claims["x"]), (&json!(["a", "b"]), &json!("1")));
}

#[test]
fn token_of_4096_characters_is_the_longest() {
    let length = |n: usize| {
        let options = NegotiateOptions::default().claim("long", "x".repeat(n));
        let validity = Validity::new(NOW, options.valid_for(), None).unwrap();
        mint(&key(Some("kid-1")), &Claims { audience: &audience(), validity, options: &options })
            .map(|token| token.len())
    };
    // Claims of 2,997 bytes are 3,996 characters; header, signature and dots are 100.
    let longest = (2800..3000).filter_map(|n| length(n).ok()).max();
    assert_eq!(longest, Some(4096));
    let error = (2800..3000).find_map(|n| length(n).err()).unwrap();
    assert_eq!(error.kind(), ErrorKind::TokenTooLong);
    assert!(!error.to_string().contains("xxx"));
}

#[test]
fn rejects_options_out_of_bounds() {
    let kind = |options: NegotiateOptions| options.check().unwrap_err().kind();
    for user in ["", ".", ".."] {
        assert_eq!(kind(NegotiateOptions::default().user_id(user)), ErrorKind::InvalidId);
    }
    assert_eq!(kind(NegotiateOptions::default().lifetime(Duration::from_millis(999))), ErrorKind::InvalidOptions);
    assert!(NegotiateOptions::default().lifetime(Duration::from_secs(1)).check().is_ok());
    assert_eq!(kind(NegotiateOptions::default().claim("", "x")), ErrorKind::InvalidOptions);
}

/// It would vanish without a trace, and an app that reads roles from it would not know.
#[test]
fn rejects_claim_without_values_and_names_it() {
    let none = || NegotiateOptions::default().claim("plan", "gold").claim_values("role", Vec::<String>::new());
    for error in [none().check().unwrap_err(), none().check_for_service().unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::InvalidOptions);
        assert!(error.to_string().contains("the claim \"role\" has no value"), "{error}");
    }
    assert!(none().claim("role", "member").check().is_ok());
}

#[test]
fn tokens_of_the_service_carry_a_user_and_minutes_only() {
    let plain = NegotiateOptions::default().user_id("anna");
    assert_eq!(plain.check_for_service().unwrap(), 60);
    assert_eq!(plain.clone().lifetime(Duration::from_secs(119)).check_for_service().unwrap(), 1);
    for options in [
        plain.clone().claim("a", "b"),
        plain.clone().claim_values("a", Vec::<String>::new()),
        plain.clone().close_on_authentication_expiry(true),
        plain.clone().detailed_errors(true),
        plain.clone().lifetime(Duration::from_secs(59)),
    ] {
        assert_eq!(options.check_for_service().unwrap_err().kind(), ErrorKind::InvalidOptions, "{options:?}");
    }
}

#[test]
fn debug_hides_users_values_and_keys() {
    let options = NegotiateOptions::default().user_id("anna").claim("role", "admin");
    let text = format!("{options:?} {:?}", key(Some("kid-1")));
    assert!(text.contains("has_user_id: true") && text.ends_with(" SigningKey"), "{text}");
    for hidden in ["anna", "admin", "kid-1", SECRET] {
        assert!(!text.contains(hidden), "{text}");
    }
}

/// What the service hands to the app of a claims set: prefixes off, its own claims left out.
fn as_the_service_reads_it(claims: &Value) -> BTreeMap<String, Vec<String>> {
    let mut read = BTreeMap::<_, Vec<_>>::new();
    for (name, value) in claims.as_object().unwrap() {
        if ["aud", "exp", "iat", "nbf"].contains(&name.as_str()) || name.starts_with("asrs.s.") {
            continue;
        }
        let values = match value {
            Value::Array(values) => values.clone(),
            value => vec![value.clone()],
        };
        let name = name.strip_prefix("asrs.u.").unwrap_or(name);
        let values = values.iter().map(|value| value.as_str().unwrap().to_owned());
        read.entry(name.to_owned()).or_default().extend(values);
    }
    read
}

proptest! {
    #[test]
    fn no_claim_is_lost_or_changed(
        claims in prop::collection::vec(
            (
                prop_oneof![
                    "[a-z.]{1,8}",
                    "(asrs\\.[us]\\.){1,2}[a-z]{0,4}",
                    prop::sample::select(vec!["aud", "exp", "sub", "nonce", "iss", "nameid", "ü\"\\"]).prop_map(str::to_owned),
                ],
                prop::collection::vec("\\PC{0,8}", 0..4),
            ),
            0..6,
        ),
        user in prop::option::of("[a-z]{1,4}"),
    ) {
        let mut options = NegotiateOptions::default();
        let mut expected = BTreeMap::<String, Vec<String>>::new();
        if let Some(user) = &user {
            options = options.user_id(user);
        }
        for (name, values) in &claims {
            options = options.claim_values(name, values);
            expected.entry(name.clone()).or_default().extend(values.iter().cloned());
        }
        if expected.values().any(Vec::is_empty) {
            prop_assert_eq!(options.check().unwrap_err().kind(), ErrorKind::InvalidOptions);
            return Ok(());
        }
        prop_assert!(options.check().is_ok());
        let (_, read) = minted(&options, None).unwrap();
        prop_assert_eq!(read.get("asrs.s.uid").and_then(Value::as_str), user.as_deref());
        let sorted = |mut claims: BTreeMap<String, Vec<String>>| {
            claims.values_mut().for_each(|values| values.sort());
            claims
        };
        prop_assert_eq!(sorted(as_the_service_reads_it(&read)), sorted(expected));
    }
}
