//! Faults of programs, networks, signals and our own code in the pane. The user's terminal survives all of them.

use alacritty_terminal::term::TermMode;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::holder::{assert_clean, resident, start, start_under_shell, under_shell};
use super::{BASH, in_pane, leave, long_file};
use bai_testkit::{Gate, need};

#[test]
fn a_sequence_without_end_costs_no_memory() {
    let terminal = in_pane(BASH);
    terminal.send("echo be''fore\r");
    terminal.wait_for("before");
    let before = resident(&terminal);
    terminal.send("printf '\\e]0;'; head -c 100000000 /dev/zero | tr '\\0' a; printf '\\a'; echo af''ter\r");
    terminal.wait_for("after");
    let grown = resident(&terminal).saturating_sub(before);
    // A third of the sequence.
    assert!(grown < 32 * 1024, "{grown} KiB more");
    leave(&terminal);
}

#[test]
fn no_parameter_is_too_large() {
    let terminal = in_pane(BASH);
    terminal.send(
        "clear; for c in @ L M P S T X b A B C D E F G d I Z; do \
         for n in 65535 99999999999999999999; do printf \"漢e\\u301\\e[$n$c\\e[$n;$n$c\"; done; done; printf '\\ec'; echo af''ter\r",
    );
    terminal.wait_until("the end of it", |screen| screen.lines[0] == "after");
    leave(&terminal);
    assert_clean(&terminal.screen());
}

#[test]
fn a_large_paste_waits_for_a_slow_program_and_leaving_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gate");
    let gate = Gate::at(&path);
    let terminal = in_pane(BASH);
    terminal.send(format!(
        "stty raw -echo; echo rea''dy; read x < {}; head -c 10000000 | cksum; stty sane\r",
        path.display()
    ));
    terminal.wait_for("ready");
    let mut paste = b"\x1b[200~".to_vec();
    paste.extend((0..10_000_000u32).map(|at| b'a' + (at % 26) as u8));
    paste.extend_from_slice(b"\x1b[201~");
    terminal.send(paste);
    leave(&terminal);
    assert_clean(&terminal.screen());
    gate.open();
    terminal.send("pane\n");
    // The checksum that cksum prints for the same bytes in a file.
    terminal.wait_for("4014690348 10000000");
}

#[test]
fn keys_are_handled_during_a_frame_of_16_mib() {
    let terminal = start(BASH, 80, 24);
    terminal.send("frame\npane\n");
    terminal.wait_for("one frame of many lines");
    leave(&terminal);
    assert!(!terminal.screen().lines.join("").contains("the frame ends"), "it was left before the end");
    terminal.send("pane\n");
    terminal.wait_for("the frame ends");
    leave(&terminal);
}

#[test]
fn a_bug_in_the_view_puts_the_terminal_back() {
    let terminal = start(BASH, 80, 24);
    terminal.send("break\npane\n");
    terminal.wait_for("work · local");
    terminal.send("\x1d.");
    terminal.wait_for("failed: the terminal pane broke; this is a bug, same modes");
    assert_clean(&terminal.screen());
    terminal.send("pane\n");
    terminal.wait_for("work · local");
}

#[test]
fn a_signal_puts_the_terminal_back() {
    for signal in [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGABRT] {
        let terminal = in_pane(BASH);
        kill(Pid::from_raw(terminal.pid()), signal).unwrap();
        let end = terminal.wait_for_end();
        assert_clean(&end.screen);
    }
}

#[test]
fn a_signal_puts_the_terminal_back_in_raw_mode_too() {
    if !need("less") {
        return;
    }
    let terminal = start(BASH, 80, 24);
    terminal.send("raw\n");
    terminal.wait_for("$");
    let file = long_file();
    terminal
        .send(format!("printf '\\e[?1003;1006;1004h\\e[?1h\\e=\\e[?25l'; less {}\r", file.path().display()));
    terminal.wait_until("less", |screen| {
        screen.modes.contains(TermMode::ALT_SCREEN)
            && screen.lines[0].contains("line 1 of")
            && screen.modes.contains(TermMode::FOCUS_IN_OUT)
    });
    kill(Pid::from_raw(terminal.pid()), Signal::SIGTERM).unwrap();
    let end = terminal.wait_for_end();
    assert_clean(&end.screen);
}

#[test]
fn a_suspended_pane_gives_the_terminal_back_and_comes_back_itself() {
    if !need("less") {
        return;
    }
    let file = long_file();
    for (mode, size, shown) in [("pane\n", "23 80", "work · local"), ("raw\n", "24 80", "line 1 of")] {
        let terminal = start_under_shell(BASH, 80, 24);
        terminal.send(mode);
        terminal.wait_for("$");
        // less reads the size once more when it changes, but not while it starts.
        terminal.send(format!("until test \"$(stty size)\" = \"{size}\"; do :; done; echo si''zed\r"));
        terminal.wait_for("sized");
        terminal.send(format!("printf '\\e[?1003;1006h'; less {}\r", file.path().display()));
        terminal.wait_until("less", |screen| {
            screen.modes.contains(TermMode::ALT_SCREEN) && screen.lines[0].contains("line 1 of")
        });
        kill(Pid::from_raw(under_shell(&terminal)), Signal::SIGTSTP).unwrap();
        terminal.wait_for("<status 148>");
        terminal.wait_for("isig icanon iexten echo");
        assert_clean(&terminal.screen());
        terminal.send("\n");
        terminal.wait_until("the view", |screen| {
            let rows = &screen.lines;
            screen.modes.contains(TermMode::ALT_SCREEN)
                && rows[0].contains("line 1 of")
                && rows.iter().any(|row| row.contains(shown))
        });
        terminal.send("G");
        terminal.wait_until("the keys", |screen| !screen.lines[0].contains("line 1 of"));
        terminal.send("\x1d");
        terminal.wait_for("same modes");
    }
}
