//! The page: plain HTML, CSS and JavaScript, all from this server.

use axum::Router;
use axum::http::HeaderName;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::routing::get;

/// The page and its files. With `shows_loop` it also shows what [`embedded`](crate::embedded) tells of each event.
pub(crate) fn routes(shows_loop: bool) -> Router {
    let index = if shows_loop { INDEX.replacen(LOOP_OFF, LOOP_ON, 1) } else { INDEX.to_owned() };
    FILES.iter().fold(Router::new().route("/", get(async || (headers("text/html"), index))), |routes, file| {
        let (path, kind, text) = *file;
        routes.route(path, get(async move || (headers(kind), text)))
    })
}

fn headers(kind: &str) -> [(HeaderName, String); 3] {
    [
        (CONTENT_TYPE, format!("{kind}; charset=utf-8")),
        (CONTENT_SECURITY_POLICY, POLICY.to_owned()),
        (X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ]
}

const INDEX: &str = include_str!("page/index.html");
const LOOP_OFF: &str = "data-loop=\"off\"";
const LOOP_ON: &str = "data-loop=\"on\"";

const JAVASCRIPT: &str = "text/javascript";
const FILES: [(&str, &str, &str); 5] = [
    ("/page/style.css", "text/css", include_str!("page/style.css")),
    ("/page/dom.js", JAVASCRIPT, include_str!("page/dom.js")),
    ("/page/hub.js", JAVASCRIPT, include_str!("page/hub.js")),
    ("/page/loop.js", JAVASCRIPT, include_str!("page/loop.js")),
    ("/page/main.js", JAVASCRIPT, include_str!("page/main.js")),
];

/// Only the connection to the service leads elsewhere, to an address that `negotiate` tells.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; \
    connect-src 'self' http: https: ws: wss:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
