//! What can go wrong: [`ConfigError`] for the program that starts.

mod config;

pub use config::{ConfigError, ConfigFault};
