//! A provider that does not respond, or only byte by byte.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use mock_entra::{Endpoint, Fault, MockEntra};
use signalr_upstream_auth::keys::{KeySource, RemoteKeys};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::{Instant, pause, timeout};

use super::harness::{Attempts, DEADLINE, Figures, Harness, SLACK, suffer};
use super::servers::{Behavior, TlsServer};
use super::table::Row;

const MILLISECOND: Duration = Duration::from_millis(1);

/// A port that answers no SYN: its queue of connections is full and nobody takes one from it.
async fn black_hole() -> (SocketAddr, Vec<TcpStream>, TcpListener) {
    let (listener, fill) = full_queue(Ipv4Addr::LOCALHOST).await;
    (listener.local_addr().unwrap(), fill, listener)
}

/// A listener whose queue is full, so that it answers no SYN until somebody takes connections from it.
pub(super) async fn full_queue(address: Ipv4Addr) -> (TcpListener, Vec<TcpStream>) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((address, 0).into()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut fill = Vec::new();
    while let Ok(Ok(stream)) = timeout(Duration::from_millis(100), TcpStream::connect(address)).await {
        fill.push(stream);
        assert!(fill.len() < 16, "a queue of one is full after a few");
    }
    (listener, fill)
}

#[tokio::test]
async fn scenario_05_a_black_hole() {
    let server = TlsServer::start().await;
    let harness = server.warm(|keys| keys).await;
    let (hole, _fill, _listener) = black_hole().await;
    server.lead_to(hole);
    let unanswered = harness.attempt(3).await;
    let mut lost = harness.lost().await;

    // The connection is made, and then nothing.
    let silent = suffer([(Endpoint::Any, Fault::hang()), (Endpoint::Keys, Fault::hang())]).await;
    lost += silent.lost;
    Row::new(5, "no answer to SYN; connected, then silence")
        .fetches(silent.requests, 6..=8)
        .lost(lost, 0)
        .figure("slowest attempt, ms, at a deadline of 200", slowest(&[unanswered, silent.attempts]), within_deadline())
        .figure("attempts that failed", unanswered.failed + silent.attempts.failed, 7)
        .figure("most sockets open", silent.most_open, ..=1)
        .figure("sockets left open", silent.left_open, 0)
        .print();
}

#[tokio::test]
async fn scenario_06_a_stalled_handshake() {
    let server = TlsServer::start().await;
    let harness = server.warm(|keys| keys).await;
    server.behave(Behavior::StallHandshake);
    let attempts = harness.attempt(3).await;
    let lost = harness.lost().await;
    let left_open = server.open_after_a_second().await;
    Row::new(6, "the TLS handshake stalls")
        .fetches(server.requests_since_warm(), 0)
        .lost(lost, 0)
        .figure("slowest attempt, ms, at a deadline of 200", slowest(&[attempts]), within_deadline())
        .figure("attempts that failed", attempts.failed, 3)
        .figure("most sockets open", server.most_open(), ..=1)
        .figure("sockets left open", left_open, 0)
        .print();
}

#[tokio::test]
async fn scenario_07_a_trickle() {
    let length = MockEntra::start().await.key_document(signalr_upstream_auth::TokenVersion::V2).len();
    let figures = suffer([
        (Endpoint::Keys, Fault::drip_head(MILLISECOND * 20)),
        (Endpoint::Keys, Fault::drip_body(MILLISECOND * 20)),
        (Endpoint::Keys, Fault::hang_in_body(length * 99 / 100)),
        (Endpoint::Keys, Fault::hang_in_body(length * 99 / 100).chunked()),
        (Endpoint::Any, Fault::drip_head(MILLISECOND * 20)),
        (Endpoint::Any, Fault::drip_body(MILLISECOND * 20)),
    ])
    .await;
    row(7, "head or body byte by byte, 99 % and then silence", &figures, 12);
}

fn row(number: u32, what: &'static str, figures: &Figures, failed: u64) {
    Row::new(number, what)
        .fetches(figures.requests, ..=figures_bound(failed))
        .lost(figures.lost, 0)
        .figure("slowest attempt, ms, at a deadline of 200", slowest(&[figures.attempts]), within_deadline())
        .figure("attempts that failed", figures.attempts.failed, failed)
        .figure("most sockets open", figures.most_open, ..=2)
        .figure("sockets left open", figures.left_open, 0)
        .print();
}

/// Two requests for each attempt.
fn figures_bound(attempts: u64) -> u64 {
    attempts * 2
}

pub(super) fn slowest(attempts: &[Attempts]) -> u128 {
    attempts.iter().map(|attempts| attempts.slowest.as_millis()).max().unwrap_or(0)
}

pub(super) fn within_deadline() -> std::ops::RangeToInclusive<u64> {
    ..=u64::try_from((DEADLINE + SLACK).as_millis()).unwrap()
}

#[tokio::test]
async fn repeats_first_load_whose_discovery_hangs() {
    let entra = MockEntra::start().await;
    entra.fail_next(1, Endpoint::Discovery, Fault::hang());
    let _harness = Harness::warm(&entra).await;
    let requests = entra.requests();
    assert_eq!((requests.discovery(), requests.keys()), (2, 1));
}

#[tokio::test]
async fn gives_up_unanswered_connection_at_the_deadline_of_the_fetch() {
    let (hole, _fill, _listener) = black_hole().await;
    let policy = MockEntra::builder().public_cloud().start().await.policy();
    for seconds in [1, 10, 60] {
        let keys = RemoteKeys::builder(&policy)
            .fetch_timeout(Duration::from_secs(seconds))
            .configure_client(move |client| {
                client.no_proxy().tls_certs_only([]).resolve("login.microsoftonline.com", hole)
            })
            .build()
            .unwrap();
        pause();
        let begun = Instant::now();
        keys.wait_for_keys().await.unwrap_err();
        let taken = begun.elapsed();
        tokio::time::resume();
        assert!(
            (Duration::from_secs(seconds)..Duration::from_millis(seconds * 1000 + 100)).contains(&taken),
            "{taken:?}"
        );
    }
}
