//! The pane's host process: this test program again, in a fake terminal, and checks of it from outside.

use super::child::{CHILD, CLIPBOARD};
use alacritty_terminal::term::TermMode;
use bai_testkit::{FakeTerminal, Screen};
use portable_pty::CommandBuilder;

/// Starts the host process with a terminal in which `program` runs.
pub fn start(program: &str, columns: u16, rows: u16) -> FakeTerminal {
    start_command(CommandBuilder::new(std::env::current_exe().unwrap()), program, columns, rows)
}

/// Starts it with a policy for the clipboard.
pub fn start_with_clipboard(policy: &str, program: &str) -> FakeTerminal {
    let mut command = CommandBuilder::new(std::env::current_exe().unwrap());
    command.env(CLIPBOARD, policy);
    start_command(command, program, 80, 24)
}

/// Starts it under a shell with job control. The shell reports how the process stopped and resumes it after a line of
/// input.
pub fn start_under_shell(program: &str, columns: u16, rows: u16) -> FakeTerminal {
    let mut command = CommandBuilder::new("bash");
    let script =
        r#"set -m; "$@"; echo "<status $?>"; stty -a; read x; fg >/dev/null; echo "<again $?>"; read x"#;
    command.args(["-c", script, "bash"]);
    command.arg(std::env::current_exe().unwrap());
    start_command(command, program, columns, rows)
}

fn start_command(mut command: CommandBuilder, program: &str, columns: u16, rows: u16) -> FakeTerminal {
    command.args(["--exact", "child", "--nocapture"]);
    command.env(CHILD, program);
    command.env("TERM", "xterm-256color");
    let terminal = FakeTerminal::start_command(command, rows, columns);
    terminal.wait_for("ready>");
    terminal
}

/// Returns the process id of a host process that a shell started.
pub fn under_shell(terminal: &FakeTerminal) -> i32 {
    let shell = terminal.pid();
    let children = std::fs::read_to_string(format!("/proc/{shell}/task/{shell}/children")).unwrap();
    children.trim().parse().unwrap()
}

/// Returns the resident memory of the host process, in KiB.
pub fn resident(terminal: &FakeTerminal) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", terminal.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Checks that the terminal has the modes that the next program expects.
#[track_caller]
pub fn assert_clean(screen: &Screen) {
    let unwanted = TermMode::ALT_SCREEN
        | TermMode::BRACKETED_PASTE
        | TermMode::FOCUS_IN_OUT
        | TermMode::APP_CURSOR
        | TermMode::APP_KEYPAD
        | TermMode::MOUSE_MODE;
    assert!(!screen.modes.intersects(unwanted), "{:?}", screen.modes);
    assert!(screen.cursor_shown);
}
