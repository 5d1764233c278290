//! The log of rejections: every rejection at DEBUG, and at WARN so few events that nobody can flood the log with
//! bad requests.

use tracing::Level;

use crate::clock::UnixTime;
use crate::error::Rejection;
use crate::telemetry::events::REQUESTS;
use crate::telemetry::throttle::{PAUSE, Throttle};
use crate::telemetry::unverified::UnverifiedFields;

/// Logs every rejection as one event at DEBUG. At WARN it logs at most one event per kind within [`PAUSE`] seconds,
/// with the number of rejections since the previous one.
#[derive(Debug)]
pub(crate) struct RejectionLog {
    throttle: Throttle,
    has_unverified_fields: bool,
}

impl RejectionLog {
    /// `has_unverified_fields` is whether its events contain them.
    pub(crate) fn new(has_unverified_fields: bool) -> Self {
        Self { throttle: Throttle::new(PAUSE), has_unverified_fields }
    }

    /// Whether its events contain unverified fields.
    pub(crate) fn has_unverified_fields(&self) -> bool {
        self.has_unverified_fields
    }

    /// Whether a subscriber records WARN events of rejections.
    pub(crate) fn is_enabled() -> bool {
        tracing::enabled!(target: REQUESTS, Level::WARN)
    }

    /// Logs a rejection at `now`. Calls `unverified` only if a subscriber records the event and it
    /// contains these fields.
    pub(crate) fn record(
        &self,
        rejection: &Rejection,
        now: Option<UnixTime>,
        unverified: impl FnOnce() -> UnverifiedFields,
    ) {
        let count = self.throttle.count(rejection.kind(), now).filter(|_| Self::is_enabled());
        if count.is_none() && !tracing::enabled!(target: REQUESTS, Level::DEBUG) {
            return;
        }
        let unverified = if self.has_unverified_fields { unverified() } else { UnverifiedFields::default() };
        let (kind, status) = (rejection.kind().as_str(), rejection.status().as_u16());
        macro_rules! event {
            ($level:ident, $message:literal $(, $field:ident)*) => {
                tracing::event!(
                    target: REQUESTS,
                    Level::$level,
                    error.type = kind,
                    http.response.status_code = status,
                    $($field,)*
                    unverified.tenant_id = unverified.tenant_id,
                    unverified.object_id = unverified.object_id,
                    unverified.client_id = unverified.client_id,
                    unverified.version = unverified.version,
                    unverified.key_id = unverified.key_id,
                    unverified.token_id = unverified.token_id,
                    unverified.hub = unverified.hub,
                    unverified.event = unverified.event,
                    $message
                )
            };
        }
        event!(DEBUG, "request rejected");
        if let Some(count) = count {
            event!(WARN, "requests are rejected", count);
        }
    }
}
