//! The examples as programs: their variables go in, their output and their responses are checked.

mod check_azure;
mod client;
// Elsewhere a program asks the operating system which certificates are good, and no variable changes that.
#[cfg(target_os = "linux")]
mod nginx;
mod program;
#[cfg(target_os = "linux")]
mod public_cloud;
mod tools;
#[cfg(target_os = "linux")]
mod with_settings;
mod without_settings;
