//! Each operation with its exact request.

use std::time::Duration;

use azure_core::http::Method;
use futures_util::future::BoxFuture;
use serde_json::json;
use signalr_serverless::{ErrorKind, HubClient, NegotiateOptions, Operation, Payload, Result, Role};

use crate::harness::{ENDPOINT, Harness};
use crate::service::{On, Reaction};

struct Case {
    operation: Operation,
    act: fn(HubClient) -> BoxFuture<'static, Result<()>>,
    method: Method,
    target: &'static str,
    body: &'static str,
    role: Role,
}

const MESSAGE: &str = r#"{"target":"newMessage","arguments":["anna","hello"]}"#;
const ARGUMENTS: &(&str, &str) = &("anna", "hello");
/// An id that must not change the path.
const ID: &str = "a/../b c?#%";
const ENCODED: &str = "a%2F..%2Fb%20c%3F%23%25";

fn cases() -> Vec<Case> {
    macro_rules! case {
        ($operation:ident, $method:ident, $target:literal, $body:expr, $role:ident, |$chat:ident| $act:expr) => {
            Case {
                operation: Operation::$operation,
                act: |$chat| Box::pin(async move { $act.await.map(drop) }),
                method: Method::$method,
                target: $target,
                body: $body,
                role: Role::$role,
            }
        };
    }
    vec![
        case!(SendToAll, Post, ":send?V", MESSAGE, RestApiOwner, |c| c.send_to_all("newMessage", ARGUMENTS)),
        case!(SendToAll, Post, ":send?V&excluded=c1&excluded=c%262", MESSAGE, RestApiOwner, |c| c
            .send_to_all("newMessage", ARGUMENTS)
            .excluded(["c1", "c&2"])),
        case!(SendToUser, Post, "users/ID/:send?V", MESSAGE, RestApiOwner, |c| c.send_to_user(
            ID,
            "newMessage",
            ARGUMENTS
        )),
        case!(SendToGroup, Post, "groups/ID/:send?V&excluded=c1", MESSAGE, RestApiOwner, |c| c
            .send_to_group(ID, "newMessage", ARGUMENTS)
            .excluded([String::from("c1")])),
        case!(SendToConnection, Post, "connections/ID/:send?V", MESSAGE, RestApiOwner, |c| c.send_to_connection(
            ID,
            "newMessage",
            ARGUMENTS
        )),
        case!(InvokeConnection, Post, "connections/ID/:invoke?V", MESSAGE, RestApiOwner, |c| c
            .invoke_connection::<serde_json::Value>(ID, "newMessage", ARGUMENTS)),
        case!(CloseAllConnections, Post, ":closeConnections?V&reason=bye%20all&excluded=c1", "", RestApiOwner, |c| c
            .close_all_connections()
            .reason("bye all")
            .excluded(["c1"])),
        case!(CloseGroupConnections, Post, "groups/ID/:closeConnections?V", "", RestApiOwner, |c| c
            .close_group_connections(ID)
            .into_future()),
        case!(CloseUserConnections, Post, "users/ID/:closeConnections?V&excluded=c1", "", RestApiOwner, |c| c
            .close_user_connections(ID)
            .excluded(["c1"])),
        case!(CloseConnection, Delete, "connections/ID?V&reason=bye", "", RestApiOwner, |c| c
            .close_connection(ID)
            .reason("bye")),
        case!(ConnectionExists, Head, "connections/ID?V", "", RestApiReader, |c| c.connection_exists(ID)),
        case!(UserExists, Head, "users/ID?V", "", RestApiReader, |c| c.user_exists(ID)),
        case!(GroupExists, Head, "groups/ID?V", "", RestApiReader, |c| c.group_exists(ID)),
        case!(UserInGroup, Head, "users/ID/groups/g?V", "", RestApiReader, |c| c.user_in_group(ID, "g")),
        case!(GroupConnections, Get, "groups/ID/connections?V&maxpagesize=200", "", RestApiReader, |c| async move {
            c.group_connections(ID).next_page().await
        }),
        case!(AddUserToGroup, Put, "users/ID/groups/g?V&ttl=2", "", RestApiOwner, |c| c
            .add_user_to_group(ID, "g")
            .ttl(Duration::from_millis(1500))),
        case!(AddUserToGroup, Put, "users/ID/groups/g?V", "", RestApiOwner, |c| c
            .add_user_to_group(ID, "g")
            .into_future()),
        case!(RemoveUserFromGroup, Delete, "users/ID/groups/g?V", "", RestApiOwner, |c| c
            .remove_user_from_group(ID, "g")),
        case!(RemoveUserFromAllGroups, Delete, "users/ID/groups?V", "", RestApiOwner, |c| c
            .remove_user_from_all_groups(ID)),
        case!(AddConnectionToGroup, Put, "groups/g/connections/ID?V", "", RestApiOwner, |c| c
            .add_connection_to_group(ID, "g")),
        case!(RemoveConnectionFromGroup, Delete, "groups/g/connections/ID?V", "", RestApiOwner, |c| c
            .remove_connection_from_group(ID, "g")),
        case!(RemoveConnectionFromAllGroups, Delete, "connections/ID/groups?V", "", RestApiOwner, |c| c
            .remove_connection_from_all_groups(ID)),
    ]
}

#[tokio::test(start_paused = true)]
async fn sends_the_exact_method_path_query_and_body() {
    for case in cases() {
        let harness = Harness::new();
        (case.act)(harness.chat.clone()).await.unwrap();
        let seen = harness.service.seen().pop().unwrap();
        let target = case.target.replace("ID", ENCODED).replace('V', "api-version=2024-12-01");
        assert_eq!(seen.url, format!("{ENDPOINT}/api/hubs/chat/{target}"), "{:?}", case.operation);
        assert_eq!(seen.method, case.method, "{:?}", case.operation);
        assert_eq!(seen.authorization.as_deref(), Some("Bearer entra-token-1"));
        assert_eq!(seen.body, case.body, "{:?}", case.operation);
        let content_type = (!case.body.is_empty()).then_some("application/json");
        assert_eq!(seen.content_type.as_deref(), content_type);
        assert_eq!(harness.service.requests(On::Key), 0, "sending needs no key");
    }
}

#[tokio::test(start_paused = true)]
async fn every_operation_has_a_case() {
    let elsewhere = [Operation::AccessKey, Operation::GenerateToken, Operation::Health];
    for operation in Operation::ALL {
        let is_covered = cases().iter().any(|case| case.operation == *operation);
        assert!(is_covered != elsewhere.contains(operation), "{operation:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn forbidden_names_the_role_of_the_operation() {
    for case in cases() {
        let harness = Harness::new();
        harness.service.then(On::Data, Reaction::status(403));
        let error = (case.act)(harness.chat.clone()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RoleMissing { role: case.role });
        assert_eq!(case.operation.role(), Some(case.role));
        assert!(error.to_string().contains(case.role.name()), "{error}");
        assert!(error.to_string().contains("30 minutes"), "{error}");
        assert_eq!(harness.service.requests(On::Data), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn any_2xx_is_a_success() {
    for status in [200, 201, 202, 204, 206] {
        let harness = Harness::new();
        harness.service.then(On::Data, Reaction::status(status));
        harness.chat.send_to_all("m", ARGUMENTS).await.unwrap();
        harness.chat.add_connection_to_group("c", "g").await.unwrap();
        assert!(harness.chat.user_exists("anna").await.unwrap(), "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_id_reaches_another_target() {
    let harness = Harness::new();
    let chat = &harness.chat;
    for id in ["", ".", ".."] {
        let results = [
            chat.send_to_user(id, "m", ARGUMENTS).await,
            chat.send_to_group(id, "m", ARGUMENTS).await,
            chat.send_to_connection(id, "m", ARGUMENTS).await,
            chat.invoke_connection::<()>(id, "m", ARGUMENTS).await,
            chat.close_connection(id).await,
            chat.close_group_connections(id).await,
            chat.close_user_connections(id).await,
            chat.user_exists(id).await.map(drop),
            chat.connection_exists(id).await.map(drop),
            chat.group_exists(id).await.map(drop),
            chat.user_in_group(id, "g").await.map(drop),
            chat.user_in_group("u", id).await.map(drop),
            chat.add_user_to_group(id, "g").await,
            chat.add_user_to_group("u", id).await,
            chat.remove_user_from_group(id, "g").await,
            chat.remove_user_from_group("u", id).await,
            chat.remove_user_from_all_groups(id).await,
            chat.add_connection_to_group(id, "g").await,
            chat.add_connection_to_group("c", id).await,
            chat.remove_connection_from_group(id, "g").await,
            chat.remove_connection_from_group("c", id).await,
            chat.remove_connection_from_all_groups(id).await,
            chat.group_connections(id).next_page().await.map(drop),
            chat.negotiate(NegotiateOptions::default().user_id(id)).await.map(drop),
        ];
        for result in results {
            assert_eq!(result.unwrap_err().kind(), ErrorKind::InvalidId, "{id:?}");
        }
    }
    assert!(chat.send_to_all("m", ARGUMENTS).excluded([""]).await.is_err());
    assert!(harness.service.seen().is_empty());
}

#[tokio::test(start_paused = true)]
async fn large_body_is_rejected_before_it_is_sent() {
    let harness = Harness::new();
    let error = harness.chat.send_to_all("m", &("x".repeat(1024 * 1024),)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BodyTooLarge);
    assert!(harness.service.seen().is_empty());
}

#[tokio::test(start_paused = true)]
async fn both_protocols_travel_as_octet_stream() {
    let harness = Harness::new();
    harness.chat.send_to_all("m", Payload::both(&("anna",))).await.unwrap();
    assert_eq!(harness.service.seen().pop().unwrap().content_type.as_deref(), Some("application/octet-stream"));
}

#[tokio::test(start_paused = true)]
async fn absent_is_an_answer_only_with_the_services_code() {
    let harness = Harness::new();
    let chat = &harness.chat;
    let then = |reaction| harness.service.then(On::Data, reaction);
    for code in ["Warning.Connection.NotExisted", "Warning.User.NotExisted", "Info.User.NotInGroup"] {
        then(Reaction::code(404, code));
        assert!(!chat.user_exists("anna").await.unwrap());
        assert!(!chat.user_in_group("anna", "g").await.unwrap());
        chat.close_connection("c").await.unwrap();
        chat.remove_connection_from_group("c", "g").await.unwrap();
        let error = chat.add_connection_to_group("c", "g").await.unwrap_err();
        assert_eq!((error.kind(), error.service_code()), (ErrorKind::NotFound, Some(code)));
    }
    for reaction in [Reaction::status(404), Reaction::code(404, "NoSuchResource")] {
        then(reaction);
        let error = chat.user_exists("anna").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains("endpoint may be wrong"), "{error}");
        assert!(chat.close_connection("c").await.is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn invoke_returns_the_clients_result() {
    #[derive(serde::Deserialize)]
    struct Sum {
        sum: u8,
    }
    let harness = Harness::new();
    let result: Sum = harness.chat.invoke_connection("c", "add", &(1, 2)).await.unwrap();
    assert_eq!(result.sum, 3);
    let kind = async |text: &str| {
        harness.service.next(On::Data, [Reaction::text(200, text)]);
        harness.chat.invoke_connection::<u8>("c", "add", &(1, 2)).await.map_err(|error| error.kind())
    };
    assert_eq!(kind(r#"{"result":7}"#).await, Ok(7));
    for text in
        ["", "{", "7", r#"{"result":"x"}"#, r#"{"protocol":"json"}"#, r#"{"result":7,"protocol":"messagepack"}"#]
    {
        assert_eq!(kind(text).await, Err(ErrorKind::InvalidAnswer), "{text}");
    }
    harness.service.next(On::Data, [Reaction::text(200, "{}")]);
    harness.chat.invoke_connection::<()>("c", "log", &("x",)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn pages_follow_the_token_and_never_the_link() {
    let harness = Harness::new();
    let page = |next: &str| {
        let value = json!([{ "connectionId": "c1" }, { "connectionId": "c2", "userId": "anna" }]);
        Reaction::text(200, &json!({ "value": value, "nextLink": next }).to_string())
    };
    harness
        .service
        .next(On::Data, [page("https://attacker.example/?continuationToken=a%2Fb"), Reaction::status(400), page("")]);
    let mut connections = harness.chat.group_connections("team").page_size(2);
    assert_eq!(connections.next_page().await.unwrap().unwrap()[1].user_id(), Some("anna"));
    assert_eq!(connections.next_page().await.unwrap_err().kind(), ErrorKind::Rejected);
    assert_eq!(connections.next_page().await.unwrap().unwrap().len(), 2);
    assert!(connections.next_page().await.unwrap().is_none());
    let urls: Vec<_> = harness.service.seen().into_iter().map(|seen| seen.url).collect();
    let first = format!("{ENDPOINT}/api/hubs/chat/groups/team/connections?api-version=2024-12-01&maxpagesize=2");
    let second = format!("{first}&continuationToken=a%2Fb");
    assert_eq!(urls, [first, second.clone(), second]);
}

#[tokio::test(start_paused = true)]
async fn pages_that_never_end_are_an_error() {
    let harness = Harness::new();
    harness.service.then(On::Data, Reaction::text(200, r#"{"value":[],"nextLink":"?continuationToken=x"}"#));
    let mut connections = harness.chat.group_connections("team");
    assert_eq!(connections.next_page().await.unwrap().unwrap(), []);
    assert_eq!(connections.next_page().await.unwrap_err().kind(), ErrorKind::InvalidAnswer);
}

#[tokio::test(start_paused = true)]
async fn health_asks_without_a_token() {
    let harness = Harness::new();
    assert!(harness.client.health().await[0].error().is_none());
    assert_eq!(harness.service.seen().pop().unwrap().method, Method::Head);
    harness.service.then(On::Health, Reaction::status(503));
    let health = harness.client.health().await;
    assert_eq!(health[0].error().unwrap().kind(), ErrorKind::Unavailable);
    assert!(!harness.client.status()[0].is_healthy());
    assert_eq!(harness.credential.asked(), 0);
}
