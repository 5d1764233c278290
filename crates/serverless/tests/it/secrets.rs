//! Nothing secret in `Debug`, in errors, in events.

use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use signalr_serverless::{
    ClientTokens, Endpoint, Endpoints, NegotiateOptions, Payload, ServiceClient, ServiceClientOptions,
};
use tracing::subscriber::DefaultGuard;

use crate::credential::Token;
use crate::harness::Harness;
use crate::service::{On, Reaction};
use crate::wire;

/// What events write.
#[derive(Clone, Debug, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// Everything that passes through and must not be seen.
const SECRETS: [&str; 12] = [
    "entra-token",
    "temporary-key",
    "minted-by-the-service",
    "resource-access-key",
    "message-content",
    "user-anna",
    "group-of-anna",
    "connection-of-anna",
    "reason-for-anna",
    "page-of-anna",
    "claim-value",
    // The beginning of every client token: `{"alg":`.
    "eyJhbGciOi",
];

/// Writes every event of this thread to the log, as long as the guard lives.
fn record(log: &Log) -> DefaultGuard {
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    // Without a subscriber of all threads, a test on another one can switch an event off for a moment.
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry());
    tracing::subscriber::set_default(subscriber)
}

#[tokio::test(start_paused = true)]
async fn no_secret_is_shown_whatever_happens() {
    let log = Log::default();
    let _guard = record(&log);
    let mut shown = Vec::new();

    let access_key = Endpoint::access_key("https://a.example", String::from("resource-access-key"));
    shown.push(format!("{access_key:?}"));
    for harness in [
        Harness::new(),
        Harness::with(ClientTokens::Service),
        Harness::of(|_| Endpoints::default().with(access_key.clone())),
    ] {
        let options = NegotiateOptions::default().user_id("user-anna");
        shown.push(format!("{:?}", options.clone().claim("role", "claim-value")));
        for reaction in [
            Reaction::Normal,
            Reaction::status(401),
            Reaction::status(403),
            Reaction::status(500),
            Reaction::status(503),
            Reaction::text(200, r#"{"AccessKey":"temporary-key","KeyId":7,"token":["minted-by-the-service"]}"#),
            Reaction::NoConnection,
            Reaction::BreaksAfter,
            Reaction::Hangs,
        ] {
            harness.service.then(On::Key, reaction.clone());
            harness.service.then(On::Data, reaction);
            let payload = ("message-content",);
            let outcomes = [
                harness.chat.negotiate(options.clone()).await.map(|response| format!("{response:?}")),
                harness.chat.send_to_user("user-anna", "m", Payload::both(&payload)).await.map(|()| String::new()),
                harness.chat.user_exists("user-anna").await.map(|exists| exists.to_string()),
            ];
            for outcome in outcomes {
                shown.push(match outcome {
                    Ok(text) => text,
                    Err(error) => format!("{error:?} {error} {:?}", std::error::Error::source(&error)),
                });
            }
            shown.push(format!("{:?} {:?} {:?}", harness.client, harness.chat, harness.client.status()));
            harness.pass(Duration::from_secs(7200)).await;
        }
        for token in [Token::Expired, Token::Panics] {
            harness.credential.then(token);
            harness.pass(Duration::from_secs(7200)).await;
            let outcome = harness.chat.send_to_all("m", &("message-content",)).await;
            shown.push(outcome.map_or_else(|error| format!("{error:?} {error}"), |()| String::new()));
        }
        shown.push(format!("{:?} {:?}", harness.client.ready().await, harness.client));
    }

    let log = log.text();
    assert!(log.contains("signalr_serverless::renewal") && log.contains("signalr_serverless::calls"), "{log}");
    for text in shown.iter().chain([&log]) {
        for secret in SECRETS {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
}

/// Everything that a caller can print between building a call and its result.
#[tokio::test(start_paused = true)]
async fn no_request_shows_whom_it_concerns() {
    let Harness { chat, service, .. } = Harness::new();
    let (user, group, connection, reason) = ("user-anna", "group-of-anna", "connection-of-anna", "reason-for-anna");
    let payload = ("message-content",);
    let page = r#"{"value":[{"connectionId":"connection-of-anna","userId":"user-anna"}],"nextLink":"?continuationToken=page-of-anna"}"#;
    service.next(On::Data, [Reaction::text(200, page)]);
    let mut connections = chat.group_connections(group).page_size(7);
    let before = format!("{connections:?}");
    let found = connections.next_page().await.unwrap().unwrap();
    assert_eq!(found[0].user_id(), Some(user));
    let shown = [
        before,
        format!("{connections:?} {found:?}"),
        format!("{:?}", chat.send_to_all("m", &payload).excluded([connection])),
        format!("{:?}", chat.send_to_group(group, "m", Payload::both(&payload)).excluded([connection])),
        format!("{:?}", chat.close_connection(connection).reason(reason)),
        format!("{:?}", chat.close_all_connections().reason(reason).excluded([connection])),
        format!("{:?}", chat.close_group_connections(group).reason(reason).excluded([connection])),
        format!("{:?}", chat.close_user_connections(user).reason(reason).excluded([connection])),
        format!("{:?}", chat.add_user_to_group(user, group).ttl(Duration::from_secs(9))),
        format!("{:?}", chat.add_user_to_group(user, "..")),
        format!("{:?} {:?}", Payload::json(&payload), Payload::both(&payload)),
    ];
    for text in &shown {
        for secret in SECRETS {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
    assert!(shown[2].contains("SendToAll") && shown[8].contains("AddUserToGroup"), "{shown:?}");
}

/// The library's own client, which the test above replaces: none of the crates below it may show a path or a header.
#[tokio::test]
async fn no_secret_is_shown_over_a_real_connection() {
    let log = Log::default();
    let _guard = record(&log);
    let answer = "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";
    let (url, requests) =
        wire::server(move |stream, requests| async move { wire::answer_once(stream, requests, answer).await }).await;
    let endpoint = Endpoint::access_key(&url, String::from("resource-access-key"));
    let client =
        ServiceClient::from_endpoints(Endpoints::default().with(endpoint), ServiceClientOptions::default()).unwrap();
    let chat = client.hub("chat").unwrap();
    let error = chat.send_to_user("user-anna", "m", &("message-content",)).await.unwrap_err();
    assert_eq!(requests.load(Ordering::SeqCst), 1);
    let log = log.text();
    assert!(log.contains("signalr_serverless::calls"), "{log}");
    for text in [&format!("{error:?} {error} {chat:?} {client:?}"), &log] {
        for secret in SECRETS {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
}
