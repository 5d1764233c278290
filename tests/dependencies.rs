//! The list of dependencies is that of the manifest, each with its reason, and the crates that come twice are those that
//! cargo-deny lets through.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot be set up should stop")]

use std::collections::BTreeSet;

use toml::{Table, Value};

const PAGE: &str = include_str!("../src/docs/dependencies.md");

#[test]
fn every_dependency_has_its_reason_and_there_is_no_other() {
    let manifest: Table = include_str!("../Cargo.toml").parse().unwrap();
    let is_optional = |dependency: &Value| dependency.get("optional").and_then(Value::as_bool).unwrap_or(false);
    let dependencies = manifest["dependencies"].as_table().unwrap();
    let always = dependencies.iter().filter(|(_, dependency)| !is_optional(dependency));
    assert_eq!(listed("Always", 0), names(always.map(|(name, _)| name)));
    assert_eq!(listed("Tests only", 0), names(manifest["dev-dependencies"].as_table().unwrap().keys()));
}

#[test]
fn what_a_feature_brings_has_its_reason_and_there_is_no_other() {
    let manifest: Table = include_str!("../Cargo.toml").parse().unwrap();
    let mut brought = BTreeSet::new();
    for (feature, parts) in manifest["features"].as_table().unwrap() {
        for part in parts.as_array().unwrap() {
            let name = part.as_str().unwrap().strip_prefix("dep:");
            brought.extend(name.map(|name| format!("{feature}: {name}")));
        }
    }
    let rows = rows("By feature").into_iter().flat_map(|cells| {
        let feature = quoted(cells[0]).remove(0);
        quoted(cells[1]).into_iter().map(move |name| format!("{feature}: {name}"))
    });
    assert_eq!(names(rows), brought);
    let optional =
        manifest["dependencies"].as_table().unwrap().values().filter(|value| value.get("optional").is_some());
    let distinct: BTreeSet<_> = brought.iter().map(|pair| pair.split(": ").nth(1).unwrap()).collect();
    assert_eq!(distinct.len(), optional.count());
}

#[test]
fn what_comes_twice_is_what_cargo_deny_lets_through() {
    let deny: Table = include_str!("../.deny.toml").parse().unwrap();
    assert_eq!(deny["bans"]["multiple-versions"].as_str(), Some("deny"));
    assert_eq!(deny["bans"]["multiple-versions-include-dev"].as_bool(), Some(true));
    let skipped = deny["bans"]["skip"].as_array().unwrap().iter().map(|skip| skip["crate"].as_str().unwrap());
    let rows = rows("Twice in the tree").into_iter().map(|cells| cells[0].replacen("` ", "@", 1).replace('`', ""));
    assert_eq!(names(rows), names(skipped));
}

/// The crates named in a column of a section's tables.
fn listed(section: &str, column: usize) -> BTreeSet<String> {
    names(rows(section).into_iter().flat_map(|cells| quoted(cells[column])))
}

/// A set, of which nothing came twice.
fn names<N: ToString>(names: impl Iterator<Item = N>) -> BTreeSet<String> {
    let mut set = BTreeSet::new();
    for name in names {
        assert!(set.insert(name.to_string()), "{} is there twice", name.to_string());
    }
    set
}

/// What stands between backquotes.
fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// The rows of a section's tables, none of whose cells is empty.
fn rows(section: &str) -> Vec<Vec<&'static str>> {
    let text = PAGE.split("# ").find_map(|text| text.strip_prefix(section)).unwrap();
    let rows: Vec<Vec<_>> = text
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
        .collect();
    assert!(rows.iter().flatten().all(|cell| !cell.is_empty()), "{rows:?}");
    rows
}
