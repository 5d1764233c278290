//! Counters, gauges and histograms as a Prometheus exporter shows them.

use std::collections::BTreeSet;
use std::time::UNIX_EPOCH;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use mock_entra::{Endpoint, Fault, MockEntra};
use signalr_upstream_auth::keys::{KeySource, RemoteKeys};
use signalr_upstream_auth::{RejectionKind, TenantId, UpstreamAuthLayer, meter as ours};
use support::{Picky, entra, fixed_layer, rejection, request, send};
use tower::{Layer as _, Service as _};

use crate::calls::{LateRejection, call};

/// Runs with a recorder of its own.
fn recorded<F: Future<Output = ()>>(run: impl FnOnce(PrometheusHandle) -> F) {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    metrics::with_local_recorder(&recorder, || {
        ours::describe();
        runtime.block_on(run(handle));
    });
}

#[track_caller]
fn assert_shows(handle: &PrometheusHandle, lines: &[String]) {
    let text = handle.render();
    for line in lines {
        assert!(text.lines().any(|shown| shown == line), "{line} is missing in\n{text}");
    }
}

#[test]
fn requests_are_counted_by_outcome_and_kind() {
    recorded(|handle| async move {
        let entra = entra().await;
        let layer = fixed_layer(&entra, entra.policy());
        let good = entra.token().mint();
        for _ in 0..3 {
            assert_eq!(rejection(&layer, &good).await, None);
        }
        for _ in 0..2 {
            let bad = entra.token().audience("api://somebody-else").mint();
            assert_eq!(rejection(&layer, &bad).await, Some(RejectionKind::WrongAudience));
        }
        send(&layer, request(&["Basic eDp5"])).await.unwrap_err();
        layer.validator().explain(&good).await;
        assert_shows(
            &handle,
            &[
                format!("{}{{outcome=\"accepted\",kind=\"none\"}} 3", ours::REQUESTS),
                format!("{}{{outcome=\"rejected\",kind=\"wrong_audience\"}} 2", ours::REQUESTS),
                format!("{}{{outcome=\"rejected\",kind=\"unsupported_scheme\"}} 1", ours::REQUESTS),
                format!("{} 2", ours::TOKEN_CACHE_HITS),
            ],
        );
        assert!(handle.render().contains(&format!("{}_count", ours::VERIFICATION_SECONDS)));
    });
}

#[test]
fn every_series_exists_with_0_before_the_first_request() {
    recorded(|handle| async move {
        let entra = entra().await;
        let tenant = entra.tenant();
        let keys = RemoteKeys::new(&entra.policy()).unwrap();
        let _layer = UpstreamAuthLayer::from_keys(entra.policy(), keys);
        let kinds = RejectionKind::ALL.iter().map(|kind| {
            let outcome = if kind.status() == 503 { "unavailable" } else { "rejected" };
            format!("{}{{outcome=\"{outcome}\",kind=\"{kind}\"}} 0", ours::REQUESTS)
        });
        let others = [
            format!("{}{{outcome=\"accepted\",kind=\"none\"}} 0", ours::REQUESTS),
            format!("{} 0", ours::TOKEN_CACHE_HITS),
            format!("{} 0", ours::KEY_WAITERS),
            format!("{}{{tenant=\"{tenant}\",outcome=\"success\"}} 0", ours::KEY_FETCHES),
            format!("{}{{tenant=\"{tenant}\",outcome=\"error\"}} 0", ours::KEY_FETCHES),
            format!("{}{{tenant=\"{tenant}\"}} 0", ours::DISCOVERY_FAILURES),
            format!("{}{{tenant=\"{tenant}\"}} 0", ours::KEYS_LAST_SUCCESS_SECONDS),
            format!("{}{{tenant=\"{tenant}\"}} 0", ours::KEYS_CACHED),
        ];
        assert_shows(&handle, &kinds.chain(others).collect::<Vec<_>>());
    });
}

#[test]
fn an_explanation_that_waits_for_a_key_counts_and_measures_nothing() {
    recorded(|handle| async move {
        let entra = entra().await;
        let keys = RemoteKeys::new(&entra.policy()).unwrap();
        let layer = UpstreamAuthLayer::from_keys(entra.policy(), keys).with_clock(entra.clock());
        let explanation = layer.validator().explain(&entra.token().mint()).await;
        assert!(explanation.is_accepted(), "{explanation}");
        let shown = handle.render();
        let counts: Vec<_> = shown.lines().filter(|line| line.starts_with(ours::REQUESTS)).collect();
        assert!(!counts.is_empty() && counts.iter().all(|line| line.ends_with(" 0")), "{shown}");
        assert!(!shown.contains(&format!("{}_count", ours::VERIFICATION_SECONDS)), "{shown}");
    });
}

#[test]
fn fetches_last_success_and_keys_are_shown_by_tenant() {
    recorded(|handle| async move {
        let entra = entra().await;
        let tenant = entra.tenant();
        let keys = RemoteKeys::new(&entra.policy()).unwrap();
        let last_success = || {
            let (shown, name) =
                (handle.render(), format!("{}{{tenant=\"{tenant}\"}} ", ours::KEYS_LAST_SUCCESS_SECONDS));
            shown.lines().find_map(|line| line.strip_prefix(&name)).unwrap().parse::<f64>().unwrap()
        };
        assert_eq!(last_success(), 0.0, "no success yet");
        let start = UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
        keys.wait_for_keys().await.unwrap();
        entra.fail(Endpoint::Discovery, Fault::status(500));
        keys.refresh_now().await.unwrap();
        keys.refresh_now().await.unwrap();
        entra.recover();
        entra.fail(Endpoint::Keys, Fault::status(500));
        keys.refresh_now().await.unwrap_err();
        assert_shows(
            &handle,
            &[
                format!("{}{{tenant=\"{tenant}\"}} 2", ours::DISCOVERY_FAILURES),
                format!("{}{{tenant=\"{tenant}\",outcome=\"success\"}} 3", ours::KEY_FETCHES),
                format!("{}{{tenant=\"{tenant}\",outcome=\"error\"}} 1", ours::KEY_FETCHES),
                format!("{}{{tenant=\"{tenant}\"}} {}", ours::KEYS_CACHED, keys.status()[0].keys()),
            ],
        );
        assert!((start - 2.0..start + 600.0).contains(&last_success()), "{}", last_success());
    });
}

#[test]
fn gauges_of_a_tenant_last_as_long_as_its_keys_and_are_not_reset_by_others() {
    recorded(|handle| async move {
        // No other test of this process has keys of it.
        let tenant: TenantId = "99999999-aaaa-4bbb-8ccc-222222222222".parse().unwrap();
        let entra = MockEntra::builder().tenant(tenant).start().await;
        let shown = |name: &str| {
            let (text, name) = (handle.render(), format!("{name}{{tenant=\"{tenant}\"}} "));
            text.lines().find_map(|line| line.strip_prefix(&name).map(str::to_owned)).unwrap()
        };
        let gauges = || [ours::KEYS_LAST_SUCCESS_SECONDS, ours::KEYS_CACHED].map(shown);
        let keys = RemoteKeys::new(&entra.policy()).unwrap();
        keys.wait_for_keys().await.unwrap();
        let loaded = gauges();
        assert!(loaded[0] != "0" && loaded[1] == keys.status()[0].keys().to_string(), "{loaded:?}");
        let others = RemoteKeys::new(&entra.policy()).unwrap();
        assert_eq!(gauges(), loaded, "keys without a success do not hide those with one");
        drop(others);
        assert_eq!(gauges(), loaded);
        drop(keys);
        // The task that was ended is dropped by the runtime.
        while gauges() != ["NaN", "NaN"] {
            tokio::task::yield_now().await;
        }
        let _again = RemoteKeys::new(&entra.policy()).unwrap();
        assert_eq!(gauges(), ["0", "0"]);
    });
}

#[test]
fn without_keys_requests_are_unavailable_and_the_last_success_is_0() {
    recorded(|handle| async move {
        let entra = entra().await;
        entra.fail(Endpoint::Keys, Fault::status(500));
        let keys = RemoteKeys::new(&entra.policy()).unwrap();
        let layer = UpstreamAuthLayer::from_keys(entra.policy(), keys).with_clock(entra.clock());
        layer.wait_for_keys().await.unwrap_err();
        assert_eq!(rejection(&layer, &entra.token().mint()).await, Some(RejectionKind::KeysUnavailable));
        assert_shows(&handle, &[format!("{}{{outcome=\"unavailable\",kind=\"keys_unavailable\"}} 1", ours::REQUESTS)]);
        assert_shows(&handle, &[format!("{}{{tenant=\"{}\"}} 0", ours::KEYS_LAST_SUCCESS_SECONDS, entra.tenant())]);
    });
}

#[test]
fn requests_are_waiters_until_their_key_comes_or_their_caller_leaves() {
    recorded(|handle| async move {
        let entra = entra().await;
        let layer = UpstreamAuthLayer::from_keys(entra.policy(), LateRejection::default()).with_clock(entra.clock());
        let waiters = |number| format!("{} {number}", ours::KEY_WAITERS);
        let calls = [call(entra.token().mint()), call(entra.token().mint())];
        // Nobody has polled them yet: they wait as soon as they were sent.
        let [answered, left] = calls.map(|call| layer.layer(Picky::default()).call(call));
        assert_shows(&handle, &[waiters(2)]);
        answered.await.unwrap();
        assert_shows(&handle, &[waiters(1)]);
        drop(left);
        assert_shows(&handle, &[waiters(0)]);
        // A second layer in the process must not count from 0.
        let waiting = layer.layer(Picky::default()).call(call(entra.token().mint()));
        let _second = fixed_layer(&entra, entra.policy());
        assert_shows(&handle, &[waiters(1)]);
        drop(waiting);
    });
}

#[test]
fn no_label_comes_from_a_token() {
    recorded(|handle| async move {
        let entra = entra().await;
        let layer = fixed_layer(&entra, entra.policy());
        for number in 0..50 {
            let stranger = format!("aaaaaaaa-0000-4000-8000-0000000000{number:02}");
            for token in [
                entra.token().claim("tid", &stranger),
                entra.token().caller(stranger.parse().unwrap(), stranger.parse().unwrap()),
                entra.token().key_id(&*stranger),
            ] {
                rejection(&layer, &token.mint()).await.unwrap();
            }
        }
        let shown = handle.render();
        let series: BTreeSet<_> =
            shown.lines().filter(|line| line.starts_with(ours::REQUESTS) && !line.ends_with(" 0")).collect();
        assert_eq!(series.len(), 3);
        assert!(!shown.contains("aaaaaaaa"));
    });
}
