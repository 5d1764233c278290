//! What operators ask for and are told.

use super::*;
use crate::keys::sample::published;

#[test]
fn operator_gets_an_attempt_in_spite_of_retry_after() {
    let mut case = Case::warm();
    case.sleep_it_out();
    case.begin();
    case.fail_with(Some(DAY), 0.0);
    let number = case.schedule.ask_for_refresh();
    assert!(case.schedule.take_needs_wake(case.now.monotonic));
    assert!(case.schedule.outcome(number).is_none());
    case.begin();
    assert!(case.schedule.outcome(number).is_none());
    case.succeed(&["a"]);
    assert!(matches!(case.schedule.outcome(number), Some(Ok(()))));
    assert!(case.sleep() > MINUTE, "one attempt");
}

#[test]
fn operator_gets_an_attempt_that_begins_afterwards() {
    let mut case = Case::warm();
    case.sleep_it_out();
    case.begin();
    let number = case.schedule.ask_for_refresh();
    assert_eq!(case.schedule.ask_for_refresh(), number, "one for all that ask");
    case.succeed(&["a"]);
    assert!(case.schedule.outcome(number).is_none());
    case.fetch_and_fail();
    assert!(matches!(case.schedule.outcome(number), Some(Err(_))));
}

#[test]
fn next_to_end_is_the_running_attempt_or_the_next() {
    let mut case = Case::cold();
    assert_eq!(case.schedule.next_to_end(), 1);
    case.begin();
    assert_eq!(case.schedule.next_to_end(), 1);
    case.succeed(&["a"]);
    assert_eq!(case.schedule.next_to_end(), 2);
}

#[test]
fn keys_without_room_count_as_unusable_entries() {
    let mut case = Case::cold();
    let names: Vec<_> = (0..1003).map(|number| format!("key-{number}")).collect();
    case.begin();
    case.schedule.succeeded(set(&names), case.now, 0.5);
    assert_eq!(case.schedule.counts().unusable_entries, 3);
}

#[test]
fn key_that_was_published_before_counts_as_an_unusable_entry() {
    let mut case = Case::cold();
    case.begin();
    case.schedule.succeeded(read(&document(&[published("a"), key("b")])), case.now, 0.5);
    assert_eq!(case.schedule.counts().unusable_entries, 1);
    case.sleep_it_out();
    case.begin();
    case.schedule.succeeded(set(&["a", "b"]), case.now, 0.5);
    assert_eq!(case.schedule.counts().unusable_entries, 1, "the document alone does not tell");
}

#[test]
fn counts_and_last_error_follow_the_attempts() {
    let mut case = Case::cold();
    case.fetch_and_fail();
    assert!(case.schedule.last_error().is_some());
    case.sleep_it_out();
    case.begin();
    case.schedule.succeeded(read(&document(&[key("a"), unusable("b"), unusable("c")])), case.now, 0.5);
    assert_eq!(case.schedule.counts(), Counts { successes: 1, failures: 1, unusable_entries: 2 });
    assert!(case.schedule.last_error().is_none());
    case.sleep_it_out();
    case.fetch_and_fail();
    assert_eq!(case.schedule.counts(), Counts { successes: 1, failures: 2, unusable_entries: 2 });
}
