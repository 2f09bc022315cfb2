//! async-nats, on one thread.

use async_nats::{Client, ConnectOptions};
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::runtime::Builder;

use super::{PAYLOAD, SUBJECT, processor_time, report};

pub(crate) fn publish(count: u64, url: &str) {
    run(url, async |client| {
        let began = processor_time();
        for _ in 0..count {
            let payload = Bytes::from_static(&PAYLOAD);
            client.publish(SUBJECT, payload).await.expect("it is published");
        }
        client.flush().await.expect("the server has it");
        report("async-nats pub", count, began);
    });
}

pub(crate) fn subscribe(count: u64, url: &str) {
    run(url, async |client| {
        let mut subscription = client.subscribe(SUBJECT).await.expect("it is subscribed to");
        client.flush().await.expect("the server has it");
        eprintln!("ready");
        subscription.next().await.expect("a message");
        let began = processor_time();
        for _ in 1..count {
            let message = subscription.next().await.expect("a message");
            assert_eq!(message.payload.len(), PAYLOAD.len());
        }
        report("async-nats sub", count, began);
    });
}

fn run(url: &str, act: impl AsyncFnOnce(Client)) {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        // Room for all, so that none is dropped.
        let options = ConnectOptions::new().subscription_capacity(1 << 24);
        act(options.connect(url).await.expect("it listens")).await;
    });
}
