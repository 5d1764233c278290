//! Whether anything of a token came out again: in the compact form it was sent in, or decoded.

use std::collections::{BTreeMap, HashMap, HashSet};

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use mock_entra::TokenBuilder;
use serde_json::value::RawValue;

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

/// Texts as sets of the runs of [`RUN`] bytes in them.
struct Runs<'t>(HashSet<&'t [u8]>);

impl<'t> Runs<'t> {
    fn of(texts: impl IntoIterator<Item = &'t str>) -> Self {
        Self(texts.into_iter().flat_map(|text| text.as_bytes().windows(RUN)).collect())
    }

    fn has(&self, run: &[u8]) -> bool {
        self.0.contains(run)
    }
}

/// Looks for what was sent in what was written. `known` are texts that a service knows without any request.
pub fn find<'s>(
    sent: impl IntoIterator<Item = &'s [u8]>,
    known: &[String],
    written: &[Written<'_>],
) -> Result<(), String> {
    let written: Vec<_> = written.iter().map(|written| (written, Runs::of([written.text]))).collect();
    let leak = |piece: &[u8]| {
        let place = written.iter().find(|(_, runs)| runs.has(piece))?.0.place;
        Some(format!("`{}` of what was sent is in the {place}", String::from_utf8_lossy(piece)))
    };
    for (written, _) in &written {
        if written.text.contains(CANARY) {
            return Err(format!("a claim or a header member that is nobody's business is in the {}", written.place));
        }
    }
    let sent: Vec<_> = sent.into_iter().collect();
    for piece in sent.iter().flat_map(|text| text.windows(RUN)).filter(|piece| piece.iter().any(|byte| *byte != b' ')) {
        leak(piece).map_or(Ok(()), Err)?;
    }
    let segments: Vec<_> = sent.iter().flat_map(|text| segments(text)).collect();
    let excerpts: Vec<_> = segments.iter().flat_map(|segment| loggable(segment)).collect();
    let allowed = Runs::of(excerpts.iter().chain(known).map(String::as_str));
    for piece in segments.iter().flat_map(|segment| segment.windows(RUN)).filter(|piece| !allowed.has(piece)) {
        leak(piece).map_or(Ok(()), |leak| Err(format!("decoded: {leak}")))?;
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
    let excerpt = |text: &str| -> String { text.chars().flat_map(char::escape_debug).take(EXCERPT).collect() };
    shown
        .iter()
        .filter_map(|name| serde_json::from_str::<String>(members.get(*name)?.get()).ok())
        .flat_map(|text| [excerpt(&text), text.chars().take(EXCERPT).collect()])
        // JSON and the log both put it into quotes.
        .map(|excerpt| format!("\"{excerpt}\""))
        .collect()
}

/// So many bytes are found in two texts by no accident.
const RUN: usize = 12;

/// So many bytes of a claim may be shown.
const EXCERPT: usize = 64;

#[test]
fn what_leaks_is_found_in_any_form() {
    let claims = r#"{"tid":"a-tenant-of-some-length","sub":"a-subject-of-some-length"}"#;
    let line = format!("Bearer eyJhbGciOiJSUzI1NiJ9.{}.AAAA", lenient_encode(claims));
    let seen = |text: &str| find([line.as_bytes()], &[], &[Written { place: "log", text }]).is_err();
    assert!(!seen("tenant_id=\"a-tenant-of-some-length\" status=401"));
    assert!(seen("subject=\"a-subject-of-some-length\""));
    assert!(seen(&format!("Claims {{ sub: {:?} }}", "a-subject-of-some")));
    assert!(seen(&format!("claims: {claims}")));
    assert!(seen(&format!("header: {line}")));
    assert!(seen(&format!("...{}...", &line[40..60])));
    assert!(seen("roles=[\"canary-bird role\"]"));
}

#[cfg(test)]
fn lenient_encode(text: &str) -> String {
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text)
}
