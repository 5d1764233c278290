//! Responses with the wrong content, too much of it, or not all of it.

use std::time::Duration;

use mock_entra::{Endpoint, Fault, MockEntra};
use signalr_upstream_auth::TokenVersion;

use super::gzip;
use super::harness::{Harness, reckless, suffer};
use super::heap::{Heap, alone};
use super::table::Row;

#[tokio::test]
async fn scenario_11_cut_short() {
    let document = MockEntra::start().await.key_document(TokenVersion::V2);
    let half = document[..document.len() / 2].to_owned();
    let faults = [
        Fault::content("application/json", half),
        Fault::truncated(100),
        Fault::truncated(document.len() - 1),
        Fault::cut_chunk(),
        Fault::truncated(100).chunked(),
        Fault::raw("HTTP/1.1 200 OK\r\nContent-Le"),
        Fault::raw(""),
        Fault::reset(),
    ];
    let figures = suffer(faults.map(|fault| (Endpoint::Keys, fault))).await;
    Row::new(11, "cut JSON, cut chunk, short body, half a head, reset")
        .fetches(figures.requests, 32..=48)
        .lost(figures.lost, 0)
        .figure("attempts that failed", figures.attempts.failed, 16)
        .figure("keys more or less than before", figures.keys_changed, 0)
        .figure("sockets left open", figures.left_open, 0)
        .print();
}

#[tokio::test]
async fn scenario_12_something_else() {
    let faults = [
        Fault::html(),
        Fault::empty(),
        Fault::status(204),
        Fault::status(206),
        Fault::status(304),
        Fault::status(401),
        Fault::status(404),
        Fault::status(500),
        Fault::content("application/json", "null"),
        Fault::content("application/json", "[]"),
        Fault::content("application/json", r#"{"keys":null}"#),
        Fault::raw("SSH-2.0-OpenSSH_9.9\r\n"),
    ];
    let figures = suffer(faults.map(|fault| (Endpoint::Keys, fault))).await;
    Row::new(12, "a page, nothing, another status, other JSON, no HTTP")
        .fetches(figures.requests, 48..=50)
        .lost(figures.lost, 0)
        .figure("attempts that failed", figures.attempts.failed, 24)
        .figure("keys more or less than before", figures.keys_changed, 0)
        .figure("sockets left open", figures.left_open, 0)
        .print();
}

#[test]
fn scenario_16_too_much() {
    alone("bodies::scenario_16_too_much", async {
        let mut most = (0, 0);
        let (mut failed, mut lost, mut requests) = (0, 0, 0);
        for fault in [Fault::oversize(10_000_000), Fault::oversize(10_000_000).chunked(), Fault::endless()] {
            for endpoint in [Endpoint::Keys, Endpoint::Any] {
                let entra = MockEntra::start().await;
                let harness =
                    Harness::warm_with(&entra, entra.policy(), |keys| keys.fetch_timeout(Duration::from_secs(5))).await;
                entra.fail(endpoint, fault.clone());
                let (before, heap) = (entra.requests(), Heap::start());
                failed += harness.attempt(1).await.failed;
                most = (most.0.max(entra.requests().bytes_sent() - before.bytes_sent()), most.1.max(heap.peak()));
                requests += entra.requests().log().len() - before.log().len();
                lost += harness.lost().await;
            }
        }
        Row::new(16, "10 MB with a length, in chunks, without end")
            .fetches(requests, 12)
            .lost(lost, 0)
            .figure("attempts that failed", failed, 6)
            .figure(
                "most KiB that left the provider in an attempt, buffers on the way included",
                most.0 / 1024,
                ..=4096,
            )
            .figure("most KiB of heap", most.1 / 1024, ..=2560)
            .print();
    });
}

#[test]
fn scenario_17_a_bomb() {
    alone("bodies::scenario_17_a_bomb", async {
        let entra = MockEntra::start().await;
        let harness = Harness::warm_with(&entra, entra.policy(), |keys| {
            keys.configure_client(reckless).fetch_timeout(Duration::from_secs(5))
        })
        .await;
        let before = entra.requests();
        let mut failed = 0;
        let mut heap = 0;
        for coding in ["gzip", "x-gzip", "deflate", "br", "zstd", "identity, gzip", "GZIP"] {
            entra.fail(Endpoint::Keys, Fault::gzip(gzip::spaces(10_000_000)).header("Content-Encoding", coding));
            let start = Heap::start();
            failed += harness.attempt(1).await.failed;
            heap = heap.max(start.peak());
        }
        // The good document is no better for being wrapped.
        let wrapped = gzip::wrap(entra.key_document(TokenVersion::V2).as_bytes());
        entra.fail(Endpoint::Keys, Fault::gzip(wrapped.clone()));
        failed += harness.attempt(1).await.failed;
        entra.fail(Endpoint::Keys, Fault::content("application/json", wrapped));
        failed += harness.attempt(1).await.failed;
        let requests = entra.requests().log().len() - before.log().len();
        let lost = harness.lost().await;
        Row::new(17, "10 MB in 65 KB of gzip, with gzip switched on by another crate and by the user")
            .fetches(requests, 18)
            .lost(lost, 0)
            .figure("attempts that failed", failed, 9)
            .figure("most KiB of heap", heap / 1024, ..=512)
            .print();
    });
}

#[tokio::test]
async fn rejects_document_with_a_content_coding() {
    let entra = MockEntra::start().await;
    let harness = Harness::warm(&entra).await;
    let good = entra.key_document(TokenVersion::V2);
    for (coding, failed) in [("gzip", 1), ("br", 1), ("identity, gzip", 1), ("identity", 0)] {
        let fault = Fault::content("application/json", good.clone()).header("Content-Encoding", coding);
        entra.fail(Endpoint::Keys, fault);
        assert_eq!(harness.attempt(1).await.failed, failed, "{coding}");
    }
    assert_eq!(harness.lost().await, 0);
}

#[tokio::test]
async fn repeats_first_load_after_a_failed_discovery() {
    let faults = [Fault::html(), Fault::gzip("x"), Fault::oversize(300 * 1024), Fault::status(500)];
    for fault in faults {
        let entra = MockEntra::start().await;
        entra.fail_next(1, Endpoint::Discovery, fault);
        let _harness = Harness::warm(&entra).await;
        let requests = entra.requests();
        assert_eq!((requests.discovery(), requests.keys()), (2, 1), "the first attempt ended with discovery");
    }
}
