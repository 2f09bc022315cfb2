//! tokio-tungstenite, as its example of an echo server: a task a connection on tokio's current-thread runtime.
//!
//! Its buffer for reading is made as small as the others' are. With its own choice of 128 KiB, which it fills
//! with zeros before each read, an echo costs 157,000 instructions.

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::accept_async_with_config;
use tokio_tungstenite::tungstenite::{self, protocol::WebSocketConfig};

use crate::Result;
use crate::servers::Place;
use crate::servers::tokio::serve_each;

const BUFFER: usize = 4096;

pub(super) fn serve(place: Place) -> Result {
    serve_each(place, echo)
}

async fn echo(stream: TcpStream) -> Result<(), tungstenite::Error> {
    let config = WebSocketConfig::default().read_buffer_size(BUFFER);
    let mut socket = accept_async_with_config(stream, Some(config)).await?;
    while let Some(message) = socket.next().await {
        let message = message?;
        if message.is_text() || message.is_binary() {
            socket.send(message).await?;
        }
    }
    Ok(())
}
