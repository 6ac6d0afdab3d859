//! Handles the mouse: events go to the program if it requested them; otherwise the mouse scrolls and selects.

use std::time::{Duration, Instant};

use super::pane::Pane;
use super::pointer_state::Click;
use super::view::Notice;
use crate::panes::input::{Button, Key, KeyCode, Mouse, MouseKind, encode_key, encode_mouse};
use crate::terminal::model::{MouseProtocol, SelectionKind};

/// Lines for one step of the wheel.
const NOTCH: i32 = 3;
/// Clicks within this time form a double or triple click.
const CLICKS: Duration = Duration::from_millis(400);

impl Pane<'_> {
    pub(super) fn mouse(&mut self, mouse: Mouse) {
        let modes = self.shared.modes();
        let (_, rows) = self.screen();
        if mouse.row >= rows && !self.pointer.dragging {
            return;
        }
        if modes.mouse != MouseProtocol::Off && !self.pointer.scrolled_back {
            if let Some(bytes) = encode_mouse(mouse, &modes) {
                self.pass_on(&bytes);
            }
            return;
        }
        match mouse.kind {
            MouseKind::Press(Button::WheelUp) => self.wheel(1),
            MouseKind::Press(Button::WheelDown) => self.wheel(-1),
            MouseKind::Press(Button::Left) => self.start_selection(mouse),
            MouseKind::Drag(Button::Left) if self.pointer.dragging => {
                self.shared.model.blocking_lock().select_to(mouse.column, mouse.row.min(rows - 1));
                self.pointer.selected = true;
                self.dirty = true;
            }
            MouseKind::Release(_) if self.pointer.dragging => self.end_selection(),
            _ => {}
        }
    }

    fn wheel(&mut self, direction: i32) {
        let modes = self.shared.modes();
        if !modes.alternate_screen {
            return self.scroll(direction * NOTCH);
        }
        if modes.alternate_scroll {
            let code = if direction > 0 { KeyCode::Up } else { KeyCode::Down };
            let key = encode_key(Key { code, modifiers: 0 }, &modes);
            for _ in 0..NOTCH {
                self.pass_on(&key);
            }
        }
    }

    fn start_selection(&mut self, mouse: Mouse) {
        let position = (mouse.column, mouse.row);
        let now = Instant::now();
        let count = match self.pointer.last_click {
            Some(click) if click.position == position && now.duration_since(click.when) < CLICKS => {
                click.count % 3 + 1
            }
            _ => 1,
        };
        self.pointer.last_click = Some(Click { position, when: now, count });
        self.pointer.dragging = true;
        self.pointer.selected = count > 1;
        let kind = match count {
            1 => SelectionKind::Cells,
            2 => SelectionKind::Words,
            _ => SelectionKind::Lines,
        };
        self.shared.model.blocking_lock().select(mouse.column, mouse.row, kind);
        self.dirty = true;
    }

    fn end_selection(&mut self) {
        self.pointer.dragging = false;
        self.dirty = true;
        let mut model = self.shared.model.blocking_lock();
        if !self.pointer.selected {
            model.clear_selection();
            return;
        }
        let text = model.selected_text();
        drop(model);
        let Some(text) = text else { return };
        if self.copy(&text) {
            self.notice = Some(Notice::new("copied"));
        }
    }
}
