//! Tokens of the resource's managed identity, kept for as long as they are good.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::entra::Entra;
use crate::mock::UnixTime;

/// The token cache of the emulated resource.
#[derive(Debug)]
pub(super) struct Tokens {
    entra: Arc<Entra>,
    kept: Mutex<HashMap<String, Kept>>,
}

struct Kept {
    token: String,
    key_id: String,
    /// When a new one is made, in seconds since 1970-01-01T00:00:00Z.
    renew_at: u64,
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kept").field("renew_at", &self.renew_at).finish_non_exhaustive()
    }
}

impl Tokens {
    pub(super) fn new(entra: Arc<Entra>) -> Self {
        Self { entra, kept: Mutex::default() }
    }

    /// A token for an audience: v1, of the mock's usual caller, good for 24 hours. A new one is made at half of its life,
    /// and when Entra signs with another key.
    pub(super) fn get(&self, resource: &str) -> String {
        let now = self.entra.clock().unix_seconds();
        let key_id = self.entra.mock().signing_key().key_id().to_string();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = kept.get(resource).filter(|kept| kept.renew_at > now && kept.key_id == key_id) {
            return kept.token.clone();
        }
        let ends = now.saturating_add(LIFETIME);
        let token = self
            .entra
            .mock()
            .token()
            .audience(resource)
            .issued_at(UnixTime::from_secs(now))
            .expires_at(UnixTime::from_secs(ends))
            .mint();
        let fresh = Kept { token: token.clone(), key_id, renew_at: now.saturating_add(LIFETIME / 2) };
        kept.insert(resource.to_owned(), fresh);
        token
    }
}

/// Seconds; what managed identities' tokens have.
const LIFETIME: u64 = 86_700;
