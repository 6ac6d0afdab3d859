//! The widgets of the pane: the program's screen, the status line below it, and the help.

use std::time::{Duration, Instant};

use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::widgets::Widget;
use unicode_width::UnicodeWidthStr;

use crate::format;
use crate::panes::PrefixKey;
use crate::panes::painter::underline;
use crate::render::sanitize;
use crate::terminal::model::{CellColor, Glyph, Model};
use bai_client::pty::{LinkState, PtyStatus};

/// The longest text of a status line.
const LINE_WIDTH: usize = 1_000;

/// The screen of the program.
pub(in crate::panes) struct Grid<'a> {
    pub(in crate::panes) model: &'a Model,
}

impl Widget for Grid<'_> {
    fn render(self, area: Rect, buffer: &mut Buffer) {
        for glyph in self.model.glyphs() {
            if glyph.column + u16::from(glyph.width) > area.width || glyph.row >= area.height {
                continue;
            }
            let position = (area.x + glyph.column, area.y + glyph.row);
            if let Some(cell) = buffer.cell_mut(position) {
                paint(&glyph, cell);
            }
        }
    }
}

fn paint(glyph: &Glyph<'_>, cell: &mut Cell) {
    cell.set_char(glyph.character);
    if !glyph.combining.is_empty() {
        let symbol: String =
            std::iter::once(glyph.character).chain(glyph.combining.iter().copied()).collect();
        // Leave out characters that change the width (joiners, emoji presentation): they would shift the rest of the line.
        if symbol.width() == usize::from(glyph.width) && !symbol.ends_with('\u{200d}') {
            cell.set_symbol(&symbol);
        }
    }
    let style = &glyph.style;
    cell.fg = color(style.foreground);
    cell.bg = color(style.background);
    cell.underline_color = color(style.underline_color);
    cell.modifier = underline(style.underline);
    for (on, modifier) in [
        (style.bold, Modifier::BOLD),
        (style.dim, Modifier::DIM),
        (style.italic, Modifier::ITALIC),
        (style.reverse != glyph.selected, Modifier::REVERSED),
        (style.hidden, Modifier::HIDDEN),
        (style.strike, Modifier::CROSSED_OUT),
    ] {
        if on {
            cell.modifier |= modifier;
        }
    }
}

fn color(color: CellColor) -> Color {
    match color {
        CellColor::Default => Color::Reset,
        CellColor::Indexed(index) => Color::Indexed(index),
        CellColor::Rgb(r, g, b) => Color::Rgb(r, g, b),
    }
}

/// The mode of the pane.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum PaneMode {
    #[default]
    Normal,
    /// The help is shown over the screen.
    Help,
    /// The user types a search text.
    Search {
        text: String,
        /// Whether the last search found a match; `None` before the first search.
        found: Option<bool>,
    },
}

/// The content of the status line.
pub(super) struct Status<'a> {
    pub(super) session: &'a str,
    pub(super) status: &'a PtyStatus,
    pub(super) size: (u16, u16),
    pub(super) title: &'a str,
    pub(super) scrolled: usize,
    pub(super) prefix: PrefixKey,
    /// Whether the prefix was pressed, so that the next key is a command.
    pub(super) prefixed: bool,
    /// A temporary message.
    pub(super) notice: Option<&'a str>,
    pub(super) mode: &'a PaneMode,
    /// Whether the terminal is still opening.
    pub(super) opening: bool,
    /// A message from outside the terminal.
    pub(super) message: Option<&'a str>,
    /// How the terminal ended, if it has.
    pub(super) ended: Option<&'a str>,
}

impl Status<'_> {
    /// The left and right texts, and whether it is an alert.
    fn text(&self) -> (String, String, bool) {
        let key = self.prefix;
        if self.prefixed {
            let text = format!(" {key} sends it · ? help · / search · = clipboard · . reconnect · d detach");
            return (text, format!("{key} leaves "), false);
        }
        if let PaneMode::Search { text, found } = self.mode {
            let result = if *found == Some(false) { "  (not found)" } else { "" };
            return (
                format!(" search: {text}{result}"),
                "Enter older · ↓ newer · Esc ends ".to_owned(),
                false,
            );
        }
        let leave = format!("{key} leaves · {key} ? help ");
        if let Some(ended) = self.ended {
            return (format!(" {} · {ended}", self.session), format!("{key} leaves "), true);
        }
        if let Some(notice) = self.notice {
            return (format!(" {notice}"), format!("{key} leaves "), true);
        }
        if let LinkState::Down { since, why } = &self.status.link {
            let ago = format::running(since.elapsed());
            let text = format!(
                " {} · link down for {ago}: {}; reconnecting, keys are not sent",
                self.session,
                one_line(why)
            );
            return (text, format!("{key} leaves "), true);
        }
        (self.usual(), leave, false)
    }

    fn usual(&self) -> String {
        let message = self.message.map(|message| format!(" {message} ·")).unwrap_or_default();
        if self.opening {
            return format!("{message} {} · opening the terminal…", self.session);
        }
        let (columns, rows) = self.size;
        let mut text = format!("{message} {} · {} · {columns}×{rows}", self.session, self.status.service);
        match &self.status.link {
            LinkState::Up { round_trip: Some(time) } => text.push_str(&format!(" · {}", milliseconds(*time))),
            LinkState::Up { round_trip: None } => text.push_str(" · connected"),
            LinkState::Down { .. } => {}
        }
        if self.scrolled > 0 {
            text.push_str(&format!(" · {} lines back", self.scrolled));
        }
        if !self.title.is_empty() {
            text.push_str(&format!(" · {}", self.title));
        }
        text
    }
}

impl Widget for Status<'_> {
    fn render(self, area: Rect, buffer: &mut Buffer) {
        let (left, right, alert) = self.text();
        let style = Style::new().add_modifier(Modifier::REVERSED);
        let style = if alert { style.fg(Color::Indexed(1)).add_modifier(Modifier::BOLD) } else { style };
        buffer.set_stringn(area.x, area.y, " ".repeat(area.width.into()), area.width.into(), style);
        let width = usize::from(area.width);
        let right_width = right.width();
        let room = if right_width + 8 <= width { width - right_width } else { width };
        buffer.set_stringn(area.x, area.y, cut(&one_line(&left), room.saturating_sub(1)), room, style);
        if room < width {
            let from = area.x + u16::try_from(room).unwrap_or(area.width);
            buffer.set_stringn(from, area.y, right, right_width, style);
        }
    }
}

/// The help: the keys, in a box over the screen.
pub(super) struct Help {
    pub(super) prefix: PrefixKey,
}

impl Widget for Help {
    fn render(self, area: Rect, buffer: &mut Buffer) {
        let key = self.prefix.to_string();
        let lines = [
            (key.clone(), "leave; the terminal stays connected"),
            (format!("{key} {key}"), "send the key itself"),
            (format!("{key} /"), "search the output backwards"),
            (format!("{key} ."), "drop the link and reconnect"),
            (format!("{key} ="), "whether programs write your clipboard"),
            (format!("{key} d"), "leave the prompt as well; its cell goes on"),
            (format!("{key} ?"), "this help"),
            ("Shift-PgUp, wheel".to_owned(), "scroll back"),
            ("drag, double click".to_owned(), "select and copy (Shift: your terminal's own)"),
            (String::new(), "any key closes this"),
        ];
        let width =
            lines.iter().map(|(keys, what)| 22.max(keys.width()) + what.width() + 2).max().unwrap_or(0);
        let width = u16::try_from(width).unwrap_or(u16::MAX).min(area.width);
        let height = u16::try_from(lines.len()).unwrap_or(u16::MAX).min(area.height);
        let left = area.x + (area.width - width) / 2;
        let top = area.y + (area.height - height) / 2;
        let style = Style::new().add_modifier(Modifier::REVERSED);
        for (row, (keys, what)) in (top..top + height).zip(&lines) {
            let line = format!(" {keys:<21}{what} ");
            // Replace a wide character that the box would cut in half.
            if left > area.x
                && let Some(cell) = buffer.cell_mut((left - 1, row))
                && cell.symbol().width() > 1
            {
                cell.set_char(' ');
            }
            for column in left..left + width {
                if let Some(cell) = buffer.cell_mut((column, row)) {
                    cell.reset();
                }
            }
            buffer.set_stringn(left, row, format!("{line:<0$}", usize::from(width)), width.into(), style);
        }
    }
}

/// A message that disappears after some seconds.
#[derive(Debug)]
pub(super) struct Notice {
    pub(super) text: String,
    pub(super) until: Instant,
}

impl Notice {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), until: Instant::now() + Duration::from_secs(4) }
    }

    /// A message that the user may want to answer.
    pub(super) fn lasting(text: impl Into<String>) -> Self {
        Self { until: Instant::now() + Duration::from_secs(15), ..Self::new(text) }
    }
}

fn milliseconds(time: Duration) -> String {
    match time.as_millis() {
        0 => "<1 ms".to_owned(),
        millis => format!("{millis} ms"),
    }
}

/// Untrusted text for display in one line.
pub(super) fn one_line(text: &str) -> String {
    sanitize::line(text, LINE_WIDTH)
}

/// `text` cut to at most `width` columns, with an ellipsis if it was cut.
fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut out = String::new();
    for c in text.chars() {
        let mut next = out.clone();
        next.push(c);
        if next.width() + 1 > width {
            break;
        }
        out = next;
    }
    out.push('…');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(width: u16, change: impl FnOnce(&mut Status<'_>)) -> String {
        let up = PtyStatus {
            service: "ttyd".into(),
            link: LinkState::Up { round_trip: Some(Duration::from_millis(12)) },
            last_heard: Instant::now(),
        };
        let mut status = Status {
            session: "work",
            status: &up,
            size: (80, 23),
            title: "vim",
            scrolled: 0,
            prefix: PrefixKey::default(),
            prefixed: false,
            notice: None,
            mode: &PaneMode::Normal,
            opening: false,
            message: None,
            ended: None,
        };
        change(&mut status);
        let area = Rect::new(0, 0, width, 1);
        let mut buffer = Buffer::empty(area);
        status.render(area, &mut buffer);
        (0..width).map(|x| buffer.cell((x, 0)).unwrap().symbol().to_owned()).collect()
    }

    #[test]
    fn the_status_line_shows_the_session_and_the_key_to_leave() {
        assert_eq!(
            line(80, |_| {}),
            format!("{:<50}{}", " work · ttyd · 80×23 · 12 ms · vim", "Ctrl-] leaves · Ctrl-] ? help ")
        );
        assert_eq!(line(20, |_| {}), " work · ttyd · 80×… ");
        let text = line(80, |status| status.message = Some("the cell has ended"));
        assert!(text.starts_with(" the cell has ended · work · ttyd"), "{text}");
        assert!(line(80, |status| status.opening = true).starts_with(" work · opening the terminal…  "));
        assert_eq!(line(3, |_| {}).chars().count(), 3);
    }

    #[test]
    fn a_lost_link_is_reported() {
        let down = PtyStatus {
            service: "ttyd".into(),
            link: LinkState::Down { since: Instant::now(), why: "no\nanswer".into() },
            last_heard: Instant::now(),
        };
        // The reference must outlive the closure, so this test leaks the status.
        let down: &'static PtyStatus = Box::leak(Box::new(down));
        let text = line(120, |status| status.status = down);
        assert!(
            text.starts_with(" work · link down for 0 s: no answer; reconnecting, keys are not sent"),
            "{text}"
        );
    }
}
