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
use tokio::time::{sleep, timeout};
use tracing_subscriber::filter::LevelFilter;

use crate::admin::{self, Admin};
use crate::arguments::{LogFormat, ServeArguments, WithoutKeys};
use crate::current::Current;
use crate::failure::Failure;
use crate::log;
use crate::server::phase::{Phase, Phases};
use crate::server::tls::Tls;
use crate::server::{Answer, Server};
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
        let (server, current) = (server.clone(), current.clone());
        let (address, without_keys) = (arguments.listen, arguments.without_keys);
        tokio::spawn(async move {
            let loading = tokio::spawn(load_keys(current));
            if without_keys == WithoutKeys::Wait {
                // A task that panics must not keep the server closed.
                let _ = loading.await;
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
    end(arguments, &server, &phases, &mut signals).await
}

/// Not ready at once, then the drain.
async fn end<A: Answer>(
    arguments: &ServeArguments,
    server: &Server<A>,
    phases: &Phases,
    signals: &mut Signals,
) -> Result<ExitCode, Failure> {
    phases.enter(Phase::NotReady);
    tracing::info!(seconds = arguments.not_ready, "not ready: requests are served until load balancers look elsewhere");
    tokio::select! {
        () = sleep(Duration::from_secs(arguments.not_ready)) => {}
        () = signals.end() => {}
    }
    phases.enter(Phase::Draining);
    tracing::info!(connections = server.open(), "draining: requests under way end");
    tokio::select! {
        drained = timeout(Duration::from_secs(arguments.drain), server.drained()) => match drained {
            Ok(()) => {
                tracing::info!("ended");
                Ok(ExitCode::SUCCESS)
            }
            Err(_) => Err(cut_off(server, &format!("within {} seconds", arguments.drain))),
        },
        () = signals.end() => Err(cut_off(server, "before the second signal")),
    }
}

fn cut_off<A: Answer>(server: &Server<A>, when: &str) -> Failure {
    Failure::failed("the drain is over", format!("{} connections have not ended {when}", server.open()))
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
const BACKLOG: u32 = 1024;
const MAX_PROBES: u32 = 64;
