//! The report: one line for each thing that was checked.

use std::fmt::{self, Display};

/// What is printed, line by line.
#[derive(Default)]
pub(crate) struct Report {
    lines: Vec<(Mark, String)>,
}

#[derive(Clone, Copy, PartialEq)]
enum Mark {
    Title,
    Ok,
    Fail,
    Note,
    Unknown,
}

impl Report {
    pub(crate) fn title(&mut self, line: impl Into<String>) {
        self.lines.push((Mark::Title, line.into()));
    }

    pub(crate) fn ok(&mut self, line: impl Into<String>) {
        self.lines.push((Mark::Ok, line.into()));
    }

    pub(crate) fn fail(&mut self, line: impl Into<String>) {
        self.lines.push((Mark::Fail, line.into()));
    }

    pub(crate) fn note(&mut self, line: impl Into<String>) {
        self.lines.push((Mark::Note, line.into()));
    }

    /// The file does not tell.
    pub(crate) fn unknown(&mut self, line: impl Into<String>) {
        self.lines.push((Mark::Unknown, line.into()));
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.lines.iter().any(|(mark, _)| *mark == Mark::Fail)
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (mark, line) in &self.lines {
            // The file may be somebody else's: nothing in it is to steer the terminal.
            let line = line.replace(char::is_control, " ");
            let mark = match mark {
                Mark::Title => {
                    writeln!(f, "{line}")?;
                    continue;
                }
                Mark::Ok => "ok",
                Mark::Fail => "FAIL",
                Mark::Note => "note",
                Mark::Unknown => "?",
            };
            writeln!(f, "  {mark:<5} {line}")?;
        }
        Ok(())
    }
}
