//! Public test vectors through the code that checks signatures in earnest: the segments, the header, the key
//! document, the key. Their payloads are no claims, so everything behind the signature is left out here.
//!
//! A vector that is labelled valid and refused, or the other way round, is an agreed deviation or a
//! failure. The agreed ones are listed with their reasons and are matched exactly: one that no longer
//! occurs fails, too.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a vector that cannot be read should stop the test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::bearer::BearerToken;
use crate::error::RejectionKind;
use crate::ids::KeyId;
use crate::key::VerificationKey;
use crate::keys::jwks::{KeyEntry, KeySet};
use crate::token::Segments;

/// Verifies a token with the keys of a document. Returns the payload.
fn check_jws(document: &Value, token: &str) -> Result<Vec<u8>, String> {
    let keys = KeySet::from_json(document.to_string().as_bytes()).map_err(|error| error.to_string())?;
    let refused = |kind: RejectionKind| kind.to_string();
    let segments = Segments::decode(BearerToken::from_token68(token.as_bytes()).map_err(refused)?).map_err(refused)?;
    let jws = segments.jws().map_err(refused)?;
    let key = usable(&keys, jws.key_id.as_ref().ok_or("no kid")?).ok_or("no such key")?;
    if key.rs256().verifies(jws.signed, jws.signature) { Ok(jws.payload.to_vec()) } else { Err("signature".to_owned()) }
}

fn usable<'k>(keys: &'k KeySet, id: &KeyId) -> Option<&'k VerificationKey> {
    match keys.entry(id) {
        Some(KeyEntry::Usable(key)) => Some(key),
        _ => None,
    }
}

/// Numbers of vectors in a file, with the reason why they come out otherwise than labelled.
type Agreed = &'static [(&'static str, &'static [u64])];

/// What came of a file.
#[derive(Debug, Default)]
struct Tally {
    total: usize,
    accepted: BTreeSet<u64>,
    wrongly_accepted: BTreeSet<u64>,
    wrongly_refused: BTreeSet<u64>,
}

impl Tally {
    fn count(&mut self, vector: &Value, accepted: bool) {
        let number = vector["tcId"].as_u64().unwrap();
        self.total += 1;
        if accepted {
            self.accepted.insert(number);
        }
        match vector["result"].as_str().unwrap() {
            "valid" if !accepted => drop(self.wrongly_refused.insert(number)),
            "invalid" if accepted => drop(self.wrongly_accepted.insert(number)),
            "valid" | "invalid" | "acceptable" => {}
            other => panic!("vector {number} is labelled {other}"),
        }
    }

    fn assert(&self, total: usize, agreed: Agreed) {
        let listed: BTreeSet<_> = agreed.iter().flat_map(|(_, numbers)| numbers.iter().copied()).collect();
        assert_eq!(self.total, total);
        assert_eq!(self.wrongly_accepted, BTreeSet::new(), "wrongly accepted");
        assert_eq!(self.wrongly_refused, listed, "wrongly refused, against the agreed deviations");
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

#[test]
#[ignore = "reads the Wycheproof vectors from the folder named by UPSTREAM_AUTH_VECTORS"]
fn wycheproof_signatures_are_accepted_for_rs256_alone() {
    let mut tally = Tally::default();
    let file = read("wycheproof", "json_web_signature_test.json");
    for (group, vectors) in groups(&file) {
        let document = json!({ "keys": [key_of(group)] });
        for vector in vectors {
            // The one JSON serialization is no text at all for this purpose.
            let token = vector["jws"].as_str().map_or_else(|| vector["jws"].to_string(), str::to_owned);
            tally.count(vector, check_jws(&document, &token).is_ok());
        }
    }
    assert_eq!(tally.accepted, numbers(&[33, 259, 260, 261, 262, 263, 345, 349]));
    tally.assert(
        401,
        &[
            ("HS256: a shared secret", &[1, 348, 352, 357, 358, 359, 372, 373, 376, 377]),
            ("ES256: another algorithm", &[18, 378]),
            ("RS384 and RS512: other algorithms", &[264, 265, 266, 267, 268, 269, 270, 271]),
            ("PS256, and PS384 with a key for PS256: other algorithms", &[272, 273, 274, 275, 287, 288, 346, 350]),
            ("PS384 and PS512: other algorithms", &[320, 321, 322, 323, 325, 326, 327, 328]),
            ("ES512: another algorithm", &[347, 351]),
        ],
    );
}

#[test]
#[ignore = "reads the Wycheproof vectors from the folder named by UPSTREAM_AUTH_VECTORS"]
fn wycheproof_key_sets_serve_with_the_one_sound_rsa_key() {
    let mut tally = Tally::default();
    let file = read("wycheproof", "json_web_key_test.json");
    for (group, vectors) in groups(&file) {
        for vector in vectors {
            tally.count(vector, check_jws(key_of(group), vector["jws"].as_str().unwrap()).is_ok());
        }
    }
    assert_eq!(tally.accepted, numbers(&[5]));
    tally.assert(26, &[("HS256, HS384, HS512: shared secrets", &[2, 13, 14, 15])]);
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
            let accepted = keys.as_ref().is_some_and(|keys| {
                let key = keys.usable().next().unwrap();
                key.rs256().verifies(&bytes("msg"), &bytes("sig"))
            });
            tally.count(vector, accepted);
        }
    }
    // Vector 8 leaves a NULL out of the digest's algorithm and is labelled as acceptable. It is refused.
    assert!(!tally.accepted.contains(&8));
    tally.assert(total, agreed);
}

fn from_hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

#[test]
#[ignore = "reads the Wycheproof vectors from the folder named by UPSTREAM_AUTH_VECTORS"]
fn wycheproof_rsa_2048() {
    rsa_signatures("rsa_signature_2048_sha256_test.json", 259, &[("e = 3: only 65537 is accepted", &[258, 259])]);
}

#[test]
#[ignore = "reads the Wycheproof vectors from the folder named by UPSTREAM_AUTH_VECTORS"]
fn wycheproof_rsa_3072() {
    rsa_signatures("rsa_signature_3072_sha256_test.json", 259, &[("e = 3: only 65537 is accepted", &[259])]);
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
        // A sound key beside, so that not the document is what fails.
        let document = json!({ "keys": keys.into_iter().chain([read("cookbook", "jwk_3_3.rsa_public_key.json")]).collect::<Vec<_>>() });
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
        // Private members are not looked at: a provider that leaks them still signs with the key.
        ("jwk_3_4.rsa_private_key.json", true),
        ("jwk_3_5.symmetric_key_mac_computation.json", false),
    ] {
        let document = json!({ "keys": [read("cookbook", name)] }).to_string();
        assert_eq!(KeySet::from_json(document.as_bytes()).is_ok(), is_usable, "{name}");
    }
}

/// RFC 7515 appendix A.2. The token has no `kid`, so the whole check refuses it for that alone; its
/// signature is good all the same.
#[test]
fn cookbook_rfc_7515_a_2_has_a_good_signature() {
    let signed = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    let document = json!({ "keys": [{ "kty": "RSA", "kid": "a2", "n": A2_MODULUS, "e": "AQAB" }] }).to_string();
    let keys = KeySet::from_json(document.as_bytes()).unwrap();
    let key = usable(&keys, &KeyId::new("a2")).unwrap();
    let verifies = |token: &str| {
        let segments = Segments::decode(BearerToken::from_token68(token.as_bytes()).unwrap()).unwrap();
        let jws = segments.jws().unwrap();
        assert!(jws.key_id.is_none());
        key.rs256().verifies(jws.signed, jws.signature)
    };
    assert!(verifies(&format!("{signed}.{A2_SIGNATURE}")));
    assert!(!verifies(&format!("{}.{A2_SIGNATURE}", signed.replacen("LA0K", "LA0L", 1))));
}

const A2_MODULUS: &str = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";
const A2_SIGNATURE: &str = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
