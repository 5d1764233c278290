//! Responses without a fault, and the life of a connection.

use std::io;

use mock_entra::{Endpoint, Fault, MockEntra};
use signalr_upstream_auth::TokenVersion;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::wire::{KEYS, connect, connect_tcp, get, rest, until_silence};

#[tokio::test(start_paused = true)]
async fn usual_response_is_document_with_its_length() {
    let entra = MockEntra::start().await;
    let document = entra.key_document(TokenVersion::V2);
    let mut client = connect(&entra);
    client.write_all(&get(KEYS)).await.unwrap();
    let (answer, _) = until_silence(&mut client).await;
    assert_eq!(
        answer,
        format!(
            "HTTP/1.1 200 OK\r\nCache-Control: max-age=86400, private\r\n\
             Content-Type: application/json; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\n\
             Content-Length: {}\r\n\r\n{document}",
            document.len()
        )
    );
    assert_eq!(entra.requests().bytes_sent(), answer.len());
}

#[tokio::test(start_paused = true)]
async fn connection_takes_one_request_after_another() {
    let entra = MockEntra::start().await;
    let mut client = connect(&entra);
    for path in [KEYS, "/common/v2.0/.well-known/openid-configuration", "/nowhere"] {
        client.write_all(&get(path)).await.unwrap();
        until_silence(&mut client).await;
    }
    // Two at once, the second as a client sends it to a proxy, the last of all.
    let last = "GET http://127.0.0.1/last HTTP/1.1\r\nconnection: close\r\n\r\n";
    client.write_all(&[get(KEYS), last.into()].concat()).await.unwrap();
    assert!(rest(&mut client).await.contains("HTTP/1.1 404 Not Found"));
    let requests = entra.requests();
    assert_eq!((requests.connections(), requests.keys(), requests.discovery()), (1, 2, 1));
    assert_eq!(requests.log().last().unwrap().path(), "/last");
}

#[tokio::test(start_paused = true)]
async fn reads_head_that_arrives_in_pieces() {
    let entra = MockEntra::start().await;
    let mut client = connect(&entra);
    for byte in get(KEYS) {
        client.write_all(&[byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert!(until_silence(&mut client).await.0.starts_with("HTTP/1.1 200 OK"));
}

#[tokio::test(start_paused = true)]
async fn rejects_other_methods_than_get() {
    let entra = MockEntra::start().await;
    let mut client = connect(&entra);
    client.write_all(b"POST / HTTP/1.1\r\n\r\n").await.unwrap();
    assert!(rest(&mut client).await.starts_with("HTTP/1.1 405 "));
}

#[tokio::test]
async fn dropped_mock_closes_connections_and_port() {
    let entra = MockEntra::start().await;
    entra.fail(Endpoint::Any, Fault::hang());
    let mut client = connect_tcp(&entra).await;
    client.write_all(&get(KEYS)).await.unwrap();
    entra.requests_until(|requests| requests.keys() == 1).await;
    let address = entra.url().trim_start_matches("http://").to_owned();
    drop(entra);
    // The end of the connection tells that the task has ended, and the listener with it.
    let _ = rest(&mut client).await;
    assert_eq!(TcpStream::connect(address).await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn stopped_mock_leaves_its_port_free() {
    for _ in 0..20 {
        let entra = MockEntra::start().await;
        let address = entra.url().strip_prefix("http://").unwrap().to_owned();
        let _open = TcpStream::connect(&address).await.unwrap();
        entra.stop().await;
        assert!(TcpStream::connect(&address).await.is_err());
    }
}
