//! Every operation, as the emulator takes it: method, raw path, role.

use std::time::Duration;

use futures_util::future::BoxFuture;
use http::Method;
use serde_json::{Value, json};
use signalr_emulator::{Emulator, Operation, Received, Role};
use signalr_serverless::{ClientTokens, ErrorKind, HubClient, NegotiateOptions, Payload, Result};

use super::{grant, service, settle};

/// An id that must not change the path.
const ID: &str = "a/../b c?#%";
const ENCODED: &str = "a%2F..%2Fb%20c%3F%23%25";
const ARGUMENTS: &(&str, &str) = &("anna", "hello");

struct Case {
    operation: Operation,
    method: Method,
    target: &'static str,
    role: Role,
    act: fn(HubClient, String) -> BoxFuture<'static, Result<()>>,
}

/// `ID` stands for the encoded user and group, `CONN` for the connection, `V` for the version.
fn cases() -> Vec<Case> {
    macro_rules! case {
        ($operation:ident, $method:ident $target:literal, $role:ident, |$chat:ident, $connection:pat_param| $act:expr) => {
            Case {
                operation: Operation::$operation,
                method: Method::$method,
                target: $target,
                role: Role::$role,
                act: |$chat, $connection| Box::pin(async move { $act.await }),
            }
        };
    }
    vec![
        case!(Broadcast, POST ":send?V&excluded=c%261", RestApiOwner, |chat, _| chat
            .send_to_all("m", ARGUMENTS)
            .excluded(["c&1"])),
        case!(Broadcast, POST ":send?V", RestApiOwner, |chat, _| chat
            .send_to_all("m", Payload::both(ARGUMENTS))),
        case!(SendToUser, POST "users/ID/:send?V", RestApiOwner, |chat, _| chat.send_to_user(ID, "m", ARGUMENTS)),
        case!(SendToGroup, POST "groups/ID/:send?V", RestApiOwner, |chat, _| chat
            .send_to_group(ID, "m", ARGUMENTS)),
        case!(SendToConnection, POST "connections/CONN/:send?V", RestApiOwner, |chat, connection| chat
            .send_to_connection(&connection, "m", ARGUMENTS)),
        case!(ConnectionExists, HEAD "connections/CONN?V", RestApiReader, |chat, connection| found(
            chat.connection_exists(&connection)
        )),
        case!(UserExists, HEAD "users/ID?V", RestApiReader, |chat, _| found(chat.user_exists(ID))),
        case!(GroupExists, HEAD "groups/ID?V", RestApiReader, |chat, _| found(chat.group_exists(ID))),
        case!(UserInGroup, HEAD "users/ID/groups/g?V", RestApiReader, |chat, _| found(chat.user_in_group(ID, "g"))),
        case!(ListGroupConnections, GET "groups/ID/connections?V&maxpagesize=200", RestApiReader, |chat, connection| {
            async move {
                let page = chat.group_connections(ID).next_page().await?.unwrap_or_default();
                assert_eq!(page.iter().map(|one| one.connection_id()).collect::<Vec<_>>(), [connection]);
                Ok(())
            }
        }),
        case!(AddUserToGroup, PUT "users/ID/groups/g?V&ttl=2", RestApiOwner, |chat, _| chat
            .add_user_to_group(ID, "g")
            .ttl(Duration::from_secs(2))),
        case!(RemoveUserFromGroup, DELETE "users/ID/groups/g?V", RestApiOwner, |chat, _| chat
            .remove_user_from_group(ID, "g")),
        case!(RemoveUserFromAllGroups, DELETE "users/ID/groups?V", RestApiOwner, |chat, _| chat
            .remove_user_from_all_groups(ID)),
        case!(AddConnectionToGroup, PUT "groups/ID/connections/CONN?V", RestApiOwner, |chat, connection| chat
            .add_connection_to_group(&connection, ID)),
        case!(RemoveConnectionFromGroup, DELETE "groups/ID/connections/CONN?V", RestApiOwner, |chat, connection| chat
            .remove_connection_from_group(&connection, ID)),
        case!(RemoveConnectionFromAllGroups, DELETE "connections/CONN/groups?V", RestApiOwner, |chat, connection| chat
            .remove_connection_from_all_groups(&connection)),
        case!(CloseConnection, DELETE "connections/CONN?V&reason=bye", RestApiOwner, |chat, connection| chat
            .close_connection(&connection)
            .reason("bye")),
        case!(CloseAllConnections, POST ":closeConnections?V&reason=bye%20all", RestApiOwner, |chat, _| chat
            .close_all_connections()
            .reason("bye all")),
        case!(CloseGroupConnections, POST "groups/ID/:closeConnections?V", RestApiOwner, |chat, _| chat
            .close_group_connections(ID)),
        case!(CloseUserConnections, POST "users/ID/:closeConnections?V&excluded=c1", RestApiOwner, |chat, _| chat
            .close_user_connections(ID)
            .excluded(["c1"])),
    ]
}

async fn found(answer: impl Future<Output = Result<bool>>) -> Result<()> {
    answer.await.map(|exists| assert!(exists))
}

fn missing_role(error: &signalr_serverless::Error) -> &'static str {
    match error.kind() {
        ErrorKind::RoleMissing { role } => role.name(),
        kind => panic!("{kind:?}: {error}"),
    }
}

#[tokio::test]
async fn each_operation_passes_with_its_role_alone() {
    let emulator = Emulator::start().await.unwrap();
    let chat = service(&emulator, ClientTokens::TemporaryKey).hub("Chat").unwrap();
    for Case { operation, method, target, role, act } in cases() {
        let client = emulator.attach_client("chat", Some(ID));
        let connection = client.connection_id().to_owned();
        grant(&emulator, Some(Role::ServiceOwner));
        chat.add_connection_to_group(&connection, ID).await.unwrap();
        chat.add_user_to_group(ID, "g").await.unwrap();

        grant(&emulator, None);
        let error = act(chat.clone(), connection.clone()).await.unwrap_err();
        assert_eq!(missing_role(&error), role.name(), "{operation:?}");
        let rejected = emulator.log().last().unwrap();
        assert_eq!((rejected.operation, rejected.status, rejected.processed), (operation, Some(403), false));

        grant(&emulator, Some(role));
        act(chat.clone(), connection.clone()).await.unwrap();
        let taken = emulator.log().last().unwrap();
        let target = target.replace('V', "api-version=2024-12-01").replace("ID", ENCODED).replace("CONN", &connection);
        assert_eq!(taken.target, format!("/api/hubs/chat/{target}"), "{operation:?}");
        assert_eq!((taken.operation, &taken.method, taken.processed), (operation, &method, true));
        assert!(taken.status.is_some_and(|status| status < 300), "{taken:?}");
    }
}

#[tokio::test]
async fn invoke_returns_what_the_client_answers() {
    let emulator = Emulator::start().await.unwrap();
    let chat = service(&emulator, ClientTokens::TemporaryKey).hub("chat").unwrap();
    let mut client = emulator.attach_client("chat", Some("anna"));
    let connection = client.connection_id().to_owned();
    grant(&emulator, None);
    let error = chat.invoke_connection::<u8>(&connection, "add", &(1, 2)).await.unwrap_err();
    assert_eq!(missing_role(&error), Role::RestApiOwner.name());

    grant(&emulator, Some(Role::RestApiOwner));
    let answering = async {
        let Some(Received::Message(message)) = client.next().await else { panic!("there is a message") };
        assert_eq!((&message["target"], &message["arguments"]), (&json!("add"), &json!([1, 2])));
        client.answer(message["invocationId"].as_str().unwrap(), Ok(json!({"sum": 3})));
    };
    let (result, ()) = tokio::join!(chat.invoke_connection::<Value>(&connection, "add", &(1, 2)), answering);
    assert_eq!(result.unwrap(), json!({"sum": 3}));
    let taken = emulator.log().last().unwrap();
    let target = format!("/api/hubs/chat/connections/{connection}/:invoke?api-version=2024-12-01");
    assert_eq!((taken.operation, taken.target), (Operation::InvokeConnection, target));
}

#[tokio::test]
async fn negotiation_passes_with_the_role_of_its_tokens() {
    for (client_tokens, role, operation, target) in [
        (ClientTokens::TemporaryKey, Role::AppServer, Operation::AccessKey, "/api/v1/auth/accessKey"),
        (
            ClientTokens::Service,
            Role::RestApiOwner,
            Operation::GenerateToken,
            "/api/hubs/chat/:generateToken?api-version=2024-12-01&userId=anna%26bob&minutesToExpire=60",
        ),
    ] {
        let emulator = Emulator::start().await.unwrap();
        let negotiate = async || {
            let service = service(&emulator, client_tokens);
            settle(&service).await;
            let chat = service.hub("chat").unwrap();
            chat.negotiate(NegotiateOptions::default().user_id("anna&bob")).await
        };
        grant(&emulator, None);
        assert_eq!(missing_role(&negotiate().await.unwrap_err()), role.name());
        grant(&emulator, Some(role));
        negotiate().await.unwrap();
        let taken = emulator.log().of(operation);
        assert_eq!(taken.last().unwrap().target, target);
        assert_eq!(taken.iter().map(|one| one.processed).collect::<Vec<_>>(), [false, true]);
    }
}

#[tokio::test]
async fn health_needs_no_token() {
    let emulator = Emulator::start().await.unwrap();
    let health = service(&emulator, ClientTokens::TemporaryKey).health().await;
    assert!(health[0].error().is_none(), "{health:?}");
    let taken = emulator.log().last().unwrap();
    assert_eq!((taken.operation, taken.method, taken.caller.is_none()), (Operation::Health, Method::HEAD, true));
}
