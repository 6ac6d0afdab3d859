//! Services on the ports that an agent names, and models, which are monitored services (`docs/wire` §9.2). The
//! crate's `services` module says what a service is and starts it.

use super::super::services::{Definition, Launch, Listen, ServiceError, Services};
use super::messages::{self, HealthCheck, Message, ModelService, ModelStart, ServiceStart};
use bai_protocol::service::ServiceParameters;
use serde_json::json;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Mutex, mpsc};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The ports on which agents expect the services of every container.
const SSHD: u16 = 2200;
const TTYD: u16 = 7681;
/// How long these services may delay the start of the runner.
const INTRINSIC_LIMIT: Duration = Duration::from_secs(10);
/// How many requests may be in progress. An agent sends few.
const AT_ONCE: usize = 64;
/// The shortest interval between two health checks, in seconds.
const LEAST_INTERVAL: f64 = 0.1;

/// The services of one container.
pub(super) struct AgentServices {
    services: Services,
    host: IpAddr,
    /// What `{runtime_path}` stands for in definition files.
    runtime: PathBuf,
    answers: mpsc::Sender<Message>,
    /// Answers do not name their request, so only one start runs at a time.
    turn: Mutex<()>,
    tasks: TaskTracker,
    over: CancellationToken,
}

impl AgentServices {
    pub(super) fn new(
        services: Services,
        host: IpAddr,
        runtime: Option<PathBuf>,
        answers: mpsc::Sender<Message>,
    ) -> Self {
        AgentServices {
            services,
            host,
            runtime: runtime.unwrap_or_default(),
            answers,
            turn: Mutex::new(()),
            tasks: TaskTracker::new(),
            over: CancellationToken::new(),
        }
    }

    /// Starts the services that every container has, if their programs are installed.
    pub(super) async fn start_intrinsic(&self, sshd: Option<u16>, ttyd: Option<u16>) {
        let start = |name: &'static str, port: u16| async move {
            let (place, asked) = (Listen::At(self.host, vec![port]), ServiceParameters::default());
            let started = self.services.start_at(name, &place, &self.runtime, &asked);
            match timeout(INTRINSIC_LIMIT, started).await {
                Ok(Ok(_) | Err(ServiceError::Unknown(_))) => {}
                Ok(Err(error)) => tracing::warn!(%error, "a service of the container"),
                Err(_) => tracing::warn!(name, "a service of the container takes too long"),
            }
        };
        tokio::join!(start("sshd", sshd.unwrap_or(SSHD)), start("ttyd", ttyd.unwrap_or(TTYD)));
    }

    /// Starts a service and answers.
    pub(super) fn start(self: &Arc<Self>, start: ServiceStart) {
        let this = Arc::clone(self);
        self.spawn(async move {
            let answer = this.started(&start).await;
            this.answer(answer).await;
        });
    }

    async fn started(&self, start: &ServiceStart) -> Message {
        // The user starts this one.
        if start.protocol == "preopen" {
            return messages::service_runs("started");
        }
        let _turn = self.turn.lock().await;
        let place = Listen::At(self.host, start.listens());
        match self.services.start_at(&start.name, &place, &self.runtime, &start.parameters()).await {
            Ok(true) => messages::service_runs("running"),
            Ok(false) => messages::service_runs("started"),
            Err(error) => {
                tracing::warn!(%error, "a service");
                messages::service_failed(&error.to_string())
            }
        }
    }

    /// Ends a service.
    pub(super) fn shut_down(self: &Arc<Self>, name: String) {
        let this = Arc::clone(self);
        self.spawn(async move {
            let _turn = this.turn.lock().await;
            this.services.stop(&name).await;
        });
    }

    /// Lists the apps of that name, or all.
    pub(super) fn list(self: &Arc<Self>, name: String) {
        let this = Arc::clone(self);
        self.spawn(async move {
            let asker = Arc::clone(&this);
            let Ok(mut apps) = tokio::task::spawn_blocking(move || asker.services.apps_at_ports()).await
            else {
                return;
            };
            apps.retain(|app| name.is_empty() || app.name == name);
            this.answer(messages::apps(&apps)).await;
        });
    }

    /// Starts a model, answers, and monitors the model until its end.
    pub(super) fn start_model(self: &Arc<Self>, model: ModelStart) {
        let this = Arc::clone(self);
        self.spawn(async move {
            let started = this.started_model(&model).await;
            let is_served = started.is_ok();
            let answer = match started {
                Ok(()) => messages::service_runs("started"),
                Err(why) => messages::service_failed(&why),
            };
            this.answer(Message { name: "model-service-result", ..answer }).await;
            match &model.service.health_check {
                _ if !is_served => {}
                Some(check) if check.enable => this.monitor(&model, check).await,
                _ => this.answer(messages::model_status(&model.name, true)).await,
            }
        });
    }

    async fn started_model(&self, model: &ModelStart) -> Result<(), String> {
        let ModelService { start_command, shell, pre_start_actions, port, .. } = &model.service;
        let mut definition = json!({"command": start_command});
        if let Some(definition) = definition.as_object_mut() {
            let shell = shell.as_ref().map(|shell| ("shell", json!(shell)));
            let actions = pre_start_actions.as_ref().map(|actions| ("prestart", actions.clone()));
            definition.extend(shell.into_iter().chain(actions).map(|(key, value)| (key.to_owned(), value)));
        }
        let definition = Definition::read(definition)?;
        let workdir = PathBuf::from(model.model_path.as_deref().unwrap_or("."));
        if !workdir.is_dir() {
            return Err(format!("there is no folder {}", workdir.display()));
        }
        let launch = Launch {
            definition: &definition,
            program: &self.runtime,
            workdir: &workdir,
            on_socket: false,
            place: &Listen::At(self.host, vec![*port]),
            asked: &ServiceParameters::default(),
            limit: None,
        };
        let name = format!("{}-{port}", model.name);
        let _turn = self.turn.lock().await;
        self.services.run(&name, &launch).await.map(drop).map_err(|error| error.to_string())
    }

    /// Reports each change of the model's health.
    async fn monitor(&self, model: &ModelStart, check: &HealthCheck) {
        let seconds =
            |number: f64| Duration::try_from_secs_f64(number.max(LEAST_INTERVAL)).unwrap_or(Duration::MAX);
        let mut often = interval(seconds(check.interval));
        often.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut reported = None;
        let mut failures = 0;
        loop {
            often.tick().await;
            let status =
                timeout(seconds(check.max_wait_time), status_of(model.service.port, &check.path)).await;
            let is_healthy = matches!(status, Ok(Ok(status)) if status == check.expected_status_code);
            failures = if is_healthy { 0 } else { failures + 1 };
            let news = if is_healthy { Some(true) } else { (failures > check.max_retries).then_some(false) };
            if news.is_some() && news != reported {
                reported = news;
                self.answer(messages::model_status(&model.name, is_healthy)).await;
            }
        }
    }

    /// Sends a message without blocking the loop that reads operations.
    pub(super) fn say(self: &Arc<Self>, message: Message) {
        let this = Arc::clone(self);
        self.spawn(async move { this.answer(message).await });
    }

    async fn answer(&self, message: Message) {
        // An error means that the runner ends.
        let _ = self.answers.send(message).await;
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        if self.tasks.len() >= AT_ONCE {
            tracing::warn!("the agent sends more requests than it reads answers: a request is skipped");
            return;
        }
        let over = self.over.clone();
        self.tasks.spawn(async move { over.run_until_cancelled(task).await });
    }

    /// Ends all services and all requests in progress.
    pub(super) async fn end(&self) {
        self.over.cancel();
        self.tasks.close();
        tokio::join!(self.tasks.wait(), self.services.end());
    }
}

/// The status code with which a web server of this container answers.
async fn status_of(port: u16, path: &str) -> std::io::Result<u16> {
    let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    let slash = if path.starts_with('/') { "" } else { "/" };
    let request = format!("GET {slash}{path} HTTP/1.0\r\nHost: localhost:{port}\r\n\r\n");
    socket.write_all(request.as_bytes()).await?;
    // `HTTP/1.1 200`, and the rest is ignored.
    let mut line = [0; 12];
    socket.read_exact(&mut line).await?;
    let status = std::str::from_utf8(&line).ok().and_then(|line| line.rsplit(' ').next()?.parse().ok());
    status.ok_or_else(|| std::io::ErrorKind::InvalidData.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_status_of_a_web_server_is_read() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = tokio::spawn(async move {
            let mut seen = Vec::new();
            for answer in ["HTTP/1.1 204 No Content\r\n\r\n", "nonsense that is long"] {
                let (mut socket, _) = listener.accept().await.unwrap();
                let mut request = [0; 1024];
                let count = socket.read(&mut request).await.unwrap();
                seen.push(String::from_utf8_lossy(&request[..count]).lines().next().unwrap().to_owned());
                socket.write_all(answer.as_bytes()).await.unwrap();
            }
            seen
        });
        assert_eq!(status_of(port, "health?x=1").await.unwrap(), 204);
        assert!(status_of(port, "/").await.is_err());
        assert_eq!(server.await.unwrap(), ["GET /health?x=1 HTTP/1.0", "GET / HTTP/1.0"]);
    }
}
