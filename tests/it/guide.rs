//! The guide names every kind of rejection and no other. `.ci/guide` compares the rest.

use std::collections::BTreeSet;

use signalr_upstream_auth::RejectionKind;
use signalr_upstream_auth::meter::VERIFICATION_BUCKETS;

const REJECTIONS: &str = include_str!("../../src/docs/rejections.md");
const ALERTS: &str = include_str!("../../src/docs/alerts.yml");

#[test]
fn every_kind_of_rejection_has_its_section_with_status_and_remedy() {
    let sections: Vec<_> = REJECTIONS.split("\n## ").skip(1).collect();
    // The page has groups, the most frequent kinds first.
    let mut headings: Vec<_> = sections.iter().map(|section| section.lines().next().unwrap().to_owned()).collect();
    headings.sort();
    let expected: Vec<_> =
        RejectionKind::ALL.iter().map(|kind| format!("`{kind}` · {}", kind.status().as_u16())).collect();
    assert_eq!(headings, expected);
    for section in sections {
        assert!(section.contains("**Do:**"), "{section}");
    }
}

#[test]
fn a_bucket_ends_at_the_limit_of_the_alert_on_slow_checks() {
    let alert = ALERTS.split("- alert: ").find(|alert| alert.starts_with("SignalRUpstreamSlowCheck")).unwrap();
    let limit: f64 = alert.lines().find_map(|line| line.split_once("[10m]))) > ")).unwrap().1.parse().unwrap();
    assert!(VERIFICATION_BUCKETS.contains(&limit), "{limit}");
    assert!(VERIFICATION_BUCKETS.iter().any(|bound| *bound > limit), "no bucket is above {limit}");
}

#[test]
fn alerts_name_kinds_that_exist() {
    let kinds: BTreeSet<_> = RejectionKind::ALL.iter().map(|kind| kind.as_str()).collect();
    let named: Vec<_> = ALERTS.split("kind=~\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert!(!named.is_empty(), "no alert names a kind");
    assert!(named.iter().flat_map(|named| named.split('|')).all(|kind| kinds.contains(kind)), "{named:?}");
}
