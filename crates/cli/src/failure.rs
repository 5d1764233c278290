//! Why a command ends without success, and the exit code that says so.

use std::fmt;
use std::process::ExitCode;

/// Why a command ends without success. Printed on standard error.
#[derive(Debug)]
pub(crate) struct Failure {
    what: &'static str,
    why: String,
    kind: Kind,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    /// The input or the surroundings are at fault: exit code 1.
    Failed,
    /// The command line or the settings are at fault: exit code 2.
    Usage,
}

impl Failure {
    /// Something failed while the command ran.
    pub(crate) fn failed(what: &'static str, why: impl ToString) -> Self {
        Self { what, why: why.to_string(), kind: Kind::Failed }
    }

    /// The command cannot run as it was called or configured.
    pub(crate) fn usage(what: &'static str, why: impl ToString) -> Self {
        Self { what, why: why.to_string(), kind: Kind::Usage }
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        match self.kind {
            Kind::Failed => ExitCode::from(1),
            Kind::Usage => ExitCode::from(2),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}", self.what, self.why)
    }
}
