//! The background engine as its user sees it: slow, stopped, killed. There is never a second one beside it, and no files
//! of named sessions are lost.

use super::daemon::Daemon;
use bai_testkit::{FakeTerminal, PROMPT, Sandbox, leave_out};
use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{setsockopt, sockopt};
use nix::unistd::Pid;
use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

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
fn the_first_signal_ends_a_wait_for_an_engine() {
    let sandbox = Sandbox::new();
    sandbox.run(&["-t", "work", "-c", "kept = 42", "python"]).expect(0, "");
    signal_engine(&sandbox, Signal::SIGSTOP);
    for arguments in [
        &["-t", "work", "-c", "print(kept)", "python"][..],
        &["run", "-t", "work", "python", "--exec", "echo ran"],
        &["attach", "work"],
        &["pty", "work", "--raw"],
    ] {
        let mut child = sandbox.command(arguments).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let line = lines.next().unwrap().unwrap();
        assert!(line.contains("does not answer yet"), "{arguments:?}: {line}");
        // Not SIGHUP: the tests may run under nohup.
        kill(Pid::from_raw(child.id().try_into().unwrap()), Signal::SIGTERM).unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(Signal::SIGTERM as i32), "{arguments:?}");
    }
    signal_engine(&sandbox, Signal::SIGCONT);
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
    sandbox.run(&["-t", "work", "-p", "1", "python"]).expect(0, "1\n");
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
    let refused = sandbox.run(&["interrupt", "work"]);
    assert!(refused.code == Some(123) && refused.stderr.contains(folder), "{refused:?}");
    sandbox.run(&["download", "work", "data.csv", "--to", "-"]).expect(0, "1,2");

    let again =
        sandbox.run(&["-t", "work", "-c", "print(open('data.csv').read(), 'kept' in vars())", "python"]);
    again.expect(0, "1,2 False\n");
    assert!(again.stderr.contains("the earlier session work was lost"), "{again:?}");
    let reused = sandbox.run(&["-t", "work", "-c", "print(open('data.csv').read())", "python"]);
    assert!(reused.stdout == "1,2\n" && !reused.stderr.contains("lost"), "it is said once: {reused:?}");
}

#[test]
fn a_lost_session_without_files_is_mentioned_once() {
    let sandbox = Sandbox::new();
    sandbox.run(&["-t", "work", "-c", "kept = 42", "python"]).expect(0, "");
    signal_engine(&sandbox, Signal::SIGKILL);
    sandbox.run(&["-t", "other", "-p", "1", "python"]).expect(0, "1\n");
    let again = sandbox.run(&["-t", "work", "-c", "print('kept' in vars())", "python"]);
    again.expect(0, "False\n");
    assert!(
        again.stderr.contains("the earlier session work was lost, and its variables with it"),
        "{again:?}"
    );
    sandbox.run(&["rm", "work"]).expect(0, "");
    let later = sandbox.run(&["-t", "work", "-c", "1", "python"]);
    assert!(!later.stderr.contains("lost"), "{later:?}");
}

#[test]
fn an_engine_whose_state_cannot_be_read_is_not_waited_for_without_end() {
    if !cfg!(target_os = "linux") {
        return leave_out("Linux");
    }
    for (text, words) in [
        ("", "is damaged"),
        ("{}", "is damaged"),
        (r#"{"pid": 1, "version": "999.0.0"}"#, "is of another version"),
    ] {
        let sandbox = Sandbox::new();
        sandbox.run(&["-t", "work", "-p", "1", "python"]).expect(0, "1\n");
        // It cannot repair the file.
        signal_engine(&sandbox, Signal::SIGSTOP);
        let engine = sandbox.engines()[0];
        let state = sandbox.home().join(".local/state/bai-repl/engine/engine.json");
        std::fs::write(&state, text).unwrap();
        for arguments in [&["ls"][..], &["-t", "work", "-c", "1", "python"]] {
            let refused = sandbox.run(arguments);
            refused.expect_code(1);
            for words in [words, &format!("process {engine},"), "bai-repl serve --stop"] {
                assert!(refused.stderr.contains(words), "{words}: {refused:?}");
            }
        }
        let stopped = sandbox.run(&["serve", "--stop"]);
        stopped.expect_code(0);
        assert!(stopped.stderr.contains(&format!("process {engine},")), "{stopped:?}");
        assert!(sandbox.engines().is_empty());
    }
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
    sandbox.run(&["-p", "1", "python"]).expect(0, "1\n");
    assert_eq!((count(&sockets), count(&temporary)), (0, 0));
}

/// Opens the prompt on a named session with a file and a variable, and kills the engine under it.
fn prompt_without_engine(sandbox: &Sandbox) -> FakeTerminal {
    let terminal = FakeTerminal::at_prompt(sandbox, &["-t", "work", "python"]);
    terminal.run(PROMPT, "kept = 42; _ = open('data.csv', 'w').write('1,2')");
    signal_engine(sandbox, Signal::SIGKILL);
    terminal
}

#[test]
fn a_prompt_goes_on_after_its_engine_was_killed() {
    let sandbox = Sandbox::new();
    let terminal = prompt_without_engine(&sandbox);
    terminal.enter("print(kept)");
    terminal.wait_for("the server has ended, and its sessions with it");
    terminal.wait_for("the session is gone, with its variables: :restart or :new opens it again");
    terminal.run(PROMPT, "print('not', 'run')");
    assert!(!terminal.screen().has_line("not run"));
    terminal.enter(":restart");
    terminal.wait_for("the earlier session work was lost");
    terminal.wait_for_prompt(PROMPT);
    terminal.enter("print(open('data.csv').read(), 'kept' in vars())");
    terminal.wait_until("the file", |screen| screen.has_line("1,2 False"));
    terminal.leave();
}

#[test]
fn a_prompt_goes_on_at_the_engine_that_replaced_its_own() {
    for attached in [false, true] {
        let sandbox = Sandbox::new();
        let mut terminal = prompt_without_engine(&sandbox);
        if attached {
            sandbox.run(&["-t", "work", "-p", "1", "python"]).expect(0, "1\n");
            terminal = FakeTerminal::at_prompt(&sandbox, &["attach", "work"]);
            terminal.run(PROMPT, "1");
            signal_engine(&sandbox, Signal::SIGKILL);
        }
        sandbox.run(&["-t", "other", "-p", "1", "python"]).expect(0, "1\n");
        terminal.enter("print(kept)");
        let screen = terminal.wait_for("the session is gone, with its variables");
        assert!(!screen.all.contains("signature") && screen.says("another one runs"), "{}", screen.all);
        terminal.enter(":replay");
        terminal.wait_for("[1/1]");
        terminal.wait_for_prompt(PROMPT);
        terminal.enter("print(open('data.csv').read())");
        terminal.wait_until("the file", |screen| screen.has_line("1,2"));
        terminal.leave();
    }
}

#[test]
fn a_cell_that_runs_when_its_engine_is_killed_is_lost() {
    let sandbox = Sandbox::new();
    let terminal = FakeTerminal::at_prompt(&sandbox, &["-t", "work", "python"]);
    terminal.enter("print('o' + 'n'); import time; time.sleep(600)");
    terminal.wait_until("the cell", |screen| screen.has_line("on"));
    signal_engine(&sandbox, Signal::SIGKILL);
    terminal.wait_for("the session is gone, with its variables: :restart or :new opens it again");
    terminal.wait_for_prompt(PROMPT);
    terminal.send("\x04");
    assert_eq!(terminal.wait_for_end().code, 125);
}

/// Leaves a prompt whose session `work` is gone.
fn expect_gone(terminal: FakeTerminal) {
    terminal.send("\x04");
    let end = terminal.wait_for_end();
    assert!(
        end.screen.all.contains("session work is gone") && !end.screen.all.contains("stays"),
        "{}",
        end.screen.all
    );
    assert_eq!(end.code, 125);
}

#[test]
fn leaving_says_whether_the_session_stays() {
    let sandbox = Sandbox::new();
    let terminal = prompt_without_engine(&sandbox);
    expect_gone(terminal);

    let terminal = FakeTerminal::at_prompt(&sandbox, &["-t", "work", "python"]);
    terminal.run(PROMPT, "1");
    sandbox.run(&["rm", "work"]).expect(0, "");
    expect_gone(terminal);

    let terminal = FakeTerminal::at_prompt(&sandbox, &["-t", "work", "python"]);
    terminal.run(PROMPT, "1");
    sandbox.run(&["rm", "work"]).expect(0, "");
    terminal.enter("1");
    terminal.wait_for("the session is gone, with its variables: :restart or :new opens it again");
    terminal.wait_for_prompt(PROMPT);
    terminal.enter(":new");
    terminal.run(PROMPT, "6 * 7");
    terminal.leave();
}

#[test]
fn a_terminal_whose_engine_is_killed_ends_with_a_reason() {
    let sandbox = Sandbox::new();
    for arguments in [&["pty", "--raw", "work"][..], &["pty", "work"]] {
        sandbox.run(&["-t", "work", "-p", "1", "python"]).expect(0, "1\n");
        let terminal = FakeTerminal::start(&sandbox, arguments);
        terminal.enter("echo o''n");
        terminal.wait_until("the shell", |screen| screen.all.lines().any(|line| line.trim() == "on"));
        signal_engine(&sandbox, Signal::SIGKILL);
        if !arguments.contains(&"--raw") {
            terminal.wait_for("the terminal is lost");
            terminal.send("\x1d");
        }
        let end = terminal.wait_for_end();
        assert!(end.screen.all.contains("the server has ended"), "{}", end.screen.all);
        assert_eq!(end.code, 125, "{}", end.screen.all);
    }
}

#[test]
fn commands_that_follow_a_session_end_with_its_engine() {
    if !["ssh", "sftp", "ssh-keygen"].into_iter().all(bai_testkit::need) {
        return;
    }
    let mut sandbox = Sandbox::new();
    // The files of the service are there, so that the sandbox finds an sshd that has not ended.
    sandbox.set("TMPDIR", sandbox.home().to_str().unwrap());
    sandbox.authorize_a_key();
    sandbox.run(&["-t", "work", "-p", "1", "python"]).expect(0, "1\n");
    let follow = |arguments: &[&str]| {
        let mut child = sandbox.command(arguments).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let first = lines.next().unwrap().unwrap();
        assert!(first.contains("Ctrl-C"), "{first}");
        (child, lines)
    };
    let followers = [&["events"][..], &["events", "work"], &["app", "work", "sftp", "-b", "0"]].map(follow);
    signal_engine(&sandbox, Signal::SIGKILL);
    for (mut child, lines) in followers {
        let said: Vec<_> = lines.map_while(Result::ok).collect();
        assert!(said.iter().any(|line| line.contains("the server has ended")), "{said:?}");
        assert_eq!(child.wait().unwrap().code(), Some(125), "{said:?}");
    }
}

#[test]
fn the_list_of_sessions_shows_that_its_engine_has_ended() {
    let sandbox = Sandbox::new();
    sandbox.run(&["-t", "work", "-p", "1", "python"]).expect(0, "1\n");
    let terminal = FakeTerminal::start(&sandbox, &["sessions"]);
    terminal.wait_for("RUNNING");
    signal_engine(&sandbox, Signal::SIGKILL);
    terminal.wait_until("the end", |screen| screen.all.contains("LOST") && screen.all.contains("has ended"));
    assert!(!terminal.screen().all.contains("RUNNING"));
    terminal.send("q");
    terminal.wait_for_end();
}

/// Opens connections to an engine and closes them at once, as fast as it can, as long as it lives.
struct Crowd {
    stop: Arc<AtomicBool>,
    threads: Vec<std::thread::JoinHandle<u64>>,
}

impl Crowd {
    fn at(address: SocketAddr) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let visit = move |stop: Arc<AtomicBool>| {
            let mut count = 0;
            while !stop.load(Ordering::Relaxed) {
                // Closed by a reset, so that the ports of this machine are not used up.
                if let Ok(stream) = TcpStream::connect(address) {
                    let at_once = nix::libc::linger { l_onoff: 1, l_linger: 0 };
                    setsockopt(&stream, sockopt::Linger, &at_once).unwrap();
                    count += 1;
                }
            }
            count
        };
        let threads = (0..8).map(|_| stop.clone()).map(|stop| std::thread::spawn(move || visit(stop)));
        Crowd { threads: threads.collect(), stop }
    }

    /// How many connections there were.
    fn leave(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    }
}

#[test]
fn a_crowd_at_the_door_keeps_no_command_out() {
    let mut sandbox = Sandbox::new();
    let daemon = Daemon::start(&sandbox);
    daemon.use_in(&mut sandbox, &daemon.endpoint());
    sandbox.run(&["-t", "work", "-p", "1", "python"]).expect(0, "1\n");
    let crowd = Crowd::at(daemon.address);
    for number in 0..10 {
        let answer = sandbox.run(&["-t", "work", "-p", &format!("{number} + 1"), "python"]);
        answer.expect(0, &format!("{}\n", number + 1));
    }
    let visits = crowd.leave();
    assert!(visits > 1_000, "{visits}");
}
