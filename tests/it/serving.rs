//! The layer in front of axum and of plain hyper, over real sockets, HTTP/1.1 and HTTP/2, with keys
//! fetched from a mock Entra.

use std::convert::Infallible;
use std::net::SocketAddr;

use axum::Router;
use axum::routing::post;
use bytes::Bytes;
use http::{Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use mock_entra::{MockEntra, UpstreamRequest};
use signalr_upstream_auth::{Claims, UpstreamAuthLayer};
use tokio::net::TcpListener;
use tower::{Layer, service_fn};

#[tokio::test]
async fn axum_serves_good_calls_and_rejects_bad_ones() {
    let entra = MockEntra::start().await;
    let app = Router::new()
        .route("/upstream/{hub}/{category}/{event}", post(axum_handler))
        .layer(UpstreamAuthLayer::new(entra.policy()).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    check(&entra, address).await;
}

async fn axum_handler(claims: Claims, body: Bytes) -> String {
    format!("{} {}", claims.object_id(), body.len())
}

#[tokio::test]
async fn hyper_serves_good_calls_and_rejects_bad_ones() {
    let entra = MockEntra::start().await;
    let auth = UpstreamAuthLayer::new(entra.policy()).unwrap();
    auth.wait_for_keys().await.unwrap();
    let service = TowerToHyperService::new(auth.layer(service_fn(hyper_handler)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = service.clone();
            tokio::spawn(async move {
                auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await
            });
        }
    });
    check(&entra, address).await;
}

async fn hyper_handler(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let claims = request.extensions().get::<Claims>().unwrap().clone();
    let body = request.into_body().collect().await.unwrap().to_bytes();
    Ok(Response::new(Full::from(format!("{} {}", claims.object_id(), body.len()))))
}

/// A good and a bad call over both protocols.
async fn check(entra: &MockEntra, address: SocketAddr) {
    for http2 in [false, true] {
        let client: Client<HttpConnector, Full<Bytes>> =
            Client::builder(TokioExecutor::new()).http2_only(http2).build_http();
        let call = UpstreamRequest::message("chat", "echo").invocation_id("1").argument("hi");
        let length = call.clone().into_request::<Bytes>().into_body().len();

        let good = call.clone().bearer(entra.token().mint());
        let (parts, body) = send(&client, address, good).await;
        assert_eq!(parts.status, StatusCode::OK, "http2: {http2}");
        assert_eq!(body, format!("{} {length}", entra.caller_object_id()));

        let bad = call.clone().bearer(entra.token().audience("api://somebody-else").mint());
        let (parts, body) = send(&client, address, bad).await;
        assert_eq!((parts.status, body.as_str()), (StatusCode::UNAUTHORIZED, ""));
        let challenge = parts.headers[header::WWW_AUTHENTICATE].to_str().unwrap();
        assert!(challenge.starts_with("Bearer error=\"invalid_token\""), "{challenge}");

        let (parts, _) = send(&client, address, call).await;
        assert_eq!(parts.headers[header::WWW_AUTHENTICATE], "Bearer realm=\"signalr-upstream\"");
    }
    assert_eq!((entra.requests().discovery(), entra.requests().keys()), (1, 1));
}

async fn send(
    client: &Client<HttpConnector, Full<Bytes>>,
    address: SocketAddr,
    call: UpstreamRequest,
) -> (http::response::Parts, String) {
    let mut request = call.into_request::<Full<Bytes>>();
    let path = request.uri().path().to_owned();
    *request.uri_mut() = Uri::try_from(format!("http://{address}{path}")).unwrap();
    let (parts, body) = client.request(request).await.unwrap().into_parts();
    (parts, String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap())
}
