//! The commands that the prompt shares with the command line. A `:command` has the flags of the subcommand without the
//! session, and the same function runs it on the open session.

use super::args::{
    AppFlags, AppsFlags, Arguments, CreationFlags, DownloadFlags, FilesFlags, LogsFlags, Ls, UploadFlags,
};
use super::commands::{self, apps, download, files, logs, ls, upload};
use super::context::CommandContext;
use super::creation::request;
use super::error::CliError;
use super::exit_status::ExitStatus;
use super::new_session::NewSessionSlot;
use super::server::Server;
use super::{session_name, table};
use crate::repl::{DelegatedCommand, DelegatedCommands, FrontEnd, SessionError};
use bai_client::{Api, ComputeSession};
use bai_protocol::create::CreateRequest;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, CommandFactory, FromArgMatches};
use futures_util::future::{BoxFuture, FutureExt};
use std::sync::Arc;
use tokio::sync::Mutex;

/// Runs commands of the prompt with the functions of the command line.
pub(super) struct CommandDelegate {
    server: Arc<Mutex<Option<Server>>>,
    context: CommandContext,
    creation: CreationFlags,
    new_session: NewSessionSlot,
}

impl CommandDelegate {
    /// A delegate for a prompt whose session is on this server. A session that it creates goes into the slot.
    pub(super) fn new(
        server: Arc<Mutex<Option<Server>>>,
        context: &CommandContext,
        creation: &CreationFlags,
        new_session: &NewSessionSlot,
    ) -> Self {
        let mut context = context.clone();
        // The prompt's output is for people.
        context.global.json = false;
        context.front_end = FrontEnd::Prompt;
        CommandDelegate { server, context, creation: creation.clone(), new_session: new_session.clone() }
    }

    async fn api(&self) -> Result<Api, CliError> {
        let server = self.server.lock().await;
        let api = server.as_ref().map(|server| server.api.clone());
        api.ok_or_else(|| CliError::new(ExitStatus::Failed, "there is no session"))
    }

    async fn run_command(
        &self,
        command: DelegatedCommand,
        session: &ComputeSession,
        words: Vec<String>,
    ) -> Result<ExitStatus, CliError> {
        let context = &self.context;
        match command {
            DelegatedCommand::Ls => match flags::<Ls>("ls", words)? {
                Some(flags) => ls::list(context, session.api(), &flags).await,
                None => Ok(ExitStatus::Ok),
            },
            DelegatedCommand::Files => match flags::<FilesFlags>("files", words)? {
                Some(flags) => files::list_files(context, session, &flags).await,
                None => Ok(ExitStatus::Ok),
            },
            DelegatedCommand::Logs => match flags::<LogsFlags>("logs", words)? {
                Some(flags) => logs::show_log(context, session, &flags).await,
                None => Ok(ExitStatus::Ok),
            },
            DelegatedCommand::Upload => match flags::<UploadFlags>("upload", words)? {
                Some(flags) => upload::upload(context, session, &flags).await,
                None => Ok(ExitStatus::Ok),
            },
            DelegatedCommand::Download => match flags::<DownloadFlags>("download", words)? {
                Some(flags) => download::download(context, session, &flags).await,
                None => Ok(ExitStatus::Ok),
            },
            DelegatedCommand::Apps => match flags::<AppsFlags>("apps", words)? {
                Some(_) => apps::list_apps(context, session).await,
                None => Ok(ExitStatus::Ok),
            },
            DelegatedCommand::App => match flags::<AppFlags>("app", words)? {
                Some(flags) => apps::open_app(context, session, &flags).await,
                None => Ok(ExitStatus::Ok),
            },
        }
    }
}

/// Parses the words after `:name` as the flags of the subcommand `name`. `None` if they ask for help, which is then printed.
fn flags<F: Args + FromArgMatches>(name: &'static str, words: Vec<String>) -> Result<Option<F>, CliError> {
    let table = Arguments::command();
    match prompt_command::<F>(name, &table)
        .try_get_matches_from(words)
        .and_then(|matches| F::from_arg_matches(&matches))
    {
        Ok(flags) => Ok(Some(flags)),
        Err(error) if error.kind() == ErrorKind::DisplayHelp => {
            table::put(&error.to_string())?;
            Ok(None)
        }
        Err(error) => Err(usage_error(name, &table, &error)),
    }
}

/// The flags of the subcommand `name` without its session.
fn prompt_command<F: Args>(name: &'static str, table: &clap::Command) -> clap::Command {
    let about = table.find_subcommand(name).and_then(clap::Command::get_about).cloned();
    let command =
        clap::Command::new(name).bin_name(format!(":{name}")).no_binary_name(true).disable_version_flag(true);
    F::augment_args(command.about(about.unwrap_or_default())).mut_args(without_streams)
}

/// A flag whose help does not offer `-`: standard input and output belong to the prompt.
fn without_streams(argument: clap::Arg) -> clap::Arg {
    let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
    match help.split_once("; - is standard ") {
        Some((rest, _)) => argument.help(rest.to_owned()),
        None => argument,
    }
}

/// The error for invalid flags. A flag that only the command line has gets its own message.
fn usage_error(name: &str, table: &clap::Command, error: &clap::Error) -> CliError {
    let hint = format!(":{name} --help lists the flags");
    if let Some(ContextValue::String(flag)) = error.get(ContextKind::InvalidArg) {
        let long = flag.trim_start_matches('-').split('=').next().unwrap_or_default();
        if table.get_arguments().any(|argument| argument.get_long() == Some(long)) {
            let why = format!(
                "--{long} is a flag of the command line: commands at the prompt use the open session"
            );
            return CliError::new(ExitStatus::Usage, why).hint(hint);
        }
    }
    if let (ErrorKind::MissingRequiredArgument, Some(ContextValue::Strings(missing))) =
        (error.kind(), error.get(ContextKind::InvalidArg))
    {
        let why = format!("required arguments are missing: {}", missing.join(", "));
        return CliError::new(ExitStatus::Usage, why).hint(hint);
    }
    let text = error.to_string();
    let first = text.lines().next().unwrap_or_default();
    CliError::new(ExitStatus::Usage, first.strip_prefix("error: ").unwrap_or(first)).hint(hint)
}

impl DelegatedCommands for CommandDelegate {
    fn run(
        &self,
        command: DelegatedCommand,
        session: ComputeSession,
        words: Vec<String>,
    ) -> BoxFuture<'_, Result<(), SessionError>> {
        async move {
            self.run_command(command, &session, words).await.map(drop).map_err(CliError::into_session_error)
        }
        .boxed()
    }

    fn help(&self, command: DelegatedCommand) -> String {
        let table = Arguments::command();
        let mut command = match command {
            DelegatedCommand::Ls => prompt_command::<Ls>("ls", &table),
            DelegatedCommand::Files => prompt_command::<FilesFlags>("files", &table),
            DelegatedCommand::Logs => prompt_command::<LogsFlags>("logs", &table),
            DelegatedCommand::Upload => prompt_command::<UploadFlags>("upload", &table),
            DelegatedCommand::Download => prompt_command::<DownloadFlags>("download", &table),
            DelegatedCommand::Apps => prompt_command::<AppsFlags>("apps", &table),
            DelegatedCommand::App => prompt_command::<AppFlags>("app", &table),
        };
        command.render_help().to_string()
    }

    fn server(&self) -> BoxFuture<'_, Result<Api, SessionError>> {
        self.api().map(|api| api.map_err(CliError::into_session_error)).boxed()
    }

    fn find(&self, session: String) -> BoxFuture<'_, Result<(), SessionError>> {
        async move {
            // The new prompt will look on this server, which can be another than that of this prompt.
            let server = Server::find(&self.context).await?;
            commands::find(&self.context, &server, &session).await.map(drop)
        }
        .map(|found| found.map_err(CliError::into_session_error))
        .boxed()
    }

    fn create(&self, image: String) -> BoxFuture<'_, Result<(), SessionError>> {
        async move {
            // A session without a name from the user is temporary.
            let request = request(&image, &self.creation, &self.context)?;
            let request = CreateRequest { name: session_name::generate(), ..request };
            self.new_session.create(&self.context, request).await
        }
        .map(|created| created.map_err(CliError::into_session_error))
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage_message(words: &[&str]) -> String {
        let words = words.iter().map(|&word| word.to_owned()).collect();
        flags::<UploadFlags>("upload", words).unwrap_err().sentence().to_owned()
    }

    #[test]
    fn flags_of_the_command_line_are_refused_at_the_prompt() {
        for flag in ["--endpoint", "--profile", "--insecure", "--json", "--quiet", "--transport=ws", "--name"]
        {
            let message = usage_message(&["x", flag]);
            assert!(message.contains("is a flag of the command line"), "{flag}: {message}");
        }
        assert_eq!(usage_message(&["x", "--nonsense"]), "unexpected argument '--nonsense' found");
        assert_eq!(usage_message(&["--to", "x"]), "required arguments are missing: <FILE>...");
    }

    #[test]
    fn the_help_of_the_prompt_does_not_offer_its_own_streams() {
        let table = Arguments::command();
        for (name, prompt) in [
            ("upload", prompt_command::<UploadFlags>("upload", &table)),
            ("download", prompt_command::<DownloadFlags>("download", &table)),
        ] {
            let help = |command: clap::Command| command.clone().render_help().to_string();
            assert!(!help(prompt).contains("standard"), "{name}");
            assert!(help(table.find_subcommand(name).unwrap().clone()).contains("- is standard"), "{name}");
        }
    }

    #[test]
    fn flags_are_those_of_the_subcommand_without_the_session() {
        let words = ["a", "b", "--to", "in", "-f"].map(str::to_owned).to_vec();
        let flags = flags::<UploadFlags>("upload", words).unwrap().unwrap();
        assert_eq!(flags.files.len(), 2);
        assert!(flags.force && flags.to == "in");
    }
}
