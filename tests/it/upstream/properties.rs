//! Properties that hold for all inputs.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;
use serde_json::{Value, json};
use signalr_upstream_auth::upstream::{
    ClientQuery, Completion, Connected, Context, Disconnected, Invocation, Protocol, Signatures, UserClaims,
};

use super::support::{PROTOCOLS, decode, invocation, invocation_body};

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i32>().prop_map(|number| Value::from(f64::from(number) / 8.0)),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// The type of a claim. HTTP can carry it, and it cannot be parsed as two claims; `claim_value` likewise.
fn claim_type() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9/._é-]{1,12}(:[a-zA-Z0-9/._é-]{1,8}){0,2}"
}

fn claim_value() -> impl Strategy<Value = String> {
    // Commas and colons, but no colon before a space or at the end.
    "([a-zA-Z0-9@é日]|:[a-z]|, ?[a-z]| [a-z]){0,12}"
}

proptest! {
    #[test]
    fn claims_round_trip(
        claims in prop::collection::vec((claim_type(), claim_value()), 0..8),
        spaces in any::<bool>(),
        lines in any::<bool>(),
    ) {
        let items: Vec<_> = claims.iter().map(|(claim_type, value)| format!("{claim_type}: {value}")).collect();
        let values = if lines { items } else { vec![items.join(if spaces { ", " } else { "," })] };
        // HTTP removes the spaces around a value.
        let parsed = UserClaims::parse(values.iter().map(|value| value.trim_matches([' ', '\t'])));
        let found: Vec<_> = parsed.iter().map(|claim| (claim.claim_type().to_owned(), claim.value().to_owned())).collect();
        prop_assert_eq!(found, claims);
    }

    #[test]
    fn keeps_every_letter_of_any_claims_header(lines in prop::collection::vec("[a-c:, \t]{0,24}|\\PC{0,24}", 0..4)) {
        let parsed = UserClaims::parse(lines.iter().map(String::as_str));
        let letters = |text: &str| text.chars().filter(|c| !matches!(c, ':' | ',') && !c.is_whitespace()).collect::<String>();
        let found: String = parsed.iter().map(|claim| letters(claim.claim_type()) + &letters(claim.value())).collect();
        prop_assert_eq!(found, lines.iter().map(|line| letters(line)).collect::<String>());
        prop_assert!(parsed.iter().skip(1).all(|claim| !claim.claim_type().is_empty()));
    }

    #[test]
    fn query_pairs_round_trip(pairs in prop::collection::vec((any::<String>(), any::<String>()), 0..6)) {
        prop_assume!(pairs.iter().all(|(name, _)| !name.eq_ignore_ascii_case("access_token")));
        let query = form_urlencoded::Serializer::new("?".to_owned()).extend_pairs(&pairs).finish();
        let parsed = ClientQuery::parse(&query);
        let expected: Vec<_> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        prop_assert_eq!(parsed.iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn invocations_round_trip(
        id in prop::option::of("\\PC+"),
        target in any::<String>(),
        arguments in prop::collection::vec(json_value(), 0..4),
    ) {
        let arguments = Value::from(arguments);
        for protocol in PROTOCOLS {
            let invocation = invocation(protocol, id.as_deref(), &target, &arguments);
            prop_assert_eq!(invocation.invocation_id(), id.as_deref());
            prop_assert_eq!(invocation.target(), &target);
            prop_assert_eq!(&invocation.arguments::<Value>().unwrap(), &arguments);
            prop_assert_eq!(invocation.argument_count(), arguments.as_array().unwrap().len());
        }
    }

    #[test]
    fn completions_round_trip(id in "\\PC+", value in json_value(), text in "\\PC+") {
        for protocol in PROTOCOLS {
            let call = invocation(protocol, Some(&id), "t", &json!([]));
            for (completion, expected) in [
                (Completion::result(&call, &value).unwrap(), json!({"type": 3, "invocationId": id, "result": value})),
                (Completion::error(&call, &text), json!({"type": 3, "invocationId": id, "error": text})),
                (Completion::void(&call), json!({"type": 3, "invocationId": id})),
            ] {
                prop_assert_eq!(decode(protocol, completion.as_bytes()), expected);
            }
        }
    }

    #[test]
    fn parsers_do_not_panic_on_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        read_everything(&bytes);
    }

    #[test]
    fn parsers_do_not_panic_on_mutated_messages(
        arguments in prop::collection::vec(json_value(), 0..3),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        for protocol in PROTOCOLS {
            let mut bytes = invocation_body(protocol, Some("1"), "t", &Value::from(arguments.clone())).to_vec();
            for (index, byte) in &changes {
                let index = index.index(bytes.len());
                bytes[index] = *byte;
            }
            read_everything(&bytes);
        }
    }
}

fn read_everything(bytes: &[u8]) {
    for protocol in PROTOCOLS {
        if let Ok(invocation) = Invocation::parse(protocol, bytes.to_vec()) {
            let all = invocation.arguments::<Vec<serde::de::IgnoredAny>>();
            assert_eq!(all.unwrap().len(), invocation.argument_count(), "an accepted invocation is readable");
            let _ = invocation.arguments::<Value>();
            let _ = invocation.arguments::<(String, Option<u8>, BTreeMap<String, f64>)>();
            let _ = invocation.argument::<Value>(1);
        }
    }
    let _ = (Connected::parse(bytes), Disconnected::parse(bytes));
    let text = String::from_utf8_lossy(bytes);
    let _ = (UserClaims::parse([&*text]), ClientQuery::parse(&text), Signatures::parse([&*text]));
    if let Ok(value) = HeaderValue::from_bytes(bytes) {
        let mut headers = HeaderMap::new();
        for name in ["connection-id", "hub", "category", "event", "user-id", "user-claims", "client-query", "signature"]
        {
            headers.insert(HeaderName::try_from(format!("x-asrs-{name}")).unwrap(), value.clone());
        }
        headers.insert("x-asrs-category", HeaderValue::from_static("messages"));
        let _ = format!("{:?}", Context::from_headers(&headers));
        let _ = Protocol::from_headers(&HeaderMap::from_iter([(http::header::CONTENT_TYPE, value)]));
    }
}
