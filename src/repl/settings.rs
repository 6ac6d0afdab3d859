//! `:set`: the settings that can be changed at the prompt, until it ends. Names and values are those of the configuration file,
//! which is not written.

use std::fmt::Write as _;

use super::shell_words::file;
use crate::render::ConsoleOptions;
use crate::terminal::Graphics;

/// The theme, which is set separately, because not only the console uses it.
pub(super) const THEME: &str = "theme";

/// One setting.
pub(super) struct Setting {
    pub(super) name: &'static str,
    /// Values that are suggested.
    pub(super) words: &'static [&'static str],
    about: &'static str,
    /// Values that are valid, after "must be".
    takes: &'static str,
    pub(super) show: fn(&ConsoleOptions) -> String,
    /// Sets the value. False if it is invalid.
    set: fn(&mut ConsoleOptions, &str) -> bool,
}

const GRAPHICS: [&str; Graphics::ALL.len()] = {
    let [a, b, c, d, e, f] = Graphics::ALL;
    [a.name(), b.name(), c.name(), d.name(), e.name(), f.name()]
};

/// All settings except the theme.
pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        name: "media.dir",
        words: &["none"],
        about: "where every picture is saved",
        takes: "a folder or none",
        show: |options| {
            options.media_dir.as_ref().map_or_else(|| "none".to_owned(), |dir| dir.display().to_string())
        },
        set: |options, value| {
            options.media_dir = (value != "none").then(|| file(value));
            true
        },
    },
    Setting {
        name: "media.max_rows",
        words: &["auto"],
        about: "most rows of a picture; auto is the window's",
        takes: "a number of rows or auto",
        show: |options| options.max_rows.map_or_else(|| "auto".to_owned(), |rows| rows.to_string()),
        set: |options, value| {
            let rows = value.parse().ok().filter(|rows| *rows > 0);
            options.max_rows = rows;
            rows.is_some() || value == "auto"
        },
    },
    Setting {
        name: "output.links",
        words: &["on", "off"],
        about: "whether links can be clicked",
        takes: "on or off",
        show: |options| if options.links { "on" } else { "off" }.to_owned(),
        set: |options, value| {
            options.links = matches!(value, "on" | "true");
            matches!(value, "on" | "true" | "off" | "false")
        },
    },
    Setting {
        name: "output.max_lines",
        words: &["0"],
        about: "lines of one output that are shown at once; its last ones, up to 20, follow",
        takes: "a number of lines, or 0 for all",
        show: |options| options.max_lines.unwrap_or(0).to_string(),
        set: |options, value| {
            let lines = value.parse::<usize>();
            options.max_lines = lines.as_ref().ok().copied().filter(|lines| *lines > 0);
            lines.is_ok()
        },
    },
    Setting {
        name: "terminal.graphics",
        words: &GRAPHICS,
        about: "how pictures are drawn",
        takes: "kitty, kitty-tmux, iterm2, sixel, blocks or none",
        show: |options| options.graphics.name().to_owned(),
        set: |options, value| {
            let graphics = Graphics::named(value).filter(|_| options.repl && !options.screen.dumb);
            options.graphics = graphics.unwrap_or(options.graphics);
            graphics.is_some()
        },
    },
];

/// The setting of this name.
///
/// # Errors
/// A sentence, if there is none.
pub(super) fn find(name: &str) -> Result<&'static Setting, String> {
    let setting = SETTINGS.iter().find(|setting| setting.name == name);
    setting.ok_or_else(|| format!("there is no setting {name}"))
}

/// Changes one setting.
///
/// # Errors
/// A sentence about the mistake.
pub(super) fn set(options: &mut ConsoleOptions, name: &str, value: &str) -> Result<&'static Setting, String> {
    let setting = find(name)?;
    let mut changed = options.clone();
    if !(setting.set)(&mut changed, value) {
        return Err(format!("{name} must be {}", setting.takes));
    }
    *options = changed;
    Ok(setting)
}

/// A list of all settings and their values.
pub(super) fn list(options: &ConsoleOptions) -> String {
    let mut text = String::new();
    for Setting { name, about, takes, show, .. } in SETTINGS {
        let _ = writeln!(text, "{name:18} {:12} {about}: {takes}", show(options));
    }
    let _ = write!(text, "{THEME:18} {:12} as :theme", options.theme.name());
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::Screen;
    use crate::theme::Theme;
    use std::path::PathBuf;
    use std::sync::Arc;

    fn options() -> ConsoleOptions {
        let screen = Screen::from_parts(true, true, true, |name| (name == "TERM").then(|| "xterm".into()));
        ConsoleOptions {
            repl: true,
            graphics: Graphics::Blocks,
            max_lines: Some(1000),
            ..ConsoleOptions::new(screen, crate::terminal::size(), Arc::new(Theme::plain()))
        }
    }

    #[test]
    fn a_changed_setting_is_shown() {
        let mut options = options();
        for (name, value, shown) in [
            ("media.dir", "plots", "plots"),
            ("media.dir", "none", "none"),
            ("media.max_rows", "12", "12"),
            ("media.max_rows", "auto", "auto"),
            ("output.links", "on", "on"),
            ("output.links", "false", "off"),
            ("output.max_lines", "7", "7"),
            ("output.max_lines", "0", "0"),
            ("terminal.graphics", "kitty-tmux", "kitty-tmux"),
            ("terminal.graphics", "none", "none"),
        ] {
            let setting = set(&mut options, name, value).unwrap();
            assert_eq!((setting.show)(&options), shown, "{name} {value}");
        }
        set(&mut options, "media.dir", "a b").unwrap();
        assert_eq!(options.media_dir, Some(PathBuf::from("a b")));
        assert!(list(&options).lines().count() == SETTINGS.len() + 1);
    }

    #[test]
    fn an_invalid_value_changes_no_setting() {
        let mut options = options();
        for (name, value) in [
            ("media.max_rows", "0"),
            ("media.max_rows", "99999"),
            ("output.links", "perhaps"),
            ("output.max_lines", "-1"),
            ("terminal.graphics", "telepathy"),
            ("output.max_lines", ""),
            ("nothing", "1"),
        ] {
            assert!(set(&mut options, name, value).is_err(), "{name} {value}");
        }
        assert_eq!((options.max_lines, options.max_rows, options.links), (Some(1000), None, false));
        assert_eq!(options.graphics, Graphics::Blocks);
    }

    #[test]
    fn pictures_need_a_terminal() {
        let mut options = ConsoleOptions { repl: false, ..options() };
        assert!(set(&mut options, "terminal.graphics", "kitty").is_err());
    }
}
