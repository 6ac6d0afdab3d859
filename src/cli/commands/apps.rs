//! `bai-repl apps` and `bai-repl app`: lists the apps of a session, and opens a local address for one.

use crate::cli::args::{App, AppFlags, Apps};
use crate::cli::context::CommandContext;
use crate::cli::error::CliError;
use crate::cli::exit_status::ExitStatus;
use crate::cli::table::{self, Column, Row};
use crate::terminal;
use bai_client::{AppEvent, AppListener, Capability, ComputeSession, ErrorKind, Refusal, TunnelOptions};
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
    open_app(context, &session, &command.flags).await
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
    context: &CommandContext,
    session: &ComputeSession,
    flags: &AppFlags,
) -> Result<ExitStatus, CliError> {
    let bind = listen_address(&flags.bind)?;
    let parameters = parameters(flags).map_err(|error| CliError::new(ExitStatus::Usage, error))?;
    let options = TunnelOptions { app: flags.app.clone(), port: flags.port, parameters };
    let opened = match flags.public {
        true => AppListener::bind_public(session, options, &bind).await,
        false => AppListener::bind(session, options, &bind).await,
    };
    let listener = opened.map_err(|error| match error.subject() {
        Some(app) if error.kind() == ErrorKind::Unsupported => CliError::new(
            ExitStatus::Usage,
            format!("{app} is a terminal: use bai-repl pty {}", session.name()),
        ),
        _ => error.into(),
    })?;
    let interrupted = terminal::interrupt_unless_ignored();
    announce(context, session, flags, &listener)?;
    let mut refusals = Refusals::default();
    let on_event = |event| match event {
        AppEvent::Failed { error, .. } => drop(CliError::from(error).report()),
        AppEvent::Refused { refusal, .. } => refusals.report(&flags.app, &refusal),
        _ => {}
    };
    tokio::select! {
        () = listener.serve(on_event) => Ok(ExitStatus::Ok),
        () = interrupted => Ok(ExitStatus::Ok),
        why = end_of_session(session) => {
            Err(CliError::new(ExitStatus::Lost, format!("{} is gone: {why}", session.name())))
        }
    }
}

/// Waits until the session has ended, or its server for good, and says which. Never ends where the server tells no events.
async fn end_of_session(session: &ComputeSession) -> &'static str {
    let mut events = session.events();
    // It may have ended before the first event could come.
    if events.connected().await.is_ok() && has_ended(session).await {
        return "it has ended";
    }
    while let Some(event) = events.next().await {
        if event.status().is_some_and(|status| status.is_dead()) && has_ended(session).await {
            return "it has ended";
        }
    }
    if session.api().has(Capability::SessionsEndWithServer).await {
        return "the server has ended, and its sessions with it";
    }
    std::future::pending().await
}

/// Whether the session has ended, on a server that runs.
async fn has_ended(session: &ComputeSession) -> bool {
    match session.info().await {
        Ok(info) => info.status.is_some_and(|status| status.is_dead()),
        Err(error) => error.kind() == ErrorKind::NotFound,
    }
}

/// Tells the address, and who can use it.
fn announce(
    context: &CommandContext,
    session: &ComputeSession,
    flags: &AppFlags,
    listener: &AppListener,
) -> Result<(), CliError> {
    let (app, url) = (&flags.app, listener.url());
    if context.global.json {
        let event = json!({"event": "listening", "session": session.name(), "app": app, "url": url});
        table::put_json(&event)?;
    } else {
        eprintln!("{app} of {} is at {url} (Ctrl-C ends it)", session.name());
    }
    if listener.is_public() {
        eprintln!(
            "everybody who reaches {} uses {app}, and with it the session, as you do, unless {app} asks for a password itself",
            listener.address()
        );
    }
    Ok(())
}

/// How many different refusals are told. What they say is chosen by strangers.
const TOLD_REFUSALS: usize = 16;

/// The refused connections that the user was told of. Each reason is told once.
#[derive(Default)]
struct Refusals(Vec<Refusal>);

impl Refusals {
    fn report(&mut self, app: &str, refusal: &Refusal) {
        if self.0.len() < TOLD_REFUSALS && !self.0.contains(refusal) {
            self.0.push(refusal.clone());
            CliError::new(ExitStatus::Refused, format!("a connection to {app} was refused: {refusal}"))
                .report();
        }
    }
}

/// Reads `HOST:PORT`, or a port of this machine alone.
fn listen_address(text: &str) -> Result<String, CliError> {
    if text.parse::<u16>().is_ok() {
        return Ok(format!("127.0.0.1:{text}"));
    }
    match text.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => Ok(text.to_owned()),
        _ => Err(CliError::new(ExitStatus::Usage, format!("cannot listen on {text}: expected HOST:PORT"))),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_to_listen_on_is_a_host_and_a_port_or_a_port() {
        for (text, address) in [("8099", "127.0.0.1:8099"), ("[::1]:0", "[::1]:0"), ("h:1", "h:1")] {
            assert_eq!(listen_address(text).unwrap(), address);
        }
        for text in ["foo", ":1", "h:", "h:99999", ""] {
            let error = listen_address(text).unwrap_err();
            assert_eq!(error.exit(), ExitStatus::Usage);
            assert_eq!(error.sentence(), format!("cannot listen on {text}: expected HOST:PORT"));
        }
    }
}
