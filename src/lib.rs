//! Lets a request through only when it carries a Microsoft Entra token that proves the call comes
//! from your Azure SignalR Service.

mod bearer;
mod clock;
mod error;
mod ids;
mod json;
mod keys;
mod token;
mod verify;

pub use clock::{Clock, SystemClock, UnixTime};
pub use error::{ConfigError, ConfigFault, KeyError, KeyErrorKind, Rejection, RejectionKind};
pub use ids::{ClientId, InvalidGuid, KeyId, ObjectId, TenantId};
pub use keys::fixed::FixedKeys;
pub use keys::jwks::KeySet;
pub use keys::key::VerificationKey;
pub use keys::source::{KeyFuture, KeySource, Lookup};
