//! Hints about errors of the client in this program's own words: its flags and commands. The client names neither; it gives
//! kinds and data.

use super::meant::meant_subcommand;
use bai_client::{ClientError, ErrorKind};

/// The hint about files that exist and would be replaced.
pub(crate) const FORCE_HINT: &str = "--force replaces existing files";

/// Where the user reads a hint. A hint names commands as they are typed there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum FrontEnd {
    /// The command line of a shell.
    #[default]
    CommandLine,
    /// The prompt, where commands are about the open session.
    Prompt,
}

impl FrontEnd {
    /// A command as it is typed here: `bai-repl ls` or `:ls`.
    pub(crate) fn command(self, name: &str) -> String {
        match self {
            FrontEnd::CommandLine => format!("bai-repl {name}"),
            FrontEnd::Prompt => format!(":{name}"),
        }
    }

    /// A command about one session as it is typed here: `bai-repl files SESSION` or `:files`.
    pub(crate) fn session_command(self, name: &str) -> String {
        match self {
            FrontEnd::CommandLine => format!("bai-repl {name} SESSION"),
            FrontEnd::Prompt => format!(":{name}"),
        }
    }
}

/// The question about a subcommand that the user took for an image by mistake.
pub(crate) fn did_you_mean(subcommand: &str) -> String {
    format!("did you mean {}?", FrontEnd::CommandLine.command(subcommand))
}

/// The hint for an error, if there is one.
pub(crate) fn hint(error: &ClientError, front_end: FrontEnd) -> Option<String> {
    let subject = error.subject().unwrap_or_default();
    let general = error.hint().map(str::to_owned);
    match error.kind() {
        ErrorKind::AlreadyExists => Some(FORCE_HINT.to_owned()),
        ErrorKind::NameTaken => {
            Some(format!("bai-repl attach {subject} goes to it; or give another name after -t"))
        }
        ErrorKind::Refused if !subject.is_empty() => {
            let storage =
                format!("if {subject} is a virtual folder, `bai-repl vfolder upload {subject} FILE` writes to its storage");
            Some(general.map_or_else(|| storage.clone(), |general| format!("{storage}; {general}")))
        }
        ErrorKind::LoginEnded => Some(format!("run: bai-repl login {subject}")),
        ErrorKind::LoggedInElsewhere => Some(match general {
            Some(general) => format!("{general}; --force ends that login"),
            None => "--force ends the other login".to_owned(),
        }),
        ErrorKind::UnknownImage => {
            let lists = "bai-repl images lists the available images";
            Some(meant_subcommand(subject).map_or_else(|| lists.to_owned(), |name| format!("{} {lists}", did_you_mean(name))))
        }
        ErrorKind::CannotListen => Some("another address can be given with -b HOST:PORT".to_owned()),
        ErrorKind::NotLoopback => Some(
            "--public allows that: everybody who reaches the address then uses the app, and with it the session, as you do"
                .to_owned(),
        ),
        ErrorKind::NotAnswering => Some(match front_end {
            FrontEnd::CommandLine => "wait, or stop what runs in it: bai-repl interrupt SESSION; bai-repl restart SESSION starts it anew, where the server cannot with --recreate".to_owned(),
            FrontEnd::Prompt => "wait, or :interrupt what runs in it; :restart starts it anew, and :replay runs your cells again then".to_owned(),
        }),
        ErrorKind::NotATerminal => {
            Some(format!("`{} {subject}` opens it at a local address", front_end.session_command("app")))
        }
        ErrorKind::Tls => Some(match general {
            Some(general) => format!("{general}; --insecure skips the check"),
            None => "--insecure skips the check of the certificate".to_owned(),
        }),
        _ => general,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_names_commands_as_they_are_typed() {
        assert_eq!(FrontEnd::CommandLine.command("ls"), "bai-repl ls");
        assert_eq!(FrontEnd::CommandLine.session_command("files"), "bai-repl files SESSION");
        assert_eq!(FrontEnd::Prompt.command("ls"), ":ls");
        assert_eq!(FrontEnd::Prompt.session_command("files"), ":files");
    }
}
