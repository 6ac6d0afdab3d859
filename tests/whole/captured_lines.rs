//! A line of the shell whose output Python keeps, `x = !COMMAND`: its program finds the terminal by its name, and asks there.

use super::ipython::sandboxes;
use super::script_terminal::interactive_shell;
use super::shell_lines::{stop_and_go_on, type_ahead};
use bai_testkit::{FakeTerminal, PROMPT, Sandbox, binary};

/// What asks for a line at the terminal, and then prints it.
const ASKS: &str = "echo asks > /dev/tty; read n < /dev/tty; echo got $n";

fn at_prompt(sandbox: &Sandbox) -> FakeTerminal {
    let terminal = FakeTerminal::start_sized(sandbox, &["-q", "python"], 24, 70);
    terminal.wait_for_prompt(PROMPT);
    terminal
}

/// Checks that a cell prints this line.
#[track_caller]
fn assert_shows(terminal: &FakeTerminal, cell: &str, line: &str) {
    let screen = terminal.run(PROMPT, cell);
    assert!(screen.has_line(line), "{line}: {}", screen.all);
}

#[test]
fn a_password_is_asked_for_and_not_shown() {
    for sandbox in sandboxes("ipython") {
        sandbox.write("ask.py", "import getpass\nprint(getpass.getpass('secret? ')[::-1])\n");
        let terminal = at_prompt(&sandbox);
        for (number, cell) in [
            "p = !python3 ask.py",
            "p = %sx python3 ask.py",
            "p = get_ipython().getoutput('python3 ask.py')",
            "!!python3 ask.py",
        ]
        .into_iter()
        .enumerate()
        {
            terminal.enter(cell);
            terminal.wait_until("the question", |screen| screen.last_line() == "secret?");
            terminal.enter(&format!("drow{number}"));
            terminal.wait_for_prompt(PROMPT);
            let screen = terminal.run(PROMPT, if cell.starts_with('p') { "p[0]" } else { "_[0]" });
            assert!(screen.has_line(&format!("'{number}word'")), "{cell}: {}", screen.all);
            assert!(!screen.all.contains("drow"), "{cell}: {}", screen.all);
        }
        terminal.leave();
    }
}

#[test]
fn its_output_is_kept_and_the_rest_is_the_terminal() {
    for sandbox in sandboxes("ipython") {
        let terminal = at_prompt(&sandbox);
        terminal.run(
            PROMPT,
            "x = !tty < /dev/tty; [ -t 0 ] || echo in; [ -t 1 ] || echo out; [ -t 2 ] || echo err; exit 3",
        );
        assert_shows(&terminal, "x, _exit_code", "(['/dev/tty', 'in', 'out', 'err'], 3)");
        terminal.run(PROMPT, r"x = !cat; stty size < /dev/tty; printf '\377\n'; echo error >&2");
        assert_shows(&terminal, "x", "['24 70', '\u{fffd}', 'error']");
        terminal
            .enter("x = !echo on > /dev/tty; until stty size < /dev/tty | grep '20 60'; do sleep 0.01; done");
        terminal.wait_until("the program", |screen| screen.has_line("on"));
        terminal.resize(20, 60);
        terminal.wait_until("the end", |screen| screen.last_line() == PROMPT);
        assert_shows(&terminal, "x", "['20 60']");
        terminal.run(PROMPT, "x = !head -c 100000000 /dev/zero");
        assert_shows(&terminal, "len(x[0])", "100000000");
        // In the order of the cell, in which others have the terminal too.
        terminal.enter("for time in range(2):");
        terminal.enter("print('before', time)");
        terminal.enter(&format!("x = !{ASKS}"));
        terminal.enter("print(time, x)");
        terminal.enter("!tty");
        terminal.send("\r");
        for (number, name) in ["Ann", "Bob"].into_iter().enumerate() {
            terminal.wait_until("the question", |screen| {
                screen.last_line() == "asks" && screen.has_line(&format!("before {number}"))
            });
            terminal.enter(name);
        }
        terminal.wait_for("1 ['got Bob']");
        let screen = terminal.wait_for_prompt(PROMPT);
        let at = |text: &str| screen.all.find(text).unwrap_or_else(|| panic!("{text}: {}", screen.all));
        assert!(at("before 0") < at("0 ['got Ann']") && at("0 ['got Ann']") < at("\n/dev/"));
        assert!(at("\n/dev/") < at("before 1") && at("before 1") < at("1 ['got Bob']"));
        // A thread has the streams of the session, as for other lines.
        terminal.run(PROMPT, "import threading");
        terminal.run(PROMPT, "ask = lambda: x.extend(get_ipython().getoutput('tty'))");
        terminal.run(PROMPT, "x = []; t = threading.Thread(target=ask)");
        terminal.run(PROMPT, "get_ipython(); t.start(); t.join()");
        assert_shows(&terminal, "x", "['not a tty']");
        terminal.leave();
    }
}

#[test]
fn keys_that_send_signals_are_those_of_the_program() {
    for sandbox in sandboxes("ipython") {
        let terminal = at_prompt(&sandbox);
        // What it leaves in the background keeps its output open.
        for (name, command) in [("one", "exec sleep 1000"), ("two", "sleep 1000 & sleep 1000")] {
            terminal.enter(&format!("x = !echo {name} > /dev/tty; {command}"));
            terminal.wait_until("the program", |screen| screen.has_line(name));
            terminal.send("\x03");
            terminal.wait_for("^C");
            terminal.wait_for_prompt(PROMPT);
            assert_shows(&terminal, "_exit_code + 40", "38");
        }
        terminal
            .enter("x = !trap 'echo caught; exit 5' INT; echo on > /dev/tty; while :; do sleep 0.01; done");
        terminal.wait_until("the loop", |screen| screen.has_line("on"));
        terminal.send("\x03");
        terminal.wait_for_prompt(PROMPT);
        assert_shows(&terminal, "x, _exit_code", "(['caught'], 5)");
        terminal.enter("x = !echo asks > /dev/tty; cat < /dev/tty; echo end");
        terminal.wait_until("the start", |screen| screen.last_line() == "asks");
        terminal.send("Ann\r\x04");
        terminal.wait_for_prompt(PROMPT);
        assert_shows(&terminal, "x", "['Ann', 'end']");
        terminal.leave();
    }
}

#[test]
fn ctrl_z_stops_the_program_and_us_until_the_shell_lets_both_go_on() {
    for sandbox in sandboxes("ipython").into_iter().take(1) {
        let terminal = interactive_shell(&sandbox);
        terminal.enter(&format!("{} -q python", binary()));
        terminal.wait_for_prompt(PROMPT);
        terminal.enter(&format!("x = !{ASKS}"));
        terminal.wait_until("the question", |screen| screen.last_line() == "asks");
        stop_and_go_on(&terminal);
        terminal.enter("Ann");
        terminal.wait_for_prompt(PROMPT);
        assert_shows(&terminal, "x", "['got Ann']");
        terminal.send("\x04");
        terminal.wait_for_prompt("shell:");
        terminal.enter("exit 0");
        assert_eq!(terminal.wait_for_end().code, 0);
    }
}

#[test]
fn what_is_typed_ahead_is_typed_again_at_the_prompt() {
    for sandbox in sandboxes("ipython") {
        let terminal = at_prompt(&sandbox);
        let program = "x = !echo on > /dev/tty; while [ ! -e go ]; do sleep 0.01; done";
        let screen = type_ahead(&terminal, &sandbox, program, "print(6 * 7)\r");
        assert!(screen.has_line("42"), "{}", screen.all);
        terminal.wait_for_prompt(PROMPT);
        terminal.leave();
    }
}

#[test]
fn what_it_leaves_in_the_background_goes_on() {
    for sandbox in sandboxes("ipython").into_iter().take(1) {
        let terminal = at_prompt(&sandbox);
        let program =
            "(while :; do sleep 0.01; [ -e stop ] && exec touch over; done) > /dev/null 2>&1 < /dev/null";
        // With no stream of its terminal.
        terminal.run(PROMPT, &format!("!{program} & echo $! > first"));
        terminal.run(PROMPT, &format!("x = !{program} & echo $!"));
        terminal.run(PROMPT, "open('second', 'w').write(x[0]);");
        terminal.run(PROMPT, "y = !true");
        let screen =
            terminal.run(PROMPT, "!kill -0 $(cat first) && echo one; kill -0 $(cat second) && echo two");
        assert!(screen.has_line("one") && screen.has_line("two"), "{}", screen.all);
        sandbox.write("stop", "");
        terminal.run(
            PROMPT,
            "!while kill -0 $(cat first) || kill -0 $(cat second); do sleep 0.01; done 2>/dev/null",
        );
        assert!(sandbox.work().join("over").exists());
        terminal.leave();
    }
}
