//! What clients of other languages send and read, byte by byte: one test for each row of the guide's page `clients`.
//!
//! The bytes are those of MessagePack for C# with SignalR's resolvers, and of `System.Text.Json` with its defaults.

use std::fmt;

use serde::de::{self, DeserializeOwned, Deserializer, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use signalr_upstream_auth::upstream::{Completion, ErrorKind, IntoCompletion, Invocation, Protocol, Reply};

use crate::upstream::support::{decode, event_headers};

/// The argument of a JSON client and of a MessagePack client, each read as the same type.
fn read<T: DeserializeOwned>(json: &str, message_pack: &[u8]) -> [T; 2] {
    let body = format!(r#"{{"type":1,"target":"t","arguments":[{json}]}}"#);
    let json = Invocation::parse(Protocol::Json, body).unwrap();
    let body = [b"\x95\x01\x80\xc0\xa1t\x91", message_pack].concat();
    let message_pack = Invocation::parse(Protocol::MessagePack, body).unwrap();
    [json, message_pack].map(|invocation| invocation.argument(0).unwrap())
}

/// A text or extension -1, the timestamp of MessagePack.
#[derive(Debug, Deserialize, PartialEq)]
#[serde(untagged)]
enum Time {
    Text(String),
    Timestamp(Timestamp),
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename = "_ExtStruct")]
struct Timestamp((i8, Binary));

/// Bytes, or the text of a JSON client.
#[derive(Debug, PartialEq)]
enum Binary {
    Bytes(Vec<u8>),
    Base64(String),
}

impl<'de> Deserialize<'de> for Binary {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct BytesOrText;
        impl Visitor<'_> for BytesOrText {
            type Value = Binary;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes or a text in base64")
            }

            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Binary, E> {
                Ok(Binary::Bytes(bytes.to_vec()))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Binary, E> {
                Ok(Binary::Base64(text.to_owned()))
            }
        }
        deserializer.deserialize_any(BytesOrText)
    }
}

#[test]
fn date_time_is_a_text_or_a_timestamp() {
    // 2026-09-21T14:13:20Z: 0x6ab13b80 seconds.
    let [json, message_pack] = read::<Time>(r#""2026-09-21T14:13:20Z""#, b"\xd6\xff\x6a\xb1\x3b\x80");
    assert_eq!(json, Time::Text("2026-09-21T14:13:20Z".to_owned()));
    let seconds = Binary::Bytes(0x6ab1_3b80_u32.to_be_bytes().to_vec());
    assert_eq!(message_pack, Time::Timestamp(Timestamp((-1, seconds))));
}

#[test]
fn date_time_offset_is_a_text_or_local_time_with_minutes() {
    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(untagged)]
    enum Offset {
        Text(String),
        Local(Timestamp, i16),
    }
    // 16:13:20 at +02:00: the timestamp has the local time, as if it were UTC.
    let [json, message_pack] = read::<Offset>(r#""2026-09-21T16:13:20+02:00""#, b"\x92\xd6\xff\x6a\xb1\x57\xa0\x78");
    assert_eq!(json, Offset::Text("2026-09-21T16:13:20+02:00".to_owned()));
    let local = Binary::Bytes((0x6ab1_3b80_u32 + 2 * 60 * 60).to_be_bytes().to_vec());
    assert_eq!(message_pack, Offset::Local(Timestamp((-1, local)), 120));
}

#[test]
fn decimal_is_a_number_or_a_text() {
    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(untagged)]
    enum Decimal {
        Number(f64),
        Text(String),
    }
    let [json, message_pack] = read::<Decimal>("12.50", b"\xa512.50");
    assert_eq!((json, message_pack), (Decimal::Number(12.5), Decimal::Text("12.50".to_owned())));
}

#[test]
fn enum_is_a_number_or_its_name() {
    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(untagged)]
    enum Color {
        Number(u8),
        Name(String),
    }
    let [json, message_pack] = read::<Color>("2", b"\xa4Blue");
    assert_eq!((json, message_pack), (Color::Number(2), Color::Name("Blue".to_owned())));
}

#[test]
fn guid_is_a_text_in_both() {
    let text = "77777777-4321-4cba-8fed-888888888888";
    let message_pack = [b"\xd9\x24", text.as_bytes()].concat();
    for id in read::<signalr_upstream_auth::ObjectId>(&format!(r#""{text}""#), &message_pack) {
        assert_eq!(id.to_string(), text);
    }
}

#[test]
fn byte_array_is_base64_or_binary() {
    let [json, message_pack] = read::<Binary>(r#""AQID""#, b"\xc4\x03\x01\x02\x03");
    assert_eq!((json, message_pack), (Binary::Base64("AQID".to_owned()), Binary::Bytes(vec![1, 2, 3])));
}

#[test]
fn time_span_is_a_text_or_ticks() {
    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(untagged)]
    enum Span {
        Ticks(i64),
        Text(String),
    }
    // 90 seconds in units of 100 nanoseconds.
    let [json, message_pack] = read::<Span>(r#""00:01:30""#, b"\xce\x35\xa4\xe9\x00");
    assert_eq!((json, message_pack), (Span::Text("00:01:30".to_owned()), Span::Ticks(900_000_000)));
}

#[test]
fn char_is_a_text_or_its_utf_16_unit() {
    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(untagged)]
    enum Char {
        Unit(u16),
        Text(char),
    }
    let [json, message_pack] = read::<Char>(r#""A""#, b"\x41");
    assert_eq!((json, message_pack), (Char::Text('A'), Char::Unit(0x41)));
}

#[test]
fn members_of_a_class_begin_with_a_capital_in_message_pack() {
    #[derive(Debug, Deserialize, PartialEq)]
    struct Move {
        #[serde(alias = "From")]
        from: String,
    }
    for moved in read::<Move>(r#"{"from":"e2"}"#, b"\x81\xa4From\xa2e2") {
        assert_eq!(moved.from, "e2");
    }
}

#[test]
fn class_with_numbered_keys_is_an_array_in_message_pack() {
    #[derive(Debug, Deserialize, PartialEq)]
    struct Point {
        x: i32,
        y: i32,
    }
    assert_eq!(read::<Point>(r#"{"x":1,"y":2}"#, b"\x92\x01\x02"), [Point { x: 1, y: 2 }, Point { x: 1, y: 2 }]);
}

#[test]
fn lone_surrogate_is_no_text_and_spoils_only_its_argument() {
    let body = br#"{"type":1,"invocationId":"1","target":"Say","arguments":["\ud83d","after"]}"#;
    let invocation = Invocation::parse(Protocol::Json, body.as_slice()).unwrap();
    assert_eq!(invocation.argument_count(), 2);
    assert_eq!(invocation.argument::<String>(1).unwrap(), "after");
    for error in [
        invocation.argument::<String>(0).unwrap_err(),
        invocation.argument::<serde_json::Value>(0).unwrap_err(),
        invocation.arguments::<(String, String)>().unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::ArgumentsMismatch);
    }
    // The way out: the text of the JSON, unread.
    assert_eq!(invocation.argument::<&RawValue>(0).unwrap().get(), r#""\ud83d""#);
    let completion = invocation.argument::<String>(0).map(Reply).into_completion(&invocation);
    let error = decode(Protocol::Json, completion.as_bytes());
    assert_eq!(error["error"], "The arguments do not fit the method");
    // A pair is a text.
    let body = br#"{"type":1,"target":"Say","arguments":["\ud83d\ude00"]}"#;
    let pair = Invocation::parse(Protocol::Json, body.as_slice()).unwrap();
    assert_eq!(pair.argument::<String>(0).unwrap(), "\u{1f600}");
}

#[test]
fn lone_surrogate_in_the_target_is_a_malformed_body() {
    use bytes::Bytes;
    use signalr_upstream_auth::upstream::{Context, Payload};

    let body = br#"{"type":1,"target":"Say\ud83d","arguments":[]}"#;
    assert_eq!(Invocation::parse(Protocol::Json, body.as_slice()).unwrap_err().kind(), ErrorKind::MalformedBody);
    let mut headers = event_headers("messages", "Say");
    headers.insert("content-type", "application/json".parse().unwrap());
    let context = Context::from_headers(&headers).unwrap();
    let error = Payload::parse(&context, &headers, Bytes::from_static(body)).unwrap_err();
    assert_eq!(error.status(), 400);
    // Bytes of a lone surrogate are not UTF-8, so MessagePack has no such text either.
    let body = b"\x95\x01\x80\xc0\xa3\xed\xa0\xbd\x90";
    let error = Invocation::parse(Protocol::MessagePack, body.as_slice()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::MalformedBody);
}

#[test]
fn no_value_is_void_and_none_is_null() {
    #[derive(Serialize)]
    struct Unit;
    let json = Invocation::parse(Protocol::Json, &br#"{"type":1,"invocationId":"1","target":"t"}"#[..]).unwrap();
    let message_pack = Invocation::parse(Protocol::MessagePack, &b"\x95\x01\x80\xa11\xa1t\x90"[..]).unwrap();
    let bytes = |completion: Completion| completion.as_bytes().to_vec();

    let void = b"{\"type\":3,\"invocationId\":\"1\"}\x1e";
    let null = b"{\"type\":3,\"invocationId\":\"1\",\"result\":null}\x1e";
    assert_eq!(bytes(().into_completion(&json)), void);
    assert_eq!(bytes(Ok::<_, fmt::Error>(()).into_completion(&json)), void);
    assert_eq!(bytes(Reply(None::<u8>).into_completion(&json)), null);
    assert_eq!(bytes(Reply(()).into_completion(&json)), null);
    assert_eq!(bytes(Reply(Unit).into_completion(&json)), null);

    assert_eq!(bytes(().into_completion(&message_pack)), b"\x06\x94\x03\x80\xa11\x02");
    for completion in [Reply(None::<u8>).into_completion(&message_pack), Reply(()).into_completion(&message_pack)] {
        assert_eq!(bytes(completion), b"\x07\x95\x03\x80\xa11\x03\xc0");
    }
}
