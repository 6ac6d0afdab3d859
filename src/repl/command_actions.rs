//! The actions of the `:commands`.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::Path;

use super::cell::CellOptions;
use super::commands::{COMMANDS, CommandSpec, PromptCommand, hint_about};
use super::editor::{AnswerRead, AnswerStop, edit_outside};
use super::help_text::{help_table, indented};
use super::printable::named;
use super::run_warnings::interrupted;
use super::session::{PromptSession, RestartOutcome, SessionError};
use super::settings;
use super::state::{LoopAction, RanCell, Repl, SessionPhase};
use super::terminal::{TerminalError, WaitOutcome, open};
use crate::render::{Stream, sanitize};

/// Maximum size of a file that is read into the editor or run.
const MAX_FILE_BYTES: u64 = 16 * 1024 * 1024;

pub(super) type CommandResult = Result<LoopAction, TerminalError>;

impl Repl {
    /// Runs a command.
    pub(super) fn command(&mut self, command: PromptCommand) -> CommandResult {
        match command {
            PromptCommand::Help(topic) => self.help(topic.as_deref()),
            PromptCommand::Quit => Ok(LoopAction::Quit),
            PromptCommand::New(None) => self.new_session(),
            PromptCommand::New(Some(image)) => self.create_session(image),
            PromptCommand::Attach(session) => self.attach_session(session),
            PromptCommand::Restart => self.restart().map(|_| LoopAction::Continue),
            PromptCommand::Replay => self.replay(),
            PromptCommand::Reset => self.reset(),
            PromptCommand::Interrupt => self.interrupt(),
            PromptCommand::Pty(command) => self.visit_pane(&command),
            PromptCommand::Info => self.info(),
            PromptCommand::Load(path) => {
                if let Some(text) = self.read(&path)? {
                    self.initial = text.trim_end().to_owned();
                }
                Ok(LoopAction::Continue)
            }
            PromptCommand::Run(path) => match self.read(&path)? {
                Some(text) => self.cell(&text, CellOptions::default()),
                None => Ok(LoopAction::Continue),
            },
            PromptCommand::Edit(path) => self.edit(path.as_deref()),
            PromptCommand::Save { path, overwrite } => self.save(&path, overwrite),
            PromptCommand::History(pattern) => self.history(pattern.as_deref()),
            PromptCommand::Doc(name) => self.doc(&name),
            PromptCommand::Time(code) => self.cell(&code, CellOptions { timed: true, ..Default::default() }),
            PromptCommand::Table => self.table(),
            PromptCommand::Output => self.output(),
            PromptCommand::Theme(name) => self.theme(name.as_deref()),
            PromptCommand::Set(argument) => self.set(&argument),
            PromptCommand::Image(what) => self.image(&what),
            PromptCommand::Sessions => self.sessions(),
            PromptCommand::Delegated(command, argument) => self.show_view_or_run(command, &argument),
            PromptCommand::Batch(argument) => self.batch(&argument),
            PromptCommand::Clear => {
                if self.terminal.screen.dumb {
                    return Ok(LoopAction::Continue);
                }
                self.terminal.raw("\x1b[H\x1b[2J").map(|()| LoopAction::Continue)
            }
        }
    }

    pub(super) fn say(&mut self, text: &str) -> CommandResult {
        self.terminal.line(None, text).map(|()| LoopAction::Continue)
    }

    pub(super) fn fail(&mut self, sentence: String, hint: Option<&str>) -> CommandResult {
        self.terminal
            .error(&SessionError::new(sentence, hint.map(str::to_owned)))
            .map(|()| LoopAction::Continue)
    }

    /// Says that a word is not a command.
    pub(super) fn fail_unknown(&mut self, word: &str) -> CommandResult {
        let shown = sanitize::line(word, 60);
        self.fail(format!("there is no command :{shown}"), Some(&hint_about(word)))
    }

    fn help(&mut self, topic: Option<&str>) -> CommandResult {
        let topic = topic.map(|topic| topic.trim_start_matches(':'));
        let key = self.terminal.pane.key_name();
        let rows: Vec<(String, String)> = COMMANDS
            .iter()
            .filter(|entry| topic.is_none_or(|topic| topic == entry.word))
            .map(|entry| {
                let also = if entry.word == "pty" { format!(" (also with {key})") } else { String::new() };
                (format!(":{} {}", entry.word, entry.shown), format!("{}{also}", entry.help))
            })
            .collect();
        let columns = usize::from(crate::terminal::size().cols);
        let mut text = help_table(&rows, columns);
        if text.is_empty() {
            return self.fail_unknown(topic.unwrap_or_default());
        }
        let row = COMMANDS.iter().find(|entry| topic == Some(entry.word));
        if let Some(command) = row.and_then(CommandSpec::delegated) {
            let _ = write!(text, "\n{}", self.delegated.help(command));
        }
        if topic.is_none() {
            text.push('\n');
            for line in [
                "Enter runs a complete cell, Alt-Enter inserts a line, a blank line ends a block",
                "Tab completes, → accepts the suggestion, Ctrl-R searches the history",
                "Ctrl-C clears the cell or interrupts the program, Ctrl-D leaves",
                "Ctrl-X Ctrl-E edits the cell in $EDITOR",
                "a cell taller than the window scrolls with the arrows, Alt-< and Alt-> go to its ends",
                &format!(
                    "{key} opens a terminal in the session, also while a cell runs, and leaves it again"
                ),
            ] {
                text.push_str(&indented(line, columns, 0));
            }
        }
        self.say(&text)
    }

    fn new_session(&mut self) -> CommandResult {
        match self.open_session() {
            Some(_) if !self.lost => self.say("the session is open; :restart starts anew"),
            Some(session) => {
                let label = || "asking whether the session lives".to_owned();
                let checked = self.runtime.block_on(self.terminal.wait(label, session.check()))?;
                let is_gone = matches!(&checked, WaitOutcome::Done(Err(error)) if error.session_is_gone);
                let replaced = if is_gone { self.open_again() } else { self.replace(&session) };
                replaced.map(|_| LoopAction::Continue)
            }
            None => {
                self.forget_session();
                self.start_opening();
                Ok(LoopAction::Continue)
            }
        }
    }

    /// Restarts the kernel. True on success.
    fn restart(&mut self) -> Result<bool, TerminalError> {
        if matches!(self.phase, SessionPhase::Gone | SessionPhase::Failed(_) | SessionPhase::Destroyed) {
            return self.open_again();
        }
        let Some(session) = self.session()? else { return Ok(false) };
        self.end_kernel()?;
        let waited = self
            .runtime
            .block_on(self.terminal.wait(|| "restarting the kernel".to_owned(), session.restart()))?;
        match waited {
            WaitOutcome::Done(Ok(RestartOutcome::Done)) => {
                self.terminal.note("the kernel is new: all variables are gone")?;
                Ok(true)
            }
            WaitOutcome::Done(Ok(RestartOutcome::Unsupported)) => self.recreate(),
            WaitOutcome::Done(Err(error)) if error.session_is_gone => {
                self.terminal.note(&format!("the session is gone, with its variables: {error}"))?;
                self.open_again()
            }
            WaitOutcome::Done(Err(error)) => self.terminal.error(&error).map(|()| false),
            WaitOutcome::Interrupted => {
                self.terminal.note("the restart may still be under way").map(|()| false)
            }
        }
    }

    /// Replaces the session, if the user agrees, because the server cannot restart a kernel. True if there is a new session.
    pub(super) fn recreate(&mut self) -> Result<bool, TerminalError> {
        let Some(session) = self.session()? else { return Ok(false) };
        self.terminal
            .note("this server cannot restart a kernel; a new session can replace this one under its name")?;
        self.replace(&session)
    }

    /// Replaces the session with a new one of the same name, if the user agrees. True if there is a new session.
    fn replace(&mut self, session: &PromptSession) -> Result<bool, TerminalError> {
        if !self.confirm("destroy this session, with all files outside of mounted folders? [y/N] ")? {
            return Ok(false);
        }
        let label = || "destroying the session".to_owned();
        match self.runtime.block_on(self.terminal.wait(label, session.make_room()))? {
            WaitOutcome::Done(Ok(())) => {}
            WaitOutcome::Done(Err(error)) => return self.terminal.error(&error).map(|()| false),
            WaitOutcome::Interrupted => {
                return self
                    .terminal
                    .note("the session is being destroyed; :new opens another")
                    .map(|()| false);
            }
        }
        self.open_again()
    }

    /// Opens the session again, in place of the one that is gone. True if there is a session then.
    fn open_again(&mut self) -> Result<bool, TerminalError> {
        self.forget_session();
        self.start_opening();
        let is_open = self.session()?.is_some();
        if is_open {
            self.terminal.note("the session is new: all variables are gone")?;
        }
        Ok(is_open)
    }

    fn doc(&mut self, name: &str) -> CommandResult {
        let Some(code) = self.language.documentation(name) else {
            let language = self.language.name().to_owned();
            return self.say(&format!("`{name}` is not a name that {language} could document"));
        };
        if self.describe(name, false)? {
            return Ok(LoopAction::Continue);
        }
        self.cell(&code, CellOptions { ours: true, ..Default::default() })
    }

    /// Shows the description of a name, if the session gives one without running a cell.
    pub(super) fn describe(&mut self, name: &str, detailed: bool) -> Result<bool, TerminalError> {
        let Some(session) = self.session()? else { return Ok(false) };
        let asking = session.describe(name.to_owned(), detailed);
        match self.runtime.block_on(self.terminal.wait(|| "asking".to_owned(), asking))? {
            WaitOutcome::Done(Some(text)) => {
                open(self.terminal.console.text(Stream::Stdout, &format!("{}\n", text.trim_end()))?)?;
                open(self.terminal.console.flush()?)?;
                Ok(true)
            }
            WaitOutcome::Done(None) => Ok(false),
            WaitOutcome::Interrupted => Ok(true),
        }
    }

    /// The name in `name?` or `name??`, as in IPython, and whether it has two question marks.
    pub(super) fn question_about(&self, line: &str) -> Option<(String, bool)> {
        let name = line.trim().strip_suffix('?')?;
        let (name, detailed) = name.strip_suffix('?').map_or((name, false), |name| (name, true));
        if !detailed && !self.language.asks_with_one_sign(name) {
            return None;
        }
        self.language.documentation(name).map(|_| (name.to_owned(), detailed))
    }

    fn replay(&mut self) -> CommandResult {
        let cells: Vec<RanCell> = self.cells.iter().filter(|cell| !cell.failed).cloned().collect();
        if cells.is_empty() {
            return self.say("there are no cells to run again");
        }
        if !self.restart()? {
            return Ok(LoopAction::Continue);
        }
        self.cells.clear();
        for (index, cell) in cells.iter().enumerate() {
            let (number, code) = (index + 1, sanitize::line(&cell.code, 60));
            self.terminal.note(&format!("[{number}/{}] {code}", cells.len()))?;
            let (succeeded, then) = self.run_cell(&cell.code, CellOptions::default())?;
            if then == LoopAction::Quit {
                return Ok(then);
            }
            if !succeeded && number < cells.len() {
                self.cells.extend(cells.iter().skip(number).cloned());
                return self.fail(format!("the replay stopped at cell {number}"), None);
            }
        }
        Ok(LoopAction::Continue)
    }

    fn reset(&mut self) -> CommandResult {
        if self.confirm("forget all variables? [y/N] ")? && self.restart()? {
            self.cells.clear();
        }
        Ok(LoopAction::Continue)
    }

    pub(super) fn confirm(&mut self, question: &str) -> Result<bool, TerminalError> {
        let prompt = crate::render::PartialLine { text: question.to_owned(), width: question.len() };
        if self.terminal.screen.dumb {
            self.terminal.raw(question)?;
        }
        let answer = self.editor.read_answer(&prompt, "", &AnswerStop::default());
        self.terminal.console.line_was_read();
        match answer {
            AnswerRead::Line { text, .. } => Ok(text.trim().to_lowercase().starts_with('y')),
            AnswerRead::Failed(error) => Err(error.into()),
            AnswerRead::Unwanted { .. }
            | AnswerRead::Interrupted { .. }
            | AnswerRead::Detached { .. }
            | AnswerRead::Pane { .. }
            | AnswerRead::End => Ok(false),
        }
    }

    fn interrupt(&mut self) -> CommandResult {
        let Some(session) = self.session()? else { return Ok(LoopAction::Continue) };
        let waited =
            self.runtime.block_on(self.terminal.wait(|| "interrupting".to_owned(), session.interrupt()))?;
        match waited {
            WaitOutcome::Done(Err(error)) => self.session_error(&error)?,
            WaitOutcome::Done(Ok(outcome)) => self.terminal.note(&interrupted("the session", outcome))?,
            WaitOutcome::Interrupted => {}
        }
        Ok(LoopAction::Continue)
    }

    fn info(&mut self) -> CommandResult {
        let Some(session) = self.session()? else { return Ok(LoopAction::Continue) };
        let waited = self.runtime.block_on(self.terminal.wait(|| "asking".to_owned(), session.info()))?;
        match waited {
            WaitOutcome::Done(Ok(rows)) => {
                let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
                let mut text = String::new();
                for (name, value) in rows {
                    let _ = writeln!(text, "{name:width$}  {value}");
                }
                self.say(&text)
            }
            WaitOutcome::Done(Err(error)) => self.session_error(&error).map(|()| LoopAction::Continue),
            WaitOutcome::Interrupted => Ok(LoopAction::Continue),
        }
    }

    fn history(&mut self, pattern: Option<&str>) -> CommandResult {
        let found: Vec<String> = self
            .editor
            .history()
            .enumerate()
            .filter(|(_, cell)| pattern.is_none_or(|pattern| cell.contains(pattern)))
            .map(|(index, cell)| format!("{:>5}  {}\n", index + 1, named(cell).replace('\n', "\n       ")))
            .collect();
        let skipped = found.len().saturating_sub(100);
        let text: String = found.into_iter().skip(skipped).collect();
        self.say(if text.is_empty() { "no cells found" } else { &text })
    }

    fn edit(&mut self, path: Option<&Path>) -> CommandResult {
        let text = match path {
            Some(path) => match self.read(path)? {
                Some(text) => text,
                None => return Ok(LoopAction::Continue),
            },
            None => self.cells.last().map(|cell| cell.code.clone()).unwrap_or_default(),
        };
        match edit_outside(&text, self.language.extension()) {
            Ok(text) => self.initial = text,
            Err(problem) => return self.fail(problem.to_string(), None),
        }
        Ok(LoopAction::Continue)
    }

    fn save(&mut self, path: &Path, overwrite: bool) -> CommandResult {
        let shown = path.display();
        if self.cells.is_empty() {
            return self.say("there are no cells to save yet");
        }
        let cells: Vec<&str> = self.cells.iter().map(|cell| cell.code.as_str()).collect();
        let text = cells.join("\n\n") + "\n";
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).create_new(!overwrite);
        match options.open(path).and_then(|mut file| file.write_all(text.as_bytes())) {
            Ok(()) => self.say(&format!("{} cells saved in {shown}", self.cells.len())),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                self.fail(format!("{shown} exists"), Some(&format!(":save! {shown} overwrites it")))
            }
            Err(error) => self.fail(format!("cannot save in {shown}: {error}"), None),
        }
    }

    /// The text of a file. `None` if it cannot be read; then the reason is shown.
    fn read(&mut self, path: &Path) -> Result<Option<String>, TerminalError> {
        let shown = path.display();
        let read = || match std::fs::metadata(path) {
            Err(error) => Err(format!("cannot read {shown}: {error}")),
            Ok(metadata) => match bai_client::not_a_file(&metadata) {
                Some(kind) => Err(format!("{shown} is {kind}")),
                None if metadata.len() > MAX_FILE_BYTES => {
                    Err(format!("{shown} is larger than {} MiB", MAX_FILE_BYTES / (1024 * 1024)))
                }
                None => std::fs::read(path).map_err(|error| format!("cannot read {shown}: {error}")),
            },
        };
        let problem = match read().map(String::from_utf8) {
            Ok(Ok(text)) => return Ok(Some(text.trim_start_matches('\u{feff}').replace("\r\n", "\n"))),
            Ok(Err(_)) => format!("{shown} is not UTF-8 text"),
            Err(problem) => problem,
        };
        self.fail(problem, None).map(|_| None)
    }

    /// Lists the settings, or changes one: `NAME VALUE` or `NAME = VALUE`.
    fn set(&mut self, argument: &str) -> CommandResult {
        let (name, value) = argument
            .split_once(|c: char| c == '=' || c.is_whitespace())
            .map_or((argument, ""), |(name, rest)| (name, rest.trim_start_matches([' ', '='])));
        let value = value.trim().trim_matches('"');
        match (name, value) {
            ("", "") => {
                let text = settings::list(self.terminal.console.options());
                self.say(&text)
            }
            (settings::THEME, value) => self.theme(Some(value).filter(|value| !value.is_empty())),
            (name, "") => match settings::find(name) {
                Ok(setting) => {
                    let shown = (setting.show)(self.terminal.console.options());
                    self.say(&format!("{name} = {shown}"))
                }
                Err(sentence) => self.fail(sentence, Some(":set lists what can be set")),
            },
            (name, value) => {
                let done = self.terminal.console.adjust(|options| {
                    settings::set(options, name, value).map(|setting| (setting.show)(options))
                });
                match done {
                    Ok(shown) => {
                        let text =
                            format!("{name} = {shown} for this prompt; put it in config.toml to keep it");
                        self.terminal.note(&text).map(|()| LoopAction::Continue)
                    }
                    Err(sentence) => self.fail(sentence, Some(":set lists the settings")),
                }
            }
        }
    }
}
