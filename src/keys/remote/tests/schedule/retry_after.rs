//! `Retry-After` of the provider.

use super::*;

#[test]
fn honors_retry_after_up_to_15_minutes() {
    for (asked, expected) in [(MINUTE * 10, MINUTE * 10), (DAY, MINUTE * 15), (Duration::MAX, MINUTE * 15)] {
        for jitter in [0.0, 1.0] {
            let mut case = Case::warm();
            case.sleep_it_out();
            case.begin();
            case.fail_with(Some(asked), jitter);
            assert_eq!(case.sleep(), expected + RETRY_AFTER_SPREAD.mul_f64(jitter));
            assert_eq!(rejection(case.request_key("new")), KeyErrorKind::Unavailable, "unknown keys wait, too");
            assert_eq!(retry_after(case.request_key("new")), expected);
            case.pass(expected);
            waiter(case.request_key("new"));
        }
    }
}

#[test]
fn short_retry_after_neither_shortens_the_backoff_nor_adds_to_it() {
    for asked in [Duration::ZERO, SECOND] {
        let mut case = Case::warm();
        case.sleep_it_out();
        case.begin();
        case.fail_with(Some(asked), 1.0);
        assert_eq!(case.sleep(), SECOND * 15);
    }
    let mut case = Case::cold();
    case.begin();
    case.fail_with(Some(Duration::ZERO), 1.0);
    assert_eq!(case.sleep(), Duration::from_millis(500));
}

#[test]
fn retry_after_holds_when_keys_expire_meanwhile() {
    let mut case = Case::warm();
    case.pass(DAY - MINUTE);
    case.begin();
    case.fail_with(Some(MINUTE * 10), 0.0);
    case.pass(MINUTE);
    assert_eq!(case.sleep(), MINUTE * 9);
    assert_eq!(rejection(case.request_key("a")), KeyErrorKind::Unavailable, "nobody waits that long");
    assert_eq!(retry_after(case.request_key("a")), MINUTE * 9);
}

#[test]
fn retry_after_ends_the_on_demand_refresh_asked_for_meanwhile() {
    let mut case = Case::warm();
    case.sleep_it_out();
    case.begin();
    let waits = waiter(case.request_key("new"));
    case.fail_with(Some(MINUTE * 10), 0.0);
    assert_eq!(case.sleep(), MINUTE * 10);
    assert_eq!(rejection(case.poll_key("new", waits)), KeyErrorKind::Unavailable);
}

#[test]
fn failure_without_retry_after_leaves_an_earlier_one_in_force() {
    let mut case = Case::warm();
    case.sleep_it_out();
    case.begin();
    case.fail_with(Some(MINUTE * 10), 0.0);
    case.schedule.ask_for_refresh();
    case.fetch_and_fail();
    assert_eq!(rejection(case.request_key("new")), KeyErrorKind::Unavailable);
    case.schedule.ask_for_refresh();
    case.fetch_and_succeed(&["a"]);
    waiter(case.request_key("new"));
}
