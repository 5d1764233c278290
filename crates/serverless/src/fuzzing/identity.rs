//! Answers of Entra and of identity endpoints.

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use azure_core::credentials::Secret;
use azure_core::http::headers::Headers;
use azure_core::http::{AsyncRawResponse, HttpClient, Request, Transport};
use background_refresh::{Now, UnixTime};
use bytes::Bytes;
use serde_json::Value;

use super::{check_told, head_and_body, run};
use crate::credential::ambient::Ambient;
use crate::credential::plan::{AzureCloud, ClientSecret, CredentialPlan, SecretText};
use crate::credential::{Transports, build};
use crate::entra;
use crate::error::{Chain, ErrorKind};

/// An answer to a credential, from a line `entra STATUS` or `imds STATUS` and the body. A token is taken as the body has
/// it; an error is one bounded line that quotes neither a token nor the request's secret; nothing panics.
pub fn identity_answer(data: &[u8]) {
    let Some((head, body)) = head_and_body(data) else { return };
    let Some((provider, status)) = head.split_once(' ') else { return };
    let Ok(status) = status.parse::<u16>() else { return };
    let plan = match (provider, status) {
        ("entra", 200..=599) => CredentialPlan::ClientSecret(ClientSecret {
            tenant_id: "11111111-1111-1111-1111-111111111111".to_owned(),
            client_id: "22222222-2222-2222-2222-222222222222".to_owned(),
            secret: SecretText::new(SECRET.to_owned()),
            cloud: Some(AzureCloud::Public),
        }),
        ("imds", 200..=599) => CredentialPlan::ManagedIdentity(None),
        _ => return,
    };
    let answers = Arc::new(Answers { status, body: Bytes::from(body.clone()) });
    let transports = Transports::new(Some(Transport::new(answers)));
    let credential = build(plan, &Ambient::new(&|_| None), &transports).expect("the settings have no faults");
    let outcome = run(credential.get_token(&[entra::SCOPE], None));
    let document = serde_json::from_slice::<Value>(&body).unwrap_or_default();
    let token = document["access_token"].as_str();
    match outcome {
        Ok(given) => {
            assert!((200..=299).contains(&status), "{status}");
            // A member that means nothing may hold what is no text, which the other reading rejects.
            assert!(document.is_null() || Some(Secret::secret(&given.token)) == token);
            let now = Now { monotonic: Instant::now(), wall: Some(UnixTime::from_secs(1_800_000_000)) };
            if let Err(failure) = entra::lease(&given, now, 0.5) {
                check_failure(&failure.error, token);
            }
        }
        Err(error) => {
            let failure = entra::failure(&error, None);
            check_failure(&failure.error, token.filter(|_| (200..=299).contains(&status)));
            if (200..=299).contains(&status) || status >= 500 || matches!(status, 404 | 408 | 410 | 429) {
                assert!(!failure.is_lasting, "{status}: {:?}", failure.error);
            }
        }
    }
}

fn check_failure(error: &crate::Error, token: Option<&str>) {
    let told = format!("{} {error:?}", Chain(error));
    check_told(&told);
    assert!(!told.contains(SECRET), "{told}");
    assert!(token.is_none_or(|token| token.len() < 24 || !told.contains(token)), "{told}");
    assert!(matches!(error.kind(), ErrorKind::Credential | ErrorKind::Unavailable), "{error:?}");
}

const SECRET: &str = "client-secret-of-the-application";

#[derive(Debug)]
struct Answers {
    status: u16,
    body: Bytes,
}

#[async_trait]
impl HttpClient for Answers {
    async fn execute_request(&self, _: &Request) -> azure_core::Result<AsyncRawResponse> {
        Ok(AsyncRawResponse::from_bytes(self.status.into(), Headers::new(), self.body.clone()))
    }
}
