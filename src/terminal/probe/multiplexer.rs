//! tmux between the program and the terminal: whether it passes wrapped sequences on, which terminal is attached, and the
//! wrapping.

use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// Time limit for tmux's answer, which usually takes some milliseconds.
const LIMIT: Duration = Duration::from_millis(300);

/// Maximum bytes of its answer.
const MAX_ANSWER: u64 = 128;

/// The query: its version, whether it passes sequences on, and the attached client with its start time.
const QUERY: &str = "#{version};#{allow-passthrough};#{client_pid}@#{client_created}";

/// The tmux in which this program runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tmux {
    /// Whether programs in this pane may write to the terminal (`allow-passthrough`).
    pub(super) lets_through: bool,
    /// Identifies the attached terminal.
    pub(super) attached: String,
}

/// Queries tmux; `None` if it does not answer.
pub(super) fn tmux() -> Option<Tmux> {
    let (sender, answer) = mpsc::sync_channel(1);
    let asking = std::thread::Builder::new().name("tmux".to_owned()).spawn(move || {
        // After the limit there is no receiver.
        let _ = sender.send(ask());
    });
    asking.ok()?;
    read(&answer.recv_timeout(LIMIT).ok()??)
}

fn ask() -> Option<String> {
    let mut child = Command::new("tmux")
        .args(["display-message", "-p", QUERY])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let mut text = String::new();
    let read = child.stdout.take()?.take(MAX_ANSWER).read_to_string(&mut text);
    let ended = child.wait().ok()?;
    read.ok().filter(|_| ended.success())?;
    Some(text)
}

fn read(answer: &str) -> Option<Tmux> {
    let mut parts = answer.trim().split(';');
    let (version, allows, attached) = (parts.next()?, parts.next()?, parts.next()?);
    // Before 3.3 the option did not exist, and tmux passed everything on.
    let old = ["1", "2", "3.0", "3.1", "3.2"].iter().any(|start| version.starts_with(start));
    let lets_through = matches!(allows, "on" | "all" | "1") || (allows.is_empty() && old);
    Some(Tmux { lets_through, attached: attached.to_owned() })
}

/// Wraps sequences for tmux, which passes them on to the terminal around it. Every ESC is doubled.
pub fn passthrough(sequences: &str) -> String {
    format!("\x1bPtmux;{}\x1b\\", sequences.replace('\x1b', "\x1b\x1b"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_of_tmux_is_parsed() {
        for (answer, allowed) in [
            ("3.3a;on;12@3\n", true),
            ("3.5;all;12@3\n", true),
            ("3.3a;off;@\n", false),
            ("3.3a;0;12@3\n", false),
            ("3.2a;;12@3\n", true),
            ("2.9;;12@3\n", true),
            ("3.4;;12@3\n", false),
        ] {
            assert_eq!(read(answer).map(|tmux| tmux.lets_through), Some(allowed), "{answer:?}");
        }
        assert_eq!(read("3.5;on;12@3\n").map(|tmux| tmux.attached).as_deref(), Some("12@3"));
        assert_eq!(read(""), None);
    }

    #[test]
    fn escapes_are_doubled() {
        assert_eq!(passthrough("\x1b[c"), "\x1bPtmux;\x1b\x1b[c\x1b\\");
    }
}
