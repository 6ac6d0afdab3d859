//! `bai-repl rename`: renames a session.

use super::event;
use crate::cli::args::Rename;
use crate::cli::context::CommandContext;
use crate::cli::error::CliError;
use crate::cli::exit_status::ExitStatus;
use crate::cli::table;
use bai_protocol::create::check_name;

/// Renames the session. An invalid name is reported before the first request.
pub(in crate::cli) async fn run(context: &CommandContext, flags: &Rename) -> Result<ExitStatus, CliError> {
    let name = &flags.name;
    check_name(name).map_err(|error| {
        CliError::new(ExitStatus::Usage, format!("\"{name}\" is not a valid session name: {error}"))
    })?;
    let (_server, session) = super::session(context, &flags.subject).await?;
    let renamed = session.rename(name).await?;
    let mut event = event("renamed", &renamed);
    if let Some(event) = event.as_object_mut() {
        event.insert("before".to_owned(), session.name().into());
    }
    table::report(context, &event, &format!("session {} is now called {name}", session.name()))?;
    Ok(ExitStatus::Ok)
}
