//! One named case, at least, for every class of flaw that token validators are known for, and for every defect seen in
//! other Rust crates of this kind. What each class is about stands at its head.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use signalr_upstream_auth::testing::{Endpoint, Fault, Jwk, SigningKey, TokenBuilder};
use signalr_upstream_auth::{RejectionKind as K, TokenVersion};

use crate::bench::{Bench, Entry, Expected, KEPT, OTHER_TENANT, PASS, STRANGER, Sent, TAKEN, refused};
use crate::common::NOON;

pub fn entries(bench: &Bench) -> Vec<Entry> {
    let mut entries = Vec::new();
    published(bench, &mut entries);
    peers(bench, &mut entries);
    floods(bench, &mut entries);
    entries
}

/// Tokens that name a key nobody knows, to make the service fetch. Only what is plausible otherwise may.
fn floods(bench: &Bench, entries: &mut Vec<Entry>) {
    let mut add = |name: &str, kind: K, token: TokenBuilder| {
        let name = format!("an unknown key and {name}");
        entries.push(Entry::sent(name, refused(401, kind), Sent::token(&token.key_id("unknown").mint())));
    };
    let token = || bench.token();
    add("another algorithm", K::AlgorithmNotAllowed, token().algorithm("PS256"));
    add("crit", K::CriticalHeader, token().header("crit", ["x"]));
    add("another type", K::UnsupportedType, token().header("typ", "id+jwt"));
    add("a name twice", K::DuplicateMember, token().duplicate_claim("x", 1).duplicate_claim("x", 1));
    add("a claim of the wrong type", K::MalformedClaims, token().claim("exp", "1"));
    add("another version", K::UnsupportedVersion, token().claim("ver", "3.0"));
    add("no version", K::MissingClaim, token().without_claim("ver"));
    add("another tenant", K::WrongTenant, token().tenant(OTHER_TENANT.parse().unwrap()));
    add("no tenant", K::MissingClaim, token().without_claim("tid"));
    add("another issuer", K::WrongIssuer, token().issuer("https://evil.example"));
    add("another audience", K::WrongAudience, token().audience("api://x"));
    add("the audience of Graph", K::GraphToken, token().graph());
    add("no audience", K::MissingClaim, token().without_claim("aud"));
    add("an end in the past", K::Expired, token().expired());
    add("no end", K::MissingClaim, token().without_claim("exp"));
    add("a start in the future", K::NotYetValid, token().claim("nbf", NOON + 1000));
    add("an issue in the future", K::IssuedInFuture, token().claim("iat", NOON + 1000));
    add("an end before its start", K::ValidityReversed, token().claim("nbf", NOON).claim("exp", NOON - 1));
    // What is judged only after the signature does not keep a fetch back.
    for (name, token) in [
        ("a stranger", token().caller(STRANGER.parse().unwrap(), STRANGER.parse().unwrap())),
        ("a user", token().delegated()),
        ("no signature", token().signature([])),
    ] {
        let expected = refused(401, K::UnknownKey).fetching(1, 1);
        entries.push(Entry::sent(
            format!("an unknown key and {name}"),
            expected,
            Sent::token(&token.key_id("unknown").mint()),
        ));
    }
}

/// Classes with published identifiers.
fn published(bench: &Bench, entries: &mut Vec<Entry>) {
    let mut add = |name: &str, expected: Expected, token: TokenBuilder| {
        entries.push(Entry::sent(name, expected, Sent::token(&token.mint())));
    };
    let token = || bench.token();
    let algorithm = refused(401, K::AlgorithmNotAllowed);

    // "none" and algorithm confusion.
    add("CVE-2015-2951, CVE-2016-10555: alg none", algorithm, token().algorithm("none"));
    add("CVE-2015-9235: a public key as the secret of HS256", algorithm, token().algorithm("HS256"));
    add("CVE-2022-29217: an algorithm outside the list", algorithm, token().header("alg", "EdDSA"));
    add("CVE-2024-33663: another family of keys", algorithm, token().header("alg", "ES256").signature([1; 64]));
    add("CVE-2026-22817: the token's own algorithm as the default", algorithm, token().algorithm("PS256"));
    add("CVE-2021-46743: the algorithm by the key's name", algorithm, token().algorithm("HS512"));
    let text = String::from_utf8(bench.entra.key_document(TokenVersion::V2).into_bytes()).unwrap();
    let signed_with_text = hmac_with(&text, &token());
    entries.push(Entry::sent(
        "CVE-2026-48526: the text of the key document as the secret",
        algorithm,
        Sent::token(&signed_with_text),
    ));
    let signed_with_blank = hmac_with(&format!("\n{text}"), &token());
    entries.push(Entry::sent(
        "CVE-2023-48223, CVE-2026-34950: the same behind a blank",
        algorithm,
        Sent::token(&signed_with_blank),
    ));

    let mut add = |name: &str, expected: Expected, token: TokenBuilder| {
        entries.push(Entry::sent(name, expected, Sent::token(&token.mint())));
    };
    // Empty or zero material.
    let invalid = refused(401, K::InvalidSignature).signed();
    add("CVE-2020-28042: no signature under a good algorithm", invalid, token().signature([]));
    add("CVE-2022-21449: a signature of zeros", invalid, token().signature([0; 256]));
    add("CVE-2022-21449: a signature of zeros, ES256", algorithm, token().header("alg", "ES256").signature([0; 64]));
    let empty_secret = hmac_with("", &token());
    entries.push(Entry::sent("CVE-2019-20933, CVE-2026-44351: an empty secret", algorithm, Sent::token(&empty_secret)));

    let mut add = |name: &str, expected: Expected, token: TokenBuilder| {
        entries.push(Entry::sent(name, expected, Sent::token(&token.mint())));
    };
    // A key from the token.
    let stranger = SigningKey::stranger();
    let ours = bench.entra.signing_key().key_id().clone();
    let posing = stranger.clone().with_key_id(ours.clone());
    let own_key =
        json!({"kty": "RSA", "kid": ours.as_str(), "n": URL_SAFE_NO_PAD.encode(stranger.modulus()), "e": "AQAB"});
    add("CVE-2018-0114, CVE-2026-27962: the key in jwk", invalid, token().signed_by(&posing).header("jwk", &own_key));
    add("the certificate in x5c", invalid, token().signed_by(&posing).header("x5c", [stranger.certificate()]));
    let trap = format!("{}/common/discovery/v2.0/keys", bench.trap.url());
    add("CVE-2024-21643: a document in jku", invalid, token().signed_by(&posing).header("jku", &trap));
    add("a certificate in x5u", invalid, token().signed_by(&posing).header("x5u", &trap));
    add(
        "a document in jku for a name of its own",
        refused(401, K::UnknownKey).fetching(1, 1),
        token().signed_by(&stranger).header("jku", &trap),
    );
    add("a document in jku with a good signature", PASS, token().header("jku", &trap).header("x5u", &trap));
    add("a document in kid", refused(401, K::UnknownKey).fetching(1, 1), token().key_id(trap.as_str()));
    add("an issuer that has documents of its own", refused(401, K::WrongIssuer), token().issuer(bench.trap.url()));
    let header = json!({"alg": "RS256", "kid": ours.as_str(), "header": {"alg": "none"}});
    add("GHSA-jc38-x7x8-2xc8: an unprotected header within", PASS, token().raw_header(header.to_string()));

    // crit ignored.
    let critical = refused(401, K::CriticalHeader);
    add("CVE-2025-59420: crit of an unknown name", critical, token().header("crit", ["cnf"]).header("cnf", json!({})));
    add("CVE-2026-32597: crit of b64", critical, token().header("crit", ["b64"]).header("b64", false));
    add("CVE-2026-35042: crit of a registered name", critical, token().header("crit", ["alg"]));

    // Types of claims.
    let types = refused(401, K::MalformedClaims);
    add("CVE-2026-25537: exp as a text", types, token().claim("exp", (NOON - 9999).to_string()));
    add("CVE-2026-25537: nbf as a text", types, token().claim("nbf", (NOON + 9999).to_string()));
    add("CVE-2024-53861: a part of the issuer", refused(401, K::WrongIssuer), token().issuer("http://"));
    add(
        "CVE-2025-30144: the issuer in a list",
        types,
        token().claim("iss", [bench.issuer(TokenVersion::V1), "https://evil.example".to_owned()]),
    );
    add(
        "the claims as a list in the order of a struct",
        refused(401, K::MalformedToken),
        token().raw_claims(r#"[1800000000,null,"x","y",null]"#),
    );

    // Size and parsing.
    for (name, expected, token) in [
        ("CVE-2025-30204, CVE-2025-27144: dots", refused(401, K::MalformedToken), format!("x{}", ".".repeat(16_000))),
        (
            "CVE-2025-61920: a header of half a megabyte",
            refused(401, K::TokenTooLarge),
            format!("{}.e30.AAAA", "e30x".repeat(125_000)),
        ),
        ("CVE-2025-22868: many segments", refused(401, K::MalformedToken), "a.".repeat(8000)),
        ("CVE-2019-12995: a header that ends early", refused(401, K::MalformedToken), "eyJ.e30.AAAA".to_owned()),
    ] {
        entries.push(Entry::sent(name, expected, Sent::token(&token)));
    }
    let mut add = |name: &str, expected: Expected, token: TokenBuilder| {
        entries.push(Entry::sent(name, expected, Sent::token(&token.mint())));
    };
    add(
        "CVE-2025-53864: nested claims",
        refused(401, K::MalformedToken),
        token().raw_claims(format!("{{\"aud\":{}", "[".repeat(10_000))),
    );
    add("a list of three thousand in the header", PASS.signed(), token().header("x", vec![0; 3000]));
    let colliding: Vec<_> = (0..600).map(|number| format!("\"k{number}\":0")).collect();
    add("many names", refused(401, K::MissingClaim), token().raw_claims(format!("{{{}}}", colliding.join(","))));

    // JWE.
    let encrypted = refused(401, K::EncryptedToken);
    for (name, header) in [
        (
            "CVE-2024-28176, CVE-2024-21319: a compressed JWE",
            r#"{"alg":"RSA-OAEP","enc":"A256GCM","zip":"DEF","kid":"k"}"#,
        ),
        ("CVE-2023-50967: a JWE with a huge count", r#"{"alg":"PBES2-HS256+A128KW","enc":"A256GCM","p2c":2147483647}"#),
        ("CVE-2024-33664: a JWE to oneself", r#"{"alg":"dir","enc":"A256GCM"}"#),
    ] {
        let token = format!("{}..AAAA.AAAA.AAAA", URL_SAFE_NO_PAD.encode(header));
        entries.push(Entry::sent(name, encrypted, Sent::token(&token)));
    }

    // Caches. A good token was accepted by the same service before each of these.
    let good = bench.good();
    let (signed, signature) = good.rsplit_once('.').unwrap();
    entries.push(Entry::sent("CVE-2026-35039: a token that will be remembered", PASS, Sent::token(&good)));
    let stranger_claims = token().caller(STRANGER.parse().unwrap(), STRANGER.parse().unwrap()).mint();
    let of_stranger = stranger_claims.rsplit_once('.').unwrap().0;
    for (name, expected, token) in [
        ("CVE-2026-35039: other claims under a remembered signature", invalid, format!("{of_stranger}.{signature}")),
        (
            "CVE-2026-35039: another signature behind remembered claims",
            invalid,
            format!("{signed}.{}", URL_SAFE_NO_PAD.encode([7; 256])),
        ),
        (
            "CVE-2026-35039: the end of a remembered token alone",
            refused(401, K::MalformedToken),
            signature[signature.len() - 32..].to_owned(),
        ),
        (
            "CVE-2026-35039: a remembered token with a letter before",
            refused(401, K::MalformedToken),
            format!("A{good}"),
        ),
        ("CVE-2026-35039: a remembered token with a letter in another case", invalid, recased(&good)),
    ] {
        entries.push(Entry::sent(name, expected, Sent::token(&token)));
    }
    entries.push(Entry::listed(
        "CVE-2025-59936: a key under the name of another's",
        refused(401, K::InvalidSignature).signed(),
        |key| Jwk::from(SigningKey::stranger().with_key_id(key.key_id().clone())),
    ));

    // Outgoing requests by what a token says; filters that crash; tricks with schemes and headers.
    let mut add = |name: &str, expected: Expected, token: TokenBuilder| {
        entries.push(Entry::sent(name, expected, Sent::token(&token.mint())));
    };
    add(
        "CVE-2026-32301, CVE-2026-41413: an issuer that is an address",
        refused(401, K::WrongIssuer),
        token().issuer("http://169.254.169.254/"),
    );
    add("CVE-2026-32301: a tenant that is a path", refused(401, K::WrongTenant), token().claim("tid", "../../common"));
    add(
        "CVE-2024-45809, CVE-2025-64527: an unknown key while keys are there",
        refused(401, K::UnknownKey).fetching(1, 1),
        token().key_id("x"),
    );
    entries.push(Entry::unserved(
        "CVE-2024-45809: a good token while no keys can be had",
        refused(503, K::KeysUnavailable).retrying(1, 1),
        Endpoint::Keys,
        |_| Fault::refuse(),
    ));
    entries.push(Entry::sent(
        "CVE-2026-47673: a good token under another scheme",
        refused(401, K::UnsupportedScheme),
        Sent::lines(&[format!("Basic {good}")]),
    ));
    entries.push(Entry::sent(
        "CVE-2026-47673: a good token without a scheme",
        refused(401, K::UnsupportedScheme),
        Sent::lines(&[&good]),
    ));
    let none: [&str; 0] = [];
    for (name, alias) in [
        ("CVE-2025-64484: an underscore", "authorization_"),
        ("CVE-2026-35051, CVE-2026-39858: a dot", "authorization.x"),
    ] {
        entries.push(Entry::sent(
            name,
            refused(401, K::MissingCredentials),
            Sent::lines(&none).header(alias, format!("Bearer {good}")),
        ));
    }
}

/// What other Rust crates for this purpose were seen to do.
fn peers(bench: &Bench, entries: &mut Vec<Entry>) {
    let mut add = |name: &str, expected: Expected, token: TokenBuilder| {
        entries.push(Entry::sent(name, expected, Sent::token(&token.mint())));
    };
    let token = || bench.token();
    let other = OTHER_TENANT.parse().unwrap();
    add("peers: the issuer is not looked at, since the keys fit", refused(401, K::WrongTenant), token().tenant(other));
    add(
        "peers: the issuer is not looked at, with our tenant",
        refused(401, K::WrongIssuer),
        token().issuer("https://evil.example"),
    );
    add("peers: no audience passes where one is demanded", refused(401, K::MissingClaim), token().without_claim("aud"));
    add(
        "peers: an audience of null counts as none",
        refused(401, K::MalformedClaims),
        token().claim("aud", json!(null)),
    );
    add("peers: no issuer passes where one is demanded", refused(401, K::MissingClaim), token().without_claim("iss"));
    add("peers: nbf is not looked at", refused(401, K::NotYetValid), token().claim("nbf", NOON + 1000));
    add("peers: nbf becomes compulsory", PASS, token().without_claim("nbf"));
    add("peers: exp is optional", refused(401, K::MissingClaim), token().without_claim("exp"));
    add(
        "peers: kid is not looked at and every key is tried",
        refused(401, K::UnknownKey).fetching(1, 1),
        token().key_id("another"),
    );
    add("peers: no kid means every key", refused(401, K::MissingKeyId), token().without_header("kid"));
    add("peers: the header decides the algorithm", refused(401, K::AlgorithmNotAllowed), token().algorithm("RS512"));
    add(
        "peers: no list of algorithms means all of them",
        refused(401, K::AlgorithmNotAllowed),
        token().algorithm("PS384"),
    );
    add("peers: other header members must be texts", PASS, token().header("x", json!({"y": [1]})));
    add("peers: a user's token for the same audience", refused(403, K::DelegatedToken).signed(), token().delegated());
    add("peers: app-only tokens cannot pass for want of scp", PASS, token());
    add("peers: at+jwt is compulsory", PASS, token().v2());
    add(
        "peers: any application of the tenant",
        refused(403, K::CallerNotAllowed).signed(),
        token().caller(STRANGER.parse().unwrap(), STRANGER.parse().unwrap()),
    );
    add("peers: a leeway as wide as the clock", refused(401, K::Expired), token().claim("exp", 0));
    add(
        "peers: alg none is a fault of the server",
        refused(401, K::AlgorithmNotAllowed),
        token().header("alg", "none"),
    );
    add(
        "peers: a claim of the wrong type is a fault of the server",
        refused(401, K::MalformedClaims),
        token().claim("oid", 1),
    );
    add("peers: missing azp is a fault of the server", PASS, token().v2().without_claim("azp"));
    let none: [&str; 0] = [];
    entries.push(Entry::sent(
        "peers: no header is let through",
        refused(401, K::MissingCredentials),
        Sent::lines(&none),
    ));
    entries.push(Entry::sent(
        "peers: claims in the extensions count as a token",
        refused(401, K::MissingCredentials),
        Sent::lines(&none).with_claims_of_another(),
    ));
    entries.push(Entry::sent(
        "peers: bad base64 is a fault of the server",
        refused(401, K::MalformedToken),
        Sent::token("%%%.e30.AAAA".replace('%', "=").as_str()),
    ));
    entries.push(Entry::sent(
        "peers: a percent escape in the query that is not UTF-8",
        refused(401, K::MissingCredentials),
        Sent::lines(&none).uri("/upstream?access_token=%ff"),
    ));
    entries.push(Entry::sent(
        "peers: the scheme must be in one case",
        PASS,
        Sent::lines(&[format!("BEARER {}", bench.good())]),
    ));
    let unusable = refused(401, K::UnusableKey);
    entries
        .push(Entry::listed("peers: an encryption key verifies", unusable, |key| Jwk::from(key).member("use", "enc")));
    entries.push(Entry::listed("peers: an oct key makes HS256 usable", unusable, |key| {
        Jwk::raw(json!({"kty": "oct", "kid": key.key_id().as_str(), "k": "AAAA"}))
    }));
    entries.push(Entry::listed("peers: a key without alg cannot be used", PASS, |key| {
        Jwk::from(key).without_member("alg")
    }));
    entries.push(Entry::listed("peers: a key of 1024 bits verifies", unusable, |key| {
        Jwk::from(key).member("n", URL_SAFE_NO_PAD.encode([0xab; 128]))
    }));
    let beside = |name: &str, odd: serde_json::Value| {
        Entry::served(name, TAKEN, Endpoint::Keys, move |entra| {
            let mut document: serde_json::Value = serde_json::from_str(&entra.key_document(TokenVersion::V2)).unwrap();
            document["keys"].as_array_mut().unwrap().insert(0, odd);
            Fault::content("application/json", document.to_string())
        })
    };
    for (name, odd) in [
        ("peers: one key without kid spoils the set", json!({"kty": "RSA", "n": "AQ", "e": "AQAB"})),
        (
            "peers: one key of another kind spoils the set",
            json!({"kty": "OKP", "crv": "X25519", "kid": "x", "x": "AA"}),
        ),
        ("peers: one key without n spoils the set", json!({"kty": "RSA", "kid": "x", "e": "AQAB"})),
        ("peers: one kid that is a number spoils the set", json!({"kty": "RSA", "kid": 1})),
        ("peers: one entry that is no object spoils the set", json!("x")),
        ("peers: one key with alg of another kind spoils the set", json!({"kty": "EC", "kid": "x", "alg": "ES256"})),
    ] {
        entries.push(beside(name, odd));
    }
    entries.push(Entry::served("peers: an error page with an empty set counts", KEPT, Endpoint::Keys, |_| {
        Fault::content("application/json", "{\"keys\":[]}")
    }));
    entries.push(Entry::unserved(
        "peers: an outage is answered 401",
        refused(503, K::KeysUnavailable).retrying(1, 0),
        Endpoint::Discovery,
        |_| Fault::status(500),
    ));
}

/// A token whose HS256 signature has a text as its secret.
fn hmac_with(secret: &str, token: &TokenBuilder) -> String {
    use aws_lc_rs::hmac;
    let unsigned = token.clone().header("alg", "HS256").mint();
    let signed = unsigned.rsplit_once('.').unwrap().0;
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(hmac::sign(&key, signed.as_bytes())))
}

/// A token with the case of one letter of its signature changed.
fn recased(token: &str) -> String {
    let start = token.rfind('.').unwrap() + 1;
    let at = start + token[start..].find(|c: char| c.is_ascii_alphabetic()).unwrap();
    let letter = token.as_bytes()[at] as char;
    let other = if letter.is_ascii_lowercase() { letter.to_ascii_uppercase() } else { letter.to_ascii_lowercase() };
    format!("{}{other}{}", &token[..at], &token[at + 1..])
}
