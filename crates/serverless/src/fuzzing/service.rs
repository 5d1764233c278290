//! Answers of the service: error bodies and the document with the key.

use aws_lc_rs::hmac;
use azure_core::http::headers::Headers;
use azure_core::http::{AsyncRawResponse, Method};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use serde_json::Value;

use super::{check_told, head_and_body, run};
use crate::error::{Chain, ErrorKind};
use crate::operation::Operation;
use crate::rest::{Answer, Call};
use crate::temporary_key::document;

/// An error of the service, from a line `STATUS CODE` and the body: one bounded line, without a token, that keeps the
/// service's own code and text.
pub fn service_error(data: &[u8]) {
    let Some((head, body)) = head_and_body(data) else { return };
    let (status, code) = head.split_once(' ').unwrap_or((head, ""));
    let Some(status) = status.parse::<u16>().ok().filter(|status| (100..=999).contains(status)) else { return };
    let mut headers = Headers::new();
    if !code.is_empty() {
        headers.insert("x-ms-error-code", code.to_owned());
    }
    let call = Call::fixed(Operation::AccessKey, Method::Get, "/");
    let response = AsyncRawResponse::from_bytes(status.into(), headers, Bytes::from(body.clone()));
    let error = run(Answer::read(&call, response.into())).error(Operation::AccessKey, None);
    check_told(&format!("{} {error:?}", Chain(&error)));
    assert!(matches!(error.http_status().as_u16(), 404 | 413 | 502 | 503), "{error:?}");

    let said = error.service().unwrap();
    let text = std::str::from_utf8(&body).unwrap_or_default();
    let document = serde_json::from_str::<Value>(text).ok();
    if let Some(key) = document.as_ref().and_then(|document| document["AccessKey"].as_str()) {
        let told = format!("{} {error:?}", Chain(&error));
        // The service may say what it likes as its text.
        let is_said = ["message", "code"].iter().any(|name| document.as_ref().unwrap()[name].as_str() == Some(key));
        assert!(key.len() < 24 || is_said || code.contains(key) || !told.contains(key), "{told}");
    }
    if text.trim_start().starts_with(['<', '{', '[']) && document.is_none() {
        assert_eq!(said.message(), None, "a page, or a document that broke off");
    }
    let plain = |text: &&str| is_plain(text);
    if let Some(message) = document.as_ref().and_then(|document| document["message"].as_str()).filter(plain) {
        assert_eq!(said.message(), Some(message));
    }
    match document.as_ref().and_then(|document| document["code"].as_str()).filter(plain) {
        _ if is_plain(code) => assert_eq!(said.code(), Some(code)),
        Some(from_body) if code.trim().is_empty() => assert_eq!(said.code(), Some(from_body)),
        _ => {}
    }
}

/// What is kept as it is.
fn is_plain(text: &str) -> bool {
    let is_short = (1..=128).contains(&text.len());
    is_short && text.trim() == text && !text.contains("eyJ") && !text.chars().any(char::is_control)
}

/// The document with the key: what is taken signs as the document says, and what is rejected is not quoted.
pub fn key_document(data: &[u8]) {
    let value = serde_json::from_slice::<Value>(data).ok();
    let text = |names: [&str; 2]| {
        let value = value.as_ref()?;
        names.iter().find_map(|name| value.get(name)?.as_str()).filter(|text| !text.is_empty())
    };
    let (key, id) = (text(["AccessKey", "accessKey"]), text(["KeyId", "keyId"]));
    match document::read(data) {
        Ok(signing) => {
            assert_eq!(format!("{signing:?}"), "SigningKey");
            // A member that means nothing may have a number that no type holds.
            let Some(_) = value else { return };
            let (Some(key), Some(id)) = (key, id) else { panic!("taken: {value:?}") };
            let token = signing.sign(&serde_json::json!({ "aud": "a" })).unwrap();
            let (input, signature) = token.rsplit_once('.').unwrap();
            let header = URL_SAFE_NO_PAD.decode(input.split('.').next().unwrap()).unwrap();
            assert_eq!(serde_json::from_slice::<Value>(&header).unwrap()["kid"].as_str(), Some(id));
            let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
            hmac::verify(&key, input.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap()).unwrap();
        }
        Err(error) => {
            let told = format!("{} {error:?}", Chain(&error));
            check_told(&told);
            assert_eq!(error.kind(), ErrorKind::InvalidAnswer);
            for secret in [key, id].into_iter().flatten().filter(|secret| secret.len() >= 24) {
                assert!(!told.contains(secret), "{told}");
            }
            let once = |name: &str| String::from_utf8_lossy(data).matches(name).count() == 1;
            let is_usable = key.is_some() && id.is_some_and(|id| id.len() <= 512);
            assert!(!(is_usable && once("ccessKey") && once("eyId")), "rejected: {value:?}");
        }
    }
}
