//! Threads that serve connections, each with a runtime of its own.
//!
//! A call then wakes nobody on another thread: its connection, its request and the connection to the service are on one. On
//! a runtime that shares its work, most of them meet on two.

use std::future::pending;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use tokio::net::TcpStream;
use tokio::runtime::{Builder, Handle};

/// Threads with a service for each.
#[derive(Clone, Debug)]
pub(super) struct Workers<A>(Arc<All<A>>);

#[derive(Debug)]
struct All<A> {
    workers: Vec<(Handle, A)>,
    /// The next one in turn. Connections last, and each has about as many calls as any other.
    next: AtomicUsize,
}

impl<A: Clone> Workers<A> {
    /// Starts the threads, which end with the process.
    ///
    /// # Errors
    ///
    /// The operating system starts no thread.
    pub(super) fn start(number: usize, mut service: impl FnMut() -> A) -> io::Result<Self> {
        let worker = |number| {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let handle = runtime.handle().clone();
            thread::Builder::new().name(format!("worker-{number}")).spawn(move || runtime.block_on(pending::<()>()))?;
            Ok((handle, service()))
        };
        let workers = (1..=number.max(1)).map(worker).collect::<io::Result<_>>()?;
        Ok(Self(Arc::new(All { workers, next: AtomicUsize::new(0) })))
    }

    /// Serves a connection on the thread whose turn it is.
    pub(super) fn spawn<F>(&self, stream: TcpStream, serve: impl FnOnce(TcpStream, A) -> F + Send + 'static)
    where
        F: Future<Output = ()> + Send,
        A: Send + 'static,
    {
        let All { workers, next } = &*self.0;
        let turn = next.fetch_add(1, Ordering::Relaxed) % workers.len();
        // A socket belongs to the runtime that waits for it.
        let Some((handle, service)) = workers.get(turn) else { return };
        let (stream, service) = (stream.into_std(), service.clone());
        handle.spawn(async move {
            match stream.and_then(TcpStream::from_std) {
                Ok(stream) => serve(stream, service).await,
                Err(error) => tracing::error!(%error, "a connection cannot be served"),
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::net::Ipv4Addr;

    use tokio::net::TcpListener;
    use tokio::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn each_thread_serves_every_second_connection_with_its_own_service() {
        let mut services = 0;
        let workers = Workers::start(2, || {
            services += 1;
            services
        })
        .unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, mut served) = mpsc::unbounded_channel();
        for _ in 0..6 {
            let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
            let (client, sender) = (client.unwrap(), sender.clone());
            workers.spawn(accepted.unwrap().0, async move |stream, service| {
                let is_open = stream.writable().await.is_ok();
                let thread = thread::current().name().unwrap_or_default().to_owned();
                sender.send((thread, service, is_open)).unwrap();
                drop((stream, client));
            });
        }
        let mut counts = BTreeMap::new();
        for _ in 0..6 {
            *counts.entry(served.recv().await.unwrap()).or_insert(0) += 1;
        }
        let expected = [("worker-1", 1), ("worker-2", 2)].map(|(name, service)| ((name.to_owned(), service, true), 3));
        assert_eq!(counts, BTreeMap::from(expected));
    }
}
