//! Output as text that appears above the line that is edited: whole lines, by a console of its own, as the editor draws on the
//! terminal meanwhile.

use std::io;
use std::time::Duration;

use unicode_width::UnicodeWidthStr;

use super::editor::Notifier;
use crate::render::{Console, ConsoleOptions};
use bai_protocol::record::ConsoleRecord;

/// A line without its end is shown when no more of it came for this long.
pub(super) const LINE_LIMIT: Duration = Duration::from_millis(400);

/// Maximum bytes of a line that is drawn again when more of it comes.
const MAX_LINE: usize = 4 * 1024;

/// The place above the line that is edited.
pub(super) struct AboveLine {
    notifier: Notifier,
    options: ConsoleOptions,
    /// The last line that was shown, if its end has not come, and how many notices there were then.
    unfinished: Option<(ConsoleRecord, usize)>,
}

impl AboveLine {
    /// The place; the options are those of the prompt's console.
    pub(super) fn new(notifier: Notifier, options: ConsoleOptions) -> Self {
        AboveLine { notifier, options, unfinished: None }
    }

    /// Shows records. Blocks while pictures are drawn.
    pub(super) fn show(&mut self, mut records: Vec<ConsoleRecord>) {
        let Some(first) = records.first_mut() else { return };
        let notices = self.notifier.notices();
        let goes_on = match self.unfinished.take() {
            Some((mut line, before)) if before == notices => {
                // What is a record of its own begins at its own line.
                let joined = line.append(first.clone(), usize::MAX).is_ok();
                if joined {
                    *first = line;
                }
                joined
            }
            _ => false,
        };
        let mut text = as_text(&records, self.options.clone());
        if goes_on {
            text.insert_str(0, LINE_BEFORE);
        }
        self.unfinished = take_unfinished(&mut records).filter(is_one_row).map(|line| (line, notices));
        self.notifier.show_above(&text);
    }
}

/// Goes to the beginning of the line before the edited one, and clears it.
const LINE_BEFORE: &str = "\x1b[A\r\x1b[K";

/// Whether a line without its end is plain text that fits in one row.
fn is_one_row(line: &ConsoleRecord) -> bool {
    let (ConsoleRecord::Stdout(text) | ConsoleRecord::Stderr(text)) = line else { return false };
    let is_plain = text.len() <= MAX_LINE && !text.contains(|c: char| c.is_control());
    is_plain && text.width() < usize::from(crate::terminal::size().cols)
}

/// Takes the last line out of the records, if its end has not come.
pub(super) fn take_unfinished(records: &mut Vec<ConsoleRecord>) -> Option<ConsoleRecord> {
    let (ConsoleRecord::Stdout(text) | ConsoleRecord::Stderr(text)) = records.last()? else { return None };
    let end = text.rfind('\n').map_or(0, |at| at + 1);
    if end == text.len() {
        return None;
    }
    let mut last = records.pop()?;
    if end == 0 {
        return Some(last);
    }
    // The position is that of a character, so the text is split exactly there.
    let rest = last.split_off(end);
    records.push(last);
    rest
}

/// Records as harmless text of whole lines.
fn as_text(records: &[ConsoleRecord], mut options: ConsoleOptions) -> String {
    options.size = crate::terminal::size();
    let mut bytes = Vec::new();
    let mut console = Console::new(&mut bytes, io::sink(), options);
    console.begin_cell();
    // Writing into memory cannot fail.
    for record in records {
        let _ = console.record(record);
    }
    let _ = console.end_cell();
    let _ = console.fresh_line();
    drop(console);
    String::from_utf8_lossy(&bytes).into_owned()
}
