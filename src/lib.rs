#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "axum")]
mod axum;
mod bearer;
mod claims;
mod clock;
#[cfg(any(doc, doctest))]
pub mod docs;
mod error;
mod events;
mod excerpt;
mod explain;
mod future;
#[cfg(any(fuzzing, feature = "test-util"))]
#[doc(hidden)]
pub mod fuzzing;
mod ids;
mod json;
mod key;
mod keys;
mod layer;
#[cfg(feature = "metrics")]
pub mod metrics;
#[cfg(not(feature = "metrics"))]
mod metrics;
mod policy;
mod refusals;
mod respond;
mod service;
#[cfg(feature = "remote")]
mod settings;
mod sighting;
mod stages;
#[cfg(feature = "test-util")]
pub mod testing;
mod token;
#[cfg(feature = "upstream")]
pub mod upstream;
mod validator;
mod validity;
#[cfg(test)]
mod vectors;
mod verified;
mod verify;

#[cfg(feature = "axum")]
pub use axum::MissingUpstreamAuthLayer;
pub use claims::{Claims, TokenVersion};
pub use clock::{Clock, SystemClock, UnixTime};
pub use error::{ConfigError, ConfigFault, KeyError, KeyErrorKind, Rejection, RejectionKind};
pub use explain::{Check, CheckState, Explanation};
pub use future::ResponseFuture;
pub use ids::{ClientId, InvalidGuid, KeyId, ObjectId, TenantId};
pub use key::VerificationKey;
pub use keys::fixed::FixedKeys;
pub use keys::jwks::KeySet;

#[cfg(feature = "remote")]
pub use keys::remote::{RemoteKeys, RemoteKeysBuilder};
pub use keys::source::{KeyFuture, KeySource, Lookup};
#[cfg(feature = "remote")]
pub use keys::status::{KeyState, KeyStatus};
pub use layer::UpstreamAuthLayer;
pub use policy::audience::Audiences;
pub use policy::callers::Callers;
pub use policy::cloud::Cloud;
pub use policy::tenants::Tenants;
pub use policy::{Policy, PolicyBuilder};
pub use respond::{DefaultResponse, ResponseForRejection, refusal_headers};
pub use service::UpstreamAuth;
#[cfg(feature = "remote")]
pub use settings::Settings;
pub use validator::Validator;

/// The HTTP client of [`RemoteKeysBuilder::configure_client`].
#[cfg(feature = "remote")]
#[doc(no_inline)]
pub use reqwest;
