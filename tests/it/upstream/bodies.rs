//! The bodies of a call: those of Microsoft's serverless protocol tests, and malformed ones.

use bytes::Bytes;
use http::HeaderValue;
use http_body_util::Empty;
use serde::Deserialize;
use serde_json::{Value, json};
use signalr_upstream_auth::upstream::{
    Completion, Connected, Context, ErrorKind, Invocation, Payload, Protocol, read_body,
};

use crate::upstream::support::{Broken, PROTOCOLS, event_headers, invocation};

#[test]
fn reads_invocations_of_both_protocols() {
    for protocol in PROTOCOLS {
        for (id, arguments) in [
            (None, json!([])),
            (Some("123"), json!([])),
            (Some("123"), json!(["a", "b"])),
            (Some("123"), json!([["a", ["b"]], "c"])),
            (Some("123"), json!([{"a": "b", "c": {"d": null}}])),
            (Some("123"), json!([[null, "a"], null])),
            (Some("ü"), json!([1, -1, 1.5, true, 1_u64 << 63])),
        ] {
            let invocation = invocation(protocol, id, "target", &arguments);
            assert_eq!(invocation.protocol(), protocol);
            assert_eq!(invocation.invocation_id(), id);
            assert_eq!(invocation.target(), "target");
            assert_eq!(invocation.arguments::<Value>().unwrap(), arguments);
            assert_eq!(invocation.argument_count(), arguments.as_array().unwrap().len());
            for (index, argument) in arguments.as_array().unwrap().iter().enumerate() {
                assert_eq!(&invocation.argument::<Value>(index).unwrap(), argument);
            }
        }
    }
}

#[test]
fn empty_invocation_id_waits_for_no_completion() {
    for protocol in PROTOCOLS {
        let send = invocation(protocol, Some(""), "t", &json!([]));
        assert_eq!(send.invocation_id(), None);
        assert_eq!(Completion::void(&send).as_bytes(), b"");
    }
}

#[test]
fn reads_sample_messages() {
    let parse = |bytes: &'static [u8]| Invocation::parse(Protocol::MessagePack, bytes).unwrap();
    for bytes in [
        &[0x95, 0x01, 0x80, 0xa2, 0x34, 0x32, 0xa4, 0x65, 0x63, 0x68, 0x6f, 0x91, 0xa2, 0x68, 0x69][..],
        &[0x96, 0x01, 0x80, 0xa2, 0x34, 0x32, 0xa4, 0x65, 0x63, 0x68, 0x6f, 0x91, 0xa2, 0x68, 0x69, 0x90],
        // With a header, in wider encodings than needed, and with a stream id.
        b"\xdc\x00\x06\xcd\x00\x01\x81\xa1h\xa1v\xd9\x0242\xda\x00\x04echo\xdd\x00\x00\x00\x01\xa2hi\x91\xa11",
    ] {
        let invocation = parse(bytes);
        assert_eq!((invocation.invocation_id(), invocation.target()), (Some("42"), "echo"));
        assert_eq!(invocation.arguments::<(&str,)>().unwrap(), ("hi",));
    }
    let send = parse(&[0x95, 0x01, 0x80, 0xc0, 0xa4, 0x65, 0x63, 0x68, 0x6f, 0x90]);
    assert_eq!((send.invocation_id(), send.target(), send.argument_count()), (None, "echo", 0));
}

#[test]
fn reads_json_with_at_most_one_record_separator() {
    for body in [
        r#"{"type":1,"target":"t"}"#,
        r#"{"type":1,"target":"t","arguments":null,"invocationId":null}"#,
        r#" {"arguments":[],"streamIds":[],"headers":{"a":"b"},"target":"t","type":1} "#,
        "{\"type\":1,\"target\":\"t\",\"arguments\":[]}\u{1e}",
    ] {
        let invocation = Invocation::parse(Protocol::Json, body).unwrap();
        assert_eq!((invocation.target(), invocation.invocation_id()), ("t", None));
        invocation.arguments::<()>().unwrap();
    }
}

#[test]
fn reads_message_pack_with_or_without_its_length() {
    let bare = b"\x95\x01\x80\xa242\xa4echo\x91\xa2hi";
    let wide = b"\x8f\x80\x80\x80\x00";
    // 149 in seven bits a byte, 0x95 0x01, is the start of a message without headers.
    let mut long = b"\x95\x01\x95\x01\x80\xa242\xa4echo\x91\xd9\x87".to_vec();
    long.extend([b'x'; 135]);
    for (body, argument) in [
        (bare.to_vec(), "hi"),
        ([&[0x0f], &bare[..]].concat(), "hi"),
        ([&wide[..], &bare[..]].concat(), "hi"),
        (long, "x".repeat(135).as_str()),
    ] {
        let invocation = Invocation::parse(Protocol::MessagePack, body.clone()).unwrap();
        assert_eq!((invocation.invocation_id(), invocation.target()), (Some("42"), "echo"), "{body:x?}");
        assert_eq!(invocation.arguments::<(&str,)>().unwrap(), (argument,));
    }
}

#[test]
fn rejects_malformed_bodies() {
    for body in [
        "",
        "\u{1e}",
        "[]",
        r#"[1,"42","echo",["hi"]]"#,
        "null",
        "{",
        r#"{"target":"t","arguments":[]}"#,
        r#"{"type":1,"arguments":[]}"#,
        r#"{"type":"1","target":"t","arguments":[]}"#,
        r#"{"type":1.0,"target":"t","arguments":[]}"#,
        r#"{"type":3,"target":"t","arguments":[]}"#,
        r#"{"type":4,"target":"t","arguments":[]}"#,
        r#"{"type":1,"type":1,"target":"t","arguments":[]}"#,
        r#"{"type":1,"target":"t","target":"t","arguments":[]}"#,
        r#"{"type":1,"target":1,"arguments":[]}"#,
        r#"{"type":1,"target":null,"arguments":[]}"#,
        r#"{"type":1,"target":"t","arguments":{}}"#,
        r#"{"type":1,"target":"t","arguments":"a"}"#,
        r#"{"type":1,"target":"t","arguments":[1,]}"#,
        r#"{"type":1,"target":"t","invocationId":1,"arguments":[]}"#,
        r#"{"type":1,"target":"t","arguments":[]}{}"#,
        "{\"type\":1,\"target\":\"t\",\"arguments\":[]}\u{1e}\u{1e}",
        "{\"type\":1,\"target\":\"t\",\"arguments\":[]}\u{1e}{\"type\":6}\u{1e}",
        "\u{feff}{\"type\":1,\"target\":\"t\",\"arguments\":[]}",
    ] {
        let error = Invocation::parse(Protocol::Json, body).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::MalformedBody, "{body}");
    }
    for body in [
        &b""[..],
        b"\x90",
        b"\x94\x01\x80\xc0\xa1t",
        b"\x97\x01\x80\xc0\xa1t\x90\x90\x90",
        b"\x95\x03\x80\xc0\xa1t\x90",
        b"\x95\xff\x80\xc0\xa1t\x90",
        b"\x95\xa11\x80\xc0\xa1t\x90",
        b"\x95\x01\xc0\xc0\xa1t\x90",
        b"\x95\x01\x90\xc0\xa1t\x90",
        b"\x95\x01\x80\x01\xa1t\x90",
        b"\x95\x01\x80\xc0\xc0\x90",
        b"\x95\x01\x80\xc0\xa1\xff\x90",
        b"\x95\x01\x80\xc0\xa1t\xc0",
        b"\x95\x01\x80\xc0\xa1t\x80",
        b"\x95\x01\x80\xc0\xa1t\x91",
        b"\x95\x01\x80\xc0\xa1t\xdd\xff\xff\xff\xff",
        b"\x95\x01\x80\xc0\xa1t\x91\xc6\xff\xff\xff\xff",
        b"\x95\x01\x80\xc0\xa1t\x91\xc1",
        b"\x95\x01\x80\xc0\xa1t\x90\x00",
        b"\x96\x01\x80\xc0\xa1t\x90",
        b"\x96\x01\x80\xc0\xa1t\x90\xc0",
        // Two messages, a length that is another message's, and a length alone or twice.
        b"\x07\x95\x01\x80\xc0\xa1t\x90\x07\x95\x01\x80\xc0\xa1t\x90",
        b"\x06\x95\x01\x80\xc0\xa1t\x90",
        b"\x08\x95\x01\x80\xc0\xa1t\x90",
        b"\x08\x95\x01\x80\xc0\xa1t\x90\x00",
        b"\x00",
        b"\x87\x80\x80\x80\x80\x00\x95\x01\x80\xc0\xa1t\x90",
        b"\x08\x07\x95\x01\x80\xc0\xa1t\x90",
    ] {
        let error = Invocation::parse(Protocol::MessagePack, body).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::MalformedBody, "{body:x?}");
    }
}

#[test]
fn limits_nesting_without_stack_overflow() {
    #[derive(Debug, Deserialize)]
    struct Nest(#[expect(dead_code, reason = "only its depth counts")] Vec<Self>);
    for (depth, fits) in [(100, true), (200, false), (100_000, false)] {
        let json = format!(r#"{{"type":1,"target":"t","arguments":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
        let parsed = Invocation::parse(Protocol::Json, json);
        assert_eq!(parsed.is_ok_and(|invocation| invocation.arguments::<Nest>().is_ok()), fits, "{depth}");
        let mut message = b"\x95\x01\x80\xc0\xa1t".to_vec();
        message.extend(std::iter::repeat_n(0x91, depth - 1));
        message.push(0x90);
        let parsed = Invocation::parse(Protocol::MessagePack, message);
        assert_eq!(parsed.is_ok_and(|invocation| invocation.arguments::<Nest>().is_ok()), fits, "{depth}");
    }
}

#[test]
fn deserializes_arguments_by_position_into_any_type() {
    #[derive(Debug, Deserialize, PartialEq)]
    struct Point {
        x: i32,
        y: i32,
    }
    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "camelCase")]
    enum Shape {
        Dot,
        Circle(u32),
        Line { from: Point, to: Point },
    }
    #[derive(Debug, Deserialize, PartialEq)]
    struct Named {
        text: String,
        point: Point,
        #[serde(default)]
        note: Option<String>,
    }
    #[derive(Debug, Deserialize, PartialEq)]
    struct Wrapper(Vec<u32>);
    #[derive(Debug, Deserialize, PartialEq)]
    struct Nothing;

    for protocol in PROTOCOLS {
        let with = |arguments: Value| invocation(protocol, Some("1"), "t", &arguments);
        let point = Point { x: 1, y: -2 };
        let call = with(json!(["hi", {"x": 1, "y": -2}]));
        assert_eq!(call.arguments::<(String, Point)>().unwrap(), ("hi".to_owned(), Point { x: 1, y: -2 }));
        assert_eq!(call.arguments::<Named>().unwrap(), Named { text: "hi".to_owned(), point, note: None });
        assert_eq!(call.argument::<Point>(1).unwrap().y, -2);
        assert_eq!(call.argument::<&str>(0).unwrap(), "hi");
        assert!(call.arguments::<Option<(String, Point)>>().unwrap().is_some());
        assert_eq!(with(json!([1, 2, 3])).arguments::<Wrapper>().unwrap(), Wrapper(vec![1, 2, 3]));
        assert_eq!(with(json!([1, 2, 3])).arguments::<[u8; 3]>().unwrap(), [1, 2, 3]);
        assert_eq!(with(json!([])).arguments::<Nothing>().unwrap(), Nothing);
        with(json!([])).arguments::<()>().unwrap();
        let shapes = with(json!(["dot", {"circle": 2}, {"line": {"from": {"x": 0, "y": 0}, "to": {"x": 1, "y": -2}}}]));
        let line = Shape::Line { from: Point { x: 0, y: 0 }, to: Point { x: 1, y: -2 } };
        assert_eq!(shapes.arguments::<Vec<Shape>>().unwrap(), [Shape::Dot, Shape::Circle(2), line]);
        let address: (std::net::IpAddr,) = with(json!(["127.0.0.1"])).arguments().unwrap();
        assert!(address.0.is_loopback(), "human-readable forms in MessagePack as well");

        for mismatch in [
            call.arguments::<()>().map(|_| ()),
            call.arguments::<(String,)>().map(|_| ()),
            call.arguments::<(String, Point, u8)>().map(|_| ()),
            call.arguments::<(u8, Point)>().map(|_| ()),
            call.arguments::<String>().map(|_| ()),
            call.arguments::<Nothing>().map(|_| ()),
            call.argument::<u8>(0).map(|_| ()),
            call.argument::<Value>(2).map(|_| ()),
            call.argument::<Value>(usize::MAX).map(|_| ()),
            with(json!([])).arguments::<(u8,)>().map(|_| ()),
            with(json!([])).argument::<Value>(0).map(|_| ()),
            with(json!([256])).arguments::<(u8,)>().map(|_| ()),
        ] {
            assert_eq!(mismatch.unwrap_err().kind(), ErrorKind::ArgumentsMismatch);
        }
    }
}

#[test]
fn skips_or_reads_binary_and_extension_values_of_message_pack() {
    // [1, {}, "1", "t", [bin 01 02 03, timestamp, "after"]]
    let body = b"\x95\x01\x80\xa11\xa1t\x93\xc4\x03\x01\x02\x03\xd6\xff\x00\x00\x00\x01\xa5after";
    let invocation = Invocation::parse(Protocol::MessagePack, body.as_slice()).unwrap();
    assert_eq!(invocation.argument_count(), 3);
    assert_eq!(invocation.argument::<Vec<u8>>(0).unwrap(), [1, 2, 3]);
    assert_eq!(invocation.argument::<String>(2).unwrap(), "after");
    assert!(invocation.argument::<String>(1).is_err());
    assert!(invocation.argument::<Value>(0).is_err() && invocation.argument::<Value>(1).is_err());

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename = "_ExtStruct")]
    struct Extension<'a>(#[serde(borrow)] (i8, &'a [u8]));
    let all: (&[u8], Extension<'_>, &str) = invocation.arguments().unwrap();
    assert_eq!(all, (&[1, 2, 3][..], Extension((-1, &[0, 0, 0, 1])), "after"));
}

#[test]
fn rejects_bodies_of_other_content_types_or_events() {
    let parse = |category, event, content_type: &'static str, body: &'static str| {
        let mut headers = event_headers(category, event);
        headers.insert("content-type", HeaderValue::from_static(content_type));
        let context = Context::from_headers(&headers).unwrap();
        Payload::parse(&context, &headers, body.into()).map_err(|error| error.kind())
    };
    let json = "application/json; charset=utf-8";
    for body in ["", r#"{"type":10}"#, "{\"type\":10}\u{1e}"] {
        assert!(matches!(parse("connections", "connected", json, body), Ok(Payload::Connected(Connected { .. }))));
    }
    for (body, expected) in [
        (r#"{"Type":11,"Error":""}"#, None),
        (r#"{"Type":11,"Error":"error"}"#, Some("error")),
        (r#"{"type":11,"error":"error"}"#, Some("error")),
        (r#"{"Type":11,"Error":null}"#, None),
        (r#"{"Type":11}"#, None),
    ] {
        let Ok(Payload::Disconnected(body)) = parse("connections", "disconnected", json, body) else {
            panic!("{body}")
        };
        assert_eq!(body.error(), expected);
    }
    let message = r#"{"type":1,"target":"Echo","arguments":[]}"#;
    for event in ["echo", "Echo", "ECHO"] {
        assert!(matches!(parse("messages", event, json, message), Ok(Payload::Message(_))), "{event}");
    }
    // HTTP removes spaces and tabs around the value of a header.
    let padded = r#"{"type":1,"target":" echo\t","arguments":[]}"#;
    assert!(matches!(parse("messages", "echo", json, padded), Ok(Payload::Message(_))));
    for (category, event, content_type, body, expected) in [
        ("messages", "other", json, message, ErrorKind::EventMismatch),
        ("messages", "echo", "text/plain", message, ErrorKind::UnsupportedMediaType),
        ("messages", "echo", "application/octet-stream", message, ErrorKind::UnsupportedMediaType),
        ("messages", "echo", "application/x-msgpack", message, ErrorKind::MalformedBody),
        ("messages", "echo", json, r#"{"type":10}"#, ErrorKind::MalformedBody),
        ("connections", "connected", "application/x-msgpack", "", ErrorKind::UnsupportedMediaType),
        ("connections", "disconnected", "application/x-msgpack", "", ErrorKind::UnsupportedMediaType),
        ("connections", "disconnected", json, "gone", ErrorKind::MalformedBody),
    ] {
        assert_eq!(parse(category, event, content_type, body).unwrap_err(), expected, "{event} {content_type} {body}");
    }
}

#[tokio::test]
async fn truncated_body_is_unreadable() {
    assert_eq!(read_body(Broken, 10).await.unwrap_err().kind(), ErrorKind::BodyUnreadable);
    assert_eq!(read_body(Empty::<Bytes>::new(), 0).await.unwrap(), "");
}
