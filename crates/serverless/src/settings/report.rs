//! What is found wrong while settings are read: faults, which end the start, and warnings, which do not.

use crate::error::{ConfigError, ConfigFault};
use crate::events::SETTINGS;

/// Everything found so far.
#[derive(Debug, Default)]
pub(crate) struct Report {
    faults: Vec<ConfigFault>,
    warnings: Vec<Warning>,
}

/// Something that is ignored. The field is named as the user wrote it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Warning {
    pub(crate) field: String,
    pub(crate) problem: String,
}

impl Report {
    pub(crate) fn fault(&mut self, field: impl Into<String>, problem: impl Into<String>) {
        let (field, problem) = (field.into(), problem.into());
        if self.faults.iter().any(|fault| fault.field() == field && fault.problem() == problem) {
            return;
        }
        self.faults.push(ConfigFault::new(field, problem));
    }

    pub(crate) fn warn(&mut self, field: impl Into<String>, problem: impl Into<String>) {
        self.warnings.push(Warning { field: field.into(), problem: problem.into() });
    }

    /// The value, or else a fault of the field.
    pub(crate) fn take<T>(&mut self, field: &str, value: Result<T, String>) -> Option<T> {
        value.map_err(|problem| self.fault(field, problem)).ok()
    }

    #[cfg(any(test, fuzzing))]
    pub(crate) fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// Tells of the warnings, and of all faults at once.
    pub(crate) fn finish(self) -> Result<(), ConfigError> {
        for Warning { field, problem } in &self.warnings {
            tracing::warn!(target: SETTINGS, field = %field.escape_debug(), problem, "a setting is ignored");
        }
        ConfigError::from_faults(self.faults).map_or(Ok(()), Err)
    }
}
