//! Errors in three families that are never mixed: [`Rejection`] for a request, [`KeyError`] for the keys,
//! [`ConfigError`] for the program that starts. This folder imports nothing else of the crate.

#[cfg(feature = "remote")]
mod chain;
mod check;
mod config;
mod key;
mod rejection;

#[cfg(feature = "remote")]
pub(crate) use chain::Chain;
pub use check::CheckName;
pub(crate) use config::quoted;
pub use config::{ConfigError, ConfigFault};
pub use key::{KeyError, KeyErrorKind};
pub use rejection::{Rejection, RejectionKind, UnknownRejectionKind};
