//! A server whose texts act on terminals or disguise what they say: its notes about a session, and the names and addresses of
//! apps. Whatever shows them, they are harmless, and in one line.

use super::emulated_server::sandbox_at;
use bai_testkit::{FakeTerminal, Finished, Sandbox};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};

/// Colours, a title, the clipboard, another line, a carriage return, C1 controls, an override of the direction, an invisible character, a line
/// separator.
const HOSTILE: &str =
    "see\u{1b}[31m\u{1b}]0;title\u{7}\u{1b}]52;c;eA==\u{7}\nFORGED\r\u{9b}2J\u{202e}txt\u{200b}\u{2028}end";

/// A sandbox whose programs use a server with one session, `work`.
fn sandbox() -> Sandbox {
    sandbox_at(answer)
}

fn answer(method: &str, target: &str, body: &Value) -> Value {
    let id = "7e4e2f4c-6c2f-4b8e-9d0a-4b1f0f6f2a11";
    let path = target.split('?').next().unwrap_or_default();
    let app = |name: &str, template: String| json!({"name": name, "protocol": "http", "ports": [8180], "url_template": template});
    match (method, path) {
        (_, "/") => json!({"version": "v9.20250722", "manager": HOSTILE, "capabilities": ["session-notes"]}),
        ("POST", "/session") => json!({
            "sessionId": id, "sessionName": "work", "status": "RUNNING", "created": true, "note": HOSTILE,
        }),
        (_, "/session/_/match") => json!({"matches": [{"id": id, "name": "work", "status": "RUNNING"}]}),
        (_, path) if path.ends_with("/apps") => json!([
            app("evil", format!("{{protocol}}://{{host}}:{{port}}/?{HOSTILE}")),
            app("away", "https://elsewhere.example/\u{1b}[31m".to_owned()),
            app(HOSTILE, HOSTILE.to_owned()),
        ]),
        ("POST", _) => json!({"result": {
            "status": "finished", "runId": body["runId"], "console": [["stdout", "ran\n"]], "exitCode": 0,
        }}),
        _ => json!({"status": "RUNNING", "image": "lua", "lang": "lua", "note": HOSTILE}),
    }
}

/// Whether a character acts on a terminal, or disguises text.
fn acts(c: char) -> bool {
    c.is_control() && c != '\n'
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[track_caller]
fn expect_harmless(text: &str) {
    assert!(!text.contains(acts), "{text:?}");
    assert!(!text.lines().any(|line| line.trim_start().starts_with("FORGED")), "{text}");
}

#[track_caller]
fn expect_harmless_run(run: &Finished) {
    expect_harmless(&run.stdout);
    expect_harmless(&run.stderr);
}

#[test]
fn a_note_is_shown_in_one_harmless_line() {
    let sandbox = sandbox();
    let run = sandbox.run(&["--transport", "poll", "-t", "work", "-c", "x", "lua"]);
    run.expect(0, "ran\n");
    let notes: Vec<_> = run.stderr.lines().filter(|line| line.contains("FORGED")).collect();
    assert_eq!(notes.len(), 2, "of the creation and of the session: {}", run.stderr);
    assert!(notes.iter().all(|note| note.starts_with("bai-repl: see") && note.ends_with("end")), "{notes:?}");
    expect_harmless_run(&run);
    for arguments in
        [&["info", "work"][..], &["--json", "info", "work"], &["attach", "work", "--transport", "poll"]]
    {
        let run = sandbox.run_with_stdin(arguments, b"x");
        assert!((run.stdout.clone() + &run.stderr).contains("FORGED"), "{arguments:?}: {run:?}");
        expect_harmless_run(&run);
    }
}

#[test]
fn a_note_at_the_prompt_does_not_act_on_the_terminal() {
    let sandbox = sandbox();
    let terminal = FakeTerminal::start(&sandbox, &["--transport", "poll", "-t", "work", "lua"]);
    terminal.wait_for("FORGED");
    terminal.enter(":info");
    terminal.wait_until("the facts", |screen| screen.all.matches("FORGED").count() > 1);
    let raw = String::from_utf8_lossy(&terminal.raw()).into_owned();
    for sequence in ["\u{1b}]52;", "]0;title\u{7}", "\u{9b}", "\u{202e}", "\u{200b}", "\u{2028}"] {
        assert!(!raw.contains(sequence), "{sequence:?} is in {raw:?}");
    }
    let screen = terminal.screen().all;
    assert!(!screen.lines().any(|line| line.trim_start().starts_with("FORGED")), "{screen}");
    terminal.send("\x04");
    terminal.wait_for_end();
}

#[test]
fn the_name_and_the_address_of_an_app_are_harmless() {
    let sandbox = sandbox();
    for arguments in [&["apps", "work"][..], &["--json", "apps", "work"]] {
        let run = sandbox.run(arguments);
        assert!(run.code == Some(0) && run.stdout.contains("FORGED"), "{run:?}");
        expect_harmless_run(&run);
    }
    let unknown = sandbox.run(&["app", "work", "none"]);
    assert!(unknown.code == Some(123) && unknown.stderr.contains("FORGED"), "{unknown:?}");
    expect_harmless_run(&unknown);
    for app in ["evil", "away"] {
        let mut child = sandbox.command(&["app", "work", app]).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        // Such an address has no effect: the app's own one is told.
        assert!(line.starts_with(&format!("{app} of work is at http://127.0.0.1:")), "{line}");
        assert!(!line.contains("elsewhere") && !line.contains("FORGED"), "{line}");
        expect_harmless(&line);
    }
}
