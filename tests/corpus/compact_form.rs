//! The compact form of a token and its base64url (RFC 7515 sections 2, 3.1 and 7.1).

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use signalr_upstream_auth::RejectionKind as K;

use crate::entry::{Entry, Sent};
use crate::expected::{PASS, rejected};
use crate::fixture::Fixture;

pub fn entries(fixture: &Fixture) -> Vec<Entry> {
    let good = fixture.good();
    let parts: Vec<_> = good.split('.').collect();
    let [header, claims, signature] = parts[..] else { unreachable!() };
    let (signed, _) = good.rsplit_once('.').unwrap();
    let mut entries = Vec::new();
    let mut add = |expected, rows: &[(&str, String)]| {
        entries.extend(rows.iter().map(|(name, token)| Entry::sent(*name, expected, Sent::token(token))));
    };
    let malformed = rejected(401, K::MalformedToken);

    add(
        malformed,
        &[
            ("one letter", "a".to_owned()),
            ("one dot", ".".to_owned()),
            ("two dots", "..".to_owned()),
            ("three dots", "...".to_owned()),
            ("two segments", format!("{header}.{claims}")),
            ("two segments and a dot before", format!(".{header}.{claims}")),
            ("two segments and a dot between more", format!("{header}..{claims}")),
            ("a dot behind", format!("{good}.")),
            ("a dot before", format!(".{good}")),
            ("a fourth segment", format!("{good}.AAAA")),
            ("a sixth segment", format!("{good}.a.b.c")),
            ("many segments", format!("{good}{}", ".".repeat(1000))),
            ("the header alone", header.to_owned()),
            ("an empty header", format!(".{claims}.{signature}")),
            ("empty claims", format!("{header}..{signature}")),
            ("a detached payload of empty segments", "..AAAA".to_owned()),
            ("the claims twice", format!("{header}.{claims}.{claims}.{signature}")),
            ("tildes for dots", good.replace('.', "~")),
            ("slashes for dots", good.replace('.', "/")),
            ("plus signs for dots", good.replace('.', "+")),
            ("equals signs alone", "===".to_owned()),
            ("the JSON serialization in base64", URL_SAFE_NO_PAD.encode(format!("{{\"payload\":\"{claims}\"}}"))),
        ],
    );
    add(
        rejected(401, K::EncryptedToken),
        &[
            ("five segments", "e30.AAAA.AAAA.AAAA.AAAA".to_owned()),
            ("five empty segments", "....".to_owned()),
            ("two more segments", format!("{good}.a.b")),
            ("a token in a JWE with an empty key", format!("{header}..{claims}.{signature}.AAAA")),
        ],
    );

    // Every segment in the spellings that lenient decoders take.
    for (which, name) in ["header", "claims", "signature"].iter().enumerate() {
        let with = |segment: String| {
            let mut parts = parts.clone();
            parts[which] = &segment;
            parts.join(".")
        };
        let segment = parts[which];
        let bytes = URL_SAFE_NO_PAD.decode(segment).unwrap();
        let mut rows = vec![
            (format!("{name}: one equals sign"), with(format!("{segment}="))),
            (format!("{name}: two equals signs"), with(format!("{segment}=="))),
            (format!("{name}: three equals signs"), with(format!("{segment}==="))),
            (format!("{name}: an equals sign before"), with(format!("={segment}"))),
            (format!("{name}: an equals sign within"), with(format!("{}={}", &segment[..8], &segment[8..]))),
            (format!("{name}: a plus sign"), with(format!("+{}", &segment[1..]))),
            (format!("{name}: a slash"), with(format!("/{}", &segment[1..]))),
            (format!("{name}: a tilde"), with(format!("{segment}~"))),
            (format!("{name}: one letter too many for its length"), with(impossible_length(segment))),
            (format!("{name}: bits beyond the last byte"), with(dangling_bits(&bytes))),
        ];
        let padded = STANDARD.encode(&bytes);
        if padded.contains(['+', '/', '=']) {
            rows.push((format!("{name}: the padded standard alphabet"), with(padded)));
        }
        entries.extend(rows.into_iter().map(|(name, token)| Entry::sent(name, malformed, Sent::token(&token))));
    }

    // What is decoded is not what was meant.
    entries.extend(fixture.tokens(
        malformed,
        &[
            ("claims: no bytes", |token| token.raw_claims("")),
            ("claims: a blank", |token| token.raw_claims(" ")),
            ("claims: null", |token| token.raw_claims("null")),
            ("claims: true", |token| token.raw_claims("true")),
            ("claims: a number", |token| token.raw_claims("1")),
            ("claims: a string", |token| token.raw_claims("\"text\"")),
            ("claims: an empty list", |token| token.raw_claims("[]")),
            ("claims: a list of the values in order", |token| token.raw_claims(r#"["api://x",1790000000]"#)),
            ("claims: an object in a list", |token| token.raw_claims("[{}]")),
            ("claims: cut off", |token| token.raw_claims(r#"{"aud":"x""#)),
            ("claims: something behind", |token| token.raw_claims(r"{} x")),
            ("claims: two objects", |token| token.raw_claims("{}{}")),
            ("claims: a comma too many", |token| token.raw_claims(r#"{"a":1,}"#)),
            ("claims: single quotes", |token| token.raw_claims("{'a':1}")),
            ("claims: names without quotes", |token| token.raw_claims("{a:1}")),
            ("claims: a comment", |token| token.raw_claims("{/* */}")),
            ("claims: NaN", |token| token.raw_claims(r#"{"exp":NaN}"#)),
            ("claims: Infinity", |token| token.raw_claims(r#"{"exp":Infinity}"#)),
            ("claims: a leading zero", |token| token.raw_claims(r#"{"exp":01}"#)),
            ("claims: a leading plus sign", |token| token.raw_claims(r#"{"exp":+1}"#)),
            ("claims: a hexadecimal number", |token| token.raw_claims(r#"{"exp":0x10}"#)),
            ("claims: a byte order mark", |token| token.raw_claims("\u{feff}{}")),
            ("claims: a zero byte behind", |token| token.raw_claims("{}\0")),
            ("claims: a zero byte in a text", |token| token.raw_claims("{\"a\":\"\0\"}")),
            ("claims: a line break in a text", |token| token.raw_claims("{\"a\":\"\n\"}")),
            ("claims: a JWT in a JWT", |token| token.raw_claims("eyJhbGciOiJub25lIn0.e30.")),
            ("claims: form data", |token| token.raw_claims("aud=x&exp=1")),
            ("claims: markup", |token| token.raw_claims("<claims/>")),
            ("header: null", |token| token.raw_header("null")),
            ("header: an empty list", |token| token.raw_header("[]")),
            ("header: the algorithm alone", |token| token.raw_header("\"RS256\"")),
            ("header: a list in order", |token| token.raw_header(r#"["RS256","k"]"#)),
            ("header: cut off", |token| token.raw_header(r#"{"alg":"RS256""#)),
            ("header: something behind", |token| token.raw_header(r#"{"alg":"RS256","kid":"k"}x"#)),
            ("header: a byte order mark", |token| token.raw_header("\u{feff}{\"alg\":\"RS256\"}")),
        ],
    ));
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    for (name, bytes) in [
        ("claims: not UTF-8", b"{\"a\":\"\xff\"}".as_slice()),
        ("claims: UTF-8 in an overlong form", b"{\"a\":\"\xc0\xaf\"}"),
        ("claims: a surrogate in UTF-8", b"{\"a\":\"\xed\xa0\x80\"}"),
        ("claims: UTF-16", b"{\0\"\0a\0\"\0:\x001\0}\0"),
        ("claims: gzip", b"\x1f\x8b\x08\0\0\0\0\0\0\x03\xab\xae\x05\0\x43\xbf\xa6\xa3\x02\0\0\0"),
        ("claims: CBOR", b"\xa1\x01\x02"),
    ] {
        let token = format!("{header}.{}.{signature}", encode(bytes));
        entries.push(Entry::sent(name, malformed, Sent::token(&token)));
    }
    let deep = |open: &str, close: &str| format!("{{\"x\":{}{}}}", open.repeat(4000), close.repeat(4000));
    for (name, text) in [
        ("claims: lists nested 4,000 deep and not closed", format!("{{\"aud\":{}", "[".repeat(4000))),
        ("claims: objects nested and not closed", format!("{{\"aud\":{}", "{\"a\":".repeat(1000))),
    ] {
        entries.push(Entry::sent(name, malformed, Sent::token(&fixture.token().raw_claims(text).mint())));
    }
    // Nothing of an unknown member is kept, so its depth costs nothing.
    let nested = fixture.token().raw_claims(deep("[", "]")).mint();
    entries.push(Entry::sent(
        "claims: an unknown member nested 4,000 deep",
        rejected(401, K::MissingClaim),
        Sent::token(&nested),
    ));

    // The signature as other bytes.
    let invalid = rejected(401, K::InvalidSignature).signed();
    entries.extend(fixture.tokens(
        invalid,
        &[
            ("signature: none", |token| token.signature([])),
            ("signature: one byte", |token| token.signature([0])),
            ("signature: 255 bytes", |token| token.signature([7; 255])),
            ("signature: 257 bytes", |token| token.signature([7; 257])),
            ("signature: 512 bytes", |token| token.signature([7; 512])),
            ("signature: 8,000 bytes", |token| token.signature([7; 8000])),
            ("signature: all zero", |token| token.signature([0; 256])),
            ("signature: one", |token| token.signature([[0; 255].as_slice(), &[1]].concat())),
            ("signature: all ones", |token| token.signature([0xff; 256])),
            ("signature: a padded digest in the clear", |token| {
                token.signature([[0, 1].as_slice(), &[0xff; 202], &[0], &[0x30; 51]].concat())
            }),
        ],
    ));
    let bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let mut changed = Vec::new();
    for (name, bytes) in [
        ("signature: a zero byte before", [&[0], &bytes[..]].concat()),
        ("signature: a zero byte behind", [&bytes[..], &[0]].concat()),
        ("signature: the first bit", flipped(&bytes, 0)),
        ("signature: the last bit", flipped(&bytes, bytes.len() * 8 - 1)),
        ("signature: cut by a byte", bytes[..255].to_vec()),
        ("signature: cut by half", bytes[..128].to_vec()),
        ("signature: backwards", bytes.iter().rev().copied().collect()),
        ("signature: twice", bytes.repeat(2)),
    ] {
        changed.push(Entry::sent(name, invalid, Sent::token(&format!("{signed}.{}", encode(&bytes)))));
    }
    let other = fixture.good();
    let (_, signature_of_other) = other.rsplit_once('.').unwrap();
    changed.push(Entry::sent(
        "signature: of another good token",
        invalid,
        Sent::token(&format!("{signed}.{signature_of_other}")),
    ));
    let claims_of_other = other.split('.').nth(1).unwrap();
    changed.push(Entry::sent(
        "claims: of another good token",
        invalid,
        Sent::token(&format!("{header}.{claims_of_other}.{signature}")),
    ));
    entries.extend(changed);

    entries.extend(fixture.tokens(
        PASS,
        &[
            ("an unknown claim", |token| token.claim("unknown", 1)),
            ("an unknown claim nested deep", |token| {
                token.claim("x", (0..100).fold(serde_json::Value::Null, |inner, _| serde_json::json!([inner])))
            }),
            ("an unknown claim of every type", |token| {
                token.claim("x", serde_json::json!([null, true, 1.5, "x", {"a": []}]))
            }),
            ("a hundred unknown claims", |token| {
                (0..100).fold(token, |token, number| token.claim(&format!("c{number}"), number))
            }),
            ("a text beyond ASCII", |token| token.claim("name", "\u{dc}n\u{ef}c\u{f6}de \u{1f980}")),
        ],
    ));
    let spaced = spaced_token(fixture);
    entries.push(Entry::sent("claims with blanks between", PASS, Sent::token(&spaced)));
    entries
}

/// A good token whose claims are written with blanks and with escapes.
fn spaced_token(fixture: &Fixture) -> String {
    let good = fixture.good();
    let claims = URL_SAFE_NO_PAD.decode(good.split('.').nth(1).unwrap()).unwrap();
    let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
    let text =
        serde_json::to_string_pretty(&claims).unwrap().replace("\"aud\"", "\"\\u0061ud\"").replace("\n", "\r\n\t");
    fixture.token().raw_claims(format!(" {text}\n")).mint()
}

fn flipped(bytes: &[u8], bit: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[bit / 8] ^= 0x80 >> (bit % 8);
    bytes
}

/// Base64 never has one letter over a multiple of four.
fn impossible_length(segment: &str) -> String {
    let mut segment = segment.to_owned();
    while segment.len() % 4 != 1 {
        segment.push('A');
    }
    segment
}

/// The same bytes, cut so that the last letter has bits to spare, of which one is set.
fn dangling_bits(bytes: &[u8]) -> String {
    let length = bytes.len() - bytes.len() % 3 - 2;
    let encoded = URL_SAFE_NO_PAD.encode(&bytes[..length]);
    let (rest, last) = encoded.split_at(encoded.len() - 1);
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let at = alphabet.find(last).unwrap();
    format!("{rest}{}", &alphabet[at + 1..at + 2])
}
