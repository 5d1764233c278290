//! Explanations of the usual mistakes. An explanation agrees with the layer.

use std::time::Duration;

use http::header::{AUTHORIZATION, HeaderName};
use http::{HeaderMap, HeaderValue};
use mock_entra::{Endpoint, Fault, Jwk, MockEntra, TokenBuilder};
use proptest::prelude::*;
use signalr_upstream_auth::clock::UnixTime;
use signalr_upstream_auth::explain::{CheckState, Explanation};
use signalr_upstream_auth::keys::RemoteKeys;
use signalr_upstream_auth::{
    Audiences, Callers, Claims, Cloud, Policy, PolicyBuilder, RejectionKind, Tenants, TokenVersion, UpstreamAuthLayer,
    Validator,
};
use support::runs::Runs;
use support::{NOON, entra, fixed_keys, fixed_layer};

use RejectionKind as K;

const CLIENT: &str = "33333333-dddd-4eee-8fff-444444444444";

/// A policy for the mock's tokens with other audiences or callers.
fn policy(entra: &MockEntra, audiences: &[&str], callers: Callers) -> PolicyBuilder {
    let tenants = Tenants::parse([entra.tenant().to_string()]).unwrap();
    Policy::builder(tenants, Audiences::parse(audiences).unwrap(), callers).cloud(entra.cloud())
}

fn validator(entra: &MockEntra, policy: Policy) -> Validator {
    fixed_layer(entra, policy).validator().clone()
}

async fn explain(entra: &MockEntra, token: &TokenBuilder) -> Explanation {
    validator(entra, entra.policy()).explain(&token.mint()).await
}

/// The advice on a token with this audience where these are configured.
async fn on_audience(entra: &MockEntra, configured: &[&str], token: &TokenBuilder) -> String {
    let validator = validator(entra, policy(entra, configured, Callers::dangerous_any_in_tenant()).build().unwrap());
    let explanation = validator.explain(&token.mint()).await;
    assert_eq!(failed(&explanation), ["audience"]);
    advice(&explanation)
}

fn advice(explanation: &Explanation) -> String {
    explanation.advice().collect::<Vec<_>>().join("\n")
}

fn failed(explanation: &Explanation) -> Vec<&'static str> {
    let checks = explanation.checks().iter().filter(|check| check.state() == CheckState::Failed);
    checks.map(|check| check.name()).collect()
}

fn headers(lines: &[(&str, &str)]) -> HeaderMap {
    lines
        .iter()
        .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap()))
        .collect()
}

#[track_caller]
fn assert_says(advice: &str, parts: &[&str]) {
    for part in parts {
        assert!(advice.contains(part), "`{part}` is missing in: {advice}");
    }
}

#[tokio::test]
async fn explains_graph_token_by_empty_audience() {
    let entra = entra().await;
    let explanation = explain(&entra, &entra.token().graph()).await;
    assert_eq!(failed(&explanation), ["audience"]);
    let says = [
        "a token for Microsoft Graph, which nobody but Graph can verify",
        "audience in its upstream settings is empty",
    ];
    assert_says(&advice(&explanation), &says);
    // With an audience of ours the nonce shows only in the signature.
    let explanation = explain(&entra, &entra.token().header("nonce", "n").signature([7; 256])).await;
    assert_eq!(failed(&explanation), ["signature"]);
    assert_says(&advice(&explanation), &says);
}

#[tokio::test]
async fn explains_uri_where_a_client_id_is_configured() {
    let entra = entra().await;
    let token = entra.token().audience("api://signalr-upstream");
    let advice = on_audience(&entra, &[CLIENT], &token).await;
    assert_says(
        &advice,
        &["has the App ID URI `api://signalr-upstream` as its audience, while a client id is configured"],
    );
    assert_says(&advice, &["add it to `audiences` (SIGNALR_UPSTREAM_AUDIENCES)"]);
    let in_v2 = on_audience(&entra, &[CLIENT], &entra.token().v2().audience(format!("api://{CLIENT}"))).await;
    assert_says(&in_v2, &["in a v2 token, where Entra writes the bare client id"]);
}

#[tokio::test]
async fn explains_client_id_where_a_uri_is_configured() {
    let entra = entra().await;
    let says =
        ["has the client id 33333333-dddd-4eee-8fff-444444444444 as its audience, while an App ID URI is configured"];
    let uri = format!("api://{CLIENT}");
    let v1 = on_audience(&entra, &[&uri], &entra.token().audience(CLIENT)).await;
    assert_says(&v1, &says);
    assert_says(&v1, &["write it into `audiences` (SIGNALR_UPSTREAM_AUDIENCES)"]);
    assert!(!v1.contains("v2"));
    // The app registration was switched to v2 tokens.
    let v2 = on_audience(&entra, &["api://signalr"], &entra.token().v2().audience(CLIENT)).await;
    assert_says(&v2, &says);
    assert_says(&v2, &["This is a v2 token, which always has the client id", "`requestedAccessTokenVersion` is 2"]);
}

#[tokio::test]
async fn explains_audience_that_differs_in_slashes_or_case() {
    let entra = entra().await;
    let slashes = on_audience(&entra, &["api://signalr"], &entra.token().audience("api://signalr//")).await;
    assert_says(&slashes, &["differs in trailing slashes: `api://signalr//` in the token, `api://signalr` configured"]);
    let case = on_audience(&entra, &["api://signalr"], &entra.token().audience("api://SignalR")).await;
    assert_says(&case, &["differs in upper and lower case: `api://SignalR` in the token, `api://signalr` configured"]);
}

#[tokio::test]
async fn explains_token_for_another_resource() {
    let entra = entra().await;
    let management = entra.token().audience("https://management.azure.com/");
    assert_says(&on_audience(&entra, &[CLIENT], &management).await, &["The token is for Azure management"]);
    let other = entra.token().audience("44444444-dddd-4eee-8fff-444444444444");
    let advice = on_audience(&entra, &[CLIENT], &other).await;
    assert_says(
        &advice,
        &["another audience, `44444444-dddd-4eee-8fff-444444444444`", "name the wrong app registration"],
    );
    let two = entra.token().claim("aud", [CLIENT, "api://x"]);
    assert_says(&on_audience(&entra, &[CLIENT], &two).await, &["no audience or several"]);
}

#[tokio::test]
async fn explains_version_and_issuer_that_disagree() {
    let entra = entra().await;
    let v2 = entra.issuer(entra.tenant(), TokenVersion::V2);
    let explanation = explain(&entra, &entra.token().issuer(&v2)).await;
    assert_eq!(failed(&explanation), ["issuer"]);
    assert_says(&advice(&explanation), &["`ver` says 1.0, but the issuer is the one of version 2.0"]);
    let explanation = explain(&entra, &entra.token().v2().issuer(format!("{v2}/"))).await;
    assert_says(&advice(&explanation), &["differs in a trailing slash only"]);
    let explanation = explain(&entra, &entra.token().issuer("https://evil.example")).await;
    assert_says(&advice(&explanation), &["not the one that Entra writes for this tenant, version and cloud"]);
}

#[tokio::test]
async fn explains_token_of_another_tenant() {
    let entra = entra().await;
    let other = "11111111-aaaa-4bbb-8ccc-999999999999";
    let explanation = explain(&entra, &entra.token().tenant(other.parse().unwrap())).await;
    assert_eq!(failed(&explanation), ["tenant"]);
    let advice = advice(&explanation);
    assert_says(&advice, &["issued by another tenant, 11111111-aaaa-4bbb-8ccc-999999999999"]);
    assert_says(&advice, &["write it into `tenant_ids` (SIGNALR_UPSTREAM_TENANT_IDS)"]);
}

#[tokio::test]
async fn explains_token_of_another_cloud() {
    let entra = MockEntra::builder().public_cloud().clock(support::StillClock::at(NOON)).start().await;
    let tenants = Tenants::parse([entra.tenant().to_string()]).unwrap();
    let policy = |cloud| {
        let audiences = Audiences::parse([entra.audience_client_id().to_string()]).unwrap();
        Policy::builder(tenants.clone(), audiences, Callers::dangerous_any_in_tenant()).cloud(cloud).build().unwrap()
    };
    let token = entra.token().v2().mint();
    let explanation = validator(&entra, policy(Cloud::china())).explain(&token).await;
    assert_eq!(failed(&explanation), ["issuer"]);
    assert_says(&advice(&explanation), &["issued in another cloud, `public`; the configuration is for `china`"]);
    assert_says(&advice(&explanation), &["set `cloud` (SIGNALR_UPSTREAM_CLOUD) to `public`"]);

    // The v1 issuers of the public and the US Government cloud are alike: only the key tells.
    let key = entra.new_key();
    entra.publish(Jwk::from(&key).member("cloud_instance_name", "microsoftonline.us"));
    let token = entra.token().signed_by(&key).mint();
    let explanation = validator(&entra, policy(Cloud::public())).explain(&token).await;
    assert_eq!(failed(&explanation), ["key"]);
    assert_says(&advice(&explanation), &["a key of another cloud, `microsoftonline.us`", "to `us-government`"]);
}

#[tokio::test]
async fn explains_token_of_another_identity() {
    let entra = entra().await;
    let (object, client) = ("aaaaaaaa-0000-4000-8000-000000000001", "bbbbbbbb-0000-4000-8000-000000000002");
    let token = entra.token().caller(object.parse().unwrap(), client.parse().unwrap());
    let on = async |callers: Callers| {
        let audience = entra.audience_client_id().to_string();
        let policy = policy(&entra, &[&audience], callers).build().unwrap();
        let explanation = validator(&entra, policy).explain(&token.mint()).await;
        assert_eq!(failed(&explanation), ["caller"]);
        advice(&explanation)
    };
    let ours = entra.caller_object_id().to_string();
    let recreated = on(Callers::parse_object_ids([&ours]).unwrap()).await;
    assert_says(&recreated, &["another identity: object id aaaaaaaa-0000-4000-8000-000000000001, client id bbbbbbbb"]);
    assert_says(&recreated, &["was recreated or switched off and on, its ids have changed", "CALLER_OBJECT_IDS"]);
    let client_as_object = on(Callers::parse_object_ids([client]).unwrap()).await;
    assert_says(&client_as_object, &["is the caller's client id (`appid`), but it is configured as an object id"]);
    let object_as_client = on(Callers::parse_client_ids([object]).unwrap()).await;
    assert_says(&object_as_client, &["is the caller's object id (`oid`), but it is configured as a client id"]);

    let second = "11111111-aaaa-4bbb-8ccc-999999999999".parse().unwrap();
    let entra = MockEntra::builder().further_tenant(second).clock(support::StillClock::at(NOON)).start().await;
    let tenants = Tenants::parse([entra.tenant().to_string(), second.to_string()]).unwrap();
    let audiences = Audiences::parse([entra.audience_client_id().to_string()]).unwrap();
    let callers = Callers::new([(second, entra.caller_object_id())]).unwrap();
    let policy = Policy::builder(tenants, audiences, callers).cloud(entra.cloud()).build().unwrap();
    let explanation = validator(&entra, policy).explain(&entra.token().mint()).await;
    assert_says(&advice(&explanation), &["is listed for another tenant, 11111111-aaaa-4bbb-8ccc-999999999999"]);
}

#[tokio::test]
async fn explains_delegated_token() {
    let entra = entra().await;
    let explanation = explain(&entra, &entra.token().delegated()).await;
    assert_eq!(failed(&explanation), ["application"]);
    assert_says(&advice(&explanation), &["issued for a user, not for an application: it has `scp`", "az account"]);
    let explanation = explain(&entra, &entra.token().claim("idtyp", "user")).await;
    assert_says(&advice(&explanation), &["`idtyp` is `user`"]);
    let explanation = explain(&entra, &entra.token().claim("sub", "pairwise")).await;
    assert_says(&advice(&explanation), &["`sub` is not `oid`"]);
}

#[tokio::test]
async fn explains_missing_role() {
    let entra = entra().await;
    let policy = entra.policy_builder().required_roles(["Upstream.Call"]).build().unwrap();
    let validator = validator(&entra, policy);
    let none = validator.explain(&entra.token().mint()).await;
    assert_eq!(failed(&none), ["role"]);
    assert_says(&advice(&none), &["one of Upstream.Call is required", "the token has none", "Assign the app role"]);
    let other = validator.explain(&entra.token().roles(["Other"]).mint()).await;
    assert_says(&advice(&other), &["the token has Other"]);
}

#[tokio::test]
async fn explains_times_with_the_difference_of_the_clock() {
    let entra = entra().await;
    let at = |seconds| UnixTime::from_secs(seconds);
    let expired = entra.token().not_before(at(NOON - 90_000)).expires_at(at(NOON - 420));
    let expired = explain(&entra, &expired).await;
    assert_eq!(failed(&expired), ["times"]);
    assert_says(
        &advice(&expired),
        &["The token ended 7 minutes ago", "the clock of this machine is fast by 7 minutes"],
    );
    let early = explain(&entra, &entra.token().not_before(at(NOON + 900)).expires_at(at(NOON + 9000))).await;
    assert_says(&advice(&early), &["valid only 15 minutes from now", "clock of this machine is slow by so much"]);
    let issued = explain(&entra, &entra.token().claim("iat", NOON + 600)).await;
    assert_says(&advice(&issued), &["issued only 10 minutes from now", "slow by so much"]);
}

#[tokio::test]
async fn explains_unknown_key_and_when_the_next_fetch_is_due() {
    let entra = entra().await;
    let keys = RemoteKeys::builder(&entra.policy()).refetch_cooldown(Duration::from_secs(3050)).build().unwrap();
    let layer = UpstreamAuthLayer::from_keys(entra.policy(), keys).with_clock(entra.clock());
    layer.wait_for_keys().await.unwrap();
    let explanation = layer.validator().explain(&entra.token().key_id("nobody-knows").mint()).await;
    assert_eq!(explanation.outcome().unwrap_err().kind(), K::UnknownKey);
    assert_eq!(failed(&explanation), ["key"]);
    assert_says(&advice(&explanation), &["No key document of the tenant lists the key `nobody-knows`"]);
    assert_says(&advice(&explanation), &["the next fetch for an unknown key may begin in 50 minutes"]);
    assert_says(&advice(&explanation), &["claims mapping", "SAML signing certificate", "keys of its own"]);

    let fixed = explain(&entra, &entra.token().key_id("nobody-knows")).await;
    assert_says(&advice(&fixed), &["this key source fetches no others"]);
}

#[tokio::test]
async fn explains_who_revoked_a_key() {
    let entra = entra().await;
    let signer = entra.signing_key().key_id().clone();
    let policy = entra.policy_builder().revoked_keys([signer.clone()]).build().unwrap();
    let explanation = validator(&entra, policy).explain(&entra.token().mint()).await;
    assert_eq!(explanation.outcome().unwrap_err().kind(), K::RevokedKey);
    assert_eq!(failed(&explanation), ["key"]);
    assert_says(&advice(&explanation), &["`revoked_keys` (SIGNALR_UPSTREAM_REVOKED_KEYS)", "take it off the list"]);
    let key = explanation.checks().iter().find(|check| check.name() == "key").unwrap();
    assert!(key.configured().ends_with(&format!("not revoked like {signer}")), "{}", key.configured());

    let keys = RemoteKeys::builder(&entra.policy()).build().unwrap();
    keys.revoke(&signer);
    let layer = UpstreamAuthLayer::from_keys(entra.policy(), keys).with_clock(entra.clock());
    let explanation = layer.validator().explain(&entra.token().mint()).await;
    assert_says(&advice(&explanation), &["`RemoteKeys::revoke`", "call `reinstate` or restart"]);
}

#[tokio::test]
async fn explains_unavailable_keys() {
    let entra = entra().await;
    entra.fail(Endpoint::Keys, Fault::status(500));
    let layer = UpstreamAuthLayer::new(entra.policy()).unwrap().with_clock(entra.clock());
    let explanation = layer.validator().explain(&entra.token().mint()).await;
    assert_eq!(explanation.outcome().unwrap_err().kind(), K::KeysUnavailable);
    assert_says(&advice(&explanation), &["so the token cannot be checked", "500", "Check that this machine reaches"]);
}

#[tokio::test]
async fn explains_token_in_the_wrong_header() {
    let entra = entra().await;
    let validator = validator(&entra, entra.policy());
    let token = format!("Bearer {}", entra.token().mint());
    for name in ["authentication", "x-forwarded-authorization", "x-ms-token-aad-access-token"] {
        let explanation = validator.explain_headers(&headers(&[(name, &token)])).await;
        assert_eq!(failed(&explanation), ["credentials"]);
        let says = format!("There is no Authorization header, but the header `{name}` carries what looks like a token");
        assert_says(&advice(&explanation), &[&says]);
    }
    // The client's own token is none of SignalR's.
    let query = [("x-asrs-client-query", "?access_token=eyJ0.eyJ0.c2ln"), ("x-asrs-hub", "chat")];
    let explanation = validator.explain_headers(&headers(&query)).await;
    assert_says(&advice(&explanation), &["looks like SignalR's, but it carries no token", "Use managed identity"]);
    let explanation = validator.explain_headers(&HeaderMap::new()).await;
    assert_says(&advice(&explanation), &["carries no token", "Use managed identity"]);
}

#[tokio::test]
async fn explains_token_of_static_web_apps() {
    let entra = entra().await;
    let token = entra.token().header("alg", "HS256").issuer("https://contoso.scm.azurewebsites.net");
    let explanation = explain(&entra, &token.audience("https://contoso.azurewebsites.net/azurefunctions")).await;
    assert_eq!(explanation.outcome().unwrap_err().kind(), K::AlgorithmNotAllowed);
    let advice = advice(&explanation);
    assert_says(&advice, &["Azure Static Web Apps made this token", "Write the backend's own host"]);
    assert!(!advice.contains("somebody else"), "{advice}");
    // The issuer alone proves nothing.
    let other = explain(&entra, &entra.token().issuer("https://contoso.scm.azurewebsites.net")).await;
    assert!(!self::advice(&other).contains("Static Web Apps"));
}

#[tokio::test]
async fn explains_signature_that_google_removed() {
    let entra = entra().await;
    let validator = validator(&entra, entra.policy());
    for (token, kind) in [
        (entra.token(), K::InvalidSignature),
        (entra.token().key_id("nobody-knows"), K::UnknownKey),
        (entra.token().audience("https://contoso.run.app"), K::WrongAudience),
    ] {
        let token = token.mint();
        let unsigned = format!("{}.SIGNATURE_REMOVED_BY_GOOGLE", token.rsplit_once('.').unwrap().0);
        let explanation = validator.explain(&unsigned).await;
        assert_eq!(explanation.outcome().unwrap_err().kind(), kind);
        let advice = advice(&explanation);
        assert_says(&advice, &["Google's front end has removed the signature", "Allow unauthenticated invokers"]);
        assert!(!advice.contains("somebody else"), "{advice}");
    }
}

#[tokio::test]
async fn never_advises_to_list_the_identity_of_a_gateway() {
    let entra = entra().await;
    let (object, client) = ("88888888-0000-4000-8000-000000000001", "88888888-0000-4000-8000-000000000002");
    let token = entra.token().caller(object.parse().unwrap(), client.parse().unwrap()).claim("idtyp", "app");
    let explanation = explain(&entra, &token).await;
    assert_eq!(explanation.outcome().unwrap_err().kind(), K::CallerNotAllowed);
    assert_says(
        &advice(&explanation),
        &[
            "A gateway in front may have replaced SignalR's token",
            "`authentication-managed-identity`",
            "Never list the gateway's identity",
        ],
    );
}

#[tokio::test]
async fn explains_proxies_in_front_by_their_headers() {
    let entra = entra().await;
    let validator = validator(&entra, entra.policy());
    let good = format!("Bearer {}", entra.token().mint());
    let bad = format!("Bearer {}", entra.token().expired().mint());
    for (header, authorization, says) in [
        (("x-envoy-attempt-count", "1"), None, "`forwardOriginalToken: true`"),
        (("x-forwarded-client-cert", "By=spiffe://a"), None, "Istio's RequestAuthentication removes the token"),
        (("x-auth-request-user", "a"), None, "oauth2-proxy. It is made for browsers and redirects machine calls"),
        (("x-forwarded-access-token", "a"), None, "With the v2 issuer it rejects v1 tokens"),
        (("cookie", "a=b; _oauth2_proxy=c"), None, "The call came through oauth2-proxy"),
        (("x-ms-client-principal-id", "a"), None, "App Service authentication stands in front and answers 401 and 403"),
        (("x-ms-client-principal", "a"), Some(&bad), "An answer is this layer's if it has an empty body"),
        (("x-ms-token-aad-id-token", "a"), None, "the client id of SignalR's identity"),
        (
            ("x-goog-iap-jwt-assertion", "a"),
            None,
            "Google's Identity-Aware Proxy or IAM authentication stands in front",
        ),
    ] {
        let lines = [Some(header), authorization.map(|line| ("authorization", line.as_str()))];
        let lines: Vec<_> = lines.into_iter().flatten().collect();
        assert_says(&advice(&validator.explain_headers(&headers(&lines)).await), &[says]);
        // None of them matters to a call that is let through.
        let explanation = validator.explain_headers(&headers(&[header, ("authorization", &good)])).await;
        assert_eq!(explanation.advice().count(), 0);
    }
    // Where the token arrived, nobody took it.
    for name in ["x-envoy-attempt-count", "x-auth-request-user"] {
        let explanation = validator.explain_headers(&headers(&[(name, "a"), ("authorization", &bad)])).await;
        let advice = advice(&explanation);
        assert!(!advice.contains("Istio") && !advice.contains("oauth2-proxy"), "{advice}");
    }
}

#[tokio::test]
async fn explains_malformed_credentials() {
    let entra = entra().await;
    let validator = validator(&entra, entra.policy());
    let token = entra.token().mint();
    for (line, kind, says) in [
        (format!("Bearer Bearer {token}"), K::MalformedCredentials, "`Bearer` stands there twice"),
        (format!("Bearer \"{token}\""), K::MalformedCredentials, "quotation marks around the token"),
        (format!("\"Bearer {token}\""), K::UnsupportedScheme, "quotation marks around the token"),
        (format!("Bearer: {token}"), K::MalformedCredentials, "a colon after `Bearer`"),
        (format!("Bearer {token} x"), K::MalformedCredentials, "a blank or a line end"),
        (format!("Bearer {token},{token}"), K::MalformedCredentials, "characters that no token has"),
        ("Bearer".to_owned(), K::MalformedCredentials, "After `Bearer` there is no token"),
        (token.clone(), K::UnsupportedScheme, "without `Bearer ` before it"),
        ("Basic eDp5".to_owned(), K::UnsupportedScheme, "has the scheme Basic"),
        (format!("Bearer {}", token.split_once('.').unwrap().1), K::MalformedToken, "no JSON Web Token"),
    ] {
        let explanation = validator.explain_headers(&headers(&[("authorization", &line)])).await;
        assert_eq!(explanation.outcome().unwrap_err().kind(), kind);
        assert_says(&advice(&explanation), &[says]);
    }
    let twice = headers(&[("authorization", &format!("Bearer {token}")), ("authorization", "Basic eDp5")]);
    assert_says(&advice(&validator.explain_headers(&twice).await), &["more than one Authorization header"]);
    for (token, says) in [
        (format!("Bearer {token}"), "`Bearer` stands there twice"),
        (format!("'{token}'"), "quotation marks"),
        (format!("{token}\n"), "a blank or a line end"),
        (String::new(), "there is no token"),
    ] {
        assert_says(&advice(&validator.explain(&token).await), &[says]);
    }
}

#[tokio::test]
async fn accepted_token_passes_every_check() {
    let entra = entra().await;
    for token in [entra.token(), entra.token().v2()] {
        let explanation = explain(&entra, &token).await;
        assert!(explanation.is_accepted());
        assert!(explanation.checks().iter().all(|check| check.state() == CheckState::Passed));
        assert_eq!(explanation.outcome().unwrap().object_id(), entra.caller_object_id());
        assert_eq!(explanation.advice().count(), 0);
        assert!(explanation.to_string().starts_with("accepted: caller "));
    }
}

#[tokio::test]
async fn shows_wanted_and_found_side_by_side_after_the_failed_check_too() {
    let entra = entra().await;
    let explanation = explain(&entra, &entra.token().audience("api://somebody-else")).await;
    let check = |name| explanation.checks().iter().find(|check| check.name() == name).unwrap();
    assert_eq!(check("audience").configured(), entra.audience_client_id().to_string());
    assert_eq!(check("audience").found(), Some("api://somebody-else"));
    assert_eq!(check("tenant").found(), Some(&*entra.tenant().to_string()));
    assert_eq!(check("tenant").state(), CheckState::Passed);
    assert_eq!(check("caller").state(), CheckState::NotReached);
    assert!(check("caller").found().unwrap().contains(&entra.caller_object_id().to_string()));
    assert!(check("times").configured().starts_with("now 2026-09-21T14:13:20Z, give or take 300 seconds"));

    let json: serde_json::Value = serde_json::to_value(&explanation).unwrap();
    assert_eq!(json["accepted"], false);
    assert_eq!((&json["kind"], &json["status"]), (&"wrong_audience".into(), &401.into()));
    assert_eq!(json["checks"].as_array().unwrap().len(), 14);
    assert_eq!(json["checks"][7]["state"], "failed");
    assert!(json["advice"][0].as_str().unwrap().contains("App ID URI"));
}

#[tokio::test]
async fn explanation_shows_no_part_of_the_token() {
    let entra = entra().await;
    let validator = validator(&entra, entra.policy());
    let tokens =
        [entra.token(), entra.token().expired(), entra.token().graph(), entra.token().claim("tid", "x".repeat(9000))];
    for token in tokens.map(|token| token.mint()) {
        for line in [format!("Bearer {token}"), token.clone(), format!("Bearer \"{token}\""), format!("Basic {token}")]
        {
            let explanation = validator.explain_headers(&headers(&[("authorization", &line)])).await;
            let shown = format!("{explanation}{}{explanation:?}", serde_json::to_string(&explanation).unwrap());
            assert_eq!(Runs::of([&token]).first_in(&shown), None, "{shown}");
            assert!(shown.lines().all(|line| line.len() < 20_000));
        }
    }
    let password = validator.explain_headers(&headers(&[("authorization", "hunter2hunter2hunter2")])).await;
    assert!(!password.to_string().contains("hunter2"));
}

#[tokio::test]
async fn table_has_colors_only_on_request_and_no_control_characters_of_the_token() {
    let entra = entra().await;
    let explanation = explain(&entra, &entra.token().claim("iss", "a\u{1b}[2J\nb")).await;
    assert!(!explanation.to_string().contains('\u{1b}'));
    assert!(explanation.to_string().contains("a\\u{1b}[2J\\nb"));
    assert!(explanation.colored().to_string().contains("\u{1b}[1;31mFAILED"));
    assert!(!explanation.colored().to_string().contains("\u{1b}[2J"));
}

/// What may be done to a good header line.
fn spoiled(good: String) -> impl Strategy<Value = Vec<u8>> {
    let length = good.len();
    let good = good.into_bytes();
    prop::collection::vec((0..length, any::<u8>(), 0..3_u8), 0..4).prop_map(move |changes| {
        let mut line = good.clone();
        for (position, byte, how) in changes {
            let position = position.min(line.len().saturating_sub(1));
            match how {
                0 => line[position] = byte,
                1 => line.insert(position, byte),
                _ => line.truncate(position + 1),
            }
        }
        line
    })
}

#[test]
fn explanation_never_contradicts_the_layer() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let entra = runtime.block_on(entra());
    let validator = Validator::new(entra.policy(), fixed_keys(&entra)).with_clock(entra.clock());
    proptest!(ProptestConfig::with_cases(512), |(line in spoiled(format!("Bearer {}", entra.token().mint())))| {
        let Ok(value) = HeaderValue::from_bytes(&line) else { return Ok(()) };
        let headers = HeaderMap::from_iter([(AUTHORIZATION, value)]);
        let (verdict, explanation) = runtime.block_on(async {
            (validator.validate(&headers).await, validator.explain_headers(&headers).await)
        });
        assert_same(&verdict.map_err(|rejection| rejection.kind()), &explanation);
        // The same token without its header.
        if let Some(Ok(token)) = line.strip_prefix(b"Bearer ").map(str::from_utf8) {
            let bare = runtime.block_on(validator.explain(token));
            prop_assert_eq!(bare.outcome().map_err(|r| r.kind()), explanation.outcome().map_err(|r| r.kind()));
        }
    });
}

fn assert_same(verdict: &Result<Claims, K>, explanation: &Explanation) {
    assert_eq!(*verdict, explanation.outcome().cloned().map_err(|rejection| rejection.kind()));
    assert_eq!(failed(explanation).len(), usize::from(verdict.is_err()));
    assert_eq!(explanation.advice().count() > 0, verdict.is_err());
}

#[tokio::test]
async fn an_explanation_does_not_fill_the_token_cache() {
    let entra = entra().await;
    let keys = RemoteKeys::new(&entra.policy()).unwrap();
    let validator = Validator::new(entra.policy(), keys).with_clock(entra.clock());
    let token = entra.token().mint();
    // The first waits for the key, the second does not.
    for _ in 0..2 {
        assert!(validator.explain(&token).await.is_accepted());
    }
    let headers = HeaderMap::from_iter([(AUTHORIZATION, format!("Bearer {token}").parse().unwrap())]);
    for signatures in [1, 0] {
        let before = support::signatures::verified();
        validator.validate(&headers).await.unwrap();
        assert_eq!(support::signatures::verified() - before, signatures);
    }
}
