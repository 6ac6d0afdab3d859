//! Handlers of a session's life cycle: create, match, info, destroy, restart, rename, logs and history.

use super::actor;
use super::command::SessionCommand;
use super::error::{ApiError, ApiResult};
use super::request::{self, Params, json_body, json_reply, ready_session};
use super::requirements;
use super::services;
use super::session::{Session, SessionSpec};
use super::sessions::{Begun, Placed};
use super::state::{Expected, ServerState};
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use bai_protocol::create::{IncomingCreate, PYTHON_SHELL, check_name};
use bai_protocol::execute::Script;
use bai_protocol::info::Matches;
use bai_protocol::machine_limit::explain;
use bai_protocol::status::SessionStatus;
use bai_runner::{Kernel, ScriptStreams, StartError};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// How long a new session waits for the files of an earlier one of its name that is ending.
const ENDING_LIMIT: Duration = Duration::from_secs(10);

/// `POST /{P}` (`docs/wire` §2.2).
pub(super) async fn create(State(server): State<Arc<ServerState>>, body: Body) -> ApiResult {
    let body = json_body(body).await?;
    if !body.is_object() {
        return Err(ApiError::malformed_body("the body has to be a JSON object"));
    }
    let request = IncomingCreate::from_wire(&body);
    let name =
        request.name.clone().ok_or_else(|| ApiError::invalid_params("name: a session needs a name"))?;
    check_name(&name).map_err(|error| ApiError::invalid_params(format!("name: {error}")))?;
    let begun = match server.take_expected(&name) {
        Some(expected) => expected.begun().await,
        None => begin(server, &request, name).await,
    };
    let Begun { session, created, note } = begun?;
    let status = match (created, request.enqueue_only) {
        (true, true) => SessionStatus::Pending,
        (false, true) => session.status(),
        (_, false) => wait_until_ready(&session, request.max_wait_seconds).await?,
    };
    // API versions up to 4 read the name under `kernelId` (`docs/wire` §1.2).
    let reply = json!({
        "sessionId": session.id(), "sessionName": session.name(), "status": status, "servicePorts": [],
        "created": created, "kernelId": session.name(), "note": note,
    });
    Ok(json_reply(StatusCode::CREATED, &reply))
}

/// Begins the session of a request that a client is about to send, and perhaps the script that it is for. That of a script begins at
/// once, in this task: nothing else waits for it yet, and to hand the work from thread to thread takes longer than the work.
pub(super) async fn expect(
    server: &Arc<ServerState>,
    request: IncomingCreate,
    script: Option<(&str, &Script)>,
    streams: &ScriptStreams,
) {
    let Some(name) = request.name.clone() else { return };
    let (state, begun) = (server.clone(), name.clone());
    let expected = if request.is_for_script && server.workdirs.are_shared() {
        Expected::Begun(begin_here(state, &request, begun, script, streams).await)
    } else {
        Expected::Begins(tokio::spawn(async move { begin(state, &request, begun).await }))
    };
    server.expect(name, expected);
}

/// The image of a request that this engine can obey.
fn checked_image(request: &IncomingCreate) -> ApiResult<String> {
    let image =
        request.image.clone().ok_or_else(|| ApiError::invalid_params("image: a session needs an image"))?;
    requirements::check(request)?;
    services::check_preopen(&request.preopen_ports)?;
    Ok(image)
}

/// Begins the session of a script, which has no folder of its own.
async fn begin_here(
    server: Arc<ServerState>,
    request: &IncomingCreate,
    name: String,
    script: Option<(&str, &Script)>,
    streams: &ScriptStreams,
) -> ApiResult<Begun> {
    let image = checked_image(request)?;
    let stop = server.stop.child_token();
    let (session, commands) = Session::new(plan(&server, image, request), name, stop);
    let mut spec = actor::kernel_spec(&session);
    let found = spec.find().map_err(|error| not_runnable(&error))?;
    if let Placed::Taken(other) | Placed::Same(other) = server.sessions.place(&session, false) {
        return Err(ApiError::exists(other.id()));
    }
    spec.first_script = script.map(|(code, script)| (code.to_owned(), script.clone()));
    spec.streams = streams.clone();
    let kernel = Kernel::start_resolved(found, spec).await;
    let new = session.clone();
    tokio::spawn(actor::run_session(server, new, commands, Some(kernel)));
    Ok(Begun { session, created: true, note: None })
}

/// Finds the session of this name, or begins it.
async fn begin(server: Arc<ServerState>, request: &IncomingCreate, name: String) -> ApiResult<Begun> {
    let image = checked_image(request)?;
    resolve(&server, &image).await?;
    let stop = server.stop.child_token();
    let (session, commands) = Session::new(plan(&server, image, request), name, stop);
    match server.sessions.place(&session, request.reuse) {
        Placed::New => {
            let (told, note) = oneshot::channel();
            let new = session.clone();
            // A client that leaves ends this handler, but not the session.
            tokio::spawn(async move {
                // The handler may have ended.
                let _ = told.send(take_lost_files(&server, &new).await);
                actor::run_session(server, new, commands, None).await;
            });
            Ok(Begun { session, created: true, note: note.await.ok().flatten() })
        }
        Placed::Same(session) => Ok(Begun { session, created: false, note: None }),
        Placed::Taken(other) => Err(ApiError::exists(other.id())),
    }
}

/// Records the new session, and gives it the files of the lost session of its name. Returns what the user should know about
/// them. Without a record, the files would lose their name with the engine: they stay where they are, and the start of the
/// session fails.
async fn take_lost_files(server: &ServerState, session: &Arc<Session>) -> Option<String> {
    for earlier in server.sessions.ending(session) {
        let _ = timeout(ENDING_LIMIT, earlier.over.cancelled()).await;
    }
    let lost = server.sessions.last_lost(&session.name());
    let (new, gone) = (session.clone(), lost.clone());
    let taken = tokio::task::spawn_blocking(move || {
        new.record().ok()?;
        gone.map(|gone| new.take_folder_of(&gone))
    });
    let name = session.name();
    let was_lost = server.sessions.take_lost_name(&name);
    let Some(taken) = taken.await.ok()? else {
        return was_lost.then(|| {
            format!("the earlier session {name} was lost, and its variables with it; it left no files")
        });
    };
    match (taken, lost) {
        (Ok(entries), Some(lost)) => {
            server.sessions.forget(&lost);
            let files = match entries {
                0 => "it left no files".to_owned(),
                1 => "its file is here".to_owned(),
                _ => format!("its {entries} files are here"),
            };
            Some(format!("the earlier session {name} was lost, and its variables with it; {files}"))
        }
        (Err(error), Some(lost)) => Some(format!(
            "the files of the earlier session {name} stay in {}: {error}",
            lost.spec.workdir.display()
        )),
        _ => None,
    }
}

/// Checks that this machine can run the image, before a session is made, so that the creator gets the error.
async fn resolve(server: &ServerState, image: &str) -> ApiResult<()> {
    if server.knows_image(image) {
        return Ok(());
    }
    let name = image.to_owned();
    let found = tokio::task::spawn_blocking(move || bai_runner::resolve(&name)).await;
    let found =
        found.map_err(|error| ApiError::internal(format!("the search for interpreters failed: {error}")))?;
    found.map(|_| server.learn_image(image)).map_err(|error| not_runnable(&error))
}

fn not_runnable(error: &StartError) -> ApiError {
    if error.limit().is_some() {
        let (title, code) = (format!("{error}."), "backendai_generic_internal-error");
        let told = ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal-server-error", title, code);
        return told.because(format!("{}.", error.hint()));
    }
    ApiError::new(StatusCode::NOT_FOUND, "object-not-found", format!("{error}."), "image_read_not-found")
        .because(format!("{}.", error.hint()))
}

fn plan(server: &ServerState, image: String, request: &IncomingCreate) -> SessionSpec {
    let id = uuid::Uuid::new_v4().to_string();
    let (workdir, owns_workdir) = server.workdir_for(&id);
    SessionSpec {
        id,
        image,
        is_for_script: request.is_for_script,
        creator_environment: request.creator_environment.clone(),
        environ: request.environ.clone(),
        tag: request.tag.clone(),
        created: Timestamp::now(),
        workdir,
        owns_workdir,
        bootstrap_script: request.bootstrap_script.clone().filter(|script| !script.trim().is_empty()),
        preopen_ports: request.preopen_ports.clone(),
    }
}

/// Waits until the session can run code, or until it fails or ends.
async fn wait_until_ready(session: &Session, max_wait_seconds: u64) -> ApiResult<SessionStatus> {
    let mut watch = session.watch();
    let settled = watch.wait_for(|status| status.is_executable() || status.is_dead());
    let status = if max_wait_seconds == 0 {
        settled.await.map(|status| status.clone())
    } else {
        match timeout(Duration::from_secs(max_wait_seconds), settled).await {
            Ok(status) => status.map(|status| status.clone()),
            Err(_) => return Ok(SessionStatus::Timeout),
        }
    };
    // One that could not start is lost afterwards if there are files in its folder.
    match (status, session.failure.get()) {
        (Ok(status), _) if status.is_executable() => Ok(status),
        (_, Some(why)) => {
            let title = "The session could not be started.";
            let code = "session_create_failed";
            Err(ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "kernel-creation-failed", title, code)
                .because(why))
        }
        _ => Err(ApiError::no_such_session().because("the session was terminated before it ran")),
    }
}

/// `GET /{P}/_/match`.
pub(super) async fn matching(State(server): State<Arc<ServerState>>, RawQuery(query): RawQuery) -> ApiResult {
    let params = Params::parse(query.as_deref());
    let prefix =
        params.get(&["id"]).ok_or_else(|| ApiError::invalid_params("id: what to match is missing"))?;
    let matches = server.sessions.matching(prefix);
    Ok(json_reply(StatusCode::OK, &Matches { matches }))
}

/// `GET /{P}/{s}` (`docs/wire` §2.6), with the runs of §13.2 that are active or left.
pub(super) async fn info(State(server): State<Arc<ServerState>>, Path(reference): Path<String>) -> ApiResult {
    let session = request::session(&server, &reference)?;
    let spec = &session.spec;
    let age = Timestamp::now().duration_since(spec.created).as_millis();
    let info = session.status_info();
    // What the kernel takes for itself is not a variable for the session's programs.
    let environ: BTreeMap<_, _> = spec.environ.iter().filter(|(name, _)| *name != PYTHON_SHELL).collect();
    let mut body = json!({
        "age": i64::try_from(age).unwrap_or(i64::MAX), "domainName": "default", "groupId": "default",
        "userId": "local", "lang": spec.image, "image": spec.image, "architecture": std::env::consts::ARCH,
        "registry": "local", "tag": spec.tag, "containerId": null, "occupiedSlots": "{}", "occupyingSlots": "{}",
        "requestedSlots": "{}", "occupiedShares": "{}",
        "environ": serde_json::to_string(&environ).unwrap_or_default(), "resourceOpts": "{}",
        "status": session.status(), "statusInfo": if info.is_empty() { "None" } else { &info },
        "statusData": null, "creationTime": iso(spec.created), "terminationTime": session.ended().map(iso),
        "numQueriesExecuted": session.queries(), "lastStat": null, "idleChecks": {},
        "sessionId": session.id(), "sessionName": session.name(),
    });
    for (name, run) in [("currentRunId", session.current()), ("leftRunId", session.left())] {
        if let (Some(run), Some(body)) = (run, body.as_object_mut()) {
            body.insert(name.to_owned(), json!(run.as_str()));
        }
    }
    // Genuine servers do not have these fields.
    if let (Some(found), Some(body)) = (session.interpreter.get(), body.as_object_mut()) {
        let with = found.shell.as_ref().map(|shell| format!(" with {shell}")).unwrap_or_default();
        let what = format!("{} {}{with} ({})", found.language, found.version, found.executable.display());
        body.insert("interpreter".to_owned(), json!(what));
        body.insert("note".to_owned(), json!(found.note));
    }
    Ok(json_reply(StatusCode::OK, &body))
}

/// A time in the format of the genuine server.
pub(super) fn iso(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.%6f+00:00").to_string()
}

/// `DELETE /{P}/{s}`: answers at once. The session's status and events report when it has ended.
pub(super) async fn destroy(
    State(server): State<Arc<ServerState>>,
    Path(reference): Path<String>,
) -> ApiResult {
    let session = request::session(&server, &reference)?;
    let status = session.status();
    session.set_destroyed();
    if status == SessionStatus::Lost {
        let lost = session.clone();
        let removed = tokio::task::spawn_blocking(move || lost.leave_folder()).await;
        let removed = removed.unwrap_or_else(|error| Err(error.into()));
        removed.map_err(|error| ApiError::files_stay(error.to_string()))?;
        server.sessions.move_to(&session, SessionStatus::Terminated, "user-requested");
        return Ok(json_reply(StatusCode::OK, &json!({"stats": {"status": "terminated"}})));
    }
    if status.is_dead() && status != SessionStatus::Terminating {
        return Err(ApiError::no_such_session());
    }
    let ran =
        status.is_executable() || matches!(status, SessionStatus::Restarting | SessionStatus::Terminating);
    let (next, outcome) = match ran {
        true => (SessionStatus::Terminating, "terminated"),
        false => (SessionStatus::Cancelled, "cancelled"),
    };
    server.sessions.move_to(&session, next, "user-requested");
    session.stop.cancel();
    let ending = session.clone();
    if let Ok(Some(why)) = tokio::task::spawn_blocking(move || ending.hindrance()).await {
        return Err(ApiError::files_stay(format!("the session ends all the same: {why}")));
    }
    Ok(json_reply(StatusCode::OK, &json!({"stats": {"status": outcome}})))
}

/// `PATCH /{P}/{s}`: starts a new interpreter, as servers did up to 26.4.3.
pub(super) async fn restart(
    State(server): State<Arc<ServerState>>,
    Path(reference): Path<String>,
) -> ApiResult {
    let session = ready_session(&server, &reference)?;
    server.sessions.move_to(&session, SessionStatus::Restarting, "user-requested");
    let (done, wait) = oneshot::channel();
    session.command(SessionCommand::Restart(done)).await;
    let restarted = wait.await;
    // Also after a failure: the next run tries again.
    server.sessions.move_to(&session, SessionStatus::Running, "");
    match restarted {
        Ok(Ok(())) => Ok(StatusCode::NO_CONTENT.into_response()),
        Ok(Err(why)) => {
            let (title, code) = ("The session could not be restarted.", "session_restart_failed");
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            Err(ApiError::new(status, "kernel-restart-failed", title, code).because(why))
        }
        Err(_) => Err(ApiError::no_such_session().because("the session ended while it was restarting")),
    }
}

/// `POST /{P}/{s}/rename`: the name from the body or, as older clients send it, from the query.
pub(super) async fn rename(
    State(server): State<Arc<ServerState>>,
    Path(reference): Path<String>,
    RawQuery(query): RawQuery,
    body: Body,
) -> ApiResult {
    const KEYS: [&str; 3] = ["name", "session_name", "clientSessionToken"];
    let session = ready_session(&server, &reference)?;
    let body = json_body(body).await?;
    let params = Params::parse(query.as_deref());
    let in_body = KEYS.iter().find_map(|key| body.get(key)?.as_str());
    let name = in_body.or_else(|| params.get(&KEYS));
    let name = name.ok_or_else(|| ApiError::invalid_params("name: the new name is missing"))?;
    check_name(name).map_err(|error| ApiError::invalid_params(format!("name: {error}")))?;
    let old = session.name();
    if let Err(other) = server.sessions.rename(&session, name) {
        let why = match other.status() {
            SessionStatus::Lost => format!(
                "name: the lost session {} is called {name} already; destroy it, or create a session of this name, which gets its \
                 files",
                other.id()
            ),
            _ => format!("name: another session is called {name} already"),
        };
        return Err(ApiError::invalid_params(why));
    }
    let renamed = session.clone();
    let recorded = tokio::task::spawn_blocking(move || renamed.record()).await;
    if let Err(error) = recorded.unwrap_or_else(|error| Err(error.into())) {
        // The record still has this name.
        session.set_name(&old);
        let why = format!("the new name cannot be recorded: {}", explain(&error));
        return Err(ApiError::internal(why));
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `GET /{P}/{s}/logs` (`docs/wire` §2.8).
pub(super) async fn logs(State(server): State<Arc<ServerState>>, Path(reference): Path<String>) -> ApiResult {
    let session = request::session(&server, &reference)?;
    let mut log = session.logs();
    if log.is_empty() && session.status() == SessionStatus::Lost {
        // An earlier engine had the session.
        let lost = session.clone();
        let kept = tokio::task::spawn_blocking(move || lost.kept_log()).await.ok().flatten();
        let missing = || ApiError::lost_session(format!("Its log was not kept; {}.", session.kept_files()));
        log = kept.ok_or_else(missing)?;
    }
    Ok(json_reply(StatusCode::OK, &json!({"result": {"logs": log}})))
}

/// `GET /{P}/{s}/status-history`.
pub(super) async fn status_history(
    State(server): State<Arc<ServerState>>,
    Path(reference): Path<String>,
) -> ApiResult {
    let session = request::session(&server, &reference)?;
    let history: Map<String, Value> =
        session.history().into_iter().map(|(status, at)| (status, json!(iso(at)))).collect();
    Ok(json_reply(StatusCode::OK, &history))
}

/// `GET /{P}/{s}/dependency-graph`: our sessions have no dependencies.
pub(super) async fn dependency_graph(
    State(server): State<Arc<ServerState>>,
    Path(reference): Path<String>,
) -> ApiResult {
    let session = request::session(&server, &reference)?;
    let changed = session.history().values().max().copied().map(iso);
    let node = json!({
        "session_id": session.id(), "session_name": session.name(), "status": session.status(),
        "status_changed": changed, "depends_on": [],
    });
    Ok(json_reply(StatusCode::OK, &node))
}

/// `GET /{P}/{s}/abusing-report` and `GET /{P}/{s}/direct-access-info`: the answer is empty.
pub(super) async fn empty_report(
    State(server): State<Arc<ServerState>>,
    Path(reference): Path<String>,
) -> ApiResult {
    request::session(&server, &reference)?;
    Ok(json_reply(StatusCode::OK, &json!({})))
}
