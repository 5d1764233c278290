//! The one place that names the mock of Entra and what it brings with it.

pub use mock_entra::{MockEntra, TokenBuilder, UpstreamRequest};
pub use signalr_upstream_auth::clock::{Clock, SystemClock, UnixTime};
pub use signalr_upstream_auth::{ClientId, InvalidGuid, ObjectId, TenantId, TokenVersion};
