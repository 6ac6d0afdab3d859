//! `bai-repl apps` and `bai-repl app`: services of a session, and a local address that leads to one.

use super::args::{App as Flags, Global};
use super::exit::Exit;
use super::failure::Failure;
use super::place::Place;
use super::sessions::print;
use crate::client::{AppEvent, AppListener, ComputeSession, TunnelOptions};
use crate::config::FileConfig;
use crate::protocol::service::{BadParameter, ServiceParameters};
use serde_json::json;

/// Lists the apps of a session.
pub(super) async fn list(global: &Global, config: &FileConfig, name: &str) -> Result<Exit, Failure> {
    let place = Place::find(global, config).await?;
    let session = ComputeSession::attach(&place.api, name).await?;
    let apps = session.apps().await?;
    let ports = |ports: &[u16]| ports.iter().map(u16::to_string).collect::<Vec<_>>().join(", ");
    let rows =
        apps.iter().map(|app| json!({"app": app.name, "protocol": app.protocol, "ports": ports(&app.ports)}));
    print(global, &["app", "protocol", "ports"], rows.collect())
}

/// Opens a local address for an app and carries its connections until Ctrl-C.
pub(super) async fn serve(global: &Global, config: &FileConfig, flags: &Flags) -> Result<Exit, Failure> {
    let place = Place::find(global, config).await?;
    let session = ComputeSession::attach(&place.api, &flags.session).await?;
    let parameters = parameters(flags).map_err(|error| Failure::new(Exit::Usage, error))?;
    let options = TunnelOptions { app: flags.app.clone(), port: flags.port, parameters };
    let listener = AppListener::bind(&session, options, &flags.bind).await?;
    eprintln!("{} of {} is at {} (Ctrl-C ends it)", flags.app, session.name(), listener.url());
    let told = |event| {
        if let AppEvent::Failed { error, .. } = event {
            Failure::from(error).tell();
        }
    };
    tokio::select! {
        () = listener.serve(told) => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    Ok(Exit::Ok)
}

fn parameters(flags: &Flags) -> Result<ServiceParameters, BadParameter> {
    let mut parameters = ServiceParameters::default();
    for argument in &flags.arguments {
        parameters.add_argument(argument)?;
    }
    for variable in &flags.envs {
        parameters.add_env(variable)?;
    }
    Ok(parameters)
}
