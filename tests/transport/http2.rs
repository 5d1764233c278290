//! Servers that speak HTTP/2, which the client does not.

use super::harness::Attempts;
use super::servers::{Behavior, TlsServer};
use super::silence::{slowest, within_deadline};
use super::table::Row;

/// A frame (RFC 9113 section 4.1) without flags on the connection itself.
fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    [&[0, 0, length, kind, 0, 0, 0, 0, 0][..], payload].concat()
}

#[tokio::test]
async fn scenario_46_http_2() {
    let settings = frame(4, &[]);
    let go_away = frame(7, &[0, 0, 0, 0, 0, 0, 0, 2]);
    let reset = frame(3, &[0, 0, 0, 1]);
    let ping = frame(6, &[0; 8]);
    let mut attempts = Attempts::default();
    let (mut lost, mut requests, mut left_open, mut handshakes) = (0, 0, 0, 0);
    for (bytes, again) in [
        ([&settings[..], &go_away].concat(), false),
        ([&settings[..], &reset].concat(), false),
        (settings.clone(), true),
        (ping, true),
        (frame(0, &[]), true),
    ] {
        for protocol in [&b"h2"[..], b"http/1.1"] {
            let server = TlsServer::start().await;
            // The user's `http2_prior_knowledge` is among what the harness configures.
            let harness = server.warm(|keys| keys).await;
            let before = server.handshakes();
            server.behave(Behavior::Speak { protocol, bytes: bytes.clone(), again });
            attempts += harness.attempt(1).await;
            requests += server.requests_since_warm();
            if protocol == b"h2" {
                handshakes += server.handshakes() - before;
            }
            lost += harness.lost().await;
            left_open += server.open_after_a_second().await;
        }
    }
    Row::new(46, "GOAWAY, RST, floods of SETTINGS, PING, empty DATA; offered, or forced on us")
        .fetches(requests, 0)
        .lost(lost, 0)
        .figure("attempts that failed", attempts.failed, 10)
        .figure("handshakes that agreed on h2", handshakes, 0)
        .figure("slowest attempt, ms, at a deadline of 200", slowest(&[attempts]), within_deadline())
        .figure("sockets left open", left_open, 0)
        .print();
}
