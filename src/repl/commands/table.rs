//! The table of the `:commands`: the name, the argument and the help of each, which help, completion and the parser share.

use std::path::PathBuf;

use crate::repl::delegated::DelegatedCommand;
use crate::repl::shell_words::{file, unquoted};

/// A parsed `:command`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::repl) enum PromptCommand {
    Help(Option<String>),
    Quit,
    New(Option<String>),
    Restart,
    Replay,
    Reset,
    Interrupt,
    /// Opens the terminal, and types a command there unless it is empty.
    Pty(String),
    Info,
    Load(PathBuf),
    Run(PathBuf),
    Edit(Option<PathBuf>),
    Save {
        path: PathBuf,
        overwrite: bool,
    },
    History(Option<String>),
    Doc(String),
    Time(String),
    Clear,
    Theme(Option<String>),
    Set(String),
    Image(ImageUse),
    Table,
    Output,
    Sessions,
    Delegated(DelegatedCommand, String),
    Batch(String),
    Attach(String),
}

/// What `:image` does with the last picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::repl) enum ImageUse {
    /// Shows it in the whole window.
    Show,
    /// Saves it in a file.
    Save(PathBuf),
    /// Opens it in an image viewer on this machine.
    Open,
    /// An invalid argument.
    Unknown,
}

/// The kind of argument that a command takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::repl) enum Argument {
    None,
    File,
    MaybeFile,
    /// Words as on the command line, some of which are files on this machine.
    Words,
    MaybeWords,
    /// Words as on the command line, some of which are files in the session.
    RemoteWords,
    MaybeRemoteWords,
    Session,
    MaybeImage,
    App,
    Text,
    MaybeText,
    /// What is done with the last picture.
    Picture,
    /// A setting and its value.
    Setting,
    Code,
}

/// A row of the table of commands, which help, completion and the parser share.
#[derive(Debug)]
pub(in crate::repl) struct CommandSpec {
    pub(in crate::repl) word: &'static str,
    pub(in crate::repl) shown: &'static str,
    pub(in crate::repl) argument: Argument,
    pub(in crate::repl) help: &'static str,
    /// Makes the command from its argument.
    pub(super) make: fn(&str) -> PromptCommand,
}

impl CommandSpec {
    /// The command of the command line that this one is, too.
    pub(in crate::repl) fn delegated(&self) -> Option<DelegatedCommand> {
        match (self.make)("") {
            PromptCommand::Delegated(command, _) => Some(command),
            _ => None,
        }
    }
}

const fn entry(
    word: &'static str,
    shown: &'static str,
    argument: Argument,
    help: &'static str,
    make: fn(&str) -> PromptCommand,
) -> CommandSpec {
    CommandSpec { word, shown, argument, help, make }
}

/// All commands, in the order in which help shows them.
pub(in crate::repl) const COMMANDS: &[CommandSpec] = &[
    entry("help", "[WORD]", Argument::MaybeText, "show this list, or the help of one command", |a| {
        PromptCommand::Help(text(a))
    }),
    entry("doc", "NAME", Argument::Text, "show the documentation of a name", |a| {
        PromptCommand::Doc(a.to_owned())
    }),
    entry("time", "CODE", Argument::Code, "run code and show how long it took", |a| {
        PromptCommand::Time(a.to_owned())
    }),
    entry("run", "FILE", Argument::File, "run a file on this machine in the session", |a| {
        PromptCommand::Run(file(a))
    }),
    entry("load", "FILE", Argument::File, "load a file into the editor", |a| PromptCommand::Load(file(a))),
    entry("edit", "[FILE]", Argument::MaybeFile, "edit the next cell in $EDITOR", |a| {
        PromptCommand::Edit(text(a).map(|name| file(&name)))
    }),
    entry("save", "FILE", Argument::File, "save the session's cells (`:save! FILE` overwrites)", |a| {
        PromptCommand::Save { path: file(a), overwrite: false }
    }),
    entry(
        "history",
        "[TEXT]",
        Argument::MaybeText,
        "list the cells of the history, or those that contain a text",
        |a| PromptCommand::History(text(a)),
    ),
    entry(
        "output",
        "",
        Argument::None,
        "show the whole output of the last cell: scroll, search, save",
        |_| PromptCommand::Output,
    ),
    entry("table", "", Argument::None, "show the whole last table: scroll, sort, search, export", |_| {
        PromptCommand::Table
    }),
    entry(
        "theme",
        "[NAME]",
        Argument::MaybeText,
        "choose a theme with a preview, or use the theme NAME",
        |a| PromptCommand::Theme(name(a)),
    ),
    entry("set", "[NAME VALUE]", Argument::Setting, "list the settings, or change one", |a| {
        PromptCommand::Set(a.to_owned())
    }),
    entry(
        "image",
        "[save FILE | open]",
        Argument::Picture,
        "show the last picture in the whole window, save it, or open it in a viewer",
        |a| PromptCommand::Image(image(a)),
    ),
    entry("clear", "", Argument::None, "clear the screen", |_| PromptCommand::Clear),
    entry(
        "interrupt",
        "",
        Argument::None,
        "interrupt what the session runs (Ctrl-C while a cell runs)",
        |_| PromptCommand::Interrupt,
    ),
    entry("restart", "", Argument::None, "restart the kernel: all variables are lost", |_| {
        PromptCommand::Restart
    }),
    entry("replay", "", Argument::None, "restart the kernel and run the session's cells again", |_| {
        PromptCommand::Replay
    }),
    entry("reset", "", Argument::None, "restart the kernel after asking, and forget all cells", |_| {
        PromptCommand::Reset
    }),
    entry(
        "new",
        "[IMAGE]",
        Argument::MaybeImage,
        "open a new session of an image; without IMAGE, open a lost session again",
        |a| PromptCommand::New(name(a)),
    ),
    entry(
        "attach",
        "SESSION",
        Argument::Session,
        "go to an existing session; this one is left as with :quit",
        |a| PromptCommand::Attach(unquoted(a).to_owned()),
    ),
    entry(
        "pty",
        "[COMMAND]",
        Argument::MaybeText,
        "open a terminal in the session, and run a command there, such as `vim main.py`; its key and then ? shows the keys there",
        |a| PromptCommand::Pty(a.to_owned()),
    ),
    entry("info", "", Argument::None, "show facts about the session", |_| PromptCommand::Info),
    entry(
        "logs",
        "[-n LINES] [-f]",
        Argument::MaybeWords,
        "show the session's log full screen; with flags as `bai-repl logs`",
        |a| PromptCommand::Delegated(DelegatedCommand::Logs, a.to_owned()),
    ),
    entry(
        "ls",
        "[FLAGS]",
        Argument::MaybeText,
        "list the server's sessions; the flags are those of `bai-repl ls`",
        |a| PromptCommand::Delegated(DelegatedCommand::Ls, a.to_owned()),
    ),
    entry(
        "sessions",
        "",
        Argument::None,
        "show the server's sessions full screen: go to one, read its log or files",
        |_| PromptCommand::Sessions,
    ),
    entry(
        "files",
        "[FOLDER]",
        Argument::MaybeRemoteWords,
        "show the session's files full screen, or list a folder as text",
        |a| PromptCommand::Delegated(DelegatedCommand::Files, a.to_owned()),
    ),
    entry("upload", "FILE… [--to FOLDER] [--force]", Argument::Words, "copy files to the session", |a| {
        PromptCommand::Delegated(DelegatedCommand::Upload, a.to_owned())
    }),
    entry(
        "download",
        "PATH… [--to FOLDER] [--force]",
        Argument::RemoteWords,
        "copy files from the session",
        |a| PromptCommand::Delegated(DelegatedCommand::Download, a.to_owned()),
    ),
    entry("apps", "", Argument::MaybeText, "list the apps of the session", |a| {
        PromptCommand::Delegated(DelegatedCommand::Apps, a.to_owned())
    }),
    entry(
        "app",
        "NAME [-b HOST:PORT]",
        Argument::App,
        "open a local address for an app, until Ctrl-C",
        |a| PromptCommand::Delegated(DelegatedCommand::App, a.to_owned()),
    ),
    entry(
        "batch",
        "[--clean CMD] [--build CMD] [--exec CMD]",
        Argument::MaybeText,
        "clean, build and execute the files in the session",
        |a| PromptCommand::Batch(a.to_owned()),
    ),
    entry(
        "quit",
        "",
        Argument::None,
        "leave (also :q, :exit, Ctrl-D, and the exit of the language itself)",
        |_| PromptCommand::Quit,
    ),
];

fn text(argument: &str) -> Option<String> {
    (!argument.is_empty()).then(|| argument.to_owned())
}

fn name(argument: &str) -> Option<String> {
    text(unquoted(argument))
}

fn image(argument: &str) -> ImageUse {
    match argument.split_once(char::is_whitespace) {
        None if argument.is_empty() => ImageUse::Show,
        None if argument == "open" => ImageUse::Open,
        Some(("save", name)) if !name.trim().is_empty() => ImageUse::Save(file(name.trim())),
        _ => ImageUse::Unknown,
    }
}
