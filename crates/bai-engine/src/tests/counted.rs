//! Clients that acknowledge: their frames have numbers, and no output is lost with a connection.

use super::client::{Lab, Ws, slug, soon, text_of};
use bai_protocol::binary_frame::{InputBytes, Output, Stream};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

/// A socket with this first frame.
async fn open_with(lab: &Lab, session: &str, first: Value) -> Ws {
    let mut ws = lab.open(session).await;
    ws.send(&first.to_string()).await;
    ws
}

async fn queried(lab: &Lab, session: &str, run: &str, code: &str) -> Ws {
    open_with(lab, session, json!({"mode": "query", "code": code, "runId": run, "received": 0})).await
}

async fn resumed(lab: &Lab, session: &str, run: &str, received: u64) -> Ws {
    open_with(lab, session, json!({"mode": "continue", "runId": run, "received": received})).await
}

/// One call of a client that acknowledges; returns the whole reply.
async fn polled(lab: &Lab, session: &str, run: &str, received: u64) -> (StatusCode, Value) {
    let body = json!({"mode": "continue", "code": "", "runId": run, "options": {}, "received": received});
    lab.post(&format!("/session/{session}"), body).await
}

/// Reads to the end of the run: the text, and the numbers in their order.
async fn rest(ws: &mut Ws) -> (String, Vec<u64>) {
    let (mut printed, mut numbers) = (String::new(), Vec::new());
    loop {
        let frame = ws.next().await.expect("an end before the close");
        printed += &text_of(&frame);
        numbers.extend(frame["seq"].as_u64());
        if frame["status"] == "finished" {
            return (printed, numbers);
        }
    }
}

#[tokio::test]
async fn unreceived_frames_are_sent_again_by_socket_and_polling() {
    let lab = Lab::new().await;
    lab.session("counts").await;
    let code = "print('one', flush=True)\ninput('a')\nprint('two', flush=True)\ninput('b')\nprint('three')";
    let mut ws = queried(&lab, "counts", "r", code).await;
    let mut numbers = Vec::new();
    for _ in 0..2 {
        loop {
            let frame = ws.next().await.unwrap();
            numbers.extend(frame["seq"].as_u64());
            if frame["status"] == "waiting-input" {
                break;
            }
        }
        ws.send("").await;
    }
    let (_, last) = rest(&mut ws).await;
    numbers.extend(last);
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>(), "counted from 1 without a gap");
    // The run is over, and the socket broke before its close frame.
    drop(ws);
    let all = "one\natwo\nbthree\n";
    let (again, numbers_again) = rest(&mut resumed(&lab, "counts", "r", 0).await).await;
    assert_eq!((again.as_str(), &numbers_again), (all, &numbers));
    let (mut printed, mut have) = (String::new(), 1);
    loop {
        let (status, reply) = polled(&lab, "counts", "r", have).await;
        assert_eq!(status, StatusCode::OK, "{reply}");
        let result = &reply["result"];
        assert_ne!(result["status"], "waiting-input", "the questions were answered");
        printed += &text_of(result);
        have = result["seq"].as_u64().unwrap();
        if result["status"] == "finished" {
            assert_eq!(result["exitCode"], 0);
            break;
        }
    }
    assert!(all.ends_with(&printed) && printed.ends_with("three\n") && printed != all, "{printed}");
    let (_, reply) = polled(&lab, "counts", "r", have).await;
    assert_eq!((&reply["result"]["status"], &reply["result"]["console"]), (&json!("finished"), &json!([])));
}

#[tokio::test]
async fn a_client_that_does_not_count_gets_no_frame_numbers() {
    let lab = Lab::new().await;
    lab.session("plain").await;
    let mut ws =
        open_with(&lab, "plain", json!({"mode": "query", "code": "print(input())", "runId": "p"})).await;
    assert_eq!(ws.until("waiting-input").await.1.get("seq"), None);
    ws.send_message(Message::binary(&b"{\"received\":1}"[..])).await;
    let (printed, frame) = ws.until("finished").await;
    assert_eq!((printed.as_str(), frame.get("seq")), ("{\"received\":1}\n", None), "it is input");
    assert_eq!(lab.execute("plain", "continue", "p", "").await.get("seq"), None);
    let (status, problem) =
        lab.post("/session/plain", json!({"mode": "continue", "runId": "p", "received": "?"})).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{problem}");
}

#[tokio::test]
async fn the_engine_waits_for_confirmations() {
    let lab = Lab::new().await;
    lab.session("window").await;
    let code = "for i in range(40): print('x' * (100 << 10))\nprint(input())";
    let mut ws = queried(&lab, "window", "w", code).await;
    let (mut bytes, mut last) = (0, 0_u64);
    // A frame counts as its text and a little more.
    while bytes + last as usize * (1 << 10) < 1 << 20 {
        let frame = ws.next().await.unwrap();
        bytes += text_of(&frame).len();
        // The frame that reports the start of a silent run has no number.
        last = frame["seq"].as_u64().unwrap_or(last);
    }
    let run = lab.run_of("window", "w").await;
    // The waiting output of the run is bounded too; then the program itself waits.
    soon("back-pressure", run.until(|run| !run.has_room())).await;
    ws.send_message(Message::Ping("1".into())).await;
    ws.next_is_pong().await;
    loop {
        ws.send_message(Message::binary(format!("{{\"received\":{last}}}").into_bytes())).await;
        let frame = ws.next().await.unwrap();
        bytes += text_of(&frame).len();
        last = frame["seq"].as_u64().unwrap_or(last);
        if frame["status"] == "waiting-input" {
            break;
        }
    }
    assert_eq!(bytes, 40 * ((100 << 10) + 1));
    ws.send("no note was input").await;
    assert_eq!(rest(&mut ws).await.0, "no note was input\n");
}

#[tokio::test]
async fn the_newest_counting_client_is_served_and_the_previous_one_gets_an_error() {
    let lab = Lab::new().await;
    lab.session("follow").await;
    let mut first = queried(&lab, "follow", "f", "print(input('? '))").await;
    first.until("waiting-input").await;
    let mut second = resumed(&lab, "follow", "f", 0).await;
    let (_, frame) = first.until("error").await;
    assert!(frame["msg"].as_str().unwrap().contains("another client"), "{frame}");
    assert_eq!(first.next().await, None);
    assert_eq!(second.until("waiting-input").await.0, "? ", "what the first did not say it has");
    let ((status, reply), (printed, _)) = tokio::join!(polled(&lab, "follow", "f", 1), second.until("error"));
    assert_eq!(
        (status, &reply["result"]["status"], printed.as_str()),
        (StatusCode::OK, &json!("waiting-input"), "")
    );
}

#[tokio::test]
async fn a_close_handshake_confirms_every_frame() {
    let lab = Lab::new().await;
    lab.session("goodbye").await;
    let mut ws = queried(&lab, "goodbye", "b", "print('x' * 1000)").await;
    rest(&mut ws).await;
    ws.until_closed().await;
    let run = lab.run_of("goodbye", "b").await;
    soon("the goodbye", run.until(|run| run.uncollected() == 0)).await;
    let (_, reply) = polled(&lab, "goodbye", "b", 0).await;
    assert_eq!((&reply["result"]["status"], &reply["result"]["console"]), (&json!("finished"), &json!([])));
    assert_eq!(slug(&polled(&lab, "goodbye", "none", 0).await.1), "object-not-found");
}

/// Reads to the end of the run: the text, and the kinds of the frames that had some.
async fn binary_rest(ws: &mut Ws) -> (String, Vec<&'static str>) {
    let (mut printed, mut kinds) = (String::new(), Vec::new());
    loop {
        match ws.next_message().await {
            Message::Binary(bytes) => {
                kinds.push("binary");
                let output = Output::from_frame(&bytes).expect("a frame of output");
                output.pieces.iter().for_each(|(_, bytes)| printed += std::str::from_utf8(bytes).unwrap());
            }
            Message::Text(text) => {
                let frame: Value = serde_json::from_str(&text).unwrap();
                printed += &text_of(&frame);
                if !frame["console"].as_array().is_none_or(Vec::is_empty) {
                    kinds.push("json");
                }
                if frame["status"] == "finished" {
                    return (printed, kinds);
                }
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn text_comes_as_it_is_at_a_client_that_asks() {
    let lab = Lab::new().await;
    lab.session("binary").await;
    let code = "import sys, os\nos.write(1, b'a\\xff\\n')\ninput()\nos.write(2, 'é\\n'.encode())\ninput()\nprint('end')";
    let first = json!({"mode": "query", "code": code, "runId": "b", "received": 0, "binary": true});
    let mut ws = open_with(&lab, "binary", first).await;
    let mut got = Vec::new();
    for (number, stream, bytes) in
        [(1, Stream::Stdout, &b"a\xff\n"[..]), (2, Stream::Stderr, "é\n".as_bytes())]
    {
        // The question may come with the text, as JSON, or after it.
        loop {
            match ws.next_message().await {
                Message::Binary(frame) => {
                    let expected = Output { number, pieces: vec![(stream, bytes)] };
                    assert_eq!(Output::from_frame(&frame), Some(expected));
                    got.push(number);
                }
                Message::Text(text) if text.contains("waiting-input") => break,
                Message::Text(_) => {}
                other => panic!("{other:?}"),
            }
        }
        let line = InputBytes { bytes: b"\n"[..].into(), end: false, ahead: false };
        ws.send_message(Message::binary(line.to_frame())).await;
    }
    assert_eq!(binary_rest(&mut ws).await.0, "end\n");
    drop(ws);
    // After a break, everything comes again in the form that is asked for then.
    let again = |binary: bool| json!({"mode": "continue", "runId": "b", "received": 1, "binary": binary});
    let (printed, _) = binary_rest(&mut open_with(&lab, "binary", again(true)).await).await;
    assert!(printed.ends_with("end\n"), "{printed}");
    let (printed, kinds) = binary_rest(&mut open_with(&lab, "binary", again(false)).await).await;
    assert!(printed.ends_with("end\n") && !kinds.contains(&"binary"), "{printed} {kinds:?}");
}

#[tokio::test]
async fn only_a_client_that_counts_gets_binary_frames() {
    let lab = Lab::new().await;
    lab.session("older").await;
    let code = "import time\nprint('one', flush=True)\ntime.sleep(0.1)\nprint('two')";
    for (first, has_binary) in [
        (json!({"mode": "query", "code": code}), false),
        (json!({"mode": "query", "code": code, "binary": true}), false),
        (json!({"mode": "query", "code": code, "received": 0}), false),
        (json!({"mode": "query", "code": code, "received": 0, "binary": true}), true),
    ] {
        let mut ws = open_with(&lab, "older", first).await;
        let (printed, kinds) = binary_rest(&mut ws).await;
        assert_eq!((printed.as_str(), kinds.contains(&"binary")), ("one\ntwo\n", has_binary), "{kinds:?}");
    }
}
