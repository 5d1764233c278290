//! Where verification keys come from.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::error::KeyError;
use crate::ids::{KeyId, TenantId};
use crate::signature::key::VerificationKey;

/// A source of verification keys, held as `Arc<dyn KeySource>`.
///
/// For a token that was verified before, a request asks [`is_current`](Self::is_current). For any other, or
/// when that says no, it asks [`lookup`](Self::lookup), and only when the answer is [`Lookup::Miss`] also
/// [`resolve`](Self::resolve). The tenant is always one of the policy's, and the token's claims are plausible by then.
pub trait KeySource: fmt::Debug + Send + Sync + 'static {
    /// What is known of a key at this moment. Must not wait, neither for a lock that is held long nor
    /// for anything else.
    fn lookup(&self, tenant: &TenantId, id: &KeyId) -> Lookup;

    /// Whether a key that was [`Lookup::Found`] before may still be used under this name, for tokens that
    /// were verified with it. Must not wait either.
    ///
    /// The default looks the key up again. A source that can tell without making a copy saves some time.
    fn is_current(&self, tenant: &TenantId, id: &KeyId, key: &VerificationKey) -> bool {
        matches!(self.lookup(tenant, id), Lookup::Found(held) if held.is_same(key))
    }

    /// Goes and finds out about a key that [`lookup`](Self::lookup) did not know. May wait.
    ///
    /// The future may be dropped at any time, when a client hangs up; whatever is under way for other
    /// requests must not end with it.
    ///
    /// # Errors
    ///
    /// [`KeyError::unknown`] rejects the request with 401; answer it only when the keys are current.
    /// [`KeyError::unavailable`] answers 503, so that the sender may try again.
    fn resolve(&self, tenant: &TenantId, id: &KeyId) -> KeyFuture<Result<VerificationKey, KeyError>>;

    /// Waits until there are keys, or until it is known that there are none for now.
    ///
    /// The default is for sources that always have their keys: it is ready at once.
    ///
    /// # Errors
    ///
    /// Why there are no keys.
    fn ready(&self) -> KeyFuture<Result<(), KeyError>> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// Whether requests can be judged at this moment.
    ///
    /// The default is for sources that always have their keys.
    fn is_ready(&self) -> bool {
        true
    }
}

impl<K: KeySource + ?Sized> KeySource for Arc<K> {
    fn lookup(&self, tenant: &TenantId, id: &KeyId) -> Lookup {
        (**self).lookup(tenant, id)
    }

    fn is_current(&self, tenant: &TenantId, id: &KeyId, key: &VerificationKey) -> bool {
        (**self).is_current(tenant, id, key)
    }

    fn resolve(&self, tenant: &TenantId, id: &KeyId) -> KeyFuture<Result<VerificationKey, KeyError>> {
        (**self).resolve(tenant, id)
    }

    fn ready(&self) -> KeyFuture<Result<(), KeyError>> {
        (**self).ready()
    }

    fn is_ready(&self) -> bool {
        (**self).is_ready()
    }
}

/// The future of a [`KeySource`]: boxed, and free of borrows so that it can outlive the call.
pub type KeyFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What a [`KeySource`] knows of a key without waiting.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Lookup {
    /// Nothing is known for certain: ask [`KeySource::resolve`].
    Miss,
    /// The key, fit for use.
    Found(VerificationKey),
    /// It is certain that this key does not verify this token.
    Rejected(KeyError),
}
