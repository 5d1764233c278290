//! The guide. It has no code; each page is a module.

#[doc = include_str!("../docs/credentials.md")]
pub mod credentials {}
