//! The log: one event for each rejection, a summary that cannot be flooded, the user's span, and nothing of a token at
//! any level.

use mock_entra::{Endpoint, Fault, MockEntra, SigningKey};
use signalr_upstream_auth::UpstreamAuthLayer;
use signalr_upstream_auth::keys::KeySource as _;
use support::runs::Runs;
use support::{NOON, StillClock, entra, fixed_layer, request, send};
use tracing::Instrument as _;

use crate::calls::{LateRejection, call};
use crate::log::Log;

#[tokio::test]
async fn every_rejection_is_one_event_with_its_fields() {
    let log = Log::start();
    let entra = entra().await;
    let layer = fixed_layer(&entra, entra.policy());
    let token = entra.token().claim("uti", "uti-7").audience("api://somebody-else");
    for _ in 0..3 {
        send(&layer, call(token.mint())).await.unwrap_err();
    }
    let events = log.lines("request rejected");
    assert_eq!(events.len(), 3);
    let tenant = entra.tenant();
    let (object, client) = (entra.caller_object_id(), entra.caller_client_id());
    let key = entra.signing_key();
    for field in [
        "DEBUG signalr_upstream_auth::requests: request rejected error.type=\"wrong_audience\" http.response.status_code=401".to_owned(),
        format!("unverified.tenant_id=\"{tenant}\""),
        format!("unverified.object_id=\"{object}\""),
        format!("unverified.client_id=\"{client}\""),
        "unverified.version=\"1.0\"".to_owned(),
        format!("unverified.key_id=\"{}\"", key.key_id().as_str()),
        "unverified.token_id=\"uti-7\"".to_owned(),
        "unverified.hub=\"chat\"".to_owned(),
        "unverified.event=\"echo\"".to_owned(),
    ] {
        assert!(events.iter().all(|event| event.contains(&field)), "{field} is missing in {events:?}");
    }
    send(&layer, call(entra.token().mint())).await.unwrap();
    let events = log.lines("signalr_upstream_auth::requests");
    let above_trace = events.iter().filter(|event| !event.contains("TRACE"));
    assert_eq!(above_trace.count(), 4, "an accepted request is no event but the one of its signature");
}

/// The log page shows these lines as they are.
#[tokio::test]
async fn log_page_has_the_lines_of_a_rejection() {
    const PAGE: &str = include_str!("../../src/docs/events.md");
    for start in [Log::start, Log::start_json, Log::start_flat_json] {
        let log = start();
        let entra = entra().await;
        let layer = fixed_layer(&entra, entra.policy());
        let token = entra.token().key_id("kid-of-the-token").claim("uti", "uti-of-the-token").audience("api://another");
        send(&layer, call(token.mint())).await.unwrap_err();
        for message in ["request rejected", "requests are rejected"] {
            let lines = log.lines(message);
            assert_eq!(lines.len(), 1);
            assert!(PAGE.contains(&format!("\n{}\n", lines[0].trim())), "{} is not on the page", lines[0]);
        }
    }
}

#[tokio::test]
async fn logs_one_summary_in_30_seconds_for_a_flood() {
    let log = Log::start();
    let clock = StillClock::at(NOON);
    let entra = MockEntra::builder().clock(clock.clone()).start().await;
    let layer = fixed_layer(&entra, entra.policy());
    let reject = async |times, line: &str| {
        for _ in 0..times {
            send(&layer, request(&[line])).await.unwrap_err();
        }
    };
    reject(100, "Basic eDp5").await;
    let warnings = || log.lines("WARN signalr_upstream_auth::requests: requests are rejected");
    assert_eq!(warnings().len(), 1);
    assert!(warnings()[0].contains("error.type=\"unsupported_scheme\" http.response.status_code=401 count=1"));
    // Another kind is news.
    reject(1, "Bearer a").await;
    assert_eq!(warnings().len(), 2);
    clock.set(NOON + 29);
    reject(10, "Basic eDp5").await;
    assert_eq!(warnings().len(), 2);
    clock.set(NOON + 30);
    reject(10, "Basic eDp5").await;
    assert_eq!(warnings().len(), 3);
    assert!(warnings()[2].contains("count=110"), "{:?}", warnings());
    assert_eq!(log.lines("request rejected").len(), 121);
}

#[tokio::test]
async fn events_join_the_span_of_the_request_also_after_a_wait_for_a_key() {
    let log = Log::start();
    let entra = entra().await;
    let fixed = fixed_layer(&entra, entra.policy());
    let waiting = UpstreamAuthLayer::from_keys(entra.policy(), LateRejection::default()).with_clock(entra.clock());
    for (layer, spans) in [(fixed, "request{id=7}:"), (waiting, "request{id=7}:key_wait:")] {
        let token = entra.token().key_id("nobody-knows").mint();
        let span = tracing::info_span!("request", id = 7);
        send(&layer, call(token)).instrument(span).await.unwrap_err();
        let lines = log.take("request rejected");
        assert_eq!(lines.len(), 1);
        assert!(lines[0].contains(&format!("DEBUG {spans} signalr_upstream_auth::requests")), "{lines:?}");
        assert!(
            lines[0].contains("error.type=\"unknown_key\"") && lines[0].contains("unverified.key_id=\"nobody-knows\"")
        );
    }
}

#[tokio::test]
async fn token_cannot_forge_a_line_or_fill_the_log() {
    let log = Log::start();
    let entra = entra().await;
    let layer = fixed_layer(&entra, entra.policy());
    let forged = "x\n2026-01-01T00:00:00Z  INFO all is well\u{1b}[2J";
    let long = "y".repeat(5000);
    for token in [
        entra.token().claim("tid", forged).claim("uti", &long),
        entra.token().header("kid", forged).claim("oid", &long),
        entra.token().claim("ver", forged).claim("appid", &long),
    ] {
        let mut request = call(token.mint());
        request.headers_mut().insert("x-asrs-event", format!("z{long}").parse().unwrap());
        send(&layer, request).await.unwrap_err();
    }
    let text = log.text();
    assert!(!text.contains('\u{1b}') && !text.lines().any(|line| line.starts_with("2026-01-01")));
    assert!(text.contains(&"y".repeat(63)) && !text.contains(&"y".repeat(65)));
    assert!(text.lines().all(|line| line.len() < 1200));
}

#[tokio::test]
async fn no_level_shows_any_part_of_a_token() {
    let log = Log::start();
    let entra = entra().await;
    entra.fail(Endpoint::Keys, Fault::status(500));
    let remote = UpstreamAuthLayer::new(entra.policy()).unwrap().with_clock(entra.clock());
    let layers = [fixed_layer(&entra, entra.policy()), remote];
    let good = entra.token().mint();
    let tokens = [
        good.clone(),
        entra.token().v2().mint(),
        entra.token().expired().mint(),
        entra.token().delegated().mint(),
        entra.token().graph().mint(),
        entra.token().key_id("nobody-knows").mint(),
        entra.token().signed_by(&SigningKey::stranger()).mint(),
        entra.token().signature([7; 256]).mint(),
        entra.token().raw_claims("{").mint(),
        entra.token().claim("exp", "never").mint(),
        good[..good.len() - 40].to_owned(),
    ];
    for layer in &layers {
        for token in &tokens {
            for line in [
                format!("Bearer {token}"),
                token.clone(),
                format!("Bearer \"{token}\""),
                format!("Basic {token}"),
                format!("Bearer Bearer {token}"),
            ] {
                let mut request = request::<String>(&[line]);
                let query = format!("?access_token={token}");
                request.headers_mut().insert("x-asrs-client-query", query.parse().unwrap());
                let _ = send(layer, request).await;
                let _ = layer.validator().explain(token).await;
            }
        }
    }
    let text = log.text();
    assert!(text.contains("TRACE") || text.contains("DEBUG"), "the log is read at its lowest level");
    assert!(text.contains("signalr_upstream_auth::keys: keys could not be fetched"));
    for token in &tokens {
        assert_eq!(Runs::of(token.split('.')).first_in(&text), None, "of a token is in the log");
    }
}

#[tokio::test]
async fn logs_key_events_under_a_fixed_target() {
    let log = Log::start();
    let entra = entra().await;
    let keys = signalr_upstream_auth::keys::RemoteKeys::new(&entra.policy()).unwrap();
    keys.wait_for_keys().await.unwrap();
    assert_eq!(log.lines("DEBUG signalr_upstream_auth::keys: keys refreshed").len(), 1);
    entra.fail(Endpoint::Keys, Fault::status(503));
    keys.refresh_now().await.unwrap_err();
    let failed = log.lines("WARN signalr_upstream_auth::keys: keys could not be refreshed; cached keys are served");
    assert_eq!(failed.len(), 1);
    assert!(failed[0].contains(&entra.tenant().to_string()) && failed[0].contains("503"), "{failed:?}");
    entra.recover();
    keys.refresh_now().await.unwrap();
    assert_eq!(log.lines("INFO signalr_upstream_auth::keys: keys can be fetched again").len(), 1);
}

#[tokio::test]
async fn reports_dead_discovery_endpoint_once_per_change() {
    let log = Log::start();
    let entra = entra().await;
    let keys = signalr_upstream_auth::keys::RemoteKeys::new(&entra.policy()).unwrap();
    keys.wait_for_keys().await.unwrap();
    let dead = "WARN signalr_upstream_auth::keys: discovery failed; the last known address of the keys is used";
    assert!(log.lines(dead).is_empty());
    entra.fail(Endpoint::Discovery, Fault::status(500));
    for _ in 0..3 {
        keys.refresh_now().await.unwrap();
    }
    let reports = log.lines(dead);
    assert_eq!(reports.len(), 1, "{reports:?}");
    assert!(reports[0].contains(&entra.tenant().to_string()) && reports[0].contains("500"), "{reports:?}");
    entra.fail(Endpoint::Discovery, Fault::status(404));
    for _ in 0..3 {
        keys.refresh_now().await.unwrap();
    }
    assert_eq!(log.lines(dead).len(), 2, "another cause is news");
    assert!(log.lines("discovery works again").is_empty());
    entra.recover();
    keys.refresh_now().await.unwrap();
    keys.refresh_now().await.unwrap();
    assert_eq!(log.lines("INFO signalr_upstream_auth::keys: discovery works again").len(), 1);
    assert_eq!(log.lines(dead).len(), 2);
}
