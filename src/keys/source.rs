//! Where verification keys come from.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::clock::UnixTime;
use crate::error::KeyError;
use crate::ids::{KeyId, TenantId};
use crate::signature::key::VerificationKey;

/// A source of verification keys.
///
/// Implemented for `Arc<K>` too, so that you can keep a source that you hand out.
///
/// For a token of the token cache, a request asks [`is_current`](Self::is_current). For any other token, or when that
/// says no, it asks [`lookup`](Self::lookup), and after [`Lookup::Miss`] also [`resolve`](Self::resolve). The tenant is
/// always one of the policy's, and the token's claims have been checked by then.
///
/// A source whose keys something else replaces, such as a program that watches a file:
///
/// ```
/// use std::sync::{PoisonError, RwLock};
///
/// use signalr_upstream_auth::TenantId;
/// use signalr_upstream_auth::clock::UnixTime;
/// use signalr_upstream_auth::keys::{FixedKeys, KeyError, KeyFuture, KeyId, KeySet, KeySource, Lookup, VerificationKey};
///
/// #[derive(Debug)]
/// struct ReplacedKeys(RwLock<FixedKeys>);
///
/// impl ReplacedKeys {
///     fn replace(&self, keys: KeySet) {
///         *self.0.write().unwrap_or_else(PoisonError::into_inner) = FixedKeys::new(keys);
///     }
///
///     fn current(&self) -> FixedKeys {
///         self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
///     }
/// }
///
/// impl KeySource for ReplacedKeys {
///     fn lookup(&self, tenant: TenantId, id: &KeyId, now: UnixTime) -> Lookup {
///         self.current().lookup(tenant, id, now)
///     }
///
///     fn resolve(&self, tenant: TenantId, id: &KeyId) -> KeyFuture<Result<VerificationKey, KeyError>> {
///         self.current().resolve(tenant, id)
///     }
/// }
/// ```
pub trait KeySource: fmt::Debug + Send + Sync + 'static {
    /// What is known of a key now. Must not wait, neither for a lock that is held long nor for anything else.
    ///
    /// `now` is the time of the request on the validator's clock, so that a source whose keys age need not read a wall
    /// clock again.
    fn lookup(&self, tenant: TenantId, id: &KeyId, now: UnixTime) -> Lookup;

    /// Whether a key that was [`Lookup::Found`] before is still the one of this `kid`, for tokens that were verified with
    /// it. Must not wait either. `now` is that of [`lookup`](Self::lookup).
    ///
    /// The default looks the key up again. A source that can tell without a copy saves some time: it
    /// compares keys with `==`.
    fn is_current(&self, tenant: TenantId, id: &KeyId, key: &VerificationKey, now: UnixTime) -> bool {
        matches!(self.lookup(tenant, id, now), Lookup::Found(found) if found == *key)
    }

    /// Finds out about a key that [`lookup`](Self::lookup) did not know. May wait.
    ///
    /// The future may be dropped at any time, when a client disconnects. Whatever runs for other requests must not end
    /// with it.
    ///
    /// # Errors
    ///
    /// [`KeyError::unknown`] rejects the request with 401; return it only when the keys are current.
    /// [`KeyError::unavailable`] answers 503, so that the sender may try again.
    fn resolve(&self, tenant: TenantId, id: &KeyId) -> KeyFuture<Result<VerificationKey, KeyError>>;

    /// Starts loading the keys, and waits until there are some or until it is known that there are none for now.
    ///
    /// The default is for sources that always have their keys: it starts nothing and is ready at once.
    ///
    /// # Errors
    ///
    /// Why there are no keys.
    fn wait_for_keys(&self) -> KeyFuture<Result<(), KeyError>> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// Whether requests can be decided now. Does not wait, but may start loading the keys: a service that gets no traffic
    /// before it is ready would not get ready otherwise.
    ///
    /// The default is for sources that always have their keys.
    fn is_ready(&self) -> bool {
        true
    }

    /// Whether requests for this tenant can be decided now, as [`is_ready`](Self::is_ready) for any tenant.
    ///
    /// The default is for sources whose tenants share their keys.
    fn is_ready_for(&self, tenant: TenantId) -> bool {
        let _ = tenant;
        self.is_ready()
    }

    /// Why the latest attempt to load keys failed. `None` if it did not, and while there was none.
    ///
    /// The default is for sources that always have their keys.
    fn last_error(&self) -> Option<KeyError> {
        None
    }
}

impl<K: KeySource + ?Sized> KeySource for Arc<K> {
    fn lookup(&self, tenant: TenantId, id: &KeyId, now: UnixTime) -> Lookup {
        (**self).lookup(tenant, id, now)
    }

    fn is_current(&self, tenant: TenantId, id: &KeyId, key: &VerificationKey, now: UnixTime) -> bool {
        (**self).is_current(tenant, id, key, now)
    }

    fn resolve(&self, tenant: TenantId, id: &KeyId) -> KeyFuture<Result<VerificationKey, KeyError>> {
        (**self).resolve(tenant, id)
    }

    fn wait_for_keys(&self) -> KeyFuture<Result<(), KeyError>> {
        (**self).wait_for_keys()
    }

    fn is_ready(&self) -> bool {
        (**self).is_ready()
    }

    fn is_ready_for(&self, tenant: TenantId) -> bool {
        (**self).is_ready_for(tenant)
    }

    fn last_error(&self) -> Option<KeyError> {
        (**self).last_error()
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
    /// It is certain that this key verifies no token of this tenant.
    Rejected(KeyError),
}
