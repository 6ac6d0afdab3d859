//! One question to the kernel about one socket (`man 7 sock_diag`). It answers at once, however many sockets there are.

use super::Wanted;
use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::AsRawFd;

const HEADER: usize = 16;
/// Of an answer behind its header.
const ANSWER: usize = 72;
const ANY_STATE: u32 = u32::MAX;
const LISTEN: u8 = 10;

/// The user of a socket. `None` when there is none, or its program has closed it.
///
/// # Errors
/// The kernel does not answer such questions.
pub(super) fn user(wanted: Wanted) -> io::Result<Option<u32>> {
    let diag = socket(
        AddressFamily::Netlink,
        SockType::Datagram,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::NetlinkSockDiag,
    )?;
    send(diag.as_raw_fd(), &question(wanted), MsgFlags::empty())?;
    let mut answer = [0; 4096];
    let count = recv(diag.as_raw_fd(), &mut answer, MsgFlags::MSG_DONTWAIT)?;
    read(answer.get(..count).unwrap_or_default(), wanted)
}

/// The two addresses of a socket in the form of the question: for each the port and 16 bytes.
fn addresses(wanted: Wanted) -> (libc::c_int, [(u16, [u8; 16]); 2]) {
    let (local, remote) = match wanted {
        Wanted::Connected { local, remote } => (local, remote),
        Wanted::Listening(local) => (local, SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0)),
    };
    let is_v4 = local.ip().to_canonical().is_ipv4();
    let bytes = |address: SocketAddr| {
        let mut bytes = [0; 16];
        match address.ip().to_canonical() {
            IpAddr::V4(ip) => bytes.iter_mut().zip(ip.octets()).for_each(|(to, from)| *to = from),
            IpAddr::V6(ip) => bytes = ip.octets(),
        }
        (address.port(), bytes)
    };
    (if is_v4 { libc::AF_INET } else { libc::AF_INET6 }, [bytes(local), bytes(remote)])
}

fn question(wanted: Wanted) -> Vec<u8> {
    let (family, [local, remote]) = addresses(wanted);
    let mut question = vec![0; HEADER];
    question.extend([family as u8, libc::IPPROTO_TCP as u8, 0, 0]);
    question.extend(ANY_STATE.to_ne_bytes());
    question.extend(local.0.to_be_bytes());
    question.extend(remote.0.to_be_bytes());
    question.extend(local.1);
    question.extend(remote.1);
    // Any interface, any cookie.
    question.extend([0, u32::MAX, u32::MAX].into_iter().flat_map(u32::to_ne_bytes));
    let size = (question.len() as u32).to_ne_bytes();
    let [what, flags] = [20_u16, libc::NLM_F_REQUEST as u16].map(u16::to_ne_bytes);
    for (to, from) in question.iter_mut().zip(size.into_iter().chain(what).chain(flags)) {
        *to = from;
    }
    question
}

fn read(answer: &[u8], wanted: Wanted) -> io::Result<Option<u32>> {
    let malformed = || io::Error::from(io::ErrorKind::InvalidData);
    let word = |at: usize| answer.get(at..)?.first_chunk().copied().map(u32::from_ne_bytes);
    let kind = answer.get(4..).and_then(|rest| rest.first_chunk().copied()).map(u16::from_ne_bytes);
    if kind.map(i32::from) == Some(libc::NLMSG_ERROR) {
        let code = word(HEADER).map(u32::cast_signed).ok_or_else(malformed)?;
        return match Errno::from_raw(-code) {
            Errno::ENOENT => Ok(None),
            error => Err(error.into()),
        };
    }
    let found = answer.get(HEADER..HEADER + ANSWER).ok_or_else(malformed)?;
    let state = found.get(1).copied();
    // Without a connection from an address, the kernel gives the listener at it.
    let is_wanted = match wanted {
        Wanted::Listening(_) => state == Some(LISTEN),
        Wanted::Connected { remote, .. } => {
            state != Some(LISTEN) && found.get(6..8) == Some(&remote.port().to_be_bytes())
        }
    };
    let (user, inode) = (word(HEADER + 64).ok_or_else(malformed)?, word(HEADER + 68).ok_or_else(malformed)?);
    // A socket that its program has closed has no inode, and no user.
    Ok((is_wanted && inode != 0).then_some(user))
}
