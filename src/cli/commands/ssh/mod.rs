//! `bai-repl ssh` and `bai-repl scp`: the system's own programs, which reach the sshd of a session through a tunnel of this program. They take
//! its place, so that their terminal, signals and exit code are their own. What ssh is told is in `door`, the user's key for a session in
//! `key`, and which words of scp name a session in `operands`.

mod door;
mod key;
mod operands;

pub(super) use key::forget_key;

use crate::cli::args::{Scp, Ssh};
use crate::cli::context::CommandContext;
use crate::cli::error::CliError;
use crate::cli::exit_status::ExitStatus;
use crate::cli::server::{self, Server};
use crate::cli::table;
use crate::config::Source;
use bai_protocol::byte_text;
use door::Door;
use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Runs ssh, or prints what `~/.ssh/config` needs for the session.
pub(in crate::cli) async fn run_ssh(context: &CommandContext, flags: Ssh) -> Result<ExitStatus, CliError> {
    let mut words = flags.words.into_iter().peekable();
    let session = words.next().unwrap_or_default();
    // No option of ssh is called so.
    let wants_section = flags.config || words.peek().is_some_and(|word| word == "--config");
    let door = open(context, &session).await?;
    if wants_section {
        return table::put(&format!("{}{}", needs(context)?, door.section()?)).map(|()| ExitStatus::Ok);
    }
    let rest = std::iter::once(OsString::from(door.host())).chain(words);
    Err(become_program(context, "ssh", &door, rest)?)
}

/// Runs scp.
pub(in crate::cli) async fn run_scp(context: &CommandContext, flags: Scp) -> Result<ExitStatus, CliError> {
    let session = operands::session(&flags.words)?;
    let door = open(context, OsStr::new(&session)).await?;
    let words = flags.words.into_iter().map(|word| operands::at_host(word, &session, door.host()));
    Err(become_program(context, "scp", &door, words)?)
}

/// A comment about the variables without which the section does not work. Their values may be secret, so it does not have them.
fn needs(context: &CommandContext) -> Result<String, CliError> {
    let origin = server::origin(context)?;
    let sources = std::iter::once(origin.endpoint).chain(origin.identity);
    let names = sources.filter_map(|source| match source {
        Source::Variable(name) => Some(name),
        Source::EnvFile(path) => Some(format!("the variables of {}", byte_text::shown_path(&path))),
        _ => None,
    });
    let mut names: Vec<_> = names.collect();
    names.dedup();
    Ok(match names.is_empty() {
        true => String::new(),
        false => format!("# Only where {} and its like are set\n", names.join(", ")),
    })
}

async fn open(context: &CommandContext, session: &OsStr) -> Result<Door, CliError> {
    let name = session.to_str().filter(|name| !name.is_empty()).ok_or_else(|| {
        CliError::new(ExitStatus::Usage, "the first word is the name of a session: bai-repl ssh SESSION")
    })?;
    let server = Server::find(context).await?;
    let session = super::find(context, &server, name).await?;
    Door::of(context, &session).await
}

/// Replaces this program by another one. Returns why it could not.
fn become_program(
    context: &CommandContext,
    name: &str,
    door: &Door,
    words: impl Iterator<Item = OsString>,
) -> Result<CliError, CliError> {
    let mut command = Command::new(name);
    command.args(door.options()?.iter().flat_map(|option| ["-o", option]));
    // Both programs have them.
    command.args(context.global.quiet.then_some("-q"));
    command.args((0..context.global.verbose).map(|_| "-v"));
    let error = command.args(words).exec();
    Ok(match error.kind() {
        std::io::ErrorKind::NotFound => {
            CliError::new(ExitStatus::NotFound, format!("{name} is not installed on this machine"))
                .hint("it is in the package openssh-client or openssh of most systems")
        }
        _ => CliError::new(ExitStatus::Failed, format!("cannot start {name}: {error}")),
    })
}
