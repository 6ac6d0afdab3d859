//! Colours and signs: which style each part of the screen has ([`Role`]), read from `themes/*.toml` or a file of the
//! user's ([`Library`]), and fitted to what the terminal can show.
//!
//! Nothing here writes to a terminal or knows what the parts are for.

mod color;
mod contrast;
mod file;
mod library;
mod role;
pub mod sample;
mod signs;

pub use color::{Color, Rgb, Style};
pub use file::ThemeError;
pub use library::{Library, LibraryError, ListedTheme};
pub use role::Role;
pub use signs::Signs;

use crate::terminal::ColorDepth;

/// A style for each [`Role`].
#[derive(Clone, Debug, PartialEq)]
pub struct Theme {
    name: String,
    light: bool,
    background: Option<Rgb>,
    styles: Vec<Style>,
}

impl Theme {
    /// A theme without any style.
    pub fn plain() -> Self {
        Self { name: "plain".to_owned(), light: false, background: None, styles: Vec::new() }
    }

    /// The theme's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// True when the theme is made for a light background.
    pub fn is_light(&self) -> bool {
        self.light
    }

    /// The background that the theme is made for, if it says so. Nothing paints it; what is laid on it (a picture with
    /// transparent parts) needs to know.
    pub fn background(&self) -> Option<Rgb> {
        self.background
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
mod tests;
