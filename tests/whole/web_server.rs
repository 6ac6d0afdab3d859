//! A web server in front of a manager (`docs/wire` §1.7): it accepts logins, sets a cookie, and signs the requests with
//! this cookie for the real engine behind it. The tests can switch on faults that a real server shows rarely.

use super::daemon::Daemon;
use bai_protocol::sign;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};

/// The user who may log in.
pub const USER: &str = "ann@lab.example";
/// The user's password.
pub const PASSWORD: &str = "correct horse";
/// The one-time code, if one is required.
pub const CODE: &str = "424242";

/// The server. It runs until the test's process ends.
pub struct WebServer {
    /// The address on which it listens.
    pub endpoint: String,
    shared: Arc<Shared>,
}

struct Shared {
    engine: SocketAddr,
    keys: (String, String),
    state: Mutex<State>,
}

/// The settings and the state of the server.
#[derive(Default)]
pub struct State {
    /// The valid cookies.
    pub cookies: Vec<String>,
    /// Whether it requires a one-time code.
    pub wants_code: bool,
    /// Whether another session is logged in, so that only `force` succeeds.
    pub taken: bool,
    /// The answer to every request, if set.
    pub always: Option<String>,
    /// The failed logins so far. After three the server refuses logins.
    failures: usize,
}

struct Request {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
}

impl Request {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

impl WebServer {
    /// Starts a server in front of this engine.
    pub fn before(engine: &Daemon) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let shared =
            Arc::new(Shared { engine: engine.address, keys: engine.keys(), state: Mutex::default() });
        let served = shared.clone();
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (client, served) = (client.unwrap(), served.clone());
                // A client that disconnects ends only its own connection.
                std::thread::spawn(move || drop(serve(client, &served)));
            }
        });
        WebServer { endpoint, shared }
    }

    /// The settings and the state, to read or change.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap()
    }
}

/// Handles one request per connection.
fn serve(client: TcpStream, shared: &Shared) -> std::io::Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    let request = read_head(&mut reader)?;
    if let Some(answer) = shared.state.lock().unwrap().always.clone() {
        return (&client).write_all(answer.as_bytes());
    }
    match request.target.as_str() {
        "/server/login" => {
            let (status, cookie, body) = login(&request, &mut reader, shared)?;
            answer(&client, status, cookie.as_deref(), &body)
        }
        "/server/logout" => {
            let mut state = shared.state.lock().unwrap();
            state.cookies.retain(|known| Some(known.as_str()) != request.header("x-backendai-sessionid"));
            answer(&client, "200 OK", None, "")
        }
        target if target.starts_with("/func/") => forward(client, reader, &request, shared),
        _ => answer(&client, "200 OK", None, "<!DOCTYPE html><html>the web interface</html>"),
    }
}

fn read_head(reader: &mut impl BufRead) -> std::io::Result<Request> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        match line.trim_end() {
            "" => break,
            text => lines.push(text.to_owned()),
        }
    }
    let first = lines.first().cloned().unwrap_or_default();
    let mut words = first.split(' ').map(str::to_owned);
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let headers = lines.iter().skip(1).filter_map(|line| line.split_once(": "));
    Ok(Request { method, target, headers: headers.map(|(k, v)| (k.to_owned(), v.to_owned())).collect() })
}

fn answer(mut client: &TcpStream, status: &str, cookie: Option<&str>, body: &str) -> std::io::Result<()> {
    let cookie = cookie.map_or_else(String::new, |id| {
        format!("Set-Cookie: AIOHTTP_SESSION={id}; HttpOnly; Max-Age=604800; Path=/\r\n")
    });
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\n{cookie}Content-Length: {length}\r\nConnection: close\r\n\r\n");
    client.write_all(format!("{head}{body}").as_bytes())
}

fn login(
    request: &Request,
    reader: &mut impl Read,
    shared: &Shared,
) -> std::io::Result<(&'static str, Option<String>, String)> {
    let length = request.header("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let body: serde_json::Value = serde_json::from_slice(&body)?;
    let mut state = shared.state.lock().unwrap();
    let problem = |slug: &str, details: &str| {
        let data = serde_json::json!({
            "type": format!("https://api.backend.ai/probs/{slug}"), "title": "Refused.", "details": details,
        });
        serde_json::json!({"authenticated": false, "data": data}).to_string()
    };
    if state.failures >= 3 {
        let problem = r#"{"type": "https://api.backend.ai/probs/too-many-requests", "title": "Too many failed login attempts"}"#;
        return Ok(("429 Too Many Requests", None, problem.to_owned()));
    }
    if (body["username"].as_str(), body["password"].as_str()) != (Some(USER), Some(PASSWORD)) {
        state.failures += 1;
        return Ok(("401 Unauthorized", None, problem("auth-failed", "User credential mismatch.")));
    }
    match body["otp"].as_str() {
        _ if !state.wants_code => {}
        Some(CODE) => {}
        Some(_) => return Ok(("400 Bad Request", None, problem("invalid-api-params", "Invalid TOTP code."))),
        None => {
            let details = "You must authenticate using Two-Factor Authentication.";
            return Ok(("200 OK", None, problem("require-totp-authentication", details)));
        }
    }
    if state.taken && body["force"] != true {
        let details = "Another login session is active.";
        return Ok(("409 Conflict", None, problem("active-login-session-exists", details)));
    }
    let id = format!("{:032x}", 0xc00c_1e00_u64 + state.cookies.len() as u64);
    state.cookies.push(id.clone());
    let body = r#"{"authenticated": true, "data": {"access_key": "AK", "role": "user", "status": "active"}}"#;
    Ok(("200 OK", Some(id), body.to_owned()))
}

/// Signs the request for the engine and copies bytes both ways until one side ends.
fn forward(
    client: TcpStream,
    mut reader: BufReader<TcpStream>,
    request: &Request,
    shared: &Shared,
) -> std::io::Result<()> {
    let target = request.target.strip_prefix("/func").unwrap();
    let known = |id: &str| shared.state.lock().unwrap().cookies.iter().any(|cookie| cookie == id);
    if target != "/" && !request.header("x-backendai-sessionid").is_some_and(known) {
        let problem =
            r#"{"type": "https://api.backend.ai/probs/auth-failed", "title": "Unauthorized access"}"#;
        return answer(&client, "401 Unauthorized", None, problem);
    }
    assert!(request.header("authorization").is_none(), "requests are not signed in session mode");
    let engine = TcpStream::connect(shared.engine)?;
    (&engine).write_all(signed_head(request, target, shared).as_bytes())?;
    let (mut up, mut back) = (engine.try_clone()?, client.try_clone()?);
    let answers = std::thread::spawn(move || {
        // Closing the socket tells one side that the other has ended.
        let _ = std::io::copy(&mut &engine, &mut back);
        let _ = back.shutdown(Shutdown::Both);
    });
    let _ = std::io::copy(&mut reader, &mut up);
    let _ = up.shutdown(Shutdown::Write);
    drop(answers.join());
    Ok(())
}

fn signed_head(request: &Request, target: &str, shared: &Shared) -> String {
    let host = shared.engine.to_string();
    let date = request.header("date").unwrap_or("2026-01-01T00:00:00.000000+00:00");
    let signed = sign::Signed {
        method: &request.method,
        target,
        date,
        day: &date[..10].replace('-', ""),
        host: &host,
        content_type: request.header("content-type"),
        version: request.header("x-backendai-version").unwrap_or("v9.20250722"),
        body_sha256: None,
    };
    let (access_key, secret_key) = &shared.keys;
    let authorization = sign::authorization(access_key, &sign::signature(secret_key, &signed));
    let upgrade = request.header("upgrade").is_some();
    let dropped = |name: &str| {
        ["host", "cookie", "x-backendai-sessionid"].iter().any(|gone| name.eq_ignore_ascii_case(gone))
            || (!upgrade && name.eq_ignore_ascii_case("connection"))
    };
    let kept = request.headers.iter().filter(|(name, _)| !dropped(name));
    let mut head =
        format!("{} {target} HTTP/1.1\r\nHost: {host}\r\nAuthorization: {authorization}\r\n", request.method);
    head.extend(kept.map(|(name, value)| format!("{name}: {value}\r\n")));
    if !upgrade {
        head.push_str("Connection: close\r\n");
    }
    head + "\r\n"
}
