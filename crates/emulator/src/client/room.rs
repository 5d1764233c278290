//! What clients share.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::request::Parts;
use http::{Method, StatusCode};

use super::cors::Cors;
use super::token::{ClientToken, TokenCheck, TokenProblem};
use crate::assumptions::Assumptions;
use crate::auth::AccessKeys;
use crate::clock::EmulatorClock;
use crate::events::Events;
use crate::hub::{Hubs, is_hub_name};
use crate::net::Tasks;
use crate::operation::Operation;
use crate::upstream::Upstream;
use crate::web::{Answer, Query, empty, full};

/// Everything that a client's request needs.
pub(crate) struct ClientRoom {
    pub(crate) hubs: Arc<Hubs>,
    pub(crate) keys: Arc<AccessKeys>,
    pub(crate) clock: EmulatorClock,
    pub(crate) assumptions: Arc<Assumptions>,
    pub(crate) upstream: Arc<Upstream>,
    pub(crate) events: Arc<Events>,
    pub(crate) cors: Cors,
    /// The names of the service, without a port.
    pub(crate) hosts: Vec<String>,
    pub(crate) negotiated: Mutex<HashMap<String, Negotiated>>,
    pub(crate) sessions: Tasks,
}

/// A connection that is negotiated and not there yet.
#[derive(Debug)]
pub(crate) struct Negotiated {
    pub(super) connection_id: String,
    pub(super) hub: String,
    pub(super) until: tokio::time::Instant,
}

/// What a client's path leads to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ClientTarget {
    Preflight,
    Negotiate,
    Connect,
}

impl ClientTarget {
    /// Reads the segments of a path: `/client/negotiate`, `/client/` and `/client`.
    pub(crate) fn read(method: &Method, segments: &[&str]) -> Option<Self> {
        let negotiate = match segments {
            ["client", "negotiate"] => true,
            ["client"] | ["client", ""] => false,
            _ => return None,
        };
        match (method, negotiate) {
            (&Method::OPTIONS, _) => Some(Self::Preflight),
            (&Method::POST, true) => Some(Self::Negotiate),
            (&Method::GET, false) => Some(Self::Connect),
            _ => None,
        }
    }

    pub(crate) fn operation(self) -> Operation {
        match self {
            Self::Preflight => Operation::Unknown,
            Self::Negotiate => Operation::ClientNegotiate,
            Self::Connect => Operation::ClientConnect,
        }
    }
}

/// What the log wants to know of a client's request.
#[derive(Debug, Default)]
pub(crate) struct ClientNote {
    pub(crate) hub: Option<String>,
    pub(crate) rejection: Option<String>,
}

impl ClientRoom {
    /// Answers a client's request, with the headers that browsers of other origins need.
    pub(crate) fn answer(self: &Arc<Self>, target: ClientTarget, parts: &mut Parts) -> (Answer, ClientNote) {
        if target == ClientTarget::Preflight {
            return (self.cors.preflight(&parts.headers), ClientNote::default());
        }
        let query = Query::read(parts.uri.query().unwrap_or_default());
        let (mut answer, note) = match self.check(parts, &query) {
            Ok((hub, token)) => {
                let note = ClientNote { hub: Some(hub.clone()), rejection: None };
                let answer = match target {
                    ClientTarget::Connect => self.connect(hub, token, parts, &query),
                    ClientTarget::Negotiate | ClientTarget::Preflight => Ok(self.negotiate(&hub, &query)),
                };
                match answer {
                    Ok(answer) => (answer, note),
                    Err((status, text)) => rejected(status, text, note),
                }
            }
            Err((status, text)) => rejected(status, &text, ClientNote::default()),
        };
        self.cors.apply(&parts.headers, &mut answer);
        (answer, note)
    }

    /// Checks hub and token.
    fn check(&self, parts: &Parts, query: &Query) -> Result<(String, ClientToken), (StatusCode, String)> {
        let bad = |text: &str| Err((StatusCode::BAD_REQUEST, text.to_owned()));
        let mut hubs = query.all("hub");
        let (Some(hub), None) = (hubs.next(), hubs.next()) else {
            return bad("the query has not exactly one `hub`");
        };
        // With an application before it a name may be twice as long, joined by an underscore.
        if !is_hub_name(hub) && !hub.split_once('_').is_some_and(|(a, b)| is_hub_name(a) && is_hub_name(b)) {
            return bad("the hub's name is not allowed");
        }
        let hub = hub.to_lowercase();
        let check = TokenCheck {
            keys: &self.keys,
            hosts: &self.hosts,
            hub: &hub,
            now: self.clock.unix_seconds(),
            skew: self.assumptions.clock_skew.as_secs(),
        };
        match check.check(&parts.headers, query) {
            Ok(token) => Ok((hub, token)),
            Err(TokenProblem::TooLong) => {
                Err((StatusCode::PAYLOAD_TOO_LARGE, "the client's token is longer than 4,096 characters".to_owned()))
            }
            Err(TokenProblem::Unauthorized(text)) => Err((StatusCode::UNAUTHORIZED, text)),
        }
    }

    /// Lets a task of a client run until it ends or the emulator is dropped.
    pub(super) fn spawn(&self, session: impl Future<Output = ()> + Send + 'static) {
        self.sessions.spawn(session);
    }

    pub(super) fn negotiated(&self) -> MutexGuard<'_, HashMap<String, Negotiated>> {
        self.negotiated.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for ClientRoom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientRoom").field("hubs", &self.hubs).finish_non_exhaustive()
    }
}

fn rejected(status: StatusCode, text: &str, note: ClientNote) -> (Answer, ClientNote) {
    let answer = if status == StatusCode::UNAUTHORIZED {
        empty(status)
    } else {
        full(status, "text/plain; charset=utf-8", text.to_owned())
    };
    (answer, ClientNote { rejection: Some(text.to_owned()), ..note })
}
