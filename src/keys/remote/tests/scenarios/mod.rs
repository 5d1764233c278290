//! The faults of a provider, one scenario and one test each, with the figures that prove what is promised.
//!
//! Here the store runs on paused time, with an injected wall clock and a provider that is a script; in
//! `tests/transport` the same scenarios that concern connections run over loopback. `docs/maintainers/faults.md` has the
//! table of all figures and says how it is made.

mod alone;
mod cancellation;
mod clocks;
mod cold;
mod content;
mod flood;
mod harness;
mod herd;
mod idle_runtime;
mod operators;
mod outage;
mod recorded;
mod rotation;
mod shutdown;
mod soak;
mod successor;
mod table;
mod tenants;
mod testlog;

#[cfg(shuttle)]
pub(super) use harness::Outcome;
#[cfg(shuttle)]
pub(super) use table::Row;

#[test]
fn table_of_faults_has_a_row_for_each_scenario() {
    let page = include_str!("../../../../../docs/maintainers/faults.md");
    let rows: Vec<_> = page.lines().filter_map(|line| line.strip_prefix("| ")?.get(..2)?.parse::<u32>().ok()).collect();
    assert_eq!(rows, (1..=60).collect::<Vec<_>>());
}
