//! Small shell commands in the session, which cut and join large files. They run as batch steps, which do not change the
//! variables, the history and the numbering of cells, in any language.
//!
//! A command may run twice with the result of one: on a cluster a broken connection can cost its end, and then it runs again. It never
//! costs the session.

use super::large_up::identity;
use crate::error::{ClientError, ErrorKind};
use crate::run::{Cell, RunEvent, RunOptions, until_it_answers};
use crate::session::ComputeSession;
use bai_protocol::byte_text;
use bai_protocol::capability::Capability;
use bai_protocol::execute::BatchOptions;
use bai_protocol::record::ConsoleRecord;
use bai_protocol::shell_word;
use std::time::Duration;
use tokio::time::timeout;

/// The folder of what the commands make, below the home folder.
pub(super) use bai_protocol::working_files::FOLDER;
/// How long a command may take, after the runs before it have ended.
const LIMIT: Duration = Duration::from_secs(900);
/// How many files one command is about.
pub(super) const TOGETHER: usize = 100;
/// How much of a command's output is kept, in bytes.
const SAID: usize = 4096;
/// How often a command runs whose end is lost.
const TRIES: u32 = 3;

/// The end of a command.
pub(super) struct CommandEnd {
    /// Its exit code, if the server reported it.
    pub(super) code: Option<i32>,
    /// The last line that it wrote.
    pub(super) said: String,
}

impl ComputeSession {
    /// Runs a shell command in the home folder. It waits for its turn, as every run does; until that comes, it can be dropped without
    /// harm. A command that has run before must do no harm, and give the same result: it may run again.
    pub(super) async fn shell(&self, what: &str, command: &str) -> Result<CommandEnd, ClientError> {
        // Servers without this capability lose the output of the first and last moments of a batch step, its end included
        // (`docs/wire` §3.7).
        let is_whole = self.api().has(Capability::WholeBatch).await;
        let pause = if is_whole { "" } else { "sleep 0.5; " };
        let exec = format!("{pause}( {command} ); code=$?; {pause}exit $code");
        for _ in 1..TRIES {
            let ended = self.shell_once(what, exec.clone()).await?;
            if is_whole || ended.code.is_some() {
                return Ok(ended);
            }
            tracing::debug!(what, "the end of a command is lost; it runs again");
        }
        self.shell_once(what, exec).await
    }

    async fn shell_once(&self, what: &str, exec: String) -> Result<CommandEnd, ClientError> {
        if self.api().loses_sessions().await {
            let answered = until_it_answers(&self.at, &self.delay).await;
            self.delay.is_over();
            answered.map_err(|error| error.with_what(what))?;
        }
        let cell = Cell::Batch(BatchOptions { exec, ..BatchOptions::default() });
        let options = RunOptions { keeps_session: true, repeats: true, ..RunOptions::default() };
        let mut run = self.execute(cell, options).await.map_err(|e| e.with_what(what))?;
        let mut said = String::new();
        let end = timeout(LIMIT, async {
            while let Some(event) = run.next().await {
                match event {
                    RunEvent::NotStarted { waited, activity, .. } => {
                        self.delay.is(activity, waited);
                    }
                    RunEvent::Console(ConsoleRecord::Stdout(text) | ConsoleRecord::Stderr(text)) => {
                        said.push_str(&text);
                        said = last(&said).to_owned();
                    }
                    RunEvent::Finished { exit_code } => return Ok(exit_code),
                    RunEvent::Lost(lost) => return Err(lost.error.with_what(what)),
                    _ => {}
                }
            }
            Err(ClientError::new(ErrorKind::Lost, what, "the command in the session has no end"))
        });
        let end = end.await;
        self.delay.is_over();
        let Ok(end) = end else {
            let why = format!("the command in the session takes longer than {} s", LIMIT.as_secs());
            return Err(ClientError::new(ErrorKind::Timeout, what, why));
        };
        let said = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
        Ok(CommandEnd { code: end?, said: said.trim().to_owned() })
    }

    /// Runs a shell command for each of these files, which it knows as `$f`, after some definitions. Returns what it wrote for each,
    /// without line feeds at the end.
    pub(super) async fn shell_each(
        &self,
        what: &str,
        definitions: &str,
        command: &str,
        paths: &[String],
    ) -> Result<Vec<Vec<u8>>, ClientError> {
        let mut all = Vec::with_capacity(paths.len());
        for some in paths.chunks(TOGETHER) {
            let names: Vec<&str> = some.iter().map(String::as_str).collect();
            let answer = format!("{FOLDER}/answer-{}", identity(&names));
            let words: Vec<String> = some.iter().map(|path| word(path)).collect();
            let command = format!(
                "{definitions}mkdir -p {FOLDER}; for f in {}; do printf '%s\\0' \"$({command})\"; done > {answer}",
                words.join(" ")
            );
            self.shell_ok(what, &command).await?;
            let read = self.read_small(&answer).await;
            // A failure does not matter: the file is small.
            let _ = self.shell(what, &format!("rm -f {answer}; rmdir {FOLDER} 2>/dev/null || true")).await;
            let read = read?;
            let found: Vec<&[u8]> = read.split(|byte| *byte == 0).take(some.len()).collect();
            if found.len() < some.len() {
                return Err(ClientError::new(ErrorKind::Server, what, "the answer ends in the middle"));
            }
            all.extend(found.into_iter().map(<[u8]>::to_vec));
        }
        Ok(all)
    }

    /// Runs a shell command that must succeed.
    pub(super) async fn shell_ok(&self, what: &str, command: &str) -> Result<(), ClientError> {
        let ended = self.shell(what, command).await?;
        if ended.code == Some(0) { Ok(()) } else { Err(ended.failure(what)) }
    }
}

impl CommandEnd {
    /// The error for a command that failed.
    pub(super) fn failure(&self, what: &str) -> ClientError {
        let code = self.code.map_or_else(|| "without a code".to_owned(), |code| format!("with {code}"));
        let why = if self.said.is_empty() {
            format!("the command in the session ended {code}")
        } else {
            format!("the command in the session ended {code}: {}", self.said)
        };
        ClientError::new(ErrorKind::Refused, what, why)
    }
}

/// The end of a text, within the limit of what is kept.
fn last(text: &str) -> &str {
    let from = text.len().saturating_sub(SAID);
    let from = (from..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    text.get(from..).unwrap_or_default()
}

/// Quotes a path as one word of the shell that is not an option.
pub(super) fn word(path: &str) -> String {
    if path.starts_with('/') { quoted(path) } else { quoted(&format!("./{path}")) }
}

/// Quotes a text as one word of the shell. A command is text, so `printf` makes the bytes of a name that is not UTF-8; a
/// newline at its end would be lost.
pub(super) fn quoted(text: &str) -> String {
    if byte_text::is_utf8(text) {
        return shell_word::quoted(text);
    }
    let octal = |byte: u8| match byte {
        b'/' | b'.' | b'_' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => char::from(byte).to_string(),
        byte => format!("\\{byte:03o}"),
    };
    let text: String = byte_text::bytes(text).iter().copied().map(octal).collect();
    format!("\"$(printf '{text}')\"")
}

/// A shell function `sum` that writes the SHA-256 of a file first on its line, with the program that the session has for it.
/// It does not name the file, because some of these programs mark a line with an odd name.
pub(super) const SUM: &str = "sum() { sha256sum <\"$1\" 2>/dev/null || shasum -a 256 <\"$1\" 2>/dev/null || \
    openssl dgst -sha256 -r <\"$1\"; }";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_quoted_as_one_shell_word() {
        assert_eq!(word("a b"), "'./a b'");
        assert_eq!(word("/x/$(id)"), "'/x/$(id)'");
        assert_eq!(word("-it's"), "'./-it'\\''s'");
        for name in [&b"a\xff b'$(id)"[..], b"-\xfe\n.", b"\xff\\101%s"] {
            let script = format!("printf %s {}", word(&byte_text::text(name)));
            let said = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
            assert_eq!(said.stdout, [b"./", name].concat(), "{script}");
        }
    }

    #[test]
    fn only_the_end_of_the_output_is_kept() {
        let long = "ü".repeat(SAID);
        assert_eq!(last(&long).len(), SAID);
        assert_eq!((last("short"), last("")), ("short", ""));
    }
}
