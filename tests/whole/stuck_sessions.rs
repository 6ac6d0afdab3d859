//! Sessions of a cluster with faults: one that no longer accepts code because a client abandoned a run, one that never
//! starts, and one whose server loses output. A real engine cannot show these faults, so the server here is a small script.
//! It has one session, does not answer its runs, cannot restart it, and returns a good session if the client creates a new
//! one.

use super::bad_inputs::with_keypair;
use bai_testkit::{FakeTerminal, Sandbox, code_of};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;
use std::sync::{Arc, Mutex};

const TIMED_OUT: i32 = 124;
const LOST: i32 = 125;
const ID: [&str; 2] = ["6a6eff4e-365e-4983-9e0f-d8996bc43202", "7b7eff4e-365e-4983-9e0f-d8996bc43203"];

#[derive(Default)]
struct State {
    /// The current session: first the stuck one, then the good one.
    session: usize,
    ended: bool,
    /// How often the server still says that a session which was destroyed is TERMINATING.
    looks_before_end: usize,
    /// The session was destroyed and is TERMINATING.
    is_ending: bool,
    /// The session waits for resources that it will never get.
    is_pending: bool,
    /// The code that the good session ran.
    ran: Vec<String>,
    /// Whether the session that takes no code runs a cell, as a link in its home folder says; an interrupt ends it.
    runs_cell: Option<bool>,
    /// The good session prints HTML, which the server cannot encode.
    loses_html: bool,
}

/// Starts the server. Returns its address and its state.
fn cluster() -> (String, Arc<Mutex<State>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let state = Arc::new(Mutex::new(State::default()));
    let shared = state.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, state) = (stream.unwrap(), shared.clone());
            // A client may disconnect at any time.
            std::thread::spawn(move || while serve(&stream, &state).is_some() {});
        }
    });
    (endpoint, state)
}

/// Answers one request. `None` if the connection has ended.
fn serve(mut stream: &TcpStream, state: &Mutex<State>) -> Option<()> {
    let (line, body) = read(stream)?;
    let mut words = line.split(' ');
    let (method, target) = (words.next()?, words.next()?);
    let path = target.split('?').next()?;
    let Some((status, answer)) = answer(method, path, &body, &mut state.lock().unwrap()) else {
        // The request stays unanswered until the client disconnects.
        let _ = stream.read(&mut [0; 1]);
        return None;
    };
    let answer = answer.to_string();
    let length = answer.len();
    let head =
        format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all((head + &answer).as_bytes()).ok()
}

fn read(stream: &TcpStream) -> Option<(String, Value)> {
    let mut lines = BufReader::new(stream);
    let mut first = String::new();
    lines.read_line(&mut first).ok().filter(|length| *length > 0)?;
    let mut length = 0;
    loop {
        let mut line = String::new();
        lines.read_line(&mut line).ok()?;
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    lines.read_exact(&mut body).ok()?;
    Some((first.trim_end().to_owned(), serde_json::from_slice(&body).unwrap_or_default()))
}

fn answer(method: &str, path: &str, body: &Value, state: &mut State) -> Option<(&'static str, Value)> {
    let id = ID[state.session];
    let session = format!("/session/{id}");
    let status = match () {
        () if state.is_ending => "TERMINATING",
        () if state.is_pending => "PENDING",
        () => "RUNNING",
    };
    let created = |is_new: bool| {
        json!({
            "sessionId": id, "sessionName": "work", "status": status, "servicePorts": [], "created": is_new,
        })
    };
    Some(match (method, path) {
        ("GET", "/") => ("200 OK", json!({"version": "v9.20250722", "manager": "26.9.6"})),
        ("GET", "/session/_/match") if state.ended => ("200 OK", json!({"matches": []})),
        ("GET", "/session/_/match") => {
            ("200 OK", json!({"matches": [{"id": id, "name": "work", "status": status}]}))
        }
        ("POST", "/session") if state.ended => {
            *state = State { session: 1, ..State::default() };
            return answer("POST", "/session/new", body, state);
        }
        ("POST", "/session/new") => ("201 Created", created(true)),
        ("POST", "/session") => ("200 OK", created(false)),
        ("POST", "/admin/gql") => {
            let item = json!({
                "session_id": id, "name": "work", "type": "INTERACTIVE", "image": "python:3.13",
                "status": "RUNNING", "group_name": "default", "domain_name": "default",
                "requested_slots": "{\"cpu\": \"1\"}", "occupied_slots": "{\"cpu\": \"1\"}",
            });
            let list = json!({"items": [item], "total_count": 1});
            ("200 OK", json!({"data": {"compute_session_list": list}}))
        }
        _ if !path.starts_with(&session) || state.ended => (
            "404 Not Found",
            json!({"type": "https://api.backend.ai/probs/session-not-found", "title": "No such session."}),
        ),
        ("GET", _) if path == session && state.is_ending => {
            state.looks_before_end -= 1;
            (state.is_ending, state.ended) = (state.looks_before_end > 0, state.looks_before_end == 0);
            ("200 OK", json!({"status": status, "image": "python:3.13", "statusInfo": "user-requested"}))
        }
        ("GET", _) if path == session => (
            "200 OK",
            json!({"status": status, "image": "python:3.13", "statusInfo": state.is_pending.then_some("the reason of the server")}),
        ),
        ("PATCH", _) => (
            "501 Not Implemented",
            json!({"type": "https://api.backend.ai/probs/not-implemented", "title": "Session restart is no longer supported."}),
        ),
        ("DELETE", _) => {
            state.is_ending = state.looks_before_end > 0;
            state.ended = !state.is_ending;
            ("200 OK", json!({"stats": {"status": "terminated"}}))
        }
        ("POST", _) if path == session && state.session == 0 => return None,
        ("POST", _) if path == session => {
            let code = body["code"].as_str().unwrap().to_owned();
            if state.loses_html && code.contains("HTML") {
                return Some(("500 Internal Server Error", json!({"title": "cannot encode HTML"})));
            }
            let console =
                if code.is_empty() { json!([]) } else { json!([["stdout", format!("ran {code}\n")]]) };
            state.ran.push(code);
            let id = &body["runId"];
            (
                "200 OK",
                json!({"result": {"status": "finished", "runId": id, "exitCode": 0, "console": console}}),
            )
        }
        ("GET", _) if path == session.clone() + "/files" && state.runs_cell.is_some() => {
            let mut names = vec!["ipython_kernel_config.py".to_owned(), format!("process-of-{id}")];
            names.extend(state.runs_cell.filter(|runs| *runs).map(|_| format!("cell-of-{id}")));
            let mut entries: Vec<_> = names
                .iter()
                .map(|name| json!({"filename": name, "mode": if name.contains("-of-") { "lrwxrwxrwx" } else { "-rw-r--r--" }}))
                .collect();
            entries.push(json!({"filename": "large", "mode": "-rw-r--r--", "size": 3 << 20}));
            ("200 OK", json!({"files": serde_json::to_string(&entries).unwrap(), "errors": ""}))
        }
        // Interrupts.
        ("POST", _) => {
            state.runs_cell = state.runs_cell.map(|_| false);
            ("204 No Content", json!(""))
        }
        _ => ("404 Not Found", json!({"title": "URL not found"})),
    })
}

#[test]
fn a_script_gives_up_with_a_sentence() {
    let (endpoint, state) = cluster();
    let sandbox = with_keypair(&endpoint);
    let give_up = |prelude: &[&str]| {
        // A few seconds longer than the message about the silence takes.
        let flags = ["--max-wait", "12", "-t", "work", "-c", "print(1)", "python:3.13"];
        let run = sandbox.run(&[prelude, &flags].concat());
        run.expect(TIMED_OUT, "");
        for words in ["not answered for 5 s", "was not run", "stuck", "bai-repl rm work"] {
            assert!(run.stderr.contains(words), "\"{words}\" is missing in:\n{}", run.stderr);
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| give_up(&[]));
        scope.spawn(|| give_up(&["--no-prelude"]));
    });
    assert!(!state.lock().unwrap().ended, "the session is not ours to end");
}

/// A copy that needs a command of the session says what it waits for, ends at the signal, and gives up after a while; so does a script that
/// needs one.
#[test]
fn a_copy_gives_up_with_a_sentence_and_ends_at_a_signal() {
    let (endpoint, state) = cluster();
    state.lock().unwrap().runs_cell = Some(false);
    let sandbox = with_keypair(&endpoint);
    let new = sandbox.write("new", vec![7; 2 << 20]);
    let to_file = ["upload", "work", new.to_str().unwrap()];
    let copies = [&to_file[..], &["download", "work", "large", "--to", "-"], &["download", "work", "large"]];
    let said = "it is given up: work has not answered for 9 s";
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let script = ["--max-wait", "9", "-t", "work", "--with", "new", "-c", "print(1)", "python:3.13"];
            let run = sandbox.run(&script);
            run.expect(TIMED_OUT, "");
            let said = "the code was not run: work has not answered for 9 s";
            assert!(run.stderr.contains(said), "{}", run.stderr);
        });
        for copy in copies {
            let sandbox = &sandbox;
            scope.spawn(move || {
                let to = if copy.contains(&"--to") { &[][..] } else { &["--to", "into"] };
                let run = sandbox.run(&[copy, to, &["--max-wait", "9"]].concat());
                run.expect(TIMED_OUT, "");
                let nothing = if copy.contains(&"-") { "" } else { "nothing was copied" };
                for words in ["the session has not answered for", said, nothing, "bai-repl rm work"] {
                    assert!(run.stderr.contains(words), "\"{words}\" is missing in:\n{}", run.stderr);
                }
            });
            scope.spawn(move || {
                let program = sandbox.command(copy).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
                let mut program = program.unwrap();
                let mut lines = BufReader::new(program.stderr.take().unwrap()).lines();
                assert!(lines.next().unwrap().unwrap().contains("the session has not answered for"));
                kill(Pid::from_raw(program.id().try_into().unwrap()), Signal::SIGTERM).unwrap();
                // Nothing has to settle in the session: no line says that it does.
                let rest: Vec<_> =
                    lines.map(Result::unwrap).filter(|line| line.contains("waiting for")).collect();
                assert_eq!(rest, [""; 0]);
                assert_eq!(code_of(program.wait().unwrap()), Some(128 + Signal::SIGTERM as i32));
            });
        }
    });
}

/// A prompt whose first cell never begins, and which asks whether to destroy the session after Ctrl-C.
fn prompt_that_asks(sandbox: &Sandbox) -> FakeTerminal {
    let arguments = ["--no-prelude", "--transport", "poll", "attach", "work"];
    let terminal = FakeTerminal::start(sandbox, &arguments);
    terminal.wait_for_prompt("python ❯");
    terminal.enter("first = 1");
    terminal.wait_for("or it is stuck");
    terminal.send([3]);
    terminal.wait_for("interrupted; Ctrl-C again");
    terminal.send([3]);
    terminal.wait_for("still running:");
    terminal.send("r\r");
    terminal.wait_for("destroy this session");
    terminal
}

#[test]
fn the_prompt_offers_a_new_session_and_runs_the_cells_again() {
    let (endpoint, state) = cluster();
    let sandbox = with_keypair(&endpoint);
    let terminal = prompt_that_asks(&sandbox);
    terminal.enter("y");
    terminal.wait_for("the session is new");
    terminal.enter("second = 2");
    terminal.wait_for("ran second = 2");
    assert_eq!(
        state.lock().unwrap().ran,
        ["second = 2"],
        "the cell that never began is not run again unasked"
    );
    terminal.enter(":quit");
    assert_eq!(terminal.wait_for_end().code, 0);
}

#[test]
fn a_session_is_destroyed_when_it_has_ended_and_its_name_is_free_then() {
    let (endpoint, state) = cluster();
    let sandbox = with_keypair(&endpoint);
    state.lock().unwrap().looks_before_end = 2;
    let removed = sandbox.run(&["rm", "work"]);
    removed.expect(0, "");
    assert_eq!(removed.stderr, "session work is destroyed\n");
    assert!(state.lock().unwrap().ended, "it is not gone yet");

    *state.lock().unwrap() = State { is_ending: true, looks_before_end: 2, ..State::default() };
    let flags = ["--no-prelude", "--transport", "poll", "-t", "work", "-c", "x", "python:3.13"];
    sandbox.run(&flags).expect(0, "ran x\nNone\n");
}

#[test]
fn the_prompt_asks_before_it_replaces_a_session_and_waits_for_its_name() {
    let (endpoint, state) = cluster();
    state.lock().unwrap().looks_before_end = 2;
    let sandbox = with_keypair(&endpoint);
    let terminal = prompt_that_asks(&sandbox);
    terminal.enter("n");
    terminal.wait_for_prompt("python ❯");
    terminal.enter(":new");
    terminal
        .wait_until("the question again", |screen| screen.all.matches("destroy this session").count() == 2);
    assert!(!state.lock().unwrap().is_ending);
    terminal.enter("y");
    terminal.wait_for("the session is new");
    terminal.enter("second = 2");
    terminal.wait_for("ran second = 2");
    terminal.enter(":quit");
    assert_eq!(terminal.wait_for_end().code, 0);
}

#[test]
fn the_prelude_detects_a_stuck_session_before_the_first_cell() {
    let (endpoint, _state) = cluster();
    let sandbox = with_keypair(&endpoint);
    let terminal = FakeTerminal::start(&sandbox, &["attach", "work"]);
    terminal.wait_for("the session has not answered for 5 s");
    terminal.wait_for(":restart starts it anew");
    terminal.enter(":restart");
    terminal.wait_for("destroy this session");
    terminal.enter("n");
    terminal.wait_for_prompt("python ❯");
    terminal.enter(":quit");
    assert_eq!(terminal.wait_for_end().code, 0);
}

#[test]
fn the_cell_of_a_client_that_has_gone_is_seen_and_can_be_ended() {
    let (endpoint, state) = cluster();
    state.lock().unwrap().runs_cell = Some(true);
    let sandbox = with_keypair(&endpoint);
    let terminal = FakeTerminal::start(&sandbox, &["attach", "work"]);
    terminal.wait_for("the session still runs a cell of an earlier client");
    let script = ["--max-wait", "12", "-t", "work", "-c", "print(1)", "python:3.13"];
    let run = sandbox.run(&[&["--max-wait", "1"], &script[2..]].concat());
    run.expect(TIMED_OUT, "");
    terminal.enter(":interrupt");
    terminal.wait_for("the session is interrupted");
    let run = sandbox.run(&script);
    run.expect(TIMED_OUT, "");
    assert!(
        run.stderr.contains("runs no cell: its server probably waits for a client that was cut off"),
        "{}",
        run.stderr
    );
    let again = sandbox.run(&["interrupt", "work"]);
    assert!(
        again.stdout.contains("no cell runs in session work")
            || again.stderr.contains("no cell runs in session work"),
        "{again:?}"
    );
    terminal.enter(":quit");
    terminal.wait_for_end();
    state.lock().unwrap().runs_cell = Some(true);
    let first = sandbox.run(&["--json", "interrupt", "work"]);
    assert!(first.stdout.contains("\"outcome\":\"ended\""), "{first:?}");
}

#[test]
fn a_session_that_never_starts_is_given_up_and_ended_when_it_is_ours() {
    let (endpoint, state) = cluster();
    state.lock().unwrap().is_pending = true;
    let sandbox = with_keypair(&endpoint);
    let waited = sandbox.run(&["--max-wait", "1", "-t", "work", "-c", "1", "python:3.13"]);
    waited.expect(TIMED_OUT, "");
    assert!(
        waited.stderr.contains("still PENDING") && waited.stderr.contains("in the queue"),
        "{}",
        waited.stderr
    );
    assert!(!state.lock().unwrap().ended);
    let waited = sandbox.run(&["--max-wait", "6", "--rm", "-t", "work", "-c", "1", "python:3.13"]);
    waited.expect(TIMED_OUT, "");
    let lines = ["session work waits in the queue (PENDING): the reason of the server", "destroyed now"];
    assert!(lines.iter().all(|line| waited.stderr.contains(line)), "{}", waited.stderr);
    assert!(state.lock().unwrap().ended);
}

#[test]
fn a_prompt_that_is_left_before_its_session_runs_ends_it_at_once() {
    let (endpoint, state) = cluster();
    state.lock().unwrap().is_pending = true;
    let sandbox = with_keypair(&endpoint);
    let terminal = FakeTerminal::start(&sandbox, &["--rm", "-t", "work", "python:3.13"]);
    terminal.wait_for_prompt("python ❯");
    terminal.enter("1 + 1");
    terminal.wait_for("opening the session: PENDING");
    terminal.send("\x03");
    terminal.wait_for("still being opened");
    terminal.wait_for_prompt("python ❯");
    terminal.send("\x04");
    terminal.wait_for("session work is destroyed");
    assert_eq!(terminal.wait_for_end().code, 0);
    assert!(state.lock().unwrap().ended);
}

#[test]
fn output_that_the_server_loses_is_reported_by_scripts_and_at_the_prompt() {
    let (endpoint, state) = cluster();
    *state.lock().unwrap() = State { session: 1, loses_html: true, ..State::default() };
    let sandbox = with_keypair(&endpoint);
    let warning = "a part of the output is lost: could not run the code";
    let flags = ["--no-prelude", "--transport", "poll"];
    let script = sandbox.run(&[&flags[..], &["-t", "work", "-c", "HTML('x')", "python:3.13"]].concat());
    script.expect(LOST, "");
    assert!(script.stderr.contains(warning), "{}", script.stderr);
    let terminal = FakeTerminal::start(&sandbox, &[&flags[..], &["attach", "work"]].concat());
    terminal.wait_for_prompt("python ❯");
    terminal.enter("HTML('x')");
    terminal.wait_for(warning);
    terminal.wait_for_prompt("python ❯");
    terminal.enter(":quit");
    assert_eq!(terminal.wait_for_end().code, 0);
}
