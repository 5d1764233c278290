//! One client, from its handshake to its end.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::handshake;
use super::room::ClientRoom;
use super::socket::{Socket, SocketEnd, Stream};
use super::token::ClientToken;
use crate::clock::deadline;
use crate::events::EmulatorEvent;
use crate::hub::{Outbound, outbox};
use crate::protocol::{Frames, HubProtocol, Incoming, Outcome, read_json, read_message_pack};
use crate::upstream::{Client, Invocation, Reply};

pub(super) struct Session {
    pub(super) room: Arc<ClientRoom>,
    pub(super) hub: String,
    pub(super) connection_id: String,
    pub(super) token: ClientToken,
    /// The query of the connection, without `?`.
    pub(super) client_query: String,
}

/// The queues of a session.
struct Channels {
    outgoing: mpsc::Receiver<Outbound>,
    calls: mpsc::Sender<Invocation>,
    replied: mpsc::Receiver<(String, Reply)>,
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
    pub(super) async fn run(self, stream: Stream) {
        let mut socket = Socket::new(stream, self.room.assumptions.client_timeout);
        let Some(protocol) = self.shake_hands(&mut socket).await else {
            socket.close().await;
            return;
        };
        let (outbox, outgoing) = outbox();
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
        let (calls, to_call) = mpsc::channel(CALLS_IN_WAITING);
        let (replies, replied) = mpsc::channel(1);
        let calling = self.call_upstream(&client, to_call, replies);
        tokio::pin!(calling);
        let channels = Channels { outgoing, calls, replied };
        let (ending, calling_ended) = self.talk(&mut socket, protocol, channels, calling.as_mut()).await;
        self.room.hubs.disconnect(&self.hub, &self.connection_id);
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
            calling.await;
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
        channels: Channels,
        mut calling: Pin<&mut impl Future<Output = Option<Ending>>>,
    ) -> (Ending, bool) {
        let Channels { mut outgoing, calls, mut replied } = channels;
        let expiry = self.expiry();
        tokio::pin!(expiry);
        let assumptions = &self.room.assumptions;
        let mut last_heard = Instant::now();
        // A call that waits for its place behind others; meanwhile nothing more is read.
        let mut waiting: Option<Invocation> = None;
        loop {
            tokio::select! {
                // It ends early only to end the session.
                Some(ending) = &mut calling => return (ending, true),
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
                Some(reply) = replied.recv() => {
                    if !self.reply(socket, protocol, reply).await {
                        return broken();
                    }
                }
                permit = calls.reserve(), if waiting.is_some() => {
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
                            waiting = Some(Invocation { id, target, body: raw });
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

    /// Makes the upstream calls of this connection in their order: `connected` first.
    async fn call_upstream(
        &self,
        client: &Client,
        mut calls: mpsc::Receiver<Invocation>,
        replies: mpsc::Sender<(String, Reply)>,
    ) -> Option<Ending> {
        let upstream = &self.room.upstream;
        if !upstream.connected(client).await && self.room.assumptions.close_when_connected_fails {
            let error = Some("The upstream rejected the connection.".to_owned());
            return Some(Ending::Close { error, allow_reconnect: false });
        }
        while let Some(invocation) = calls.recv().await {
            if upstream.has_no_template() {
                let error = Some("No upstream is configured: clients must not send in serverless mode.".to_owned());
                return Some(Ending::Close { error, allow_reconnect: false });
            }
            let reply = upstream.invoke(client, &invocation).await;
            if let (Some(reply), Some(id)) = (reply, invocation.id) {
                // Once the client is gone nobody waits for it.
                let _ = replies.send((id, reply)).await;
            }
        }
        None
    }

    async fn reply(&self, socket: &mut Socket, protocol: HubProtocol, (id, reply): (String, Reply)) -> bool {
        match reply {
            Reply::Verbatim(bytes) => socket.send(protocol, &bytes).await,
            Reply::Void => self.deliver(socket, protocol, &Frames::completion(&id, &Outcome::Void)).await,
            Reply::Error(text) => self.deliver(socket, protocol, &Frames::completion(&id, &Outcome::Error(text))).await,
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

const CALLS_IN_WAITING: usize = 64;
/// ASP.NET Core's default.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(15);
