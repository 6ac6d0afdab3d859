//! The theme as views use it, and the one way in which they put text into a window.

use std::sync::Arc;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use crate::panes::painter::underline;
use crate::render::GraphicsCapabilities;
use crate::terminal::ColorDepth;
#[cfg(test)]
use crate::terminal::Graphics;
use crate::terminal::model::Underline;
use crate::theme::{self, Role, Theme};

/// A theme on a terminal with so many colours.
#[derive(Clone, Debug)]
pub struct Appearance {
    theme: Arc<Theme>,
    depth: ColorDepth,
    pictures: GraphicsCapabilities,
}

impl Appearance {
    /// How views look on a terminal with so many colours, which draws pictures by these means.
    pub fn new(theme: Arc<Theme>, depth: ColorDepth, pictures: GraphicsCapabilities) -> Self {
        Self { theme, depth, pictures }
    }

    /// How pictures are drawn.
    pub(in crate::panes) fn pictures(&self) -> GraphicsCapabilities {
        self.pictures
    }

    #[cfg(test)]
    pub(in crate::panes) fn plain() -> Self {
        Self::new(Arc::new(Theme::plain()), ColorDepth::None, GraphicsCapabilities::none())
    }

    /// With all colours, and pictures in half blocks.
    #[cfg(test)]
    pub(in crate::panes) fn in_colours() -> Self {
        Self::with_graphics(Graphics::Blocks)
    }

    /// The same with pictures by other means.
    #[cfg(test)]
    pub(in crate::panes) fn with_graphics(graphics: Graphics) -> Self {
        let colors = ColorDepth::TrueColor;
        Self::new(
            Arc::new(Theme::plain()),
            colors,
            GraphicsCapabilities { graphics, colors, ..GraphicsCapabilities::none() },
        )
    }

    pub(in crate::panes) fn depth(&self) -> ColorDepth {
        self.depth
    }

    /// The style of a part.
    pub(in crate::panes) fn style(&self, role: Role) -> Style {
        convert(self.theme.style(role), self.depth)
    }

    /// Text without a style of its own.
    pub(in crate::panes) fn plain_text(&self) -> Style {
        Style::reset()
    }

    /// The same terminal with another theme.
    pub(in crate::panes) fn with_theme(&self, theme: Arc<Theme>) -> Self {
        Self { theme, ..self.clone() }
    }
}

fn convert(style: theme::Style, depth: ColorDepth) -> Style {
    let color = |color: Option<theme::Color>| match color.and_then(|color| color.fit(depth)) {
        None => Color::Reset,
        Some(theme::Color::Ansi(n) | theme::Color::Indexed(n)) => Color::Indexed(n),
        Some(theme::Color::Rgb(rgb) | theme::Color::Paired(rgb, _)) => Color::Rgb(rgb.r, rgb.g, rgb.b),
    };
    let mut modifier = Modifier::empty();
    for (on, flag) in [
        (style.bold, Modifier::BOLD),
        (style.dim, Modifier::DIM),
        (style.italic, Modifier::ITALIC),
        (style.underline, underline(Underline::Single)),
        (style.is_reversed(depth), Modifier::REVERSED),
        (style.strike, Modifier::CROSSED_OUT),
    ] {
        if on {
            modifier |= flag;
        }
    }
    Style { fg: Some(color(style.fg)), bg: Some(color(style.bg)), add_modifier: modifier, ..Style::default() }
}

/// Writes `text`, which is one line of harmless text, into a row of `area` from `column` on, as much as fits; the column
/// after it. A wide character that does not fit whole is left out.
pub(in crate::panes) fn put(
    buffer: &mut Buffer,
    area: Rect,
    column: u16,
    row: u16,
    text: &str,
    style: Style,
) -> u16 {
    if row >= area.height {
        return column;
    }
    let mut at = column;
    for symbol in text.graphemes(true) {
        let width = u16::try_from(symbol.width()).unwrap_or(u16::MAX);
        if width == 0 {
            continue;
        }
        if at.saturating_add(width) > area.width {
            break;
        }
        if let Some(cell) = buffer.cell_mut((area.x + at, area.y + row)) {
            cell.reset();
            cell.set_symbol(symbol).set_style(style);
        }
        for covered in at + 1..at + width {
            if let Some(cell) = buffer.cell_mut((area.x + covered, area.y + row)) {
                cell.reset();
                cell.set_style(style);
            }
        }
        at += width;
    }
    at
}

/// `text` in at most `width` cells, with a sign where it was cut.
pub(in crate::panes) fn cut(text: &str, width: usize) -> String {
    crate::render::sanitize::truncate(text, width).into_owned()
}

/// `text` cut or filled to `width` cells.
pub(in crate::panes) fn pad(text: &str, width: usize) -> String {
    let text = cut(text, width);
    let space = " ".repeat(width.saturating_sub(text.width()));
    text + &space
}
