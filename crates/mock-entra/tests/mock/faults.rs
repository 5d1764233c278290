//! Every fault as bytes on the wire.

use std::io;
use std::time::Duration;

use mock_entra::{Endpoint, Fault, MockEntra};
use signalr_upstream_auth::TokenVersion;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::wire::{KEYS, connect, connect_tcp, fetch, get, rest, to_the_end, until_silence};

#[tokio::test(start_paused = true)]
async fn status_has_its_headers_and_no_body() {
    let (head, body) = fetch(Fault::status(503).header("Retry-After", "600")).await;
    assert!(head.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{head}");
    assert!(head.contains("\r\nRetry-After: 600\r\n") && head.ends_with("\r\nContent-Length: 0"), "{head}");
    assert_eq!(body, "");

    let (head, body) = fetch(Fault::status(204)).await;
    assert!(head.starts_with("HTTP/1.1 204 No Content\r\n") && !head.contains("Content-Length"), "{head}");
    assert_eq!(body, "");
}

#[tokio::test(start_paused = true)]
async fn redirect_has_location() {
    let (head, _) = fetch(Fault::redirect(307, "http://169.254.169.254/")).await;
    assert!(head.starts_with("HTTP/1.1 307 Temporary Redirect\r\n"), "{head}");
    assert!(head.contains("\r\nLocation: http://169.254.169.254/\r\n"), "{head}");
}

#[tokio::test(start_paused = true)]
async fn content_replaces_document() {
    let (head, body) = fetch(Fault::content("application/json", r#"{"keys":[]}"#)).await;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains("\r\nContent-Type: application/json"), "{head}");
    assert_eq!((head.matches("Content-Type:").count(), body.as_str()), (1, r#"{"keys":[]}"#));

    let (head, body) = fetch(Fault::html()).await;
    assert!(head.contains("\r\nContent-Type: text/html; charset=utf-8"), "{head}");
    assert!(body.starts_with("<!DOCTYPE html>"), "{body}");

    let (head, body) = fetch(Fault::empty()).await;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains("\r\nContent-Length: 0"), "{head}");
    assert_eq!(body, "");

    let (head, body) = fetch(Fault::gzip("not gzip")).await;
    assert!(head.contains("\r\nContent-Encoding: gzip"), "{head}");
    assert_eq!(body, "not gzip");

    let (head, _) = fetch(Fault::none().header("cache-control", "no-store")).await;
    assert!(head.contains("\r\nCache-Control: no-store\r\n") && !head.contains("max-age"), "{head}");
}

#[tokio::test(start_paused = true)]
async fn raw_bytes_replace_whole_response() {
    let entra = MockEntra::start().await;
    entra.fail(Endpoint::Any, Fault::raw("ICY 200 OK\r\n"));
    let mut client = connect(&entra);
    client.write_all(&get(KEYS)).await.unwrap();
    assert_eq!(rest(&mut client).await, "ICY 200 OK\r\n");
}

#[tokio::test(start_paused = true)]
async fn truncated_body_is_shorter_than_its_length() {
    let entra = MockEntra::start().await;
    let document = entra.key_document(TokenVersion::V2);
    entra.fail(Endpoint::Keys, Fault::truncated(100));
    let mut client = connect(&entra);
    client.write_all(&get(KEYS)).await.unwrap();
    let answer = rest(&mut client).await;
    assert!(answer.contains(&format!("\r\nContent-Length: {}\r\n", document.len())), "{answer}");
    assert!(answer.ends_with(&format!("\r\n\r\n{}", &document[..100])), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn cut_chunk_is_shorter_than_its_size() {
    let entra = MockEntra::start().await;
    let document = entra.key_document(TokenVersion::V2);
    entra.fail(Endpoint::Keys, Fault::cut_chunk());
    let mut client = connect(&entra);
    client.write_all(&get(KEYS)).await.unwrap();
    let answer = rest(&mut client).await;
    assert!(answer.contains("\r\nTransfer-Encoding: chunked\r\n") && !answer.contains("Content-Length"), "{answer}");
    let half = &document[..document.len() / 2];
    assert!(answer.ends_with(&format!("\r\n\r\n{:X}\r\n{half}", document.len())), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn chunks_contain_whole_document() {
    let entra = MockEntra::start().await;
    let document = entra.key_document(TokenVersion::V2);
    entra.fail(Endpoint::Keys, Fault::none().chunked());
    let mut client = connect(&entra);
    client.write_all(&get(KEYS)).await.unwrap();
    let (answer, _) = until_silence(&mut client).await;
    let body = format!("\r\n\r\n{:X}\r\n{document}\r\n0\r\n\r\n", document.len());
    assert!(answer.ends_with(&body), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn hang_in_body_sends_part_and_stays_open() {
    let entra = MockEntra::start().await;
    let document = entra.key_document(TokenVersion::V2);
    entra.fail(Endpoint::Keys, Fault::hang_in_body(7));
    let mut client = connect(&entra);
    client.write_all(&get(KEYS)).await.unwrap();
    let (answer, _) = until_silence(&mut client).await;
    assert!(answer.ends_with(&format!("\r\n\r\n{}", &document[..7])), "{answer}");
    assert_eq!(entra.requests().open_connections(), 1);
    drop(client);
    entra.requests_until(|requests| requests.open_connections() == 0).await;
}

#[tokio::test(start_paused = true)]
async fn hang_sends_nothing_and_stays_open() {
    let entra = MockEntra::start().await;
    entra.fail(Endpoint::Keys, Fault::hang());
    let mut client = connect(&entra);
    client.write_all(&get(KEYS)).await.unwrap();
    assert_eq!(until_silence(&mut client).await.0, "");
    assert_eq!((entra.requests().open_connections(), entra.requests().bytes_sent()), (1, 0));
    drop(client);
    entra.requests_until(|requests| requests.open_connections() == 0).await;
}

#[tokio::test(start_paused = true)]
async fn delay_precedes_response() {
    let entra = MockEntra::start().await;
    entra.fail(Endpoint::Keys, Fault::status(500).delayed(Duration::from_secs(7)));
    let mut client = connect(&entra);
    client.write_all(&get(KEYS)).await.unwrap();
    let (answer, took) = until_silence(&mut client).await;
    assert!(answer.starts_with("HTTP/1.1 500 ") && took == Duration::from_secs(7), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn drips_send_one_byte_at_a_time() {
    let entra = MockEntra::start().await;
    let second = Duration::from_secs(1);
    let document = entra.key_document(TokenVersion::V2);

    entra.fail(Endpoint::Keys, Fault::drip_body(second));
    let mut client = connect(&entra);
    client.write_all(&get(KEYS)).await.unwrap();
    let (answer, took) = until_silence(&mut client).await;
    assert!(answer.ends_with(&document), "{answer}");
    assert_eq!(took.as_secs(), u64::try_from(document.len() - 1).unwrap());

    entra.fail(Endpoint::Keys, Fault::drip_head(second));
    let mut client = connect(&entra);
    client.write_all(&get(KEYS)).await.unwrap();
    let (answer, took) = until_silence(&mut client).await;
    let head = answer.strip_suffix(&document).unwrap();
    assert_eq!(took.as_secs(), u64::try_from(head.len() - 1).unwrap());
}

#[tokio::test(start_paused = true)]
async fn oversize_body_is_document_behind_spaces() {
    let entra = MockEntra::start().await;
    let document = entra.key_document(TokenVersion::V2);
    for (fault, with_length) in [(Fault::oversize(1_000_000), true), (Fault::oversize(1_000_000).chunked(), false)] {
        entra.fail(Endpoint::Keys, fault);
        let mut client = connect(&entra);
        client.write_all(&get(KEYS)).await.unwrap();
        let (answer, _) = until_silence(&mut client).await;
        assert_eq!(answer.contains("\r\nContent-Length: 1000000\r\n"), with_length);
        assert_eq!(answer.contains("\r\nTransfer-Encoding: chunked\r\n"), !with_length);
        assert!(answer.contains(&document));
        let blanks = answer.bytes().filter(|byte| *byte == b' ').count();
        assert!(blanks >= 1_000_000 - document.len());
    }
}

#[tokio::test(start_paused = true)]
async fn endless_body_goes_on_until_client_leaves() {
    let entra = MockEntra::start().await;
    entra.fail(Endpoint::Keys, Fault::endless());
    let mut client = connect(&entra);
    client.write_all(&get(KEYS)).await.unwrap();
    let mut bytes = vec![0; 5_000_000];
    client.read_exact(&mut bytes).await.unwrap();
    drop(client);
    entra.requests_until(|requests| requests.open_connections() == 0).await;
    assert!(entra.requests().bytes_sent() >= 5_000_000);
}

#[tokio::test]
async fn reset_comes_without_a_response() {
    let entra = MockEntra::start().await;
    entra.fail_next(1, Endpoint::Any, Fault::reset());
    let mut client = connect_tcp(&entra).await;
    client.write_all(&get(KEYS)).await.unwrap();
    assert_eq!(client.read_u8().await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    assert_eq!((entra.requests().keys(), entra.requests().bytes_sent()), (1, 0));
}

#[tokio::test]
async fn reset_after_comes_behind_last_response() {
    let entra = MockEntra::start().await;
    entra.fail(Endpoint::Any, Fault::reset_after(2));
    let length = entra.key_document(TokenVersion::V2).len();
    let mut client = connect_tcp(&entra).await;
    for _ in 0..2 {
        client.write_all(&get(KEYS)).await.unwrap();
        let mut answer = Vec::new();
        while answer.len() < length {
            assert!(client.read_buf(&mut answer).await.unwrap() > 0);
        }
    }
    let (_, end) = to_the_end(&mut client).await;
    assert_eq!(end.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    assert!(connect_tcp(&entra).await.write_all(&get(KEYS)).await.is_ok());
}

#[tokio::test]
async fn reset_when_idle_resets_idle_connection() {
    let entra = MockEntra::start().await;
    entra.fail(Endpoint::Any, Fault::reset_when_idle(Duration::from_millis(1)));
    let mut client = connect_tcp(&entra).await;
    client.write_all(&get(KEYS)).await.unwrap();
    let (answer, end) = to_the_end(&mut client).await;
    assert_eq!(end.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"));
}

#[tokio::test]
async fn truncated_closes_without_reset() {
    let entra = MockEntra::start().await;
    entra.fail(Endpoint::Any, Fault::truncated(1));
    let mut client = connect_tcp(&entra).await;
    client.write_all(&get(KEYS)).await.unwrap();
    assert!(rest(&mut client).await.ends_with("\r\n\r\n{"));
}

#[tokio::test(start_paused = true)]
async fn chunked_cuts_count_bytes_of_the_document() {
    for (fault, sent) in [(Fault::truncated(100), 100), (Fault::hang_in_body(7), 7), (Fault::truncated(0), 0)] {
        let (head, body) = fetch(fault.chunked()).await;
        assert!(head.contains("\r\nTransfer-Encoding: chunked"), "{head}");
        let (_size, data) = body.split_once("\r\n").unwrap();
        assert_eq!(data.len(), sent, "{body}");
    }
}

#[tokio::test(start_paused = true)]
async fn wrong_content_length_stands() {
    for (claimed, sent) in [("5", 5), ("1000", 11)] {
        let fault = Fault::content("application/json", r#"{"keys":[]}"#).header("Content-Length", claimed);
        let (head, body) = fetch(fault).await;
        assert!(head.contains(&format!("\r\nContent-Length: {claimed}")), "{head}");
        assert_eq!(body.len(), sent, "{body}");
    }
}

#[tokio::test(start_paused = true)]
async fn client_that_leaves_ends_delay_and_drip() {
    let entra = MockEntra::start().await;
    let hour = Duration::from_secs(3600);
    for fault in [Fault::delay(hour), Fault::drip_head(hour), Fault::drip_body(hour), Fault::hang_in_body(1)] {
        entra.fail(Endpoint::Keys, fault);
        let mut client = connect(&entra);
        client.write_all(&get(KEYS)).await.unwrap();
        let served = entra.requests().keys();
        entra.requests_until(|requests| requests.keys() > served).await;
        let start = tokio::time::Instant::now();
        drop(client);
        entra.requests_until(|requests| requests.open_connections() == 0).await;
        assert!(start.elapsed() < hour);
    }
}
