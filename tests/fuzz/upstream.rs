//! A call of SignalR as text, headers and body. The crate reads what the reference parser reads, loses nothing of a
//! claim, shows no secret, and answers an invocation with one well-framed completion.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use signalr_upstream_auth::upstream::{Completion, Context, Event, Invocation, Payload, Protocol, SignatureCheck};

use super::plain_json::{Fault, Json, parse};

pub fn run(data: &[u8]) {
    // Lines `name: value` up to an empty line, then the body.
    let (head, body) = match data.windows(2).position(|pair| pair == b"\n\n") {
        Some(end) => (&data[..end], &data[end + 2..]),
        None => (data, &[][..]),
    };
    let mut headers = HeaderMap::new();
    for line in head.split(|byte| *byte == b'\n') {
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let value = line.get(colon + 1..).unwrap_or_default();
        let name = HeaderName::from_bytes(&line[..colon]);
        let value = HeaderValue::from_bytes(value.strip_prefix(b" ").unwrap_or(value));
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    let _ = SignatureCheck::new(["0123456789abcdef0123456789abcdef0123456789A="]).unwrap().check(&headers);
    let Ok(context) = Context::from_headers(&headers) else { return };
    let single = |name: &str| {
        let mut lines = headers.get_all(name).iter();
        let line = lines.next().map(|value| value.as_bytes());
        assert!(lines.next().is_none(), "{name} twice");
        line
    };
    assert_eq!(single("x-asrs-hub"), Some(context.hub().as_bytes()));
    assert_eq!(single("x-asrs-connection-id"), Some(context.connection_id().as_bytes()));
    assert_eq!(single("x-asrs-user-id").unwrap_or_default(), context.user_id().unwrap_or_default().as_bytes());
    assert!(!context.hub().is_empty() && !context.connection_id().is_empty());
    assert_no_letter_is_lost(&headers, &context);
    assert_nothing_secret_is_shown(&context);
    let Ok(payload) = Payload::parse(&context, &headers, Bytes::copy_from_slice(body)) else { return };
    match (context.event(), payload) {
        (Event::Message(name), Payload::Message(invocation)) => {
            // HTTP takes blanks off the ends of a header's value.
            let blank = [' ', '\t'];
            assert!(invocation.target().trim_matches(blank).eq_ignore_ascii_case(name.trim_matches(blank)));
            assert_as_in_reference(&invocation, body);
            assert_answered(&invocation);
        }
        (Event::Connected, Payload::Connected(_)) | (Event::Disconnected, Payload::Disconnected(_)) => {}
        other => panic!("{other:?}"),
    }
}

fn assert_no_letter_is_lost(headers: &HeaderMap, context: &Context) {
    let letters = |text: &str| text.chars().filter(|c| !matches!(c, ' ' | '\t' | ',' | ':')).collect::<String>();
    let sent: String = headers
        .get_all("x-asrs-user-claims")
        .iter()
        .map(|line| letters(std::str::from_utf8(line.as_bytes()).unwrap()))
        .collect();
    let read: String =
        context.user_claims().iter().map(|claim| letters(claim.claim_type()) + &letters(claim.value())).collect();
    assert_eq!(read, sent);
}

fn assert_nothing_secret_is_shown(context: &Context) {
    let shown = format!("{context:?}");
    if let Some(token) = context.client_query().access_token().filter(|token| token.len() > 40) {
        let is_elsewhere =
            [Some(context.hub()), Some(context.connection_id()), context.user_id(), Some(context.event().name())]
                .into_iter()
                .flatten()
                .chain(context.user_claims().iter().map(|claim| claim.claim_type()))
                .chain(context.client_query().iter().map(|(name, _)| name))
                .any(|text| text.contains(token));
        assert!(is_elsewhere || !shown.contains(token), "{shown}");
    }
}

fn assert_as_in_reference(invocation: &Invocation, body: &[u8]) {
    if invocation.protocol() != Protocol::Json {
        return;
    }
    let body = body.strip_suffix(b"\x1e").unwrap_or(body);
    let message = match parse(body) {
        Ok(message) => message,
        Err(Fault::TooDeep) => return,
        Err(Fault::NotJson) => panic!("an invocation that is no JSON"),
    };
    let members = message.members().expect("an object");
    let member = |wanted: &str| {
        let mut found = members.iter().filter(|(name, _)| name.as_deref() == Some(wanted)).map(|(_, value)| value);
        let first = found.next();
        assert!(found.next().is_none(), "{wanted} twice");
        first
    };
    assert_eq!(member("type").and_then(Json::integer), Some(1));
    assert_eq!(member("target").and_then(Json::text), Some(invocation.target()));
    assert_eq!(member("invocationId").and_then(Json::text), invocation.invocation_id());
    let count = match member("arguments") {
        Some(Json::List(arguments)) => arguments.len(),
        None | Some(Json::Null) => 0,
        other => panic!("{other:?}"),
    };
    assert_eq!(count, invocation.argument_count());
}

fn assert_answered(invocation: &Invocation) {
    let _ = invocation.arguments::<Vec<serde_json::Value>>();
    let _ = invocation.argument::<String>(0);
    for completion in [
        Completion::void(invocation),
        Completion::error(invocation, "no \u{1e} \" \u{0} way"),
        Completion::result(invocation, &[Some("text"), None]).unwrap(),
        // As long as takes two and three bytes to say.
        Completion::result(invocation, &"x".repeat(300)).unwrap(),
        Completion::result(invocation, &"x".repeat(20_000)).unwrap(),
    ] {
        let framed = completion.as_bytes();
        let Some(id) = invocation.invocation_id() else {
            assert!(framed.is_empty());
            continue;
        };
        match completion.protocol() {
            Protocol::Json => {
                let (last, message) = framed.split_last().expect("a message");
                assert_eq!(*last, 0x1e);
                assert!(!message.contains(&0x1e), "a separator within");
                let message = parse(message).expect("JSON");
                let member = |wanted: &str| {
                    message
                        .members()
                        .unwrap()
                        .iter()
                        .find(|(name, _)| name.as_deref() == Some(wanted))
                        .map(|(_, value)| value)
                };
                assert_eq!(member("type").and_then(Json::integer), Some(3));
                assert_eq!(member("invocationId").and_then(Json::text), Some(id));
            }
            Protocol::MessagePack => {
                let mut length = 0;
                let mut prefix = 0;
                for byte in framed {
                    length |= usize::from(byte & 0x7f) << (7 * prefix);
                    prefix += 1;
                    if byte & 0x80 == 0 {
                        break;
                    }
                }
                assert_eq!(length, framed.len() - prefix);
            }
            other => panic!("{other:?}"),
        }
    }
}
