//! Independent checks of the sanitizer's output: against a grammar of allowed output, and with an emulator that reports
//! what a terminal would do.

use std::cell::RefCell;
use std::rc::Rc;

use alacritty_terminal::event::{Event, EventListener};
use alacritty_terminal::grid::Dimensions;
use alacritty_terminal::index::{Column, Line};
use alacritty_terminal::term::test::TermSize;
use alacritty_terminal::term::{Config, Term, TermMode};
use alacritty_terminal::vte::ansi::Processor;
use unicode_width::UnicodeWidthChar;

/// Returns what is not allowed in `output`.
pub(super) fn violation(output: &[u8]) -> Option<String> {
    let Ok(text) = std::str::from_utf8(output) else { return Some("not UTF-8".into()) };
    let mut joining = 0;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        joining = if c.width() == Some(0) { joining + 1 } else { 0 };
        match c {
            '\n' | '\r' | '\t' | '\x08' => {}
            '\x1b' => {
                if chars.next() != Some('[') {
                    return Some("an ESC that is no CSI".into());
                }
                let mut parameters = String::new();
                let last = chars.by_ref().find(|c| {
                    let parameter = c.is_ascii_digit() || matches!(c, ';' | ':');
                    if parameter {
                        parameters.push(*c);
                    }
                    !parameter
                });
                let number: Option<u64> = parameters.parse().ok();
                let good = match last {
                    Some('m') => parameters.len() <= 80,
                    Some('A' | 'B' | 'C' | 'D' | 'G') => number.is_some_and(|n| (1..=65_535).contains(&n)),
                    Some('K') => number.is_some_and(|n| n <= 2),
                    Some('J') => number == Some(0),
                    _ => false,
                };
                if !good {
                    return Some(format!("the sequence CSI {parameters} {last:?}"));
                }
            }
            '\0'..='\x1f' | '\x7f'..='\u{9f}' => return Some(format!("the control character {c:?}")),
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{e0000}'..='\u{e007f}' => {
                return Some(format!("the character {c:?}"));
            }
            _ if joining > 16 => return Some("too many joining characters".into()),
            _ => {}
        }
    }
    None
}

/// The requests to the terminal besides showing text: answer a query, set a title, use the clipboard, ring the bell.
#[derive(Clone, Default)]
struct TerminalRequests(Rc<RefCell<Vec<String>>>);

impl EventListener for TerminalRequests {
    fn send_event(&self, event: Event) {
        let harmless = matches!(event, Event::MouseCursorDirty | Event::Wakeup | Event::CursorBlinkingChange);
        if !harmless {
            self.0.borrow_mut().push(format!("{event:?}"));
        }
    }
}

const BEFORE: [&str; 3] = ["$ precious line of the shell", "another one", "python > "];

/// Shows `output` on a terminal below lines that do not belong to the cell. Returns what it did that it must not do.
pub(super) fn damage(output: &[u8], cols: u16, rows: u16) -> Option<String> {
    let requests = TerminalRequests::default();
    let config = Config { scrolling_history: 100_000, ..Config::default() };
    let mut term = Term::new(config, &TermSize::new(cols.into(), rows.into()), requests.clone());
    let mut processor: Processor = Processor::new();
    let mut show = |term: &mut Term<TerminalRequests>, text: &[u8]| {
        // Line ends as the terminal's driver makes them.
        let mut lines = text.split(|byte| *byte == b'\n').peekable();
        while let Some(line) = lines.next() {
            processor.advance(term, line);
            if lines.peek().is_some() {
                processor.advance(term, b"\r\n");
            }
        }
    };
    let mode = *term.mode();
    for line in BEFORE {
        show(&mut term, line.as_bytes());
        show(&mut term, b"\n");
    }
    let before = screen(&term);
    show(&mut term, output);
    let after = screen(&term);
    let lines = before.iter().rposition(|line| !line.is_empty()).map_or(0, |last| last + 1);
    if before[..lines] != after[..lines.min(after.len())] {
        return Some(format!("the lines above became {:?}", &after[..lines.min(after.len())]));
    }
    let wished = requests.0.borrow().clone();
    if !wished.is_empty() {
        return Some(format!("the terminal was made to {wished:?}"));
    }
    let modes = *term.mode();
    (modes != mode)
        .then(|| format!("modes were left on: {:?}", modes.symmetric_difference(mode) & TermMode::all()))
}

/// Returns all lines, the oldest first.
fn screen(term: &Term<TerminalRequests>) -> Vec<String> {
    let grid = term.grid();
    let top = -(i32::try_from(grid.history_size()).unwrap());
    (top..i32::try_from(grid.screen_lines()).unwrap())
        .map(|line| {
            let row = &grid[Line(line)];
            let text: String = (0..grid.columns()).map(|column| row[Column(column)].c).collect();
            text.trim_end().to_owned()
        })
        .collect()
}

#[test]
fn the_checks_find_what_is_not_allowed() {
    for bad in [
        "\x1b]0;x\x07",
        "\x1b[2J",
        "\x1b[?25l",
        "a\x07",
        "\u{9b}31m",
        "\u{202e}",
        "\x1bc",
        "\x1b[6n",
        "\x7f",
        "\x1b[999999A",
    ] {
        assert!(violation(bad.as_bytes()).is_some(), "{bad:?}");
    }
    assert!(violation(b"\xff").is_some());
    assert!(violation(format!("e{}", "\u{301}".repeat(17)).as_bytes()).is_some());
    assert_eq!(violation("fine \x1b[1;31mred\x1b[0m\r\n\t 한국어 \x1b[2K\x1b[1A".as_bytes()), None);
    for bad in ["\x1b[H\x1b[2K", "\x1b[2A\x1b[2K", "\x1b[c", "\x1b]0;x\x07", "\x1b[?1000h"] {
        assert!(damage(bad.as_bytes(), 80, 24).is_some(), "{bad:?}");
    }
    assert_eq!(damage("fine\x1b[1;31m red\n\x1b[1A\x1b[2Kover".as_bytes(), 80, 24), None);
}
