//! Host names that do not resolve.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use signalr_upstream_auth::keys::reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::harness::Attempts;
use super::servers::TlsServer;
use super::silence::{slowest, within_deadline};
use super::table::Row;

/// Right once, for the first load; then wrong in some way.
struct Resolver {
    good: SocketAddr,
    wrong: Wrong,
    asked: Arc<AtomicUsize>,
}

#[derive(Clone, Copy)]
enum Wrong {
    Fails(&'static str),
    Hangs,
    IsEmpty,
}

impl Resolve for Resolver {
    fn resolve(&self, _: Name) -> Resolving {
        if self.asked.fetch_add(1, Ordering::Relaxed) == 0 {
            let addresses: Addrs = Box::new(std::iter::once(self.good));
            return Box::pin(std::future::ready(Ok(addresses)));
        }
        match self.wrong {
            Wrong::Fails(why) => Box::pin(std::future::ready(Err(why.into()))),
            Wrong::Hangs => Box::pin(std::future::pending()),
            Wrong::IsEmpty => {
                let addresses: Addrs = Box::new(std::iter::empty());
                Box::pin(std::future::ready(Ok(addresses)))
            }
        }
    }
}

#[tokio::test]
async fn scenario_20_names() {
    let mut figures = Attempts::default();
    let (mut lost, mut requests, mut asked) = (0, 0, 0);
    for wrong in [Wrong::Fails("NXDOMAIN"), Wrong::Fails("SERVFAIL"), Wrong::Hangs, Wrong::IsEmpty] {
        let server = TlsServer::start().await;
        let count = Arc::<AtomicUsize>::default();
        let resolver = Resolver { good: server.address(), wrong, asked: Arc::clone(&count) };
        let harness = server.warm_resolving(resolver, |keys| keys).await;
        server.close_connections();
        figures += harness.attempt(2).await;
        requests += server.requests_since_warm();
        asked += count.load(Ordering::Relaxed) - 1;
        lost += harness.lost().await;
    }
    Row::new(20, "the name does not exist, the resolver fails, hangs, answers nothing")
        .fetches(requests, 0)
        .lost(lost, 0)
        .figure("attempts that failed", figures.failed, 8)
        .figure("slowest attempt, ms, at a deadline of 200", slowest(&[figures]), within_deadline())
        .figure("look-ups", asked, 8..=16)
        .print();
}
