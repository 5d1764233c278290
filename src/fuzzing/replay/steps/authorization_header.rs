//! Any bytes as `Authorization` lines: the crate finds exactly the token that a reference implementation of RFC 6750
//! section 2.1 finds.

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use signalr_upstream_auth::fuzzing::bearer_token;

pub fn run(data: &[u8]) {
    // A zero byte, which no header can hold, separates two lines.
    let lines: Vec<&[u8]> = data.split(|byte| *byte == 0).collect();
    let mut headers = HeaderMap::new();
    for line in &lines {
        let Ok(value) = HeaderValue::from_bytes(line) else { return };
        headers.append(AUTHORIZATION, value);
    }
    let plain = match &lines[..] {
        [line] => reference(line),
        _ => None,
    };
    assert_eq!(bearer_token(&headers).ok().as_deref(), plain);
}

fn reference(line: &[u8]) -> Option<&[u8]> {
    let text = std::str::from_utf8(line).ok()?;
    if text.len() > 16_384 || !text.to_ascii_lowercase().starts_with("bearer ") {
        return None;
    }
    let token = text[7..].trim_start_matches(' ');
    let is_token68 = |c: char| c.is_ascii_alphanumeric() || "-._~+/=".contains(c);
    (!token.is_empty() && token.chars().all(is_token68)).then_some(token.as_bytes())
}
