//! The frame around a view: the title above, the keys below, and the help on top.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr;

use super::appearance::{Appearance, cut, pad, put};
use super::line_entry::LineEntry;
use super::view::{KeyHelp, View};
use crate::render::sanitize;
use crate::terminal::model::{Cursor, CursorShape};
use crate::theme::Role;

/// The content of the line below, instead of the keys.
pub(super) struct Footer<'a> {
    pub(super) entry: Option<&'a LineEntry>,
    pub(super) message: Option<&'a (String, bool)>,
}

/// Keys of every view.
const COMMON: &[KeyHelp] = &[
    ("↑ ↓ j k", "up and down"),
    ("PgUp PgDn space", "a page up or down"),
    ("g G Home End", "first, last"),
    ("? q Esc", "this help, leave"),
];

/// Draws the window. Returns the cursor if the user types a line.
pub(super) fn draw(
    view: &mut dyn View,
    below: Footer<'_>,
    help: bool,
    window: Rect,
    buffer: &mut Buffer,
    appearance: &Appearance,
) -> Option<Cursor> {
    buffer.reset();
    // A tiny window shows only the view.
    let framed = window.height >= 3;
    let body = if framed { Rect { y: window.y + 1, height: window.height - 2, ..window } } else { window };
    view.draw(body, buffer, appearance);
    let mut cursor = None;
    if framed {
        title(view, window, buffer, appearance);
        cursor = status(view, below, window, buffer, appearance);
    }
    if help {
        self::help(&view.keys(), body, buffer, appearance);
    }
    cursor
}

fn title(view: &dyn View, window: Rect, buffer: &mut Buffer, appearance: &Appearance) {
    let width = usize::from(window.width);
    let state = sanitize::line(&view.state(), width);
    let room = width.saturating_sub(state.width() + 3);
    let title = cut(&sanitize::title(&view.title(), width), room);
    put(buffer, window, 1, 0, &title, appearance.style(Role::PaneTitle));
    let at = width.saturating_sub(state.width() + 1);
    if at > title.width() + 1 {
        put(
            buffer,
            window,
            u16::try_from(at).unwrap_or(u16::MAX),
            0,
            &state,
            appearance.style(Role::PaneMuted),
        );
    }
}

fn status(
    view: &dyn View,
    below: Footer<'_>,
    window: Rect,
    buffer: &mut Buffer,
    appearance: &Appearance,
) -> Option<Cursor> {
    let row = window.height - 1;
    let width = usize::from(window.width);
    let bar = appearance.style(Role::StatusBar);
    put(buffer, window, 0, row, &" ".repeat(width), bar);
    if let Some(entry) = below.entry {
        let at = put(buffer, window, 1, row, &format!("{} ", entry.label), appearance.style(Role::StatusKey));
        // Show the end of a long line, where the user types.
        let text = sanitize::line(entry.text(), usize::MAX >> 8);
        let room = usize::from(window.width.saturating_sub(at + 1));
        let mut shown = text.as_str();
        while shown.width() > room {
            let mut rest = shown.chars();
            rest.next();
            shown = rest.as_str();
        }
        let at = put(buffer, window, at, row, shown, bar);
        let column = at.min(window.width.saturating_sub(1));
        return Some(Cursor { column, row: window.y + row, shape: CursorShape::Default, blinking: false });
    }
    if let Some((text, is_error)) = below.message {
        let style = if *is_error { appearance.style(Role::StatusAlert) } else { bar };
        put(buffer, window, 0, row, &format!(" {} ", sanitize::line(text, width)), style);
        return None;
    }
    let needed = |(key, what): &KeyHelp| u16::try_from(key.width() + what.width() + 1).unwrap_or(u16::MAX);
    let help = ("?", "help");
    // Keys that do not fit are in the help, so keep room for its key.
    let kept = needed(&help) + 2;
    let mut column: u16 = 1;
    for (key, what) in view.keys().into_iter().chain([help, ("q", "leaves")]) {
        let kept = if key == help.0 || key == "q" { 0 } else { kept };
        if column.saturating_add(needed(&(key, what))).saturating_add(kept) > window.width {
            continue;
        }
        column = put(buffer, window, column, row, key, appearance.style(Role::StatusKey));
        column = put(buffer, window, column, row, &format!(" {what}  "), bar);
    }
    None
}

fn help(keys: &[KeyHelp], body: Rect, buffer: &mut Buffer, appearance: &Appearance) {
    // Windows that are too low for all lines still show the last one.
    let most = usize::from(body.height).saturating_sub(1);
    let rows: Vec<KeyHelp> =
        keys.iter().chain(COMMON).copied().take(most).chain([("", "any key closes this")]).collect();
    let left = rows.iter().map(|(key, _)| key.width()).max().unwrap_or(0);
    let right = rows.iter().map(|(_, what)| what.width()).max().unwrap_or(0);
    let width = (left + right + 4).min(usize::from(body.width));
    let height = rows.len().min(usize::from(body.height));
    let column = (usize::from(body.width) - width) / 2;
    let top = (usize::from(body.height) - height) / 2;
    for (row, (key, what)) in rows.iter().take(height).enumerate() {
        let text = pad(&format!(" {}  {what} ", pad(key, left)), width);
        let (column, row) = (u16::try_from(column).unwrap_or(0), u16::try_from(top + row).unwrap_or(0));
        // Replace a wide character that the box would cut in half.
        if let Some(before) = column.checked_sub(1)
            && let Some(cell) = buffer.cell_mut((body.x + before, body.y + row))
            && cell.symbol().width() > 1
        {
            cell.set_char(' ');
        }
        put(buffer, body, column, row, &text, appearance.style(Role::StatusBar));
    }
}
