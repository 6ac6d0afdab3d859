//! The files of a background engine are removed while it lives, as programs that clean up do. It stays reachable, no
//! second one is started beside it, and its sessions keep their variables.

use super::daemon::Daemon;
use bai_testkit::{FakeTerminal, PROMPT, Sandbox, leave_out, wait_until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// The folder of the sandbox's background engine.
fn folder(sandbox: &Sandbox) -> PathBuf {
    sandbox.home().join(".local/state/bai-repl/engine")
}

/// Starts an engine with a session that has a variable, and returns the engine's process.
fn with_variable(sandbox: &Sandbox) -> i32 {
    sandbox.run(&["-t", "work", "-c", "kept = 42", "python"]).expect(0, "");
    sandbox.engines()[0]
}

/// The same engine answers, and has the variable.
#[track_caller]
fn expect_kept(sandbox: &Sandbox, engine: i32) {
    let run = sandbox.run(&["-t", "work", "-c", "print(kept)", "python"]);
    run.expect(0, "42\n");
    assert!(!run.stderr.contains("lost"), "{run:?}");
    assert_eq!(sandbox.engines(), [engine]);
}

#[test]
fn an_engine_makes_its_files_again() {
    let sandbox = Sandbox::new();
    let engine = with_variable(&sandbox);
    for name in ["engine.sock", "engine.json", "engine.alive", "engine.lock"] {
        std::fs::remove_file(folder(&sandbox).join(name)).unwrap();
        let listed = sandbox.run(&["ls"]);
        assert!(listed.stdout.contains("work") && listed.stdout.contains("RUNNING"), "{name}: {listed:?}");
        expect_kept(&sandbox, engine);
    }
    // Another file in its place.
    for name in ["engine.sock", "engine.alive"] {
        std::fs::write(folder(&sandbox).join("other"), "").unwrap();
        std::fs::rename(folder(&sandbox).join("other"), folder(&sandbox).join(name)).unwrap();
        // The file of the lock is no proof any more. The engine locks the new one.
        if name == "engine.alive" {
            wait_until("the lock", || bai_engine::daemon::is_running(&folder(&sandbox)).unwrap());
        }
        expect_kept(&sandbox, engine);
    }
    sandbox.run(&["serve", "--stop"]).expect_code(0);
    assert!(sandbox.engines().is_empty());
}

#[test]
fn an_engine_repairs_its_state_file() {
    let Some(sandbox) = Sandbox::of_another_user() else { return };
    let engine = with_variable(&sandbox);
    let path = folder(&sandbox).join("engine.json");
    let text = std::fs::read_to_string(&path).unwrap();
    let mode = |mode| std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
    let other_pid = text.replace(&format!("\"pid\":{engine}"), "\"pid\":1");
    let other_form = text.replace("socket", "place");
    assert!(other_pid != text && other_form != text);
    for damage in ["", "{}", "[", &other_pid, &other_form] {
        std::fs::write(&path, damage).unwrap();
        expect_kept(&sandbox, engine);
        wait_until("the repair", || std::fs::read_to_string(&path).is_ok_and(|found| found == text));
    }
    for open in [0o000, 0o644] {
        mode(open);
        expect_kept(&sandbox, engine);
    }
    sandbox.run(&["serve", "--stop"]).expect_code(0);
    assert!(sandbox.engines().is_empty());
}

#[test]
fn an_engine_with_a_tcp_address_keeps_the_file_for_other_clients() {
    let sandbox = Sandbox::new();
    let engine = Daemon::start(&sandbox);
    let file = folder(&sandbox).join("env.sh");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::remove_dir_all(folder(&sandbox)).ok();
    wait_until("the file", || file.exists());
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
    assert!(text.contains(&engine.endpoint()));
    std::fs::write(&file, "export").unwrap();
    wait_until("the repair", || std::fs::read_to_string(&file).is_ok_and(|found| found == text));
}

#[test]
fn an_engine_outlives_its_folder() {
    let sandbox = Sandbox::new();
    let engine = with_variable(&sandbox);
    for name in ["", "..", "../.."] {
        // The engine makes its files again while others are still being removed.
        while std::fs::remove_dir_all(folder(&sandbox).join(name).canonicalize().unwrap()).is_err() {}
        expect_kept(&sandbox, engine);
    }
    sandbox.run(&["serve", "--stop"]).expect_code(0);
    assert!(sandbox.engines().is_empty());
}

#[test]
fn a_prompt_stays_with_an_engine_whose_files_were_removed() {
    let sandbox = Sandbox::new();
    for arguments in [&["-t", "work", "python"][..], &["python"]] {
        let terminal = FakeTerminal::at_prompt(&sandbox, arguments);
        terminal.run(PROMPT, "kept = 42");
        let sockets = match arguments {
            ["python"] => folder(&sandbox).join("prompts"),
            _ => folder(&sandbox),
        };
        let is_socket = |path: &PathBuf| path.extension().is_some_and(|end| end == "sock");
        let all = || std::fs::read_dir(&sockets).into_iter().flatten().map(|entry| entry.unwrap().path());
        let socket = all().find(is_socket).unwrap();
        std::fs::remove_file(&socket).unwrap();
        wait_until("the socket", || socket.exists());
        terminal.enter("print(kept + 1)");
        terminal.wait_until("the variable", |screen| screen.has_line("43"));
        terminal.leave();
    }
}

#[test]
fn an_engine_that_cannot_make_its_files_again_can_be_ended() {
    if !cfg!(target_os = "linux") {
        return leave_out("Linux");
    }
    for names in [&["engine.sock"][..], &["engine.json"], &["engine.alive"], &["engine.alive", "engine.json"]]
    {
        let sandbox = Sandbox::new();
        let engine = with_variable(&sandbox);
        kill(Pid::from_raw(engine), Signal::SIGSTOP).unwrap();
        let status = || std::fs::read_to_string(format!("/proc/{engine}/status")).unwrap();
        wait_until("the stop", || status().contains("T (stopped)"));
        for name in names {
            std::fs::remove_file(folder(&sandbox).join(name)).unwrap();
        }
        // No second engine is started, and the reason of the wait is said.
        let mut command = sandbox.command(&["-t", "work", "-c", "print(kept)", "python"]);
        let mut waiting = command.spawn().unwrap();
        let mut lines = BufReader::new(waiting.stderr.take().unwrap()).lines();
        let line = lines.next().unwrap().unwrap();
        let reason = match names {
            ["engine.sock"] => "engine.sock is gone; bai-repl serve --stop stops it and its sessions",
            _ => "does not answer yet",
        };
        assert!(line.contains(reason) && line.contains("Ctrl-C ends the wait"), "{names:?}: {line}");
        waiting.kill().unwrap();
        waiting.wait().unwrap();
        assert_eq!(sandbox.engines(), [engine], "{names:?}");

        let stopped = sandbox.run(&["serve", "--stop"]);
        stopped.expect_code(0);
        assert!(stopped.stderr.contains(&format!("process {engine}")), "{stopped:?}");
        assert!(sandbox.engines().is_empty());
    }
}
