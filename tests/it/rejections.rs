//! The requests that get each kind of rejection, with the whole response, and the order of the checks: the first one
//! that fails decides.

use std::collections::BTreeSet;
use std::sync::Arc;

use http::header::{AUTHORIZATION, CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, Response};
use mock_entra::{Jwk, MockEntra, SigningKey, TokenBuilder};
use signalr_upstream_auth::clock::{Clock, UnixTime};
use signalr_upstream_auth::explain::CheckState;
use signalr_upstream_auth::keys::{KeyError, KeyFuture, KeyId, KeySource, Lookup, VerificationKey};
use signalr_upstream_auth::{CheckName, RejectionKind, TenantId, TokenVersion, UpstreamAuthLayer};
use support::runs::Runs;
use support::{NOON, StillClock, entra, fixed_layer, kind, request, send};

use RejectionKind as K;
use TokenVersion::{V1, V2};

/// The kind, its status and error code as sent, and the requests that earn it.
type Kind = (K, u16, Option<&'static str>, fn(&Fixture) -> Vec<Case>);

/// A layer and the `Authorization` lines sent through it.
struct Case {
    layer: UpstreamAuthLayer,
    lines: Vec<String>,
}

const KINDS: &[Kind] = &[
    (K::AlgorithmNotAllowed, 401, Some("invalid_token"), |fixture| {
        let algorithms = ["none", "HS256", "PS256", "RS384"];
        let unusual = ["rs256", "RS256 ", ""].map(|name| fixture.token().header("alg", name));
        fixture.tokens(algorithms.map(|name| fixture.token().algorithm(name)).into_iter().chain(unusual))
    }),
    (K::CallerNotAllowed, 403, Some("insufficient_scope"), |fixture| {
        let stranger = "aaaaaaaa-0000-4000-8000-000000000001";
        let (object, client) = (stranger.parse().unwrap(), stranger.parse().unwrap());
        fixture.tokens([fixture.token().caller(object, client), fixture.token().v2().caller(object, client)])
    }),
    (K::ClockUnavailable, 503, None, |fixture| {
        let layer = fixture.layer().with_clock(StillClock::at(u64::MAX));
        vec![Case { layer, lines: vec![format!("Bearer {}", fixture.token().mint())] }]
    }),
    (K::CriticalHeader, 401, Some("invalid_token"), |fixture| {
        fixture.tokens([
            fixture.token().header("crit", ["exp"]),
            fixture.token().header("crit", [""; 0]),
            fixture.token().header("b64", false),
            fixture.token().header("enc", "A256GCM"),
            fixture.token().header("zip", "DEF"),
        ])
    }),
    (K::DelegatedToken, 403, Some("insufficient_scope"), |fixture| {
        fixture.tokens([
            fixture.token().delegated(),
            fixture.token().v2().delegated(),
            fixture.token().claim("scp", ""),
            fixture.token().claim("idtyp", "user"),
            fixture.token().claim("idtyp", "device"),
            fixture.token().claim("sub", "pairwise-subject"),
        ])
    }),
    (K::DuplicateMember, 401, Some("invalid_token"), |fixture| {
        fixture.tokens([
            fixture.token().duplicate_claim("aud", fixture.entra.audience_client_id().to_string()),
            fixture.token().duplicate_claim("tid", fixture.entra.tenant().to_string()),
            fixture.token().duplicate_claim("never_read", 1).duplicate_claim("never_read", 1),
            fixture.token().duplicate_claim("TID", fixture.entra.tenant().to_string()),
            fixture.token().duplicate_header("alg", "RS256"),
            fixture.token().duplicate_header("kid", fixture.entra.signing_key().key_id().as_str()),
        ])
    }),
    (K::EncryptedToken, 401, Some("invalid_token"), |fixture| fixture.line("Bearer e30.AAAA.AAAA.AAAA.AAAA")),
    (K::Expired, 401, Some("invalid_token"), |fixture| {
        fixture.tokens([fixture.token().expired(), fixture.token().expires_at(UnixTime::from_secs(NOON - 300))])
    }),
    (K::ForeignCloudKey, 401, Some("invalid_token"), |fixture| {
        fixture.key(|key| Jwk::from(key).member("cloud_instance_name", "microsoftonline.us"))
    }),
    (K::ForeignIssuerKey, 401, Some("invalid_token"), |fixture| {
        let personal = fixture.entra.issuer("9188040d-6c67-4c5b-b112-36a304b66dad".parse().unwrap(), V2);
        [personal, "https://login.microsoftonline.us/{tenantid}/v2.0".to_owned()]
            .into_iter()
            .flat_map(|issuer| fixture.key(|key| Jwk::from(key).member("issuer", issuer)))
            .collect()
    }),
    (K::RevokedKey, 401, Some("invalid_token"), |fixture| fixture.answering(KeyError::revoked)),
    (K::GraphToken, 401, Some("invalid_token"), |fixture| {
        fixture.tokens([
            fixture.token().graph(),
            fixture.token().audience("https://graph.microsoft.com"),
            fixture.token().v2().audience("00000003-0000-0000-c000-000000000000"),
            // An audience of ours, but a signature over another nonce.
            fixture.token().header("nonce", "n").signature([7; 256]),
            fixture.token().header("nonce", "n").audience("api://somebody-else"),
        ])
    }),
    (K::InvalidSignature, 401, Some("invalid_token"), |fixture| {
        let stranger = SigningKey::stranger().with_key_id(fixture.entra.signing_key().key_id().clone());
        fixture.tokens([
            fixture.token().signed_by(&stranger),
            fixture.token().signature([0; 256]),
            fixture.token().signature([0xff; 256]),
            fixture.token().signature([7; 255]),
            fixture.token().signature([7; 257]),
            fixture.token().signature([]),
        ])
    }),
    (K::IssuedInFuture, 401, Some("invalid_token"), |fixture| {
        fixture.tokens([fixture.token().claim("iat", NOON + 301)])
    }),
    (K::KeysUnavailable, 503, None, |fixture| fixture.answering(|| KeyError::unavailable("down"))),
    (K::MalformedClaims, 401, Some("invalid_token"), |fixture| {
        fixture.tokens([
            fixture.token().claim("exp", "1800000000"),
            fixture.token().claim("exp", 1.8e9),
            fixture.token().claim("nbf", None::<u8>),
            fixture.token().claim("aud", [1]),
            fixture.token().claim("iss", [fixture.entra.issuer(fixture.entra.tenant(), V1)]),
            fixture.token().claim("roles", 7),
            fixture.token().claim("scp", ["a"]),
            fixture.token().claim("oid", 7),
            // Checked only after the signature, for who sent it is not known before.
            fixture.token().claim("oid", "not-a-guid").claim("sub", "not-a-guid"),
        ])
    }),
    (K::MalformedCredentials, 400, Some("invalid_request"), |fixture| {
        ["Bearer", "Bearer a b", "Bearer a,b", "Bearer\ta", "Bearer \"a\""]
            .iter()
            .flat_map(|line| fixture.line(line))
            .collect()
    }),
    (K::MalformedHeader, 401, Some("invalid_token"), |fixture| {
        fixture.tokens([
            fixture.token().without_header("alg"),
            fixture.token().header("alg", ["RS256"]),
            fixture.token().header("kid", 7),
            fixture.token().header("kid", "k".repeat(257)),
            fixture.token().header("typ", None::<u8>),
        ])
    }),
    (K::MalformedToken, 401, Some("invalid_token"), |fixture| {
        let good = fixture.token().mint();
        let (signed, signature) = good.rsplit_once('.').unwrap();
        ["a", "a.b", "e30.e30.AAAA.AAAA", "e30.e30.AA=="]
            .map(|token| fixture.line(&format!("Bearer {token}")))
            .into_iter()
            .flatten()
            .chain(fixture.line(&format!("Bearer {good}.")))
            .chain(fixture.line(&format!("Bearer {signed}.{signature}=")))
            .chain(fixture.tokens([
                fixture.token().raw_claims("[]"),
                fixture.token().raw_claims("{"),
                fixture.token().raw_claims("null"),
                fixture.token().raw_header("\"RS256\""),
            ]))
            .collect()
    }),
    (K::MissingClaim, 401, Some("invalid_token"), |fixture| {
        let names = ["ver", "tid", "iss", "aud", "exp", "oid", "sub"];
        fixture.tokens(names.map(|name| fixture.token().without_claim(name)))
    }),
    (K::MissingCredentials, 401, None, |fixture| {
        let mut cases = fixture.line("");
        cases.push(Case { layer: fixture.layer(), lines: Vec::new() });
        cases
    }),
    (K::MissingKeyId, 401, Some("invalid_token"), |fixture| {
        fixture.tokens([fixture.token().without_header("kid"), fixture.token().header("kid", "")])
    }),
    (K::MissingRole, 403, Some("insufficient_scope"), |fixture| {
        let policy = fixture.entra.policy_builder().required_roles(["Upstream.Call"]).build().unwrap();
        let layer = fixed_layer(&fixture.entra, policy);
        let other = ["Other", "upstream.call", "Upstream.Call.Not"].map(|role| fixture.token().roles([role]));
        let tokens = other.into_iter().chain([fixture.token()]);
        tokens.map(|token| Case { layer: layer.clone(), lines: vec![format!("Bearer {}", token.mint())] }).collect()
    }),
    (K::MultipleCredentials, 400, Some("invalid_request"), |fixture| {
        let good = format!("Bearer {}", fixture.token().mint());
        [[good.clone(), good.clone()], [good, "Basic eDp5".to_owned()]]
            .map(|lines| Case { layer: fixture.layer(), lines: lines.to_vec() })
            .into()
    }),
    (K::NotYetValid, 401, Some("invalid_token"), |fixture| {
        fixture.tokens([fixture.token().not_before(UnixTime::from_secs(NOON + 301))])
    }),
    (K::TokenTooLarge, 401, Some("invalid_token"), |fixture| {
        let good = fixture.token().claim("padding", "x".repeat(16_384)).mint();
        [format!("Bearer {good}"), format!("Bearer {}", ",".repeat(16_384))]
            .iter()
            .flat_map(|line| fixture.line(line))
            .collect()
    }),
    (K::UnknownKey, 401, Some("invalid_token"), |fixture| {
        fixture.tokens([fixture.token().key_id("nobody-knows"), fixture.token().signed_by(&SigningKey::stranger())])
    }),
    (K::UnsupportedScheme, 401, None, |fixture| {
        ["Basic eDp5", "Negotiate", "BearerX abc"].iter().flat_map(|line| fixture.line(line)).collect()
    }),
    (K::UnsupportedType, 401, Some("invalid_token"), |fixture| {
        fixture.tokens([fixture.token().header("typ", "id+jwt"), fixture.token().header("typ", "")])
    }),
    (K::UnsupportedVersion, 401, Some("invalid_token"), |fixture| {
        fixture.tokens(["1", "2", "3.0", ""].map(|version| fixture.token().claim("ver", version)))
    }),
    (K::UnusableKey, 401, Some("invalid_token"), |fixture| {
        [("use", "enc"), ("alg", "RS512"), ("kty", "EC"), ("e", "Aw")]
            .into_iter()
            .flat_map(|(name, value)| fixture.key(|key| Jwk::from(key).member(name, value)))
            .collect()
    }),
    (K::ValidityReversed, 401, Some("invalid_token"), |fixture| {
        let time = |seconds| UnixTime::from_secs(seconds);
        fixture.tokens([
            fixture.token().not_before(time(NOON + 100)).expires_at(time(NOON + 99)),
            fixture.token().claim("iat", NOON + 100).expires_at(time(NOON + 99)).without_claim("nbf"),
        ])
    }),
    (K::WrongAudience, 401, Some("invalid_token"), |fixture| {
        let ours = fixture.entra.audience_client_id().to_string();
        fixture.tokens([
            fixture.token().audience("api://somebody-else"),
            fixture.token().audience("44444444-dddd-4eee-8fff-444444444444"),
            fixture.token().audience(""),
            fixture.token().v2().audience(format!("api://{ours}")),
            fixture.token().claim("aud", [ours.clone(), "api://somebody-else".to_owned()]),
            fixture.token().claim("aud", [ours.clone(), ours]),
            fixture.token().claim("aud", [""; 0]),
        ])
    }),
    (K::WrongIssuer, 401, Some("invalid_token"), |fixture| {
        let (tenant, other) = (fixture.entra.tenant(), OTHER_TENANT.parse().unwrap());
        let (v1, v2) = (fixture.entra.issuer(tenant, V1), fixture.entra.issuer(tenant, V2));
        fixture.tokens([
            // `tid` and `iss` of two tenants, `ver` and `iss` of two versions.
            fixture.token().issuer(fixture.entra.issuer(other, V1)),
            fixture.token().issuer(&v2),
            fixture.token().v2().issuer(&v1),
            fixture.token().issuer(v1.trim_end_matches('/')),
            fixture.token().v2().issuer(format!("{v2}/")),
            fixture.token().issuer(v1.to_uppercase()),
            fixture.token().issuer(v1.replace(&tenant.to_string(), "{tenantid}")),
            fixture.token().issuer(v1.replace(&tenant.to_string(), "common")),
            fixture.token().issuer(format!("{v1}x")),
            fixture.token().issuer(format!("x{v1}")),
            fixture.token().issuer(""),
        ])
    }),
    (K::WrongTenant, 401, Some("invalid_token"), |fixture| {
        let other: TenantId = OTHER_TENANT.parse().unwrap();
        let ours = fixture.entra.tenant().to_string();
        fixture.tokens([
            fixture.token().tenant(other),
            fixture.token().v2().tenant(other),
            fixture.token().claim("tid", OTHER_TENANT),
            fixture.token().claim("tid", ours.to_uppercase()),
            fixture.token().claim("tid", format!("{{{ours}}}")),
            fixture.token().claim("tid", "common"),
            fixture.token().claim("tid", ""),
        ])
    }),
];

#[tokio::test]
async fn answers_each_kind_with_its_status_and_challenge() {
    let fixture = Fixture::new().await;
    for (expected, status, code, cases) in KINDS {
        for (number, case) in cases(&fixture).into_iter().enumerate() {
            let lines = case.lines.clone();
            let response = send(&case.layer, request(&lines)).await.expect_err("rejected");
            assert_eq!(kind(&response), *expected, "{expected}, case {number}");
            assert_answer(&response, *expected, *status, *code);
            assert_nothing_is_echoed(&response, &lines);
        }
    }
}

#[test]
fn every_kind_has_its_cases() {
    let listed: BTreeSet<_> = KINDS.iter().map(|(kind, ..)| *kind).collect();
    let missing: Vec<_> = RejectionKind::ALL.iter().filter(|kind| !listed.contains(kind)).collect();
    assert!(missing.is_empty(), "no cases for {missing:?}");
    assert_eq!(listed.len(), KINDS.len(), "a kind is listed twice");
}

#[tokio::test]
async fn good_tokens_pass_the_same_layer() {
    let fixture = Fixture::new().await;
    for token in [
        fixture.token(),
        fixture.token().v2(),
        fixture.token().header("nonce", "n"),
        fixture.token().without_header("typ"),
        fixture.token().header("typ", "application/at+jwt"),
        fixture.token().header("jku", "https://evil.example").header("x5u", "https://evil.example"),
        fixture.token().claim("aud", [fixture.entra.audience_client_id().to_string()]),
        fixture.token().claim("idtyp", "app"),
        fixture.token().without_claim("nbf").without_claim("iat"),
        fixture.token().issued_at(UnixTime::from_secs(NOON - 900)).expires_at(UnixTime::from_secs(NOON - 299)),
        fixture.token().claim("roles", "Upstream.Call"),
        fixture.token().claim("unknown", serde_json::json!({"a": [null, 1.5, {"a": 1}]})),
    ] {
        for case in fixture.tokens([token]) {
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
        (K::AlgorithmNotAllowed, |token| token.algorithm("none")),
        (K::CriticalHeader, |token| token.header("crit", ["x"])),
        (K::UnsupportedType, |token| token.header("typ", "id+jwt")),
        (K::MissingKeyId, |token| token.header("kid", "")),
        (K::MalformedToken, |token| token.raw_claims("[]")),
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
    assert_rows_in_order(stages.iter().map(|(kind, _)| *kind));
    let fixture = Fixture::new().await;
    let policy = fixture.entra.policy_builder().required_roles(["Upstream.Call"]).build().unwrap();
    let layer = fixed_layer(&fixture.entra, policy);
    for (first, (expected, _)) in stages.iter().enumerate() {
        // A later spoiling of the same member would undo an earlier one, so the earliest is applied last.
        let token = stages[first..].iter().rev().fold(fixture.token(), |token, (_, spoil)| spoil(token));
        assert_eq!(support::rejection(&layer, &token.mint()).await, Some(*expected));
    }
    // Before the token is looked at: two lines, then another scheme, then the size.
    let large = ",".repeat(20_000);
    let credentials = [
        (K::MultipleCredentials, vec![format!("Basic {large}"), format!("Bearer {large}")]),
        (K::UnsupportedScheme, vec![format!("Basic {large}")]),
        (K::TokenTooLarge, vec![format!("Bearer {large}")]),
        (K::MalformedCredentials, vec!["Bearer a,b".to_owned()]),
    ];
    assert_rows_in_order(credentials.iter().map(|(kind, _)| *kind));
    for (expected, lines) in credentials {
        assert_eq!(kind(&send(&layer, request(&lines)).await.unwrap_err()), expected);
    }
}

#[tokio::test]
async fn of_a_repeated_name_and_a_wrong_type_the_first_in_the_text_decides() {
    let fixture = Fixture::new().await;
    let rejection = async |token: TokenBuilder| support::rejection(&fixture.layer(), &token.mint()).await;
    let header = |text: &str| fixture.token().raw_header(text);
    assert_eq!(rejection(header(r#"{"kid":"a","kid":"b","alg":1}"#)).await, Some(K::DuplicateMember));
    assert_eq!(rejection(header(r#"{"alg":1,"kid":"a","kid":"b"}"#)).await, Some(K::MalformedHeader));
    assert_eq!(rejection(header(r#"{"alg":1,"kid":"a","kid":"b""#)).await, Some(K::MalformedToken));
    let claims = |text: &str| fixture.token().raw_claims(text);
    assert_eq!(rejection(claims(r#"{"ver":"1.0","ver":"1.0","exp":""}"#)).await, Some(K::DuplicateMember));
    assert_eq!(rejection(claims(r#"{"exp":"","ver":"1.0","ver":"1.0"}"#)).await, Some(K::MalformedClaims));
}

#[tokio::test]
async fn several_audiences_and_a_nonce_are_a_token_of_graph() {
    let fixture = Fixture::new().await;
    let token = fixture.token().claim("aud", ["api://one", "api://another"]);
    assert_eq!(support::rejection(&fixture.layer(), &token.clone().mint()).await, Some(K::WrongAudience));
    assert_eq!(support::rejection(&fixture.layer(), &token.header("nonce", "x").mint()).await, Some(K::GraphToken));
}

/// The guide's page lists these rejections in this order.
fn assert_rows_in_order(kinds: impl Iterator<Item = K>) {
    let mut rows = support::checks::rows().into_iter();
    for expected in kinds {
        assert!(rows.any(|(_, kind)| kind == expected), "{expected} is at another place of the page");
    }
}

#[test]
fn the_guide_has_every_check_in_order_with_every_rejection() {
    let rows = support::checks::rows();
    assert!(rows.is_sorted_by_key(|(check, _)| *check));
    let checks: BTreeSet<_> = rows.iter().map(|(check, _)| *check).collect();
    assert!(checks.iter().eq(&CheckName::ALL), "{checks:?}");
    let kinds: BTreeSet<_> = rows.iter().map(|(_, kind)| kind).collect();
    assert!(kinds.into_iter().eq(RejectionKind::ALL));
}

#[tokio::test]
async fn explanation_gives_the_same_reason_and_shows_one_failed_check() {
    let fixture = Fixture::new().await;
    for (expected, _, _, cases) in KINDS {
        for (number, case) in cases(&fixture).into_iter().enumerate() {
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

/// What the advice on a kind says, word for word: each case gets one of the texts, and each text is for some case.
const ADVICE: &[(K, &[&str])] = &[
    (K::AlgorithmNotAllowed, &["Entra signs its access tokens with RS256 and nothing else."]),
    (K::CallerNotAllowed, &["The token is sound, but its caller is another identity: object id aaaaaaaa-"]),
    (K::ClockUnavailable, &["The clock of this machine cannot be read or stands before 1970. Set it."]),
    (K::CriticalHeader, &["Send the access token that SignalR sends, not an id token, a refresh token"]),
    (K::DelegatedToken, &["it has `scp`", "`idtyp` is `user`", "`idtyp` is `device`", "`sub` is not `oid`"]),
    (K::DuplicateMember, &["names a member twice (or `tid` in two spellings). Entra never does"]),
    (K::EncryptedToken, &["The token is encrypted. The app registration must not have token encryption configured"]),
    (K::Expired, &["If SignalR has sent it just now, the clock of this machine is fast by"]),
    (K::ForeignCloudKey, &["signed with a key of another cloud, `microsoftonline.us`"]),
    (K::ForeignIssuerKey, &["The key belongs to another issuer of the same key document, such as personal"]),
    (K::RevokedKey, &["The key was revoked in this process with `RemoteKeys::revoke`."]),
    (K::GraphToken, &["This is a token for Microsoft Graph, which nobody but Graph can verify."]),
    (
        K::InvalidSignature,
        &["The signature does not hold: the token was changed or cut on its way, or it was not signed"],
    ),
    (K::IssuedInFuture, &["The token is issued only 5 minutes from now"]),
    (K::KeysUnavailable, &["The keys are unavailable, so the token cannot be checked"]),
    (
        K::MalformedClaims,
        &[
            "A claim has another JSON type than Entra gives it: texts for ids and issuer",
            "`oid` is not a GUID in lower case, so Entra did not write it for a service principal.",
        ],
    ),
    (
        K::MalformedCredentials,
        &[
            "After `Bearer` there is no token.",
            "There is a blank or a line end in the token or after it.",
            "After `Bearer` there are characters that no token has.",
            "There are quotation marks around the token.",
        ],
    ),
    (K::MalformedHeader, &["The token's header is not one that Entra writes for an access token."]),
    (K::MalformedToken, &["This is no JSON Web Token of three segments, or it was cut or changed on its way."]),
    (K::MissingClaim, &["no `ver`,", "no `tid`,", "no `iss`,", "no `aud`,", "no `exp`,", "no `oid`,", "no `sub`,"]),
    (K::MissingCredentials, &["The request carries no token."]),
    (K::MissingKeyId, &["The token's header is not one that Entra writes for an access token."]),
    (K::MissingRole, &["The caller lacks a required role: one of Upstream.Call is required"]),
    (K::MultipleCredentials, &["The request has more than one Authorization header. SignalR sends one"]),
    (K::NotYetValid, &["The token is valid only 5 minutes from now"]),
    (K::TokenTooLarge, &["The credentials are larger than any token of Entra for a managed identity."]),
    (K::UnknownKey, &["No key document of the tenant lists the key `"]),
    (K::UnsupportedScheme, &["has the scheme Basic", "has another scheme than Bearer", "has the scheme BearerX"]),
    (K::UnsupportedType, &["The token's header is not one that Entra writes for an access token."]),
    (K::UnsupportedVersion, &["`ver` is neither 1.0 nor 2.0."]),
    (K::UnusableKey, &["The tenant's key document lists this key, but not as one that may verify RS256."]),
    (K::ValidityReversed, &["The token ends before it begins. Entra does not issue such tokens."]),
    (
        K::WrongAudience,
        &[
            "The token has the App ID URI `api://somebody-else` as its audience",
            "The token is for another audience, `",
            "The audience is the App ID URI `",
            "The token names no audience or several.",
        ],
    ),
    (
        K::WrongIssuer,
        &[
            "The issuer is not the one that Entra writes for this tenant, version and cloud.",
            "Both versions are accepted, a mixture is not",
            "The issuer differs in a trailing slash only",
        ],
    ),
    (K::WrongTenant, &["The token was issued by another tenant, ", "no GUID in lower case. Entra did not write that."]),
];

#[tokio::test]
async fn each_kind_has_its_own_advice() {
    let fixture = Fixture::new().await;
    for (kind, _, _, cases) in KINDS {
        let (_, texts) = ADVICE.iter().find(|(listed, _)| listed == kind).expect("advice on each kind");
        let mut unseen: BTreeSet<_> = texts.iter().collect();
        for case in cases(&fixture) {
            let request = request::<String>(&case.lines);
            let explanation = case.layer.validator().explain_headers(request.headers()).await;
            let advice = explanation.advice().collect::<Vec<_>>().join("\n");
            let found: Vec<_> = texts.iter().filter(|text| advice.contains(**text)).collect();
            assert!(!found.is_empty(), "{kind}: {advice}");
            unseen.retain(|text| !found.contains(text));
        }
        assert!(unseen.is_empty(), "{kind}: no case is told {unseen:?}");
    }
}

#[tokio::test]
async fn answers_of_one_kind_are_equal() {
    let fixture = Fixture::new().await;
    for (expected, _, _, cases) in KINDS {
        let mut answers = Vec::new();
        for case in cases(&fixture) {
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
        (_, None) => Some("Bearer realm=\"signalr-upstream\"".to_owned()),
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
    assert_eq!(Runs::of(lines).first_in(&sent), None, "{sent}");
}

/// A mock Entra and the layer that accepts its tokens.
struct Fixture {
    entra: MockEntra,
}

impl Fixture {
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

    /// A good token whose key is unavailable, for the reason given.
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
    fn lookup(&self, _: TenantId, _: &KeyId, _: UnixTime) -> Lookup {
        if self.at_once { Lookup::Rejected((self.error)()) } else { Lookup::Miss }
    }

    fn resolve(&self, _: TenantId, _: &KeyId) -> KeyFuture<Result<VerificationKey, KeyError>> {
        let error = (self.error)();
        Box::pin(async move { Err(error) })
    }
}

/// The clock of the fixture is the mock's.
#[tokio::test]
async fn clock_of_the_fixture_stands_at_noon() {
    let fixture = Fixture::new().await;
    let clock: Arc<dyn Clock> = fixture.entra.clock();
    assert_eq!(clock.now(), Some(UnixTime::from_secs(NOON)));
}

const OTHER_TENANT: &str = "11111111-aaaa-4bbb-8ccc-999999999999";
