//! A public cloud on loopback: the documents of a `MockEntra` behind TLS at `login.microsoftonline.com`, reached
//! through a proxy.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use mock_entra::MockEntra;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

pub(crate) struct PublicCloud {
    pub(crate) entra: Arc<MockEntra>,
    proxy: SocketAddr,
    /// What the proxy was asked to connect to.
    targets: Arc<Mutex<Vec<String>>>,
    certificates: PathBuf,
    task: AbortHandle,
}

impl PublicCloud {
    pub(crate) async fn start() -> Self {
        let entra = Arc::new(MockEntra::builder().public_cloud().start().await);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let proxy = listener.local_addr().unwrap();
        let (authority, tls) = tls();
        let certificates =
            std::env::temp_dir().join(format!("signalr-upstream-auth-{}-{proxy}.pem", std::process::id()));
        std::fs::write(&certificates, authority).unwrap();
        let targets = Arc::default();
        let task = tokio::spawn(accept(listener, tls, Arc::clone(&entra), Arc::clone(&targets))).abort_handle();
        Self { entra, proxy, targets, certificates, task }
    }

    /// The variables that lead a program here instead of to the real one.
    pub(crate) fn vars(&self) -> Vec<(&'static str, String)> {
        vec![
            ("HTTPS_PROXY", format!("http://{}", self.proxy)),
            ("SSL_CERT_FILE", self.certificates.to_str().unwrap().to_owned()),
        ]
    }

    /// Variables of a policy that accepts the good tokens of this cloud.
    pub(crate) fn settings(&self) -> Vec<(&'static str, String)> {
        let mut vars = self.vars();
        vars.extend([
            ("SIGNALR_UPSTREAM_TENANT_IDS", self.entra.tenant().to_string()),
            ("SIGNALR_UPSTREAM_AUDIENCES", self.entra.audience_client_id().to_string()),
            ("SIGNALR_UPSTREAM_CALLER_OBJECT_IDS", self.entra.caller_object_id().to_string()),
        ]);
        vars
    }

    pub(crate) fn targets(&self) -> Vec<String> {
        self.targets.lock().unwrap().clone()
    }
}

impl Drop for PublicCloud {
    fn drop(&mut self) {
        self.task.abort();
        let _ = std::fs::remove_file(&self.certificates);
    }
}

/// A certificate authority, and a server with a certificate of it.
fn tls() -> (String, TlsAcceptor) {
    let authority_key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_certificate = authority.self_signed(&authority_key).unwrap();
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["login.microsoftonline.com".to_owned()]).unwrap();
    let certificate = certificate.signed_by(&key, &issuer).unwrap();
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], PrivatePkcs8KeyDer::from(key.serialize_der()).into())
        .unwrap();
    (authority_certificate.pem(), TlsAcceptor::from(Arc::new(config)))
}

async fn accept(listener: TcpListener, tls: TlsAcceptor, entra: Arc<MockEntra>, targets: Arc<Mutex<Vec<String>>>) {
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let (tls, entra, targets) = (tls.clone(), Arc::clone(&entra), Arc::clone(&targets));
        tokio::spawn(async move {
            let target = connect_target(&mut stream).await;
            targets.lock().unwrap().push(target);
            stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.unwrap();
            if let Ok(stream) = tls.accept(stream).await {
                entra.serve(stream).await;
            }
        });
    }
}

/// Reads a `CONNECT` (RFC 9110 section 9.3.6) to the end of its head.
async fn connect_target(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    head.strip_prefix("CONNECT ").and_then(|rest| rest.split_once(' ')).expect(&head).0.to_owned()
}
