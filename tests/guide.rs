//! The guide says what the code does: every kind, setting, metric and event has its place in it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot be set up should stop")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use signalr_upstream_auth::RejectionKind;

const README: &str = include_str!("../README.md");
const REJECTIONS: &str = include_str!("../src/docs/rejections.md");
const TUNING: &str = include_str!("../src/docs/tuning.md");
const EVENTS: &str = include_str!("../src/docs/events.md");
const MONITORING: &str = include_str!("../src/docs/monitoring.md");
const ALERTS: &str = include_str!("../src/docs/alerts.yml");

#[test]
fn every_kind_of_rejection_has_its_section_with_status_and_remedy() {
    let sections: Vec<_> = REJECTIONS.split("\n## ").skip(1).collect();
    let headings: Vec<_> = sections.iter().map(|section| section.lines().next().unwrap().to_owned()).collect();
    let expected: Vec<_> =
        RejectionKind::ALL.iter().map(|kind| format!("`{kind}` · {}", kind.status().as_u16())).collect();
    assert_eq!(headings, expected);
    for section in sections {
        assert!(section.contains("**Do:**"), "{section}");
    }
}

#[test]
fn every_setting_of_time_has_its_reason() {
    let settings = words("SIGNALR_UPSTREAM_", README);
    let times: Vec<_> = settings.iter().filter(|name| name.ends_with("_SECS")).collect();
    assert_eq!(times.len(), 6);
    for name in times {
        assert!(TUNING.contains(&format!("| `{name}` |")), "{name}");
    }
}

#[test]
fn every_variable_that_the_guide_names_exists() {
    let settings = words("SIGNALR_UPSTREAM_", README);
    for entry in fs::read_dir(folder("src/docs")).unwrap() {
        let page = fs::read_to_string(entry.unwrap().path()).unwrap();
        for name in words("SIGNALR_UPSTREAM_", &page) {
            assert!(settings.contains(&name) || name == "SIGNALR_UPSTREAM_", "{name}");
        }
    }
}

#[test]
fn every_metric_is_in_the_guide_and_alerts_name_no_other() {
    let names = words("signalr_upstream_auth_", include_str!("../src/telemetry/meter.rs"));
    assert_eq!(names.len(), 6);
    for name in &names {
        assert!(MONITORING.contains(&format!("| `{name}` |")), "{name}");
        assert!(ALERTS.contains(name.as_str()), "{name} is in no alert");
    }
    for name in words("signalr_upstream_auth_", ALERTS) {
        assert!(names.contains(name.trim_end_matches("_bucket")), "{name}");
    }
    let kinds: BTreeSet<_> = RejectionKind::ALL.iter().map(|kind| kind.as_str()).collect();
    let named: Vec<_> = ALERTS.split("kind=~\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert_eq!(named.len(), 2);
    assert!(named.iter().flat_map(|named| named.split('|')).all(|kind| kinds.contains(kind)), "{named:?}");
}

#[test]
fn every_event_is_in_the_guide_and_the_guide_has_no_other() {
    let code = code(&folder("src"));
    let rows =
        EVENTS.lines().filter(|line| ["| ERROR", "| WARN", "| INFO", "| DEBUG"].iter().any(|l| line.starts_with(l)));
    let messages: BTreeSet<_> =
        rows.filter(|row| !row.contains("| span ")).map(|row| row.split('`').nth(1).unwrap()).collect();
    for message in &messages {
        assert!(code.contains(&format!("\"{message}\"")), "{message}");
    }
    // One event with its target for each row; the sentence for the developer has none, and what becomes of a
    // request is written in one place for both levels.
    let events = ["KEYS", "SETTINGS", "UPSTREAM"].map(|target| code.matches(&format!("events::{target},")).count());
    assert_eq!(events.iter().sum::<usize>() + code.matches(" event!(").count(), messages.len());
    for target in words("signalr_upstream_auth::", include_str!("../src/telemetry/events.rs")) {
        assert!(EVENTS.contains(&format!("# `{target}`")), "{target}");
    }
}

/// All code below a folder, without its tests: what stands in files of their own or at the end of another.
fn code(folder: &Path) -> String {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let texts = paths.map(|path| match path.extension() {
        _ if ["tests.rs", "scenarios", "model"].iter().any(|tests| path.ends_with(tests)) => String::new(),
        _ if path.is_dir() => code(&path),
        Some(extension) if extension == "rs" => {
            fs::read_to_string(path).unwrap().split("#[cfg(test)]\nmod tests {").next().unwrap().to_owned()
        }
        _ => String::new(),
    });
    texts.collect()
}

/// The words of a text that begin so.
fn words(beginning: &str, text: &str) -> BTreeSet<String> {
    let is_word = |byte: char| byte.is_ascii_alphanumeric() || byte == '_';
    let ends = text.match_indices(beginning).map(|(at, _)| {
        let rest = &text[at + beginning.len()..];
        &text[at..at + beginning.len() + rest.find(|c| !is_word(c)).unwrap_or(rest.len())]
    });
    ends.map(str::to_owned).collect()
}

fn folder(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}
