//! Unknown keys.

use super::*;

#[test]
fn unknown_key_causes_a_fetch_and_waits_for_it() {
    let mut case = Case::warm();
    assert!(!case.schedule.take_needs_wake(case.now.monotonic));
    let waits = waiter(case.request_key("new"));
    assert!(
        case.schedule.take_needs_wake(case.now.monotonic) && !case.schedule.take_needs_wake(case.now.monotonic),
        "the task is woken once"
    );
    assert_eq!(waits.until, case.now.monotonic + SECOND * 2);
    case.begin();
    assert!(matches!(case.poll_key("new", waits), KeyLookup::Wait(_)));
    case.succeed(&["a", "b", "new"]);
    assert!(is_key(&case.poll_key("new", waits)));
}

#[test]
fn unknown_key_joins_the_running_fetch() {
    let mut case = Case::warm();
    let first = waiter(case.request_key("one"));
    let second = waiter(case.request_key("two"));
    case.begin();
    let third = waiter(case.request_key("three"));
    assert!(!case.schedule.take_needs_wake(case.now.monotonic));
    case.succeed(&["a", "two"]);
    assert_eq!(rejection(case.poll_key("one", first)), KeyErrorKind::Unknown);
    assert!(is_key(&case.poll_key("two", second)));
    assert_eq!(rejection(case.poll_key("three", third)), KeyErrorKind::Unknown);
    assert!(case.sleep() > MINUTE, "one fetch for all");
}

#[test]
fn latest_on_demand_refresh_decides_within_the_cooldown() {
    let mut case = Case::warm();
    waiter(case.request_key("one"));
    case.fetch_and_succeed(&["a"]);
    case.pass(COOLDOWN - TICK);
    assert_eq!(rejection(case.request_key("two")), KeyErrorKind::Unknown);
    case.pass(TICK);
    waiter(case.request_key("two"));
}

#[test]
fn unknown_key_is_settled_by_a_success_until_the_cooldown_is_over() {
    let mut case = Case::warm();
    assert_eq!(case.schedule.known_unknown_until(), None);
    let begun = case.now.monotonic;
    waiter(case.request_key("new"));
    assert_eq!(case.schedule.known_unknown_until(), None, "pending");
    case.begin();
    assert_eq!(case.schedule.known_unknown_until(), None, "running");
    case.succeed(&["a"]);
    assert_eq!(case.schedule.known_unknown_until(), Some(begun + COOLDOWN));
    case.pass(COOLDOWN);
    waiter(case.request_key("new"));
    case.fetch_and_fail();
    assert_eq!(case.schedule.known_unknown_until(), None, "a failure proves nothing");
    case.pass(COOLDOWN);
    waiter(case.request_key("new"));
    case.fetch_and_succeed(&["a"]);
    assert!(case.schedule.known_unknown_until().is_some());
    case.schedule.ask_for_refresh();
    case.begin();
    case.fail_with(Some(MINUTE), 0.0);
    assert_eq!(case.schedule.known_unknown_until(), None, "the provider sent Retry-After");
}

#[test]
fn failed_on_demand_refresh_proves_nothing_and_counts_for_the_cooldown() {
    let mut case = Case::warm();
    let waits = waiter(case.request_key("one"));
    case.fetch_and_fail();
    assert_eq!(rejection(case.poll_key("one", waits)), KeyErrorKind::Unavailable);
    case.pass(SECOND * 10);
    assert_eq!(rejection(case.request_key("two")), KeyErrorKind::Unavailable);
    assert_eq!(retry_after(case.request_key("two")), SECOND * 20);
    case.pass(SECOND * 20);
    waiter(case.request_key("two"));
}

#[test]
fn cooldown_starts_with_the_on_demand_refresh() {
    let mut case = Case::warm();
    waiter(case.request_key("one"));
    case.begin();
    case.pass(SECOND * 4);
    case.succeed(&["a"]);
    case.pass(SECOND * 26);
    waiter(case.request_key("two"));
}

#[test]
fn scheduled_refresh_neither_starts_nor_satisfies_the_cooldown() {
    let mut case = Case::warm();
    let waits = waiter(case.request_key("new"));
    case.fetch_and_succeed(&["a"]);
    assert_eq!(rejection(case.poll_key("new", waits)), KeyErrorKind::Unknown);
    case.sleep_it_out();
    case.begin();
    let waits = waiter(case.request_key("new"));
    case.succeed(&["a"]);
    assert!(matches!(case.poll_key("new", waits), KeyLookup::Wait(_)), "a scheduled refresh is no on-demand refresh");
    case.begin();
    case.succeed(&["a"]);
    assert_eq!(rejection(case.poll_key("new", waits)), KeyErrorKind::Unknown);
}

#[test]
fn key_of_a_scheduled_refresh_is_found_before_the_on_demand_refresh_ends() {
    let mut case = Case::warm();
    case.sleep_it_out();
    case.begin();
    let waits = waiter(case.request_key("new"));
    case.succeed(&["a", "new"]);
    assert!(is_key(&case.poll_key("new", waits)));
}

#[test]
fn failed_on_demand_refresh_leaves_the_schedule_alone() {
    let mut case = Case::warm();
    let sleep = case.sleep();
    waiter(case.request_key("new"));
    case.fetch_and_fail();
    assert_eq!(case.sleep(), sleep);
    case.sleep_it_out();
    case.fetch_and_fail();
    assert_eq!(case.sleep(), SECOND * 15);
}

#[test]
fn successful_on_demand_refresh_counts_as_a_refresh() {
    let mut case = Case::warm();
    case.pass(MINUTE * 40);
    waiter(case.request_key("new"));
    case.fetch_and_succeed(&["a"]);
    assert_eq!(case.sleep().as_secs(), 3600);
}

#[test]
fn each_on_demand_refresh_decides_for_its_waiters_without_cooldown() {
    let mut case = Case::new(Timing { refetch_cooldown: Duration::ZERO, ..Timing::default() });
    case.fetch_and_succeed(&["a"]);
    for _ in 0..3 {
        let waits = waiter(case.request_key("new"));
        case.fetch_and_succeed(&["a"]);
        assert_eq!(rejection(case.poll_key("new", waits)), KeyErrorKind::Unknown);
    }
    let waits = waiter(case.request_key("new"));
    case.fetch_and_fail();
    assert_eq!(rejection(case.poll_key("new", waits)), KeyErrorKind::Unavailable);
}

#[test]
fn endless_cooldown_allows_one_on_demand_refresh() {
    let mut case = Case::new(Timing { refetch_cooldown: Duration::MAX, ..Timing::default() });
    case.fetch_and_succeed(&["a"]);
    waiter(case.request_key("new"));
    case.fetch_and_fail();
    case.pass(DAY / 2);
    assert_eq!(rejection(case.request_key("new")), KeyErrorKind::Unavailable);
}

#[test]
fn listed_and_revoked_keys_are_decided_without_a_fetch() {
    let mut case = Case::cold();
    case.begin();
    case.schedule.succeeded(read(&document(&[key("a"), unusable("odd")])), case.now, 0.5);
    case.schedule.keys_mut().revoke(&id("gone"));
    assert!(is_key(&case.request_key("a")));
    assert_eq!(rejection(case.request_key("odd")), KeyErrorKind::Unusable);
    assert_eq!(rejection(case.request_key("gone")), KeyErrorKind::Revoked);
    assert!(case.sleep() > MINUTE && !case.schedule.take_needs_wake(case.now.monotonic));
}

#[test]
fn key_revoked_during_its_on_demand_refresh_is_rejected() {
    let mut case = Case::warm();
    let waits = waiter(case.request_key("new"));
    case.schedule.keys_mut().revoke(&id("new"));
    assert_eq!(rejection(case.poll_key("new", waits)), KeyErrorKind::Revoked);
}
