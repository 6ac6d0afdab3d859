//! The tables of all sockets, `/proc/net/tcp` and `/proc/net/tcp6`.

use super::Wanted;
use procfs::net::{TcpNetEntry, TcpState};
use std::io;
use std::net::SocketAddr;

/// How often the tables are read for a connected socket. While others come and go, a reader may miss a line.
const READINGS: usize = 3;

/// The user of a socket. `None` when there is none, or its program has closed it.
///
/// # Errors
/// The tables cannot be read.
pub(super) fn user(wanted: Wanted) -> io::Result<Option<u32>> {
    for _ in 0..READINGS {
        if let Some(found) = read(wanted)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

fn read(wanted: Wanted) -> io::Result<Option<u32>> {
    // A socket of IPv6 may have an address of IPv4. A machine without IPv6 has only the first table.
    let sockets = procfs::net::tcp().map_err(io::Error::other)?;
    let sockets = sockets.into_iter().chain(procfs::net::tcp6().unwrap_or_default());
    // A socket that its program has closed has no inode; its user is then given as root.
    let mut found: Vec<_> = sockets.filter(|socket| socket.inode != 0 && is_wanted(socket, wanted)).collect();
    // The kernel prefers the listener at the address itself.
    found.sort_by_key(|socket| socket.local_address.ip().to_canonical().is_unspecified());
    Ok(found.first().map(|socket| socket.uid))
}

fn is_wanted(socket: &TcpNetEntry, wanted: Wanted) -> bool {
    let same = |one: SocketAddr, other: SocketAddr| {
        one.ip().to_canonical() == other.ip().to_canonical() && one.port() == other.port()
    };
    match wanted {
        Wanted::Connected { local, remote } => {
            same(socket.local_address, local) && same(socket.remote_address, remote)
        }
        Wanted::Listening(address) => {
            let at = socket.local_address;
            let any = at.ip().is_unspecified() && (at.is_ipv6() || address.ip().to_canonical().is_ipv4());
            socket.state == TcpState::Listen && at.port() == address.port() && (any || same(at, address))
        }
    }
}
