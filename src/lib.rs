//! Lets a request through only when it carries a Microsoft Entra token that proves the call comes
//! from your Azure SignalR Service.

mod clock;
mod error;
mod ids;
#[cfg(feature = "test-util")]
pub mod testing;

pub use clock::{Clock, SystemClock, UnixTime};
pub use error::{ConfigError, ConfigFault, KeyError, KeyErrorKind, Rejection, RejectionKind};
pub use ids::{ClientId, InvalidGuid, KeyId, ObjectId, TenantId};
