//! Requests that come while there are no keys.

use super::*;

#[test]
fn requests_without_keys_wait_for_the_next_attempt_and_start_none() {
    let mut case = Case::cold();
    let waits = waiter(case.request_key("a"));
    assert!(!case.schedule.take_needs_wake(case.now.monotonic));
    case.begin();
    waiter(case.request_key("b"));
    case.succeed(&["a"]);
    assert!(is_key(&case.poll_key("a", waits)));
    assert!(case.sleep() > MINUTE);
}

#[test]
fn waiter_sees_as_many_attempts_as_its_time_allows() {
    let mut case = Case::cold();
    let waits = waiter(case.request_key("a"));
    case.fetch_and_fail();
    let waits = waiter(case.poll_key("a", waits));
    case.sleep_it_out();
    case.fetch_and_fail();
    let waits = waiter(case.poll_key("a", waits));
    case.sleep_it_out();
    case.fetch_and_fail();
    assert_eq!(rejection(case.poll_key("a", waits)), KeyErrorKind::Unavailable, "the next comes too late");
    assert_eq!(retry_after(case.poll_key("a", waits)), SECOND * 2);
}

#[test]
fn request_without_keys_does_not_wait_for_a_far_attempt() {
    let mut case = Case::cold_and_failing();
    assert_eq!(retry_after(case.request_key("a")), SECOND * 8);
    case.pass(SECOND * 6 - TICK);
    assert_eq!(rejection(case.request_key("a")), KeyErrorKind::Unavailable);
    case.pass(TICK);
    waiter(case.request_key("a"));
}

#[test]
fn request_without_keys_waits_for_the_attempt_of_an_operator() {
    let mut case = Case::cold_and_failing();
    assert_eq!(rejection(case.request_key("a")), KeyErrorKind::Unavailable);
    case.schedule.ask_for_refresh();
    let waits = waiter(case.request_key("a"));
    case.begin();
    let waits = waiter(case.poll_key("a", waits));
    waiter(case.request_key("b"));
    case.succeed(&["a"]);
    assert!(is_key(&case.poll_key("a", waits)));
}

#[test]
fn key_that_the_first_load_lacks_causes_an_on_demand_refresh() {
    let mut case = Case::cold();
    let waits = waiter(case.request_key("new"));
    case.fetch_and_succeed(&["a"]);
    let refresh = waiter(case.poll_key("new", waits));
    assert_eq!(refresh.until, waits.until, "in the time that is left");
    case.fetch_and_succeed(&["a"]);
    assert_eq!(rejection(case.poll_key("new", refresh)), KeyErrorKind::Unknown);
}

#[test]
fn keys_that_expire_during_an_on_demand_refresh_are_waited_for() {
    let mut case = Case::warm();
    case.pass(DAY - SECOND);
    let waits = waiter(case.request_key("new"));
    case.begin();
    case.pass(SECOND);
    let waits = waiter(case.poll_key("new", waits));
    case.succeed(&["new"]);
    assert!(is_key(&case.poll_key("new", waits)));
}
