//! Finds anything of a token in responses and logs: as it was sent, or decoded.

use std::collections::{BTreeMap, HashMap, HashSet};

use aho_corasick::{AhoCorasick, AhoCorasickKind};
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

/// Texts, to find what another text has in common with one of them.
struct Texts<'t> {
    texts: Vec<&'t [u8]>,
    /// For each pattern of `blocks` the texts and the places in them.
    places: Vec<Vec<(usize, usize)>>,
    /// Every second half of a run: whatever has a run in common with a text has one of these in common with it.
    blocks: AhoCorasick,
}

impl<'t> Texts<'t> {
    fn of(texts: Vec<&'t [u8]>) -> Self {
        let mut places: BTreeMap<&[u8], Vec<_>> = BTreeMap::new();
        for (number, text) in texts.iter().enumerate() {
            for (block, at) in text.chunks_exact(RUN / 2).zip((0..).step_by(RUN / 2)) {
                places.entry(block).or_default().push((number, at));
            }
        }
        let blocks = AhoCorasick::builder().kind(Some(AhoCorasickKind::ContiguousNFA)).build(places.keys()).unwrap();
        Self { texts, places: places.into_values().collect(), blocks }
    }

    /// Every run of [`RUN`] bytes that is in one of these texts and in the other, for each block that is in it.
    fn runs_in(&self, other: &'t [u8]) -> impl Iterator<Item = &'t [u8]> {
        self.blocks.find_overlapping_iter(other).flat_map(move |block| {
            self.places[block.pattern().as_usize()].iter().flat_map(move |(number, at)| {
                let (before, behind) = self.texts[*number].split_at(*at);
                let (other_before, other_behind) = other.split_at(block.start());
                let before = before.iter().rev().zip(other_before.iter().rev()).take(RUN / 2);
                let behind = behind.iter().zip(other_behind).take(RUN);
                let start = block.start() - before.take_while(|(one, other)| one == other).count();
                let end = block.start() + behind.take_while(|(one, other)| one == other).count();
                other[start..end].windows(RUN)
            })
        })
    }
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
    let allowed: HashSet<_> = shown_members.iter().chain(known).flat_map(|text| text.as_bytes().windows(RUN)).collect();
    let (encoded, decoded) = (Texts::of(sent), Texts::of(segments.iter().map(Vec::as_slice).collect()));
    for written in written {
        let text = written.text.as_bytes();
        let leak =
            |run: &[u8]| format!("`{}` of what was sent is in the {}", String::from_utf8_lossy(run), written.place);
        if let Some(run) = encoded.runs_in(text).find(|run| !is_blank(run)) {
            return Err(leak(run));
        }
        if let Some(run) = decoded.runs_in(text).find(|run| !allowed.contains(run)) {
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

/// So many bytes are found in two texts by no accident.
const RUN: usize = 12;

/// So many bytes of a claim may be shown.
const SHOWN_LENGTH: usize = 64;

#[test]
fn finds_leaks_in_any_form() {
    let claims = r#"{"tid":"a-tenant-of-some-length","sub":"a-subject-of-some-length"}"#;
    let line = format!("Bearer eyJhbGciOiJSUzI1NiJ9.{}.AAAA", lenient_encode(claims));
    let seen = |text: &str| find([line.as_bytes()], &[], &[Written { place: "log", text }]).is_err();
    assert!(!seen("tenant_id=\"a-tenant-of-some-length\" status=401"));
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
