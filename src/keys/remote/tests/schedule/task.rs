//! A task that ends, and one that stands still.

use super::*;

#[test]
fn refresh_that_ends_with_its_runtime_begins_again() {
    let mut case = Case::cold();
    let waits = waiter(case.request_key("a"));
    case.begin();
    let number = case.schedule.next_to_end();
    case.schedule.interrupted(case.now.monotonic, false);
    assert!(matches!(case.poll_key("a", waits), KeyLookup::Wait(_)), "that is no failure");
    assert!(case.schedule.outcome(number).is_none() && case.schedule.last_error().is_none());
    case.fetch_and_succeed(&["a"]);
    assert!(is_key(&case.poll_key("a", waits)));
    assert!(matches!(case.schedule.outcome(number), Some(Ok(()))));
}

#[test]
fn operator_gets_the_next_attempt_when_one_ends_with_its_runtime() {
    let mut case = Case::cold();
    case.begin();
    let number = case.schedule.ask_for_refresh();
    case.schedule.interrupted(case.now.monotonic, false);
    assert!(case.schedule.outcome(number).is_none());
    case.fetch_and_succeed(&["a"]);
    assert!(matches!(case.schedule.outcome(number), Some(Ok(()))), "it began after the question");
}

#[test]
fn on_demand_refresh_that_ends_with_its_runtime_begins_again() {
    let mut case = Case::warm();
    let waits = waiter(case.request_key("new"));
    case.begin();
    case.schedule.interrupted(case.now.monotonic, false);
    assert!(matches!(case.poll_key("new", waits), KeyLookup::Wait(_)));
    case.fetch_and_succeed(&["a"]);
    assert_eq!(rejection(case.poll_key("new", waits)), KeyErrorKind::Unknown);
}

#[test]
fn task_that_panics_is_a_failure() {
    let mut case = Case::warm();
    case.sleep_it_out();
    case.begin();
    case.schedule.interrupted(case.now.monotonic, true);
    assert_eq!(case.schedule.counts().failures, 1);
    assert_eq!(case.sleep(), SECOND * 15);
    let mut case = Case::warm();
    let waits = waiter(case.request_key("new"));
    case.begin();
    case.schedule.interrupted(case.now.monotonic, true);
    assert_eq!(rejection(case.poll_key("new", waits)), KeyErrorKind::Unavailable);
}

#[test]
fn task_that_ends_in_its_sleep_changes_nothing() {
    let mut case = Case::warm();
    let sleep = case.sleep();
    case.schedule.interrupted(case.now.monotonic, true);
    assert_eq!((case.sleep(), case.schedule.counts().failures), (sleep, 0));
}

#[test]
fn task_is_overdue_a_second_after_it_had_to_look() {
    let mut case = Case::cold();
    assert_eq!(case.schedule.overdue_at(), None, "there is none");
    case.schedule.take_over(case.now.monotonic);
    assert_eq!(case.schedule.overdue_at(), Some(case.now.monotonic + SECOND));
    case.begin();
    assert_eq!(case.schedule.overdue_at(), Some(case.now.monotonic + SECOND * 11), "an attempt may take its time");
    case.succeed(&["a"]);
    let sleep = case.sleep();
    assert_eq!(case.schedule.overdue_at(), Some(case.now.monotonic + sleep + SECOND));
    case.pass(MINUTE);
    waiter(case.request_key("new"));
    assert!(case.schedule.take_needs_wake(case.now.monotonic));
    assert_eq!(case.schedule.overdue_at(), Some(case.now.monotonic + SECOND), "it was woken");
    case.begin();
    case.schedule.ask_for_refresh();
    assert!(case.schedule.take_needs_wake(case.now.monotonic));
    assert_eq!(case.schedule.overdue_at(), Some(case.now.monotonic + SECOND * 11), "the running attempt comes first");
    case.schedule.interrupted(case.now.monotonic, false);
    assert_eq!(case.schedule.overdue_at(), None);
}

#[test]
fn new_task_begins_anew_what_the_stalled_one_had_begun() {
    let mut case = Case::warm();
    let first = case.schedule.take_over(case.now.monotonic);
    let waits = waiter(case.request_key("new"));
    case.begin();
    let operator = case.schedule.ask_for_refresh();
    let second = case.schedule.take_over(case.now.monotonic);
    assert!(case.schedule.is_served_by(second) && !case.schedule.is_served_by(first));
    assert!(matches!(case.poll_key("new", waits), KeyLookup::Wait(_)));
    case.fetch_and_succeed(&["a", "new"]);
    assert!(is_key(&case.poll_key("new", waits)));
    assert!(matches!(case.schedule.outcome(operator), Some(Ok(()))), "it began after the question");
    assert_eq!(case.schedule.counts().failures, 0);
}

#[test]
fn wait_for_an_attempt_has_a_deadline() {
    let mut case = Case::cold();
    let two_fetches = SECOND * 22;
    assert_eq!(case.schedule.ends_by(case.now.monotonic), case.now.monotonic + two_fetches, "it is due");
    case.begin();
    assert_eq!(case.schedule.ends_by(case.now.monotonic), case.now.monotonic + two_fetches, "it runs");
    case.fail_with(Some(MINUTE * 10), 0.0);
    assert_eq!(case.schedule.ends_by(case.now.monotonic), case.now.monotonic + MINUTE * 10 + two_fetches);
    case.schedule.ask_for_refresh();
    assert_eq!(case.schedule.ends_by(case.now.monotonic), case.now.monotonic + two_fetches, "it is asked for");
}
