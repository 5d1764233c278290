//! What is wrong with the configuration: every fault at once, each with the field as the user wrote it.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;

/// The configuration has faults. It lists all of them, not just the first.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConfigError {
    /// Never empty.
    faults: Vec<ConfigFault>,
}

impl ConfigError {
    /// One fault.
    pub(crate) fn new(field: impl Into<Cow<'static, str>>, problem: impl Into<Cow<'static, str>>) -> Self {
        Self { faults: vec![ConfigFault::new(field, problem)] }
    }

    /// All of these, or `None` if there are none.
    pub(crate) fn from_faults(faults: Vec<ConfigFault>) -> Option<Self> {
        (!faults.is_empty()).then_some(Self { faults })
    }

    /// Every fault, in the order in which the fields were read. There is at least one.
    pub fn faults(&self) -> impl Iterator<Item = &ConfigFault> {
        self.faults.iter()
    }

    /// The same, to add them to others.
    #[cfg_attr(not(test), expect(dead_code, reason = "the settings use it"))]
    pub(crate) fn into_faults(self) -> Vec<ConfigFault> {
        self.faults
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.faults.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            write!(f, "{fault}")?;
        }
        Ok(())
    }
}

impl Error for ConfigError {}

/// One fault of the configuration.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConfigFault {
    field: Cow<'static, str>,
    problem: Cow<'static, str>,
}

impl ConfigFault {
    /// Neither text may hold a secret.
    pub(crate) fn new(field: impl Into<Cow<'static, str>>, problem: impl Into<Cow<'static, str>>) -> Self {
        Self { field: field.into(), problem: problem.into() }
    }

    /// The field, as the user wrote it.
    #[must_use]
    pub fn field(&self) -> &str {
        &self.field
    }

    /// What is wrong with it, and what to write instead.
    #[must_use]
    pub fn problem(&self) -> &str {
        &self.problem
    }
}

impl fmt::Display for ConfigFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.problem)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn displays_every_fault_with_its_field() {
        let mut faults = ConfigError::new("serviceUri", "is missing").into_faults();
        faults.push(ConfigFault::new("clientId", "is not a GUID"));
        let error = ConfigError::from_faults(faults).unwrap();
        assert_eq!(error.to_string(), "serviceUri: is missing; clientId: is not a GUID");
        assert_eq!(error.faults().map(ConfigFault::field).collect::<Vec<_>>(), ["serviceUri", "clientId"]);
    }

    #[test]
    fn no_faults_are_no_error() {
        assert_eq!(ConfigError::from_faults(Vec::new()), None);
    }
}
