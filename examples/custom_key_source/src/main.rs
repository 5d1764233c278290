//! Keys that do not come from Entra's endpoint: a document that never changes, and a file that something else keeps current.
//!
//! ```text
//! cargo run -p custom_key_source
//! ```
//!
//! This is for machines that must not connect to Entra. On all others use `UpstreamAuthLayer::new`.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use mock_entra::MockEntra;
use signalr_upstream_auth::clock::UnixTime;
use signalr_upstream_auth::keys::{
    FixedKeys, KeyError, KeyErrorKind, KeyFuture, KeyId, KeySet, KeySource, Lookup, VerificationKey,
};
use signalr_upstream_auth::{TenantId, TokenVersion, Validator};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let entra = MockEntra::start().await;
    let file = std::env::temp_dir().join(format!("signalr-upstream-auth-keys-{}.json", std::process::id()));
    std::fs::write(&file, entra.key_document(TokenVersion::V2))?;

    // A document that never changes. Entra's does: these keys serve for some weeks at most.
    let fixed = FixedKeys::new(KeySet::from_json(&std::fs::read(&file)?)?);
    let fixed = Validator::new(entra.policy(), fixed);

    // A key source of your own. `UpstreamAuthLayer::with_keys` takes it, too.
    let followed = Validator::new(entra.policy(), Arc::new(KeyFile::open(&file)?));

    println!("with the keys of today");
    let token = entra.token().mint();
    println!("  fixed keys   {}", check(&fixed, &token).await?);
    println!("  key file     {}", check(&followed, &token).await?);

    entra.rotate();
    std::fs::write(&file, entra.key_document(TokenVersion::V2))?;
    println!("after Entra has changed its signing key and the file was brought up to date");
    let token = entra.token().mint();
    println!("  fixed keys   {}", check(&fixed, &token).await?);
    println!("  key file     {}", check(&followed, &token).await?);

    std::fs::remove_file(&file)?;
    Ok(())
}

/// Keys from a file, which is read again when a token names a key that was not in it.
#[derive(Clone, Debug)]
struct KeyFile(Arc<State>);

#[derive(Debug)]
struct State {
    path: PathBuf,
    /// Never locked while the file is read, so that a lookup does not wait for it.
    keys: RwLock<FixedKeys>,
    /// Locked while the file is read: other readers wait for the outcome.
    next_read: Mutex<Instant>,
}

impl KeyFile {
    fn open(path: &Path) -> Result<Self, Box<dyn Error>> {
        let keys = FixedKeys::new(KeySet::from_json(&std::fs::read(path)?)?);
        let next_read = Mutex::new(Instant::now());
        Ok(Self(Arc::new(State { path: path.to_owned(), keys: RwLock::new(keys), next_read })))
    }

    /// Reads the file, at most once a second: anyone can make a token that names an unknown key.
    fn read_again(&self) -> Result<(), KeyError> {
        let mut next_read = self.0.next_read.lock().unwrap_or_else(PoisonError::into_inner);
        if Instant::now() >= *next_read {
            let document = std::fs::read(&self.0.path).map_err(KeyError::unavailable)?;
            let keys = FixedKeys::new(KeySet::from_json(&document)?);
            *self.0.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
            *next_read = Instant::now() + Duration::from_secs(1);
        }
        Ok(())
    }
}

impl KeySource for KeyFile {
    fn lookup(&self, tenant: TenantId, key: &KeyId, now: UnixTime) -> Lookup {
        match self.0.keys.read().unwrap_or_else(PoisonError::into_inner).lookup(tenant, key, now) {
            // The file may have changed since.
            Lookup::Rejected(error) if error.kind() == KeyErrorKind::Unknown => Lookup::Miss,
            found => found,
        }
    }

    fn resolve(&self, tenant: TenantId, key: &KeyId) -> KeyFuture<Result<VerificationKey, KeyError>> {
        let (file, tenant, key) = (self.clone(), tenant, key.clone());
        Box::pin(async move {
            let reader = file.clone();
            tokio::task::spawn_blocking(move || reader.read_again()).await.map_err(KeyError::unavailable)??;
            let found = file.0.keys.read().unwrap_or_else(PoisonError::into_inner).resolve(tenant, &key);
            found.await
        })
    }
}

/// Whether the validator accepts a request with this token.
async fn check(validator: &Validator, token: &str) -> Result<String, Box<dyn Error>> {
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, HeaderValue::try_from(format!("Bearer {token}"))?);
    Ok(match validator.validate(&headers).await {
        Ok(claims) => format!("accepts it: the caller is {}", claims.object_id()),
        Err(rejection) => format!("rejects it: {rejection} ({})", rejection.status()),
    })
}
