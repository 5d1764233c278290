//! Why a request is refused: every check with what is configured and what was found, and for the usual
//! mistakes a sentence with the remedy.
//!
//! The check itself is the validator's own. What is here only words its outcome.

mod advice;
mod evidence;
mod stage;
mod table;

use std::fmt;

use evidence::{Credentials, Evidence};
use http::HeaderMap;
use serde::ser::{Serialize, SerializeStruct, Serializer};
use stage::Stage;

use crate::bearer::BearerToken;
use crate::claims::Claims;
use crate::clock::UnixTime;
use crate::error::Rejection;
use crate::validator::{Validator, Verdict};

impl Validator {
    /// Explains what becomes of a token: the text that stands after `Bearer ` in the header.
    ///
    /// The token goes through the same check as a request's and is accepted or refused for the same
    /// reason; only the memory of verified tokens is passed over. No request is counted and no refusal logged.
    /// As a request does, it may wait for a key and may cause one fetch.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use signalr_upstream_auth::{RejectionKind, UpstreamAuthLayer, testing::MockEntra};
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
            Ok(Verdict::Refused(rejection)) => Err(rejection),
            Ok(Verdict::Waiting(pending)) => pending.await,
            Err(kind) => Err(kind.into()),
        };
        // Afterwards, since a check that waits for its key goes by the time that it is then.
        Explanation::of(self, &credentials, outcome, self.now())
    }
}

/// What becomes of a request, check by check.
///
/// `Display` prints a table for people, [`coloured`](Self::coloured) the same for a terminal. `Serialize`
/// writes an object with `accepted` (boolean), `kind` and `status` (of the refusal, else null), `checks`
/// (in their order, objects with `name`, `state`, `configured`, `found`) and `advice` (sentences).
///
/// It is meant for the operator, not for the caller: it shows what is configured. It holds claims of the
/// token, escaped and cut, but never its signature or a longer piece of it.
#[derive(Clone, Debug)]
pub struct Explanation {
    outcome: Result<Claims, Rejection>,
    checks: Vec<Check>,
    advice: Vec<String>,
}

/// One check of an [`Explanation`].
#[derive(Clone, Debug)]
pub struct Check {
    name: &'static str,
    state: CheckState,
    configured: String,
    found: Option<String>,
}

/// How a check ended.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum CheckState {
    /// It is the one that refused the request.
    Failed,
    /// An earlier check refused the request. What was found is shown all the same, where it can be read.
    NotReached,
    /// It was met.
    Passed,
}

impl Explanation {
    /// Words an outcome.
    fn of(
        validator: &Validator,
        credentials: &Credentials<'_>,
        outcome: Result<Claims, Rejection>,
        now: Option<UnixTime>,
    ) -> Self {
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
        Self { outcome, checks: checks.into(), advice }
    }

    /// What [`Validator::validate`] says of the same request at the same moment.
    ///
    /// # Errors
    ///
    /// The refusal.
    pub fn outcome(&self) -> Result<&Claims, &Rejection> {
        self.outcome.as_ref()
    }

    /// Whether the request is let through.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        self.outcome.is_ok()
    }

    /// Every check in the order in which they are made, those that were not reached included.
    #[must_use]
    pub fn checks(&self) -> &[Check] {
        &self.checks
    }

    /// What went wrong and what to do about it, one sentence or a few. Empty if the request is let through.
    pub fn advice(&self) -> impl Iterator<Item = &str> {
        self.advice.iter().map(String::as_str)
    }

    /// The table with colours for a terminal (ANSI escape codes).
    #[must_use]
    pub fn coloured(&self) -> impl fmt::Display + '_ {
        table::Table { explanation: self, has_colours: true }
    }
}

impl Check {
    /// The name, one word in lower case: `credentials`, `form`, `header`, `claims`, `version`, `tenant`,
    /// `issuer`, `audience`, `times`, `key`, `signature`, `application`, `caller` or `role`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// How it ended.
    #[must_use]
    pub fn state(&self) -> CheckState {
        self.state
    }

    /// What is asked for.
    #[must_use]
    pub fn configured(&self) -> &str {
        &self.configured
    }

    /// What the request has, escaped and cut. `None` where there is nothing, or nothing readable.
    #[must_use]
    pub fn found(&self) -> Option<&str> {
        self.found.as_deref()
    }
}

impl CheckState {
    /// The state in snake case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::NotReached => "not_reached",
            Self::Passed => "passed",
        }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        table::Table { explanation: self, has_colours: false }.fmt(f)
    }
}

impl Serialize for Explanation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let kind = self.outcome.as_ref().err().map(Rejection::kind);
        let mut object = serializer.serialize_struct("Explanation", 5)?;
        object.serialize_field("accepted", &self.is_accepted())?;
        object.serialize_field("kind", &kind.map(|kind| kind.as_str()))?;
        object.serialize_field("status", &kind.map(|kind| kind.status().as_u16()))?;
        object.serialize_field("checks", &self.checks)?;
        object.serialize_field("advice", &self.advice)?;
        object.end()
    }
}

impl Serialize for Check {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Check", 4)?;
        object.serialize_field("name", self.name)?;
        object.serialize_field("state", self.state.as_str())?;
        object.serialize_field("configured", &self.configured)?;
        object.serialize_field("found", &self.found)?;
        object.end()
    }
}
