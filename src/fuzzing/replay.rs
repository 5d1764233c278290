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

#[path = "../../tests/properties/claim_values.rs"]
mod claim_values;
#[path = "../../tests/fuzz/claims_text.rs"]
mod claims_text;
#[path = "../../tests/fuzz/plain_json.rs"]
mod plain_json;
mod properties;
#[path = "../../tests/fuzz/reference.rs"]
mod reference;
#[path = "../../tests/fuzz/steps/mod.rs"]
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
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
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
