//! An address that is taken before a door opens at it: a process that was confined in between takes no other one.

use crate::Error;
use rustix::net::{
    AddressFamily, SocketFlags, SocketType, bind, getsockname, listen, socket_with, sockopt,
};
use std::{
    io,
    net::{SocketAddr, TcpListener as Listener},
    os::fd::OwnedFd,
    sync::Arc,
};
use tokio::net::TcpListener;

/// Connections that the kernel holds for us while we are busy.
const BACKLOG: i32 = 1024;

/// An address of this process, taken for a door. Clones are one address. Nobody can connect before a door was opened
/// at it; after that, connections wait for the next door there until the last clone is gone.
#[derive(Debug, Clone)]
pub struct Port {
    socket: Arc<OwnedFd>,
    address: SocketAddr,
}

impl Port {
    /// Takes an address; port 0 takes a free one.
    ///
    /// # Errors
    /// [`Error::Listen`] where another process has it, or this one may not.
    pub fn take(address: SocketAddr) -> Result<Self, Error> {
        let taken = || {
            let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
            let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            let socket = socket_with(family, SocketType::STREAM, flags, None)?;
            // A server that is started again need not wait until old connections are forgotten.
            sockopt::set_socket_reuseaddr(&socket, true)?;
            bind(&socket, &address)?;
            let address = SocketAddr::try_from(getsockname(&socket)?)?;
            Ok(Self { socket: Arc::new(socket), address })
        };
        taken().map_err(|source: io::Error| Error::Listen { address, source })
    }

    /// The address, with the port that was free where none was named.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets clients connect. Must be called on a tokio runtime with I/O.
    pub(crate) fn open(&self) -> Result<TcpListener, Error> {
        let open = || {
            listen(&self.socket, BACKLOG)?;
            TcpListener::from_std(Listener::from(self.socket.try_clone()?))
        };
        open().map_err(|source| Error::Listen { address: self.address, source })
    }
}
