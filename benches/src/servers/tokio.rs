//! tokio's current-thread runtime: a task and a buffer a connection, as in its tutorial's echo server.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime;

use super::{Place, announce, listen};
use crate::Result;

/// Sixteen small messages of the deepest pipeline fit four times; a larger one would only cost memory.
const BUFFER: usize = 4096;

pub(super) fn serve(place: Place) -> Result {
    let buffer = place.own_buffer.unwrap_or(BUFFER);
    serve_each(place, move |stream| echo(stream, buffer))
}

/// Serves on tokio's current-thread runtime, with a task for each connection.
pub(crate) fn serve_each<F>(place: Place, task: impl FnMut(TcpStream) -> F) -> Result
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let listener = listen(place)?;
    let runtime = runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        let listener = TcpListener::from_std(listener)?;
        announce(listener.local_addr()?)?;
        Ok(accept(&listener, task).await?)
    })
}

async fn accept<F>(listener: &TcpListener, mut task: impl FnMut(TcpStream) -> F) -> io::Result<()>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(task(stream));
    }
}

async fn echo(mut stream: TcpStream, buffer: usize) -> io::Result<()> {
    let mut buffer = vec![0; buffer];
    loop {
        match stream.read(&mut buffer).await? {
            0 => return Ok(()),
            count => stream.write_all(&buffer[..count]).await?,
        }
    }
}
