//! What the pane shows: the program's screen, and one line of ours below it.

use std::time::{Duration, Instant};

use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::widgets::Widget;
use unicode_width::UnicodeWidthStr;

use crate::format;
use crate::panes::PrefixKey;
use crate::panes::painter::underline;
use crate::terminal::model::{CellColor, Glyph, Model};
use bai_client::pty::{LinkState, PtyStatus};

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
            let at = (area.x + glyph.column, area.y + glyph.row);
            if let Some(cell) = buffer.cell_mut(at) {
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
        // What would change the width (joiners, emoji presentation) would shift the rest of the line.
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

fn color(ink: CellColor) -> Color {
    match ink {
        CellColor::Default => Color::Reset,
        CellColor::Indexed(index) => Color::Indexed(index),
        CellColor::Rgb(r, g, b) => Color::Rgb(r, g, b),
    }
}

/// What the line of ours has to say besides the usual.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Overlay {
    #[default]
    Nothing,
    /// The keys, over the screen.
    Help,
    /// A text is typed that is searched for.
    Search {
        text: String,
        /// The last search found something; `None` before the first.
        found: Option<bool>,
    },
}

/// Everything that the status line tells.
pub(super) struct Status<'a> {
    pub(super) session: &'a str,
    pub(super) status: &'a PtyStatus,
    pub(super) size: (u16, u16),
    pub(super) title: &'a str,
    pub(super) scrolled: usize,
    pub(super) prefix: PrefixKey,
    /// The prefix was pressed, and what comes next decides.
    pub(super) prefixed: bool,
    /// A remark that stays for a while.
    pub(super) notice: Option<&'a str>,
    pub(super) overlay: &'a Overlay,
    /// It is not there yet.
    pub(super) opening: bool,
    /// What happens outside of the terminal.
    pub(super) remark: Option<&'a str>,
    /// How the terminal ended, if it has.
    pub(super) ended: Option<&'a str>,
}

impl Status<'_> {
    /// Left and right text, and whether it is an alarm.
    fn text(&self) -> (String, String, bool) {
        let key = self.prefix;
        if self.prefixed {
            let text = format!(" {key} sends it · ? help · / search · . reconnect");
            return (text, format!("{key} leaves "), false);
        }
        if let Overlay::Search { text, found } = self.overlay {
            let verdict = if *found == Some(false) { "  (nowhere)" } else { "" };
            return (
                format!(" search: {text}{verdict}"),
                "Enter older · ↓ newer · Esc ends ".to_owned(),
                false,
            );
        }
        let leave = format!("{key} leaves · {key} ? help ");
        if let Some(ended) = self.ended {
            return (format!(" {} · {ended}", self.session), format!("{key} leaves "), true);
        }
        if let Some(notice) = self.notice {
            return (format!(" {notice}"), leave, true);
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
        let remark = self.remark.map(|remark| format!(" {remark} ·")).unwrap_or_default();
        if self.opening {
            return format!("{remark} {} · opening the terminal…", self.session);
        }
        let (columns, rows) = self.size;
        let mut text = format!("{remark} {} · {} · {columns}×{rows}", self.session, self.status.service);
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
        let (left, right, alarm) = self.text();
        let style = Style::new().add_modifier(Modifier::REVERSED);
        let style = if alarm { style.fg(Color::Indexed(1)).add_modifier(Modifier::BOLD) } else { style };
        buffer.set_stringn(area.x, area.y, " ".repeat(area.width.into()), area.width.into(), style);
        let width = usize::from(area.width);
        let right_width = right.width();
        let room = if right_width + 8 <= width { width - right_width } else { width };
        buffer.set_stringn(area.x, area.y, cut(&left, room.saturating_sub(1)), room, style);
        if room < width {
            let from = area.x + u16::try_from(room).unwrap_or(area.width);
            buffer.set_stringn(from, area.y, right, right_width, style);
        }
    }
}

/// The keys, in a box over the screen.
pub(super) struct Help {
    pub(super) prefix: PrefixKey,
}

impl Widget for Help {
    fn render(self, area: Rect, buffer: &mut Buffer) {
        let key = self.prefix.to_string();
        let lines = [
            (key.clone(), "leave; the terminal stays connected"),
            (format!("{key} {key}"), "send the key itself"),
            (format!("{key} /"), "search back in what was printed"),
            (format!("{key} ."), "drop the link and connect again"),
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
            // A wide character that the box cuts in half is replaced whole.
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

/// A remark that goes away by itself.
#[derive(Debug)]
pub(super) struct Notice {
    pub(super) text: String,
    pub(super) until: Instant,
}

impl Notice {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), until: Instant::now() + Duration::from_secs(4) }
    }
}

fn milliseconds(time: Duration) -> String {
    match time.as_millis() {
        0 => "<1 ms".to_owned(),
        millis => format!("{millis} ms"),
    }
}

/// Text from elsewhere, fit for one line.
pub(super) fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// `text` in at most `width` columns, with a sign where it was cut.
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
            overlay: &Overlay::Nothing,
            opening: false,
            remark: None,
            ended: None,
        };
        change(&mut status);
        let area = Rect::new(0, 0, width, 1);
        let mut buffer = Buffer::empty(area);
        status.render(area, &mut buffer);
        (0..width).map(|x| buffer.cell((x, 0)).unwrap().symbol().to_owned()).collect()
    }

    #[test]
    fn the_status_line_says_where_one_is_and_how_to_leave() {
        assert_eq!(
            line(80, |_| {}),
            format!("{:<50}{}", " work · ttyd · 80×23 · 12 ms · vim", "Ctrl-] leaves · Ctrl-] ? help ")
        );
        assert_eq!(line(20, |_| {}), " work · ttyd · 80×… ");
        let text = line(80, |status| status.remark = Some("the cell has ended"));
        assert!(text.starts_with(" the cell has ended · work · ttyd"), "{text}");
        assert!(line(80, |status| status.opening = true).starts_with(" work · opening the terminal…  "));
        assert_eq!(line(3, |_| {}).chars().count(), 3);
    }

    #[test]
    fn a_dead_link_is_said() {
        let down = PtyStatus {
            service: "ttyd".into(),
            link: LinkState::Down { since: Instant::now(), why: "no\nanswer".into() },
            last_heard: Instant::now(),
        };
        // The reference must outlive the closure, so the status is leaked: it is a test.
        let down: &'static PtyStatus = Box::leak(Box::new(down));
        let text = line(120, |status| status.status = down);
        assert!(
            text.starts_with(" work · link down for 0 s: no answer; reconnecting, keys are not sent"),
            "{text}"
        );
    }
}
