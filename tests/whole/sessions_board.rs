//! The board of sessions and the views that it opens, on a background engine.

use super::daemon::Daemon;
use bai_testkit::{FakeTerminal, Sandbox};

#[test]
fn a_session_is_found_looked_into_and_destroyed() {
    let sandbox = Sandbox::new();
    let _daemon = Daemon::start(&sandbox);
    for name in ["work", "other"] {
        sandbox
            .run(&["-q", "-t", name, "-c", "open('notes.txt', 'w').write('line\\n' * 100)", "python"])
            .expect_code(0);
    }
    let terminal = FakeTerminal::start(&sandbox, &["sessions"]);
    terminal.wait_for("2 sessions");
    terminal.send("/wor");
    terminal.wait_for("1 of 2 sessions");
    terminal.send("\r");

    terminal.send("f");
    terminal.wait_for("files of work");
    terminal.wait_for("notes.txt");
    terminal.send("/notes\r");
    terminal.send("\r");
    terminal.wait_for("line 1 of 100");
    terminal.send("q");
    terminal.wait_for("files of work");
    sandbox.write("up.txt", "hello");
    terminal.send(format!("u{}\r", sandbox.work().join("up.txt").display()));
    terminal.wait_for("up.txt was uploaded");
    // The search starts with the last pattern.
    terminal.send("/\x15up.txt\r");
    std::fs::create_dir(sandbox.work().join("down")).unwrap();
    terminal.send(format!("d\x15{}\r", sandbox.work().join("down").display()));
    terminal.wait_for("1 file, 5 B, is in");
    assert_eq!(std::fs::read_to_string(sandbox.work().join("down/up.txt")).unwrap(), "hello");
    terminal.send("q");
    terminal.wait_for("1 of 2 sessions");

    terminal.send("l");
    terminal.wait_for("log of work");
    terminal.wait_for("following");
    terminal.send("q");
    terminal.wait_for("1 of 2 sessions");

    terminal.send("d");
    terminal.wait_for("destroy it?");
    terminal.send("y\r");
    terminal.wait_for("0 of 1 sessions");
    terminal.send("\x1b");
    terminal.wait_until("the other session", |screen| screen.all.contains("other"));
    terminal.send("\r");
    terminal.wait_for_prompt("python ❯");
    terminal.enter("open('notes.txt').read(4)");
    terminal.wait_for("'line'");
    terminal.wait_for_prompt("python ❯");
    terminal.send("\x04");
    assert_eq!(terminal.wait_for_end().code, 0);
}

#[test]
fn a_missing_terminal_or_engine_is_reported() {
    let sandbox = Sandbox::new();
    let piped = sandbox.run(&["sessions"]);
    assert!(piped.code == Some(2) && piped.stderr.contains("bai-repl ls"), "{}", piped.stderr);
    let terminal = FakeTerminal::start(&sandbox, &["sessions"]);
    let end = terminal.wait_for_end();
    assert_eq!(end.code, 123, "{}", end.screen.all);
}
