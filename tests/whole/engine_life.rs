//! The background engine as its user sees it: slow, stopped, killed. There is never a second one beside it, and no files
//! of named sessions are lost.

use bai_testkit::{FakeTerminal, Sandbox};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::Stdio;

/// Sends a signal to the one engine of the sandbox.
fn signal_engine(sandbox: &Sandbox, signal: Signal) {
    let engines = sandbox.engines();
    assert_eq!(engines.len(), 1, "{engines:?}");
    kill(Pid::from_raw(engines[0]), signal).unwrap();
}

#[test]
fn an_engine_that_is_stopped_is_waited_for_and_keeps_its_variables() {
    let sandbox = Sandbox::new();
    sandbox.run(&["-t", "work", "-c", "kept = 42", "python"]).expect(0, "");
    signal_engine(&sandbox, Signal::SIGSTOP);
    let mut command = sandbox.command(&["-t", "work", "-c", "print(kept)", "python"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let line = lines.next().unwrap().unwrap();
    assert!(line.contains("does not answer yet; Ctrl-C ends the wait"), "{line}");
    signal_engine(&sandbox, Signal::SIGCONT);
    let mut output = String::new();
    child.stdout.take().unwrap().read_to_string(&mut output).unwrap();
    assert_eq!(output, "42\n");
    assert!(child.wait().unwrap().success());
    assert_eq!(sandbox.engines().len(), 1);
}

#[test]
fn the_prompt_says_what_it_waits_for_and_ctrl_c_ends_the_wait() {
    let sandbox = Sandbox::new();
    sandbox.run(&["-t", "work", "-c", "kept = 42", "python"]).expect(0, "");
    signal_engine(&sandbox, Signal::SIGSTOP);
    let terminal = FakeTerminal::at_prompt(&sandbox, &["-t", "work", "python"]);
    terminal.enter("print(kept)");
    terminal.wait_for("opening the session: the background engine, process");
    terminal.send("\x03");
    terminal.wait_for("not run");
    signal_engine(&sandbox, Signal::SIGCONT);
    terminal.enter("print(kept + 1)");
    terminal.wait_for("43");
    terminal.leave();
}

#[test]
fn an_engine_that_is_stopped_can_be_ended() {
    let sandbox = Sandbox::new();
    sandbox.run(&["-t", "work", "-c", "1", "python"]).expect(0, "1\n");
    signal_engine(&sandbox, Signal::SIGSTOP);
    sandbox.run(&["serve", "--stop"]).expect(0, "");
    assert!(sandbox.engines().is_empty());
    sandbox.run(&["serve", "--stop"]).expect_code(123);
}

#[test]
fn files_of_a_named_session_outlive_a_killed_engine() {
    let sandbox = Sandbox::new();
    let write = "kept = 42; _ = open('data.csv', 'w').write('1,2')";
    sandbox.run(&["-t", "work", "-c", write, "python"]).expect(0, "");
    sandbox.run(&["-t", "empty", "-c", "kept = 42", "python"]).expect(0, "");
    signal_engine(&sandbox, Signal::SIGKILL);

    // Another session does not delete them.
    sandbox.run(&["-t", "other", "-c", "print(1)", "python"]).expect(0, "1\n");
    let listed = sandbox.run(&["ls"]);
    assert!(listed.stdout.contains("work   LOST") && !listed.stdout.contains("empty"), "{listed:?}");
    let folder = listed.stderr.split("its files are in ").nth(1).unwrap().split(';').next().unwrap();
    assert_eq!(std::fs::read_to_string(format!("{folder}/data.csv")).unwrap(), "1,2");
    let refused = sandbox.run(&["download", "work", "data.csv"]);
    assert!(refused.code == Some(123) && refused.stderr.contains(folder), "{refused:?}");

    let again =
        sandbox.run(&["-t", "work", "-c", "print(open('data.csv').read(), 'kept' in vars())", "python"]);
    again.expect(0, "1,2 False\n");
    assert!(again.stderr.contains("the earlier session work was lost"), "{again:?}");
    let reused = sandbox.run(&["-t", "work", "-c", "print(open('data.csv').read())", "python"]);
    assert!(reused.stdout == "1,2\n" && !reused.stderr.contains("lost"), "it is said once: {reused:?}");
}

#[test]
fn files_outlive_an_engine_that_is_stopped_until_they_are_deleted() {
    let sandbox = Sandbox::new();
    let write = "_ = open('data.csv', 'w').write('1,2')";
    sandbox.run(&["-t", "work", "-c", write, "python"]).expect(0, "");
    let stopped = sandbox.run(&["serve", "--stop"]);
    assert!(stopped.stderr.contains("one left files"), "{stopped:?}");
    // No engine runs now.
    let listed = sandbox.run(&["ls"]);
    assert!(listed.stdout.contains("work  LOST"), "{listed:?}");
    sandbox.run(&["rm", "work"]).expect(0, "");
    let listed = sandbox.run(&["ls"]);
    assert!(!listed.stdout.contains("work") && !listed.stderr.contains("work"), "{listed:?}");
    let stopped = sandbox.run(&["serve", "--stop"]);
    assert!(!stopped.stderr.contains("left files"), "{stopped:?}");
}

#[test]
fn a_killed_program_leaves_no_socket_for_ever() {
    let mut sandbox = Sandbox::new();
    let temporary = sandbox.home().join("tmp");
    std::fs::create_dir(&temporary).unwrap();
    sandbox.set("TMPDIR", temporary.to_str().unwrap());
    let sockets = sandbox.home().join(".local/state/bai-repl/engine/prompts");
    let count = |folder: &Path| std::fs::read_dir(folder).unwrap().count();
    let mut command = sandbox.command(&["-c", "print('on', flush=True); input()", "python"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "on");
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(count(&sockets), 1);
    sandbox.run(&["-c", "1", "python"]).expect(0, "1\n");
    assert_eq!((count(&sockets), count(&temporary)), (0, 0));
}
