//! Facts about the terminal that need no query: which streams are terminals, the size, the colours and the characters.
//! They come from the environment and the operating system, so they cost microseconds.

use std::ffi::OsString;
use std::io::IsTerminal;

use crossterm::terminal::{WindowSize, window_size};

/// The number of colours that may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ColorDepth {
    /// None: `NO_COLOR`, `TERM=dumb`, or not a terminal.
    None,
    /// Sixteen colours: the eight of ECMA-48 and their bright variants.
    Ansi16,
    /// The 256-colour palette of xterm.
    Ansi256,
    /// 24-bit colours.
    TrueColor,
}

/// The size of the window in character cells; neither side is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Columns.
    pub cols: u16,
    /// Rows.
    pub rows: u16,
    /// Size in pixels (width, height), if the terminal reports it to the operating system.
    pub pixels: Option<(u16, u16)>,
}

/// The size if no source reports it: that of a VT100.
const FALLBACK: Size = Size { cols: 80, rows: 24, pixels: None };

/// The constant facts about the user's terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Screen {
    /// Whether standard input is a terminal.
    pub stdin_tty: bool,
    /// Whether standard output is a terminal.
    pub stdout_tty: bool,
    /// Whether standard error is a terminal.
    pub stderr_tty: bool,
    /// Whether `TERM` is unset, empty or `dumb`: then no escape sequence and no query may be sent.
    pub dumb: bool,
    /// Whether `NO_COLOR` is set and not empty: then no colours are sent, and none are passed through.
    pub no_color: bool,
    /// The number of colours that may be sent.
    pub colors: ColorDepth,
    /// Whether the locale is UTF-8, so that characters beyond ASCII are displayed correctly.
    pub unicode: bool,
}

impl Screen {
    /// Inspects the standard streams and the environment of this process.
    pub fn detect() -> Self {
        Self::from_parts(
            std::io::stdin().is_terminal(),
            std::io::stdout().is_terminal(),
            std::io::stderr().is_terminal(),
            |name| std::env::var_os(name),
        )
    }

    /// An imaginary terminal at all three streams that supports escape sequences and UTF-8, for example for tests.
    pub fn ideal(colors: ColorDepth) -> Self {
        Self {
            stdin_tty: true,
            stdout_tty: true,
            stderr_tty: true,
            dumb: false,
            no_color: false,
            colors,
            unicode: true,
        }
    }

    /// As [`Screen::detect`], from given values; `env` returns environment variables.
    pub fn from_parts(
        stdin_tty: bool,
        stdout_tty: bool,
        stderr_tty: bool,
        env: impl Fn(&str) -> Option<OsString>,
    ) -> Self {
        let text = |name: &str| {
            env(name).map(|value| value.to_string_lossy().into_owned()).filter(|value| !value.is_empty())
        };
        let term = text("TERM");
        let dumb = matches!(term.as_deref(), None | Some("dumb"));
        let no_color = text("NO_COLOR").is_some();
        let colors = if dumb || no_color || !(stdout_tty || stderr_tty) {
            ColorDepth::None
        } else {
            color_depth(term.as_deref().unwrap_or_default(), text("COLORTERM").as_deref())
        };
        // The order is that of setlocale(3): LC_ALL wins over LC_CTYPE, which wins over LANG.
        let locale = text("LC_ALL").or_else(|| text("LC_CTYPE")).or_else(|| text("LANG")).unwrap_or_default();
        let locale = locale.to_ascii_lowercase();
        let unicode = locale.contains("utf-8") || locale.contains("utf8");
        Self { stdin_tty, stdout_tty, stderr_tty, dumb, no_color, colors, unicode }
    }

    /// Whether standard input and standard output are both terminals.
    pub fn interactive(&self) -> bool {
        self.stdin_tty && self.stdout_tty
    }
}

/// The colour depth by `TERM` and `COLORTERM`.
fn color_depth(term: &str, colorterm: Option<&str>) -> ColorDepth {
    if matches!(colorterm, Some("truecolor" | "24bit")) || term.ends_with("-direct") {
        return ColorDepth::TrueColor;
    }
    if ["xterm-kitty", "xterm-ghostty", "alacritty", "foot", "wezterm", "contour"]
        .iter()
        .any(|t| term.starts_with(t))
    {
        return ColorDepth::TrueColor;
    }
    if term.contains("256color") {
        return ColorDepth::Ansi256;
    }
    if term.ends_with("-mono") || term.ends_with("-m") || term.starts_with("vt1") || term.starts_with("vt2") {
        return ColorDepth::None;
    }
    ColorDepth::Ansi16
}

/// The type of the terminal, for programs that are to use it.
pub fn kind() -> String {
    std::env::var("TERM").unwrap_or_else(|_| "dumb".to_owned())
}

/// The current size of the window: from the terminal, else from `COLUMNS` and `LINES`, else 80×24. A side that is reported as
/// zero (as by some window managers and CI systems) comes from the next source.
pub fn size() -> Size {
    resolve_size(window_size().ok(), |name| std::env::var(name).ok())
}

fn resolve_size(reported: Option<WindowSize>, env: impl Fn(&str) -> Option<String>) -> Size {
    let from_env = |name: &str| env(name).and_then(|value| value.trim().parse::<u16>().ok());
    let side = |reported: Option<u16>, name: &str, fallback: u16| {
        reported.filter(|n| *n > 0).or_else(|| from_env(name).filter(|n| *n > 0)).unwrap_or(fallback)
    };
    let pixels = reported.as_ref().map(|w| (w.width, w.height)).filter(|(x, y)| *x > 0 && *y > 0);
    Size {
        cols: side(reported.as_ref().map(|w| w.columns), "COLUMNS", FALLBACK.cols),
        rows: side(reported.as_ref().map(|w| w.rows), "LINES", FALLBACK.rows),
        pixels,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn screen(vars: &[(&str, &str)]) -> Screen {
        let vars: Vec<(String, OsString)> = vars.iter().map(|(k, v)| ((*k).to_owned(), v.into())).collect();
        Screen::from_parts(true, true, true, move |name| {
            vars.iter().find(|(k, _)| k == name).map(|(_, v)| v.clone())
        })
    }

    #[test]
    fn colours_follow_term_and_colorterm() {
        let depth = |vars| screen(vars).colors;
        assert_eq!(depth(&[("TERM", "xterm")]), ColorDepth::Ansi16);
        assert_eq!(depth(&[("TERM", "screen-256color")]), ColorDepth::Ansi256);
        assert_eq!(depth(&[("TERM", "xterm-256color"), ("COLORTERM", "truecolor")]), ColorDepth::TrueColor);
        assert_eq!(depth(&[("TERM", "xterm-kitty")]), ColorDepth::TrueColor);
        assert_eq!(depth(&[("TERM", "vt100")]), ColorDepth::None);
        assert_eq!(depth(&[("TERM", "xterm-256color"), ("NO_COLOR", "1")]), ColorDepth::None);
        assert_eq!(
            depth(&[("TERM", "xterm-256color"), ("NO_COLOR", "")]),
            ColorDepth::Ansi256,
            "empty does not count"
        );
    }

    #[test]
    fn a_missing_or_dumb_term_is_dumb() {
        assert!(screen(&[]).dumb);
        assert!(screen(&[("TERM", "")]).dumb);
        assert!(screen(&[("TERM", "dumb"), ("COLORTERM", "truecolor")]).dumb);
        assert_eq!(screen(&[("TERM", "dumb"), ("COLORTERM", "truecolor")]).colors, ColorDepth::None);
        assert!(!screen(&[("TERM", "linux")]).dumb);
    }

    #[test]
    fn the_locale_decides_about_unicode_in_the_order_of_setlocale() {
        assert!(screen(&[("LANG", "ko_KR.UTF-8")]).unicode);
        assert!(screen(&[("LANG", "C.utf8")]).unicode);
        assert!(!screen(&[("LANG", "C")]).unicode);
        assert!(!screen(&[]).unicode);
        assert!(!screen(&[("LANG", "en_US.UTF-8"), ("LC_ALL", "C")]).unicode);
        assert!(screen(&[("LANG", "C"), ("LC_CTYPE", "en_US.UTF-8"), ("LC_ALL", "")]).unicode);
    }

    #[test]
    fn no_side_of_the_window_is_ever_zero() {
        let window = |cols, rows| Some(WindowSize { rows, columns: cols, width: 0, height: 0 });
        let none = |_: &str| None;
        let one = |name: &str| (name == "COLUMNS").then(|| "1".to_owned());
        let junk = |_: &str| Some("0".to_owned());
        assert_eq!(resolve_size(window(0, 0), none), FALLBACK);
        assert_eq!(resolve_size(None, junk), FALLBACK);
        assert_eq!(resolve_size(None, one).cols, 1);
        let half = resolve_size(window(0, 50), one);
        assert_eq!((half.cols, half.rows), (1, 50));
    }
}
