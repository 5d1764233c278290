//! Finds anything of a token in responses and logs: as it was sent, or decoded.

use std::collections::{BTreeMap, HashMap};

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use mock_entra::TokenBuilder;
use serde_json::value::RawValue;
use support::runs::{RUN, Runs};

/// Stands in claims and header members of every token that is minted here, and may never be seen again.
const CANARY: &str = "canary-bird";

/// Adds to a token what a careless log of its header or its claims would show: members that nobody reads, and some
/// that are read.
pub fn with_canaries(token: TokenBuilder) -> TokenBuilder {
    token
        .header("jku", format!("https://{CANARY}.jku"))
        .header("x-h", [CANARY])
        .claim("name", format!("{CANARY} name"))
        .claim("upn", format!("{CANARY}@upn"))
        .roles([format!("{CANARY} role")])
        .claim("x-c", BTreeMap::from([(format!("{CANARY} key"), [format!("{CANARY} value")])]))
}

/// What was written, and where.
pub struct Written<'t> {
    pub place: &'static str,
    pub text: &'t str,
}

/// Looks for what was sent in what was written. `known` are texts that a service knows without any request.
pub fn find<'s>(
    sent: impl IntoIterator<Item = &'s [u8]>,
    known: &[String],
    written: &[Written<'_>],
) -> Result<(), String> {
    for written in written {
        if written.text.contains(CANARY) {
            return Err(format!("a claim or a header member that is nobody's business is in the {}", written.place));
        }
    }
    let sent: Vec<_> = sent.into_iter().collect();
    let segments: Vec<_> = sent.iter().flat_map(|text| segments(text)).collect();
    let shown_members: Vec<_> = segments.iter().flat_map(|segment| loggable(segment)).collect();
    let is_blank = |run: &[u8]| run.iter().all(|byte| *byte == b' ');
    let allowed = Runs::of(shown_members.iter().chain(known));
    let (encoded, decoded) = (Runs::of(sent), Runs::of(&segments));
    for written in written {
        let text = written.text.as_bytes();
        let leak =
            |run: &[u8]| format!("`{}` of what was sent is in the {}", String::from_utf8_lossy(run), written.place);
        if let Some(run) = encoded.in_text(text).into_iter().find(|run| !is_blank(run)) {
            return Err(leak(run));
        }
        if let Some(run) = decoded.in_text(text).into_iter().find(|run| !allowed.contains(run)) {
            return Err(format!("decoded: {}", leak(run)));
        }
    }
    Ok(())
}

/// What any run of letters in a text decodes to, for a reader who is as lenient as can be.
fn segments(text: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let config = GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone);
    let lenient = GeneralPurpose::new(&URL_SAFE, config);
    text.split(|byte| !byte.is_ascii_alphanumeric() && !b"-_".contains(byte))
        .filter(|letters| letters.len() > RUN)
        .filter_map(move |letters| {
            // One letter more than whole bytes take is one too many.
            let length = if letters.len() % 4 == 1 { letters.len() - 1 } else { letters.len() };
            lenient.decode(&letters[..length]).ok()
        })
}

/// The members of a header or of claims that a rejection may show, as much of each as it may.
fn loggable(segment: &[u8]) -> Vec<String> {
    // Members stay text, so that no depth of nesting is too much.
    let Ok(members) = serde_json::from_slice::<HashMap<String, &RawValue>>(segment) else { return Vec::new() };
    let shown = ["tid", "oid", "appid", "azp", "ver", "uti", "kid"];
    let escaped = |text: &str| -> String { text.chars().flat_map(char::escape_debug).take(SHOWN_LENGTH).collect() };
    shown
        .iter()
        .filter_map(|name| serde_json::from_str::<String>(members.get(*name)?.get()).ok())
        .flat_map(|text| [escaped(&text), text.chars().take(SHOWN_LENGTH).collect()])
        // JSON and the log both put it into quotes.
        .map(|escaped| format!("\"{escaped}\""))
        .collect()
}

/// So many bytes of a claim may be shown.
const SHOWN_LENGTH: usize = 64;

#[test]
fn finds_leaks_in_any_form() {
    let claims = r#"{"tid":"a-tenant-of-some-length","sub":"a-subject-of-some-length"}"#;
    let line = format!("Bearer eyJhbGciOiJSUzI1NiJ9.{}.AAAA", lenient_encode(claims));
    let seen = |text: &str| find([line.as_bytes()], &[], &[Written { place: "log", text }]).is_err();
    assert!(!seen("tenant_id=\"a-tenant-of-some-length\" http.response.status_code=401"));
    assert!(seen("subject=\"a-subject-of-some-length\""));
    assert!(seen(&format!("Claims {{ sub: {:?} }}", "a-subject-of-some")));
    assert!(seen(&format!("claims: {claims}")));
    assert!(seen(&format!("header: {line}")));
    assert!(seen(&format!("...{}...", &line[40..60])));
    // As little as is no accident, wherever it begins.
    assert!((0..line.len() - RUN).all(|at| seen(&line[at..at + RUN])));
    assert!(!seen(&line[40..40 + RUN - 1]));
    assert!(seen("roles=[\"canary-bird role\"]"));
}

#[cfg(test)]
fn lenient_encode(text: &str) -> String {
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text)
}
