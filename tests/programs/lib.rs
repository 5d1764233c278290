//! The examples as programs: their variables go in, their output and their responses are checked.

#![cfg(test)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot be set up should stop")]

mod child;
mod client;
mod program;
// Elsewhere a program asks the operating system which certificates are good, and no variable changes that.
#[cfg(target_os = "linux")]
mod public_cloud;
#[cfg(target_os = "linux")]
mod with_settings;
mod without_settings;
