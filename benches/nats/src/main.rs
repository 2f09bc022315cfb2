//! `async-nats-client ADDRESS`: async-nats, on one thread of tokio. What it is asked, `benches/src/nats` says; it prints
//! `listening on ADDRESS` when it is connected to that server.

#![forbid(unsafe_code)]

use std::env;
use std::error::Error;

use async_nats::{Client, ConnectOptions, Subscriber};
use futures_util::StreamExt;
use tokio::runtime::Builder;

type Result<T = ()> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

const PAYLOAD: &[u8] = &[b'x'; 64];

fn main() -> Result {
    let address = env::args().nth(1).ok_or("expected the address of a server")?;
    Builder::new_current_thread().enable_all().build()?.block_on(serve(address))
}

async fn serve(address: String) -> Result {
    // Room for all, so that none is dropped.
    let options = ConnectOptions::new().subscription_capacity(1 << 20);
    let client = options.connect(format!("nats://{address}")).await?;
    let heard = client.subscribe("bench.heard").await?;
    let orders = client.subscribe("bench.publish").await?;
    client.flush().await?;
    println!("listening on {address}");
    let hearing = tokio::spawn(hear(client.clone(), heard));
    publish(client, orders).await?;
    hearing.await?
}

/// Counts messages; one that has an address for answers asks how many there were.
async fn hear(client: Client, mut heard: Subscriber) -> Result {
    let mut count = 0;
    while let Some(message) = heard.next().await {
        match message.reply {
            Some(reply) => {
                client.publish(reply, count.to_string().into()).await?;
                count = 0;
            }
            None if message.payload.len() == PAYLOAD.len() => count += 1,
            None => return Err("it is another message".into()),
        }
    }
    Ok(())
}

/// Publishes as many as it is asked to, and answers when the server has them.
async fn publish(client: Client, mut orders: Subscriber) -> Result {
    while let Some(order) = orders.next().await {
        let count: u64 = std::str::from_utf8(&order.payload)?.parse()?;
        for _ in 0..count {
            client.publish("bench.published", PAYLOAD.into()).await?;
        }
        client.flush().await?;
        if let Some(reply) = order.reply {
            client.publish(reply, count.to_string().into()).await?;
        }
    }
    Ok(())
}
