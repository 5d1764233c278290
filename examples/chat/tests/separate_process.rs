//! The program with settings, against an emulator in another process, over TLS. Nothing but its environment leads there.

mod support;

use std::process::Stdio;
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::json;
use signalr_emulator::{Emulator, EmulatorSettings, Operation};
use support::{Client, http};
use tokio::process::{Child, Command};

/// An emulator whose upstream is a chat that is started with its variables.
struct Separate {
    emulator: Emulator,
    url: String,
    certificate: std::path::PathBuf,
    _chat: Child,
}

impl Separate {
    async fn start(client_tokens: &str) -> Self {
        // The emulator has to know the chat's port before the chat starts.
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        let url = format!("http://{address}");
        let upstream = format!("{url}/upstream/{{hub}}/{{category}}/{{event}}");
        let emulator = EmulatorSettings::default().with_upstream(&upstream).builder().start().await.unwrap();
        let certificate = std::env::temp_dir().join(format!("chat-{}-{}.pem", std::process::id(), address.port()));
        std::fs::write(&certificate, emulator.certificate_authority_pem()).unwrap();
        drop(free);
        let chat = Command::new(env!("CARGO_BIN_EXE_chat"))
            .env_clear()
            .envs(emulator.settings().other_process(certificate.to_str().unwrap()))
            .env("LISTEN_ADDR", address.to_string())
            .env("CHAT_CLIENT_TOKENS", client_tokens)
            .kill_on_drop(true)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let separate = Self { emulator, url, certificate, _chat: chat };
        separate.ready().await;
        separate
    }

    /// Waits until the chat has the keys of Entra, and what it needs to call the service.
    async fn ready(&self) {
        let http = http();
        let poll = async {
            loop {
                let answer = http.get(format!("{}/readyz", self.url)).send().await;
                if answer.is_ok_and(|answer| answer.status() == StatusCode::OK) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), poll).await.expect("the chat gets ready by itself");
    }
}

impl Drop for Separate {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.certificate);
    }
}

#[tokio::test]
async fn settings_of_the_environment_lead_to_an_emulator_in_another_process() {
    for client_tokens in ["temporary-key", "service"] {
        let separate = Separate::start(client_tokens).await;
        let mut anna = Client::connect(&separate.url, "chat", "anna").await;
        let mut bob = Client::connect(&separate.url, "chat", "bob").await;
        assert_eq!(bob.invoke("echo", json!(["hi"])).await, Ok(json!("hi")), "{client_tokens}");
        assert_eq!(anna.event().await, Some(("joined".to_owned(), json!(["bob"]))), "{client_tokens}");
        anna.invoke("sendToUser", json!(["bob", "hello"])).await.unwrap();
        assert_eq!(bob.event().await, Some(("newMessage".to_owned(), json!(["anna", "hello"]))), "{client_tokens}");

        let log = separate.emulator.log();
        assert!(log.count(Operation::IdentityEndpoint) > 0, "{client_tokens}: a managed identity's token");
        assert_eq!(log.count(Operation::AccessKey), usize::from(client_tokens == "temporary-key"), "{client_tokens}");
        let without_token = http().post(format!("{}/upstream/chat/messages/echo", separate.url)).send().await.unwrap();
        assert_eq!(without_token.status(), StatusCode::UNAUTHORIZED);
        let page = http().get(&separate.url).send().await.unwrap().text().await.unwrap();
        assert!(page.contains(r#"data-loop="off""#), "a real resource shows no loop");
    }
}
