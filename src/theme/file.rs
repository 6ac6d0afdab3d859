//! A theme's file: TOML with a name, a palette and a style for each part of the screen. What is wrong is told with
//! the file and the line.

use std::collections::BTreeMap;

use serde::Deserialize;
use thiserror::Error;
use toml::Spanned;

use super::{Color, Rgb, Role, Style, Theme};

/// What is wrong with a theme, and where.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{file}:{line}: {problem}")]
pub struct ThemeError {
    /// The name of the file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong there, as part of a sentence.
    pub problem: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    #[serde(default)]
    light: bool,
    #[serde(default)]
    palette: BTreeMap<String, Spanned<String>>,
    #[serde(default)]
    styles: BTreeMap<Spanned<String>, Spanned<StyleEntry>>,
    #[serde(default)]
    syntax: BTreeMap<Spanned<String>, Spanned<StyleEntry>>,
}

/// A style: a colour, or a table.
#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "a style is a colour or a table of fg, bg, bold, dim, italic, underline, reverse, strike"
)]
enum StyleEntry {
    Foreground(String),
    Full(StyleTable),
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct StyleTable {
    fg: Option<String>,
    bg: Option<String>,
    bold: bool,
    dim: bool,
    italic: bool,
    underline: bool,
    reverse: bool,
    strike: bool,
}

/// A problem and the byte where it is.
type Problem = (usize, String);

pub(super) fn parse(file: &str, text: &str) -> Result<Theme, ThemeError> {
    read(text).map_err(|(at, problem)| {
        let before = text.as_bytes().get(..at).unwrap_or_default();
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        ThemeError { file: file.to_owned(), line, problem }
    })
}

fn read(text: &str) -> Result<Theme, Problem> {
    let file: File = toml::from_str(text)
        .map_err(|error| (error.span().map_or(0, |span| span.start), error.message().to_owned()))?;
    let mut palette = BTreeMap::new();
    for (name, value) in &file.palette {
        let color = literal(value.get_ref())
            .ok_or_else(|| (value.span().start, not_a_color(value.get_ref(), false)))?;
        palette.insert(name.as_str(), color);
    }
    let mut styles = vec![Style::default(); Role::ALL.len()];
    for (prefix, entries) in [("", &file.styles), ("syntax.", &file.syntax)] {
        for (key, entry) in entries {
            let name = format!("{prefix}{}", key.get_ref());
            let role =
                Role::ALL.iter().find(|role| role.key() == name && prefix.is_empty() != name.contains('.'));
            let slot = role
                .and_then(|role| styles.get_mut(*role as usize))
                .ok_or_else(|| (key.span().start, unknown_role(prefix, key.get_ref())))?;
            *slot = style(entry.get_ref(), &palette).map_err(|problem| (entry.span().start, problem))?;
        }
    }
    Ok(Theme { name: file.name, light: file.light, styles })
}

fn style(entry: &StyleEntry, palette: &BTreeMap<&str, Color>) -> Result<Style, String> {
    let color = |name: &Option<String>| {
        let Some(name) = name else { return Ok(None) };
        let found = palette.get(name.as_str()).copied().or_else(|| literal(name));
        found.map(Some).ok_or_else(|| not_a_color(name, true))
    };
    match entry {
        StyleEntry::Foreground(name) => Ok(Style { fg: color(&Some(name.clone()))?, ..Style::default() }),
        StyleEntry::Full(table) => Ok(Style {
            fg: color(&table.fg)?,
            bg: color(&table.bg)?,
            bold: table.bold,
            dim: table.dim,
            italic: table.italic,
            underline: table.underline,
            reverse: table.reverse,
            strike: table.strike,
        }),
    }
}

const ANSI_NAMES: [&str; 8] = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"];

/// A colour that needs no palette: a name of the sixteen, a number of the 256, or `#rrggbb`.
fn literal(text: &str) -> Option<Color> {
    if let Some(hex) = text.strip_prefix('#') {
        let value = u32::from_str_radix(hex, 16).ok().filter(|_| hex.len() == 6)?;
        let [_, r, g, b] = value.to_be_bytes();
        return Some(Color::Rgb(Rgb { r, g, b }));
    }
    if let Ok(index) = text.parse::<u8>() {
        return Some(Color::Indexed(index));
    }
    let (name, bright) = text.strip_prefix("bright-").map_or((text, 0), |name| (name, 8));
    let index = ANSI_NAMES.iter().position(|known| *known == name)?;
    Some(Color::Ansi(u8::try_from(index).ok()? + bright))
}

fn not_a_color(name: &str, palette: bool) -> String {
    let or_palette = if palette { ", or a name from [palette]" } else { "" };
    format!("\"{name}\" is no colour; write red, bright-red, 0 to 255, #rrggbb{or_palette}")
}

fn unknown_role(prefix: &str, key: &str) -> String {
    let known: Vec<&str> = Role::ALL
        .iter()
        .filter_map(|role| match prefix {
            "" => Some(role.key()).filter(|key| !key.contains('.')),
            _ => role.key().strip_prefix(prefix),
        })
        .collect();
    format!("\"{key}\" is no part that a theme can style; known here: {}", known.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> String {
        parse("my.toml", text).unwrap_err().to_string()
    }

    #[test]
    fn a_file_gives_its_styles() {
        let theme = parse(
            "t",
            "name = \"t\"\nlight = true\n[palette]\nsea = \"#0a0b0c\"\n[styles]\nprompt = \"sea\"\nerror = { fg = \"bright-red\", bg = \"17\", bold = true }\n[syntax]\nkeyword = \"208\"\n",
        )
        .unwrap();
        assert!(theme.is_light());
        assert_eq!(theme.style(Role::Prompt).fg, Some(Color::Rgb(Rgb { r: 10, g: 11, b: 12 })));
        let error =
            Style { fg: Some(Color::Ansi(9)), bg: Some(Color::Indexed(17)), bold: true, ..Style::default() };
        assert_eq!(theme.style(Role::Error), error);
        assert_eq!(theme.style(Role::Keyword).fg, Some(Color::Indexed(208)));
        assert_eq!(theme.style(Role::Comment), Style::default(), "what is left out is plain");
    }

    #[test]
    fn what_is_wrong_is_told_with_file_and_line() {
        assert!(
            problem("name = \"t\"\n[styles]\nprompt = \"redd\"\n")
                .starts_with("my.toml:3: \"redd\" is no colour")
        );
        assert!(
            problem("name = \"t\"\n[styles]\npromt = \"red\"\n")
                .starts_with("my.toml:3: \"promt\" is no part")
        );
        assert!(
            problem("name = \"t\"\n[syntax]\nprompt = \"red\"\n").contains("keyword"),
            "names what is known"
        );
        assert!(
            problem("name = \"t\"\n\n[palette]\na = \"#12\"\n")
                .starts_with("my.toml:4: \"#12\" is no colour")
        );
        assert!(problem("name = \"t\"\n[styles]\nprompt = { fgg = \"red\" }\n").starts_with("my.toml:3: "));
        assert!(problem("name = \"t\"\n[stiles]\n").starts_with("my.toml:2: "));
        assert!(problem("name = \n").starts_with("my.toml:1: "));
        assert!(problem("light = true\n").contains("name"));
    }

    #[test]
    fn a_dot_in_a_key_does_not_reach_the_other_table() {
        assert!(problem("name = \"t\"\n[styles]\n\"syntax.keyword\" = \"red\"\n").contains("no part"));
    }
}
