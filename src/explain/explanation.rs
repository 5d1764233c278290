//! What becomes of a request, as a value.

use std::borrow::Cow;

use serde::ser::{Serialize, SerializeStruct, Serializer};

use crate::error::{CheckName, Rejection};
use crate::policy::claims::Claims;

/// What becomes of a request, check by check.
///
/// `Display` prints a table for people, [`colored`](Self::colored) the same for a terminal. `Serialize`
/// writes an object with `accepted` (boolean), `kind` and `status` (of the rejection, else null), `checks`
/// (in their order, objects with `name`, `state`, `configured`, `found`) and `advice` (sentences).
///
/// It is meant for the operator, not for the caller: it shows what is configured. It holds claims of the
/// token, escaped and cut, but never its signature or a longer piece of it.
#[derive(Clone, Debug)]
pub struct Explanation {
    pub(super) outcome: Result<Claims, Rejection>,
    pub(super) checks: Vec<Check>,
    /// A sentence is borrowed if it is fixed, and owned if it may contain a value of the token.
    pub(super) advice: Vec<Cow<'static, str>>,
}

/// One check of an [`Explanation`].
#[derive(Clone, Debug)]
pub struct Check {
    pub(super) name: CheckName,
    pub(super) state: CheckState,
    pub(super) configured: String,
    pub(super) found: Option<String>,
}

/// How a check ended.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum CheckState {
    /// It is the one that rejected the request.
    Failed,
    /// An earlier check rejected the request. What was found is shown all the same, where it can be read.
    NotReached,
    /// It was met.
    Passed,
}

impl Explanation {
    /// What [`Validator::validate`](crate::Validator::validate) says of the same request at the same moment.
    ///
    /// # Errors
    ///
    /// The rejection.
    pub fn outcome(&self) -> Result<&Claims, &Rejection> {
        self.outcome.as_ref()
    }

    /// Whether the request is let through.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        self.outcome.is_ok()
    }

    /// Every check in the order in which they are made, those that were not reached included.
    #[must_use]
    pub fn checks(&self) -> &[Check] {
        &self.checks
    }

    /// What went wrong and what to do about it, one sentence or a few. Empty if the request is let through.
    pub fn advice(&self) -> impl Iterator<Item = &str> {
        self.advice.iter().map(AsRef::as_ref)
    }
}

impl Check {
    /// The name of the check, as [`CheckName::as_str`] has it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name.as_str()
    }

    /// How it ended.
    #[must_use]
    pub fn state(&self) -> CheckState {
        self.state
    }

    /// What is asked for.
    #[must_use]
    pub fn configured(&self) -> &str {
        &self.configured
    }

    /// What the request has, escaped and cut. `None` where there is nothing, or nothing readable.
    #[must_use]
    pub fn found(&self) -> Option<&str> {
        self.found.as_deref()
    }
}

impl CheckState {
    /// The state in snake case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::NotReached => "not_reached",
            Self::Passed => "passed",
        }
    }
}

impl Serialize for Explanation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let kind = self.outcome.as_ref().err().map(Rejection::kind);
        let mut object = serializer.serialize_struct("Explanation", 5)?;
        object.serialize_field("accepted", &self.is_accepted())?;
        object.serialize_field("kind", &kind.map(|kind| kind.as_str()))?;
        object.serialize_field("status", &kind.map(|kind| kind.status().as_u16()))?;
        object.serialize_field("checks", &self.checks)?;
        object.serialize_field("advice", &self.advice)?;
        object.end()
    }
}

impl Serialize for Check {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Check", 4)?;
        object.serialize_field("name", self.name.as_str())?;
        object.serialize_field("state", self.state.as_str())?;
        object.serialize_field("configured", &self.configured)?;
        object.serialize_field("found", &self.found)?;
        object.end()
    }
}
