//! A client that comes to a session of a cluster in which another one has left a run, or still follows one.

use super::server::{Asked, Server, json, result, status};
use super::*;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;
use tokio::net::TcpStream;
use tokio::sync::Notify;

/// What the kernel keeps of the run, and the line that ends it.
const KEPT: &str = "[\"stdout\",\"one\\n\",0]\n[\"media\",[\"image/svg+xml\",\"<svg/>\"],0]\n";
const END: &str = "[\"end\",3,0]\n";
/// The line before it of a run whose last question an interrupt has ended.
const UNANSWERED: &str = "[\"unanswered\",null,0]\n";
/// The reply of a kernel that has answered a question.
const ANSWERED: &str = r#"{"result": {"status": "finished", "exitCode": 0, "console": [["media", ["image/svg+xml",
    "{\"bai-repl\": 1, \"data\": {\"application/vnd.bai-repl.answer+json\": {}}}"]]]}}"#;

/// The session, as its server sees it.
#[derive(Debug, Clone, Default)]
struct State {
    /// The name of the run in the files of the kernel.
    name: &'static str,
    /// Whether its cell runs. A request for more output ends it.
    runs: bool,
    /// Whether its client has got its end, or another one, so that a request for more never ends.
    is_collected: bool,
    /// Whether a client waits for it that has gone.
    is_left: bool,
    /// Whether other code under its id has ended instead, so that the end of that goes to the next one who waits.
    is_shifted: bool,
    /// Whether the server waits for an answer to the last question of the program, which has ended.
    lacks_answer: bool,
    /// Whether the files say that there was none.
    is_unanswered: bool,
    /// The answers that came.
    answers: Vec<String>,
    /// The marks beside the files, the first one first.
    marks: Vec<String>,
    /// Whether the server fails at the next empty code under its id.
    fails: bool,
    /// Whether nothing can be uploaded, as with a full disk.
    takes_no_marks: bool,
}

async fn cluster(state: State) -> (Server, Arc<Mutex<State>>) {
    let (state, freed) = (Arc::new(Mutex::new(state)), Arc::new(Notify::new()));
    let shared = state.clone();
    let server = Server::start(move |asked, stream| {
        let (state, freeing) = (shared.clone(), freed.clone());
        async move {
            // It is heard from now on, whenever the state changes.
            let freed = freeing.notified();
            let now = state.lock().unwrap().clone();
            if asked.is("POST /session/work/upload") && !now.takes_no_marks {
                let name = asked.body.split("output-of-work/").nth(1).and_then(|rest| rest.split('"').next());
                state.lock().unwrap().marks.push(name.unwrap().to_owned());
                return status(stream, "204 No Content").await;
            }
            if !asked.is("POST /session/work ") {
                return beside(&now, &asked, stream).await;
            }
            let body: serde_json::Value = serde_json::from_str(&asked.body).unwrap();
            if body["runId"] != now.name {
                if now.is_left {
                    freed.await;
                }
                if std::mem::take(&mut state.lock().unwrap().is_shifted) {
                    return json(stream, &result("finished", "")).await;
                }
                return json(stream, ANSWERED).await;
            }
            if body["mode"] == "query" && std::mem::take(&mut state.lock().unwrap().fails) {
                return status(stream, "500 Internal Server Error").await;
            }
            let ends = {
                let mut state = state.lock().unwrap();
                let asks = body["mode"] == "continue";
                if body["mode"] == "input" {
                    state.lacks_answer = false;
                    state.answers.push(body["code"].as_str().unwrap().to_owned());
                }
                let ends = !(state.runs || asks && state.is_collected || state.lacks_answer);
                state.runs &= !asks;
                ends
            };
            match ends {
                false => json(stream, &result("continued", "")).await,
                true if now.is_left => {
                    let is_shifted = body["mode"] == "query";
                    {
                        let mut state = state.lock().unwrap();
                        (state.is_left, state.is_shifted) = (false, is_shifted);
                    }
                    freeing.notify_waiters();
                    json(stream, &result("finished", "")).await
                }
                true => json(stream, ANSWERED).await,
            }
        }
    })
    .await;
    (server, state)
}

async fn beside(now: &State, asked: &Asked, stream: TcpStream) -> Option<TcpStream> {
    let listing = |entries: serde_json::Value| {
        serde_json::json!({"files": entries.to_string(), "errors": "", "abspath": ""}).to_string()
    };
    let file = |name: &str, mode: &str, mtime: f64| serde_json::json!({"filename": name, "mode": mode, "mtime": mtime});
    if asked.is("GET /session/work ") {
        return json(stream, r#"{"status": "RUNNING"}"#).await;
    }
    if asked.is("POST /session/work/interrupt") {
        return status(stream, "204 No Content").await;
    }
    if asked.is("POST /session/work/download_single") && asked.line.contains(&format!("{}.0 ", now.name)) {
        let unanswered = if now.is_unanswered { UNANSWERED } else { "" };
        let end = if now.runs { String::new() } else { format!("{unanswered}{END}") };
        return json(stream, &format!("{KEPT}{end}")).await;
    }
    if !asked.is("GET /session/work/files") {
        return status(stream, "500 Internal Server Error").await;
    }
    let mut entries = Vec::new();
    if asked.line.contains("output-of-work") {
        entries.push(file("before.0", "-rw-r--r--", 2.0));
        entries.push(file(&format!("{}.0", now.name), "-rw-r--r--", 4.0));
        for (mark, at) in now.marks.iter().zip(5_u32..) {
            entries.push(file(mark, "-rw-r--r--", f64::from(at)));
        }
    } else if asked.line.contains("process-of-work") {
        entries.push(file("0", "lr-x------", 2.0));
    } else {
        entries.push(file("ipython_kernel_config.py", "-rw-r--r--", 1.0));
        entries.push(file("process-of-work", "lrwxrwxrwx", 2.0));
        if now.runs {
            entries.push(file("cell-of-work", "lrwxrwxrwx", 3.0));
        }
    }
    json(stream, &listing(entries.into())).await
}

/// What a client finds in the session.
async fn look(session: &ComputeSession) -> Option<Occupation> {
    session.occupation(&session.info().await.unwrap()).await
}

/// Follows what was found to its end.
async fn follow(session: &ComputeSession, found: &Occupation) -> RunOutcome {
    let run = session.follow_left(found, RunOptions::default()).await.unwrap();
    finish(&mut run.unwrap(), &[]).await
}

fn is_kept(outcome: &RunOutcome) -> bool {
    outcome.stdout == "one\n" && outcome.exit == Some(Some(3)) && outcome.notes.len() == 1
}

#[tokio::test]
async fn a_run_whose_client_has_gone_is_followed_to_its_end_and_releases_the_session() {
    for is_collected in [false, true] {
        let (server, state) =
            cluster(State { name: "r", runs: true, is_collected, is_left: true, ..State::default() }).await;
        let session = server.session();
        let found = look(&session).await.unwrap();
        assert!(found.is_running && found.can_be_followed());
        assert_eq!(found.since, Some(SystemTime::UNIX_EPOCH + Duration::from_secs(3)));
        let outcome = follow(&session, &found).await;
        assert!(is_kept(&outcome), "{outcome:?}");
        assert!(!state.lock().unwrap().is_left);
        assert!(look(&session).await.is_none());
    }
}

#[tokio::test]
async fn a_run_that_is_followed_can_be_parted_with_at_once() {
    let (server, _) = cluster(State { name: "r", runs: true, is_left: true, ..State::default() }).await;
    let session = server.session();
    let found = look(&session).await.unwrap();
    let _run = session.follow_left(&found, RunOptions::default()).await.unwrap();
    assert!(session.part_with_run());
}

#[tokio::test]
async fn a_server_that_fails_while_an_end_is_collected_is_asked_again() {
    let left = State { name: "r", is_left: true, is_collected: true, fails: true, ..State::default() };
    let (server, state) = cluster(left).await;
    let session = server.session();
    let outcome = finish(&mut begin(&session, "code", Transport::Poll).await, &[]).await;
    assert_eq!(outcome.exit, Some(Some(0)), "{outcome:?}");
    assert!(!state.lock().unwrap().is_left && !state.lock().unwrap().fails);
}

#[tokio::test]
async fn a_run_that_has_ended_without_its_client_is_shown() {
    let (server, _) = cluster(State { name: "r", is_left: true, ..State::default() }).await;
    let session = server.session();
    let found = look(&session).await.unwrap();
    assert!(!found.is_running && found.can_be_followed());
    let outcome = follow(&session, &found).await;
    assert!(is_kept(&outcome), "{outcome:?}");
    assert!(look(&session).await.is_none());
}

#[tokio::test]
async fn a_question_that_an_interrupt_ended_gets_its_line_from_the_next_client_if_the_server_waits_for_it() {
    for lacks_answer in [true, false] {
        let left = State { name: "r", is_left: true, is_unanswered: true, lacks_answer, ..State::default() };
        let lines = if lacks_answer { vec![""] } else { Vec::new() };
        let (server, state) = cluster(left.clone()).await;
        let session = server.session();
        let found = look(&session).await.unwrap();
        let outcome = follow(&session, &found).await;
        assert!(is_kept(&outcome), "{outcome:?}");
        assert!(look(&session).await.is_none());
        assert_eq!(state.lock().unwrap().answers, lines);
        // A client that did not look before it ran something.
        let (server, state) = cluster(left).await;
        let session = server.session();
        let outcome = finish(&mut begin(&session, "code", Transport::Poll).await, &[]).await;
        assert_eq!(outcome.exit, Some(Some(0)), "{outcome:?}");
        assert_eq!(state.lock().unwrap().answers, lines);
    }
}

#[tokio::test]
async fn a_question_that_somebody_else_ends_gets_its_line_from_the_client_that_follows_it() {
    let is_over = Arc::new(Mutex::new(false));
    let (over, kept) = (is_over.clone(), State { name: "r", runs: true, ..State::default() });
    let server = Server::start(move |asked, stream| {
        let (over, kept) = (over.clone(), kept.clone());
        async move {
            let is_over = *over.lock().unwrap();
            if asked.is("POST /session/work/download_single") {
                let end = format!("[\"answered\",null,0]\n{UNANSWERED}{END}");
                let end = if is_over { end.as_str() } else { "" };
                return json(stream, &format!("{KEPT}[\"question\",false,0]\n{end}")).await;
            }
            if !asked.is("POST /session/work ") {
                return beside(&kept, &asked, stream).await;
            }
            let body: serde_json::Value = serde_json::from_str(&asked.body).unwrap();
            let ends = is_over && body["mode"] == "input" && body["code"] == "";
            json(stream, &result(if ends { "finished" } else { "continued" }, "")).await
        }
    })
    .await;
    let session = server.session();
    let found = look(&session).await.unwrap();
    let mut run = session.follow_left(&found, RunOptions::default()).await.unwrap().unwrap();
    while !matches!(run.next().await, Some(RunEvent::WaitingInput { .. })) {}
    *is_over.lock().unwrap() = true;
    let outcome = finish(&mut run, &[]).await;
    assert_eq!(outcome.exit, Some(Some(3)), "{outcome:?}");
}

#[tokio::test]
async fn a_run_that_only_its_own_client_can_follow_is_told() {
    let (server, _) = cluster(State { name: "r.ws", runs: true, ..State::default() }).await;
    let session = server.session();
    let found = look(&session).await.unwrap();
    assert!(found.is_running && found.needs_client && !found.can_be_followed());
    assert!(session.follow_left(&found, RunOptions::default()).await.unwrap().is_none());
    assert!(!server.asked().iter().any(|asked| asked.is("POST /session/work ")));
}

#[tokio::test]
async fn a_run_that_waits_for_a_client_that_has_gone_begins() {
    let (server, state) = cluster(State { name: "r", is_left: true, ..State::default() }).await;
    let session = server.session();
    let outcome = finish(&mut begin(&session, "code", Transport::Poll).await, &[]).await;
    assert_eq!((outcome.exit, outcome.notes.is_empty()), (Some(Some(0)), false), "{outcome:?}");
    assert!(!outcome.notes.iter().any(|note| note.contains("Nothing")), "{outcome:?}");
    assert!(!state.lock().unwrap().is_left);
    assert_eq!(state.lock().unwrap().marks, ["r.left"]);
    // Whoever attaches next sees what was left, once.
    let found = look(&session).await.unwrap();
    assert!(!found.is_running && found.can_be_followed());
    let outcome = follow(&session, &found).await;
    assert!(is_kept(&outcome), "{outcome:?}");
    assert_eq!(state.lock().unwrap().marks, ["r.left", "r.shown"]);
    assert!(look(&session).await.is_none());
}

#[tokio::test]
async fn a_run_that_was_shown_is_not_shown_again_when_its_end_is_collected() {
    let marks = vec!["r.shown".to_owned()];
    let (server, state) = cluster(State { name: "r", is_left: true, marks, ..State::default() }).await;
    let session = server.session();
    assert!(look(&session).await.is_none());
    assert!(!state.lock().unwrap().is_left);
}

#[tokio::test]
async fn a_server_that_takes_no_marks_shows_what_was_left_to_the_client_that_attaches() {
    let left = State { name: "r", is_left: true, ..State::default() };
    let (server, _) = cluster(State { takes_no_marks: true, ..left }).await;
    let session = server.session();
    let found = look(&session).await.unwrap();
    let outcome = follow(&session, &found).await;
    assert!(is_kept(&outcome), "{outcome:?}");
    assert!(look(&session).await.is_none());
}

#[tokio::test]
async fn a_run_whose_end_another_client_has_got_ends() {
    let is_read = Arc::new(Notify::new());
    let kept = State { name: "", ..State::default() };
    let server = Server::start(move |asked, stream| {
        let (is_read, kept) = (is_read.clone(), kept.clone());
        async move {
            if asked.is("POST /session/work/download_single") {
                is_read.notify_one();
                return json(stream, &format!("{KEPT}{END}")).await;
            }
            if !asked.is("POST /session/work ") {
                return beside(&kept, &asked, stream).await;
            }
            let body: serde_json::Value = serde_json::from_str(&asked.body).unwrap();
            match (body["mode"].as_str(), body["code"].as_str()) {
                (Some("query"), Some("")) => json(stream, &result("finished", "")).await,
                (Some("query"), _) => json(stream, &result("continued", "one\n")).await,
                _ => {
                    // Once it was read, there are more looks or none.
                    let _ = tokio::time::timeout(Duration::from_secs(2), is_read.notified()).await;
                    json(stream, &result("continued", "")).await
                }
            }
        }
    })
    .await;
    let session = server.session();
    session.set_keeps_output(true);
    let outcome = finish(&mut begin(&session, "code", Transport::Poll).await, &[]).await;
    assert!(is_kept(&outcome), "{outcome:?}");
}
