//! Causes from other libraries, as text: their `Debug` may print what must stay hidden.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use super::redaction::without_tokens;

/// The chain of another library's error: what `Display` says at each step.
#[derive(Clone)]
pub(crate) struct Cause(Arc<str>);

impl Cause {
    /// Steps that repeat the end of the one before are left out.
    pub(crate) fn of(error: &(dyn Error + 'static)) -> Self {
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(error) = source {
            let step = error.to_string();
            if !text.ends_with(&step) {
                text.push_str(": ");
                text.push_str(&step);
            }
            source = error.source();
        }
        Self::text(&text)
    }

    /// At most [`CAUSE_MAX`] characters, without tokens and control characters.
    pub(crate) fn text(text: &str) -> Self {
        Self(without_tokens(text).chars().filter(|c| !c.is_control()).take(CAUSE_MAX).collect::<String>().into())
    }
}

impl fmt::Debug for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Cause {}

const CAUSE_MAX: usize = 2048;
