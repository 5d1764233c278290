//! The emulator's own Microsoft Entra: principals, and the endpoints where credentials get tokens.
//!
//! Discovery documents and keys are those of a [`MockEntra`](crate::mock::MockEntra).

mod answers;
mod assertion;
mod directory;
mod documents;
mod managed_identity;
mod principals;
mod service;
mod token_endpoint;

pub use directory::Entra;
pub(crate) use directory::EntraParts;
pub use principals::{Application, ManagedIdentity};
pub(crate) use service::EntraService;
