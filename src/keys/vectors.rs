//! Public test vectors through the code that verifies signatures: the segments, the header, the key
//! document, the key. Their payloads are no claims, so everything behind the signature is left out here.
//!
//! A vector that is labeled valid and rejected, or the other way round, is an agreed deviation or a
//! failure. The agreed ones are listed with their reasons and are matched exactly: one that no longer
//! occurs, or is rejected for another reason, fails, too.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a vector that cannot be read should stop the test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use aws_lc_rs::{hmac, signature};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::error::RejectionKind;
use crate::ids::KeyId;
use crate::keys::jwks::{KeyEntry, KeySet};
use crate::signature::key::VerificationKey;
use crate::token::bearer::BearerToken;
use crate::token::compact::CompactJws;

/// Verifies a token with the keys of a document. Returns the payload, or why there is none.
fn check_jws(document: &Value, token: &str) -> Result<Vec<u8>, String> {
    let keys = KeySet::from_json(document.to_string().as_bytes()).map_err(|error| error.to_string())?;
    let rejected = |kind: RejectionKind| kind.as_str().to_owned();
    let jws = CompactJws::decode(BearerToken::from_token68(token.as_bytes()).map_err(rejected)?).map_err(rejected)?;
    let key_id = key_id(&jws).map_err(rejected)?;
    let key = usable(&keys, key_id.as_ref().ok_or("no kid")?).ok_or("no such key")?;
    let is_good = key.rs256().verifies(jws.signing_input(), jws.signature());
    if is_good { Ok(jws.payload().to_vec()) } else { Err("signature".to_owned()) }
}

/// The `kid` of a JWS whose header passes. Vectors may have none, and sign texts that are no claims.
fn key_id(jws: &CompactJws<'_>) -> Result<Option<KeyId>, RejectionKind> {
    let header = jws.header().map_err(|_| RejectionKind::MalformedHeader)?;
    header.check()?;
    match header.key_id() {
        Err(RejectionKind::MissingKeyId) => Ok(None),
        key_id => key_id.map(Some),
    }
}

fn usable<'k>(keys: &'k KeySet, id: &KeyId) -> Option<&'k VerificationKey> {
    match keys.entry(id) {
        Some(KeyEntry::Usable(key)) => Some(key),
        _ => None,
    }
}

/// Numbers of vectors in a file that come out otherwise than labeled, with the reason, and why the code rejects them.
type Agreed = &'static [(&'static str, &'static str, &'static [u64])];

/// What came of a file.
#[derive(Debug, Default)]
struct Tally {
    total: usize,
    accepted: BTreeSet<u64>,
    wrongly_accepted: BTreeSet<u64>,
    wrongly_rejected: BTreeMap<u64, String>,
    /// How many were rejected for which reason.
    rejected: BTreeMap<String, usize>,
}

impl Tally {
    fn count(&mut self, vector: &Value, outcome: Result<Vec<u8>, String>) {
        let number = vector["tcId"].as_u64().unwrap();
        self.total += 1;
        match (vector["result"].as_str().unwrap(), outcome) {
            ("valid" | "acceptable", Ok(_)) => drop(self.accepted.insert(number)),
            ("invalid", Ok(_)) => drop(self.wrongly_accepted.insert(number)),
            (label @ ("valid" | "invalid" | "acceptable"), Err(reason)) => {
                *self.rejected.entry(reason.clone()).or_default() += 1;
                if label == "valid" {
                    self.wrongly_rejected.insert(number, reason);
                }
            }
            (other, _) => panic!("vector {number} is labeled {other}"),
        }
    }

    fn assert(&self, total: usize, agreed: Agreed) {
        let listed: BTreeMap<_, _> = agreed
            .iter()
            .flat_map(|(_, rejection, numbers)| numbers.iter().map(|number| (*number, (*rejection).to_owned())))
            .collect();
        assert_eq!(self.total, total);
        assert_eq!(self.wrongly_accepted, BTreeSet::new(), "wrongly accepted");
        assert_eq!(self.wrongly_rejected, listed, "wrongly rejected, against the agreed deviations");
    }

    fn assert_rejected(&self, expected: &[(&str, usize)]) {
        let rejected: Vec<_> = self.rejected.iter().map(|(reason, count)| (reason.as_str(), *count)).collect();
        assert_eq!(rejected, expected, "why vectors were rejected");
    }
}

fn read(folder: &str, name: &str) -> Value {
    let root = std::env::var_os("UPSTREAM_AUTH_VECTORS").expect("UPSTREAM_AUTH_VECTORS names the folder of vectors");
    let path = PathBuf::from(root).join(folder).join(name);
    serde_json::from_slice(&fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))).unwrap()
}

fn groups(file: &Value) -> impl Iterator<Item = (&Value, &Vec<Value>)> {
    file["testGroups"].as_array().unwrap().iter().map(|group| (group, group["tests"].as_array().unwrap()))
}

/// The public half of a group's key, or the whole where there is nothing else.
fn key_of(group: &Value) -> &Value {
    group.get("public").unwrap_or_else(|| &group["private"])
}

fn numbers(numbers: &[u64]) -> BTreeSet<u64> {
    numbers.iter().copied().collect()
}

/// A key that verifies RS256, of RFC 7515 appendix A.2.
fn sound_key(id: &str) -> Value {
    json!({ "kty": "RSA", "kid": id, "n": A2_MODULUS, "e": "AQAB" })
}

/// The document for a group. A key that is not for RS256 gives its name to one that is: otherwise its tokens would be
/// rejected for want of a key, whatever became of the check of `alg`.
fn document_of(group: &Value) -> Value {
    let key = key_of(group);
    let is_for_rs256 = key["kty"] == "RSA" && key.get("alg").is_none_or(|alg| alg == "RS256");
    let own = if is_for_rs256 { key.clone() } else { sound_key(key["kid"].as_str().unwrap()) };
    json!({ "keys": [own, sound_key("a sound key beside")] })
}

#[test]
#[ignore = "reads the Wycheproof vectors from the folder named by UPSTREAM_AUTH_VECTORS"]
fn wycheproof_signatures_are_accepted_for_rs256_alone() {
    let mut tally = Tally::default();
    let file = read("wycheproof", "json_web_signature_test.json");
    for (group, vectors) in groups(&file) {
        let document = document_of(group);
        for vector in vectors {
            // The one JSON serialization is no text at all for this purpose.
            let token = vector["jws"].as_str().map_or_else(|| vector["jws"].to_string(), str::to_owned);
            tally.count(vector, check_jws(&document, &token));
        }
    }
    assert_eq!(tally.accepted, numbers(&[33, 259, 260, 261, 262, 263, 345, 349]));
    tally.assert_rejected(&[
        ("algorithm_not_allowed", 134),
        ("malformed_credentials", 16),
        ("malformed_header", 6),
        ("malformed_token", 16),
        ("no such key", 3),
        ("signature", 218),
    ]);
    tally.assert(
        401,
        &[
            ("HS256: a shared secret", "algorithm_not_allowed", &[1, 348, 352, 357, 358, 359, 376, 377]),
            ("HS256, and letters that are not of base64url", "malformed_credentials", &[372, 373]),
            ("ES256: another algorithm", "algorithm_not_allowed", &[18, 378]),
            ("RS384 and RS512: other algorithms", "algorithm_not_allowed", &[264, 265, 266, 267, 268, 269, 270, 271]),
            (
                "PS256, and PS384 with a key for PS256: other algorithms",
                "algorithm_not_allowed",
                &[272, 273, 274, 275, 287, 288, 346, 350],
            ),
            ("PS384 and PS512: other algorithms", "algorithm_not_allowed", &[320, 321, 322, 323, 325, 326, 327, 328]),
            ("ES512: another algorithm", "algorithm_not_allowed", &[347, 351]),
        ],
    );
}

#[test]
#[ignore = "reads the Wycheproof vectors from the folder named by UPSTREAM_AUTH_VECTORS"]
fn wycheproof_key_sets_serve_with_the_one_sound_rsa_key() {
    let mut tally = Tally::default();
    let file = read("wycheproof", "json_web_key_test.json");
    for (group, vectors) in groups(&file) {
        let mut document = key_of(group).clone();
        if let Some(keys) = document["keys"].as_array_mut() {
            keys.push(sound_key("a sound key beside"));
        }
        for vector in vectors {
            tally.count(vector, check_jws(&document, vector["jws"].as_str().unwrap()));
        }
    }
    assert_eq!(tally.accepted, numbers(&[5]));
    tally.assert_rejected(&[("algorithm_not_allowed", 21), ("no such key", 4)]);
    tally.assert(26, &[("HS256, HS384, HS512: shared secrets", "algorithm_not_allowed", &[2, 13, 14, 15])]);
}

/// Runs a file of plain signatures, each with the key of its group.
fn rsa_signatures(name: &str, total: usize, agreed: Agreed) {
    let mut tally = Tally::default();
    let file = read("wycheproof", name);
    for (group, vectors) in groups(&file) {
        let document = json!({ "keys": [&group["keyJwk"]] }).to_string();
        let keys = KeySet::from_json(document.as_bytes()).ok();
        for vector in vectors {
            let bytes = |name: &str| from_hex(vector[name].as_str().unwrap());
            let outcome = keys.as_ref().ok_or("no usable key").and_then(|keys| {
                let key = keys.usable().next().unwrap();
                let message = bytes("msg");
                if key.rs256().verifies(&message, &bytes("sig")) { Ok(message) } else { Err("signature") }
            });
            tally.count(vector, outcome.map_err(str::to_owned));
        }
    }
    // Vector 8 leaves a NULL out of the digest's algorithm and is labeled as acceptable. It is rejected.
    assert!(!tally.accepted.contains(&8));
    tally.assert(total, agreed);
}

fn from_hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

#[test]
#[ignore = "reads the Wycheproof vectors from the folder named by UPSTREAM_AUTH_VECTORS"]
fn wycheproof_rsa_2048() {
    rsa_signatures(
        "rsa_signature_2048_sha256_test.json",
        259,
        &[("e = 3: only 65537 is accepted", "no usable key", &[258, 259])],
    );
}

#[test]
#[ignore = "reads the Wycheproof vectors from the folder named by UPSTREAM_AUTH_VECTORS"]
fn wycheproof_rsa_3072() {
    rsa_signatures(
        "rsa_signature_3072_sha256_test.json",
        259,
        &[("e = 3: only 65537 is accepted", "no usable key", &[259])],
    );
}

#[test]
#[ignore = "reads the Wycheproof vectors from the folder named by UPSTREAM_AUTH_VECTORS"]
fn wycheproof_rsa_4096() {
    rsa_signatures("rsa_signature_4096_sha256_test.json", 258, &[]);
}

#[test]
#[ignore = "reads the RFC 7520 examples from the folder named by UPSTREAM_AUTH_VECTORS"]
fn cookbook_section_4_1_is_the_one_example_to_accept() {
    let mut accepted = BTreeSet::new();
    let mut forms = 0;
    let root = PathBuf::from(std::env::var_os("UPSTREAM_AUTH_VECTORS").unwrap()).join("cookbook");
    for file in fs::read_dir(root).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        if !name.ends_with(".json") || name.starts_with("jwk_") {
            continue;
        }
        let example = read("cookbook", &name);
        let keys = match &example["input"]["key"] {
            Value::Array(keys) => keys.clone(),
            Value::Null => Vec::new(),
            key => vec![key.clone()],
        };
        // The public half, as a provider publishes it: a key whose private half is published verifies nothing.
        let keys = keys.into_iter().map(public_half);
        // A sound key beside, so that not the document is what fails.
        let document =
            json!({ "keys": keys.chain([read("cookbook", "jwk_3_3.rsa_public_key.json")]).collect::<Vec<_>>() });
        for (form, text) in example["output"].as_object().unwrap() {
            forms += 1;
            let token = text.as_str().map_or_else(|| text.to_string(), str::to_owned);
            if let Ok(payload) = check_jws(&document, &token) {
                assert_eq!(payload, example["input"]["payload"].as_str().unwrap().as_bytes());
                accepted.insert(format!("{name} {form}"));
            }
        }
    }
    assert_eq!(accepted, BTreeSet::from(["jws_4_1.rsa_v15_signature.json compact".to_owned()]));
    assert!(forms > 50, "only {forms} forms were read");
}

#[test]
#[ignore = "reads the RFC 7520 keys from the folder named by UPSTREAM_AUTH_VECTORS"]
fn cookbook_keys_are_usable_if_they_are_of_rsa() {
    for (name, is_usable) in [
        ("jwk_3_1.ec_public_key.json", false),
        ("jwk_3_3.rsa_public_key.json", true),
        // Everybody can sign with a key whose private half is published.
        ("jwk_3_4.rsa_private_key.json", false),
        ("jwk_3_5.symmetric_key_mac_computation.json", false),
    ] {
        let document = json!({ "keys": [read("cookbook", name)] }).to_string();
        assert_eq!(KeySet::from_json(document.as_bytes()).is_ok(), is_usable, "{name}");
    }
}

/// The key without the members that only its owner may know.
fn public_half(mut key: Value) -> Value {
    if let Some(members) = key.as_object_mut() {
        members.retain(|name, _| !["d", "p", "q", "dp", "dq", "qi"].contains(&name.as_str()));
    }
    key
}

/// RFC 7515 appendix A.2. The token has no `kid`, so the whole check rejects it for that alone; its
/// signature is good all the same.
#[test]
fn cookbook_rfc_7515_a_2_has_a_good_signature() {
    let document = json!({ "keys": [sound_key("a2")] });
    let keys = KeySet::from_json(document.to_string().as_bytes()).unwrap();
    let key = usable(&keys, &KeyId::new("a2")).unwrap();
    let verifies = |token: &str| {
        let jws = CompactJws::decode(BearerToken::from_token68(token.as_bytes()).unwrap()).unwrap();
        assert!(key_id(&jws).unwrap().is_none());
        key.rs256().verifies(jws.signing_input(), jws.signature())
    };
    assert!(verifies(&format!("{RS256}.{PAYLOAD}.{A2_SIGNATURE}")));
    assert!(!verifies(&format!("{RS256}.{}.{A2_SIGNATURE}", PAYLOAD.replacen("LA0K", "LA0L", 1))));
    assert_eq!(check_jws(&document, &format!("{RS256}.{PAYLOAD}.{A2_SIGNATURE}")), Err("no kid".to_owned()));
}

/// RFC 7515 appendices A.1, A.3 and A.4. That they are copied without a slip is seen by verifying them with their keys.
#[test]
fn cookbook_rfc_7515_a_1_a_3_and_a_4_are_rejected_for_their_algorithm() {
    let hs256 = (A1_HEADER, PAYLOAD, A1_SIGNATURE);
    let secret = hmac::Key::new(hmac::HMAC_SHA256, &from_base64url(A1_SECRET));
    hmac::verify(&secret, signed(hs256).as_bytes(), &from_base64url(A1_SIGNATURE)).unwrap();
    assert_rejected_for_the_algorithm(hs256);

    let es256 = (ES256, PAYLOAD, A3_SIGNATURE);
    let es512 = ("eyJhbGciOiJFUzUxMiJ9", "UGF5bG9hZA", A4_SIGNATURE);
    for (token, curve, [x, y]) in
        [(es256, &signature::ECDSA_P256_SHA256_FIXED, A3_POINT), (es512, &signature::ECDSA_P521_SHA512_FIXED, A4_POINT)]
    {
        let point = [&[4][..], &from_base64url(x), &from_base64url(y)].concat();
        let key = signature::UnparsedPublicKey::new(curve, point);
        key.verify(signed(token).as_bytes(), &from_base64url(token.2)).unwrap();
        assert_rejected_for_the_algorithm(token);
    }
}

/// RFC 7515 appendix A.5: `none`, and no signature.
#[test]
fn cookbook_rfc_7515_a_5_is_rejected_for_its_algorithm() {
    assert_eq!(from_base64url("eyJhbGciOiJub25lIn0"), br#"{"alg":"none"}"#);
    assert_rejected_for_the_algorithm(("eyJhbGciOiJub25lIn0", PAYLOAD, ""));
}

/// RFC 7515 appendices A.6 and A.7: the JSON serializations, one with the good signature of A.2.
#[test]
fn cookbook_rfc_7515_a_6_and_a_7_are_rejected_for_their_form() {
    let (first, second) = ("2010-12-29", "e9bc097a-ce51-4036-9562-d2ade882db0d");
    let document = json!({ "keys": [sound_key(first), sound_key(second)] });
    let general = json!({ "payload": PAYLOAD, "signatures": [
        { "protected": RS256, "header": { "kid": first }, "signature": A2_SIGNATURE },
        { "protected": ES256, "header": { "kid": second }, "signature": A3_SIGNATURE },
    ] });
    let flattened =
        json!({ "payload": PAYLOAD, "protected": ES256, "header": { "kid": second }, "signature": A3_SIGNATURE });
    for form in [general, flattened] {
        assert_eq!(check_jws(&document, &form.to_string()), Err("malformed_credentials".to_owned()));
    }
}

fn assert_rejected_for_the_algorithm(token: (&str, &str, &str)) {
    let token = format!("{}.{}", signed(token), token.2);
    let rejection = Err(RejectionKind::AlgorithmNotAllowed.as_str().to_owned());
    assert_eq!(check_jws(&json!({ "keys": [sound_key("a2")] }), &token), rejection);
}

/// What the signature of a token covers.
fn signed((header, payload, _): (&str, &str, &str)) -> String {
    format!("{header}.{payload}")
}

fn from_base64url(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

/// The headers of A.2 and A.3, and the payload of all but A.4.
const RS256: &str = "eyJhbGciOiJSUzI1NiJ9";
const ES256: &str = "eyJhbGciOiJFUzI1NiJ9";
const PAYLOAD: &str = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";

const A1_HEADER: &str = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9";
const A1_SECRET: &str = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
const A1_SIGNATURE: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const A3_POINT: [&str; 2] =
    ["f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"];
const A3_SIGNATURE: &str = "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
const A4_POINT: [&str; 2] = [
    "AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk",
    "ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2",
];
const A4_SIGNATURE: &str = "AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn";
const A2_MODULUS: &str = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";
const A2_SIGNATURE: &str = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
