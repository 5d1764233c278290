//! x
mod authority;
mod certificate;
mod documents;
mod jwk;
mod members;
mod signing;
mod token;
pub use authority::Version;
pub use jwk::Jwk;
pub use signing::SigningKey;
pub use token::TokenBuilder;
