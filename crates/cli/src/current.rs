//! The check in use. SIGHUP replaces it while requests go on.

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
    revoked: Vec<KeyId>,
}

impl Check {
    fn new(settings: Settings) -> Result<Self, ConfigError> {
        let revoked = settings.policy()?.revoked_keys().to_vec();
        let (layer, keys) = settings.into_layer_with_keys()?;
        Ok(Self { layer, keys, revoked })
    }
}

impl Current {
    /// The check of a source. It makes no connection yet.
    ///
    /// # Errors
    ///
    /// Every fault of the settings, one per line.
    pub(crate) fn new(source: &Source) -> Result<Self, String> {
        let check = Check::new(source.read()?).map_err(|error| error.to_string())?;
        Ok(Self(Arc::new(ArcSwap::from_pointee(check))))
    }

    pub(crate) fn load(&self) -> Arc<Check> {
        self.0.load_full()
    }

    /// Reads the settings again, and replaces the check once the new one has keys. Otherwise the old one stays. A key that
    /// the new settings revoke is revoked at once in either case.
    pub(crate) async fn reload(&self, source: &Source) {
        let next = match source.read().and_then(|settings| Check::new(settings).map_err(|error| error.to_string())) {
            Ok(next) => next,
            Err(error) => {
                tracing::error!(%error, "the new settings are wrong, the old ones stay in use");
                return;
            }
        };
        let old = self.load();
        next.revoked.iter().for_each(|key| old.keys.revoke(key));
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
