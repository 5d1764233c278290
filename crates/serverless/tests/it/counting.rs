//! What is counted.

use metrics_exporter_prometheus::PrometheusBuilder;
use signalr_serverless::{NegotiateOptions, instruments as names};

use crate::harness::Harness;
use crate::service::{On, Reaction};

#[tokio::test(start_paused = true)]
async fn calls_fetches_and_negotiations_are_counted_by_outcome() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let harness = Harness::new();
    harness.service.next(On::Key, [Reaction::status(503)]);
    harness.chat.negotiate(NegotiateOptions::default()).await.unwrap();
    harness.service.next(On::Data, [Reaction::status(503), Reaction::status(403)]);
    harness.chat.send_to_all("m", &(1,)).await.unwrap_err();
    let text = handle.render();
    for line in [
        "signalr_serverless_negotiations_total{outcome=\"success\"} 1",
        "signalr_serverless_fetches_total{what=\"temporary_key\",endpoint=\"a.service.signalr.net\",outcome=\"error\"} 1",
        "signalr_serverless_fetches_total{what=\"temporary_key\",endpoint=\"a.service.signalr.net\",outcome=\"success\"} 1",
        "signalr_serverless_fetches_total{what=\"entra_token\",endpoint=\"a.service.signalr.net\",outcome=\"success\"} 1",
        "signalr_serverless_repeated_calls_total{operation=\"send_to_all\",endpoint=\"a.service.signalr.net\"} 1",
        "signalr_serverless_calls_total{operation=\"send_to_all\",endpoint=\"a.service.signalr.net\",outcome=\"role_missing\"} 1",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
    assert!(text.contains(names::CALL_SECONDS), "{text}");
}
