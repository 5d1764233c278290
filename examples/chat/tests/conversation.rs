//! The methods and events of the chat, as clients of the emulator see them.

mod support;

use serde_json::{Value, json};
use signalr_emulator::{Fault, Operation};
use support::{Chat, Client};

fn event(target: &str, arguments: Value) -> (String, Value) {
    (target.to_owned(), arguments)
}

/// Two clients who know of each other.
async fn anna_and_bob(chat: &Chat) -> (Client, Client) {
    let mut anna = chat.connect("chat", "anna").await;
    // The service tells the chat of anna before it takes her calls.
    anna.invoke("echo", json!([0])).await.unwrap();
    let bob = chat.connect("chat", "bob").await;
    assert_eq!(anna.event().await, Some(event("joined", json!(["bob"]))));
    (anna, bob)
}

#[tokio::test]
async fn others_hear_who_joins_and_leaves() {
    let chat = Chat::start().await;
    let (mut anna, mut bob) = anna_and_bob(&chat).await;
    assert!(bob.events_so_far().await.is_empty());
    bob.close().await;
    assert_eq!(anna.event().await, Some(event("left", json!(["bob"]))));
}

#[tokio::test]
async fn methods_return_results() {
    let chat = Chat::start().await;
    let (mut anna, mut bob) = anna_and_bob(&chat).await;
    let value = json!({"text": "hällo", "list": [1, null]});
    assert_eq!(anna.invoke("echo", json!([value])).await, Ok(value));
    let me = anna.invoke("whoAmI", json!([])).await.unwrap();
    assert_eq!(me["user"], "anna");
    assert_ne!(me["connectionId"], bob.invoke("whoAmI", json!([])).await.unwrap()["connectionId"]);
    assert_eq!(anna.invoke("isOnline", json!(["bob"])).await, Ok(json!(true)));
    assert_eq!(anna.invoke("isOnline", json!(["nobody"])).await, Ok(json!(false)));
    assert_eq!(anna.invoke("missing", json!([])).await, Err("There is no such method".to_owned()));

    anna.invoke("joinGroup", json!(["g"])).await.unwrap();
    let join = chat.emulator.log().of(Operation::AddConnectionToGroup);
    assert!(join[0].target.contains(me["connectionId"].as_str().unwrap()), "{}", join[0].target);
}

#[tokio::test]
async fn messages_reach_whom_they_are_for() {
    let chat = Chat::start().await;
    let (mut anna, mut bob) = anna_and_bob(&chat).await;
    let mut elsewhere = chat.connect("other", "bob").await;

    anna.invoke("broadcast", json!(["to all"])).await.unwrap();
    let to_all = event("newMessage", json!(["anna", "to all"]));
    assert_eq!(anna.events_so_far().await, std::slice::from_ref(&to_all));
    assert_eq!(bob.events_so_far().await, [to_all]);

    anna.invoke("sendToUser", json!(["bob", "to bob"])).await.unwrap();
    assert!(anna.events_so_far().await.is_empty());
    assert_eq!(bob.events_so_far().await, [event("newMessage", json!(["anna", "to bob"]))]);
    assert!(elsewhere.events_so_far().await.is_empty());
}

#[tokio::test]
async fn group_message_leaves_the_sender_out() {
    let chat = Chat::start().await;
    let (mut anna, mut bob) = anna_and_bob(&chat).await;
    for client in [&mut anna, &mut bob] {
        client.invoke("joinGroup", json!(["a/b ü"])).await.unwrap();
    }
    bob.invoke("sendToGroup", json!(["a/b ü", "first"])).await.unwrap();
    assert_eq!(anna.events_so_far().await, [event("newMessage", json!(["bob", "first"]))]);
    assert!(bob.events_so_far().await.is_empty());

    anna.invoke("leaveGroup", json!(["a/b ü"])).await.unwrap();
    bob.invoke("sendToGroup", json!(["a/b ü", "second"])).await.unwrap();
    assert!(anna.events_so_far().await.is_empty());
}

#[tokio::test]
async fn kick_closes_every_connection_of_the_user() {
    let chat = Chat::start().await;
    let (mut anna, mut bob) = anna_and_bob(&chat).await;
    let mut second = chat.connect("chat", "bob").await;
    assert_eq!(anna.event().await, Some(event("joined", json!(["bob"]))));
    assert_eq!(bob.event().await, Some(event("joined", json!(["bob"]))));
    anna.invoke("kick", json!(["bob"])).await.unwrap();
    for _ in 0..2 {
        assert_eq!(anna.event().await, Some(event("left", json!(["bob"]))));
    }
    assert_eq!(anna.invoke("isOnline", json!(["bob"])).await, Ok(json!(false)));
    for client in [&mut bob, &mut second] {
        // `left` of the other one may come first.
        while client.event().await.is_some() {}
    }
}

#[tokio::test]
async fn failed_send_is_an_error_completion_with_a_plain_sentence() {
    let chat = Chat::start().await;
    let (mut anna, _bob) = anna_and_bob(&chat).await;
    let mut fails = async |target: &str, arguments: Value| anna.invoke(target, arguments).await.unwrap_err();

    let invalid = fails("sendToUser", json!(["..", "x"])).await;
    assert_eq!(invalid, "The name of the user or group is not valid");
    assert_eq!(fails("broadcast", json!([7])).await, "The arguments do not fit the method");
    let long = "x".repeat(1024 * 1024);
    assert_eq!(fails("broadcast", json!([long])).await, "The message is too long");

    chat.emulator.faults().next(Operation::Broadcast, Fault::answer(500, "text/plain", "a secret"));
    let unconfirmed = fails("broadcast", json!(["x"])).await;
    assert_eq!(unconfirmed, "The service did not confirm it; others may have received it");
    assert_eq!(chat.emulator.log().count(Operation::Broadcast), 1 + 2, "a message is sent once, after two `joined`");

    chat.remove_roles();
    let role = fails("broadcast", json!(["x"])).await;
    assert_eq!(role, "The app lacks the role \"SignalR REST API Owner\"");
}

#[tokio::test]
async fn client_stays_when_nobody_hears_of_it() {
    let chat = Chat::start().await;
    chat.emulator.faults().stand(Operation::Broadcast, Fault::status(500));
    let mut anna = chat.connect("chat", "anna").await;
    assert_eq!(anna.invoke("echo", json!(["here"])).await, Ok(json!("here")));
    assert_eq!(chat.emulator.log().count(Operation::Broadcast), 1);
}
