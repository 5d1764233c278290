//! Key documents of every shape.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::*;
use crate::error::KeyErrorKind;

fn modulus(bytes: usize) -> Vec<u8> {
    let mut modulus = vec![0xab; bytes];
    modulus[0] |= 0x80;
    modulus[bytes - 1] |= 1;
    modulus
}

fn encoded(modulus: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(modulus)
}

/// A key as text, with members that replace or extend those of a good one.
fn key(kid: &str, changes: &[(&str, &str)]) -> String {
    let n = format!("\"{}\"", encoded(&modulus(256)));
    let kid = format!("\"{kid}\"");
    let mut members = vec![("kty", "\"RSA\""), ("use", "\"sig\""), ("kid", &kid), ("n", &n), ("e", "\"AQAB\"")];
    for (name, value) in changes {
        members.retain(|(known, _)| known != name);
        if !value.is_empty() {
            members.push((name, value));
        }
    }
    let members: Vec<_> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{{}}}", members.join(","))
}

fn set(keys: &[String]) -> Result<KeySet, KeyError> {
    KeySet::from_json(format!("{{\"keys\":[{}]}}", keys.join(",")).as_bytes())
}

/// The members of a key without their names, in the order of the fields that are read.
fn as_array(key: &str) -> String {
    let key: serde_json::Value = serde_json::from_str(key).unwrap();
    let members = ["kty", "kid", "use", "key_ops", "alg", "n", "e"].map(|name| &key[name]);
    serde_json::json!(members).to_string()
}

/// What becomes of a key beside a good one.
fn classified(changed: String) -> Option<Unusable> {
    let document = format!("{{\"keys\":[{},{changed}]}}", key("good", &[]));
    // A private half of `changed` is that of the good one, too.
    match KeySet::parse(document.as_bytes(), None).unwrap().entry(&KeyId::new("odd")) {
        Some(KeyEntry::Unusable(reason)) => Some(*reason),
        Some(KeyEntry::Usable(_)) => None,
        None => panic!("not listed"),
    }
}

#[test]
fn entra_keys_without_alg_are_usable() {
    let issuer = ("issuer", r#""https://login.microsoftonline.com/{tenantid}/v2.0""#);
    let set = set(&[key("a", &[issuer, ("x5c", r#"["MII"]"#), ("x5t", "\"a\"")])]).unwrap();
    let found = set.usable().next().unwrap();
    assert_eq!((found.id().as_str(), found.bits()), ("a", 2048));
    assert_eq!(found.issuer(), Some("https://login.microsoftonline.com/{tenantid}/v2.0"));
    assert_eq!((found.cloud_instance_name(), set.unusable_count()), (None, 0));
    assert_eq!(format!("{found:?}"), r#"VerificationKey { id: KeyId("a"), bits: 2048, .. }"#);
    assert_eq!(format!("{:?}", found.rs256()), "Rs256Key");
}

#[test]
fn keys_carry_the_cloud_of_their_discovery_document() {
    let document = format!("{{\"keys\":[{}]}}", key("a", &[]));
    for (label, expected) in [(Some("cloud.example"), Some("cloud.example")), (Some(" "), None), (None, None)] {
        let set = KeySet::from_document(document.as_bytes(), label).unwrap();
        assert_eq!(set.usable().next().unwrap().document_cloud(), expected);
    }
}

#[test]
fn keys_from_documents_of_two_clouds_differ() {
    let document = format!("{{\"keys\":[{}]}}", key("a", &[]));
    let read =
        |cloud| KeySet::from_document(document.as_bytes(), cloud).unwrap().get(&KeyId::new("a")).unwrap().clone();
    assert_eq!(read(Some("one.example")), read(Some("one.example")));
    assert_ne!(read(Some("one.example")), read(Some("two.example")));
    assert_ne!(read(Some("one.example")), read(None));
}

#[test]
fn accepts_three_sizes_and_one_exponent() {
    let sized = |modulus: Vec<u8>| classified(key("odd", &[("n", &format!("\"{}\"", encoded(&modulus)))]));
    for bytes in [256, 384, 512] {
        assert_eq!(sized(modulus(bytes)), None, "{bytes}");
    }
    for bytes in [1, 128, 255, 257, 383, 511, 513, 1024] {
        assert_eq!(sized(modulus(bytes)), Some(Unusable::NotForRs256), "{bytes}");
    }
    let mut short = modulus(256);
    short[0] = 0x7f;
    assert_eq!(sized(short), Some(Unusable::NotForRs256));
    let mut padded = modulus(256);
    padded.insert(0, 0);
    assert_eq!(sized(padded), Some(Unusable::NotForRs256));
    let mut even = modulus(256);
    even[255] = 2;
    assert_eq!(sized(even), Some(Unusable::NotForRs256));
    for exponent in ["Aw", "AQ", "AAEAAQ", "AQAC", ""] {
        assert_eq!(
            classified(key("odd", &[("e", &format!("\"{exponent}\""))])),
            Some(Unusable::NotForRs256),
            "{exponent}"
        );
    }
}

#[test]
fn keys_for_another_use_are_unusable() {
    for change in [
        ("kty", r#""EC""#),
        ("kty", r#""rsa""#),
        ("kty", r#""oct""#),
        ("use", r#""enc""#),
        ("use", r#""""#),
        ("alg", r#""RS512""#),
        ("alg", r#""PS256""#),
        ("key_ops", r#"["sign"]"#),
        ("key_ops", "[]"),
        ("key_ops", "[1e999,null]"),
    ] {
        assert_eq!(classified(key("odd", &[change])), Some(Unusable::NotForRs256), "{change:?}");
    }
    for change in [
        ("use", ""),
        ("kty", r#""\u0052SA""#),
        ("alg", r#""RS256""#),
        ("key_ops", r#"["sign","verify"]"#),
        ("key_ops", r#"[1e999,"\ud800","verif\u0079"]"#),
    ] {
        assert_eq!(classified(key("odd", &[change])), None, "{change:?}");
    }
}

#[test]
fn malformed_entry_spoils_nothing_but_itself() {
    let deep = format!("{}{}", "[".repeat(4000), "]".repeat(4000));
    for change in [
        ("kty", ""),
        ("kty", "1"),
        ("n", ""),
        ("n", "7"),
        ("n", r#""a b""#),
        ("n", &deep),
        ("e", ""),
        ("e", "65537"),
        ("use", "true"),
        ("use", "1"),
        ("alg", "-1"),
        ("alg", "1.5"),
        ("alg", r#"["RS256"]"#),
        ("key_ops", r#""verify""#),
        ("issuer", "{}"),
        ("cloud_instance_name", "1.5"),
        ("n\":\"AQAB\",\"n", r#""AQAB""#),
        ("n", "1e999"),
        ("issuer", r#""\ud800""#),
        ("use", r#""\udc00""#),
        ("key_ops", "{}"),
    ] {
        assert_eq!(classified(key("odd", &[change])), Some(Unusable::Malformed), "{change:?}");
    }
    for odd in [
        "null",
        "1",
        "-1",
        "1.5",
        "true",
        "\"key\"",
        "[1,[2]]",
        "{}",
        "1e999",
        r#"{"kid":"\ud800"}"#,
        r#"{"\ud800":1}"#,
        r#"{"kid":"a","kid":"a"}"#,
        &key("", &[]),
        &key("x", &[("kid", "1")]),
        &as_array(&key("x", &[])),
    ] {
        let set = set(&[key("good", &[]), odd.to_owned()]).unwrap();
        assert_eq!((set.usable().count(), set.unusable_count()), (1, 1), "{odd}");
    }
}

#[test]
fn null_in_a_member_counts_as_absent() {
    for name in ["use", "alg", "key_ops", "issuer", "cloud_instance_name"] {
        assert_eq!(classified(key("odd", &[(name, "null")])), None, "{name}");
    }
    for name in ["kty", "n", "e"] {
        assert_eq!(classified(key("odd", &[(name, "null")])), Some(Unusable::Malformed), "{name}");
    }
    assert_eq!(classified(key("odd", &[("use\":null,\"use", "\"sig\"")])), Some(Unusable::Malformed), "twice");
}

#[test]
fn member_that_is_not_read_spoils_nothing_whatever_it_holds() {
    for change in [
        ("x", "1e999"),
        ("x", "-1e999"),
        ("x", r#"{"a":[1e999,"\ud800"]}"#),
        ("x", r#""\udc00""#),
        (r"\ud800", "1"),
        (r"x\udc00", r#""\ud800""#),
        ("x\":1,\"x", "2"),
    ] {
        assert_eq!(classified(key("odd", &[change])), None, "{change:?}");
    }
}

#[test]
fn key_with_a_published_private_half_is_compromised() {
    for name in ["d", "p", "q", "dp", "dq", "qi", "oth", "k", r"\u0064"] {
        for value in ["\"AQ\"", "1", "{}", "[{}]", "true", "1e999", r#""\ud800""#] {
            assert_eq!(classified(key("odd", &[(name, value)])), Some(Unusable::Compromised), "{name} {value}");
        }
        for empty in ["null", "\"\"", "[]", "[ ]"] {
            assert_eq!(classified(key("odd", &[(name, empty)])), None, "{name} {empty}");
        }
    }
    // Whatever else is wrong with the entry.
    for change in [("n", "7"), ("n", ""), ("kty", ""), ("kty", "\"EC\""), ("use", "\"enc\""), ("e\":1,\"e", "2")] {
        assert_eq!(classified(key("odd", &[("d", "\"AQ\""), change])), Some(Unusable::Compromised), "{change:?}");
    }
    assert_eq!(classified(key("odd", &[("d\":null,\"d", "\"AQ\"")])), Some(Unusable::Compromised), "twice");
    // A symmetric key has no public half.
    assert_eq!(classified(key("odd", &[("kty", "\"oct\""), ("k", "\"AQ\"")])), Some(Unusable::NotForRs256));
    assert_eq!(classified(key("odd", &[("kty", "\"oct\""), ("d", "\"AQ\"")])), Some(Unusable::Compromised));
}

#[test]
fn every_entry_of_a_compromised_key_is_unusable() {
    let other = format!("\"{}\"", encoded(&[&modulus(255)[..], &[0xcd]].concat()));
    let good = key("good", &[("n", &other)]);
    for published in [key("odd", &[("d", "1")]), key("elsewhere", &[("d", "1")]), key("", &[("kid", ""), ("d", "1")])] {
        for entries in [[published.clone(), key("odd", &[])], [key("odd", &[]), published.clone()]] {
            let set = set(&[good.clone(), entries.join(",")]).unwrap();
            assert_eq!(set.usable().map(|key| key.id().as_str()).collect::<Vec<_>>(), ["good"], "{published}");
            assert_eq!(set.unusable_count(), 2, "{published}");
            let odd = set.entry(&KeyId::new("odd")).unwrap();
            assert!(matches!(odd, KeyEntry::Unusable(Unusable::Compromised)), "{published}");
        }
    }
    // The `kid` is compromised with whichever of its keys.
    let twice = [key("odd", &[]), key("odd", &[("n", &other), ("d", "1")])];
    for entries in [twice.clone(), [twice[1].clone(), twice[0].clone()]] {
        let text = format!("{{\"keys\":[{}]}}", entries.join(","));
        let set = KeySet::parse(text.as_bytes(), None).unwrap();
        assert!(matches!(set.entry(&KeyId::new("odd")), Some(KeyEntry::Unusable(Unusable::Compromised))));
    }
}

/// Three entries of one `kid` in every order: the same outcome.
#[test]
fn order_of_the_entries_of_a_kid_does_not_matter() {
    let other = format!("\"{}\"", encoded(&[&modulus(255)[..], &[0xcd]].concat()));
    let (this, other) = (key("odd", &[]), key("odd", &[("n", &other)]));
    let issued = key("odd", &[("issuer", "\"one\"")]);
    let encrypts = key("odd", &[("use", "\"enc\"")]);
    let (malformed, curve) = (key("odd", &[("n", "1")]), key("odd", &[("kty", "\"EC\"")]));
    let published = key("odd", &[("d", "\"AQ\"")]);
    for (entries, expected) in [
        ([&this, &other, &malformed], Some(Unusable::Ambiguous)),
        ([&this, &this, &other], Some(Unusable::Ambiguous)),
        ([&this, &encrypts, &other], Some(Unusable::Ambiguous)),
        ([&this, &malformed, &curve], Some(Unusable::Ambiguous)),
        ([&encrypts, &malformed, &curve], Some(Unusable::Ambiguous)),
        ([&this, &issued, &malformed], Some(Unusable::Ambiguous)),
        ([&this, &issued, &encrypts], Some(Unusable::Ambiguous)),
        ([&this, &issued, &this], Some(Unusable::Ambiguous)),
        ([&this, &malformed, &encrypts], None),
        ([&this, &malformed, &malformed], None),
        ([&this, &other, &published], Some(Unusable::Compromised)),
        ([&this, &malformed, &published], Some(Unusable::Compromised)),
    ] {
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let text = order.map(|place| entries[place].as_str()).join(",");
            assert_eq!(classified(text), expected, "{entries:?} in the order {order:?}");
        }
    }
}

#[test]
fn kid_of_two_keys_is_unusable() {
    let other = format!("\"{}\"", encoded(&[&modulus(255)[..], &[0xcd]].concat()));
    assert_eq!(classified([key("odd", &[]), key("odd", &[("n", &other)])].join(",")), Some(Unusable::Ambiguous));
    assert_eq!(classified([key("odd", &[]), key("odd", &[("kty", "\"EC\"")])].join(",")), Some(Unusable::Ambiguous));
    let three = [key("odd", &[("n", &other)]), key("odd", &[]), key("odd", &[])].join(",");
    assert_eq!(classified(three), Some(Unusable::Ambiguous));
    let encrypts = key("odd", &[("use", "\"enc\""), ("n", &other)]);
    assert_eq!(classified([key("odd", &[]), encrypts].join(",")), Some(Unusable::Ambiguous));
    // One key for two issuers or two clouds, in either order.
    for name in ["issuer", "cloud_instance_name"] {
        let (one, other) = (key("odd", &[(name, "\"one\"")]), key("odd", &[(name, "\"other\"")]));
        for pair in [[one.clone(), other.clone()], [other, one]] {
            assert_eq!(classified(pair.join(",")), Some(Unusable::Ambiguous), "{pair:?}");
        }
    }
    // The same key twice, for two uses, and beside an entry that cannot be read.
    for twice in [key("odd", &[]), key("odd", &[("use", "\"enc\"")]), key("odd", &[("n", "1")])] {
        assert_eq!(classified([key("odd", &[]), twice.clone()].join(",")), None, "{twice}");
        assert_eq!(classified([twice.clone(), key("odd", &[])].join(",")), None, "{twice}");
    }
}

#[test]
fn rejects_document_without_usable_key() {
    for document in ["", "{}", "[]", "null", r#"{"keys":{}}"#, r#"{"keys":null}"#, r#"{"keys":[]}"#, r#"{"keys":[{}]}"#]
    {
        let error = KeySet::from_json(document.as_bytes()).unwrap_err();
        assert_eq!(error.kind(), KeyErrorKind::Malformed, "{document}");
    }
    let twice = format!("{{\"keys\":[{0}],\"keys\":[{0}]}}", key("a", &[]));
    assert!(KeySet::from_json(twice.as_bytes()).is_err());
    assert!(KeySet::from_json(format!("{{\"keys\":[{}]}} x", key("a", &[])).as_bytes()).is_err());
}

#[test]
fn get_returns_usable_keys_only() {
    let set = set(&[key("a", &[]), key("b", &[("use", "\"enc\"")])]).unwrap();
    assert_eq!(set.get(&KeyId::new("a")), set.usable().next());
    assert_eq!((set.get(&KeyId::new("b")), set.get(&KeyId::new("c"))), (None, None));
}

#[test]
fn blank_issuer_and_cloud_count_as_absent() {
    let set = set(&[key("a", &[("issuer", "\" \""), ("cloud_instance_name", "\"\"")])]).unwrap();
    let key = set.usable().next().unwrap();
    assert_eq!((key.issuer(), key.cloud_instance_name()), (None, None));
}

#[test]
fn every_entry_that_no_token_can_use_counts() {
    use crate::keys::sample::{another_key, document, key, malformed, published, read, unusable};

    let nameless = key("x").replace(r#""kid":"x","#, "");
    let cases = [
        (vec![key("a"), another_key("a", 1)], 2),
        (vec![key("a"), another_key("a", 1), unusable("a"), malformed("a")], 4),
        (vec![published("a"), key("a")], 2),
        (vec![unusable("a"), malformed("a")], 2),
        (vec![nameless], 1),
        // The usable one counts for tokens.
        (vec![key("a"), key("a"), malformed("a")], 1),
        (vec![key("a"), key("b")], 0),
    ];
    for (mut entries, unusable) in cases {
        entries.push(key("good"));
        assert_eq!(read(&document(&entries)).unusable_count(), unusable, "{entries:?}");
    }
}

#[test]
fn document_without_a_usable_key_says_whether_it_publishes_private_halves() {
    use crate::keys::sample::{document, published, unusable};

    let cause = |document: &str| {
        let error = KeySet::from_json(document.as_bytes()).unwrap_err();
        std::error::Error::source(&error).unwrap().to_string()
    };
    assert_eq!(cause(&document(&[])), "the key document has no usable key");
    assert_eq!(cause(&document(&[unusable("a")])), "the key document has no usable key");
    let text = "the key document has no usable key, and publishes the private half of a key";
    assert_eq!(cause(&document(&[published("a")])), text);
}

#[test]
fn compromised_keys_are_shown_by_name_alone() {
    use crate::keys::sample::{document, key, published, read};

    let compromised = read(&document(&[published("a"), key("good")])).compromised;
    assert_eq!(format!("{compromised:?}"), r#"Compromised({KeyId("a")})"#);
}

#[test]
#[ignore = "reads the recorded documents from the folder named by UPSTREAM_AUTH_VECTORS"]
fn reads_every_key_of_the_recorded_documents() {
    let folder = std::env::var("UPSTREAM_AUTH_VECTORS").unwrap();
    let read = |name: &str| -> serde_json::Value {
        serde_json::from_slice(&std::fs::read(format!("{folder}/entra/{name}.json")).unwrap()).unwrap()
    };
    let mut documents = Vec::new();
    for directory in ["common", "organizations"] {
        documents.push(read(&format!("entra-{directory}-keys")));
        let recording = read(&format!("entra-{directory}-recording"));
        for answer in recording["reads"].as_array().unwrap() {
            let keys = answer["kids"].as_array().unwrap().iter().map(|id| &recording["keys"][id.as_str().unwrap()]);
            documents.push(serde_json::json!({ "keys": keys.collect::<Vec<_>>() }));
        }
    }
    assert_eq!(documents.len(), 235 + 98 + 2);
    for document in &documents {
        let set = KeySet::from_json(document.to_string().as_bytes()).unwrap();
        let listed = document["keys"].as_array().unwrap();
        assert_eq!((set.usable().count(), set.unusable_count()), (listed.len(), 0));
        for key in listed {
            let id = KeyId::new(key["kid"].as_str().unwrap());
            let found = set.usable().find(|usable| *usable.id() == id).unwrap();
            assert_eq!(found.bits(), 2048);
            assert_eq!(found.issuer(), key["issuer"].as_str());
            assert_eq!(found.cloud_instance_name(), key["cloud_instance_name"].as_str());
        }
    }
}
