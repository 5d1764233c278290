//! A chat over Azure SignalR Service in serverless mode.
//!
//! ```text
//! cargo run -p chat
//! ```
//!
//! Without settings it starts an emulator of the service in the same process. The README has the settings for a real one.

#[tokio::main]
async fn main() -> Result<(), chat::Failure> {
    // The emulator, if there is one, lives as long as the server.
    let chat::Started { listener, app, emulator: _emulator } = chat::start().await?;
    axum::serve(listener, app).await?;
    Ok(())
}
