//! Any bytes as a compact token. One that parses has three segments, and a header that a second,
//! plain reading finds good, too.

#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use signalr_upstream_auth::fuzzing::unverified_token;

fuzz_target!(|data: &[u8]| {
    // Either the token itself, or header and claims as JSON with a zero byte between them.
    let token = match data.iter().position(|byte| *byte == 0) {
        Some(middle) => {
            let encode = |segment: &[u8]| URL_SAFE_NO_PAD.encode(segment);
            format!("{}.{}.AAAA", encode(&data[..middle]), encode(&data[middle + 1..])).into_bytes()
        }
        None => data.to_vec(),
    };
    let Ok(key_id) = unverified_token(&token) else { return };
    let segments: Vec<_> = token.split(|byte| *byte == b'.').collect();
    assert_eq!(segments.len(), 3);
    let object = |segment: &[u8]| match serde_json::from_slice(&URL_SAFE_NO_PAD.decode(segment).unwrap()) {
        Ok(Value::Object(object)) => object,
        other => panic!("{other:?}"),
    };
    let (header, claims) = (object(segments[0]), object(segments[1]));
    assert_eq!(header["alg"], "RS256");
    assert_eq!(header["kid"], Value::String(key_id.clone()));
    assert!((1..=256).contains(&key_id.len()));
    assert!(["crit", "b64", "enc", "zip"].iter().all(|name| !header.contains_key(*name)));
    for name in ["exp", "nbf", "iat"] {
        assert!(claims.get(name).is_none_or(|time| time.is_u64() && time.is_i64()), "{name}");
    }
    for name in ["iss", "tid", "ver", "oid", "sub", "appid", "azp", "idtyp", "scp", "uti"] {
        assert!(claims.get(name).is_none_or(Value::is_string), "{name}");
    }
});
