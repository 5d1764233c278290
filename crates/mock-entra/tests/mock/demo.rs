//! The text that an example server prints.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};

use http::header::WWW_AUTHENTICATE;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use mock_entra::MockEntra;
use tokio::net::TcpListener;

/// Accepts every call that has a token, and rejects the others as RFC 6750 wants.
async fn answer(request: Request<Incoming>) -> Result<Response<String>, Infallible> {
    let mut response = Response::new(String::new());
    if !request.headers().contains_key("authorization") {
        *response.status_mut() = StatusCode::UNAUTHORIZED;
        let challenge = "Bearer error=\"invalid_token\", error_description=\"The reason\"";
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge.parse().unwrap());
    }
    Ok(response)
}

async fn upstream() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer)));
        }
    });
    address
}

#[tokio::test]
async fn demonstration_has_one_line_per_call_and_a_curl_line() {
    let entra = MockEntra::start().await;
    let upstream = upstream().await;
    let text = entra.demonstrate(upstream).await;
    let calls: Vec<_> = text.lines().filter(|line| line.contains(" 200 OK") || line.contains(" 401 ")).collect();
    assert_eq!(calls.len(), 8, "{text}");
    assert_eq!(calls[0], format!("  {:<30}200 OK", "a good v1 token"));
    assert_eq!(calls[2], format!("  {:<30}{:<18}The reason", "no token", "401 Unauthorized"));
    assert!(text.contains(&format!("POST http://{upstream}/upstream/chat/messages/echo")), "{text}");
    let curl = text.lines().find(|line| line.starts_with("  curl -i -H \"Authorization: Bearer ey")).unwrap();
    assert!(curl.ends_with(&format!("\" http://{upstream}/whoami")), "{curl}");
}

#[tokio::test]
async fn demonstration_tells_calls_without_an_answer() {
    let entra = MockEntra::start().await;
    let gone = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap();
    let text = entra.demonstrate(gone).await;
    assert_eq!(text.lines().filter(|line| line.contains("no answer")).count(), 8, "{text}");
}
