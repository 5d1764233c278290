//! Why a request is rejected: every check with what is configured and what was found, and for the usual
//! mistakes a sentence with the remedy.
//!
//! The check itself is the validator's own. What is here only words its outcome.

mod advice;
mod evidence;
mod explanation;
mod stage;
mod table;

use evidence::{Credentials, Evidence};
pub use explanation::{Check, CheckState, Explanation};
use http::HeaderMap;
use stage::Stage;

use crate::claims::Claims;
use crate::clock::UnixTime;
use crate::error::Rejection;
use crate::token::bearer::BearerToken;
use crate::validator::{Validator, Verdict};

impl Validator {
    /// Explains what becomes of a token: the text that stands after `Bearer ` in the header.
    ///
    /// The token goes through the same check as a request's and is accepted or rejected for the same
    /// reason; only the memory of verified tokens is passed over. No request is counted and no rejection logged.
    /// As a request does, it may wait for a key and may cause one fetch.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use mock_entra::MockEntra;
    /// use signalr_upstream_auth::{RejectionKind, UpstreamAuthLayer};
    ///
    /// let entra = MockEntra::start().await;
    /// let layer = UpstreamAuthLayer::new(entra.policy())?;
    /// let token = entra.token().audience("api://somebody-else").mint();
    ///
    /// let explanation = layer.validator().explain(&token).await;
    /// assert_eq!(explanation.outcome().unwrap_err().kind(), RejectionKind::WrongAudience);
    /// let audience = explanation.checks().iter().find(|check| check.name() == "audience").unwrap();
    /// assert_eq!(audience.found(), Some("api://somebody-else"));
    /// println!("{explanation}");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn explain(&self, token: &str) -> Explanation {
        let line = [b"Bearer ", token.as_bytes()].concat();
        self.explain_credentials(Credentials { lines: vec![&line], headers: None }).await
    }

    /// Explains what becomes of a request with these headers, as [`explain`](Self::explain) does. It also
    /// finds a token that arrives in another header than `Authorization`.
    pub async fn explain_headers(&self, headers: &HeaderMap) -> Explanation {
        let lines = headers.get_all(http::header::AUTHORIZATION).iter().map(http::HeaderValue::as_bytes);
        self.explain_credentials(Credentials { lines: lines.collect(), headers: Some(headers) }).await
    }

    async fn explain_credentials(&self, credentials: Credentials<'_>) -> Explanation {
        let token = match credentials.headers {
            Some(headers) => BearerToken::from_headers(headers),
            None => BearerToken::from_credentials(credentials.lines.first().copied().unwrap_or_default()),
        };
        let outcome = match token.map(|token| self.check(token, self.now())) {
            Ok(Verdict::Accepted(claims)) => Ok(claims),
            Ok(Verdict::Rejected(rejection)) => Err(rejection),
            Ok(Verdict::Waiting(pending)) => pending.await,
            Err(kind) => Err(kind.into()),
        };
        // Afterwards, since a check that waits for its key goes by the time that it is then.
        explanation(self, &credentials, outcome, self.now())
    }
}

/// Words an outcome.
fn explanation(
    validator: &Validator,
    credentials: &Credentials<'_>,
    outcome: Result<Claims, Rejection>,
    now: Option<UnixTime>,
) -> Explanation {
    let segments = credentials.segments();
    let evidence = Evidence::gather(validator, credentials, segments.as_ref(), now);
    let failed = outcome.as_ref().err().map(|rejection| evidence.stage_of(rejection.kind()));
    let checks = Stage::ALL.map(|stage| Check {
        name: stage.name(),
        state: match failed {
            Some(failed) if stage == failed => CheckState::Failed,
            Some(failed) if stage > failed => CheckState::NotReached,
            _ => CheckState::Passed,
        },
        configured: evidence.configured(stage),
        found: evidence.found(stage).filter(|found| !found.is_empty()),
    });
    let advice = outcome.as_ref().err().map_or_else(Vec::new, |rejection| advice::on(rejection, &evidence));
    Explanation { outcome, checks: checks.into(), advice }
}
