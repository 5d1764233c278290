//! One row of the table of scenarios: what happened, in figures, each with the bound it is held to.

use std::fmt::Debug;
use std::fs::OpenOptions;
use std::io::Write;

/// The figures of one scenario.
#[derive(Debug)]
#[must_use]
pub(crate) struct Row {
    number: u32,
    what: &'static str,
    fetches: String,
    lost: String,
    figures: Vec<String>,
}

impl Row {
    pub(crate) fn new(number: u32, what: &'static str) -> Self {
        Self { number, what, fetches: String::new(), lost: String::new(), figures: Vec::new() }
    }

    /// The requests that the provider got, two for an attempt that reads both documents.
    pub(crate) fn fetches(mut self, count: impl Count, bound: impl Bound) -> Self {
        self.fetches = self.check("fetches", count, &bound);
        self
    }

    /// The good requests that were not served.
    pub(crate) fn lost(mut self, count: impl Count, bound: impl Bound) -> Self {
        self.lost = self.check("lost", count, &bound);
        self
    }

    /// Any other figure.
    pub(crate) fn figure(mut self, name: &'static str, count: impl Count, bound: impl Bound) -> Self {
        let text = self.check(name, count, &bound);
        self.figures.push(format!("{name} {text}"));
        self
    }

    /// Prints the row, and adds it to the file that `FAULTS_TABLE` names, if it names one.
    pub(crate) fn print(self) {
        let figures = if self.figures.is_empty() { "-".to_owned() } else { self.figures.join("; ") };
        let row = format!("| {:02} | {} | {} | {} | {figures} |", self.number, self.what, self.fetches, self.lost);
        println!("{row}");
        if let Some(path) = std::env::var_os("FAULTS_TABLE") {
            let mut table = OpenOptions::new().append(true).create(true).open(path).expect("the table can be written");
            table.write_all(format!("{row}\n").as_bytes()).expect("the table can be written");
        }
    }

    fn check(&self, name: &str, count: impl Count, bound: &impl Bound) -> String {
        let count = count.try_into().expect("a count is not negative");
        let text = format!("{count} ({})", bound.text());
        assert!(bound.holds(count), "scenario {}, {}: {name} {text}", self.number, self.what);
        text
    }
}

/// Any integer.
pub(crate) trait Count: TryInto<u64, Error: Debug> {}

impl<T: TryInto<u64, Error: Debug>> Count for T {}

/// What a figure is held to: an exact number, or a range.
pub(crate) trait Bound {
    fn holds(&self, count: u64) -> bool;
    fn text(&self) -> String;
}

impl Bound for u64 {
    fn holds(&self, count: u64) -> bool {
        count == *self
    }

    fn text(&self) -> String {
        format!("= {self}")
    }
}

impl Bound for std::ops::RangeInclusive<u64> {
    fn holds(&self, count: u64) -> bool {
        self.contains(&count)
    }

    fn text(&self) -> String {
        format!("{} to {}", self.start(), self.end())
    }
}

impl Bound for std::ops::RangeToInclusive<u64> {
    fn holds(&self, count: u64) -> bool {
        self.contains(&count)
    }

    fn text(&self) -> String {
        format!("≤ {}", self.end)
    }
}

impl Bound for std::ops::RangeFrom<u64> {
    fn holds(&self, count: u64) -> bool {
        self.contains(&count)
    }

    fn text(&self) -> String {
        format!("≥ {}", self.start)
    }
}
