//! A negotiation beside the round trip that it saves, and a send beside the same request by bare reqwest, in one run:
//! `cargo bench -p signalr-serverless`.
//!
//! | Wanted | Compare |
//! |---|---|
//! | a negotiation with the key at hand takes at most 10 µs and 40 allocations | `negotiate::key_at_hand` |
//! | it is at least 100 times faster than a round trip | `negotiate::minted_by_the_service`, which verifies the Entra token, signs another, and knows only TLS |
//! | what TLS adds to that | `negotiate::minted_without_tls` |
//! | a send takes at most 1.10 times as long as the same request | `send::library` and `send::bare_reqwest` |
//! | 10,000 negotiations at once fetch the key once | `negotiate::ten_thousand_at_once` checks it |

#![allow(clippy::disallowed_methods, reason = "benchmarks may block")]
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a benchmark that panics fails")]

mod service;

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::{self, Command};
use std::sync::atomic::Ordering;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use signalr_serverless::{ClientTokens, HubClient, NegotiateOptions, ServiceClient, ServiceClientOptions};
use tokio::runtime::Runtime;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::service::{ENTRA, Fixed, Service};

#[global_allocator]
static ALLOCATOR: divan::AllocProfiler = divan::AllocProfiler::system();

/// The file with the key of the service's certificate. The certificate itself is where OpenSSL's variable says, which is
/// where the library's own client looks for those that it trusts.
const KEY_FILE: &str = "NEGOTIATE_AND_SEND_KEY";
const CERTIFICATE_FILE: &str = "SSL_CERT_FILE";

/// A variable cannot be set for this process, so the benchmarks run in one of its own.
fn main() {
    if env::var_os(KEY_FILE).is_some() {
        divan::main();
        return;
    }
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed([String::from("localhost")]).unwrap();
    let folder = env::temp_dir().join(format!("negotiate-and-send-{}", process::id()));
    let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
    fs::create_dir(&folder).expect("a folder for the certificate");
    fs::write(&certificate, cert.pem()).expect("a file");
    fs::write(&key, signing_key.serialize_pem()).expect("a file");
    let status = Command::new(env::current_exe().expect("this program"))
        .args(env::args_os().skip(1))
        .env(KEY_FILE, &key)
        .env(CERTIFICATE_FILE, &certificate)
        .status();
    fs::remove_dir_all(&folder).expect("the folder");
    process::exit(status.expect("another process").code().unwrap_or(1));
}

fn tls() -> Arc<ServerConfig> {
    let file = |variable| PathBuf::from(env::var_os(variable).expect("a file"));
    let certificate = CertificateDer::from_pem_file(file(CERTIFICATE_FILE)).expect("a certificate");
    let key = PrivateKeyDer::from_pem_file(file(KEY_FILE)).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    Arc::new(config)
}

static PLAIN: LazyLock<Service> = LazyLock::new(|| Service::start(None));

/// As the real service, which knows only TLS.
static SERVICE: LazyLock<Service> = LazyLock::new(|| Service::start(Some(tls())));

/// Two workers: one machine with two cores is what the figures are for.
static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap());

fn chat(service: &Service, client_tokens: ClientTokens) -> HubClient {
    let options = ServiceClientOptions::default().client_tokens(client_tokens);
    let client = ServiceClient::new(&service.url, Arc::new(Fixed), options).expect("an endpoint");
    RUNTIME.block_on(client.ready()).expect("a service");
    client.hub("chat").expect("a hub")
}

fn options() -> NegotiateOptions {
    NegotiateOptions::default().user_id("anna").claim("role", "member").claim("team", "blue")
}

mod negotiate {
    use super::*;

    #[divan::bench(sample_count = 200, sample_size = 100)]
    fn key_at_hand(bencher: divan::Bencher<'_, '_>) {
        let chat = chat(&SERVICE, ClientTokens::TemporaryKey);
        let _entered = RUNTIME.enter();
        bencher.with_inputs(options).bench_values(|options| {
            futures_util::FutureExt::now_or_never(chat.negotiate(options)).expect("no wait").expect("a token")
        });
    }

    #[divan::bench(sample_count = 200, sample_size = 10)]
    fn minted_by_the_service(bencher: divan::Bencher<'_, '_>) {
        minted(bencher, &SERVICE);
    }

    #[divan::bench(sample_count = 200, sample_size = 10)]
    fn minted_without_tls(bencher: divan::Bencher<'_, '_>) {
        minted(bencher, &PLAIN);
    }

    /// Over a connection that is open already.
    fn minted(bencher: divan::Bencher<'_, '_>, service: &Service) {
        let chat = chat(service, ClientTokens::Service);
        let negotiate =
            || RUNTIME.block_on(chat.negotiate(NegotiateOptions::default().user_id("anna"))).expect("a token");
        negotiate();
        bencher.bench(negotiate);
    }

    /// As many as may wait succeed; the others are told at once.
    #[divan::bench(sample_count = 5, sample_size = 1)]
    fn ten_thousand_at_once(bencher: divan::Bencher<'_, '_>) {
        let cold = || {
            let client = ServiceClient::new(&PLAIN.url, Arc::new(Fixed), ServiceClientOptions::default());
            client.expect("an endpoint").hub("chat").expect("a hub")
        };
        bencher.with_inputs(cold).bench_values(|chat| {
            let before = PLAIN.keys.load(Ordering::SeqCst);
            RUNTIME.block_on(futures_util::future::join_all((0..10_000).map(|_| chat.negotiate(options()))));
            assert_eq!(PLAIN.keys.load(Ordering::SeqCst) - before, 1, "one fetch of the key");
        });
    }
}

mod send {
    use super::*;

    const BODY: &str = r#"{"target":"newMessage","arguments":["anna","hello"]}"#;

    #[divan::bench(sample_count = 400, sample_size = 10)]
    fn library(bencher: divan::Bencher<'_, '_>) {
        let chat = chat(&PLAIN, ClientTokens::Service);
        bencher.bench(|| {
            RUNTIME.block_on(chat.send_to_all("newMessage", &("anna", "hello")).into_future()).expect("a success");
        });
    }

    /// The same client settings, headers and body, and the same limit for the whole request.
    #[divan::bench(sample_count = 400, sample_size = 10)]
    fn bare_reqwest(bencher: divan::Bencher<'_, '_>) {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(5))
            .pool_idle_timeout(Duration::from_secs(90))
            .timeout(Duration::from_secs(30))
            .build()
            .expect("a client");
        let authorization = format!("Bearer {}", ENTRA.token);
        let url = format!("{}/api/hubs/chat/:send?api-version=2024-12-01", PLAIN.url);
        bencher.bench(|| {
            let request = client
                .post(&url)
                .header("user-agent", "signalr-serverless/0.1.0")
                .header("authorization", &authorization)
                .header("content-type", "application/json")
                .body(BODY);
            RUNTIME.block_on(async { request.send().await.expect("an answer").bytes().await.expect("a body") })
        });
    }
}
