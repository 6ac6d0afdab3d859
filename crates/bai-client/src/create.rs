//! Creation of sessions, and waiting until one runs.

use super::api::Api;
use super::error::{ClientError, ErrorKind};
use super::follow::Goal;
use super::session::ComputeSession;
use bai_protocol::byte_text;
use bai_protocol::capability::Capability;
use bai_protocol::create::{CreateReply, CreateRequest, ServicePort, SessionType};
use bai_protocol::status::SessionStatus;
use reqwest::Method;
use std::time::Duration;

/// The limit for servers before 19.09, which wait for the session themselves.
const OLD_SERVER_LIMIT: Duration = Duration::from_secs(3600);

/// The outcome of [`ComputeSession::create`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Created {
    /// Whether it is new; if not, a session of that name and image existed.
    pub created: bool,
    /// Its status now.
    pub status: SessionStatus,
    /// Its services, if the server reported them when it accepted the request.
    pub service_ports: Vec<ServicePort>,
    /// The settings of the request that had no effect because the session existed, in words such as `resources`.
    pub without_effect: Vec<&'static str>,
    /// What the server says about the session, for example that it has the files of an earlier one; untrusted text.
    pub note: Option<String>,
}

/// How the command of a batch session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BatchOutcome {
    /// It gave exit code 0.
    Success,
    /// It gave another exit code.
    Failure,
    /// The server does not report it. Also for sessions that were destroyed or are not of the batch type.
    Undefined,
}

impl ComputeSession {
    /// Creates a session, or reuses the one of that name if the request allows it, and follows it until it runs.
    ///
    /// The request is always enqueued and then followed, whatever its `enqueue_only` says: servers that wait by
    /// themselves never answer for a session that ends in ERROR (`docs/wire` §10, row 24). With `enqueue_only` this
    /// returns as soon as the request is accepted. `max_wait_seconds` limits the wait, not the session.
    /// `on_status` gets each status once, in order.
    ///
    /// A session that is still ending holds its name. Its end is awaited first; `on_status` gets its status too.
    ///
    /// **A call that is cut leaves the session to the server**, as in the official client: a future that is dropped by a
    /// timeout of the caller cannot take the request back. A caller with such a timeout asks for the handle first, and
    /// ends the session by it:
    ///
    /// ```no_run
    /// # use bai_client::{Api, ClientError, ComputeSession, CreateRequest, DestroyOptions};
    /// # use std::time::Duration;
    /// # async fn example(api: &Api) -> Result<(), ClientError> {
    /// let request = CreateRequest { enqueue_only: true, ..CreateRequest::new("work", "python:3.6") };
    /// let (session, _) = ComputeSession::create(api, request, |_| {}).await?;
    /// let runs = session.wait_until_running(None, |_| {});
    /// if tokio::time::timeout(Duration::from_secs(60), runs).await.is_err() {
    ///     session.destroy(DestroyOptions { forced: true, ..DestroyOptions::default() }).await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// If even the first of these calls was cut, [`ComputeSession::attach`] finds the session by its name.
    ///
    /// # Errors
    /// [`ErrorKind::SessionFailed`] when it will never run, with the server's reason; [`ErrorKind::Timeout`] when
    /// `max_wait_seconds` passed, in which case the session is still there; [`ErrorKind::UnknownImage`]; else what the
    /// server says.
    pub async fn create(
        api: &Api,
        request: CreateRequest,
        mut on_status: impl FnMut(&SessionStatus) + Send,
    ) -> Result<(ComputeSession, Created), ClientError> {
        request.check().map_err(|error| {
            ClientError::new(ErrorKind::BadRequest, "create the session", error.to_string())
                .with_source(error)
        })?;
        let max_wait = request.max_wait_seconds.filter(|s| *s > 0).map(|s| Duration::from_secs(s.into()));
        let (session, mut created) = loop {
            let requested = Self::request(api, &request).await;
            let Some(ending) = holder_that_ends(api, &request, &requested).await else { break requested? };
            ending.follow_to_end(max_wait, &mut on_status).await?;
        };
        if !request.enqueue_only {
            let is_batch = request.session_type == Some(SessionType::Batch);
            let goal = if is_batch { Goal::Begun } else { Goal::Running };
            created.status = session.follow(created.status, goal, max_wait, on_status).await?;
        }
        Ok((session, created))
    }

    /// Asks the server once for a session.
    async fn request(api: &Api, request: &CreateRequest) -> Result<(ComputeSession, Created), ClientError> {
        let what = format!("create the session {}", request.name);
        let version = api.version().await.map_err(|error| error.with_what(&what))?;
        let settings = settings(request);
        // Servers have defaults for both, except for a template: 26.9.6 finds no project then.
        let fallback = || request.template.is_some().then(|| "default".to_owned());
        let dependencies = ids_of(api, &request.dependencies).await?;
        let takes_environment = api.has(Capability::CreatorEnvironment).await;
        let wire = CreateRequest {
            enqueue_only: true,
            max_wait_seconds: None,
            domain: request.domain.clone().or_else(|| api.options().domain.clone()).or_else(fallback),
            group: request.group.clone().or_else(|| api.options().group.clone()).or_else(fallback),
            dependencies,
            is_for_script: request.is_for_script && takes_environment,
            // Only an engine behind a socket of this user is trusted with it.
            creator_environment: request
                .creator_environment
                .clone()
                .filter(|_| takes_environment && api.options().socket.is_some()),
            ..request.clone()
        };
        let path = format!("/{}{}", version.noun(), request.path());
        let mut call = api.request(&what, Method::POST, path);
        if version < "v4.20190615".parse().unwrap_or(version) {
            call = call.within(OLD_SERVER_LIMIT);
        }
        let reply: CreateReply = match call.json(&wire.to_wire(version))?.send().await {
            Ok(reply) => reply.json()?,
            // 26.9.6 makes the session of a template, but answers with an error.
            Err(error) if error.kind() == ErrorKind::Server && request.template.is_some() => {
                made_nevertheless(api, &request.name).await.ok_or(error)?
            }
            // The request may have arrived.
            Err(error) if matches!(error.kind(), ErrorKind::Timeout | ErrorKind::Lost) => {
                let hint = "the session may exist nevertheless: look at the list of sessions first";
                return Err(error.with_hint(hint));
            }
            Err(error) if is_about_image(&error) => {
                return Err(error.with_kind(ErrorKind::UnknownImage).about(&request.image));
            }
            Err(error) => return Err(explain_taken(api, request, error).await),
        };
        let id = (version.major() >= 5).then(|| reply.session_id.clone());
        let name = reply.session_name.clone().unwrap_or_else(|| request.name.clone());
        let session = ComputeSession::new(api, name, id);
        let mut created = Created {
            created: reply.created,
            status: reply.status,
            service_ports: reply.service_ports,
            without_effect: if reply.created { Vec::new() } else { settings },
            note: reply.note,
        };
        if let Some(tag) = request.tag.as_ref().filter(|_| !created.created)
            && session.info().await.is_ok_and(|info| info.tag.as_ref() == Some(tag))
        {
            created.without_effect.retain(|words| *words != TAG);
        }
        Ok((session, created))
    }

    /// Waits until the session runs. `on_status` gets each status once, in order. Without `max_wait` the wait has no
    /// limit.
    ///
    /// # Errors
    /// As [`ComputeSession::create`].
    pub async fn wait_until_running(
        &self,
        max_wait: Option<Duration>,
        on_status: impl FnMut(&SessionStatus) + Send,
    ) -> Result<SessionStatus, ClientError> {
        let status = self.info().await?.status.unwrap_or(SessionStatus::Running);
        self.follow(status, Goal::Running, max_wait, on_status).await
    }

    /// Waits until a batch session is over, and returns the outcome of its command. `on_status` is told each status once, in
    /// order.
    ///
    /// # Errors
    /// [`ErrorKind::SessionFailed`] when it never ran; [`ErrorKind::Timeout`] when `max_wait` passed; else what the server
    /// says.
    pub async fn wait_until_over(
        &self,
        max_wait: Option<Duration>,
        on_status: impl FnMut(&SessionStatus) + Send,
    ) -> Result<BatchOutcome, ClientError> {
        let status = match self.info().await {
            Ok(info) => info.status.unwrap_or(SessionStatus::Running),
            Err(error) if error.kind() == ErrorKind::NotFound => SessionStatus::Terminated,
            Err(error) => return Err(error),
        };
        self.follow(status, Goal::Over, max_wait, on_status).await?;
        let result = self.summary().await?.result;
        Ok(match result.map(|text| text.to_ascii_lowercase()).as_deref() {
            Some("success") => BatchOutcome::Success,
            Some("failure") => BatchOutcome::Failure,
            _ => BatchOutcome::Undefined,
        })
    }
}

/// The session that is ending and still holds the name of a request, which the server therefore turned down or answered with that
/// session.
async fn holder_that_ends(
    api: &Api,
    request: &CreateRequest,
    requested: &Result<(ComputeSession, Created), ClientError>,
) -> Option<ComputeSession> {
    match requested {
        Ok((session, created)) => {
            let is_ending = !created.created && created.status == SessionStatus::Terminating;
            is_ending.then(|| session.clone())
        }
        Err(error) if says_name_is_taken(error) => {
            let holder = ComputeSession::attach(api, &request.name).await.ok()?;
            let status = holder.info().await.ok()?.status;
            (status == Some(SessionStatus::Terminating)).then_some(holder)
        }
        Err(_) => None,
    }
}

fn says_name_is_taken(error: &ClientError) -> bool {
    error.problem().is_some_and(|problem| problem.slug() == "session-already-exists")
}

/// Servers turn down a name whose session runs another image as if nobody had asked to reuse it. Says what that session
/// runs, where the server tells.
async fn explain_taken(api: &Api, request: &CreateRequest, error: ClientError) -> ClientError {
    if !says_name_is_taken(&error) {
        return error;
    }
    let name = &request.name;
    if !request.reuse {
        return error.with_kind(ErrorKind::NameTaken).with_why("a session of that name exists").about(name);
    }
    let running = async { ComputeSession::attach(api, name).await.ok()?.info().await.ok() }.await;
    match running.as_ref().and_then(|info| info.image()) {
        Some(image) => {
            let why = format!(
                "a session of that name runs {}, not {}",
                byte_text::shown(image),
                byte_text::shown(&request.image)
            );
            error.with_kind(ErrorKind::NameTaken).with_why(why).about(name)
        }
        None => error,
    }
}

/// Whether a server knows no image of the requested name. Newer servers have a code for it, older ones only a title.
fn is_about_image(error: &ClientError) -> bool {
    let problem = error.problem().filter(|_| error.kind() == ErrorKind::NotFound);
    problem.is_some_and(|problem| {
        problem.error_code.as_deref().is_some_and(|code| code.starts_with("image_"))
            || problem.title.contains("No such environment image")
    })
}

/// The ids of these sessions. Servers of 26.x take nothing else, and fail without a reason.
async fn ids_of(api: &Api, sessions: &[String]) -> Result<Vec<String>, ClientError> {
    let mut ids = Vec::with_capacity(sessions.len());
    for session in sessions {
        ids.push(match uuid::Uuid::parse_str(session) {
            Ok(_) => session.clone(),
            Err(_) => {
                let found = ComputeSession::find(api, session).await?;
                found.id().unwrap_or(session).to_owned()
            }
        });
    }
    Ok(ids)
}

/// The words for the tag in [`settings`].
const TAG: &str = "tag";

/// The settings of a request that only a new session gets.
fn settings(request: &CreateRequest) -> Vec<&'static str> {
    let has_mounts = !request.mounts.is_empty() || !request.mount_ids.is_empty();
    [
        ("environment variables", !request.environ.is_empty()),
        ("mounts", has_mounts),
        ("resources", !request.resources.is_empty()),
        ("resource options", !request.resource_opts.is_empty()),
        ("resource group", request.scaling_group.is_some()),
        ("cluster size", request.cluster_size.is_some()),
        ("cluster mode", request.cluster_mode.is_some()),
        (TAG, request.tag.is_some()),
        ("bootstrap script", request.bootstrap_script.is_some()),
        ("ports", !request.preopen_ports.is_empty()),
        ("dependencies", !request.dependencies.is_empty()),
        ("callback", request.callback_url.is_some()),
        ("priority", request.priority.is_some()),
        ("architecture", request.architecture.is_some()),
        ("agents", !request.agents.is_empty()),
        ("network", request.network.is_some()),
    ]
    .into_iter()
    .filter_map(|(words, is_given)| is_given.then_some(words))
    .collect()
}

/// Makes the reply that the server failed to send, if there is a session of that name which is younger than any request may take.
async fn made_nevertheless(api: &Api, name: &str) -> Option<CreateReply> {
    let session = ComputeSession::attach(api, name).await.ok()?;
    let info = session.info().await.ok()?;
    let young = info.age.is_some_and(|age| age < api.reply_limit().as_secs_f64() * 1e3);
    young.then(|| CreateReply {
        session_id: session.id().unwrap_or(name).to_owned(),
        session_name: Some(name.to_owned()),
        status: info.status.unwrap_or(SessionStatus::Running),
        created: true,
        service_ports: Vec::new(),
        note: None,
    })
}
