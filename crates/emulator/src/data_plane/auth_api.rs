//! Access keys and client tokens.

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::call::{Call, DataPlane, Done};
use super::problem::Problem;
use crate::auth::{TemporaryKey, sign_hs256};
use crate::web::json as json_answer;

impl DataPlane {
    /// `{"AccessKey": "…", "KeyId": "…"}`, with capitals.
    pub(super) fn access_key(&self) -> Done {
        let TemporaryKey { id, text, .. } = self.keys.issue();
        let body = json!({"AccessKey": text, "KeyId": id});
        Done { answer: json_answer(StatusCode::OK, &body), delivered_to: Vec::new() }
    }

    /// `{"token": "…"}`: a client token that the service signs itself.
    pub(super) fn generate_token(&self, call: &Call<'_>) -> Result<Done, Problem> {
        let minutes = match call.query.first("minutesToExpire").map(str::parse::<u64>) {
            None => 60,
            Some(Ok(minutes)) if minutes >= 1 => minutes,
            Some(_) => {
                let text = "`minutesToExpire` is a number of minutes, 1 or more.";
                return Err(Problem::bad_request("Request.MinutesToExpire", text));
            }
        };
        let now = self.clock.unix_seconds();
        let mut claims = Map::from_iter([
            ("aud".to_owned(), Value::from(format!("https://{}/client/?hub={}", self.host(), call.hub))),
            ("iat".to_owned(), now.into()),
            ("nbf".to_owned(), now.into()),
            ("exp".to_owned(), now.saturating_add(minutes.saturating_mul(60)).into()),
        ]);
        if let Some(user) = call.query.first("userId").filter(|user| !user.is_empty()) {
            claims.insert("asrs.s.uid".to_owned(), user.into());
        }
        let (key_id, key) = self.keys.signing_key();
        let body = json!({"token": sign_hs256(&key_id, &key, &claims.into())});
        Ok(Done { answer: json_answer(StatusCode::OK, &body), delivered_to: Vec::new() })
    }

    fn host(&self) -> &str {
        self.hosts.first().map(String::as_str).unwrap_or_default()
    }
}
