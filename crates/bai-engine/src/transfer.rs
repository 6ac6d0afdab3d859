//! Files in and out of a session (`docs/wire` §6), streamed between socket and disk, whatever their size. The
//! cluster's limits of 1 MiB and of 20 or 5 files do not apply here.

use super::archive;
use super::error::{ApiError, ApiResult};
use super::files::{self, PathError};
use super::options::Workdirs;
use super::request::{self, BODY_SILENCE, Params, json_body};
use super::session::Session;
use super::state::ServerState;
use axum::body::Body;
use axum::extract::multipart::{Field, MultipartError};
use axum::extract::{FromRequest, Multipart, Path as UrlPath, RawQuery, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bai_protocol::machine_limit::explain;
use serde_json::Value;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use tokio_util::io::ReaderStream;

/// The header of a part whose file may be executed, and its value.
const FILE_MODE: &str = "x-file-mode";
const EXECUTABLE: &str = "755";
/// The limit for the parts of one upload and the paths of one download.
const MAX_FILES: usize = 10_000;

/// The session of a transfer. An error when the session works in the user's own folder.
fn session(server: &ServerState, reference: &str) -> ApiResult<Arc<Session>> {
    let session = request::ready_session(server, reference)?;
    match &server.workdirs {
        Workdirs::Own(_) | Workdirs::Claimed(_) => Ok(session),
        Workdirs::Shared(folder) => {
            let folder = folder.display();
            let msg = format!(
                "the session works in {folder} itself, so its files are there already: use them in place, or copy them there"
            );
            Err(ApiError::file_failed(StatusCode::BAD_REQUEST, msg))
        }
    }
}

fn refuse(error: &PathError) -> ApiError {
    let status = match error {
        PathError::Missing(_) => StatusCode::NOT_FOUND,
        PathError::Outside(_) | PathError::WrongKind { .. } => StatusCode::BAD_REQUEST,
        PathError::System(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    ApiError::file_failed(status, error.to_string())
}

fn failed(what: &str, error: &io::Error) -> ApiError {
    ApiError::file_failed(StatusCode::INTERNAL_SERVER_ERROR, format!("{what}: {}", explain(error)))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, PathError> + Send + 'static,
) -> ApiResult<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result.map_err(|error| refuse(&error)),
        Err(error) => Err(failed("the file system", &error.into())),
    }
}

/// `POST /{P}/{s}/upload`: each part is written beside its target and replaces it when it is complete. A name that ends in a
/// slash makes a folder.
pub(super) async fn upload(
    State(server): State<Arc<ServerState>>,
    UrlPath(reference): UrlPath<String>,
    request: Request,
) -> ApiResult {
    let session = session(&server, &reference)?;
    let mut parts = Multipart::from_request(request, &())
        .await
        .map_err(|error| ApiError::malformed_body(error.body_text()))?;
    let mut count = 0;
    while let Some(part) = in_time(parts.next_field()).await? {
        count += 1;
        if count > MAX_FILES {
            return Err(ApiError::invalid_params(format!(
                "Too many files: at most {MAX_FILES} in one upload"
            )));
        }
        let name = part.file_name().map_or_else(unnamed, decode_name);
        let root = session.spec.workdir.clone();
        if name.ends_with('/') {
            blocking(move || files::make_folder(&root, &name)).await?;
            continue;
        }
        let target = blocking(move || files::target(&root, &name)).await?;
        store(part, target).await?;
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// The next piece of a body. An error when it does not come in time or is malformed.
async fn in_time<T>(piece: impl Future<Output = Result<T, MultipartError>>) -> ApiResult<T> {
    let piece = timeout(BODY_SILENCE, piece).await.map_err(|_| request::too_slow())?;
    piece.map_err(|error| ApiError::malformed_body(error.body_text()))
}

/// The genuine server's name for a part without one.
fn unnamed() -> String {
    let digits = uuid::Uuid::new_v4().simple().to_string();
    format!("upload-{}", digits.chars().take(24).collect::<String>())
}

/// The official client percent-encodes everything but letters, digits and `_.-~`. Only a name that this client could
/// have encoded is decoded. A name with any other character, such as a slash, is taken as it is, except for the backslashes
/// that clients escape.
pub(super) fn decode_name(name: &str) -> String {
    // The form's parser has unescaped `\"`, but not this.
    let name = &name.replace("\\\\", "\\");
    let encoded = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-~%".contains(&b));
    let decoded = percent_encoding::percent_decode_str(name).decode_utf8();
    match decoded {
        Ok(decoded) if encoded => decoded.into_owned(),
        _ => name.to_owned(),
    }
}

async fn store(mut part: Field<'_>, target: PathBuf) -> ApiResult<()> {
    let named = target.display().to_string();
    let folder = target.parent().map(PathBuf::from).unwrap_or_default();
    let temporary = blocking(move || {
        tempfile::Builder::new()
            .prefix(".upload-")
            .tempfile_in(&folder)
            .map_err(|error| PathError::System(format!("{}: {}", folder.display(), explain(&error))))
    });
    let (file, temporary) = temporary.await?.into_parts();
    let executable = part.headers().get(FILE_MODE).is_some_and(|mode| mode == EXECUTABLE);
    let mode = if executable { 0o755 } else { 0o644 };
    let mut file = tokio::fs::File::from_std(file);
    while let Some(chunk) = in_time(part.chunk()).await? {
        file.write_all(&chunk).await.map_err(|error| failed(&named, &error))?;
    }
    file.flush().await.map_err(|error| failed(&named, &error))?;
    blocking(move || {
        use std::os::unix::fs::PermissionsExt;
        let system = |error: io::Error| PathError::System(format!("{named}: {}", explain(&error)));
        std::fs::set_permissions(&temporary, std::fs::Permissions::from_mode(mode)).map_err(system)?;
        temporary.persist(&target).map_err(|error| system(error.error))
    })
    .await
}

/// `POST` (`GET` for older clients) `/{P}/{s}/download`: one tar for each path, in a `multipart/mixed` body.
pub(super) async fn download(
    State(server): State<Arc<ServerState>>,
    UrlPath(reference): UrlPath<String>,
    RawQuery(query): RawQuery,
    body: Body,
) -> ApiResult {
    let session = session(&server, &reference)?;
    let body = json_body(body).await?;
    let params = Params::parse(query.as_deref());
    let in_body = body.get("files").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let paths: Vec<String> =
        params.all("files").chain(params.all("files[]")).chain(in_body).map(str::to_owned).collect();
    if paths.is_empty() || paths.len() > MAX_FILES {
        return Err(ApiError::invalid_params(format!("files: between 1 and {MAX_FILES} paths are needed")));
    }
    let root = session.spec.workdir.clone();
    let found = blocking(move || paths.iter().map(|path| files::existing(&root, path)).collect()).await?;
    let boundary = uuid::Uuid::new_v4().simple().to_string();
    let content_type = format!("multipart/mixed; boundary={boundary}");
    let body = Body::from_stream(archive::multipart_of_tars(found, boundary));
    Ok(([(header::CONTENT_TYPE, content_type)], body).into_response())
}

/// How many bytes a range from the start of a file asks for (`bytes=0-99`). Other ranges are not supported.
fn asked_for(headers: &HeaderMap) -> Option<u64> {
    let last = headers.get(header::RANGE)?.to_str().ok()?.strip_prefix("bytes=0-")?;
    last.parse::<u64>().ok()?.checked_add(1)
}

/// `POST` (`GET` for older clients) `/{P}/{s}/download_single`: the bytes of one file. The beginning of a file can be
/// read also where transfers are refused.
pub(super) async fn download_single(
    State(server): State<Arc<ServerState>>,
    UrlPath(reference): UrlPath<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> ApiResult<Response> {
    let part = asked_for(&headers);
    let session = match part {
        Some(_) => request::ready_session(&server, &reference)?,
        None => session(&server, &reference)?,
    };
    let body = json_body(body).await?;
    let params = Params::parse(query.as_deref());
    let path = params.get(&["file"]).or_else(|| body.get("file").and_then(Value::as_str));
    let path = path.ok_or_else(|| ApiError::invalid_params("file: the path is missing"))?.to_owned();
    let root = session.spec.workdir.clone();
    let named = path.clone();
    let found = blocking(move || files::existing(&root, &path)).await?;
    let meta = tokio::fs::metadata(&found).await.map_err(|error| failed(&named, &error))?;
    // Opening a pipe would block until a writer opens it.
    if !meta.is_file() {
        let msg = format!("{named} is not a regular file; use download for folders");
        return Err(ApiError::file_failed(StatusCode::BAD_REQUEST, msg));
    }
    let file = tokio::fs::File::open(found).await.map_err(|error| failed(&named, &error))?;
    let kind = (header::CONTENT_TYPE, "application/octet-stream");
    let Some(part) = part.filter(|part| *part < meta.len()) else {
        let body = Body::from_stream(ReaderStream::with_capacity(file, 256 << 10));
        return Ok(([kind], body).into_response());
    };
    let range = format!("bytes 0-{}/{}", part - 1, meta.len());
    let body = Body::from_stream(ReaderStream::with_capacity(file.take(part), 256 << 10));
    Ok((StatusCode::PARTIAL_CONTENT, [kind], [(header::CONTENT_RANGE, range)], body).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_the_official_client_encodes_are_decoded() {
        for (sent, name) in [
            ("a.txt", "a.txt"),
            ("sub%2Fb.bin", "sub/b.bin"),
            ("na%C3%AFve%20name", "naïve name"),
            ("100%25", "100%"),
            ("a b%20c", "a b%20c"),
            ("sub/b%2Fc", "sub/b%2Fc"),
            ("./a%20b", "./a%20b"),
            ("%FF", "%FF"),
            ("50%", "50%"),
        ] {
            assert_eq!(decode_name(sent), name);
        }
        assert_eq!(unnamed().len(), "upload-".len() + 24);
    }
}
