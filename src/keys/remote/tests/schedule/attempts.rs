//! What becomes of an attempt: failures of discovery, frozen attempts, unknown tenants.

use super::*;

#[test]
fn failure_of_discovery_is_news_once_per_cause() {
    let mut case = Case::warm();
    let failing = |cause: &str| Some(KeyError::unavailable(cause.to_owned()));
    assert!(!case.schedule.discovery_ended(None));
    assert!(case.schedule.discovery_ended(failing("status 500")));
    assert!(!case.schedule.discovery_ended(failing("status 500")));
    assert!(case.schedule.discovery_ended(failing("status 404")));
    assert!(case.schedule.discovery_error().is_some());
    assert!(case.schedule.discovery_ended(None));
    assert!(case.schedule.discovery_error().is_none());
}

#[test]
fn attempt_that_was_frozen_is_repeated_at_once() {
    let mut case = Case::warm();
    case.sleep_it_out();
    // By a stop of the process both clocks go on; by a suspend of the machine only the wall clock does.
    for is_suspend in [false, true, false, true] {
        case.begin();
        case.pass(SECOND);
        if is_suspend {
            case.jump(600)
        } else {
            case.pass(MINUTE * 10)
        }
        case.fail();
        assert_eq!(case.step(), Step::Fetch, "{is_suspend}");
    }
    // Nothing was learnt about the provider, so the pace of retries is that of the first failure.
    case.begin();
    case.pass(SECOND * 11);
    case.fail();
    assert_eq!(case.sleep(), SECOND * 15);
    assert_eq!(case.schedule.counts().failures, 5);
}

#[test]
fn attempt_that_reached_its_deadline_is_not_taken_for_a_frozen_one() {
    let timeout = Timing::default().fetch_timeout;
    for (taken, is_frozen) in [(timeout, false), (timeout + SECOND, false), (timeout + SECOND + TICK, true)] {
        let mut case = Case::warm();
        case.sleep_it_out();
        case.begin();
        case.now.monotonic += taken;
        case.fail();
        assert_eq!(case.step() == Step::Fetch, is_frozen, "{taken:?}");
    }
}

#[test]
fn clock_that_jumps_in_each_attempt_causes_no_storm() {
    let mut case = Case::warm();
    case.sleep_it_out();
    let mut attempts = 0;
    let end = case.now.monotonic + MINUTE;
    while case.now.monotonic < end {
        match case.step() {
            Step::Fetch => {
                case.schedule.begin(case.now);
                case.jump(3600);
                case.fail();
                attempts += 1;
            }
            Step::SleepUntil(until) => case.now.monotonic = until,
        }
    }
    assert!((60..=121).contains(&attempts), "{attempts}");
}

#[test]
fn frozen_attempt_does_not_shorten_what_the_provider_asked_for() {
    let mut case = Case::warm();
    case.sleep_it_out();
    case.begin();
    case.pass(MINUTE * 10);
    case.fail_with(Some(MINUTE), 0.0);
    assert_eq!(case.sleep(), MINUTE);
}

#[test]
fn unknown_tenant_is_asked_for_again_at_the_slow_pace() {
    let mut case = Case::cold();
    let mut waits = Vec::new();
    for _ in 0..8 {
        case.begin();
        let error = KeyError::unknown_tenant("AADSTS90002");
        case.schedule.failed(Failure::from(error), case.now, 1.0);
        assert_eq!(rejection(case.request_key("a")), KeyErrorKind::Unavailable);
        waits.push(case.sleep_it_out().as_secs());
    }
    assert_eq!(waits, [15, 30, 60, 120, 240, 480, 900, 900]);
    // Another failure than that is retried at the usual pace.
    case.fetch_and_fail();
    assert!(case.sleep() <= SECOND * 15);
}
