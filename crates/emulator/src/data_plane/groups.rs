//! Who is in a group.

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::call::{Call, DataPlane, Done};
use super::problem::Problem;
use super::sends::missing_connection;
use crate::hub::{Member, Membership};
use crate::web::json as json_answer;

impl DataPlane {
    pub(super) fn add_user_to_group(&self, call: &Call<'_>) -> Result<Done, Problem> {
        let now = self.clock.unix_seconds();
        let membership = match call.query.first("ttl").map(str::parse::<u64>) {
            None => Membership::Until(now.saturating_add(ONE_YEAR)),
            Some(Ok(0)) => Membership::Current,
            Some(Ok(seconds)) => Membership::Until(now.saturating_add(seconds)),
            Some(Err(_)) => {
                return Err(Problem::bad_request("Request.Ttl", "`ttl` is a number of seconds, 0 or more."));
            }
        };
        self.hubs.add_user_to_group(&call.hub, &call.route.user, call.group()?, membership);
        Ok(Done::status(StatusCode::OK))
    }

    pub(super) fn remove_user_from_group(&self, call: &Call<'_>) -> Result<Done, Problem> {
        self.hubs.remove_user_from_group(&call.hub, &call.route.user, call.group()?);
        Ok(Done::status(StatusCode::NO_CONTENT))
    }

    pub(super) fn remove_user_from_all_groups(&self, call: &Call<'_>) -> Result<Done, Problem> {
        self.hubs.remove_user_from_all_groups(&call.hub, &call.route.user);
        Ok(Done::status(StatusCode::NO_CONTENT))
    }

    pub(super) fn add_connection_to_group(&self, call: &Call<'_>) -> Result<Done, Problem> {
        if self.hubs.add_connection_to_group(&call.hub, &call.route.connection, call.group()?) {
            return Ok(Done::status(StatusCode::OK));
        }
        Err(missing_connection("Error.Connection.NotExisted"))
    }

    pub(super) fn remove_connection_from_group(&self, call: &Call<'_>) -> Result<Done, Problem> {
        self.hubs.remove_connection_from_group(&call.hub, &call.route.connection, call.group()?);
        Ok(Done::status(StatusCode::OK))
    }

    pub(super) fn remove_connection_from_all_groups(&self, call: &Call<'_>) -> Result<Done, Problem> {
        self.hubs.remove_connection_from_all_groups(&call.hub, &call.route.connection);
        Ok(Done::status(StatusCode::OK))
    }

    /// A page of a group. The continuation token is the last connection id of the page before.
    pub(super) fn list_group(&self, call: &Call<'_>) -> Result<Done, Problem> {
        let number = |name: &str, largest: usize| match call.query.first(name).map(str::parse::<usize>) {
            None => Ok(largest),
            Some(Ok(number)) if (1..=largest).contains(&number) => Ok(number),
            Some(_) => {
                let text = format!("`{name}` is a number from 1 to {largest}.");
                Err(Problem::bad_request("Request.Paging", text))
            }
        };
        let page_size = number("maxpagesize", LARGEST_PAGE)?;
        let top = number("top", usize::MAX)?;
        let after = call.query.first("continuationToken").unwrap_or_default();

        let members = self.hubs.group_members(&call.hub, call.group()?);
        let mut left = members.into_iter().filter(|member| member.connection_id.as_str() > after).take(top);
        let page: Vec<Member> = left.by_ref().take(page_size).collect();
        let next = left.next().and_then(|_| page.last()).map(|last| self.next_link(call, last, top, page.len()));
        let value: Vec<Value> = page.iter().map(entry).collect();
        let mut body = Map::from_iter([("value".to_owned(), Value::from(value))]);
        if let Some(next) = next {
            body.insert("nextLink".to_owned(), next.into());
        }
        Ok(Done { answer: json_answer(StatusCode::OK, &Value::from(body)), delivered_to: Vec::new() })
    }

    fn next_link(&self, call: &Call<'_>, last: &Member, top: usize, taken: usize) -> String {
        let kept = call
            .query
            .pairs()
            .filter(|(name, _)| !name.eq_ignore_ascii_case("continuationToken") && !name.eq_ignore_ascii_case("top"));
        let mut pairs: Vec<_> = kept.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        if top != usize::MAX {
            pairs.push(("top".to_owned(), (top - taken).to_string()));
        }
        pairs.push(("continuationToken".to_owned(), last.connection_id.clone()));
        let escape =
            |text: &str| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
        let query: Vec<_> =
            pairs.iter().map(|(name, value)| format!("{}={}", escape_name(name), escape(value))).collect();
        format!("{}{}?{}", self.endpoint, call.parts.uri.path(), query.join("&"))
    }
}

/// Parameters' names are plain, save for the hyphen of `api-version`.
fn escape_name(name: &str) -> String {
    name.chars().filter(|character| character.is_ascii_alphanumeric() || *character == '-').collect()
}

fn entry(member: &Member) -> Value {
    match &member.user_id {
        Some(user_id) => json!({"connectionId": member.connection_id, "userId": user_id}),
        None => json!({"connectionId": member.connection_id}),
    }
}

const ONE_YEAR: u64 = 365 * 86_400;
const LARGEST_PAGE: usize = 200;
