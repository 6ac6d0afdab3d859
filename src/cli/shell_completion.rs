//! Completion of names in the shell: the shell asks this program, which asks the server and, when that is slow,
//! uses the names that it last told. Only candidates are ever printed.

use super::args::Arguments;
use super::commands::images;
use super::context::CommandContext;
use super::display;
use super::error::CliError;
use super::exit_status::ExitStatus;
use super::name_cache::{NameKind, recall, remember};
use super::server::Server;
use super::table;
use crate::config::{FileConfig, Paths, private_dir};
use clap::CommandFactory;
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use clap_complete::env::{CompleteEnv, Shells};
use std::ffi::OsStr;
use std::process::Stdio;
use std::time::Duration;

/// The variable by which a shell's script asks for candidates.
const VARIABLE: &str = "BAI_REPL_COMPLETE";
/// How long a server may take: somebody has pressed Tab.
const LIMIT: Duration = Duration::from_millis(200);
/// How long a slow server is not asked again.
const AGAIN: Duration = Duration::from_secs(10);

/// Answers the shell, if it is a shell that asks.
pub(super) fn answer() -> bool {
    if std::env::var_os(VARIABLE).is_none() {
        return false;
    }
    // What goes wrong here must not be told into a half-typed command.
    if let Ok(null) = std::fs::File::options().write(true).open("/dev/null") {
        let _ = nix::unistd::dup2_stderr(null);
    }
    let here = std::env::current_dir().ok();
    let environment = CompleteEnv::with_factory(|| with_completers(Arguments::command())).var(VARIABLE);
    // Without candidates the shell does what it does for any word.
    let _ = environment.try_complete(std::env::args_os(), here.as_deref());
    true
}

/// The table of flags, with what completes each value that has names.
fn with_completers(command: clap::Command) -> clap::Command {
    let complete = |argument: clap::Arg| match argument.get_id().as_str() {
        "session" | "sessions" => argument.add(ArgValueCompleter::new(sessions)),
        "image" => argument.add(ArgValueCompleter::new(image_names)),
        "session_or_image" => argument.add(ArgValueCompleter::new(sessions_and_images)),
        "profile" => argument.add(ArgValueCompleter::new(profiles)),
        "theme" | "shown" => argument.add(ArgValueCompleter::new(themes)),
        _ => argument,
    };
    command.mut_args(complete).mut_subcommands(with_completers)
}

/// Prints the script that makes a shell ask.
pub(super) fn script(shell: clap_complete::Shell) -> Result<ExitStatus, CliError> {
    let shells = Shells::builtins();
    let name = shell.to_string();
    let completer = shells
        .completer(&name)
        .ok_or_else(|| CliError::new(ExitStatus::Usage, format!("there is no completion for {name}")))?;
    let mut script = Vec::new();
    completer
        .write_registration(VARIABLE, "bai-repl", "bai-repl", &program(), &mut script)
        .map_err(|error| CliError::new(ExitStatus::Failed, error))?;
    table::write_bytes(&script).map(|_| ExitStatus::Ok)
}

/// How the script calls this program: by name if the user did so, else by its whole path.
fn program() -> String {
    let called = std::env::args().next().unwrap_or_default();
    if !called.is_empty() && !called.contains('/') {
        return called;
    }
    std::env::current_exe().ok().and_then(|path| path.into_os_string().into_string().ok()).unwrap_or(called)
}

/// Sessions that live.
fn sessions(current: &OsStr) -> Vec<CompletionCandidate> {
    candidates(&[NameKind::Sessions], current)
}

/// Images.
fn image_names(current: &OsStr) -> Vec<CompletionCandidate> {
    candidates(&[NameKind::Images], current)
}

/// Both.
fn sessions_and_images(current: &OsStr) -> Vec<CompletionCandidate> {
    candidates(&[NameKind::Sessions, NameKind::Images], current)
}

/// Profiles of the configuration file.
fn profiles(current: &OsStr) -> Vec<CompletionCandidate> {
    let config = Paths::of_user().and_then(|paths| FileConfig::read(&paths.config_file()).ok());
    fitting(config.into_iter().flat_map(|config| config.profiles.into_keys()), current)
}

/// The themes that can be chosen.
fn themes(current: &OsStr) -> Vec<CompletionCandidate> {
    fitting(display::library().names().into_iter(), current)
}

fn fitting(names: impl Iterator<Item = String>, current: &OsStr) -> Vec<CompletionCandidate> {
    let Some(begun) = current.to_str() else { return Vec::new() };
    // A shell would take a control character for more than a part of a name.
    let fits = |name: &String| name.starts_with(begun) && !name.chars().any(char::is_control);
    let mut names: Vec<_> = names.filter(fits).collect();
    names.sort();
    names.dedup();
    names.into_iter().map(CompletionCandidate::new).collect()
}

fn candidates(kinds: &[NameKind], current: &OsStr) -> Vec<CompletionCandidate> {
    let Some(context) = typed_context() else { return Vec::new() };
    let names = kinds.iter().flat_map(|kind| names(*kind, &context).unwrap_or_default());
    fitting(names, current)
}

/// The context of the command that is being typed: the configuration, and the flags that say which server is meant.
fn typed_context() -> Option<CommandContext> {
    let config = FileConfig::read(&Paths::of_user()?.config_file()).ok()?;
    let mut context = CommandContext { config, ..CommandContext::default() };
    let words: Vec<String> = std::env::args().collect();
    for (index, word) in words.iter().enumerate() {
        let (flag, value) = match word.split_once('=') {
            Some((flag, value)) => (flag, Some(value.to_owned())),
            None => (word.as_str(), words.get(index + 1).cloned()),
        };
        match flag {
            "--endpoint" => context.global.endpoint = value,
            "--profile" => context.global.profile = value,
            "--insecure" => context.global.insecure = true,
            _ => {}
        }
    }
    Some(context)
}

/// The names from the server, or from memory when the server does not answer in time.
fn names(kind: NameKind, context: &CommandContext) -> Option<Vec<String>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().ok()?;
    let asked = runtime.block_on(async { tokio::time::timeout(LIMIT, ask(kind, context)).await });
    // Do not wait for a search for interpreters that still runs.
    runtime.shutdown_background();
    match asked {
        Ok(Some(names)) => Some(names),
        Ok(None) => recall(kind, context),
        Err(_) => {
            refresh(kind, context);
            recall(kind, context)
        }
    }
}

async fn ask(kind: NameKind, context: &CommandContext) -> Option<Vec<String>> {
    let names: Vec<String> = match kind {
        NameKind::Sessions => {
            let Some(server) = Server::with_sessions(context).await.ok()? else {
                return Some(Vec::new());
            };
            let sessions = server.api.live_sessions().await.ok()?;
            sessions.into_iter().filter_map(|session| session.name).collect()
        }
        NameKind::Images => images::names(context).await.ok()?,
    };
    remember(kind, context, names.iter().map(String::as_str));
    Some(names)
}

/// Lets another process find out what this one has no time for, for the next time.
fn refresh(kind: NameKind, context: &CommandContext) {
    if !first_in_a_while() {
        return;
    }
    let Ok(program) = std::env::current_exe() else { return };
    let mut command = std::process::Command::new(program);
    command.arg(kind.command()).env_remove(VARIABLE);
    let flags = [("--endpoint", &context.global.endpoint), ("--profile", &context.global.profile)];
    for (flag, value) in flags {
        command.args(value.iter().flat_map(|value| [flag, value]));
    }
    if context.global.insecure {
        command.arg("--insecure");
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // It continues after our answer; if it cannot start, the names are not remembered.
    drop(std::os::unix::process::CommandExt::process_group(&mut command, 0).spawn());
}

/// Whether no refresh was started a moment ago: users may press Tab often.
fn first_in_a_while() -> bool {
    let Some(paths) = Paths::of_user() else { return false };
    let marker = paths.names_cache().join("asked");
    let since = std::fs::metadata(&marker).and_then(|metadata| metadata.modified()).ok();
    if since.and_then(|time| time.elapsed().ok()).is_some_and(|passed| passed < AGAIN) {
        return false;
    }
    private_dir(&paths.names_cache()).and_then(|()| std::fs::write(&marker, "")).is_ok()
}
