//! Random good and altered tokens, checked here and by verifiers of other ecosystems. `tests/differential/run.sh`
//! fetches those and runs this test.
//!
//! A token that we accept and another verifier rejects is a finding. The other verifiers know neither Entra's claims
//! nor the rules of this crate, so they may accept what we reject, but only for the reasons that are listed.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::{Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use mock_entra::{MockEntra, SigningKey, TokenBuilder};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use signalr_upstream_auth::{RejectionKind as K, TokenVersion};
use support::{fixed_layer, rejection};

/// What is rejected here and may be accepted elsewhere: what only this crate, or only Entra, knows.
const OURS_ALONE: &[K] = &[
    // Entra's own claims and who may call.
    K::CallerNotAllowed,
    K::DelegatedToken,
    K::GraphToken,
    K::MalformedClaims,
    K::MissingClaim,
    K::MissingRole,
    K::UnsupportedVersion,
    K::WrongTenant,
    // v1 and v2 issuers are both on the others' list; here `ver` decides.
    K::WrongIssuer,
    // Several audiences, of which one is ours.
    K::WrongAudience,
    // Stricter forms: names that come twice, other types, `zip` or `b64` without `crit`, no `kid`, size.
    K::CriticalHeader,
    K::DuplicateMember,
    K::MalformedHeader,
    K::MalformedToken,
    K::MissingKeyId,
    K::TokenTooLarge,
    K::UnsupportedType,
    // Letters that lenient decoders of base64 skip.
    K::MalformedCredentials,
    // jose looks at `iat` only where an age is limited.
    K::IssuedInFuture,
    // A token that ends before `nbf` or `iat`, when both lie within the skew.
    K::ValidityReversed,
];

/// What is rejected elsewhere and may be accepted here, with the reason.
const THEIRS_ALONE: &[(&str, &str)] = &[(
    "InvalidJTIError",
    "PyJWT reads `jti`, which Entra's tokens do not have; a claim that is not read may be anything",
)];

#[tokio::test]
#[ignore = "needs Python with PyJWT and node with jose: run tests/differential/run.sh"]
async fn nothing_is_accepted_here_that_another_verifier_rejects() {
    // On the system's clock, since the others have no other.
    let entra = MockEntra::start().await;
    let layer = fixed_layer(&entra, entra.policy());
    let count = std::env::var("DIFFERENTIAL_TOKENS").map_or(4000, |count| count.parse().unwrap());
    let tokens = tokens(&entra, count);
    let mut ours = Vec::new();
    for token in &tokens {
        // What is no header value at all never comes as far as a verifier.
        let is_sendable = token.bytes().all(|byte| (0x20..0x7f).contains(&byte) || byte >= 0x80);
        ours.push(if is_sendable { rejection(&layer, token).await } else { Some(K::MalformedCredentials) });
    }
    let accepted = ours.iter().filter(|kind| kind.is_none()).count();
    assert!(accepted * 10 > count, "only {accepted} of {count} are good");
    assert!(accepted * 10 < count * 9, "{accepted} of {count} are good");

    let tenant = entra.tenant();
    let audience = entra.audience_client_id().to_string();
    let task = json!({
        "keys": serde_json::from_str::<Value>(&entra.key_document(TokenVersion::V2)).unwrap(),
        "issuers": [entra.issuer(tenant, TokenVersion::V1), entra.issuer(tenant, TokenVersion::V2)],
        "audiences": [audience.clone(), format!("api://{audience}"), format!("api://{audience}/")],
        "leeway": 300,
        "tokens": tokens.iter().map(|token| STANDARD.encode(token)).collect::<Vec<_>>(),
    });
    for (name, program, script) in [("PyJWT", "python3", "verify.py"), ("jose", "node", "verify.mjs")] {
        let theirs = ask(program, script, &task);
        assert_eq!(theirs.len(), tokens.len());
        let mut findings = Vec::new();
        let mut agreed = 0;
        let mut stricter: BTreeMap<&str, usize> = BTreeMap::new();
        let mut unexpected = BTreeSet::new();
        for ((token, ours), theirs) in tokens.iter().zip(&ours).zip(&theirs) {
            match (ours, theirs.as_str()) {
                (None, "accepted") => {}
                (None, why) if THEIRS_ALONE.iter().any(|(reason, _)| why.starts_with(reason)) => agreed += 1,
                (None, why) => findings.push(format!("{why}: {token}")),
                (Some(kind), "accepted") => {
                    *stricter.entry(kind.as_str()).or_default() += 1;
                    if !OURS_ALONE.contains(kind) {
                        unexpected.insert(kind.as_str());
                    }
                }
                (Some(_), _) => {}
            }
        }
        println!(
            "{name}: {count} tokens, {accepted} accepted here, {} of them rejected there, {agreed} for an agreed reason",
            findings.len() + agreed
        );
        println!("{name}: rejected here alone: {stricter:?}");
        assert!(findings.is_empty(), "{name} rejects what we accept:\n{}", findings.join("\n\n"));
        assert!(unexpected.is_empty(), "{name} accepts for reasons not listed:\n{unexpected:#?}");
    }
}

/// Gives a task to another verifier. One line comes back for each token.
fn ask(program: &str, script: &str, task: &Value) -> Vec<String> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/differential");
    let program =
        std::env::var(format!("DIFFERENTIAL_{}", program.to_uppercase())).unwrap_or_else(|_| program.to_owned());
    let mut verifier = Command::new(&program)
        .arg(format!("{folder}/{script}"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    verifier.stdin.take().unwrap().write_all(task.to_string().as_bytes()).unwrap();
    let output = verifier.wait_with_output().unwrap();
    assert!(output.status.success(), "{script} failed");
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// Tokens of which a good part is accepted.
fn tokens(entra: &MockEntra, count: usize) -> Vec<String> {
    let mut runner = TestRunner::new(proptest::test_runner::Config { failure_persistence: None, ..Default::default() });
    let strategy = (
        prop::collection::vec(change(), 0..3),
        prop_oneof![3 => Just(None), 1 => edit().prop_map(Some)],
        any::<bool>(),
    );
    let mut one = || {
        let (changes, edit, is_v2) = strategy.new_tree(&mut runner).unwrap().current();
        let good = if is_v2 { entra.token().v2() } else { entra.token() };
        let token = changes.iter().fold(good, |token, change| change.apply(token, entra)).mint();
        edit.map_or_else(|| token.clone(), |edit| edit.apply(&token))
    };
    (0..count).map(|_| one()).collect()
}

/// A change of what a token says, signed along.
#[derive(Clone, Debug)]
enum Change {
    Harmless(u8),
    Header(&'static str, Value),
    WithoutHeader(&'static str),
    Claim(&'static str, Value),
    WithoutClaim(&'static str),
    Time(&'static str, i64),
    Audience(u8),
    Algorithm(&'static str),
    Key(u8),
    RawHeader(u8),
    RawClaims(u8),
    Twice(&'static str),
}

fn change() -> impl Strategy<Value = Change> {
    let headers = prop::sample::select(vec!["alg", "typ", "kid", "crit", "b64", "cty", "x", "jku", "zip", "enc"]);
    let claims = prop::sample::select(vec!["iss", "aud", "exp", "nbf", "iat", "sub", "oid", "tid", "ver", "jti", "x"]);
    let values = prop::sample::select(vec![
        Value::Null,
        json!(1),
        json!(1.5),
        json!("text"),
        json!(""),
        json!(["text"]),
        json!([]),
        json!({}),
        json!(true),
        json!("RS256"),
        json!("none"),
        json!("JWT"),
        json!(["exp"]),
    ]);
    prop_oneof![
        8 => any::<u8>().prop_map(Change::Harmless),
        2 => (headers.clone(), values.clone()).prop_map(|(name, value)| Change::Header(name, value)),
        1 => headers.prop_map(Change::WithoutHeader),
        2 => (claims.clone(), values).prop_map(|(name, value)| Change::Claim(name, value)),
        1 => claims.clone().prop_map(Change::WithoutClaim),
        3 => (prop::sample::select(vec!["exp", "nbf", "iat"]), -1000..1000_i64).prop_map(|(name, offset)| Change::Time(name, offset)),
        2 => any::<u8>().prop_map(Change::Audience),
        1 => prop::sample::select(vec!["none", "HS256", "RS384", "RS512", "PS256"]).prop_map(Change::Algorithm),
        1 => any::<u8>().prop_map(Change::Key),
        1 => any::<u8>().prop_map(Change::RawHeader),
        1 => any::<u8>().prop_map(Change::RawClaims),
        1 => claims.prop_map(Change::Twice),
    ]
}

impl Change {
    fn apply(&self, token: TokenBuilder, entra: &MockEntra) -> TokenBuilder {
        let audience = entra.audience_client_id().to_string();
        let kid = entra.signing_key().key_id().as_str().to_owned();
        match self {
            Self::Harmless(0..100) => token,
            Self::Harmless(100..150) => token.claim("unknown", json!({"a": [1, null]})),
            Self::Harmless(150..200) => token.header("typ", "at+jwt"),
            Self::Harmless(_) => token.roles(["Upstream.Call"]),
            Self::Header(name, value) => token.header(name, value),
            Self::WithoutHeader(name) => token.without_header(name),
            Self::Claim(name, value) => token.claim(name, value),
            Self::WithoutClaim(name) => token.without_claim(name),
            // Not within the few seconds that the others may come later.
            Self::Time(_, offset) if (offset.abs() - 300).abs() < 60 => token,
            Self::Time(name, offset) => {
                token.claim(name, entra.clock().now().unwrap().as_secs().saturating_add_signed(*offset))
            }
            Self::Audience(0..60) => token.audience(audience),
            Self::Audience(60..120) => token.claim("aud", [audience]),
            Self::Audience(120..180) => token.claim("aud", ["api://x".to_owned(), audience]),
            Self::Audience(_) => token.audience("api://x"),
            Self::Algorithm(name) => token.algorithm(*name),
            Self::Key(0..128) => token.signed_by(&SigningKey::stranger()),
            Self::Key(_) => token.signed_by(&SigningKey::stranger().with_key_id(kid.as_str())),
            Self::RawHeader(number) => {
                let odd = [
                    format!("{{\"alg\":\"RS256\",\"kid\":\"{kid}\"}} "),
                    format!("\u{feff}{{\"alg\":\"RS256\",\"kid\":\"{kid}\"}}"),
                    format!("{{\"alg\":\"RS256\",\"kid\":\"{kid}\"}}x"),
                    format!("[{{\"alg\":\"RS256\",\"kid\":\"{kid}\"}}]"),
                    format!("{{\"\\u0061lg\":\"RS256\",\"kid\":\"{kid}\"}}"),
                ];
                token.raw_header(odd[usize::from(*number) % odd.len()].clone())
            }
            Self::RawClaims(number) => {
                let odd = ["", "{}", "[]", "null", "1", "\"x\"", "{\"exp\":1e30}", "{\"exp\":9999999999999999999}"];
                token.raw_claims(odd[usize::from(*number) % odd.len()])
            }
            Self::Twice(name) => token.duplicate_claim(name, "x"),
        }
    }
}

/// A change of the text of a token.
#[derive(Clone, Debug)]
enum Edit {
    Replace(prop::sample::Index, u8),
    Insert(prop::sample::Index, u8),
    Remove(prop::sample::Index),
    Truncate(prop::sample::Index),
    Padding(u8),
    Standard,
    Dots(u8),
    OtherSpelling,
}

fn edit() -> impl Strategy<Value = Edit> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        (index(), 0x20..0x7f_u8).prop_map(|(at, byte)| Edit::Replace(at, byte)),
        (index(), 0x20..0x7f_u8).prop_map(|(at, byte)| Edit::Insert(at, byte)),
        index().prop_map(Edit::Remove),
        index().prop_map(Edit::Truncate),
        any::<u8>().prop_map(Edit::Padding),
        Just(Edit::Standard),
        any::<u8>().prop_map(Edit::Dots),
        Just(Edit::OtherSpelling),
    ]
}

impl Edit {
    fn apply(&self, token: &str) -> String {
        let mut bytes = token.as_bytes().to_vec();
        match self {
            Self::Replace(at, byte) => {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            Self::Insert(at, byte) => bytes.insert(at.index(bytes.len()), *byte),
            Self::Remove(at) => drop(bytes.remove(at.index(bytes.len()))),
            Self::Truncate(at) => bytes.truncate(at.index(bytes.len()).max(1)),
            Self::Padding(number) => bytes.extend(vec![b'='; usize::from(number % 3) + 1]),
            Self::Standard => bytes = token.replace('-', "+").replace('_', "/").into_bytes(),
            Self::Dots(number) => bytes.extend(vec![b'.'; usize::from(number % 3) + 1]),
            // The last letter of a signature of 256 bytes has four bits to spare.
            Self::OtherSpelling => {
                let last = bytes.pop().unwrap();
                let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
                let at = alphabet.iter().position(|letter| *letter == last).unwrap_or(0);
                bytes.push(alphabet[(at + 1) % 64]);
                assert!(URL_SAFE_NO_PAD.decode(&bytes).is_err());
            }
        }
        String::from_utf8(bytes).expect("ASCII")
    }
}
