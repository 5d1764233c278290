//! The headers of a call.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};
use signalr_upstream_auth::upstream::{
    ClientQuery, Completion, Context, ErrorKind, Event, Payload, SignatureCheck, UserClaims,
};

use super::support::{ID, PRIMARY, PRIMARY_ITEM, event_headers};

#[test]
fn context_contains_every_header() {
    let mut headers = event_headers("messages", "Grüße 日本");
    headers.insert("x-asrs-user-id", HeaderValue::from_bytes("Zoë".as_bytes()).unwrap());
    headers.append("x-asrs-user-claims", HeaderValue::from_bytes("nameid: Zoë, role: a".as_bytes()).unwrap());
    headers.append("x-asrs-user-claims", HeaderValue::from_static("role: b,http://example.net/claims/x: y:z"));
    headers.insert("x-asrs-client-query", HeaderValue::from_static("?hub=chat&id=a%20b&id=c&access_token=eyJ"));
    headers.insert("x-asrs-signature", HeaderValue::from_static(PRIMARY_ITEM));
    let context = Context::from_headers(&headers).unwrap();

    assert_eq!(context.connection_id(), ID);
    assert_eq!(context.hub(), "chat");
    assert_eq!(context.event(), &Event::Message("Grüße 日本".to_owned()));
    assert_eq!((context.event().category(), context.event().name()), ("messages", "Grüße 日本"));
    assert_eq!(context.user_id(), Some("Zoë"));
    let claims: Vec<_> = context.user_claims().iter().map(|claim| (claim.claim_type(), claim.value())).collect();
    let expected = [("nameid", "Zoë"), ("role", "a"), ("role", "b"), ("http://example.net/claims/x", "y:z")];
    assert_eq!(claims, expected);
    let query: Vec<_> = context.client_query().iter().collect();
    assert_eq!(query, [("hub", "chat"), ("id", "a b"), ("id", "c")]);
    assert_eq!(context.client_query().access_token(), Some("eyJ"));
    assert!(SignatureCheck::new([PRIMARY]).unwrap().matches(ID, context.signatures()));
}

#[test]
fn optional_headers_may_be_missing_or_empty() {
    let mut headers = event_headers("connections", "connected");
    for _ in 0..2 {
        let context = Context::from_headers(&headers).unwrap();
        assert_eq!(context.user_id(), None);
        assert!(context.user_claims().is_empty());
        assert_eq!(context.client_query().iter().count(), 0);
        assert!(context.signatures().is_empty());
        for name in ["x-asrs-user-id", "x-asrs-user-claims", "x-asrs-client-query", "x-asrs-signature"] {
            headers.insert(name, HeaderValue::from_static(""));
        }
    }
}

#[test]
fn matches_category_and_event_in_any_case() {
    for (category, event, expected) in [
        ("connections", "connected", Ok(Event::Connected)),
        ("CONNECTIONS", "Connected", Ok(Event::Connected)),
        ("Connections", "DISCONNECTED", Ok(Event::Disconnected)),
        ("MESSAGES", "Echo", Ok(Event::Message("Echo".to_owned()))),
        ("messages", "connected", Ok(Event::Message("connected".to_owned()))),
        ("connections", "other", Err("x-asrs-event")),
        ("connections", "connect", Err("x-asrs-event")),
        ("other", "other", Err("x-asrs-category")),
    ] {
        let found = Context::from_headers(&event_headers(category, event)).map(|context| context.event().clone());
        let found = found.map_err(|error| {
            assert_eq!((error.kind(), error.status()), (ErrorKind::UnknownEvent, StatusCode::NOT_FOUND));
            error.header().unwrap().to_string()
        });
        assert_eq!(found, expected.map_err(str::to_owned), "{category}/{event}");
    }
}

#[test]
fn error_names_the_offending_header() {
    let single = ["connection-id", "hub", "category", "event", "user-id", "client-query"];
    for name in single {
        let name = HeaderName::try_from(format!("x-asrs-{name}")).unwrap();
        let required = name != "x-asrs-user-id" && name != "x-asrs-client-query";
        let with = |values: &[&[u8]]| {
            let mut headers = event_headers("messages", "echo");
            headers.remove(&name);
            for value in values {
                headers.append(&name, HeaderValue::from_bytes(value).unwrap());
            }
            Context::from_headers(&headers).map(|_| ()).map_err(|error| {
                assert_eq!(error.header(), Some(&name));
                assert_eq!(error.status(), StatusCode::BAD_REQUEST);
                assert!(error.to_string().ends_with(name.as_str()), "{error}");
                error.kind()
            })
        };
        let when_required = |kind| if required { Err(kind) } else { Ok(()) };
        assert_eq!(with(&[]), when_required(ErrorKind::MissingHeader), "{name}");
        assert_eq!(with(&[b""]), when_required(ErrorKind::InvalidHeader), "{name}");
        assert_eq!(with(&[b"\xe4"]), Err(ErrorKind::InvalidHeader), "{name}");
        assert_eq!(with(&[b"messages", b"messages"]), Err(ErrorKind::RepeatedHeader), "{name}");
    }
    for name in ["x-asrs-user-claims", "x-asrs-signature"] {
        let mut headers = event_headers("messages", "echo");
        headers.append(name, HeaderValue::from_bytes(b"x: \xe4").unwrap());
        let error = Context::from_headers(&headers).unwrap_err();
        assert_eq!((error.kind(), error.header().unwrap().as_str()), (ErrorKind::InvalidHeader, name));
    }
}

#[test]
fn keeps_every_value_of_queries_and_claims_in_order() {
    // One pair, two names, one name twice, a mixture. In Microsoft's tests repeated values are joined or dropped.
    for (query, expected) in [
        ("?a=1", &[("a", "1")][..]),
        ("?a=1&b=2", &[("a", "1"), ("b", "2")]),
        ("?a=1&a=2", &[("a", "1"), ("a", "2")]),
        ("?a=1&b=2&a=3", &[("a", "1"), ("b", "2"), ("a", "3")]),
    ] {
        assert_eq!(ClientQuery::parse(query).iter().collect::<Vec<_>>(), expected, "{query}");
        let header = expected.iter().map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>().join(", ");
        let claims = UserClaims::parse([header.as_str()]);
        assert_eq!(claims.iter().map(|c| (c.claim_type(), c.value())).collect::<Vec<_>>(), expected, "{header}");
        assert_eq!(claims.first("a"), Some("1"));
        assert_eq!(claims.all("a").count(), ClientQuery::parse(query).all("a").count());
    }
}

#[test]
fn debug_output_hides_every_secret() {
    let mut headers = event_headers("messages", "echo");
    headers.insert("x-asrs-client-query", HeaderValue::from_static("?id=hush1&access_token=hush2"));
    headers.insert("x-asrs-user-claims", HeaderValue::from_static("mail: hush3"));
    headers.insert("x-asrs-signature", HeaderValue::from_static("sha256=hush4"));
    let context = Context::from_headers(&headers).unwrap();
    let body = Bytes::from_static(br#"{"type":1,"invocationId":"1","target":"echo","arguments":["hush5"]}"#);
    let payload = Payload::parse(&context, &headers, body).unwrap();
    let Payload::Message(invocation) = &payload else { panic!("{payload:?}") };
    let completion = Completion::result(invocation, "hush6").unwrap();
    let error = invocation.arguments::<(u8,)>().unwrap_err();
    let shown = format!("{context:?} {context:#?} {payload:?} {completion:?} {error}");
    assert!(!shown.contains("hush"), "{shown}");
    for name in ["access_token", "mail", "chat", ID] {
        assert!(shown.contains(name), "{shown}");
    }
}
