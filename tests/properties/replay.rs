//! Replays the seeds of the fuzzers on stable Rust and without a fuzzer.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::fuzz;

type Target = (&'static str, fn(&[u8]));

const TARGETS: &[Target] =
    &[("key_document", fuzz::key_document::run), ("service", fuzz::service::run), ("upstream", fuzz::upstream::run)];

#[test]
fn every_seed_holds_on_stable() {
    for (name, run) in TARGETS {
        let mut files: Vec<_> = fs::read_dir(seeds().join(name))
            .unwrap_or_else(|error| panic!("{name}: {error}"))
            .map(|file| file.unwrap().path())
            .collect();
        files.sort();
        assert!(files.len() >= 5, "{name} has too few seeds");
        for file in files {
            let input = fs::read(&file).unwrap();
            if std::panic::catch_unwind(|| run(&input)).is_err() {
                panic!("{} fails", file.display());
            }
        }
    }
}

#[test]
fn every_target_has_its_file_its_seeds_and_its_line_in_the_manifest() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
    let steps = ["authorization_header", "claims", "compact_token", "discovery_document", "jose_header"];
    let known: BTreeSet<_> = TARGETS.iter().map(|(name, _)| *name).chain(steps).map(str::to_owned).collect();
    let names = |folder: PathBuf, suffix: &str| -> BTreeSet<String> {
        fs::read_dir(folder)
            .unwrap()
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .filter_map(|name| name.strip_suffix(suffix).map(str::to_owned))
            .collect()
    };
    assert_eq!(names(root.join("fuzz_targets"), ".rs"), known);
    assert_eq!(names(seeds(), ""), known);
    let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let listed: BTreeSet<_> = manifest
        .lines()
        .filter_map(|line| line.strip_prefix("path = \"fuzz_targets/")?.strip_suffix(".rs\""))
        .map(str::to_owned)
        .collect();
    assert_eq!(listed, known);
}

fn seeds() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds")
}
