//! The table of paths (`docs/wire` §2.1, §9.7): each twice, under `session` and, for old clients, under `kernel`.

use super::error::{ApiError, ApiResult, every_error_is_a_problem, unknown_path};
use super::request::{Params, json_body, json_reply};
use super::state::ServerState;
use super::{
    auth, events, execute, files, graphql, lifecycle, pty, requirements, services, stream, transfer,
};
use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::{MethodRouter, any, get, post};
use bai_protocol::capability::{Capabilities, Capability};
use bai_protocol::sign;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The router with all paths.
pub(super) fn router(server: &Arc<ServerState>) -> Router {
    let mut router = Router::new()
        .route("/", get(hello))
        .route("/auth", get(echo).post(echo))
        .route("/auth/test", get(echo).post(echo))
        .route("/config/resource-slots", get(resource_slots))
        .route("/events/session", get(events::sessions))
        .route("/stream/kernel/_/events", get(events::sessions))
        .route("/stream/session/_/events", get(events::sessions))
        .route("/admin/gql", post(graphql::gql))
        .route("/admin/graphql", post(graphql::graphql));
    for noun in ["session", "kernel"] {
        for (path, method) in session_routes() {
            router = router.route(&format!("/{noun}{path}"), method);
        }
        for (path, method) in stream_routes() {
            router = router.route(&format!("/stream/{noun}/{{s}}{path}"), method);
        }
    }
    router
        .fallback(unknown_path)
        .layer(from_fn_with_state(server.clone(), auth::check))
        .layer(from_fn(every_error_is_a_problem))
        .with_state(server.clone())
}

type Routes = Vec<(&'static str, MethodRouter<Arc<ServerState>>)>;

fn session_routes() -> Routes {
    let upload = post(transfer::upload).layer(DefaultBodyLimit::disable());
    vec![
        ("", post(lifecycle::create)),
        ("/", post(lifecycle::create)),
        ("/create", post(lifecycle::create)),
        ("/_/create", post(lifecycle::create)),
        ("/_/create-from-template", post(|| missing("session templates"))),
        ("/_/create-cluster", post(|| missing("clusters"))),
        ("/_/transit-status", post(|| missing("status transitions on demand"))),
        ("/_/logs", get(|| missing("task logs"))),
        ("/_/match", get(lifecycle::matching)),
        (
            "/{s}",
            get(lifecycle::info).post(execute::execute).patch(lifecycle::restart).delete(lifecycle::destroy),
        ),
        ("/{s}/rename", post(lifecycle::rename)),
        ("/{s}/interrupt", post(execute::interrupt)),
        ("/{s}/secret", post(execute::secret)),
        ("/{s}/keys", post(execute::keys)),
        ("/{s}/complete", post(execute::complete)),
        ("/{s}/logs", get(lifecycle::logs)),
        ("/{s}/status-history", get(lifecycle::status_history)),
        ("/{s}/dependency-graph", get(lifecycle::dependency_graph)),
        ("/{s}/abusing-report", get(lifecycle::empty_report)),
        ("/{s}/direct-access-info", get(lifecycle::empty_report)),
        ("/{s}/upload", upload),
        ("/{s}/download", get(transfer::download).post(transfer::download)),
        ("/{s}/download_single", get(transfer::download_single).post(transfer::download_single)),
        ("/{s}/files", get(files::list)),
        ("/{s}/checksum", get(transfer::checksum)),
        ("/{s}/commit", any(|| missing("image commits"))),
        ("/{s}/imagify", post(|| missing("image commits"))),
        ("/{s}/start-service", post(services::start)),
        ("/{s}/shutdown-service", post(services::shutdown)),
    ]
}

fn stream_routes() -> Routes {
    vec![
        ("/execute", get(stream::execute)),
        ("/apps", get(services::apps)),
        ("/pty", get(pty::stream)),
        ("/tcpproxy", get(services::tunnel)),
        ("/httpproxy", get(services::tunnel)),
    ]
}

async fn missing(what: &'static str) -> ApiError {
    ApiError::not_implemented(what)
}

/// The capabilities of this server beyond the common API.
const CAPABILITIES: &[Capability] = &[
    Capability::RunIds,
    Capability::NumberedFrames,
    Capability::KeptOutput,
    Capability::CurrentRun,
    Capability::AbandonableRuns,
    Capability::RunInterrupts,
    Capability::InterruptEndsInput,
    Capability::WholeBatch,
    Capability::SessionNotes,
    Capability::SessionsEndWithServer,
    Capability::RichOutput,
    Capability::Completion,
    Capability::ByteNames,
    Capability::ExclusiveUploads,
    Capability::Scripts,
    Capability::CreatorEnvironment,
    Capability::Windows,
    Capability::Signals,
    Capability::Secrets,
    Capability::ScriptTerminals,
    // Elsewhere nobody can tell who reads a terminal.
    #[cfg(target_os = "linux")]
    Capability::SplitTerminals,
    Capability::CellTerminals,
    Capability::BinaryFrames,
    Capability::IdleOutput,
    Capability::IdleInterrupts,
    Capability::LastWords,
    Capability::ByteOutput,
    Capability::LiveOutput,
    Capability::AnyPort,
    Capability::SignedBodies,
    Capability::LostSessions,
    Capability::FileRanges,
];

/// `GET /`: the version and the capabilities. The only request without a signature.
async fn hello(State(server): State<Arc<ServerState>>, headers: HeaderMap) -> Response {
    let version = bai_protocol::version::NEWEST.to_string();
    let manager = concat!("bai-repl/", env!("CARGO_PKG_VERSION"));
    let capabilities: Capabilities = CAPABILITIES.iter().copied().collect();
    // Other clients compare only `version`; the instance lets us know a background engine of ours again.
    let address = server.address.map(|address| address.ip().to_string());
    let challenge = headers.get(sign::CHALLENGE).and_then(|text| text.to_str().ok());
    let proof = challenge.filter(|text| text.len() <= sign::LONGEST_CHALLENGE).map(|challenge| {
        let secret = server.keypair.secret_key().expose_secret();
        sign::proof(secret, challenge, &server.instance, address.as_deref().unwrap_or_default())
    });
    let body = json!({
        "version": version, "manager": manager, "capabilities": capabilities, "instance": server.instance,
        "address": address, "proof": proof,
    });
    json_reply(StatusCode::OK, &body)
}

/// `/auth` and `/auth/test`: checks the key pair.
async fn echo(RawQuery(query): RawQuery, body: Body) -> ApiResult {
    let body = json_body(body).await?;
    let params = Params::parse(query.as_deref());
    let echo = body.get("echo").and_then(Value::as_str).or_else(|| params.get(&["echo"])).unwrap_or_default();
    Ok(json_reply(StatusCode::OK, &json!({"authorized": "yes", "echo": echo})))
}

/// `GET /config/resource-slots`: the slots of a single machine.
async fn resource_slots() -> Response {
    json_reply(StatusCode::OK, &BTreeMap::from(requirements::SLOTS))
}
