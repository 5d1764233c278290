//! The connections of a group, a page at a time.

use std::fmt;
use std::sync::Arc;

use azure_core::http::Method;
use serde::Deserialize;
use url::Url;

use super::HubClient;
use crate::endpoints::LiveEndpoint;
use crate::error::{Error, ErrorKind, Result};
use crate::ids;
use crate::operation::Operation;
use crate::rest::Segment;

impl HubClient {
    /// Lists the connections of a group: `GET groups/{group}/connections`, up to 200 a page.
    ///
    /// With several endpoints, the pages of one follow those of the other. Role: *SignalR REST API Reader*. Source:
    /// [REST API](https://learn.microsoft.com/azure/azure-signalr/signalr-reference-data-plane-rest-api).
    ///
    /// Errors are those of [`next_page`](GroupConnections::next_page).
    ///
    /// ```no_run
    /// # async fn list(chat: &signalr_serverless::HubClient) -> signalr_serverless::Result<()> {
    /// let mut connections = chat.group_connections("team");
    /// while let Some(page) = connections.next_page().await? {
    ///     for connection in page {
    ///         println!("{}", connection.connection_id());
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn group_connections(&self, group: &str) -> GroupConnections {
        GroupConnections {
            hub: self.clone(),
            group: group.to_owned(),
            page_size: PAGE_SIZE_MAX,
            place: Place::Page { endpoint: 0, continuation: None },
        }
    }
}

/// Pages of a group's connections.
#[must_use = "nothing is asked until you ask for a page"]
pub struct GroupConnections {
    hub: HubClient,
    group: String,
    page_size: u8,
    place: Place,
}

enum Place {
    Page { endpoint: usize, continuation: Option<String> },
    End,
}

/// A connection of a group. `Debug` shows neither the connection nor its user.
#[derive(Clone, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct GroupConnection {
    connection_id: String,
    #[serde(default)]
    user_id: Option<String>,
}

impl GroupConnection {
    /// The connection.
    #[must_use]
    pub fn connection_id(&self) -> &str {
        &self.connection_id
    }

    /// The user whom it belongs to, if there is one.
    #[must_use]
    pub fn user_id(&self) -> Option<&str> {
        self.user_id.as_deref()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    value: Vec<GroupConnection>,
    #[serde(default)]
    next_link: Option<String>,
}

impl GroupConnections {
    /// How many connections a page holds at most, from 1 to 200.
    pub fn page_size(mut self, connections: u8) -> Self {
        self.page_size = connections.clamp(1, PAGE_SIZE_MAX);
        self
    }

    /// The next page, which may be empty. `None` after the last one. After an error, the same page is asked for again.
    ///
    /// # Errors
    ///
    /// [`InvalidId`](crate::ErrorKind::InvalidId), [`InvalidAnswer`](crate::ErrorKind::InvalidAnswer), and those of a
    /// call.
    pub async fn next_page(&mut self) -> Result<Option<Vec<GroupConnection>>> {
        ids::check_group(&self.group)?;
        let Place::Page { endpoint, continuation } = &self.place else { return Ok(None) };
        let (index, continuation) = (*endpoint, continuation.as_deref());
        let endpoints = &self.hub.shared.endpoints;
        let Some(endpoint) = endpoints.get(index) else { return Ok(None) };
        let page = self.page(endpoint, continuation).await?;
        let next = page.next_link.as_deref().filter(|link| !link.is_empty());
        let next = match next {
            Some(link) => Some(continuation_of(link, continuation).map_err(|e| e.with_endpoint(endpoint.label()))?),
            None => None,
        };
        self.place = match next {
            Some(continuation) => Place::Page { endpoint: index, continuation: Some(continuation) },
            None if index + 1 < endpoints.len() => Place::Page { endpoint: index + 1, continuation: None },
            None => Place::End,
        };
        Ok(Some(page.value))
    }

    async fn page(&self, endpoint: &Arc<LiveEndpoint>, continuation: Option<&str>) -> Result<Page> {
        let segments = [Segment::Fixed("groups"), Segment::Id(&self.group), Segment::Fixed("connections")];
        let mut call = self.hub.call(Operation::GroupConnections, Method::Get, &segments).wants(PAGE_MAX);
        call.query("maxpagesize", &self.page_size.to_string());
        if let Some(continuation) = continuation {
            call.query("continuationToken", continuation);
        }
        let answer = endpoint.caller.call(&call).await?;
        serde_json::from_slice(&answer.body)
            .map_err(|_| invalid("the answer is not a JSON object with the list value").with_endpoint(endpoint.label()))
    }
}

/// The token in the link to the next page. The link itself is not followed: it may lead to another host, which must not
/// get this program's token.
fn continuation_of(link: &str, before: Option<&str>) -> Result<String> {
    let somewhere = Url::parse("https://service.invalid").ok();
    let url = Url::options().base_url(somewhere.as_ref()).parse(link).map_err(|_| invalid("nextLink is not a URL"))?;
    let (_, token) = url
        .query_pairs()
        .find(|(name, _)| name.eq_ignore_ascii_case("continuationToken"))
        .filter(|(_, token)| !token.is_empty())
        .ok_or_else(|| invalid("nextLink has no continuationToken"))?;
    if Some(&*token) == before {
        return Err(invalid("nextLink leads to the same page again"));
    }
    Ok(token.into_owned())
}

fn invalid(text: &'static str) -> Error {
    Error::new(ErrorKind::InvalidAnswer, text)
}

impl fmt::Debug for GroupConnections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_at_end = matches!(self.place, Place::End);
        f.debug_struct("GroupConnections")
            .field("hub", &self.hub)
            .field("page_size", &self.page_size)
            .field("is_at_end", &is_at_end)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for GroupConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let has_user_id = self.user_id.is_some();
        f.debug_struct("GroupConnection").field("has_user_id", &has_user_id).finish_non_exhaustive()
    }
}

const PAGE_SIZE_MAX: u8 = 200;
const PAGE_MAX: usize = 4 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn continuation_comes_from_the_query_of_any_link() {
        for link in [
            "https://a/api/hubs/chat/groups/g/connections?api-version=1&continuationToken=a%2Bb%3D",
            "/api/hubs/chat/groups/g/connections?continuationToken=a%2Bb%3D&top=1",
            "?ContinuationToken=a%2Bb%3D",
        ] {
            assert_eq!(continuation_of(link, None).unwrap(), "a+b=", "{link}");
        }
    }

    #[test]
    fn links_that_lead_nowhere_are_invalid() {
        for link in ["https://", "/x", "/x?continuationToken=", "/x?continuationToken=same"] {
            assert_eq!(continuation_of(link, Some("same")).unwrap_err().kind(), ErrorKind::InvalidAnswer, "{link}");
        }
    }
}
