//! The page, and what it shows of the loop.

mod support;

use reqwest::StatusCode;
use serde_json::{Value, json};
use support::{Chat, http};

#[tokio::test]
async fn page_comes_whole_from_this_server() {
    let chat = Chat::start().await;
    let page = chat.get("/").await;
    assert_eq!((page.status, page.header("content-type")), (StatusCode::OK, Some("text/html; charset=utf-8")));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"), "{policy}");
    let mut files = Vec::new();
    for part in page.text.split(['"', '\'']).filter(|part| part.starts_with("page/")) {
        files.push(part.to_owned());
    }
    assert_eq!(files, ["page/style.css", "page/main.js"]);
    for module in ["dom.js", "hub.js", "loop.js"] {
        files.push(format!("page/{module}"));
    }
    for file in files {
        let answer = chat.get(&format!("/{file}")).await;
        assert_eq!(
            (answer.status, answer.header("x-content-type-options")),
            (StatusCode::OK, Some("nosniff")),
            "{file}"
        );
        let kind = if file.ends_with(".js") { "text/javascript; charset=utf-8" } else { "text/css; charset=utf-8" };
        assert_eq!(answer.header("content-type"), Some(kind), "{file}");
        assert!(!answer.text.contains("http://") && !answer.text.contains("https://"), "{file}");
    }
}

#[tokio::test]
async fn loop_is_shown_with_the_emulator_only() {
    let chat = Chat::start().await;
    assert!(chat.get("/").await.text.contains(r#"data-loop="on""#));
    let real = Chat::serve(chat::app(chat.auth.clone(), chat.service.clone(), false)).await;
    assert!(http().get(&real).send().await.unwrap().text().await.unwrap().contains(r#"data-loop="off""#));
    let events = http().get(format!("{real}/loop/events")).send().await.unwrap();
    assert_eq!(events.status(), StatusCode::NOT_FOUND);
    let attack = http().post(format!("{real}/loop/attacks/replay")).send().await.unwrap();
    assert_eq!(attack.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn hubs_may_be_named_like_routes() {
    let chat = Chat::start().await;
    for hub in ["loop", "page", "healthz", "upstream"] {
        assert_eq!(chat.negotiate(&format!("/{hub}/negotiate?user=anna")).await.status, StatusCode::OK, "{hub}");
    }
}

#[tokio::test]
async fn attacks_get_the_verdict_of_the_layer() {
    let chat = Chat::start().await;
    let expected = [
        ("no-token", 401, "The call has no bearer token"),
        ("forged-headers", 401, "The call has no bearer token"),
        ("other-tenant", 401, "The tenant is not allowed"),
        ("other-audience", 401, "The token is for another audience"),
        ("other-caller", 403, "The caller is not allowed"),
        ("user-token", 403, "The token was issued for a user, not for an application"),
        ("expired", 401, "The token has expired"),
        ("forged-signature", 401, "The signature is invalid"),
        ("replay", 200, "The handler has run."),
    ];
    let listed = chat.get("/loop/attacks").await.json();
    let listed: Vec<_> = listed.as_array().unwrap().iter().map(|case| case["name"].as_str().unwrap()).collect();
    assert_eq!(listed, expected.map(|(name, ..)| name));
    for (name, status, reason) in expected {
        let told = chat.negotiate(&format!("/loop/attacks/{name}")).await.json();
        let verdict = if status == 200 { "accepted" } else { "rejected" };
        assert_eq!(
            (&told["status"], &told["verdict"], &told["reason"]),
            (&json!(status), &json!(verdict), &json!(reason)),
            "{name}"
        );
    }
    assert_eq!(chat.negotiate("/loop/attacks/unknown").await.status, StatusCode::NOT_FOUND);
}

/// The next step that the page is told.
async fn next_step(events: &mut reqwest::Response, buffer: &mut String) -> Value {
    loop {
        if let Some((event, rest)) = buffer.split_once("\n\n") {
            let step = event.strip_prefix("data: ").map(|data| serde_json::from_str(data).unwrap());
            *buffer = rest.to_owned();
            if let Some(step) = step {
                return step;
            }
        }
        buffer.push_str(std::str::from_utf8(&events.chunk().await.unwrap().unwrap()).unwrap());
    }
}

#[tokio::test]
async fn each_step_of_a_call_is_told_without_its_token() {
    let chat = Chat::start().await;
    let mut events = http().get(format!("{}/loop/events", chat.url)).send().await.unwrap();
    let mut anna = chat.connect("chat", "anna").await;
    anna.invoke("broadcast", json!(["hello"])).await.unwrap();

    let mut buffer = String::new();
    let mut steps = Vec::new();
    while steps.len() < 8 {
        steps.push(next_step(&mut events, &mut buffer).await);
    }
    let told: Vec<_> = steps.iter().map(|step| (step["step"].as_str().unwrap(), &step["flow"])).collect();
    let (first, second) = (&json!(0), &json!(1));
    let of = |flow: &Value| -> Vec<_> { told.iter().filter(|(_, of)| *of == flow).map(|(step, _)| *step).collect() };
    assert_eq!(of(first), ["call", "accepted", "answered"]);
    assert_eq!(of(second), ["call", "accepted", "answered"]);
    assert_eq!(of(&Value::Null), ["send", "send"]);

    let call = steps.iter().find(|step| step["event"] == "broadcast").unwrap();
    assert_eq!((&call["user"], &call["body"], &call["hub"]), (&json!("anna"), &json!("\"hello\""), &json!("chat")));
    let mock = chat.emulator.entra().mock();
    assert_eq!(call["token"]["oid"], mock.caller_object_id().to_string());
    assert_eq!(call["token"]["aud"], format!("api://{}", mock.audience_client_id()));
    let send = steps.iter().rfind(|step| step["step"] == "send").unwrap();
    assert_eq!(
        (&send["what"], &send["status"], &send["reached"]),
        (&json!("POST /api/hubs/chat/:send"), &json!(202), &json!(1))
    );
    assert!(steps.iter().all(|step| !step.to_string().contains("eyJ")), "{steps:?}");
}

#[tokio::test]
async fn rejected_call_is_told_with_its_reason() {
    let chat = Chat::start().await;
    let mut events = http().get(format!("{}/loop/events", chat.url)).send().await.unwrap();
    let call = http().post(format!("{}/upstream/chat/messages/echo", chat.url)).send().await.unwrap();
    assert_eq!(call.status(), StatusCode::UNAUTHORIZED);
    let mut buffer = String::new();
    let call = next_step(&mut events, &mut buffer).await;
    assert_eq!((&call["step"], &call["token"]), (&json!("call"), &Value::Null));
    let answer = next_step(&mut events, &mut buffer).await;
    let expected =
        json!({"step": "answered", "flow": call["flow"], "status": 401, "reason": "The call has no bearer token"});
    assert_eq!(answer, expected);
}
