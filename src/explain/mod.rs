//! Why a request is rejected: every check with what is configured and what was found, and for the usual
//! mistakes a sentence with the remedy.
//!
//! The check itself is the validator's own, and the rejection names the check that failed. This room only words both.

mod advice;
mod evidence;
mod explanation;
pub(crate) mod log;
mod platform;
mod table;

use std::borrow::Cow;

use evidence::{Credentials, Evidence};
pub use explanation::{Check, CheckState, Explanation};
use http::HeaderMap;

use crate::clock::UnixTime;
use crate::error::{CheckName, Rejection};
use crate::policy::claims::Claims;
use crate::token::bearer::BearerToken;
use crate::validator::{Unfinished, Validator};

impl Validator {
    /// Explains what becomes of a token: the text that stands after `Bearer ` in the header.
    ///
    /// The token goes through the same check as a request's, and is accepted or rejected for the same reason. The token
    /// cache is neither read nor filled, nothing is counted, measured or logged, but for the TRACE event of the signature. As
    /// a request does, an explanation may wait for a key and may cause one on-demand refresh.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use base64::Engine as _;
    /// use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    /// use signalr_upstream_auth::{Audiences, Callers, Policy, RejectionKind, Tenants, UpstreamAuthLayer};
    ///
    /// let policy = Policy::builder(
    ///     Tenants::parse(["11111111-aaaa-4bbb-8ccc-222222222222"])?,
    ///     Audiences::parse(["33333333-dddd-4eee-8fff-444444444444"])?,
    ///     Callers::parse_object_ids(["77777777-4321-4cba-8fed-888888888888"])?,
    /// );
    /// let layer = UpstreamAuthLayer::new(policy.build()?)?;
    /// let header = r#"{"typ":"JWT","alg":"RS256","kid":"a-key"}"#;
    /// let claims = r#"{"ver":"1.0","tid":"99999999-eeee-4fff-8aaa-000000000000"}"#;
    /// let token = [header, claims, "a signature"].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
    ///
    /// let explanation = layer.validator().explain(&token).await;
    /// assert_eq!(explanation.outcome().unwrap_err().kind(), RejectionKind::WrongTenant);
    /// let tenant = explanation.checks().iter().find(|check| check.name() == "tenant").unwrap();
    /// assert_eq!(tenant.found(), Some("99999999-eeee-4fff-8aaa-000000000000"));
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

    /// Explains a rejection that has been made, for the log. It checks, fetches and waits for nothing.
    fn explain_rejection(&self, headers: &HeaderMap, rejection: &Rejection, now: Option<UnixTime>) -> Explanation {
        let lines = headers.get_all(http::header::AUTHORIZATION).iter().map(http::HeaderValue::as_bytes);
        let credentials = Credentials { lines: lines.collect(), headers: Some(headers) };
        let explanation = explanation(self, &credentials, Err(rejection.clone()), now);
        if self.logs_unverified_fields() {
            explanation
        } else {
            without_token_values(self, &credentials, explanation, now)
        }
    }

    async fn explain_credentials(&self, credentials: Credentials<'_>) -> Explanation {
        let token = match credentials.headers {
            Some(headers) => BearerToken::from_headers(headers),
            None => BearerToken::from_credentials(credentials.lines.first().copied().unwrap_or_default()),
        };
        let outcome = match token {
            Ok(token) => self.explain_token(token).await,
            Err(kind) => Err(kind.into()),
        };
        // Afterwards, since a check that waits for its key goes by the time that it is then.
        explanation(self, &credentials, outcome, self.now())
    }

    /// The check of a request, which counts, logs and caches nothing.
    async fn explain_token(&self, token: BearerToken<'_>) -> Result<Claims, Rejection> {
        let authorized = match self.check_token(token, self.now()) {
            Ok(authorized) => authorized,
            Err(Unfinished::Rejected(rejection)) => return Err(rejection),
            Err(Unfinished::NeedsKey(tenant, key_id)) => {
                let key = self.keys().resolve(tenant, &key_id).await?;
                self.check_with_key(token, key, self.now())?
            }
        };
        Ok(authorized.into_claims())
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
    let failed = outcome.as_ref().err().map(Rejection::check);
    let advice = outcome.as_ref().err().map_or_else(Vec::new, |rejection| advice::on(rejection, &evidence));
    Explanation { checks: checks(&evidence, failed), outcome, advice }
}

/// The same explanation without any value of the JOSE header or the claims set: its checks come from evidence that has
/// neither, and of its advice only fixed sentences are left.
fn without_token_values(
    validator: &Validator,
    credentials: &Credentials<'_>,
    mut explanation: Explanation,
    now: Option<UnixTime>,
) -> Explanation {
    let evidence = Evidence::gather(validator, credentials, None, now);
    explanation.checks = checks(&evidence, explanation.outcome.as_ref().err().map(Rejection::check));
    explanation.advice.retain(|sentence| matches!(sentence, Cow::Borrowed(_)));
    explanation
}

fn checks(evidence: &Evidence<'_>, failed: Option<CheckName>) -> Vec<Check> {
    let check = |check| Check {
        name: check,
        state: match failed {
            Some(failed) if check == failed => CheckState::Failed,
            Some(failed) if check > failed => CheckState::NotReached,
            _ => CheckState::Passed,
        },
        configured: evidence.configured(check),
        found: evidence.found(check).filter(|found| !found.is_empty()),
    };
    CheckName::ALL.map(check).into()
}
