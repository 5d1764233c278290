//! What was asked of an emulator, and what came of it.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::Method;
use tokio::sync::watch;

use crate::auth::Caller;
use crate::operation::Operation;

/// One request, as the emulator saw it.
///
/// It holds no token, key or secret: `access_token` in the query reads `***`, and bodies of requests to Entra are left
/// out.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LoggedRequest {
    /// The emulator's time, in seconds since 1970-01-01T00:00:00Z.
    pub time: u64,
    /// What it asks for.
    pub operation: Operation,
    /// The method.
    pub method: Method,
    /// Path and query exactly as they came, undecoded.
    pub target: String,
    /// The hub, with the application's name before it if there is one.
    pub hub: Option<String>,
    /// Who asked, if a token or key proved it.
    pub caller: Option<Caller>,
    /// The `Content-Type`.
    pub content_type: Option<String>,
    /// The body. Empty in an event.
    pub body: Bytes,
    /// Whether the request took effect. A rejected one did not, nor did one that a fault met first.
    pub processed: bool,
    /// The status of the answer. `None` if the connection was reset or fell silent.
    pub status: Option<u16>,
    /// The `x-ms-error-code` of the answer.
    pub error_code: Option<String>,
    /// Why the request was rejected, in words, for whoever reads a failing test. The answer does not tell it.
    pub rejection: Option<String>,
    /// How many connections a message went to, or how many were closed.
    pub reached: usize,
    /// The ids of these connections. Empty in an event.
    pub delivered_to: Arc<[String]>,
}

impl LoggedRequest {
    /// The bytes of everything that has no fixed length.
    fn bytes(&self) -> usize {
        let texts = [&self.content_type, &self.hub, &self.error_code, &self.rejection];
        let texts: usize = texts.into_iter().flatten().map(String::len).sum();
        let ids: usize = self.delivered_to.iter().map(|id| size_of::<String>() + id.len()).sum();
        self.target.len() + texts + self.body.len() + ids
    }
}

/// The requests of an [`Emulator`](crate::Emulator).
///
/// It keeps the latest 10,000, or fewer if they exceed 64 MiB with their bodies, ids and addresses.
/// [`count`](Self::count) counts all.
#[derive(Debug)]
pub struct RequestLog {
    state: Mutex<State>,
    changed: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct State {
    entries: VecDeque<LoggedRequest>,
    counts: HashMap<Operation, usize>,
    bytes: usize,
}

impl RequestLog {
    pub(crate) fn new() -> Self {
        Self { state: Mutex::default(), changed: watch::Sender::new(()) }
    }

    /// The latest requests, the oldest first.
    #[must_use]
    pub fn entries(&self) -> Vec<LoggedRequest> {
        self.state().entries.iter().cloned().collect()
    }

    /// The latest requests for one operation, the oldest first.
    #[must_use]
    pub fn of(&self, operation: Operation) -> Vec<LoggedRequest> {
        self.state().entries.iter().filter(|entry| entry.operation == operation).cloned().collect()
    }

    /// The latest request of all.
    #[must_use]
    pub fn last(&self) -> Option<LoggedRequest> {
        self.state().entries.back().cloned()
    }

    /// How many requests for an operation there were since the start or [`clear`](Self::clear).
    #[must_use]
    pub fn count(&self, operation: Operation) -> usize {
        self.state().counts.get(&operation).copied().unwrap_or(0)
    }

    /// Clears everything, also the counts.
    pub fn clear(&self) {
        *self.state() = State::default();
    }

    /// Waits until so many requests for an operation were logged. There is no time limit.
    pub async fn until(&self, operation: Operation, count: usize) {
        let mut changed = self.changed.subscribe();
        while self.count(operation) < count {
            // The sender lives as long as `self`.
            let _ = changed.changed().await;
        }
    }

    pub(crate) fn add(&self, entry: LoggedRequest) {
        let mut state = self.state();
        *state.counts.entry(entry.operation).or_default() += 1;
        state.bytes += entry.bytes();
        state.entries.push_back(entry);
        while state.entries.len() > MOST_ENTRIES || state.bytes > MOST_BYTES {
            let Some(oldest) = state.entries.pop_front() else { break };
            state.bytes -= oldest.bytes();
        }
        drop(state);
        self.changed.send_replace(());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Path and query with the value of `access_token` hidden.
pub(crate) fn redact(target: &str) -> String {
    let Some((path, query)) = target.split_once('?') else { return target.to_owned() };
    let pairs: Vec<_> = query
        .split('&')
        .map(|pair| match pair.split_once('=') {
            Some((name, _)) if name.eq_ignore_ascii_case("access_token") => format!("{name}=***"),
            _ => pair.to_owned(),
        })
        .collect();
    format!("{path}?{}", pairs.join("&"))
}

const MOST_ENTRIES: usize = 10_000;
const MOST_BYTES: usize = 64 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(body: Bytes) -> LoggedRequest {
        LoggedRequest {
            time: 0,
            operation: Operation::Health,
            method: Method::HEAD,
            target: String::new(),
            hub: None,
            caller: None,
            content_type: None,
            body,
            processed: true,
            status: None,
            error_code: None,
            rejection: None,
            reached: 0,
            delivered_to: Vec::new().into(),
        }
    }

    #[test]
    fn the_oldest_requests_make_room() {
        let log = RequestLog::new();
        for _ in 0..=MOST_ENTRIES {
            log.add(entry(Bytes::new()));
        }
        assert_eq!((log.entries().len(), log.count(Operation::Health)), (MOST_ENTRIES, MOST_ENTRIES + 1));
        let mebibyte = Bytes::from(vec![0; 1024 * 1024]);
        for _ in 0..65 {
            log.add(entry(mebibyte.clone()));
        }
        assert_eq!(log.entries().len(), 64);
    }

    #[test]
    fn ids_and_addresses_count_as_bytes_of_the_log() {
        let ids: Vec<String> = (0..100_000).map(|number| format!("{number:033}")).collect();
        let with_ids = LoggedRequest { delivered_to: ids.into(), ..entry(Bytes::new()) };
        let with_address = LoggedRequest { target: "/".repeat(6_000_000), ..entry(Bytes::new()) };
        for large in [with_ids, with_address] {
            let log = RequestLog::new();
            for _ in 0..12 {
                log.add(large.clone());
            }
            assert!((1..12).contains(&log.entries().len()), "{}", log.entries().len());
            assert_eq!(log.count(Operation::Health), 12);
        }
    }

    #[test]
    fn redacts_tokens_in_queries() {
        assert_eq!(redact("/client/?hub=a&access_token=x.y.z&id=1"), "/client/?hub=a&access_token=***&id=1");
        assert_eq!(redact("/client/?Access_Token=x"), "/client/?Access_Token=***");
        assert_eq!(redact("/api/hubs/chat/:send"), "/api/hubs/chat/:send");
    }
}
