//! A service on loopback, and the credential for it.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{self, KeyPair as _, ParsedPublicKey, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

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
        Ok(AccessToken::new(ENTRA.token.clone(), expires))
    }
}

/// What stands for Entra: a key, and a token of the usual length.
pub(crate) struct Entra {
    pub(crate) token: String,
    key: ParsedPublicKey,
}

pub(crate) static ENTRA: LazyLock<Entra> = LazyLock::new(|| {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).expect("a key");
    let claims = serde_json::json!({ "aud": "https://signalr.azure.com", "padding": "x".repeat(800) }).to_string();
    let input = [r#"{"typ":"JWT","alg":"RS256"}"#, &claims].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(&signature::RSA_PKCS1_SHA256, &SystemRandom::new(), input.as_bytes(), &mut signature).expect("signed");
    let key = ParsedPublicKey::new(&signature::RSA_PKCS1_2048_8192_SHA256, pair.public_key()).expect("a key");
    Entra { token: [input, URL_SAFE_NO_PAD.encode(signature)].join("."), key }
});

/// What the service has to do for `:generateToken` at least: verify the Entra token, and sign a client token. `None` if
/// the first fails.
fn minted(request: &[u8]) -> Option<String> {
    let head = std::str::from_utf8(request).ok()?;
    let (_, rest) = head.split_once("authorization: Bearer ")?;
    let (input, end) = rest.lines().next()?.rsplit_once('.')?;
    ENTRA.key.verify_sig(input.as_bytes(), &URL_SAFE_NO_PAD.decode(end).ok()?).ok()?;
    let claims =
        br#"{"aud":"https://localhost/client/?hub=chat","iat":1790000000,"exp":1790003600,"asrs.s.uid":"anna"}"#;
    let mut token = [&br#"{"alg":"HS256","typ":"JWT"}"#[..], claims].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"a-key-of-the-length-that-keys-have-in-azure=");
    let tag = hmac::sign(&key, token.as_bytes());
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(tag, &mut token);
    Some(format!(r#"{{"token":"{token}"}}"#))
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
                String::from(r#"{"AccessKey":"a-key-of-the-length-that-keys-have-in-azure=","KeyId":"a-key-id"}"#)
            } else if bytes.windows(14).any(|window| window == b":generateToken") {
                minted(&bytes[..length]).expect("an Entra token")
            } else {
                String::new()
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
