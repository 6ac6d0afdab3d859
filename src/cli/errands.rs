//! What the prompt hands to the command line: its words are read by the same table and done by the same commands, at the
//! server that the prompt has open.

use super::args::{Arguments, Command, Global};
use super::commands::{self, apps, download, files, logs, ls, upload};
use super::exit::Exit;
use super::failure::Failure;
use super::place::Place;
use crate::config::FileConfig;
use crate::repl::{Errands, Trouble};
use bai_client::Api;
use futures_util::future::{BoxFuture, FutureExt};
use std::sync::Arc;
use tokio::sync::Mutex;

/// The command line of a prompt.
pub(super) struct PromptErrands {
    place: Arc<Mutex<Option<Place>>>,
    global: Global,
    config: FileConfig,
}

impl PromptErrands {
    /// For a prompt whose sessions are in this place.
    pub(super) fn new(place: Arc<Mutex<Option<Place>>>, global: Global, config: FileConfig) -> Self {
        PromptErrands { place, global, config }
    }

    async fn api(&self) -> Result<Api, Failure> {
        let place = self.place.lock().await;
        place.as_ref().map(|place| place.api.clone()).ok_or_else(no_session)
    }

    async fn done(&self, words: Vec<String>) -> Result<Exit, Failure> {
        let arguments = Arguments::read(std::iter::once("bai-repl".to_owned()).chain(words));
        let command = match arguments {
            Ok(arguments) => arguments.command,
            Err(error) => {
                let text = error.to_string();
                let first = text.lines().next().unwrap_or_default();
                return Err(Failure::new(Exit::Usage, first.strip_prefix("error: ").unwrap_or(first)));
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
            _ => Err(Failure::new(Exit::Usage, "the prompt cannot do this")),
        }
    }
}

fn no_session() -> Failure {
    Failure::new(Exit::Failed, "there is no session")
}

impl Errands for PromptErrands {
    fn run(&self, words: Vec<String>) -> BoxFuture<'_, Result<(), Trouble>> {
        self.done(words).map(|done| done.map(drop).map_err(Failure::into_trouble)).boxed()
    }

    fn server(&self) -> BoxFuture<'_, Result<Api, Trouble>> {
        self.api().map(|api| api.map_err(Failure::into_trouble)).boxed()
    }

    fn find(&self, session: String) -> BoxFuture<'_, Result<(), Trouble>> {
        async move {
            // Where a new prompt will look, which need not be where this one is.
            let place = Place::find(&self.global, &self.config).await?;
            commands::find(&place, &session).await.map(drop)
        }
        .map(|found| found.map_err(Failure::into_trouble))
        .boxed()
    }
}
