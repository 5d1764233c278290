//! Names in the environment: the prefix, and a warning for unknown ones.

use super::fields::Field;
use crate::telemetry::events;

/// Warns of a variable that has the prefix and is not in the table. Its value is not printed: it may be a secret of
/// another program.
pub(super) fn warn_of_unknown(name: &str, tail: &str) {
    let meant = nearest(tail).map(Field::variable);
    tracing::warn!(target: events::SETTINGS, variable = %name.escape_debug(), did_you_mean = meant, "this variable is not a setting and is ignored");
}

/// The field whose name differs from a text in at most a third of its characters.
fn nearest(tail: &str) -> Option<Field> {
    let tail = tail.to_ascii_lowercase();
    let distances = Field::ALL.iter().map(|field| (distance(&tail, field.name()), field));
    let near = distances.filter(|(distance, field)| distance * 3 <= field.name().len());
    near.min_by_key(|(distance, field)| (*distance, field.name())).map(|(_, field)| *field)
}

/// How many characters to add, drop or change to turn one text into the other (Levenshtein).
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (index, byte) in from.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], index + 1);
        for (column, other) in to.bytes().enumerate() {
            let changed = diagonal + usize::from(byte != other);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[to.len()]
}

pub(super) const PREFIX: &str = "SIGNALR_UPSTREAM_";
