//! Completion of names in the shell: the shell asks this program, which asks the server and, when that is slow,
//! remembers what it last said. Nothing is ever put on the screen but candidates.

use super::args::{Arguments, Global};
use super::commands::images;
use super::display;
use super::error::CliError;
use super::exit_status::ExitStatus;
use super::server::{self, Server};
use super::table;
use crate::config::{FileConfig, Paths, private_dir};
use clap::CommandFactory;
use clap_complete::engine::CompletionCandidate;
use clap_complete::env::{CompleteEnv, Shells};
use sha2::{Digest, Sha256};
use std::ffi::OsStr;
use std::io::Write;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

/// The variable by which a shell's script asks for candidates.
const VARIABLE: &str = "BAI_REPL_COMPLETE";
/// How long a server may take: somebody has pressed Tab.
const LIMIT: Duration = Duration::from_millis(200);
/// How long nobody else is sent to a server that is slow.
const AGAIN: Duration = Duration::from_secs(10);
/// Names that are remembered of one server, at most.
const NAMES: usize = 5_000;
/// What is remembered is not read beyond this.
const FILE_LIMIT: u64 = 4 << 20;

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
    let environment = CompleteEnv::with_factory(Arguments::command).var(VARIABLE);
    // Without candidates the shell does what it does for any word.
    let _ = environment.try_complete(std::env::args_os(), here.as_deref());
    true
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

/// How the script calls this program: as the person did when that was by name, else by its whole path.
fn program() -> String {
    let called = std::env::args().next().unwrap_or_default();
    if !called.is_empty() && !called.contains('/') {
        return called;
    }
    std::env::current_exe().ok().and_then(|path| path.into_os_string().into_string().ok()).unwrap_or(called)
}

/// Sessions that live.
pub(super) fn sessions(current: &OsStr) -> Vec<CompletionCandidate> {
    candidates(&[Kind::Sessions], current)
}

/// Images.
pub(super) fn image_names(current: &OsStr) -> Vec<CompletionCandidate> {
    candidates(&[Kind::Images], current)
}

/// Both.
pub(super) fn subjects(current: &OsStr) -> Vec<CompletionCandidate> {
    candidates(&[Kind::Sessions, Kind::Images], current)
}

/// Profiles of the configuration file.
pub(super) fn profiles(current: &OsStr) -> Vec<CompletionCandidate> {
    let config = Paths::of_user().and_then(|paths| FileConfig::read(&paths.config_file()).ok());
    fitting(config.into_iter().flat_map(|config| config.profiles.into_keys()), current)
}

/// The themes that can be chosen.
pub(super) fn themes(current: &OsStr) -> Vec<CompletionCandidate> {
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

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Names of sessions that live.
    Sessions,
    /// Image references.
    Images,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Sessions => "sessions",
            Kind::Images => "images",
        }
    }

    /// The command that remembers what it lists.
    fn command(self) -> &'static str {
        match self {
            Kind::Sessions => "ls",
            Kind::Images => "images",
        }
    }
}

fn candidates(kinds: &[Kind], current: &OsStr) -> Vec<CompletionCandidate> {
    let global = typed_globals();
    let names = kinds.iter().flat_map(|kind| names(*kind, &global).unwrap_or_default());
    fitting(names, current)
}

/// The flags that say which server is meant, from the command that is being typed.
fn typed_globals() -> Global {
    let mut global = Global::default();
    let words: Vec<String> = std::env::args().collect();
    for (index, word) in words.iter().enumerate() {
        let (flag, value) = match word.split_once('=') {
            Some((flag, value)) => (flag, Some(value.to_owned())),
            None => (word.as_str(), words.get(index + 1).cloned()),
        };
        match flag {
            "--endpoint" => global.endpoint = value,
            "--profile" => global.profile = value,
            "--insecure" => global.insecure = true,
            _ => {}
        }
    }
    global
}

/// The names from the server, or from memory when the server does not answer in time.
fn names(kind: Kind, global: &Global) -> Option<Vec<String>> {
    let paths = Paths::of_user()?;
    let config = FileConfig::read(&paths.config_file()).ok()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().ok()?;
    let asked = runtime.block_on(async { tokio::time::timeout(LIMIT, ask(kind, global, &config)).await });
    // A search for interpreters that is not over is not waited for.
    runtime.shutdown_background();
    match asked {
        Ok(Some(names)) => Some(names),
        Ok(None) => recall(kind, global, &config),
        Err(_) => {
            refresh(kind, global);
            recall(kind, global, &config)
        }
    }
}

async fn ask(kind: Kind, global: &Global, config: &FileConfig) -> Option<Vec<String>> {
    let names: Vec<String> = match kind {
        Kind::Sessions => {
            let Some(server) = Server::with_sessions(global, config).await.ok()? else {
                return Some(Vec::new());
            };
            let sessions = server.api.live_sessions().await.ok()?;
            sessions.into_iter().filter_map(|session| session.name).collect()
        }
        Kind::Images => images::names(global, config).await.ok()?,
    };
    remember(kind, global, config, names.iter().map(String::as_str));
    Some(names)
}

/// Lets another process find out what this one has no time for, for the next time.
fn refresh(kind: Kind, global: &Global) {
    if !first_in_a_while() {
        return;
    }
    let Ok(program) = std::env::current_exe() else { return };
    let mut command = std::process::Command::new(program);
    command.arg(kind.command()).env_remove(VARIABLE);
    let flags = [("--endpoint", &global.endpoint), ("--profile", &global.profile)];
    for (flag, value) in flags {
        command.args(value.iter().flat_map(|value| [flag, value]));
    }
    if global.insecure {
        command.arg("--insecure");
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // It goes on when we have answered; if it cannot be started, there is just nothing to remember.
    drop(std::os::unix::process::CommandExt::process_group(&mut command, 0).spawn());
}

/// Whether nobody has been sent to find out a moment ago, as somebody has who presses Tab often.
fn first_in_a_while() -> bool {
    let Some(paths) = Paths::of_user() else { return false };
    let marker = paths.names_cache().join("asked");
    let since = std::fs::metadata(&marker).and_then(|metadata| metadata.modified()).ok();
    if since.and_then(|time| time.elapsed().ok()).is_some_and(|passed| passed < AGAIN) {
        return false;
    }
    private_dir(&paths.names_cache()).and_then(|()| std::fs::write(&marker, "")).is_ok()
}

/// Remembers the names that a server has, for a time when it is slow.
pub(super) fn remember<'a>(
    kind: Kind,
    global: &Global,
    config: &FileConfig,
    names: impl Iterator<Item = &'a str>,
) {
    let Some(file) = memory_file(kind, global, config) else { return };
    let names = names.take(NAMES).filter(|name| !name.contains('\n'));
    let lines: String = names.flat_map(|name| [name, "\n"]).collect();
    let written = (|| {
        let folder = file.parent().unwrap_or(&file);
        private_dir(folder)?;
        let mut temporary = tempfile::NamedTempFile::new_in(folder)?;
        temporary.write_all(lines.as_bytes())?;
        temporary.persist(&file).map(drop).map_err(|error| error.error)
    })();
    if let Err(error) = written {
        tracing::debug!(%error, "the names could not be remembered");
    }
}

fn recall(kind: Kind, global: &Global, config: &FileConfig) -> Option<Vec<String>> {
    let file = memory_file(kind, global, config)?;
    let metadata = std::fs::metadata(&file).ok()?;
    if !metadata.is_file() || metadata.len() > FILE_LIMIT {
        return None;
    }
    Some(std::fs::read_to_string(&file).ok()?.lines().map(str::to_owned).collect())
}

/// One file for each server and each user of it.
fn memory_file(kind: Kind, global: &Global, config: &FileConfig) -> Option<PathBuf> {
    let digest = hex::encode(Sha256::digest(server::key(global, config).ok()?.as_bytes()));
    let short = digest.get(..16)?;
    Some(Paths::of_user()?.names_cache().join(format!("{}-{short}", kind.name())))
}
