//! The `:commands` of the prompt: their names, their arguments, and the parser. Only known words are commands; all other lines
//! are for the kernel.

mod suggest;

use std::path::PathBuf;

use crate::repl::delegated::DelegatedCommand;
use crate::repl::shell_words::file;

pub(super) use suggest::{Suggestion, suggest};

/// A parsed `:command`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PromptCommand {
    Help(Option<String>),
    Quit,
    New(Option<String>),
    Restart,
    Replay,
    Reset,
    Interrupt,
    Pty,
    Info,
    Load(PathBuf),
    Run(PathBuf),
    Edit(Option<PathBuf>),
    Save { path: PathBuf, overwrite: bool },
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
pub(super) enum ImageUse {
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
pub(super) enum Argument {
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
pub(super) struct CommandSpec {
    pub(super) word: &'static str,
    pub(super) shown: &'static str,
    pub(super) argument: Argument,
    pub(super) help: &'static str,
    make: fn(&str) -> PromptCommand,
}

impl CommandSpec {
    /// The command of the command line that this one is, too.
    pub(super) fn delegated(&self) -> Option<DelegatedCommand> {
        match (self.make)("") {
            PromptCommand::Delegated(command, _) => Some(command),
            _ => None,
        }
    }

    /// A word outside quotes that looks like a flag, where the command takes a name and no flags.
    fn unknown_flag(&self, argument: &str) -> Option<String> {
        let takes_a_name = matches!(
            self.argument,
            Argument::File
                | Argument::MaybeFile
                | Argument::Session
                | Argument::MaybeImage
                | Argument::Picture
        );
        let mut quote = None;
        let outside_quotes = |letter: char| match quote {
            Some(open) => {
                quote = quote.filter(|_| letter != open);
                'x'
            }
            None => {
                quote = Some(letter).filter(|letter| matches!(letter, '"' | '\''));
                letter
            }
        };
        let unquoted: String = argument.chars().map(outside_quotes).collect();
        let flag = unquoted.split_whitespace().find(|word| word.len() > 1 && word.starts_with('-'));
        flag.filter(|_| takes_a_name).map(str::to_owned)
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
pub(super) const COMMANDS: &[CommandSpec] = &[
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
        |a| PromptCommand::Theme(text(a)),
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
        |a| PromptCommand::New(text(a)),
    ),
    entry(
        "attach",
        "SESSION",
        Argument::Session,
        "go to an existing session; this one is left as with :quit",
        |a| PromptCommand::Attach(a.to_owned()),
    ),
    entry("pty", "", Argument::None, "open a terminal in the session (also with a key, see below)", |_| {
        PromptCommand::Pty
    }),
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
    entry("quit", "", Argument::None, "leave (also Ctrl-D)", |_| PromptCommand::Quit),
];

fn text(argument: &str) -> Option<String> {
    (!argument.is_empty()).then(|| argument.to_owned())
}

fn image(argument: &str) -> ImageUse {
    match argument.split_once(char::is_whitespace) {
        None if argument.is_empty() => ImageUse::Show,
        None if argument == "open" => ImageUse::Open,
        Some(("save", name)) if !name.trim().is_empty() => ImageUse::Save(file(name.trim())),
        _ => ImageUse::Unknown,
    }
}

/// Splits a line into the command's name and the rest.
fn split(line: &str) -> Option<(&str, &str)> {
    let rest = line.strip_prefix(':')?;
    let end = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
    rest.split_at_checked(end)
}

/// Parses a line. `None` if it is not a command; an error is a sentence about the command's usage.
pub(super) fn parse(line: &str) -> Option<Result<PromptCommand, String>> {
    let (word, rest) = split(line.trim())?;
    if word == "q" && rest.trim().is_empty() {
        return Some(Ok(PromptCommand::Quit));
    }
    let entry = COMMANDS.iter().find(|entry| entry.word == word)?;
    let (overwrite, rest) = match rest.strip_prefix('!') {
        Some(rest) if entry.word == "save" => (true, rest),
        _ => (false, rest),
    };
    // `:run.x` and `:info(` are not commands.
    if !rest.is_empty() && !rest.starts_with(char::is_whitespace) {
        return None;
    }
    let argument = rest.trim();
    if argument == "--help" {
        return Some(Ok(PromptCommand::Help(Some(entry.word.to_owned()))));
    }
    if let Some(flag) = entry.unknown_flag(argument) {
        return Some(Err(format!(
            ":{} has no flag {flag}; quote a name that begins with a hyphen",
            entry.word
        )));
    }
    let usage = || Some(Err(format!("usage: :{} {}", entry.word, entry.shown).trim_end().to_owned()));
    match entry.argument {
        Argument::None if !argument.is_empty() => return usage(),
        Argument::File
        | Argument::Text
        | Argument::Code
        | Argument::Words
        | Argument::RemoteWords
        | Argument::Session
        | Argument::App
            if argument.is_empty() =>
        {
            return usage();
        }
        // An image is one word, and there are no flags.
        Argument::MaybeImage if argument.starts_with('-') || argument.contains(char::is_whitespace) => {
            return usage();
        }
        _ => {}
    }
    Some(Ok(match (entry.make)(argument) {
        PromptCommand::Save { path, .. } => PromptCommand::Save { path, overwrite },
        other => other,
    }))
}

/// The code in a command that takes code. It can have several lines, like a cell.
pub(super) fn code_of(line: &str) -> Option<&str> {
    let (word, rest) = split(line.trim())?;
    COMMANDS
        .iter()
        .any(|entry| entry.word == word && entry.argument == Argument::Code)
        .then(|| rest.trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(line: &str) -> PromptCommand {
        parse(line).unwrap().unwrap()
    }

    #[test]
    fn known_words_are_commands() {
        assert_eq!(command(":help"), PromptCommand::Help(None));
        assert_eq!(command("  :help time "), PromptCommand::Help(Some("time".into())));
        assert_eq!(command(":q"), PromptCommand::Quit);
        assert_eq!(command(":new"), PromptCommand::New(None));
        assert_eq!(command(":new python:3.6"), PromptCommand::New(Some("python:3.6".into())));
        assert_eq!(command(":time f(1)"), PromptCommand::Time("f(1)".into()));
        assert_eq!(
            command(":save! 'a b.py'"),
            PromptCommand::Save { path: "a b.py".into(), overwrite: true }
        );
        assert_eq!(command(":save x"), PromptCommand::Save { path: "x".into(), overwrite: false });
        assert_eq!(command(":edit"), PromptCommand::Edit(None));
        assert_eq!(command(":image"), PromptCommand::Image(ImageUse::Show));
        assert_eq!(command(":image open"), PromptCommand::Image(ImageUse::Open));
        assert_eq!(command(":image save 'a b.png'"), PromptCommand::Image(ImageUse::Save("a b.png".into())));
        assert_eq!(command(":image save"), PromptCommand::Image(ImageUse::Unknown));
        assert_eq!(command(":time x\ny"), PromptCommand::Time("x\ny".into()));
    }

    #[test]
    fn other_lines_are_for_the_kernel() {
        for line in
            ["", ":", ":x", ":helpme", "help", "x :help", ":info()", ":run.x", ":help!", ":quit!", "::help"]
        {
            assert_eq!(parse(line), None, "{line:?}");
        }
    }

    #[test]
    fn a_wrong_use_is_explained() {
        for (line, usage) in
            [(":load", "usage: :load FILE"), (":quit now", "usage: :quit"), (":doc ", "usage: :doc NAME")]
        {
            assert_eq!(parse(line), Some(Err(usage.into())));
        }
    }

    #[test]
    fn every_command_takes_help_and_no_name_is_a_flag() {
        for entry in COMMANDS {
            assert_eq!(
                command(&format!(":{} --help", entry.word)),
                PromptCommand::Help(Some(entry.word.to_owned()))
            );
        }
        for (line, flag) in [
            (":save ~/c.py --force", "--force"),
            (":save 'a b.py' -f", "-f"),
            (":edit --nonsense", "--nonsense"),
            (":image save --force ~/q.png", "--force"),
            (":attach -x", "-x"),
        ] {
            let sentence = parse(line).unwrap().unwrap_err();
            assert!(sentence.contains(&format!("has no flag {flag};")), "{line}: {sentence}");
        }
        assert_eq!(
            command(":save 'a --b.py'"),
            PromptCommand::Save { path: "a --b.py".into(), overwrite: false }
        );
    }

    #[test]
    fn the_code_of_time_is_found() {
        assert_eq!(code_of(":time for x in y:"), Some("for x in y:"));
        assert_eq!(code_of(":load x"), None);
        assert_eq!(code_of("x"), None);
    }
}
