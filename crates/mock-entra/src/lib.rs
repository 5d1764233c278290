//! A Microsoft Entra on loopback, for the tests of anything that validates Entra access tokens.
//!
//! - [`MockEntra`] serves the discovery and key documents of a tenant, byte for byte as Entra's, and mints tokens.
//! - [`TokenBuilder`] changes one thing of an accepted token, so that a case reads as its difference from it. Hostile
//!   forms are among the changes: duplicate members, other algorithms, raw segments, other keys.
//! - [`Fault`] makes the documents late, wrong, oversize, truncated or absent.
//! - [`Requests`] counts what clients requested.
//! - [`UpstreamRequest`] is a request of Azure SignalR Service to an upstream, which carries such a token.
//!
//! # A validator of your own
//!
//! Point it at [`MockEntra::url`] in place of `https://login.microsoftonline.com`:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! use mock_entra::{Endpoint, Fault, MockEntra};
//! use signalr_upstream_auth::TokenVersion;
//!
//! let entra = MockEntra::start().await;
//! let discovery = format!("{}/{}/v2.0/.well-known/openid-configuration", entra.url(), entra.tenant());
//! let issuer = entra.issuer(entra.tenant(), TokenVersion::V2);
//! // … configure the validator with `discovery` and `issuer`, then try
//! let accepted = entra.token().v2().mint();
//! let expired = entra.token().v2().expired().mint();
//! let unsigned = entra.token().v2().algorithm("none").mint();
//!
//! // A key rotation, and an outage of the key document.
//! entra.rotate();
//! entra.script(Endpoint::Keys, [Fault::status(500), Fault::none(), Fault::truncated(100)]);
//! // … let the validator run, then:
//! assert_eq!(entra.requests().keys(), 0);
//! # assert_ne!(accepted, expired);
//! # }
//! ```
//!
//! # An upstream of Azure SignalR Service
//!
//! [`MockEntra::policy`] accepts the mock's tokens and no others, and [`MockEntra::claims`] are the claims of one:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! use bytes::Bytes;
//! use mock_entra::{MockEntra, UpstreamRequest};
//!
//! let entra = MockEntra::start().await;
//! let call = UpstreamRequest::message("chat", "echo").invocation_id("1").argument("hi");
//! let accepted = call.clone().bearer(entra.token().mint()).into_request::<Bytes>();
//! let rejected = call.bearer(entra.token().expired().mint()).into_request::<Bytes>();
//! # assert_ne!(accepted.headers(), rejected.headers());
//! # }
//! ```
//!
//! # Paused time
//!
//! The mock waits on tokio's clock. With a real socket a paused clock advances while data is in transit. A test that
//! pauses time connects through [`MockEntra::serve`] and [`tokio::io::duplex`] instead, or does not pause time.

mod authority;
mod builder;
mod certificate;
mod demo;
mod documents;
mod entra;
mod fault;
mod fault_plan;
mod jwk;
mod key_ring;
mod members;
mod policy;
mod requests;
mod server;
mod signing;
mod site;
mod token;
mod upstream_request;

pub use builder::MockEntraBuilder;
pub use entra::MockEntra;
pub use fault::Fault;
pub use fault_plan::Target;
pub use jwk::Jwk;
pub use requests::{Endpoint, LoggedRequest, Requests};
pub use signing::SigningKey;
pub use token::TokenBuilder;
pub use upstream_request::UpstreamRequest;

/// Compiles and runs the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
