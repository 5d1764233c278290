//! Floods that must not reach the provider: tokens rejected before their key is looked up, and bad signatures.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use http::HeaderMap;
use http::header::AUTHORIZATION;
use mock_entra::{MockEntra, TokenBuilder};
use signalr_upstream_auth::keys::{KeySource, RemoteKeys};
use signalr_upstream_auth::{Claims, Rejection, RejectionKind, Validator};

use super::table::Row;

#[tokio::test]
#[ignore = "verifies 51,000 signatures; run by .ci/slow_tests and .ci/faults"]
async fn scenario_36_a_flood_of_bad_signatures() {
    let (entra, validator) = warm().await;
    let good = headers(&entra.token());
    let bad: Vec<_> = (1..=50).map(|byte| headers(&entra.token().signature(vec![byte; 256]))).collect();
    let before = requests(&entra);
    let (mut lost, mut rejected) = (0, 0);
    for _ in 0..1000 {
        for bad in &bad {
            let outcome = at_first_poll(&validator, bad);
            rejected += u64::from(outcome.unwrap_err().kind() == RejectionKind::InvalidSignature);
        }
        lost += u64::from(at_first_poll(&validator, &good).is_err());
    }
    Row::new(36, "50,000 bad signatures under a known key")
        .fetches(requests(&entra) - before, 0)
        .lost(lost, 0)
        .figure("rejected at the first poll", rejected, 50_000)
        .print();
}

#[tokio::test]
async fn rejected_claims_cause_no_fetch_and_start_no_cooldown() {
    let (entra, validator) = warm().await;
    let before = requests(&entra);
    for number in 0..100 {
        let token = entra.token().key_id(format!("kid-{number}").as_str());
        for bad in [
            token.clone().issuer("https://sts.windows.net/elsewhere/"),
            token.clone().audience("44444444-dddd-4eee-8fff-444444444444"),
            token.clone().expired(),
            token.tenant("22222222-aaaa-4bbb-8ccc-222222222222".parse().unwrap()),
        ] {
            assert!(at_first_poll(&validator, &headers(&bad)).is_err());
        }
    }
    assert_eq!(requests(&entra), before);
    // The rotation that comes now is found at once.
    entra.rotate_abruptly();
    assert!(validator.validate(&headers(&entra.token())).await.is_ok());
    assert_eq!(requests(&entra), before + 2);
}

async fn warm() -> (MockEntra, Validator) {
    let entra = MockEntra::start().await;
    let policy = entra.policy();
    let keys = RemoteKeys::new(&policy).unwrap();
    keys.wait_for_keys().await.unwrap();
    (entra, Validator::new(policy, keys))
}

/// The outcome of a check that must not wait.
fn at_first_poll(validator: &Validator, headers: &HeaderMap) -> Result<Claims, Rejection> {
    let mut check = pin!(validator.validate(headers));
    match check.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => panic!("the check waits"),
    }
}

fn headers(token: &TokenBuilder) -> HeaderMap {
    HeaderMap::from_iter([(AUTHORIZATION, format!("Bearer {}", token.mint()).parse().unwrap())])
}

fn requests(entra: &MockEntra) -> usize {
    let requests = entra.requests();
    requests.discovery() + requests.keys()
}
