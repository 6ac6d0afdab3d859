//! The services of a session: the list of apps, the start and the end of services, and the tunnels to them
//! (`docs/wire` §7.2, §7.3, §7.6).

mod tunnel;

use super::error::{ApiError, ApiResult};
use super::pty;
use super::request::{Params, json_body, json_reply, ready_session};
use super::session::Session;
use super::state::ServerState;
use axum::body::Body;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bai_protocol::service::{ServiceParameters, may_be_opened};
use bai_runner::{ServiceAddress, ServiceError, Services};
use serde_json::Value;
use std::sync::Arc;

/// The largest frame of a tunnel, in bytes, as on genuine servers.
const FRAME_LIMIT: usize = 16 << 20;

/// Checks the ports that a session asks to have open.
pub(super) fn check_preopen(ports: &[u16]) -> ApiResult<()> {
    match ports.iter().find(|&&port| !may_be_opened(port)) {
        Some(port) => Err(ApiError::invalid_params(format!("preopen_ports: {port} is reserved"))),
        None => Ok(()),
    }
}

fn services(session: &Session) -> &Services {
    session.services.get_or_init(|| {
        let spec = &session.spec;
        Services::new(spec.workdir.clone(), session.environment(), spec.preopen_ports.clone())
    })
}

/// `GET /stream/{P}/{s}/apps`: the terminal, the user's own ports, and the installed services.
pub(super) async fn apps(State(server): State<Arc<ServerState>>, Path(reference): Path<String>) -> ApiResult {
    let session = ready_session(&server, &reference)?;
    let found = tokio::task::spawn_blocking(move || services(&session).apps()).await;
    let found =
        found.map_err(|error| ApiError::internal(format!("the search for services failed: {error}")))?;
    let mut apps = vec![pty::app()];
    apps.extend(found);
    Ok(json_reply(StatusCode::OK, &apps))
}

/// `GET /stream/{P}/{s}/tcpproxy` and `httpproxy`, which are alike.
pub(super) async fn tunnel(
    State(server): State<Arc<ServerState>>,
    Path(reference): Path<String>,
    RawQuery(query): RawQuery,
    upgrade: WebSocketUpgrade,
) -> ApiResult<Response> {
    let session = ready_session(&server, &reference)?;
    let params = Params::parse(query.as_deref());
    let request = ServiceRequest::read(|name| params.get(&[name]).map(str::to_owned))?;
    let address = request.start(&session).await?;
    let upgrade = upgrade.max_message_size(FRAME_LIMIT).max_frame_size(FRAME_LIMIT);
    let stop = session.stop.clone();
    Ok(upgrade.on_upgrade(move |socket| async move {
        stop.run_until_cancelled(tunnel::serve(socket, &address)).await;
    }))
}

/// `POST /{P}/{s}/start-service`. Starts the service. There is no app proxy to send a browser to, so the answer is the
/// error of a cluster without one. The service can be reached through a tunnel.
pub(super) async fn start(
    State(server): State<Arc<ServerState>>,
    Path(reference): Path<String>,
    body: Body,
) -> ApiResult<Response> {
    let session = ready_session(&server, &reference)?;
    let body = json_body(body).await?;
    let request = ServiceRequest::read(|name| {
        let value = body.get(name).filter(|value| !value.is_null())?;
        Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    })?;
    request.start(&session).await?;
    let title = "There is no app proxy.";
    Err(ApiError::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "service-unavailable",
        title,
        "service_start_unavailable",
    )
    .because(format!(
        "{} runs; it is reached through a tunnel to the app (`/stream/…/tcpproxy`)",
        request.app
    )))
}

/// `POST /{P}/{s}/shutdown-service`.
pub(super) async fn shutdown(
    State(server): State<Arc<ServerState>>,
    Path(reference): Path<String>,
    RawQuery(query): RawQuery,
    body: Body,
) -> ApiResult<Response> {
    let session = ready_session(&server, &reference)?;
    let params = Params::parse(query.as_deref());
    let body = json_body(body).await?;
    let named = body.get("service_name").and_then(Value::as_str);
    let name = params
        .get(&["service_name"])
        .or(named)
        .ok_or_else(|| ApiError::invalid_params("service_name: which service to end is missing"))?;
    // A service that does not run needs no change.
    services(&session).stop(name).await;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// The service to start, with its parameters.
struct ServiceRequest {
    app: String,
    port: Option<u16>,
    parameters: ServiceParameters,
}

impl ServiceRequest {
    fn read(get: impl Fn(&str) -> Option<String>) -> ApiResult<ServiceRequest> {
        let app = get("app").or_else(|| get("service")).filter(|app| !app.is_empty());
        let app = app.ok_or_else(|| ApiError::invalid_params("app: which app is missing"))?;
        let port = get("port").map(|port| port.parse()).transpose();
        let port = port.map_err(|_| ApiError::invalid_params("port: this is not a port number"))?;
        let parameters = ServiceParameters::from_query(get("arguments").as_deref(), get("envs").as_deref());
        let parameters = parameters.map_err(|error| ApiError::invalid_params(error.to_string()))?;
        Ok(ServiceRequest { app, port, parameters })
    }

    async fn start(&self, session: &Session) -> ApiResult<ServiceAddress> {
        if self.app == pty::app().name {
            return Err(ApiError::invalid_params(
                "the terminal is reached through the pty stream, not a tunnel",
            ));
        }
        services(session).start(&self.app, self.port, &self.parameters).await.map_err(|error| match &error {
            ServiceError::Unknown(name) => {
                let title = "No such app service.";
                let code = "backendai_read_not-found";
                ApiError::new(StatusCode::NOT_FOUND, "object-not-found", title, code)
                    .because(format!("{}:{name}", session.name()))
            }
            ServiceError::Port { .. } => ApiError::invalid_params(format!("{error}.")),
            _ => {
                let (title, code) = ("Failed to start the app service.", "service_start_failed");
                ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "app-service-start-failed", title, code)
                    .because(error.to_string())
            }
        })
    }
}
