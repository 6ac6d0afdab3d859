//! What the prompt hands to the command line: its words are read by the same table and done by the same commands, at the
//! server that the prompt has open.

use super::args::{Arguments, Command, Global};
use super::commands::{self, apps, download, files, logs, ls, upload};
use super::error::CliError;
use super::exit_status::ExitStatus;
use super::server::Server;
use crate::config::FileConfig;
use crate::repl::{DelegatedCommands, SessionError};
use bai_client::Api;
use futures_util::future::{BoxFuture, FutureExt};
use std::sync::Arc;
use tokio::sync::Mutex;

/// The command line of a prompt.
pub(super) struct CommandDelegate {
    server: Arc<Mutex<Option<Server>>>,
    global: Global,
    config: FileConfig,
}

impl CommandDelegate {
    /// For a prompt whose sessions are in this server.
    pub(super) fn new(server: Arc<Mutex<Option<Server>>>, global: Global, config: FileConfig) -> Self {
        CommandDelegate { server, global, config }
    }

    async fn api(&self) -> Result<Api, CliError> {
        let server = self.server.lock().await;
        server.as_ref().map(|server| server.api.clone()).ok_or_else(no_session)
    }

    async fn done(&self, words: Vec<String>) -> Result<ExitStatus, CliError> {
        let arguments = Arguments::read(std::iter::once("bai-repl".to_owned()).chain(words));
        let command = match arguments {
            Ok(arguments) => arguments.command,
            Err(error) => {
                let text = error.to_string();
                let first = text.lines().next().unwrap_or_default();
                return Err(CliError::new(ExitStatus::Usage, first.strip_prefix("error: ").unwrap_or(first)));
            }
        };
        let global = Global { here: Some(self.api().await?), json: false, ..self.global.clone() };
        let (global, config) = (&global, &self.config);
        match command {
            Some(Command::Ls(flags)) => ls::run(global, config, &flags).await,
            Some(Command::Logs(flags)) => logs::run(global, config, &flags).await,
            Some(Command::Files(flags)) => files::run(global, config, &flags).await,
            Some(Command::Upload(flags)) => upload::run(global, config, &flags).await,
            Some(Command::Download(flags)) => download::run(global, config, &flags).await,
            Some(Command::Apps(subject)) => apps::list(global, config, &subject).await,
            Some(Command::App(flags)) => apps::serve(global, config, &flags).await,
            _ => Err(CliError::new(ExitStatus::Usage, "the prompt cannot do this")),
        }
    }
}

fn no_session() -> CliError {
    CliError::new(ExitStatus::Failed, "there is no session")
}

impl DelegatedCommands for CommandDelegate {
    fn run(&self, words: Vec<String>) -> BoxFuture<'_, Result<(), SessionError>> {
        self.done(words).map(|done| done.map(drop).map_err(CliError::into_session_error)).boxed()
    }

    fn server(&self) -> BoxFuture<'_, Result<Api, SessionError>> {
        self.api().map(|api| api.map_err(CliError::into_session_error)).boxed()
    }

    fn find(&self, session: String) -> BoxFuture<'_, Result<(), SessionError>> {
        async move {
            // Where a new prompt will look, which need not be where this one is.
            let server = Server::find(&self.global, &self.config).await?;
            commands::find(&server, &session).await.map(drop)
        }
        .map(|found| found.map_err(CliError::into_session_error))
        .boxed()
    }
}
