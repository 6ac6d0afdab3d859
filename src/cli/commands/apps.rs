//! `bai-repl apps` and `bai-repl app`: lists the apps of a session, and opens a local address for one.

use crate::cli::args::{App, AppFlags, Apps};
use crate::cli::context::CommandContext;
use crate::cli::error::CliError;
use crate::cli::exit_status::ExitStatus;
use crate::cli::table::{self, Column, Row};
use bai_client::{AppEvent, AppListener, ComputeSession, TunnelOptions};
use bai_protocol::service::{BadParameter, ServiceParameters};
use serde_json::json;

/// Lists the apps of the session that the command line names.
pub(in crate::cli) async fn run_apps(
    context: &CommandContext,
    command: &Apps,
) -> Result<ExitStatus, CliError> {
    let (_server, session) = super::session(context, &command.subject).await?;
    list_apps(context, &session).await
}

/// Opens an app of the session that the command line names.
pub(in crate::cli) async fn run_app(context: &CommandContext, command: &App) -> Result<ExitStatus, CliError> {
    let (_server, session) = super::session(context, &command.subject).await?;
    open_app(&session, &command.flags).await
}

/// Lists the apps of this session.
pub(in crate::cli) async fn list_apps(
    context: &CommandContext,
    session: &ComputeSession,
) -> Result<ExitStatus, CliError> {
    let apps = session.apps().await?;
    let rows = apps.iter().map(|app| {
        let ports = app.ports.iter().map(u16::to_string).collect::<Vec<_>>().join(", ");
        Row {
            json: json!({"app": app.name, "protocol": app.protocol, "ports": app.ports}),
            cells: vec![app.name.clone(), app.protocol.clone(), ports],
        }
    });
    table::print(context, &["app", "protocol", "ports"].map(Column::of), &rows.collect::<Vec<_>>())
}

/// Opens a local address for an app, and forwards its connections until Ctrl-C.
pub(in crate::cli) async fn open_app(
    session: &ComputeSession,
    flags: &AppFlags,
) -> Result<ExitStatus, CliError> {
    let parameters = parameters(flags).map_err(|error| CliError::new(ExitStatus::Usage, error))?;
    let options = TunnelOptions { app: flags.app.clone(), port: flags.port, parameters };
    let listener = AppListener::bind(session, options, &flags.bind).await?;
    eprintln!("{} of {} is at {} (Ctrl-C ends it)", flags.app, session.name(), listener.url());
    let on_event = |event| {
        if let AppEvent::Failed { error, .. } = event {
            CliError::from(error).report();
        }
    };
    tokio::select! {
        () = listener.serve(on_event) => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    Ok(ExitStatus::Ok)
}

fn parameters(flags: &AppFlags) -> Result<ServiceParameters, BadParameter> {
    let mut parameters = ServiceParameters::default();
    for argument in &flags.arguments {
        parameters.add_argument(argument)?;
    }
    for variable in &flags.envs {
        parameters.add_env(variable)?;
    }
    Ok(parameters)
}
