//! Explanations in the log: off by default, at a bounded rate, and nothing of a token but what is documented.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use mock_entra::{MockEntra, SigningKey};
use serde_json::Value;
use signalr_upstream_auth::{RejectionKind, Settings, UpstreamAuthLayer};
use support::runs::Runs;
use support::{NOON, StillClock, entra, fixed_layer, request, send};
use tower::{Layer as _, Service as _};

use crate::calls::{LateRejection, call};
use crate::log::Log;

const EVENT: &str = "WARN signalr_upstream_auth::requests: rejection explained";
const MINUTE: Duration = Duration::from_secs(60);

/// The explanation of a line of the log.
fn explanation(line: &str) -> Value {
    serde_json::from_str(line.split_once(" explanation=").unwrap().1).unwrap()
}

#[tokio::test]
async fn rejections_are_not_explained_by_default_or_with_a_pause_of_zero() {
    let log = Log::start();
    let entra = entra().await;
    let layer = fixed_layer(&entra, entra.policy());
    for layer in [layer.clone(), layer.explain_rejections(MINUTE).explain_rejections(Duration::ZERO)] {
        send(&layer, call(entra.token().expired().mint())).await.unwrap_err();
    }
    assert_eq!(log.lines("request rejected").len(), 2);
    assert!(log.lines("rejection explained").is_empty());
}

#[tokio::test]
async fn explains_one_rejection_of_each_kind_within_the_pause() {
    let log = Log::start();
    let clock = StillClock::at(NOON);
    let entra = MockEntra::builder().clock(clock.clone()).start().await;
    // A part of a second counts as a whole one.
    let layer = fixed_layer(&entra, entra.policy()).explain_rejections(Duration::from_millis(59_001));
    let reject = async |times, line: &str| {
        for _ in 0..times {
            send(&layer.clone(), request(&[line])).await.unwrap_err();
        }
    };
    reject(50, "Basic eDp5").await;
    let explained = || log.lines(EVENT);
    assert_eq!(explained().len(), 1);
    assert!(explained()[0].contains(r#"error.type="unsupported_scheme" http.response.status_code=401 explanation={"#));
    reject(50, "Bearer a").await;
    assert_eq!(explained().len(), 2, "another kind");
    clock.set(NOON + 59);
    reject(50, "Basic eDp5").await;
    assert_eq!(explained().len(), 2);
    clock.set(NOON + 60);
    reject(50, "Basic eDp5").await;
    assert_eq!(explained().len(), 3);
    assert_eq!(log.lines("request rejected").len(), 200);
}

#[tokio::test]
async fn explanation_is_the_one_of_the_validator_and_changes_no_answer() {
    let log = Log::start();
    let entra = entra().await;
    let silent = fixed_layer(&entra, entra.policy());
    let layer = silent.clone().explain_rejections(MINUTE);
    for token in [
        entra.token().audience("api://another"),
        entra.token().expired(),
        entra.token().key_id("nobody-knows"),
        entra.token().signature([7; 256]),
    ] {
        let token = token.mint();
        let answer = send(&layer, call(token.clone())).await.unwrap_err();
        let usual = send(&silent, call(token.clone())).await.unwrap_err();
        assert_eq!((answer.status(), answer.headers()), (usual.status(), usual.headers()));
        let lines = log.take("rejection explained");
        assert_eq!(lines.len(), 1);
        let expected = layer.validator().explain_headers(call(token).headers()).await;
        assert_eq!(explanation(&lines[0]), serde_json::to_value(&expected).unwrap());
    }
}

#[tokio::test]
async fn explains_after_a_wait_for_a_key_in_the_span_of_the_request_and_asks_for_no_key_again() {
    let log = Log::start();
    let entra = entra().await;
    let keys = Arc::new(LateRejection::default());
    let layer = UpstreamAuthLayer::from_keys(entra.policy(), keys.clone()).with_clock(entra.clock());
    let layer = layer.explain_rejections(MINUTE);
    let mut service = layer
        .layer(tower::service_fn(|_: Request<String>| async { Ok::<_, Infallible>(Response::new(String::new())) }));
    // Who polls is in no span.
    let span = tracing::info_span!("request", id = 7);
    let answer = span.in_scope(|| service.call(call(entra.token().mint())));
    assert_eq!(answer.await.unwrap().status(), 401);
    let lines = log.lines("rejection explained");
    assert_eq!(lines.len(), 1);
    assert!(lines[0].contains("WARN request{id=7}: signalr_upstream_auth::requests"), "{lines:?}");
    assert_eq!(explanation(&lines[0])["kind"], "unknown_key");
    assert_eq!(keys.asked(), 1);
}

#[tokio::test]
async fn explanations_show_no_part_of_a_token() {
    let log = Log::start();
    let clock = StillClock::at(NOON);
    let entra = MockEntra::builder().clock(clock.clone()).start().await;
    let layer = fixed_layer(&entra, entra.policy()).explain_rejections(Duration::from_secs(1));
    let good = entra.token().mint();
    let tokens = [
        good[..good.len() - 40].to_owned(),
        entra.token().expired().mint(),
        entra.token().delegated().mint(),
        entra.token().graph().mint(),
        entra.token().key_id("nobody-knows").mint(),
        entra.token().signed_by(&SigningKey::stranger()).mint(),
        entra.token().raw_claims("{").mint(),
        entra.token().claim("iss", "a\n2026 forged \u{1b}[2J").claim("tid", "x".repeat(9000)).mint(),
    ];
    let mut rejected = 0;
    for token in &tokens {
        for line in [
            format!("Bearer {token}"),
            token.clone(),
            format!("Bearer \"{token}\""),
            format!("Basic {token}"),
            format!("Bearer Bearer {token}"),
        ] {
            rejected += 1;
            clock.set(NOON + rejected);
            let mut request = request::<String>(&[line]);
            let query = format!("?access_token={token}");
            request.headers_mut().insert("x-asrs-client-query", query.parse().unwrap());
            request.headers_mut().insert("cookie", token.parse().unwrap());
            send(&layer, request).await.unwrap_err();
        }
        // A token in another header than the one that is read.
        rejected += 1;
        clock.set(NOON + rejected);
        let mut request = Request::new(String::new());
        request.headers_mut().insert("x-forwarded-authorization", token.parse().unwrap());
        send(&layer, request).await.unwrap_err();
    }
    let text = log.text();
    assert_eq!(u64::try_from(log.lines(EVENT).len()).unwrap(), rejected);
    for token in &tokens {
        assert_eq!(Runs::of(token.split('.')).first_in(&text), None, "of a token is in the log");
    }
    assert!(!text.contains('\u{1b}') && !text.lines().any(|line| line.starts_with("2026")));
    assert!(text.lines().all(|line| line.len() < 8000));
}

#[tokio::test]
async fn layer_without_a_service_explains_rejections_and_returns_them() {
    let log = Log::start();
    let entra = entra().await;
    let layer = fixed_layer(&entra, entra.policy()).explain_rejections(MINUTE);
    let [good, bad] = [entra.token(), entra.token().expired()].map(|token| call(token.mint()));
    assert_eq!(layer.validate(good.headers()).await.unwrap().object_id(), entra.caller_object_id());
    assert!(log.lines("rejection explained").is_empty());
    for _ in 0..2 {
        assert_eq!(layer.validate(bad.headers()).await.unwrap_err().kind(), RejectionKind::Expired);
    }
    assert_eq!(log.lines("request rejected").len(), 2);
    let lines = log.lines(EVENT);
    assert_eq!(lines.len(), 1);
    assert_eq!(explanation(&lines[0])["kind"], "expired");
}

#[tokio::test]
async fn setting_switches_explanations_on() {
    let log = Log::start();
    let layer = |seconds: &str| {
        let vars = [
            ("TENANT_IDS", "11111111-aaaa-4bbb-8ccc-222222222222"),
            ("AUDIENCES", "api://signalr"),
            ("CALLER_OBJECT_IDS", "77777777-4321-4cba-8fed-888888888888"),
            ("EXPLAIN_REJECTIONS_SECS", seconds),
        ];
        let vars = vars.map(|(name, value)| (format!("SIGNALR_UPSTREAM_{name}").into(), value.into()));
        Settings::from_vars(vars).unwrap().into_layer().unwrap()
    };
    for (seconds, explained) in [("86400", 1), ("0", 0)] {
        let layer = layer(seconds);
        for _ in 0..3 {
            send(&layer, request(&["Basic eDp5"])).await.unwrap_err();
        }
        assert_eq!(log.take("rejection explained").len(), explained, "{seconds}");
    }
}
