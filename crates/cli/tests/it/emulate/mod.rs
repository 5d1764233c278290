//! The emulator as a command: its options and its file, what it prints for an app, its log, its end.

mod app;

use std::net::TcpListener;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use self::app::App;
use crate::child::Program;
use crate::service::Service;
use crate::tool::{assert_says, run};

/// A folder of one test, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("signalr-upstream-auth-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    /// A file with this text.
    fn with(&self, name: &str, text: &str) -> String {
        std::fs::write(self.0.join(name), text).unwrap();
        self.file(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The command with these options and no variables, once it runs, and what it has printed.
async fn emulate(options: &[&str]) -> (Program, String) {
    let mut program = Program::command(&[&["emulate"], options].concat(), [("RUST_LOG", "warn")]);
    let printed = program.stdout_with("Not for production.").await;
    (program, printed)
}

#[tokio::test]
async fn variables_lead_an_app_to_entra_and_to_the_service() {
    let folder = Folder::new("emulate-files");
    let (env_file, certificate) = (folder.file("app.env"), folder.file("authority.pem"));
    let options = ["--env-file", &env_file, "--certificate", &certificate, "--http-port", "0", "--plain-http"];
    let (program, printed) = emulate(&options).await;
    assert_says(&printed, &[&env_file, "No app gets the events of clients"]);

    let app = App::read(&std::fs::read_to_string(&env_file).unwrap());
    assert_eq!(app.variable("SSL_CERT_FILE"), certificate);
    let tenant = app.variable("SIGNALR_UPSTREAM_TENANT_IDS");
    let login = format!("https://login.microsoftonline.com/{tenant}/v2.0");
    let document = app.get(&format!("{login}/.well-known/openid-configuration")).await;
    assert_eq!(document["issuer"], login);
    let keys = app.get(document["jwks_uri"].as_str().unwrap()).await;
    assert!(!keys["keys"].as_array().unwrap().is_empty());

    let clients = app.variable("AzureSignalRConnectionString__clientEndpoint");
    for endpoint in [app.service(), clients] {
        assert!(endpoint.contains("://127.0.0.1:"), "{endpoint}");
        let health = app.http.head(format!("{endpoint}/api/health")).send().await.unwrap();
        assert_eq!(health.status(), 200, "{endpoint}");
    }
    // Without the authority of the file nobody trusts it.
    let stranger = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
    assert!(stranger.head(format!("{}/api/health", app.service())).send().await.unwrap_err().is_connect());

    program.signal("TERM");
    let (status, _) = program.end().await;
    assert_eq!(status.code(), Some(0));
    assert!(Path::new(&certificate).exists());
}

#[tokio::test]
async fn variables_are_printed_and_their_certificate_is_removed_at_the_end() {
    let (program, printed) = emulate(&[]).await;
    let app = App::read(&printed);
    let certificate = app.variable("SSL_CERT_FILE").to_owned();
    assert!(std::fs::read_to_string(&certificate).unwrap().starts_with("-----BEGIN CERTIFICATE-----"));
    program.signal("INT");
    let (status, log) = program.end().await;
    assert_eq!((status.code(), log.as_str()), (Some(0), ""));
    assert!(!Path::new(&certificate).exists());
}

#[tokio::test]
async fn options_win_over_the_file() {
    let (folder, taken) = (Folder::new("emulate-config"), TcpListener::bind("127.0.0.1:0").unwrap());
    let port = taken.local_addr().unwrap().port();
    let text =
        format!("http_port = {port}\nplain_http = true\nhost_names = ['contoso.test']\n[[upstream]]\nurl = 'x'\n");
    let file = folder.with("emulator.toml", &text);
    let ended = run(&["emulate", "--config", &file], &[], "").await;
    assert_eq!((ended.code, ended.stdout.as_str()), (1, ""));
    assert_says(&ended.stderr, &[&format!("--config: http_port: 127.0.0.1:{port} cannot be listened on: ")]);
    // The upstream of the file is no address: the option replaces it as well.
    let (_program, printed) =
        emulate(&["--config", &file, "--http-port", "0", "--upstream", "http://127.0.0.1:9/{hub}"]).await;
    assert!(!printed.contains("No app"), "{printed}");
    let app = App::read(&printed);
    let clients = app.variable("AzureSignalRConnectionString__clientEndpoint");
    assert!(!clients.ends_with(&format!(":{port}")), "{clients}");
    let health = app.http.head(format!("{clients}/api/health")).send().await.unwrap();
    assert_eq!(health.status(), 200, "plain_http of the file");
}

#[tokio::test]
async fn wrong_settings_end_with_2_and_name_what_was_written() {
    let folder = Folder::new("emulate-wrong");
    let file = |name: &str, text: &str| folder.with(name, text);
    let none = folder.file("none/there");
    let blank = folder.file("a b.pem");
    let empty = file("empty.pem", "");
    let unknown = file("unknown.toml", "http_prt = 1");
    let nested = file("nested.toml", "[assumptions]\nkeep_alive = 1");
    let kind = file("kind.toml", "https_port = 'x'");
    let url = file("url.toml", "[[upstream]]\nurl = '/upstream'");
    let template = file("template.toml", "[[upstream]]\nurl = 'ftp://a.test'\naudience = 'api://a'");
    let name = file("name.toml", "host_names = ['a b']");
    let authorities = file("authorities.toml", "upstream_authorities = ['x']");
    let zero = file("zero.toml", "[assumptions]\nkeep_alive_secs = 0");
    for (options, parts) in [
        (["--upstream", "3000"], ["--upstream: ", "http or https"]),
        (["--host-name", "a b"], ["--host-name: ", "no host name"]),
        (["--http-port", "99999"], ["--http-port <PORT>", "0..=65535"]),
        (["--upstream-authority", &none], ["--upstream-authority: ", "none/there"]),
        (["--upstream-authority", &empty], ["--upstream-authority: ", "no certificate in PEM"]),
        (["--env-file", &none], ["--env-file: ", "none/there"]),
        (["--certificate", &none], ["--certificate: ", "none/there"]),
        (["--certificate", &blank], ["--certificate: ", "without quotes"]),
        (["--config", &none], ["--config: ", "none/there"]),
        (["--config", &unknown], ["unknown.toml", "http_prt"]),
        (["--config", &nested], ["nested.toml", "keep_alive"]),
        (["--config", &kind], ["kind.toml", "https_port"]),
        (["--config", &url], ["--config: upstream: ", "\"/upstream\""]),
        (["--config", &template], ["--config: upstream: ", "\"ftp://a.test\""]),
        (["--config", &name], ["--config: host_names: ", "\"a b\""]),
        (["--config", &zero], ["--config: assumptions.keep_alive_secs: ", "1 second"]),
        (["--config", &authorities], ["--config: upstream_authorities: ", "no certificate in PEM"]),
    ] {
        let ended = run(&["emulate", options[0], options[1]], &[], "").await;
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{options:?}: {}", ended.stderr);
        assert_says(&ended.stderr, &parts);
    }
    // Before the command the option is the same.
    let ended = run(&["--config", &unknown, "emulate"], &[], "").await;
    assert_eq!(ended.code, 2);
    assert_says(&ended.stderr, &["unknown.toml", "http_prt"]);
}

/// The emulator, the check in front of a service, and a client: three processes that only the variables tell of each other.
#[tokio::test]
async fn loop_runs_through_the_proxy_and_is_shown() {
    let service = Service::start().await;
    // The emulator has to know where the proxy listens before it starts.
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    let upstream = format!("http://{address}/upstream/{{hub}}/{{category}}/{{event}}");
    let (mut emulator, printed) = emulate(&["--upstream", &upstream]).await;
    let app = App::read(&printed);
    drop(free);
    let listen = address.to_string();
    let mut proxy = Program::command(&["proxy", "--to", &service.url(), "--listen", &listen], &app.variables);
    proxy.stderr_with("the keys are loaded").await;

    let token = app.identity_token().await;
    let mut anna = app.connect("chat", "anna", &token).await;
    emulator.stdout_with("/upstream/chat/connections/connected -> 200\n").await;
    let got = anna.invoke("whoAmI", json!([])).await;
    // The service shows what it got. What the check says of the caller comes from the token.
    let caller = app.variable("SIGNALR_UPSTREAM_CALLER_OBJECT_IDS");
    assert_eq!(got["headers"]["x-upstream-auth-object-id"], json!([caller]));
    assert_eq!(got["headers"]["x-asrs-user-id"], json!(["anna"]));
    let send = json!({"target": "news", "arguments": ["hi"]});
    assert_eq!(app.post("/api/hubs/chat/users/anna/:send?api-version=2024-12-01", &token, &send).await.0, 202);
    assert_eq!(anna.next().await, json!({"type": 1, "target": "news", "arguments": ["hi"]}));
    assert_eq!(app.post("/api/hubs/chat/:send?api-version=2024-12-01", "x", &Value::Null).await.0, 401);
    drop(anna);
    emulator.stdout_with("/upstream/chat/connections/disconnected -> 200\n").await;

    emulator.signal("TERM");
    let (status, printed) = emulator.output().await;
    assert_eq!(status.code(), Some(0));
    assert_says(
        &printed,
        &[
            "entra     GET /msi/token?",
            "REST      POST /api/hubs/chat/:generateToken?",
            "client    anna connected to chat with json, connection ",
            "upstream  connected for connection ",
            "upstream  whoAmI for connection ",
            "REST      POST /api/hubs/chat/users/anna/:send?api-version=2024-12-01 -> 202, caller ",
            ", reached 1\n",
            "REST      POST /api/hubs/chat/:send?api-version=2024-12-01 -> 401: ",
            " left chat",
        ],
    );
    for secret in [&token, "eyJ", app.variable("IDENTITY_HEADER")] {
        assert!(!printed.split_once("Not for production.").unwrap().1.contains(secret), "{printed}");
    }
    assert!(!printed.contains('\u{1b}'), "standard output is no terminal");
}
