//! A local Azure SignalR Service in serverless mode, with a Microsoft Entra of its own.
//!
//! Use it where your app authenticates to the service with Entra and you want to test that, or to work without Azure:
//! it checks tokens, roles, keys, paths and versions by its own code, and does what the service does with what passes.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), signalr_emulator::StartError> {
//! use signalr_emulator::{Emulator, Fault, Operation};
//!
//! let emulator = Emulator::start().await?;
//! let variables = emulator.settings().managed_identity();
//! // … start your app with these variables, then:
//! emulator.faults().next(Operation::AccessKey, Fault::status(503).header("Retry-After", "2"));
//! assert_eq!(emulator.log().count(Operation::AccessKey), 0);
//! # let _ = variables;
//! # Ok(())
//! # }
//! ```
//!
//! It is for tests and for development only. It binds 127.0.0.1, and whoever reaches it there can get tokens.

mod assumptions;
mod attached;
mod auth;
mod builder;
mod client;
mod clock;
mod data_plane;
pub mod defaults;
mod emulator;
pub mod entra;
mod error;
mod events;
mod faults;
mod hub;
mod log;
pub mod mock;
mod net;
mod operation;
mod protocol;
mod random;
mod service;
mod settings;
mod upstream;
mod web;

pub use assumptions::Assumptions;
pub use attached::{AttachedClient, Received};
pub use auth::{AccessKeys, Caller, DataAction, Role, Roles};
pub use builder::EmulatorBuilder;
pub use clock::EmulatorClock;
pub use emulator::Emulator;
pub use error::StartError;
pub use events::{EmulatorEvent, UpstreamCall};
pub use faults::{Fault, FaultTarget, Faults};
pub use log::{LoggedRequest, RequestLog};
pub use operation::Operation;
pub use settings::{Settings, Variables};
pub use upstream::{InvalidTemplate, UpstreamTemplate};
