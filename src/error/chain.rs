//! An error with its causes as one text.

use std::error::Error;
use std::fmt;

/// Prints an error and all its causes in one line, separated by colons.
pub(crate) struct Chain<'e>(pub(crate) &'e (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut error: Option<&dyn Error> = Some(self.0);
        let mut separator = "";
        while let Some(cause) = error {
            write!(f, "{separator}{cause}")?;
            separator = ": ";
            error = cause.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::KeyError;

    #[test]
    fn prints_every_cause_in_one_line() {
        let error = KeyError::unavailable(KeyError::malformed("not JSON"));
        assert_eq!(
            Chain(&error).to_string(),
            "no verification keys are available: the document is malformed: not JSON"
        );
        assert_eq!(Chain(&KeyError::unknown()).to_string(), "the key is not listed");
    }
}
