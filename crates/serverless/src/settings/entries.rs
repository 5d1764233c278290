//! Settings as they were written: paths with their values, from the environment or from a document.
//!
//! .NET's configuration is a tree whose keys are compared without regard to case. A path is written with `:` in a
//! document and with `__` in the environment. Here it is a list of lower-case segments; what the user wrote stays
//! beside it, because errors name settings as written.

use std::ffi::{OsStr, OsString};
use std::fmt;

use zeroize::Zeroizing;

/// Where settings come from, which decides how a path is spelled.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Spelling {
    /// `__` between segments.
    Environment,
    /// `:` between segments.
    Document,
}

impl Spelling {
    pub(super) const fn separator(self) -> &'static str {
        match self {
            Self::Environment => "__",
            Self::Document => ":",
        }
    }
}

/// One setting.
#[derive(Clone)]
pub(super) struct Entry {
    segments: Vec<String>,
    written: String,
    /// `None` if the value is not UTF-8.
    value: Option<Zeroizing<String>>,
}

impl Entry {
    /// The whole name, as the user wrote it.
    pub(super) fn written(&self) -> &str {
        &self.written
    }

    pub(super) fn value(&self) -> Option<&str> {
        self.value.as_ref().map(|value| value.as_str())
    }

    /// Whether the value is there and is more than white space. Blank values count as missing, as in .NET.
    fn is_given(&self) -> bool {
        self.value().is_none_or(|value| !value.trim().is_empty())
    }
}

/// Values may be secret, so that only names are printed.
impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

/// All settings, in the order in which they were read.
#[derive(Clone, Debug)]
pub(super) struct Entries {
    spelling: Spelling,
    list: Vec<Entry>,
}

impl Entries {
    pub(super) const fn new(spelling: Spelling) -> Self {
        Self { spelling, list: Vec::new() }
    }

    pub(super) const fn spelling(&self) -> Spelling {
        self.spelling
    }

    pub(super) fn push(&mut self, written: &str, value: String) {
        self.push_value(written, Some(Zeroizing::new(value)));
    }

    /// The same for a variable, whose value may be anything.
    pub(super) fn push_variable(&mut self, written: &str, value: OsString) {
        let value = value.into_string().ok().map(Zeroizing::new);
        match written.strip_prefix(CUSTOM_CONNECTION_STRING) {
            // App Service hands a connection string of the type *Custom* over under this name, and .NET reads it so.
            Some(name) => {
                let mut segments = segments(name);
                segments.insert(0, CONNECTION_STRINGS.to_owned());
                self.list.push(Entry { segments, written: written.to_owned(), value });
            }
            None => self.push_value(written, value),
        }
    }

    fn push_value(&mut self, written: &str, value: Option<Zeroizing<String>>) {
        self.list.push(Entry { segments: segments(written), written: written.to_owned(), value });
    }

    /// The settings below a path, which is given in any case and spelling.
    pub(super) fn section(&self, path: &str) -> Section<'_> {
        Section { entries: self, path: segments(path), written: path.to_owned() }
    }
}

/// The settings below one path.
#[derive(Clone, Debug)]
pub(super) struct Section<'a> {
    entries: &'a Entries,
    path: Vec<String>,
    written: String,
}

impl<'a> Section<'a> {
    /// The path of this section, as the user wrote it.
    pub(super) fn written(&self) -> &str {
        &self.written
    }

    /// The value at this path itself.
    pub(super) fn value(&self) -> Lookup<'a> {
        self.entries.find(&self.path)
    }

    /// The value of a key directly below.
    pub(super) fn get(&self, key: &str) -> Lookup<'a> {
        let mut path = self.path.clone();
        path.push(key.to_ascii_lowercase());
        self.entries.find(&path)
    }

    /// A key of this section as the user wrote it, or as the user would have to write it.
    pub(super) fn name_of(&self, key: &str) -> String {
        match self.get(key) {
            Lookup::One(entry) => entry.written().to_owned(),
            Lookup::Missing | Lookup::Twice(..) => {
                format!("{}{}{key}", self.written, self.entries.spelling().separator())
            }
        }
    }

    /// The given settings below this path: each with the segments that follow the path.
    pub(super) fn below(&self) -> impl Iterator<Item = (&'a [String], &'a Entry)> + use<'a> {
        let path = self.path.clone();
        self.entries
            .list
            .iter()
            .filter(|entry| entry.is_given())
            .filter_map(move |entry| entry.segments.strip_prefix(path.as_slice()).map(|rest| (rest, entry)))
            .filter(|(rest, _)| !rest.is_empty())
    }

    /// The sections one level below, by name. Names are returned as written and come in alphabetical order, because
    /// an environment has none.
    pub(super) fn children(&self) -> Vec<(String, Self)> {
        let mut children: Vec<(String, Self)> = Vec::new();
        for (rest, entry) in self.below() {
            let Some(name) = rest.first() else { continue };
            if children.iter().any(|(_, child)| child.path.last() == Some(name)) {
                continue;
            }
            let mut path = self.path.clone();
            path.push(name.clone());
            let written = written_segment(entry, self.path.len());
            let section = format!("{}{}{written}", self.written, self.entries.spelling().separator());
            children.push((written, Self { entries: self.entries, path, written: section }));
        }
        children.sort_by(|(_, one), (_, other)| one.path.cmp(&other.path));
        children
    }
}

/// What a path leads to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Lookup<'a> {
    Missing,
    One(&'a Entry),
    /// Two spellings of one path with different values.
    Twice(&'a Entry, &'a Entry),
}

impl Entries {
    fn find(&self, path: &[String]) -> Lookup<'_> {
        let mut found = self.list.iter().filter(|entry| entry.segments == path && entry.is_given());
        let Some(first) = found.next() else { return Lookup::Missing };
        match found.find(|other| other.value() != first.value()) {
            Some(other) => Lookup::Twice(first, other),
            None => Lookup::One(first),
        }
    }
}

/// The segments of a written path in lower case. Both separators count everywhere, as on Windows.
fn segments(written: &str) -> Vec<String> {
    split(written).map(str::to_ascii_lowercase).collect()
}

fn split(written: &str) -> impl Iterator<Item = &str> {
    written.split("__").flat_map(|part| part.split(':'))
}

/// One segment of an entry's name, as written.
fn written_segment(entry: &Entry, index: usize) -> String {
    split(&entry.written).nth(index).unwrap_or_default().to_owned()
}

/// Whether a variable may be one of those that settings below `prefix` consist of. Others are not even kept.
pub(super) fn concerns(name: &OsStr, prefix: &str) -> bool {
    let Some(name) = name.to_str() else { return false };
    if let Some(name) = name.strip_prefix(CUSTOM_CONNECTION_STRING) {
        return segments(name) == segments(prefix);
    }
    let name = segments(name);
    let mut connection_string = segments(prefix);
    connection_string.insert(0, CONNECTION_STRINGS.to_owned());
    name.starts_with(&segments(prefix)) || name == connection_string || name.starts_with(&segments(ENDPOINTS))
}

/// How App Service prefixes connection strings of the type *Custom*
/// (<https://learn.microsoft.com/azure/app-service/configure-common>).
const CUSTOM_CONNECTION_STRING: &str = "CUSTOMCONNSTR_";

/// The section in which .NET keeps connection strings.
pub(super) const CONNECTION_STRINGS: &str = "connectionstrings";

/// The section of named endpoints, as a document spells it.
pub(super) const ENDPOINTS: &str = "Azure:SignalR:Endpoints";
