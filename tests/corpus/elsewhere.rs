//! Flaws seen in other crates that no request of the corpus can tell, and the tests that do.

use std::path::{Path, PathBuf};

/// The flaw, the file of its test, and the name of the test.
const ELSEWHERE: &[(&str, &str, &str)] = &[
    (
        "a clone of the handler is called that was never polled ready",
        "tests/middleware.rs",
        "services_that_insist_on_readiness_can_stand_behind",
    ),
    (
        "a list that is left empty turns its check off",
        "src/settings/tests.rs",
        "every_fault_names_its_variable_and_what_to_write",
    ),
    ("a skew without bounds overflows or means none", "src/policy/mod.rs", "every_fault_is_named"),
    ("keys are read over plain HTTP", "src/policy/cloud.rs", "a_custom_cloud_may_be_plain_on_loopback_only"),
    ("there is no other cloud", "tests/entra_tokens.rs", "every_cloud_accepts_its_own_tokens_and_no_others"),
    ("keys are trusted without limit", "src/keys/scenarios/outage.rs", "scenario_04_away_for_more_than_a_day"),
    ("a refresh keeps requests waiting", "src/keys/scenarios/outage.rs", "scenario_03_away_for_almost_a_day"),
    (
        "good tokens are refused for long after an outage",
        "src/keys/scenarios/outage.rs",
        "scenario_02_away_at_the_start",
    ),
    ("keys are fetched every minute", "src/keys/scenarios/outage.rs", "scenario_01_a_good_day"),
    ("the provider's headers make fetches endless", "tests/transport/discovery.rs", "scenario_33_cache_headers"),
    (
        "the service does not start while the provider is away",
        "src/keys/scenarios/cold.rs",
        "a_provider_that_is_away_at_the_start_means_503_with_retry_after_and_not_ready",
    ),
    ("each request without keys fetches", "src/keys/scenarios/cold.rs", "scenario_37_a_thousand_at_once"),
    ("a panic spoils a lock for all", "src/keys/scenarios/cold.rs", "scenario_40_a_panic_in_the_parser"),
    ("who waits is not woken", "src/keys/model/mod.rs", "a_search_is_one_fetch_and_tells_everybody"),
    (
        "a fetch goes on without its service",
        "tests/transport/shutdown.rs",
        "the_last_handle_closes_its_connections_and_ends_its_tasks",
    ),
    (
        "the user's client reads one of the documents only",
        "tests/transport/tls.rs",
        "scenario_19_certificates_and_versions",
    ),
    ("the age of keys follows the wall clock", "src/keys/scenarios/clocks.rs", "scenario_42_the_wall_clock_jumps"),
    (
        "keys that cannot be used vanish silently",
        "src/keys/scenarios/content.rs",
        "scenario_15_one_broken_key_among_six",
    ),
    (
        "each refusal is a line of the log",
        "tests/tracing.rs",
        "a_flood_is_one_line_in_half_a_minute_at_the_usual_level",
    ),
    ("remembered tokens have no bound", "src/verified.rs", "the_weight_of_all_stays_within_the_bound"),
];

#[test]
fn the_tests_that_cases_are_left_to_are_there() {
    for (flaw, file, test) in ELSEWHERE {
        let source = std::fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        let before = source.split_once(&format!("fn {test}(")).map(|(before, _)| before);
        let attributes = before.and_then(|before| before.rsplit_once("\n\n")).map(|(_, last)| last);
        let is_test =
            attributes.is_some_and(|attributes| attributes.contains("test") && !attributes.contains("ignore"));
        assert!(is_test, "{flaw}: {file} has no test `{test}`");
    }
}

/// Some have shown the claims of every token where no log can be switched off.
#[test]
fn nothing_is_printed_but_by_tests() {
    let mut folders = vec![root().join("src")];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for found in std::fs::read_dir(&folder).unwrap() {
            let path = found.unwrap().path();
            // The scenarios are tests that print their table.
            if path.is_dir() && !path.ends_with("keys/scenarios") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files += 1;
                let source = std::fs::read_to_string(&path).unwrap();
                for line in source.lines().filter(|line| !line.trim_start().starts_with("//")) {
                    let prints = ["print!(", "println!(", "dbg!(", "stdout()", "stderr()"];
                    assert!(!prints.iter().any(|print| line.contains(print)), "{}: {line}", path.display());
                }
            }
        }
    }
    assert!(files > 30, "only {files} files");
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}
