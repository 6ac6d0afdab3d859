//! The history file of one language: one JSON object on a line for each cell, so that a cell is kept exactly and a damaged line
//! affects only itself. A cell is appended under a lock in one write; the file is read from its end. It is closed to other
//! users: they must not read or write what the user will run.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// How much of the end of a file is read, which is tens of thousands of cells.
const READ_BYTES: u64 = 8 * 1024 * 1024;
/// A longer cell is not saved on disk.
const MAX_CELL_BYTES: usize = 1024 * 1024;

#[derive(Serialize, Deserialize)]
struct HistoryLine<'a> {
    #[serde(borrow)]
    cell: std::borrow::Cow<'a, str>,
}

/// A history file.
#[derive(Debug)]
pub(super) struct HistoryFile {
    path: PathBuf,
}

/// The content of a history file.
#[derive(Debug, Default)]
pub(in crate::repl) struct LoadedHistory {
    /// Cells, oldest first.
    pub(in crate::repl) cells: Vec<String>,
    /// Number of lines that could not be parsed.
    pub(in crate::repl) damaged: usize,
}

impl LoadedHistory {
    /// The cells in the content of a file, or in its end if the content begins in the middle of a line.
    pub(in crate::repl) fn parse(content: &[u8], begins_within: bool) -> Self {
        let mut loaded = LoadedHistory::default();
        for line in content.split(|&b| b == b'\n').skip(usize::from(begins_within)) {
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            match serde_json::from_slice::<HistoryLine<'_>>(line) {
                Ok(line) => loaded.cells.push(line.cell.into_owned()),
                Err(_) => loaded.damaged += 1,
            }
        }
        loaded
    }
}

impl HistoryFile {
    pub(super) fn new(path: PathBuf) -> Self {
        HistoryFile { path }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the file; a missing file is an empty history.
    pub(super) fn load(&self) -> io::Result<LoadedHistory> {
        let mut file = match bai_private::open_file(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(LoadedHistory::default()),
            other => other?,
        };
        let length = file.metadata()?.len();
        let skipped = length.saturating_sub(READ_BYTES);
        file.seek(SeekFrom::Start(skipped))?;
        let mut bytes = Vec::new();
        file.take(READ_BYTES).read_to_end(&mut bytes)?;
        Ok(LoadedHistory::parse(&bytes, skipped > 0))
    }

    /// Appends one cell. Other programs may append at the same time.
    pub(super) fn append(&self, cell: &str) -> io::Result<()> {
        if cell.len() > MAX_CELL_BYTES {
            return Ok(());
        }
        let mut file = bai_private::append_to_file(&self.path)?;
        file.lock()?;
        let mut line = Vec::with_capacity(cell.len() + 16);
        if ends_in_a_torn_line(&mut file)? {
            line.push(b'\n');
        }
        serde_json::to_writer(&mut line, &HistoryLine { cell: cell.into() })?;
        line.push(b'\n');
        file.write_all(&line)
    }
}

/// Whether the last line is incomplete because its writer was killed.
fn ends_in_a_torn_line(file: &mut File) -> io::Result<bool> {
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok(false);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::OpenOptions;
    use std::os::unix::fs::PermissionsExt;

    fn file(folder: &Path) -> HistoryFile {
        HistoryFile::new(folder.join("deep/er/python.jsonl"))
    }

    #[test]
    fn cells_come_back_exactly() {
        let folder = tempfile::tempdir().unwrap();
        let cells = ["x = 1", "def f():\n\n    return '\\n\t\u{1b}'\n", "größe", "  x"];
        for cell in cells {
            file(folder.path()).append(cell).unwrap();
        }
        let loaded = file(folder.path()).load().unwrap();
        assert_eq!((loaded.cells, loaded.damaged), (cells.map(str::to_owned).to_vec(), 0));
        let mode = std::fs::metadata(file(folder.path()).path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn several_writers_lose_no_cells() {
        let folder = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for writer in 0..8 {
                let history = file(folder.path());
                scope.spawn(move || {
                    for n in 0..50 {
                        history.append(&format!("{writer}: {n} {}", "x".repeat(n * 97))).unwrap();
                    }
                });
            }
        });
        let loaded = file(folder.path()).load().unwrap();
        assert_eq!((loaded.cells.len(), loaded.damaged), (400, 0));
    }

    #[test]
    fn a_damaged_line_affects_only_itself() {
        let folder = tempfile::tempdir().unwrap();
        let history = file(folder.path());
        history.append("a").unwrap();
        let mut bytes = std::fs::read(history.path()).unwrap();
        bytes.extend_from_slice(b"\xff\xfe{]\n\n{\"cell\": \"b\"}\n{\"cell\": \"torn");
        std::fs::write(history.path(), bytes).unwrap();
        history.append("c").unwrap();
        let loaded = history.load().unwrap();
        assert_eq!((loaded.cells, loaded.damaged), (vec!["a".into(), "b".into(), "c".into()], 2));
    }

    #[test]
    fn only_the_end_of_a_huge_file_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let history = file(folder.path());
        history.append("first").unwrap();
        let handle = OpenOptions::new().write(true).open(history.path()).unwrap();
        handle.set_len(3 << 30).unwrap();
        history.append("last").unwrap();
        let loaded = history.load().unwrap();
        assert_eq!(loaded.cells, ["last"]);
    }

    #[test]
    fn a_file_that_others_could_write_is_protected_or_refused() {
        let folder = tempfile::tempdir().unwrap();
        let history = file(folder.path());
        history.append("a").unwrap();
        std::fs::set_permissions(history.path(), PermissionsExt::from_mode(0o644)).unwrap();
        history.load().unwrap();
        assert_eq!(std::fs::metadata(history.path()).unwrap().permissions().mode() & 0o777, 0o600);

        let fifo = folder.path().join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(HistoryFile::new(fifo.clone()).load().is_err());
        assert!(HistoryFile::new(fifo).append("x").is_err());
        assert!(HistoryFile::new(folder.path().into()).load().is_err());
    }
}
