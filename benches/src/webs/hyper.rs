//! hyper, as its guide's server: a task a connection on tokio's current-thread runtime, with the timeouts off
//! that need a timer it was not given.

use std::convert::Infallible;
use std::io;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::runtime;

use crate::Result;
use crate::servers::{Place, announce, listen};

pub(super) fn serve(place: Place) -> Result {
    let listener = listen(place)?;
    let runtime = runtime::Builder::new_current_thread().enable_io().build()?;
    Ok(runtime.block_on(async {
        let listener = TcpListener::from_std(listener)?;
        announce(listener.local_addr()?).map_err(io::Error::other)?;
        accept(&listener).await
    })?)
}

async fn accept(listener: &TcpListener) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let serving = http1::Builder::new()
            .pipeline_flush(true)
            .serve_connection(TokioIo::new(stream), service_fn(answer));
        tokio::spawn(serving);
    }
}

async fn answer(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut response = Response::new(Full::new(Bytes::from_static(super::HELLO.as_bytes())));
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, text);
    Ok(response)
}
