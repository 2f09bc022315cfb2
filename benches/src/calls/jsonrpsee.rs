//! jsonrpsee, as its example of a server, on tokio's current-thread runtime; HTTP and WebSocket on one port.

use jsonrpsee::server::{RpcModule, Server};
use jsonrpsee::types::ErrorObjectOwned;
use tokio::runtime;

use crate::Result;
use crate::servers::{Place, announce, listen};

pub(super) fn serve(place: Place) -> Result {
    let listener = listen(place)?;
    let mut module = RpcModule::new(());
    module.register_method("sum", |params, _, _| {
        let numbers: Vec<i64> = params.parse()?;
        Ok::<_, ErrorObjectOwned>(numbers.iter().sum::<i64>())
    })?;
    runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let server = Server::builder().build_from_tcp(listener)?;
        announce(server.local_addr()?)?;
        server.start(module).stopped().await;
        Ok(())
    })
}
