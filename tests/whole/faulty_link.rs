//! A proxy on loopback between the binary and a server, which can cut and stall connections: faults that a real
//! network has and a real engine does not show.

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
}

impl Proxy {
    /// A proxy to the server at `target`.
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

    /// Where it listens.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Cuts every connection that is open now; new ones are served.
    pub fn cut(&self) {
        for stream in self.shared.state.lock().unwrap().open.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Cuts every connection and refuses new ones, as a server that went away.
    pub fn go_away(&self) {
        self.shared.state.lock().unwrap().refusing = true;
        self.cut();
    }

    /// Serves new connections again.
    pub fn be_back(&self) {
        self.shared.state.lock().unwrap().refusing = false;
    }

    /// Lets nothing through and closes nothing, as a link that is half open.
    pub fn stall(&self) {
        self.shared.state.lock().unwrap().stalled = true;
    }

    /// Lets everything through again.
    pub fn flow(&self) {
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
            drop(state);
            if read == 0 || to.write_all(&buffer[..read]).is_err() {
                let _ = to.shutdown(Shutdown::Both);
                return;
            }
        }
    });
}
