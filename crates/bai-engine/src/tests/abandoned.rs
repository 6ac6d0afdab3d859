//! Runs whose client disconnected: they go on, their output is kept within bounds, and a client can continue them.

use super::client::{Lab, Ws, soon, text_of};
use super::pipe::Pipe;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

/// Bytes that wait for a collector in all runs of a session.
fn uncollected(lab: &Lab, session: &str) -> usize {
    lab.engine_session(session).runs().iter().map(|run| run.uncollected()).sum()
}

/// A query that has begun to print over a socket, and its id.
async fn started_query(lab: &Lab, session: &str, code: &str) -> (Ws, String) {
    let mut ws = lab.query(session, code).await;
    ws.until_printed("on\n").await;
    let run = lab.current_run(session).await.unwrap();
    (ws, run)
}

/// Drops the socket, and waits until the engine knows: what it sends before that may be lost.
async fn leave(lab: &Lab, session: &str, ws: Ws, run: &str) {
    let inside = lab.run_of(session, run).await;
    drop(ws);
    soon("the end of the socket", inside.until(|run| !run.is_collected())).await;
}

#[tokio::test]
async fn a_run_outlives_its_socket_and_is_continued_over_http() {
    let lab = Lab::new().await;
    lab.session("kept").await;
    for closes in [false, true] {
        let pipe = Pipe::new();
        let code = format!(
            "print('on', flush=True)\nopen({}).read()\nprint('still here')\nx = input('? ')\nprint('got', x)",
            pipe.name()
        );
        let (mut ws, run) = started_query(&lab, "kept", &code).await;
        if closes {
            ws.send_message(Message::Close(None)).await;
            ws.until_closed().await;
        }
        leave(&lab, "kept", ws, &run).await;
        pipe.release().await;
        let result = lab.execute("kept", "continue", &run, "").await;
        assert_eq!(
            (&result["status"], text_of(&result).as_str()),
            (&json!("waiting-input"), "still here\n? ")
        );
        let result = lab.execute("kept", "input", &run, "back").await;
        assert_eq!((&result["status"], text_of(&result).as_str()), (&json!("finished"), "got back\n"));
        assert_eq!(lab.current_run("kept").await, None);
    }
}

#[tokio::test]
async fn a_run_is_continued_over_another_socket_by_its_id() {
    let lab = Lab::new().await;
    lab.session("taken").await;
    let mut ws = lab.open("taken").await;
    ws.send(&json!({"mode": "query", "code": "print('on', flush=True); print('then', input('? '))", "runId": "mine"}).to_string()).await;
    ws.until("waiting-input").await;
    drop(ws);
    let mut ws = lab.open("taken").await;
    ws.send(&json!({"mode": "continue", "runId": "mine"}).to_string()).await;
    ws.until("waiting-input").await;
    ws.send("x").await;
    assert_eq!(ws.until("finished").await.0, "then x\n");
}

#[tokio::test]
async fn a_session_tells_which_run_was_left_until_somebody_has_got_its_end() {
    let lab = Lab::new().await;
    lab.session("told").await;
    let left = async || lab.get("/session/told").await.1["leftRunId"].as_str().map(str::to_owned);
    let pipe = Pipe::new();
    let mut ws = lab.open("told").await;
    let code = format!("print('on', flush=True)\nopen({}).read()\nprint('the end')", pipe.name());
    ws.send(&json!({"mode": "query", "code": code, "runId": "mine", "received": 0}).to_string()).await;
    ws.until_printed("on\n").await;
    // The line may have come in two frames.
    ws.send_message(Message::binary(&b"{\"received\":2}"[..])).await;
    assert_eq!(left().await, None, "it has a client");
    let run = lab.run_of("told", "mine").await;
    soon("the receipt", run.until(|run| run.uncollected() == 0)).await;
    leave(&lab, "told", ws, "mine").await;
    assert_eq!(left().await.as_deref(), Some("mine"));
    pipe.release().await;
    assert_eq!(lab.run("told", "print('next')").await.0, "next\n");
    assert_eq!(left().await.as_deref(), Some("mine"), "it is over, and its end is there");
    let mut ws = lab.open("told").await;
    ws.send(&json!({"mode": "continue", "runId": "mine", "received": 0}).to_string()).await;
    assert_eq!(ws.until("finished").await.0, "on\nthe end\n", "with what the first client had received");
    ws.until_closed().await;
    assert_eq!(left().await, None);
}

#[tokio::test]
async fn uncollected_output_of_a_finished_run_is_kept_for_a_while() {
    let lab = Lab::new().await;
    lab.session("late").await;
    let pipe = Pipe::new();
    let code = format!("print('on', flush=True)\nopen({}).read()\nprint('the end')", pipe.name());
    let (ws, run) = started_query(&lab, "late", &code).await;
    leave(&lab, "late", ws, &run).await;
    pipe.release().await;
    assert_eq!(
        lab.run("late", "print('next')").await.0,
        "next\n",
        "the next run waits for it and is not mixed with it"
    );
    let result = lab.execute("late", "continue", &run, "").await;
    assert_eq!((&result["status"], text_of(&result).as_str()), (&json!("finished"), "the end\n"));
    for _ in 0..40 {
        lab.run("late", "").await;
    }
    let (status, _) = lab.post("/session/late", json!({"mode": "continue", "runId": run})).await;
    assert_eq!(status, StatusCode::NOT_FOUND, "not for ever");
}

#[tokio::test]
async fn an_uncollected_flood_blocks_the_program_and_is_complete_later() {
    let lab = Lab::new().await;
    lab.session("flood").await;
    let code = "import sys\nprint('on', flush=True)\nfor i in range(24):\n    sys.stdout.write('x' * (1 << 20))\nprint('end')";
    let (ws, run) = started_query(&lab, "flood", code).await;
    drop(ws);
    let inside = lab.run_of("flood", &run).await;
    soon("the flood", inside.until(|run| run.uncollected() >= 8 << 20)).await;
    let mut most = 0;
    let mut bytes = 0;
    loop {
        most = most.max(uncollected(&lab, "flood"));
        let result = lab.execute_once("flood", "continue", &run, "").await;
        bytes += text_of(&result).bytes().filter(|b| *b == b'x').count();
        if result["status"] == "finished" {
            break;
        }
    }
    assert!(most < 12 << 20, "{most} bytes were kept");
    // Bytes in the buffers of both ends may be lost with the socket.
    assert!(bytes > 14 << 20, "{bytes} of 24 MiB arrived");
}

#[tokio::test]
async fn an_interrupt_ends_an_uncollected_flood() {
    let lab = Lab::new().await;
    lab.session("freed").await;
    let (ws, run) =
        started_query(&lab, "freed", "print('on', flush=True)\nwhile True: print('y' * 1000)").await;
    drop(ws);
    let inside = lab.run_of("freed", &run).await;
    soon("the flood", inside.until(|run| run.uncollected() >= 8 << 20)).await;
    lab.post("/session/freed/interrupt", Value::Null).await;
    assert_eq!(lab.run("freed", "print('free')").await.0, "free\n");
    assert!(uncollected(&lab, "freed") <= 8 << 20);
    let first = lab.execute_once("freed", "continue", &run, "").await;
    assert!(text_of(&first).starts_with('[') || text_of(&first).starts_with('y'), "{first:.100}");
}

#[tokio::test]
async fn a_client_that_does_not_read_blocks_the_program_and_not_the_engine() {
    let lab = Lab::new().await;
    lab.session("slow").await;
    let mut slow =
        lab.query("slow", "print('on', flush=True)\nfor i in range(24): print('z' * (1 << 20))").await;
    let mut bytes = text_of(&slow.next().await.unwrap()).len();
    let run = lab.current_run("slow").await.unwrap();
    let inside = lab.run_of("slow", &run).await;
    soon("back-pressure", inside.until(|run| run.uncollected() >= 2 << 20)).await;
    for _ in 0..20 {
        assert!(uncollected(&lab, "slow") < 6 << 20);
        assert_eq!(lab.get("/session/slow").await.0, StatusCode::OK);
    }
    loop {
        let frame = slow.next().await.unwrap();
        assert!(frame.to_string().len() < 4 << 20, "the official client takes no more in one frame");
        bytes += text_of(&frame).len();
        if frame["status"] == "finished" {
            break;
        }
    }
    assert_eq!(bytes, "on\n".len() + 24 * ((1 << 20) + 1));
}

#[tokio::test]
async fn a_cancelled_request_loses_no_output() {
    let lab = Lab::new().await;
    lab.session("given-up").await;
    let body = json!({"mode": "query", "code": "print(input('? '))", "runId": "g1"});
    lab.post("/session/given-up", body).await;
    let run = lab.run_of("given-up", "g1").await;
    // The reply is ready, and its connection breaks before it is sent.
    let mut parts = lab.parts(Method::POST, "/session/given-up");
    parts.content_type = Some("application/json".into());
    let text = json!({"mode": "input", "code": "here", "runId": "g1"}).to_string();
    {
        let send = lab.send(&parts, text);
        tokio::pin!(send);
        tokio::select! { _ = &mut send => {}, () = run.until(|run| run.is_over()) => {} }
    }
    let result = lab.execute("given-up", "continue", "g1", "").await;
    assert_eq!(result["status"], "finished");
}
