//! A tenant that Entra does not know: a mistake in the configuration, not an outage.

use std::error::Error;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use mock_entra::{Endpoint, Fault, MockEntra};
use signalr_upstream_auth::Validator;
use signalr_upstream_auth::keys::{KeyErrorKind, KeySource, RemoteKeys};

use super::table::Row;

fn entra_error(status: &str, code: u32) -> Fault {
    let description = format!("AADSTS{code}: Tenant 'x' not found.\\u001b[31m Check to make sure. Trace ID: 1");
    let body = format!(r#"{{"error":"invalid_tenant","error_description":"{description}","error_codes":[{code}]}}"#);
    let length = body.len();
    Fault::raw(format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    ))
}

#[tokio::test]
async fn scenario_59_an_unknown_tenant() {
    let (mut requests, mut unavailable, mut rejected) = (0, 0, 0);
    for status in ["400 Bad Request", "404 Not Found"] {
        let entra = MockEntra::start().await;
        entra.fail(Endpoint::Discovery, entra_error(status, 90_002));
        let (policy, keys) = (entra.policy(), RemoteKeys::new(&entra.policy()).unwrap());
        let error = keys.wait_for_keys().await.unwrap_err();
        assert_eq!(error.kind(), KeyErrorKind::UnknownTenant);
        let advice = "check `tenant_ids` and `cloud` (SIGNALR_UPSTREAM_TENANT_IDS, _CLOUD)";
        assert!(error.to_string().contains(advice), "{error}");
        let cause = error.source().unwrap().to_string();
        assert_eq!(cause, format!("the provider answered with status {} and AADSTS90002", &status[..3]));
        // Readiness: the state that `/readyz` and metrics are made from.
        let state = serde_json::to_value(&keys.status()[0]).unwrap();
        let last_error = state["last_error"].as_str().unwrap();
        assert!(last_error.contains(advice) && last_error.contains("AADSTS90002"), "{last_error}");

        // Callers are told to come again, and the operator why.
        let validator = Validator::new(policy, keys.clone());
        let bearer = format!("Bearer {}", entra.token().mint());
        let headers = HeaderMap::from_iter([(AUTHORIZATION, bearer.parse().unwrap())]);
        let rejection = validator.validate(&headers).await.unwrap_err();
        unavailable += u64::from(rejection.status() == 503);
        rejected += u64::from(rejection.status() != 503);
        let explanation = validator.explain_headers(&headers).await.to_string();
        assert!(explanation.contains(advice) && explanation.contains("AADSTS90002"), "{explanation}");
        assert!(
            explanation.contains("Retries cannot mend it") && !explanation.contains("HTTPS_PROXY"),
            "{explanation}"
        );
        requests += entra.requests().log().len();
    }
    Row::new(59, "Entra does not know the tenant, with status 400 and with 404 (lost: told anything but 503)")
        .fetches(requests, 2..=4)
        .lost(rejected, 0)
        .figure("told 503", unavailable, 2)
        .print();
}

#[tokio::test]
async fn other_error_of_entra_is_an_outage_with_its_code() {
    for (status, code) in [("400 Bad Request", 50_196), ("503 Service Unavailable", 90_002)] {
        let entra = MockEntra::start().await;
        entra.fail(Endpoint::Discovery, entra_error(status, code));
        let error = RemoteKeys::new(&entra.policy()).unwrap().wait_for_keys().await.unwrap_err();
        assert_eq!(error.kind(), KeyErrorKind::Unavailable);
        let cause = error.source().unwrap().to_string();
        assert_eq!(cause, format!("the provider answered with status {} and AADSTS{code}", &status[..3]));
    }
}

#[tokio::test]
async fn error_of_the_key_endpoint_is_read_within_its_bounds() {
    let entra = MockEntra::start().await;
    let far_too_long = " ".repeat(8 * 1024);
    let body = format!(r#"{far_too_long}{{"error_codes":[90002]}}"#);
    let head = format!("HTTP/1.1 400 No\r\nContent-Length: {}\r\n\r\n", body.len());
    entra.fail(Endpoint::Keys, Fault::raw(head + &body));
    let error = RemoteKeys::new(&entra.policy()).unwrap().wait_for_keys().await.unwrap_err();
    assert_eq!(error.source().unwrap().to_string(), "the provider answered with status 400");
}
