//! Negotiations with the key at hand, for callgrind to count: `cargo bench -p benches --bench instructions` runs this.
//!
//! The argument is their number.

#![allow(clippy::disallowed_methods, reason = "benchmarks may block")]
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a benchmark that panics fails")]

mod service;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::FutureExt as _;
use signalr_serverless::{NegotiateOptions, ServiceClient, ServiceClientOptions};

use crate::service::{Fixed, Service};

fn main() {
    // Without a number, as `cargo bench` and `cargo test` start it, one is enough.
    let number: usize = std::env::args().nth(1).and_then(|number| number.parse().ok()).unwrap_or(1);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _entered = runtime.enter();
    let service = Service::start(None);
    let client = ServiceClient::new(&service.url, Arc::new(Fixed), ServiceClientOptions::default()).unwrap();
    runtime.block_on(client.ready()).unwrap();
    let chat = client.hub("chat").unwrap();
    let negotiate = |options| chat.negotiate(options).now_or_never().expect("no wait").expect("a token");
    // What is done once in a process is done before.
    for _ in 0..3 {
        negotiate(options());
    }
    for _ in 0..number {
        let options = options();
        measured(|| negotiate(options));
    }
    assert_eq!(service.keys.load(Ordering::SeqCst), 1, "one fetch of the key");
}

fn options() -> NegotiateOptions {
    NegotiateOptions::default().user_id("anna").claim("role", "member").claim("team", "blue")
}

/// Callgrind counts from the beginning of this function to its end. The answer is dropped after it.
#[inline(never)]
fn measured<T>(run: impl FnOnce() -> T) -> T {
    std::hint::black_box(run())
}
