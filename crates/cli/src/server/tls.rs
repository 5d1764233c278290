//! TLS with certificate files that are read again when they change.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::{MissedTickBehavior, interval};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::server::TlsStream;

/// The server's side of TLS. Clones share the certificate.
#[derive(Clone, Debug)]
pub(crate) struct Tls {
    files: Files,
    config: Arc<ArcSwap<ServerConfig>>,
    look: Arc<Notify>,
}

#[derive(Clone, Debug)]
struct Files {
    certificate: PathBuf,
    key: PathBuf,
}

/// What the files hold.
#[derive(PartialEq)]
struct Content {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl Tls {
    /// Reads the files, and again whenever one of them changes.
    ///
    /// # Errors
    ///
    /// Which file is unusable, and why.
    pub(crate) fn new(certificate: &Path, key: &Path) -> Result<Self, String> {
        let files = Files { certificate: certificate.to_owned(), key: key.to_owned() };
        let content = files.read()?;
        let config = files.config(&content)?;
        let tls = Self { files, config: Arc::new(ArcSwap::from_pointee(config)), look: Arc::default() };
        tokio::spawn(tls.clone().watch(content));
        Ok(tls)
    }

    pub(crate) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        TlsAcceptor::from(self.config.load_full()).accept(stream).await
    }

    /// Reads the files now.
    pub(crate) fn look(&self) {
        self.look.notify_one();
    }

    /// Compares contents, not times: a mounted secret changes by a link that leads elsewhere.
    async fn watch(self, mut used: Content) {
        let mut ticks = interval(LOOK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // What failed once is not logged again until it changes.
        let mut last_error = None;
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = self.look.notified() => {}
            }
            let next = match self.files.read() {
                Ok(content) if content == used => {
                    last_error = None;
                    continue;
                }
                Ok(content) => self.files.config(&content).map(|config| (content, config)),
                Err(error) => Err(error),
            };
            match next {
                Ok((content, config)) => {
                    self.config.store(Arc::new(config));
                    used = content;
                    last_error = None;
                    tracing::info!("the new certificate is in use");
                }
                Err(error) if last_error.as_ref() == Some(&error) => {}
                Err(error) => {
                    tracing::error!(error, "the new certificate is unusable, the old one stays in use");
                    last_error = Some(error);
                }
            }
        }
    }
}

impl Files {
    fn read(&self) -> Result<Content, String> {
        let read =
            |option, path: &Path| std::fs::read(path).map_err(|error| format!("{option}: {}: {error}", path.display()));
        Ok(Content { certificate: read(CERTIFICATE, &self.certificate)?, key: read(KEY, &self.key)? })
    }

    fn config(&self, content: &Content) -> Result<ServerConfig, String> {
        let fault = |option, path: &Path, why: String| format!("{option}: {}: {why}", path.display());
        let chain = CertificateDer::pem_slice_iter(&content.certificate).collect::<Result<Vec<_>, _>>();
        let chain = chain.map_err(|error| fault(CERTIFICATE, &self.certificate, error.to_string()))?;
        if chain.is_empty() {
            return Err(fault(CERTIFICATE, &self.certificate, "there is no certificate in PEM form".to_owned()));
        }
        let key = PrivateKeyDer::from_pem_slice(&content.key);
        let key = key.map_err(|error| fault(KEY, &self.key, error.to_string()))?;
        // The provider is named: another one that a process installs must not count.
        let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
            .map_err(|error| fault(KEY, &self.key, error.to_string()))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }
}

const CERTIFICATE: &str = "--tls-cert";
const KEY: &str = "--tls-key";

/// How often the files are read. Certificates are replaced days before they expire.
const LOOK: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};
    use tokio::time::{Instant, sleep};

    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("signalr-upstream-auth-{}-{name}", std::process::id()));
            std::fs::create_dir_all(&path).unwrap();
            let folder = Self(path);
            folder.renew();
            folder
        }

        fn certificate(&self) -> PathBuf {
            self.0.join("tls.crt")
        }

        fn key(&self) -> PathBuf {
            self.0.join("tls.key")
        }

        /// Another certificate with another key.
        fn renew(&self) {
            let key = KeyPair::generate().unwrap();
            let certificate = CertificateParams::new(["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
            std::fs::write(self.certificate(), certificate.pem()).unwrap();
            std::fs::write(self.key(), key.serialize_pem()).unwrap();
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn changed_certificate_is_used_and_an_unusable_one_is_not() {
        let folder = Folder::new("renewed");
        let tls = Tls::new(&folder.certificate(), &folder.key()).unwrap();
        let (first, start) = (tls.config.load_full(), Instant::now());
        sleep(LOOK * 3).await;
        assert!(Arc::ptr_eq(&first, &tls.config.load_full()), "nothing has changed");

        std::fs::write(folder.certificate(), "half").unwrap();
        sleep(LOOK * 2).await;
        assert!(Arc::ptr_eq(&first, &tls.config.load_full()), "what is unusable is not used");

        folder.renew();
        sleep(LOOK * 2).await;
        let second = tls.config.load_full();
        assert!(!Arc::ptr_eq(&first, &second));

        folder.renew();
        let asked = Instant::now();
        tls.look();
        while Arc::ptr_eq(&second, &tls.config.load_full()) {
            tokio::task::yield_now().await;
        }
        assert!(asked.elapsed() < LOOK && asked > start, "{:?}", asked.elapsed());
    }

    #[tokio::test]
    async fn unusable_files_are_named() {
        let (folder, other) = (Folder::new("one"), Folder::new("other"));
        for (certificate, key, part) in [
            (folder.0.join("nowhere"), folder.key(), "--tls-cert: "),
            (folder.certificate(), folder.0.join("nowhere"), "--tls-key: "),
            (folder.key(), folder.key(), "no certificate"),
            (folder.certificate(), folder.certificate(), "--tls-key: "),
            (folder.certificate(), other.key(), "--tls-key: "),
        ] {
            let error = Tls::new(&certificate, &key).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }
}
