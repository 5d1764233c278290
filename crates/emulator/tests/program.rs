//! An emulator for another process: its names, its proxy, its variables, its log.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Method;
use serde_json::{Value, json};
use signalr_emulator::{Assumptions, Emulator, EmulatorSettings, Fault, Operation, StartError, write_log};
use support::app::App;
use support::owner;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::rustls::pki_types::ServerName;

fn settings(toml: &str) -> EmulatorSettings {
    toml::from_str(toml).unwrap()
}

/// A client as an app in another process has it: the proxy of the variables, the emulator's authority.
fn client(emulator: &Emulator) -> reqwest::Client {
    let authority = reqwest::Certificate::from_pem(emulator.certificate_authority_pem().as_bytes()).unwrap();
    let proxy = reqwest::Proxy::https(&emulator.settings().proxy()["HTTPS_PROXY"]).unwrap();
    reqwest::Client::builder().tls_certs_only([authority]).proxy(proxy).build().unwrap()
}

#[tokio::test]
async fn entra_answers_under_the_name_of_the_public_cloud() {
    let emulator = EmulatorSettings::default().builder().start().await.unwrap();
    let http = client(&emulator);
    let tenant = emulator.entra().mock().tenant();
    let login = "https://login.microsoftonline.com";
    let url = format!("{login}/{tenant}/v2.0/.well-known/openid-configuration");
    let document: Value = serde_json::from_str(&http.get(url).send().await.unwrap().text().await.unwrap()).unwrap();
    assert_eq!(document["issuer"], format!("{login}/{tenant}/v2.0"));
    let keys = document["jwks_uri"].as_str().unwrap();
    let keys: Value = serde_json::from_str(&http.get(keys).send().await.unwrap().text().await.unwrap()).unwrap();
    let signing = emulator.entra().mock().signing_key().key_id().to_string();
    assert!(keys["keys"].as_array().unwrap().iter().any(|key| key["kid"] == signing), "{keys}");
}

#[tokio::test]
async fn resets_pass_through_the_proxy() {
    let emulator = EmulatorSettings::default().builder().start().await.unwrap();
    let proxy = emulator.settings().proxy()["HTTPS_PROXY"].clone();
    let mut stream = TcpStream::connect(proxy.strip_prefix("http://").unwrap()).await.unwrap();
    let connect = "CONNECT login.microsoftonline.com:443 HTTP/1.1\r\nHost: login.microsoftonline.com:443\r\n\r\n";
    stream.write_all(connect.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        assert!(stream.read_buf(&mut head).await.unwrap() > 0);
    }
    assert!(head.starts_with(b"HTTP/1.1 200"));
    let name = ServerName::try_from("login.microsoftonline.com").unwrap();
    let mut stream = support::connector(&emulator).connect(name, stream).await.unwrap();
    emulator.faults().next(Operation::Token, Fault::reset_before());
    let request = "POST /common/oauth2/v2.0/token HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let fault = stream.read(&mut [0]).await.unwrap_err();
    assert_eq!(fault.kind(), std::io::ErrorKind::ConnectionReset, "{fault}");
}

#[tokio::test]
async fn proxy_leads_to_no_other_host() {
    let emulator = EmulatorSettings::default().builder().start().await.unwrap();
    let http = client(&emulator);
    for url in ["https://login.microsoftonline.us/", "https://login.microsoftonline.com:444/", emulator.endpoint()] {
        assert!(http.get(url).send().await.unwrap_err().is_connect(), "{url}");
    }
    let proxy = &emulator.settings().proxy()["HTTPS_PROXY"];
    let direct = reqwest::Client::builder().no_proxy().build().unwrap();
    assert_eq!(direct.get(proxy).send().await.unwrap().status(), 403);
}

#[tokio::test]
async fn only_a_public_cloud_has_a_proxy() {
    let emulator = Emulator::start().await.unwrap();
    assert!(emulator.settings().proxy().is_empty());
    assert!(!emulator.settings().other_process("x.pem").contains_key("HTTPS_PROXY"));
}

#[tokio::test]
async fn variables_name_all_that_an_app_needs() {
    let emulator = EmulatorSettings::default().builder().start().await.unwrap();
    let variables = emulator.settings().other_process("/certificates/emulator.pem");
    for name in [
        "AzureSignalRConnectionString__clientEndpoint",
        "AzureSignalRConnectionString__credential",
        "AzureSignalRConnectionString__serviceUri",
        "HTTPS_PROXY",
        "IDENTITY_ENDPOINT",
        "IDENTITY_HEADER",
        "NO_PROXY",
        "SIGNALR_UPSTREAM_AUDIENCES",
        "SIGNALR_UPSTREAM_CALLER_OBJECT_IDS",
        "SIGNALR_UPSTREAM_TENANT_IDS",
    ] {
        assert!(variables.contains_key(name), "{name}");
    }
    assert_eq!(variables["SSL_CERT_FILE"], "/certificates/emulator.pem");
}

#[tokio::test]
async fn upstreams_of_the_settings_get_their_events() {
    let (first, second) = (App::agreeing().await, App::agreeing().await);
    let emulator = settings(&format!(
        "[[upstream]]\nurl = \"{}\"\nevent = \"note\"\naudience = \"api://own\"\n[[upstream]]\nurl = \"{}\"",
        first.template(),
        second.template()
    ));
    let emulator = emulator.builder().start().await.unwrap();
    let mut anna = emulator.attach_client("chat", Some("anna"));
    anna.invoke("note", &[]).await.unwrap();
    anna.invoke("other", &[json!(1)]).await.unwrap();
    let audience = |app: &App| {
        let token = app.seen()[0].headers["authorization"].to_str().unwrap().to_owned();
        let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
        serde_json::from_slice::<Value>(&claims).unwrap()["aud"].clone()
    };
    assert_eq!((first.seen().len(), audience(&first)), (1, json!("api://own")));
    let usual = format!("api://{}", emulator.entra().mock().audience_client_id());
    assert_eq!((second.seen().len(), audience(&second)), (1, json!(usual)));
}

#[tokio::test]
async fn address_that_is_none_is_an_error_at_the_start() {
    let fault = EmulatorSettings::default().with_upstream("chat").builder().start().await.unwrap_err();
    assert!(matches!(fault, StartError::Setting { field: "upstream", .. }), "{fault}");
}

#[tokio::test]
async fn errors_at_the_start_name_the_field() {
    for name in ["", "a b", "https://contoso.service.signalr.net"] {
        let fault = Emulator::builder().host_name(name).start().await.unwrap_err();
        assert!(matches!(fault, StartError::Setting { field: "host_name", .. }), "{fault}");
    }
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let fault = Emulator::builder().identity_port(port).start().await.unwrap_err();
    assert!(matches!(fault, StartError::Listen { field: "identity_port", .. }), "{fault}");
    assert!(fault.to_string().contains(&port.to_string()), "{fault}");
}

#[tokio::test]
async fn times_that_are_too_short_are_errors_at_the_start() {
    let time_of = |assumptions: &mut Assumptions, name: &str, time: Duration| match name {
        "invocation_timeout" => assumptions.invocation_timeout = time,
        "connect_window" => assumptions.connect_window = time,
        "keep_alive" => assumptions.keep_alive = time,
        "client_timeout" => assumptions.client_timeout = time,
        _ => assumptions.upstream_timeout = time,
    };
    for name in ["invocation_timeout", "connect_window", "keep_alive", "client_timeout", "upstream_timeout"] {
        for time in [Duration::ZERO, Duration::from_micros(999)] {
            let mut assumptions = Assumptions::default();
            time_of(&mut assumptions, name, time);
            let fault = Emulator::builder().assumptions(assumptions).start().await.unwrap_err();
            assert!(fault.to_string().starts_with(&format!("`assumptions.{name}`: ")), "{fault}");
        }
        let fault = settings(&format!("[assumptions]\n{name}_secs = 0")).builder().start().await.unwrap_err();
        assert!(fault.to_string().starts_with(&format!("`assumptions.{name}_secs`: ")), "{fault}");
    }
}

#[tokio::test]
async fn log_has_a_line_for_each_step() {
    let app = App::agreeing().await;
    let emulator = settings("plain_http = true").with_upstream(&app.template()).builder().start().await.unwrap();
    let lines: Arc<Mutex<Vec<String>>> = Arc::default();
    let own = Arc::clone(&lines);
    let events = emulator.events();
    let log = tokio::spawn(write_log(events, move |line| own.lock().unwrap().push(line.to_owned())));
    let mut client = support::hub_client::HubClient::connect(&emulator, "chat", &json!({"nameid": "an\"na"})).await;
    app.until(1).await;
    let request = owner(&emulator, Method::POST, "/api/hubs/chat/:send");
    assert_eq!(request.json(json!({"target": "news", "arguments": []})).send(&emulator).await.status, 202);
    client.next().await.unwrap();
    support::ask(&emulator, Method::POST, "/api/hubs/chat/:send").send(&emulator).await;
    client.close().await;
    app.until(2).await;
    // All is told before the emulator ends.
    drop(emulator);
    log.await.unwrap();
    let lines = lines.lock().unwrap().join("\n");
    for part in [
        "client    POST /client/negotiate?hub=chat",
        "client    an\\\"na connected to chat with json, connection ",
        "upstream  connected for connection ",
        "/upstream/chat/connections/connected -> 200\n",
        "REST      POST /api/hubs/chat/:send?api-version=2024-12-01 -> 202, caller ",
        ", reached 1\n",
        " -> 401: ",
        " left chat",
    ] {
        assert!(lines.contains(part), "{part}\n{lines}");
    }
    assert!(!lines.contains("eyJ"), "{lines}");
}
