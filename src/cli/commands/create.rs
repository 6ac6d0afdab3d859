//! `bai-repl create`: creates a session, waits until it runs, and leaves it. What the session is comes from `creation`, as for all commands
//! that create one.

use crate::cli::args::{Create, CreatedType};
use crate::cli::context::CommandContext;
use crate::cli::creation::{self, DEFAULT_IMAGE};
use crate::cli::error::CliError;
use crate::cli::exit_status::ExitStatus;
use crate::cli::progress::OpeningProgress;
use crate::cli::server::Server;
use crate::cli::stop_signals::StopSignals;
use crate::cli::table;
use bai_client::{ComputeSession, Created, SessionStatus, SessionType};
use bai_protocol::create::CreateRequest;
use serde_json::json;

/// Creates the session, or reuses the one of its name.
pub(in crate::cli) async fn run(context: &CommandContext, flags: &Create) -> Result<ExitStatus, CliError> {
    let request = request(context, flags)?;
    let server = Server::open(context, true).await?;
    let name = request.name.clone();
    let mut signals = StopSignals::listen()?;
    let opening = OpeningProgress::start(context, &server.api, &name);
    let create = ComputeSession::create(&server.api, request, |status| opening.report(status));
    let created = tokio::select! {
        biased;
        signal = signals.recv() => Err(signal.exit()),
        created = create => Ok(created),
    };
    drop(opening);
    let (session, created) = match created {
        Ok(created) => created.map_err(|error| left(error.into(), &name))?,
        Err(exit) => {
            creation::print_left(&name);
            return Ok(exit);
        }
    };
    creation::print_notes(context, &session, creation::creation_note(&session, &created)).await;
    report(context, &session, &created)
}

/// The request of the command line.
fn request(context: &CommandContext, flags: &Create) -> Result<CreateRequest, CliError> {
    let image = match (&flags.image, &flags.template) {
        (Some(image), _) => image,
        (None, Some(_)) => "",
        (None, None) => DEFAULT_IMAGE,
    };
    let kind = flags.kind.or(flags.startup_command.as_ref().map(|_| CreatedType::Batch));
    let request = CreateRequest {
        template: flags.template.clone(),
        session_type: kind.map(|kind| match kind {
            CreatedType::Interactive => SessionType::Interactive,
            CreatedType::Batch => SessionType::Batch,
        }),
        startup_command: flags.startup_command.clone(),
        starts_at: flags.starts_at.clone(),
        batch_timeout: flags.timeout.clone(),
        enqueue_only: flags.enqueue_only,
        owner_access_key: flags.owner.clone(),
        ..creation::kept(creation::of_session(image, &flags.session, context)?)
    };
    request.check().map_err(|error| CliError::new(ExitStatus::Usage, error))?;
    Ok(request)
}

/// The error for a session that may still start.
fn left(error: CliError, name: &str) -> CliError {
    match error.exit() {
        ExitStatus::TimedOut => {
            error.hint(format!("the session stays in the queue; bai-repl watch {name} follows it"))
        }
        _ => error,
    }
}

/// Prints the name, and says how far the session is.
fn report(
    context: &CommandContext,
    session: &ComputeSession,
    created: &Created,
) -> Result<ExitStatus, CliError> {
    let (name, status) = (session.name(), &created.status);
    let event = if created.created { "created" } else { "reused" };
    let apps: Vec<_> = created.service_ports.iter().map(|port| &port.name).collect();
    let event = json!({"event": event, "session": name, "id": session.id(), "status": status, "apps": apps});
    let existed = if created.created { "" } else { "exists already, and " };
    let sentence = match status {
        SessionStatus::Pending => format!("session {name} {existed}waits in the queue (PENDING)"),
        status => format!("session {name} {existed}is {}", status.name()),
    };
    table::report(context, &event, &sentence)?;
    if !context.global.json {
        table::put(&format!("{name}\n"))?;
    }
    Ok(ExitStatus::Ok)
}
