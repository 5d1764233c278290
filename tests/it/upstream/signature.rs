//! `X-ASRS-Signature`: the cases of Microsoft's own tests, and further ones.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use signalr_upstream_auth::upstream::{Error, ErrorKind, SignatureCheck, Signatures, VerifySignatureLayer};
use tower::{Layer, Service, ServiceExt, service_fn};

use super::support::{ID, PRIMARY, PRIMARY_ITEM};

const MICROSOFT_ID: &str = "0f9c97a2f0bf4706afe87a14e0797b11";
const MICROSOFT_KEYS: [&str; 2] = ["7aab239577fd4f24bc919802fb629f5f", "a5f2815d0d0c4b00bd27e832432f91ab"];
const MICROSOFT_ITEMS: [&str; 2] = [
    "sha256=7767effcb3946f3e1de039df4b986ef02c110b1469d02c0a06f41b3b727ab561",
    "sha256=d4aefb65547a00a9881fa8ac8bd03d0faf77af9da5205d45c6e57cbda4377760",
];
const SECONDARY: &str = "secondary-key-for-tests-only";
const SECONDARY_ITEM: &str = "sha256=b9a7e8c2ddaa4a496f80e6446b42da51c91b2404b64d49146f6b04e70aa5be93";
const EMULATOR: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH";
const EMULATOR_ITEM: &str = "sha256=24d04543bd8f94f8b9cb2cbedfcd2c3e923505ad63f4cd94aff0803116577a7c";
const JUNK_ITEM: &str = "sha256=0000000000000000000000000000000000000000000000000000000000000000";

fn signed(id: Option<&str>, lines: &[&[u8]]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Some(id) = id {
        headers.insert("x-asrs-connection-id", HeaderValue::from_bytes(id.as_bytes()).unwrap());
    }
    for line in lines {
        headers.append("x-asrs-signature", HeaderValue::from_bytes(line).unwrap());
    }
    headers
}

#[test]
fn checks_every_item_against_every_key() {
    let [first, second] = MICROSOFT_ITEMS;
    let both = format!("{first},{second}");
    let spaced = format!("{first}, {second}");
    let upper = format!("sha256={}", EMULATOR_ITEM["sha256=".len()..].to_uppercase());
    let bare = &PRIMARY_ITEM["sha256=".len()..];
    let other_prefix = format!("sha1={bare}");
    let three = format!("{JUNK_ITEM} ,\t{first} , {second}");
    let with_junk = format!("nonsense,,sha256=xyz,{PRIMARY_ITEM}");
    let latin_1: &[u8] = b"sha256=\xe4";
    let of_umlaut = "sha256=6485f8e711a7f25571192f00da33ef2566c456efa58dd871fc7f688762c9eaa7";

    struct Case<'a>(&'a str, Option<&'a str>, &'a [&'a str], &'a [&'a [u8]], Result<(), ErrorKind>);
    let cases = [
        // The cases of Microsoft's own tests.
        Case("both items, both keys", Some(MICROSOFT_ID), &MICROSOFT_KEYS, &[both.as_bytes()], Ok(())),
        Case("a random key", Some(MICROSOFT_ID), &["x9"], &[both.as_bytes()], Err(ErrorKind::InvalidSignature)),
        Case("no header", Some(MICROSOFT_ID), &MICROSOFT_KEYS, &[], Err(ErrorKind::MissingSignature)),
        Case("an empty list", Some(MICROSOFT_ID), &MICROSOFT_KEYS, &[b""], Err(ErrorKind::MissingSignature)),
        Case("an empty request", None, &MICROSOFT_KEYS, &[], Err(ErrorKind::MissingSignature)),
        // Further cases.
        Case("a space after the comma", Some(MICROSOFT_ID), &MICROSOFT_KEYS[1..], &[spaced.as_bytes()], Ok(())),
        Case("two lines", Some(MICROSOFT_ID), &MICROSOFT_KEYS[1..], &[first.as_bytes(), second.as_bytes()], Ok(())),
        Case("one item, the second key", Some(MICROSOFT_ID), &MICROSOFT_KEYS, &[second.as_bytes()], Ok(())),
        Case("three items", Some(MICROSOFT_ID), &MICROSOFT_KEYS[1..], &[three.as_bytes()], Ok(())),
        Case("commas only", Some(MICROSOFT_ID), &MICROSOFT_KEYS, &[b" , ,"], Err(ErrorKind::MissingSignature)),
        Case("primary", Some(ID), &[PRIMARY], &[PRIMARY_ITEM.as_bytes()], Ok(())),
        Case("secondary", Some(ID), &[PRIMARY, SECONDARY], &[SECONDARY_ITEM.as_bytes()], Ok(())),
        Case("the first of two keys", Some(ID), &[PRIMARY, SECONDARY], &[PRIMARY_ITEM.as_bytes()], Ok(())),
        Case("junk behind it", Some(ID), &[PRIMARY], &[PRIMARY_ITEM.as_bytes(), JUNK_ITEM.as_bytes()], Ok(())),
        Case("the emulator's key", Some(ID), &[EMULATOR], &[EMULATOR_ITEM.as_bytes()], Ok(())),
        Case("upper-case digits", Some(ID), &[EMULATOR], &[upper.as_bytes()], Ok(())),
        Case("junk before it", Some(ID), &[PRIMARY], &[with_junk.as_bytes()], Ok(())),
        Case("another key", Some(ID), &[SECONDARY], &[PRIMARY_ITEM.as_bytes()], Err(ErrorKind::InvalidSignature)),
        Case(
            "another id",
            Some(MICROSOFT_ID),
            &[PRIMARY],
            &[PRIMARY_ITEM.as_bytes()],
            Err(ErrorKind::InvalidSignature),
        ),
        Case("no prefix", Some(ID), &[PRIMARY], &[bare.as_bytes()], Err(ErrorKind::InvalidSignature)),
        Case("another prefix", Some(ID), &[PRIMARY], &[other_prefix.as_bytes()], Err(ErrorKind::InvalidSignature)),
        Case("a wrong digest", Some(ID), &[PRIMARY], &[JUNK_ITEM.as_bytes()], Err(ErrorKind::InvalidSignature)),
        Case("a digit less", Some(ID), &[PRIMARY], &[&PRIMARY_ITEM.as_bytes()[..70]], Err(ErrorKind::InvalidSignature)),
        Case("not UTF-8", Some(ID), &[PRIMARY], &[latin_1], Err(ErrorKind::InvalidHeader)),
        Case("no connection id", None, &[PRIMARY], &[PRIMARY_ITEM.as_bytes()], Err(ErrorKind::MissingHeader)),
        Case("an id with an umlaut", Some("käse-1"), &[PRIMARY], &[of_umlaut.as_bytes()], Ok(())),
    ];
    for Case(name, id, keys, lines, expected) in cases {
        let headers = signed(id, lines);
        let check = SignatureCheck::new(keys).unwrap();
        assert_eq!(check.clone().required().check(&headers).map_err(|error| error.kind()), expected, "{name}");
        let lenient = if expected == Err(ErrorKind::MissingSignature) { Ok(()) } else { expected };
        assert_eq!(check.check(&headers).map_err(|error| error.kind()), lenient, "{name}, not required");
    }
}

#[test]
fn takes_any_number_of_keys_and_rejects_empty_ones() {
    for keys in [&[PRIMARY][..], &[SECONDARY, PRIMARY], &[SECONDARY, EMULATOR, PRIMARY]] {
        let check = SignatureCheck::new(keys).unwrap();
        assert!(check.check(&signed(Some(ID), &[PRIMARY_ITEM.as_bytes()])).is_ok(), "{} keys", keys.len());
        assert!(check.matches(ID, &Signatures::parse([PRIMARY_ITEM])));
        assert!(!check.matches("", &Signatures::parse([PRIMARY_ITEM])));
    }
    for keys in [&[][..], &[PRIMARY, ""], &[" "], &["\u{a0}", PRIMARY], &[PRIMARY, "primary-key-for-tests-only\n"]] {
        let error = SignatureCheck::new(keys).unwrap_err();
        assert_eq!(error.faults().next().unwrap().field(), "access_keys");
    }
}

#[tokio::test]
async fn layer_rejects_before_the_service_or_passes_the_request_on() {
    let layer = VerifySignatureLayer::new(SignatureCheck::new([PRIMARY]).unwrap().required());
    let service = layer.layer(service_fn(async |request: Request<String>| {
        assert!(request.headers()["x-asrs-signature"].is_sensitive());
        Ok::<_, std::convert::Infallible>(Response::new(request.into_body()))
    }));
    let send = async |lines: &[&[u8]]| {
        let mut request = Request::new("the body".to_owned());
        *request.headers_mut() = signed(Some(ID), lines);
        service.clone().oneshot(request).await.unwrap()
    };
    assert_eq!(send(&[PRIMARY_ITEM.as_bytes()]).await.body(), "the body");
    for (lines, kind) in
        [(&[][..], ErrorKind::MissingSignature), (&[JUNK_ITEM.as_bytes()], ErrorKind::InvalidSignature)]
    {
        let rejection = send(lines).await;
        assert_eq!(rejection.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(rejection.body(), "");
        assert_eq!(rejection.headers()["www-authenticate"], "X-ASRS-Signature");
        assert!(!rejection.headers().contains_key("content-type"));
        let error = rejection.extensions().get::<Error>().unwrap();
        assert_eq!(error.kind(), kind);
    }
}

#[test]
#[should_panic(expected = "polled after completion")]
fn response_future_panics_when_polled_after_completion_instead_of_hanging() {
    let check = SignatureCheck::new([PRIMARY]).unwrap().required();
    let mut service = VerifySignatureLayer::new(check)
        .layer(service_fn(async |_: Request<()>| Ok::<_, std::convert::Infallible>(Response::new(String::new()))));
    let mut rejection = pin!(service.call(Request::new(())));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(matches!(rejection.as_mut().poll(&mut cx), Poll::Ready(Ok(_))));
    let _ = rejection.as_mut().poll(&mut cx);
}
