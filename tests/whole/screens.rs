//! The scripted sessions for the README's pictures. Their text is compared with `screenshots/*.txt`. With
//! `SCREENSHOTS=write` in the environment, text and pictures are written instead; `screenshots/make` does this.

mod picture;

use super::daemon::Daemon;
use alacritty_terminal::term::cell::{Cell, Flags};
use alacritty_terminal::vte::ansi::{Color, NamedColor, Rgb};
use bai_testkit::{FakeTerminal, PROMPT, Sandbox, need};
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("screenshots")
}

/// Compares the screen with the file, or writes it.
#[track_caller]
fn check(name: &str, terminal: &FakeTerminal) {
    compare(name, terminal.cells());
}

/// Compares or writes cells.
#[track_caller]
fn compare(name: &str, mut cells: Vec<Vec<Cell>>) {
    let is_empty = |line: &Vec<Cell>| line.iter().all(|cell| cell.c == ' ');
    while cells.last().is_some_and(is_empty) {
        cells.pop();
    }
    let lines: Vec<String> = cells
        .iter()
        .map(|line| line.iter().map(|cell| cell.c).collect::<String>().trim_end().to_owned())
        .collect();
    let text = without_variable_parts(&(lines.join("\n") + "\n"));
    let file = folder().join(format!("{name}.txt"));
    if std::env::var_os("SCREENSHOTS").is_some_and(|wish| wish == "write") {
        let svg = picture::svg(&cells, &picture::DARK);
        std::fs::write(folder().join(format!("{name}.png")), picture::png(&svg)).unwrap();
        std::fs::write(file, text).unwrap();
        return;
    }
    let expected = std::fs::read_to_string(&file).unwrap();
    assert_eq!(text, expected, "{name} looks different now; if it should: screenshots/make\n{text}");
}

/// Removes the parts that differ between runs, or between versions of Python or of an editor.
fn without_variable_parts(text: &str) -> String {
    let alike = |pattern: &str, text: &str, instead: &str| {
        regex_lite::Regex::new(pattern).unwrap().replace_all(text, instead).into_owned()
    };
    let text = alike(r"<?\d+(\.\d+)? m?s\b", text, "0 s");
    let text = alike(r"\b[a-z]+-[a-z]+-[0-9a-f]{4}\b", &text, "a-session");
    let text = alike(r"(?m) +(Ctrl-\] leaves)", &text, " $1");
    let text = alike(r"\b\d+ min\b", &text, "0 s");
    let text = alike(r" +\d+ %", &text, " 0 %");
    let text = alike(r" *[▁▂▃▄▅▆▇█]+ ", &text, " ▁ ");
    let text = alike(r" [━─]{20} ", &text, " ─ ");
    let text = alike(r" +[\d.]+ ([KMG]i)?B\b", &text, " 0 B");
    let text = alike(r"127\.0\.0\.1:\d+ +", &text, "127.0.0.1:0 ");
    let text = alike(r"\d{4}-\d\d-\d\d [\d:]{8} UTC", &text, "a time");
    let text = alike(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", &text, "an id");
    let text = alike(r"(?m) +(AGE|0 s)$", &text, " $1");
    let text = alike(r"CPU +MEMORY", &text, "CPU MEMORY");
    let marks = |line: &str| line.trim_start().starts_with('~') && line.contains('^');
    // A cell that succeeds shows its time only if it was long.
    let kept =
        text.lines().filter(|line| !line.starts_with("\"circle.py\"") && *line != "✓ 0 s" && !marks(line));
    kept.map(|line| format!("{line}\n")).collect()
}

fn sandbox() -> Sandbox {
    coloured(Sandbox::new())
}

fn coloured(mut sandbox: Sandbox) -> Sandbox {
    sandbox.set("COLORTERM", "truecolor");
    sandbox.set("SHELL", "/bin/bash");
    for file in [".bashrc", ".bash_profile"] {
        std::fs::write(sandbox.home().join(file), "PS1='$ '\n").unwrap();
    }
    sandbox
}

fn open(sandbox: &Sandbox, arguments: &[&str], lines: u16) -> FakeTerminal {
    let terminal = FakeTerminal::start_sized(sandbox, &[&["-q", "python"], arguments].concat(), lines, 84);
    terminal.wait_for_prompt(PROMPT);
    terminal
}

#[test]
fn the_prompt() {
    let sandbox = sandbox();
    let terminal = open(&sandbox, &[], 24);
    terminal.run(PROMPT, "from math import pi");
    terminal.enter("def area(radius):");
    terminal.enter("\"\"\"Of a circle.\"\"\"");
    terminal.enter("return pi * radius ** 2");
    terminal.send("\r");
    terminal.wait_for_prompt(PROMPT);
    terminal.run(PROMPT, "[round(area(r), 2) for r in range(1, 6)]");
    terminal.enter("name = input('Who are you? ')");
    terminal.wait_until("the question", |screen| screen.last_line() == "Who are you?");
    terminal.enter("Ada");
    terminal.wait_for_prompt(PROMPT);
    terminal.run(PROMPT, "area(name)");
    terminal.send("area(");
    terminal.wait_until("what is typed", |screen| screen.last_line().starts_with("python ❯ area("));
    check("prompt", &terminal);
    terminal.send("\x03");
    terminal.wait_for_prompt(PROMPT);
    terminal.leave();
}

#[test]
fn a_data_frame() {
    let Some(sandbox) = Sandbox::with_test_venv() else { return };
    let sandbox = coloured(sandbox);
    let terminal = open(&sandbox, &[], 25);
    terminal.run(PROMPT, "import pandas as pd; names = ['Rhine', 'Danube', '한강', 'Vltava']");
    terminal.run(PROMPT, "numbers = {'km': [1233, 2850, 494, 430.2], 'dams': [21, None, 15, 9]}");
    terminal.run(PROMPT, "rivers = pd.DataFrame({'river': names, **numbers})");
    terminal.run(PROMPT, "rivers.sort_values('km')");
    terminal.run(PROMPT, "rivers.describe().round(1)");
    check("frame", &terminal);
    terminal.leave();
}

#[test]
fn a_terminal_inside_the_session() {
    if !need("vim") {
        return;
    }
    let sandbox = sandbox();
    sandbox.write("circle.py", "from math import pi\n\n\ndef area(radius):\n    \"\"\"Of a circle.\"\"\"\n    return pi * radius ** 2\n");
    let terminal = open(&sandbox, &[], 18);
    terminal.run(PROMPT, "import time");
    terminal.send("\x1d");
    terminal.wait_until("the shell", |screen| screen.lines.iter().any(|line| line == "$"));
    terminal.enter("vim -u NONE -c 'set number laststatus=0' circle.py");
    terminal.wait_until("vim", |screen| screen.all.contains("6     return pi"));
    terminal.send("4Gwcwarea_of_circle\x1b");
    let shown = terminal.wait_until("the edit", |screen| screen.all.contains("def area_of_circle(radius):"));
    assert!(shown.lines.iter().any(|line| line.contains("Ctrl-]")), "{}", shown.all);
    check("pane", &terminal);
    terminal.enter(":q!");
    terminal
        .wait_until("the shell", |screen| screen.last_line().starts_with('$') || screen.all.contains("\n$"));
    terminal.send("\x1d");
    terminal.wait_for_prompt(PROMPT);
    terminal.leave();
}

#[test]
fn the_board_of_sessions() {
    let mut sandbox = sandbox();
    let daemon = Daemon::start(&sandbox);
    daemon.use_in(&mut sandbox, &daemon.endpoint());
    for (name, code, image) in [
        ("notes", "x = 1", "python"),
        ("shell", "true", "bash"),
        ("train", "x = bytearray(b'x') * (200 << 20)", "python"),
    ] {
        sandbox.run(&["-q", "-t", name, "-c", code, image]).expect_code(0);
    }
    let terminal = FakeTerminal::start_sized(&sandbox, &["sessions"], 20, 84);
    terminal.wait_until("what they use", |screen| {
        let uses = |line: &&String| line.contains("RUNNING") && line.contains("iB");
        screen.lines.iter().filter(uses).count() == 3
            && screen.lines.iter().any(|line| line.starts_with(" memory"))
    });
    check("sessions", &terminal);
    terminal.send("q");
    assert_eq!(terminal.wait_for_end().code, 0);
}

/// Themes on terminals with a suitable background: name, foreground, background.
const THEMES: [(&str, u32, u32); 6] = [
    ("nord", 0xd8dee9, 0x2e3440),
    ("dracula", 0xf8f8f2, 0x282a36),
    ("gruvbox-dark", 0xebdbb2, 0x282828),
    ("tokyo-night", 0xc0caf5, 0x1a1b26),
    ("solarized-light", 0x657b83, 0xfdf6e3),
    ("catppuccin-latte", 0x4c4f69, 0xeff1f5),
];

#[test]
fn themes_side_by_side() {
    let sandbox = sandbox();
    let samples = THEMES.map(|(name, foreground, background)| {
        let terminal = FakeTerminal::start_sized(&sandbox, &["themes", name], 18, 58);
        terminal.wait_for("link down");
        framed(name, terminal.cells(), picture::rgb(foreground), picture::rgb(background))
    });
    let beside = |pair: &[Vec<Vec<Cell>>]| -> Vec<Vec<Cell>> {
        let [left, right] = pair else { panic!("an even number of themes") };
        left.iter().zip(right).map(|(left, right)| [left.as_slice(), right].concat()).collect()
    };
    compare("themes", samples.chunks(2).flat_map(beside).collect());
}

/// Adds a title and the terminal's colours to the cells.
fn framed(name: &str, mut cells: Vec<Vec<Cell>>, foreground: Rgb, background: Rgb) -> Vec<Vec<Cell>> {
    let mut title = vec![Cell::default(); cells.first().map_or(0, Vec::len)];
    for (cell, c) in title.iter_mut().skip(2).zip(name.chars()) {
        cell.c = c;
        cell.flags.insert(Flags::BOLD);
    }
    cells.insert(0, title);
    for cell in cells.iter_mut().flatten() {
        for color in [&mut cell.fg, &mut cell.bg] {
            match color {
                Color::Named(NamedColor::Foreground) => *color = Color::Spec(foreground),
                Color::Named(NamedColor::Background) => *color = Color::Spec(background),
                _ => {}
            }
        }
    }
    cells
}
