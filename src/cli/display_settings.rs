//! The user's settings for the terminal and for pictures. A flag has precedence over the environment, that over the
//! configuration file, and that over the answers of the terminal.

use super::context::CommandContext;
use std::path::PathBuf;

use super::error::CliError;
use super::exit_status::ExitStatus;
use crate::config::TextRule;
use crate::terminal::Graphics;
use crate::theme::Rgb;

/// The settings of the user.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct DisplaySettings {
    /// How pictures are shown; `None` if the terminal's answers decide.
    pub(super) graphics: Option<Graphics>,
    /// Size of a character cell in pixels.
    pub(super) cell: Option<(u16, u16)>,
    /// Background colour.
    pub(super) background: Option<Rgb>,
    /// Whether the terminal is queried.
    pub(super) ask: bool,
    /// Maximum number of rows of a picture.
    pub(super) max_rows: Option<u16>,
    /// The folder in which all media are saved.
    pub(super) media_dir: Option<PathBuf>,
}

impl DisplaySettings {
    /// Reads the settings.
    ///
    /// # Errors
    /// When the flag has an invalid value. A setting of the file with one was reported, and counts as not set.
    pub(super) fn read(context: &CommandContext) -> Result<Self, CliError> {
        let terminal = &context.config.terminal;
        let graphics = match (&context.global.graphics, &terminal.graphics) {
            (None, Some(name)) => graphics(name).unwrap_or_default(),
            _ => graphics_flag(context)?,
        };
        Ok(Self {
            graphics,
            cell: terminal.cell.as_deref().and_then(cell),
            background: terminal.background.as_deref().and_then(Rgb::from_hex),
            ask: terminal.ask.unwrap_or(true),
            max_rows: context.config.media.max_rows,
            media_dir: context.config.media.dir.clone(),
        })
    }

    /// Reads only the settings that apply without a terminal.
    ///
    /// # Errors
    /// When the flag has an invalid value.
    pub(super) fn without_terminal(context: &CommandContext) -> Result<Self, CliError> {
        graphics_flag(context)?;
        let media_dir = context.config.media.dir.as_ref().map(bai_client::expand_tilde);
        Ok(Self { media_dir, ..Self::default() })
    }
}

/// The rules for the texts of the file that are settings of the terminal.
pub(super) const TEXT_RULES: [TextRule; 3] = [
    TextRule { key: "terminal.graphics", check: |text| graphics(text).map(drop) },
    TextRule {
        key: "terminal.cell",
        check: |text| cell(text).map(drop).ok_or_else(|| wrong(text, "a size in pixels such as 10x20")),
    },
    TextRule {
        key: "terminal.background",
        check: |text| Rgb::from_hex(text).map(drop).ok_or_else(|| wrong(text, "a colour such as #1e1e2e")),
    },
];

/// The value of the flag.
fn graphics_flag(context: &CommandContext) -> Result<Option<Graphics>, CliError> {
    let Some(name) = &context.global.graphics else { return Ok(None) };
    graphics(name)
        .map_err(|why| CliError::new(ExitStatus::Usage, format!("--graphics or BAI_REPL_GRAPHICS {why}")))
}

fn graphics(name: &str) -> Result<Option<Graphics>, String> {
    if name == "auto" || name.is_empty() {
        return Ok(None);
    }
    Graphics::named(name).map(Some).ok_or_else(|| {
        let names: Vec<_> = Graphics::ALL.iter().rev().map(|graphics| graphics.name()).collect();
        wrong(name, &format!("auto, {}", names.join(", ")))
    })
}

fn wrong(value: &str, expected: &str) -> String {
    format!("is \"{value}\"; expected {expected}")
}

fn cell(text: &str) -> Option<(u16, u16)> {
    let (width, height) = text.split_once('x')?;
    let side = |text: &str| text.trim().parse::<u16>().ok().filter(|side| (1..=1000).contains(side));
    Some((side(width)?, side(height)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{FileConfig, TerminalConfig};

    fn config(graphics: Option<&str>, cell: Option<&str>, background: Option<&str>) -> CommandContext {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let terminal = TerminalConfig {
            graphics: owned(graphics),
            cell: owned(cell),
            background: owned(background),
            ask: None,
        };
        let config = FileConfig { terminal, ..FileConfig::default() };
        CommandContext { config, ..CommandContext::default() }
    }

    #[test]
    fn a_flag_has_precedence_over_the_file() {
        let from_file = config(Some("sixel"), Some("10x20"), Some("#102030"));
        let read = DisplaySettings::read(&from_file).unwrap();
        assert_eq!((read.graphics, read.cell), (Some(Graphics::Sixel), Some((10, 20))));
        assert_eq!(read.background, Some(Rgb { r: 16, g: 32, b: 48 }));
        for (flag, graphics) in [("kitty", Some(Graphics::Kitty)), ("auto", None), ("", None)] {
            let mut context = from_file.clone();
            context.global.graphics = Some(flag.to_owned());
            assert_eq!(DisplaySettings::read(&context).unwrap().graphics, graphics, "{flag:?}");
        }
    }

    #[test]
    fn an_invalid_value_is_reported() {
        for (key, text) in [
            ("terminal.graphics", "telepathy"),
            ("terminal.cell", "10"),
            ("terminal.cell", "0x20"),
            ("terminal.background", "red-ish"),
        ] {
            let rule = TEXT_RULES.iter().find(|rule| rule.key == key).unwrap();
            let problem = (rule.check)(text).unwrap_err();
            assert!(problem.starts_with(&format!("is \"{text}\"; expected ")), "{problem}");
        }
    }
}
