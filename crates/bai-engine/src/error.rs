//! Errors of the API. Every error is `application/problem+json` with the slugs of the genuine server (`docs/wire`
//! §1.8), also when the router or the HTTP library refused the request.

use axum::extract::Request;
use axum::http::{StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bai_protocol::problem::Problem;
use serde_json::json;

/// The media type of every error body.
const PROBLEM_TYPE: &str = "application/problem+json; charset=utf-8";

/// An HTTP status and the problem that explains it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ApiError {
    status: StatusCode,
    problem: Box<Problem>,
}

/// The result of a handler.
pub(super) type ApiResult<T = Response> = Result<T, ApiError>;

impl ApiError {
    pub(super) fn new(status: StatusCode, slug: &str, title: impl Into<String>, code: &str) -> Self {
        let mut problem = Problem::new(slug, title);
        problem.error_code = Some(code.to_owned());
        ApiError { status, problem: Box::new(problem) }
    }

    /// Adds a detailed message.
    pub(super) fn because(mut self, msg: impl Into<String>) -> Self {
        self.problem.msg = Some(msg.into());
        self
    }

    /// Adds structured data.
    pub(super) fn with_data(mut self, data: serde_json::Value) -> Self {
        self.problem.data = Some(data);
        self
    }

    /// The title and the message in one line.
    pub(super) fn summary(&self) -> String {
        self.problem.summary()
    }

    pub(super) fn auth_params(msg: &str) -> Self {
        let title = "Missing or invalid authorization parameters.";
        Self::new(StatusCode::BAD_REQUEST, "invalid-auth-params", title, "user_auth_invalid-parameters")
            .because(msg)
    }

    pub(super) fn auth_failed(msg: &str) -> Self {
        let title = "Credential/signature mismatch.";
        Self::new(StatusCode::UNAUTHORIZED, "auth-failed", title, "user_auth_unauthorized").because(msg)
    }

    pub(super) fn unsupported_version() -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "generic-bad-request",
            "Bad request.",
            "backendai_generic_bad-request",
        )
        .because("Unsupported API version.")
    }

    pub(super) fn malformed_body(msg: impl Into<String>) -> Self {
        let title = "Malformed request body.";
        Self::new(StatusCode::BAD_REQUEST, "generic-bad-request", title, "api_parsing_bad-request")
            .because(msg)
    }

    pub(super) fn invalid_params(msg: impl Into<String>) -> Self {
        let title = "Invalid or Missing API Parameters.";
        Self::new(StatusCode::BAD_REQUEST, "invalid-api-params", title, "api_parsing_invalid-parameters")
            .because(msg)
    }

    pub(super) fn no_such_session() -> Self {
        Self::new(StatusCode::NOT_FOUND, "object-not-found", "No such session.", "session_read_not-found")
    }

    pub(super) fn no_such_run(id: &str) -> Self {
        let msg = format!(
            "no run has the id {id}: it was never started here, or its output was collected and dropped"
        );
        Self::new(StatusCode::NOT_FOUND, "object-not-found", "No such run.", "session_execute_not-found")
            .because(msg)
    }

    pub(super) fn not_ready(status: &str) -> Self {
        let msg = format!("the session is {status}; code can be run once it is RUNNING");
        Self::new(
            StatusCode::BAD_REQUEST,
            "kernel-not-ready",
            "The session is not ready.",
            "kernel_execute_not-ready",
        )
        .because(msg)
    }

    pub(super) fn exists(id: &str) -> Self {
        let title = "The session already exists but you requested not to reuse existing one.";
        Self::new(StatusCode::BAD_REQUEST, "session-already-exists", title, "session_create_already-exists")
            .with_data(json!({"existingSessionId": id}))
    }

    pub(super) fn invalid_state(msg: impl Into<String>) -> Self {
        let title = "The session is in another state than this needs.";
        Self::new(StatusCode::CONFLICT, "session-invalid-state", title, "session_update_conflict")
            .because(msg)
    }

    pub(super) fn execution_failed(msg: impl Into<String>) -> Self {
        let title = "The run has been ended.";
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "kernel-execution-failed",
            title,
            "kernel_execute_internal-error",
        )
        .because(msg)
    }

    pub(super) fn file_failed(status: StatusCode, msg: impl Into<String>) -> Self {
        let title = "The operation on files has failed.";
        Self::new(status, "vfolder-operation-failed", title, "session_transfer_failed").because(msg)
    }

    pub(super) fn not_implemented(what: &str) -> Self {
        let msg = format!("the embedded engine has no {what}");
        let title = "This API is not implemented.";
        Self::new(StatusCode::NOT_IMPLEMENTED, "not-implemented", title, "api_generic_not-implemented")
            .because(msg)
    }

    /// The folder of a session that is to be destroyed stays.
    pub(super) fn files_stay(msg: impl Into<String>) -> Self {
        let title = "The files of the session cannot be removed.";
        let code = "backendai_generic_internal-error";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal-server-error", title, code).because(msg)
    }

    /// A session of which only the files are left.
    pub(super) fn lost_session(msg: impl Into<String>) -> Self {
        let title = "The session was lost.";
        Self::new(StatusCode::NOT_FOUND, "object-not-found", title, "session_read_not-found").because(msg)
    }

    pub(super) fn internal(msg: impl Into<String>) -> Self {
        let title = "Internal server error.";
        let code = "backendai_generic_internal-error";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal-server-error", title, code).because(msg)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self.problem).unwrap_or_default();
        (self.status, [(header::CONTENT_TYPE, PROBLEM_TYPE)], body).into_response()
    }
}

/// The answer for unknown paths.
pub(super) async fn unknown_path(uri: Uri) -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "url-not-found", "Unknown URL path.", "api_read_not-found")
        .with_data(json!(uri.path()))
}

/// Turns errors of the router and of extractors, which are plain text, into problems.
pub(super) async fn every_error_is_a_problem(request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    let content_type = response.headers().get(header::CONTENT_TYPE);
    if !is_error
        || content_type.is_some_and(|value| value.as_bytes().starts_with(b"application/problem+json"))
    {
        return response;
    }
    let (slug, code) = match status {
        StatusCode::METHOD_NOT_ALLOWED => ("method-not-allowed", "api_access_method-not-allowed"),
        StatusCode::PAYLOAD_TOO_LARGE => ("generic-bad-request", "api_parsing_content-too-large"),
        _ if status.is_client_error() => ("generic-bad-request", "backendai_generic_bad-request"),
        _ => ("internal-server-error", "backendai_generic_internal-error"),
    };
    let title = status.canonical_reason().unwrap_or("Error");
    let allow = response.headers().get(header::ALLOW).cloned();
    let text = axum::body::to_bytes(response.into_body(), 4096).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&text).trim().to_owned();
    let mut refusal = ApiError::new(status, slug, format!("{title}."), code);
    if !text.is_empty() {
        refusal = refusal.because(text);
    }
    let mut response = refusal.into_response();
    if let Some(allow) = allow {
        response.headers_mut().insert(header::ALLOW, allow);
    }
    response
}
