//! Completions, byte for byte and as values.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::StatusCode;
use serde::Serialize;
use serde_json::{Value, json};
use signalr_upstream_auth::upstream::{Completion, ErrorKind, HandlerError, IntoCompletion, Protocol, Reply};

use super::support::{PROTOCOLS, decode, invocation};

#[test]
fn writes_sample_completions() {
    let json = invocation(Protocol::Json, Some("42"), "t", &json!([]));
    let pack = invocation(Protocol::MessagePack, Some("42"), "t", &json!([]));
    let cases: [(Completion, &[u8]); 6] = [
        (Completion::result(&json, "ok").unwrap(), b"{\"type\":3,\"invocationId\":\"42\",\"result\":\"ok\"}\x1e"),
        (Completion::void(&json), b"{\"type\":3,\"invocationId\":\"42\"}\x1e"),
        (Completion::error(&json, "nope"), b"{\"type\":3,\"invocationId\":\"42\",\"error\":\"nope\"}\x1e"),
        (Completion::result(&pack, "ok").unwrap(), &[0x0a, 0x95, 0x03, 0x80, 0xa2, 0x34, 0x32, 0x03, 0xa2, 0x6f, 0x6b]),
        (Completion::void(&pack), &[0x07, 0x94, 0x03, 0x80, 0xa2, 0x34, 0x32, 0x02]),
        (
            Completion::error(&pack, "nope"),
            &[0x0c, 0x95, 0x03, 0x80, 0xa2, 0x34, 0x32, 0x01, 0xa4, 0x6e, 0x6f, 0x70, 0x65],
        ),
    ];
    for (completion, expected) in cases {
        assert_eq!(completion.as_bytes(), expected);
        let response = completion.to_response::<Bytes>();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], completion.protocol().media_type());
        assert_eq!(response.body(), expected);
    }
}

#[test]
fn results_have_the_same_shape_in_both_protocols() {
    #[derive(Serialize)]
    struct Answer {
        text: &'static str,
        none: Option<u8>,
        nested: Nested,
        unit: Kind,
        newtype: Kind,
        address: std::net::IpAddr,
    }
    #[derive(Serialize)]
    struct Nested {
        list: Vec<i64>,
    }
    #[derive(Serialize)]
    enum Kind {
        Unit,
        Newtype(u8),
    }
    for protocol in PROTOCOLS {
        let call = invocation(protocol, Some("\u{1e}\"\\é"), "t", &json!([]));
        let answer = Answer {
            text: "a\u{1e}b",
            none: None,
            nested: Nested { list: vec![-1, 1 << 40] },
            unit: Kind::Unit,
            newtype: Kind::Newtype(7),
            address: [127, 0, 0, 1].into(),
        };
        assert_eq!(
            decode(protocol, Completion::result(&call, &answer).unwrap().as_bytes()),
            json!({"type": 3, "invocationId": "\u{1e}\"\\é", "result": {
                "text": "a\u{1e}b", "none": null, "nested": {"list": [-1, 1_u64 << 40]},
                "unit": "Unit", "newtype": {"Newtype": 7}, "address": "127.0.0.1",
            }})
        );
        let null = decode(protocol, Completion::result(&call, &None::<u8>).unwrap().as_bytes());
        assert!(null.as_object().unwrap().contains_key("result"), "a null result is not a void completion");
        assert_eq!(null["result"], Value::Null);
    }
}

#[test]
fn answers_a_send_with_an_empty_body() {
    struct Trap;
    impl Serialize for Trap {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            panic!("the result of a send is not serialized")
        }
    }
    for protocol in PROTOCOLS {
        let send = invocation(protocol, None, "t", &json!([]));
        for completion in [
            Completion::result(&send, &Trap).unwrap(),
            Completion::void(&send),
            Completion::error(&send, "nope"),
            Err::<(), _>(HandlerError::new("nope")).into_completion(&send),
        ] {
            let response = completion.to_response::<Bytes>();
            assert_eq!((response.status(), response.body()), (StatusCode::OK, &Bytes::new()));
            assert!(!response.headers().contains_key("content-type"));
        }
    }
}

#[test]
fn replaces_a_completion_of_another_invocation_by_an_error() {
    let call = |protocol, id| invocation(protocol, id, "t", &json!([]));
    for protocol in PROTOCOLS {
        let this = call(protocol, Some("1"));
        let again = Completion::void(&call(protocol, Some("1"))).into_completion(&this);
        assert_eq!(again, Completion::void(&this));
        let elsewhere = PROTOCOLS.into_iter().find(|other| *other != protocol).unwrap();
        for other in [call(protocol, Some("2")), call(protocol, None), call(elsewhere, Some("1"))] {
            let completion = Completion::void(&other).into_completion(&this);
            assert_eq!(completion, Completion::error(&this, "The method failed"), "{protocol:?} {other:?}");
        }
        let send = call(protocol, None);
        assert_eq!(Completion::void(&this).into_completion(&send).as_bytes(), b"");
    }
}

#[test]
fn converts_every_answer_into_a_completion() {
    fn parse(text: &str) -> Result<Reply<i64>, HandlerError> {
        if text.is_empty() {
            return Err(HandlerError::new("Say something"));
        }
        Ok(Reply(text.parse()?))
    }
    for protocol in PROTOCOLS {
        let call = invocation(protocol, Some("1"), "t", &json!(["x"]));
        let result = |completion: Completion| {
            let mut decoded = decode(protocol, completion.as_bytes());
            let members = decoded.as_object_mut().unwrap();
            members.remove("type");
            members.remove("invocationId");
            decoded
        };
        assert_eq!(result(().into_completion(&call)), json!({}));
        assert_eq!(result(parse("12").into_completion(&call)), json!({"result": 12}));
        assert_eq!(result(parse("").into_completion(&call)), json!({"error": "Say something"}));
        assert_eq!(result(parse("secret").into_completion(&call)), json!({"error": "The method failed"}));
        assert_eq!(result(Completion::void(&call).into_completion(&call)), json!({}));
        assert_eq!(result(HandlerError::new("no").into_completion(&call)), json!({"error": "no"}));
        // Clients take an empty error for a success.
        assert_eq!(HandlerError::new("").message(), "The method failed");
        assert_eq!(result(HandlerError::new("").into_completion(&call)), json!({"error": "The method failed"}));
        assert_eq!(result(Completion::error(&call, "")), json!({"error": "The method failed"}));
        let mismatch = call.arguments::<(u8,)>().map(Reply).into_completion(&call);
        assert_eq!(result(mismatch), json!({"error": "The arguments do not fit the method"}));

        let large = Reply("x".repeat(16 * 1024 * 1024));
        let error = Completion::result(&call, &large.0).unwrap_err();
        assert_eq!((error.kind(), error.status()), (ErrorKind::ResultTooLarge, StatusCode::INTERNAL_SERVER_ERROR));
        assert_eq!(result(large.clone().into_completion(&call)), json!({"error": "The method failed"}));
        assert_eq!(result(Completion::error(&call, &large.0)), json!({"error": "The method failed"}));
    }
    for (announced, rejected) in [(0, true), (1, true), (2, false), (3, true), (70_000, true)] {
        let call = invocation(Protocol::MessagePack, Some("1"), "t", &json!([]));
        let written = Completion::result(&call, &Announced(announced)).map_err(|error| error.kind());
        assert_eq!(written.is_err(), rejected, "two elements announced as {announced}");
        assert!(!rejected || written == Err(ErrorKind::UnserializableResult));
    }
    for (depth, rejected) in [(126, false), (127, false), (128, true), (200, true)] {
        let call = invocation(Protocol::MessagePack, Some("1"), "t", &json!([]));
        let nested = (1..depth).fold(json!([]), |inner, _| json!([inner]));
        assert_eq!(Completion::result(&call, &nested).is_err(), rejected, "{depth} levels");
    }
    let call = invocation(Protocol::Json, Some("1"), "t", &json!([]));
    let odd_map = BTreeMap::from([((1, 2), 3)]);
    assert_eq!(Completion::result(&call, &odd_map).unwrap_err().kind(), ErrorKind::UnserializableResult);
    assert_eq!(decode(Protocol::Json, Reply(odd_map).into_completion(&call).as_bytes())["error"], "The method failed");
}

/// A sequence of two elements that announces another length.
struct Announced(usize);

impl Serialize for Announced {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeSeq;
        let mut list = serializer.serialize_seq(Some(self.0))?;
        list.serialize_element(&1)?;
        list.serialize_element(&2)?;
        list.end()
    }
}
