//! At least one named case for every class of flaw that token validators are known for, and for every defect that was
//! found in other Rust crates of this kind.
//!
//! Two rules hold for every entry of the corpus and need no case here. A service fetches only the two documents of its
//! tenant, so no `kid` gets into a path or a query. A rejected request never reaches the handler, and a request that
//! needs no fetch never waits. `.github/workflows/audit.yml` checks the advisories against the dependencies.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mock_entra::{Endpoint, Fault, Jwk, MockEntra, SigningKey, TokenBuilder};
use serde_json::json;
use signalr_upstream_auth::{Callers, RejectionKind as K, TokenVersion};

use crate::caller::PolicyFor as _;
use crate::entry::{Entry, Sent};
use crate::expected::{Expected, KEPT, NOT_FOLLOWED, PASS, TAKEN, rejected};
use crate::fixture::{Fixture, OTHER_TENANT, STRANGER};
use crate::rotation::{empty_set_of_500, new_key, token as token_of, with_shortest_cooldown};
use support::NOON;

/// The published identifiers that have a case here.
const IDENTIFIERS: &[&str] = &[
    // "none" and algorithm confusion.
    "CVE-2015-2951",
    "CVE-2015-9235",
    "CVE-2016-10555",
    "CVE-2021-46743",
    "CVE-2022-29217",
    "CVE-2023-48223",
    "CVE-2024-33663",
    "CVE-2026-22817",
    "CVE-2026-22818",
    "CVE-2026-34950",
    "CVE-2026-48526",
    // Empty or zero material.
    "CVE-2019-20933",
    "CVE-2020-28042",
    "CVE-2020-28637",
    "CVE-2022-21449",
    "CVE-2026-44351",
    "CVE-2026-45363",
    // A key from the token.
    "CVE-2018-0114",
    "CVE-2024-21643",
    "CVE-2026-27962",
    "GHSA-jc38-x7x8-2xc8",
    // crit.
    "CVE-2025-59420",
    "CVE-2026-32597",
    "CVE-2026-35042",
    // Types of claims.
    "CVE-2024-53861",
    "CVE-2025-30144",
    "CVE-2026-25537",
    // Size and parsing.
    "CVE-2019-12995",
    "CVE-2025-22868",
    "CVE-2025-27144",
    "CVE-2025-30204",
    "CVE-2025-53864",
    "CVE-2025-61920",
    // JWE.
    "CVE-2023-50967",
    "CVE-2024-21319",
    "CVE-2024-28176",
    "CVE-2024-33664",
    // Caches.
    "CVE-2025-59936",
    "CVE-2026-35039",
    // Outgoing requests by what a token says.
    "CVE-2026-32301",
    "CVE-2026-41413",
    // Filters that crash.
    "CVE-2024-45809",
    "CVE-2025-64527",
    "CVE-2026-39350",
    // Schemes and headers.
    "CVE-2025-64484",
    "CVE-2026-35051",
    "CVE-2026-39858",
    "CVE-2026-47673",
];

pub fn entries(fixture: &Fixture) -> Vec<Entry> {
    let mut entries = Vec::new();
    published(fixture, &mut entries);
    peers(fixture, &mut entries);
    peers_keys(&mut entries);
    nesting(fixture, &mut entries);
    floods(fixture, &mut entries);
    entries
}

/// Tokens that name a key nobody knows, to make the service fetch. Only a token whose claims are checked may.
fn floods(fixture: &Fixture, entries: &mut Vec<Entry>) {
    let mut add = |name: &str, kind: K, token: TokenBuilder| {
        let name = format!("an unknown key and {name}");
        entries.push(Entry::sent(name, rejected(401, kind), Sent::token(&token.key_id("unknown").mint())));
    };
    let token = || fixture.token();
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
    // What is checked only after the signature does not keep a fetch back.
    for (name, token) in [
        ("a stranger", token().caller(STRANGER.parse().unwrap(), STRANGER.parse().unwrap())),
        ("a user", token().delegated()),
        ("no signature", token().signature([])),
    ] {
        let expected = rejected(401, K::UnknownKey).fetching(1, 1);
        entries.push(Entry::sent(
            format!("an unknown key and {name}"),
            expected,
            Sent::token(&token.key_id("unknown").mint()),
        ));
    }
}

/// Classes with published identifiers.
fn published(fixture: &Fixture, entries: &mut Vec<Entry>) {
    let mut add = |name: &str, expected: Expected, token: TokenBuilder| {
        entries.push(Entry::sent(name, expected, Sent::token(&token.mint())));
    };
    let token = || fixture.token();
    let algorithm = rejected(401, K::AlgorithmNotAllowed);

    // "none" and algorithm confusion.
    add("CVE-2015-2951, CVE-2016-10555: alg none", algorithm, token().algorithm("none"));
    add("CVE-2015-9235: a public key as the secret of HS256", algorithm, token().algorithm("HS256"));
    add("CVE-2022-29217: an algorithm outside the list", algorithm, token().header("alg", "EdDSA"));
    add("CVE-2024-33663: another family of keys", algorithm, token().header("alg", "ES256").signature([1; 64]));
    add(
        "CVE-2026-22817, CVE-2026-22818: the token's own algorithm as the default",
        algorithm,
        token().algorithm("PS256"),
    );
    add("CVE-2021-46743: the algorithm by the key's name", algorithm, token().algorithm("HS512"));
    let text = String::from_utf8(fixture.entra.key_document(TokenVersion::V2).into_bytes()).unwrap();
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
    let invalid = rejected(401, K::InvalidSignature).signed();
    add("CVE-2020-28042: no signature under a good algorithm", invalid, token().signature([]));
    add("CVE-2022-21449: a signature of zeros", invalid, token().signature([0; 256]));
    add("CVE-2022-21449: a signature of zeros, ES256", algorithm, token().header("alg", "ES256").signature([0; 64]));
    let empty_secret = hmac_with("", &token());
    entries.push(Entry::sent(
        "CVE-2019-20933, CVE-2020-28637, CVE-2026-44351, CVE-2026-45363: an empty secret",
        algorithm,
        Sent::token(&empty_secret),
    ));

    let mut add = |name: &str, expected: Expected, token: TokenBuilder| {
        entries.push(Entry::sent(name, expected, Sent::token(&token.mint())));
    };
    // A key from the token.
    let stranger = SigningKey::stranger();
    let ours = fixture.entra.signing_key().key_id().clone();
    let posing = stranger.clone().with_key_id(ours.clone());
    let own_key =
        json!({"kty": "RSA", "kid": ours.as_str(), "n": URL_SAFE_NO_PAD.encode(stranger.modulus()), "e": "AQAB"});
    add("CVE-2018-0114, CVE-2026-27962: the key in jwk", invalid, token().signed_by(&posing).header("jwk", &own_key));
    add("the certificate in x5c", invalid, token().signed_by(&posing).header("x5c", [stranger.certificate()]));
    let trap = format!("{}/common/discovery/v2.0/keys", fixture.trap.url());
    add("CVE-2024-21643: a document in jku", invalid, token().signed_by(&posing).header("jku", &trap));
    add("a certificate in x5u", invalid, token().signed_by(&posing).header("x5u", &trap));
    add(
        "a document in jku for a name of its own",
        rejected(401, K::UnknownKey).fetching(1, 1),
        token().signed_by(&stranger).header("jku", &trap),
    );
    add("a document in jku with a good signature", PASS, token().header("jku", &trap).header("x5u", &trap));
    add("a document in kid", rejected(401, K::UnknownKey).fetching(1, 1), token().key_id(trap.as_str()));
    add("an issuer that has documents of its own", rejected(401, K::WrongIssuer), token().issuer(fixture.trap.url()));
    let header = json!({"alg": "RS256", "kid": ours.as_str(), "header": {"alg": "none"}});
    add("GHSA-jc38-x7x8-2xc8: an unprotected header within", PASS, token().raw_header(header.to_string()));

    // crit ignored.
    let critical = rejected(401, K::CriticalHeader);
    add("CVE-2025-59420: crit of an unknown name", critical, token().header("crit", ["cnf"]).header("cnf", json!({})));
    add("CVE-2026-32597: crit of b64", critical, token().header("crit", ["b64"]).header("b64", false));
    add("CVE-2026-35042: crit of a registered name", critical, token().header("crit", ["alg"]));

    // Types of claims.
    let types = rejected(401, K::MalformedClaims);
    add("CVE-2026-25537: exp as a text", types, token().claim("exp", (NOON - 9999).to_string()));
    add("CVE-2026-25537: nbf as a text", types, token().claim("nbf", (NOON + 9999).to_string()));
    add("CVE-2024-53861: a part of the issuer", rejected(401, K::WrongIssuer), token().issuer("http://"));
    add(
        "CVE-2025-30144: the issuer in a list",
        types,
        token().claim("iss", [fixture.issuer(TokenVersion::V1), "https://evil.example".to_owned()]),
    );
    add(
        "the claims as a list in the order of a struct",
        rejected(401, K::MalformedToken),
        token().raw_claims(r#"[1800000000,null,"x","y",null]"#),
    );

    // Size and parsing.
    for (name, expected, token) in [
        ("CVE-2025-30204, CVE-2025-27144: dots", rejected(401, K::MalformedToken), format!("x{}", ".".repeat(16_000))),
        (
            "CVE-2025-61920: a header of half a megabyte",
            rejected(401, K::TokenTooLarge),
            format!("{}.e30.AAAA", "e30x".repeat(125_000)),
        ),
        ("CVE-2025-22868: many segments", rejected(401, K::MalformedToken), "a.".repeat(8000)),
        ("CVE-2019-12995: a header that ends early", rejected(401, K::MalformedToken), "eyJ.e30.AAAA".to_owned()),
    ] {
        entries.push(Entry::sent(name, expected, Sent::token(&token)));
    }
    let mut add = |name: &str, expected: Expected, token: TokenBuilder| {
        entries.push(Entry::sent(name, expected, Sent::token(&token.mint())));
    };
    add(
        "CVE-2025-53864: nested claims",
        rejected(401, K::MalformedToken),
        token().raw_claims(format!("{{\"aud\":{}", "[".repeat(10_000))),
    );
    add("a list of three thousand in the header", PASS.signed(), token().header("x", vec![0; 3000]));
    for (name, count, kind) in
        [("as many names as are read", 256, K::MissingClaim), ("many names", 257, K::MalformedToken)]
    {
        let names: Vec<_> = (0..count).map(|number| format!("\"k{number}\":0")).collect();
        add(name, rejected(401, kind), token().raw_claims(format!("{{{}}}", names.join(","))));
    }

    // JWE.
    let encrypted = rejected(401, K::EncryptedToken);
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
    let good = fixture.good();
    let (signed, signature) = good.rsplit_once('.').unwrap();
    entries.push(Entry::sent("CVE-2026-35039: a token that will be cached", PASS, Sent::token(&good)));
    let stranger_claims = token().caller(STRANGER.parse().unwrap(), STRANGER.parse().unwrap()).mint();
    let of_stranger = stranger_claims.rsplit_once('.').unwrap().0;
    for (name, expected, token) in [
        ("CVE-2026-35039: other claims under a cached signature", invalid, format!("{of_stranger}.{signature}")),
        (
            "CVE-2026-35039: another signature behind cached claims",
            invalid,
            format!("{signed}.{}", URL_SAFE_NO_PAD.encode([7; 256])),
        ),
        (
            "CVE-2026-35039: the end of a cached token alone",
            rejected(401, K::MalformedToken),
            signature[signature.len() - 32..].to_owned(),
        ),
        ("CVE-2026-35039: a cached token with a letter before", rejected(401, K::MalformedToken), format!("A{good}")),
        ("CVE-2026-35039: a cached token with a letter in another case", invalid, recased(&good)),
    ] {
        entries.push(Entry::sent(name, expected, Sent::token(&token)));
    }
    entries.push(Entry::listed(
        "CVE-2025-59936: a key under the name of another's",
        rejected(401, K::InvalidSignature).signed(),
        |key| Jwk::from(SigningKey::stranger().with_key_id(key.key_id().clone())),
    ));

    // Outgoing requests by what a token says; filters that crash; tricks with schemes and headers.
    let mut add = |name: &str, expected: Expected, token: TokenBuilder| {
        entries.push(Entry::sent(name, expected, Sent::token(&token.mint())));
    };
    add(
        "CVE-2026-32301, CVE-2026-41413: an issuer that is an address",
        rejected(401, K::WrongIssuer),
        token().issuer("http://169.254.169.254/"),
    );
    add("CVE-2026-32301: a tenant that is a path", rejected(401, K::WrongTenant), token().claim("tid", "../../common"));
    add(
        "CVE-2024-45809, CVE-2025-64527: an unknown key while keys are there",
        rejected(401, K::UnknownKey).fetching(1, 1),
        token().key_id("x"),
    );
    entries.push(Entry::scenario(
        "CVE-2026-39350: a key that comes while a request waits for it",
        PASS.fetching_once(1, 1),
        |entra, scenario| {
            let key = new_key(scenario, entra);
            Sent::token(&token_of(entra).signed_by(&key).mint())
        },
    ));
    entries.push(Entry::unserved(
        "CVE-2024-45809: a good token while no keys can be had",
        rejected(503, K::KeysUnavailable).retrying(1, 1),
        Endpoint::Keys,
        |_| Fault::reset(),
    ));
    entries.push(Entry::sent(
        "CVE-2026-47673: a good token under another scheme",
        rejected(401, K::UnsupportedScheme),
        Sent::lines(&[format!("Basic {good}")]),
    ));
    entries.push(Entry::sent(
        "CVE-2026-47673: a good token without a scheme",
        rejected(401, K::UnsupportedScheme),
        Sent::lines(&[&good]),
    ));
    let none: [&str; 0] = [];
    for (name, alias) in [
        ("CVE-2025-64484: an underscore", "authorization_"),
        ("CVE-2026-35051, CVE-2026-39858: a dot", "authorization.x"),
    ] {
        entries.push(Entry::sent(
            name,
            rejected(401, K::MissingCredentials),
            Sent::lines(&none).header(alias, format!("Bearer {good}")),
        ));
    }
}

/// What other Rust crates for this purpose were seen to do.
fn peers(fixture: &Fixture, entries: &mut Vec<Entry>) {
    let mut add = |name: &str, expected: Expected, token: TokenBuilder| {
        entries.push(Entry::sent(name, expected, Sent::token(&token.mint())));
    };
    let token = || fixture.token();
    let other = OTHER_TENANT.parse().unwrap();
    add("peers: the issuer is not looked at, since the keys fit", rejected(401, K::WrongTenant), token().tenant(other));
    add(
        "peers: the issuer is not looked at, with our tenant",
        rejected(401, K::WrongIssuer),
        token().issuer("https://evil.example"),
    );
    add(
        "peers: no audience passes where one is required",
        rejected(401, K::MissingClaim),
        token().without_claim("aud"),
    );
    add(
        "peers: an audience of null counts as none",
        rejected(401, K::MalformedClaims),
        token().claim("aud", json!(null)),
    );
    add("peers: no issuer passes where one is required", rejected(401, K::MissingClaim), token().without_claim("iss"));
    add("peers: nbf is not looked at", rejected(401, K::NotYetValid), token().claim("nbf", NOON + 1000));
    add("peers: nbf becomes compulsory", PASS, token().without_claim("nbf"));
    add("peers: exp is optional", rejected(401, K::MissingClaim), token().without_claim("exp"));
    add(
        "peers: kid is not looked at and every key is tried",
        rejected(401, K::UnknownKey).fetching(1, 1),
        token().key_id("another"),
    );
    add("peers: no kid means every key", rejected(401, K::MissingKeyId), token().without_header("kid"));
    add("peers: the header decides the algorithm", rejected(401, K::AlgorithmNotAllowed), token().algorithm("RS512"));
    add(
        "peers: no list of algorithms means all of them",
        rejected(401, K::AlgorithmNotAllowed),
        token().algorithm("PS384"),
    );
    add("peers: other header members must be texts", PASS, token().header("x", json!({"y": [1]})));
    add("peers: a user's token for the same audience", rejected(403, K::DelegatedToken).signed(), token().delegated());
    add("peers: app-only tokens cannot pass for want of scp", PASS, token());
    add("peers: at+jwt is compulsory", PASS, token().v2());
    add(
        "peers: any application of the tenant",
        rejected(403, K::CallerNotAllowed).signed(),
        token().caller(STRANGER.parse().unwrap(), STRANGER.parse().unwrap()),
    );
    add("peers: iat is not looked at", rejected(401, K::IssuedInFuture), token().claim("iat", NOON + 1000));
    add("peers: the audience may not be a list", PASS, token().claim("aud", [fixture.audience()]));
    add(
        "peers: a bad signature costs a fetch",
        rejected(401, K::InvalidSignature).signed(),
        token().signature([7; 256]),
    );
    add("peers: claims that are no JSON are a fault of the server", rejected(401, K::MalformedToken), {
        token().raw_claims("{\"aud\":")
    });
    add(
        "peers: an unknown kid is a fault of the server",
        rejected(401, K::UnknownKey).fetching(1, 1),
        token().key_id("unknown"),
    );
    add(
        "peers: the kid goes to the provider in a query",
        rejected(401, K::UnknownKey).fetching(1, 1),
        token().key_id("k?kid=k&x=%2e%2e/#z"),
    );
    // The canaries that each token here carries are among them.
    add(
        "peers: all claims go into the log",
        rejected(401, K::WrongAudience),
        token().audience("https://a-secret.example"),
    );
    add(
        "peers: a nested value stands for a number where another crate switches that on",
        rejected(401, K::MalformedClaims),
        token().claim("exp", json!({"$serde_json::private::Number": (NOON + 9999).to_string()})),
    );
    add(
        "peers: a nested value stands for a text where another crate switches that on",
        rejected(401, K::MalformedClaims),
        token().claim("tid", json!({"$serde_json::private::RawValue": format!("\"{}\"", fixture.tenant())})),
    );
    let widest = fixture.entra.policy_builder().clock_skew(Duration::from_secs(600)).build().unwrap();
    for (name, expected, token) in [
        ("a token of 1970 passes", rejected(401, K::Expired), token().claim("exp", 0).without_claim("nbf")),
        ("it is used up", rejected(401, K::Expired), token().claim("exp", NOON - 600).without_claim("nbf")),
        ("a good token is taken for expired", PASS, token()),
        ("a token without end is taken for expired", PASS, token().claim("exp", i64::MAX)),
    ] {
        let name = format!("peers: with the widest leeway {name}");
        entries.push(Entry::to_policy(name, expected, Sent::token(&token.mint()), widest.clone()));
    }
    let by_client = Callers::parse_client_ids([fixture.entra.caller_client_id().to_string()]).unwrap();
    entries.push(Entry::to_policy(
        "peers: client_id is read before appid",
        rejected(403, K::CallerNotAllowed).signed(),
        Sent::token(
            &token().claim("appid", STRANGER).claim("client_id", fixture.entra.caller_client_id().to_string()).mint(),
        ),
        fixture.entra.policy_builder_for(by_client),
    ));
    let mut add = |name: &str, expected: Expected, token: TokenBuilder| {
        entries.push(Entry::sent(name, expected, Sent::token(&token.mint())));
    };
    add(
        "peers: alg none is a fault of the server",
        rejected(401, K::AlgorithmNotAllowed),
        token().header("alg", "none"),
    );
    add(
        "peers: a claim of the wrong type is a fault of the server",
        rejected(401, K::MalformedClaims),
        token().claim("oid", 1),
    );
    add("peers: missing azp is a fault of the server", PASS, token().v2().without_claim("azp"));
    let none: [&str; 0] = [];
    entries.push(Entry::sent(
        "peers: no header is let through",
        rejected(401, K::MissingCredentials),
        Sent::lines(&none),
    ));
    entries.push(Entry::sent(
        "peers: claims in the extensions count as a token",
        rejected(401, K::MissingCredentials),
        Sent::lines(&none).with_claims_of_another(),
    ));
    entries.push(Entry::sent(
        "peers: bad base64 is a fault of the server",
        rejected(401, K::MalformedToken),
        Sent::token("%%%.e30.AAAA".replace('%', "=").as_str()),
    ));
    entries.push(Entry::sent(
        "peers: a percent escape in the query that is not UTF-8",
        rejected(401, K::MissingCredentials),
        Sent::lines(&none).uri("/upstream?access_token=%ff"),
    ));
    entries.push(Entry::sent(
        "peers: the scheme must be in one case",
        PASS,
        Sent::lines(&[format!("BEARER {}", fixture.good())]),
    ));
    let unusable = rejected(401, K::UnusableKey);
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
    entries.push(Entry::listed("peers: a key of another kind is a panic", unusable, |key| {
        Jwk::from(key).member("kty", "EC")
    }));
    entries.push(Entry::listed(
        "peers: a key without kid fits any kid",
        rejected(401, K::UnknownKey).fetching(1, 1),
        |key| Jwk::from(key).without_member("kid"),
    ));
    for (name, fault) in [
        ("peers: an empty set counts", (|_| json_text("{\"keys\":[]}")) as fn(&MockEntra) -> Fault),
        ("peers: an answer of 500 with an empty set counts", |_| empty_set_of_500()),
        ("peers: an answer of 500 with another set counts", |_| {
            let set = json!({"keys": [{"kty": "RSA", "use": "sig", "kid": "x", "e": "AQAB",
                "n": URL_SAFE_NO_PAD.encode(SigningKey::stranger().modulus())}]})
            .to_string();
            Fault::raw(format!("HTTP/1.1 500 Oh\r\nContent-Length: {}\r\n\r\n{set}", set.len()))
        }),
        ("peers: an answer without end fills the memory", |_| Fault::endless()),
    ] {
        entries.push(Entry::served(name, KEPT, Endpoint::Keys, fault));
    }
    entries.push(Entry::unserved(
        "peers: an outage is answered 401",
        rejected(503, K::KeysUnavailable).retrying(1, 0),
        Endpoint::Discovery,
        |_| Fault::status(500),
    ));
}

/// The same for what comes of keys over time.
fn peers_keys(entries: &mut Vec<Entry>) {
    let found = PASS.fetching_once(1, 1);
    let unknown = |entra: &MockEntra| Sent::token(&token_of(entra).key_id("unknown").mint());
    let good = |entra: &MockEntra| Sent::token(&token_of(entra).mint());
    entries.push(Entry::scenario("peers: a rotation is never noticed", found, |entra, scenario| {
        let key = new_key(scenario, entra);
        Sent::token(&token_of(entra).signed_by(&key).mint())
    }));
    entries.push(Entry::scenario("peers: the first token after a rotation is a panic", found, |entra, scenario| {
        let key = new_key(scenario, entra);
        Sent::token(&token_of(entra).v2().signed_by(&key).mint())
    }));
    let unknown_key = rejected(401, K::UnknownKey).after(1, 1);
    entries.push(Entry::scenario("peers: each unknown kid is a fetch", unknown_key, |entra, scenario| {
        scenario.in_turn(
            (0..50).map(|number| Sent::token(&token_of(entra).key_id(format!("k{number}").as_str()).mint())),
            Some(K::UnknownKey),
        );
        unknown(entra)
    }));
    entries.push(Entry::scenario(
        "peers: an on-demand refresh that fails takes the keys away",
        PASS.after(1, 1),
        |entra, scenario| {
            scenario.happens(|entra, _| entra.fail(Endpoint::Any, Fault::status(500)));
            scenario.in_turn([unknown(entra)], Some(K::KeysUnavailable));
            good(entra)
        },
    ));
    entries.push(Entry::scenario("peers: a refresh that hangs is the last", PASS.after(3, 3), |entra, scenario| {
        scenario.configure(|keys| keys.fetch_timeout(Duration::from_millis(200)));
        scenario.happens(|entra, _| entra.fail_next(2, Endpoint::Keys, Fault::hang()));
        scenario.refresh(false);
        scenario.refresh(false);
        let key = new_key(scenario, entra);
        scenario.refresh(true);
        Sent::token(&token_of(entra).signed_by(&key).mint())
    }));
    entries.push(Entry::scenario(
        "peers: a fetch keeps those waiting who need none",
        PASS.after(1, 0),
        |entra, scenario| {
            scenario.happens(|entra, _| entra.fail(Endpoint::Any, Fault::hang()));
            scenario.left(unknown(entra));
            good(entra)
        },
    ));
    entries.push(Entry::scenario(
        "peers: a set without usable keys ends the on-demand refresh",
        found.after(1, 1),
        |entra, scenario| {
            scenario.configure(with_shortest_cooldown);
            let key = new_key(scenario, entra);
            scenario.happens(|entra, _| entra.fail_next(1, Endpoint::Keys, json_text(r#"{"keys":[{"kid":"x"}]}"#)));
            scenario.in_turn([Sent::token(&token_of(entra).signed_by(&key).mint())], Some(K::KeysUnavailable));
            scenario.cools_down();
            Sent::token(&token_of(entra).signed_by(&key).mint())
        },
    ));
    // Neither stays what the provider has withdrawn, nor what was accepted before under it.
    let withdrawn = rejected(401, K::UnknownKey).after(1, 1).fetching_once(1, 1);
    entries.push(Entry::scenario(
        "peers: a withdrawn key still counts for cached tokens",
        withdrawn,
        |entra, scenario| {
            scenario.configure(|keys| keys.key_retention(Duration::ZERO));
            let (key, seen) = (entra.signing_key(), token_of(entra).mint());
            scenario.in_turn([Sent::token(&seen)], None);
            scenario.happens(move |entra, _| entra.withhold(key.key_id()));
            scenario.refresh(true);
            Sent::token(&seen)
        },
    ));
    entries.push(Entry::scenario("peers: each request fetches both documents", PASS, |entra, scenario| {
        scenario.in_turn((0..10).map(|_| good(entra)), None);
        good(entra)
    }));
    entries.push(Entry::unserved(
        "peers: a request right at the start is a panic, or rejected",
        found,
        Endpoint::Any,
        |_| Fault::none(),
    ));
    entries.push(Entry::unserved(
        "peers: a provider that asks for patience is asked again",
        rejected(503, K::KeysUnavailable).fetching_once(1, 0),
        Endpoint::Any,
        |_| Fault::status(503).header("Retry-After", "20"),
    ));
}

/// Depth that a parser which calls itself would pay for with its stack, in every text that comes from outside.
fn nesting(fixture: &Fixture, entries: &mut Vec<Entry>) {
    let lists = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let objects = |depth: usize| format!("{}0{}", "{\"a\":".repeat(depth), "}".repeat(depth));
    let key_id = fixture.entra.signing_key().key_id().clone();
    for (form, deep, deeper) in [("lists", lists(3000), lists(400_000)), ("objects", objects(1200), objects(120_000))] {
        let mut add = |name: &str, expected: Expected, token: TokenBuilder| {
            entries.push(Entry::sent(format!("nested {form} {name}"), expected, Sent::token(&token.mint())));
        };
        let token = || fixture.token();
        let header = |member: &str| format!("{{\"alg\":\"RS256\",\"kid\":\"{}\",{member}:{deep}}}", key_id.as_str());
        // Nobody reads it, so nobody minds; such a token is too large to be cached.
        add("in a header member that nobody knows", PASS.signed(), token().raw_header(header("\"x\"")));
        add("in typ", rejected(401, K::MalformedHeader), token().raw_header(header("\"typ\"")));
        add("in crit", rejected(401, K::CriticalHeader), token().raw_header(header("\"crit\"")));
        let claims = |name: &str| format!("{{\"{name}\":{deep}}}");
        add("in a claim that nobody knows", rejected(401, K::MissingClaim), token().raw_claims(claims("x")));
        add("in aud", rejected(401, K::MalformedClaims), token().raw_claims(claims("aud")));
        add("in exp", rejected(401, K::MalformedClaims), token().raw_claims(claims("exp")));
        let mut whole = |name: &str, expected: Expected, endpoint: Endpoint, text: String| {
            entries.push(Entry::served(&format!("nested {form} {name}"), expected, endpoint, |_| json_text(text)));
        };
        whole("in the place of keys", KEPT, Endpoint::Keys, format!("{{\"keys\":{deeper}}}"));
        whole("in a key", KEPT, Endpoint::Keys, format!("{{\"keys\":[{{\"kid\":\"x\",\"n\":{deeper}}}]}}"));
        whole("in the place of an issuer", NOT_FOLLOWED, Endpoint::Discovery, format!("{{\"issuer\":{deep}}}"));
        whole(
            "in discovery, not closed",
            NOT_FOLLOWED,
            Endpoint::Discovery,
            format!("{{\"x\":{}", "[".repeat(200_000)),
        );
    }
}

fn json_text(text: impl Into<bytes::Bytes>) -> Fault {
    Fault::content("application/json; charset=utf-8", text)
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

#[test]
fn every_published_identifier_has_a_case() {
    let _turn = crate::turn();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let fixture = runtime.block_on(Fixture::new());
    let _inside = runtime.enter();
    let names: Vec<_> = entries(&fixture).into_iter().map(|entry| entry.name).collect();
    let missing: Vec<_> = IDENTIFIERS.iter().filter(|id| !names.iter().any(|name| name.contains(**id))).collect();
    assert!(missing.is_empty(), "no case for {missing:?}");
}
