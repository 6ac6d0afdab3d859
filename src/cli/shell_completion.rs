//! Completion of names in the shell. The shell asks this program, which asks the server; if the server is slow, cached names
//! are used. Only candidates are printed; `shells` knows how each shell takes them.

#[cfg(feature = "fuzzing")]
pub(super) mod fuzzing;
mod shells;
mod words;

use super::args::Arguments;
use super::commands::images;
use super::commands::vfolder::mountable;
use super::context::CommandContext;
use super::display;
use super::env_file;
use super::error::CliError;
use super::exit_status::ExitStatus;
use super::name_cache::{NameKind, recall, remember};
use super::server::{self, Server};
use super::table;
use crate::config::{Environment, FileConfig, Paths};
use bai_client::SessionStatus;
use clap::CommandFactory;
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use clap_complete::env::CompleteEnv;
use shells::SHELLS;
use std::ffi::{OsStr, OsString};
use std::process::Stdio;
use std::time::Duration;

/// The variable with which the script of a shell asks for candidates.
const VARIABLE: &str = "BAI_REPL_COMPLETE";
/// Time limit for the server, because the user waits after Tab.
const LIMIT: Duration = Duration::from_millis(200);
/// The names of a slow server are refreshed at most once in this time.
const REFRESH_INTERVAL: Duration = Duration::from_secs(10);

/// Answers a shell that asks for candidates. False if this is not such a call.
pub(super) fn answer() -> bool {
    if std::env::var_os(VARIABLE).is_none() {
        return false;
    }
    // Error messages must not be printed into the command that the user types.
    if let Ok(null) = std::fs::File::options().write(true).open("/dev/null") {
        let _ = nix::unistd::dup2_stderr(null);
    }
    let here = std::env::current_dir().ok();
    let environment = CompleteEnv::with_factory(|| with_completers(Arguments::command()));
    let environment = environment.var(VARIABLE).shells(SHELLS);
    // An error is ignored: without candidates the shell completes as usual.
    let _ = environment.try_complete(std::env::args_os(), here.as_deref());
    true
}

/// Adds a completer to each flag whose values are names.
fn with_completers(command: clap::Command) -> clap::Command {
    let complete = |argument: clap::Arg| match argument.get_id().as_str() {
        "session" => argument.add(ArgValueCompleter::new(sessions)),
        "sessions" | "depends" => argument.add(ArgValueCompleter::new(more_sessions)),
        "name" if argument.get_long().is_some() => argument.add(ArgValueCompleter::new(sessions)),
        "mounts" | "vfolder" | "vfolders" => argument.add(ArgValueCompleter::new(folders)),
        "image" => argument.add(ArgValueCompleter::new(image_names)),
        "session_or_image" => argument.add(ArgValueCompleter::new(sessions_and_images)),
        "profile" => argument.add(ArgValueCompleter::new(profiles)),
        "status" => argument.add(ArgValueCompleter::new(statuses)),
        "theme" | "shown" => argument.add(ArgValueCompleter::new(themes)),
        _ => argument,
    };
    command.mut_args(complete).mut_subcommands(with_completers)
}

/// Prints the script that makes a shell ask this program.
pub(super) fn script(shell: clap_complete::Shell) -> Result<ExitStatus, CliError> {
    let name = shell.to_string();
    let shells = SHELLS;
    let completer = shells
        .completer(&name)
        .ok_or_else(|| CliError::new(ExitStatus::Usage, format!("there is no completion for {name}")))?;
    let mut script = Vec::new();
    completer
        .write_registration(VARIABLE, "bai-repl", "bai-repl", &program(), &mut script)
        .map_err(|error| CliError::new(ExitStatus::Failed, error))?;
    if shell == clap_complete::Shell::Bash {
        script = with_colons_joined(&String::from_utf8_lossy(&script)).into_bytes();
    }
    table::write_bytes(&script).map(|_| ExitStatus::Ok)
}

/// The script for bash, with a function around that of the library.
fn with_colons_joined(script: &str) -> String {
    let registration = script.replace("-F _clap_complete_bai_repl", "-F _bai_repl");
    format!("{}{registration}", include_str!("shell_completion/script.bash"))
}

/// How the script calls this program: by name if the user did so, otherwise by its absolute path.
fn program() -> String {
    let called = std::env::args().next().unwrap_or_default();
    if !called.is_empty() && !called.contains('/') {
        return called;
    }
    std::env::current_exe().ok().and_then(|path| path.into_os_string().into_string().ok()).unwrap_or(called)
}

/// Names of live sessions.
fn sessions(current: &OsStr) -> Vec<CompletionCandidate> {
    candidates(&[NameKind::Sessions], current)
}

/// Names of live sessions that the command line does not have yet.
fn more_sessions(current: &OsStr) -> Vec<CompletionCandidate> {
    let given: Vec<_> = typed_words().into_iter().filter(|word| word != current).collect();
    let mut found = sessions(current);
    found.retain(|candidate| given.iter().all(|word| word != candidate.get_value()));
    found
}

/// Names of virtual folders.
fn folders(current: &OsStr) -> Vec<CompletionCandidate> {
    candidates(&[NameKind::Folders], current)
}

/// Names of images.
fn image_names(current: &OsStr) -> Vec<CompletionCandidate> {
    candidates(&[NameKind::Images], current)
}

/// Names of live sessions and images.
fn sessions_and_images(current: &OsStr) -> Vec<CompletionCandidate> {
    candidates(&[NameKind::Sessions, NameKind::Images], current)
}

/// Profiles of the configuration file.
fn profiles(current: &OsStr) -> Vec<CompletionCandidate> {
    let config = Paths::of_user().and_then(|paths| FileConfig::read(&paths.config_file(), &[]).ok());
    matching(config.into_iter().flat_map(|config| config.profiles.into_keys()), current)
}

/// Statuses of sessions.
fn statuses(current: &OsStr) -> Vec<CompletionCandidate> {
    matching(SessionStatus::known().map(|status| status.name().to_owned()), current)
}

/// Names of themes.
fn themes(current: &OsStr) -> Vec<CompletionCandidate> {
    matching(display::library().usable_names().into_iter(), current)
}

fn matching(names: impl Iterator<Item = String>, current: &OsStr) -> Vec<CompletionCandidate> {
    let Some(typed) = current.to_str() else { return Vec::new() };
    // A name is not a flag.
    let fits = |name: &String| name.starts_with(typed) && !name.starts_with('-');
    let mut names: Vec<_> = names.filter(fits).collect();
    names.sort();
    names.dedup();
    names.into_iter().map(CompletionCandidate::new).collect()
}

fn candidates(kinds: &[NameKind], current: &OsStr) -> Vec<CompletionCandidate> {
    let Some(context) = typed_context() else { return Vec::new() };
    // Nobody agreed yet that its server is asked, with its keys.
    if env_file::is_unannounced(&context) {
        return Vec::new();
    }
    let names = kinds.iter().flat_map(|kind| names(*kind, &context).unwrap_or_default());
    matching(names, current)
}

/// The words of the command that is being typed.
fn typed_words() -> Vec<OsString> {
    shells::meanings(std::env::args_os())
}

/// The context of the command that is being typed: the configuration, and the flags that choose the server.
fn typed_context() -> Option<CommandContext> {
    let config = FileConfig::read(&Paths::of_user()?.config_file(), &[]).ok()?;
    let environment = Environment::of_process_and_folder().into();
    let mut context = CommandContext { config, environment, ..CommandContext::default() };
    let words: Vec<String> =
        typed_words().into_iter().map(|word| word.to_string_lossy().into_owned()).collect();
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

/// The names from the server, or from the cache if the server does not answer in time.
fn names(kind: NameKind, context: &CommandContext) -> Option<Vec<String>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().ok()?;
    let asked = runtime.block_on(async { tokio::time::timeout(LIMIT, ask(kind, context)).await });
    // Do not wait for a search for interpreters that is still running.
    runtime.shutdown_background();
    match asked {
        Ok(Some(names)) => return Some(names),
        Ok(None) => {}
        Err(_) => refresh(kind, context),
    }
    recall(kind, context).or_else(|| match kind {
        NameKind::Sessions | NameKind::Folders => None,
        NameKind::Images => Some(images::names_at_once(context)),
    })
}

async fn ask(kind: NameKind, context: &CommandContext) -> Option<Vec<String>> {
    let names: Vec<String> = match kind {
        NameKind::Sessions => {
            let Some(server) = Server::find_running(context, &|_| {}).await.ok()? else {
                return Some(Vec::new());
            };
            let sessions = server.api.live_sessions().await.ok()?;
            sessions.into_iter().filter_map(|session| session.name).collect()
        }
        NameKind::Images => images::names(context).await.ok()?,
        NameKind::Folders if !server::is_cluster(context).ok()? => Vec::new(),
        NameKind::Folders => {
            let folders = Server::find(context).await.ok()?.api.all_virtual_folders().await.ok()?;
            mountable(&folders).map(str::to_owned).collect()
        }
    };
    remember(kind, context, names.iter().map(String::as_str));
    Some(names)
}

/// Starts a process that refreshes the cached names in the background.
fn refresh(kind: NameKind, context: &CommandContext) {
    if !is_refresh_due() {
        return;
    }
    let Ok(program) = std::env::current_exe() else { return };
    let mut command = std::process::Command::new(program);
    command.args(kind.command()).env_remove(VARIABLE);
    let flags = [("--endpoint", &context.global.endpoint), ("--profile", &context.global.profile)];
    for (flag, value) in flags {
        command.args(value.iter().flat_map(|value| [flag, value]));
    }
    if context.global.insecure {
        command.arg("--insecure");
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // It continues after our answer. If it cannot start, the names are not cached.
    drop(std::os::unix::process::CommandExt::process_group(&mut command, 0).spawn());
}

/// Whether the last refresh was long enough ago.
fn is_refresh_due() -> bool {
    let Some(paths) = Paths::of_user() else { return false };
    let marker = paths.names_cache().join("asked");
    let since = std::fs::metadata(&marker).and_then(|metadata| metadata.modified()).ok();
    if since.and_then(|time| time.elapsed().ok()).is_some_and(|passed| passed < REFRESH_INTERVAL) {
        return false;
    }
    bai_private::replace_cache(&marker, b"").is_ok()
}
