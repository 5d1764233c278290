//! A client that sees every byte.

use std::io;
use std::time::Duration;

use mock_entra::{Endpoint, Fault, MockEntra};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

pub(crate) const KEYS: &str = "/common/discovery/v2.0/keys";

/// The client's end of a connection in memory, where paused time is exact.
pub(crate) fn connect(entra: &MockEntra) -> DuplexStream {
    let (client, server) = duplex(64 * 1024);
    tokio::spawn(entra.serve(server));
    client
}

pub(crate) async fn connect_tcp(entra: &MockEntra) -> TcpStream {
    TcpStream::connect(entra.url().trim_start_matches("http://")).await.unwrap()
}

pub(crate) fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").into_bytes()
}

/// Everything until the mock closes the connection.
pub(crate) async fn rest(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let (bytes, end) = to_the_end(stream).await;
    end.unwrap();
    String::from_utf8(bytes).unwrap()
}

/// Everything until the connection ends, and how it ends.
pub(crate) async fn to_the_end(stream: &mut (impl AsyncRead + Unpin)) -> (Vec<u8>, io::Result<usize>) {
    let mut bytes = Vec::new();
    let end = timeout(Duration::from_secs(60), stream.read_to_end(&mut bytes)).await;
    (bytes, end.expect("the connection ends"))
}

/// Everything until the stream is silent for an hour or ends, and the time to the last byte.
pub(crate) async fn until_silence(stream: &mut (impl AsyncRead + Unpin)) -> (String, Duration) {
    let (mut bytes, start, mut last) = (Vec::new(), Instant::now(), Instant::now());
    while let Ok(Ok(1..)) = timeout(Duration::from_secs(3600), stream.read_buf(&mut bytes)).await {
        last = Instant::now();
    }
    (String::from_utf8(bytes).unwrap(), last - start)
}

/// One response to a request for the keys, as head and body.
pub(crate) async fn fetch(fault: Fault) -> (String, String) {
    let entra = MockEntra::start().await;
    entra.fail(Endpoint::Keys, fault);
    let mut client = connect(&entra);
    client.write_all(&get(KEYS)).await.unwrap();
    let (text, _) = until_silence(&mut client).await;
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}
