//! What a gateway listens on.

use std::pin::Pin;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};

pub(super) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

pub(super) trait Stream: AsyncRead + AsyncWrite + Send {}

impl<S: AsyncRead + AsyncWrite + Send> Stream for S {}

impl Listener {
    pub(super) async fn accept(&self) -> Pin<Box<dyn Stream>> {
        match self {
            Self::Tcp(listener) => Box::pin(listener.accept().await.unwrap().0),
            Self::Unix(listener) => Box::pin(listener.accept().await.unwrap().0),
        }
    }
}
