use bytes::Bytes;
use http::{Method, Request};
use serde::Serialize;
use serde_json::json;

use super::{CONNECTION_ID, UpstreamRequest};

fn body(request: UpstreamRequest) -> Vec<u8> {
    request.into_request::<Bytes>().into_body().to_vec()
}

fn header(request: &UpstreamRequest, name: &str) -> Option<String> {
    let request: Request<Bytes> = request.clone().into_request();
    let value = request.headers().get(name)?.as_bytes().to_vec();
    Some(String::from_utf8(value).unwrap())
}

#[test]
fn json_messages_are_invocations_without_framing() {
    let message = UpstreamRequest::message("chat", "echo");
    assert_eq!(body(message.clone()), br#"{"type":1,"target":"echo","arguments":[]}"#);
    assert_eq!(
        body(message.invocation_id("42").argument("hi").argument(json!([1, null])).stream_ids(&["7"])),
        br#"{"type":1,"invocationId":"42","target":"echo","arguments":["hi",[1,null]],"streamIds":["7"]}"#
    );
}

#[test]
fn message_pack_messages_are_invocations_without_framing() {
    let message = UpstreamRequest::message("chat", "echo").message_pack();
    let send = b"\x95\x01\x80\xc0\xa4echo\x90";
    let invoke = b"\x95\x01\x80\xa242\xa4echo\x91\xa2hi";
    let newer = b"\x96\x01\x80\xa242\xa4echo\x91\xa2hi\x90";
    let argued = message.clone().invocation_id("42").argument("hi");
    assert_eq!(body(message), send);
    assert_eq!(body(argued.clone()), invoke);
    assert_eq!(body(argued.stream_ids(&[])), newer);
}

#[test]
fn arguments_keep_their_type_in_message_pack() {
    #[derive(Serialize)]
    struct Named {
        a: u8,
    }
    struct Binary;
    impl Serialize for Binary {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_bytes(&[1, 2])
        }
    }
    let message = UpstreamRequest::message("chat", "t").message_pack().argument(Named { a: 1 }).argument(Binary);
    assert_eq!(body(message), b"\x95\x01\x80\xc0\xa1t\x92\x81\xa1a\x01\xc4\x02\x01\x02");
}

#[test]
fn connection_events_are_json_in_both_protocols() {
    for request in [UpstreamRequest::connected("chat"), UpstreamRequest::connected("chat").message_pack()] {
        assert_eq!(header(&request, "content-type").unwrap(), "application/json");
        assert_eq!(body(request), br#"{"type":10}"#);
    }
    assert_eq!(body(UpstreamRequest::disconnected("chat", None)), br#"{"Type":11}"#);
    let failed = UpstreamRequest::disconnected("chat", Some("error"));
    assert_eq!(body(failed), br#"{"Type":11,"Error":"error"}"#);
}

#[test]
fn every_request_is_a_post_with_headers_of_its_event() {
    for (request, path, category, event) in [
        (UpstreamRequest::connected("chat"), "/upstream/chat/connections/connected", "connections", "connected"),
        (
            UpstreamRequest::disconnected("chat", None),
            "/upstream/chat/connections/disconnected",
            "connections",
            "disconnected",
        ),
        (UpstreamRequest::message("chat", "Send"), "/upstream/chat/messages/Send", "messages", "Send"),
    ] {
        let request: Request<Bytes> = request.into_request();
        assert_eq!((request.method(), request.uri().to_string().as_str()), (&Method::POST, path));
        let headers = request.headers();
        assert_eq!(headers["x-asrs-category"], category);
        assert_eq!(headers["x-asrs-event"], event);
        assert_eq!(headers["x-asrs-hub"], "chat");
        assert_eq!(headers["x-asrs-connection-id"], CONNECTION_ID);
        assert_eq!(headers.len(), 5);
    }
    let message = UpstreamRequest::message("chat", "Send").message_pack();
    assert_eq!(header(&message, "content-type").unwrap(), "application/x-msgpack");
}

#[test]
fn event_is_escaped_in_url_and_plain_in_header() {
    let request = UpstreamRequest::message("chat", "a/b cü").url_template("https://api.test/{event}?h={hub}");
    assert_eq!(header(&request, "x-asrs-event").unwrap(), "a/b cü");
    let request: Request<Bytes> = request.into_request();
    assert_eq!(request.uri(), "https://api.test/a%2Fb%20c%C3%BC?h=chat");
}

#[test]
fn writes_user_claims_and_query_as_service_does() {
    let request = UpstreamRequest::connected("chat")
        .user_id("Ádám")
        .user_claim("nameid", "alice")
        .user_claim("http://schemas.example/role", "editor, writer")
        .client_query("hub=chat&access_token=secret")
        .connection_id("other")
        .bearer("a.b.c");
    for (name, value) in [
        ("x-asrs-user-id", "Ádám"),
        ("x-asrs-user-claims", "nameid: alice, http://schemas.example/role: editor, writer"),
        ("x-asrs-client-query", "?hub=chat&access_token=secret"),
        ("x-asrs-connection-id", "other"),
        ("authorization", "Bearer a.b.c"),
    ] {
        assert_eq!(header(&request, name).as_deref(), Some(value));
    }
    assert!(!format!("{request:?}").contains("secret"));
}

#[test]
fn signature_has_one_item_per_key() {
    let request = UpstreamRequest::connected("chat")
        .connection_id("conn-0001-abcDEF_xyz")
        .signature(["primary-key-for-tests-only", "secondary-key-for-tests-only"]);
    assert_eq!(
        header(&request, "x-asrs-signature").unwrap(),
        "sha256=880f524ef3e7664b1e9dd81ac195da2c1c98423aea6a959694e3e4334d215653,\
         sha256=b9a7e8c2ddaa4a496f80e6446b42da51c91b2404b64d49146f6b04e70aa5be93"
    );
}

#[test]
fn replaces_body_and_headers() {
    let request = UpstreamRequest::message("chat", "echo")
        .body("{}\u{1e}")
        .header("Content-Type", "text/plain")
        .header("X-ASRS-User-Id", [0xff]);
    let request: Request<Bytes> = request.into_request();
    assert_eq!(request.headers()["content-type"], "text/plain");
    assert_eq!(request.headers()["x-asrs-user-id"].as_bytes(), [0xff]);
    assert_eq!(request.body(), "{}\u{1e}");
}

#[test]
#[should_panic(expected = "is not a valid header value")]
fn rejects_line_break_in_header() {
    let _: Request<Bytes> = UpstreamRequest::message("chat", "a\nb").into_request();
}
