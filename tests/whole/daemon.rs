//! A background engine for a test. It ends with the test and is reached directly or through a faulty link.

use super::faulty_link::Proxy;
use bai_testkit::Sandbox;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

/// `bai-repl serve` in its own home.
pub struct Daemon {
    child: Child,
    /// The address on which it listens.
    pub address: SocketAddr,
    access_key: String,
    secret_key: String,
}

impl Daemon {
    /// Starts it and waits until it listens.
    pub fn start(sandbox: &Sandbox) -> Self {
        Self::of(sandbox.command(&["serve", "--listen", "127.0.0.1:0"]))
    }

    /// Starts it with this command and waits until it listens.
    pub fn of(mut serve: Command) -> Self {
        let mut child = serve.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let file = lines.next().unwrap().unwrap().strip_prefix(". ").unwrap().to_owned();
        let text = std::fs::read_to_string(file).unwrap();
        let value = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(&format!("export {name}="))).unwrap();
            line.trim_matches('\'').to_owned()
        };
        let endpoint = value("BACKEND_ENDPOINT");
        let address = endpoint.strip_prefix("http://").unwrap().parse().unwrap();
        Daemon {
            child,
            address,
            access_key: value("BACKEND_ACCESS_KEY"),
            secret_key: value("BACKEND_SECRET_KEY"),
        }
    }

    /// Its process id.
    pub fn pid(&self) -> i32 {
        self.child.id().try_into().unwrap()
    }

    /// Waits until it has ended for another reason.
    pub fn wait_for_end(&mut self) {
        self.child.wait().unwrap();
    }

    /// Makes it the server of all programs in `sandbox`, reached through `endpoint`.
    pub fn use_in(&self, sandbox: &mut Sandbox, endpoint: &str) {
        sandbox.set("BACKEND_ENDPOINT", endpoint);
        sandbox.set("BACKEND_ACCESS_KEY", self.access_key.as_str());
        sandbox.set("BACKEND_SECRET_KEY", self.secret_key.as_str());
    }

    /// Its access key and secret key.
    pub fn keys(&self) -> (String, String) {
        (self.access_key.clone(), self.secret_key.clone())
    }

    /// Its own endpoint, without a link in between.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A sandbox whose server is a background engine behind a faulty link.
pub struct ProxiedEngine {
    /// The sandbox that runs the binary.
    pub sandbox: Sandbox,
    /// The link.
    pub link: Proxy,
    _engine: Daemon,
}

impl ProxiedEngine {
    /// Starts the engine in the home of the sandbox.
    pub fn new() -> Self {
        let mut sandbox = Sandbox::new();
        let engine = Daemon::start(&sandbox);
        let link = Proxy::to(engine.address);
        engine.use_in(&mut sandbox, &link.endpoint());
        ProxiedEngine { sandbox, link, _engine: engine }
    }
}
