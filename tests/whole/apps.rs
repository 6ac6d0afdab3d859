//! `bai-repl app`: who gets in at the local address of an app. The apps are small programs of these tests with the names of
//! well-known ones. Strangers are programs of another user, so those tests need root.

use super::commands::Stream;
use bai_testkit::Sandbox;
use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;

/// Listens at a socket and asks for its token, as Jupyter does.
const JUPYTER: &str = r#"#!/usr/bin/env python3
import http.server, os, socketserver, sys
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        is_right = self.path.endswith("?token=" + os.environ["JUPYTER_TOKEN"])
        body = b"welcome" if is_right else b"a token, please"
        self.send_response(200 if is_right else 403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    do_POST = do_GET
    def log_message(self, *_): pass
class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
Server(next(word[7:] for word in sys.argv if word.startswith("--sock=")), Handler).serve_forever()
"#;

/// Listens at a port, greets, and repeats what it gets.
const TENSORBOARD: &str = r#"#!/usr/bin/env python3
import socketserver, sys
class Handler(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.sendall(b"READY\n")
        while bytes := self.request.recv(4096):
            self.request.sendall(bytes)
class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
Server((sys.argv[2], int(sys.argv[4])), Handler).serve_forever()
"#;

/// A named session on a machine with these apps.
fn with_apps() -> Sandbox {
    let mut sandbox = Sandbox::new();
    for (name, script) in [("jupyter-notebook", JUPYTER), ("tensorboard", TENSORBOARD)] {
        let path = sandbox.write(name, script);
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
    }
    let path = format!("{}:{}", sandbox.work().display(), std::env::var("PATH").unwrap());
    sandbox.set("PATH", path);
    sandbox.run(&["-t", "work", "-c", "print(1)", "python"]).expect(0, "1\n");
    sandbox
}

/// An open app.
struct Opened {
    program: Stream,
    url: String,
    /// `HOST:PORT`.
    address: String,
}

fn open(sandbox: &Sandbox, app: &str, flags: &[&str]) -> Opened {
    let mut program = Stream::start(sandbox, &[&["--json", "app", "work", app], flags].concat());
    let event: Value = serde_json::from_str(&program.until("listening")).unwrap();
    let url = event["url"].as_str().unwrap().to_owned();
    let address = url.trim_start_matches("http://").split('/').next().unwrap().to_owned();
    Opened { program, url, address }
}

impl Opened {
    /// Ends it, and returns what it told the user.
    fn end(self) -> String {
        self.program.interrupt();
        let mut said = String::new();
        let mut child = self.program.child;
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0), "{said}");
        said
    }

    /// What a program of this user gets for these bytes, up to `end` or the end of the connection.
    fn send(&self, bytes: &str, end: &str) -> String {
        let mut socket = TcpStream::connect(&self.address).unwrap();
        exchange(&mut socket, bytes, end)
    }

    /// A request for the page at the app's URL.
    fn request(&self, method: &str, headers: &str) -> String {
        let path = self.url.trim_start_matches("http://").split_once('/').unwrap().1;
        format!("{method} /{path} HTTP/1.1\r\n{headers}\r\n")
    }

    /// What a program of another user gets for these bytes at this port of 127.0.0.1, up to `end` or the end of the
    /// connection. `None` when another user cannot be played.
    fn send_as_another_user(&self, bytes: &str, end: &str) -> Option<String> {
        let code = "import socket,sys\n\
            s = socket.create_connection(('127.0.0.1', int(sys.argv[1])))\n\
            reply = ''\n\
            try:\n\
            \x20 s.sendall(sys.argv[2].encode())\n\
            \x20 while sys.argv[3] not in reply and (new := s.recv(4096).decode()): reply += new\n\
            except ConnectionError: pass\n\
            sys.stdout.write(reply)";
        let port = self.address.rsplit(':').next().unwrap();
        // Another user has no access to this user's interpreters, but to the system's.
        let mut stranger = bai_testkit::as_another_user("env")?;
        stranger.args(["PATH=/usr/bin:/bin", "python3", "-c", code, port, bytes, end]).current_dir("/");
        let output = stranger.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Some(String::from_utf8(output.stdout).unwrap())
    }
}

/// Sends these bytes and reads up to `end` or the end of the connection.
fn exchange(socket: &mut TcpStream, bytes: &str, end: &str) -> String {
    socket.write_all(bytes.as_bytes()).unwrap();
    let mut reply = Vec::new();
    let mut byte = [0];
    while !reply.ends_with(end.as_bytes()) && socket.read(&mut byte).unwrap() > 0 {
        reply.extend(byte);
    }
    String::from_utf8(reply).unwrap()
}

/// The end of what the fake Jupyter answers to the right token.
const WELCOME: &str = "welcome";

#[test]
fn another_user_does_not_get_in() {
    let sandbox = with_apps();
    let jupyter = open(&sandbox, "jupyter", &["-b", "127.0.0.1:0"]);
    let request = jupyter.request("GET", "Host: localhost\r\n");
    let Some(reply) = jupyter.send_as_another_user(&request, WELCOME) else { return drop(jupyter.end()) };
    assert!((reply.is_empty() || reply.starts_with("HTTP/1.1 403")) && !reply.contains(WELCOME), "{reply}");
    assert!(jupyter.send(&request, WELCOME).ends_with(WELCOME), "the owner gets in");
    let said = jupyter.end();
    assert!(
        said.contains("a connection to jupyter was refused: the connection came from another user"),
        "{said}"
    );

    let other = open(&sandbox, "tensorboard", &["-b", "127.0.0.1:0"]);
    let reply = other.send_as_another_user("hello", "hello").unwrap();
    assert!(!reply.contains("READY") && !reply.contains("hello"), "{reply}");
    other.end();
}

#[test]
fn jupyter_asks_for_a_token_which_only_the_url_tells() {
    let sandbox = with_apps();
    let jupyter = open(&sandbox, "jupyter", &["-vv", "-b", "127.0.0.1:0"]);
    let token = jupyter.url.split_once("/?token=").unwrap().1.to_owned();
    assert!(token.len() >= 32 && jupyter.url.starts_with("http://127.0.0.1:"), "{}", jupyter.url);
    let right = jupyter.send(&jupyter.request("GET", "Host: localhost\r\n"), WELCOME);
    assert!(right.ends_with(WELCOME), "{right}");
    let none = jupyter.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "please");
    assert!(none.ends_with("a token, please"), "{none}");
    for process in std::fs::read_dir("/proc").unwrap() {
        let arguments = std::fs::read(process.unwrap().path().join("cmdline")).unwrap_or_default();
        let arguments = String::from_utf8_lossy(&arguments);
        assert!(!arguments.contains(&token), "{arguments}");
    }
    let again = open(&sandbox, "jupyter", &["-b", "localhost:0"]);
    assert!(again.url.ends_with(&token), "a second address leads to the same Jupyter: {}", again.url);
    assert!(!again.end().contains(&token));
    assert!(!jupyter.end().contains(&token));
    let log = std::fs::read_to_string(sandbox.home().join(".local/state/bai-repl/bai-repl.log")).unwrap();
    assert!(log.contains("tcpproxy") && !log.contains(&token), "{log}");
}

#[test]
fn requests_of_foreign_web_pages_are_refused() {
    let sandbox = with_apps();
    let jupyter = open(&sandbox, "jupyter", &["-b", "127.0.0.1:0"]);
    let host = format!("Host: {}\r\n", jupyter.address);
    let own = format!("{host}Origin: http://{}\r\nContent-Length: 2\r\n", jupyter.address);
    for foreign in [
        "Host: evil.example\r\n".to_owned(),
        format!("{host}Origin: http://evil.example\r\n"),
        format!("{host}Origin: null\r\n"),
        format!("{host}Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\n"),
        format!("{host}Connection: Upgrade\r\nUpgrade: websocket\r\nOrigin: http://evil.example\r\n"),
    ] {
        let evil = jupyter.request("GET", &foreign);
        let reply = jupyter.send(&evil, WELCOME);
        assert!(reply.starts_with("HTTP/1.1 403 Forbidden") && !reply.contains(WELCOME), "{evil}{reply}");
        // A connection that is kept alive does not become trusted.
        let mut socket = TcpStream::connect(&jupyter.address).unwrap();
        let first = exchange(&mut socket, &(jupyter.request("POST", &own) + "ok"), WELCOME);
        assert!(first.ends_with(WELCOME), "{first}");
        let reply = exchange(&mut socket, &evil, WELCOME);
        assert!(reply.starts_with("HTTP/1.1 403 Forbidden") && !reply.contains(WELCOME), "{evil}{reply}");
    }
    let said = jupyter.end();
    assert!(said.contains("the request came from a web page of http://evil.example"), "{said}");
    assert_eq!(said.matches("evil.example").count(), 2, "each reason is told once: {said}");
}

#[test]
fn an_app_that_does_not_speak_http_works() {
    let sandbox = with_apps();
    let app = open(&sandbox, "tensorboard", &["-b", "127.0.0.1:0"]);
    let mut socket = TcpStream::connect(&app.address).unwrap();
    assert_eq!(exchange(&mut socket, "", "READY\n"), "READY\n");
    for words in ["HELLO", "GET it\r\n", "\u{16}\u{3}\u{1}", "GET / HTTP/1.1\r\nHost: x\r\n\r\n"] {
        assert_eq!(exchange(&mut socket, words, words), words);
    }
    app.end();
}

#[test]
fn an_app_ends_with_its_session() {
    let sandbox = with_apps();
    let mut app = open(&sandbox, "tensorboard", &["-b", "127.0.0.1:0"]).program.child;
    sandbox.run(&["rm", "work"]).expect_code(0);
    let mut said = String::new();
    app.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(
        (app.wait().unwrap().code(), said.as_str()),
        (Some(125), "bai-repl: work is gone: it has ended\n")
    );
}

#[test]
fn an_address_that_other_machines_reach_needs_a_flag() {
    let sandbox = with_apps();
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        let run = sandbox.run(&["app", "work", "tensorboard", "-b", address]);
        run.expect(2, "");
        for words in [&format!("other machines can reach {address}"), "--public", "as you do"] {
            assert!(run.stderr.contains(words), "{words} is missing in {}", run.stderr);
        }
    }
    let public = open(&sandbox, "tensorboard", &["--public", "-b", "0.0.0.0:0"]);
    assert!(public.send("hello", "hello").contains("hello"));
    if let Some(reply) = public.send_as_another_user("hello", "hello") {
        assert!(reply.contains("hello"), "{reply}");
    }
    let foreign = public.send("GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", "\r\n\r\n");
    assert!(foreign.contains("HTTP/1.1 403"), "{foreign}");
    let said = public.end();
    assert!(said.contains("everybody who reaches 0.0.0.0:"), "{said}");
    let needless = open(&sandbox, "tensorboard", &["--public", "-b", "127.0.0.1:0"]).end();
    assert!(!needless.contains("everybody"), "{needless}");
}

#[test]
fn a_program_of_the_session_is_reached_by_its_port() {
    let sandbox = with_apps();
    let code = "import socket, threading\nserver = socket.create_server(('127.0.0.1', 0))\ndef serve():\n    while True:\n        \
                peer, _ = server.accept(); peer.sendall(b'mine'); peer.close()\n\
                threading.Thread(target=serve, daemon=True).start()\nprint(server.getsockname()[1])";
    let printed = sandbox.run(&["-q", "-t", "work", "-c", code, "python"]);
    let port = printed.stdout.trim();
    let opened = open(&sandbox, port, &["-b", "0"]);
    assert_eq!(opened.send("", "mine"), "mine");
    opened.end();
    for wrong in ["80", "2200", "99999", "0x1f90"] {
        let run = sandbox.run(&["app", "work", wrong]);
        run.expect(123, "");
        assert!(run.stderr.contains("has no such app"), "{}", run.stderr);
    }
}
