//! The background engine from the side of the command line: finds, starts, runs and stops it.

use super::args::Serve;
use super::context::CommandContext;
use super::error::CliError;
use super::exit_status::ExitStatus;
use super::paths::user_paths;
use super::table;
use crate::config::Paths;
use crate::terminal::{self, FatalSignal};
use bai_engine::daemon::{self, Claim, DaemonError, DaemonInfo};
use bai_engine::{Engine, EngineOptions, SocketFolder, Workdirs};
use bai_protocol::machine_limit::explain;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use std::convert::Infallible;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, BufReader};

/// The beginning of the line with which an engine that was started on demand says why it does not run.
const NOT_STARTED: &str = "not started: ";
/// How errors and hints of this program begin.
const SAID: &str = "bai-repl: ";
const HINT: &str = "hint: ";
/// Maximum bytes of the log that are searched for an error.
const LOG_LIMIT: u64 = 64 << 10;
/// A file that a shell can source to use the engine.
const SHELL_FILE: &str = "env.sh";
/// What ends an engine that cannot be used.
const STOPS: &str = "bai-repl serve --stop stops it and its sessions";
/// A state file that cannot be read for this long is not repaired by its engine.
const BEYOND_REPAIR: Duration = Duration::from_secs(1);
/// The user is told about a wait that is longer.
const LONG: Duration = Duration::from_secs(2);
/// How often it is checked whether an engine that starts or ends has come further.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// How long an engine that was started on demand runs without a session.
const IDLE_END: Duration = Duration::from_secs(60);
/// Time limit for stopping the engine.
const STOP_LIMIT: Duration = Duration::from_secs(10);

impl From<DaemonError> for CliError {
    fn from(error: DaemonError) -> Self {
        let hint = match &error {
            DaemonError::OtherVersion { .. } | DaemonError::Damaged { .. } => Some(STOPS),
            _ => None,
        };
        let error = CliError::new(ExitStatus::Failed, error);
        match hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}

/// A function that tells the user, in one sentence, what takes long.
pub(super) type Report<'a> = &'a (dyn Fn(&str) + Sync);

/// Tells it on standard error.
pub(super) fn print_wait(sentence: &str) {
    eprintln!("bai-repl: {sentence}; Ctrl-C ends the wait");
}

/// The background engine, if one lives. A slow one is waited for. An engine of another version is used too, with a
/// warning.
pub(super) async fn find(paths: &Paths, report: Report<'_>) -> Result<Option<DaemonInfo>, CliError> {
    let folder = paths.engine_dir();
    let found = reporting(search(&folder), || report(&why_waiting(&folder))).await?;
    if let Some(found) = &found
        && found.version != env!("CARGO_PKG_VERSION")
    {
        eprintln!(
            "bai-repl: the background engine is version {}, this program is {}; bai-repl serve --stop stops it and its sessions",
            found.version,
            env!("CARGO_PKG_VERSION")
        );
    }
    Ok(found)
}

/// As [`find`], but starts the engine if there are lost sessions, which only an engine can show and delete.
pub(super) async fn find_or_start_for_lost(
    paths: &Paths,
    report: Report<'_>,
) -> Result<Option<DaemonInfo>, CliError> {
    match find(paths, report).await? {
        None if daemon::sessions_with_files(&paths.engine_dir()) > 0 => {
            find_or_start(paths, report).await.map(Some)
        }
        found => Ok(found),
    }
}

/// Waits until the engine of the folder answers, or until none lives there. An engine without a state file starts or ends.
async fn search(folder: &Path) -> Result<Option<DaemonInfo>, DaemonError> {
    let mut interval = tokio::time::interval(LOOK_AGAIN);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let began = Instant::now();
    while daemon::is_running(folder)? {
        match daemon::read(folder) {
            Ok(Some(found)) if found.answers().await => return Ok(Some(found)),
            Ok(None) | Err(_) if began.elapsed() > BEYOND_REPAIR => daemon::check_state(folder)?,
            _ => {}
        }
        interval.tick().await;
    }
    Ok(None)
}

/// Why the engine of the folder is waited for.
fn why_waiting(folder: &Path) -> String {
    match daemon::read(folder) {
        Ok(Some(found)) if !found.socket.exists() => format!(
            "{} cannot be reached: its socket {} is gone; bai-repl serve --stop stops it and its sessions",
            named(folder),
            found.socket.display()
        ),
        _ => format!("{} does not answer yet", named(folder)),
    }
}

/// The engine of the folder in a sentence for people.
fn named(folder: &Path) -> String {
    let told = || daemon::read(folder).ok()?.map(|found| found.pid.to_string());
    match daemon::holding_process(folder).map(|process| process.to_string()).or_else(told) {
        Some(process) => format!("the background engine, process {process},"),
        None => "the background engine".to_owned(),
    }
}

/// Waits for `work`, and says so once it has taken long.
async fn reporting<T>(work: impl Future<Output = T>, say: impl FnOnce()) -> T {
    tokio::pin!(work);
    match tokio::time::timeout(LONG, work.as_mut()).await {
        Ok(result) => result,
        Err(_) => {
            say();
            work.await
        }
    }
}

/// The background engine; it is started if none lives. If several programs need it at the same time, one of them starts it.
pub(super) async fn find_or_start(paths: &Paths, report: Report<'_>) -> Result<DaemonInfo, CliError> {
    if let Some(found) = find(paths, report).await? {
        return Ok(found);
    }
    let folder = paths.engine_dir();
    let turn = tokio::task::spawn_blocking(move || daemon::lock_start(&folder));
    let turn = reporting(turn, || report("another program is still starting the background engine")).await;
    let _turn = turn.map_err(|error| CliError::new(ExitStatus::Failed, error))??;
    if let Some(found) = find(paths, report).await? {
        return Ok(found);
    }
    let started = start_in_background(paths, report).await;
    // Somebody else may have started one by hand.
    match (find(paths, report).await?, started) {
        (Some(found), _) => Ok(found),
        (None, Err(error)) => Err(error),
        (None, Ok(())) => {
            Err(CliError::new(ExitStatus::Connect, "the background engine was started, but has ended again")
                .hint("its log is engine.log in the state folder"))
        }
    }
}

async fn start_in_background(paths: &Paths, report: Report<'_>) -> Result<(), CliError> {
    let failed = |error: &dyn std::fmt::Display| {
        CliError::new(ExitStatus::Connect, format!("the background engine cannot be started: {error}"))
    };
    let program = std::env::current_exe().map_err(|error| failed(&error))?;
    let log_path = paths.engine_dir().join("engine.log");
    let log = bai_private::append_to_file(&log_path).map_err(|error| failed(&explain(&error)))?;
    let log_start = log.metadata().map_or(0, |metadata| metadata.len());
    let mut command = std::process::Command::new(program);
    command.args(["serve", "--by-need"]).current_dir("/").process_group(0);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
    let child = tokio::process::Command::from(command).kill_on_drop(false).spawn();
    let mut child = child.map_err(|error| failed(&explain(&error)))?;
    let Some(stdout) = child.stdout.take() else { return Err(failed(&"it has no standard output")) };
    // The first line of its output means that it listens; the end of its output, that it has ended.
    let mut line = String::new();
    let mut lines = BufReader::new(stdout);
    match reporting(lines.read_line(&mut line), || report("the background engine is still starting")).await {
        Ok(length) if length > 0 => match line.strip_prefix(NOT_STARTED) {
            Some(why) => Err(failed(&why.trim_end())),
            None => Ok(()),
        },
        _ => match last_words(&log_path, log_start) {
            Some(why) => Err(failed(&why)),
            None => Err(failed(&"it ended at once").hint("its log is engine.log in the state folder")),
        },
    }
}

/// What an engine that broke has said in its log, after the first `start` bytes: its error, and the hint after it.
fn last_words(log: &Path, start: u64) -> Option<String> {
    let mut file = bai_private::open_file(log).ok()?;
    file.seek(SeekFrom::Start(start)).ok()?;
    let mut text = Vec::new();
    file.take(LOG_LIMIT).read_to_end(&mut text).ok()?;
    let text = String::from_utf8_lossy(&text);
    let mut lines = text.lines().map(str::trim).skip_while(|line| !line.starts_with(SAID));
    let why = lines.next()?.strip_prefix(SAID)?;
    Some(match lines.next().and_then(|line| line.strip_prefix(HINT)) {
        Some(hint) => format!("{why} ({hint})"),
        None => why.to_owned(),
    })
}

/// Runs the background engine, until a signal ends it or it has had no session for too long. If one that was started on
/// demand cannot run, its starter reads why: the log may be what cannot be written.
pub(super) async fn serve(context: &CommandContext, options: &Serve) -> Result<ExitStatus, CliError> {
    run_or_stop(context, options).await.inspect_err(|error| {
        if options.by_need {
            let _ = writeln!(std::io::stdout(), "{NOT_STARTED}{}", error.sentence().replace('\n', " "));
        }
    })
}

async fn run_or_stop(context: &CommandContext, options: &Serve) -> Result<ExitStatus, CliError> {
    let paths = user_paths()?;
    if options.stop {
        return stop(context, &paths).await;
    }
    let folder = paths.engine_dir();
    let Some(mut claim) = daemon::claim(&folder)? else {
        return Err(
            CliError::new(ExitStatus::Refused, format!("{} is already running", named(&folder))).hint(STOPS)
        );
    };
    let workdirs = match &options.workdir {
        Some(folder) => Workdirs::Shared(folder.canonicalize().map_err(|error| {
            CliError::new(ExitStatus::Usage, format!("cannot use the folder {}: {error}", folder.display()))
        })?),
        None => claim.workdirs(),
    };
    let engine_options = EngineOptions {
        listen: options.listen,
        idle_end: options.by_need.then_some(IDLE_END),
        ..EngineOptions::private(SocketFolder::At(folder.clone()), workdirs)
    };
    let mut signals = terminal::listen_fatal().map_err(|error| CliError::new(ExitStatus::Failed, error))?;
    let interrupted = terminal::interrupt_unless_ignored();
    let engine =
        Engine::start(engine_options).await.map_err(|error| CliError::new(ExitStatus::Usage, error))?;
    let for_others = options.listen.is_some();
    announce(&folder, &claim, &engine, for_others)?;
    let line = match for_others {
        true => format!(". {}", folder.join(SHELL_FILE).display()),
        false => format!("the background engine runs, as process {}", std::process::id()),
    };
    // An error is ignored: the parent process may have ended.
    let _ = writeln!(std::io::stdout(), "{line}");
    let ending = tokio::select! {
        signal = signals.recv() => Some(signal),
        () = interrupted => None,
        () = engine.ended() => None,
        never = stay_announced(&folder, &mut claim, &engine, for_others) => match never {},
    };
    claim.withdraw()?;
    // Its keys are no longer valid.
    let _ = std::fs::remove_file(folder.join(SHELL_FILE));
    engine.shutdown().await;
    claim.hold_to_the_end();
    match ending {
        Some(FatalSignal::HangUp) => Ok(ExitStatus::Remote(129)),
        _ => Ok(ExitStatus::Ok),
    }
}

/// Writes the state file. For other clients there is a file that a shell can source.
fn announce(folder: &Path, claim: &Claim, engine: &Engine, for_others: bool) -> Result<(), CliError> {
    let failed = |error: std::io::Error| {
        CliError::new(ExitStatus::Failed, format!("cannot write into {}: {error}", folder.display()))
    };
    if for_others {
        let text = shell_text(engine);
        bai_private::replace_cache(&folder.join(SHELL_FILE), text.as_bytes()).map_err(failed)?;
    }
    claim.announce(&state(folder, engine))?;
    Ok(())
}

/// What the state file tells.
fn state(folder: &Path, engine: &Engine) -> DaemonInfo {
    DaemonInfo {
        socket: engine.socket().unwrap_or(folder).to_owned(),
        endpoint: engine.endpoint(),
        keypair: engine.keypair().clone(),
        pid: std::process::id(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        instance: engine.instance().to_owned(),
    }
}

/// What is in the file that a shell can source.
fn shell_text(engine: &Engine) -> String {
    let line = |(name, value)| format!("export {name}='{value}'\n");
    engine.client_environment().into_iter().map(line).collect()
}

/// Whether the file that a shell can source is as it was written.
fn is_shell_file_whole(folder: &Path, engine: &Engine) -> bool {
    let mut found = Vec::new();
    let text = shell_text(engine);
    let limit = text.len() as u64 + 1;
    bai_private::open_file(&folder.join(SHELL_FILE))
        .and_then(|file| file.take(limit).read_to_end(&mut found))
        .is_ok_and(|_| found == text.as_bytes())
}

/// Keeps the claim, and writes the files again that were removed or damaged.
async fn stay_announced(folder: &Path, claim: &mut Claim, engine: &Engine, for_others: bool) -> Infallible {
    loop {
        claim.disturbed().await;
        let is_complete = claim.is_announced(&state(folder, engine))
            && (!for_others || is_shell_file_whole(folder, engine));
        if !is_complete && let Err(error) = announce(folder, claim, engine, for_others) {
            error.report();
        }
    }
}

async fn stop(context: &CommandContext, paths: &Paths) -> Result<ExitStatus, CliError> {
    let folder = paths.engine_dir();
    if !daemon::is_running(&folder)? {
        return Err(CliError::new(ExitStatus::NotFound, "no background engine is running"));
    }
    let failed = |error: &dyn std::fmt::Display| {
        CliError::new(ExitStatus::Failed, format!("{} cannot be stopped: {error}", named(&folder)))
    };
    let mut pid = None;
    let gone = async {
        let mut interval = tokio::time::interval(LOOK_AGAIN);
        let began = Instant::now();
        while daemon::is_running(&folder)? {
            // An engine that starts is announced soon; one that ends needs no signal.
            let is_late = began.elapsed() > BEYOND_REPAIR;
            if pid.is_none() && (is_late || daemon::read(&folder).is_ok_and(|found| found.is_some())) {
                match daemon::process(&folder).await? {
                    Some(process) => {
                        kill(Pid::from_raw(process), Signal::SIGTERM).map_err(|error| failed(&error))?;
                        // A process that is stopped gets its signals when it goes on.
                        let _ = kill(Pid::from_raw(process), Signal::SIGCONT);
                        pid = Some(process);
                    }
                    None if is_late => daemon::check_state(&folder)?,
                    None => {}
                }
            }
            interval.tick().await;
        }
        Ok::<_, CliError>(())
    };
    match tokio::time::timeout(STOP_LIMIT, gone).await {
        Ok(ended) => ended?,
        Err(_) if pid.is_none() => {
            return Err(failed(&"no process of this user on this machine is known to be it"));
        }
        Err(_) => return Err(failed(&format!("it has not ended within {} s", STOP_LIMIT.as_secs()))),
    }
    let process = pid.map_or_else(String::new, |pid| format!(", process {pid},"));
    let kept = match daemon::sessions_with_files(&folder) {
        0 => String::new(),
        1 => "; one left files, which bai-repl ls shows".to_owned(),
        kept => format!("; {kept} left files, which bai-repl ls shows"),
    };
    let sentence = format!("the background engine{process} was stopped with its sessions{kept}");
    table::report(context, &json!({"event": "stopped", "pid": pid}), &sentence)?;
    Ok(ExitStatus::Ok)
}
