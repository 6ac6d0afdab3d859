//! Free ports for programs that bind them themselves. Until the program has bound its port, another program may take it;
//! then the program ends, and it is started again with other ports.

use std::io;
use std::net::Ipv4Addr;
use tokio::net::TcpListener;

/// How often a program is started, with other ports each time.
const ATTEMPTS: usize = 3;

/// The system's words for a port that another program has, in lower case.
const IN_USE: &str = "address already in use";

/// Chooses a free port of 127.0.0.1. No other program gets it while the listener lives.
pub(crate) async fn reserve() -> io::Result<(u16, TcpListener)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    Ok((listener.local_addr()?.port(), listener))
}

/// The attempts to start one program.
#[derive(Debug, Default)]
pub(crate) struct Attempts(usize);

impl Attempts {
    /// Counts an attempt that has failed. Whether there is another one: only if one of these ports was taken.
    pub(crate) async fn go_on(&mut self, ports: &[u16], error: &str) -> bool {
        self.0 += 1;
        let goes_on = self.0 < ATTEMPTS && were_taken(ports, error).await;
        if goes_on {
            tracing::debug!(error, "a program is started again, because a port was taken");
        }
        goes_on
    }
}

/// Whether a program has ended because it could not bind one of these ports of 127.0.0.1. `output` is its last output.
/// Another program may have had the port only for a moment; then the output alone tells.
async fn were_taken(ports: &[u16], output: &str) -> bool {
    output.to_lowercase().contains(IN_USE) || is_any_taken(ports).await
}

/// Whether another program has one of these ports of 127.0.0.1.
async fn is_any_taken(ports: &[u16]) -> bool {
    for port in ports {
        if let Err(error) = TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).await
            && error.kind() == io::ErrorKind::AddrInUse
        {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_is_taken_until_its_listener_is_dropped() {
        let (port, listener) = reserve().await.unwrap();
        let (other, free) = reserve().await.unwrap();
        drop(free);
        assert!(were_taken(&[other, port], "").await);
        assert!(
            were_taken(&[], "zmq.error.ZMQError: Address already in use (addr='tcp://127.0.0.1:1')").await
        );
        drop(listener);
        // A process that another test has forked meanwhile holds the port until it executes its program.
        let freed = async {
            while is_any_taken(&[port]).await {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(60), freed).await.unwrap();
    }
}
