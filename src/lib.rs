// The examples of the README and of the guide run in the package of the tests, which has what they use.
#![cfg_attr(not(doctest), doc = include_str!("../README.md"))]
#![cfg_attr(docsrs, feature(doc_cfg))]

// The fuzz targets name this crate from outside; their seeds are replayed by its own tests.
#[cfg(test)]
extern crate self as signalr_upstream_auth;

mod clock;
mod cloud;
#[cfg(all(doc, not(doctest)))]
pub mod docs;
mod error;
mod explain;
#[cfg(feature = "axum")]
mod extract;
#[cfg(any(fuzzing, test))]
#[doc(hidden)]
pub mod fuzzing;
mod ids;
mod json;
mod keys;
mod middleware;
mod policy;
#[cfg(feature = "remote")]
mod settings;
mod signature;
mod telemetry;
mod token;
#[cfg(feature = "upstream")]
pub mod upstream;
mod validator;

pub use clock::{Clock, SystemClock, UnixTime};
pub use cloud::Cloud;
pub use error::{CheckName, ConfigError, ConfigFault, KeyError, KeyErrorKind, Rejection, RejectionKind};
pub use explain::{Check, CheckState, Explanation};
#[cfg(feature = "axum")]
pub use extract::MissingUpstreamAuthLayer;
pub use ids::{ClientId, InvalidGuid, KeyId, ObjectId, TenantId};
pub use keys::fixed::FixedKeys;
pub use keys::jwks::KeySet;
#[cfg(feature = "remote")]
pub use keys::remote::status::{KeyState, KeyStatus};
#[cfg(feature = "remote")]
pub use keys::remote::{RemoteKeys, RemoteKeysBuilder};
pub use keys::source::{KeyFuture, KeySource, Lookup};
pub use middleware::future::ResponseFuture;
pub use middleware::layer::UpstreamAuthLayer;
pub use middleware::response::{DefaultResponse, ResponseForRejection, rejection_headers};
pub use middleware::service::UpstreamAuth;
pub use policy::Policy;
pub use policy::audience::Audiences;
pub use policy::builder::PolicyBuilder;
pub use policy::callers::Callers;
pub use policy::claims::Claims;
pub use policy::tenants::Tenants;
#[cfg(feature = "remote")]
pub use settings::Settings;
pub use signature::key::VerificationKey;
#[cfg(feature = "metrics")]
pub use telemetry::meter;
pub use token::version::TokenVersion;
pub use validator::Validator;

/// The HTTP client of [`RemoteKeysBuilder::configure_client`].
#[cfg(feature = "remote")]
#[doc(no_inline)]
pub use reqwest;
