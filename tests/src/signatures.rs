//! How many signatures a thread has verified, by the event that each verification emits at TRACE.

use std::cell::Cell;
use std::sync::Once;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::set_global_default;
use tracing::{Event, Level, Metadata, Subscriber};

thread_local! {
    static VERIFIED: Cell<u64> = const { Cell::new(0) };
}

/// How many signatures this thread has verified since the first call of the process.
///
/// # Panics
///
/// If the process has another subscriber for all its threads.
#[must_use]
pub fn verified() -> u64 {
    watch_all_threads();
    VERIFIED.get()
}

/// Gives the process a subscriber that is interested in everything.
///
/// A test with a subscriber of its own needs it, too: without it, `tracing` keeps for each event whether anybody is
/// interested, and a test on another thread that ends its subscriber can switch the event off for a moment.
///
/// # Panics
///
/// If the process has another subscriber for all its threads.
pub fn watch_all_threads() {
    static COUNTER: Once = Once::new();
    COUNTER.call_once(|| set_global_default(Counter).expect("no other subscriber of the process"));
}

struct Counter;

impl Subscriber for Counter {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn event(&self, event: &Event<'_>) {
        let metadata = event.metadata();
        if *metadata.level() == Level::TRACE && metadata.target().ends_with("::requests") {
            event.record(&mut Message);
        }
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// Counts the message of a verification and passes over all others.
struct Message;

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" && format!("{value:?}") == "verifying a signature" {
            VERIFIED.set(VERIFIED.get() + 1);
        }
    }
}
