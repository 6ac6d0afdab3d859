//! A loopback proxy between the binary and a server. It can cut and stall connections, faults that occur in a real
//! network but not with a local engine.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};

/// The proxy. It runs until the test's process ends.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    open: Vec<TcpStream>,
    stalled: bool,
    refusing: bool,
    hidden: Option<&'static str>,
}

impl Proxy {
    /// Starts a proxy to the server at `target`.
    pub fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        std::thread::spawn({
            let shared = shared.clone();
            move || accept(&listener, target, &shared)
        });
        Proxy { address, shared }
    }

    /// The address on which it listens.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Cuts all open connections. New ones are accepted.
    pub fn cut(&self) {
        for stream in self.shared.state.lock().unwrap().open.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Cuts all connections and refuses new ones, like a server that has gone away.
    pub fn refuse_connections(&self) {
        self.shared.state.lock().unwrap().refusing = true;
        self.cut();
    }

    /// Accepts new connections again.
    pub fn accept_connections(&self) {
        self.shared.state.lock().unwrap().refusing = false;
    }

    /// Passes no data and closes no connection, like a half-open link.
    pub fn stall(&self) {
        self.shared.state.lock().unwrap().stalled = true;
    }

    /// Makes a word unreadable, such as the name of a capability. The server then looks like one without it.
    pub fn hide(&self, word: &'static str) {
        self.shared.state.lock().unwrap().hidden = Some(word);
    }

    /// Passes data again.
    pub fn resume(&self) {
        self.shared.state.lock().unwrap().stalled = false;
        self.shared.changed.notify_all();
    }
}

fn accept(listener: &TcpListener, target: SocketAddr, shared: &Arc<Shared>) {
    for client in listener.incoming() {
        let client = client.unwrap();
        if shared.state.lock().unwrap().refusing {
            continue;
        }
        let server = TcpStream::connect(target).unwrap();
        shared.state.lock().unwrap().open.extend([client.try_clone().unwrap(), server.try_clone().unwrap()]);
        pump(client.try_clone().unwrap(), server.try_clone().unwrap(), shared.clone());
        pump(server, client, shared.clone());
    }
}

fn pump(mut from: TcpStream, mut to: TcpStream, shared: Arc<Shared>) {
    std::thread::spawn(move || {
        let mut buffer = vec![0; 1 << 16];
        loop {
            let read = from.read(&mut buffer).unwrap_or(0);
            let mut state = shared.state.lock().unwrap();
            while state.stalled {
                state = shared.changed.wait(state).unwrap();
            }
            let hidden = state.hidden;
            drop(state);
            if let Some(word) = hidden {
                let found = buffer[..read].windows(word.len()).position(|bytes| bytes == word.as_bytes());
                found.into_iter().for_each(|at| buffer[at..at + word.len()].fill(b'x'));
            }
            if read == 0 || to.write_all(&buffer[..read]).is_err() {
                let _ = to.shutdown(Shutdown::Both);
                return;
            }
        }
    });
}
