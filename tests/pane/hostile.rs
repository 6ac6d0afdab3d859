//! What programs, networks, signals and our own bugs do to the pane, and that the user's terminal survives it.

use bai_repl::terminal::model::MouseProtocol;
use nix::sys::signal::{Signal, kill};

use super::screen::Screen;
use super::{BASH, in_pane, leave};
use bai_testkit::Gate;

/// The terminal as whoever comes next expects it.
fn assert_clean(screen: &Screen) {
    screen.look(|model| {
        let modes = model.modes();
        assert!(!modes.alternate_screen && !modes.bracketed_paste && !modes.focus, "{modes:?}");
        assert!(!modes.application_cursor && !modes.application_keypad, "{modes:?}");
        assert_eq!(modes.mouse, MouseProtocol::Off);
        assert!(model.cursor().is_some(), "the cursor is shown");
    });
}

#[test]
fn a_sequence_without_end_costs_no_memory() {
    let mut screen = in_pane(BASH);
    screen.send("echo be''fore\r");
    screen.wait_for("the shell", "before");
    let before = screen.resident();
    screen.send("printf '\\e]0;'; head -c 268435456 /dev/zero | tr '\\0' a; printf '\\a'; echo af''ter\r");
    screen.wait_for("the end of it", "after");
    let grown = screen.resident().saturating_sub(before);
    assert!(grown < 32 * 1024, "{grown} KiB more");
    leave(&mut screen);
}

#[test]
fn no_parameter_is_too_large() {
    let mut screen = in_pane(BASH);
    screen.send(
        "clear; for c in @ L M P S T X b A B C D E F G d I Z; do \
         for n in 65535 99999999999999999999; do printf \"漢e\\u301\\e[$n$c\\e[$n;$n$c\"; done; done; printf '\\ec'; echo af''ter\r",
    );
    screen.wait_until("the end of it", |model| model.rows()[0] == "after");
    leave(&mut screen);
    assert_clean(&screen);
}

#[test]
fn a_large_paste_waits_for_a_slow_program_and_the_way_out_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gate");
    let gate = Gate::at(&path);
    let mut screen = in_pane(BASH);
    screen.send(format!(
        "stty raw -echo; echo rea''dy; read x < {}; head -c 10000000 | cksum; stty sane\r",
        path.display()
    ));
    screen.wait_for("the program", "ready");
    let mut paste = b"\x1b[200~".to_vec();
    paste.extend((0..10_000_000u32).map(|at| b'a' + (at % 26) as u8));
    paste.extend_from_slice(b"\x1b[201~");
    screen.send(paste);
    leave(&mut screen);
    assert_clean(&screen);
    gate.open();
    screen.send("pane\n");
    // What cksum says of the same bytes in a file.
    screen.wait_for("the sum", "4014690348 10000000");
}

#[test]
fn a_frame_of_16_mib_keeps_no_key_waiting() {
    let mut screen = Screen::start(BASH, 80, 24);
    screen.send("frame\npane\n");
    screen.wait_for("some of it", "one frame of many lines");
    leave(&mut screen);
    assert!(
        !screen.look(|model| model.rows().join("").contains("the frame ends")),
        "it was left before the end"
    );
    screen.send("pane\n");
    screen.wait_for("the end of it", "the frame ends");
    leave(&mut screen);
}

#[test]
fn a_bug_in_the_view_puts_the_terminal_back() {
    let mut screen = Screen::start(BASH, 80, 24);
    screen.send("break\npane\n");
    screen.wait_for("the status line", "work · local");
    screen.send("\x1d.");
    screen.wait_for("the failure", "failed: the terminal pane broke; this is a bug, same modes");
    assert_clean(&screen);
    screen.send("pane\n");
    screen.wait_for("the pane, which works again", "work · local");
}

#[test]
fn a_signal_puts_the_terminal_back() {
    for signal in [Signal::SIGTERM, Signal::SIGHUP] {
        let mut screen = in_pane(BASH);
        kill(screen.pid(), signal).unwrap();
        screen.wait_end();
        assert_clean(&screen);
    }
}

#[test]
fn a_signal_puts_the_terminal_back_in_raw_mode_too() {
    let mut screen = Screen::start(BASH, 80, 24);
    screen.send("raw\n");
    screen.wait_for("the shell", "$");
    screen.send("printf '\\e[?1003;1006;1004h\\e[?1h\\e=\\e[?25l'; less /etc/services\r");
    screen.wait_until("less", |model| {
        model.modes().alternate_screen && model.rows()[0].contains("Network") && model.modes().focus
    });
    kill(screen.pid(), Signal::SIGTERM).unwrap();
    screen.wait_end();
    assert_clean(&screen);
}

#[test]
fn a_suspended_pane_gives_the_terminal_back_and_comes_back_itself() {
    for (mode, shown) in [("pane\n", "work · local"), ("raw\n", "Network")] {
        let mut screen = Screen::start_under_shell(BASH, 80, 24);
        screen.send(mode);
        screen.wait_for("the shell", "$");
        screen.send("printf '\\e[?1003;1006h'; less /etc/services\r");
        screen.wait_until("less", |model| {
            model.modes().alternate_screen && model.rows()[0].contains("Network")
        });
        kill(screen.holder(), Signal::SIGTSTP).unwrap();
        screen.wait_for("the outer shell", "<status 148>");
        screen.wait_for("its modes", "isig icanon iexten echo");
        assert_clean(&screen);
        screen.send("\n");
        screen.wait_until("the view", |model| {
            let rows = model.rows();
            model.modes().alternate_screen
                && rows[0].contains("Network")
                && rows.iter().any(|row| row.contains(shown))
        });
        screen.send("G");
        screen.wait_until("the keys", |model| !model.rows()[0].contains("Network"));
        screen.send("\x1d");
        screen.wait_for("the way out", "same modes");
    }
}
