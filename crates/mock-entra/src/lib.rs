//! An Entra on loopback and the requests of Azure SignalR Service, for tests.
//!
//! [`MockEntra`] serves the discovery and key documents of a tenant as Entra does and mints the tokens that a managed
//! identity gets. [`UpstreamRequest`] makes the calls that carry them. A good request and a bad one:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! use bytes::Bytes;
//! use mock_entra::{MockEntra, UpstreamRequest};
//!
//! let entra = MockEntra::start().await;
//! let call = UpstreamRequest::message("chat", "echo").invocation_id("1").argument("hi");
//! let good = call.clone().bearer(entra.token().mint()).into_request::<Bytes>();
//! let bad = call.bearer(entra.token().expired().mint()).into_request::<Bytes>();
//! # assert_ne!(good.headers(), bad.headers());
//! # }
//! ```
//!
//! A [`TokenBuilder`] changes one thing of a good token, so that a case reads as its difference from what is accepted;
//! hostile forms (several members of one name, other algorithms, raw segments, other keys) are among them.
//!
//! What can go wrong with keys has two sides. *Which* keys there are is said by [`MockEntra::rotate`],
//! [`withhold`](MockEntra::withhold), [`publish`](MockEntra::publish) and their like; *how* the documents come is said by
//! a [`Fault`]. What was asked of the mock is counted in [`Requests`]:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! use mock_entra::{Endpoint, Fault, MockEntra};
//!
//! let entra = MockEntra::start().await;
//! entra.script(Endpoint::Keys, [Fault::status(500), Fault::none(), Fault::truncated(100)]);
//! let retired = entra.signing_key();
//! entra.rotate();
//! entra.withhold(retired.key_id());
//! // … let the code under test run, then:
//! assert_eq!(entra.requests().keys(), 0);
//! # }
//! ```
//!
//! # Paused time
//!
//! The mock waits on tokio's clock. Over a real socket a paused clock runs ahead while data are under way, so a test
//! that pauses time should connect through [`MockEntra::serve`] and [`tokio::io::duplex`], or keep to real time.

mod authority;
mod certificate;
mod documents;
mod entra;
mod fault;
mod jwk;
mod key_ring;
mod members;
mod policy;
mod requests;
mod server;
mod signing;
mod site;
mod token;
mod upstream;

pub use entra::{MockEntra, MockEntraBuilder};
pub use fault::{Fault, Target};
pub use jwk::Jwk;
pub use requests::{Endpoint, LoggedRequest, Requests};
pub use signing::SigningKey;
pub use token::TokenBuilder;
pub use upstream::UpstreamRequest;
