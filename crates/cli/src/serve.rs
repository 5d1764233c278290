//! What `proxy` and `forward-auth` have in common: listeners, signals, the way to the end.

use std::io;
use std::net::SocketAddr;
use std::num::NonZero;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::Builder;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tracing_subscriber::filter::LevelFilter;

use crate::admin::{self, Admin};
use crate::arguments::{LogFormat, ServeArguments, WithoutKeys};
use crate::current::Current;
use crate::failure::Failure;
use crate::log;
use crate::server::phase::{Phase, Phases};
use crate::server::tls::Tls;
use crate::server::{Answer, BACKLOG, Server};
use crate::settings::Source;
use crate::signals::{Signals, Wish};

/// Runs a server until a signal ends it. `service` makes what answers from the check in use.
///
/// # Errors
///
/// Settings and files are at fault (exit code 2), an address is taken, or requests were cut off at the end of the drain
/// (exit code 1).
pub(crate) fn run<A: Answer>(
    arguments: &ServeArguments,
    source: &Source,
    format: LogFormat,
    service: impl FnOnce(Current) -> A,
) -> Result<ExitCode, Failure> {
    log::start(format, LevelFilter::INFO);
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::failed(UNSTARTED, error))?;
    runtime.block_on(serve(arguments, source, service))
}

async fn serve<A: Answer>(
    arguments: &ServeArguments,
    source: &Source,
    service: impl FnOnce(Current) -> A,
) -> Result<ExitCode, Failure> {
    // The recorder comes first: what is counted before it is lost.
    let exporter = admin::exporter().map_err(|error| Failure::failed(UNSTARTED, error))?;
    let mut signals = Signals::new().map_err(|error| Failure::failed(UNSTARTED, error))?;
    let tls = match (&arguments.tls_cert, &arguments.tls_key) {
        (Some(certificate), Some(key)) => Tls::new(certificate, key).map(Some),
        _ => Ok(None),
    };
    // All faults at once: nobody should have to start the server several times to find them.
    let (tls, current) = match (tls, Current::new(source)) {
        (Ok(tls), Ok(current)) => (tls, current),
        (tls, current) => {
            let faults: Vec<_> = [tls.err(), current.err()].into_iter().flatten().collect();
            return Err(Failure::usage(UNSTARTED, faults.join("\n")));
        }
    };
    let phases = Phases::new();
    let socket = bind("--listen", arguments.listen)?;
    let probes = listen("--admin", bind("--admin", arguments.admin)?, arguments.admin)?;
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    let server = Server::new(threads, &service(current.clone()), phases.clone(), tls, arguments.max_connections)
        .map_err(|error| Failure::failed(UNSTARTED, error))?;
    tracing::info!(admin = %shown(&probes, arguments.admin), "serving probes");
    // Its own phases: probes are answered until the end.
    let admin = Admin::new(current.clone(), phases.clone(), exporter);
    let admin =
        Server::new(1, &admin, Phases::new(), None, MAX_PROBES).map_err(|error| Failure::failed(UNSTARTED, error))?;
    tokio::spawn(async move { admin.serve(probes).await });

    let serving = {
        let (server, current, phases) = (server.clone(), current.clone(), phases.clone());
        let (address, without_keys) = (arguments.listen, arguments.without_keys);
        tokio::spawn(async move {
            let loading = tokio::spawn(load_keys(current));
            if without_keys == WithoutKeys::Wait {
                tokio::select! {
                    // A task that panics must not keep the server closed.
                    _ = loading => {}
                    () = phases.reached(Phase::Draining) => return Ok(()),
                }
            }
            let listener = listen("--listen", socket, address)?;
            tracing::info!(address = %shown(&listener, address), "listening");
            server.serve(listener).await;
            Ok(())
        })
    };
    let mut serving = serving;
    let reloads = Arc::new(Mutex::new(()));
    loop {
        let wish = tokio::select! {
            wish = signals.next() => wish,
            ended = &mut serving => {
                return match ended {
                    Ok(Err(failure)) => Err(failure),
                    Ok(Ok(())) | Err(_) => Err(Failure::failed("this server has stopped", "its listener has ended")),
                };
            }
        };
        match wish {
            Wish::End => break,
            Wish::Reload => {
                server.look_for_certificate();
                let (current, source, reloads) = (current.clone(), source.clone(), Arc::clone(&reloads));
                tokio::spawn(async move {
                    // One at a time, so that the latest settings win.
                    let _one = reloads.lock().await;
                    current.reload(&source).await;
                });
            }
        }
    }
    end(arguments, &server, &phases, &mut signals, serving).await
}

/// Not ready at once, then the drain. A second signal ends either.
async fn end<A: Answer>(
    arguments: &ServeArguments,
    server: &Server<A>,
    phases: &Phases,
    signals: &mut Signals,
    mut serving: JoinHandle<Result<(), Failure>>,
) -> Result<ExitCode, Failure> {
    let wait = async {
        phases.enter(Phase::NotReady);
        let seconds = arguments.not_ready;
        tracing::info!(seconds, "not ready: requests are served until load balancers look elsewhere");
        sleep(Duration::from_secs(seconds)).await;
        phases.enter(Phase::Draining);
        timeout(Duration::from_secs(arguments.drain), drain(server, &mut serving)).await.is_ok()
    };
    let when = tokio::select! {
        is_drained = wait => if is_drained { None } else { Some(format!("within {} seconds", arguments.drain)) },
        () = signals.end() => Some("before the second signal".to_owned()),
    };
    // The listener counts as a connection while it waits for one.
    if !serving.is_finished() {
        serving.abort();
        let _ = serving.await;
    }
    match when {
        Some(when) if server.open() > 0 => {
            Err(Failure::failed("the drain is over", format!("{} connections have not ended {when}", server.open())))
        }
        _ => {
            tracing::info!("ended");
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Waits until the listener and every connection have ended. The listener comes first: it still serves who is in its queue.
async fn drain<A: Answer>(server: &Server<A>, serving: &mut JoinHandle<Result<(), Failure>>) {
    let _ = serving.await;
    tracing::info!(connections = server.open(), "draining: requests under way end");
    server.drained().await;
}

/// Fetches the keys before the first request needs them. Returns once there are some.
async fn load_keys(current: Current) {
    loop {
        // A reload may have replaced the check.
        match current.load().layer.wait_for_keys().await {
            Ok(()) => {
                tracing::info!("the keys are loaded");
                return;
            }
            Err(error) => tracing::warn!(%error, "no keys yet, further attempts follow"),
        }
    }
}

/// Reserves an address. Nobody can connect before `listen`.
fn bind(option: &str, address: SocketAddr) -> Result<TcpSocket, Failure> {
    let open = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // As `TcpListener::bind`: a restart must not wait for the connections of the program before it. On Windows the
        // option would let two programs listen.
        #[cfg(unix)]
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        Ok(socket)
    };
    open().map_err(|error| no_listener(option, address, &error))
}

fn listen(option: &str, socket: TcpSocket, address: SocketAddr) -> Result<TcpListener, Failure> {
    socket.listen(BACKLOG).map_err(|error| no_listener(option, address, &error))
}

fn no_listener(option: &str, address: SocketAddr, error: &io::Error) -> Failure {
    Failure::failed(UNSTARTED, format!("{option}: {address} cannot be listened on: {error}; write another address"))
}

/// The address with the port that the operating system chose.
fn shown(listener: &TcpListener, wanted: SocketAddr) -> SocketAddr {
    listener.local_addr().unwrap_or(wanted)
}

const UNSTARTED: &str = "this server cannot start";
const MAX_PROBES: u32 = 64;

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{Ipv4Addr, TcpStream};

    use axum::body::Body;
    use http::{Request, Response};
    use hyper::body::Incoming;
    use tokio::task::yield_now;

    use super::*;
    use crate::server::Peer;

    #[derive(Clone)]
    struct Empty;

    impl Answer for Empty {
        async fn answer(&self, _request: Request<Incoming>, _peer: Peer) -> Response<Body> {
            Response::default()
        }
    }

    #[tokio::test]
    async fn who_is_in_the_queue_when_the_drain_begins_is_served() {
        let phases = Phases::new();
        let server = Server::new(1, &Empty, phases.clone(), None, 100).unwrap();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let listener = listen("--listen", bind("--listen", address).unwrap(), address).unwrap();
        let address = listener.local_addr().unwrap();
        let mut serving = tokio::spawn({
            let server = server.clone();
            async move {
                server.serve(listener).await;
                Ok(())
            }
        });
        yield_now().await;
        // The operating system connects them. This thread accepts nobody before the drain begins.
        let clients = (0..8).map(|_| {
            let mut client = TcpStream::connect(address).unwrap();
            client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
            client
        });
        let clients: Vec<_> = clients.collect();
        phases.enter(Phase::Draining);
        timeout(Duration::from_secs(20), drain(&server, &mut serving)).await.unwrap();
        for mut client in clients {
            let mut answer = String::new();
            client.read_to_string(&mut answer).unwrap();
            assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        }
    }
}
