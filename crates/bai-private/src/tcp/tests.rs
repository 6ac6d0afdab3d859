//! Both ways to find the user of a socket, with real sockets.

use super::*;
use std::net::{Shutdown, TcpListener, TcpStream};

type Way = fn(Wanted) -> io::Result<Option<u32>>;
const WAYS: [Way; 2] = [diag::user, table::user];

fn own() -> Option<u32> {
    Some(nix::unistd::geteuid().as_raw())
}

#[test]
fn the_user_of_a_listener_is_found() {
    for bound in ["127.0.0.1:0", "0.0.0.0:0", "[::1]:0", "[::]:0"] {
        let listener = TcpListener::bind(bound).unwrap();
        let at = listener.local_addr().unwrap();
        let asked = if at.is_ipv4() || at.ip().is_unspecified() { "127.0.0.1" } else { "::1" };
        let asked = Wanted::Listening(SocketAddr::new(asked.parse().unwrap(), at.port()));
        for way in WAYS {
            assert_eq!(way(asked).unwrap(), own(), "{bound}");
        }
        drop(listener);
        for way in WAYS {
            assert_eq!(way(asked).unwrap(), None, "{bound}");
        }
    }
}

#[test]
fn the_user_of_a_peer_is_found_while_its_socket_is_open() {
    for (bound, named) in [("127.0.0.1", "127.0.0.1"), ("127.0.0.1", "::ffff:127.0.0.1"), ("::1", "::1")] {
        let listener = TcpListener::bind((bound, 0)).unwrap();
        let peer = TcpStream::connect((named, listener.local_addr().unwrap().port())).unwrap();
        let (ours, _) = listener.accept().unwrap();
        let wanted =
            Wanted::Connected { local: ours.peer_addr().unwrap(), remote: ours.local_addr().unwrap() };
        for way in WAYS {
            assert_eq!(way(wanted).unwrap(), own(), "{named}");
        }
        peer.shutdown(Shutdown::Write).unwrap();
        for way in WAYS {
            assert_eq!(way(wanted).unwrap(), own(), "{named}");
        }
        drop(peer);
        for way in WAYS {
            assert_eq!(way(wanted).unwrap(), None, "{named}: a closed socket belongs to nobody");
        }
        assert_eq!(user_of_peer(ours.local_addr().unwrap(), ours.peer_addr().unwrap()).unwrap(), None);
    }
}

/// The kernel would name the listener.
#[test]
fn a_listener_at_the_address_of_a_peer_is_not_the_peer() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    for way in WAYS {
        let wanted = Wanted::Connected { local: at, remote: "127.0.0.1:9".parse().unwrap() };
        assert_eq!(way(wanted).unwrap(), None);
    }
}
