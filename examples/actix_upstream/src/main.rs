//! Serves the upstream. See the library for the check itself.

use actix_upstream::routes;
use actix_web::{App, HttpServer};
use signalr_upstream_auth::UpstreamAuthLayer;

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let validator = UpstreamAuthLayer::from_env()?.validator().clone();
    let address = std::env::var("LISTEN_ADDR").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());
    let server = HttpServer::new(move || App::new().configure(|app| routes(app, validator.clone()))).bind(address)?;
    for address in server.addrs() {
        println!("Listening on http://{address}");
    }
    server.run().await?;
    Ok(())
}
