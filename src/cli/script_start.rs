//! The start of code without a prompt: makes the session ready for it, and finds the cell that runs it there. A server that
//! runs scripts gets the script. In an IPython kernel of a cluster the prelude runs it as a program, and in
//! one of Bash a shell. Other kernels get code
//! that sets the arguments, and then the script as a cell.

use super::code::Code;
use super::context::CommandContext;
use super::error::CliError;
use super::exit_status::ExitStatus;
use super::readiness::{self, Patience, Readiness};
use super::stop_signals::StopSignals;
use crate::repl::PreludeUse;
use crate::terminal::has_terminal;
use bai_client::{Capability, Cell, ComputeSession, RunOptions};
use bai_protocol::language::likely_of_image;

/// The session in which code is to run.
pub(super) struct CodeSession<'a> {
    pub(super) session: &'a ComputeSession,
    pub(super) image: &'a str,
    /// Whether no other client can run code in it.
    pub(super) is_new: bool,
    pub(super) patience: Patience,
    /// How the code is run there.
    pub(super) options: &'a RunOptions,
}

/// How the start ended.
pub(super) enum Start {
    /// The session is ready for this cell.
    Ready(Cell),
    /// A signal ended it.
    Ended(ExitStatus),
}

/// Makes the session ready, and finds the cell.
pub(super) async fn start(
    at: CodeSession<'_>,
    mut code: Code,
    context: &CommandContext,
    signals: &mut StopSignals,
) -> Result<Start, CliError> {
    let CodeSession { session, image, is_new, patience, options } = at;
    let runs_scripts = session.api().has(Capability::Scripts).await;
    let use_of_prelude = readiness::prelude_use(session.api(), image, context.wants_prelude()).await;
    let mut prelude = None;
    if use_of_prelude == PreludeUse::Wanted || !is_new {
        prelude = match readiness::make_ready(session, use_of_prelude, patience, signals).await? {
            Readiness::Ready(prelude) => prelude,
            Readiness::Ended(exit) => return Ok(Start::Ended(exit)),
        };
    }
    // Only a server of this machine finds the folder.
    if code.is_folder() && (!runs_scripts || session.api().options().socket.is_none()) {
        return Err(CliError::new(ExitStatus::Usage, "this server runs no folder as a script")
            .hint("name the file in it that begins, and upload the others with --with"));
    }
    let has_terminals = session.api().has(Capability::ScriptTerminals).await;
    let splits = has_terminals && session.api().has(Capability::SplitTerminals).await;
    if !has_terminals || !splits && code.wants_split_terminal() {
        code.has_no_terminal();
    }
    if runs_scripts {
        if has_terminal() && session.api().has(Capability::Secrets).await {
            code.asks_for_secrets();
        }
        return Ok(Start::Ready(code.into_cell()));
    }
    if let Some(prelude) = prelude {
        match code.in_kernel(&prelude, options.window) {
            Some(cell) => return Ok(Start::Ready(cell)),
            None => prelude.tell_window_once(options.window).await,
        }
    }
    code.check_utf8()?;
    let language = likely_of_image(image);
    if let Some(cell) = code.in_shell(language) {
        return Ok(Start::Ready(cell));
    }
    match language.and_then(|language| code.preparation(language)) {
        Some(preparation) => {
            let mut run = session.execute(Cell::Query(preparation), options.clone()).await?;
            while run.next().await.is_some() {}
        }
        None if code.has_arguments() => {
            return Err(CliError::new(
                ExitStatus::Usage,
                "this server takes no arguments for a script of this language",
            )
            .hint("pass them with -e NAME=VALUE, or upload the file and run it with bai-repl run --exec"));
        }
        None => {}
    }
    Ok(Start::Ready(code.into_kernel_cell(language)))
}
