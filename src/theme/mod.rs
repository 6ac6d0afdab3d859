//! Colours and signs: which style each part of the screen has ([`Role`]), read from `themes/*.toml` or a file of the
//! user's, and fitted to what the terminal can show.
//!
//! Nothing here writes to a terminal or knows what the parts are for.

mod color;
mod file;
mod signs;

pub use color::{Color, Rgb, Style};
pub use file::ThemeError;
pub use signs::Signs;

use crate::terminal::ColorDepth;

macro_rules! roles {
    ($($(#[$doc:meta])* $name:ident = $key:literal,)*) => {
        /// A part of the screen that a theme gives a style to.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Role { $($(#[$doc])* $name,)* }

        impl Role {
            /// All roles, in the order of their declaration.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The role's key in a theme's file.
            pub const fn key(self) -> &'static str {
                match self { $(Self::$name => $key,)* }
            }
        }
    };
}

roles! {
    /// The prompt of a cell's first line.
    Prompt = "prompt",
    /// The prompt of its further lines.
    Continuation = "continuation",
    /// What the remote program writes to standard error.
    Stderr = "stderr",
    /// A sentence of ours that says what failed.
    Error = "error",
    /// The footer of a cell that went well.
    FooterOk = "footer-ok",
    /// The footer of a cell that failed.
    FooterFail = "footer-fail",
    /// The suggestion after the cursor.
    Hint = "hint",
    /// A remark of ours between the output.
    Note = "note",
    /// The bracket that matches the one at the cursor.
    BracketMatch = "bracket-match",
    /// The spinner and the elapsed time.
    Spinner = "spinner",
    /// Syntax: a keyword.
    Keyword = "syntax.keyword",
    /// Syntax: a string.
    String = "syntax.string",
    /// Syntax: a number.
    Number = "syntax.number",
    /// Syntax: a constant such as `True` or `None`.
    Constant = "syntax.constant",
    /// Syntax: a comment.
    Comment = "syntax.comment",
    /// Syntax: the name of a function or method.
    Function = "syntax.function",
    /// Syntax: the name of a type or class.
    Type = "syntax.type",
    /// Syntax: a name that the language provides.
    Builtin = "syntax.builtin",
    /// Syntax: an operator.
    Operator = "syntax.operator",
    /// Syntax: a decorator, attribute or macro.
    Decorator = "syntax.decorator",
    /// Syntax: a variable or parameter.
    Variable = "syntax.variable",
    /// Syntax: what cannot be right.
    Invalid = "syntax.invalid",
}

/// A style for each [`Role`].
#[derive(Clone, Debug, PartialEq)]
pub struct Theme {
    name: String,
    light: bool,
    styles: Vec<Style>,
}

const DARK: &str = include_str!("../../themes/dark.toml");
const LIGHT: &str = include_str!("../../themes/light.toml");
const MONOCHROME: &str = include_str!("../../themes/monochrome.toml");

/// The themes that ship: name and text.
const SHIPPED: &[(&str, &str)] = &[("dark", DARK), ("light", LIGHT), ("monochrome", MONOCHROME)];

impl Theme {
    /// Names of the themes that ship.
    pub fn shipped() -> impl Iterator<Item = &'static str> {
        SHIPPED.iter().map(|(name, _)| *name)
    }

    /// A theme that ships, by its name.
    pub fn named(name: &str) -> Option<Self> {
        let (name, text) = SHIPPED.iter().find(|(known, _)| *known == name)?;
        Self::parse(&format!("{name}.toml"), text).ok()
    }

    /// The shipped theme that suits: monochrome without colours, else by the background's brightness where the
    /// terminal told it, else dark.
    pub fn suited(background: Option<Rgb>, colors: ColorDepth) -> Self {
        let name = match background {
            _ if colors == ColorDepth::None => "monochrome",
            Some(rgb) if rgb.is_light() => "light",
            _ => "dark",
        };
        Self::named(name).unwrap_or_else(Self::plain)
    }

    /// Reads a theme from the text of a file; `file` is its name in messages.
    ///
    /// # Errors
    /// [`ThemeError`] names the file, the line, and what is wrong there.
    pub fn parse(file: &str, text: &str) -> Result<Self, ThemeError> {
        file::parse(file, text)
    }

    /// A theme without any style.
    pub fn plain() -> Self {
        Self { name: "plain".to_owned(), light: false, styles: Vec::new() }
    }

    /// The theme's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// True when the theme is made for a light background.
    pub fn is_light(&self) -> bool {
        self.light
    }

    /// The style of a part of the screen.
    pub fn style(&self, role: Role) -> Style {
        self.styles.get(role as usize).copied().unwrap_or_default()
    }

    /// `text` in the style of `role`, with the sequences around it that `depth` allows; the text itself is not
    /// looked at.
    pub fn paint(&self, role: Role, depth: ColorDepth, text: &str) -> String {
        let on = self.style(role).sgr(depth);
        if on.is_empty() { text.to_owned() } else { format!("{on}{text}\x1b[0m") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_theme_is_valid_and_styles_every_role_it_must() {
        for (name, text) in SHIPPED {
            let theme = Theme::parse(name, text).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(theme.name(), *name);
            for role in Role::ALL {
                assert!(
                    text.contains(role.key().trim_start_matches("syntax.")),
                    "{name} does not mention {}",
                    role.key()
                );
            }
        }
    }

    #[test]
    fn the_background_chooses_the_theme() {
        let white = Rgb { r: 255, g: 255, b: 250 };
        let navy = Rgb { r: 0, g: 0, b: 80 };
        assert_eq!(Theme::suited(Some(white), ColorDepth::Ansi256).name(), "light");
        assert_eq!(Theme::suited(Some(navy), ColorDepth::Ansi256).name(), "dark");
        assert_eq!(Theme::suited(None, ColorDepth::Ansi16).name(), "dark");
        assert_eq!(Theme::suited(Some(white), ColorDepth::None).name(), "monochrome");
    }

    #[test]
    fn no_colour_is_sent_where_none_may_be() {
        for name in Theme::shipped() {
            let theme = Theme::named(name).unwrap();
            for role in Role::ALL {
                let sgr = theme.style(*role).sgr(ColorDepth::None);
                let codes = sgr.trim_start_matches("\x1b[").trim_end_matches('m');
                assert!(
                    codes.split(';').all(|code| matches!(code, "" | "1" | "2" | "3" | "4" | "7" | "9")),
                    "{name} {role:?}: {sgr:?}"
                );
            }
        }
    }

    #[test]
    fn paint_leaves_plain_text_alone() {
        assert_eq!(Theme::plain().paint(Role::Error, ColorDepth::TrueColor, "x"), "x");
        let dark = Theme::named("dark").unwrap();
        let painted = dark.paint(Role::Error, ColorDepth::Ansi16, "x");
        assert!(painted.starts_with("\x1b[") && painted.ends_with("x\x1b[0m"), "{painted:?}");
    }
}
