//! Loads keys over TLS, in a build with every feature of reqwest, and shows what the client did.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use mock_entra::MockEntra;
use signalr_upstream_auth::keys::reqwest::Certificate;
use signalr_upstream_auth::keys::reqwest::dns::{Addrs, Name, Resolve, Resolving};
use signalr_upstream_auth::keys::{KeySource, RemoteKeys};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

const HOST: &str = "login.microsoftonline.com";

struct Leads(SocketAddr, Arc<AtomicUsize>);

impl Resolve for Leads {
    fn resolve(&self, _: Name) -> Resolving {
        self.1.fetch_add(1, Ordering::Relaxed);
        let addresses: Addrs = Box::new(std::iter::once(self.0));
        Box::pin(std::future::ready(Ok(addresses)))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let entra = Arc::new(MockEntra::builder().public_cloud().start().await);
    let certified = rcgen::generate_simple_self_signed([HOST.to_owned()])?;
    let certificate = Certificate::from_der(certified.cert.der())?;
    let key = PrivatePkcs8KeyDer::from(certified.signing_key.serialize_der()).into();
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)?;
    config.alpn_protocols = vec![b"h3".to_vec(), b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = Arc::clone(&entra);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, server) = (acceptor.clone(), Arc::clone(&server));
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let protocol = String::from_utf8_lossy(stream.get_ref().1.alpn_protocol().unwrap_or(b"none")).into_owned();
                println!("protocol: {protocol}");
                server.serve(stream).await;
            });
        }
    });

    let look_ups = Arc::<AtomicUsize>::default();
    let keys = RemoteKeys::builder(&entra.policy())
        .dns_resolver(Leads(address, Arc::clone(&look_ups)))
        .configure_client(move |client| client.no_proxy().tls_certs_only([certificate]))
        .build()?;
    keys.wait_for_keys().await?;
    println!("keys: {}", keys.status()[0].keys());
    println!("look-ups: {}", look_ups.load(Ordering::Relaxed));

    let local = MockEntra::start().await;
    RemoteKeys::new(&local.policy())?.wait_for_keys().await?;
    println!("plain keys: loaded");
    Ok(())
}
