//! The terminal pane in a real pseudo-terminal, with real programs inside.

mod child;
mod hostile;
mod local;
mod screen;

use bai_repl::terminal::model::MouseProtocol;
use bai_testkit::Gate;
use screen::Screen;

const BASH: &str = "bash --norc --noprofile";

/// Not a test: what [`Screen::start`] runs.
#[test]
fn child() {
    if let Ok(program) = std::env::var(child::CHILD) {
        child::run(&program);
    }
}

fn in_pane(program: &str) -> Screen {
    let mut screen = Screen::start(program, 80, 24);
    screen.send("pane\n");
    screen.wait_for("the status line", "work · local · 80×23");
    screen
}

fn leave(screen: &mut Screen) {
    screen.send("\x1d");
    screen.wait_for("the prompt after the pane", "left: ");
}

#[test]
fn the_pane_shows_the_program_and_gives_the_terminal_back() {
    let mut screen = in_pane(BASH);
    screen.send("echo $((6*7)) $(stty size)\r");
    screen.wait_for("the output", "42 23 80");
    assert!(screen.look(|model| model.modes().alternate_screen));
    leave(&mut screen);
    screen.wait_for("what became of it", "left: PaneExit { why: Left, typed: [] }, same modes");
    screen.look(|model| {
        let modes = model.modes();
        assert!(
            !modes.alternate_screen && !modes.bracketed_paste && !modes.focus && !modes.application_cursor
        );
        assert_eq!(modes.mouse, MouseProtocol::Off);
        assert!(model.cursor().is_some());
    });
    screen.send("pane\n");
    screen.wait_for("the same screen again", "42 23 80");
}

#[test]
fn what_is_typed_after_leaving_is_for_who_comes_next() {
    let mut screen = in_pane(BASH);
    screen.send("\x1dnext line\n");
    screen.wait_for("the way out", "left: PaneExit { why: Left, typed: [110] }");
    screen.wait_for("the rest of the line", "typed: \"ext line\"");
}

#[test]
fn the_prefix_twice_sends_it_and_help_is_shown() {
    let mut screen = in_pane("cat -v");
    screen.send("\x1d\x1d\r");
    screen.wait_for("the literal key", "^]");
    screen.send("\x1d?");
    screen.wait_for("the help", "send the key itself");
    screen.send("x");
    screen.wait_until("the help is gone", |model| !model.rows().join("").contains("send the key itself"));
    screen.send("after\r");
    screen.wait_for("keys go to the program again", "after");
    leave(&mut screen);
}

#[test]
fn it_opens_while_the_runtime_works_too() {
    let mut screen = Screen::start(BASH, 80, 24);
    screen.send("async\n");
    screen.wait_for("the status line", "work · local");
    screen.send("exit 7\r");
    screen.wait_for("the exit code", "why: Ended(Exited(Some(7)))");
    screen.wait_for("the modes", "same modes");
}

#[test]
fn news_are_told_when_nobody_looks() {
    let mut screen = in_pane(BASH);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gate");
    let gate = Gate::at(&path);
    screen.send(format!("read x < {}; printf '\\a\\e]0;done\\a'; exit 3\r", path.display()));
    screen.wait_for("the command", "exit 3");
    leave(&mut screen);
    gate.open();
    screen.send("news\n");
    screen.wait_for("all the news", "Bell, Title(\"done\"), Ended(Exited(Some(3)))");
}

#[test]
fn a_dead_link_is_said_and_the_way_out_works() {
    let mut screen = in_pane(BASH);
    screen.send("echo before\r");
    screen.wait_for("the output", "before");
    screen.send("\x1d.");
    screen.wait_for("the loss", "link down");
    screen.send("lost");
    screen.wait_for("that keys are lost", "what you typed was not sent");
    assert!(screen.look(|model| model.rows().join("").contains("before")), "the last screen stays");
    leave(&mut screen);
    screen.send("pane\n");
    screen.wait_for("the pane", "link down");
    screen.send("\x1d.");
    screen.wait_for("the link", "work · local");
    screen.send("echo back\r");
    screen.wait_for("the output", "$ echo back");
    assert!(!screen.look(|model| model.rows().join("").contains("lost")), "never replayed");
}

#[test]
fn scrollback_is_searched_and_typing_comes_back() {
    let mut screen = in_pane(BASH);
    screen.send("for i in $(seq 500); do echo line $i of it; done; echo the e''nd\r");
    screen.wait_for("the end", "the end");
    screen.send("\x1b[5;2~\x1b[5;2~");
    screen.wait_for("how far back", "44 lines back");
    screen.send("\x1b[<64;5;5M");
    screen.wait_for("the wheel", "47 lines back");
    screen.send("\x1d/line 17 of\r");
    screen.wait_for("the match", "line 17 of it");
    screen.send("\r");
    screen.send("\x1b");
    screen.wait_until("the search is over", |model| !model.rows().join("").contains("search:"));
    screen.send("echo typed\r");
    screen.wait_for("the bottom", "$ echo typed");
}

#[test]
fn selected_text_is_copied() {
    let mut screen = in_pane(BASH);
    screen.send("clear; echo some words here\r");
    screen.wait_until("the output", |model| model.rows()[0] == "some words here");
    // At once: two clicks that are far apart are two single ones.
    screen.send("\x1b[<0;6;1M\x1b[<0;6;1m\x1b[<0;6;1M\x1b[<0;6;1m");
    screen.wait_for("the remark", "copied");
    let bytes = screen.bytes();
    let wanted = b"\x1b]52;c;d29yZHM=\x07";
    assert!(bytes.windows(wanted.len()).any(|window| window == wanted), "`words` in base64");
}

#[test]
fn vim_gets_the_mouse_and_a_kill_leaves_no_trace() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), (1..=200).map(|n| format!("line {n}\n")).collect::<String>()).unwrap();
    let mut screen = in_pane(BASH);
    screen.send(format!("vim -u NONE -c 'set mouse=a ttymouse=sgr' {}\r", file.path().display()));
    screen.wait_until("vim", |model| model.rows()[0] == "line 1" && model.rows()[21] == "line 22");
    screen.send("\x1b[<0;3;10M\x1b[<0;3;10m");
    screen.send("x");
    screen.wait_until("the click and the key", |model| model.rows()[9] == "lie 10");
    screen.send("\x1b[<65;3;10M");
    screen.wait_until("the wheel", |model| model.rows()[0] == "line 4");
    screen.resize(100, 30);
    screen.wait_until("the new size", |model| model.rows().iter().any(|row| row == "line 29"));
    screen.wait_for("the status line", "100×29");
    // Suspended and killed: neither the mouse nor the alternate screen was given back.
    screen.send("\x1a");
    screen.wait_for("the shell", "Stopped");
    screen.send("kill -9 %1; printf '\\e[?1049h\\e[?1003h\\e[?25l'; echo killed\r");
    screen.wait_for("the kill", "killed");
    leave(&mut screen);
    screen.look(|model| {
        assert_eq!(model.modes().mouse, MouseProtocol::Off);
        assert!(!model.modes().alternate_screen && model.cursor().is_some());
    });
}

#[test]
fn a_paste_is_marked_when_the_program_wants_it_and_holds_no_commands() {
    let mut screen = in_pane("cat -v");
    screen.send("\x1b[200~one \x1d two\x1b[201~\r");
    screen.wait_for("unmarked", "one ^] two");
    leave(&mut screen);
    drop(screen);
    let mut screen = in_pane(BASH);
    screen.send("printf '\\e[?2004h'; echo wan''ted; cat -v\r");
    screen.wait_for("the program's wish", "wanted");
    screen.send("\x1b[200~three\x1b[201~\r");
    screen.wait_for("marked", "^[[200~three^[[201~");
}

#[test]
fn a_flood_keeps_no_key_waiting() {
    let mut screen = in_pane(BASH);
    screen.send("yes 'a flood of text'\r");
    screen.wait_for("the flood", "a flood of text");
    screen.send("\x03");
    screen.send("echo dry; stty size\r");
    screen.wait_until("the prompt", |model| model.rows().iter().any(|row| row == "dry"));
    screen.send("yes\r");
    screen.wait_until("the second flood", |model| model.rows()[0] == "y" && model.rows()[20] == "y");
    leave(&mut screen);
}

#[test]
fn resize_storms_with_wide_text_end_well() {
    let mut screen = in_pane(BASH);
    screen.send("for i in $(seq 300); do echo 漢字かな交じり文と한글😀$i; done; echo al''l\r");
    screen.wait_for("the text", "all");
    for (columns, rows) in
        [(1, 1), (300, 100), (2, 2), (10, 3), (0, 0), (5, 40), (1000, 1000), (1, 1000), (200, 3), (80, 24)]
    {
        screen.resize(columns, rows);
    }
    // Signals of sizes are not ordered with keys: the shell is asked until it knows.
    screen.send("clear; until stty size | grep '23 80'; do :; done; echo fi''tted\r");
    screen.wait_until("the last size", |model| {
        model.rows().contains(&"23 80".to_owned()) && model.rows().contains(&"fitted".to_owned())
    });
    screen.wait_for("the status line", "work · local · 80×23");
    leave(&mut screen);
}

#[test]
fn raw_mode_passes_through_and_repaints_on_return() {
    let mut screen = Screen::start(BASH, 80, 24);
    screen.send("raw\n");
    screen.wait_for("the shell", "$");
    screen.send("echo $((6*7)); stty size\r");
    screen.wait_for("the size of the whole window", "24 80");
    screen.send("less /etc/services\r");
    screen.wait_until("less", |model| model.modes().alternate_screen);
    screen.send("\x1d");
    screen.wait_for("the way out", "left: PaneExit { why: Left, typed: [] }, same modes");
    assert!(!screen.look(|model| model.modes().alternate_screen));
    screen.send("raw\n");
    screen.wait_until("less again", |model| {
        model.modes().alternate_screen && model.rows()[0].contains("Network")
    });
    screen.send("q");
    screen.send("exit 5\r");
    screen.wait_for("the exit code", "why: Ended(Exited(Some(5)))");
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
