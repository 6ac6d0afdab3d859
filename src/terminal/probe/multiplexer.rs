//! tmux between us and the terminal: whether it passes on what is wrapped for it, and the wrapping.

use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// How long tmux may take to say what it allows; it takes some milliseconds.
const LIMIT: Duration = Duration::from_millis(300);

/// Most bytes of its answer that are read.
const MAX_ANSWER: u64 = 64;

/// Asks the tmux around us whether programs in this pane may talk to the terminal (`allow-passthrough`).
pub(super) fn lets_through() -> bool {
    let (sender, answer) = mpsc::sync_channel(1);
    let asking = std::thread::Builder::new().name("tmux".to_owned()).spawn(move || {
        // Nobody waits any longer if it took too long.
        let _ = sender.send(ask());
    });
    asking.is_ok() && answer.recv_timeout(LIMIT).ok().flatten().is_some_and(|text| allows(&text))
}

fn ask() -> Option<String> {
    let mut child = Command::new("tmux")
        .args(["display-message", "-p", "#{version} #{allow-passthrough}"])
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

/// Before 3.3 there was no such option, and all was let through.
fn allows(answer: &str) -> bool {
    let mut words = answer.split_whitespace();
    match (words.next(), words.next()) {
        (Some(_), Some(word)) => matches!(word, "on" | "all" | "1"),
        (Some(version), None) => {
            version.starts_with(['1', '2'])
                || version.starts_with("3.0")
                || version.starts_with("3.1")
                || version.starts_with("3.2")
        }
        _ => false,
    }
}

/// Sequences as tmux passes them on to the terminal around it: every ESC in them is doubled.
pub fn passthrough(sequences: &str) -> String {
    format!("\x1bPtmux;{}\x1b\\", sequences.replace('\x1b', "\x1b\x1b"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tmux_allows_is_read_from_its_answer() {
        for (answer, allowed) in [
            ("3.3a on\n", true),
            ("3.5 all\n", true),
            ("3.3a off\n", false),
            ("3.3a 0\n", false),
            ("3.2a \n", true),
            ("2.9\n", true),
            ("3.4 \n", false),
            ("", false),
        ] {
            assert_eq!(allows(answer), allowed, "{answer:?}");
        }
    }

    #[test]
    fn escapes_are_doubled() {
        assert_eq!(passthrough("\x1b[c"), "\x1bPtmux;\x1b\x1b[c\x1b\\");
    }
}
