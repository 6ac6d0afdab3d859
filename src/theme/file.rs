//! Theme files: TOML with a palette and a style for each part of the screen. An error names the file and the line, also if
//! the error is in an inherited file.

use std::collections::BTreeMap;

use serde::Deserialize;
use thiserror::Error;
use toml::Spanned;

use super::{Color, Rgb, Role, Style, Theme};

/// An error in a theme file.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{file}:{line}: {problem}")]
pub struct ThemeError {
    /// The name of the file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The problem, as part of a sentence.
    pub problem: String,
}

/// Maximum palette entries and bytes of a file: far more than a theme can use.
const MAX_COLORS: usize = 1_000;
pub(super) const MAX_BYTES: usize = 256 * 1024;

type Styles = BTreeMap<Spanned<String>, Spanned<StyleEntry>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: Option<Spanned<String>>,
    inherit: Option<Spanned<String>>,
    light: Option<bool>,
    background: Option<Spanned<String>>,
    #[serde(default)]
    palette: BTreeMap<String, Spanned<PaletteEntry>>,
    #[serde(default)]
    styles: Styles,
    #[serde(default)]
    syntax: Styles,
    #[serde(default)]
    completion: Styles,
    #[serde(default)]
    output: Styles,
    #[serde(default)]
    table: Styles,
    #[serde(default)]
    pane: Styles,
    #[serde(default)]
    status: Styles,
}

/// A colour, with an optional substitute for terminals with sixteen colours.
#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "a colour of the palette is \"#ff8700\" or a list of it and one of the sixteen colours, [\"#ff8700\", \"yellow\"]"
)]
enum PaletteEntry {
    One(String),
    Paired([String; 2]),
}

/// A style: a foreground colour, or a table.
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

/// A byte offset and the problem there.
type Problem = (usize, String);

/// One parsed file, not yet merged with the files that it inherits from.
pub(super) struct Layer {
    file: String,
    text: String,
    /// Name of the theme, which is the name of its file.
    name: String,
    /// Whether it is part of this program, and not a file of the user.
    is_shipped: bool,
    inherit: Option<Spanned<String>>,
    light: Option<bool>,
    background: Option<Rgb>,
    palette: Vec<(String, Color)>,
    styles: Vec<Option<Spanned<StyleEntry>>>,
}

impl Layer {
    /// Parses a file. `file` is its name in messages; the last part without `.toml` is the theme's name.
    pub(super) fn read(file: &str, text: &str) -> Result<Self, ThemeError> {
        Self::parse(file, text).map_err(|(offset, problem)| problem_at(file, text, offset, problem))
    }

    fn parse(file: &str, text: &str) -> Result<Self, Problem> {
        if text.len() > MAX_BYTES {
            return Err((0, format!("it is larger than {}", crate::format::size(MAX_BYTES as u64))));
        }
        let read: File = toml::from_str(text)
            .map_err(|error| (error.span().map_or(0, |span| span.start), error.message().to_owned()))?;
        let stem = file.rsplit('/').next().unwrap_or(file);
        let name = stem.strip_suffix(".toml").unwrap_or(stem).to_owned();
        if let Some(wrong) = read.name.as_ref().filter(|given| *given.get_ref() != name) {
            return Err((wrong.span().start, format!("a theme has the name of its file: \"{name}\"")));
        }
        let background = read.background.as_ref().map(|value| match literal(value.get_ref()) {
            Some(Color::Rgb(rgb)) => Ok(rgb),
            _ => Err((value.span().start, "a background has the form #rrggbb".to_owned())),
        });
        if read.palette.len() > MAX_COLORS {
            return Err((0, format!("a palette has at most {MAX_COLORS} colours")));
        }
        let palette = read.palette.iter().map(|(name, entry)| {
            let color = palette_color(entry.get_ref()).map_err(|problem| (entry.span().start, problem))?;
            Ok((name.clone(), color))
        });
        let (palette, background) = (palette.collect::<Result<_, Problem>>()?, background.transpose()?);
        let mut layer = Self {
            file: file.to_owned(),
            text: text.to_owned(),
            name,
            is_shipped: false,
            inherit: read.inherit,
            light: read.light,
            background,
            palette,
            styles: Role::ALL.iter().map(|_| None).collect(),
        };
        for (section, styles) in [
            ("styles", read.styles),
            ("syntax", read.syntax),
            ("completion", read.completion),
            ("output", read.output),
            ("table", read.table),
            ("pane", read.pane),
            ("status", read.status),
        ] {
            layer.take(section, styles)?;
        }
        Ok(layer)
    }

    fn take(&mut self, section: &str, styles: Styles) -> Result<(), Problem> {
        for (key, entry) in styles {
            let name = format!("{section}.{}", key.get_ref());
            let role = Role::ALL.iter().find(|role| role.key() == name);
            let slot = role
                .and_then(|role| self.styles.get_mut(*role as usize))
                .ok_or_else(|| (key.span().start, unknown_role(section, key.get_ref())))?;
            *slot = Some(entry);
        }
        Ok(())
    }

    /// The layer as a part of this program.
    pub(super) fn into_shipped(self) -> Self {
        Layer { is_shipped: true, ..self }
    }

    /// Whether it is part of this program, and not a file of the user.
    pub(super) fn is_shipped(&self) -> bool {
        self.is_shipped
    }

    /// Name of the theme that it inherits from.
    pub(super) fn inherit(&self) -> Option<&str> {
        self.inherit.as_ref().map(|name| name.get_ref().as_str())
    }

    /// An error at its `inherit` key.
    pub(super) fn wrong_inheritance(&self, problem: String) -> ThemeError {
        let offset = self.inherit.as_ref().map_or(0, |name| name.span().start);
        problem_at(&self.file, &self.text, offset, problem)
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

/// Merges a theme with those that it inherits from: itself first, its oldest ancestor last.
pub(super) fn join(layers: &[Layer]) -> Result<Theme, ThemeError> {
    let palette = join_palettes(layers);
    let mut styles = Vec::with_capacity(Role::ALL.len());
    for role in Role::ALL {
        let given = |layer: &Layer| layer.styles.get(*role as usize).is_some_and(Option::is_some);
        let Some(layer) = layers.iter().find(|layer| given(layer)) else {
            styles.push(Style::default());
            continue;
        };
        let Some(Some(entry)) = layer.styles.get(*role as usize) else { continue };
        let style = style(entry.get_ref(), &palette)
            .map_err(|problem| problem_at(&layer.file, &layer.text, entry.span().start, problem))?;
        styles.push(style);
    }
    Ok(Theme {
        name: layers.first().map_or("", Layer::name).to_owned(),
        light: layers.iter().find_map(|layer| layer.light).unwrap_or(false),
        background: layers.iter().find_map(|layer| layer.background),
        styles,
    })
}

/// The colours by name. A colour that overrides an inherited one keeps its substitute, unless it has its own.
fn join_palettes(layers: &[Layer]) -> BTreeMap<&str, Color> {
    let mut palette = BTreeMap::new();
    for (name, color) in layers.iter().rev().flat_map(|layer| &layer.palette) {
        let color = match (*color, palette.get(name.as_str())) {
            (Color::Rgb(rgb), Some(Color::Paired(_, ansi))) => Color::Paired(rgb, *ansi),
            (color, _) => color,
        };
        palette.insert(name.as_str(), color);
    }
    palette
}

fn problem_at(file: &str, text: &str, offset: usize, problem: String) -> ThemeError {
    let before = text.as_bytes().get(..offset).unwrap_or_default();
    let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
    // The problem may quote the file, and is shown on a terminal.
    let problem = problem.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    ThemeError { file: file.to_owned(), line, problem }
}

fn palette_color(entry: &PaletteEntry) -> Result<Color, String> {
    match entry {
        PaletteEntry::One(text) => literal(text).ok_or_else(|| not_a_color(text, false)),
        PaletteEntry::Paired([text, substitute]) => {
            match (literal(text).ok_or_else(|| not_a_color(text, false))?, literal(substitute)) {
                (Color::Ansi(_), _) => Err(format!("\"{text}\" needs no substitute")),
                (color, Some(Color::Ansi(ansi))) => Ok(Color::Paired(color.to_rgb(), ansi)),
                _ => Err(format!(
                    "\"{substitute}\" is not one of the sixteen colours, such as red or bright-red"
                )),
            }
        }
    }
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

/// Parses a colour outside the palette: a name of the sixteen, a number of the 256, or `#rrggbb`.
fn literal(text: &str) -> Option<Color> {
    if text.starts_with('#') {
        return Rgb::from_hex(text).map(Color::Rgb);
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
    format!("\"{name}\" is not a colour; write red, bright-red, 0 to 255, #rrggbb{or_palette}")
}

fn unknown_role(section: &str, key: &str) -> String {
    let known: Vec<&str> =
        Role::ALL.iter().filter_map(|role| role.key().strip_prefix(section)?.strip_prefix('.')).collect();
    let elsewhere = Role::ALL.iter().find_map(|role| {
        let (other, name) = role.key().split_once('.')?;
        (name == key).then(|| format!("it belongs to [{other}]"))
    });
    let hint = elsewhere.unwrap_or_else(|| format!("known here: {}", known.join(", ")));
    format!("\"{key}\" is not a part that [{section}] can style; {hint}")
}
