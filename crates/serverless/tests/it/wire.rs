//! Faults that only a real connection has, over loopback with the library's own HTTP client.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use signalr_serverless::{Endpoint, Endpoints, Error, ErrorKind, HubClient, ServiceClient, ServiceClientOptions};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

const ACCEPTED: &str = "HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n";

fn chat(url: &str, options: ServiceClientOptions) -> HubClient {
    let endpoints = Endpoints::default().with(Endpoint::access_key(url, String::from("key")));
    ServiceClient::from_endpoints(endpoints, options).unwrap().hub("chat").unwrap()
}

/// Reads one request with its body. `None` at the end of the connection.
async fn request(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse::<usize>().ok());
            if body.len() >= length.unwrap_or(0) {
                return Some(text);
            }
        }
        let mut chunk = [0; 4096];
        let read = stream.read(&mut chunk).await.ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(&chunk[..read]);
    }
}

/// A server that does one thing with each connection. Returns its address and the number of requests.
pub(crate) async fn server<F>(
    serve: impl Fn(TcpStream, Arc<AtomicUsize>) -> F + Send + 'static,
) -> (String, Arc<AtomicUsize>)
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let requests = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&requests);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, Arc::clone(&counter)));
        }
    });
    (format!("http://{address}"), requests)
}

/// Answers one request with this text and closes the connection.
pub(crate) async fn answer_once(mut stream: TcpStream, requests: Arc<AtomicUsize>, answer: &str) {
    if request(&mut stream).await.is_some() {
        requests.fetch_add(1, Ordering::SeqCst);
        let _ = stream.write_all(answer.as_bytes()).await;
    }
}

async fn send(url: &str) -> Result<(), Error> {
    chat(url, ServiceClientOptions::default()).send_to_all("m", &("hello",)).await
}

#[tokio::test]
async fn connection_refused_is_repeated_and_nothing_is_delivered() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = send(&url).await.unwrap_err();
    assert_eq!((error.kind(), error.may_be_delivered()), (ErrorKind::Unavailable, false));
    assert!(error.to_string().contains("nothing was sent"), "{error}");
}

#[tokio::test]
async fn reset_before_an_answer_is_not_repeated() {
    let (url, requests) = server(|stream, requests| async move { answer_once(stream, requests, "").await }).await;
    let error = send(&url).await.unwrap_err();
    assert_eq!((error.kind(), error.may_be_delivered()), (ErrorKind::Unavailable, true));
    assert_eq!(requests.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn answer_that_is_not_http_is_not_repeated() {
    for answer in ["SSH-2.0-x\r\n", "HTTP/1.1 abc\r\n\r\n", "HTTP/1.1 202 Accepted\r\ncontent-le"] {
        let (url, requests) =
            server(move |stream, requests| async move { answer_once(stream, requests, answer).await }).await;
        assert!(send(&url).await.unwrap_err().may_be_delivered(), "{answer}");
        assert_eq!(requests.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test]
async fn code_and_retry_after_of_an_answer_are_read() {
    let answer =
        "HTTP/1.1 429 Too Many Requests\r\nretry-after: 60\r\nx-ms-error-code: Busy\r\ncontent-length: 0\r\n\r\n";
    let (url, requests) =
        server(move |stream, requests| async move { answer_once(stream, requests, answer).await }).await;
    let error = send(&url).await.unwrap_err();
    assert_eq!((error.retry_after(), error.service_code()), (Some(Duration::from_secs(60)), Some("Busy")));
    assert_eq!(requests.load(Ordering::SeqCst), 1, "a minute is longer than a call may take");
}

#[tokio::test]
async fn connection_that_breaks_within_a_body_leaves_the_call_open() {
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"result\":1}";
    let (url, requests) =
        server(move |stream, requests| async move { answer_once(stream, requests, answer).await }).await;
    let chat = chat(&url, ServiceClientOptions::default());
    let error = chat.invoke_connection::<u32>("c", "m", &("hello",)).await.unwrap_err();
    assert_eq!((error.kind(), error.may_be_delivered()), (ErrorKind::Unavailable, true));
    assert_eq!(requests.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn redirect_is_not_followed() {
    let (target, followed) =
        server(|stream, requests| async move { answer_once(stream, requests, ACCEPTED).await }).await;
    let (url, requests) = server(move |stream, requests| {
        let answer = format!("HTTP/1.1 307 Temporary Redirect\r\nlocation: {target}\r\ncontent-length: 0\r\n\r\n");
        async move { answer_once(stream, requests, &answer).await }
    })
    .await;
    assert_eq!(send(&url).await.unwrap_err().kind(), ErrorKind::InvalidAnswer);
    assert_eq!((requests.load(Ordering::SeqCst), followed.load(Ordering::SeqCst)), (1, 0));
}

#[tokio::test]
async fn connection_that_the_server_closed_meanwhile_loses_nothing_silently() {
    let (url, requests) = server(|stream, requests| async move { answer_once(stream, requests, ACCEPTED).await }).await;
    let chat = chat(&url, ServiceClientOptions::default());
    let mut unsure = 0;
    for _ in 0..20 {
        // The end of the connection may be seen too late: then the message may have left, and the error says so.
        if let Err(error) = chat.send_to_all("m", &("hello",)).await {
            assert!(error.may_be_delivered(), "{error:?}");
            unsure += 1;
        }
        tokio::task::yield_now().await;
    }
    let requests = requests.load(Ordering::SeqCst);
    assert!(requests <= 20 && requests + unsure >= 20, "{requests} requests, {unsure} unsure");
}

/// A server over TLS whose certificate nobody has issued. Returns its address, requests, and the certificate.
async fn tls_server() -> (String, Arc<std::sync::Mutex<Vec<String>>>, Vec<u8>) {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed([String::from("localhost")]).unwrap();
    let key = PrivatePkcs8KeyDer::from(signing_key.serialize_der());
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key.into())
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let requests = Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = Arc::clone(&requests);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(stream) = acceptor.accept(stream).await else { continue };
            tokio::spawn(answer_each(stream, Arc::clone(&seen)));
        }
    });
    (format!("https://localhost:{port}"), requests, cert.der().to_vec())
}

async fn answer_each(mut stream: impl AsyncRead + AsyncWrite + Unpin, seen: Arc<std::sync::Mutex<Vec<String>>>) {
    while let Some(request) = request(&mut stream).await {
        seen.lock().unwrap().push(request);
        stream.write_all(ACCEPTED.as_bytes()).await.unwrap();
    }
}

#[tokio::test]
async fn wrong_certificate_gets_no_request() {
    let (url, requests, _) = tls_server().await;
    let error = send(&url).await.unwrap_err();
    assert_eq!((error.kind(), error.may_be_delivered()), (ErrorKind::Unavailable, false));
    assert!(requests.lock().unwrap().is_empty());
}

/// Makes a call of each shape, and gives back the requests as the server got them.
async fn requests_of(chat: HubClient, seen: &std::sync::Mutex<Vec<String>>) -> Vec<String> {
    chat.send_to_user("../%2e%2e/ü", "m", &("hello",)).await.unwrap();
    chat.close_all_connections().await.unwrap();
    chat.user_exists("anna").await.unwrap();
    chat.group_connections("team").next_page().await.unwrap_err();
    seen.lock().unwrap().clone()
}

/// The first line, the headers in order without those that name the server, and the body.
fn parts(request: &str) -> (String, Vec<String>, String) {
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines().map(str::to_owned);
    let first = lines.next().unwrap();
    let mut headers: Vec<_> = lines.filter(|line| !line.starts_with("host:")).map(|line| signed(&line)).collect();
    headers.sort_unstable();
    (first, headers, body.to_owned())
}

/// A header; of a token only that it is there, since it is for one address.
fn signed(line: &str) -> String {
    line.split_once("Bearer ").map_or_else(|| line.to_owned(), |(name, _)| name.to_owned())
}

#[tokio::test]
async fn own_client_and_one_of_the_app_send_the_same_requests() {
    let (url, seen, certificate) = tls_server().await;
    let certificate = reqwest::Certificate::from_der(&certificate).unwrap();
    let client = reqwest::Client::builder().tls_certs_only([certificate]).build().unwrap();
    let given = requests_of(chat(&url, ServiceClientOptions::default().transport(Arc::new(client))), &seen).await;

    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let (url, _) = server(move |stream, _| answer_each(stream, Arc::clone(&log))).await;
    let own = requests_of(chat(&url, ServiceClientOptions::default()), &seen).await;

    let line = "POST /api/hubs/chat/users/..%2F%252e%252e%2F%C3%BC/:send?api-version=2024-12-01 HTTP/1.1";
    assert_eq!(own[0].lines().next(), Some(line));
    assert!(own[0].ends_with(r#"{"target":"m","arguments":["hello"]}"#));
    assert!(own[1].contains("content-length: 0"), "{}", own[1]);
    assert!(own.iter().all(|request| request.contains("authorization: Bearer ey")), "{own:?}");
    assert!(own[3].contains("accept: application/json"), "{}", own[3]);
    let all = |requests: Vec<String>| requests.iter().map(|request| parts(request)).collect::<Vec<_>>();
    assert_eq!(all(own), all(given));
}
