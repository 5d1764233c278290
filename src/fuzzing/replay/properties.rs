//! The same targets with inputs that have the right form more often than bytes of a fuzzer.

use proptest::prelude::*;

use super::claim_values::{NAMES, value};
use super::claims_text::{good, written};
use super::reference::NOW;
use super::steps;

proptest! {
    #[test]
    fn what_a_policy_says_of_claims_is_what_a_second_reading_says(
        is_v2: bool,
        has_nonce: bool,
        requires_role: bool,
        changes in prop::collection::vec((0..15_usize, value()), 0..3),
        removed in prop::collection::vec(0..15_usize, 0..2),
        offset in -90_000..90_000_i64,
    ) {
        let mut members = good(is_v2);
        for (name, value) in changes {
            members.retain(|(present, _)| present != NAMES[name]);
            members.push((NAMES[name].to_owned(), value));
        }
        for name in removed {
            members.retain(|(present, _)| present != NAMES[name]);
        }
        let now = NOW.saturating_add_signed(offset);
        // Panics where the two differ.
        steps::claims::check(written(&members).as_bytes(), has_nonce, requires_role, Some(now));
    }

    #[test]
    fn any_text_in_the_place_of_claims_is_read_the_same_twice(text in "[\\[\\]{}:,\"a-z0-9\\\\u.eE+ -]{0,40}") {
        steps::claims::check(text.as_bytes(), false, false, Some(NOW));
        steps::jose_header::run(text.as_bytes());
        steps::discovery_document::run(text.as_bytes());
    }

    #[test]
    fn any_text_in_the_place_of_an_address_stays_in_the_cloud(text in "(https://)?[a-z.@:/\\\\#?0-9\\[\\]]{0,40}") {
        steps::discovery_document::run(format!("\0{text}").as_bytes());
        steps::discovery_document::run(format!("\0https://login.microsoftonline.com{text}").as_bytes());
    }
}
