//! Counts what is logged, so that a test can say how often something was reported.

use std::fmt;
use std::sync::{Arc, LazyLock, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{DefaultGuard, set_default};
use tracing::{Dispatch, Event, Level, Metadata, Subscriber};

/// Records everything that this thread logs until it is dropped.
pub(super) fn start() -> Log {
    // With a single subscriber in the process, threads without one would decide what is worth recording.
    static ANOTHER: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(Recorder(Arc::default())));
    LazyLock::force(&ANOTHER);
    let events = Arc::new(Mutex::default());
    let guard = set_default(Recorder(Arc::clone(&events)));
    Log { events, _guard: guard }
}

pub(super) struct Log {
    events: Arc<Mutex<Vec<(Level, String)>>>,
    _guard: DefaultGuard,
}

impl Log {
    /// How often this message was logged.
    pub(super) fn count(&self, message: &str) -> u64 {
        self.count_if(|_, logged| logged == message)
    }

    /// How much was logged at this level.
    pub(super) fn count_at(&self, level: Level) -> u64 {
        self.count_if(|logged, _| logged == level)
    }

    fn count_if(&self, fits: impl Fn(Level, &str) -> bool) -> u64 {
        let events = self.events.lock().unwrap();
        u64::try_from(events.iter().filter(|(level, message)| fits(*level, message)).count()).unwrap()
    }
}

struct Recorder(Arc<Mutex<Vec<(Level, String)>>>);

impl Subscriber for Recorder {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with(env!("CARGO_CRATE_NAME"))
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut message = Message(String::new());
        event.record(&mut message);
        self.0.lock().unwrap().push((*event.metadata().level(), message.0));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}
