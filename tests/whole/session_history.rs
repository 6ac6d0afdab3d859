//! The commands about the past, the relations and the container of a session: on our engine, and at an emulated cluster.

use super::emulated_server::sandbox_at;
use bai_testkit::{Finished, Sandbox};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

/// Parses each line as JSON.
#[track_caller]
fn rows(run: &Finished) -> Vec<Value> {
    run.expect_code(0);
    run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn our_engine_tells_what_it_knows_and_what_it_has_not() {
    let sandbox = Sandbox::new();
    sandbox.run(&["-q", "create", "-t", "work"]).expect(0, "work\n");
    let history = rows(&sandbox.run(&["--json", "status-history", "work"]));
    assert_eq!(history.last().unwrap()["status"], "RUNNING", "{history:?}");
    assert!(history[0]["seconds"].is_number() && history.last().unwrap()["seconds"].is_null());
    let table = sandbox.run(&["status-history", "work"]);
    assert!(table.stdout.starts_with("STATUS") && table.stdout.contains(" UTC"), "{}", table.stdout);
    let graph = sandbox.run(&["graph", "work"]);
    graph.expect_code(0);
    assert_eq!(graph.stderr, "work depends on no other session\n");
    let report = sandbox.run(&["abuse-report", "work"]);
    report.expect(0, "");
    assert_eq!(report.stderr, "there is no report about work\n");
    for command in [&["commit", "work"][..], &["convert-to-image", "work", "mine"], &["task-logs", "work"]] {
        let run = sandbox.run(command);
        assert!(run.code != Some(0) && run.stdout.is_empty(), "{run:?}");
        assert!(run.stderr.contains("the embedded engine has no"), "{}", run.stderr);
    }
    assert_ne!(sandbox.run(&["set-priority", "work", "20"]).code, Some(0));
    sandbox.run(&["set-priority", "work", "101"]).expect(2, "");
    let destroyed = rows(&sandbox.run(&["--json", "rm", "--stats", "work"])).remove(0);
    assert!(destroyed["liveStat"].is_object(), "{destroyed}");
}

const ID: &str = "7e4e2f4c-6c2f-4b8e-9d0a-4b1f0f6f2a11";
const KERNEL: &str = "0c2f6a5e-1111-4222-8333-444455556666";

/// The events of a background task.
fn task(end: &str) -> String {
    let progress = json!({"message": "half", "current_progress": 1, "total_progress": 2});
    format!("event: bgtask_updated\ndata: {progress}\n\n{end}\n\n")
}

/// A sandbox with a cluster that has one session, `work`, and the requests that it got.
fn cluster() -> (Sandbox, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = asked.clone();
    let sandbox = sandbox_at(move |method, target, body| {
        seen.lock().unwrap().push(format!("{method} {target} {body}"));
        let path = target.split('?').next().unwrap_or_default();
        match (method, path.trim_start_matches(&format!("/session/{ID}"))) {
            (_, "/") => json!({"version": "v9.20250722", "manager": "26.9.6"}),
            (_, "/session/_/match") => json!({"matches": [{"id": ID, "name": "work", "status": "RUNNING"}]}),
            (_, "/status-history") => json!({
                "PENDING": "2026-01-01T00:00:00+00:00", "RUNNING": "2026-01-01T00:00:09.5+00:00",
            }),
            (_, "/dependency-graph") => json!({
                "session_id": ID, "session_name": "work", "status": "SessionStatus.PENDING", "depends_on": [
                    {"session_id": "b", "session_name": "second", "status": "RUNNING", "depends_on": [
                        {"session_id": "a", "session_name": "fi\u{1b}[2Jrst", "status": "RUNNING", "depends_on": []},
                    ]},
                ],
            }),
            (_, "/abusing-report") => json!({"kernel": KERNEL, "abuse_report": "mines\u{1b}[31m"}),
            (_, "/logs") => json!({"result": {"logs": "of a container\n"}}),
            (_, "/session/_/logs") => "of a task\n".into(),
            (_, "/commit") => json!({"bgtask_id": "t1", "kernel": KERNEL, "path": "u/work.tar.gz"}),
            (_, "/imagify") => json!({"task_id": "t2"}),
            (_, "/events/background-task") if target.contains("t1") => {
                task("event: bgtask_done\ndata: {\"message\": \"written\"}").into()
            }
            (_, "/events/background-task") => {
                task("event: bgtask_failed\ndata: {\"message\": \"no registry\"}").into()
            }
            (_, "/admin/gql") if body.to_string().contains("compute_session_list") => {
                let item = json!({
                    "session_id": ID, "name": "work", "status": "RUNNING", "image": "python:3.13", "group_name": "research",
                });
                json!({"data": {"compute_session_list": {"items": [item], "total_count": 1}}})
            }
            (_, "/admin/gql") => json!({"data": {"modify_compute_session": {"item": {"priority": 20}}}}),
            _ => json!({"status": "RUNNING", "groupId": "2de2b969-1d04-48a6-af16-0bc8adb3c831"}),
        }
    });
    (sandbox, asked)
}

#[test]
fn the_past_and_the_relations_of_a_session_are_tables() {
    let (sandbox, asked) = cluster();
    let expected = "STATUS   SINCE                    LASTED\nPENDING  2026-01-01 00:00:00 UTC   9.5 s\n\
                    RUNNING  2026-01-01 00:00:09 UTC\n";
    sandbox.run(&["status-history", "work"]).expect(0, expected);
    assert_eq!(rows(&sandbox.run(&["--json", "status-history", "work"]))[0]["seconds"], 9.5);
    let graph = sandbox.run(&["graph", "work"]);
    graph.expect_code(0);
    let lines: Vec<_> =
        graph.stdout.lines().map(|line| line.split("  ").next().unwrap_or_default()).collect();
    assert_eq!(lines[..3], ["SESSION", "work", "└ second"], "{}", graph.stdout);
    assert!(graph.stdout.contains("\n└── fi<U+001B>[2Jrst  RUNNING  a\n"), "{}", graph.stdout);
    let json = rows(&sandbox.run(&["--json", "graph", "work"]));
    assert_eq!((&json[0]["depends_on"], &json[2]["depth"]), (&json!(["b"]), &json!(2)));
    let report = sandbox.run(&["abuse-report", "work"]);
    report.expect(0, &format!("KERNEL                                REPORT\n{KERNEL}  mines<U+001B>[31m\n"));

    sandbox.run(&["logs", "work", "-k", KERNEL]).expect(0, "of a container\n");
    assert!(asked.lock().unwrap().last().unwrap().contains(&format!("kernel_id={KERNEL}")));
    sandbox.run(&["task-logs", "work"]).expect(0, "of a task\n");
    let info = sandbox.run(&["info", "work"]);
    let project = info.stdout.lines().find(|line| line.contains("project")).unwrap_or_default();
    assert!(project.ends_with(" research"), "the name, not the id: {info:?}");
    let changed = rows(&sandbox.run(&["--json", "set-priority", "work", "21"])).remove(0);
    assert_eq!((&changed["event"], &changed["priority"]), (&"priority".into(), &json!(20)));
    assert!(asked.lock().unwrap().last().unwrap().contains(&format!("{{\"id\":\"{ID}\",\"priority\":21}}")));
}

#[test]
fn the_container_of_a_session_is_written_in_the_background() {
    let (sandbox, asked) = cluster();
    let commit = sandbox.run(&["commit", "work", "--filename", "mine"]);
    commit.expect(0, "");
    assert_eq!(commit.stderr, "the cluster writes work to u/work.tar.gz\nwork is committed: written\n");
    assert!(asked.lock().unwrap().iter().any(|asked| asked.contains("/commit?filename=mine")));
    let begun = rows(&sandbox.run(&["--json", "commit", "work", "--no-wait"]));
    assert_eq!((begun.len(), &begun[0]["event"], &begun[0]["task"]), (1, &"committing".into(), &"t1".into()));

    let image = sandbox.run(&["convert-to-image", "work", "mine", "--project"]);
    image.expect(1, "");
    assert!(image.stderr.starts_with("the cluster makes the image mine\n"), "{}", image.stderr);
    assert!(image.stderr.contains("no registry"), "{}", image.stderr);
    assert!(asked.lock().unwrap().iter().any(|asked| asked.contains("\"image_visibility\":\"project\"")));
    assert_ne!(sandbox.run(&["convert-to-image", "work", "a/b"]).code, Some(0));
}
