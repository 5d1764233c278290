//! The program as its users start it: its arguments, variables and files go in; its output and its responses are checked.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot be set up should stop")]

#[path = "../../../../tests/programs/child.rs"]
#[allow(dead_code, reason = "shared with the tests of the examples, which use the rest")]
mod child;
#[path = "../../../../tests/programs/client.rs"]
#[allow(dead_code, reason = "shared with the tests of the examples, which use the rest")]
mod client;
#[path = "../../../../tests/programs/public_cloud.rs"]
#[allow(dead_code, reason = "shared with the tests of the examples, which use the rest")]
mod public_cloud;

mod check_azure;
mod deploy;
mod server;
mod tool;
mod usage;

// Elsewhere a program asks the operating system which certificates are good, and no variable changes that.
#[cfg(target_os = "linux")]
mod admin;
#[cfg(all(target_os = "linux", feature = "emulate"))]
mod emulate;
#[cfg(target_os = "linux")]
mod explain;
#[cfg(target_os = "linux")]
mod forward_auth;
#[cfg(target_os = "linux")]
mod lifecycle;
#[cfg(target_os = "linux")]
mod proxy;
#[cfg(target_os = "linux")]
mod service;
#[cfg(target_os = "linux")]
mod tls;
