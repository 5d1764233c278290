//! Just enough of HTTP/1.1 (RFC 9112) to answer well, and to answer wrongly in every way a fault asks for.
//!
//! A server library would reject to write most of the faults; so the bytes are written here.

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{StatusCode, Uri};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::fault::{Act, Answer, Body, Drip, Stop};
use super::site::{Page, Site};

/// A listener on a free port of the loopback interface.
pub(super) fn listen() -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    // A small buffer keeps the count of bytes sent near to what the client took.
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
    socket.listen(BACKLOG)
}

/// Accepts connections and serves them until it is dropped, and they with it.
pub(super) async fn accept(listener: TcpListener, site: Arc<Site>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve_tcp(stream, Arc::clone(&site)));
                }
                // The process has no more descriptors; some will come back.
                Err(_) => sleep(ACCEPT_PAUSE).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Serves one connection to its end, whatever carries its bytes.
pub(super) async fn serve(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), site: &Site) -> Ending {
    let _open = site.counter.connection();
    let mut connection = Connection { stream, site, unread: Vec::new(), answers: 0 };
    // An error means that the client is gone.
    let ending = connection.run().await.unwrap_or(Ending::Close);
    if ending == Ending::Close {
        let _ = connection.stream.shutdown().await;
    }
    ending
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Ending {
    Close,
    Reset,
}

async fn serve_tcp(mut stream: TcpStream, site: Arc<Site>) {
    // Single bytes leave at once, not collected into a packet.
    let _ = stream.set_nodelay(true);
    if serve(&mut stream, &site).await == Ending::Reset {
        reset(&stream);
    }
}

/// Makes the end of the stream a reset.
#[allow(deprecated, reason = "`set_zero_linger`, which takes its place, came only with tokio 1.50")]
fn reset(stream: &TcpStream) {
    let _ = stream.set_linger(Some(Duration::ZERO));
}

#[derive(Debug)]
struct Connection<'a, S> {
    stream: &'a mut S,
    site: &'a Site,
    /// What was read behind the last request.
    unread: Vec<u8>,
    answers: usize,
}

/// What is read of a request.
#[derive(Debug)]
struct Request {
    method: String,
    target: String,
    close: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<'_, S> {
    async fn run(&mut self) -> io::Result<Ending> {
        let mut idle_limit = Duration::MAX;
        loop {
            let Ok(request) = timeout(idle_limit, self.request()).await else {
                return Ok(Ending::Reset);
            };
            let Some(request) = request? else {
                return Ok(Ending::Close);
            };
            let (page, fault) = self.site.answer(&request.target);
            if !fault.delay.is_zero() {
                self.wait(fault.delay).await?;
            }
            match fault.act {
                Act::Answer if request.method == "GET" => {
                    if !self.answer(page, &fault.answer).await? {
                        return Ok(Ending::Close);
                    }
                }
                Act::Answer => {
                    self.write(b"HTTP/1.1 405 Method Not Allowed\r\nAllow: GET\r\nConnection: close\r\n\r\n", None)
                        .await?;
                    return Ok(Ending::Close);
                }
                Act::Hang => return self.hang().await,
                Act::Raw(bytes) => {
                    self.write(&bytes, None).await?;
                    return Ok(Ending::Close);
                }
                Act::Reject => return Ok(Ending::Reset),
            }
            self.answers += 1;
            if fault.answer.reset_after.is_some_and(|answers| self.answers >= answers) {
                return Ok(Ending::Reset);
            }
            if request.close {
                return Ok(Ending::Close);
            }
            idle_limit = fault.answer.reset_when_idle.unwrap_or(Duration::MAX);
        }
    }

    /// The head of the next request. `None` if the client closed the connection instead.
    async fn request(&mut self) -> io::Result<Option<Request>> {
        loop {
            if let Some(end) = self.unread.windows(4).position(|window| window == b"\r\n\r\n") {
                let head: Vec<u8> = self.unread.drain(..end + 4).collect();
                return Request::parse(&head).map(Some).ok_or_else(|| io::ErrorKind::InvalidData.into());
            }
            if self.read().await? == 0 {
                return Ok(None);
            }
        }
    }

    /// Writes an answer. `false` if it broke off and the connection must be closed.
    async fn answer(&mut self, page: Page, answer: &Answer) -> io::Result<bool> {
        let (padding, text) = match &answer.body {
            Body::Document => (0, Bytes::from(page.body)),
            Body::Endless => (usize::MAX, Bytes::new()),
            Body::Padded(length) => (length.saturating_sub(page.body.len()), Bytes::from(page.body)),
            Body::Text(text) => (0, text.clone()),
        };
        let status = answer.status.unwrap_or(page.status);
        let length = padding.saturating_add(text.len());
        let (head_pause, body_pause) = match answer.drip {
            Some(Drip::Body(pause)) => (None, Some(pause)),
            Some(Drip::Head(pause)) => (Some(pause), None),
            None => (None, None),
        };
        self.write(head(status, length, answer).as_bytes(), head_pause).await?;
        if bodiless(status) {
            return Ok(true);
        }

        let mut allowed = match answer.stop {
            Some(Stop::Close(bytes) | Stop::Hang(bytes)) => bytes,
            Some(Stop::CloseHalfway) => length / 2,
            None => usize::MAX,
        };
        for piece in (Pieces { padding, text }) {
            let part = piece.len().min(allowed);
            allowed -= part;
            if answer.chunked {
                self.write(format!("{:x}\r\n", piece.len()).as_bytes(), None).await?;
            }
            self.write(&piece[..part], body_pause).await?;
            if part < piece.len() {
                break;
            }
            if answer.chunked {
                self.write(b"\r\n", None).await?;
            }
        }
        match answer.stop {
            Some(Stop::Hang(_)) => self.hang().await.map(|_| false),
            Some(Stop::Close(_) | Stop::CloseHalfway) => Ok(false),
            None => {
                if answer.chunked {
                    self.write(b"0\r\n\r\n", None).await?;
                }
                Ok(true)
            }
        }
    }

    /// Writes, in one go or byte by byte with a pause before each but the first.
    async fn write(&mut self, bytes: &[u8], pause: Option<Duration>) -> io::Result<()> {
        let Some(pause) = pause else {
            return self.write_at_once(bytes).await;
        };
        for (index, byte) in bytes.iter().enumerate() {
            if index > 0 {
                self.wait(pause).await?;
            }
            self.write_at_once(&[*byte]).await?;
        }
        Ok(())
    }

    async fn write_at_once(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let written = self.stream.write(bytes).await?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            self.site.counter.sent(written);
            bytes = &bytes[written..];
        }
        self.stream.flush().await
    }

    /// Lets time pass. An error if the client is gone before.
    async fn wait(&mut self, duration: Duration) -> io::Result<()> {
        match timeout(duration, self.hang()).await {
            Ok(Ok(_)) => Err(io::ErrorKind::ConnectionAborted.into()),
            Ok(Err(error)) => Err(error),
            Err(_) => Ok(()),
        }
    }

    /// Does nothing until the client is gone.
    async fn hang(&mut self) -> io::Result<Ending> {
        while self.read().await? > 0 {}
        Ok(Ending::Close)
    }

    /// Reads what there is to [`unread`](Self::unread). Zero means that the client closed its side.
    async fn read(&mut self) -> io::Result<usize> {
        if self.unread.len() > REQUEST_LIMIT {
            return Err(io::ErrorKind::InvalidData.into());
        }
        self.stream.read_buf(&mut self.unread).await
    }
}

impl Request {
    fn parse(head: &[u8]) -> Option<Self> {
        let mut lines = std::str::from_utf8(head).ok()?.lines();
        let mut words = lines.next()?.split(' ');
        let method = words.next()?.to_owned();
        // A client that takes this for a proxy sends the whole address (RFC 9112 section 3.2.2).
        let target: Uri = words.next()?.parse().ok()?;
        let target = target.path_and_query()?.to_string();
        let close = lines.any(|line| line.eq_ignore_ascii_case("connection: close"));
        Some(Self { method, target, close })
    }
}

/// A body in pieces that fit into memory: spaces, then a text.
#[derive(Debug)]
struct Pieces {
    padding: usize,
    text: Bytes,
}

impl Iterator for Pieces {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let spaces = self.padding.min(SPACES.len());
        if spaces > 0 {
            self.padding -= spaces;
            return Some(Bytes::from_static(&SPACES[..spaces]));
        }
        (!self.text.is_empty()).then(|| std::mem::take(&mut self.text))
    }
}

/// The status line and the headers.
fn head(status: u16, length: usize, answer: &Answer) -> String {
    let mut headers: Vec<(&str, &str)> = vec![
        ("Cache-Control", "max-age=86400, private"),
        ("Content-Type", "application/json; charset=utf-8"),
        ("X-Content-Type-Options", "nosniff"),
    ];
    let length = length.to_string();
    if answer.chunked {
        headers.push(("Transfer-Encoding", "chunked"));
    } else if !bodiless(status) {
        headers.push(("Content-Length", &length));
    }
    for (name, value) in &answer.headers {
        headers.retain(|(present, _)| !present.eq_ignore_ascii_case(name));
        headers.push((name, value));
    }
    let reason = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or_default();
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("HTTP/1.1 {status} {reason}\r\n{headers}\r\n")
}

/// Whether an answer of a status ends with its head (RFC 9110 sections 15.3.5 and 15.4.5).
fn bodiless(status: u16) -> bool {
    matches!(status, 204 | 304)
}

const ACCEPT_PAUSE: Duration = Duration::from_millis(10);
const BACKLOG: u32 = 1024;
const REQUEST_LIMIT: usize = 64 * 1024;
const SEND_BUFFER: u32 = 64 * 1024;
static SPACES: [u8; 16 * 1024] = [b' '; 16 * 1024];

#[cfg(test)]
mod tests {
    use tokio::io::{DuplexStream, duplex};
    use tokio::time::Instant;

    use super::*;
    use crate::{Endpoint, Fault, MockEntra};
    use signalr_upstream_auth::TokenVersion;

    /// The client's end of a connection in memory, where paused time is exact.
    fn connect(entra: &MockEntra) -> DuplexStream {
        let (client, server) = duplex(64 * 1024);
        tokio::spawn(entra.serve(server));
        client
    }

    async fn connect_tcp(entra: &MockEntra) -> TcpStream {
        TcpStream::connect(entra.url().trim_start_matches("http://")).await.unwrap()
    }

    fn get(path: &str) -> Vec<u8> {
        format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").into_bytes()
    }

    /// Everything that comes until the server closes the connection.
    async fn rest(stream: &mut (impl AsyncRead + Unpin)) -> String {
        let (bytes, end) = to_the_end(stream).await;
        end.unwrap();
        String::from_utf8(bytes).unwrap()
    }

    /// What comes until the connection ends, and how it ends.
    async fn to_the_end(stream: &mut (impl AsyncRead + Unpin)) -> (Vec<u8>, io::Result<usize>) {
        let mut bytes = Vec::new();
        let end = timeout(Duration::from_secs(60), stream.read_to_end(&mut bytes)).await;
        (bytes, end.expect("the connection ends"))
    }

    /// What comes before the stream falls silent or ends, and how long it took to come.
    async fn until_silence(stream: &mut (impl AsyncRead + Unpin)) -> (String, Duration) {
        let (mut bytes, start, mut last) = (Vec::new(), Instant::now(), Instant::now());
        while let Ok(Ok(1..)) = timeout(Duration::from_secs(3600), stream.read_buf(&mut bytes)).await {
            last = Instant::now();
        }
        (String::from_utf8(bytes).unwrap(), last - start)
    }

    /// One answer to a request for the keys, up to where it ends by its own framing or falls silent.
    async fn fetch(fault: Fault) -> (String, String) {
        let entra = MockEntra::start().await;
        entra.fail(Endpoint::Keys, fault);
        let mut client = connect(&entra);
        client.write_all(&get(KEYS)).await.unwrap();
        let (text, _) = until_silence(&mut client).await;
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        (head.to_owned(), body.to_owned())
    }

    const KEYS: &str = "/common/discovery/v2.0/keys";

    #[tokio::test(start_paused = true)]
    async fn a_good_answer_is_the_document_with_its_length() {
        let entra = MockEntra::start().await;
        let document = entra.key_document(TokenVersion::V2);
        let mut client = connect(&entra);
        client.write_all(&get(KEYS)).await.unwrap();
        let (answer, _) = until_silence(&mut client).await;
        assert_eq!(
            answer,
            format!(
                "HTTP/1.1 200 OK\r\nCache-Control: max-age=86400, private\r\n\
                 Content-Type: application/json; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\n\
                 Content-Length: {}\r\n\r\n{document}",
                document.len()
            )
        );
        assert_eq!(entra.requests().bytes_sent(), answer.len());
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_takes_one_request_after_another() {
        let entra = MockEntra::start().await;
        let mut client = connect(&entra);
        for path in [KEYS, "/common/v2.0/.well-known/openid-configuration", "/nowhere"] {
            client.write_all(&get(path)).await.unwrap();
            until_silence(&mut client).await;
        }
        // Two at once, the second as a client sends it to a proxy, the last of all.
        let last = "GET http://127.0.0.1/last HTTP/1.1\r\nconnection: close\r\n\r\n";
        client.write_all(&[get(KEYS), last.into()].concat()).await.unwrap();
        assert!(rest(&mut client).await.contains("HTTP/1.1 404 Not Found"));
        let requests = entra.requests();
        assert_eq!((requests.connections(), requests.keys(), requests.discovery()), (1, 2, 1));
        assert_eq!(requests.log().last().unwrap().path(), "/last");
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_comes_in_pieces_is_read() {
        let entra = MockEntra::start().await;
        let mut client = connect(&entra);
        for byte in get(KEYS) {
            client.write_all(&[byte]).await.unwrap();
            tokio::task::yield_now().await;
        }
        assert!(until_silence(&mut client).await.0.starts_with("HTTP/1.1 200 OK"));
    }

    #[tokio::test(start_paused = true)]
    async fn only_get_is_answered() {
        let entra = MockEntra::start().await;
        let mut client = connect(&entra);
        client.write_all(b"POST / HTTP/1.1\r\n\r\n").await.unwrap();
        assert!(rest(&mut client).await.starts_with("HTTP/1.1 405 "));
    }

    #[tokio::test(start_paused = true)]
    async fn a_status_comes_with_its_headers_and_no_body() {
        let (head, body) = fetch(Fault::status(503).header("Retry-After", "600")).await;
        assert!(head.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{head}");
        assert!(head.contains("\r\nContent-Length: 0\r\n") && head.ends_with("\r\nRetry-After: 600"), "{head}");
        assert_eq!(body, "");

        let (head, body) = fetch(Fault::status(204)).await;
        assert!(head.starts_with("HTTP/1.1 204 No Content\r\n") && !head.contains("Content-Length"), "{head}");
        assert_eq!(body, "");
    }

    #[tokio::test(start_paused = true)]
    async fn a_redirect_names_its_goal() {
        let (head, _) = fetch(Fault::redirect(307, "http://169.254.169.254/")).await;
        assert!(head.starts_with("HTTP/1.1 307 Temporary Redirect\r\n"), "{head}");
        assert!(head.ends_with("\r\nLocation: http://169.254.169.254/"), "{head}");
    }

    #[tokio::test(start_paused = true)]
    async fn other_content_takes_the_place_of_the_document() {
        let (head, body) = fetch(Fault::content("application/json", r#"{"keys":[]}"#)).await;
        assert!(
            head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains("\r\nContent-Type: application/json"),
            "{head}"
        );
        assert_eq!((head.matches("Content-Type:").count(), body.as_str()), (1, r#"{"keys":[]}"#));

        let (head, body) = fetch(Fault::html()).await;
        assert!(head.contains("\r\nContent-Type: text/html; charset=utf-8"), "{head}");
        assert!(body.starts_with("<!DOCTYPE html>"), "{body}");

        let (head, body) = fetch(Fault::empty()).await;
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains("\r\nContent-Length: 0"), "{head}");
        assert_eq!(body, "");

        let (head, body) = fetch(Fault::gzip("not gzip")).await;
        assert!(head.contains("\r\nContent-Encoding: gzip"), "{head}");
        assert_eq!(body, "not gzip");

        let (head, _) = fetch(Fault::none().header("cache-control", "no-store")).await;
        assert!(head.contains("\r\ncache-control: no-store") && !head.contains("max-age"), "{head}");
    }

    #[tokio::test(start_paused = true)]
    async fn raw_bytes_stand_alone() {
        let entra = MockEntra::start().await;
        entra.fail(Endpoint::Any, Fault::raw("ICY 200 OK\r\n"));
        let mut client = connect(&entra);
        client.write_all(&get(KEYS)).await.unwrap();
        assert_eq!(rest(&mut client).await, "ICY 200 OK\r\n");
    }

    #[tokio::test(start_paused = true)]
    async fn a_truncated_body_is_shorter_than_its_length() {
        let entra = MockEntra::start().await;
        let document = entra.key_document(TokenVersion::V2);
        entra.fail(Endpoint::Keys, Fault::truncated(100));
        let mut client = connect(&entra);
        client.write_all(&get(KEYS)).await.unwrap();
        let answer = rest(&mut client).await;
        assert!(answer.contains(&format!("\r\nContent-Length: {}\r\n", document.len())), "{answer}");
        assert!(answer.ends_with(&format!("\r\n\r\n{}", &document[..100])), "{answer}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_cut_chunk_is_shorter_than_its_size() {
        let entra = MockEntra::start().await;
        let document = entra.key_document(TokenVersion::V2);
        entra.fail(Endpoint::Keys, Fault::cut_chunk());
        let mut client = connect(&entra);
        client.write_all(&get(KEYS)).await.unwrap();
        let answer = rest(&mut client).await;
        assert!(
            answer.contains("\r\nTransfer-Encoding: chunked\r\n") && !answer.contains("Content-Length"),
            "{answer}"
        );
        let half = &document[..document.len() / 2];
        assert!(answer.ends_with(&format!("\r\n\r\n{:x}\r\n{half}", document.len())), "{answer}");
    }

    #[tokio::test(start_paused = true)]
    async fn chunks_hold_the_whole_document() {
        let entra = MockEntra::start().await;
        let document = entra.key_document(TokenVersion::V2);
        entra.fail(Endpoint::Keys, Fault::none().chunked());
        let mut client = connect(&entra);
        client.write_all(&get(KEYS)).await.unwrap();
        let (answer, _) = until_silence(&mut client).await;
        let body = format!("\r\n\r\n{:x}\r\n{document}\r\n0\r\n\r\n", document.len());
        assert!(answer.ends_with(&body), "{answer}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_hanging_body_falls_silent_and_stays_open() {
        let entra = MockEntra::start().await;
        let document = entra.key_document(TokenVersion::V2);
        entra.fail(Endpoint::Keys, Fault::hang_in_body(7));
        let mut client = connect(&entra);
        client.write_all(&get(KEYS)).await.unwrap();
        let (answer, _) = until_silence(&mut client).await;
        assert!(answer.ends_with(&format!("\r\n\r\n{}", &document[..7])), "{answer}");
        assert_eq!(entra.requests().open_connections(), 1);
        drop(client);
        entra.requests_until(|requests| requests.open_connections() == 0).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_hang_says_nothing_and_stays_open() {
        let entra = MockEntra::start().await;
        entra.fail(Endpoint::Keys, Fault::hang());
        let mut client = connect(&entra);
        client.write_all(&get(KEYS)).await.unwrap();
        assert_eq!(until_silence(&mut client).await.0, "");
        assert_eq!((entra.requests().open_connections(), entra.requests().bytes_sent()), (1, 0));
        drop(client);
        entra.requests_until(|requests| requests.open_connections() == 0).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_delay_comes_before_the_answer() {
        let entra = MockEntra::start().await;
        entra.fail(Endpoint::Keys, Fault::status(500).delayed(Duration::from_secs(7)));
        let mut client = connect(&entra);
        client.write_all(&get(KEYS)).await.unwrap();
        let (answer, took) = until_silence(&mut client).await;
        assert!(answer.starts_with("HTTP/1.1 500 ") && took == Duration::from_secs(7), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn drips_come_one_by_one() {
        let entra = MockEntra::start().await;
        let second = Duration::from_secs(1);
        let document = entra.key_document(TokenVersion::V2);

        entra.fail(Endpoint::Keys, Fault::drip_body(second));
        let mut client = connect(&entra);
        client.write_all(&get(KEYS)).await.unwrap();
        let (answer, took) = until_silence(&mut client).await;
        assert!(answer.ends_with(&document), "{answer}");
        assert_eq!(took.as_secs(), u64::try_from(document.len() - 1).unwrap());

        entra.fail(Endpoint::Keys, Fault::drip_head(second));
        let mut client = connect(&entra);
        client.write_all(&get(KEYS)).await.unwrap();
        let (answer, took) = until_silence(&mut client).await;
        let head = answer.strip_suffix(&document).unwrap();
        assert_eq!(took.as_secs(), u64::try_from(head.len() - 1).unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn an_oversize_body_is_the_document_behind_spaces() {
        let entra = MockEntra::start().await;
        let document = entra.key_document(TokenVersion::V2);
        for fault in [Fault::oversize(1_000_000), Fault::oversize(1_000_000).chunked()] {
            let with_length = !fault.answer.chunked;
            entra.fail(Endpoint::Keys, fault);
            let mut client = connect(&entra);
            client.write_all(&get(KEYS)).await.unwrap();
            let (answer, _) = until_silence(&mut client).await;
            assert_eq!(answer.contains("\r\nContent-Length: 1000000\r\n"), with_length);
            assert_eq!(answer.contains("\r\nTransfer-Encoding: chunked\r\n"), !with_length);
            assert!(answer.contains(&document));
            let blanks = answer.bytes().filter(|byte| *byte == b' ').count();
            assert!(blanks >= 1_000_000 - document.len());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_endless_body_goes_on_until_the_client_leaves() {
        let entra = MockEntra::start().await;
        entra.fail(Endpoint::Keys, Fault::endless());
        let mut client = connect(&entra);
        client.write_all(&get(KEYS)).await.unwrap();
        let mut bytes = vec![0; 5_000_000];
        client.read_exact(&mut bytes).await.unwrap();
        drop(client);
        entra.requests_until(|requests| requests.open_connections() == 0).await;
        assert!(entra.requests().bytes_sent() >= 5_000_000);
    }

    #[tokio::test]
    async fn a_rejection_is_a_reset_without_an_answer() {
        let entra = MockEntra::start().await;
        entra.fail_next(1, Endpoint::Any, Fault::connection_refused());
        let mut client = connect_tcp(&entra).await;
        client.write_all(&get(KEYS)).await.unwrap();
        assert_eq!(client.read_u8().await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        assert_eq!((entra.requests().keys(), entra.requests().bytes_sent()), (1, 0));
    }

    #[tokio::test]
    async fn a_connection_is_reset_after_its_last_answer() {
        let entra = MockEntra::start().await;
        entra.fail(Endpoint::Any, Fault::reset_after(2));
        let length = entra.key_document(TokenVersion::V2).len();
        let mut client = connect_tcp(&entra).await;
        for _ in 0..2 {
            client.write_all(&get(KEYS)).await.unwrap();
            let mut answer = Vec::new();
            while answer.len() < length {
                assert!(client.read_buf(&mut answer).await.unwrap() > 0);
            }
        }
        let (_, end) = to_the_end(&mut client).await;
        assert_eq!(end.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        assert!(connect_tcp(&entra).await.write_all(&get(KEYS)).await.is_ok());
    }

    #[tokio::test]
    async fn an_idle_connection_is_reset() {
        let entra = MockEntra::start().await;
        entra.fail(Endpoint::Any, Fault::reset_when_idle(Duration::from_millis(1)));
        let mut client = connect_tcp(&entra).await;
        client.write_all(&get(KEYS)).await.unwrap();
        let (answer, end) = to_the_end(&mut client).await;
        assert_eq!(end.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"));
    }

    #[tokio::test]
    async fn a_close_is_a_close_and_not_a_reset() {
        let entra = MockEntra::start().await;
        entra.fail(Endpoint::Any, Fault::truncated(1));
        let mut client = connect_tcp(&entra).await;
        client.write_all(&get(KEYS)).await.unwrap();
        assert!(rest(&mut client).await.ends_with("\r\n\r\n{"));
    }

    #[tokio::test]
    async fn a_dropped_mock_closes_its_connections_and_its_port() {
        let entra = MockEntra::start().await;
        entra.fail(Endpoint::Any, Fault::hang());
        let mut client = connect_tcp(&entra).await;
        client.write_all(&get(KEYS)).await.unwrap();
        entra.requests_until(|requests| requests.keys() == 1).await;
        let address = entra.url().trim_start_matches("http://").to_owned();
        drop(entra);
        // The end of the connection tells that the task has ended, and the listener with it.
        let _ = rest(&mut client).await;
        assert_eq!(TcpStream::connect(address).await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    }
}
