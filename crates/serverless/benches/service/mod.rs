//! A service on loopback, and the credential for it.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::time::OffsetDateTime;
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

#[derive(Debug)]
pub(crate) struct Fixed;

#[async_trait::async_trait]
impl TokenCredential for Fixed {
    async fn get_token(&self, _: &[&str], _: Option<TokenRequestOptions<'_>>) -> azure_core::Result<AccessToken> {
        // Far ahead of any clock.
        let expires = OffsetDateTime::from_unix_timestamp(32_503_680_000).expect("the year 3000");
        Ok(AccessToken::new("entra-token", expires))
    }
}

/// A service on loopback that gives one answer to each path, and counts requests for the key.
pub(crate) struct Service {
    pub(crate) url: String,
    pub(crate) keys: Arc<AtomicUsize>,
}

impl Service {
    pub(crate) fn start(tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
        let scheme = if tls.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://localhost:{}", listener.local_addr().expect("an address").port());
        let keys = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&keys);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (counter, tls) = (Arc::clone(&counter), tls.clone());
                std::thread::spawn(move || {
                    stream.set_nodelay(true).expect("a TCP socket");
                    match tls {
                        None => serve(stream, &counter),
                        Some(tls) => serve(StreamOwned::new(ServerConnection::new(tls).unwrap(), stream), &counter),
                    }
                });
            }
        });
        Self { url, keys }
    }
}

fn serve(mut stream: impl Read + Write, keys: &AtomicUsize) {
    let mut bytes = Vec::new();
    let mut chunk = [0; 8192];
    loop {
        while let Some(length) = request_length(&bytes) {
            let body = if bytes.starts_with(b"GET /api/v1/auth/accessKey") {
                keys.fetch_add(1, Ordering::SeqCst);
                r#"{"AccessKey":"a-key-of-the-length-that-keys-have-in-azure=","KeyId":"a-key-id"}"#
            } else if bytes.windows(14).any(|window| window == b":generateToken") {
                r#"{"token":"minted"}"#
            } else {
                ""
            };
            let status = if body.is_empty() { "202 Accepted" } else { "200 OK" };
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            if stream.write_all(answer.as_bytes()).and_then(|()| stream.flush()).is_err() {
                return;
            }
            bytes.drain(..length);
        }
        match stream.read(&mut chunk) {
            Ok(0) | Err(_) => return,
            Ok(read) => bytes.extend_from_slice(&chunk[..read]),
        }
    }
}

/// The length of the first request with its body, if it is there as a whole.
fn request_length(bytes: &[u8]) -> Option<usize> {
    let head = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&bytes[..head]).ok()?.to_ascii_lowercase();
    let body = text.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
    (bytes.len() >= head + body).then_some(head + body)
}
