//! The events of the dispatcher.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::HeaderValue;
use http_body_util::Full;
use serde_json::json;
use signalr_upstream_auth::upstream::{Arguments, HandlerError, Protocol, Reply};

use super::support::{answer, invocation_body, message, unprotected};
use crate::log::Log;

#[tokio::test(flavor = "current_thread")]
async fn logs_failures_without_secrets_and_with_cut_names() {
    let log = Log::start();
    let dispatcher = unprotected().message("chat", "*", async || "hidden".parse::<u8>().map(Reply)).message(
        "other",
        "*",
        async || HandlerError::new("no such method"),
    );
    let long = format!("a\u{1b}[31m{}", "b".repeat(200));
    for (hub, target) in [("chat", long.as_str()), ("other", "x"), ("third", "y")] {
        let mut request = message(Protocol::Json, None, "x", json!(["hush"]));
        *request.body_mut() = Full::new(invocation_body(Protocol::Json, None, target, &json!(["hush"])));
        let headers = request.headers_mut();
        headers.insert("x-asrs-hub", HeaderValue::from_static(hub));
        headers.insert("x-asrs-client-query", HeaderValue::from_static("?access_token=hush"));
        headers.insert("x-asrs-user-claims", HeaderValue::from_static("mail: hush"));
        headers.insert("x-asrs-signature", HeaderValue::from_static("sha256=hush"));
        // A header value cannot contain an escape character; only the body can.
        if !target.contains('\u{1b}') {
            headers.insert("x-asrs-event", HeaderValue::from_str(target).unwrap());
        }
        answer(&dispatcher, request).await;
    }
    let mut tab = message(Protocol::Json, None, "x", json!([]));
    let target = format!("a\t{}", "b".repeat(200));
    *tab.body_mut() = Full::new(invocation_body(Protocol::Json, None, &target, &json!([])));
    tab.headers_mut().insert("x-asrs-event", HeaderValue::from_str(&target).unwrap());
    assert_eq!(answer(&dispatcher, tab).await, (200, Bytes::new()));

    #[derive(serde::Deserialize)]
    enum Choice {}
    let choose = async |Arguments((_,)): Arguments<(Choice,)>| ();
    let forged = json!([format!("x\nERROR forged {}", "c".repeat(1000))]);
    let chosen = message(Protocol::Json, Some("1"), "choose", forged);
    assert_eq!(answer(&unprotected().message("*", "choose", choose), chosen).await.0, 200);

    let log = log.text();
    assert!(log.contains("unknown variant `x") && log.contains("ERROR forged c"), "{log}");
    assert!(!log.contains("x\nERROR") && !log.contains(&"c".repeat(512)), "{log}");
    assert!(!log.contains("hush") && !log.contains('\u{1b}') && !log.contains(&"b".repeat(64)), "{log}");
    assert!(log.contains(&"b".repeat(61)), "{log}");
    assert!(log.contains("WARN") && log.contains("invalid digit"), "{log}");
    assert!(log.contains("no such method"), "{log}");
    assert!(log.contains("no_handler") && log.contains("event_mismatch"), "{log}");
}

/// The values of fields as a subscriber gets them: a writer of text would escape them itself.
#[derive(Clone, Default)]
struct Values(Arc<Mutex<Vec<(String, String)>>>);

impl tracing::field::Visit for Values {
    fn record_str(&mut self, field: &tracing::field::Field, value: &str) {
        self.0.lock().unwrap().push((field.name().to_owned(), value.to_owned()));
    }

    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        self.0.lock().unwrap().push((field.name().to_owned(), format!("{value:?}")));
    }
}

impl tracing::Subscriber for Values {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target() == "signalr_upstream_auth::upstream"
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        event.record(&mut self.clone());
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

#[tokio::test(flavor = "current_thread")]
async fn text_of_clients_is_escaped_and_cut_before_a_subscriber_gets_it() {
    let values = Values::default();
    support::signatures::watch_all_threads();
    let _guard = tracing::subscriber::set_default(values.clone());
    #[derive(Debug, serde::Deserialize)]
    enum Choice {}
    let choose = async |Arguments((_,)): Arguments<(Choice,)>| ();
    // Text of the client in an error of the handler, and in its causes.
    let forged = format!("x\nERROR forged {}", "c".repeat(1000));
    let quoted = forged.clone();
    let fail = async move || -> Result<(), HandlerError> {
        let error = serde_json::from_value::<Choice>(json!(quoted)).unwrap_err();
        Err(std::io::Error::other(error).into())
    };
    let told = forged.clone();
    let tell = async move || HandlerError::new(told);
    let dispatcher = unprotected().message("chat", "*", fail).message("other", "*", choose).message("third", "*", tell);
    for hub in ["chat", "other", "third"] {
        // Of the control characters, a header value can contain the tab alone.
        let mut request = message(Protocol::Json, Some("1"), "x", json!([]));
        let body = invocation_body(Protocol::Json, Some("1"), "a\tb", &json!([forged]));
        *request.body_mut() = Full::new(body);
        request.headers_mut().insert("x-asrs-hub", HeaderValue::from_static(hub));
        request.headers_mut().insert("x-asrs-event", HeaderValue::from_static("a\tb"));
        answer(&dispatcher, request).await;
    }
    let values = values.0.lock().unwrap().clone();
    let all = |name: &str| -> Vec<&str> {
        values.iter().filter(|(field, _)| field == name).map(|(_, value)| value.as_str()).collect()
    };
    assert_eq!(all("rpc.method"), ["a\\tb"; 3], "{values:?}");
    for field in ["error", "cause", "message_to_client"] {
        assert!(all(field).iter().any(|text| text.contains("x\\nERROR") && text.len() <= 512), "{field}: {values:?}");
    }
    assert!(values.iter().all(|(_, value)| !value.chars().any(char::is_control)), "{values:?}");
}
