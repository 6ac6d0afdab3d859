//! Handles keys: most go to the program, some belong to the pane.

use std::time::Instant;

use bytes::Bytes;

use super::LeaveReason;
use super::pane::Pane;
use super::view::{Notice, PaneMode};
use crate::panes::input::{Input, Key, KeyCode, encode_key};
use crate::panes::prefix::PrefixCommand;
use crate::terminal::model::{Direction, Modes};

const SHIFT: u8 = 1;

impl Pane<'_> {
    fn command(&mut self, command: PrefixCommand, typed: Vec<u8>) {
        match command {
            PrefixCommand::Leave => self.leave(LeaveReason::Left, typed),
            PrefixCommand::Detach => self.leave(LeaveReason::Detached, Vec::new()),
            PrefixCommand::Literal => self.pass_on(&[self.prefix.key().byte()]),
            PrefixCommand::Help => self.mode = PaneMode::Help,
            PrefixCommand::Search => self.mode = PaneMode::Search { text: String::new(), found: None },
            PrefixCommand::Clipboard => self.clipboard_key(),
            PrefixCommand::DropLink => {
                self.shared.drop_link();
                self.notice = Some(Notice::new("the link was dropped; reconnecting"));
            }
        }
    }

    pub(super) fn input(&mut self, input: Input) {
        // Input after the key that leaves is for the next reader.
        if let Some(exit) = &mut self.exit {
            if let Input::Bytes(bytes) = input {
                exit.typed.extend(bytes);
            }
            return;
        }
        let Some(input) = self.after_prefix(input) else { return };
        let prefix = self.prefix.key().byte();
        match (input, &mut self.mode) {
            (Input::Bytes(bytes), _) if bytes == [prefix] => self.press_prefix(),
            (Input::Control(byte), _) if byte == prefix => self.press_prefix(),
            (Input::Mouse(mouse), _) => self.mouse(mouse),
            (Input::Focus(on), _) => {
                if self.shared.modes().focus {
                    self.pass_on(if on { b"\x1b[I" } else { b"\x1b[O" });
                }
            }
            (Input::Bytes(_) | Input::Key(_) | Input::Control(_), PaneMode::Help) => {
                self.mode = PaneMode::Normal;
                self.dirty = true;
            }
            (input, PaneMode::Search { .. }) => self.search_input(&input),
            (input, _) => self.program_input(input),
        }
    }

    /// Handles the key after the prefix: a command, or a key for the next reader. Returns other input unchanged.
    fn after_prefix(&mut self, input: Input) -> Option<Input> {
        if self.prefix.until().is_none() {
            return Some(input);
        }
        let byte = match &input {
            Input::Mouse(_) | Input::Focus(_) => return Some(input),
            Input::Bytes(bytes) => bytes.first().copied().filter(|_| bytes.len() == 1),
            Input::Control(byte) => Some(*byte),
            _ => None,
        };
        let command = byte.map_or(Some(PrefixCommand::Leave), |byte| self.prefix.follow(byte));
        let typed = match input {
            Input::Bytes(bytes) => bytes,
            Input::Control(byte) => vec![byte],
            Input::Key(key) => encode_key(key, &Modes::default()),
            Input::PasteStart => b"\x1b[200~".to_vec(),
            _ => Vec::new(),
        };
        self.command(command?, typed);
        self.dirty = true;
        None
    }

    fn press_prefix(&mut self) {
        self.prefix.press();
        self.dirty = true;
    }

    fn program_input(&mut self, input: Input) {
        let modes = self.shared.modes();
        match input {
            Input::Key(Key { code: code @ (KeyCode::PageUp | KeyCode::PageDown), modifiers: SHIFT })
                if !modes.alternate_screen =>
            {
                let page = i32::from(self.screen().1.saturating_sub(1).max(1));
                self.scroll(if code == KeyCode::PageUp { page } else { -page });
            }
            Input::Key(key) => self.typed_key(&encode_key(key, &modes)),
            Input::Control(byte) => self.typed_key(&[byte]),
            Input::Bytes(bytes) => self.typed_key(&bytes),
            Input::PasteStart if modes.bracketed_paste => {
                self.paste_started = true;
                self.pass_on(b"\x1b[200~");
            }
            // End a started paste even if the program has changed its mode since.
            Input::PasteEnd if std::mem::take(&mut self.paste_started) => self.pass_on(b"\x1b[201~"),
            Input::Paste(bytes) => self.typed_key(&bytes),
            Input::PasteStart | Input::PasteEnd | Input::Mouse(_) | Input::Focus(_) => {}
        }
    }

    /// Sends a typed key to the program, after scrolling to the bottom.
    fn typed_key(&mut self, bytes: &[u8]) {
        if self.pointer.scrolled_back || self.pointer.selected {
            self.pointer.scrolled_back = false;
            self.pointer.selected = false;
            let mut model = self.shared.model.blocking_lock();
            model.scroll_to_bottom();
            model.clear_selection();
            self.dirty = true;
        }
        self.pass_on(bytes);
    }

    /// Queues bytes for the program. They are sent together after all available keys are handled.
    pub(super) fn pass_on(&mut self, bytes: &[u8]) {
        self.typed.extend_from_slice(bytes);
    }

    pub(super) fn send_typed(&mut self) {
        if self.typed.is_empty() {
            return;
        }
        let bytes = Bytes::from(std::mem::take(&mut self.typed));
        self.pace.key(Instant::now(), self.dirty);
        if let Err(error) = self.shared.send(bytes) {
            self.notice = Some(Notice::new(error.to_string()));
            self.dirty = true;
        }
    }

    pub(super) fn scroll(&mut self, lines: i32) {
        let mut model = self.shared.model.blocking_lock();
        model.scroll(lines);
        self.pointer.scrolled_back = model.scrolled_back() > 0;
        self.dirty = true;
    }

    fn search_input(&mut self, input: &Input) {
        let PaneMode::Search { text, found } = &mut self.mode else { return };
        self.dirty = true;
        let direction = match input {
            Input::Bytes(bytes) => match bytes.as_slice() {
                b"\r" | b"\n" | b"\x10" => Direction::Older,
                b"\x0e" => Direction::Newer,
                b"\x1b" | b"\x03" | b"\x07" => return self.end_search(),
                b"\x7f" | b"\x08" => {
                    text.pop();
                    *found = None;
                    return;
                }
                b"\x15" => {
                    text.clear();
                    return;
                }
                bytes => {
                    self.pointer.partial.extend_from_slice(bytes);
                    return self.search_text();
                }
            },
            Input::Paste(bytes) => {
                self.pointer.partial.extend_from_slice(bytes);
                return self.search_text();
            }
            Input::Key(Key { code: KeyCode::Up, .. }) => Direction::Older,
            Input::Key(Key { code: KeyCode::Down, .. }) => Direction::Newer,
            _ => return,
        };
        let mut model = self.shared.model.blocking_lock();
        *found = Some(model.search(text, direction));
        self.pointer.scrolled_back = model.scrolled_back() > 0;
        self.pointer.selected = true;
    }

    /// Appends the complete characters of the received bytes to the search text.
    fn search_text(&mut self) {
        let PaneMode::Search { text, found } = &mut self.mode else { return };
        let partial = &mut self.pointer.partial;
        let whole = match std::str::from_utf8(partial) {
            Ok(whole) => whole.len(),
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            Err(_) => {
                partial.clear();
                return;
            }
        };
        let rest = partial.split_off(whole);
        let new = String::from_utf8_lossy(partial);
        text.extend(new.chars().filter(|c| !c.is_control()));
        *partial = rest;
        *found = None;
    }

    /// Ends the search; the match stays selected and visible until the next key.
    fn end_search(&mut self) {
        self.mode = PaneMode::Normal;
        self.pointer.partial.clear();
    }
}
