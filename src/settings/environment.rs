//! Names in the environment: the settings, what is almost one, and a warning for all else with the prefix.

use super::fields::Field;
use crate::error::ConfigFault;
use crate::telemetry::events;

/// What a variable is to the settings.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Variable {
    Setting(Field),
    /// Almost the name of a setting. To ignore it could leave the door wider than the operator believes.
    Misspelt(Field),
    /// It has the prefix, and resembles no setting.
    Unknown,
    /// A variable of something else.
    Foreign,
}

impl Variable {
    pub(super) fn of(name: &str) -> Self {
        if let Some(field) = Field::ALL.iter().find(|field| field.variable() == name) {
            return Self::Setting(*field);
        }
        let upper = name.to_ascii_uppercase();
        match upper.strip_prefix(PREFIX) {
            Some(tail) if is_injected(tail) => Self::Unknown,
            Some(tail) => nearest(&tail.to_ascii_lowercase()).map_or(Self::Unknown, Self::Misspelt),
            None => with_misspelt_prefix(&upper).map_or(Self::Foreign, Self::Misspelt),
        }
    }
}

/// Warns of a variable that has the prefix and resembles no setting. Its value is not printed: it may be a secret of
/// another program.
pub(super) fn warn_of_unknown(name: &str) {
    tracing::warn!(target: events::SETTINGS, variable = %name.escape_debug(), "this variable is not a setting and is ignored");
}

/// What is wrong with a misspelt variable. Its value is not printed, either.
pub(super) fn misspelt(name: &str, meant: Field) -> ConfigFault {
    let problem = format!("is not a setting; if you mean {}, write that, otherwise remove it", meant.variable());
    ConfigFault::new(name.escape_debug().to_string(), problem)
}

/// Whether Kubernetes injects such a name for a service whose own name begins like the prefix: `…_SERVICE_HOST`,
/// `…_SERVICE_PORT_HTTP`, `…_PORT_80_TCP_ADDR`.
fn is_injected(tail: &str) -> bool {
    tail == "SERVICE_HOST" || tail.ends_with("_SERVICE_HOST") || tail.split('_').any(|word| word == "PORT")
}

/// The field that a tail means: its name differs in at most a third of its characters, or it is the field's name with
/// one word left out, in singular or plural.
fn nearest(tail: &str) -> Option<Field> {
    let distances = Field::ALL.iter().map(|field| (distance(tail, field.name()), field));
    let near = distances.filter(|(distance, field)| distance * 3 <= field.name().len());
    let by_letters = near.min_by_key(|(distance, field)| (*distance, field.name())).map(|(_, field)| *field);
    by_letters.or_else(|| Field::ALL.iter().copied().find(|field| lacks_one_word(tail, field.name())))
}

/// Whether a text is a name without one of its words.
fn lacks_one_word(tail: &str, name: &str) -> bool {
    fn words(text: &str) -> Vec<&str> {
        text.split('_').map(|word| word.strip_suffix('s').unwrap_or(word)).collect()
    }
    let (tail, name) = (words(tail), words(name));
    (0..name.len()).any(|left_out| {
        let kept = name.iter().enumerate().filter(|(index, _)| *index != left_out).map(|(_, word)| word);
        tail.iter().eq(kept)
    })
}

/// The field whose whole variable differs in at most two characters, such as one lost in the prefix.
fn with_misspelt_prefix(name: &str) -> Option<Field> {
    let near =
        |field: &&Field| name.len().abs_diff(field.variable().len()) <= 2 && distance(name, field.variable()) <= 2;
    Field::ALL.iter().find(near).copied()
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
