//! The services of a session: daemons that are started when a client connects to them, and that end with the session
//! (`docs/wire` §7.2, §7.6, §7.7).

mod catalog;
mod definition;
#[cfg(feature = "fuzzing")]
pub(super) mod fuzzing;
mod prestart;
mod running;
mod template;
mod token;

use bai_protocol::service::{App, ServiceParameters, may_be_opened};
use catalog::KnownService;
pub(super) use definition::Definition;
pub use running::{Connection, ServiceAddress};
pub(super) use running::{Launch, Listen};
use running::{Running, environment};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::Duration;
use token::Token;
use tokio::sync::Mutex;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// How long a service may take until it accepts connections.
const START_LIMIT: Duration = Duration::from_secs(30);
/// The protocol of ports that the user serves.
const PREOPEN: &str = "preopen";

/// Why a service could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// There is no such service.
    #[error("there is no service {0} here")]
    Unknown(String),
    /// The service has no such port.
    #[error("the service {name} does not open the port number {port}")]
    Port {
        /// The service.
        name: String,
        /// The requested port.
        port: u16,
    },
    /// The request is not allowed, or the program does not start.
    #[error("the service {name} could not be started: {why}")]
    Start {
        /// The service.
        name: String,
        /// The reason, as a clause. It may contain the last lines of the program's output.
        why: String,
    },
}

/// The services of one session. Dropping it ends all running services.
#[derive(Debug)]
pub struct Services {
    workdir: PathBuf,
    env: Vec<(String, String)>,
    preopen: Vec<u16>,
    /// What services ask for that know tokens.
    token: Token,
    /// The folder with definition files.
    definitions: PathBuf,
    running: StdMutex<HashMap<String, Slot>>,
    /// Cancelled when no service may run any more.
    over: CancellationToken,
}

/// The port that a name is the number of.
fn any_port(name: &str) -> Option<u16> {
    let port = name.parse().ok().filter(|port| may_be_opened(*port))?;
    (port.to_string() == name).then_some(port)
}

/// One service, which may run. Locked while it starts.
type Slot = Arc<Mutex<Option<Running>>>;

impl Services {
    /// The services of a session; none runs yet. `env` comes on top of our own environment, which services get without
    /// its secrets; `preopen` are ports on which the user's own programs will listen.
    pub fn new(workdir: PathBuf, env: Vec<(String, String)>, preopen: Vec<u16>) -> Self {
        let (definitions, running, over) =
            (catalog::FOLDER.into(), StdMutex::default(), CancellationToken::new());
        Services { workdir, env, preopen, token: Token::new(), definitions, running, over }
    }

    /// Uses definition files from this folder instead of `/etc/backend.ai/service-defs`.
    #[must_use]
    pub fn with_definitions(self, folder: PathBuf) -> Self {
        Services { definitions: folder, ..self }
    }

    /// All apps to which clients can connect, with the token in the URLs of those that ask for it. Reads files.
    pub fn apps(&self) -> Vec<App> {
        let preopen = self.preopen.iter().map(|port| App {
            name: port.to_string(),
            protocol: PREOPEN.to_owned(),
            ports: vec![*port],
            ..App::default()
        });
        preopen.chain(self.known_apps(true)).collect()
    }

    /// The apps that [`Services::start_at`] can start. Reads files.
    pub(super) fn apps_at_ports(&self) -> Vec<App> {
        self.known_apps(false).collect()
    }

    fn known_apps(&self, private: bool) -> impl Iterator<Item = App> {
        let with_token = |app: App| {
            let url_template =
                app.url_template.map(|template| template.replace("{token}", self.token.expose()));
            App { url_template, ..app }
        };
        let known = catalog::find(&self.definitions, &environment(&self.env, &[]), private);
        known.into_iter().map(move |(known, _)| with_token(known.app))
    }

    /// Starts a service if it does not run, waits until it accepts connections, and returns its address. `port` is one of
    /// its ports in the list of apps. The number of a port names the program of the user that listens there; whether there
    /// is one is known when it is connected to.
    ///
    /// # Errors
    /// As [`ServiceError`] says.
    pub async fn start(
        &self,
        name: &str,
        port: Option<u16>,
        asked: &ServiceParameters,
    ) -> Result<ServiceAddress, ServiceError> {
        if let Some(open) = self.preopen.iter().find(|open| open.to_string() == name) {
            return check_port(name, port, &[*open]).map(|()| ServiceAddress::Port(*open));
        }
        let env = environment(&self.env, &[]);
        let found = catalog::find(&self.definitions, &env, true)
            .into_iter()
            .find(|(known, _)| known.app.name == name);
        let Some((known, program)) = found else {
            let open = any_port(name).ok_or_else(|| ServiceError::Unknown(name.to_owned()))?;
            return check_port(name, port, &[open]).map(|()| ServiceAddress::Port(open));
        };
        check_port(name, port, &known.app.ports)?;
        let KnownService { definition, on_socket, .. } = &known;
        let launch = Launch {
            definition,
            program: &program,
            workdir: &self.workdir,
            on_socket: *on_socket,
            place: &Listen::Private,
            asked,
            limit: Some(START_LIMIT),
        };
        self.run(name, &launch).await.map(|(address, _)| address)
    }

    /// Starts a service at ports that an agent has chosen. Returns whether it ran before. `{runtime_path}` of definition files
    /// is `runtime`.
    ///
    /// # Errors
    /// As [`ServiceError`] says.
    pub(super) async fn start_at(
        &self,
        name: &str,
        place: &Listen,
        runtime: &Path,
        asked: &ServiceParameters,
    ) -> Result<bool, ServiceError> {
        let env = environment(&self.env, &[]);
        let found = catalog::find(&self.definitions, &env, false)
            .into_iter()
            .find(|(known, _)| known.app.name == name);
        let (known, program) = found.ok_or_else(|| ServiceError::Unknown(name.to_owned()))?;
        let program = if program.as_os_str().is_empty() { runtime } else { &program };
        let KnownService { definition, on_socket, .. } = &known;
        let (workdir, limit) = (self.workdir.as_path(), Some(START_LIMIT));
        let launch = Launch { definition, program, workdir, on_socket: *on_socket, place, asked, limit };
        self.run(name, &launch).await.map(|(_, ran)| ran)
    }

    /// Starts a service that is not in the catalog, under its own name.
    ///
    /// # Errors
    /// As [`ServiceError`] says.
    pub(super) async fn run(
        &self,
        name: &str,
        launch: &Launch<'_>,
    ) -> Result<(ServiceAddress, bool), ServiceError> {
        let failed = |why: String| ServiceError::Start { name: name.to_owned(), why };
        let env = environment(&self.env, &[]);
        launch.definition.check(launch.asked, &env).map_err(|error| failed(error.to_string()))?;
        let slot = self.slot(name);
        // One start at a time. A later request finds the service running.
        let mut slot = slot.lock().await;
        if let Some(service) = slot.as_mut()
            && service.is_alive()
        {
            return Ok((service.address.clone(), true));
        }
        *slot = None;
        let limit = launch.limit.unwrap_or(Duration::MAX);
        let started = timeout(limit, launch.start(&self.env, &self.token));
        let service = match self.over.run_until_cancelled(started).await {
            Some(Ok(started)) => started.map_err(failed)?,
            Some(Err(_)) => {
                return Err(failed(format!("it accepted no connection within {} s", limit.as_secs())));
            }
            None => return Err(failed("the session has ended".to_owned())),
        };
        let address = service.address.clone();
        *slot = Some(service);
        Ok((address, false))
    }

    fn slot(&self, name: &str) -> Slot {
        let mut slots = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        slots.entry(name.to_owned()).or_default().clone()
    }

    /// Ends a service. Returns whether it ran.
    pub async fn stop(&self, name: &str) -> bool {
        let service = self.slot(name).lock().await.take();
        let ran = service.is_some();
        if let Some(service) = service {
            service.end().await;
        }
        ran
    }

    /// Ends all services; none starts after that.
    pub async fn end(&self) {
        self.over.cancel();
        let slots: Vec<Slot> = self
            .running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .drain()
            .map(|(_, slot)| slot)
            .collect();
        let end = |slot: Slot| async move {
            let service = slot.lock().await.take();
            if let Some(service) = service {
                service.end().await;
            }
        };
        futures_util::future::join_all(slots.into_iter().map(end)).await;
    }
}

fn check_port(name: &str, port: Option<u16>, open: &[u16]) -> Result<(), ServiceError> {
    match port {
        Some(port) if !open.contains(&port) => Err(ServiceError::Port { name: name.to_owned(), port }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
