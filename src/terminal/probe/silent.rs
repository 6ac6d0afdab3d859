//! The memory of terminals that did not answer: a small text file with a time and a terminal's key on each line.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// How long silence is remembered, in seconds: long enough to be no burden, short enough that an update is noticed.
const WEEK: u64 = 7 * 24 * 3600;

/// Most terminals that are remembered.
const MAX_LINES: usize = 64;

/// Most bytes of the file that are read.
const MAX_BYTES: u64 = 64 * 1024;

/// What tells this terminal from others.
pub(super) fn key(env: impl Fn(&str) -> Option<OsString>) -> String {
    let names = ["TERM", "TERM_PROGRAM", "TERM_PROGRAM_VERSION", "COLORTERM", "VTE_VERSION", "LC_TERMINAL"];
    let mut parts: Vec<String> =
        names.iter().map(|name| env(name).unwrap_or_default().to_string_lossy().into_owned()).collect();
    parts.extend(
        ["TMUX", "STY"].iter().map(|name| env(name).map_or_else(String::new, |_| (*name).to_owned())),
    );
    let key = parts.join("/");
    key.chars().map(|c| if c.is_control() || c.is_whitespace() { '_' } else { c }).take(300).collect()
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn read(path: &Path) -> Vec<(u64, String)> {
    let mut text = String::new();
    let read = fs::File::open(path).and_then(|file| file.take(MAX_BYTES).read_to_string(&mut text));
    if read.is_err() {
        return Vec::new();
    }
    let now = now();
    text.lines()
        .filter_map(|line| {
            let (time, key) = line.split_once(' ')?;
            Some((time.parse::<u64>().ok()?, key.to_owned()))
        })
        .filter(|(time, _)| *time <= now && now - time < WEEK)
        .take(MAX_LINES)
        .collect()
}

pub(super) fn is_silent(path: &Path, key: &str) -> bool {
    read(path).iter().any(|(_, known)| known == key)
}

/// Adds a terminal; the file is replaced as a whole, so that two programs at once leave one of two good files.
pub(super) fn remember(path: &Path, key: &str) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    writeln!(file, "{} {key}", now())?;
    for (time, known) in read(path).iter().filter(|(_, known)| known != key).take(MAX_LINES - 1) {
        writeln!(file, "{time} {known}")?;
    }
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_remembered_for_a_week() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cache/terminals");
        assert!(!is_silent(&path, "a"));
        remember(&path, "a").unwrap();
        remember(&path, "b").unwrap();
        remember(&path, "a").unwrap();
        assert!(is_silent(&path, "a") && is_silent(&path, "b") && !is_silent(&path, "c"));
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 2);
        fs::write(&path, format!("{} a\n{} b\n", now() - WEEK - 1, now() + 1000)).unwrap();
        assert!(!is_silent(&path, "a"), "too old");
        assert!(!is_silent(&path, "b"), "from the future");
    }

    #[test]
    fn a_damaged_memory_is_an_empty_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("terminals");
        fs::write(&path, b"\xff\xfe garbage\n12 \nx y z\n\n").unwrap();
        assert!(!is_silent(&path, "a"));
        remember(&path, "a").unwrap();
        assert!(is_silent(&path, "a"));
    }

    #[test]
    fn keys_are_one_word() {
        let key = key(|name| Some(format!("{name} x\ny").into()));
        assert!(!key.contains(char::is_whitespace), "{key}");
    }
}
