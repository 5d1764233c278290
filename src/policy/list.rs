//! Reading of the configured lists: trimmed, empty items ignored, every fault reported.

use crate::error::{ConfigError, ConfigFault};

/// Parses every item. No item left is the fault `missing`.
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
    if parsed.is_empty() && faults.is_empty() {
        faults.push(ConfigFault::new(field, missing));
    }
    ConfigError::from_faults(faults).map_or(Ok(parsed), Err)
}
