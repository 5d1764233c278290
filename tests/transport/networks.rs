//! Networks on which the first way is not the one that works: slow and dead addresses, lost packets, slow tunnels.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use signalr_upstream_auth::keys::reqwest::dns::{Addrs, Name, Resolve, Resolving};
use signalr_upstream_auth::keys::reqwest::{ClientBuilder, Proxy};
use signalr_upstream_auth::keys::{KeySource, RemoteKeys, RemoteKeysBuilder};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep};

use super::servers::{Behavior, TlsServer};
use super::silence::full_queue;
use super::table::{Bound, Row};

/// Between two addresses (RFC 8305 section 5).
const STAGGER: Duration = Duration::from_millis(250);

/// Answers after a while, with these addresses in this order.
struct Resolver {
    addresses: Vec<SocketAddr>,
    after: Duration,
}

impl Resolver {
    fn at_once(addresses: Vec<SocketAddr>) -> Self {
        Self { addresses, after: Duration::ZERO }
    }
}

impl Resolve for Resolver {
    fn resolve(&self, _: Name) -> Resolving {
        let (addresses, after) = (self.addresses.clone(), self.after);
        Box::pin(async move {
            sleep(after).await;
            let addresses: Addrs = Box::new(addresses.into_iter());
            Ok(addresses)
        })
    }
}

/// What came of a cold start.
struct ColdStart {
    keys: RemoteKeys,
    /// Until there were keys, or the first attempt had failed.
    millis: u128,
}

impl ColdStart {
    async fn of(keys: RemoteKeysBuilder) -> Self {
        let keys = keys.build().unwrap();
        let begun = Instant::now();
        let outcome = keys.wait_for_keys().await;
        let millis = begun.elapsed().as_millis();
        assert!(outcome.is_ok(), "after {millis} ms: {outcome:?}");
        Self { keys, millis }
    }

    fn print(&self, number: u32, what: &'static str, server: &TlsServer, millis: impl Bound) {
        Row::new(number, what)
            .fetches(server.requests(), 2)
            .lost(0, 0)
            .figure("attempts that failed", self.keys.status()[0].failures(), 0)
            .figure("ms until there are keys, at the default deadline of 10,000", self.millis, millis)
            .print();
    }
}

/// The server at eight addresses. The first of them are dead: they answer no SYN. The others lose the SYN of whoever
/// tries the eight 0.25 seconds apart, and the kernel repeats it after 1 second. Then the server takes 0.2 seconds.
async fn eight_addresses(server: &TlsServer, dead: usize) -> (Vec<SocketAddr>, Vec<(TcpListener, Vec<TcpStream>)>) {
    server.behave(Behavior::GoodAfter(Duration::from_millis(200)));
    let mut queues = Vec::new();
    for number in 1..=8 {
        queues.push(full_queue(Ipv4Addr::new(127, 0, 0, number)).await);
    }
    let addresses = queues.iter().map(|(listener, _)| listener.local_addr().unwrap()).collect();
    let mut answers = Duration::from_millis(900) + STAGGER * u32::try_from(dead).unwrap();
    for (listener, _) in queues.split_off(dead) {
        server.listen(listener, answers);
        answers += STAGGER;
    }
    (addresses, queues)
}

#[tokio::test]
async fn scenario_51_eight_slow_addresses() {
    let server = TlsServer::start().await;
    let (addresses, _dead) = eight_addresses(&server, 0).await;
    let start = ColdStart::of(server.builder(Resolver::at_once(addresses), |client| client)).await;
    start.print(51, "the name has eight addresses, of which each takes 1.2 s", &server, 1_000..=4_000);
}

#[tokio::test]
async fn scenario_52_three_dead_of_eight_addresses() {
    let server = TlsServer::start().await;
    let (addresses, _dead) = eight_addresses(&server, 3).await;
    let start = ColdStart::of(server.builder(Resolver::at_once(addresses), |client| client)).await;
    start.print(52, "the first three of eight addresses are dead, each other takes 1.2 s", &server, 1_000..=5_000);
}

/// A resolver that repeats its lost question, as the resolver of the C library does after 5 seconds.
async fn lost_dns_answer(repeats_after: Duration) -> (TlsServer, ColdStart) {
    let server = TlsServer::start().await;
    let resolver = Resolver { addresses: vec![server.address()], after: repeats_after };
    let start = ColdStart::of(server.builder(resolver, |client| client)).await;
    (server, start)
}

/// A proxy that takes its time for a tunnel, as one does that inspects a host for the first time.
async fn slow_tunnel(takes: Duration) -> (TlsServer, ColdStart) {
    let server = TlsServer::start().await;
    let proxy = proxy(server.address(), takes).await;
    let proxied = move |client: ClientBuilder| client.proxy(Proxy::https(format!("http://{proxy}")).unwrap());
    let start = ColdStart::of(server.builder(Resolver::at_once(Vec::new()), proxied)).await;
    (server, start)
}

#[tokio::test]
#[ignore = "slow: .ci/slow_tests runs it"]
async fn scenario_53_a_lost_dns_answer() {
    let (server, start) = lost_dns_answer(Duration::from_secs(5)).await;
    start.print(53, "the answer of the DNS is lost, and the resolver asks again after 5 s", &server, 5_000..=8_000);
}

#[tokio::test]
#[ignore = "slow: .ci/slow_tests runs it"]
async fn scenario_54_a_slow_tunnel() {
    let (server, start) = slow_tunnel(Duration::from_secs(4)).await;
    start.print(54, "the proxy takes 4 s for CONNECT", &server, 4_000..=7_000);
}

/// As scenarios 53 and 54, with as much patience as `cargo test` has.
#[tokio::test]
async fn name_and_tunnel_may_take_longer_than_two_seconds() {
    let longer = Duration::from_millis(2_100);
    let (by_name, by_tunnel) = tokio::join!(lost_dns_answer(longer), slow_tunnel(longer));
    assert!(by_name.1.millis >= 2_100 && by_tunnel.1.millis >= 2_100);
}

#[tokio::test]
async fn scenario_55_a_stalled_ipv6_path() {
    let server = TlsServer::start().await;
    let stalled = server.another_at(Ipv6Addr::LOCALHOST).await;
    stalled.behave(Behavior::StallHandshake);
    let resolver = Resolver::at_once(vec![stalled.address(), server.address()]);
    let start = ColdStart::of(server.builder(resolver, |client| client)).await;
    let what = "IPv6 takes connections and stalls in the TLS handshake, IPv4 is healthy";
    assert_eq!(stalled.accepted(), 1, "IPv6 comes first");
    start.print(55, what, &server, 250..=3_000);
}

/// A path may be up, and useless all the same: the first attempt takes it, the second another.
#[tokio::test]
async fn attempt_after_a_failure_begins_with_the_other_family() {
    let server = TlsServer::start().await;
    let useless = server.another_at(Ipv6Addr::LOCALHOST).await;
    useless.behave(Behavior::Speak { protocol: b"http/1.1", bytes: Vec::new(), again: false });
    // Slower than the useless one, which must not win again for that.
    server.behave(Behavior::GoodAfter(Duration::from_millis(1_200)));
    let resolver = Resolver::at_once(vec![useless.address(), server.address()]);
    let keys = server.builder(resolver, |client| client).fetch_timeout(Duration::from_secs(3)).build().unwrap();
    keys.wait_for_keys().await.unwrap_err();
    assert_eq!((useless.handshakes(), server.handshakes()), (1, 0));
    keys.refresh_now().await.unwrap();
    assert_eq!((useless.handshakes(), server.requests()), (1, 2));
}

/// Takes one line of `CONNECT`, waits, and leads to the address, whatever the line says.
async fn proxy(target: SocketAddr, takes: Duration) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(client.read_u8().await.unwrap());
                }
                assert!(head.starts_with(b"CONNECT login.microsoftonline.com:443 "));
                sleep(takes).await;
                let mut server = TcpStream::connect(target).await.unwrap();
                client.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").await.unwrap();
                let _ = copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    address
}
