//! `bai-repl create`: on our engine, and what an emulated cluster is asked for.

use super::commands::Stream;
use super::emulated_server::sandbox_at;
use bai_testkit::{Finished, Sandbox};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::os::unix::process::ExitStatusExt;
use std::sync::{Arc, Mutex};

/// The only line of `--json`.
#[track_caller]
fn event(run: &Finished) -> Value {
    run.expect_code(0);
    serde_json::from_str(run.stdout.trim_end()).unwrap()
}

#[test]
fn a_session_is_created_without_a_prompt_and_stays() {
    let sandbox = Sandbox::new();
    let made = sandbox.run(&["create", "-t", "work", "-e", "A=1", "python"]);
    made.expect(0, "work\n");
    assert_eq!(made.stderr, "session work is RUNNING\n");
    let code = "import os; print(os.environ['A'])";
    sandbox.run(&["-t", "work", "-c", code, "python"]).expect(0, "1\n");

    let again = event(&sandbox.run(&["--json", "create", "-t", "work"]));
    assert_eq!((&again["event"], &again["session"]), (&"reused".into(), &"work".into()));
    let refused = sandbox.run(&["create", "-t", "work", "--no-reuse"]);
    refused.expect(122, "");
    assert!(refused.stderr.contains("a session of that name exists"), "{}", refused.stderr);

    let named = event(&sandbox.run(&["create", "--json", "--enqueue-only"]));
    assert_eq!(named["event"], "created");
    let generated = sandbox.run(&["-q", "create", "python"]);
    assert_eq!((generated.code, generated.stderr.as_str()), (Some(0), ""));
    let names = ["work", named["session"].as_str().unwrap(), generated.stdout.trim_end()];
    assert_eq!(sandbox.run(&["ls", "--columns", "name"]).stdout.lines().count(), names.len() + 1);
    sandbox.run(&[&["-q", "rm"], &names[..]].concat()).expect(0, "");
}

#[test]
fn what_cannot_be_is_said_before_there_is_a_session() {
    let sandbox = Sandbox::new();
    for (flags, code, words) in [
        (&["--type", "batch"][..], 2, "a batch session needs a startup command"),
        (&["--starts-at", "10m"], 2, "are for batch sessions only"),
        (&["--priority", "101"], 2, "101 is not in 0..=100"),
        (&["--type", "system"], 2, "possible values: interactive, batch"),
        (&["-t", "a b"], 2, "is not a valid session name"),
        (&["-c", "true"], 1, "the embedded engine has interactive sessions, and none of type batch"),
        (&["--network", "n"], 1, "the embedded engine has no networks"),
        (&["--depends", "none"], 123, "no session is called none"),
        (&["nothing:1"], 123, "nothing:1"),
    ] {
        let run = sandbox.run(&[&["create"], flags].concat());
        run.expect(code, "");
        assert!(run.stderr.contains(words), "{flags:?}: {}", run.stderr);
    }
    sandbox.run(&["ls", "--json"]).expect(0, "");
}

const FIRST: &str = "7e4e2f4c-6c2f-4b8e-9d0a-4b1f0f6f2a11";

/// A sandbox with a cluster that accepts every session, and what it was asked for last.
fn cluster() -> (Sandbox, Arc<Mutex<Value>>) {
    let asked = Arc::new(Mutex::new(Value::Null));
    let seen = asked.clone();
    let sandbox = sandbox_at(move |method, target, body| {
        let path = target.split('?').next().unwrap_or_default();
        match (method, path) {
            (_, "/") => json!({"version": "v9.20250722", "manager": "26.9.6"}),
            ("POST", "/session" | "/session/_/create-from-template") => {
                let mut asked = body.clone();
                asked["path"] = path.into();
                *seen.lock().unwrap() = asked;
                json!({"sessionId": FIRST, "sessionName": body["name"], "status": "PENDING", "created": true})
            }
            (_, "/session/_/match") => {
                json!({"matches": [{"id": FIRST, "name": "first", "status": "RUNNING"}]})
            }
            _ => json!({"status": "PENDING"}),
        }
    });
    (sandbox, asked)
}

#[test]
fn each_flag_is_a_field_of_the_request() {
    let (sandbox, asked) = cluster();
    let line = "create bash:5.2 -t work -c make --starts-at 10m --timeout 1h --enqueue-only --owner AKOTHER \
                --depends first --priority 20 --preopen 8080,8081 --arch aarch64 --assign-agent i-1,i-2 --network n1 \
                --callback-url http://127.0.0.1:9/ --tag t -r cpu=2 -m data --scaling-group gpu";
    let run = sandbox.run(&line.split_whitespace().collect::<Vec<_>>());
    run.expect(0, "work\n");
    assert_eq!(run.stderr, "session work waits in the queue (PENDING)\n");
    let expected = json!({
        "path": "/session", "name": "work", "image": "bash:5.2", "type": "batch", "startupCommand": "make",
        "starts_at": "10m", "batch_timeout": "1h", "owner_access_key": "AKOTHER", "dependencies": [FIRST],
        "priority": 20, "architecture": "aarch64", "callback_url": "http://127.0.0.1:9/", "tag": "t",
        "enqueueOnly": true, "reuseIfExists": true, "domain": "default", "group": "default",
        "config": {
            "mounts": ["data"], "resources": {"cpu": "2"}, "scalingGroup": "gpu", "preopen_ports": [8080, 8081],
            "agentList": ["i-1", "i-2"], "attach_network": "n1",
        },
    });
    assert_eq!(*asked.lock().unwrap(), expected);

    sandbox.run(&["create", "-t", "work", "--enqueue-only", "--template", "t1"]).expect(0, "work\n");
    let asked = asked.lock().unwrap().clone();
    assert_eq!(
        (&asked["path"], &asked["template_id"]),
        (&"/session/_/create-from-template".into(), &"t1".into())
    );
    assert!(asked.get("image").is_none() && asked.get("type").is_none(), "{asked}");
}

#[test]
fn a_session_that_waits_longer_than_asked_stays_in_the_queue() {
    let (sandbox, _) = cluster();
    let run = sandbox.run(&["create", "-t", "work", "--max-wait", "1"]);
    run.expect(124, "");
    assert!(run.stderr.contains("stays in the queue; bai-repl watch work follows it"), "{}", run.stderr);
}

#[test]
fn a_session_is_watched_to_its_end() {
    let sandbox = Sandbox::new();
    sandbox.run(&["-q", "create", "-t", "work"]).expect(0, "work\n");
    let id = event(&sandbox.run(&["--json", "info", "work"]))["id"].as_str().unwrap().to_owned();
    let mut interrupted = Stream::start(&sandbox, &["--json", "watch", "work"]);
    interrupted.until("\"status\"");
    interrupted.interrupt();
    let ended = interrupted.child.wait().unwrap();
    assert_eq!(ended.signal(), Some(Signal::SIGINT as i32), "a loop of a shell ends, too: {ended}");
    let mut watch = Stream::start(&sandbox, &["--json", "watch", "work"]);
    assert!(watch.until("\"status\"").contains("\"RUNNING\""));
    // A session of its own keeps the engine, which tells about the one that has ended.
    sandbox.run(&["-q", "create", "-t", "other"]).expect(0, "other\n");
    sandbox.run(&["-q", "rm", "work"]).expect(0, "");
    watch.until("session_terminated");
    assert_eq!(watch.child.wait().unwrap().code(), Some(0));
    let over = sandbox.run(&["watch", &id]);
    over.expect(0, "");
    assert!(over.stderr.contains("is TERMINATED"), "{}", over.stderr);
    sandbox.run(&["watch", "nobody"]).expect(123, "");
    sandbox.run(&["-q", "rm", "other"]).expect(0, "");
}
