//! The guide names every kind of rejection and no other. `.ci/guide` compares the rest.

use std::collections::BTreeSet;

use signalr_upstream_auth::RejectionKind;
use signalr_upstream_auth::meter::VERIFICATION_BUCKETS;

const REJECTIONS: &str = include_str!("../../src/docs/rejections.md");
const MONITORING: &str = include_str!("../../src/docs/monitoring.md");
const ALERTS: &str = include_str!("../../src/docs/alerts.yml");
const RUNBOOK: &str = include_str!("../../RUNBOOK.md");

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
fn every_alert_has_a_summary_a_section_and_its_place_in_the_runbook() {
    let alerts: Vec<_> = ALERTS.split("- alert: ").skip(1).collect();
    let headings: Vec<_> = MONITORING.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    let names: Vec<_> = alerts.iter().map(|alert| alert.lines().next().unwrap()).collect();
    assert_eq!(headings, names);
    for (alert, name) in alerts.iter().zip(names) {
        let anchor = name.to_lowercase();
        assert!(alert.contains(&format!("/RUNBOOK.md#{anchor}\n")), "{alert}");
        assert!(RUNBOOK.contains(&format!("<a id=\"{anchor}\"></a>")), "{alert}");
        assert!(alert.contains("summary: ") && alert.contains("severity: "), "{alert}");
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

/// Whoever names a file of certificates must know that the system's no longer count.
#[test]
fn every_paragraph_on_certificate_variables_says_that_they_replace_the_roots() {
    let pages =
        [include_str!("../../src/docs/settings.md"), REJECTIONS, include_str!("../../src/keys/remote/builder.rs")];
    for page in pages {
        let plain = page.replace("    ///\n", "\n");
        let paragraphs: Vec<_> = plain.split("\n\n").filter(|text| text.contains("SSL_CERT_FILE")).collect();
        assert!(!paragraphs.is_empty());
        for paragraph in paragraphs {
            assert!(paragraph.contains("*replace"), "{paragraph}");
        }
    }
}
