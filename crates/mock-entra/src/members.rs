//! JSON objects as text: the members keep their order, and a name may occur more than once.
//!
//! A map has neither. Documents in Entra's order and hostile tokens need both.

use std::fmt;

use serde::Serialize;

/// The members of a JSON object, each a name and the JSON text of its value.
#[derive(Clone, Debug, Default)]
pub(crate) struct Members(Vec<(String, String)>);

impl Members {
    /// Adds a member at the end.
    pub(crate) fn with(self, name: &str, value: impl Serialize) -> Self {
        self.with_text(name, json(&value))
    }

    /// Adds a member at the end whose value is JSON text already.
    pub(crate) fn with_text(mut self, name: &str, value: String) -> Self {
        self.0.push((name.to_owned(), value));
        self
    }

    /// Adds a member at the end if there is a value for it.
    pub(crate) fn with_some(self, name: &str, value: Option<impl Serialize>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// Applies the edits in order.
    pub(crate) fn edited<'a>(mut self, edits: impl IntoIterator<Item = &'a Edit>) -> Self {
        for edit in edits {
            match edit {
                Edit::Add(name, value) => self.0.push((name.clone(), value.clone())),
                Edit::Remove(name) => self.0.retain(|(present, _)| present != name),
                Edit::Set(name, value) => match self.0.iter_mut().find(|(present, _)| present == name) {
                    Some((_, present)) => present.clone_from(value),
                    None => self.0.push((name.clone(), value.clone())),
                },
            }
        }
        self
    }
}

impl fmt::Display for Members {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (index, (name, value)) in self.0.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            write!(f, "{comma}{}:{value}", json(name))?;
        }
        f.write_str("}")
    }
}

/// One change to an object: the name and, where it has one, the JSON text of the value.
#[derive(Clone, Debug)]
pub(crate) enum Edit {
    /// Adds the member at the end, even if the name is already there.
    Add(String, String),
    /// Removes every member of the name.
    Remove(String),
    /// Replaces the value of the first member of the name, or adds it at the end.
    Set(String, String),
}

impl Edit {
    pub(crate) fn add(name: &str, value: impl Serialize) -> Self {
        Self::Add(name.to_owned(), json(&value))
    }

    pub(crate) fn remove(name: &str) -> Self {
        Self::Remove(name.to_owned())
    }

    pub(crate) fn set(name: &str, value: impl Serialize) -> Self {
        Self::Set(name.to_owned(), json(&value))
    }

    /// The name of the member.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Add(name, _) | Self::Remove(name) | Self::Set(name, _) => name,
        }
    }
}

/// The JSON text of a value.
///
/// # Panics
///
/// If the value has no JSON form, such as a map whose keys are not strings: a mistake in the test that wrote it.
pub(crate) fn json(value: &(impl Serialize + ?Sized)) -> String {
    serde_json::to_string(value).unwrap_or_else(|error| panic!("the value has no JSON form: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_keep_order_and_may_repeat() {
        let members = Members::default().with("b", 1).with("a", ["x"]).with_some("none", None::<u8>);
        let edits = [Edit::add("a", 2), Edit::set("b", true), Edit::set("c", "new")];
        assert_eq!(members.edited(&edits).to_string(), r#"{"b":true,"a":["x"],"a":2,"c":"new"}"#);
    }

    #[test]
    fn remove_takes_every_member_of_name() {
        let members = Members::default().with("a", 1).with("b", 2).with("a", 3);
        assert_eq!(members.edited(&[Edit::remove("a")]).to_string(), r#"{"b":2}"#);
    }

    #[test]
    fn escapes_names() {
        assert_eq!(Members::default().with("a\"\n", ()).to_string(), r#"{"a\"\n":null}"#);
    }
}
