//! One row for each kind of rejection: the request that earns it, and everything of its answer. And the
//! order of the checks: the first that fails decides.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot be set up should stop")]

mod common;

use std::collections::BTreeSet;
use std::sync::Arc;

use common::{NOON, StillClock, entra, fixed_layer, kind, request, send};
use http::header::{AUTHORIZATION, CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, Response};
use mock_entra::{Jwk, MockEntra, SigningKey, TokenBuilder};
use signalr_upstream_auth::clock::{Clock, UnixTime};
use signalr_upstream_auth::explain::CheckState;
use signalr_upstream_auth::keys::{KeyError, KeyFuture, KeyId, KeySource, Lookup, VerificationKey};
use signalr_upstream_auth::{RejectionKind, TenantId, TokenVersion, UpstreamAuthLayer};

use RejectionKind as K;
use TokenVersion::{V1, V2};

/// A row: the kind, its status and error code as sent, and the requests that earn it.
type Row = (K, u16, Option<&'static str>, fn(&Bench) -> Vec<Case>);

/// A layer and the `Authorization` lines sent through it.
struct Case {
    layer: UpstreamAuthLayer,
    lines: Vec<String>,
}

const ROWS: &[Row] = &[
    (K::AlgorithmNotAllowed, 401, Some("invalid_token"), |bench| {
        let algorithms = ["none", "HS256", "PS256", "RS384"];
        let unusual = ["rs256", "RS256 ", ""].map(|name| bench.token().header("alg", name));
        bench.tokens(algorithms.map(|name| bench.token().algorithm(name)).into_iter().chain(unusual))
    }),
    (K::CallerNotAllowed, 403, Some("insufficient_scope"), |bench| {
        let stranger = "aaaaaaaa-0000-4000-8000-000000000001";
        let (object, client) = (stranger.parse().unwrap(), stranger.parse().unwrap());
        bench.tokens([bench.token().caller(object, client), bench.token().v2().caller(object, client)])
    }),
    (K::ClockUnavailable, 503, None, |bench| {
        let layer = bench.layer().with_clock(StillClock::at(u64::MAX));
        vec![Case { layer, lines: vec![format!("Bearer {}", bench.token().mint())] }]
    }),
    (K::CriticalHeader, 401, Some("invalid_token"), |bench| {
        bench.tokens([
            bench.token().header("crit", ["exp"]),
            bench.token().header("crit", [""; 0]),
            bench.token().header("b64", false),
            bench.token().header("enc", "A256GCM"),
            bench.token().header("zip", "DEF"),
        ])
    }),
    (K::DelegatedToken, 403, Some("insufficient_scope"), |bench| {
        bench.tokens([
            bench.token().delegated(),
            bench.token().v2().delegated(),
            bench.token().claim("scp", ""),
            bench.token().claim("idtyp", "user"),
            bench.token().claim("idtyp", "device"),
            bench.token().claim("sub", "pairwise-subject"),
        ])
    }),
    (K::DuplicateMember, 401, Some("invalid_token"), |bench| {
        bench.tokens([
            bench.token().duplicate_claim("aud", bench.entra.audience_client_id().to_string()),
            bench.token().duplicate_claim("tid", bench.entra.tenant().to_string()),
            bench.token().duplicate_claim("never_read", 1).duplicate_claim("never_read", 1),
            bench.token().duplicate_claim("TID", bench.entra.tenant().to_string()),
            bench.token().duplicate_header("alg", "RS256"),
            bench.token().duplicate_header("kid", bench.entra.signing_key().key_id().as_str()),
        ])
    }),
    (K::EncryptedToken, 401, Some("invalid_token"), |bench| bench.line("Bearer e30.AAAA.AAAA.AAAA.AAAA")),
    (K::Expired, 401, Some("invalid_token"), |bench| {
        bench.tokens([bench.token().expired(), bench.token().expires_at(UnixTime::from_secs(NOON - 301))])
    }),
    (K::ForeignCloudKey, 401, Some("invalid_token"), |bench| {
        bench.key(|key| Jwk::from(key).member("cloud_instance_name", "microsoftonline.us"))
    }),
    (K::ForeignIssuerKey, 401, Some("invalid_token"), |bench| {
        let personal = bench.entra.issuer("9188040d-6c67-4c5b-b112-36a304b66dad".parse().unwrap(), V2);
        [personal, "https://login.microsoftonline.us/{tenantid}/v2.0".to_owned()]
            .into_iter()
            .flat_map(|issuer| bench.key(|key| Jwk::from(key).member("issuer", issuer)))
            .collect()
    }),
    (K::RevokedKey, 401, Some("invalid_token"), |bench| bench.answering(KeyError::revoked)),
    (K::GraphToken, 401, Some("invalid_token"), |bench| {
        bench.tokens([
            bench.token().graph(),
            bench.token().audience("https://graph.microsoft.com"),
            bench.token().v2().audience("00000003-0000-0000-c000-000000000000"),
            // An audience of ours, but a signature over another nonce.
            bench.token().header("nonce", "n").signature([7; 256]),
            bench.token().header("nonce", "n").audience("api://somebody-else"),
        ])
    }),
    (K::InvalidSignature, 401, Some("invalid_token"), |bench| {
        let stranger = SigningKey::stranger().with_key_id(bench.entra.signing_key().key_id().clone());
        bench.tokens([
            bench.token().signed_by(&stranger),
            bench.token().signature([0; 256]),
            bench.token().signature([0xff; 256]),
            bench.token().signature([7; 255]),
            bench.token().signature([7; 257]),
            bench.token().signature([]),
        ])
    }),
    (K::IssuedInFuture, 401, Some("invalid_token"), |bench| bench.tokens([bench.token().claim("iat", NOON + 301)])),
    (K::KeysUnavailable, 503, None, |bench| bench.answering(|| KeyError::unavailable("down"))),
    (K::MalformedClaims, 401, Some("invalid_token"), |bench| {
        bench.tokens([
            bench.token().claim("exp", "1800000000"),
            bench.token().claim("exp", 1.8e9),
            bench.token().claim("nbf", None::<u8>),
            bench.token().claim("aud", [1]),
            bench.token().claim("iss", [bench.entra.issuer(bench.entra.tenant(), V1)]),
            bench.token().claim("roles", 7),
            bench.token().claim("scp", ["a"]),
            bench.token().claim("oid", 7),
            // Judged only after the signature, for who sent it is not known before.
            bench.token().claim("oid", "not-a-guid").claim("sub", "not-a-guid"),
        ])
    }),
    (K::MalformedCredentials, 400, Some("invalid_request"), |bench| {
        ["Bearer", "Bearer a b", "Bearer a,b", "Bearer\ta", "Bearer \"a\""]
            .iter()
            .flat_map(|line| bench.line(line))
            .collect()
    }),
    (K::MalformedHeader, 401, Some("invalid_token"), |bench| {
        bench.tokens([
            bench.token().without_header("alg"),
            bench.token().header("alg", ["RS256"]),
            bench.token().header("kid", 7),
            bench.token().header("kid", "k".repeat(257)),
            bench.token().header("typ", None::<u8>),
        ])
    }),
    (K::MalformedToken, 401, Some("invalid_token"), |bench| {
        let good = bench.token().mint();
        let (signed, signature) = good.rsplit_once('.').unwrap();
        ["a", "a.b", "e30.e30.AAAA.AAAA", "e30.e30.AA=="]
            .map(|token| bench.line(&format!("Bearer {token}")))
            .into_iter()
            .flatten()
            .chain(bench.line(&format!("Bearer {good}.")))
            .chain(bench.line(&format!("Bearer {signed}.{signature}=")))
            .chain(bench.tokens([
                bench.token().raw_claims("[]"),
                bench.token().raw_claims("{"),
                bench.token().raw_claims("null"),
                bench.token().raw_header("\"RS256\""),
            ]))
            .collect()
    }),
    (K::MissingClaim, 401, Some("invalid_token"), |bench| {
        let names = ["ver", "tid", "iss", "aud", "exp", "oid", "sub"];
        bench.tokens(names.map(|name| bench.token().without_claim(name)))
    }),
    (K::MissingCredentials, 401, None, |bench| {
        let mut cases = bench.line("");
        cases.push(Case { layer: bench.layer(), lines: Vec::new() });
        cases
    }),
    (K::MissingKeyId, 401, Some("invalid_token"), |bench| {
        bench.tokens([bench.token().without_header("kid"), bench.token().header("kid", "")])
    }),
    (K::MissingRole, 403, Some("insufficient_scope"), |bench| {
        let policy = bench.entra.policy_builder().required_roles(["Upstream.Call"]).build().unwrap();
        let layer = fixed_layer(&bench.entra, policy);
        let other = ["Other", "upstream.call", "Upstream.Call.Not"].map(|role| bench.token().roles([role]));
        let tokens = other.into_iter().chain([bench.token()]);
        tokens.map(|token| Case { layer: layer.clone(), lines: vec![format!("Bearer {}", token.mint())] }).collect()
    }),
    (K::MultipleCredentials, 400, Some("invalid_request"), |bench| {
        let good = format!("Bearer {}", bench.token().mint());
        [[good.clone(), good.clone()], [good, "Basic eDp5".to_owned()]]
            .map(|lines| Case { layer: bench.layer(), lines: lines.to_vec() })
            .into()
    }),
    (K::NotYetValid, 401, Some("invalid_token"), |bench| {
        bench.tokens([bench.token().not_before(UnixTime::from_secs(NOON + 301))])
    }),
    (K::TokenTooLarge, 401, Some("invalid_token"), |bench| {
        let good = bench.token().claim("padding", "x".repeat(16_384)).mint();
        [format!("Bearer {good}"), format!("Bearer {}", ",".repeat(16_384))]
            .iter()
            .flat_map(|line| bench.line(line))
            .collect()
    }),
    (K::UnknownKey, 401, Some("invalid_token"), |bench| {
        bench.tokens([bench.token().key_id("nobody-knows"), bench.token().signed_by(&SigningKey::stranger())])
    }),
    (K::UnsupportedScheme, 401, None, |bench| {
        ["Basic eDp5", "Negotiate", "BearerX abc"].iter().flat_map(|line| bench.line(line)).collect()
    }),
    (K::UnsupportedType, 401, Some("invalid_token"), |bench| {
        bench.tokens([bench.token().header("typ", "id+jwt"), bench.token().header("typ", "")])
    }),
    (K::UnsupportedVersion, 401, Some("invalid_token"), |bench| {
        bench.tokens(["1", "2", "3.0", ""].map(|version| bench.token().claim("ver", version)))
    }),
    (K::UnusableKey, 401, Some("invalid_token"), |bench| {
        [("use", "enc"), ("alg", "RS512"), ("kty", "EC"), ("e", "Aw")]
            .into_iter()
            .flat_map(|(name, value)| bench.key(|key| Jwk::from(key).member(name, value)))
            .collect()
    }),
    (K::ValidityReversed, 401, Some("invalid_token"), |bench| {
        let time = |seconds| UnixTime::from_secs(seconds);
        bench.tokens([bench.token().not_before(time(NOON + 100)).expires_at(time(NOON + 99))])
    }),
    (K::WrongAudience, 401, Some("invalid_token"), |bench| {
        let ours = bench.entra.audience_client_id().to_string();
        bench.tokens([
            bench.token().audience("api://somebody-else"),
            bench.token().audience("44444444-dddd-4eee-8fff-444444444444"),
            bench.token().audience(""),
            bench.token().v2().audience(format!("api://{ours}")),
            bench.token().claim("aud", [ours.clone(), "api://somebody-else".to_owned()]),
            bench.token().claim("aud", [ours.clone(), ours]),
            bench.token().claim("aud", [""; 0]),
        ])
    }),
    (K::WrongIssuer, 401, Some("invalid_token"), |bench| {
        let (tenant, other) = (bench.entra.tenant(), OTHER_TENANT.parse().unwrap());
        let (v1, v2) = (bench.entra.issuer(tenant, V1), bench.entra.issuer(tenant, V2));
        bench.tokens([
            // `tid` and `iss` of two tenants, `ver` and `iss` of two versions.
            bench.token().issuer(bench.entra.issuer(other, V1)),
            bench.token().issuer(&v2),
            bench.token().v2().issuer(&v1),
            bench.token().issuer(v1.trim_end_matches('/')),
            bench.token().v2().issuer(format!("{v2}/")),
            bench.token().issuer(v1.to_uppercase()),
            bench.token().issuer(v1.replace(&tenant.to_string(), "{tenantid}")),
            bench.token().issuer(v1.replace(&tenant.to_string(), "common")),
            bench.token().issuer(format!("{v1}x")),
            bench.token().issuer(format!("x{v1}")),
            bench.token().issuer(""),
        ])
    }),
    (K::WrongTenant, 401, Some("invalid_token"), |bench| {
        let other: TenantId = OTHER_TENANT.parse().unwrap();
        let ours = bench.entra.tenant().to_string();
        bench.tokens([
            bench.token().tenant(other),
            bench.token().v2().tenant(other),
            bench.token().claim("tid", OTHER_TENANT),
            bench.token().claim("tid", ours.to_uppercase()),
            bench.token().claim("tid", format!("{{{ours}}}")),
            bench.token().claim("tid", "common"),
            bench.token().claim("tid", ""),
        ])
    }),
];

#[tokio::test]
async fn every_kind_is_earned_and_answered_in_its_own_way() {
    let bench = Bench::new().await;
    for (expected, status, code, cases) in ROWS {
        for (number, case) in cases(&bench).into_iter().enumerate() {
            let lines = case.lines.clone();
            let response = send(&case.layer, request(&lines)).await.expect_err("rejected");
            assert_eq!(kind(&response), *expected, "{expected}, case {number}");
            assert_answer(&response, *expected, *status, *code);
            assert_nothing_is_echoed(&response, &lines);
        }
    }
}

#[test]
fn every_kind_has_a_row() {
    let rows: BTreeSet<_> = ROWS.iter().map(|(kind, ..)| *kind).collect();
    let missing: Vec<_> = RejectionKind::ALL.iter().filter(|kind| !rows.contains(kind)).collect();
    assert!(missing.is_empty(), "no row for {missing:?}");
    assert_eq!(rows.len(), ROWS.len(), "a kind has two rows");
}

#[tokio::test]
async fn good_tokens_pass_the_same_bench() {
    let bench = Bench::new().await;
    for token in [
        bench.token(),
        bench.token().v2(),
        bench.token().header("nonce", "n"),
        bench.token().without_header("typ"),
        bench.token().header("typ", "application/at+jwt"),
        bench.token().header("jku", "https://evil.example").header("x5u", "https://evil.example"),
        bench.token().claim("aud", [bench.entra.audience_client_id().to_string()]),
        bench.token().claim("idtyp", "app"),
        bench.token().without_claim("nbf").without_claim("iat"),
        bench.token().expires_at(UnixTime::from_secs(NOON - 300)).without_claim("nbf"),
        bench.token().claim("roles", "Upstream.Call"),
        bench.token().claim("unknown", serde_json::json!({"a": [null, 1.5, {"a": 1}]})),
    ] {
        for case in bench.tokens([token]) {
            let outcome = send(&case.layer, request(&case.lines)).await;
            assert!(outcome.is_ok(), "{:?}", outcome.map_err(|response| kind(&response)));
        }
    }
}

/// Each stage of the check with something that fails it. What fails at a stage is rejected for that,
/// whatever fails at later ones.
#[tokio::test]
async fn the_first_check_that_fails_decides() {
    type Spoil = fn(TokenBuilder) -> TokenBuilder;
    let stages: &[(K, Spoil)] = &[
        (K::MalformedToken, |token| token.raw_claims("[]")),
        (K::AlgorithmNotAllowed, |token| token.algorithm("none")),
        (K::CriticalHeader, |token| token.header("crit", ["x"])),
        (K::UnsupportedType, |token| token.header("typ", "id+jwt")),
        (K::MissingKeyId, |token| token.header("kid", "")),
        (K::MalformedClaims, |token| token.claim("uti", 7)),
        (K::UnsupportedVersion, |token| token.claim("ver", "3.0")),
        (K::WrongTenant, |token| token.claim("tid", OTHER_TENANT)),
        (K::WrongIssuer, |token| token.issuer("https://evil.example")),
        (K::WrongAudience, |token| token.audience("api://somebody-else")),
        (K::Expired, |token| token.claim("exp", NOON - 1000)),
        (K::NotYetValid, |token| token.claim("nbf", NOON + 1000)),
        (K::IssuedInFuture, |token| token.claim("iat", NOON + 1000)),
        (K::UnknownKey, |token| token.key_id("nobody-knows")),
        (K::InvalidSignature, |token| token.signature([7; 256])),
        (K::MissingClaim, |token| token.without_claim("oid")),
        (K::DelegatedToken, |token| token.claim("scp", "access")),
        (K::CallerNotAllowed, |token| token.claim("oid", OTHER_TENANT).claim("sub", OTHER_TENANT)),
        (K::MissingRole, |token| token),
    ];
    let bench = Bench::new().await;
    let policy = bench.entra.policy_builder().required_roles(["Upstream.Call"]).build().unwrap();
    let layer = fixed_layer(&bench.entra, policy);
    for (first, (expected, _)) in stages.iter().enumerate() {
        // A later spoiling of the same member would undo an earlier one, so the earliest is applied last.
        let token = stages[first..].iter().rev().fold(bench.token(), |token, (_, spoil)| spoil(token));
        assert_eq!(common::judge(&layer, &token.mint()).await, Some(*expected));
    }
    // Before the token is looked at: two lines, then another scheme, then the size.
    let large = ",".repeat(20_000);
    for (expected, lines) in [
        (K::MultipleCredentials, vec![format!("Basic {large}"), format!("Bearer {large}")]),
        (K::UnsupportedScheme, vec![format!("Basic {large}")]),
        (K::TokenTooLarge, vec![format!("Bearer {large}")]),
        (K::MalformedCredentials, vec!["Bearer a,b".to_owned()]),
    ] {
        assert_eq!(kind(&send(&layer, request(&lines)).await.unwrap_err()), expected);
    }
}

#[tokio::test]
async fn an_explanation_gives_the_same_reason_and_shows_one_failed_check() {
    let bench = Bench::new().await;
    for (expected, _, _, cases) in ROWS {
        for (number, case) in cases(&bench).into_iter().enumerate() {
            let request = request::<String>(&case.lines);
            let explanation = case.layer.validator().explain_headers(request.headers()).await;
            assert_eq!(explanation.outcome().unwrap_err().kind(), *expected, "case {number}");
            let states: Vec<_> = explanation.checks().iter().map(|check| check.state()).collect();
            let failed = states.iter().position(|state| *state == CheckState::Failed).expect("a failed check");
            assert!(states[..failed].iter().all(|state| *state == CheckState::Passed), "{expected}, case {number}");
            assert!(states[failed + 1..].iter().all(|state| *state == CheckState::NotReached), "{expected}");
            assert!(explanation.advice().count() > 0, "{expected}, case {number}");
        }
    }
}

#[tokio::test]
async fn answers_of_one_kind_are_equal() {
    let bench = Bench::new().await;
    for (expected, _, _, cases) in ROWS {
        let mut answers = Vec::new();
        for case in cases(&bench) {
            let response = send(&case.layer, request(&case.lines)).await.unwrap_err();
            answers.push((response.headers().clone(), response.into_body()));
        }
        assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{expected}");
    }
}

fn assert_answer(response: &Response<String>, kind: K, status: u16, code: Option<&str>) {
    let text = |headers: &HeaderMap, name| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    let headers = response.headers();
    assert_eq!((response.status().as_u16(), kind.status().as_u16()), (status, status), "{kind}");
    assert_eq!(text(headers, CACHE_CONTROL).as_deref(), Some("no-store"), "{kind}");
    assert_eq!(response.body(), "", "{kind}");
    let challenge = match (status, code) {
        (503, _) => None,
        (_, None) => Some("Bearer".to_owned()),
        (_, Some(code)) => Some(format!("Bearer error=\"{code}\", error_description=\"{}\"", kind.description())),
    };
    assert_eq!(text(headers, WWW_AUTHENTICATE), challenge, "{kind}");
    assert!(headers.get_all(WWW_AUTHENTICATE).iter().count() <= 1, "{kind}");
    let retry_after = text(headers, RETRY_AFTER).map(|seconds| seconds.parse::<u64>().unwrap());
    assert_eq!(retry_after.is_some(), status == 503, "{kind}");
    assert!(retry_after.is_none_or(|seconds| (1..=30).contains(&seconds)), "{kind}");
    assert!(headers.get(AUTHORIZATION).is_none());
}

/// No run of twelve characters of what was sent comes back, but for words that every answer has.
fn assert_nothing_is_echoed(response: &Response<String>, lines: &[String]) {
    let sent: Vec<_> = response.headers().iter().flat_map(|(_, value)| value.as_bytes().to_vec()).collect();
    let sent = String::from_utf8(sent).unwrap();
    for line in lines.iter().filter(|line| line.is_ascii()) {
        for start in 0..line.len().saturating_sub(12) {
            assert!(!sent.contains(&line[start..start + 12]), "{sent}");
        }
    }
}

/// A mock Entra and the layer that accepts its tokens.
struct Bench {
    entra: MockEntra,
}

impl Bench {
    async fn new() -> Self {
        Self { entra: entra().await }
    }

    fn token(&self) -> TokenBuilder {
        self.entra.token()
    }

    fn layer(&self) -> UpstreamAuthLayer {
        fixed_layer(&self.entra, self.entra.policy())
    }

    fn line(&self, line: &str) -> Vec<Case> {
        vec![Case { layer: self.layer(), lines: vec![line.to_owned()] }]
    }

    fn tokens(&self, tokens: impl IntoIterator<Item = TokenBuilder>) -> Vec<Case> {
        tokens.into_iter().flat_map(|token| self.line(&format!("Bearer {}", token.mint()))).collect()
    }

    /// A good token of a key that is listed with a difference.
    fn key(&self, listed: impl FnOnce(&SigningKey) -> Jwk) -> Vec<Case> {
        let key = self.entra.new_key();
        self.entra.publish(listed(&key));
        self.tokens([self.token().signed_by(&key)])
    }

    /// A good token whose key cannot be had, for the reason given.
    fn answering(&self, error: fn() -> KeyError) -> Vec<Case> {
        let layer = |keys| UpstreamAuthLayer::from_keys(self.entra.policy(), keys).with_clock(self.entra.clock());
        let lines = vec![format!("Bearer {}", self.token().mint())];
        [true, false]
            .map(|at_once| Case { layer: layer(Arc::new(NoKey { error, at_once })), lines: lines.clone() })
            .into()
    }
}

/// A key source without keys, which says so at once or only when it is asked to find out.
#[derive(Debug)]
struct NoKey {
    error: fn() -> KeyError,
    at_once: bool,
}

impl KeySource for NoKey {
    fn lookup(&self, _: &TenantId, _: &KeyId) -> Lookup {
        if self.at_once { Lookup::Rejected((self.error)()) } else { Lookup::Miss }
    }

    fn resolve(&self, _: &TenantId, _: &KeyId) -> KeyFuture<Result<VerificationKey, KeyError>> {
        let error = (self.error)();
        Box::pin(async move { Err(error) })
    }
}

/// The clock of the bench is the mock's.
#[tokio::test]
async fn the_bench_stands_at_noon() {
    let bench = Bench::new().await;
    let clock: Arc<dyn Clock> = bench.entra.clock();
    assert_eq!(clock.now(), Some(UnixTime::from_secs(NOON)));
}

const OTHER_TENANT: &str = "11111111-aaaa-4bbb-8ccc-999999999999";
