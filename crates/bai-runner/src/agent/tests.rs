//! A runner with an agent that behaves as genuine agents would not. `tests/interop/genuine_agent.py` tests with a genuine
//! one.

use super::*;
use futures_util::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use zeromq::{PullSocket, PushSocket, Socket, SocketEvent, SocketRecv, SocketSend, ZmqMessage};

const LIMIT: Duration = Duration::from_secs(60);

/// A runner in a folder of its own.
struct Lab {
    addresses: [SocketAddr; 2],
    folder: tempfile::TempDir,
    stop: CancellationToken,
    services: JoinHandle<()>,
}

impl Lab {
    async fn new(language: &str, runtime: Option<&str>) -> Lab {
        let folder = tempfile::tempdir().unwrap();
        let runner = AgentRunner::start(AgentOptions {
            runtime: runtime.map(PathBuf::from),
            ports: [Some(0), Some(0)],
            config: folder.path().join("config"),
            definitions: folder.path().join("services"),
            ..AgentOptions::new(language, folder.path())
        });
        let runner = timeout(LIMIT, runner).await.unwrap().unwrap();
        let (addresses, stop) = (runner.addresses(), CancellationToken::new());
        let until = stop.clone();
        let services = tokio::spawn(async move { runner.serve(&until).await });
        Lab { addresses, folder, stop, services }
    }

    async fn end(self) {
        self.stop.cancel();
        timeout(LIMIT, self.services).await.unwrap().unwrap();
    }
}

struct Agent {
    operations: PushSocket,
    replies: PullSocket,
}

impl Agent {
    async fn new(lab: &Lab) -> Agent {
        let (mut operations, mut replies) = (PushSocket::new(), PullSocket::new());
        operations.connect(&format!("tcp://{}", lab.addresses[0])).await.unwrap();
        replies.connect(&format!("tcp://{}", lab.addresses[1])).await.unwrap();
        Agent { operations, replies }
    }

    async fn send(&mut self, parts: &[&str]) {
        let mut message = ZmqMessage::from(parts[0]);
        parts[1..].iter().for_each(|part| message.push_back(part.as_bytes().to_vec().into()));
        timeout(LIMIT, self.operations.send(message)).await.unwrap().unwrap();
    }

    async fn next(&mut self) -> (String, Vec<u8>) {
        let message = timeout(LIMIT, self.replies.recv()).await.expect("no reply in time").unwrap();
        let parts = message.into_vec();
        assert_eq!(parts.len(), 2);
        (String::from_utf8(parts[0].to_vec()).unwrap(), parts[1].to_vec())
    }

    /// Standard output and the exit code of the next task that ends.
    async fn finish(&mut self) -> (String, String) {
        let mut output = String::new();
        loop {
            let (name, payload) = self.next().await;
            let text = String::from_utf8_lossy(&payload).into_owned();
            match name.as_str() {
                "stdout" => output.push_str(&text),
                "finished" => return (output, text),
                _ => {}
            }
        }
    }

    /// Disconnects, and waits until the runner has noticed and has closed its connections. That takes a moment, because
    /// processes that were forked from ours hold the connection meanwhile. Unlike genuine agents, this one would not
    /// connect again when the runner closes its connection.
    async fn leave(self) {
        let Agent { operations, mut replies } = self;
        let mut events = replies.monitor();
        drop(operations);
        let noticed = async {
            loop {
                tokio::select! {
                    Some(SocketEvent::Disconnected(_)) = events.next() => return,
                    _ = replies.recv() => {}
                }
            }
        };
        timeout(LIMIT, noticed).await.expect("the runner does not notice");
    }

    async fn run(&mut self, code: &str) -> String {
        self.send(&["code", code]).await;
        self.finish().await.0
    }
}

/// The first bytes of a socket of this kind, in two parts: its greeting and its first command.
fn handshake(kind: &str) -> (Vec<u8>, Vec<u8>) {
    let greeting = [&[0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 0][..], b"NULL", &[0; 48]].concat();
    (greeting, [b"\x04\x1a\x05READY\x0bSocket-Type\0\0\0\x04", kind.as_bytes()].concat())
}

#[tokio::test]
async fn invalid_messages_are_ignored() {
    let lab = Lab::new("bash", None).await;
    let mut agent = Agent::new(&lab).await;
    for parts in [&["code"][..], &["dance", ""], &["exec", "echo a", "echo b"], &["complete", "{"], &["", ""]]
    {
        agent.send(parts).await;
    }
    assert_eq!(agent.next().await, ("completion".into(), br#"{"suggestions":[]}"#.to_vec()));
    assert_eq!(agent.run("echo on").await, "on\n");
    agent.leave().await;
    // One peer that is silent, one that sends nonsense, one that stops in the middle of a message.
    let (greeting, ready) = handshake("PUSH");
    let half = [&greeting[..], &ready, b"\x01\x04code\x00\x20echo"].concat();
    for bytes in [&b""[..], b"GET / HTTP/1.1\r\n\r\n", &[0; 64], &greeting[..20], &half] {
        for address in lab.addresses {
            let mut socket = TcpStream::connect(address).await.unwrap();
            let _ = socket.write_all(bytes).await;
            let _ = socket.shutdown().await;
            // The runner closes its connection too.
            let _ = timeout(LIMIT, socket.read_to_end(&mut Vec::new())).await.unwrap();
        }
    }
    let mut agent = Agent::new(&lab).await;
    assert_eq!(agent.run("echo still").await, "still\n");
    lab.end().await;
}

#[tokio::test]
async fn a_run_waits_until_the_agent_reconnects() {
    let lab = Lab::new("bash", None).await;
    for round in 0..5 {
        let mut agent = Agent::new(&lab).await;
        let code =
            format!("echo before; while [ ! -e back{round} ]; do sleep 0.01; done; echo after {round}");
        agent.send(&["code", &code]).await;
        let (name, payload) = agent.next().await;
        assert_eq!((name.as_str(), &payload[..]), ("stdout", &b"before\n"[..]));
        agent.leave().await;
        let mut agent = Agent::new(&lab).await;
        agent.send(&["status", ""]).await;
        assert_eq!(agent.next().await.0, "status");
        std::fs::write(lab.folder.path().join(format!("back{round}")), "").unwrap();
        assert_eq!(agent.finish().await.0, format!("after {round}\n"));
        agent.leave().await;
    }
    lab.end().await;
}

#[tokio::test]
async fn an_agent_that_connects_while_the_previous_one_leaves_gets_its_replies() {
    let lab = Lab::new("bash", None).await;
    let mut before = Agent::new(&lab).await;
    assert_eq!(before.run("echo on").await, "on\n");
    let (greeting, ready) = handshake("PULL");
    let mut replies = TcpStream::connect(lab.addresses[1]).await.unwrap();
    replies.write_all(&greeting[..20]).await.unwrap();
    // The runner has greeted, so it has accepted the connection.
    timeout(LIMIT, replies.read_u8()).await.unwrap().unwrap();
    before.leave().await;
    let mut operations = PushSocket::new();
    operations.connect(&format!("tcp://{}", lab.addresses[0])).await.unwrap();
    let mut code = ZmqMessage::from("code");
    code.push_back("echo after".into());
    operations.send(code).await.unwrap();
    replies.write_all(&[&greeting[20..], &ready].concat()).await.unwrap();
    let mut output = Vec::new();
    while !String::from_utf8_lossy(&output).contains("after\n") {
        assert_ne!(timeout(LIMIT, replies.read_buf(&mut output)).await.unwrap().unwrap(), 0, "{output:?}");
    }
    lab.end().await;
}

#[tokio::test]
async fn an_agent_that_does_not_read_blocks_the_program_and_not_the_runner() {
    let lab = Lab::new("bash", None).await;
    let mut agent = Agent::new(&lab).await;
    // The program counts its written bytes. The bytes in flight are bounded, however much it prints.
    let flood = "piece=$(head -c 1000000 /dev/zero | tr '\\0' x); for ((n = 1; n <= 1000; n++)); do echo $piece; echo $n > written; done";
    agent.send(&["code", flood]).await;
    let written = || std::fs::read_to_string(lab.folder.path().join("written")).unwrap_or_default();
    let standstill = async {
        let (mut before, mut same) = (String::new(), 0);
        while same < 20 {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let now = written();
            same = if now == before && !now.is_empty() { same + 1 } else { 0 };
            before = now;
        }
        before.trim().parse::<usize>().unwrap()
    };
    let megabytes = timeout(LIMIT, standstill).await.unwrap();
    assert!(megabytes < 100, "{megabytes} MB are on their way to an agent that does not read");
    // The interrupt works; then everything that was written arrives.
    agent.send(&["interrupt", ""]).await;
    let (output, code) = agent.finish().await;
    assert_ne!(code, r#"{"exitCode":0}"#);
    assert!(output.len() >= megabytes * 1_000_000, "{}", output.len());
    assert_eq!(agent.run("echo on").await, "on\n");
    lab.end().await;
}

#[tokio::test]
async fn without_an_interpreter_batch_steps_still_run() {
    let lab = Lab::new("bash", Some("/nowhere/bash")).await;
    let mut agent = Agent::new(&lab).await;
    agent.send(&["code", "echo on"]).await;
    assert_eq!(agent.finish().await, (String::new(), r#"{"exitCode":127}"#.to_owned()));
    agent.send(&["exec", "echo on"]).await;
    assert_eq!(agent.finish().await, ("on\n".to_owned(), r#"{"exitCode":0}"#.to_owned()));
    lab.end().await;
}

#[tokio::test]
async fn requests_with_unread_replies_do_not_block_the_runner() {
    let lab = Lab::new("bash", None).await;
    let mut agent = Agent::new(&lab).await;
    for _ in 0..300 {
        agent.send(&["get-apps", ""]).await;
        agent.send(&["complete", r#"{"code": "ech"}"#]).await;
    }
    assert_eq!(agent.run("echo on").await, "on\n");
    lab.end().await;
}

#[tokio::test]
async fn ports_in_use_are_reported() {
    let lab = Lab::new("app", None).await;
    let taken = AgentRunner::start(AgentOptions {
        ports: [Some(lab.addresses[0].port()), Some(0)],
        config: lab.folder.path().join("config"),
        definitions: lab.folder.path().join("services"),
        ..AgentOptions::new("app", lab.folder.path())
    });
    let error = taken.await.unwrap_err().to_string();
    assert!(error.contains(&lab.addresses[0].to_string()), "{error}");
    lab.end().await;
}

#[tokio::test]
async fn a_frame_that_announces_too_much_ends_only_its_connection() {
    let lab = Lab::new("bash", None).await;
    let greeting = handshake("PUSH").0;
    for address in lab.addresses {
        let mut peer = TcpStream::connect(address).await.unwrap();
        peer.write_all(&greeting).await.unwrap();
        peer.write_all(&[2, 0x3f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0]).await.unwrap();
        let mut rest = Vec::new();
        // The connection ends; how is not important.
        let _ = timeout(LIMIT, peer.read_to_end(&mut rest)).await.unwrap();
    }
    let mut agent = Agent::new(&lab).await;
    assert_eq!(agent.run("echo on").await, "on\n");
    lab.end().await;
}
