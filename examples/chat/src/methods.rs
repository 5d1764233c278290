//! What clients can call, and what the app tells them.

use axum::extract::State;
use serde_json::{Value, json};
use signalr_serverless::{Error, ErrorKind, HubClient, ServiceClient};
use signalr_upstream_auth::upstream::{Arguments, Context, Dispatcher, HandlerError, Reply};

type Service = State<ServiceClient>;
type Answer<T> = Result<T, HandlerError>;

pub(crate) fn dispatcher(service: ServiceClient) -> Dispatcher<ServiceClient> {
    Dispatcher::from_state(service)
        .connected("*", on_connected)
        .disconnected("*", on_disconnected)
        .message("*", "echo", echo)
        .message("*", "broadcast", broadcast)
        .message("*", "sendToUser", send_to_user)
        .message("*", "sendToGroup", send_to_group)
        .message("*", "joinGroup", join_group)
        .message("*", "leaveGroup", leave_group)
        .message("*", "whoAmI", who_am_i)
        .message("*", "isOnline", is_online)
        .message("*", "kick", kick)
        .message("*", "*", unknown_method)
}

/// The client stays connected even if the others do not hear of it; the error is logged.
async fn on_connected(State(service): Service, context: Context) -> Answer<()> {
    let others = hub(&service, &context)?.send_to_all("joined", &(context.user_id(),));
    let _ = others.excluded([context.connection_id()]).await.map_err(failed);
    Ok(())
}

async fn on_disconnected(State(service): Service, context: Context) -> Answer<()> {
    let _ = hub(&service, &context)?.send_to_all("left", &(context.user_id(),)).await.map_err(failed);
    Ok(())
}

async fn echo(Arguments((value,)): Arguments<(Value,)>) -> Reply<Value> {
    Reply(value)
}

async fn broadcast(State(service): Service, context: Context, Arguments((text,)): Arguments<(String,)>) -> Answer<()> {
    hub(&service, &context)?.send_to_all(NEW_MESSAGE, &(context.user_id(), text)).await.map_err(failed)
}

async fn send_to_user(
    State(service): Service,
    context: Context,
    Arguments((user, text)): Arguments<(String, String)>,
) -> Answer<()> {
    let message = (context.user_id(), text);
    hub(&service, &context)?.send_to_user(&user, NEW_MESSAGE, &message).await.map_err(failed)
}

async fn send_to_group(
    State(service): Service,
    context: Context,
    Arguments((group, text)): Arguments<(String, String)>,
) -> Answer<()> {
    let send = hub(&service, &context)?.send_to_group(&group, NEW_MESSAGE, &(context.user_id(), text));
    send.excluded([context.connection_id()]).await.map_err(failed)
}

async fn join_group(
    State(service): Service,
    context: Context,
    Arguments((group,)): Arguments<(String,)>,
) -> Answer<()> {
    hub(&service, &context)?.add_connection_to_group(context.connection_id(), &group).await.map_err(failed)
}

async fn leave_group(
    State(service): Service,
    context: Context,
    Arguments((group,)): Arguments<(String,)>,
) -> Answer<()> {
    hub(&service, &context)?.remove_connection_from_group(context.connection_id(), &group).await.map_err(failed)
}

async fn who_am_i(context: Context) -> Reply<Value> {
    Reply(json!({"user": context.user_id(), "connectionId": context.connection_id()}))
}

async fn is_online(
    State(service): Service,
    context: Context,
    Arguments((user,)): Arguments<(String,)>,
) -> Answer<Reply<bool>> {
    hub(&service, &context)?.user_exists(&user).await.map(Reply).map_err(failed)
}

/// In this example everybody may. An app of your own asks who calls: the user, and the claims of `negotiate`.
async fn kick(State(service): Service, context: Context, Arguments((user,)): Arguments<(String,)>) -> Answer<()> {
    hub(&service, &context)?.close_user_connections(&user).await.map_err(failed)
}

async fn unknown_method() -> HandlerError {
    HandlerError::new("There is no such method")
}

/// The hub of a call. Any hub of the resource is served.
fn hub(service: &ServiceClient, context: &Context) -> Answer<HubClient> {
    service.hub(context.hub()).map_err(failed)
}

/// Logs the cause for the operator. The client reads a plain sentence.
fn failed(error: Error) -> HandlerError {
    tracing::warn!(error = &error as &(dyn std::error::Error + 'static), "a call to the service failed");
    HandlerError::new(match error.kind() {
        ErrorKind::InvalidId => "The name of the user or group is not valid",
        ErrorKind::BodyTooLarge => "The message is too long",
        ErrorKind::NotFound if error.service_code().is_some() => "The connection does not exist any more",
        ErrorKind::RoleMissing { role } => return HandlerError::new(format!("The app lacks the role \"{role}\"")),
        _ if error.may_be_delivered() => "The service did not confirm it; others may have received it",
        _ => "Azure SignalR Service is not available now, try again later",
    })
}

const NEW_MESSAGE: &str = "newMessage";
