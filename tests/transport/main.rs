//! Faults of a provider that concern connections, over loopback and in real time. The scenarios of the key store are in
//! `src/keys/remote/tests/scenarios`; `docs/maintainers/faults.md` has the table of all.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot be set up should stop")]

mod bodies;
mod client;
mod discovery;
mod flood;
mod freeze;
mod gzip;
mod harness;
mod heap;
mod http2;
mod names;
mod networks;
mod redirects;
mod servers;
mod shutdown;
mod silence;
mod smoke;
mod socks;
#[path = "../../src/keys/remote/tests/scenarios/table.rs"]
mod table;
mod tenants;
mod tls;
mod unknown_tenant;
