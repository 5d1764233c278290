//! The log of explanations: what an operator has of a failing call whose token nobody can take.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use tracing::Span;

use crate::error::Rejection;
use crate::telemetry::events::REQUESTS;
use crate::telemetry::rejection_log::RejectionLog;
use crate::telemetry::throttle::Throttle;
use crate::validator::Validator;

/// Logs explanations of rejections: none by default, otherwise at most one for each kind within a pause. Clones count
/// together.
#[derive(Clone, Debug, Default)]
pub(crate) struct ExplanationLog(Option<Arc<Throttle>>);

impl ExplanationLog {
    /// Lets this time pass between two explanations of a kind, rounded up to whole seconds. Zero turns the log off.
    pub(crate) fn new(pause: Duration) -> Self {
        let seconds = pause.as_secs().saturating_add(u64::from(pause.subsec_nanos() > 0));
        Self((seconds > 0).then(|| Arc::new(Throttle::new(seconds))))
    }

    /// Logs the explanation of a rejected request, if one is due.
    pub(crate) fn record(&self, validator: &Validator, headers: &HeaderMap, rejection: &Rejection) {
        let Some(throttle) = self.0.as_ref().filter(|_| RejectionLog::is_enabled()) else { return };
        let now = validator.now();
        if throttle.count(rejection.kind(), now).is_none() {
            return;
        }
        // One line in every format, and a program can read it.
        let Ok(explanation) = serde_json::to_string(&validator.explain_rejection(headers, rejection, now)) else {
            return;
        };
        let (kind, status) = (rejection.kind().as_str(), rejection.status().as_u16());
        tracing::warn!(
            target: REQUESTS,
            { error.type = kind, http.response.status_code = status, %explanation },
            "rejection explained"
        );
    }

    /// The same for a request that waits for its key, in the span that is current now. `None` if the log is off.
    pub(crate) fn later(&self, validator: &Validator) -> Option<LateExplanation> {
        self.0.as_ref()?;
        Some(LateExplanation { log: self.clone(), validator: validator.clone(), span: Span::current() })
    }
}

/// Logs the explanation of a request that has waited for its key.
pub(crate) struct LateExplanation {
    log: ExplanationLog,
    validator: Validator,
    span: Span,
}

impl LateExplanation {
    /// As [`ExplanationLog::record`].
    pub(crate) fn record(&self, headers: &HeaderMap, rejection: &Rejection) {
        self.span.in_scope(|| self.log.record(&self.validator, headers, rejection));
    }
}
