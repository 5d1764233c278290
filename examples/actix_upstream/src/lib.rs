//! An upstream of Azure SignalR Service on actix-web.
//!
//! ```text
//! cargo run -p actix_upstream
//! ```
//!
//! It needs the variables of [`Settings`](signalr_upstream_auth::Settings). `LISTEN_ADDR` is its address, by default
//! `127.0.0.1:3000`.

use actix_web::http::StatusCode;
use actix_web::http::header::AUTHORIZATION;
use actix_web::{HttpRequest, HttpResponse, web};
use signalr_upstream_auth::{Rejection, Validator, rejection_headers};

// The guide's page has the same code in short.
#[cfg(doctest)]
#[doc = include_str!("../../../src/docs/other_frameworks.md")]
mod guide {}

/// Adds the route that SignalR calls.
pub fn routes(app: &mut web::ServiceConfig, validator: Validator) {
    app.app_data(web::Data::new(validator)).route("/upstream/{hub}/{category}/{event}", web::post().to(on_event));
}

/// Checks before it reads the body. Each handler that SignalR calls has to begin so.
async fn on_event(request: HttpRequest, validator: web::Data<Validator>) -> HttpResponse {
    // All values: a proxy in front may have read another one than the first.
    let values = request.headers().get_all(AUTHORIZATION).map(|value| value.as_bytes());
    match validator.validate_header_values(values).await {
        Ok(claims) => HttpResponse::Ok().body(claims.object_id().to_string()),
        Err(rejection) => answer(&rejection),
    }
}

/// The response of the layer: status, challenge, `Cache-Control`, `Retry-After`.
fn answer(rejection: &Rejection) -> HttpResponse {
    let status = StatusCode::from_u16(rejection.status().as_u16());
    let mut response = HttpResponse::build(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR));
    for (name, value) in &rejection_headers(rejection) {
        response.append_header((name.as_str(), value.as_bytes()));
    }
    response.finish()
}

#[cfg(test)]
mod tests {
    use actix_web::App;
    use actix_web::test::{TestRequest, call_service, init_service};
    use mock_entra::MockEntra;
    use signalr_upstream_auth::UpstreamAuthLayer;

    use super::*;

    #[actix_web::test]
    async fn accepts_one_good_authorization_header_only() -> Result<(), Box<dyn std::error::Error>> {
        let entra = MockEntra::start().await;
        let validator = UpstreamAuthLayer::new(entra.policy())?.validator().clone();
        let app = init_service(App::new().configure(|app| routes(app, validator.clone()))).await;
        let good = format!("Bearer {}", entra.token().mint());
        let expired = format!("Bearer {}", entra.token().expired().mint());
        for (name, lines, status) in [
            ("none", vec![], 401),
            ("good", vec![&good], 200),
            ("expired", vec![&expired], 401),
            ("two good", vec![&good, &good], 400),
            ("expired before good", vec![&expired, &good], 400),
        ] {
            let mut request = TestRequest::post().uri("/upstream/chat/connections/connected");
            for line in &lines {
                request = request.append_header((AUTHORIZATION, line.as_str()));
            }
            let response = call_service(&app, request.to_request()).await;
            assert_eq!(response.status().as_u16(), status, "{name}");
            assert_eq!(response.headers().contains_key("www-authenticate"), status != 200, "{name}");
        }
        Ok(())
    }
}
