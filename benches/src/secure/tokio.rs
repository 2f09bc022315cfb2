//! tokio-rustls: a task and a buffer a connection, as in its example of a server.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use crate::Result;
use crate::servers::Place;
use crate::servers::tokio::serve_each;

/// As in the plain echo of tokio.
const BUFFER: usize = 4096;

pub(super) fn serve(directory: &Path, place: Place) -> Result {
    let acceptor = TlsAcceptor::from(Arc::new(config(directory)?));
    serve_each(place, move |stream| echo(acceptor.clone(), stream))
}

fn config(directory: &Path) -> Result<ServerConfig> {
    let certificate = CertificateDer::from_pem_file(directory.join("certificate.pem"))?;
    let key = PrivateKeyDer::from_pem_file(directory.join("key.pem"))?;
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions()?.with_no_client_auth();
    Ok(builder.with_single_cert(vec![certificate], key)?)
}

async fn echo(acceptor: TlsAcceptor, stream: TcpStream) -> io::Result<()> {
    let mut stream = acceptor.accept(stream).await?;
    let mut buffer = vec![0; BUFFER];
    loop {
        match stream.read(&mut buffer).await? {
            0 => return Ok(()),
            count => {
                stream.write_all(&buffer[..count]).await?;
                stream.flush().await?;
            }
        }
    }
}
