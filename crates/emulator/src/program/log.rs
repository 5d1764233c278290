//! The loop in words, one line an event.

use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use crate::events::EmulatorEvent;

/// Writes each event as one line for people: who connected, which upstream call, which answer, which send. It returns
/// once the emulator is dropped. The lines are those of [`EmulatorEvent`].
pub async fn write_log(events: Receiver<EmulatorEvent>, mut write: impl FnMut(&str)) {
    follow(events, |event| event.to_string(), &mut write).await;
}

/// [`write_log`] with colors for a terminal (ANSI escape codes).
pub async fn write_colored_log(events: Receiver<EmulatorEvent>, mut write: impl FnMut(&str)) {
    follow(events, |event| event.colored().to_string(), &mut write).await;
}

async fn follow(
    mut events: Receiver<EmulatorEvent>,
    line: impl Fn(&EmulatorEvent) -> String,
    write: &mut impl FnMut(&str),
) {
    loop {
        match events.recv().await {
            Ok(event) => write(&line(&event)),
            Err(RecvError::Lagged(count)) => write(&format!("{count} events were too fast for this log")),
            Err(RecvError::Closed) => return,
        }
    }
}
