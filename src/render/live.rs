//! Output that takes the place of earlier output: displays with an id and their updates, and the clearing of a cell.
//!
//! Beside what a cell prints after such a display, the console keeps that output as it was written. An update goes back to the first
//! line of the display, erases the screen from there, and writes what follows again. This needs a terminal, and the line
//! must still be on the screen. Otherwise the last state is shown once, at the end of the cell.

use std::io::Write;

use super::console::{Console, Flow, RenderError, Stream};
use super::media::EncodedPicture;
use super::sanitize::{Attributes, Pen, Policy, Sanitizer};
use crate::terminal::ColorDepth;
use bai_protocol::record::{ConsoleRecord, Display};

/// The most bytes of output that are kept to be written again: more than any screen shows.
const MAX_KEPT: usize = 4 << 20;

/// The most displays of a cell that are remembered.
const MAX_DISPLAYS: usize = 1000;

/// What a cell has printed that may be changed.
#[derive(Debug, Default)]
pub(super) struct Live {
    /// The first row of the cell's output.
    start: u64,
    /// The output is to be cleared when more comes.
    clears: bool,
    /// The output from the first display that can be updated to the end.
    parts: Vec<Part>,
    /// What is written to the terminal without being text. In order, as are the texts between them.
    inks: Vec<Ink>,
    /// The last states of displays that could not be shown in their place.
    late: Vec<(String, Display)>,
    /// What was shown of displays that can never be updated in their place.
    shown: Vec<(String, ConsoleRecord)>,
    /// Displays that were cleared.
    cleared: Vec<String>,
    /// The sequences that remove pictures, and the rows of these.
    removals: Vec<(u64, String)>,
    /// A synchronized update has begun.
    changing: bool,
}

/// A piece of the output.
#[derive(Debug)]
struct Part {
    /// The row in which it begins, in column 0 if it is a display.
    row: u64,
    /// The id of a display.
    id: Option<String>,
    inks: Vec<Ink>,
}

/// What was written to the terminal.
#[derive(Clone, Debug)]
enum Ink {
    Text(Vec<u8>),
    Picture(EncodedPicture),
}

impl Part {
    fn size(&self) -> usize {
        let size = |ink: &Ink| match ink {
            Ink::Text(bytes) => bytes.len(),
            Ink::Picture(picture) => picture.size(),
        };
        self.inks.iter().map(size).sum()
    }
}

impl<O: Write, E: Write> Console<O, E> {
    /// Begins a cell at the cursor.
    pub(super) fn begin_live(&mut self) {
        let _ = self.out.stop_keeping();
        self.live = Live { start: self.cursor.row(), changing: self.live.changing, ..Live::default() };
    }

    /// Whether output can take the place of earlier output.
    fn can_return(&self) -> bool {
        self.on_terminal(Stream::Stdout) && !self.options.screen.dumb && !self.options.raw
    }

    /// Shows a display, or changes it.
    pub(super) fn display(&mut self, display: &Display) -> Result<Flow, RenderError> {
        self.place(display, |console| match &*display.record {
            ConsoleRecord::Media { mime, data } => console.media(mime, data, display.size),
            record => console.record(record),
        })
    }

    /// Shows a display or changes it; `draw` writes it at the cursor.
    pub(super) fn place(
        &mut self,
        display: &Display,
        draw: impl FnOnce(&mut Self) -> Result<Flow, RenderError>,
    ) -> Result<Flow, RenderError> {
        match &display.id {
            Some(id) if display.update => self.update(id, display, draw),
            Some(id) => self.add(id, display, draw),
            None => {
                self.clear_if_due();
                if self.on_terminal(Stream::Stdout) {
                    let _ = self.start_line()?;
                }
                draw(self)
            }
        }
    }

    /// Whether an update would be shown now, and not at the end of the cell.
    pub(super) fn updates_now(&self, id: &str) -> bool {
        self.live.parts.iter().any(|part| self.is_of(part, id))
    }

    /// Whether a part is the display of this id, and on the screen.
    fn is_of(&self, part: &Part, id: &str) -> bool {
        part.id.as_deref() == Some(id) && self.cursor.first_reachable(part.row) == part.row
    }

    fn add(
        &mut self,
        id: &str,
        display: &Display,
        draw: impl FnOnce(&mut Self) -> Result<Flow, RenderError>,
    ) -> Result<Flow, RenderError> {
        self.clear_if_due();
        self.live.late.retain(|(late, _)| late != id);
        self.live.cleared.retain(|cleared| cleared != id);
        if !self.can_return() {
            self.live.shown.retain(|(shown, _)| shown != id);
            if self.live.shown.len() < MAX_DISPLAYS {
                self.live.shown.push((id.to_owned(), (*display.record).clone()));
            }
            return draw(self);
        }
        let _ = self.start_line()?;
        self.keep_part();
        let row = self.cursor.row();
        self.live.parts.push(Part { row, id: Some(id.to_owned()), inks: Vec::new() });
        let flow = self.draw_display(draw)?;
        self.drop_unreachable();
        Ok(flow)
    }

    /// Draws the last part, which is a display, and begins the part after it.
    fn draw_display(
        &mut self,
        draw: impl FnOnce(&mut Self) -> Result<Flow, RenderError>,
    ) -> Result<Flow, RenderError> {
        self.out.keep();
        let _ = draw(self)?;
        let flow = self.start_line()?;
        // The program's own moves of the cursor stay below.
        self.cursor.leave_own_lines();
        let inks = self.take_inks();
        // It is gone if it went past the output that is kept.
        if let Some(part) = self.live.parts.last_mut() {
            part.inks = inks;
            self.out.keep();
        }
        Ok(flow)
    }

    fn update(
        &mut self,
        id: &str,
        display: &Display,
        draw: impl FnOnce(&mut Self) -> Result<Flow, RenderError>,
    ) -> Result<Flow, RenderError> {
        if self.live.cleared.iter().any(|cleared| cleared == id) {
            return Ok(self.flow(Stream::Stdout));
        }
        let Some(at) = self.live.parts.iter().position(|part| self.is_of(part, id)) else {
            self.postpone(id, display);
            return Ok(self.flow(Stream::Stdout));
        };
        self.keep_part();
        // An update is no output that a clearing waits for.
        let clears = std::mem::take(&mut self.live.clears);
        let mut changed = self.live.parts.split_off(at);
        let (row, mut draw, mut drawn) = (changed.first().map_or(0, |part| part.row), Some(draw), None);
        self.erase_from(row);
        for part in changed.drain(..) {
            let is_changed = part.id.as_deref() == Some(id);
            let is_display = part.id.is_some();
            self.live.parts.push(Part { row: self.cursor.row(), id: part.id, inks: Vec::new() });
            let inks = match (is_changed, draw.take_if(|_| is_changed), &drawn) {
                (true, Some(draw), _) => {
                    let _ = self.draw_display(draw)?;
                    drawn = self.live.parts.last().map(|part| part.inks.clone());
                    let _ = self.out.stop_keeping();
                    continue;
                }
                (true, None, Some(drawn)) => Vec::clone(drawn),
                _ => part.inks,
            };
            let _ = self.write_again(&inks)?;
            if is_display {
                self.cursor.leave_own_lines();
            }
            if let Some(part) = self.live.parts.last_mut() {
                part.inks = inks;
            }
        }
        self.out.keep();
        self.live.clears = clears;
        self.drop_unreachable();
        Ok(self.flow(Stream::Stdout))
    }

    /// Keeps the last state of a display for the end of the cell.
    fn postpone(&mut self, id: &str, display: &Display) {
        let late = &mut self.live.late;
        if let Some((_, last)) = late.iter_mut().find(|(late, _)| late == id) {
            *last = display.clone();
        } else if late.len() < MAX_DISPLAYS {
            late.push((id.to_owned(), display.clone()));
        }
    }

    /// Shows the last states of the displays that could not be changed in their place.
    pub(super) fn show_late(&mut self) -> Result<(), RenderError> {
        self.live.clears = false;
        let shown = std::mem::take(&mut self.live.shown);
        for (id, display) in std::mem::take(&mut self.live.late) {
            if !shown.iter().any(|(name, record)| *name == id && *record == *display.record) {
                let _ = self.display(&Display { id: None, update: false, ..display })?;
            }
        }
        Ok(())
    }

    /// Removes the output of the cell from the screen, at once or when more comes.
    pub(super) fn clear(&mut self, wait: bool) {
        if self.can_return() {
            self.live.clears = true;
            if !wait {
                self.clear_if_due();
            }
        }
    }

    /// Removes the output of the cell, if that was asked for.
    pub(super) fn clear_if_due(&mut self) {
        if !std::mem::take(&mut self.live.clears) {
            return;
        }
        let _ = self.out.stop_keeping();
        let parts = std::mem::take(&mut self.live.parts);
        self.live.inks.clear();
        self.live.cleared.extend(parts.into_iter().filter_map(|part| part.id));
        self.live.cleared.extend(std::mem::take(&mut self.live.late).into_iter().map(|(id, _)| id));
        self.live.cleared.truncate(MAX_DISPLAYS);
        let row = self.cursor.first_reachable(self.live.start);
        if row < self.cursor.row() || row == self.cursor.row() && self.needs_newline() {
            self.erase_from(row);
        }
    }

    /// Erases the screen from the start of a row on, which must be reachable.
    fn erase_from(&mut self, row: u64) {
        self.reset_pen();
        if self.options.synchronized && !std::mem::replace(&mut self.live.changing, true) {
            self.out.buffer.extend_from_slice(b"\x1b[?2026h");
        }
        let up = self.cursor.return_to(row);
        let up = if up > 0 { format!("\x1b[{up}A") } else { String::new() };
        self.out.buffer.extend_from_slice(format!("\r{up}").as_bytes());
        let removals = std::mem::take(&mut self.live.removals);
        for (at, removal) in removals {
            if at < row {
                self.live.removals.push((at, removal));
            } else {
                self.out.buffer.extend_from_slice(removal.as_bytes());
            }
        }
        self.out.buffer.extend_from_slice(b"\x1b[J");
        self.tail.clear();
    }

    /// Ends a synchronized update.
    pub(super) fn end_change(&mut self) {
        if std::mem::take(&mut self.live.changing) {
            self.out.push_unkept(b"\x1b[?2026l");
        }
    }

    /// Draws a picture at the cursor, which is at the start of a line.
    pub(super) fn ink(&mut self, picture: EncodedPicture) -> Result<(), super::media::DrawError> {
        let was_kept = self.out.stop_keeping();
        if let Some(text) = &was_kept {
            self.live.inks.extend([Ink::Text(text.clone()), Ink::Picture(picture.clone())]);
        }
        let (row, rows, removal) = (self.cursor.row(), picture.rows(), picture.removal.clone());
        picture.inline(&mut self.out)?;
        if let Some(removal) = removal {
            self.live.removals.push((row, removal));
        }
        match rows {
            Some(rows) => self.cursor.pass_rows(u64::from(rows)),
            None => {
                self.cursor.pass_rows(1);
                self.cursor.restart();
            }
        }
        self.tail.clear();
        if was_kept.is_some() {
            self.out.keep();
        }
        Ok(())
    }

    /// Moves the cursor's model over text of our own that is written to the terminal.
    pub(super) fn follow(&mut self, written: &[u8]) {
        let mut sanitizer = Sanitizer::new(Policy::Terminal, Attributes::default());
        sanitizer.push(written, &mut self.cursor, &mut Pen::new(ColorDepth::None, false), &mut Vec::new());
    }

    fn write_again(&mut self, inks: &[Ink]) -> Result<Flow, RenderError> {
        for ink in inks {
            match ink {
                Ink::Text(bytes) => {
                    self.out.buffer.extend_from_slice(bytes);
                    self.follow(bytes);
                    self.tail.note(bytes, Attributes::default());
                }
                Ink::Picture(picture) => {
                    if let Err(problem) = self.ink(picture.clone()) {
                        tracing::debug!(%problem, "a picture is not drawn again");
                    }
                }
            }
        }
        self.out.write_if_full().map_err(RenderError::Output)
    }

    /// Takes what was written since the last part began.
    fn take_inks(&mut self) -> Vec<Ink> {
        let mut inks = std::mem::take(&mut self.live.inks);
        inks.extend(self.out.stop_keeping().filter(|text| !text.is_empty()).map(Ink::Text));
        inks
    }

    /// Ends the part that is not a display, if there is one.
    fn keep_part(&mut self) {
        self.reset_pen();
        let inks = self.take_inks();
        if !self.live.parts.is_empty() && !inks.is_empty() {
            self.live.parts.push(Part { row: self.cursor.row(), id: None, inks });
        }
    }

    /// Forgets the displays that have left the screen, and what came before the first one that has not.
    pub(super) fn drop_unreachable(&mut self) {
        let top = self.cursor.first_reachable(0);
        self.live.removals.retain(|(row, _)| *row >= top);
        if self.live.parts.is_empty() {
            return;
        }
        let is_kept = |part: &Part| part.id.as_deref().is_some_and(|id| self.is_of(part, id));
        let first = self.live.parts.iter().position(is_kept).unwrap_or(self.live.parts.len());
        self.live.parts.drain(..first);
        let kept = self.live.parts.iter().map(Part::size).sum::<usize>() + self.out.kept();
        if kept > MAX_KEPT || self.live.parts.is_empty() {
            self.forget_displays();
        }
    }

    /// Forgets all displays: their updates are shown at the end of the cell.
    pub(super) fn forget_displays(&mut self) {
        let _ = self.out.stop_keeping();
        self.live.inks.clear();
        self.live.parts.clear();
    }
}
