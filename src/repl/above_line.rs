//! Output as text that appears above the line that is edited: whole lines, by a console of its own, as the editor draws on the
//! terminal meanwhile.

use std::io;
use std::time::Duration;

use super::editor::Notifier;
use crate::render::{Console, ConsoleOptions};
use bai_protocol::record::ConsoleRecord;

/// A line without its end is shown when no more of it came for this long.
pub(super) const LINE_LIMIT: Duration = Duration::from_millis(400);

/// The place above the line that is edited.
#[derive(Clone)]
pub(super) struct AboveLine {
    pub(super) notifier: Notifier,
    pub(super) options: ConsoleOptions,
}

impl AboveLine {
    /// Shows records. A picture takes a while, so this is done on another thread.
    pub(super) async fn show(&self, records: Vec<ConsoleRecord>) {
        if records.is_empty() {
            return;
        }
        let AboveLine { notifier, options } = self.clone();
        // An error means that the runtime ends.
        let _ = tokio::task::spawn_blocking(move || notifier.show_above(&as_text(&records, options))).await;
    }
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
pub(super) fn as_text(records: &[ConsoleRecord], mut options: ConsoleOptions) -> String {
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
