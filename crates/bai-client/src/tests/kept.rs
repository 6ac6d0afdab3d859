//! Connections that break at a server which does not send again what was lost, as a cluster's. Its kernel keeps the output in files.

use super::server::{Asked, Server, frame, json, result, status, upgrade};
use super::*;
use futures_util::{SinkExt, StreamExt};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_tungstenite::tungstenite::Message;

const RUN: &str = "#bai-repl: run ";
/// Everything that the program prints, as its kernel keeps it.
const KEPT: &str = "[\"stdout\",\"one\\ntwo\\n\",0]\n[\"stdout\",\"three\\nfour\\n\",8]\n[\"end\",3,0]\n";
const ALL: &str = "one\ntwo\nthree\nfour\n";

/// What is asked beside the run: the state of the session, and its files.
async fn beside(asked: &Asked, stream: TcpStream) -> Option<TcpStream> {
    if asked.is("GET /session/work ") {
        return json(stream, r#"{"status": "RUNNING"}"#).await;
    }
    if asked.is("POST /session/work/download_single") && asked.line.contains(".0 ") {
        return json(stream, KEPT).await;
    }
    if asked.is("GET /session/work/files") {
        return json(stream, r#"{"files": "[]", "errors": "", "abspath": ""}"#).await;
    }
    status(stream, "500 Internal Server Error").await
}

/// A server that gives these replies to the requests of a run, and breaks the connection where there is none.
async fn polled(replies: &'static [Option<(&'static str, &'static str)>]) -> Server {
    let next = Arc::new(AtomicUsize::new(0));
    Server::start(move |asked, stream| {
        let next = next.clone();
        async move {
            if !asked.is("POST /session/work ") {
                return beside(&asked, stream).await;
            }
            match replies.get(next.fetch_add(1, Ordering::SeqCst)).copied().flatten() {
                Some((said, printed)) => json(stream, &result(said, printed)).await,
                None => None,
            }
        }
    })
    .await
}

fn modes(server: &Server) -> Vec<String> {
    let runs = server.asked().into_iter().filter(|asked| asked.is("POST /session/work "));
    let body = |asked: Asked| serde_json::from_str::<serde_json::Value>(&asked.body).unwrap();
    runs.map(|asked| body(asked)["mode"].as_str().unwrap().to_owned()).collect()
}

async fn run(server: &Server, keeps: bool, transport: Transport) -> RunOutcome {
    let session = server.session();
    session.set_keeps_output(keeps);
    finish(&mut begin(&session, "code", transport).await, &[]).await
}

#[tokio::test]
async fn a_lost_reply_costs_no_output_where_the_kernel_keeps_it() {
    for replies in [
        // In the middle.
        &[Some(("continued", "one\n")), None, Some(("continued", "")), Some(("finished", "four\n"))][..],
        // With the first reply, and with the last one, whose end is lost: empty code releases the session then.
        &[None, Some(("continued", "")), Some(("finished", "four\n"))],
        &[Some(("continued", "one\n")), None, Some(("finished", ""))],
    ] {
        let server = polled(replies).await;
        let outcome = run(&server, true, Transport::Poll).await;
        assert_eq!((outcome.stdout.as_str(), outcome.exit), (ALL, Some(Some(3))), "{:?}", outcome.notes);
        assert_eq!(outcome.notes, ["Resumed"]);
        let asked = server.asked();
        assert!(asked.iter().any(|asked| asked.body.contains(RUN)));
        assert_eq!(modes(&server).len(), replies.len());
    }
}

#[tokio::test]
async fn a_link_that_fails_again_and_again_is_restored_once() {
    // The second request waits until the files have been read once. Then everything fails for a while.
    let (is_read, failed) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
    let asked_for = Arc::new(AtomicUsize::new(0));
    let server = Server::start(move |asked, stream| {
        let (is_read, failed, asked_for) = (is_read.clone(), failed.clone(), asked_for.clone());
        async move {
            let is_run = asked.is("POST /session/work ");
            match is_run.then(|| asked_for.fetch_add(1, Ordering::SeqCst)) {
                Some(0) => return json(stream, &result("continued", "one\n")).await,
                Some(1) => {
                    is_read.acquire().await.unwrap().forget();
                    return None;
                }
                _ => {}
            }
            if asked.is("POST /session/work/download_single") && failed.load(Ordering::SeqCst) == 0 {
                failed.fetch_add(1, Ordering::SeqCst);
                let stream = json(stream, &KEPT[..=KEPT.find('\n').unwrap()]).await;
                is_read.add_permits(1);
                return stream;
            }
            if failed.load(Ordering::SeqCst) > 0 && failed.fetch_add(1, Ordering::SeqCst) < 8 {
                // As a forwarder whose server is out of reach.
                return None;
            }
            match is_run {
                true => json(stream, &result("finished", "four\n")).await,
                false => beside(&asked, stream).await,
            }
        }
    })
    .await;
    let outcome = run(&server, true, Transport::Poll).await;
    assert_eq!((outcome.stdout.as_str(), outcome.exit), (ALL, Some(Some(3))), "{:?}", outcome.notes);
    assert_eq!(outcome.notes, ["Resumed"]);
}

#[tokio::test]
async fn without_files_a_lost_reply_is_told() {
    let replies = &[Some(("continued", "one\n")), None, Some(("finished", "four\n"))];
    let server = polled(replies).await;
    let outcome = run(&server, false, Transport::Poll).await;
    assert_eq!((outcome.stdout.as_str(), outcome.exit), ("one\nfour\n", Some(Some(0))));
    assert!(
        outcome.notes.len() == 1 && outcome.notes[0].contains("output may be missing"),
        "{:?}",
        outcome.notes
    );
    assert!(!server.asked().iter().any(|asked| asked.body.contains(RUN)));
}

#[tokio::test]
async fn a_question_that_is_sent_again_releases_its_session() {
    let server = polled(&[None, Some(("continued", "")), Some(("finished", "answer"))]).await;
    let session = server.session();
    let options = RunOptions { repeats: true, ..RunOptions::over(Transport::Poll) };
    let mut run = session.execute(Cell::query("question"), options).await.unwrap();
    let outcome = finish(&mut run, &[]).await;
    assert_eq!((outcome.stdout.as_str(), outcome.notes), ("answer", Vec::new()));
    assert_eq!(modes(&server), ["query", "query", "query"]);
}

#[tokio::test]
async fn a_step_whose_end_is_lost_releases_its_session_and_tells_no_exit_code() {
    for (replies, expected, exit) in [
        (
            &[None, Some(("continued", "")), Some(("finished", ""))][..],
            &["batch", "continue", "query"][..],
            None,
        ),
        // It goes on, and ends before the empty code that follows it.
        (
            &[
                Some(("continued", "")),
                None,
                Some(("continued", "")),
                Some(("continued", "")),
                Some(("finished", "")),
            ],
            &["batch", "continue", "continue", "query", "continue"],
            None,
        ),
        (&[None, Some(("finished", ""))], &["batch", "continue"], Some(0)),
    ] {
        let server = polled(replies).await;
        let cell = Cell::Batch(BatchOptions { exec: "step".into(), ..BatchOptions::default() });
        let options = RunOptions { repeats: true, keeps_session: true, ..RunOptions::default() };
        let mut run = server.session().execute(cell, options).await.unwrap();
        assert_eq!(finish(&mut run, &[]).await.exit, Some(exit));
        assert_eq!(modes(&server), expected);
    }
}

#[tokio::test]
async fn a_command_of_a_transfer_runs_again_when_its_end_is_lost() {
    let server = polled(&[
        Some(("finished", "")),
        None,
        Some(("continued", "")),
        Some(("finished", "")),
        Some(("finished", "")),
        Some(("finished", "")),
    ])
    .await;
    let link = SymbolicLink { path: "link".into(), target: "file".into() };
    server.session().create_links(&[link], false).await.unwrap();
    // Empty code comes before each step: it can be left while it waits.
    assert_eq!(modes(&server), ["query", "batch", "continue", "query", "query", "batch"]);
}

#[tokio::test]
async fn a_broken_socket_costs_no_output_and_the_next_run_polls() {
    let server = Server::start(async |asked: Asked, stream: TcpStream| {
        if asked.is("GET /stream/session/work/execute") {
            let mut socket = upgrade(&asked, stream).await;
            let _ = socket.next().await;
            let _ = socket.send(Message::text(frame("continued", "one\ntw"))).await;
            return None;
        }
        if asked.is("POST /session/work ") {
            return json(stream, &result("finished", "")).await;
        }
        beside(&asked, stream).await
    })
    .await;
    let session = server.session();
    session.set_keeps_output(true);
    let outcome = finish(&mut begin(&session, "code", Transport::Auto).await, &[]).await;
    assert_eq!((outcome.stdout.as_str(), outcome.exit), (ALL, Some(Some(3))), "{:?}", outcome.notes);
    let options = RunOptions::default();
    assert_eq!(session.api().polls_because(&options).await, Some(PollReason::HasBroken));
    let before = modes(&server).len();
    finish(&mut begin(&session, "more", Transport::Auto).await, &[]).await;
    assert!(modes(&server).len() > before);
}

#[tokio::test]
async fn a_step_whose_end_the_server_has_lost_ends_by_the_file_that_it_leaves() {
    let (id, looks) = (Arc::new(Mutex::new(String::new())), Arc::new(AtomicUsize::new(0)));
    let looked = looks.clone();
    let server = Server::start(move |asked, stream| {
        let (id, looks) = (id.clone(), looks.clone());
        async move {
            if asked.is("POST /session/work/download_single") {
                // Until it ends there is the file of the step before it.
                let is_over = looks.fetch_add(1, Ordering::SeqCst) >= 3;
                let step = if is_over { id.lock().unwrap().clone() } else { "before".into() };
                return json(stream, &format!("{step} 4\n")).await;
            }
            if !asked.is("POST /session/work ") {
                return status(stream, "500 Internal Server Error").await;
            }
            let body: serde_json::Value = serde_json::from_str(&asked.body).unwrap();
            if let Some(exec) = body["options"]["exec"].as_str() {
                let file = "/home/work/.ipython/profile_default/step-of-work";
                let step = exec
                    .split(file)
                    .nth(1)
                    .and_then(|rest| rest.split(['\'', ' ', '\n']).find(|word| !word.is_empty()));
                *id.lock().unwrap() = step.unwrap().to_owned();
                return json(stream, &result("continued", "one\n")).await;
            }
            let releases = body["mode"] == "query" && body["code"] == "";
            json(stream, &result(if releases { "finished" } else { "continued" }, "")).await
        }
    })
    .await;
    let cell = Cell::Batch(BatchOptions { exec: "step".into(), ..BatchOptions::default() });
    let options = RunOptions { look_after: Duration::from_millis(1), ..RunOptions::over(Transport::Poll) };
    let mut run = server.session().execute(cell, options).await.unwrap();
    let outcome = finish(&mut run, &[]).await;
    assert_eq!((outcome.stdout.as_str(), outcome.exit), ("one\n", Some(Some(4))));
    assert!(
        outcome.notes.iter().any(|note| note.contains("lost the end of this step")),
        "{:?}",
        outcome.notes
    );
    assert!(looked.load(Ordering::SeqCst) > 3);
}
