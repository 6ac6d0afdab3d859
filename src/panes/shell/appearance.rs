//! The theme for views, and the functions that draw text.

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

/// A theme with the colour depth and graphics capabilities of the terminal.
#[derive(Clone, Debug)]
pub struct Appearance {
    theme: Arc<Theme>,
    depth: ColorDepth,
    pictures: GraphicsCapabilities,
}

impl Appearance {
    /// The appearance of views on a terminal with this colour depth and these graphics capabilities.
    pub fn new(theme: Arc<Theme>, depth: ColorDepth, pictures: GraphicsCapabilities) -> Self {
        Self { theme, depth, pictures }
    }

    /// The graphics capabilities for pictures.
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

    /// With all colours, and pictures in another graphics protocol.
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

    /// The style of a role.
    pub(in crate::panes) fn style(&self, role: Role) -> Style {
        convert(self.theme.style(role), self.depth)
    }

    /// The style of plain text.
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

/// Draws `text`, which must be one line without control characters, in a row of `area` from `column` on, as much as fits.
/// Returns the column after it. Leaves out a wide character that fits only by half.
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
    let mut next = column;
    for symbol in text.graphemes(true) {
        let width = u16::try_from(symbol.width()).unwrap_or(u16::MAX);
        if width == 0 {
            continue;
        }
        if next.saturating_add(width) > area.width {
            break;
        }
        if let Some(cell) = buffer.cell_mut((area.x + next, area.y + row)) {
            cell.reset();
            cell.set_symbol(symbol).set_style(style);
        }
        for covered in next + 1..next + width {
            if let Some(cell) = buffer.cell_mut((area.x + covered, area.y + row)) {
                cell.reset();
                cell.set_style(style);
            }
        }
        next += width;
    }
    next
}

/// `text` cut to at most `width` cells, with an ellipsis if it was cut.
pub(in crate::panes) fn cut(text: &str, width: usize) -> String {
    crate::render::sanitize::truncate(text, width).into_owned()
}

/// `text` cut or padded to `width` cells.
pub(in crate::panes) fn pad(text: &str, width: usize) -> String {
    let text = cut(text, width);
    let space = " ".repeat(width.saturating_sub(text.width()));
    text + &space
}
