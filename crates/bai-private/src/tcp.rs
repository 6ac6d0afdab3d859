//! Whose a TCP socket of this machine is. A port of loopback is open to every user of the machine, so a server asks who
//! connects to it, and a client asks who listens.
//!
//! Linux tells the user of each socket. On other systems every socket counts as one of this user.

use std::io;
use std::net::SocketAddr;

#[cfg(target_os = "linux")]
mod diag;
#[cfg(target_os = "linux")]
mod table;

/// A socket of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// The one from `local` to `remote`.
    Connected { local: SocketAddr, remote: SocketAddr },
    /// The one that gets new connections to this address.
    Listening(SocketAddr),
}

/// The user of the program at the other end of a connection: of the socket at `theirs`, which is connected to `ours`. `None`
/// when the program has closed it, or is on another machine.
///
/// The answer is right as long as the connection holds. Afterwards, another program may use the same address.
///
/// # Errors
/// The system does not tell.
pub fn user_of_peer(ours: SocketAddr, theirs: SocketAddr) -> io::Result<Option<u32>> {
    user(Wanted::Connected { local: theirs, remote: ours })
}

/// The user of the program that gets new connections to `address`. `None` when no program listens there.
///
/// # Errors
/// The system does not tell.
pub fn user_of_listener(address: SocketAddr) -> io::Result<Option<u32>> {
    user(Wanted::Listening(address))
}

#[cfg(target_os = "linux")]
fn user(wanted: Wanted) -> io::Result<Option<u32>> {
    // Not every system has the first.
    diag::user(wanted).or_else(|_| table::user(wanted))
}

#[cfg(not(target_os = "linux"))]
fn user(_wanted: Wanted) -> io::Result<Option<u32>> {
    Ok(Some(nix::unistd::geteuid().as_raw()))
}

#[cfg(all(test, target_os = "linux"))]
mod tests;
