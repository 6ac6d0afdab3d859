//! Management of a session beside running code: its name, its images, its history, its services
//! (`docs/wire` §2.6–§2.8, §7.3).

use super::error::{ClientError, ErrorKind};
use super::graphql;
use super::session::ComputeSession;
use super::session_ref::SessionRef;
use super::task::Task;
use bai_protocol::capability::Capability;
use bai_protocol::create::check_name;
use bai_protocol::history::{AbuseReport, Commit, CommitState, DependencyNode, DirectAccess, StatusHistory};
use bai_protocol::service::ServiceAddress;
use bai_protocol::status::SessionStatus;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a service may take to start: the server gives it 35 s.
const SERVICE_LIMIT: Duration = Duration::from_secs(60);
/// The largest accepted task log, in bytes.
const TASK_LOG_LIMIT: usize = 64 * 1024 * 1024;

/// Options of [`ComputeSession::start_service`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServiceOptions {
    /// One of the app's ports in the container, if it has several.
    pub port: Option<u16>,
    /// Environment of the service; only names that its definition allows.
    pub envs: BTreeMap<String, String>,
    /// Options of its command line, such as `--title`, each with its value; only those that its definition allows.
    pub arguments: BTreeMap<String, String>,
}

/// Who may use an image that was made from a session.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ImageVisibility {
    /// This user.
    #[default]
    User,
    /// The project.
    Project,
}

#[derive(Deserialize)]
struct TaskReply {
    task_id: String,
}

/// The answer to a change of a session.
#[derive(Deserialize)]
struct Changed {
    #[serde(default)]
    item: Option<ChangedItem>,
}

#[derive(Deserialize)]
struct ChangedItem {
    #[serde(default)]
    priority: Option<u8>,
}

impl ComputeSession {
    /// Renames the session and returns a handle with the new name. From 22.03 on; the session must run.
    ///
    /// # Errors
    /// [`ErrorKind::BadRequest`] for a name that no session can have, and from servers that refuse it: the name is
    /// taken, or the session does not run.
    pub async fn rename(&self, name: &str) -> Result<ComputeSession, ClientError> {
        let what = format!("rename the session to {name}");
        check_name(name).map_err(|error| {
            ClientError::new(ErrorKind::BadRequest, &what, error.to_string()).with_source(error)
        })?;
        let call = self.at.request(&what, Method::POST, "/rename").await?;
        // 26.x reads the body, older servers the query.
        if let Err(error) = call.query("name", name).json(&json!({"name": name}))?.send().await {
            // Servers say in different words that another session has the name.
            let may_be_taken = matches!(error.kind(), ErrorKind::BadRequest | ErrorKind::Refused);
            if !may_be_taken {
                return Err(error);
            }
            let is_lost = match ComputeSession::attach(self.api(), name).await {
                Ok(other) => other.info().await.is_ok_and(|info| info.status == Some(SessionStatus::Lost)),
                // Live sessions have different names.
                Err(found) if found.kind() == ErrorKind::Ambiguous => {
                    self.api().has(Capability::LostSessions).await
                }
                Err(_) => return Err(error),
            };
            let why = format!("the name {name} is taken");
            let taken = ClientError::new(ErrorKind::Refused, what, why).into_sentence().with_source(error);
            return Err(match is_lost {
                true => taken.with_hint(
                    "a lost session has it: remove that session with its files, or open a new one of this name, which gets its files",
                ),
                false => taken,
            });
        }
        Ok(self.renamed(name))
    }

    /// Changes the session's place in the queue, 0 to 100, and returns the one that the server gives it. From 24.09 on.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] before 24.09, and for a session without a UUID; [`ErrorKind::Refused`] from servers that cannot, the engine of
    /// bai-repl among them.
    pub async fn set_priority(&self, priority: u8) -> Result<u8, ClientError> {
        let what = "change the priority of the session";
        let version = self.api().version().await.map_err(|error| error.with_what(what))?;
        let Some(id) = self.id().filter(|_| version >= graphql::since("v8.20240915")) else {
            return Err(ClientError::new(ErrorKind::Unsupported, what, "the server is older than 24.09"));
        };
        let query = "mutation($input: ModifyComputeSessionInput!) { modify_compute_session(input: $input) { item { priority } } }";
        let variables = json!({"input": {"id": id, "priority": priority}});
        let mut data = self.api().graphql(what, query, variables).await?;
        let changed: Changed = graphql::field(what, &mut data, "modify_compute_session")?;
        Ok(changed.item.and_then(|item| item.priority).unwrap_or(priority))
    }

    /// The time of each status of the session. From 22.03 on.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when it is gone; a session that is over is found only by a handle with its UUID.
    pub async fn status_history(&self) -> Result<StatusHistory, ClientError> {
        let call = self.at.request("read the session's history", Method::GET, "/status-history").await?;
        Ok(StatusHistory::from_wire(&call.send().await?.json()?))
    }

    /// The session and its dependencies. From 22.03 on.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when it is gone; a session without dependencies is a graph of one, which some
    /// servers do not find either.
    pub async fn dependency_graph(&self) -> Result<DependencyNode, ClientError> {
        let what = "read what the session depends on";
        self.at.request(what, Method::GET, "/dependency-graph").await?.send().await?.json()
    }

    /// The server's abuse report about the session, normally `None`. From 22.03 on.
    ///
    /// # Errors
    /// What the server says.
    pub async fn abusing_report(&self) -> Result<Option<AbuseReport>, ClientError> {
        let call = self.at.request("read the abuse report", Method::GET, "/abusing-report").await?;
        let reply: Value = call.send().await?.json()?;
        Ok(serde_json::from_value(reply).ok())
    }

    /// The SSH address of a session of the system type; `None` for other sessions. From 22.09 on.
    ///
    /// # Errors
    /// What the server says.
    pub async fn direct_access_info(&self) -> Result<Option<DirectAccess>, ClientError> {
        let what = "read how the session is reached";
        let call = self.at.request(what, Method::GET, "/direct-access-info").await?;
        let reply: Value = call.send().await?.json()?;
        Ok(serde_json::from_value(reply).ok())
    }

    /// Begins to write the session's container to a file on its agent. Follow the task with [`Task::next`]. From 22.09
    /// on.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] from the engine of bai-repl; else what the server says.
    pub async fn commit(&self, filename: Option<&str>) -> Result<(Commit, Task), ClientError> {
        let mut call = self.at.request("commit the session", Method::POST, "/commit").await?;
        if let Some(name) = filename {
            call = call.query("filename", name);
        }
        let commit: Commit = call.within(SERVICE_LIMIT).send().await?.json()?;
        let task = Task::follow(self.api(), &commit.task_id);
        Ok((commit, task))
    }

    /// Whether a commit is under way. From 22.09 on.
    ///
    /// # Errors
    /// As [`ComputeSession::commit`].
    pub async fn commit_status(&self) -> Result<CommitState, ClientError> {
        let call = self.at.request("read the state of the commit", Method::GET, "/commit").await?;
        let reply: Value = call.send().await?.json()?;
        Ok(CommitState::from_wire(&reply))
    }

    /// Begins to make an image of the session's container and to push it to the project's registry. `name` has letters,
    /// digits, `.`, `_` and `-`. Follow the task with [`Task::next`]. From 24.03 on, where the cluster is set up for it.
    ///
    /// # Errors
    /// [`ErrorKind::BadRequest`] for another name; else what the server says.
    pub async fn export_to_image(
        &self,
        name: &str,
        visibility: ImageVisibility,
    ) -> Result<Task, ClientError> {
        let what = format!("make the image {name}");
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)) {
            let why = "the name of an image has letters, digits, '.', '_' and '-'";
            return Err(ClientError::new(ErrorKind::BadRequest, what, why));
        }
        let visibility = match visibility {
            ImageVisibility::User => "user",
            ImageVisibility::Project => "project",
        };
        let call = self.at.request(&what, Method::POST, "/imagify").await?;
        // 26.x reads the body, older servers the query.
        let call = call.query("image_name", name).query("image_visibility", visibility);
        let call = call.json(&json!({"image_name": name, "image_visibility": visibility}))?;
        let reply: TaskReply = call.within(SERVICE_LIMIT).send().await?.json()?;
        Ok(Task::follow(self.api(), &reply.task_id))
    }

    /// The log of a batch session, up to 64 MiB, if the server keeps one: it is in the user's virtual folder `.logs`.
    /// Untrusted text. From 19.09 on.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is no such folder, or no log in it.
    pub async fn task_log(&self) -> Result<String, ClientError> {
        let what = "read the task's log";
        let version = self.api().version().await.map_err(|error| error.with_what(what))?;
        let id = self.id().unwrap_or_else(|| self.name());
        let call = self.api().request(what, Method::GET, format!("/{}/_/logs", version.noun()));
        let reply = call.query("taskId", id).limit(TASK_LOG_LIMIT).send().await?;
        Ok(String::from_utf8_lossy(&reply.body).into_owned())
    }

    /// The log of one container of the session, up to 64 MiB; by the UUID of its kernel. From 24.03 on; older servers
    /// give the main container's.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when it is gone.
    pub async fn kernel_logs(&self, kernel_id: &str) -> Result<String, ClientError> {
        self.at.logs(Some(kernel_id)).await
    }

    /// Starts a service for a browser, through the cluster's app proxy, and returns its address. From 22.03 on. A tunnel
    /// ([`super::AppListener`]) needs no proxy.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] for an app that the session does not have; [`ErrorKind::Busy`] when the cluster has no app
    /// proxy; [`ErrorKind::Server`] when the proxy or the service does not start.
    pub async fn start_service(
        &self,
        app: &str,
        options: &ServiceOptions,
    ) -> Result<ServiceAddress, ClientError> {
        let what = format!("start the service {app}");
        let mut body = Map::from_iter([("app".to_owned(), json!(app))]);
        if let Some(port) = options.port {
            body.insert("port".into(), json!(port));
        }
        // Both are texts with JSON in them.
        for (key, map) in [("envs", &options.envs), ("arguments", &options.arguments)] {
            if !map.is_empty() {
                body.insert(key.into(), json!(json!(map).to_string()));
            }
        }
        let call = self.at.request(&what, Method::POST, "/start-service").await?;
        let reply = call.json(&body)?.within(SERVICE_LIMIT).send().await;
        let reply = reply.map_err(|error| match error.kind() {
            ErrorKind::Busy | ErrorKind::Server => error.with_hint("a tunnel to the app needs no proxy"),
            _ => error,
        })?;
        reply.json()
    }

    /// Stops a service of the session. From 20.09 on.
    ///
    /// # Errors
    /// What the server says.
    pub async fn shutdown_service(&self, app: &str) -> Result<(), ClientError> {
        let what = format!("stop the service {app}");
        let call = self.at.request(&what, Method::POST, "/shutdown-service").await?;
        call.query("service_name", app).within(SERVICE_LIMIT).send().await.map(drop)
    }

    /// A handle to the same session under its new name.
    fn renamed(&self, name: &str) -> ComputeSession {
        let key = self.id().unwrap_or(name).to_owned();
        let at = SessionRef { api: self.api().clone(), key };
        let mut renamed = self.clone();
        (renamed.at, renamed.name) = (at, name.into());
        renamed
    }
}
