//! Every operation of the REST API, and what each rejects.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use http::{Method, StatusCode};
use serde_json::{Value, json};
use signalr_emulator::{AttachedClient, Emulator, Received};
use support::{Ask, Reply, owner};

async fn emulator() -> Emulator {
    Emulator::start().await.unwrap()
}

fn message(target: &str, argument: &str) -> Received {
    Received::Message(json!({"type": 1, "target": target, "arguments": [argument]}))
}

async fn send(emulator: &Emulator, path: &str) -> Reply {
    owner(emulator, Method::POST, path).json(json!({"target": "news", "arguments": ["hi"]})).send(emulator).await
}

async fn status(emulator: &Emulator, method: Method, path: &str) -> StatusCode {
    owner(emulator, method, path).send(emulator).await.status
}

/// The ids of those clients that got the message.
fn reached<'a>(clients: impl IntoIterator<Item = &'a mut AttachedClient>) -> Vec<usize> {
    let got = |client: &mut AttachedClient| client.try_next() == Some(message("news", "hi"));
    clients.into_iter().enumerate().filter_map(|(number, client)| got(client).then_some(number)).collect()
}

#[tokio::test]
async fn sends_reach_whom_they_are_for() {
    let emulator = emulator().await;
    let mut clients = [("chat", "anna"), ("chat", "bob"), ("chat", "anna"), ("other", "anna")]
        .map(|(hub, user)| emulator.attach_client(hub, Some(user)));
    let ids: Vec<_> = clients.iter().map(|client| client.connection_id().to_owned()).collect();
    let join = format!("/api/hubs/chat/groups/room%201/connections/{}", ids[1]);
    assert_eq!(status(&emulator, Method::PUT, &join).await, 200);

    for (path, expected) in [
        ("/api/hubs/chat/:send".to_owned(), vec![0, 1, 2]),
        ("/api/hubs/Chat/:send".to_owned(), vec![0, 1, 2]),
        (format!("/api/hubs/chat/:send?excluded={}&excluded={}", ids[0], ids[1]), vec![2]),
        ("/api/hubs/chat/users/anna/:send".to_owned(), vec![0, 2]),
        ("/api/hubs/chat/users/nobody/:send".to_owned(), vec![]),
        ("/api/hubs/chat/groups/room%201/:send".to_owned(), vec![1]),
        (format!("/api/hubs/chat/groups/room%201/:send?excluded={}", ids[1]), vec![]),
        (format!("/api/hubs/chat/connections/{}/:send", ids[2]), vec![2]),
        ("/api/hubs/chat/connections/none/:send".to_owned(), vec![]),
        ("/api/v1/hubs/chat".to_owned(), vec![0, 1, 2]),
        ("/api/v1/hubs/chat/users/bob".to_owned(), vec![1]),
        ("/api/v1/hubs/chat/groups/room%201".to_owned(), vec![1]),
        (format!("/api/v1/hubs/chat/connections/{}", ids[0]), vec![0]),
    ] {
        let reply = send(&emulator, &path).await;
        assert_eq!((reply.status, reply.body.len()), (StatusCode::ACCEPTED, 0), "{path}");
        assert_eq!(reached(&mut clients), expected, "{path}");
        let logged = emulator.log().last().unwrap();
        let delivered: Vec<_> = expected.iter().map(|number| ids[*number].clone()).collect();
        let mut sorted = (logged.delivered_to.to_vec(), delivered);
        sorted.0.sort();
        sorted.1.sort();
        assert_eq!(sorted.0, sorted.1, "{path}");
        assert!(logged.processed, "{path}");
        assert_eq!(logged.body, r#"{"arguments":["hi"],"target":"news"}"#, "{path}");
    }
}

#[tokio::test]
async fn an_application_has_hubs_of_its_own() {
    let emulator = emulator().await;
    let mut plain = emulator.attach_client("chat", None);
    let mut prefixed = emulator.attach_client("shop_chat", None);
    send(&emulator, "/api/hubs/chat/:send?application=Shop").await;
    assert_eq!((prefixed.try_next(), plain.try_next()), (Some(message("news", "hi")), None));
}

#[tokio::test]
async fn bodies_come_in_three_media_types() {
    let emulator = emulator().await;
    let mut client = emulator.attach_client("chat", None);
    let path = "/api/hubs/chat/:send";
    let pack = b"\x82\xa6target\xa4news\xa9arguments\x91\xa2hi";
    let ready = [&b"\x81\xa4json\xc4\x2e"[..], br#"{"type":1,"target":"news","arguments":["hi"]}"#, b"\x1e"].concat();
    for (content_type, body) in [
        ("application/json; charset=utf-8", br#"{"Target":"news","Arguments":["hi"]}"#.to_vec()),
        ("application/x-msgpack", pack.to_vec()),
        ("application/octet-stream", ready),
    ] {
        let reply = owner(&emulator, Method::POST, path).content(content_type, body).send(&emulator).await;
        assert_eq!(reply.status, 202, "{content_type}");
        assert_eq!(client.try_next(), Some(message("news", "hi")), "{content_type}");
    }
    let nested = format!(r#"{{"target":"news","arguments":[{}1{}]}}"#, "[".repeat(200), "]".repeat(200));
    for (content_type, body, expected) in [
        ("text/plain", "x", 415),
        ("application/json", "x", 400),
        ("application/json", r#"{"target":"news","arguments":["\ud800"]}"#, 400),
        ("application/json", r#"{"target":"news","arguments":[1e999]}"#, 400),
        ("application/json", &nested, 400),
        ("application/json", r#"{"arguments":[]}"#, 400),
        ("application/json", r#"{"target":"a","arguments":1}"#, 400),
        ("application/x-msgpack", "x", 400),
        ("application/octet-stream", "x", 400),
    ] {
        let reply = owner(&emulator, Method::POST, path).content(content_type, body.to_owned()).send(&emulator).await;
        assert_eq!(reply.status, expected, "{content_type} {body}");
        assert!(reply.json().get("message").is_some_and(Value::is_string), "{content_type} {body}");
    }
    assert_eq!(client.try_next(), None);
}

#[tokio::test]
async fn bodies_over_a_mebibyte_are_rejected() {
    let emulator = emulator().await;
    let mut client = emulator.attach_client("chat", None);
    let body = |length: usize| format!(r#"{{"target":"a","arguments":["{}"]}}"#, "x".repeat(length - 31));
    for (length, expected) in [(1024 * 1024, 202), (1024 * 1024 + 1, 413)] {
        let body = body(length);
        assert_eq!(body.len(), length);
        let request = owner(&emulator, Method::POST, "/api/hubs/chat/:send").content("application/json", body);
        assert_eq!(request.send(&emulator).await.status, expected);
    }
    assert!(emulator.log().last().unwrap().rejection.is_some());
    assert!(client.try_next().is_some() && client.try_next().is_none());
}

#[tokio::test]
async fn existence_is_told_by_status_and_code() {
    let emulator = emulator().await;
    let client = emulator.attach_client("chat", Some("anna"));
    let id = client.connection_id();
    let connection = format!("/api/hubs/chat/connections/{id}");
    for (path, code) in [
        (connection.as_str(), "Warning.Connection.NotExisted"),
        ("/api/hubs/chat/users/anna", "Warning.User.NotExisted"),
        ("/api/hubs/chat/groups/room", "Warning.Group.NotExisted"),
        ("/api/hubs/chat/users/anna/groups/room", "Info.User.NotInGroup"),
    ] {
        let missing = path.replace(id, "none").replace("anna", "bob").replace("groups/room", "groups/empty");
        let reply = owner(&emulator, Method::HEAD, &missing).send(&emulator).await;
        assert_eq!((reply.status, reply.error_code()), (StatusCode::NOT_FOUND, Some(code)), "{missing}");
    }
    assert_eq!(status(&emulator, Method::PUT, "/api/hubs/chat/users/anna/groups/room").await, 200);
    for path in [
        &connection,
        "/api/hubs/chat/users/anna",
        "/api/hubs/chat/groups/room",
        "/api/hubs/chat/users/anna/groups/room",
    ] {
        for method in [Method::HEAD, Method::GET] {
            assert_eq!(status(&emulator, method, path).await, 200, "{path}");
        }
    }
    let nowhere = owner(&emulator, Method::HEAD, "/api/hub/chat/users/anna").send(&emulator).await;
    assert_eq!((nowhere.status, nowhere.error_code()), (StatusCode::NOT_FOUND, None));
}

#[tokio::test]
async fn users_join_and_leave_groups_with_all_their_connections() {
    let emulator = emulator().await;
    let mut first = emulator.attach_client("chat", Some("anna"));
    let group = "/api/hubs/chat/groups/room/:send";
    let member = "/api/hubs/chat/users/anna/groups/room";

    assert_eq!(status(&emulator, Method::PUT, &format!("{member}?ttl=60")).await, 200);
    let mut later = emulator.attach_client("chat", Some("anna"));
    send(&emulator, group).await;
    assert_eq!(reached([&mut first, &mut later]), [0, 1]);

    emulator.clock().advance(std::time::Duration::from_secs(61));
    let mut too_late = emulator.attach_client("chat", Some("anna"));
    send(&emulator, group).await;
    assert_eq!(reached([&mut first, &mut later, &mut too_late]), [0, 1]);

    assert_eq!(status(&emulator, Method::DELETE, member).await, 204);
    send(&emulator, group).await;
    assert_eq!(reached([&mut first, &mut later]), [0; 0]);

    assert_eq!(status(&emulator, Method::PUT, &format!("{member}?ttl=0")).await, 200);
    let mut new = emulator.attach_client("chat", Some("anna"));
    send(&emulator, group).await;
    assert_eq!(reached([&mut first, &mut new]), [0]);

    assert_eq!(status(&emulator, Method::DELETE, "/api/hubs/chat/users/anna/groups").await, 204);
    assert_eq!(status(&emulator, Method::HEAD, "/api/hubs/chat/groups/room").await, 404);
    assert_eq!(status(&emulator, Method::PUT, &format!("{member}?ttl=-1")).await, 400);
}

#[tokio::test]
async fn connections_join_and_leave_groups() {
    let emulator = emulator().await;
    let client = emulator.attach_client("chat", None);
    let id = client.connection_id();
    let of_group = |group: &str, id: &str| format!("/api/hubs/chat/groups/{group}/connections/{id}");
    let missing = owner(&emulator, Method::PUT, &of_group("a", "none")).send(&emulator).await;
    assert_eq!((missing.status, missing.error_code()), (StatusCode::NOT_FOUND, Some("Error.Connection.NotExisted")));
    for group in ["a", "b", "c"] {
        assert_eq!(status(&emulator, Method::PUT, &of_group(group, id)).await, 200);
    }
    assert_eq!(status(&emulator, Method::DELETE, &of_group("a", id)).await, 200);
    assert_eq!(status(&emulator, Method::HEAD, "/api/hubs/chat/groups/a").await, 404);
    assert_eq!(status(&emulator, Method::HEAD, "/api/hubs/chat/groups/b").await, 200);
    assert_eq!(status(&emulator, Method::DELETE, &format!("/api/hubs/chat/connections/{id}/groups")).await, 200);
    assert_eq!(status(&emulator, Method::HEAD, "/api/hubs/chat/groups/c").await, 404);
    assert_eq!(status(&emulator, Method::PUT, &of_group("%20", id)).await, 400);
}

#[tokio::test]
async fn closing_says_why() {
    let emulator = emulator().await;
    for (path, users, expected) in [
        ("/api/hubs/chat/:closeConnections?reason=bye", ["anna", "bob"], [true, true]),
        ("/api/hubs/chat/users/anna/:closeConnections?reason=bye", ["anna", "bob"], [true, false]),
        ("/api/hubs/chat/groups/room/:closeConnections?reason=bye", ["anna", "bob"], [false, true]),
    ] {
        let mut clients = users.map(|user| emulator.attach_client("chat", Some(user)));
        assert_eq!(status(&emulator, Method::PUT, "/api/hubs/chat/users/bob/groups/room?ttl=0").await, 200);
        assert_eq!(status(&emulator, Method::POST, path).await, 204, "{path}");
        let seen: Vec<_> = clients.iter_mut().map(|client| client.try_next().is_some()).collect();
        assert_eq!(seen, expected, "{path}");
    }

    let mut client = emulator.attach_client("chat", None);
    let path = format!("/api/hubs/chat/connections/{}", client.connection_id());
    assert_eq!(status(&emulator, Method::DELETE, &format!("{path}?reason=a%20b")).await, 200);
    let Some(Received::Closed { error, .. }) = client.try_next() else { panic!("not closed") };
    assert_eq!(error.as_deref(), Some("a b"));
    let gone = owner(&emulator, Method::DELETE, &path).send(&emulator).await;
    assert_eq!((gone.status, gone.error_code()), (StatusCode::NOT_FOUND, Some("Warning.Connection.NotExisted")));

    let kept = emulator.attach_client("chat", None);
    let mut other = emulator.attach_client("chat", None);
    let path = format!("/api/hubs/chat/:closeConnections?excluded={}", kept.connection_id());
    assert_eq!(status(&emulator, Method::POST, &path).await, 204);
    assert!(matches!(other.try_next(), Some(Received::Closed { error: None, .. })));
    assert_eq!(emulator.log().last().unwrap().delivered_to[..], [other.connection_id()]);
}

#[tokio::test]
async fn groups_are_listed_in_pages() {
    let emulator = emulator().await;
    let clients: Vec<_> = (0..5).map(|_| emulator.attach_client("chat", Some("anna"))).collect();
    assert_eq!(status(&emulator, Method::PUT, "/api/hubs/chat/users/anna/groups/room%2F1").await, 200);
    let anonymous = emulator.attach_client("chat", None);
    let join = format!("/api/hubs/chat/groups/room%2F1/connections/{}", anonymous.connection_id());
    assert_eq!(status(&emulator, Method::PUT, &join).await, 200);

    let mut ids = Vec::new();
    let mut users = 0;
    let mut next = owner(&emulator, Method::GET, "/api/hubs/chat/groups/room%2F1/connections?maxpagesize=2");
    for page in 0.. {
        let body = next.send(&emulator).await.json();
        for entry in body["value"].as_array().unwrap() {
            ids.push(entry["connectionId"].as_str().unwrap().to_owned());
            users += usize::from(entry.get("userId").is_some_and(|user| user == "anna"));
        }
        let Some(link) = body.get("nextLink") else {
            assert_eq!(page, 2);
            break;
        };
        let target = link.as_str().unwrap().strip_prefix(emulator.endpoint()).unwrap().to_owned();
        next = Ask { target, ..owner(&emulator, Method::GET, "/") };
    }
    let mut expected: Vec<_> = clients.iter().map(|client| client.connection_id().to_owned()).collect();
    expected.push(anonymous.connection_id().to_owned());
    expected.sort();
    assert_eq!((ids, users), (expected, 5));

    let top = "/api/hubs/chat/groups/room%2F1/connections?top=3";
    let body = owner(&emulator, Method::GET, top).send(&emulator).await.json();
    assert_eq!((body["value"].as_array().unwrap().len(), body.get("nextLink")), (3, None));
    for query in ["maxpagesize=0", "maxpagesize=201", "top=0", "top=x"] {
        let path = format!("/api/hubs/chat/groups/room%2F1/connections?{query}");
        assert_eq!(status(&emulator, Method::GET, &path).await, 400, "{query}");
    }
}

#[tokio::test]
async fn invocations_return_what_the_client_answers() {
    let emulator = emulator().await;
    for (answer, expected_status, expected) in [
        (Ok(json!({"a": [1, null]})), 200, json!({"result": {"a": [1, null]}})),
        (Err("no".to_owned()), 400, json!("no")),
    ] {
        let mut client = emulator.attach_client("chat", None);
        let path = format!("/api/hubs/chat/connections/{}/:invoke", client.connection_id());
        let request = owner(&emulator, Method::POST, &path).json(json!({"target": "ask", "arguments": [7]}));
        let answering = async {
            let Some(Received::Message(message)) = client.next().await else { panic!("no invocation") };
            assert_eq!((&message["target"], &message["arguments"]), (&json!("ask"), &json!([7])));
            client.answer(message["invocationId"].as_str().unwrap(), answer);
        };
        let (reply, ()) = tokio::join!(request.send(&emulator), answering);
        assert_eq!(reply.status, expected_status);
        let body = reply.json();
        assert_eq!(if reply.status == 200 { &body } else { &body["message"] }, &expected);
    }
    let missing =
        owner(&emulator, Method::POST, "/api/hubs/chat/connections/none/:invoke").json(json!({"target": "a"}));
    let missing = missing.send(&emulator).await;
    assert_eq!((missing.status, missing.error_code()), (StatusCode::NOT_FOUND, Some("Warning.Connection.NotExisted")));
}

#[tokio::test]
async fn an_invocation_ends_with_its_connection() {
    let emulator = emulator().await;
    let client = emulator.attach_client("chat", None);
    let path = format!("/api/hubs/chat/connections/{}/:invoke", client.connection_id());
    let request = owner(&emulator, Method::POST, &path).json(json!({"target": "ask"}));
    let leaving = async {
        let mut client = client;
        client.next().await.unwrap();
        drop(client);
    };
    let (reply, ()) = tokio::join!(request.send(&emulator), leaving);
    assert_eq!(reply.error_code(), Some("Warning.Connection.NotExisted"));
}

#[tokio::test]
async fn streams_deliver_items_and_their_end() {
    let emulator = emulator().await;
    let mut client = emulator.attach_client("chat", None);
    let stream = format!("/api/hubs/chat/connections/{}/streams/s1", client.connection_id());
    for (path, body, expected) in [
        (format!("{stream}/:send"), json!(7), vec![json!({"type": 2, "invocationId": "s1", "item": 7})]),
        (
            format!("{stream}/:send?completed=true"),
            json!("x"),
            vec![json!({"type": 2, "invocationId": "s1", "item": "x"}), json!({"type": 3, "invocationId": "s1"})],
        ),
        (format!("{stream}/:complete"), json!(null), vec![json!({"type": 3, "invocationId": "s1"})]),
        (
            format!("{stream}/:complete?reason=no"),
            json!(null),
            vec![json!({"type": 3, "invocationId": "s1", "error": "no"})],
        ),
    ] {
        assert_eq!(owner(&emulator, Method::POST, &path).json(body).send(&emulator).await.status, 202, "{path}");
        for message in expected {
            assert_eq!(client.try_next(), Some(Received::Message(message)), "{path}");
        }
    }
    let long = format!("/api/hubs/chat/connections/x/streams/{}/:complete", "s".repeat(101));
    assert_eq!(status(&emulator, Method::POST, &long).await, 400);
}

#[tokio::test]
async fn transactions_run_on_the_connections_that_the_filter_chooses() {
    let emulator = emulator().await;
    let mut anna = emulator.attach_client("chat", Some("anna"));
    let mut bob = emulator.attach_client("chat", Some("bob"));
    let commands = json!([
        {"type": "JoinGroup", "group": "room"},
        {"type": "SendMessage", "target": "news", "arguments": ["hi"]},
        {"type": "CloseConnection", "reason": "bye"},
    ]);
    let path = "/api/hubs/chat/:execute?filter=startswith(userId,%27an%27)";
    let reply = owner(&emulator, Method::POST, path).json(commands).send(&emulator).await;
    assert_eq!(reply.status, 202);
    assert_eq!(anna.try_next(), Some(message("news", "hi")));
    assert_eq!(status(&emulator, Method::HEAD, "/api/hubs/chat/users/anna/groups/room").await, 200);
    assert!(matches!(anna.try_next(), Some(Received::Closed { .. })));
    assert_eq!(bob.try_next(), None);

    for (path, body) in [
        ("/api/hubs/chat/:execute?filter=x", json!([])),
        ("/api/hubs/chat/:execute", json!({})),
        ("/api/hubs/chat/:execute", json!([{"type": "SendMessage", "target": "news"}, {"type": "Dance"}])),
        ("/api/hubs/chat/:execute", json!([{"type": "JoinGroup"}])),
    ] {
        assert_eq!(owner(&emulator, Method::POST, path).json(body).send(&emulator).await.status, 400);
    }
    // One command that cannot be read, and none has run.
    assert_eq!(bob.try_next(), None);
}

#[tokio::test]
async fn commands_are_read_in_any_case_and_errors_name_them() {
    let emulator = emulator().await;
    let mut client = emulator.attach_client("chat", Some("anna"));
    let commands = json!([
        {"Type": "JoinGroup", "Group": "room"},
        {"Type": "SendMessage", "Message": {"Target": "news", "Arguments": ["hi"]}},
        {"Type": "CloseConnection", "Reason": "bye"},
    ]);
    let execute = || owner(&emulator, Method::POST, "/api/hubs/chat/:execute");
    assert_eq!(execute().json(commands).send(&emulator).await.status, 202);
    assert_eq!(client.try_next(), Some(message("news", "hi")));
    let closed = client.try_next();
    assert!(matches!(&closed, Some(Received::Closed { error: Some(error), .. }) if error == "bye"), "{closed:?}");

    for (command, expected) in [
        (json!({"type": "Dance"}), "Command 1: the `type` \"Dance\" is unknown."),
        (json!({"type": 7}), "Command 1: the `type` 7 is unknown."),
        (json!({}), "Command 1: there is no `type`."),
        (json!(null), "Command 1: there is no `type`."),
        (json!({"type": "JoinGroup"}), "Command 1: there is no `group`."),
        (json!({"type": "JoinGroup", "group": 1}), "Command 1: `group` is no text."),
        (
            json!({"type": "LeaveGroup", "group": " "}),
            "Command 1: a group's name has 1 to 1024 characters and is not blank.",
        ),
        (json!({"type": "SendMessage"}), "Command 1: The body has no target."),
    ] {
        let body = json!([{"type": "JoinGroup", "group": "room"}, command]);
        let reply = execute().json(body).send(&emulator).await;
        assert_eq!((reply.status, &reply.json()["message"]), (StatusCode::BAD_REQUEST, &json!(expected)), "{command}");
    }
}
