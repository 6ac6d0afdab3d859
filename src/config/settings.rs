//! The check of the configuration file, setting by setting. A setting that is wrong is taken out of the document, so that
//! it counts as not set, and is reported with its line and with what is expected. What the values mean is not here.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A setting of the file that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrongSetting {
    /// The line, from 1.
    pub line: usize,
    /// The keys that lead to it, outermost first.
    pub path: Vec<String>,
    /// What is wrong, as the rest of a sentence that begins with the key. Never holds a value of the file that may be a
    /// secret.
    pub problem: String,
}

impl WrongSetting {
    /// The key with those of the tables around it: `media.max_rows`.
    pub fn key(&self) -> String {
        self.path.join(".")
    }

    /// Whether it should have protected the user, at whatever place it is written. Then it does not count as not set, but as
    /// the strictest value.
    pub fn protects(&self) -> bool {
        self.path.last().is_some_and(|key| key == CLIPBOARD)
    }

    /// Whether it decides about the setting or table at `path`: it is that, is in it, or is around it.
    pub(super) fn concerns(&self, path: &[&str]) -> bool {
        self.path.iter().zip(path).all(|(mine, other)| mine == other)
    }
}

/// The setting that says what programs may do with the clipboard.
const CLIPBOARD: &str = "clipboard";
/// Its strictest value.
pub(super) const CLIPBOARD_OFF: &str = "off";

/// A rule for a text of the file whose meaning is not known here, such as the name of a theme.
pub struct TextRule {
    /// The setting: `terminal.graphics`.
    pub key: &'static str,
    /// What is wrong with a text, as the rest of a sentence that begins with the key.
    pub check: fn(&str) -> Result<(), String>,
}

/// What a setting takes.
enum Kind {
    /// A text, and what it is.
    Text(&'static str),
    /// One of these words.
    OneOf(&'static [&'static str]),
    Switch,
    /// A whole number from the first to the second.
    Whole(i64, i64),
    /// A table of settings.
    Table(&'static [(&'static str, Kind)]),
    /// A table of tables of settings, each with a name that the user gives.
    Named(&'static [(&'static str, Kind)]),
}

/// All settings.
const SETTINGS: &[(&str, Kind)] = &[
    ("theme", Kind::Text("the name of a theme")),
    ("edit_mode", Kind::OneOf(&["emacs", "vi"])),
    ("prefix_key", Kind::Text("a key such as \"Ctrl-]\"")),
    (CLIPBOARD, Kind::OneOf(&[CLIPBOARD_OFF, "ask", "write"])),
    ("prelude", Kind::Switch),
    ("keyring", Kind::Switch),
    ("profile", Kind::Text("the name of a profile")),
    ("terminal", Kind::Table(TERMINAL)),
    ("media", Kind::Table(MEDIA)),
    ("output", Kind::Table(OUTPUT)),
    ("python", Kind::Table(PYTHON)),
    ("profiles", Kind::Named(PROFILE)),
];

const TERMINAL: &[(&str, Kind)] = &[
    ("graphics", Kind::Text("a way to draw pictures, such as \"sixel\"")),
    ("cell", Kind::Text("a size in pixels such as \"10x20\"")),
    ("background", Kind::Text("a colour such as \"#1e1e2e\"")),
    ("ask", Kind::Switch),
];

const MEDIA: &[(&str, Kind)] =
    &[("max_rows", Kind::Whole(1, u16::MAX as i64)), ("dir", Kind::Text("the path of a folder"))];

const OUTPUT: &[(&str, Kind)] = &[("max_lines", Kind::Whole(0, u32::MAX as i64)), ("links", Kind::Switch)];

/// What can run the cells of Python.
pub const PYTHON_SHELLS: [&str; 3] = ["auto", "ipython", "plain"];

const PYTHON: &[(&str, Kind)] = &[("shell", Kind::OneOf(&PYTHON_SHELLS))];

const PROFILE: &[(&str, Kind)] = &[
    ("endpoint", Kind::Text("a URL such as \"https://api.example.com\"")),
    ("endpoint_type", Kind::OneOf(&["api", "session"])),
    ("user", Kind::Text("a name")),
    ("access_key", Kind::Text("a text in quotes")),
    ("secret_key", Kind::Text("a text in quotes")),
    ("domain", Kind::Text("a name")),
    ("group", Kind::Text("a name")),
    ("insecure", Kind::Switch),
];

/// Takes the settings that are wrong out of a document, and returns them in the order of their lines.
pub(super) fn take_wrong(text: &str, document: &mut DeTable<'_>, rules: &[TextRule]) -> Vec<WrongSetting> {
    let mut check = Check { text, rules, path: Vec::new(), wrong: Vec::new() };
    check.table(document, SETTINGS);
    check.wrong.sort_by_key(|wrong| wrong.line);
    check.wrong
}

struct Check<'a> {
    text: &'a str,
    rules: &'a [TextRule],
    /// The keys that lead to the setting that is checked.
    path: Vec<String>,
    wrong: Vec<WrongSetting>,
}

impl Check<'_> {
    fn table(&mut self, table: &mut DeTable<'_>, settings: &[(&str, Kind)]) {
        self.each(table, |check, key, value| match settings.iter().find(|(known, _)| *known == key) {
            Some((_, kind)) => check.value(value, kind),
            None => {
                let known: Vec<_> = settings.iter().map(|(known, _)| *known).collect();
                Err(format!("is not a setting; there are: {}", known.join(", ")))
            }
        });
    }

    /// Applies a check to each entry, and removes those that are wrong.
    fn each(
        &mut self,
        table: &mut DeTable<'_>,
        entry: impl Fn(&mut Self, &str, &mut DeValue<'_>) -> Result<(), String>,
    ) {
        for (key, mut value) in std::mem::take(table) {
            self.path.push(key.get_ref().to_string());
            match entry(self, key.get_ref(), value.get_mut()) {
                Ok(()) => drop(table.insert(key, value)),
                Err(problem) => {
                    let line = line_at(self.text, key.span().start);
                    self.wrong.push(WrongSetting { line, path: self.path.clone(), problem });
                }
            }
            self.path.pop();
        }
    }

    fn value(&mut self, value: &mut DeValue<'_>, kind: &Kind) -> Result<(), String> {
        match (kind, value) {
            (Kind::Text(_), DeValue::String(text)) => self.text_rule(text),
            (Kind::OneOf(words), DeValue::String(text)) if words.contains(&&**text) => Ok(()),
            (Kind::Switch, DeValue::Boolean(_)) => Ok(()),
            (Kind::Whole(first, last), DeValue::Integer(number))
                if i64::from_str_radix(&number.as_str().replace('_', ""), number.radix())
                    .is_ok_and(|number| (*first..=*last).contains(&number)) =>
            {
                Ok(())
            }
            (Kind::Table(settings), DeValue::Table(table)) => {
                self.table(table, settings);
                Ok(())
            }
            (Kind::Named(settings), DeValue::Table(tables)) => {
                self.each(tables, |check, _, value| check.value(value, &Kind::Table(settings)));
                Ok(())
            }
            _ => Err(format!("should be {}", expected(kind))),
        }
    }

    fn text_rule(&self, text: &str) -> Result<(), String> {
        let key = self.path.join(".");
        self.rules.iter().find(|rule| rule.key == key).map_or(Ok(()), |rule| (rule.check)(text))
    }
}

/// The line of a byte, from 1.
fn line_at(text: &str, at: usize) -> usize {
    text.get(..at).unwrap_or_default().matches('\n').count() + 1
}

fn expected(kind: &Kind) -> String {
    match kind {
        Kind::Text(what) => (*what).to_owned(),
        Kind::OneOf(words) => match words {
            [before @ .., last] => format!("{} or {last}", before.join(", ")),
            [] => String::new(),
        },
        Kind::Switch => "true or false".to_owned(),
        Kind::Whole(first, last) => format!("a whole number from {first} to {last}"),
        Kind::Table(_) | Kind::Named(_) => "a table of settings".to_owned(),
    }
}

/// Reads a document. An error is the line and what is wrong.
pub(super) fn parse(text: &str) -> Result<Spanned<DeTable<'_>>, String> {
    DeTable::parse(text).map_err(|error| {
        // The full error contains the offending line, which may hold a secret: report only the place and the reason.
        let start = error.span().map_or(0, |span| span.start);
        format!("line {}: {}", line_at(text, start), error.message())
    })
}
