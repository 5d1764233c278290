#![doc = include_str!("../README.md")]

mod backoff;
mod clock;
mod now;
mod task;
mod waiters;

pub use backoff::{Backoff, RetryAfter, jitter};
pub use clock::{SystemClock, UnixTime, WallClock};
pub use now::{Now, Timestamp, monotonic_now};
pub use task::{Background, TaskSlot, ensure_running};
pub use waiters::{WaitError, Waiters};
