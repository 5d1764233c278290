//! A SOCKS proxy in the environment.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use signalr_upstream_auth::Validator;
use signalr_upstream_auth::keys::{KeySource, RemoteKeys};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::sync::watch;
use tokio::time::timeout;

use super::servers::TlsServer;
use super::table::Row;

const CHILD: &str = "TEST_HAS_A_SOCKS_PROXY";
const NAME: &str = "socks::scenario_58_a_socks_proxy";

/// A SOCKS5 proxy (RFC 1928) without authentication. It counts requests for the host's name, and leads all of them to the
/// address that it is told.
async fn proxy(target: watch::Receiver<Option<SocketAddr>>) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let (address, count) = (listener.local_addr().unwrap(), Arc::<AtomicUsize>::default());
    let counter = Arc::clone(&count);
    tokio::spawn(async move {
        loop {
            let (client, _) = listener.accept().await.unwrap();
            tokio::spawn(serve(client, target.clone(), Arc::clone(&counter)));
        }
    });
    (address, count)
}

async fn serve(mut client: TcpStream, mut target: watch::Receiver<Option<SocketAddr>>, count: Arc<AtomicUsize>) {
    let mut greeting = [0; 2];
    client.read_exact(&mut greeting).await.unwrap();
    assert_eq!(greeting[0], 5, "the version of SOCKS");
    let mut methods = vec![0; usize::from(greeting[1])];
    client.read_exact(&mut methods).await.unwrap();
    client.write_all(&[5, 0]).await.unwrap();
    let mut request = [0; 5];
    client.read_exact(&mut request).await.unwrap();
    assert_eq!(request[..4], [5, 1, 0, 3], "CONNECT to a name");
    let mut destination = vec![0; usize::from(request[4]) + 2];
    client.read_exact(&mut destination).await.unwrap();
    assert_eq!(destination, [&b"login.microsoftonline.com"[..], &443_u16.to_be_bytes()].concat());
    count.fetch_add(1, Ordering::Relaxed);
    let target = target.wait_for(Option::is_some).await.unwrap().unwrap();
    let mut server = TcpStream::connect(target).await.unwrap();
    client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await.unwrap();
    let _ = copy_bidirectional(&mut client, &mut server).await;
}

#[tokio::test]
async fn scenario_58_a_socks_proxy() {
    if std::env::var_os(CHILD).is_some() {
        let server = TlsServer::start().await;
        println!("\nserver {}", server.address());
        let certificate = server.certificate();
        let policy = server.entra.policy();
        let keys = RemoteKeys::builder(&policy)
            .configure_client(move |client| client.tls_certs_only([certificate]))
            .build()
            .unwrap();
        keys.wait_for_keys().await.unwrap();
        let token = server.entra.token().mint();
        let outcome = Validator::new(policy, keys).validate_token(&token).await;
        return Row::new(58, "the environment names a SOCKS proxy")
            .fetches(server.entra.requests().log().len(), 2)
            .lost(u64::from(outcome.is_err()), 0)
            .print();
    }
    let (server, target) = watch::channel(None);
    let (address, count) = proxy(target).await;
    let mut command = Command::new(std::env::current_exe().unwrap());
    for name in ["HTTPS_PROXY", "https_proxy", "all_proxy", "NO_PROXY", "no_proxy", "REQUEST_METHOD"] {
        command.env_remove(name);
    }
    command.args(["--exact", NAME, "--nocapture"]).env(CHILD, "1").env("ALL_PROXY", format!("socks5h://{address}"));
    let mut child = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
    let passed = async {
        while let Some(line) = output.next_line().await.unwrap() {
            if let Some(address) = line.strip_prefix("server ") {
                server.send_replace(Some(address.parse().unwrap()));
            }
        }
        child.wait().await.unwrap().success()
    };
    assert!(timeout(Duration::from_secs(20), passed).await.expect("the child ends"));
    assert_eq!(count.load(Ordering::Relaxed), 1, "one connection, through the proxy");
}
