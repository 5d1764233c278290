//! `POST /client/negotiate`: ASP.NET Core SignalR's transport negotiation.
//!
//! dotnet/aspnetcore, `src/SignalR/docs/specs/TransportProtocols.md`.

use http::StatusCode;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::room::{ClientRoom, Negotiated};
use crate::clock::deadline;
use crate::random;
use crate::web::{Answer, Query, json as json_answer};

impl ClientRoom {
    pub(super) fn negotiate(&self, hub: &str, query: &Query) -> Answer {
        let connection_id = random::text(33);
        let with_token = query.first("negotiateVersion").and_then(|version| version.parse().ok()).unwrap_or(0) > 0;
        // Without a version the one id serves as both.
        let connection_token = if with_token { random::text(33) } else { connection_id.clone() };
        let mut body = json!({
            "negotiateVersion": u8::from(with_token),
            "connectionId": connection_id,
            "availableTransports": [{"transport": "WebSockets", "transferFormats": ["Text", "Binary"]}],
        });
        if with_token {
            body["connectionToken"] = Value::from(connection_token.clone());
        }
        let now = Instant::now();
        let mut negotiated = self.negotiated();
        // Now and then is enough, and keeps thousands of negotiations at once from looking at each other.
        if negotiated.len().is_power_of_two() {
            negotiated.retain(|_, other| other.until > now);
        }
        let until = deadline(now, self.assumptions.connect_window);
        negotiated.insert(connection_token, Negotiated { connection_id, hub: hub.to_owned(), until });
        drop(negotiated);
        json_answer(StatusCode::OK, &body)
    }

    /// The connection id for a connection's token, which serves once. `None` if there is none, or if its time is over.
    pub(super) fn take_negotiated(&self, token: &str, hub: &str) -> Option<String> {
        let negotiated = self.negotiated().remove(token)?;
        (negotiated.until > Instant::now() && negotiated.hub == hub).then_some(negotiated.connection_id)
    }
}
