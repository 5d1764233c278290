//! What the fuzz targets assert, as functions of bytes: the targets in `fuzz/` call them with what the fuzzer makes up,
//! the tests below with its seeds. No stable interface.

#![allow(clippy::disallowed_methods, reason = "nothing runs beside a fuzz target")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a broken assumption should stop the run")]

#[cfg(feature = "identity")]
mod identity;
mod service;
mod settings;

#[cfg(feature = "identity")]
pub use identity::identity_answer;
pub use service::{key_document, service_error};
pub use settings::{connection_string, settings};

/// A token as the library sends it. Inputs name it by [`PLACEHOLDER`], which the fuzzer can copy.
const TOKEN: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJhdWQiOiJodHRwczovL3NpZ25hbHIuYXp1cmUuY29tIn0.c2lnbmF0dXJlLW9mLXRoZS10b2tlbg";
const PLACEHOLDER: &str = "$TOKEN";

/// The first line, and the rest with the token in the place of its name. `None` if the first line is not UTF-8.
fn head_and_body(data: &[u8]) -> Option<(&str, Vec<u8>)> {
    let (head, rest) = data.split_at_checked(data.iter().position(|byte| *byte == b'\n')?)?;
    let (head, mut rest) = (std::str::from_utf8(head).ok()?, &rest[1..]);
    let mut body = Vec::with_capacity(rest.len());
    while let Some((first, others)) = rest.split_first() {
        if let Some(others) = rest.strip_prefix(PLACEHOLDER.as_bytes()) {
            body.extend_from_slice(TOKEN.as_bytes());
            rest = others;
        } else {
            body.push(*first);
            rest = others;
        }
    }
    Some((head, body))
}

/// What was told of an answer is one bounded line without the token, whoever reads it.
fn check_told(told: &str) {
    assert!(told.chars().count() <= TOLD_MAX, "{} characters: {told}", told.chars().count());
    assert!(!told.chars().any(char::is_control), "{told:?}");
    for part in TOKEN.split('.').skip(1) {
        assert!(!told.contains(part), "{told}");
    }
}

/// Display, source and `Debug` of one error, which escapes what it prints.
const TOLD_MAX: usize = 24 * 1024;

/// Runs what waits for nothing.
fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    type Target = (&'static str, fn(&[u8]));

    #[test]
    fn every_kept_input_holds_without_a_fuzzer() {
        let targets: &[Target] = &[
            ("connection_string", super::connection_string),
            ("settings", super::settings),
            ("service_error", super::service_error),
            ("key_document", super::key_document),
            #[cfg(feature = "identity")]
            ("identity_answer", super::identity_answer),
        ];
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        // The inputs are not in the package, where Cargo keeps the manifest under this name.
        if root.join("Cargo.toml.orig").exists() {
            return;
        }
        let seeds = root.join("fuzz/seeds");
        for (name, run) in targets {
            let files: Vec<_> = std::fs::read_dir(seeds.join(name)).unwrap().map(|file| file.unwrap().path()).collect();
            assert!(files.len() >= 5, "{name} has too few seeds");
            for file in files {
                let input = std::fs::read(&file).unwrap();
                assert!(std::panic::catch_unwind(|| run(&input)).is_ok(), "{}", file.display());
            }
        }
    }
}
