//! Finds parts of a token in what was written.

use rustc_hash::FxHashSet;

/// So many bytes are found in two texts by no accident.
pub const RUN: usize = 12;

/// Every run of [`RUN`] bytes in some texts.
#[derive(Debug)]
pub struct Runs(FxHashSet<[u8; RUN]>);

impl Runs {
    /// The runs of these texts.
    #[must_use]
    pub fn of<T: AsRef<[u8]>>(texts: impl IntoIterator<Item = T>) -> Self {
        let mut runs = FxHashSet::default();
        for text in texts {
            runs.extend(text.as_ref().windows(RUN).filter_map(|run| <[u8; RUN]>::try_from(run).ok()));
        }
        Self(runs)
    }

    /// Whether this is one of them.
    #[must_use]
    pub fn contains(&self, run: &[u8]) -> bool {
        self.0.contains(run)
    }

    /// Those that are in this text, too.
    pub fn in_text<'t>(&self, text: &'t [u8]) -> impl Iterator<Item = &'t [u8]> {
        text.windows(RUN).filter(|run| self.contains(run))
    }

    /// The first that is in this text, too, as text.
    #[must_use]
    pub fn first_in(&self, text: &str) -> Option<String> {
        self.in_text(text.as_bytes()).next().map(|run| String::from_utf8_lossy(run).into_owned())
    }
}
