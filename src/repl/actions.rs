//! What each `:word` does.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::Path;

use super::Next;
use super::cell::CellOptions;
use super::commands::{Command, TABLE};
use super::editor::{edit_outside, printable};
use super::prompt::{RanCell, Repl, Then};
use super::session::{Restarted, Trouble};
use super::stage::{StageError, Waited, open};
use crate::render::{Stream, sanitize};

/// A file that is read into the editor or run is no longer than this.
const MAX_FILE_BYTES: u64 = 16 * 1024 * 1024;

pub(super) type Outcome = Result<Then, StageError>;

impl Repl {
    /// Does what a command asks for.
    pub(super) fn command(&mut self, command: Command) -> Outcome {
        match command {
            Command::Help(topic) => self.help(topic.as_deref()),
            Command::Quit => Ok(Then::Quit),
            Command::New(None) => self.new_session(),
            Command::New(Some(image)) => self.go_to(Next::Create(image)),
            Command::Attach(session) => self.go_to(Next::Attach(session)),
            Command::Restart => self.restart().map(|_| Then::Go),
            Command::Replay => self.replay(),
            Command::Reset => self.reset(),
            Command::Interrupt => self.interrupt(),
            Command::Pty => self.visit_pane().map(|()| Then::Go),
            Command::Info => self.info(),
            Command::Files(folder) => self.files(&folder),
            Command::Load(path) => {
                if let Some(text) = self.read(&path)? {
                    self.initial = text.trim_end().to_owned();
                }
                Ok(Then::Go)
            }
            Command::Run(path) => match self.read(&path)? {
                Some(text) => self.cell(&text, CellOptions::default()),
                None => Ok(Then::Go),
            },
            Command::Edit(path) => self.edit(path.as_deref()),
            Command::Save { path, overwrite } => self.save(&path, overwrite),
            Command::History(pattern) => self.history(pattern.as_deref()),
            Command::Doc(name) => self.doc(&name),
            Command::Time(code) => self.cell(&code, CellOptions { timed: true, ..Default::default() }),
            Command::Table => self.table(),
            Command::Output => self.output(),
            Command::Theme(name) => self.theme(name.as_deref()),
            Command::Set(argument) => self.set(&argument),
            Command::Image(what) => self.image(&what),
            Command::Errand(errand, argument) => self.look_or_do(errand, &argument),
            Command::Batch(argument) => self.batch(&argument),
            Command::Clear => {
                if self.stage.screen.dumb {
                    return Ok(Then::Go);
                }
                self.stage.raw("\x1b[H\x1b[2J").map(|()| Then::Go)
            }
        }
    }

    pub(super) fn say(&mut self, text: &str) -> Outcome {
        self.stage.line(None, text).map(|()| Then::Go)
    }

    pub(super) fn fail(&mut self, sentence: String, hint: Option<&str>) -> Outcome {
        self.stage.trouble(&Trouble { sentence, hint: hint.map(str::to_owned) }).map(|()| Then::Go)
    }

    fn help(&mut self, topic: Option<&str>) -> Outcome {
        let topic = topic.map(|topic| topic.trim_start_matches(':'));
        let width = TABLE.iter().map(|entry| entry.word.len() + entry.shown.len() + 3).max().unwrap_or(0);
        let mut text = String::new();
        for entry in TABLE.iter().filter(|entry| topic.is_none_or(|topic| topic == entry.word)) {
            let usage = format!(":{} {}", entry.word, entry.shown);
            let _ = writeln!(text, "{usage:width$}{}", entry.help);
        }
        if text.is_empty() {
            return self.say("no such command; :help lists them all");
        }
        if topic.is_none() {
            text.push_str(
                "\nEnter runs a complete cell, Alt-Enter makes a line, a blank line ends a block\n\
                 Tab completes, → takes the suggestion, Ctrl-R searches the history\n\
                 Ctrl-C clears the cell or stops the program, Ctrl-D leaves\n\
                 Ctrl-X Ctrl-E edits the cell in $EDITOR\n",
            );
            let key = self.stage.pane.key_name();
            let _ = writeln!(
                text,
                "{key} opens a terminal in the session, also while a cell runs, and leaves it"
            );
        }
        self.say(&text)
    }

    fn new_session(&mut self) -> Outcome {
        match self.open_session() {
            Some(_) if !self.lost => return self.say("the session is open; :restart starts its kernel anew"),
            Some(session) => {
                // It may be gone already; a new one is wanted in any case.
                let label = || "destroying the lost session".to_owned();
                if let Waited::Done(Err(trouble)) =
                    self.runtime.block_on(self.stage.wait(label, session.destroy()))?
                {
                    self.stage.note(&trouble.sentence)?;
                }
            }
            None => {}
        }
        self.forget_session();
        self.open();
        Ok(Then::Go)
    }

    /// Starts the kernel anew. True when that worked.
    fn restart(&mut self) -> Result<bool, StageError> {
        let Some(session) = self.session()? else { return Ok(false) };
        let waited = self
            .runtime
            .block_on(self.stage.wait(|| "restarting the kernel".to_owned(), session.restart()))?;
        match waited {
            Waited::Done(Ok(Restarted::Done)) => {
                self.stage.note("the kernel is new: all variables are gone")?;
                Ok(true)
            }
            Waited::Done(Ok(Restarted::Unsupported)) => self.recreate(),
            Waited::Done(Err(trouble)) => self.stage.trouble(&trouble).map(|()| false),
            Waited::Interrupted => self.stage.note("the restart may still be under way").map(|()| false),
        }
    }

    /// Replaces the session by one of the same name, if the person agrees, where the server cannot restart a kernel. True
    /// when there is a new one.
    pub(super) fn recreate(&mut self) -> Result<bool, StageError> {
        let Some(session) = self.session()? else { return Ok(false) };
        self.stage
            .note("this server cannot restart a kernel; another session can take its place and its name")?;
        if !self.confirm("destroy this session, with all files outside mounted folders? [y/N] ")? {
            return Ok(false);
        }
        let label = || "destroying the session".to_owned();
        match self.runtime.block_on(self.stage.wait(label, session.make_room()))? {
            Waited::Done(Ok(())) => {}
            Waited::Done(Err(trouble)) => return self.stage.trouble(&trouble).map(|()| false),
            Waited::Interrupted => {
                return self.stage.note("the session is being destroyed; :new opens another").map(|()| false);
            }
        }
        self.forget_session();
        self.open();
        let is_open = self.session()?.is_some();
        if is_open {
            self.stage.note("the session is new: all variables are gone")?;
        }
        Ok(is_open)
    }

    fn doc(&mut self, name: &str) -> Outcome {
        let Some(code) = self.language.documentation(name) else {
            let language = self.language.name().to_owned();
            return self.say(&format!("`{name}` is no name that {language} could document"));
        };
        if self.describe(name, false)? {
            return Ok(Then::Go);
        }
        self.cell(&code, CellOptions { ours: true, ..Default::default() })
    }

    /// Shows what a name is, where the session tells that without running a cell.
    pub(super) fn describe(&mut self, name: &str, detailed: bool) -> Result<bool, StageError> {
        let Some(session) = self.session()? else { return Ok(false) };
        let asking = session.describe(name.to_owned(), detailed);
        match self.runtime.block_on(self.stage.wait(|| "asking".to_owned(), asking))? {
            Waited::Done(Some(text)) => {
                open(self.stage.console.text(Stream::Stdout, &format!("{}\n", text.trim_end()))?)?;
                open(self.stage.console.flush()?)?;
                Ok(true)
            }
            Waited::Done(None) => Ok(false),
            Waited::Interrupted => Ok(true),
        }
    }

    /// The name in `name?` or `name??`, as people type it in IPython, and whether it is the latter.
    pub(super) fn asked_about(&self, line: &str) -> Option<(String, bool)> {
        let name = line.trim().strip_suffix('?')?;
        let (name, detailed) = name.strip_suffix('?').map_or((name, false), |name| (name, true));
        if !detailed && !self.language.asks_with_one_sign(name) {
            return None;
        }
        self.language.documentation(name).map(|_| (name.to_owned(), detailed))
    }

    fn replay(&mut self) -> Outcome {
        let cells: Vec<RanCell> = self.cells.iter().filter(|cell| !cell.failed).cloned().collect();
        if cells.is_empty() {
            return self.say("there is no cell to run again");
        }
        if !self.restart()? {
            return Ok(Then::Go);
        }
        self.cells.clear();
        for (index, cell) in cells.iter().enumerate() {
            let (number, code) = (index + 1, sanitize::line(&cell.code, 60));
            self.stage.note(&format!("[{number}/{}] {code}", cells.len()))?;
            let (went_well, then) = self.run_cell(&cell.code, CellOptions::default())?;
            if then == Then::Quit {
                return Ok(then);
            }
            if !went_well && number < cells.len() {
                self.cells.extend(cells.iter().skip(number).cloned());
                return self.fail(format!("the replay stopped at cell {number}"), None);
            }
        }
        Ok(Then::Go)
    }

    fn reset(&mut self) -> Outcome {
        if self.confirm("forget all variables? [y/N] ")? && self.restart()? {
            self.cells.clear();
        }
        Ok(Then::Go)
    }

    pub(super) fn confirm(&mut self, question: &str) -> Result<bool, StageError> {
        let prompt = crate::render::PartialLine { text: question.to_owned(), width: question.len() };
        if self.stage.screen.dumb {
            self.stage.raw(question)?;
        }
        let answer = self.editor.read_answer(&prompt, "");
        self.stage.console.line_was_read();
        match answer {
            super::editor::Answer::Line { text, .. } => Ok(text.trim().to_lowercase().starts_with('y')),
            super::editor::Answer::Failed(error) => Err(error.into()),
            super::editor::Answer::Interrupted | super::editor::Answer::End => Ok(false),
        }
    }

    fn interrupt(&mut self) -> Outcome {
        let Some(session) = self.session()? else { return Ok(Then::Go) };
        let waited =
            self.runtime.block_on(self.stage.wait(|| "interrupting".to_owned(), session.interrupt()))?;
        match waited {
            Waited::Done(Err(trouble)) => self.stage.trouble(&trouble)?,
            Waited::Done(Ok(())) => self.stage.note("told the session to stop what it runs")?,
            Waited::Interrupted => {}
        }
        Ok(Then::Go)
    }

    fn info(&mut self) -> Outcome {
        let Some(session) = self.session()? else { return Ok(Then::Go) };
        let waited = self.runtime.block_on(self.stage.wait(|| "asking".to_owned(), session.info()))?;
        match waited {
            Waited::Done(Ok(rows)) => {
                let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
                let mut text = String::new();
                for (name, value) in rows {
                    let _ = writeln!(text, "{name:width$}  {}", sanitize::line(&value, 200));
                }
                self.say(&text)
            }
            Waited::Done(Err(trouble)) => self.stage.trouble(&trouble).map(|()| Then::Go),
            Waited::Interrupted => Ok(Then::Go),
        }
    }

    fn history(&mut self, pattern: Option<&str>) -> Outcome {
        let found: Vec<String> = self
            .editor
            .history()
            .enumerate()
            .filter(|(_, cell)| pattern.is_none_or(|pattern| cell.contains(pattern)))
            .map(|(index, cell)| {
                format!("{:>5}  {}\n", index + 1, printable(cell).replace('\n', "\n       "))
            })
            .collect();
        let skipped = found.len().saturating_sub(100);
        let text: String = found.into_iter().skip(skipped).collect();
        self.say(if text.is_empty() { "nothing found" } else { &text })
    }

    fn edit(&mut self, path: Option<&Path>) -> Outcome {
        let text = match path {
            Some(path) => match self.read(path)? {
                Some(text) => text,
                None => return Ok(Then::Go),
            },
            None => self.cells.last().map(|cell| cell.code.clone()).unwrap_or_default(),
        };
        match edit_outside(&text, self.language.extension()) {
            Ok(text) => self.initial = text,
            Err(problem) => return self.fail(problem.to_string(), None),
        }
        Ok(Then::Go)
    }

    fn save(&mut self, path: &Path, overwrite: bool) -> Outcome {
        let shown = path.display();
        if self.cells.is_empty() {
            return self.say("no cell was run yet: nothing to save");
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

    /// The text of a file; says why when there is none.
    fn read(&mut self, path: &Path) -> Result<Option<String>, StageError> {
        let shown = path.display();
        let problem = match std::fs::metadata(path) {
            Err(error) => format!("cannot read {shown}: {error}"),
            Ok(about) if !about.is_file() => format!("{shown} is not a regular file"),
            Ok(about) if about.len() > MAX_FILE_BYTES => {
                format!("{shown} is larger than {} MiB", MAX_FILE_BYTES / (1024 * 1024))
            }
            Ok(_) => match std::fs::read(path).map(String::from_utf8) {
                Ok(Ok(text)) => return Ok(Some(text.trim_start_matches('\u{feff}').replace("\r\n", "\n"))),
                Ok(Err(_)) => format!("{shown} is not UTF-8 text"),
                Err(error) => format!("cannot read {shown}: {error}"),
            },
        };
        self.fail(problem, None).map(|_| None)
    }
}
