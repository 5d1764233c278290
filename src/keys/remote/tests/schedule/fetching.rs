//! When to fetch.

use super::*;

#[test]
fn first_attempt_is_due_at_once() {
    assert_eq!(Case::cold().step(), Step::Fetch);
}

#[test]
fn refresh_is_due_every_hour_give_or_take_a_tenth() {
    for (jitter, expected) in [(0.0, MINUTE * 54), (0.5, HOUR), (1.0, MINUTE * 66)] {
        let mut case = Case::cold();
        case.begin();
        case.schedule.succeeded(set(&["a"]), case.now, jitter);
        let sleep = case.sleep();
        assert!(sleep.abs_diff(expected) < SECOND, "{jitter}: {sleep:?}");
    }
}

#[test]
fn refresh_interval_is_at_most_half_the_stale_limit() {
    let timing = Timing { stale_limit: HOUR, ..Timing::default() };
    for jitter in [0.0, 0.5, 1.0] {
        let mut case = Case::new(timing);
        case.begin();
        case.schedule.succeeded(set(&["a"]), case.now, jitter);
        let sleep = case.sleep();
        assert!((MINUTE * 24..=MINUTE * 30).contains(&sleep), "{jitter}: {sleep:?}");
    }
}

#[test]
fn retries_after_15_seconds_doubling_to_15_minutes_with_keys() {
    let mut case = Case::warm();
    case.sleep_it_out();
    for seconds in [15, 30, 60, 120, 240, 480, 900, 900, 900] {
        case.fetch_and_fail();
        assert_eq!(case.sleep_it_out(), Duration::from_secs(seconds));
    }
    case.fetch_and_succeed(&["a"]);
    assert_eq!(case.sleep_it_out().as_secs(), 3600);
    case.fetch_and_fail();
    assert_eq!(case.sleep(), SECOND * 15, "a success ends the series");
}

#[test]
fn retries_after_half_a_second_doubling_to_15_seconds_without_keys() {
    let mut case = Case::cold();
    for millis in [500, 1000, 2000, 4000, 8000, 15_000, 15_000] {
        case.fetch_and_fail();
        assert_eq!(case.sleep_it_out(), Duration::from_millis(millis));
    }
}

#[test]
fn backoff_is_random_by_half() {
    let mut case = Case::warm();
    case.sleep_it_out();
    case.begin();
    case.fail_with(None, 0.0);
    assert_eq!(case.sleep(), Duration::from_millis(7500));
}

#[test]
fn backoff_is_at_most_the_refresh_interval() {
    let mut case = Case::new(Timing { refresh: SECOND * 10, ..Timing::default() });
    for _ in 0..10 {
        case.fetch_and_fail();
        assert!(case.sleep_it_out() <= SECOND * 10);
    }
    case.fetch_and_succeed(&["a"]);
    case.sleep_it_out();
    for _ in 0..10 {
        case.fetch_and_fail();
        assert_eq!(case.sleep_it_out(), SECOND * 10);
    }
}

#[test]
fn any_number_of_failures_does_not_overflow() {
    let mut case = Case::warm();
    case.schedule.failures = u32::MAX - 1;
    case.sleep_it_out();
    case.fetch_and_fail();
    assert_eq!(case.sleep_it_out(), MINUTE * 15);
    case.fetch_and_fail();
    assert_eq!(case.sleep(), MINUTE * 15);
}

#[test]
fn task_wakes_when_keys_expire_and_retries_soon() {
    let mut case = Case::warm();
    for _ in 0..1000 {
        if !case.schedule.keys().is_serving(case.now) {
            break;
        }
        if case.step() == Step::Fetch {
            case.fetch_and_fail();
        }
        case.sleep_it_out();
    }
    assert_eq!(case.schedule.keys().age(case.now), Some(DAY), "not a moment later");
    case.fetch_and_fail();
    assert_eq!(case.sleep_it_out(), Duration::from_millis(500), "from the shortest backoff on");
    case.fetch_and_succeed(&["a"]);
    case.sleep_it_out();
    case.fetch_and_fail();
    assert_eq!(case.sleep(), SECOND * 15);
}

#[test]
fn suspend_makes_an_attempt_due_at_once() {
    let mut case = Case::warm();
    case.pass(SECOND);
    case.jump(26 * 3600);
    assert_eq!(case.step(), Step::Fetch);
}

#[test]
fn request_that_finds_keys_expired_wakes_the_task() {
    let mut case = Case::warm();
    case.sleep();
    case.jump(26 * 3600);
    assert!(!case.schedule.take_needs_wake(case.now.monotonic));
    waiter(case.request_key("a"));
    assert!(case.schedule.take_needs_wake(case.now.monotonic) && !case.schedule.take_needs_wake(case.now.monotonic));
}

#[test]
fn clock_that_jumps_to_and_fro_causes_no_storm() {
    let mut case = Case::warm();
    case.sleep_it_out();
    case.fetch_and_fail();
    let mut attempts = 0;
    for _ in 0..1000 {
        for jump in [10 * 365 * 86_400, -10 * 365 * 86_400] {
            case.jump(jump);
            if case.step() == Step::Fetch {
                case.fetch_and_fail();
                attempts += 1;
            }
            case.pass(Duration::from_millis(5));
        }
    }
    assert!(attempts <= 20, "{attempts} in ten seconds");
    case.pass(MINUTE * 20);
    case.fetch_and_succeed(&["a"]);
    assert!(case.sleep() > MINUTE * 50);
}

#[test]
fn wall_clock_set_back_makes_retries_late_again() {
    let mut case = Case::warm();
    case.pass(SECOND);
    case.jump(10 * 365 * 86_400);
    for _ in 0..10 {
        case.fetch_and_fail();
        case.sleep_it_out();
    }
    case.jump(-10 * 365 * 86_400);
    case.fetch_and_fail();
    assert_eq!(case.sleep_it_out(), SECOND * 15);
    case.fetch_and_fail();
    assert_eq!(case.sleep_it_out(), SECOND * 30);
}

#[test]
fn seed_is_served_and_refreshed_at_once() {
    let mut case = Case::cold();
    case.schedule.seed(set(&["a"]), UnixTime::from_secs(1_700_000_000 - 3600), case.now);
    assert!(is_key(&case.request_key("a")));
    case.fetch_and_fail();
    assert_eq!(case.sleep(), SECOND * 15);
    assert_eq!(case.schedule.keys().age(case.now), Some(HOUR));
}

#[test]
fn seed_beyond_the_stale_limit_is_not_served() {
    let mut case = Case::cold();
    case.schedule.seed(set(&["a"]), UnixTime::from_secs(1_700_000_000 - 86_400), case.now);
    let waits = waiter(case.request_key("a"));
    case.fetch_and_fail();
    assert!(case.sleep() <= Duration::from_millis(500));
    assert!(matches!(case.poll_key("a", waits), KeyLookup::Wait(_)));
}
