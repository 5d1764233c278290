//! What is wrong with a configuration.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// Configuration errors, all reported at once: each with its field and what to write there.
///
/// `Display` and `Debug` print one line per fault, since `main` prints a returned error with `Debug`.
///
/// Two errors are equal when they have the same faults in the same order. The cause that
/// [`source`](Error::source) returns is not compared.
///
/// ```
/// use signalr_upstream_auth::Tenants;
///
/// let error = Tenants::parse(["contoso.com", "common"]).unwrap_err();
/// assert_eq!(error.faults().count(), 2);
/// assert!(error.faults().all(|fault| fault.field() == "tenant_ids"));
/// assert_eq!(error.to_string().lines().count(), 2);
/// ```
#[derive(Clone)]
pub struct ConfigError {
    faults: Vec<ConfigFault>,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl ConfigError {
    pub(crate) fn new(field: impl Into<Cow<'static, str>>, problem: impl Into<String>) -> Self {
        Self { faults: vec![ConfigFault::new(field, problem)], source: None }
    }

    /// An error with these faults. `None` if there are none.
    pub(crate) fn from_faults(faults: Vec<ConfigFault>) -> Option<Self> {
        (!faults.is_empty()).then_some(Self { faults, source: None })
    }

    #[cfg(feature = "remote")]
    pub(crate) fn caused_by(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(Arc::from(source.into()));
        self
    }

    /// Appends the faults of another error.
    #[cfg(feature = "remote")]
    pub(crate) fn join(mut self, other: Self) -> Self {
        self.faults.extend(other.faults);
        self.source = self.source.or(other.source);
        self
    }

    /// The same faults with their fields renamed, for a reader who knows them by another name.
    #[cfg(feature = "remote")]
    pub(crate) fn rename_fields(mut self, name: impl Fn(&str) -> String) -> Self {
        for fault in &mut self.faults {
            fault.field = name(&fault.field).into();
        }
        self
    }

    /// The faults, in the order in which they were found. There is at least one.
    pub fn faults(&self) -> impl Iterator<Item = &ConfigFault> {
        self.faults.iter()
    }
}

impl PartialEq for ConfigError {
    fn eq(&self, other: &Self) -> bool {
        self.faults == other.faults
    }
}

impl Eq for ConfigError {}

impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `main` prints a returned error with `Debug`; its reader wants the sentences.
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.faults.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{fault}")?;
        }
        Ok(())
    }
}

impl Error for ConfigError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.source {
            Some(source) => Some(source.as_ref()),
            None => None,
        }
    }
}

/// One fault of a configuration.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConfigFault {
    field: Cow<'static, str>,
    problem: String,
}

impl ConfigFault {
    pub(crate) fn new(field: impl Into<Cow<'static, str>>, problem: impl Into<String>) -> Self {
        Self { field: field.into(), problem: problem.into() }
    }

    /// The field as the configuration names it: `tenant_ids`, or `SIGNALR_UPSTREAM_TENANT_IDS` when it came
    /// from the environment.
    #[must_use]
    pub fn field(&self) -> &str {
        &self.field
    }

    /// What is wrong and what to write instead.
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

/// A value as a problem quotes it: escaped, so that an error stays on its line.
pub(crate) fn quoted(value: &str) -> String {
    if value.is_empty() { "an empty value".to_owned() } else { format!("`{}`", value.escape_debug()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "remote")]
    #[test]
    fn equality_compares_faults_in_order_and_ignores_the_cause() {
        let (one, other) = (ConfigError::new("a", "x"), ConfigError::new("b", "y"));
        assert_eq!(one.clone().caused_by("because"), one);
        assert_ne!(one, ConfigError::new("a", "y"));
        assert_ne!(one, ConfigError::new("b", "x"));
        assert_ne!(one.clone().join(other.clone()), other.join(one));
    }

    #[test]
    fn debug_and_display_print_one_line_per_fault() {
        let error = ConfigError::from_faults(vec![ConfigFault::new("a", "x"), ConfigFault::new("b", "y")]).unwrap();
        assert_eq!(error.to_string(), "a: x\nb: y");
        assert_eq!(format!("{error:?}"), error.to_string());
        assert_eq!(ConfigError::from_faults(Vec::new()), None);
    }
}
