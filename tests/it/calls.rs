//! Calls of the service, and a key source that finds none of their keys.

use std::sync::atomic::{AtomicU64, Ordering};

use http::Request;
use mock_entra::UpstreamRequest;
use signalr_upstream_auth::TenantId;
use signalr_upstream_auth::clock::UnixTime;
use signalr_upstream_auth::keys::{KeyError, KeyFuture, KeyId, KeySource, Lookup, VerificationKey};

/// A call of SignalR's with this token.
pub(crate) fn call(token: String) -> Request<String> {
    UpstreamRequest::message("chat", "echo").bearer(token).into_request::<Vec<u8>>().map(|_| String::new())
}

/// A key source that has to look for every key, finds none, and counts how often it was asked.
#[derive(Debug, Default)]
pub(crate) struct LateRejection(AtomicU64);

impl LateRejection {
    pub(crate) fn asked(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl KeySource for LateRejection {
    fn lookup(&self, _: TenantId, _: &KeyId, _: UnixTime) -> Lookup {
        Lookup::Miss
    }

    fn resolve(&self, _: TenantId, _: &KeyId) -> KeyFuture<Result<VerificationKey, KeyError>> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Box::pin(async {
            tokio::task::yield_now().await;
            Err(KeyError::unknown())
        })
    }
}
