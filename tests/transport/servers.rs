//! Servers with faults that no mock of Entra has: TLS in every wrong way, and traps that count connections.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mock_entra::MockEntra;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use signalr_upstream_auth::keys::reqwest::dns::{Addrs, Name, Resolve, Resolving};
use signalr_upstream_auth::keys::reqwest::{Certificate, ClientBuilder};
use signalr_upstream_auth::keys::{RemoteKeys, RemoteKeysBuilder};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

use super::harness::Harness;

const HOST: &str = "login.microsoftonline.com";

/// The public cloud on loopback: a mock behind TLS, found by a resolver of the test's own.
pub(super) struct TlsServer {
    pub(super) entra: Arc<MockEntra>,
    authority: Arc<Authority>,
    address: SocketAddr,
    leads_to: Arc<Mutex<SocketAddr>>,
    state: Arc<State>,
    task: AbortHandle,
    warm_requests: AtomicUsize,
}

#[derive(Default)]
struct State {
    behavior: Mutex<Behavior>,
    /// Connections that began with something else than TLS.
    plain: AtomicUsize,
    close: Notify,
    open: AtomicUsize,
    most_open: AtomicUsize,
    accepted: AtomicUsize,
    /// Handshakes that were completed.
    handshakes: AtomicUsize,
}

/// How connections are served.
#[derive(Clone, Default)]
pub(super) enum Behavior {
    /// With a certificate for the host, by the authority that is trusted.
    #[default]
    Good,
    /// With another certificate.
    With(Wrong),
    /// The same, after a while.
    GoodAfter(Duration),
    /// Nothing is answered.
    StallHandshake,
    /// Bytes are written, whatever the client says.
    Raw(Vec<u8>),
    /// The handshake is good, with this protocol chosen; then bytes are written, again and again if so wanted.
    Speak { protocol: &'static [u8], bytes: Vec<u8>, again: bool },
}

/// What is wrong with a certificate.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wrong {
    Expired,
    NotYetValid,
    AnotherName,
    UnknownAuthority,
    SelfSigned,
}

impl TlsServer {
    pub(super) async fn start() -> Self {
        Self::start_at(Ipv4Addr::LOCALHOST.into(), Arc::new(Authority::new())).await
    }

    /// Another server elsewhere, which the clients of this one trust.
    pub(super) async fn another_at(&self, address: impl Into<IpAddr>) -> Self {
        Self::start_at(address.into(), Arc::clone(&self.authority)).await
    }

    async fn start_at(address: IpAddr, authority: Arc<Authority>) -> Self {
        let entra = Arc::new(MockEntra::builder().public_cloud().start().await);
        let listener = TcpListener::bind((address, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::<State>::default();
        let task = tokio::spawn(accept(listener, Arc::clone(&authority), Arc::clone(&entra), Arc::clone(&state)));
        let leads_to = Arc::new(Mutex::new(address));
        let task = task.abort_handle();
        Self { entra, authority, address, leads_to, state, task, warm_requests: AtomicUsize::new(0) }
    }

    /// Takes connections of another listener, too, from some time on.
    pub(super) fn listen(&self, listener: TcpListener, after: Duration) {
        let (authority, entra, state) = (Arc::clone(&self.authority), Arc::clone(&self.entra), Arc::clone(&self.state));
        tokio::spawn(async move {
            sleep(after).await;
            accept(listener, authority, entra, state).await;
        });
    }

    /// Keys of the public cloud that nobody has fetched yet, with the usual durations.
    pub(super) fn builder(
        &self,
        resolver: impl Resolve + 'static,
        configure: impl FnOnce(ClientBuilder) -> ClientBuilder + Send + 'static,
    ) -> RemoteKeysBuilder {
        let certificate = self.certificate();
        RemoteKeys::builder(&self.entra.policy())
            .dns_resolver(resolver)
            .configure_client(move |client| configure(client.no_proxy().tls_certs_only([certificate])))
    }

    /// Keys of the public cloud that have been fetched from here.
    pub(super) async fn warm(&self, configure: fn(RemoteKeysBuilder) -> RemoteKeysBuilder) -> Harness {
        self.warm_resolving(Leads(Arc::clone(&self.leads_to)), configure).await
    }

    /// The same with a resolver.
    pub(super) async fn warm_resolving(
        &self,
        resolver: impl Resolve + 'static,
        configure: impl FnOnce(RemoteKeysBuilder) -> RemoteKeysBuilder,
    ) -> Harness {
        let certificate = self.certificate();
        let harness = Harness::warm_with(&self.entra, self.entra.policy(), |keys| {
            let resolver = Arc::new(resolver);
            configure(keys.configure_client(move |client| {
                super::harness::reckless(client).tls_certs_only([certificate]).dns_resolver(resolver)
            }))
        })
        .await;
        self.warm_requests.store(self.requests(), Ordering::Relaxed);
        harness
    }

    /// That of the authority which the good certificates are from.
    pub(super) fn certificate(&self) -> Certificate {
        Certificate::from_der(&self.authority.der).unwrap()
    }

    /// Where the name of the cloud leads from now on.
    pub(super) fn lead_to(&self, address: SocketAddr) {
        *self.leads_to.lock().unwrap() = address;
        self.close_connections();
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// From the next connection on. Those that are open are closed, so that there is one.
    pub(super) fn behave(&self, behavior: Behavior) {
        *self.state.behavior.lock().unwrap() = behavior;
        self.close_connections();
    }

    /// Closes those that are open, so that the next request needs another.
    pub(super) fn close_connections(&self) {
        self.state.close.notify_waiters();
    }

    pub(super) fn requests(&self) -> usize {
        self.entra.requests().log().len()
    }

    pub(super) fn requests_since_warm(&self) -> usize {
        self.requests() - self.warm_requests.load(Ordering::Relaxed)
    }

    pub(super) fn plain(&self) -> usize {
        self.state.plain.load(Ordering::Relaxed)
    }

    pub(super) fn accepted(&self) -> usize {
        self.state.accepted.load(Ordering::Relaxed)
    }

    pub(super) fn handshakes(&self) -> usize {
        self.state.handshakes.load(Ordering::Relaxed)
    }

    pub(super) fn most_open(&self) -> usize {
        self.state.most_open.load(Ordering::Relaxed)
    }

    pub(super) async fn open_after_a_second(&self) -> usize {
        for _ in 0..100 {
            if self.state.open.load(Ordering::Relaxed) == 0 {
                break;
            }
            sleep(Duration::from_millis(10)).await;
        }
        self.state.open.load(Ordering::Relaxed)
    }
}

impl Drop for TlsServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A resolver whose answer can be changed.
struct Leads(Arc<Mutex<SocketAddr>>);

impl Resolve for Leads {
    fn resolve(&self, name: Name) -> Resolving {
        assert_eq!(name.as_str(), HOST);
        let addresses: Addrs = Box::new(std::iter::once(*self.0.lock().unwrap()));
        Box::pin(std::future::ready(Ok(addresses)))
    }
}

async fn accept(listener: TcpListener, authority: Arc<Authority>, entra: Arc<MockEntra>, state: Arc<State>) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (authority, entra, state) = (Arc::clone(&authority), Arc::clone(&entra), Arc::clone(&state));
        state.accepted.fetch_add(1, Ordering::Relaxed);
        connections.spawn(async move {
            let _open = Open::new(&state);
            let mut first = [0];
            if matches!(stream.peek(&mut first).await, Ok(1)) && first != [HANDSHAKE] {
                state.plain.fetch_add(1, Ordering::Relaxed);
            }
            let behavior = state.behavior.lock().unwrap().clone();
            tokio::select! {
                () = serve(stream, behavior, &authority, &entra, &state) => {}
                () = state.close.notified() => {}
            }
        });
    }
}

async fn serve(mut stream: TcpStream, behavior: Behavior, authority: &Authority, entra: &MockEntra, state: &State) {
    let (wrong, protocol) = match behavior {
        Behavior::Good => (None, &b"http/1.1"[..]),
        Behavior::GoodAfter(wait) => {
            sleep(wait).await;
            (None, &b"http/1.1"[..])
        }
        Behavior::With(wrong) => (Some(wrong), &b"http/1.1"[..]),
        Behavior::Speak { protocol, .. } => (None, protocol),
        Behavior::Raw(bytes) => {
            let _ = stream.write_all(&bytes).await;
            return hang(stream).await;
        }
        Behavior::StallHandshake => return hang(stream).await,
    };
    let Ok(mut stream) = authority.acceptor(wrong, protocol).accept(stream).await else { return };
    state.handshakes.fetch_add(1, Ordering::Relaxed);
    let Behavior::Speak { bytes, again, .. } = state.behavior.lock().unwrap().clone() else {
        return entra.serve(stream).await;
    };
    while stream.write_all(&bytes).await.is_ok() && stream.flush().await.is_ok() && again {}
    hang(stream).await;
}

async fn hang(mut stream: impl tokio::io::AsyncRead + Unpin) {
    let mut bytes = [0; 1024];
    while matches!(stream.read(&mut bytes).await, Ok(1..)) {}
}

/// The first byte of a TLS record that carries a handshake (RFC 8446 section 5.1).
const HANDSHAKE: u8 = 22;

struct Open<'s>(&'s State);

impl<'s> Open<'s> {
    fn new(state: &'s State) -> Self {
        let open = state.open.fetch_add(1, Ordering::Relaxed) + 1;
        state.most_open.fetch_max(open, Ordering::Relaxed);
        Self(state)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A certificate authority.
struct Authority {
    der: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let der = params.self_signed(&key).unwrap().der().to_vec();
        Self { der, issuer: Issuer::new(params, key) }
    }

    /// A server for the host, unless something is to be wrong.
    fn acceptor(&self, wrong: Option<Wrong>, protocol: &[u8]) -> TlsAcceptor {
        let name = if matches!(wrong, Some(Wrong::AnotherName)) { "login.example" } else { HOST };
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        match wrong {
            Some(Wrong::Expired) => params.not_after = date_time_ymd(2020, 1, 1),
            Some(Wrong::NotYetValid) => params.not_before = date_time_ymd(2100, 1, 1),
            _ => {}
        }
        let key = KeyPair::generate().unwrap();
        let certificate = match wrong {
            Some(Wrong::SelfSigned) => params.self_signed(&key),
            Some(Wrong::UnknownAuthority) => params.signed_by(&key, &Self::new().issuer),
            _ => params.signed_by(&key, &self.issuer),
        };
        let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
        let mut config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.unwrap().der().clone()], key)
            .unwrap();
        config.alpn_protocols = vec![protocol.to_vec()];
        TlsAcceptor::from(Arc::new(config))
    }
}

/// A port that nobody must ever connect to.
pub(super) struct Trap {
    address: SocketAddr,
    fallen_in: Arc<AtomicUsize>,
    task: AbortHandle,
}

impl Trap {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let fallen_in = Arc::<AtomicUsize>::default();
        let counter = Arc::clone(&fallen_in);
        let task = tokio::spawn(async move {
            loop {
                let _ = listener.accept().await;
                counter.fetch_add(1, Ordering::Relaxed);
            }
        });
        Self { address, fallen_in, task: task.abort_handle() }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn connections(&self) -> usize {
        self.fallen_in.load(Ordering::Relaxed)
    }
}

impl Drop for Trap {
    fn drop(&mut self) {
        self.task.abort();
    }
}
