//! Configured lists: at least one item, and every fault reported at once.

use crate::error::{ConfigError, ConfigFault};

/// Parses every item. Items are trimmed and empty ones ignored. If none is left, that is the fault `missing`.
pub(super) fn parse<T, I>(
    field: &'static str,
    missing: &str,
    items: I,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<Vec<T>, ConfigError>
where
    I: IntoIterator<Item: AsRef<str>>,
{
    let mut parsed = Vec::new();
    let mut faults = Vec::new();
    for item in items {
        match item.as_ref().trim() {
            "" => {}
            item => match parse(item) {
                Ok(value) => parsed.push(value),
                Err(problem) => faults.push(ConfigFault::new(field, problem)),
            },
        }
    }
    match ConfigError::from_faults(faults) {
        Some(error) => Err(error),
        None => not_empty(field, missing, parsed),
    }
}

/// The items. If there are none, that is the fault `missing`.
pub(super) fn not_empty<T>(
    field: &'static str,
    missing: &str,
    items: impl IntoIterator<Item = T>,
) -> Result<Vec<T>, ConfigError> {
    let items: Vec<_> = items.into_iter().collect();
    if items.is_empty() { Err(ConfigError::new(field, missing)) } else { Ok(items) }
}
