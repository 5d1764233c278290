//! Replays the seeds of the targets that call single steps of the check.

#![allow(dead_code, unreachable_pub, reason = "shared with the fuzz targets, each of which needs a part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::as_conversions,
    reason = "a broken assumption should stop the run"
)]

use std::fs;
use std::panic::catch_unwind;
use std::path::Path;

mod claim_values;
mod claims_text;
mod plain_json;
mod properties;
mod reference;
mod steps;

type Target = (&'static str, fn(&[u8]));

const TARGETS: &[Target] = &[
    ("authorization_header", steps::authorization_header::run),
    ("claims", steps::claims::run),
    ("compact_token", steps::compact_token::run),
    ("discovery_document", steps::discovery_document::run),
    ("jose_header", steps::jose_header::run),
];

#[test]
fn every_seed_of_a_step_holds() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    // The seeds are not in the package, where Cargo keeps the manifest under this name.
    if root.join("Cargo.toml.orig").exists() {
        return;
    }
    let seeds = root.join("fuzz/seeds");
    for (name, run) in TARGETS {
        let mut files: Vec<_> = fs::read_dir(seeds.join(name)).unwrap().map(|file| file.unwrap().path()).collect();
        files.sort();
        assert!(files.len() >= 5, "{name} has too few seeds");
        for file in files {
            let input = fs::read(&file).unwrap();
            assert!(catch_unwind(|| run(&input)).is_ok(), "{} fails", file.display());
        }
    }
}
