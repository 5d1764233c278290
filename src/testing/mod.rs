//! x
mod authority;
mod certificate;
mod documents;
mod entra;
mod fault;
mod jwk;
mod key_ring;
mod members;
mod requests;
mod server;
mod signing;
mod site;
mod token;

pub use authority::Version;
pub use entra::{MockEntra, MockEntraBuilder};
pub use fault::{Fault, Target};
pub use jwk::Jwk;
pub use requests::{Endpoint, LoggedRequest, Requests};
pub use signing::SigningKey;
pub use token::TokenBuilder;
