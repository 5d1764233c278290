//! Any bytes as a compact token: one that parses has three segments, and the reference parser accepts its header and
//! the types of its claims.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use signalr_upstream_auth::fuzzing::unverified_token;

use super::super::plain_json::{Fault, assert_no_name_twice, parse};
use super::compact::compact;
use super::jose_header::assert_sound;

pub fn run(data: &[u8]) {
    // Either the token itself, or header and claims as JSON with a zero byte between them.
    let token = match data.iter().position(|byte| *byte == 0) {
        Some(middle) => compact(&data[..middle], &data[middle + 1..]),
        None => data.to_vec(),
    };
    let Ok(key_id) = unverified_token(&token) else { return };
    let segments: Vec<_> = token.split(|byte| *byte == b'.').collect();
    assert_eq!(segments.len(), 3);
    let read = |segment: &[u8]| {
        let text = URL_SAFE_NO_PAD.decode(segment).unwrap();
        assert_eq!(URL_SAFE_NO_PAD.encode(&text).as_bytes(), segment, "one spelling only");
        parse(&text)
    };
    let (header, claims) = match (read(segments[0]), read(segments[1])) {
        (Ok(header), Ok(claims)) => (header, claims),
        (Err(Fault::NotJson), _) | (_, Err(Fault::NotJson)) => panic!("accepted, and no JSON"),
        (Err(Fault::TooDeep), _) | (_, Err(Fault::TooDeep)) => return,
    };
    assert_sound(&header, &key_id);
    assert_no_name_twice(&claims);
    for (name, value) in claims.few_members().expect("an object") {
        let name = name.as_deref().expect("a name of characters");
        match name {
            "exp" | "nbf" | "iat" => assert!(value.time().is_some(), "{name}"),
            "aud" | "roles" => assert!(value.texts().is_some(), "{name}"),
            "iss" | "tid" | "ver" | "oid" | "sub" | "appid" | "azp" | "idtyp" | "scp" | "uti" => {
                assert!(value.text().is_some(), "{name}");
            }
            _ => assert!(!name.eq_ignore_ascii_case("tid"), "{name}"),
        }
    }
}
