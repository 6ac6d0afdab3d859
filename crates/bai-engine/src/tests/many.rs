//! Many sessions at once, and shutdowns during work: processes must be gone, and clients must get an error.

use super::client::{Lab, Ws, soon};
use super::pipe::{Pipe, Writers};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::collections::HashSet;

/// Starts a cell that runs for ever, with a child; returns the pipe that both hold.
async fn busy(lab: &Lab, session: &str) -> (Ws, Writers) {
    let pipe = Pipe::new();
    let writers = pipe.writers();
    let code = format!(
        "import os, subprocess, time\nheld = os.open({}, os.O_WRONLY)\nchild = subprocess.Popen(['sleep', '1000'], pass_fds=[held])\nprint('on', flush=True)\ntime.sleep(1000)",
        pipe.name()
    );
    let mut ws = lab.query(session, &code).await;
    ws.until_printed("on").await;
    (ws, writers)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_sessions_at_once() {
    let lab = Lab::new().await;
    let names: Vec<_> = (0..100).map(|number| format!("session-{number}")).collect();
    let pipe = Pipe::new();
    let writers = pipe.writers();
    let code = format!("import os; held = os.open({}, os.O_WRONLY); print(os.getpid())", pipe.name());
    let one = async |name: &str| {
        lab.session(name).await;
        let (printed, code) = lab.run(name, &code).await;
        assert_eq!(code, 0);
        printed.trim().to_owned()
    };
    let pids = futures_util::future::join_all(names.iter().map(|name| one(name))).await;
    assert_eq!(pids.iter().collect::<HashSet<_>>().len(), 100);
    assert_eq!(lab.engine.session_count(), 100);
    let (_, matches) = lab.get("/session/_/match?id=session-").await;
    assert_eq!(matches["matches"].as_array().unwrap().len(), 100);
    lab.engine.shutdown().await;
    writers.gone().await;
}

#[tokio::test]
async fn a_session_destroyed_in_a_run_notifies_its_clients_and_leaves_no_process() {
    let lab = Lab::new().await;
    lab.session("mid-run").await;
    let (mut ws, writers) = busy(&lab, "mid-run").await;
    let run = lab.current_run("mid-run").await.unwrap();
    let queued = json!({"mode": "query", "code": "1", "runId": "queued"});
    let destroy = async {
        lab.run_of("mid-run", "queued").await;
        lab.call(Method::DELETE, "/session/mid-run", Value::Null).await
    };
    let ((status, problem), (destroyed, _)) = tokio::join!(lab.post("/session/mid-run", queued), destroy);
    assert_eq!(destroyed, StatusCode::OK);
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR, "{problem}");
    assert!(problem["msg"].as_str().unwrap().contains("destroyed"), "{problem}");
    let (_, frame) = ws.until("error").await;
    assert!(
        frame["msg"].as_str().unwrap().contains("destroyed") && frame.get("console").is_none(),
        "{frame}"
    );
    assert_eq!(ws.next().await, None);
    writers.gone().await;
    let (status, _) = lab.post("/session/mid-run", json!({"mode": "continue", "runId": run})).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_session_that_is_destroyed_while_it_starts_is_cancelled() {
    let lab = Lab::new().await;
    let waiting = lab.post("/session", json!({"name": "too-soon", "image": super::client::IMAGE}));
    let destroy = async {
        let mut alive = lab.engine.state().sessions.alive();
        soon("the session", alive.wait_for(|count| *count == 1)).await.unwrap();
        lab.call(Method::DELETE, "/session/too-soon", Value::Null).await
    };
    let ((status, _), (destroyed, reply)) = tokio::join!(waiting, destroy);
    assert_eq!((status, destroyed), (StatusCode::NOT_FOUND, StatusCode::OK), "{reply}");
    assert_eq!(reply["stats"]["status"], "cancelled");
    lab.session("too-soon").await;
}

#[tokio::test]
async fn an_engine_that_shuts_down_reports_it_and_leaves_no_process() {
    let lab = Lab::new().await;
    lab.session("closing").await;
    let (mut ws, writers) = busy(&lab, "closing").await;
    let ((), (_, frame)) = tokio::join!(lab.engine.shutdown(), ws.until("server-restarting"));
    assert!(!frame["msg"].as_str().unwrap().is_empty());
    writers.gone().await;
}

#[tokio::test]
async fn an_engine_that_is_dropped_leaves_no_process() {
    let lab = Lab::new().await;
    lab.session("dropped").await;
    let (ws, writers) = busy(&lab, "dropped").await;
    drop(lab.engine);
    writers.gone().await;
    drop(ws);
}

#[tokio::test]
async fn a_kernel_that_dies_in_a_cell_is_reported_and_replaced() {
    let lab = Lab::new().await;
    lab.session("dies").await;
    let (printed, code) = lab.run("dies", "import os; os._exit(9)").await;
    assert!(code != 0 && !printed.is_empty(), "{code}: {printed}");
    assert_eq!(lab.run("dies", "print('new')").await.0, "new\n");
}
