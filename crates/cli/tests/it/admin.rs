//! The admin listener and `healthcheck`.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use http::{Method, StatusCode, Version};
use mock_entra::{Endpoint, Fault};
use tokio::net::TcpListener;
use tokio::time::sleep;

use crate::child::Program;
use crate::client::{request, send};
use crate::public_cloud::PublicCloud;
use crate::tool::{assert_says, run};

#[tokio::test]
async fn status_shows_the_keys_of_each_tenant_and_nothing_secret() {
    let cloud = PublicCloud::start().await;
    let mut program = Program::forward_auth(cloud.settings());
    let (server, admin) = (program.loaded_address().await, program.admin_address().await);
    let token = cloud.entra.token().mint();
    assert_eq!(send(Version::HTTP_11, server, request(Method::GET, "/", Some(&token))).await.status, StatusCode::OK);
    let answer = send(Version::HTTP_11, admin, request(Method::GET, "/status", None)).await;
    assert_eq!((answer.status, answer.header("content-type")), (StatusCode::OK, "application/json"));
    let status = answer.json();
    assert_eq!((&status["ready"], &status["ending"]), (&true.into(), &false.into()));
    let tenant = &status["tenants"][0];
    assert_eq!(tenant["tenant_id"], cloud.entra.tenant().to_string());
    assert_eq!((&tenant["state"], &tenant["last_error"]), (&"fresh".into(), &serde_json::Value::Null));
    assert!(tenant["age_secs"].is_u64() && tenant["keys"].as_u64() > Some(0));
    let (text, secret) = (status.to_string(), token.rsplit('.').next().unwrap());
    assert!(!text.contains(secret) && !text.contains(&token[..40]), "{text}");
}

#[tokio::test]
async fn status_shows_why_there_are_no_keys() {
    let cloud = PublicCloud::start().await;
    cloud.entra.fail(Endpoint::Keys, Fault::status(500));
    let mut program = Program::forward_auth(cloud.settings());
    let admin = program.admin_address().await;
    program.stderr_with("no keys yet").await;
    let status = send(Version::HTTP_11, admin, request(Method::GET, "/status", None)).await.json();
    assert_eq!((&status["ready"], &status["tenants"][0]["state"]), (&false.into(), &"cold".into()));
    assert!(status["tenants"][0]["last_error"].as_str().unwrap().contains("500"), "{status}");
    let answer = send(Version::HTTP_11, admin, request(Method::GET, "/readyz", None)).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_says(std::str::from_utf8(&answer.body).unwrap(), &["no verification keys are available", "500"]);
}

#[tokio::test]
async fn metrics_count_decisions() {
    let cloud = PublicCloud::start().await;
    let mut program = Program::forward_auth(cloud.settings());
    let (server, admin) = (program.loaded_address().await, program.admin_address().await);
    send(Version::HTTP_11, server, request(Method::GET, "/", Some(&cloud.entra.token().mint()))).await;
    send(Version::HTTP_11, server, request(Method::GET, "/", None)).await;
    let answer = send(Version::HTTP_11, admin, request(Method::GET, "/metrics", None)).await;
    assert!(answer.header("content-type").starts_with("text/plain"));
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    assert_says(&text, &["# TYPE signalr_upstream_auth_", "missing_credentials\"} 1"]);
}

#[tokio::test]
async fn healthcheck_ends_with_0_only_if_the_instance_is_ready() {
    let cloud = PublicCloud::start().await;
    let mut program = Program::forward_auth(cloud.settings());
    let admin = program.admin_address().await;
    program.stderr_with("the keys are loaded").await;
    let ended = run(&["healthcheck", "--admin", &admin.to_string()], &[], "").await;
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
    let everywhere = [("ADMIN_ADDR", format!("0.0.0.0:{}", admin.port()))];
    assert_eq!(run(&["healthcheck"], &everywhere, "").await.code, 0);

    cloud.entra.fail(Endpoint::Keys, Fault::status(500));
    let mut cold = Program::forward_auth(cloud.settings());
    let ended = run(&["healthcheck", "--admin", &cold.admin_address().await.to_string()], &[], "").await;
    assert_eq!(ended.code, 1);
    assert_says(&ended.stderr, &["/readyz answers 503"]);

    drop(program);
    let ended = run(&["healthcheck", "--admin", "127.0.0.1:1"], &[], "").await;
    assert_eq!(ended.code, 1);
    assert_says(&ended.stderr, &["127.0.0.1:1: "]);
}

/// systemd starts a program and does not wait for its keys.
#[tokio::test]
async fn healthcheck_waits_for_an_instance_that_starts() {
    let cloud = PublicCloud::start().await;
    let admin = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap().to_string();
    let vars = [("ADMIN_ADDR", admin.clone())];
    let check = tokio::spawn(async move { run(&["healthcheck", "--wait", "60"], &vars, "").await });
    // Nobody listens there, then the instance has no keys.
    sleep(Duration::from_millis(500)).await;
    assert!(!check.is_finished());
    cloud.entra.fail(Endpoint::Keys, Fault::status(500));
    let mut settings = cloud.settings();
    settings.push(("ADMIN_ADDR", admin));
    let mut program = Program::forward_auth(settings);
    program.stderr_with("no keys yet").await;
    assert!(!check.is_finished());
    cloud.entra.recover();
    program.stderr_with("the keys are loaded").await;
    let ended = check.await.unwrap();
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
}

#[tokio::test]
async fn healthcheck_says_the_last_answer_when_its_wait_is_over() {
    let cloud = PublicCloud::start().await;
    cloud.entra.fail(Endpoint::Keys, Fault::status(500));
    let mut cold = Program::forward_auth(cloud.settings());
    let admin = cold.admin_address().await.to_string();
    let start = Instant::now();
    let ended = run(&["healthcheck", "--admin", &admin, "--wait", "1"], &[], "").await;
    assert_eq!(ended.code, 1);
    assert_says(&ended.stderr, &["not ready", "/readyz answers 503"]);
    assert!(start.elapsed() >= Duration::from_secs(1));
}
