//! The program receives its signals and its children start with the default dispositions, even if it was started with
//! signals ignored or blocked.

use super::daemon::{Daemon, ProxiedEngine};
use alacritty_terminal::term::TermMode;
use bai_testkit::{FakeTerminal, Gate, PROMPT, Sandbox, binary};
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::Termios;
use nix::unistd::Pid;
use std::process::{Command, Stdio};

/// Starts a program with most signals ignored and all others blocked. `nohup`, `&` and some CI systems do this with a
/// few signals.
const BLOCK_SIGNALS: &str = "\
import os, signal, sys
for number in 'HUP INT QUIT PIPE TERM USR1 USR2 CHLD TSTP TTIN TTOU'.split():
    signal.signal(getattr(signal, 'SIG' + number), signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))
os.execv(sys.argv[1], sys.argv[1:])";

/// Prints the signals that a new process ignores and blocks.
const PRINT_SIGNALS: &str = "grep -E '^Sig(Ign|Blk)' /proc/self/status";

/// Modes of views and of the prompt that no shell expects.
const ON_IN_VIEWS: TermMode =
    TermMode::ALT_SCREEN.union(TermMode::MOUSE_MODE).union(TermMode::BRACKETED_PASTE);

/// Whether the output shows no ignored or blocked signals. Real-time signals are not checked, because the C library
/// uses some of them.
fn has_no_signals(text: &str) -> bool {
    let lines: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("Sig")?.split_once(':')).collect();
    let signals = |hex: &str| u64::from_str_radix(hex.trim(), 16).unwrap() & 0x7fff_ffff;
    lines.len() == 2 && lines.iter().all(|(_, hex)| signals(hex) == 0)
}

/// The modes of a terminal before the program. Those of its own terminal may have been changed by the time of a question.
fn initial_modes(sandbox: &Sandbox) -> Termios {
    FakeTerminal::start_command(sandbox.in_terminal(&["cat"]), 24, 80).termios()
}

/// Starts the binary with ignored and blocked signals.
fn with_blocked_signals(sandbox: &Sandbox, arguments: &[&str]) -> Command {
    let mut command = sandbox.program("python3");
    command.args(["-c", BLOCK_SIGNALS, binary()]).args(arguments).stdin(Stdio::null());
    command
}

#[test]
fn children_of_a_session_ignore_and_block_no_signals() {
    let sandbox = Sandbox::new();
    let cell = format!("import subprocess; subprocess.run(['sh', '-c', {PRINT_SIGNALS:?}])");
    for arguments in [
        &["-c", &cell, "python"][..],
        &["-c", PRINT_SIGNALS, "bash"],
        &["run", "python", "--exec", PRINT_SIGNALS],
        &["-q", "run", "python", "--build", PRINT_SIGNALS],
    ] {
        let output = with_blocked_signals(&sandbox, arguments).output().unwrap();
        let [text, error] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
        // What a build prints goes to standard error.
        let text = if arguments.contains(&"--build") { &error } else { &text };
        assert!(has_no_signals(text), "{arguments:?}: {text}\n{error}");
    }
}

#[test]
fn the_shell_in_the_session_ignores_and_blocks_no_signal() {
    let mut sandbox = Sandbox::new();
    sandbox.set("SHELL", "/bin/sh");
    let command = sandbox.in_terminal(&["python3", "-c", BLOCK_SIGNALS, binary(), "pty", "python"]);
    let terminal = FakeTerminal::start_command(command, 24, 80);
    terminal.wait_for("leaves");
    terminal.enter(&format!("{PRINT_SIGNALS}; echo e''nd"));
    let screen = terminal.wait_until("the answer", |screen| screen.has_line("end"));
    assert!(has_no_signals(&screen.all), "{}", screen.all);
}

#[test]
fn a_cell_is_interrupted_at_a_prompt_that_was_started_with_signals_ignored() {
    let sandbox = Sandbox::new();
    let command = sandbox.in_terminal(&["python3", "-c", BLOCK_SIGNALS, binary(), "python"]);
    let terminal = FakeTerminal::start_command(command, 24, 80);
    terminal.wait_for_prompt(PROMPT);
    terminal.enter("print('o' + 'n'); exec('while True: pass')");
    terminal.wait_until("the loop", |screen| screen.has_line("on"));
    terminal.send("\x03");
    terminal.wait_for("KeyboardInterrupt");
    terminal.wait_for_prompt(PROMPT);
    // The window changes its size, and the prompt reacts.
    terminal.resize(24, 40);
    terminal.run(PROMPT, "'x' * 100");
    terminal.leave();
}

#[test]
fn a_pane_stays_open_at_a_hangup_that_is_ignored() {
    let sandbox = Sandbox::new();
    let command = sandbox.in_terminal(&["sh", "-c", "trap '' HUP; exec \"$0\" pty python", binary()]);
    let terminal = FakeTerminal::start_command(command, 24, 80);
    terminal.wait_for("leaves");
    kill(Pid::from_raw(terminal.pid()), Signal::SIGHUP).unwrap();
    // A pane that received it would close after the first answer at the latest.
    for answer in 1..=3 {
        terminal.enter(&format!("echo answer $((40 + {answer}))"));
        terminal.wait_for(&format!("answer {}", 40 + answer));
    }
}

#[test]
fn an_engine_in_the_background_outlives_its_terminal_and_ctrl_c_where_both_are_ignored() {
    let sandbox = Sandbox::new();
    let mut shell = sandbox.program("sh");
    shell.args(["-c", "trap '' HUP INT; exec \"$0\" serve --listen 127.0.0.1:0", binary()]);
    let mut daemon = Daemon::of(shell);
    for signal in [Signal::SIGHUP, Signal::SIGINT] {
        kill(Pid::from_raw(daemon.pid()), signal).unwrap();
    }
    sandbox.run(&["-c", "print(6 * 7)", "-t", "work", "python"]).expect(0, "42\n");
    let listed = sandbox.run(&["ls"]).stdout;
    assert!(listed.lines().any(|line| line.starts_with("work ")), "{listed}");
    kill(Pid::from_raw(daemon.pid()), Signal::SIGTERM).unwrap();
    daemon.wait_for_end();
}

#[test]
fn a_signal_that_ends_the_program_leaves_the_terminal_as_it_was() {
    for signal in [Signal::SIGINT, Signal::SIGQUIT, Signal::SIGABRT] {
        for (arguments, shown) in [(&["pty", "bash"][..], "leaves"), (&["pty", "--raw", "bash"], "ready>")] {
            let mut sandbox = Sandbox::new();
            sandbox.set("SHELL", "/bin/sh");
            sandbox.set("PS1", "ready>");
            let terminal = FakeTerminal::start(&sandbox, arguments);
            let before = initial_modes(&sandbox);
            terminal.wait_for(shown);
            assert_ne!(terminal.termios(), before, "raw mode");
            kill(Pid::from_raw(terminal.pid()), signal).unwrap();
            let end = terminal.wait_for_end();
            assert_eq!(end.line_discipline, before.local_flags, "{signal}: {arguments:?}");
            assert!(!end.screen.modes.intersects(ON_IN_VIEWS), "{signal}: {arguments:?}");
        }
    }
}

#[test]
fn a_prompt_and_a_cell_keep_their_terminal_when_they_abort() {
    for cell in ["", "import time; print('o' + 'n'); time.sleep(60)", ":files"] {
        let sandbox = Sandbox::new();
        let terminal = FakeTerminal::start(&sandbox, &["python"]);
        let before = initial_modes(&sandbox);
        terminal.wait_for_prompt(PROMPT);
        terminal.run(PROMPT, "1");
        match cell {
            "" => {}
            ":files" => {
                terminal.enter(cell);
                terminal.wait_until("the view", |screen| screen.modes.contains(TermMode::ALT_SCREEN));
            }
            _ => {
                terminal.enter(cell);
                terminal.wait_until("the cell", |screen| screen.has_line("on"));
            }
        }
        kill(Pid::from_raw(terminal.pid()), Signal::SIGABRT).unwrap();
        let end = terminal.wait_for_end();
        assert_eq!(end.line_discipline, before.local_flags, "{cell}");
        assert!(!end.screen.modes.intersects(ON_IN_VIEWS), "{cell}");
        assert!(end.screen.modes.contains(TermMode::SHOW_CURSOR), "{cell}");
    }
}

#[test]
fn a_quit_signal_of_another_program_ends_the_prompt_and_restores_the_terminal() {
    for cell in ["", "print('o' + 'n'); input()", "import time; print('o' + 'n'); time.sleep(600)"] {
        let sandbox = Sandbox::new();
        let terminal = FakeTerminal::start(&sandbox, &["python"]);
        let before = initial_modes(&sandbox);
        terminal.wait_for_prompt(PROMPT);
        terminal.run(PROMPT, "1");
        if !cell.is_empty() {
            terminal.enter(cell);
            terminal.wait_until("the cell", |screen| screen.has_line("on"));
        }
        kill(Pid::from_raw(terminal.pid()), Signal::SIGQUIT).unwrap();
        let end = terminal.wait_for_end();
        assert_eq!(end.line_discipline, before.local_flags, "{cell}");
        assert!(!end.screen.modes.intersects(ON_IN_VIEWS), "{cell}");
    }
}

#[test]
fn a_signal_ends_the_prompt_after_its_cell_where_a_cut_run_blocks_the_session() {
    for (number, signal) in [Signal::SIGHUP, Signal::SIGTERM].into_iter().enumerate() {
        let ProxiedEngine { sandbox, link, .. } = &ProxiedEngine::new();
        link.hide("abandonable-runs");
        let terminal = FakeTerminal::at_prompt(sandbox, &["-t", "work", "python"]);
        let [go, ended] = ["go", "ended"].map(|name| sandbox.work().join(format!("{name}{number}")));
        let _gate = Gate::at(&go);
        let code = format!(
            "exec(\"try:\\n  print('o' + 'n')\\n  open('{}').readline()\\nexcept KeyboardInterrupt:\\n  open('{}', 'w').close()\")",
            go.display(),
            ended.display()
        );
        terminal.enter(&code);
        terminal.wait_until("the cell", |screen| screen.has_line("on"));
        kill(Pid::from_raw(terminal.pid()), signal).unwrap();
        terminal.wait_for_end();
        assert!(ended.exists(), "{signal}: the program was left without a reader");
    }
}

/// A shell with job control, which runs the program in the foreground and continues it after two suspensions.
fn under_job_control(sandbox: &Sandbox) -> FakeTerminal {
    let wait = "echo stop''ped; read -r _; fg";
    let script = format!("set -m; \"$0\" python & echo $! >pid; fg; {wait}; {wait}");
    FakeTerminal::start_command(sandbox.in_terminal(&["bash", "-c", &script, binary()]), 24, 80)
}

#[test]
fn a_prompt_that_goes_on_after_a_suspension_is_drawn_again() {
    let sandbox = Sandbox::new();
    let terminal = under_job_control(&sandbox);
    terminal.wait_for_prompt(PROMPT);
    terminal.run(PROMPT, "1");
    let pid: i32 = std::fs::read_to_string(sandbox.work().join("pid")).unwrap().trim().parse().unwrap();
    let suspended = |terminal: &FakeTerminal, times: usize| {
        kill(Pid::from_raw(pid), Signal::SIGTSTP).unwrap();
        let screen =
            terminal.wait_until("the suspension", |screen| screen.all.matches("stopped").count() == times);
        assert!(!screen.modes.contains(TermMode::BRACKETED_PASTE));
        terminal.send("\r");
    };
    terminal.send("6 * 7");
    terminal.wait_until("the half cell", |screen| screen.last_line().ends_with("6 * 7"));
    suspended(&terminal, 1);
    terminal.wait_until("the cell again", |screen| {
        screen.last_line() == "python ❯ 6 * 7" && screen.modes.contains(TermMode::BRACKETED_PASTE)
    });
    terminal.send("\r");
    terminal.wait_until("the result", |screen| screen.has_line("42"));
    terminal.wait_for_prompt(PROMPT);
    // The same while a cell runs.
    terminal.enter("import time; print('o' + 'n'); time.sleep(600)");
    terminal.wait_until("the cell", |screen| screen.has_line("on"));
    suspended(&terminal, 2);
    terminal.wait_until("bracketed paste", |screen| screen.modes.contains(TermMode::BRACKETED_PASTE));
    terminal.send("\x03");
    terminal.wait_for("KeyboardInterrupt");
    terminal.wait_for_prompt(PROMPT);
    terminal.send("\x04");
    assert_eq!(terminal.wait_for_end().code, 0);
}

#[test]
fn an_interrupt_of_another_program_is_ctrl_c_at_the_prompt() {
    let sandbox = Sandbox::new();
    let terminal = FakeTerminal::at_prompt(&sandbox, &["python"]);
    terminal.run(PROMPT, "kept = 42");
    for text in ["half a cell", "for x in y:\r"] {
        terminal.send(text);
        let typed = text.trim_end();
        terminal.wait_until("the text", |screen| screen.answered && screen.all.contains(typed));
        kill(Pid::from_raw(terminal.pid()), Signal::SIGINT).unwrap();
        terminal.wait_for_prompt(PROMPT);
    }
    terminal.enter("print('o' + 'n'); import time; time.sleep(600)");
    terminal.wait_until("the cell", |screen| screen.has_line("on"));
    kill(Pid::from_raw(terminal.pid()), Signal::SIGINT).unwrap();
    terminal.wait_for("KeyboardInterrupt");
    terminal.wait_for_prompt(PROMPT);
    // The editor of the user and the terminal in the session keep their signals.
    terminal.send("\x1d");
    terminal.wait_for("leaves");
    terminal.resize(30, 100);
    terminal.wait_for("100×29");
    terminal.enter("stty size");
    terminal.wait_for("29 100");
    terminal.send("\x1d");
    terminal.wait_for_prompt(PROMPT);
    terminal.enter("kept");
    terminal.wait_until("the value", |screen| screen.has_line("42"));
    terminal.leave();
}
