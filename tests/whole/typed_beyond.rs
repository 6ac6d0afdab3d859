//! What is typed beyond the line that a script reads from a terminal which it shares with other programs is for whoever reads next.
//! Each is compared with the language's own program in the same line of a shell.

use super::script_signals::pythons;
use super::script_terminal::play;
use super::split_terminal::{SCRIPT, files, in_shell, programs};
use bai_testkit::Sandbox;

/// Opens the terminal.
const TERMINAL: &str = "import os, sys, time\ntty = open('/dev/tty', 'r+b', buffering=0)\n";
/// Waits for what the test does next.
const WORKS: &str = "\ntty.write(b'wor' b'king\\n')\nwhile not os.path.exists('go'): time.sleep(0.01)";

/// Types `first` at the question of a script, and `second` while it works. Both Pythons must leave the same to `head`, which reads
/// the terminal after them.
#[track_caller]
fn leave_alike(script: &str, first: &str, second: &str, left: &str) {
    let lines = left.lines().count();
    for line in ["echo a | PROGRAM", "PROGRAM > err", "PROGRAM | cat"] {
        for python in pythons() {
            for program in programs(&python) {
                let sandbox = Sandbox::new();
                sandbox.write(SCRIPT, format!("{TERMINAL}{script}{WORKS}"));
                let line = format!("{line}; head -n {lines} /dev/tty > out");
                let terminal = in_shell(&sandbox, &line, &program);
                terminal.wait_for("name?");
                if program.contains("-q") {
                    terminal.wait_for_keys(true);
                }
                terminal.send(first);
                terminal.wait_for("working");
                terminal.send(second);
                sandbox.write("go", "");
                let end = play(terminal, &[]);
                let [out, ..] = &files(&sandbox)[..] else { panic!() };
                assert_eq!(out.as_deref(), Some(left), "{program}: {line}: {}", end.screen.all);
                assert_eq!(end.code, 0, "{program}: {line}: {}", end.screen.all);
            }
        }
    }
}

#[test]
fn what_is_typed_beyond_a_line_is_for_the_next_program() {
    let asks = "tty.write(b'name? '); assert tty.readline() == b'Ann\\n'";
    leave_alike(asks, "Ann\rtwo\recho three\r", "", "two\necho three\n");
    leave_alike(asks, "Ann\r", "two\recho three\r", "two\necho three\n");
}

#[test]
fn a_script_reads_as_many_lines_as_it_asks_for() {
    let asks = "tty.write(b'name? '); assert [tty.readline() for _ in range(3)] == [b'one\\n', b'two\\n', b'three\\n']";
    leave_alike(asks, "one\rtwo\rthree\rfour\r", "five\r", "four\nfive\n");
    let reads_all = "tty.write(b'name? '); assert tty.readlines() == [b'one\\n', b'two\\n']";
    leave_alike(reads_all, "one\rtwo\r\x04", "three\r", "three\n");
}

#[test]
fn ctrl_d_ends_the_input_of_a_script_and_not_of_the_next_program() {
    let reads_all = "tty.write(b'name? '); assert tty.readlines() == [b'one\\n']";
    leave_alike(reads_all, "one\r\x04two\r", "", "two\n");
}

#[test]
fn what_is_typed_beyond_a_secret_is_for_the_next_program() {
    // `getpass` itself drops what was typed before its end.
    leave_alike("import getpass; assert getpass.getpass('name? ') == 'key'", "key\r", "two\r", "two\n");
}

#[test]
fn a_program_that_hides_how_it_waits_is_asked_for_each_line_without_an_echo() {
    // It is no child of the script any more, as little as a program with more rights can be looked at.
    let script = "import termios\nif os.fork():\n  os.wait()\n  while not os.path.exists('done'): time.sleep(0.01)\n\
                  else:\n  if os.fork(): os._exit(0)\n  modes = termios.tcgetattr(tty); hidden = list(modes); hidden[3] &= ~termios.ECHO\n\
                  \x20 termios.tcsetattr(tty, termios.TCSADRAIN, hidden)\n  tty.write(b'name? '); one = tty.readline()\n\
                  \x20 tty.write(b'again? '); two = tty.readline(); termios.tcsetattr(tty, termios.TCSADRAIN, modes)\n\
                  \x20 assert (one, two) == (b'one\\n', b'two\\n'); open('done', 'w').close(); os._exit(0)";
    leave_alike(script, "one\rtwo\r", "three\r", "three\n");
}
