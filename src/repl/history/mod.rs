//! The history: cells, which are saved on disk for each language, and answers to programs, which are kept only in memory.
//! Passwords are never added.

mod file;

use std::borrow::Cow;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustyline::history::{History, SearchDirection, SearchResult};

use super::folded_text::FoldedTexts;
use file::HistoryFile;
#[cfg(feature = "fuzzing")]
pub(super) use file::LoadedHistory;

/// Maximum number of entries in memory; older cells stay in the file.
const MAX_ENTRIES: usize = 20_000;

/// Which history the arrow keys use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HistoryKind {
    /// Cells, at the prompt.
    Cells,
    /// Answers to programs.
    Answers,
}

/// The history entry that the editor showed last, and what the entries that are looked for begin with.
#[derive(Debug, Clone, Default)]
pub(super) struct Recalled(Arc<Mutex<RecalledState>>);

#[derive(Debug, Default)]
struct RecalledState {
    entry: String,
    beginning: String,
    /// The last search has found the first entry.
    is_first: bool,
    /// The next search is to find the same again.
    stays: bool,
}

impl Recalled {
    fn state(&self) -> MutexGuard<'_, RecalledState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, entry: &str) {
        entry.clone_into(&mut self.state().entry);
    }

    /// Whether `line` is that entry. If the user submits it unchanged, it is complete.
    pub(super) fn is(&self, line: &str) -> bool {
        !line.is_empty() && self.state().entry == line
    }

    /// From now on the arrow keys look for entries that begin with `line`, which the user has typed.
    pub(super) fn look_for(&self, line: &str) {
        line.clone_into(&mut self.state().beginning);
    }

    /// The next search finds again what was found before, if it is in the direction that is returned.
    pub(super) fn stay_in_search(&self) -> SearchDirection {
        let mut state = self.state();
        state.stays = true;
        if state.is_first { SearchDirection::Forward } else { SearchDirection::Reverse }
    }

    /// The next search looks for what its text says.
    pub(super) fn go_on_in_search(&self) {
        self.state().stays = false;
    }

    fn takes_stay(&self) -> bool {
        std::mem::take(&mut self.state().stays)
    }

    /// A new line begins.
    pub(super) fn forget(&self) {
        *self.state() = RecalledState::default();
    }
}

/// Both histories, one of them in use.
#[derive(Debug)]
pub(super) struct Histories {
    cells: VecDeque<String>,
    answers: VecDeque<String>,
    kind: HistoryKind,
    file: Option<HistoryFile>,
    folds: Arc<FoldedTexts>,
    recalled: Recalled,
}

impl Histories {
    /// Reads the history of a language from `folder`. The second value is a sentence for the user if the file cannot be used or
    /// is damaged.
    pub(super) fn open(
        folder: Option<&Path>,
        language: &str,
        folds: Arc<FoldedTexts>,
    ) -> (Self, Option<String>) {
        let file = folder.map(|folder| HistoryFile::new(file_name(folder, language)));
        let mut histories = Histories {
            cells: VecDeque::new(),
            answers: VecDeque::new(),
            kind: HistoryKind::Cells,
            file: None,
            folds,
            recalled: Recalled::default(),
        };
        let Some(file) = file else { return (histories, None) };
        let path = file.path().display();
        let mut notice = None;
        match file.load() {
            Ok(loaded) => {
                let skip = loaded.cells.len().saturating_sub(MAX_ENTRIES);
                histories.cells.extend(loaded.cells.into_iter().skip(skip));
                if loaded.damaged > 0 {
                    notice =
                        Some(format!("{path}: {} damaged lines of the history were skipped", loaded.damaged));
                }
                histories.file = Some(file);
            }
            Err(error) => {
                notice =
                    Some(format!("the history in {path} cannot be used ({error}); new cells are not saved"));
            }
        }
        (histories, notice)
    }

    /// The entry that the editor showed last.
    pub(super) fn recalled(&self) -> Recalled {
        self.recalled.clone()
    }

    /// Chooses the history that is used.
    pub(super) fn choose(&mut self, kind: HistoryKind) {
        self.kind = kind;
    }

    /// Adds a cell or an answer, unless it repeats the last one. Returns a sentence for the user, only once, if it cannot be
    /// saved.
    pub(super) fn remember(&mut self, text: &str) -> Option<String> {
        let entries = self.entries_mut();
        if text.trim().is_empty() || entries.back().is_some_and(|last| last == text) {
            return None;
        }
        if entries.len() >= MAX_ENTRIES {
            entries.pop_front();
        }
        entries.push_back(text.to_owned());
        if self.kind == HistoryKind::Answers {
            return None;
        }
        let error = self.file.as_ref()?.append(text).err()?;
        let path = self.file.take().map(|file| file.path().display().to_string()).unwrap_or_default();
        Some(format!("the history cannot be saved in {path} ({error}); it lasts until you leave"))
    }

    /// The cells, oldest first.
    pub(super) fn cells(&self) -> impl DoubleEndedIterator<Item = &str> + ExactSizeIterator {
        self.cells.iter().map(String::as_str)
    }

    fn entries(&self) -> &VecDeque<String> {
        match self.kind {
            HistoryKind::Cells => &self.cells,
            HistoryKind::Answers => &self.answers,
        }
    }

    fn entries_mut(&mut self) -> &mut VecDeque<String> {
        match self.kind {
            HistoryKind::Cells => &mut self.cells,
            HistoryKind::Answers => &mut self.answers,
        }
    }

    /// The nearest matching entry from `start`. The cursor goes to its end, so that Enter runs it.
    fn find(
        &self,
        start: usize,
        direction: SearchDirection,
        fits: impl Fn(&str) -> bool,
    ) -> Option<SearchResult<'_>> {
        let entries = self.entries();
        let found = |index: usize| {
            entries.get(index).filter(|entry| fits(entry)).map(|entry| self.shown(index, entry))
        };
        match direction {
            SearchDirection::Reverse if start < entries.len() => (0..=start).rev().find_map(found),
            SearchDirection::Forward => (start..entries.len()).find_map(found),
            SearchDirection::Reverse => None,
        }
    }

    /// An entry as the editor shows it: a text that is taller than the screen is folded.
    fn shown<'a>(&'a self, index: usize, entry: &'a str) -> SearchResult<'a> {
        let entry = self.folds.fold(entry).map_or(Cow::Borrowed(entry), Cow::Owned);
        SearchResult { pos: entry.len(), entry, idx: index }
    }
}

fn file_name(folder: &Path, language: &str) -> PathBuf {
    folder.join(format!("{language}.jsonl"))
}

/// Whether `entry` contains `term`. Case is ignored unless the term has upper case.
fn contains(entry: &str, term: &str) -> bool {
    if term.chars().any(char::is_uppercase) || !term.is_ascii() {
        return entry.contains(term);
    }
    let (entry, term) = (entry.as_bytes(), term.as_bytes());
    entry.windows(term.len().max(1)).any(|window| window.eq_ignore_ascii_case(term))
}

impl History for Histories {
    fn get(&self, index: usize, direction: SearchDirection) -> rustyline::Result<Option<SearchResult<'_>>> {
        let beginning = self.recalled.state().beginning.clone();
        let found = self.find(index, direction, |entry| entry.starts_with(&beginning));
        let found = found.or_else(|| {
            // After the newest of them comes the typed text. The editor itself has it after the last entry.
            let last = self.len().checked_sub(1).filter(|_| direction == SearchDirection::Forward)?;
            Some(SearchResult { pos: beginning.len(), entry: Cow::Owned(beginning), idx: last })
        });
        Ok(found.inspect(|found| self.recalled.set(&found.entry)))
    }

    fn add(&mut self, _line: &str) -> rustyline::Result<bool> {
        // The loop adds what was run; the editor adds no entries itself.
        Ok(false)
    }

    fn add_owned(&mut self, _line: String) -> rustyline::Result<bool> {
        Ok(false)
    }

    fn len(&self) -> usize {
        self.entries().len()
    }

    fn is_empty(&self) -> bool {
        self.entries().is_empty()
    }

    fn set_max_len(&mut self, _len: usize) -> rustyline::Result<()> {
        Ok(())
    }

    fn ignore_dups(&mut self, _yes: bool) -> rustyline::Result<()> {
        Ok(())
    }

    fn ignore_space(&mut self, _yes: bool) {}

    fn save(&mut self, _path: &Path) -> rustyline::Result<()> {
        Ok(())
    }

    fn append(&mut self, _path: &Path) -> rustyline::Result<()> {
        Ok(())
    }

    fn load(&mut self, _path: &Path) -> rustyline::Result<()> {
        Ok(())
    }

    fn clear(&mut self) -> rustyline::Result<()> {
        self.entries_mut().clear();
        Ok(())
    }

    fn search(
        &self,
        term: &str,
        start: usize,
        direction: SearchDirection,
    ) -> rustyline::Result<Option<SearchResult<'_>>> {
        let start = match direction {
            _ if !self.recalled.takes_stay() => start,
            // The editor has moved on by one.
            SearchDirection::Reverse => start + 1,
            SearchDirection::Forward => start.saturating_sub(1),
        };
        if term.is_empty() {
            return Ok(None);
        }
        let found = self.find(start, direction, |entry| contains(entry, term));
        Ok(found.inspect(|found| {
            self.recalled.set(&found.entry);
            self.recalled.state().is_first = found.idx == 0;
        }))
    }

    fn starts_with(
        &self,
        term: &str,
        start: usize,
        direction: SearchDirection,
    ) -> rustyline::Result<Option<SearchResult<'_>>> {
        if term.is_empty() {
            return Ok(None);
        }
        Ok(self.find(start, direction, |entry| entry.starts_with(term)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(folder: &Path) -> (Histories, Option<String>) {
        Histories::open(Some(folder), "python", Arc::new(FoldedTexts::default()))
    }

    fn remember(histories: &mut Histories, cells: &[&str]) {
        for cell in cells {
            assert_eq!(histories.remember(cell), None);
        }
    }

    #[test]
    fn cells_survive_and_answers_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let (mut histories, notice) = open(folder.path());
        assert_eq!(notice, None);
        remember(&mut histories, &["a", "a", "  ", "b\nc", "a"]);
        histories.choose(HistoryKind::Answers);
        remember(&mut histories, &["yes"]);
        assert_eq!(histories.len(), 1);
        let (again, _) = open(folder.path());
        assert_eq!(again.cells().collect::<Vec<_>>(), ["a", "b\nc", "a"]);
    }

    #[test]
    fn search_finds_the_nearest() {
        let (mut histories, _) = Histories::open(None, "python", Arc::new(FoldedTexts::default()));
        remember(&mut histories, &["import os", "x = Path()", "print(x)", "import sys"]);
        let index = |result: rustyline::Result<Option<SearchResult<'_>>>| result.unwrap().map(|r| r.idx);
        assert_eq!(index(histories.search("path", 3, SearchDirection::Reverse)), Some(1));
        assert_eq!(index(histories.search("PATH", 3, SearchDirection::Reverse)), None);
        assert_eq!(index(histories.search("i", 0, SearchDirection::Forward)), Some(0));
        assert_eq!(index(histories.starts_with("import", 2, SearchDirection::Reverse)), Some(0));
        assert_eq!(index(histories.search("x", 9, SearchDirection::Reverse)), None);
    }

    #[test]
    fn the_arrows_find_what_begins_with_the_typed_text() {
        let (mut histories, _) = Histories::open(None, "python", Arc::new(FoldedTexts::default()));
        remember(&mut histories, &["import os", "x = 1", "import sys", "y = 2"]);
        let recalled = histories.recalled();
        let get = |at, direction| {
            let found = histories.get(at, direction).unwrap();
            found.map(|found| (found.entry.into_owned(), found.idx))
        };
        let (back, on) = (SearchDirection::Reverse, SearchDirection::Forward);
        assert_eq!(get(3, back), Some(("y = 2".into(), 3)));
        recalled.look_for("import");
        assert_eq!(get(3, back), Some(("import sys".into(), 2)));
        assert!(recalled.is("import sys"));
        assert_eq!(get(1, back), Some(("import os".into(), 0)));
        assert_eq!(get(1, on), Some(("import sys".into(), 2)));
        assert_eq!(get(3, on), Some(("import".into(), 3)));
        recalled.look_for("import z");
        assert_eq!(get(3, back), None);
        recalled.forget();
        assert_eq!(get(3, back), Some(("y = 2".into(), 3)));
    }

    #[test]
    fn a_file_that_cannot_be_written_is_reported_once() {
        let folder = tempfile::tempdir().unwrap();
        let blocked = folder.path().join("file");
        std::fs::write(&blocked, "").unwrap();
        let (mut histories, _) = Histories::open(Some(&blocked), "python", Arc::new(FoldedTexts::default()));
        let sentences: Vec<_> = ["a", "b", "c"].iter().filter_map(|cell| histories.remember(cell)).collect();
        assert!(sentences.len() <= 1, "{sentences:?}");
        assert_eq!(histories.cells().count(), 3);
    }
}
