// The examples of the README and of the guide run in the package of the tests, which has what they use.
#![cfg_attr(not(doctest), doc = include_str!("../README.md"))]
#![cfg_attr(docsrs, feature(doc_cfg))]

// The fuzz targets name this crate from outside, and its own tests replay their seeds.
#[cfg(test)]
extern crate self as signalr_upstream_auth;

pub mod clock;
mod cloud;
#[cfg(all(doc, not(doctest)))]
pub mod docs;
mod error;
pub mod explain;
#[cfg(feature = "axum")]
mod extract;
#[cfg(any(fuzzing, test))]
#[doc(hidden)]
pub mod fuzzing;
mod ids;
mod json;
pub mod keys;
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

pub use cloud::Cloud;
pub use error::{CheckName, ConfigError, ConfigFault, Rejection, RejectionKind, UnknownRejectionKind};
#[cfg(feature = "axum")]
pub use extract::MissingUpstreamAuthLayer;
pub use ids::{ClientId, InvalidGuid, ObjectId, TenantId};
pub use middleware::future::ResponseFuture;
pub use middleware::layer::UpstreamAuthLayer;
pub use middleware::response::{DefaultResponse, ResponseForRejection, rejection_headers};
pub use middleware::service::UpstreamAuth;
pub use policy::Policy;
pub use policy::audience::{Audience, Audiences};
pub use policy::builder::PolicyBuilder;
pub use policy::callers::{Caller, Callers};
pub use policy::claims::Claims;
pub use policy::tenants::Tenants;
#[cfg(feature = "remote")]
pub use settings::Settings;
#[cfg(feature = "metrics")]
pub use telemetry::meter;
pub use token::version::TokenVersion;
pub use validator::Validator;
