//! The views that commands at the prompt open: the server's sessions, the session's files, and its log.

use super::daemon::Daemon;
use alacritty_terminal::term::cell::Cell;
use alacritty_terminal::vte::ansi::{Color, NamedColor, Rgb};
use bai_testkit::{FakeTerminal, PROMPT, Sandbox};
use nix::sys::termios::Termios;

/// Starts a prompt in its own session, on a running engine.
fn prompt(sandbox: &Sandbox, arguments: &[&str]) -> FakeTerminal {
    let terminal = FakeTerminal::start_sized(sandbox, &[arguments, &["python"]].concat(), 24, 90);
    terminal.wait_for_prompt(PROMPT);
    // After the first cell the session is open.
    terminal.enter("print('op' + 'en')");
    terminal.wait_until("the session", |screen| screen.has_line("open"));
    terminal.wait_for_prompt(PROMPT);
    terminal
}

fn modes(found: &Termios) -> [u64; 4] {
    [
        found.input_flags.bits(),
        found.output_flags.bits(),
        found.control_flags.bits(),
        found.local_flags.bits(),
    ]
    .map(u64::from)
}

#[test]
fn files_and_the_log_are_looked_at_and_the_prompt_is_as_before() {
    let mut sandbox = Sandbox::new();
    let daemon = Daemon::start(&sandbox);
    daemon.use_in(&mut sandbox, &daemon.endpoint());
    let terminal = prompt(&sandbox, &["-t", "work"]);
    terminal.enter("import os; os.mkdir('in'); open('in/notes.txt', 'w').write('some notes'); print('a line of the log')");
    terminal.wait_for_prompt(PROMPT);
    let (before, found) = (terminal.screen().modes, modes(&terminal.termios()));
    for (command, title, leave) in [(":files", "files of work · ~", "q"), (":logs", "log of work", "\x03")] {
        terminal.enter(command);
        terminal.wait_until(title, |screen| screen.lines.first().is_some_and(|line| line.contains(title)));
        terminal.send("?");
        terminal.wait_until("help", |screen| screen.lines.join("\n").contains("any key closes this"));
        terminal.send("?");
        terminal.wait_until("no help", |screen| !screen.lines.join("\n").contains("any key closes this"));
        terminal.send(leave);
        terminal.wait_for_prompt(PROMPT);
        assert_eq!(terminal.screen().modes, before, "{command}");
        assert_eq!(modes(&terminal.termios()), found, "{command}");
    }
    // With an argument the command prints text.
    terminal.enter(":files in");
    terminal.wait_until("the file", |screen| screen.all.lines().any(|line| line.ends_with("notes.txt")));
    terminal.wait_for_prompt(PROMPT);
    terminal.enter(":logs -n 1");
    terminal.wait_until("the log", |screen| screen.has_line("a line of the log"));
    terminal.wait_for_prompt(PROMPT);
    terminal.enter("1 + 1");
    terminal.wait_until("a cell", |screen| screen.has_line("2"));
    terminal.wait_for_prompt(PROMPT);
    terminal.send("\x04");
    assert_eq!(terminal.wait_for_end().code, 0);
}

#[test]
fn the_files_command_is_full_screen_in_a_terminal_and_text_with_a_folder() {
    let mut sandbox = Sandbox::new();
    let daemon = Daemon::start(&sandbox);
    daemon.use_in(&mut sandbox, &daemon.endpoint());
    sandbox.run(&["-t", "work", "-c", "open('notes.txt', 'w').write('some notes')", "python"]).expect_code(0);
    let terminal = FakeTerminal::start(&sandbox, &["files", "work"]);
    let title = "files of work · ~";
    terminal.wait_until(title, |screen| screen.lines.first().is_some_and(|line| line.contains(title)));
    terminal.wait_until("the file", |screen| screen.lines.join("\n").contains("notes.txt"));
    terminal.send("q");
    assert_eq!(terminal.wait_for_end().code, 0);
    let terminal = FakeTerminal::start(&sandbox, &["files", "work", "."]);
    terminal.wait_until("the list", |screen| screen.all.lines().any(|line| line.ends_with(" notes.txt")));
    assert_eq!(terminal.wait_for_end().code, 0);
}

#[test]
fn switching_sessions_from_the_board_asks_before_this_one_ends() {
    let mut sandbox = Sandbox::new();
    let daemon = Daemon::start(&sandbox);
    daemon.use_in(&mut sandbox, &daemon.endpoint());
    sandbox.run(&["-t", "work", "-c", "kept = 42", "python"]).expect(0, "");
    let terminal = prompt(&sandbox, &[]);
    let on_board = |what: &str| {
        terminal.enter(":sessions");
        terminal.wait_until("the board", |screen| {
            screen
                .lines
                .first()
                .is_some_and(|line| line.starts_with(" sessions") && line.ends_with("2 sessions"))
        });
        terminal.send(format!("/{what}\r"));
        terminal.wait_for("1 of 2 sessions");
        terminal.send("\r");
    };
    // The newest session is this one.
    terminal.enter(":sessions");
    terminal.wait_for("2 sessions");
    terminal.send("g\r");
    terminal.wait_for("is this session");
    terminal.wait_for_prompt(PROMPT);
    on_board("work");
    terminal.wait_for("is destroyed when you leave it; go?");
    terminal.send("\r");
    terminal.wait_for_prompt(PROMPT);
    terminal.enter("'still ' + 'here'");
    terminal.wait_until("the session", |screen| screen.has_line("'still here'"));
    terminal.wait_for_prompt(PROMPT);
    on_board("work");
    terminal.wait_until("the question again", |screen| {
        screen.last_line().ends_with("is destroyed when you leave it; go? [y/N]")
    });
    terminal.enter("y");
    terminal.wait_for("is destroyed\n");
    terminal.wait_for_prompt(PROMPT);
    terminal.enter("print('kept', kept)");
    terminal.wait_until("the variable", |screen| screen.has_line("kept 42"));
    terminal.wait_for_prompt(PROMPT);
    terminal.send("\x04");
    assert_eq!(terminal.wait_for_end().code, 0);
}

#[test]
fn the_resources_of_a_session_are_shown() {
    let mut sandbox = Sandbox::new();
    let daemon = Daemon::start(&sandbox);
    daemon.use_in(&mut sandbox, &daemon.endpoint());
    let terminal = prompt(&sandbox, &["-t", "work"]);
    terminal.enter("import threading; busy = True; data = bytearray(b'x') * (300 << 20)");
    terminal.wait_for_prompt(PROMPT);
    terminal.enter("def work():");
    terminal.enter("while busy: pass");
    terminal.send("\r");
    terminal.wait_for_prompt(PROMPT);
    terminal.enter("threading.Thread(target=work, daemon=True).start()");
    terminal.wait_for_prompt(PROMPT);
    terminal.enter(":info");
    terminal.wait_until("its use", |screen| {
        screen.all.lines().any(|line| {
            line.starts_with("uses ") && line.contains(" % of a core, 3") && line.contains(" MiB of ")
        })
    });
    terminal.wait_for_prompt(PROMPT);
    terminal.enter(":sessions");
    terminal.wait_until("the board", |screen| {
        let line = screen.lines.iter().find(|line| line.starts_with("work "));
        line.is_some_and(|line| line.contains(" MiB") && line.contains(" %") && !line.contains("  0 %"))
    });
    terminal.send("q");
    terminal.wait_for_prompt(PROMPT);
    let info = sandbox.run(&["--json", "info", "work"]);
    info.expect_code(0);
    let info: serde_json::Value = serde_json::from_str(&info.stdout).unwrap();
    let memory = info["liveStat"]["mem"]["current"].as_f64().unwrap();
    assert!(memory > 300e6, "{memory}");
    terminal.send("\x04");
    assert_eq!(terminal.wait_for_end().code, 0);
}

/// A session called `work` with a long text, some code and a red picture.
fn with_files(sandbox: &mut Sandbox) -> Daemon {
    let daemon = Daemon::start(sandbox);
    daemon.use_in(sandbox, &daemon.endpoint());
    sandbox.run(&["-q", "-t", "work", "-c", "pass", "python"]).expect(0, "");
    sandbox.write("big.txt", "a long line of text\n".repeat(100_000));
    sandbox.write("code.py", "def area(r):\n    return 3 * r\n");
    let picture = image::RgbImage::from_pixel(40, 30, image::Rgb([255, 0, 0]));
    picture.save(sandbox.work().join("red.png")).unwrap();
    sandbox.run(&["upload", "work", "big.txt", "code.py", "red.png"]).expect_code(0);
    daemon
}

#[test]
fn the_file_that_is_selected_is_looked_at_beside_the_list() {
    let mut sandbox = Sandbox::new();
    sandbox.set("COLORTERM", "truecolor");
    let _daemon = with_files(&mut sandbox);
    let terminal = FakeTerminal::start_sized(&sandbox, &["sessions"], 24, 90);
    terminal.wait_for("1 session");
    terminal.send("f");
    terminal.wait_for("Enter shows more");
    terminal.send("\r");
    terminal.wait_for("big.txt · the first 1.0 MiB");
    terminal.send("q");
    terminal.wait_for("files of work");
    terminal.send("j");
    terminal.wait_for("return 3 * r");
    let colours = |symbol: char| {
        let cells = terminal.cells().into_iter().flatten();
        cells.filter(|cell| cell.c == symbol).map(|cell| cell.fg).collect::<Vec<_>>()
    };
    let cells = terminal.cells();
    let code =
        |line: &&Vec<Cell>| line.iter().map(|cell| cell.c).collect::<String>().contains("return 3 * r");
    let line = cells.iter().find(code).unwrap();
    let keyword = line.iter().rfind(|cell| cell.c == 't').unwrap();
    assert_ne!(keyword.fg, Color::Named(NamedColor::Foreground));
    terminal.send("j");
    terminal.wait_for("40×30 pixels");
    let red = Color::Spec(Rgb { r: 255, g: 0, b: 0 });
    assert!(colours('▀').iter().filter(|color| **color == red).count() > 100);
    terminal.send("\r");
    terminal.wait_for("any key leaves");
    terminal.send("x");
    terminal.wait_for("40×30 pixels");
    terminal.wait_for("files of work");
    terminal.resize(12, 40);
    terminal.wait_until("the list alone", |screen| {
        screen.all.contains("red.png") && !screen.all.contains('│') && !screen.all.contains('▀')
    });
    terminal.send("q");
    terminal.wait_for("1 session");
    terminal.send("q");
    assert_eq!(terminal.wait_for_end().code, 0);
}

#[test]
fn the_list_and_the_browser_show_the_same_size() {
    let mut sandbox = Sandbox::new();
    let _daemon = with_files(&mut sandbox);
    let listed = sandbox.run(&["files", "work"]);
    listed.expect_code(0);
    let line = listed.stdout.lines().find(|line| line.ends_with(" big.txt"));
    assert!(line.is_some_and(|line| line.contains(" 1.9 MiB ")), "{}", listed.stdout);
    let terminal = FakeTerminal::start_sized(&sandbox, &["sessions"], 24, 90);
    terminal.wait_for("1 session");
    terminal.send("f");
    terminal.wait_for(" 1.9 MiB  big.txt");
    terminal.send("d");
    terminal.wait_for("download to the folder");
    terminal.send("/here\r");
    terminal.wait_for("1 file, 1.9 MiB, is in ./here");
    terminal.send("q");
    terminal.wait_for("1 session");
    terminal.send("q");
    assert_eq!(terminal.wait_for_end().code, 0);
}

#[test]
fn an_upload_asks_before_it_replaces_a_file_and_knows_the_home_folder() {
    let mut sandbox = Sandbox::new();
    let _daemon = with_files(&mut sandbox);
    std::fs::write(sandbox.home().join("code.py"), "new = 1\n").unwrap();
    let terminal = FakeTerminal::start_sized(&sandbox, &["sessions"], 24, 90);
    terminal.wait_for("1 session");
    terminal.send("f");
    terminal.wait_for("code.py");
    let upload = || {
        terminal.send("u");
        terminal.wait_for("upload the file");
        terminal.send("~/code.py\r");
        terminal.wait_for("overwrite? y/N");
    };
    let content = || sandbox.run(&["download", "work", "code.py", "--to", "-"]).stdout;
    upload();
    terminal.send("n\r");
    terminal.wait_until("no question", |screen| !screen.all.contains("overwrite?"));
    assert!(content().contains("def area"));
    upload();
    terminal.send("y\r");
    terminal.wait_for("code.py was uploaded");
    assert_eq!(content(), "new = 1\n");
    terminal.send("d");
    terminal.wait_for("download to the folder");
    terminal.send("\x15~/down\r");
    terminal.wait_for("1 file, ");
    assert_eq!(std::fs::read_dir(sandbox.home().join("down")).unwrap().count(), 1);
    assert!(!sandbox.work().join("~").exists());
    terminal.send("qq");
    assert_eq!(terminal.wait_for_end().code, 0);
}

#[test]
fn without_colours_a_picture_is_described_in_plain_text() {
    let mut sandbox = Sandbox::new();
    sandbox.set("NO_COLOR", "1");
    let _daemon = with_files(&mut sandbox);
    let terminal = FakeTerminal::start_sized(&sandbox, &["sessions"], 24, 90);
    terminal.wait_for("1 session");
    terminal.send("f");
    terminal.wait_for("Enter shows more");
    terminal.send("G");
    terminal.wait_for("a picture, png");
    terminal.send("qq");
    let all = String::from_utf8_lossy(&terminal.raw()).into_owned();
    let styles = regex_lite::Regex::new("\x1b\\[([0-9;]*)m").unwrap();
    let is_colour = |code: &str| matches!(code.parse::<u8>(), Ok(30..=49 | 90..=107));
    for style in styles.captures_iter(&all) {
        assert!(!style[1].split(';').any(is_colour), "{:?}", &style[0]);
    }
    assert_eq!(terminal.wait_for_end().code, 0);
}

#[test]
fn a_terminal_that_draws_pictures_draws_the_preview_and_takes_it_away() {
    let mut sandbox = Sandbox::new();
    sandbox.set("BAI_REPL_GRAPHICS", "sixel");
    let _daemon = with_files(&mut sandbox);
    let terminal = FakeTerminal::start_sized(&sandbox, &["sessions"], 24, 90);
    terminal.wait_for("1 session");
    terminal.send("f");
    terminal.wait_for("Enter shows more");
    let count = |what: &[u8]| terminal.raw().windows(what.len()).filter(|bytes| *bytes == what).count();
    assert_eq!(count(b"\x1bP"), 0);
    terminal.send("G");
    terminal.wait_for("40×30 pixels");
    // The help removes the picture, and closing it shows the picture again.
    let cleared = count(b"\x1b[2J");
    terminal.send("?");
    terminal.wait_for("any key closes this");
    assert_eq!((count(b"\x1bP"), count(b"\x1b[2J")), (1, cleared + 1));
    terminal.send("?");
    terminal.wait_until("no help", |screen| !screen.all.contains("any key closes this"));
    terminal.send("g");
    terminal.wait_for("Enter shows more");
    assert_eq!((count(b"\x1bP"), count(b"\x1b[2J")), (2, cleared + 2));
    terminal.send("qq");
    assert_eq!(terminal.wait_for_end().code, 0);
}
