//! A cache of terminals' answers in a small text file, with a time, a key and the answers as JSON on each line. Silence is
//! cached for each kind of terminal, so that the next start does not wait again. Answers are cached for each single
//! terminal, for programs that must not query it.

use std::ffi::OsString;
use std::fmt::Write;
use std::fs;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use super::Probe;

/// Lifetime of an entry in seconds: long enough to avoid most waits, short enough to notice an update of the terminal.
const WEEK: u64 = 7 * 24 * 3600;

/// An unchanged entry is not rewritten within this time, in seconds.
const HOUR: u64 = 3600;

/// Maximum lines of the file.
const MAX_LINES: usize = 64;

/// Maximum bytes read from the file.
const MAX_BYTES: u64 = 256 * 1024;

/// The value for a terminal that did not answer.
const SILENT: &str = "silent";

/// The cache file.
#[derive(Clone, Copy)]
pub(super) struct ProbeCache<'a>(pub(super) &'a Path);

/// One line of the file.
struct Line {
    time: u64,
    key: String,
    value: String,
}

impl ProbeCache<'_> {
    /// Whether terminals of this kind do not answer.
    pub(super) fn is_silent(self, kind: &str) -> bool {
        self.find(kind).is_some_and(|line| line.value == SILENT)
    }

    /// Records that terminals of this kind do not answer.
    pub(super) fn record_silence(self, kind: &str) -> io::Result<()> {
        self.put(kind, SILENT)
    }

    /// Returns the answers of this terminal.
    pub(super) fn recall(self, this: &str) -> Option<Probe> {
        serde_json::from_str(&self.find(this)?.value).ok()
    }

    /// Records the answers of this terminal.
    pub(super) fn record_answers(self, this: &str, probe: &Probe) -> io::Result<()> {
        let value = serde_json::to_string(probe)?;
        if self.find(this).is_some_and(|line| line.value == value && now().saturating_sub(line.time) < HOUR) {
            return Ok(());
        }
        self.put(this, &value)
    }

    fn lines(self) -> Vec<Line> {
        let mut text = String::new();
        let read =
            bai_private::open_file(self.0).and_then(|file| file.take(MAX_BYTES).read_to_string(&mut text));
        if read.is_err() {
            return Vec::new();
        }
        let now = now();
        let line = |line: &str| {
            let mut parts = line.splitn(3, ' ');
            let (time, key, value) = (parts.next()?.parse().ok()?, parts.next()?, parts.next()?);
            Some(Line { time, key: key.to_owned(), value: value.to_owned() })
        };
        let lines = text.lines().filter_map(line);
        lines.filter(|line| line.time <= now && now - line.time < WEEK).take(MAX_LINES).collect()
    }

    fn find(self, key: &str) -> Option<Line> {
        self.lines().into_iter().find(|line| line.key == key)
    }

    fn put(self, key: &str, value: &str) -> io::Result<()> {
        self.write(key, Some(Line { time: now(), key: key.to_owned(), value: value.to_owned() }))
    }

    /// Removes an entry.
    pub(super) fn forget(self, key: &str) -> io::Result<()> {
        self.write(key, None)
    }

    /// Replaces or removes the line with this key. Replaces the file atomically, so that two concurrent programs leave a
    /// valid file.
    fn write(self, key: &str, replacement: Option<Line>) -> io::Result<()> {
        let others = self.lines().into_iter().filter(|line| line.key != key).take(MAX_LINES - 1);
        let mut text = String::new();
        for Line { time, key, value } in replacement.into_iter().chain(others) {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{time} {key} {value}");
        }
        bai_private::replace_cache(self.0, text.as_bytes())
    }
}

/// The key for this kind of terminal.
pub(super) fn kind(env: impl Fn(&str) -> Option<OsString>) -> String {
    let names = ["TERM", "TERM_PROGRAM", "TERM_PROGRAM_VERSION", "COLORTERM", "VTE_VERSION", "LC_TERMINAL"];
    let mut parts: Vec<String> =
        names.iter().map(|name| env(name).unwrap_or_default().to_string_lossy().into_owned()).collect();
    parts.extend(
        ["TMUX", "STY"].iter().map(|name| env(name).map_or_else(String::new, |_| (*name).to_owned())),
    );
    word(&parts.join("/"))
}

/// The key for this single terminal: its device, and its shell with the shell's start time; in tmux also the attached
/// terminal. `None` if these are unknown, as in a container whose shell is outside.
pub(super) fn this(terminal: impl AsFd, attached: Option<&str>, kind: &str) -> Option<String> {
    let device = nix::sys::stat::fstat(terminal).ok()?.st_rdev;
    let shell = nix::unistd::getsid(None).ok()?.as_raw();
    let started = start_of(shell)?;
    Some(word(&format!("{device}/{shell}/{started}/{}/{kind}", attached.unwrap_or_default())))
}

/// Start time of a process, in ticks since boot (proc(5)).
fn start_of(process: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The program's name, in parentheses, may contain anything; the start time is the twentieth field after it.
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

fn word(key: &str) -> String {
    key.chars().map(|c| if c.is_control() || c.is_whitespace() { '_' } else { c }).take(300).collect()
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_remembered_for_a_week() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cache/terminals");
        let memory = ProbeCache(&path);
        assert!(!memory.is_silent("a"));
        memory.record_silence("a").unwrap();
        memory.record_silence("b").unwrap();
        memory.record_silence("a").unwrap();
        assert!(memory.is_silent("a") && memory.is_silent("b") && !memory.is_silent("c"));
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 2);
        memory.forget("a").unwrap();
        assert!(!memory.is_silent("a") && memory.is_silent("b"), "it has answered after all");
        fs::write(&path, format!("{} a silent\n{} b silent\n", now() - WEEK - 1, now() + 1000)).unwrap();
        assert!(!memory.is_silent("a"), "too old");
        assert!(!memory.is_silent("b"), "from the future");
    }

    #[test]
    fn answers_are_recalled_without_typed_keys() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("terminals");
        let probe = Probe {
            answered: true,
            kitty: true,
            name: Some("a b\"\n".to_owned()),
            cell: Some((8, 17)),
            background: Some((1, 2, 3)),
            ..Probe::default()
        };
        let typed = Probe { typed: b"secret".to_vec(), ..probe.clone() };
        ProbeCache(&path).record_answers("this", &typed).unwrap();
        assert_eq!(ProbeCache(&path).recall("this"), Some(probe.clone()));
        assert_eq!(ProbeCache(&path).recall("other"), None);
        assert!(!fs::read_to_string(&path).unwrap().contains("secret"));
        let written = fs::metadata(&path).unwrap().modified().unwrap();
        ProbeCache(&path).record_answers("this", &probe).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().modified().unwrap(),
            written,
            "an unchanged entry is not written"
        );
    }

    #[test]
    fn a_damaged_file_is_an_empty_cache() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("terminals");
        fs::write(&path, b"\xff\xfe garbage\n12 \nx y z\n\n").unwrap();
        assert!(!ProbeCache(&path).is_silent("a"));
        fs::write(&path, format!("{} this {{\"kitty\":3}}\n{} a\n", now(), now())).unwrap();
        assert!(!ProbeCache(&path).is_silent("a") && ProbeCache(&path).recall("this").is_none());
        ProbeCache(&path).record_silence("a").unwrap();
        assert!(ProbeCache(&path).is_silent("a"));
    }

    #[test]
    fn keys_are_one_word() {
        let kind = kind(|name| Some(format!("{name} x\ny").into()));
        assert!(!kind.contains(char::is_whitespace), "{kind}");
        let null = fs::File::open("/dev/null").unwrap();
        // The shell that started the test may not be visible; then there is no key for this terminal.
        let shell = nix::unistd::getsid(None).unwrap().as_raw();
        let this = this(null, Some("1 2"), &kind);
        assert_eq!(this.is_some(), start_of(shell).is_some(), "shell {shell}");
        assert!(this.is_none_or(|this| !this.contains(char::is_whitespace) && this.contains("1_2")));
    }

    #[test]
    fn the_start_time_is_known_for_existing_processes_only() {
        assert!(start_of(std::process::id().cast_signed()).is_some());
        assert_eq!(start_of(0), None);
    }
}
