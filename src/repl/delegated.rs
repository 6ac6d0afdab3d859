//! Commands that are the command line's own: about the server's sessions, and about the files and services of this one. The
//! prompt says them in the command line's words, and whoever reads those words does them and writes to the terminal.

use futures_util::future::BoxFuture;
use std::path::PathBuf;
use std::time::Duration;

use super::NextSession;
use super::cell::{CellOptions, Work};
use super::command_actions::CommandResult;
use super::commands::file;
use super::prompt::{LoopAction, Repl};
use super::session::SessionError;
use super::shell_words;
use super::terminal::WaitOutcome;
use bai_client::Api;
use bai_protocol::execute::BatchOptions;

/// How long what was interrupted may take to say how far it came.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Whoever does what the command line can do, at the server of the prompt's session.
pub trait DelegatedCommands: Send + Sync {
    /// Does what these words ask for after the program's name. Ctrl-C, which is a signal meanwhile, ends it.
    fn run(&self, words: Vec<String>) -> BoxFuture<'_, Result<(), SessionError>>;
    /// The server of the prompt's session, once that is known.
    fn server(&self) -> BoxFuture<'_, Result<Api, SessionError>>;
    /// Whether there is a session of this name, id, or beginning that a prompt can be opened on.
    fn find(&self, session: String) -> BoxFuture<'_, Result<(), SessionError>>;
}

/// A command whose words the command line reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DelegatedCommand {
    /// `:sessions`
    Sessions,
    /// `:ls`
    Files,
    /// `:logs`
    Logs,
    /// `:upload`
    Upload,
    /// `:download`
    Download,
    /// `:apps`
    Apps,
    /// `:app`
    App,
}

impl DelegatedCommand {
    /// The command of the command line, and whether it is about one session.
    fn command(self) -> (&'static str, bool) {
        match self {
            DelegatedCommand::Sessions => ("ls", false),
            DelegatedCommand::Files => ("files", true),
            DelegatedCommand::Logs => ("logs", true),
            DelegatedCommand::Upload => ("upload", true),
            DelegatedCommand::Download => ("download", true),
            DelegatedCommand::Apps => ("apps", true),
            DelegatedCommand::App => ("app", true),
        }
    }
}

impl Repl {
    /// Shows what an command is about, where a view can show it and nothing else is asked for; else does the command.
    pub(super) fn look_or_do(&mut self, command: DelegatedCommand, argument: &str) -> CommandResult {
        match command {
            _ if !argument.is_empty() || !self.can_show_views() => self.delegate(command, argument),
            DelegatedCommand::Sessions => self.sessions(),
            DelegatedCommand::Files => self.files("."),
            DelegatedCommand::Logs => self.follow_log(),
            _ => self.delegate(command, argument),
        }
    }

    /// Does an command for this session.
    pub(super) fn delegate(&mut self, command: DelegatedCommand, argument: &str) -> CommandResult {
        let words = match shell_words::split(argument) {
            Ok(words) => words,
            Err(sentence) => return self.fail(sentence, None),
        };
        if words.iter().any(|word| word == "-") {
            return self.fail("standard input and output are the prompt's".to_owned(), None);
        }
        let Some(session) = self.session()? else { return Ok(LoopAction::Continue) };
        let (command, about_session) = command.command();
        let mut all = vec![command.to_owned()];
        all.extend(about_session.then(|| session.name()));
        all.extend(words.into_iter().map(at_home));
        let delegated = std::sync::Arc::clone(&self.delegated);
        let (runtime, terminal) = (self.runtime.clone(), &mut self.terminal);
        let done = runtime.block_on(async {
            terminal.fresh_line()?;
            let _keys = terminal.hold_keys()?;
            let doing = delegated.run(all);
            tokio::pin!(doing);
            let done = tokio::select! { biased;
                done = &mut doing => WaitOutcome::Done(done),
                () = terminal.interrupts.next() => match tokio::time::timeout(LAST_WORDS, doing).await {
                    Ok(done) => WaitOutcome::Done(done),
                    Err(_) => WaitOutcome::Interrupted,
                },
            };
            Ok::<_, super::terminal::TerminalError>(done)
        })?;
        self.terminal.console.line_was_read();
        // What it has heard as a signal is no news to the next cell.
        self.terminal.interrupts.came();
        match done {
            WaitOutcome::Done(Ok(())) => Ok(LoopAction::Continue),
            WaitOutcome::Done(Err(error)) => self.terminal.error(&error).map(|()| LoopAction::Continue),
            WaitOutcome::Interrupted => self.terminal.note("given up").map(|()| LoopAction::Continue),
        }
    }

    /// Goes to another session. This one is left as when the person leaves.
    pub(super) fn go_to(&mut self, next: NextSession) -> CommandResult {
        if let NextSession::Attach(session) = &next {
            let delegated = std::sync::Arc::clone(&self.delegated);
            let looking = delegated.find(session.clone());
            match self.runtime.block_on(self.terminal.wait(|| "asking".to_owned(), looking))? {
                WaitOutcome::Done(Ok(())) => {}
                WaitOutcome::Done(Err(error)) => {
                    return self.terminal.error(&error).map(|()| LoopAction::Continue);
                }
                WaitOutcome::Interrupted => return Ok(LoopAction::Continue),
            }
        }
        self.next = Some(next);
        Ok(LoopAction::Quit)
    }

    /// Runs the steps of a batch in the session. A step that is not given does what the files ask for.
    pub(super) fn batch(&mut self, argument: &str) -> CommandResult {
        match shell_words::split(argument).and_then(steps) {
            Ok(steps) => {
                let options = CellOptions { outlives: self.outlives, ours: true, ..Default::default() };
                self.run_work(Work::Batch(steps), options).map(|(_, then)| then)
            }
            Err(sentence) => {
                self.fail(sentence, Some("usage: :batch [--clean CMD] [--build CMD] [--exec CMD]"))
            }
        }
    }
}

/// `~/x` is a file of the home folder, as in a shell.
fn at_home(word: String) -> String {
    if !word.starts_with("~/") && word != "~" {
        return word;
    }
    let path: PathBuf = file(&word);
    path.into_os_string().into_string().unwrap_or(word)
}

/// The commands of the steps.
fn steps(words: Vec<String>) -> Result<BatchOptions, String> {
    let [mut clean, mut build, mut exec] = ["*"; 3].map(str::to_owned);
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let (flag, value) = match word.split_once('=') {
            Some((flag, value)) => (flag.to_owned(), Some(value.to_owned())),
            None => (word, None),
        };
        let step = match flag.as_str() {
            "--clean" => &mut clean,
            "--build" => &mut build,
            "--exec" => &mut exec,
            _ => return Err(format!("\"{flag}\" is no step")),
        };
        *step = value.or_else(|| words.next()).ok_or_else(|| format!("{flag} needs a command"))?;
    }
    Ok(BatchOptions { clean, build, exec })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_that_are_not_given_do_what_the_files_ask_for() {
        let read = |line: &str| shell_words::split(line).and_then(steps).map(|s| (s.clean, s.build, s.exec));
        let strings = |[a, b, c]: [&str; 3]| (a.to_owned(), b.to_owned(), c.to_owned());
        assert_eq!(read("").unwrap(), strings(["*"; 3]));
        assert_eq!(read("--build make --exec='./x 1' --clean ''").unwrap(), strings(["", "make", "./x 1"]));
        assert!(read("--exec").is_err() && read("make").is_err());
    }
}
