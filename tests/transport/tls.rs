//! Servers that cannot prove who they are.

use super::harness::Attempts;
use super::servers::{Behavior, TlsServer, Trap, Wrong};
use super::table::Row;

#[tokio::test]
async fn scenario_19_certificates_and_versions() {
    let mut figures = Attempts::default();
    let (mut plain, mut lost, mut requests) = (0, 0, 0);
    for behavior in [
        Behavior::With(Wrong::Expired),
        Behavior::With(Wrong::NotYetValid),
        Behavior::With(Wrong::AnotherName),
        Behavior::With(Wrong::UnknownAuthority),
        Behavior::With(Wrong::SelfSigned),
        // An alert "protocol version", as a server gives that knows TLS 1.1 only, and the hello of such a one.
        Behavior::Raw(vec![21, 3, 2, 0, 2, 2, 70]),
        Behavior::Raw([&[22, 3, 2, 0, 42, 2, 0, 0, 38, 3, 2][..], &[7; 32], &[0, 0, 0x2f, 0]].concat()),
        // No TLS at all.
        Behavior::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}".to_vec()),
    ] {
        let server = TlsServer::start().await;
        let harness = server.warm(|keys| keys).await;
        server.behave(behavior);
        figures += harness.attempt(2).await;
        requests += server.requests_since_warm();
        plain += server.plain();
        lost += harness.lost().await;
    }
    Row::new(19, "certificate expired, not yet valid, for another name, of an unknown authority; TLS 1.1; no TLS")
        .fetches(requests, 0)
        .lost(lost, 0)
        .figure("attempts that failed", figures.failed, 16)
        .figure("plain connections", plain, 0)
        .print();
}

#[tokio::test]
async fn scenario_21_a_name_that_leads_to_loopback() {
    let server = TlsServer::start().await;
    let harness = server.warm(|keys| keys).await;
    // Something on this machine that speaks TLS, but is not the host that is meant.
    let local = TlsServer::start().await;
    local.behave(Behavior::With(Wrong::AnotherName));
    server.lead_to(local.address());
    let attempts = harness.attempt(3).await;
    // And something that does not.
    let trap = Trap::start().await;
    server.lead_to(trap.address());
    let plain = harness.attempt(1).await;
    let lost = harness.lost().await;
    Row::new(21, "the name leads to loopback, where nobody has a certificate for it")
        .fetches(server.requests_since_warm(), 0)
        .lost(lost, 0)
        .figure("attempts that failed", attempts.failed + plain.failed, 4)
        .figure("handshakes tried", local.accepted(), 3..)
        .figure("requests sent there", local.requests(), 0)
        .figure("plain connections", local.plain(), 0)
        .print();
}
