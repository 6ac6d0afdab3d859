//! The code that a command without a prompt runs: from `-c` or `-p`, a file, or standard input.

use super::args::{CliCommand, OpenFlags};
use super::commands::upload::real_place;
use super::error::CliError;
use super::exit_status::ExitStatus;
use super::source_text::{check_utf8, read_source, read_standard_input};
use crate::repl::{did_you_mean, meant_subcommand};
use bai_client::{Cell, Prelude, Script, Window, expand_tilde, shell_script};
use bai_protocol::byte_text;
use bai_protocol::execute::Piped;
use bai_protocol::language::{self, Language, likely_of_image};
use clap::Subcommand;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The code to run without a prompt, if any: from `-c`, a file, or standard input if that is not a terminal.
pub(super) fn code(open: &OpenFlags, stdin_is_terminal: bool) -> Result<Option<Code>, CliError> {
    if let Some(code) = &open.print {
        return Ok(Some(Code { text: code.clone(), script: None, stdin_is_free: true }));
    }
    if let Some(code) = &open.code {
        return Ok(Some(Code::of_option(code, &open.script, stdin_is_terminal)));
    }
    match open.script.split_first() {
        Some((name, args)) if name == "-" => Code::of_standard_input("-", args, stdin_is_terminal).map(Some),
        Some((name, args)) if name == "-m" && may_be_python(open) => {
            Code::of_module(args, stdin_is_terminal).map(Some)
        }
        Some((name, args)) => {
            let meant = open.image.as_deref().and_then(meant_subcommand);
            let file = expand_tilde(name);
            let language = likely_language(open);
            let is_folder = file.is_dir() && language.is_some_and(|language| language.runs_folders);
            let text = if is_folder { Ok(String::new()) } else { read_source(&file) };
            let text = text.map_err(|error| match meant {
                Some(subcommand) => error.hint(did_you_mean(subcommand)),
                None if name.to_str().is_some_and(CliCommand::has_subcommand) => {
                    error.hint(format!("a command is the first word: bai-repl {}", name.display()))
                }
                None => error,
            })?;
            let path = std::path::absolute(&file).ok();
            let path = if is_folder { path.map(|path| path.join("")) } else { path };
            let path = path.map(|path| byte_text::text(path.as_os_str().as_bytes()));
            let name = byte_text::text(file.as_os_str().as_bytes());
            let script = Some(Script { path, ..script(&name, args, stdin_is_terminal) });
            Ok(Some(Code { text, script, stdin_is_free: true }))
        }
        None if stdin_is_terminal => Ok(None),
        None => Code::of_standard_input("", &[], stdin_is_terminal).map(Some),
    }
}

/// The language of the image, as far as its name tells.
fn likely_language(open: &OpenFlags) -> Option<&'static Language> {
    likely_of_image(open.image.as_deref().unwrap_or(language::PYTHON.name))
}

fn may_be_python(open: &OpenFlags) -> bool {
    likely_language(open).is_some_and(|language| *language == language::PYTHON)
}

fn script(name: &str, args: &[OsString], terminal: bool) -> Script {
    let args = args.iter().map(|argument| byte_text::text(argument.as_bytes())).collect();
    Script { name: name.to_owned(), args, terminal, ..Script::default() }
}

/// Source text that is UTF-8, as it was.
fn plain(text: &str) -> String {
    String::from_utf8_lossy(&byte_text::bytes(text)).into_owned()
}

/// Code to run without a prompt.
#[derive(Debug, Clone)]
pub(super) struct Code {
    /// Source text, in which [`byte_text`] writes what is not UTF-8.
    text: String,
    /// What makes it a script; `None` for a cell whose value is shown.
    script: Option<Script>,
    /// Whether the program can read standard input.
    pub(super) stdin_is_free: bool,
}

impl Code {
    /// The code of `-c`.
    pub(super) fn of_option(code: &str, args: &[OsString], stdin_is_terminal: bool) -> Self {
        let script = Some(script("-c", args, stdin_is_terminal));
        // Source text of a script is in the form of bytes.
        let text = byte_text::of_utf8(code.to_owned());
        Code { text, script, stdin_is_free: true }
    }

    /// A module of Python, as `python -m` runs it: its name and its arguments.
    fn of_module(words: &[OsString], stdin_is_terminal: bool) -> Result<Self, CliError> {
        let Some((module, args)) = words.split_first() else {
            return Err(CliError::new(ExitStatus::Usage, "-m needs the name of a module"));
        };
        let module = serde_json::Value::from(module.to_string_lossy());
        let code = format!("import runpy; runpy._run_module_as_main({module})");
        Ok(Code::of_option(&code, args, stdin_is_terminal))
    }

    fn of_standard_input(name: &str, args: &[OsString], stdin_is_terminal: bool) -> Result<Self, CliError> {
        let script = Some(script(name, args, stdin_is_terminal));
        Ok(Code { text: read_standard_input()?, script, stdin_is_free: false })
    }

    /// Whether it has arguments.
    pub(super) fn has_arguments(&self) -> bool {
        self.script.as_ref().is_some_and(|script| !script.args.is_empty())
    }

    /// Its session ends with it.
    pub(super) fn ends_its_session(&mut self) {
        if let Some(script) = &mut self.script {
            script.last = true;
        }
    }

    /// Whether it is a script whose session ends with it.
    pub(super) fn ends_with_session(&self) -> bool {
        self.script.as_ref().is_some_and(|script| script.last)
    }

    /// Whether it is to have a terminal of its own, perhaps beside other streams.
    pub(super) fn has_own_terminal(&self) -> bool {
        self.script.as_ref().is_some_and(|script| script.pty.is_some())
    }

    /// It can ask for secrets at the terminal beside its input.
    pub(super) fn asks_for_secrets(&mut self) {
        if let Some(script) = &mut self.script {
            script.tty = true;
        }
    }

    /// Its text and what makes it a script, if it is one and not a cell.
    pub(super) fn as_script(&self) -> Option<(&str, &Script)> {
        Some((&self.text, self.script.as_ref()?))
    }

    /// It was started at a terminal of this type, and these of its streams lead elsewhere.
    pub(super) fn is_at_terminal(&mut self, kind: String, piped: Option<Piped>) {
        // What was typed at the terminal may be the code itself.
        let is_free = self.stdin_is_free || piped.is_some_and(|piped| piped.stdin);
        if let Some(script) = self.script.as_mut().filter(|script| script.last && is_free) {
            (script.pty, script.piped) = (Some(kind), piped);
        }
    }

    /// Whether it is to have a terminal of its own, which is all that it reads.
    pub(super) fn wants_keyboard(&self) -> bool {
        self.script.as_ref().is_some_and(|script| script.pty.is_some() && script.piped.is_none())
    }

    /// Whether only some of its streams are to be its terminal.
    pub(super) fn wants_split_terminal(&self) -> bool {
        self.script.as_ref().is_some_and(|script| script.piped.is_some())
    }

    /// The server has no terminals for scripts.
    pub(super) fn has_no_terminal(&mut self) {
        if let Some(script) = &mut self.script {
            (script.pty, script.piped) = (None, None);
        }
    }

    /// Whether it is a script, and not a cell.
    pub(super) fn is_script(&self) -> bool {
        self.script.is_some()
    }

    /// What gives a script its arguments in a kernel that knows no scripts: code to run before it. `None` if the language has none.
    pub(super) fn preparation(&self, language: &Language) -> Option<String> {
        let script = self.script.as_ref()?;
        let before = match &script.path {
            Some(_) if *language == language::PYTHON => {
                format!("__file__ = {}", serde_json::to_string(&script.name).ok()?)
            }
            _ => String::new(),
        };
        Some(language.arguments.as_ref()?.give(&before, &script.name, &script.args))
    }

    /// Whether it is a folder, which no cell can be.
    pub(super) fn is_folder(&self) -> bool {
        self.script.as_ref().and_then(|script| script.path.as_deref()).is_some_and(|path| path.ends_with('/'))
    }

    /// The folder here that is the working folder of a session elsewhere: the current folder, or that of the script if it does
    /// not lie below the current one.
    pub(super) fn folder(&self) -> Result<PathBuf, CliError> {
        Ok(self.place()?.0)
    }

    /// That folder, and the file of the script in its real folder.
    fn place(&self) -> Result<(PathBuf, Option<PathBuf>), CliError> {
        let here = Path::new(".").canonicalize().map_err(|error| {
            CliError::new(ExitStatus::Failed, format!("cannot use the current folder: {error}"))
        })?;
        let file = self.file();
        let elsewhere = file.as_deref().filter(|file| !file.starts_with(&here)).and_then(Path::parent);
        let folder = elsewhere.map_or_else(|| here.clone(), Path::to_owned);
        Ok((folder, file))
    }

    /// The file of the script, in its real folder.
    fn file(&self) -> Option<PathBuf> {
        let path = self.script.as_ref()?.path.as_ref()?;
        real_place(Path::new(OsStr::from_bytes(&byte_text::bytes(path)))).ok()
    }

    /// What runs it as a program in a kernel with the prelude. `None` without the prelude, and for a cell.
    pub(super) fn in_kernel(&self, prelude: &Prelude, window: Option<Window>) -> Option<Cell> {
        let (folder, file) = self.place().ok()?;
        let below = file.as_deref().and_then(|file| file.strip_prefix(folder).ok());
        let place = below.map(|below| byte_text::text(below.as_os_str().as_bytes()));
        prelude.script(&self.text, self.script.as_ref()?, place.as_deref(), window)
    }

    /// What runs it in a kernel that is a shell. `None` for a cell, and in other languages.
    pub(super) fn in_shell(&self, language: Option<&Language>) -> Option<Cell> {
        let is_shell = language.is_some_and(|language| *language == language::BASH);
        self.script.as_ref().filter(|_| is_shell).map(|script| shell_script(&self.text, script))
    }

    /// What runs in a kernel that knows no scripts. The value of Python's last line is not shown.
    pub(super) fn into_kernel_cell(self, language: Option<&Language>) -> Cell {
        let is_python = language.is_some_and(|language| *language == language::PYTHON);
        match self.script {
            Some(_) if is_python => Cell::Query(format!("{}\nNone", plain(&self.text))),
            Some(_) => Cell::Query(plain(&self.text)),
            None => Cell::Query(self.text),
        }
    }

    /// Refuses source text that is not UTF-8, for a server that runs no scripts.
    pub(super) fn check_utf8(&self) -> Result<(), CliError> {
        let name = self.script.as_ref().map_or("", |script| script.name.as_str());
        let name =
            if name.is_empty() || name == "-" { "standard input".into() } else { byte_text::shown(name) };
        check_utf8(&self.text, &name)
    }

    /// What runs in the session.
    pub(super) fn into_cell(self) -> Cell {
        match self.script {
            Some(script) => Cell::Script(self.text, script),
            None => Cell::Query(self.text),
        }
    }
}
