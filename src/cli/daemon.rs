//! The background engine from the side of the command line: finds, starts, runs and stops it.

use super::args::Serve;
use super::context::CommandContext;
use super::error::CliError;
use super::exit_status::ExitStatus;
use super::paths::user_paths;
use super::table;
use crate::config::Paths;
use crate::terminal::{self, FatalSignal};
use bai_engine::daemon::{self, DaemonError, DaemonInfo};
use bai_engine::{Engine, EngineOptions, Workdirs};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};

/// A file that a shell can source to use the engine.
const SHELL_FILE: &str = "env.sh";
/// Time limit from the start of the engine until it listens.
const START_LIMIT: Duration = Duration::from_secs(20);
/// How long an engine that was started on demand runs without a session.
const IDLE_END: Duration = Duration::from_secs(60);
/// Time limit for stopping the engine.
const STOP_LIMIT: Duration = Duration::from_secs(10);

impl From<DaemonError> for CliError {
    fn from(error: DaemonError) -> Self {
        CliError::new(ExitStatus::Failed, error)
    }
}

/// The background engine, if one runs. An engine of another version is used too, with a warning.
pub(super) async fn find(paths: &Paths) -> Result<Option<DaemonInfo>, CliError> {
    let Some(found) = daemon::read(&paths.engine_dir())? else { return Ok(None) };
    if !found.is_alive().await {
        return Ok(None);
    }
    if found.version != env!("CARGO_PKG_VERSION") {
        eprintln!(
            "bai-repl: the background engine is version {}, this program is {}; bai-repl serve --stop stops it and its sessions",
            found.version,
            env!("CARGO_PKG_VERSION")
        );
    }
    Ok(Some(found))
}

/// The background engine; it is started if none runs. If several programs need it at the same time, one of them starts it.
pub(super) async fn find_or_start(paths: &Paths) -> Result<DaemonInfo, CliError> {
    if let Some(found) = find(paths).await? {
        return Ok(found);
    }
    let folder = paths.engine_dir();
    let turn = tokio::task::spawn_blocking(move || daemon::lock_start(&folder)).await;
    let _turn = turn.map_err(|error| CliError::new(ExitStatus::Failed, error))??;
    if let Some(found) = find(paths).await? {
        return Ok(found);
    }
    start_in_background(paths).await?;
    let started = find(paths).await?;
    started.ok_or_else(|| {
        CliError::new(ExitStatus::Connect, "the background engine was started, but does not answer")
    })
}

async fn start_in_background(paths: &Paths) -> Result<(), CliError> {
    let failed = |error: &dyn std::fmt::Display| {
        CliError::new(ExitStatus::Connect, format!("the background engine cannot be started: {error}"))
    };
    let program = std::env::current_exe().map_err(|error| failed(&error))?;
    let log = bai_private::append_to_file(&paths.engine_dir().join("engine.log"))
        .map_err(|error| failed(&error))?;
    let mut command = std::process::Command::new(program);
    command.args(["serve", "--by-need"]).current_dir("/").process_group(0);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
    let mut child =
        tokio::process::Command::from(command).kill_on_drop(false).spawn().map_err(|error| failed(&error))?;
    let Some(stdout) = child.stdout.take() else { return Err(failed(&"it has no standard output")) };
    // The first line of its output means that it listens.
    let mut line = String::new();
    let read = tokio::time::timeout(START_LIMIT, BufReader::new(stdout).read_line(&mut line)).await;
    match read {
        Ok(Ok(length)) if length > 0 => Ok(()),
        Ok(_) => Err(failed(&"it ended at once").hint("its log is engine.log in the state folder")),
        Err(_) => Err(failed(&"it does not start to listen in time")),
    }
}

/// Runs the background engine, until a signal ends it or it has had no session for too long.
pub(super) async fn serve(context: &CommandContext, options: &Serve) -> Result<ExitStatus, CliError> {
    let paths = user_paths()?;
    if options.stop {
        return stop(context, &paths).await;
    }
    if let Some(found) = find(&paths).await? {
        return Err(CliError::new(
            ExitStatus::Refused,
            format!("a background engine is already running, as process {}", found.pid),
        )
        .hint("bai-repl serve --stop stops it and its sessions"));
    }
    let workdirs = match &options.workdir {
        Some(folder) => Workdirs::Shared(folder.canonicalize().map_err(|error| {
            CliError::new(ExitStatus::Usage, format!("cannot use the folder {}: {error}", folder.display()))
        })?),
        None => Workdirs::Own(paths.engine_dir().join("sessions")),
    };
    let engine_options = EngineOptions {
        listen: options.listen,
        idle_end: options.by_need.then_some(IDLE_END),
        ..EngineOptions::new(workdirs)
    };
    let mut signals = terminal::listen_fatal().map_err(|error| CliError::new(ExitStatus::Failed, error))?;
    let interrupted = terminal::interrupt_unless_ignored();
    let engine =
        Engine::start(engine_options).await.map_err(|error| CliError::new(ExitStatus::Usage, error))?;
    announce(&paths, &engine)?;
    let ending = tokio::select! {
        signal = signals.recv() => Some(signal),
        () = interrupted => None,
        () = engine.ended() => None,
    };
    daemon::remove(&paths.engine_dir(), engine.instance())?;
    // Its keys are no longer valid.
    let _ = std::fs::remove_file(paths.engine_dir().join(SHELL_FILE));
    engine.shutdown().await;
    match ending {
        Some(FatalSignal::HangUp) => Ok(ExitStatus::Remote(129)),
        _ => Ok(ExitStatus::Ok),
    }
}

/// Writes the state file and the file for shells, and prints the command that sources the latter.
fn announce(paths: &Paths, engine: &Engine) -> Result<(), CliError> {
    let folder = paths.engine_dir();
    let state = DaemonInfo {
        endpoint: engine.endpoint(),
        keypair: engine.keypair().clone(),
        pid: std::process::id(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        instance: engine.instance().to_owned(),
    };
    daemon::write(&folder, &state)?;
    let failed = |error: std::io::Error| {
        CliError::new(ExitStatus::Failed, format!("cannot write into {}: {error}", folder.display()))
    };
    let file = folder.join(SHELL_FILE);
    let mut text = tempfile::NamedTempFile::new_in(&folder).map_err(failed)?;
    for (name, value) in engine.client_environment() {
        writeln!(text, "export {name}='{value}'").map_err(failed)?;
    }
    text.persist(&file).map_err(|error| failed(error.error))?;
    // An error is ignored: the parent process may have ended.
    let _ = writeln!(std::io::stdout(), ". {}", file.display());
    Ok(())
}

async fn stop(context: &CommandContext, paths: &Paths) -> Result<ExitStatus, CliError> {
    let Some(found) = find(paths).await? else {
        return Err(CliError::new(ExitStatus::NotFound, "no background engine is running"));
    };
    let failed = |error: &dyn std::fmt::Display| {
        CliError::new(
            ExitStatus::Failed,
            format!("the background engine, process {}, cannot be stopped: {error}", found.pid),
        )
    };
    let pid = i32::try_from(found.pid).map_err(|error| failed(&error))?;
    kill(Pid::from_raw(pid), Signal::SIGTERM).map_err(|error| failed(&error))?;
    let gone = async {
        let mut interval = tokio::time::interval(Duration::from_millis(50));
        while kill(Pid::from_raw(pid), None).is_ok() {
            interval.tick().await;
        }
    };
    tokio::time::timeout(STOP_LIMIT, gone).await.map_err(|_| failed(&"it does not end in time"))?;
    let sentence = format!("the background engine, process {pid}, was stopped with its sessions");
    table::report(context, &json!({"event": "stopped", "pid": pid}), &sentence)?;
    Ok(ExitStatus::Ok)
}
