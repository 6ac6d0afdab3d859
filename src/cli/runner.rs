//! The runner for a cluster's agent, from the command line's side: where it listens and works, and when it ends.

use super::args::Runner;
use super::exit::Exit;
use super::failure::Failure;
use crate::terminal::{self, FatalSignal};
use bai_runner::{AgentError, AgentOptions, AgentRunner};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::pin::pin;
use tokio_util::sync::CancellationToken;

/// Where containers have the person's files.
const HOME: &str = "/home/work";

impl From<AgentError> for Failure {
    fn from(error: AgentError) -> Self {
        match error {
            AgentError::Start(error) => {
                let hint = error.hint().to_owned();
                Failure::new(Exit::NotFound, error).hint(hint)
            }
            error => Failure::new(Exit::Failed, error),
        }
    }
}

/// Serves an agent until a signal ends it.
pub(super) async fn serve(flags: Runner) -> Result<Exit, Failure> {
    let mut signals = terminal::listen_fatal().map_err(|error| Failure::new(Exit::Failed, error))?;
    let workdir = workdir(flags.workdir)?;
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
    if let Some(trouble) = runner.trouble() {
        eprintln!("bai-repl: no code can be run here: {trouble}");
        eprintln!("hint: {}; commands and services work", trouble.hint());
    }
    let [operations, replies] = runner.addresses();
    // Whoever started us may have gone; then nobody needs the line.
    let _ = writeln!(std::io::stdout(), "operations at tcp://{operations}, replies at tcp://{replies}");
    let stop = CancellationToken::new();
    let mut serving = pin!(runner.serve(&stop));
    let ending = tokio::select! {
        () = &mut serving => return Ok(Exit::Ok),
        signal = signals.recv() => Some(signal),
        _ = tokio::signal::ctrl_c() => None,
    };
    stop.cancel();
    serving.await;
    Ok(if let Some(FatalSignal::HangUp) = ending { Exit::Remote(129) } else { Exit::Ok })
}

fn workdir(named: Option<PathBuf>) -> Result<PathBuf, Failure> {
    let folder = named.unwrap_or_else(|| {
        let home = Path::new(HOME);
        if home.is_dir() { home.to_owned() } else { PathBuf::from(".") }
    });
    folder.canonicalize().map_err(|error| {
        Failure::new(Exit::Usage, format!("cannot use the folder {}: {error}", folder.display()))
    })
}
