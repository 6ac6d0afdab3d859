//! Faults of runs, over scripted sockets.

use super::server::{Asked, Server, frame, json, result, status, upgrade};
use super::*;
use futures_util::{SinkExt, StreamExt};
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{self, Message};

const INFO: &str = r#"{"status": "RUNNING"}"#;

/// Everything but the WebSocket of a genuine server whose session is in order.
async fn healthy_server(asked: Asked, stream: TcpStream) -> Option<TcpStream> {
    if asked.is("GET /session/work ") {
        json(stream, INFO).await
    } else if asked.is("POST /session/work/interrupt") {
        status(stream, "204 No Content").await
    } else {
        json(stream, &result("finished", "")).await
    }
}

/// A server whose WebSocket does `script` after the first frame.
async fn socket_does<F, G>(script: F) -> Server
where
    F: Fn(tokio_tungstenite::WebSocketStream<TcpStream>, String) -> G + Clone + Send + Sync + 'static,
    G: Future<Output = ()> + Send,
{
    Server::start(move |asked, stream| {
        let script = script.clone();
        async move {
            if !asked.is("GET /stream/session/work/execute ") {
                return healthy_server(asked, stream).await;
            }
            let mut socket = upgrade(&asked, stream).await;
            let first = socket.next().await.unwrap().unwrap().into_text().unwrap();
            script(socket, first.to_string()).await;
            None
        }
    })
    .await
}

async fn outcome_of(server: &Server) -> RunOutcome {
    finish(&mut begin(&server.session(), "1", Transport::Auto).await, &[]).await
}

#[tokio::test]
async fn text_binary_and_ping_frames_are_accepted_until_the_end() {
    let server = socket_does(|mut socket, first| async move {
        let first: serde_json::Value = serde_json::from_str(&first).unwrap();
        assert_eq!((&first["mode"], &first["code"]), (&"query".into(), &"1".into()));
        assert_eq!(first["runId"].as_str().map(str::len), Some(32));
        for _ in 0..5000 {
            socket.feed(Message::Ping("flood".into())).await.unwrap();
        }
        socket.send(Message::Binary(frame("continued", "a").into())).await.unwrap();
        socket.send(Message::text(r#"{"status": "dancing", "console": null}"#)).await.unwrap();
        socket.send(Message::text(frame("finished", "b"))).await.unwrap();
        let _ = socket.send(Message::text(frame("finished", "c"))).await;
        while let Some(Ok(_)) = socket.next().await {}
    })
    .await;
    let outcome = outcome_of(&server).await;
    assert_eq!((outcome.stdout.as_str(), outcome.exit), ("ab", Some(Some(0))));
}

#[tokio::test]
async fn a_socket_that_the_server_leaves_open_is_closed() {
    let (closed, told) = tokio::sync::mpsc::channel(1);
    let server = socket_does(move |mut socket, _| {
        let closed = closed.clone();
        async move {
            socket.send(Message::text(frame("finished", ""))).await.unwrap();
            let goodbye = socket.next().await;
            closed.send(matches!(goodbye, Some(Ok(Message::Close(_))))).await.unwrap();
        }
    })
    .await;
    let mut told = told;
    outcome_of(&server).await;
    assert_eq!(soon(told.recv()).await, Some(true));
}

#[tokio::test]
async fn a_close_before_the_end_is_reported_and_the_session_is_checked() {
    for (code, reason) in [(1000, ""), (1001, "going"), (1011, "broke"), (1012, "restart")] {
        let server = socket_does(move |mut socket, _| async move {
            socket.send(Message::text(frame("continued", "half"))).await.unwrap();
            let close = CloseFrame { code: code.into(), reason: reason.into() };
            let _ = socket.close(Some(close)).await;
            while let Some(Ok(_)) = socket.next().await {}
        })
        .await;
        let outcome = outcome_of(&server).await;
        let lost = outcome.lost.unwrap();
        assert_eq!((outcome.stdout.as_str(), lost.error.kind()), ("half", ErrorKind::Lost));
        assert_eq!(lost.session, SessionState::Usable, "the trial was answered");
        assert!(lost.error.to_string().contains(reason), "{}", lost.error);
    }
}

#[tokio::test]
async fn a_reset_within_a_frame_is_reported() {
    let server = socket_does(|socket, _| async move {
        let mut stream = socket.into_inner();
        stream.write_all(&[0x81, 126, 0x10, 0x00, b'{']).await.unwrap();
        stream.set_zero_linger().unwrap();
    })
    .await;
    let error = outcome_of(&server).await.lost.unwrap().error;
    assert_eq!(error.kind(), ErrorKind::Lost);
    assert!(error.source().is_some_and(|source| source.is::<tungstenite::Error>()), "{error:?}");
}

#[tokio::test]
async fn an_invalid_frame_ends_the_run_with_a_server_error() {
    let deep = "[".repeat(10_000);
    for nonsense in ["nonsense", "{}", "[]", r#"{"status": 3}"#, deep.as_str()] {
        let nonsense = nonsense.to_owned();
        let server = socket_does(move |mut socket, _| {
            let nonsense = nonsense.clone();
            async move {
                socket.send(Message::text(nonsense)).await.unwrap();
                while let Some(Ok(_)) = socket.next().await {}
            }
        })
        .await;
        let error = outcome_of(&server).await.lost.unwrap().error;
        assert_eq!(error.kind(), ErrorKind::Server);
        assert!(error.source().is_some_and(|source| source.is::<serde_json::Error>()), "{error:?}");
    }
}

#[tokio::test]
async fn errors_of_the_server_are_reported_in_its_words() {
    for (body, words) in [
        (r#"{"status": "error", "msg": "BackendError: x"}"#, "BackendError: x"),
        (r#"{"status": "server-restarting", "msg": "back soon"}"#, "back soon"),
        (r#"{"status": "exec-timeout", "console": []}"#, "time limit"),
    ] {
        let server = socket_does(move |mut socket, _| async move {
            socket.send(Message::text(body)).await.unwrap();
            while let Some(Ok(_)) = socket.next().await {}
        })
        .await;
        let lost = outcome_of(&server).await.lost.unwrap();
        assert!(lost.error.to_string().contains(words), "{}", lost.error);
    }
}

#[tokio::test]
async fn a_half_open_connection_is_detected() {
    let server = socket_does(|mut socket, _| async move {
        socket.send(Message::text(frame("continued", ""))).await.unwrap();
        // The server reads bytes and does not answer, not even pings.
        let mut stream = socket.into_inner();
        let mut sink = [0; 64];
        while stream.read(&mut sink).await.is_ok_and(|count| count > 0) {}
    })
    .await;
    let options = RunOptions { silence_limit: Duration::from_millis(200), ..RunOptions::default() };
    let mut run = server.session().execute(Cell::Query("1".into()), options).await.unwrap();
    let lost = finish(&mut run, &[]).await.lost.unwrap();
    assert!(lost.error.to_string().contains("silent"), "{}", lost.error);
}

#[tokio::test]
async fn a_silent_server_that_answers_pings_is_alive() {
    let server = socket_does(|mut socket, _| async move {
        socket.send(Message::text(frame("continued", ""))).await.unwrap();
        // Reading is what answers pings; after the third, the program ends.
        let mut pings = 0;
        while pings < 3 {
            pings += usize::from(matches!(socket.next().await, Some(Ok(Message::Ping(_)))));
        }
        socket.send(Message::text(frame("finished", "done"))).await.unwrap();
    })
    .await;
    let options = RunOptions { silence_limit: Duration::from_millis(200), ..RunOptions::default() };
    let mut run = server.session().execute(Cell::Query("1".into()), options).await.unwrap();
    assert_eq!(finish(&mut run, &[]).await.stdout, "done");
}

#[tokio::test]
async fn an_upgrade_that_a_proxy_refuses_falls_back_to_polling() {
    for refusal in ["200 OK", "400 Bad Request", "403 Forbidden", "426 Upgrade Required", "502 Bad Gateway"] {
        let server = Server::start(move |asked, stream| async move {
            if asked.is("GET /stream") {
                status(stream, refusal).await
            } else {
                healthy_server(asked, stream).await
            }
        })
        .await;
        assert_eq!(outcome_of(&server).await.exit, Some(Some(0)), "{refusal}");
    }
}

#[tokio::test]
async fn an_upgrade_that_the_server_refuses_is_a_server_error() {
    for (refusal, kind) in [("401 No", ErrorKind::Auth), ("404 No", ErrorKind::NotFound)] {
        let server = Server::start(move |_, stream| status(stream, refusal)).await;
        let session = server.session();
        let error = session.execute(Cell::Query("1".into()), RunOptions::default()).await.unwrap_err();
        assert_eq!(error.kind(), kind);
        assert!(!session.is_busy(), "a run that did not begin has no turn");
    }
}

#[tokio::test]
async fn a_dropped_run_is_interrupted_and_drained_before_the_next_begins() {
    let log = Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = log.clone();
    let (interrupted, ended) = (Arc::new(tokio::sync::Notify::new()), log.clone());
    let server = Server::start(move |asked, stream| {
        let (log, interrupted) = (ended.clone(), interrupted.clone());
        async move {
            if asked.is("POST /session/work/interrupt") {
                log.lock().unwrap().push("interrupt");
                interrupted.notify_one();
                return status(stream, "204 No Content").await;
            }
            let mut socket = upgrade(&asked, stream).await;
            let first = socket.next().await.unwrap().unwrap().into_text().unwrap();
            log.lock().unwrap().push("begin");
            socket.send(Message::text(frame("continued", "on"))).await.unwrap();
            if first.contains("first") {
                interrupted.notified().await;
                socket.send(Message::text(frame("waiting-input", "? "))).await.unwrap();
                assert_eq!(socket.next().await.unwrap().unwrap(), Message::text(""));
            }
            log.lock().unwrap().push("end");
            socket.send(Message::text(frame("finished", ""))).await.unwrap();
            None
        }
    })
    .await;
    let session = server.session();
    let mut first = begin(&session, "first", Transport::Auto).await;
    assert!(first.next().await.is_some());
    drop(first);
    finish(&mut begin(&session, "second", Transport::Auto).await, &[]).await;
    assert_eq!(*seen.lock().unwrap(), ["begin", "interrupt", "end", "begin", "end"]);
    assert!(soon(session.settle(Duration::from_secs(60))).await);
}

#[tokio::test]
async fn an_interrupt_that_fails_does_not_disturb_the_run() {
    let (interrupted, told) = tokio::sync::mpsc::channel(1);
    let told = Arc::new(tokio::sync::Mutex::new(told));
    let server = Server::start(move |asked, stream| {
        let (interrupted, told) = (interrupted.clone(), told.clone());
        async move {
            if asked.is("POST /session/work/interrupt") {
                interrupted.send(()).await.unwrap();
                return status(stream, "500 Broken").await;
            }
            let mut socket = upgrade(&asked, stream).await;
            socket.next().await.unwrap().unwrap();
            socket.send(Message::text(frame("continued", "on"))).await.unwrap();
            told.lock().await.recv().await;
            socket.send(Message::text(frame("finished", " and on"))).await.unwrap();
            while let Some(Ok(_)) = socket.next().await {}
            None
        }
    })
    .await;
    let mut run = begin(&server.session(), "1", Transport::Auto).await;
    run.interrupt();
    assert_eq!(finish(&mut run, &[]).await.stdout, "on and on");
}

#[tokio::test]
async fn polling_survives_broken_connections_and_sends_code_once() {
    let calls = Arc::new(AtomicUsize::new(0));
    let server = Server::start(move |_, stream| {
        let call = calls.fetch_add(1, Ordering::SeqCst);
        async move {
            match call {
                0 => None,
                1 => json(stream, &result("continued", "a")).await,
                2 => status(stream, "503 Later").await,
                3 => None,
                _ => json(stream, &result("finished", "b")).await,
            }
        }
    })
    .await;
    let outcome = finish(&mut begin(&server.session(), "code", Transport::Poll).await, &[]).await;
    assert_eq!((outcome.stdout.as_str(), outcome.exit), ("ab", Some(Some(0))));
    let bodies: Vec<serde_json::Value> =
        server.asked().iter().map(|asked| serde_json::from_str(&asked.body).unwrap()).collect();
    let modes: Vec<_> = bodies.iter().map(|body| body["mode"].as_str().unwrap()).collect();
    assert_eq!(modes, ["query", "continue", "continue", "continue", "continue"]);
    assert!(
        bodies.iter().all(|body| body["run_id"] == bodies[0]["run_id"] && body["runId"] == body["run_id"])
    );
}

#[tokio::test]
async fn output_that_the_server_cannot_encode_is_reported_and_the_run_continues() {
    let calls = Arc::new(AtomicUsize::new(0));
    let server = Server::start(move |_, stream| {
        let call = calls.fetch_add(1, Ordering::SeqCst);
        async move {
            match call {
                0 => status(stream, "500 Internal Server Error").await,
                _ => json(stream, &result("finished", "rest")).await,
            }
        }
    })
    .await;
    let session = server.session();
    let outcome = finish(&mut begin(&session, "code", Transport::Poll).await, &[]).await;
    assert_eq!((outcome.stdout.as_str(), outcome.exit), ("rest", Some(None)));
    assert!(!session.is_busy(), "whoever reads the last event finds the session idle");
    assert!(outcome.notes[0].starts_with("OutputLost"), "{:?}", outcome.notes);
    let second: serde_json::Value = serde_json::from_str(&server.asked()[1].body).unwrap();
    assert_eq!((&second["mode"], &second["code"]), (&"query".into(), &"".into()));
}

#[tokio::test]
async fn a_server_that_always_fails_ends_the_polling() {
    let server = Server::start(|_, stream| status(stream, "500 Broken")).await;
    let outcome = finish(&mut begin(&server.session(), "code", Transport::Poll).await, &[]).await;
    assert_eq!(outcome.lost.unwrap().error.kind(), ErrorKind::Server);
}

const ID: &str = "6a6eff4e-365e-4983-9e0f-d8996bc43202";

/// A server whose program is silent until its kernel was looked at twice. The listing of the kernel's open files is `descriptors`.
async fn silent_server(descriptors: &'static str) -> Server {
    let looks = Arc::new(tokio::sync::Semaphore::new(0));
    Server::start(move |asked, stream| {
        let looks = looks.clone();
        async move {
            if asked.is("GET /stream") {
                let mut socket = upgrade(&asked, stream).await;
                let _ = socket.next().await;
                for _ in 0..2 {
                    socket.send(Message::text(frame("continued", ""))).await.unwrap();
                    looks.acquire().await.unwrap().forget();
                }
                let _ = socket.send(Message::text(frame("finished", ""))).await;
                return None;
            }
            let link = format!(".ipython%2Fprofile_default%2Fprocess-of-{ID}%2Ffd ");
            if asked.line.contains(&link) {
                let reply = json(stream, descriptors).await;
                looks.add_permits(1);
                reply
            } else if asked.line.contains("files?path=.ipython%2Fprofile_default ") {
                let file = |name: &str, mode: &str| serde_json::json!({"filename": name, "mode": mode});
                let files =
                    [file("ipython_kernel_config.py", "-rw"), file(&format!("process-of-{ID}"), "lrw")];
                let files = serde_json::to_string(&files).unwrap();
                json(stream, &serde_json::json!({"files": files, "errors": ""}).to_string()).await
            } else if asked.line.contains("/logs") {
                json(stream, r#"{"result": {"logs": "[WARNING] Out-of-memory detected!"}}"#).await
            } else {
                json(stream, INFO).await
            }
        }
    })
    .await
}

async fn outcome_of_silence(server: &Server) -> RunOutcome {
    let session = ComputeSession::new(&server.api(), "work".into(), Some(ID.to_owned()));
    let options = RunOptions { look_after: Duration::from_millis(1), ..RunOptions::default() };
    finish(&mut session.execute(Cell::query("1"), options).await.unwrap(), &[]).await
}

#[tokio::test]
async fn a_silent_program_whose_kernel_has_ended_is_lost() {
    let server = silent_server(r#"{"files": "[]\n", "errors": ""}"#).await;
    let lost = outcome_of_silence(&server).await.lost.expect("the run is lost");
    assert_eq!((lost.error.kind(), lost.session), (ErrorKind::Lost, SessionState::Stuck));
    assert!(
        lost.error.to_string().contains("has ended, probably because its memory was full"),
        "{}",
        lost.error
    );
}

#[tokio::test]
async fn a_run_after_the_end_of_the_kernel_is_lost_without_waiting() {
    let server = silent_server(r#"{"files": "[]\n", "errors": ""}"#).await;
    let session = ComputeSession::new(&server.api(), "work".into(), Some(ID.to_owned()));
    for (look_after, words) in [
        (Duration::from_millis(1), "because its memory was full"),
        (Duration::from_secs(3600), "was not run"),
    ] {
        let options = RunOptions { look_after, ..RunOptions::default() };
        let outcome = finish(&mut session.execute(Cell::query("1"), options).await.unwrap(), &[]).await;
        assert_eq!(outcome.notes, Vec::<String>::new());
        let lost = outcome.lost.expect("the run is lost");
        assert_eq!(lost.session, SessionState::Stuck);
        assert!(lost.error.to_string().contains(words), "{}", lost.error);
    }
}

#[tokio::test]
async fn a_silent_program_whose_kernel_lives_runs_on() {
    for descriptors in [
        r#"{"files": "[{\"filename\": \"0\"}]\n", "errors": ""}"#,
        r#"{"files": "", "errors": "PermissionError: [Errno 13] Permission denied"}"#,
        "{}",
    ] {
        let server = silent_server(descriptors).await;
        let outcome = outcome_of_silence(&server).await;
        assert_eq!(outcome.exit, Some(Some(0)), "{descriptors} {outcome:?}");
    }
}

/// A cluster that has lost the end of a run, which has printed `1`: it says for ever that the run goes on, until other code under its id ends.
async fn forgetful_server() -> Server {
    let released = Arc::new(AtomicBool::new(false));
    let begun = Arc::new(AtomicBool::new(false));
    Server::start(move |asked, stream| {
        let (released, begun) = (released.clone(), begun.clone());
        async move {
            if asked.is("POST /session/work ") || asked.is(&format!("POST /session/{ID} ")) {
                let body: serde_json::Value = serde_json::from_str(&asked.body).unwrap();
                if !begun.swap(true, Ordering::Relaxed) {
                    return json(stream, &result("continued", "1")).await;
                }
                released.fetch_or(body["mode"] == "query" && body["code"] == "", Ordering::Relaxed);
                let status = if released.load(Ordering::Relaxed) { "finished" } else { "continued" };
                return json(stream, &result(status, "")).await;
            }
            let file = |name: &str, mode: &str| serde_json::json!({"filename": name, "mode": mode});
            let mut files =
                vec![file("ipython_kernel_config.py", "-rw"), file(&format!("process-of-{ID}"), "lrw")];
            if asked.line.contains("%2Ffd ") {
                files = vec![file("0", "lrw")];
            }
            let files = serde_json::to_string(&files).unwrap();
            json(stream, &serde_json::json!({"files": files, "errors": ""}).to_string()).await
        }
    })
    .await
}

#[tokio::test]
async fn a_run_whose_end_the_server_has_lost_is_ended() {
    let server = forgetful_server().await;
    let session = ComputeSession::new(&server.api(), "work".into(), Some(ID.to_owned()));
    let options = RunOptions { look_after: Duration::from_millis(1), ..RunOptions::over(Transport::Poll) };
    let outcome = finish(&mut session.execute(Cell::query("1"), options).await.unwrap(), &[]).await;
    assert_eq!((outcome.stdout.as_str(), outcome.exit), ("1", Some(None)), "{outcome:?}");
    assert!(!session.is_busy());
}
