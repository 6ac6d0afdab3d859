//! Output of a session that a run of our own has received: a session hands what its program prints between two runs to the
//! next run, and that may be a question of this client. The next run of the caller begins with it.

use super::run::RunOptions;
use bai_protocol::byte_text;
use bai_protocol::record::ConsoleRecord;
use std::sync::{Mutex, PoisonError};

/// How many bytes are kept.
const LIMIT: usize = 1 << 20;

/// The output that waits for the next run. Its texts keep bytes that are not UTF-8.
#[derive(Debug, Default)]
pub(super) struct Stray(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    records: Vec<ConsoleRecord>,
    bytes: usize,
    /// Whether there was more.
    cut: bool,
}

impl Stray {
    pub(super) fn keep(&self, record: ConsoleRecord) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.bytes > LIMIT {
            waiting.cut = true;
            return;
        }
        waiting.bytes += record.size();
        waiting.records.push(record);
    }

    /// Takes everything, for a run with these options.
    pub(super) fn take(&self, options: &RunOptions) -> Vec<ConsoleRecord> {
        let mut waiting = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        if waiting.cut {
            let note = "[more output was dropped, because no run collected it]\n";
            waiting.records.push(ConsoleRecord::Stderr(note.to_owned()));
        }
        let text = |text: String| if options.bytes { text } else { byte_text::replaced(&text).into_owned() };
        let wanted = |record: ConsoleRecord| if options.live { Some(record) } else { record.plain() };
        waiting.records.into_iter().filter_map(wanted).map(|record| record.map_text(text)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_kept_with_its_bytes_up_to_a_limit() {
        let stray = Stray::default();
        let (text, bytes) = (RunOptions::default(), RunOptions { bytes: true, ..RunOptions::default() });
        let odd = byte_text::text(b"\xff\n");
        stray.keep(ConsoleRecord::Stdout(odd.clone()));
        assert_eq!(stray.take(&bytes), [ConsoleRecord::Stdout(odd.clone())]);
        stray.keep(ConsoleRecord::Stdout(odd));
        assert_eq!(stray.take(&text), [ConsoleRecord::Stdout("\u{fffd}\n".into())]);
        assert!(stray.take(&text).is_empty());
        for _ in 0..3 {
            stray.keep(ConsoleRecord::Html("x".repeat(LIMIT)));
        }
        let kept = stray.take(&bytes);
        assert_eq!(kept.len(), 3);
        assert!(matches!(kept.last(), Some(ConsoleRecord::Stderr(note)) if note.contains("dropped")));
    }
}
