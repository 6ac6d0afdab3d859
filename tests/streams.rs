//! The output of real programs in our screen model, compared with tmux on the same bytes.
//! `tests/data/streams/README.md` describes the recording.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use bai_repl::terminal::model::{CellColor, Glyph, Model, Underline};
use unicode_width::UnicodeWidthChar;

const COLUMNS: u16 = 80;
const ROWS: u16 = 24;

fn recordings() -> Vec<(String, Vec<u8>, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/streams");
    let mut found: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "stream"))
        .collect();
    found.sort();
    assert!(found.len() >= 12, "{found:?}");
    let read = |path: PathBuf| {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let screen = std::fs::read_to_string(path.with_extension("screen")).unwrap();
        (name, std::fs::read(path).unwrap(), screen)
    };
    found.into_iter().map(read).collect()
}

/// Reads a palette or RGB colour, which has parameters of its own.
fn colour<'a>(parameter: &'a str, rest: &mut std::str::Split<'a, char>) -> String {
    let count = if rest.clone().next() == Some("5") { 2 } else { 4 };
    let words: Vec<&str> = std::iter::once(parameter).chain(rest.take(count)).collect();
    words.join(";")
}

/// The content of one cell, from tmux and from our model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Shown {
    text: String,
    /// The parameters that select the colour, such as `31` or `38;2;1;2;3`. Empty for the default.
    foreground: String,
    background: String,
    /// The parameters that select the other styles, such as `1` or `4:3`.
    styles: BTreeSet<String>,
}

impl Shown {
    fn sgr(&mut self, parameters: &str) {
        let mut rest = parameters.split(';');
        while let Some(parameter) = rest.next() {
            match parameter {
                "" | "0" => *self = Self::default(),
                "39" => self.foreground.clear(),
                "49" => self.background.clear(),
                "38" => self.foreground = colour(parameter, &mut rest),
                "48" => self.background = colour(parameter, &mut rest),
                // Our model does not show blinking and overlines.
                "5" | "5:3" => {}
                _ => match parameter.parse::<u8>() {
                    Ok(30..=37 | 90..=97) => self.foreground = parameter.to_owned(),
                    Ok(40..=47 | 100..=107) => self.background = parameter.to_owned(),
                    _ => drop(self.styles.insert(parameter.to_owned())),
                },
            }
        }
    }

    fn of(glyph: &Glyph<'_>) -> Self {
        let ink = |ink: CellColor, base: u16| match ink {
            CellColor::Default => String::new(),
            CellColor::Indexed(n) => format!("{};5;{n}", base + 8),
            CellColor::Rgb(r, g, b) => format!("{};2;{r};{g};{b}", base + 8),
        };
        let look = glyph.style;
        let underline = match look.underline {
            Underline::Off => None,
            Underline::Single => Some("4"),
            Underline::Double => Some("4:2"),
            Underline::Curly => Some("4:3"),
            Underline::Dotted => Some("4:4"),
            Underline::Dashed => Some("4:5"),
        };
        let flags = [
            (look.bold, "1"),
            (look.dim, "2"),
            (look.italic, "3"),
            (look.reverse, "7"),
            (look.hidden, "8"),
            (look.strike, "9"),
        ];
        let styles = flags.into_iter().filter(|(on, _)| *on).map(|(_, parameter)| parameter).chain(underline);
        Self {
            text: std::iter::once(glyph.character).chain(glyph.combining.iter().copied()).collect(),
            foreground: ink(look.foreground, 30),
            background: ink(look.background, 40),
            styles: styles.map(str::to_owned).collect(),
        }
    }

    /// Normalizes the first sixteen colours. tmux writes them in the short form if the program did; both forms mean the
    /// same.
    fn plain(mut self) -> Self {
        for (colour, base) in [(&mut self.foreground, 30), (&mut self.background, 40)] {
            let Ok(n) = colour.parse::<u16>() else { continue };
            let index = if n >= 90 { n - base - 60 + 8 } else { n - base };
            *colour = format!("{};5;{index}", base + 8);
        }
        self
    }
}

/// Returns the line-drawing character for a letter of that character set.
fn line_drawing(c: char) -> char {
    match c {
        'j' => '┘',
        'k' => '┐',
        'l' => '┌',
        'm' => '└',
        'n' => '┼',
        'q' => '─',
        't' => '├',
        'u' => '┤',
        'v' => '┴',
        'w' => '┬',
        'x' => '│',
        other => other,
    }
}

/// Parses tmux's rows into cells, one for each character. Attributes carry over from row to row.
fn parse_rows(rows: &[&str]) -> Vec<Vec<Shown>> {
    let mut pen = Shown::default();
    let mut drawing = false;
    rows.iter()
        .map(|row| {
            let mut cells: Vec<Shown> = Vec::new();
            let mut chars = row.chars();
            while let Some(c) = chars.next() {
                match c {
                    '\x1b' => {
                        let sequence: String = chars.by_ref().take_while(|c| *c != 'm').collect();
                        pen.sgr(sequence.strip_prefix('[').unwrap());
                    }
                    '\x0e' => drawing = true,
                    '\x0f' => drawing = false,
                    c if c.width() == Some(0) => cells.last_mut().unwrap().text.push(c),
                    c => {
                        let text = if drawing { line_drawing(c) } else { c }.to_string();
                        cells.push(Shown { text, ..pen.clone() }.plain());
                    }
                }
            }
            cells
        })
        .collect()
}

#[test]
fn the_model_shows_what_tmux_shows() {
    for (name, stream, screen) in recordings() {
        let mut model = Model::new(COLUMNS, ROWS);
        model.feed(&stream);
        let mut lines: Vec<&str> = screen.lines().collect();
        let cursor = lines.pop().unwrap();
        let mut rows: Vec<Vec<Shown>> = vec![Vec::new(); ROWS.into()];
        model.glyphs().for_each(|glyph| rows[usize::from(glyph.row)].push(Shown::of(&glyph)));
        let expected = parse_rows(&lines);
        assert_eq!(expected.len(), rows.len(), "{name}");
        for (at, (row, expected)) in rows.iter().zip(&expected).enumerate() {
            // tmux does not report cells that were never written or only cleared.
            let (written, blank) = row.split_at(expected.len());
            for (column, (cell, expected)) in written.iter().zip(expected).enumerate() {
                assert_eq!(cell, expected, "{name}, row {at}, character {column}");
            }
            assert!(blank.iter().all(|cell| cell.text == " "), "{name}, row {at}: {blank:?}");
        }
        let (column, row) = cursor.trim_start_matches("cursor ").trim().split_once(',').unwrap();
        let column = column.parse::<u16>().unwrap().min(COLUMNS - 1);
        if let Some(cursor) = model.cursor() {
            assert_eq!((cursor.column, cursor.row), (column, row.parse().unwrap()), "{name}");
        }
    }
}

#[test]
fn the_screen_is_independent_of_where_a_stream_is_split() {
    for (name, stream, _) in recordings() {
        let mut whole = Model::new(COLUMNS, ROWS);
        whole.feed(&stream);
        let mut cut = Model::new(COLUMNS, ROWS);
        stream.iter().for_each(|byte| cut.feed(std::slice::from_ref(byte)));
        assert_eq!(cut.repaint(), whole.repaint(), "{name}");
        assert_eq!(cut.take_answers(), whole.take_answers(), "{name}");
    }
}

#[test]
fn a_repaint_restores_the_screen() {
    for (name, stream, _) in recordings() {
        let mut model = Model::new(COLUMNS, ROWS);
        model.feed(&stream);
        let mut copy = Model::new(COLUMNS, ROWS);
        copy.feed(&model.repaint());
        assert_eq!(copy.rows(), model.rows(), "{name}");
        assert_eq!(copy.repaint(), model.repaint(), "{name}");
    }
}

#[test]
fn later_resizes_keep_the_model_consistent() {
    for (_, stream, _) in recordings() {
        let mut model = Model::new(COLUMNS, ROWS);
        for (columns, rows) in [(1, 1), (200, 60), (2, 5), (79, 1), (80, 24)] {
            let (head, tail) = stream.split_at(stream.len() / 2);
            model.feed(head);
            model.resize(columns, rows);
            model.feed(tail);
        }
        assert_eq!(model.size(), (COLUMNS, ROWS));
    }
}
