//! Faults injected, and what comes of them: what is lost, what arrives twice, how many requests reach the service.
//!
//! Each case runs in virtual time on a runtime of its own. Requests include the health checks, which only several
//! endpoints have. Where jitter decides how many there are, the table has the range that is allowed. See it with
//! `cargo test -p signalr-serverless --test it faults -- --nocapture`.

mod identity;
mod keys;
mod sending;
mod several;
mod table;
mod time;

use table::{Case, run};

fn cases() -> Vec<Case> {
    [identity::cases(), sending::cases(), keys::cases(), time::cases(), several::cases()].concat()
}

#[test]
fn nothing_is_lost_that_could_be_kept_and_no_message_arrives_twice() {
    let cases = cases();
    println!("| Fault | What is done | Lost | Twice | Requests | Error |\n|---|---|---|---|---|---|");
    let mut wrong = Vec::new();
    for case in &cases {
        let outcome = run(case);
        println!("{}", outcome.row(case));
        assert_eq!(outcome.twice, 0, "a message arrived twice: {}", case.fault);
        if !case.expected.is_met_by(&outcome) {
            wrong.push(format!("{}: expected {:?}, got {outcome:?}", case.fault, case.expected));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(cases.len() >= 40, "{} cases", cases.len());
}

#[test]
fn each_fault_has_one_case() {
    let mut names: Vec<_> = cases().iter().map(|case| (case.fault, case.act)).collect();
    let before = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), before);
}
