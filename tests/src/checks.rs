//! The table of checks on the guide's page.

use signalr_upstream_auth::{CheckName, RejectionKind};

const PAGE: &str = include_str!("../../src/docs/checks.md");

/// The check and the rejection of each row, in the order of the page.
#[must_use]
pub fn rows() -> Vec<(CheckName, RejectionKind)> {
    let table = PAGE.split("| Check |").nth(1).expect("the table of checks");
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|row| {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let [_, check, _, rejection, source, _] = cells[..] else { panic!("a row of four cells: {row}") };
        assert!(!source.is_empty(), "no source: {row}");
        let check = CheckName::ALL.into_iter().find(|name| format!("`{name}`") == check).expect(row);
        let kind = rejection.split('`').nth(1).expect(row);
        (check, kind.parse().expect(row))
    })
    .collect()
}
