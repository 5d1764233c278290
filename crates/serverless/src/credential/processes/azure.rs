//! What Azure offers to a process that wants a token: IMDS, App Service's identity endpoint and Entra. And what a client
//! with a token calls: the service.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;

/// A request to one of the endpoints.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    /// The host name that the client connected to.
    pub(super) host: String,
    pub(super) path: String,
    pub(super) query: BTreeMap<String, String>,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) form: BTreeMap<String, String>,
}

/// Azure on loopback. Answers each request with a token that names the endpoint, unless told otherwise.
pub(super) struct Azure {
    state: Arc<State>,
    local: SocketAddr,
    proxy: SocketAddr,
    folder: PathBuf,
}

#[derive(Default)]
struct State {
    seen: Mutex<Vec<Seen>>,
    answers: Mutex<BTreeMap<&'static str, VecDeque<(u16, String)>>>,
}

pub(super) const IMDS: &str = "/metadata/identity/oauth2/token";
pub(super) const APP_SERVICE: &str = "/msi/token";
pub(super) const IDENTITY_HEADER: &str = "the-identity-header";
/// What every endpoint asks for beside a 429, in seconds.
pub(super) const RETRY_AFTER: u64 = 77;
/// Any path of Entra.
pub(super) const ENTRA: &str = "/oauth2/v2.0/token";
/// Two paths of the service itself.
pub(super) const ACCESS_KEY: &str = "/api/v1/auth/accessKey";
pub(super) const SEND: &str = "/api/hubs/chat/:send";

impl Azure {
    pub(super) async fn start() -> Self {
        let state = Arc::new(State::default());
        let folder = folder();
        let (authority, tls) = certificates();
        std::fs::write(folder.join("authority.pem"), authority).unwrap();
        std::fs::create_dir(folder.join("bin")).unwrap();
        let local = listen(Arc::clone(&state), None).await;
        let proxy = listen(Arc::clone(&state), Some(tls)).await;
        Self { state, local, proxy, folder }
    }

    /// The next answers of an endpoint, in place of tokens.
    pub(super) fn answer(&self, endpoint: &'static str, status: u16, body: &str) {
        self.state.answers.lock().unwrap().entry(endpoint).or_default().push_back((status, body.to_owned()));
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.state.seen.lock().unwrap().clone()
    }

    /// The variables that lead to Entra. Other traffic through the proxy would not arrive.
    pub(super) fn entra(&self) -> Vec<(String, String)> {
        let proxy = format!("http://{}", self.proxy);
        let authority = self.folder.join("authority.pem").to_string_lossy().into_owned();
        [("HTTPS_PROXY", proxy), ("HTTP_PROXY", "http://127.0.0.1:1".to_owned()), ("SSL_CERT_FILE", authority)]
            .map(|(name, value)| (name.to_owned(), value))
            .to_vec()
    }

    /// Where the service is.
    pub(super) fn service(&self) -> SocketAddr {
        self.local
    }

    pub(super) fn imds(&self) -> (String, String) {
        imds_at(self.local)
    }

    pub(super) fn app_service(&self) -> [(String, String); 2] {
        [
            ("IDENTITY_ENDPOINT".to_owned(), format!("http://{}{APP_SERVICE}", self.local)),
            ("IDENTITY_HEADER".to_owned(), IDENTITY_HEADER.to_owned()),
        ]
    }

    /// A folder of the test, without anything of the machine.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The only folder on the child's PATH.
    pub(super) fn path(&self) -> (String, String) {
        ("PATH".to_owned(), self.folder.join("bin").to_string_lossy().into_owned())
    }

    /// Puts a command there.
    #[cfg(unix)]
    pub(super) fn install(&self, name: &str, script: &str) {
        use std::os::unix::fs::PermissionsExt;

        let file = self.folder.join("bin").join(name);
        std::fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    pub(super) fn token_file(&self, token: &str) -> String {
        let file = self.folder.join("token");
        std::fs::write(&file, token).unwrap();
        file.to_string_lossy().into_owned()
    }
}

/// An address that takes connections and answers nothing.
pub(super) struct Silence(TcpListener);

impl Silence {
    pub(super) async fn start() -> Self {
        // The system accepts for a listener that does not ask for its connections.
        Self(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    pub(super) fn imds(&self) -> (String, String) {
        imds_at(self.0.local_addr().unwrap())
    }
}

fn imds_at(address: SocketAddr) -> (String, String) {
    ("AZURE_POD_IDENTITY_AUTHORITY_HOST".to_owned(), format!("http://{address}"))
}

impl Drop for Azure {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn folder() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("signalr-serverless-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let folder = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// An authority, and what its server presents for every cloud.
fn certificates() -> (String, TlsAcceptor) {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate().unwrap();
    let authority_pem = authority.self_signed(&authority_key).unwrap().pem();
    let issuer = Issuer::new(authority, authority_key);
    let hosts = ["login.microsoftonline.com", "login.microsoftonline.us", "login.partner.microsoftonline.cn"]
        .map(str::to_owned);
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(hosts).unwrap().signed_by(&key, &issuer).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key.serialize_der().try_into().unwrap())
        .unwrap();
    (authority_pem, TlsAcceptor::from(Arc::new(config)))
}

/// A server of plain HTTP, or with `tls` a proxy whose every target is that server.
async fn listen(state: Arc<State>, tls: Option<TlsAcceptor>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (state, tls) = (Arc::clone(&state), tls.clone());
            tokio::spawn(async move {
                match tls {
                    None => serve(state, stream, "127.0.0.1".to_owned()).await,
                    Some(tls) => tunnel(state, stream, tls).await,
                }
            });
        }
    });
    address
}

async fn tunnel(state: Arc<State>, mut stream: TcpStream, tls: TlsAcceptor) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else { return };
        head.push(byte);
    }
    let head = String::from_utf8(head).unwrap();
    let host = head.strip_prefix("CONNECT ").and_then(|rest| rest.split(':').next()).unwrap().to_owned();
    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
    if let Ok(stream) = tls.accept(stream).await {
        serve(state, stream, host).await;
    }
}

async fn serve(state: Arc<State>, stream: impl AsyncRead + AsyncWrite + Unpin, host: String) {
    let service = service_fn(|request: Request<Incoming>| {
        let (state, host) = (Arc::clone(&state), host.clone());
        async move { Ok::<_, Infallible>(respond(&state, host, request).await) }
    });
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn respond(state: &State, host: String, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let pairs = |text: &[u8]| url::form_urlencoded::parse(text).into_owned().collect::<BTreeMap<_, _>>();
    let headers = parts.headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
    let seen = Seen {
        host,
        path: parts.uri.path().to_owned(),
        query: pairs(parts.uri.query().unwrap_or_default().as_bytes()),
        headers: headers.collect(),
        form: pairs(&body),
    };
    let (status, body) = answer(state, &seen);
    state.seen.lock().unwrap().push(seen);
    let mut response = Response::builder().status(status);
    if status == 429 {
        response = response.header("retry-after", RETRY_AFTER);
    }
    response.header("content-type", "application/json").body(Full::new(Bytes::from(body))).unwrap()
}

fn answer(state: &State, seen: &Seen) -> (u16, String) {
    let endpoint =
        [IMDS, APP_SERVICE, ENTRA, ACCESS_KEY, SEND].into_iter().find(|endpoint| seen.path.ends_with(endpoint));
    let Some(endpoint) = endpoint else { return (404, "{}".to_owned()) };
    // What Azure's IMDS answers to a request that any web page could cause.
    let is_probe = endpoint == IMDS && !seen.headers.contains_key("metadata");
    let is_told = state.answers.lock().unwrap().get_mut(endpoint).and_then(VecDeque::pop_front);
    if let Some(told) = is_told {
        return told;
    }
    if is_probe {
        let body = r#"{"error":"invalid_request","error_description":"Required metadata header not specified"}"#;
        return (400, body.to_owned());
    }
    if endpoint == APP_SERVICE && seen.headers.get("x-identity-header").map(String::as_str) != Some(IDENTITY_HEADER) {
        return (401, "{}".to_owned());
    }
    let body = match endpoint {
        ACCESS_KEY => r#"{"AccessKey":"key-of-the-service","KeyId":"kid-1"}"#.to_owned(),
        SEND => String::new(),
        ENTRA => r#"{"token_type":"Bearer","expires_in":3600,"ext_expires_in":3600,"access_token":"token-of-entra"}"#
            .to_owned(),
        _ => {
            let name = if endpoint == IMDS { "imds" } else { "app-service" };
            let resource = seen.query.get("resource").map_or("", String::as_str);
            format!(
                r#"{{"access_token":"token-of-{name}","expires_on":"4102444800","resource":"{resource}","token_type":"Bearer"}}"#
            )
        }
    };
    (200, body)
}
