//! The targets that call a single step of the check. The steps are private, so these targets are compiled into the
//! fuzzers (`cfg(fuzzing)`) and into the unit tests of the crate, where `src/fuzzing` replays their seeds.

pub mod authorization_header;
pub mod claims;
mod compact;
pub mod compact_token;
pub mod discovery_document;
pub mod jose_header;
