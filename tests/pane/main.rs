//! The terminal pane in a real pseudo-terminal, with real programs inside.

mod child;
mod holder;
mod hostile;
mod local;

use alacritty_terminal::term::TermMode;
use bai_testkit::{FakeTerminal, Gate, need};
use holder::{assert_clean, start, start_with_clipboard};

const BASH: &str = "bash --norc --noprofile";

/// Not a test: the code that [`start`] runs.
#[test]
fn child() {
    if let Ok(program) = std::env::var(child::CHILD) {
        child::run(&program);
    }
}

fn in_pane(program: &str) -> FakeTerminal {
    let terminal = start(program, 80, 24);
    terminal.send("pane\n");
    terminal.wait_for("work · local · 80×23");
    terminal
}

/// Creates a text of several screens with the lines `line 1 of 200` and so on.
fn long_file() -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), (1..=200).map(|n| format!("line {n} of 200\n")).collect::<String>()).unwrap();
    file
}

fn leave(terminal: &FakeTerminal) {
    terminal.send("\x1d");
    terminal.wait_for("left: ");
}

#[test]
fn the_pane_shows_the_program_and_gives_the_terminal_back() {
    let terminal = in_pane(BASH);
    terminal.send("echo $((6*7)) $(stty size)\r");
    terminal.wait_for("42 23 80");
    assert!(terminal.screen().modes.contains(TermMode::ALT_SCREEN));
    leave(&terminal);
    terminal.wait_for("left: PaneExit { why: Left, typed: [] }, same modes");
    assert_clean(&terminal.screen());
    terminal.send("pane\n");
    terminal.wait_for("42 23 80");
}

#[test]
fn input_after_leaving_is_for_the_next_reader() {
    let terminal = in_pane(BASH);
    terminal.send("\x1dnext line\n");
    terminal.wait_for("left: PaneExit { why: Left, typed: [110] }");
    terminal.wait_for("typed: \"ext line\"");
}

#[test]
fn the_prefix_twice_sends_it_and_help_is_shown() {
    let terminal = in_pane("cat -v");
    terminal.send("\x1d\x1d\r");
    terminal.wait_for("^]");
    terminal.send("\x1d?");
    terminal.wait_for("send the key itself");
    terminal.send("x");
    terminal.wait_until("the help is gone", |screen| !screen.lines.join("").contains("send the key itself"));
    terminal.send("after\r");
    terminal.wait_for("after");
    leave(&terminal);
}

#[test]
fn it_opens_while_the_runtime_works_too() {
    let terminal = start(BASH, 80, 24);
    terminal.send("async\n");
    terminal.wait_for("work · local");
    terminal.send("exit 7\r");
    terminal.wait_for("why: Ended(Exited(Some(7)))");
    terminal.wait_for("same modes");
}

#[test]
fn events_are_reported_outside_the_pane() {
    let terminal = in_pane(BASH);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gate");
    let gate = Gate::at(&path);
    terminal.send(format!("read x < {}; printf '\\a\\e]0;done\\a'; exit 3\r", path.display()));
    terminal.wait_for("exit 3");
    leave(&terminal);
    gate.open();
    terminal.send("news\n");
    terminal.wait_for("Bell, Title(\"done\"), Ended(Exited(Some(3)))");
}

#[test]
fn a_dead_link_is_reported_and_leaving_works() {
    let terminal = in_pane(BASH);
    terminal.send("echo before\r");
    terminal.wait_for("before");
    terminal.send("\x1d.");
    terminal.wait_for("link down");
    terminal.send("lost");
    terminal.wait_for("what you typed was not sent");
    assert!(terminal.screen().lines.join("").contains("before"), "the last screen stays");
    leave(&terminal);
    terminal.send("pane\n");
    terminal.wait_for("link down");
    terminal.send("\x1d.");
    terminal.wait_for("work · local");
    terminal.send("echo back\r");
    terminal.wait_for("$ echo back");
    assert!(!terminal.screen().lines.join("").contains("lost"), "never replayed");
}

#[test]
fn scrollback_is_searched_and_typing_comes_back() {
    let terminal = in_pane(BASH);
    terminal.send("for i in $(seq 500); do echo line $i of it; done; echo the e''nd\r");
    terminal.wait_for("the end");
    terminal.send("\x1b[5;2~\x1b[5;2~");
    terminal.wait_for("44 lines back");
    terminal.send("\x1b[<64;5;5M");
    terminal.wait_for("47 lines back");
    terminal.send("\x1d/line 17 of\r");
    terminal.wait_for("line 17 of it");
    terminal.send("\r");
    terminal.send("\x1b");
    terminal.wait_until("the search is over", |screen| !screen.lines.join("").contains("search:"));
    terminal.send("echo typed\r");
    terminal.wait_for("$ echo typed");
}

#[test]
fn selected_text_is_copied() {
    let terminal = in_pane(BASH);
    terminal.send("clear; echo some words here\r");
    terminal.wait_until("the output", |screen| screen.lines[0] == "some words here");
    // Without a pause, because two clicks that are far apart are two single clicks.
    terminal.send("\x1b[<0;6;1M\x1b[<0;6;1m\x1b[<0;6;1M\x1b[<0;6;1m");
    terminal.wait_for("copied");
    let bytes = terminal.raw();
    let wanted = b"\x1b]52;c;d29yZHM=\x07";
    assert!(bytes.windows(wanted.len()).any(|window| window == wanted), "`words` in base64");
}

/// Has the program write a text into the clipboard, and waits until the pane has handled that.
fn write_clipboard(terminal: &FakeTerminal, base64: &str, mark: &str) {
    terminal.send(format!("printf '\\e]52;c;{base64}\\a'; echo {mark}''-sent\r"));
    terminal.wait_for(&format!("{mark}-sent"));
    // The events of output are handled before later output is shown.
    terminal.send(format!("echo {mark}''-done\r"));
    terminal.wait_for(&format!("{mark}-done"));
}

/// How often the user's terminal was told to put a text into the clipboard.
fn written(terminal: &FakeTerminal, base64: &str) -> usize {
    let wanted = format!("\x1b]52;c;{base64}\x07").into_bytes();
    terminal.raw().windows(wanted.len()).filter(|window| **window == wanted).count()
}

#[test]
fn the_first_text_that_a_program_puts_into_the_clipboard_is_told_and_a_key_stops_it() {
    let terminal = in_pane(BASH);
    write_clipboard(&terminal, "b25l", "first");
    terminal.wait_for("a program wrote your clipboard (3 characters); Ctrl-] = stops it");
    assert_eq!(written(&terminal, "b25l"), 1);
    terminal.send("\x1d=");
    terminal.wait_for("programs cannot write your clipboard; Ctrl-] = lets them");
    write_clipboard(&terminal, "dHdv", "second");
    // It stays so on the next visit.
    leave(&terminal);
    terminal.send("pane\n");
    terminal.wait_for("second-done");
    write_clipboard(&terminal, "dHdv", "third");
    terminal.send("\x1d=");
    terminal.wait_for("programs may write your clipboard; Ctrl-] = stops it");
    assert_eq!(written(&terminal, "dHdv"), 0);
    write_clipboard(&terminal, "dHdv", "fourth");
    terminal.send("\x1d=");
    terminal.wait_for("programs cannot write your clipboard; Ctrl-] = lets them");
    assert_eq!(written(&terminal, "dHdv"), 1);
}

#[test]
fn a_program_writes_the_clipboard_only_as_the_setting_says() {
    let terminal = start_with_clipboard("ask", BASH);
    terminal.send("pane\n");
    terminal.wait_for("work · local · 80×23");
    write_clipboard(&terminal, "b25l", "first");
    terminal.wait_for("may it write your clipboard (3 characters)? Ctrl-] = is yes");
    assert_eq!(written(&terminal, "b25l"), 0);
    terminal.send("\x1d=");
    terminal.wait_until("the answer", |screen| screen.last_line().starts_with(" copied"));
    assert_eq!(written(&terminal, "b25l"), 1);
    terminal.send("\x1d=");
    terminal.wait_for("no program wants to write the clipboard");
    drop(terminal);
    let terminal = start_with_clipboard("off", BASH);
    terminal.send("pane\n");
    terminal.wait_for("work · local · 80×23");
    write_clipboard(&terminal, "b25l", "first");
    assert!(!terminal.screen().all.contains("your clipboard"));
    // What the user selects is copied all the same.
    terminal.send("clear; echo some words here\r");
    terminal.wait_until("the output", |screen| screen.lines[0] == "some words here");
    terminal.send("\x1b[<0;6;1M\x1b[<0;6;1m\x1b[<0;6;1M\x1b[<0;6;1m");
    terminal.wait_for("copied");
    assert_eq!((written(&terminal, "b25l"), written(&terminal, "d29yZHM=")), (0, 1));
}

#[test]
fn vim_gets_the_mouse_and_a_kill_leaves_no_trace() {
    if !need("vim") {
        return;
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), (1..=200).map(|n| format!("line {n}\n")).collect::<String>()).unwrap();
    let terminal = in_pane(BASH);
    terminal.send(format!("vim -u NONE -c 'set mouse=a ttymouse=sgr' {}\r", file.path().display()));
    terminal.wait_until("vim", |screen| screen.lines[0] == "line 1" && screen.lines[21] == "line 22");
    terminal.send("\x1b[<0;3;10M\x1b[<0;3;10m");
    terminal.send("x");
    terminal.wait_until("the click and the key", |screen| screen.lines[9] == "lie 10");
    terminal.send("\x1b[<65;3;10M");
    terminal.wait_until("the wheel", |screen| screen.lines[0] == "line 4");
    terminal.resize(30, 100);
    terminal.wait_until("the new size", |screen| screen.lines.iter().any(|row| row == "line 29"));
    terminal.wait_for("100×29");
    // Suspended and killed: neither the mouse nor the alternate screen was reset.
    terminal.send("\x1a");
    terminal.wait_for("Stopped");
    terminal.send("kill -9 %1; printf '\\e[?1049h\\e[?1003h\\e[?25l'; echo killed\r");
    terminal.wait_for("killed");
    leave(&terminal);
    assert_clean(&terminal.screen());
}

#[test]
fn a_paste_is_bracketed_on_request_and_contains_no_commands() {
    let terminal = in_pane("cat -v");
    terminal.send("\x1b[200~one \x1d two\x1b[201~\r");
    terminal.wait_for("one ^] two");
    leave(&terminal);
    drop(terminal);
    let terminal = in_pane(BASH);
    terminal.send("printf '\\e[?2004h'; echo wan''ted; cat -v\r");
    terminal.wait_for("wanted");
    terminal.send("\x1b[200~three\x1b[201~\r");
    terminal.wait_for("^[[200~three^[[201~");
}

#[test]
fn keys_are_handled_during_a_flood() {
    let terminal = in_pane(BASH);
    terminal.send("yes 'a flood of text'\r");
    // The command itself has these words too, and Ctrl-C before the program runs is the shell's.
    terminal.wait_until("the flood", |screen| screen.lines[20] == "a flood of text");
    terminal.send("\x03");
    terminal.send("echo dry; stty size\r");
    terminal.wait_until("the prompt", |screen| screen.lines.iter().any(|row| row == "dry"));
    terminal.send("yes\r");
    terminal.wait_until("the second flood", |screen| screen.lines[0] == "y" && screen.lines[20] == "y");
    leave(&terminal);
}

#[test]
fn resize_storms_with_wide_text_end_well() {
    let terminal = in_pane(BASH);
    terminal.send("for i in $(seq 300); do echo 漢字かな交じり文と한글😀$i; done; echo al''l\r");
    terminal.wait_for("all");
    for (columns, rows) in
        [(1, 1), (300, 100), (2, 2), (10, 3), (0, 0), (5, 40), (1000, 1000), (1, 1000), (200, 3), (80, 24)]
    {
        terminal.resize(rows, columns);
    }
    // Signals about the size and keys are not ordered, so the shell is asked until it knows the size.
    terminal.send("clear; until stty size | grep '23 80'; do :; done; echo fi''tted\r");
    terminal.wait_until("the last size", |screen| {
        screen.lines.contains(&"23 80".to_owned()) && screen.lines.contains(&"fitted".to_owned())
    });
    terminal.wait_for("work · local · 80×23");
    leave(&terminal);
}

#[test]
fn raw_mode_passes_through_and_repaints_on_return() {
    if !need("less") {
        return;
    }
    let terminal = start(BASH, 80, 24);
    terminal.send("raw\n");
    terminal.wait_for("$");
    terminal.send("echo $((6*7)); stty size\r");
    terminal.wait_for("24 80");
    let file = long_file();
    terminal.send(format!("less {}\r", file.path().display()));
    terminal.wait_until("less", |screen| screen.modes.contains(TermMode::ALT_SCREEN));
    terminal.send("\x1d");
    terminal.wait_for("left: PaneExit { why: Left, typed: [] }, same modes");
    assert!(!terminal.screen().modes.contains(TermMode::ALT_SCREEN));
    terminal.send("raw\n");
    terminal.wait_until("less again", |screen| {
        screen.modes.contains(TermMode::ALT_SCREEN) && screen.lines[0].contains("line 1 of")
    });
    terminal.send("q");
    terminal.send("exit 5\r");
    terminal.wait_for("why: Ended(Exited(Some(5)))");
}

#[test]
fn a_script_can_be_piped_through() {
    use std::io::Write;
    use std::process::{Command, Stdio};
    for (script, code) in
        [("echo out-$((6*7)); exit 4\n", 4), ("echo out-$((6*7)); false", 1), ("cat\nout-42", 0)]
    {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child", "--nocapture"])
            .env(child::CHILD, BASH)
            .env("PANE_TEST_RAW", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains("out-42"), "{text}");
        assert_eq!(output.status.code(), Some(code), "{script}: {text}");
    }
}
