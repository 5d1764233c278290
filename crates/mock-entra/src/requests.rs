//! What clients have requested from a mock, counted.

use std::time::Instant;

use tokio::sync::watch;

use signalr_upstream_auth::TenantId;

/// A kind of request.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Endpoint {
    /// Every request, including those for unknown paths.
    Any,
    /// The discovery documents of both versions.
    Discovery,
    /// The key documents of both versions.
    Keys,
}

/// What clients had requested from a [`MockEntra`](crate::MockEntra) when you asked.
#[derive(Clone, Debug, Default)]
pub struct Requests {
    connections: usize,
    open_connections: usize,
    bytes_sent: usize,
    log: Vec<LoggedRequest>,
}

impl Requests {
    /// The connections that the mock accepted, including those without a request.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections
    }

    /// The connections that are open.
    #[must_use]
    pub fn open_connections(&self) -> usize {
        self.open_connections
    }

    /// The bytes of all responses that the operating system took, heads and framing included.
    ///
    /// It takes some hundred kilobytes before a client has read the first byte.
    #[must_use]
    pub fn bytes_sent(&self) -> usize {
        self.bytes_sent
    }

    /// The requests for discovery documents.
    #[must_use]
    pub fn discovery(&self) -> usize {
        self.count(Endpoint::Discovery)
    }

    /// The requests for key documents.
    #[must_use]
    pub fn keys(&self) -> usize {
        self.count(Endpoint::Keys)
    }

    /// All requests in the order in which they arrived.
    #[must_use]
    pub fn log(&self) -> &[LoggedRequest] {
        &self.log
    }

    /// The requests for one tenant only. Connections and bytes are still those of all.
    #[must_use]
    pub fn of(&self, tenant: TenantId) -> Self {
        let log = self.log.iter().filter(|request| request.tenant == Some(tenant)).cloned().collect();
        Self { log, ..*self }
    }

    fn count(&self, endpoint: Endpoint) -> usize {
        self.log.iter().filter(|request| request.endpoint == Some(endpoint)).count()
    }
}

/// One request.
#[derive(Clone, Debug)]
pub struct LoggedRequest {
    at: Instant,
    path: String,
    endpoint: Option<Endpoint>,
    tenant: Option<TenantId>,
}

impl LoggedRequest {
    /// When its head had arrived.
    #[must_use]
    pub fn at(&self) -> Instant {
        self.at
    }

    /// Path and query.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }
}

/// Counts requests, and lets others wait for a count.
#[derive(Debug)]
pub(crate) struct Counter(watch::Sender<Requests>);

impl Counter {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(Requests::default()))
    }

    pub(crate) fn requests(&self) -> Requests {
        self.0.borrow().clone()
    }

    /// Waits until a condition holds for the requests.
    #[expect(clippy::expect_used, reason = "the sender is `self`")]
    pub(crate) async fn until(&self, condition: impl Fn(&Requests) -> bool) -> Requests {
        self.0.subscribe().wait_for(condition).await.expect("the sender lives").clone()
    }

    /// Counts a connection. It is open until the value is dropped.
    pub(crate) fn connection(&self) -> OpenConnection<'_> {
        self.0.send_modify(|requests| {
            requests.connections += 1;
            requests.open_connections += 1;
        });
        OpenConnection(self)
    }

    pub(crate) fn request(&self, path: &str, endpoint: Option<Endpoint>, tenant: Option<TenantId>) {
        let request = LoggedRequest { at: Instant::now(), path: path.to_owned(), endpoint, tenant };
        self.0.send_modify(|requests| requests.log.push(request));
    }

    pub(crate) fn sent(&self, bytes: usize) {
        self.0.send_modify(|requests| requests.bytes_sent += bytes);
    }
}

#[derive(Debug)]
pub(crate) struct OpenConnection<'a>(&'a Counter);

impl Drop for OpenConnection<'_> {
    fn drop(&mut self) {
        self.0.0.send_modify(|requests| requests.open_connections -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_requests_by_endpoint_and_tenant() {
        let tenant: TenantId = "11111111-aaaa-4bbb-8ccc-222222222222".parse().unwrap();
        let counter = Counter::new();
        let open = counter.connection();
        counter.request("/a", Some(Endpoint::Discovery), Some(tenant));
        counter.request("/b", Some(Endpoint::Keys), None);
        counter.request("/c", None, None);
        counter.sent(3);
        counter.sent(4);
        let requests = counter.requests();
        assert_eq!((requests.connections(), requests.open_connections()), (1, 1));
        assert_eq!((requests.discovery(), requests.keys(), requests.bytes_sent()), (1, 1, 7));
        assert_eq!(requests.log().iter().map(LoggedRequest::path).collect::<Vec<_>>(), ["/a", "/b", "/c"]);
        assert_eq!((requests.of(tenant).discovery(), requests.of(tenant).keys()), (1, 0));
        drop(open);
        assert_eq!((counter.requests().connections(), counter.requests().open_connections()), (1, 0));
    }

    #[tokio::test]
    async fn waits_for_a_count() {
        let counter = Counter::new();
        let ((), requests) = tokio::join!(
            async {
                tokio::task::yield_now().await;
                counter.request("/a", Some(Endpoint::Keys), None);
                counter.request("/b", Some(Endpoint::Keys), None);
            },
            counter.until(|requests| requests.keys() == 2),
        );
        assert_eq!(requests.keys(), 2);
    }
}
