//! `Retry-After` of Entra and of IMDS, in virtual time: no request comes before the time that the answer asks for.
//!
//! App Service's endpoint is found by variables of the process: see `processes`.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use azure_core::http::headers::Headers;
use azure_core::http::{AsyncRawResponse, HttpClient, Request, StatusCode, Transport};
use background_refresh::{UnixTime, WallClock, monotonic_now};
use tokio::time::Instant;

use super::ambient::Ambient;
use super::plan::{
    AzureCloud, ClientSecret, CredentialPlan, DefaultChainPlan, FederatedIdentity, ManagedIdentityId, SecretText,
};
use super::{Transports, build};
use crate::entra;

const TENANT: &str = "11111111-1111-1111-1111-111111111111";
const CLIENT: &str = "22222222-2222-2222-2222-222222222222";
const IMDS: &str = "169.254.169.254";
const ENTRA: &str = "login.microsoftonline.com";

/// Rejects the first request for a token to one host, and answers everything else.
#[derive(Debug)]
struct Provider {
    start: Instant,
    busy: &'static str,
    status: StatusCode,
    retry_after: &'static str,
    /// When a request for a token came to that host.
    asked: Mutex<Vec<Duration>>,
}

#[async_trait]
impl HttpClient for Provider {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let host = request.url().host_str().unwrap_or_default();
        let answer = |status, headers, body: &'static str| Ok(AsyncRawResponse::from_bytes(status, headers, body));
        if host == IMDS && !request.headers().iter().any(|(name, _)| name.as_str() == "metadata") {
            return answer(StatusCode::BadRequest, Headers::new(), "{}");
        }
        if host == self.busy {
            let mut asked = self.asked.lock().unwrap();
            asked.push(self.start.elapsed());
            if asked.len() == 1 {
                let mut headers = Headers::new();
                headers.insert("retry-after", self.retry_after);
                return answer(self.status, headers, r#"{"error":"slow down"}"#);
            }
        }
        // Managed identities say when the token ends; Entra says how long it lives, from the machine's time on.
        let body = r#"{"access_token":"t","token_type":"Bearer","resource":"r","expires_on":"4102444800"}"#;
        let of_entra = r#"{"access_token":"t","token_type":"Bearer","expires_in":1576800000}"#;
        answer(StatusCode::Ok, Headers::new(), if host == IMDS { body } else { of_entra })
    }
}

/// Stands still: dates count from here.
#[derive(Debug)]
struct Still;

impl WallClock for Still {
    fn now(&self) -> Option<UnixTime> {
        Some(UnixTime::from_secs(1_800_000_000))
    }
}

fn plans() -> Vec<(&'static str, CredentialPlan)> {
    let absent = "not set".to_owned();
    let chain = DefaultChainPlan {
        environment: Err(absent.clone()),
        workload_identity: Err(absent),
        managed_identity: None,
        tenant_id: None,
    };
    let secret = ClientSecret {
        tenant_id: TENANT.to_owned(),
        client_id: CLIENT.to_owned(),
        secret: SecretText::new("secret".to_owned()),
        cloud: Some(AzureCloud::Public),
    };
    let federated = || {
        CredentialPlan::FederatedIdentity(FederatedIdentity {
            tenant_id: TENANT.to_owned(),
            client_id: CLIENT.to_owned(),
            identity: ManagedIdentityId::Client(CLIENT.to_owned()),
            cloud: AzureCloud::Public,
        })
    };
    vec![
        (IMDS, CredentialPlan::ManagedIdentity(None)),
        (IMDS, CredentialPlan::Default(chain)),
        (IMDS, federated()),
        (ENTRA, federated()),
        (ENTRA, CredentialPlan::ClientSecret(secret)),
    ]
}

#[tokio::test(start_paused = true)]
async fn no_request_comes_before_the_time_that_the_answer_asks_for() {
    // 120 seconds, and the date that is 120 seconds after the clock of the test.
    for retry_after in ["120", "Fri, 15 Jan 2027 08:02:00 GMT"] {
        for status in [StatusCode::TooManyRequests, StatusCode::ServiceUnavailable] {
            for (busy, plan) in plans() {
                let name = format!("{plan:?} at {busy}: {status}, {retry_after}");
                let asked = Mutex::default();
                let provider = Arc::new(Provider { start: Instant::now(), busy, status, retry_after, asked });
                let transports = Transports::new(Some(Transport::new(Arc::<Provider>::clone(&provider))));
                let credential = build(plan, &Ambient::new(&|_| None), &transports).unwrap();
                let renewal = entra::renewal(credential, Arc::new(Still), "chat".into());

                let error = renewal.get(monotonic_now() + Duration::from_secs(5)).await.unwrap_err();
                let wait = error.retry_after().unwrap().as_secs();
                assert!((118..=150).contains(&wait), "{name}: callers are told {wait} s");
                assert!(provider.start.elapsed() < Duration::from_secs(1), "{name}: callers are told at once");

                renewal.get(monotonic_now() + Duration::from_secs(200)).await.unwrap();
                let asked = provider.asked.lock().unwrap().clone();
                let [first, second] = asked[..] else { panic!("{name}: {asked:?}") };
                // The jitter adds up to 30 s.
                let between = (second - first).as_secs();
                assert!((120..=151).contains(&between), "{name}: {between} s");
            }
        }
    }
}
