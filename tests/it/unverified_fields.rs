//! The log without unverified fields: no event contains a value of a rejected token or of the headers of its request.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use mock_entra::{MockEntra, TokenBuilder};
use serde_json::Value;
use signalr_upstream_auth::{Settings, UpstreamAuthLayer};
use support::{NOON, StillClock, entra, fixed_layer, request, send};

use crate::calls::{LateRejection, call};
use crate::log::Log;

/// Stands in each claim, member and header of a request whose text the log can contain.
const MARK: &str = "tell-tale";
const STRANGER: &str = "aaaaaaaa-0000-4000-8000-000000000001";
const EXPLAINED: &str = "rejection explained";

/// A token for each kind of rejection that is explained with a value of the token.
fn tokens(entra: &MockEntra) -> Vec<TokenBuilder> {
    let marked = || entra.token().claim("uti", MARK);
    vec![
        marked().key_id(MARK),
        marked().header("typ", MARK),
        marked().claim("ver", MARK),
        marked().claim("tid", STRANGER),
        marked().claim("iss", MARK),
        marked().audience(MARK),
        marked().claim("idtyp", MARK),
        marked().expired(),
        marked().caller(STRANGER.parse().unwrap(), STRANGER.parse().unwrap()),
        marked().roles([MARK]),
    ]
}

/// A call of SignalR's with such a token, to a hub and an event that are marked as well.
fn marked_call(token: &TokenBuilder) -> http::Request<String> {
    let mut call = call(token.mint());
    for name in ["x-asrs-hub", "x-asrs-event"] {
        call.headers_mut().insert(name, MARK.parse().unwrap());
    }
    call
}

/// Rejects a call in every way that there is, and returns how often.
async fn reject(layer: &UpstreamAuthLayer, token: &TokenBuilder) -> usize {
    let (validator, headers) = (layer.validator(), marked_call(token).headers().clone());
    send(layer, marked_call(token)).await.unwrap_err();
    layer.validate(&headers).await.unwrap_err();
    validator.validate(&headers).await.unwrap_err();
    validator.validate_header_values([&headers["authorization"]]).await.unwrap_err();
    validator.validate_token(token.mint()).await.unwrap_err();
    5
}

fn explanations(log: &Log) -> Vec<Value> {
    let json = |line: &String| serde_json::from_str(line.split_once(" explanation=").unwrap().1).unwrap();
    log.lines(EXPLAINED).iter().map(json).collect()
}

#[tokio::test]
async fn no_event_contains_a_value_of_a_rejected_token_if_unverified_fields_are_off() {
    for is_logged in [true, false] {
        let clock = StillClock::at(NOON);
        let entra = MockEntra::builder().clock(clock.clone()).start().await;
        let policy = entra.policy_builder().required_roles(["Upstream.Call"]).build().unwrap();
        let layers = [
            fixed_layer(&entra, policy.clone()),
            UpstreamAuthLayer::from_keys(policy, Arc::new(LateRejection::default())).with_clock(entra.clock()),
        ];
        for layer in layers {
            let log = Log::start();
            let layer = layer.explain_rejections(Duration::from_secs(1)).log_unverified_fields(is_logged);
            let (mut rejected, tokens) = (0, tokens(&entra));
            for (token, second) in tokens.iter().zip(1..) {
                clock.set(NOON + second);
                rejected += reject(&layer, token).await;
            }
            let text = log.text();
            assert_eq!(log.lines("request rejected").len(), rejected);
            assert_eq!(log.lines(EXPLAINED).len(), tokens.len(), "{text}");
            for value in [MARK, STRANGER, "unverified."] {
                assert_eq!(text.contains(value), is_logged, "{value} in\n{text}");
            }
        }
    }
}

#[tokio::test]
async fn explanation_without_values_of_the_token_keeps_configuration_and_fixed_advice() {
    let log = Log::start();
    let entra = entra().await;
    let layer = fixed_layer(&entra, entra.policy()).explain_rejections(Duration::from_secs(60));
    let layer = layer.log_unverified_fields(false);
    for token in [entra.token().audience(MARK), entra.token().algorithm("none").signature([])] {
        send(&layer, marked_call(&token)).await.unwrap_err();
    }
    let [audience, algorithm] = explanations(&log).try_into().unwrap();
    assert_eq!((&audience["kind"], &audience["status"]), (&"wrong_audience".into(), &401.into()));
    for check in audience["checks"].as_array().unwrap() {
        let is_of_the_token = check["name"] != "credentials";
        assert_eq!(check["found"].is_null(), is_of_the_token, "{check}");
        assert!(!check["configured"].as_str().unwrap().is_empty());
    }
    let state = |name: &str| {
        let checks = audience["checks"].as_array().unwrap();
        checks.iter().find(|check| check["name"] == name).unwrap()["state"].clone()
    };
    assert_eq!([state("issuer"), state("audience"), state("times")], ["passed", "failed", "not_reached"]);
    assert!(audience["advice"].as_array().unwrap().is_empty(), "its sentences name the audience");
    let advice = algorithm["advice"].as_array().unwrap();
    assert!(advice[0].as_str().unwrap().contains("RS256"), "{advice:?}");
}

#[tokio::test]
async fn validator_keeps_the_choice_when_clock_or_cache_change() {
    let entra = entra().await;
    let layer = fixed_layer(&entra, entra.policy()).log_unverified_fields(false);
    let headers: HeaderMap = marked_call(&entra.token().expired()).headers().clone();
    for layer in [layer.clone().with_clock(entra.clock()), layer.with_token_cache_bytes(0)] {
        let log = Log::start();
        layer.validator().validate(&headers).await.unwrap_err();
        assert_eq!(log.lines("request rejected").len(), 1);
        assert!(!log.text().contains("unverified."), "{}", log.text());
    }
}

#[tokio::test]
async fn setting_switches_unverified_fields_off() {
    let layer = |value: Option<&str>| {
        let vars = [
            ("TENANT_IDS", "11111111-aaaa-4bbb-8ccc-222222222222"),
            ("AUDIENCES", "api://signalr"),
            ("CALLER_OBJECT_IDS", "77777777-4321-4cba-8fed-888888888888"),
        ];
        let vars = vars.into_iter().chain(value.map(|value| ("LOG_UNVERIFIED_FIELDS", value)));
        let vars = vars.map(|(name, value)| (format!("SIGNALR_UPSTREAM_{name}").into(), value.into()));
        Settings::from_vars(vars).unwrap().into_layer().unwrap()
    };
    for (value, is_logged) in [(None, true), (Some("true"), true), (Some("false"), false)] {
        let log = Log::start();
        let mut call = request::<String>(&["Basic eDp5"]);
        call.headers_mut().insert("x-asrs-hub", MARK.parse().unwrap());
        send(&layer(value), call).await.unwrap_err();
        assert_eq!(log.lines("request rejected").len(), 1);
        assert_eq!(log.text().contains(r#"unverified.hub="tell-tale""#), is_logged, "{value:?}");
    }
}
