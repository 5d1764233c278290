//! The temporary key changes between a negotiation and the connection that it was for.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use signalr_emulator::{Emulator, EmulatorClock, Operation, Role};
use signalr_serverless::{HubClient, NegotiateOptions, NegotiateResponse, ServiceClientOptions, UnixTime, WallClock};

use super::faults::{Outcome, Row, arrives, is_lost};
use super::support::hub_client::HubClient as Connection;
use super::{grant, http_client, service_at, settle};

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// The emulator's clock as that of the client.
#[derive(Debug)]
struct SameClock(EmulatorClock);

impl WallClock for SameClock {
    fn now(&self) -> Option<UnixTime> {
        Some(UnixTime::from_secs(self.0.unix_seconds()))
    }
}

/// A client keeps its token while the service has a newer key, and connects sooner or later.
pub(crate) async fn rows() -> Vec<Row> {
    let emulator = Emulator::start().await.unwrap();
    grant(&emulator, Some(Role::ServiceOwner));
    emulator.entra().set_token_lifetime(DAY);
    let options = ServiceClientOptions::default().transport(http_client(emulator.certificate_authority_pem()));
    let options = options.clock(Arc::new(SameClock(emulator.clock().clone())));
    let service = service_at(emulator.endpoint(), &emulator, options);
    settle(&service).await;
    let chat = service.hub("chat").unwrap();
    let before = negotiate(&chat).await;

    emulator.clock().advance(MINUTE * 56);
    let after = negotiate_with_another_key(&chat, &before).await;
    assert_eq!(emulator.keys().temporary_ids(), [key_id(&before), key_id(&after)]);

    let mut rows = Vec::new();
    let mut row = |fault, outcome, expected| {
        rows.push(Row { fault, act: "Connect".to_owned(), outcome, expected });
    };
    row("key rotated between negotiation and connection", connect(&emulator, &chat, &before).await, arrives(2));
    emulator.clock().advance(MINUTE * 33);
    row("the same, in the last minute of the old key", connect(&emulator, &chat, &before).await, arrives(2));
    emulator.clock().advance(MINUTE);
    row("the same, after its end", connect(&emulator, &chat, &before).await, is_lost(2, "unauthorized"));
    row("the same, with a token of the new key", connect(&emulator, &chat, &after).await, arrives(2));
    // Without the client knowing: its token has not expired.
    emulator.keys().end_temporary_keys();
    row("the service ends its keys early", connect(&emulator, &chat, &after).await, is_lost(2, "unauthorized"));
    emulator.clock().advance(MINUTE * 22);
    let renewed = negotiate_with_another_key(&chat, &after).await;
    row("the same, after the next renewal", connect(&emulator, &chat, &renewed).await, arrives(3));
    rows
}

async fn negotiate(chat: &HubClient) -> NegotiateResponse {
    chat.negotiate(NegotiateOptions::default().user_id("anna").lifetime(DAY)).await.unwrap()
}

/// Negotiates until the key of the last answer has been replaced.
async fn negotiate_with_another_key(chat: &HubClient, last: &NegotiateResponse) -> NegotiateResponse {
    let renewed = tokio::time::timeout(MINUTE, async {
        loop {
            let response = negotiate(chat).await;
            if key_id(&response) != key_id(last) {
                return response;
            }
            tokio::task::yield_now().await;
        }
    });
    renewed.await.unwrap()
}

/// Connects as a client does that has this answer, and sends to it. Counts the requests for keys.
async fn connect(emulator: &Emulator, chat: &HubClient, response: &NegotiateResponse) -> Outcome {
    let target = response.url().strip_prefix(emulator.endpoint()).unwrap();
    let error = match Connection::open(emulator, target, Some(response.access_token())).await {
        Ok(mut connection) => {
            connection.send(r#"{"protocol":"json","version":1}"#).await;
            assert_eq!(connection.next().await, Some(json!({})));
            while !chat.user_exists("anna").await.unwrap() {
                tokio::task::yield_now().await;
            }
            chat.send_to_user("anna", "news", &("hello",)).await.unwrap();
            assert_eq!(connection.next().await.unwrap()["arguments"], json!(["hello"]));
            connection.close().await;
            while chat.user_exists("anna").await.unwrap() {
                tokio::task::yield_now().await;
            }
            None
        }
        Err(status) => {
            assert_eq!(status, 401);
            Some("unauthorized")
        }
    };
    let requests = emulator.log().count(Operation::AccessKey);
    Outcome { lost: usize::from(error.is_some()), twice: 0, requests, error, may_be_delivered: false }
}

/// Which key signed the token.
fn key_id(response: &NegotiateResponse) -> String {
    let header = response.access_token().split('.').next().unwrap();
    let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
    header["kid"].as_str().unwrap().to_owned()
}
