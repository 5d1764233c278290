//! This crate and its peers on the same key, the same tokens and the same service.
//!
//! `peers` measures and prints the tables; `allocations` counts in a process of its own, since a counting allocator
//! takes time.

pub mod contender;
pub mod field;
pub mod world;

/// Microseconds or nanoseconds, whichever is shorter to read.
pub fn time(nanoseconds: f64) -> String {
    if nanoseconds.abs() < 1_000.0 {
        format!("{nanoseconds:.0} ns")
    } else {
        format!("{:.2} µs", nanoseconds / 1_000.0)
    }
}
