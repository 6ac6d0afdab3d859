//! The runner for a cluster's agent, from the side of the command line: its addresses, its working folder, and its end.

use super::args::Runner;
use super::error::CliError;
use super::exit_status::ExitStatus;
use crate::terminal::{self, FatalSignal};
use bai_protocol::byte_text;
use bai_runner::{AgentError, AgentOptions, AgentRunner};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::pin::pin;
use tokio_util::sync::CancellationToken;

/// The user's home folder in a container.
const HOME: &str = "/home/work";

impl From<AgentError> for CliError {
    fn from(error: AgentError) -> Self {
        match error {
            AgentError::Start(error) => {
                let hint = error.hint().to_owned();
                CliError::new(ExitStatus::NotFound, error).hint(hint)
            }
            error => CliError::new(ExitStatus::Failed, error),
        }
    }
}

/// Serves an agent until a signal ends it.
pub(super) async fn serve(flags: Runner) -> Result<ExitStatus, CliError> {
    let mut signals = terminal::listen_fatal().map_err(|error| CliError::new(ExitStatus::Failed, error))?;
    let workdir = workdir(flags.workdir)?;
    if !flags.config.is_dir() {
        let config = byte_text::shown_path(&flags.config);
        eprintln!(
            "bai-repl: warning: the folder {config} of an agent is missing; the runner is for containers: every program that reaches its ports can run code as its user"
        );
    }
    let runner = AgentRunner::start(AgentOptions {
        language: flags.language,
        runtime: flags.runtime,
        host: flags.host,
        ports: [flags.operations_port, flags.replies_port],
        workdir,
        config: flags.config,
        definitions: flags.service_defs,
    })
    .await?;
    if let Some(error) = runner.start_error() {
        eprintln!("bai-repl: no code can be run here: {error}");
        eprintln!("hint: {}; commands and services work", error.hint());
    }
    let interrupted = terminal::interrupt_unless_ignored();
    let [operations, replies] = runner.addresses();
    // An error is ignored: the parent process may have ended.
    let _ = writeln!(std::io::stdout(), "operations at tcp://{operations}, replies at tcp://{replies}");
    let stop = CancellationToken::new();
    let mut serving = pin!(runner.serve(&stop));
    let ending = tokio::select! {
        () = &mut serving => return Ok(ExitStatus::Ok),
        signal = signals.recv() => Some(signal),
        () = interrupted => None,
    };
    stop.cancel();
    serving.await;
    Ok(if let Some(FatalSignal::HangUp) = ending { ExitStatus::Remote(129) } else { ExitStatus::Ok })
}

fn workdir(named: Option<PathBuf>) -> Result<PathBuf, CliError> {
    let folder = named.unwrap_or_else(|| {
        let home = Path::new(HOME);
        if home.is_dir() { home.to_owned() } else { PathBuf::from(".") }
    });
    folder.canonicalize().map_err(|error| {
        CliError::new(
            ExitStatus::Usage,
            format!("cannot use the folder {}: {error}", byte_text::shown_path(&folder)),
        )
    })
}
