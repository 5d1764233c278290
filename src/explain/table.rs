//! An explanation as a table.

use std::fmt;

use super::explanation::{CheckState, Explanation};

impl Explanation {
    /// The table with colors for a terminal (ANSI escape codes).
    #[must_use]
    pub fn colored(&self) -> impl fmt::Display + '_ {
        Table { explanation: self, has_colors: true }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Table { explanation: self, has_colors: false }.fmt(f)
    }
}

/// The table, one check a line.
struct Table<'e> {
    explanation: &'e Explanation,
    has_colors: bool,
}

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.explanation.outcome() {
            Ok(claims) => {
                self.paint(f, GREEN, "accepted")?;
                writeln!(f, ": caller {} of tenant {}\n", claims.object_id(), claims.tenant_id())?;
            }
            Err(rejection) => {
                self.paint(f, RED, "rejected")?;
                let (kind, status) = (rejection.kind(), rejection.status().as_u16());
                writeln!(f, " with {status}: {rejection} ({kind})\n")?;
            }
        }
        for check in self.explanation.checks() {
            let (color, word) = match check.state() {
                CheckState::Failed => (RED, "FAILED"),
                CheckState::NotReached => (DIM, "-     "),
                CheckState::Passed => (GREEN, "ok    "),
            };
            write!(f, "{:<12} ", check.name())?;
            self.paint(f, color, word)?;
            writeln!(f, "  wanted  {}", check.configured())?;
            writeln!(f, "{:<19}  found   {}", "", check.found().unwrap_or("-"))?;
        }
        for sentence in self.explanation.advice() {
            writeln!(f, "\n{sentence}")?;
        }
        Ok(())
    }
}

impl Table<'_> {
    fn paint(&self, f: &mut fmt::Formatter<'_>, color: &str, text: &str) -> fmt::Result {
        if self.has_colors { write!(f, "{color}{text}{RESET}") } else { f.write_str(text) }
    }
}

const RED: &str = "\u{1b}[1;31m";
const GREEN: &str = "\u{1b}[32m";
const DIM: &str = "\u{1b}[2m";
const RESET: &str = "\u{1b}[0m";
