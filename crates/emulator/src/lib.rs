//! A local Azure SignalR Service in serverless mode, with a Microsoft Entra of its own.
//!
//! Use it where your app authenticates to the service with Entra and you want to test that, or to work without Azure. It
//! checks tokens, roles, keys, paths and versions by its own code, and does what the service does with what passes.
//!
//! | Part | What it has |
//! |---|---|
//! | REST API | all operations of 2024-12-01 and of `/api/v1`, Entra tokens and access keys, the data actions of the four roles |
//! | Auth API | temporary access keys that end after 90 minutes by [a clock that you move](EmulatorClock), client tokens |
//! | Clients | negotiation, WebSockets, the JSON and MessagePack hub protocols, CORS |
//! | Upstream | templates, every `X-ASRS-*` header, tokens of the resource's managed identity, repetitions |
//! | Entra | token endpoint for secrets and assertions, App Service's identity endpoint, IMDS, discovery documents and keys |
//! | Tests | [faults](Faults) for each operation, a [log](RequestLog) of requests, [events](EmulatorEvent) of the whole loop |
//!
//! # An app with its settings
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), signalr_emulator::StartError> {
//! use signalr_emulator::{Emulator, Fault, Operation};
//!
//! let emulator = Emulator::builder().upstream("http://127.0.0.1:3000/upstream/{hub}/{category}/{event}").start().await?;
//! let variables = emulator.settings().managed_identity();
//! // … start your app with these variables, then let the first request for a key fail:
//! emulator.faults().next(Operation::AccessKey, Fault::status(503).header("Retry-After", "2"));
//! # let _ = variables;
//! # Ok(())
//! # }
//! ```
//!
//! The app has to trust [`Emulator::certificate_authority_pem`].
//!
//! # A test of sending
//!
//! An [`AttachedClient`] is a client without a socket. It receives what your code sends, and its calls reach your upstream.
//! The page [`testing`] has a test of a whole app.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), signalr_emulator::StartError> {
//! use signalr_emulator::Emulator;
//!
//! let emulator = Emulator::start().await?;
//! let mut anna = emulator.attach_client("chat", Some("anna"));
//! // … let your code send to anna at `emulator.endpoint()`, then:
//! assert_eq!(anna.try_next(), None);
//! assert!(emulator.log().entries().is_empty());
//! # Ok(())
//! # }
//! ```
//!
//! # A process of its own
//!
//! [`EmulatorSettings`] starts an emulator from a file, [`Settings::other_process`] are the variables of an app that finds
//! it, and [`write_log`] shows the loop. The command `signalr-upstream-auth emulate` does all of it: it is in the package
//! `signalr-upstream-auth-cli`, behind the feature `emulate`.
//!
//! # Limits
//!
//! It is for tests and for development only. It binds 127.0.0.1, and whoever reaches it there can get tokens. Clients
//! connect by WebSocket alone, over HTTP/1.1. The page [`truth`] tells for each behavior whether Microsoft documents it,
//! whether Microsoft's code shows it, or whether it is [assumed](Assumptions).

#[doc = include_str!("../docs/testing.md")]
pub mod testing {}

#[doc = include_str!("../docs/truth.md")]
pub mod truth {}

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
mod program;
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
pub use program::{
    AccessKeySettings, AssumptionSettings, EmulatorSettings, UpstreamSettings, env_file, write_colored_log, write_log,
};
pub use settings::{Settings, Variables};
pub use upstream::{InvalidTemplate, UpstreamTemplate};
