//! From the start to the end: signals, new settings, keys that are late, the log.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, StatusCode, Version};
use mock_entra::{Endpoint, Fault};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

use crate::child::Program;
use crate::client::{VERSIONS, request, send};
use crate::public_cloud::PublicCloud;
use crate::service::Service;

async fn is_ready(admin: SocketAddr) -> bool {
    send(Version::HTTP_11, admin, request(Method::GET, "/readyz", None)).await.status == StatusCode::NO_CONTENT
}

const STRANGE_TENANT: &str = "99999999-aaaa-4bbb-8ccc-222222222222";
const MOMENT: Duration = Duration::from_millis(20);

/// Clients call until the instance says that it is not ready, as a load balancer lets them.
#[tokio::test(flavor = "multi_thread")]
async fn sigterm_and_sigint_lose_no_request() {
    for signal in ["TERM", "INT"] {
        let (cloud, service) = (PublicCloud::start().await, Service::start().await);
        let options = ["proxy", "--to", &service.url(), "--not-ready", "3", "--drain", "20"];
        let mut proxy = Program::command(&options, cloud.settings());
        let (address, admin) = (proxy.address().await, proxy.admin_address().await);
        proxy.stderr_with("the keys are loaded").await;
        let token: Arc<str> = cloud.entra.token().mint().into();
        let slow = (0..20).map(|number| {
            let token = Arc::clone(&token);
            tokio::spawn(async move {
                let call = request(Method::GET, "/slow/4500", Some(&token));
                send(VERSIONS[number % 2], address, call).await.status
            })
        });
        let slow: Vec<_> = slow.collect();
        let steady = (0..4).map(|number| {
            let token = Arc::clone(&token);
            tokio::spawn(async move {
                let mut count = 0;
                while is_ready(admin).await {
                    let answer = send(VERSIONS[number % 2], address, request(Method::GET, "/", Some(&token))).await;
                    assert_eq!(answer.status, StatusCode::OK);
                    count += 1;
                }
                count
            })
        });
        let steady: Vec<_> = steady.collect();
        sleep(Duration::from_millis(300)).await;
        proxy.signal(signal);
        for client in steady {
            assert!(client.await.unwrap() > 0);
        }
        // Not ready, and still serving: whoever has not looked yet gets an answer, and closes the connection.
        let last = send(Version::HTTP_11, address, request(Method::GET, "/", Some(&token))).await;
        assert_eq!((last.status, last.header("connection")), (StatusCode::OK, "close"));
        for client in slow {
            assert_eq!(client.await.unwrap(), StatusCode::OK);
        }
        let (status, log) = proxy.end().await;
        assert!(status.success() && log.contains("draining") && log.contains("ended"), "{log}");
        assert!(TcpStream::connect(address).await.is_err());
    }
}

/// A call whose answer has begun, and does not end before the request does.
async fn call_under_way(address: SocketAddr, token: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!("POST /echo HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\nContent-Length: 2\r\n\r\nx");
    stream.write_all(head.as_bytes()).await.unwrap();
    assert_ne!(stream.read(&mut [0; 1024]).await.unwrap(), 0);
    stream
}

#[tokio::test]
async fn drain_ends_after_its_time_and_says_what_it_cut_off() {
    let (cloud, service) = (PublicCloud::start().await, Service::start().await);
    let options = ["proxy", "--to", &service.url(), "--not-ready", "0", "--drain", "1"];
    let mut proxy = Program::command(&options, cloud.settings());
    let address = proxy.loaded_address().await;
    let _call = call_under_way(address, &cloud.entra.token().mint()).await;
    // An idle connection is no reason to wait.
    let _idle = TcpStream::connect(address).await.unwrap();
    proxy.signal("TERM");
    let (status, log) = proxy.end().await;
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(log.contains("connections have not ended within 1 seconds"), "{log}");
}

/// In either phase, with a call under way.
#[tokio::test]
async fn second_signal_ends_the_program_at_once() {
    let (cloud, service) = (PublicCloud::start().await, Service::start().await);
    for (not_ready, phase) in [("3600", "not ready"), ("0", "draining")] {
        let options = ["proxy", "--to", &service.url(), "--not-ready", not_ready, "--drain", "3600"];
        let mut proxy = Program::command(&options, cloud.settings());
        let address = proxy.loaded_address().await;
        let _call = call_under_way(address, &cloud.entra.token().mint()).await;
        proxy.signal("TERM");
        proxy.stderr_with(phase).await;
        proxy.signal("TERM");
        let (status, log) = proxy.end().await;
        assert_eq!(status.code(), Some(1), "{log}");
        assert!(log.contains("1 connections have not ended before the second signal"), "{log}");
    }
}

#[tokio::test]
async fn second_signal_without_a_connection_cuts_nothing_off() {
    let cloud = PublicCloud::start().await;
    let mut program = Program::command(&["forward-auth", "--not-ready", "3600", "--drain", "3600"], cloud.settings());
    program.address().await;
    program.signal("TERM");
    program.stderr_with("not ready").await;
    program.signal("TERM");
    let (status, log) = program.end().await;
    assert!(status.success() && !log.contains("draining"), "{log}");
}

#[tokio::test]
async fn drain_counts_open_connections_only() {
    let cloud = PublicCloud::start().await;
    let mut program = Program::command(&["forward-auth", "--not-ready", "0"], cloud.settings());
    program.address().await;
    program.signal("TERM");
    let (status, log) = program.end().await;
    assert!(status.success() && log.contains("draining: requests under way end connections=0\n"), "{log}");
}

/// It would otherwise wait for keys instead of its end.
#[tokio::test]
async fn program_that_waits_for_keys_ends() {
    let cloud = PublicCloud::start().await;
    cloud.entra.fail(Endpoint::Keys, Fault::status(500));
    let options = ["forward-auth", "--without-keys", "wait", "--not-ready", "0"];
    let mut program = Program::command(&options, cloud.settings());
    program.stderr_with("no keys yet").await;
    program.signal("TERM");
    let (status, log) = program.end().await;
    assert!(status.success() && !log.contains("listening"), "{log}");
}

/// A settings file, removed at the end.
struct SettingsFile {
    path: PathBuf,
    tenant: String,
    audience: String,
}

impl SettingsFile {
    fn new(cloud: &PublicCloud, name: &str, caller: &str) -> Self {
        let path = std::env::temp_dir().join(format!("signalr-upstream-auth-{}-{name}.toml", std::process::id()));
        let (tenant, audience) = (cloud.entra.tenant().to_string(), cloud.entra.audience_client_id().to_string());
        let file = Self { path, tenant, audience };
        file.write(caller, "");
        file
    }

    fn write(&self, caller: &str, more: &str) {
        self.write_for(&self.tenant, caller, more);
    }

    fn write_for(&self, tenant: &str, caller: &str, more: &str) {
        let Self { path, audience, .. } = self;
        let text = format!(
            "tenant_ids = ['{tenant}']\naudiences = ['{audience}']\ncaller_object_ids = ['{caller}']\n{more}\n"
        );
        std::fs::write(path, text).unwrap();
    }
}

impl Drop for SettingsFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

#[tokio::test]
async fn sighup_swaps_the_policy_or_keeps_the_old_one_and_says_why() {
    let cloud = PublicCloud::start().await;
    let entra = &cloud.entra;
    let (caller, stranger) = (entra.caller_object_id().to_string(), "aaaaaaaa-0000-4000-8000-000000000001");
    let file = SettingsFile::new(&cloud, "reload", &caller);
    let options = ["forward-auth", "--config", file.path.to_str().unwrap()];
    let mut program = Program::command(&options, cloud.vars());
    let address = program.loaded_address().await;
    let token = entra.token().mint();
    let status = async || send(Version::HTTP_11, address, request(Method::GET, "/", Some(&token))).await.status;
    assert_eq!(status().await, StatusCode::OK);

    file.write(stranger, "");
    program.signal("HUP");
    program.stderr_with("the new settings are in use").await;
    assert_eq!(status().await, StatusCode::FORBIDDEN);

    file.write("nobody", "");
    program.signal("HUP");
    let log = program.stderr_with("the new settings are wrong, the old ones stay in use").await;
    assert!(log.contains("caller_object_ids"), "{log}");
    assert_eq!(status().await, StatusCode::FORBIDDEN);

    file.write(&caller, "");
    entra.fail(Endpoint::Any, Fault::status(500));
    program.signal("HUP");
    while status().await != StatusCode::OK {
        sleep(MOMENT).await;
    }
}

/// New settings for the same tenant go on with the keys that are cached, and with what is known of them.
#[tokio::test]
async fn key_is_revoked_and_reinstated_by_settings_while_entra_is_down() {
    let cloud = PublicCloud::start().await;
    let caller = cloud.entra.caller_object_id().to_string();
    let file = SettingsFile::new(&cloud, "revoke", &caller);
    let options = ["forward-auth", "--config", file.path.to_str().unwrap()];
    let mut program = Program::command(&options, cloud.vars());
    let (address, admin) = (program.loaded_address().await, program.admin_address().await);
    let token = cloud.entra.token().mint();
    let status = async || send(Version::HTTP_11, address, request(Method::GET, "/", Some(&token))).await.status;
    let metric = async |name: &str| {
        let answer = send(Version::HTTP_11, admin, request(Method::GET, "/metrics", None)).await;
        let text = String::from_utf8(answer.body.to_vec()).unwrap();
        let of = |tenant: &str| {
            let series = format!("signalr_upstream_auth_{name}{{tenant=\"{tenant}\"}} ");
            text.lines().find_map(|line| line.strip_prefix(&series)).map(str::to_owned)
        };
        [of(&file.tenant), of(STRANGE_TENANT)]
    };
    assert_eq!(status().await, StatusCode::OK);
    let last_success = "keys_last_success_timestamp_seconds";
    let [loaded, strange] = metric(last_success).await;
    assert!(loaded.as_deref() != Some("0") && strange.is_none());
    cloud.entra.fail(Endpoint::Any, Fault::status(500));
    let revoked = format!("revoked_keys = ['{}']", cloud.entra.signing_key().key_id());
    file.write(&caller, &revoked);
    program.signal("HUP");
    program.stderr_with("the new settings are in use").await;
    assert_eq!(status().await, StatusCode::UNAUTHORIZED);
    file.write(&caller, "");
    program.signal("HUP");
    while status().await != StatusCode::OK {
        sleep(MOMENT).await;
    }
    // The clock counts whole seconds.
    let is_same = |now: &Option<String>| {
        let [then, now] = [&loaded, now].map(|seconds| seconds.as_ref().unwrap().parse::<u64>().unwrap());
        now.abs_diff(then) <= 1
    };
    assert!(is_same(&metric(last_success).await[0]), "the keys are those of before");

    // Settings of another tenant get no keys, and revoke at once all the same.
    file.write_for(STRANGE_TENANT, &caller, &revoked);
    program.signal("HUP");
    program.stderr_with("no keys for the new settings, the old ones stay in use").await;
    assert_eq!(status().await, StatusCode::UNAUTHORIZED);
    // A tenant that is gone must not look like one without keys.
    let [kept, gone] = metric(last_success).await;
    assert!(is_same(&kept) && gone.as_deref() == Some("NaN"), "{gone:?}");
    file.write(&caller, "");
    program.signal("HUP");
    while status().await != StatusCode::OK {
        sleep(MOMENT).await;
    }
}

#[tokio::test]
async fn start_without_keys_waits_by_choice() {
    let cloud = PublicCloud::start().await;
    cloud.entra.fail(Endpoint::Keys, Fault::status(500));
    let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap();
    let options = ["forward-auth", "--without-keys", "wait", "--listen", &address.to_string()];
    let mut program = Program::command(&options, cloud.settings());
    let admin = program.admin_address().await;
    program.stderr_with("no keys yet").await;
    assert!(TcpStream::connect(address).await.is_err() && !is_ready(admin).await);
    cloud.entra.recover();
    program.stderr_with("listening address=").await;
    let token = cloud.entra.token().mint();
    let answer = send(Version::HTTP_11, address, request(Method::GET, "/", Some(&token))).await;
    assert_eq!(answer.status, StatusCode::OK);
}

#[tokio::test]
async fn log_is_json_by_choice() {
    let cloud = PublicCloud::start().await;
    let mut program = Program::command(&["forward-auth", "--log-format", "json"], cloud.settings());
    let log = program.stderr_with("the keys are loaded").await;
    for line in log.lines() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(event["message"].is_string() && event["level"].is_string() && event["timestamp"].is_string(), "{line}");
    }
}

/// As the log page reads it: `.explanation | fromjson`.
#[tokio::test]
async fn json_log_has_explanations_that_are_json() {
    let cloud = PublicCloud::start().await;
    let mut settings = cloud.settings();
    settings.push(("SIGNALR_UPSTREAM_EXPLAIN_REJECTIONS_SECS", "60".to_owned()));
    let mut program = Program::command(&["forward-auth", "--log-format", "json"], settings);
    program.stderr_with("the keys are loaded").await;
    let log = program.stderr_with("listening").await;
    let events =
        |log: &str| log.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<serde_json::Value>>();
    let listening = events(&log).into_iter().find(|event| event["message"] == "listening").unwrap();
    let address = listening["address"].as_str().unwrap().parse().unwrap();
    send(Version::HTTP_11, address, request(Method::GET, "/", None)).await;
    let log = program.stderr_with("rejection explained").await;
    let explained = events(&log).into_iter().find(|event| event["message"] == "rejection explained").unwrap();
    let explanation: serde_json::Value = serde_json::from_str(explained["explanation"].as_str().unwrap()).unwrap();
    assert_eq!(explanation["kind"], "missing_credentials");
}

#[tokio::test]
async fn log_filter_without_sense_leaves_the_default_and_is_named() {
    let cloud = PublicCloud::start().await;
    let log_with = async |filter: &str, part: &str| {
        let mut settings = cloud.settings();
        settings.push(("RUST_LOG", filter.to_owned()));
        Program::forward_auth(settings).stderr_with(part).await
    };
    for blank in ["", "  "] {
        let log = log_with(blank, "listening address=").await;
        assert!(!log.contains("RUST_LOG"), "{log}");
    }
    // A level that is none counts as a target, of which there are no events.
    for unusable in ["inof", "info,signalr_upstream_auth=loud", "signalr-upstream-auth=debug"] {
        let log = log_with(unusable, "listening address=").await;
        let warning = log.lines().next().unwrap();
        assert!(warning.contains("WARN") && warning.contains("RUST_LOG") && warning.contains(unusable), "{log}");
    }
    for usable in ["signalr_upstream_auth=debug", "hyper=info,signalr_upstream_auth::serve=info"] {
        let log = log_with(usable, "listening address=").await;
        assert!(!log.contains("RUST_LOG"), "{log}");
    }
}

#[tokio::test]
async fn address_that_is_taken_ends_with_1() {
    let cloud = PublicCloud::start().await;
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for option in ["--listen", "--admin"] {
        let program = Program::command(&["forward-auth", option, &address], cloud.settings());
        let (status, log) = program.end().await;
        assert_eq!(status.code(), Some(1), "{log}");
        assert!(log.contains(&format!("{option}: {address} cannot be listened on")), "{log}");
    }
}
