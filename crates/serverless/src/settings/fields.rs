//! The keys of one endpoint, each looked up once. Keys that nothing asked for get a warning at the end.

use std::cell::RefCell;

use zeroize::Zeroizing;

use super::entries::{Lookup, Section};
use super::report::Report;

/// A setting with its name as the user wrote it.
#[derive(Clone)]
pub(super) struct Field {
    pub(super) name: String,
    /// Trimmed, unless it was asked for to the letter.
    pub(super) value: Zeroizing<String>,
}

/// Values may be secret, so that only the name is printed.
impl std::fmt::Debug for Field {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)
    }
}

/// A place from which keys come: a section of settings, or a connection string.
pub(super) trait FieldSource {
    /// The key's name as written, or as the user would have to write it.
    fn name_of(&self, key: &str) -> String;
    /// Whether the key is there, be its value readable or not.
    fn has(&self, key: &str) -> bool;
    /// The value to the letter.
    fn text(&self, key: &str) -> Result<Option<Zeroizing<String>>, String>;
}

impl FieldSource for Section<'_> {
    fn name_of(&self, key: &str) -> String {
        Section::name_of(self, key)
    }

    fn has(&self, key: &str) -> bool {
        !matches!(self.get(key), Lookup::Missing)
    }

    fn text(&self, key: &str) -> Result<Option<Zeroizing<String>>, String> {
        match self.get(key) {
            Lookup::Missing => Ok(None),
            Lookup::One(entry) => match entry.value() {
                Some(value) => Ok(Some(Zeroizing::new(value.to_owned()))),
                None => Err(NOT_UTF_8.to_owned()),
            },
            Lookup::Twice(one, other) => Err(written_twice(one.written(), other.written())),
        }
    }
}

/// The keys of a source, with a note of which were used.
pub(super) struct Fields<'a> {
    source: &'a dyn FieldSource,
    used: RefCell<Vec<&'static str>>,
}

impl<'a> Fields<'a> {
    pub(super) const fn new(source: &'a dyn FieldSource) -> Self {
        Self { source, used: RefCell::new(Vec::new()) }
    }

    pub(super) fn name_of(&self, key: &str) -> String {
        self.source.name_of(key)
    }

    pub(super) fn has(&self, key: &'static str) -> bool {
        self.source.has(key)
    }

    /// A value, trimmed. One that cannot be read is a fault.
    pub(super) fn optional(&self, key: &'static str, report: &mut Report) -> Option<Field> {
        let mut field = self.to_the_letter(key, report)?;
        field.value = Zeroizing::new(field.value.trim().to_owned());
        Some(field)
    }

    pub(super) fn to_the_letter(&self, key: &'static str, report: &mut Report) -> Option<Field> {
        self.used.borrow_mut().push(key);
        let name = self.name_of(key);
        let value = report.take(&name, self.source.text(key))??;
        Some(Field { name, value })
    }

    /// A value that passes a check. One that does not is a fault.
    pub(super) fn checked<T>(
        &self,
        key: &'static str,
        check: impl FnOnce(&str) -> Result<T, String>,
        report: &mut Report,
    ) -> Option<T> {
        let field = self.optional(key, report)?;
        report.take(&field.name, check(&field.value))
    }

    /// The same for a key that may be left out: the inner value is `None` then, and the outer one after a fault.
    pub(super) fn if_given<T>(
        &self,
        key: &'static str,
        check: impl FnOnce(&str) -> Result<T, String>,
        report: &mut Report,
    ) -> Option<Option<T>> {
        if !self.has(key) {
            return Some(None);
        }
        self.checked(key, check, report).map(Some)
    }

    /// The same for a key that must be there. `why` says who needs it, and how else to provide it.
    pub(super) fn required<T>(
        &self,
        key: &'static str,
        why: &str,
        check: impl FnOnce(&str) -> Result<T, String>,
        report: &mut Report,
    ) -> Option<T> {
        if !self.has(key) {
            report.fault(self.name_of(key), format!("is missing; {why}"));
        }
        self.checked(key, check, report)
    }

    /// A fault if the key is there.
    pub(super) fn forbidden(&self, key: &'static str, problem: &str, report: &mut Report) {
        if self.has(key) {
            self.used.borrow_mut().push(key);
            report.fault(self.name_of(key), problem);
        }
    }

    /// A warning for each of the keys that is there and was not asked for.
    pub(super) fn warn_of_unused(&self, keys: &[&'static str], reader: &str, report: &mut Report) {
        for key in keys.iter().copied().filter(|key| self.has(key) && !self.used.borrow().contains(key)) {
            report.warn(self.name_of(key), format!("{reader} does not use it"));
        }
    }
}

pub(super) fn written_twice(one: &str, other: &str) -> String {
    if one == other {
        return "is written twice with different values; remove one".to_owned();
    }
    format!("is written twice with different values, as `{one}` and as `{other}`; case does not matter, so remove one")
}

pub(super) const NOT_UTF_8: &str = "is not UTF-8; write it again as plain text";
