//! A line of the shell at Python's prompt: its program has the terminal, and the prompt comes back in order.

use super::ipython::sandboxes;
use super::script_terminal::interactive_shell;
use bai_testkit::{FakeTerminal, PROMPT, Sandbox, Screen, binary, need};
use nix::sys::termios::LocalFlags;

/// Sandboxes with each shell of Python.
fn shells() -> Vec<Sandbox> {
    sandboxes("ipython").into_iter().take(1).chain([Sandbox::new()]).collect()
}

fn at_prompt(sandbox: &Sandbox) -> FakeTerminal {
    let terminal = FakeTerminal::start_sized(sandbox, &["-q", "python"], 24, 60);
    terminal.wait_for_prompt(PROMPT);
    terminal
}

/// Types at a program that prints `on` and ends when there is a file `go`: these keys, and half a line. Then that is typed again at the
/// prompt, and the rest of the line. Returns the screen.
pub(super) fn type_ahead(terminal: &FakeTerminal, sandbox: &Sandbox, program: &str, keys: &str) -> Screen {
    terminal.enter(program);
    terminal.wait_until("the program", |screen| screen.has_line("on"));
    terminal.send(format!("{keys}sum("));
    terminal.wait_until("the echo", |screen| screen.last_line().ends_with("sum("));
    sandbox.write("go", "");
    terminal.wait_until("the last line", |screen| screen.last_line() == format!("{PROMPT} sum("));
    terminal.enter("[40, 30])");
    terminal.wait_until("the end", |screen| screen.has_line("70"))
}

/// Presses Ctrl-Z at a program of our prompt in the shell of [`interactive_shell`], and lets both go on.
pub(super) fn stop_and_go_on(terminal: &FakeTerminal) {
    terminal.send("\x1a");
    terminal.wait_until("the stop", |screen| screen.answered && screen.last_line() == "shell:");
    assert!(terminal.termios().local_flags.contains(LocalFlags::ISIG));
    terminal.enter("fg");
    terminal.wait_for_raw_mode();
    terminal.wait_until("the program", |screen| screen.last_line().ends_with("-q python"));
}

#[test]
fn a_program_sees_a_terminal_in_the_size_of_the_window() {
    for sandbox in shells() {
        let terminal = at_prompt(&sandbox);
        for name in ["one", "two", "three"] {
            sandbox.write(name, "");
        }
        let screen = terminal.run(PROMPT, "!ls");
        assert!(
            screen.all.lines().any(|line| line.starts_with("one") && line.ends_with("two")),
            "{}",
            screen.all
        );
        let screen = terminal.run(PROMPT, "!stty size; [ -t 0 ] && [ -t 1 ] && [ -t 2 ] && exit 3");
        assert!(screen.has_line("24 60"), "{}", screen.all);
        assert!(terminal.run(PROMPT, "_exit_code + 40").has_line("43"));
        terminal.resize(20, 50);
        // In one cell with other code.
        terminal.enter("for n in range(2):");
        terminal.enter("!stty size; tty");
        terminal.send("\r");
        terminal.wait_until("both", |screen| screen.all.matches("\n/dev/").count() == 2);
        let screen = terminal.wait_for_prompt(PROMPT);
        assert_eq!(screen.all.matches("\n20 50\n").count(), 2, "{}", screen.all);
        // Other programs have none.
        assert!(terminal.run(PROMPT, "import os; _ = os.system('tty')").has_line("not a tty"));
        terminal.leave();
    }
}

#[test]
fn a_program_on_the_whole_screen_comes_back_to_the_prompt() {
    if !need("vim") {
        return;
    }
    for sandbox in shells() {
        let terminal = at_prompt(&sandbox);
        let before = terminal.run(PROMPT, "print('before')");
        terminal.enter("!vim -u NONE new.txt");
        terminal.wait_until("vim", |screen| screen.lines.iter().filter(|line| *line == "~").count() > 9);
        // The key of the terminal inside the session is the program's too.
        terminal.send("\x1d");
        terminal.resize(22, 70);
        terminal
            .wait_until("the new size", |screen| screen.lines.iter().filter(|line| *line == "~").count() > 9);
        terminal.send("ihello\x1b:wq\r");
        terminal
            .wait_until("the prompt", |screen| screen.last_line() == PROMPT && screen.all.contains("before"));
        let screen = terminal.run(PROMPT, "print(open('new.txt').read(), end='')");
        assert!(screen.has_line("hello"), "{}", screen.all);
        // Nothing of it is left, and there is no empty line.
        assert!(!screen.all.contains("\n~"), "{}", screen.all);
        assert!(!screen.all.contains("\n\n"), "{}", screen.all);
        assert_eq!(screen.modes, before.modes);
        terminal.leave();
    }
}

#[test]
fn keys_that_send_signals_are_those_of_the_program() {
    for sandbox in shells() {
        let terminal = at_prompt(&sandbox);
        terminal.enter("for n in range(3):");
        terminal.enter("!echo on; exec sleep 1000");
        terminal.send("\r");
        terminal.wait_until("the program", |screen| screen.has_line("on"));
        terminal.send("\x03");
        terminal.wait_for("KeyboardInterrupt");
        let screen = terminal.wait_for_prompt(PROMPT);
        assert_eq!(screen.all.lines().filter(|line| *line == "on").count(), 1, "{}", screen.all);
        terminal.enter("!trap 'echo caught; exit 5' INT; echo waits; while :; do sleep 0.01; done");
        terminal.wait_until("the loop", |screen| screen.has_line("waits"));
        terminal.send("\x03");
        terminal.wait_for("caught");
        terminal.wait_for_prompt(PROMPT);
        assert!(terminal.run(PROMPT, "_exit_code + 40").has_line("45"));
        terminal.enter("!echo asks; read x; echo \"got $x\"; read y || echo end");
        terminal.wait_until("the start", |screen| screen.has_line("asks"));
        terminal.enter("Ann");
        terminal.wait_until("the line", |screen| screen.has_line("got Ann"));
        terminal.send("\x04");
        terminal.wait_until("the end", |screen| screen.has_line("end"));
        terminal.wait_for_prompt(PROMPT);
        terminal.leave();
    }
}

#[test]
fn ctrl_z_stops_the_program_and_us_until_the_shell_lets_both_go_on() {
    let sandbox = Sandbox::new();
    let terminal = interactive_shell(&sandbox);
    terminal.enter(&format!("{} -q python", binary()));
    terminal.wait_for_prompt(PROMPT);
    terminal.enter("!read -p 'name? ' x; echo \"got $x\"");
    terminal.wait_until("the question", |screen| screen.last_line() == "name?");
    for _ in 0..2 {
        stop_and_go_on(&terminal);
    }
    terminal.enter("Ann");
    terminal.wait_until("the answer", |screen| screen.has_line("got Ann"));
    terminal.wait_for_prompt(PROMPT);
    assert!(terminal.run(PROMPT, "6 * 7").has_line("42"));
    terminal.send("\x04");
    terminal.wait_for_prompt("shell:");
    terminal.enter("exit 0");
    assert_eq!(terminal.wait_for_end().code, 0);
}

#[test]
fn without_a_shell_around_us_ctrl_z_stops_nothing() {
    let sandbox = Sandbox::new();
    let terminal = at_prompt(&sandbox);
    terminal.enter("!read -p 'name? ' x; echo \"got $x\"");
    terminal.wait_until("the question", |screen| screen.last_line() == "name?");
    terminal.send("\x1a");
    terminal.wait_for("^Z");
    terminal.enter("Ann");
    terminal.wait_for("got Ann");
    terminal.wait_for_prompt(PROMPT);
    terminal.leave();
}

#[test]
fn what_is_typed_ahead_is_typed_again_at_the_prompt() {
    for sandbox in shells() {
        let terminal = at_prompt(&sandbox);
        let program = "!echo on; while [ ! -e go ]; do sleep 0.01; done";
        let keys = "print(6 * 7)\rfor n in range(2):\r  print('n', n)\r\r";
        let screen = type_ahead(&terminal, &sandbox, program, keys);
        for line in ["42", "n 0", "n 1"] {
            assert!(screen.has_line(line), "{line}: {}", screen.all);
        }
        terminal.wait_for_prompt(PROMPT);
        terminal.leave();
    }
    // However fast the program is.
    let sandbox = Sandbox::new();
    let terminal = at_prompt(&sandbox);
    for n in 0..20 {
        terminal.enter(&format!("!echo on{n}"));
        terminal.wait_until("the program", |screen| screen.has_line(&format!("on{n}")));
        terminal.enter(&format!("{n} + 100"));
        terminal.wait_until("the value", |screen| screen.has_line(&format!("{}", n + 100)));
    }
    terminal.wait_for_prompt(PROMPT);
    terminal.leave();
}

#[test]
fn what_a_program_leaves_switched_on_is_reset() {
    let sandbox = Sandbox::new();
    let terminal = at_prompt(&sandbox);
    let before = terminal.run(PROMPT, "1");
    terminal.run(PROMPT, "!printf '\\033[?1049h\\033[?1000h\\033[?25l\\033[31mred'; stty raw -echo");
    let screen = terminal.run(PROMPT, "print('plain')");
    assert!(screen.has_line("plain") && screen.cursor_shown, "{}", screen.all);
    assert_eq!(screen.modes, before.modes);
    // A line that is not finished is, before the prompt.
    assert!(terminal.run(PROMPT, "!printf unfinished").has_line("unfinished"));
    // The next program finds a terminal in its usual modes.
    let screen = terminal.run(PROMPT, "!stty -a");
    assert!(screen.all.contains(" icanon ") && screen.all.contains(" echo "), "{}", screen.all);
    terminal.leave();
}

#[test]
fn programs_work_in_a_small_and_in_a_dumb_terminal() {
    let mut sandbox = Sandbox::new();
    let terminal = FakeTerminal::start_sized(&sandbox, &["-q", "python"], 5, 20);
    terminal.wait_for_prompt(PROMPT);
    assert!(terminal.run(PROMPT, "!stty size").has_line("5 20"));
    terminal.leave();
    sandbox.set("TERM", "dumb");
    let terminal = at_prompt(&sandbox);
    terminal.enter("!echo $TERM; read -p 'name? ' x; echo \"got $x\"");
    terminal.wait_until("the question", |screen| screen.last_line() == "name?");
    terminal.enter("Ann\rprint(6 * 7)");
    terminal.wait_until("the value", |screen| screen.has_line("42"));
    let screen = terminal.wait_for_prompt(PROMPT);
    assert!(screen.has_line("dumb") && screen.has_line("got Ann"), "{}", screen.all);
    assert!(!screen.all.contains('\x1b'));
    terminal.leave();
}

#[test]
fn a_cell_without_a_line_of_the_shell_gets_no_terminal() {
    let sandbox = Sandbox::new();
    let terminal = at_prompt(&sandbox);
    // The message of the driver that asks for one, as hostile code can send it.
    let code = "import sys; d = sys.modules['_bai_repl']; d.streams.gives_terminal = True; d.load('programs').run('tty; printf \"\\\\033]0;x\\\\007\"')";
    let screen = terminal.run(PROMPT, code);
    assert!(screen.has_line("not a tty"), "{}", screen.all);
    assert!(!String::from_utf8_lossy(&terminal.raw()).contains("\x1b]0;x"));
    terminal.leave();
    // Elsewhere than at a terminal it has the streams of the session.
    let run = sandbox.run(&["-q", "python", "-p", "!tty"]);
    assert_eq!(run.stdout, "not a tty\n", "{}", run.stderr);
}
