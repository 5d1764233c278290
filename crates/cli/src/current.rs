//! The check in use. SIGHUP replaces it while requests go on.

use std::collections::HashSet;
use std::sync::Arc;

use arc_swap::ArcSwap;
use signalr_upstream_auth::keys::{KeyId, RemoteKeys};
use signalr_upstream_auth::{ConfigError, Settings, UpstreamAuthLayer};

use crate::settings::Source;

/// The check in use. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Current(Arc<ArcSwap<Check>>);

/// A policy with its keys.
#[derive(Debug)]
pub(crate) struct Check {
    pub(crate) layer: UpstreamAuthLayer,
    pub(crate) keys: RemoteKeys,
    /// The keys that settings have revoked: those of this policy, and of settings that did not come into use.
    revoked: HashSet<KeyId>,
}

impl Check {
    /// The check of settings, with what the keys of the former one know.
    fn new(settings: Settings, former: Option<&Self>) -> Result<Self, ConfigError> {
        let revoked: HashSet<_> = settings.policy()?.revoked_keys().iter().cloned().collect();
        let (layer, keys) = match former {
            Some(former) => settings.into_layer_with_keys_of(&former.keys)?,
            None => settings.into_layer_with_keys()?,
        };
        if let Some(former) = former {
            former.revoked.difference(&revoked).for_each(|key| keys.reinstate(key));
        }
        Ok(Self { layer, keys, revoked })
    }

    /// The same policy without the keys that another one revokes.
    fn without(&self, revoked: &HashSet<KeyId>) -> Self {
        revoked.iter().for_each(|key| self.keys.revoke(key));
        let (layer, keys) = (self.layer.clone(), self.keys.clone());
        Self { layer, keys, revoked: &self.revoked | revoked }
    }
}

impl Current {
    /// The check of a source. It makes no connection yet.
    ///
    /// # Errors
    ///
    /// Every fault of the settings, one per line.
    pub(crate) fn new(source: &Source) -> Result<Self, String> {
        let check = Check::new(source.read()?, None).map_err(|error| error.to_string())?;
        Ok(Self(Arc::new(ArcSwap::from_pointee(check))))
    }

    pub(crate) fn load(&self) -> Arc<Check> {
        self.0.load_full()
    }

    /// Reads the settings again, and replaces the check once the new one has keys: at once, if it has a tenant of the old
    /// one. Otherwise the old one stays. A key that the new settings revoke is revoked at once in either case.
    pub(crate) async fn reload(&self, source: &Source) {
        let old = self.load();
        let next =
            source.read().and_then(|settings| Check::new(settings, Some(&old)).map_err(|error| error.to_string()));
        let next = match next {
            Ok(next) => next,
            Err(error) => {
                tracing::error!(%error, "the new settings are wrong, the old ones stay in use");
                return;
            }
        };
        self.0.store(Arc::new(old.without(&next.revoked)));
        match next.layer.wait_for_keys().await {
            Err(error) if old.layer.is_ready() => {
                tracing::error!(%error, "no keys for the new settings, the old ones stay in use");
            }
            // Without keys on either side, the new settings can only be better.
            Err(_) | Ok(()) => {
                self.0.store(Arc::new(next));
                tracing::info!("the new settings are in use");
            }
        }
    }
}
