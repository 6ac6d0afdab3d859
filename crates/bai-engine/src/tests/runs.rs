//! Execution over both transports: output, input, batch steps, interrupt, completion, and wrong requests.

use super::client::{Lab, slug, soon, text_of};
use super::pipe::Pipe;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

#[tokio::test]
async fn a_cell_over_a_websocket_gets_the_replies_of_the_genuine_server() {
    let lab = Lab::new().await;
    let id = lab.session("cells").await;
    let mut ws = lab.query(&id, "import sys\nprint('hello')\nsys.stderr.write('warn')\n6 * 7").await;
    let (printed, frame) = ws.until("finished").await;
    assert!(printed.contains("hello\n") && printed.contains("warn") && printed.contains("42"), "{printed}");
    let keys: Vec<_> = frame.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["console", "exitCode", "files", "options", "status"]);
    assert_eq!(
        (&frame["exitCode"], &frame["options"], &frame["files"]),
        (&json!(0), &Value::Null, &json!([]))
    );
    assert_eq!(ws.next().await, None, "the server closes");
    let (printed, frame) = lab.query(&id, "1/0").await.until("finished").await;
    assert!(printed.contains("ZeroDivisionError") && frame["exitCode"] == 1);
    let (_, frame) = lab.query(&id, "import sys; sys.exit(3)").await.until("finished").await;
    assert_eq!(frame["exitCode"], 3);
    let (printed, _) = lab.query(&id, "").await.until("finished").await;
    assert_eq!(printed, "");
}

#[tokio::test]
async fn a_silent_run_is_reported_when_it_starts_and_not_while_it_is_queued() {
    let lab = Lab::new().await;
    lab.session("busy").await;
    lab.session("free").await;
    let (first, second, other) = (Pipe::new(), Pipe::new(), Pipe::new());
    let silent = |pipe: &Pipe| format!("_ = open({}).read()", pipe.name());
    let begun = json!({"status": "continued", "console": [], "exitCode": null, "options": null, "files": []});
    let mut running = lab.query("busy", &silent(&first)).await;
    assert_eq!(running.next().await.as_ref(), Some(&begun));
    let mut waiting = lab.query("busy", &silent(&second)).await;
    // This takes as long as a silence takes to be reported.
    let mut elsewhere = lab.query("free", &silent(&other)).await;
    assert_eq!(elsewhere.next().await.as_ref(), Some(&begun));
    waiting.send_message(Message::Ping(Default::default())).await;
    waiting.next_is_pong().await;
    first.release().await;
    assert_eq!(running.until("finished").await.1["exitCode"], 0);
    assert_eq!(waiting.next().await.as_ref(), Some(&begun));
    second.release().await;
    assert_eq!(waiting.until("finished").await.1["exitCode"], 0);
}

#[tokio::test]
async fn questions_are_answered_over_a_websocket_with_plain_text() {
    let lab = Lab::new().await;
    lab.session("asks").await;
    let mut ws = lab
        .query(
            "asks",
            "from getpass import getpass\nn = input('name? ')\np = getpass('pw: ')\nprint(n, len(p))",
        )
        .await;
    let (printed, frame) = ws.until("waiting-input").await;
    assert_eq!((printed.as_str(), &frame["options"]), ("name? ", &json!({"is_password": false})));
    ws.send("{\"Ada\"}").await;
    let (printed, frame) = ws.until("waiting-input").await;
    assert_eq!((printed.as_str(), &frame["options"]), ("pw: ", &json!({"is_password": true})));
    ws.send("s3cret").await;
    let (printed, _) = ws.until("finished").await;
    assert_eq!(printed, "{\"Ada\"} 6\n");
}

#[tokio::test]
async fn a_run_is_polled_answered_and_continued_over_http() {
    let lab = Lab::new().await;
    lab.session("polled").await;
    let result = lab.execute("polled", "query", "r1", "v = input('v? ')\nprint('v is', v)").await;
    let expected = json!({"status": "waiting-input", "runId": "r1", "exitCode": null, "options": {"is_password": false},
        "files": [], "console": [["stdout", "v? "]]});
    assert_eq!(result, expected);
    let again = lab.execute("polled", "continue", "r1", "").await;
    assert_eq!(
        (&again["status"], &again["console"]),
        (&json!("waiting-input"), &json!([])),
        "it still waits"
    );
    let result = lab.execute("polled", "input", "r1", "seven").await;
    assert_eq!((&result["status"], &result["exitCode"]), (&json!("finished"), &json!(0)), "{result}");
    assert_eq!(result["console"], json!([["stdout", "v is seven\n"]]));
    let again = lab.execute("polled", "continue", "r1", "").await;
    assert_eq!(
        (&again["status"], &again["console"]),
        (&json!("finished"), &json!([])),
        "a reply may have been lost"
    );
}

#[tokio::test]
async fn a_line_that_comes_before_the_question_is_kept_for_it() {
    let lab = Lab::new().await;
    lab.session("early").await;
    let pipe = Pipe::new();
    let code = format!("print('on', flush=True)\nopen({}).read()\nprint(input(), input())", pipe.name());
    let mut ws = lab.query("early", &code).await;
    ws.until_printed("on\n").await;
    ws.send("one").await;
    ws.send_message(Message::binary(&b"two"[..])).await;
    // It is answered after the earlier messages.
    ws.send_message(Message::Ping(7_u16.to_be_bytes().to_vec().into())).await;
    ws.until_pong(7).await;
    pipe.release().await;
    let (printed, _) = ws.until("finished").await;
    assert_eq!(printed, "one two\n");
    let mut ws = lab.query("early", "print(input('next? '))").await;
    let (printed, _) = ws.until("waiting-input").await;
    assert_eq!(printed, "next? ", "no output of the previous run is left");
    ws.send("x").await;
    ws.until("finished").await;
}

#[tokio::test]
async fn an_interrupt_ends_loops_and_questions_and_drops_early_lines() {
    let lab = Lab::new().await;
    lab.session("stopped").await;
    for code in [
        "import time\nprint('on', flush=True)\ntime.sleep(60)",
        "print('on', flush=True)\nwhile True: pass",
        "input('on')",
    ] {
        let mut ws = lab.query("stopped", code).await;
        ws.until_printed("on").await;
        assert_eq!(lab.post("/session/stopped/interrupt", Value::Null).await.0, StatusCode::NO_CONTENT);
        let mut printed = String::new();
        while let Some(frame) = ws.next().await {
            printed += &text_of(&frame);
        }
        assert!(printed.contains("KeyboardInterrupt"), "{code}: {printed}");
    }
    assert_eq!(
        lab.post("/session/stopped/interrupt", Value::Null).await.0,
        StatusCode::NO_CONTENT,
        "no run is active"
    );
    assert_eq!(lab.run("stopped", "print('fine')").await, ("fine\n".to_owned(), 0));
}

#[tokio::test]
async fn an_interrupt_that_overtakes_its_run_ends_it() {
    let lab = Lab::new().await;
    lab.session("overtaken").await;
    for number in 0..100 {
        let body = json!({"runId": format!("other-{number}")});
        assert_eq!(lab.post("/session/overtaken/interrupt", body).await.0, StatusCode::NO_CONTENT);
    }
    lab.post("/session/overtaken/interrupt", json!({"runId": "slow"})).await;
    for expected in [130, 0] {
        let result = lab.execute("overtaken", "query", "slow", "print('ran')").await;
        assert_eq!((&result["status"], &result["exitCode"]), (&json!("finished"), &json!(expected)));
        assert_eq!(text_of(&result).contains("ran"), expected == 0, "{result}");
    }
    // Its interrupt is too old.
    assert_eq!(lab.execute("overtaken", "query", "other-0", "print('ran')").await["exitCode"], json!(0));
}

#[tokio::test]
async fn a_script_gets_its_input_in_pieces_over_both_transports() {
    let lab = Lab::new().await;
    lab.session("scripts").await;
    let code = "import sys\nprint(sys.argv, sys.stdin.buffer.read())\n6 * 7";
    let script = json!({"name": "a.py", "args": ["\u{10FFFF}"], "path": null});
    let printed = "['a.py', '\\udcff'] b'a\\nb\\xff'\n";
    let mut ws = lab.open("scripts").await;
    ws.send(&json!({"mode": "query", "code": code, "script": script, "received": 0}).to_string()).await;
    for (input, end) in [("a\nb", false), ("\u{10FFFF}", true)] {
        ws.until("waiting-input").await;
        let piece = json!({"input": input, "end": end}).to_string().into_bytes();
        ws.send_message(Message::Binary(piece.into())).await;
    }
    let (text, frame) = ws.until("finished").await;
    assert_eq!((text.as_str(), &frame["exitCode"]), (printed, &json!(0)));

    let call = async |body: Value| {
        let (status, mut reply) = lab.post("/session/scripts", body).await;
        assert_eq!(status, StatusCode::OK, "{reply}");
        reply["result"].take()
    };
    let mut result = call(json!({"mode": "query", "code": code, "script": script, "runId": "polled"})).await;
    for (input, end) in [("a\nb", false), ("\u{10FFFF}", true)] {
        while result["status"] != "waiting-input" {
            result = call(json!({"mode": "continue", "runId": "polled"})).await;
        }
        result = call(json!({"mode": "input", "code": input, "end": end, "runId": "polled"})).await;
    }
    let mut text = text_of(&result);
    while result["status"] != "finished" {
        result = call(json!({"mode": "continue", "runId": "polled"})).await;
        text += &text_of(&result);
    }
    assert_eq!(text, printed);
}

#[tokio::test]
async fn a_client_that_watches_gets_displays_and_others_their_records() {
    let lab = Lab::new().await;
    lab.session("live").await;
    let code = "from _bai_repl import display as d\nh = display({'text/html': 'a\u{10FFFF}'}, raw=True, display_id='x')\n\
                d.clear()\nh.update(3)\nd.leave()";
    let mut asked = lab.open("live").await;
    asked.send(&json!({"mode": "query", "code": code, "live": true}).to_string()).await;
    let mut console = Vec::new();
    let mut frame = json!({"status": "continued"});
    while frame["status"] == "continued" {
        frame = asked.next().await.unwrap();
        console.extend(frame["console"].as_array().unwrap().clone());
    }
    let display = |update: bool, record| json!(["display", {"id": "x", "update": update, "record": record}]);
    let all = [
        display(false, json!(["html", "a\u{10FFFF}"])),
        json!(["clear", {"wait": false}]),
        display(true, json!(["stdout", "3\n"])),
        json!(["leave", null]),
    ];
    assert_eq!(console, all);
    let plain = lab.execute("live", "query", "plain", code).await;
    assert_eq!(plain["console"], json!([["html", "a\u{10FFFF}"], ["stdout", "3\n"]]));
}

#[tokio::test]
async fn no_output_is_lost_between_batch_steps() {
    let lab = Lab::new().await;
    lab.session("steps").await;
    let options = json!({"clean": "echo cleaning", "build": "echo building; false", "exec": "echo never"});
    let mut ws = lab.open("steps").await;
    ws.send(&json!({"mode": "batch", "options": options}).to_string()).await;
    let (printed, frame) = ws.until("clean-finished").await;
    assert_eq!((printed.as_str(), &frame["exitCode"]), ("cleaning\n", &json!(0)));
    let (printed, frame) = ws.until("build-finished").await;
    assert_eq!((printed.as_str(), &frame["exitCode"]), ("building\n", &json!(1)));
    let (printed, frame) = ws.until("finished").await;
    assert_eq!((printed.contains("never"), &frame["exitCode"]), (false, &json!(127)));

    let first = json!({"mode": "batch", "code": null, "runId": "b1", "options": {"build": null, "exec": "echo out; exit 4"}});
    let (_, reply) = lab.post("/session/steps", first).await;
    let mut result = reply["result"].clone();
    let mut seen = Vec::new();
    let mut printed = String::new();
    loop {
        printed += &text_of(&result);
        if result["status"] != "continued" {
            seen.push((result["status"].clone(), result["exitCode"].clone()));
        }
        if result["status"] == "finished" {
            break;
        }
        result = lab.execute("steps", "continue", "b1", "").await;
    }
    let expected = [("clean-finished", 0), ("build-finished", 0), ("finished", 4)];
    assert_eq!(seen, expected.map(|(status, code)| (json!(status), json!(code))));
    assert_eq!(printed, "out\n");
}

#[tokio::test]
async fn completion_is_answered_while_a_cell_runs() {
    let lab = Lab::new().await;
    lab.session("tabs").await;
    lab.run("tabs", "a_long_name = 1").await;
    let ask = json!({"code": "a_lon", "options": {"row": 0, "col": 5, "line": "a_lon", "post": ""}});
    let (status, reply) = lab.post("/session/tabs/complete", ask.clone()).await;
    assert_eq!(
        (status, &reply["result"]["status"], &reply["result"]["error"]),
        (StatusCode::OK, &json!("finished"), &Value::Null)
    );
    assert_eq!(reply["result"]["suggestions"], json!(["a_long_name"]), "{reply}");
    assert_eq!(reply["result"]["start"], 0, "{reply}");
    let mut ws = lab.query("tabs", "import time\nprint('on', flush=True)\ntime.sleep(60)").await;
    ws.until_printed("on").await;
    for body in [
        ask.clone(),
        json!({"code": "x", "options": null}),
        json!({"code": null, "options": {"row": "?"}}),
        json!({}),
    ] {
        let (status, reply) = lab.post("/session/tabs/complete", body).await;
        assert!(status == StatusCode::OK && reply["result"]["suggestions"].is_array(), "{reply}");
    }
    let (_, reply) = lab.post("/session/tabs/complete", ask).await;
    assert_eq!(reply["result"]["suggestions"], json!(["a_long_name"]), "also while the cell runs: {reply}");
    let legacy = json!({"mode": "complete", "code": "pri", "options": {}});
    let (_, reply) = lab.post("/session/tabs", legacy).await;
    assert_eq!(reply["result"]["result"]["suggestions"], json!(["print"]), "{reply}");
    lab.post("/session/tabs/interrupt", Value::Null).await;
    ws.until("finished").await;
}

#[tokio::test]
async fn invalid_requests_never_leave_a_session_stuck() {
    let lab = Lab::new().await;
    lab.session("sane").await;
    for body in [
        json!({"mode": "dance", "code": "1"}),
        json!({"mode": null}),
        json!({"code": "1"}),
        json!({"mode": "continue"}),
        json!({"mode": "input", "code": "x", "runId": null}),
        Value::Null,
    ] {
        let (status, problem) = lab.post("/session/sane", body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{problem}");
    }
    for mode in ["continue", "input"] {
        let (status, problem) =
            lab.post("/session/sane", json!({"mode": mode, "code": "", "run_id": "nosuchrun"})).await;
        assert_eq!((status, slug(&problem)), (StatusCode::NOT_FOUND, "object-not-found"));
        assert!(problem["msg"].as_str().unwrap().contains("nosuchrun"));
    }
    for first in [
        "{nope",
        "{\"mode\": \"dance\"}",
        "{\"code\": \"1\"}",
        "{\"mode\": \"continue\", \"runId\": \"nosuchrun\"}",
        "[]",
        "{\"mode\": 3}",
    ] {
        let mut ws = lab.open("sane").await;
        ws.send(first).await;
        let frame = ws.next().await.unwrap();
        assert!(frame["status"] == "error" && !frame["msg"].as_str().unwrap().is_empty(), "{frame}");
        assert_eq!(ws.next().await, None);
    }
    drop(lab.open("sane").await);
    assert_eq!(lab.run("sane", "print('fine')").await, ("fine\n".to_owned(), 0));
    let (status, _) = lab.post("/session/nosuch", json!({"mode": "query", "code": "1"})).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn pings_are_answered_and_unusual_frames_are_harmless_while_a_cell_runs() {
    let lab = Lab::new().await;
    lab.session("odd-frames").await;
    let mut ws = lab.query("odd-frames", "print('on', flush=True)\nprint(input())").await;
    ws.until("waiting-input").await;
    for number in 0..1000_u16 {
        ws.send_message(Message::Ping(number.to_be_bytes().to_vec().into())).await;
    }
    ws.send_message(Message::binary(&b"\xff\xfe"[..])).await;
    assert_eq!(ws.until_pong(999).await, 1000, "each is answered");
    ws.send("x").await;
    assert_eq!(ws.until("finished").await.0, "x\n");
}

#[tokio::test]
async fn runs_of_two_clients_are_queued_and_never_mixed() {
    let lab = Lab::new().await;
    lab.session("server").await;
    let pipe = Pipe::new();
    let code =
        format!("print('first', 0)\nopen({}).read()\nfor i in range(1, 20): print('first', i)", pipe.name());
    let mut first = lab.query("server", &code).await;
    first.until_printed("first 0\n").await;
    let session = lab.engine_session("server");
    let mut second = lab.query("server", "for i in range(20): print('second', i)").await;
    soon("the second", session.until(|session| session.queries() == 2)).await;
    let release = async {
        soon("the third", session.until(|session| session.queries() == 3)).await;
        pipe.release().await;
    };
    let polled = lab.run("server", "print('third')");
    let ((one, _), (two, _), (three, _), ()) =
        tokio::join!(first.until("finished"), second.until("finished"), polled, release);
    assert!(one.contains("first 19") && !one.contains("second") && !one.contains("third"));
    assert!(
        two.starts_with("second 0\n") && two.ends_with("second 19\n") && two.lines().count() == 20,
        "{two}"
    );
    assert_eq!(three, "third\n");
}

#[tokio::test]
async fn the_id_of_an_active_run_is_refused() {
    let lab = Lab::new().await;
    lab.session("same-id").await;
    let result = lab.execute("same-id", "query", "same", "input()").await;
    assert_eq!(result["status"], "waiting-input");
    let (status, problem) =
        lab.post("/session/same-id", json!({"mode": "query", "code": "print(2)", "runId": "same"})).await;
    assert_eq!((status, slug(&problem)), (StatusCode::CONFLICT, "session-invalid-state"));
    assert_eq!(lab.execute("same-id", "input", "same", "").await["status"], "finished");
    let result = lab.execute("same-id", "query", "same", "print('new')").await;
    assert_eq!(result["console"], json!([["stdout", "new\n"]]));
}

#[tokio::test]
async fn output_between_runs_begins_the_next_run() {
    let lab = Lab::new().await;
    lab.session("stray").await;
    let pipe = Pipe::new();
    let code = format!(
        "import threading, os\ndef late():\n    open({}).read(); os.write(1, b'from behind\\n')\nthreading.Thread(target=late, daemon=True).start()",
        pipe.name()
    );
    lab.run("stray", &code).await;
    pipe.release().await;
    let session = lab.engine_session("stray");
    soon("the late output", session.until(|session| session.logs().contains("from behind"))).await;
    let (printed, _) = lab.run("stray", "print('mine')").await;
    assert_eq!(printed, "from behind\nmine\n");
}

#[tokio::test]
async fn pictures_and_html_arrive_as_records() {
    let lab = Lab::new().await;
    lab.session("media").await;
    let code = "class P:\n    def _repr_png_(self): return b'\\x89PNG'\nclass H:\n    def _repr_html_(self): return '<b>x</b>'\ndisplay(P())\nH()";
    let result = lab.execute("media", "query", "m1", code).await;
    let console = result["console"].as_array().unwrap();
    assert!(console.contains(&json!(["media", ["image/png", "data:image/png;base64,iVBORw=="]])), "{result}");
    assert!(console.contains(&json!(["html", "<b>x</b>"])), "{result}");
}
