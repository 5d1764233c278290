//! One client, from its handshake to its end.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::calls::{Calls, call_upstream, calls};
use super::handshake;
use super::room::ClientRoom;
use super::socket::{Socket, SocketEnd, Stream};
use super::token::ClientToken;
use crate::clock::deadline;
use crate::events::EmulatorEvent;
use crate::hub::{Breaks, Outbound, outbox};
use crate::protocol::{Frames, HubProtocol, Incoming, Outcome, read_json, read_message_pack};
use crate::upstream::{Client, Invocation};

pub(super) struct Session {
    pub(super) room: Arc<ClientRoom>,
    pub(super) hub: String,
    pub(super) connection_id: String,
    pub(super) token: ClientToken,
    /// The query of the connection, without `?`.
    pub(super) client_query: String,
}

/// How a session ends.
enum Ending {
    /// The client closed.
    Closed,
    /// Without a close message.
    Broken,
    /// With a close message.
    Close { error: Option<String>, allow_reconnect: bool },
}

impl Session {
    /// Serves the client until it leaves, is closed, or the connection breaks.
    pub(super) async fn run(self, stream: Stream, mut breaks: Breaks) {
        let mut socket = Socket::new(stream, self.room.assumptions.client_timeout);
        let protocol = tokio::select! {
            biased;
            () = breaks.next() => return,
            protocol = self.shake_hands(&mut socket) => protocol,
        };
        let Some(protocol) = protocol else {
            socket.close().await;
            return;
        };
        let (outbox, mut outgoing) = outbox();
        let for_completions = outbox.downgrade();
        let user = self.token.user_id.as_deref();
        self.room.hubs.connect(&self.hub, &self.connection_id, user, outbox);
        // Whatever ends this task, the hub drops the connection.
        let _presence = Presence { room: &self.room, hub: &self.hub, connection_id: &self.connection_id };
        self.room.events.publish(EmulatorEvent::client_connected(
            &self.hub,
            &self.connection_id,
            user,
            protocol.name(),
        ));

        let client = self.client(protocol);
        let (mut calls, to_call) = calls();
        let calling = call_upstream(&self.room, &client, to_call, for_completions);
        tokio::pin!(calling);
        let (ending, calling_ended) = tokio::select! {
            biased;
            () = breaks.next() => broken(),
            ended = self.talk(&mut socket, protocol, &mut outgoing, &mut calls, calling.as_mut()) => ended,
        };
        self.room.hubs.disconnect(&self.hub, &self.connection_id);
        // No completion may wait for a place in it.
        drop(outgoing);
        let error = match ending {
            Ending::Closed => {
                // RFC 6455 section 5.5.1: a close frame is answered. A browser reports 1006 otherwise.
                socket.close().await;
                None
            }
            Ending::Broken => {
                drop(socket);
                Some("The connection broke.".to_owned())
            }
            Ending::Close { error, allow_reconnect } => {
                let frames = Frames::close(error.as_deref(), allow_reconnect);
                if let Some(bytes) = frames.of(protocol) {
                    socket.send(protocol, bytes).await;
                }
                socket.close().await;
                error
            }
        };
        self.room.events.publish(EmulatorEvent::client_disconnected(&self.hub, &self.connection_id, error.as_deref()));
        // What the client has sent is still called, and `disconnected` is the last call of all.
        if !calling_ended {
            tokio::join!(calls.finish(), calling);
        }
        self.room.upstream.disconnected(&client, error.as_deref()).await;
    }

    fn client(&self, protocol: HubProtocol) -> Client {
        Client {
            hub: self.hub.clone(),
            connection_id: self.connection_id.clone(),
            user_id: self.token.user_id.clone(),
            claims: self.token.claims.clone(),
            query: self.client_query.clone(),
            message_pack: protocol == HubProtocol::MessagePack,
        }
    }

    async fn shake_hands(&self, socket: &mut Socket) -> Option<HubProtocol> {
        // The handshake is JSON in both protocols.
        let first = tokio::time::timeout(HANDSHAKE_TIMEOUT, socket.next(HubProtocol::Json)).await;
        let result = match first {
            Ok(Ok(message)) => handshake::read(&message),
            Ok(Err(_)) => return None,
            Err(_) => Err("Handshake was canceled.".to_owned()),
        };
        let (protocol, answer) = match result {
            Ok(protocol) => (protocol, handshake::answer(None)),
            Err(error) => {
                socket.send(HubProtocol::Json, &handshake::answer(Some(&error)).into()).await;
                return None;
            }
        };
        socket.send(protocol, &answer.into()).await.then_some(protocol)
    }

    /// Reads, writes and watches the clocks, while `calling` makes the upstream calls one after another.
    async fn talk(
        &self,
        socket: &mut Socket,
        protocol: HubProtocol,
        outgoing: &mut mpsc::Receiver<Outbound>,
        calls: &mut Calls,
        mut calling: Pin<&mut impl Future<Output = Option<&'static str>>>,
    ) -> (Ending, bool) {
        let Calls { sender, waiting } = calls;
        let expiry = self.expiry();
        tokio::pin!(expiry);
        let assumptions = &self.room.assumptions;
        let mut last_heard = Instant::now();
        loop {
            tokio::select! {
                // It ends early only to end the session.
                Some(error) = &mut calling => {
                    return (Ending::Close { error: Some(error.to_owned()), allow_reconnect: false }, true);
                }
                () = &mut expiry => return (Ending::Close { error: None, allow_reconnect: true }, false),
                () = tokio::time::sleep_until(deadline(last_heard, assumptions.client_timeout)), if waiting.is_none() => {
                    let error = Some("Client timeout.".to_owned());
                    return (Ending::Close { error, allow_reconnect: true }, false);
                }
                () = tokio::time::sleep_until(deadline(socket.last_sent(), assumptions.keep_alive)) => {
                    if !self.deliver(socket, protocol, &Frames::ping()).await {
                        return broken();
                    }
                }
                outbound = outgoing.recv() => {
                    match outbound {
                        Some(Outbound::Frames(frames)) => {
                            if !self.deliver(socket, protocol, &frames).await {
                                return broken();
                            }
                        }
                        Some(Outbound::Close { error, allow_reconnect }) => {
                            return (Ending::Close { error, allow_reconnect }, false);
                        }
                        Some(Outbound::Drop) => return broken(),
                        None => {
                            let error = Some("The client is too slow.".to_owned());
                            return (Ending::Close { error, allow_reconnect: true }, false);
                        }
                    }
                }
                permit = sender.reserve(), if waiting.is_some() => {
                    if let (Ok(permit), Some(invocation)) = (permit, waiting.take()) {
                        permit.send(invocation);
                        // Nothing was read meanwhile, so the client was not silent.
                        last_heard = Instant::now();
                    }
                }
                message = socket.next(protocol), if waiting.is_none() => {
                    last_heard = Instant::now();
                    match message.map(|raw| read(protocol, raw)) {
                        Ok(Ok(Incoming::Invocation { id, target, raw })) => {
                            *waiting = Some(Invocation { id, target, body: raw });
                        }
                        Ok(Ok(Incoming::Completion { id, result })) => {
                            self.room.hubs.complete_invocation(&self.connection_id, &id, result);
                        }
                        Ok(Ok(Incoming::Ping)) => (),
                        Ok(Ok(Incoming::Close)) | Err(SocketEnd::Closed) => {
                            return (Ending::Closed, false);
                        }
                        Ok(Ok(Incoming::Unsupported { id })) => {
                            let outcome = Outcome::Error("Streaming is not supported in serverless mode.".to_owned());
                            let frames = id.map(|id| Frames::completion(&id, &outcome)).unwrap_or_default();
                            if !self.deliver(socket, protocol, &frames).await {
                                return broken();
                            }
                        }
                        Ok(Err(_)) | Err(SocketEnd::Invalid) => {
                            let error = Some("The message does not follow the hub protocol.".to_owned());
                            return (Ending::Close { error, allow_reconnect: false }, false);
                        }
                        Err(SocketEnd::Broken) => return broken(),
                    }
                }
            }
        }
    }

    async fn deliver(&self, socket: &mut Socket, protocol: HubProtocol, frames: &Frames) -> bool {
        match frames.of(protocol) {
            Some(bytes) => socket.send(protocol, bytes).await,
            None => true,
        }
    }

    async fn expiry(&self) {
        match self.token.closes_at {
            Some(end) => self.room.clock.reaches(end).await,
            None => std::future::pending().await,
        }
    }
}

/// Takes a connection out of its hub when it is dropped.
struct Presence<'a> {
    room: &'a ClientRoom,
    hub: &'a str,
    connection_id: &'a str,
}

impl Drop for Presence<'_> {
    fn drop(&mut self) {
        self.room.hubs.disconnect(self.hub, self.connection_id);
    }
}

fn read(protocol: HubProtocol, raw: Bytes) -> Result<Incoming, crate::protocol::ReadError> {
    match protocol {
        HubProtocol::Json => read_json(raw),
        HubProtocol::MessagePack => read_message_pack(raw),
    }
}

fn broken() -> (Ending, bool) {
    (Ending::Broken, false)
}

/// ASP.NET Core's default.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(15);
