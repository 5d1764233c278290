//! The one place that names the mock of Entra and what it brings with it.

pub use signalr_upstream_auth::testing::{MockEntra, TokenBuilder, UpstreamRequest};
pub use signalr_upstream_auth::{
    ClientId, Clock, InvalidGuid, ObjectId, SystemClock, TenantId, TokenVersion, UnixTime,
};
