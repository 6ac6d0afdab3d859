//! Files in and out of a session (`docs/wire` §6), streamed between socket and disk, whatever their size. The
//! cluster's limits of 1 MiB and of 20 or 5 files do not apply here.

use super::archive;
use super::error::{ApiError, ApiResult};
use super::files::{self, PathError};
use super::leftovers;
use super::options::Workdirs;
use super::request::{self, BODY_SILENCE, Params, json_body};
use super::session::Session;
use super::state::ServerState;
use axum::body::Body;
use axum::extract::multipart::{Field, MultipartError};
use axum::extract::{FromRequest, Multipart, Path as UrlPath, RawQuery, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bai_protocol::byte_text;
use bai_protocol::files::ChecksumReply;
use bai_protocol::machine_limit::explain;
use bai_protocol::working_files::unfinished;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
use tokio::time::timeout;
use tokio_util::io::ReaderStream;

/// The header of a part that tells the permissions of a new file or folder, in octal.
const FILE_MODE: &str = "x-file-mode";
/// The permissions of a file without that header.
const DEFAULT_MODE: u32 = 0o644;
/// The permissions that the header can give.
const ANY_MODE: u32 = 0o755;
/// The limit for the parts of one upload and the paths of one download.
const MAX_FILES: usize = 10_000;

/// The session of a transfer. An error when the session works in the user's own folder.
fn transferring(server: &ServerState, session: Arc<Session>) -> ApiResult<Arc<Session>> {
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
        PathError::Outside(_) | PathError::WrongKind { .. } | PathError::Forbidden(_) => {
            StatusCode::BAD_REQUEST
        }
        PathError::System(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    ApiError::file_failed(status, error.to_string())
}

fn failed(what: &str, error: &io::Error) -> ApiError {
    ApiError::file_failed(StatusCode::INTERNAL_SERVER_ERROR, format!("{what}: {}", explain(error)))
}

fn not_a_file(named: &str) -> ApiError {
    let msg = format!("{named} is not a regular file; use download for folders");
    ApiError::file_failed(StatusCode::BAD_REQUEST, msg)
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
    let session = transferring(&server, request::ready_session(&server, &reference)?)?;
    let root = session.spec.workdir.clone();
    blocking(move || {
        leftovers::remove_old(&root);
        Ok(())
    })
    .await?;
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
            // Its owner can always use it.
            let mode = mode(part.headers()).map(|mode| mode | 0o700);
            blocking(move || files::make_folder(&root, &name, mode)).await?;
            continue;
        }
        let named = name.clone();
        let target = blocking(move || files::target(&root, &named)).await?;
        store(part, target, byte_text::shown(&name)).await?;
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

async fn store(mut part: Field<'_>, target: PathBuf, name: String) -> ApiResult<()> {
    let folder = target.parent().map(PathBuf::from).unwrap_or_default();
    let about = name.clone();
    let temporary = blocking(move || {
        let unfinished = unfinished(&uuid::Uuid::new_v4().simple().to_string());
        let made = tempfile::Builder::new().prefix(&unfinished).rand_bytes(0).tempfile_in(&folder);
        // Without the name of the temporary file.
        made.map_err(|error| files::system(&about, &error.kind().into()))
    });
    let (file, temporary) = temporary.await?.into_parts();
    let mode = mode(part.headers()).unwrap_or(DEFAULT_MODE);
    let is_exclusive = part.headers().get(header::IF_NONE_MATCH).is_some_and(|value| value == "*");
    let mut file = tokio::fs::File::from_std(file);
    while let Some(chunk) = in_time(part.chunk()).await? {
        file.write_all(&chunk).await.map_err(|error| failed(&name, &error))?;
    }
    file.flush().await.map_err(|error| failed(&name, &error))?;
    let about = name.clone();
    let named = blocking(move || {
        let system = |error: io::Error| files::system(&about, &error);
        let mode = if is_exclusive { mode } else { kept_mode(&target, mode) };
        std::fs::set_permissions(&temporary, Permissions::from_mode(mode)).map_err(system)?;
        if !is_exclusive {
            return temporary.persist(&target).map(|()| true).map_err(|error| system(error.error));
        }
        match temporary.persist_noclobber(&target) {
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            named => named.map(|()| true).map_err(|error| system(error.error)),
        }
    });
    if named.await? {
        return Ok(());
    }
    Err(ApiError::file_failed(StatusCode::PRECONDITION_FAILED, format!("{name} already exists")))
}

/// The permissions that a part asks for.
fn mode(headers: &HeaderMap) -> Option<u32> {
    let given = headers.get(FILE_MODE).and_then(|mode| mode.to_str().ok());
    let given = given.and_then(|mode| u32::from_str_radix(mode, 8).ok());
    given.map(|mode| mode & ANY_MODE)
}

/// The permissions of a file that may replace another one: those of that file stay, but who may read it may execute it only if the
/// new file may be executed.
fn kept_mode(target: &Path, mode: u32) -> u32 {
    match std::fs::symlink_metadata(target) {
        Ok(old) if old.is_file() => {
            let old = old.permissions().mode();
            let execute = if mode & 0o111 == 0 { 0 } else { (old & 0o444) >> 2 };
            old & 0o666 | execute
        }
        _ => mode,
    }
}

/// `POST` (`GET` for older clients) `/{P}/{s}/download`: one tar for each path, in a `multipart/mixed` body.
pub(super) async fn download(
    State(server): State<Arc<ServerState>>,
    UrlPath(reference): UrlPath<String>,
    RawQuery(query): RawQuery,
    body: Body,
) -> ApiResult {
    let session = transferring(&server, request::session_with_files(&server, &reference)?)?;
    let body = json_body(body).await?;
    let params = Params::parse(query.as_deref());
    let in_body = body.get("files").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let paths: Vec<String> =
        params.all("files").chain(params.all("files[]")).chain(in_body).map(str::to_owned).collect();
    if paths.is_empty() || paths.len() > MAX_FILES {
        return Err(ApiError::invalid_params(format!("files: between 1 and {MAX_FILES} paths are needed")));
    }
    let root = session.spec.workdir.clone();
    let found = blocking(move || {
        let home = files::canonical(&root, ".")?;
        let found = paths.iter().map(|path| {
            let found = files::existing(&home, path)?;
            archive::check(&home, &found, path).map(|()| found)
        });
        found.collect::<Result<Vec<_>, _>>().map(|found| (home, found))
    });
    let (home, found) = found.await?;
    let boundary = uuid::Uuid::new_v4().simple().to_string();
    let content_type = format!("multipart/mixed; boundary={boundary}");
    let body = Body::from_stream(archive::multipart_of_tars(home, found, boundary));
    Ok(([(header::CONTENT_TYPE, content_type)], body).into_response())
}

/// The first and the last byte of a range (`bytes=0-99`). Other forms are not supported, and count as no range.
fn range(headers: &HeaderMap) -> Option<(u64, u64)> {
    let (first, last) = headers.get(header::RANGE)?.to_str().ok()?.strip_prefix("bytes=")?.split_once('-')?;
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last).then_some((first, last))
}

/// The file that a request names, open, with its size. Does not open pipes, as that would block until a writer opens them.
async fn open(session: &Session, params: &Params, body: &Value) -> ApiResult<(String, tokio::fs::File, u64)> {
    let path = params.get(&["file"]).or_else(|| body.get("file").and_then(Value::as_str));
    let path = path.ok_or_else(|| ApiError::invalid_params("file: the path is missing"))?.to_owned();
    let (root, named) = (session.spec.workdir.clone(), path.clone());
    let opened = blocking(move || {
        let found = files::existing(&root, &path)?;
        let system = |error| files::system(&path, &error);
        if !std::fs::metadata(&found).map_err(system)?.is_file() {
            return Ok(None);
        }
        let file = std::fs::File::open(found).map_err(system)?;
        let size = file.metadata().map_err(system)?.len();
        Ok(Some((file, size)))
    });
    let (file, size) = opened.await?.ok_or_else(|| not_a_file(&named))?;
    Ok((named, tokio::fs::File::from_std(file), size))
}

/// `POST` (`GET` for older clients) `/{P}/{s}/download_single`: the bytes of one file, as many as it has now, or a range of
/// them. The beginning of a file can be read also where transfers are refused.
pub(super) async fn download_single(
    State(server): State<Arc<ServerState>>,
    UrlPath(reference): UrlPath<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> ApiResult<Response> {
    let range = range(&headers);
    let session = request::session_with_files(&server, &reference)?;
    let session = if range.is_some() { session } else { transferring(&server, session)? };
    let body = json_body(body).await?;
    let (_, mut file, size) = open(&session, &Params::parse(query.as_deref()), &body).await?;
    let kind = (header::CONTENT_TYPE, "application/octet-stream");
    let bytes = |file: tokio::fs::File, count: u64| {
        let length = (header::CONTENT_LENGTH, count.to_string());
        (length, Body::from_stream(ReaderStream::with_capacity(file.take(count), 256 << 10)))
    };
    match range {
        Some((first, _)) if first >= size && first > 0 => {
            let range = (header::CONTENT_RANGE, format!("bytes */{size}"));
            Ok((StatusCode::RANGE_NOT_SATISFIABLE, [kind], [range]).into_response())
        }
        Some((first, last)) if first > 0 || last < size.saturating_sub(1) => {
            file.seek(io::SeekFrom::Start(first)).await.map_err(|error| failed("the file", &error))?;
            let last = last.min(size - 1);
            let range = (header::CONTENT_RANGE, format!("bytes {first}-{last}/{size}"));
            let (length, body) = bytes(file, last + 1 - first);
            Ok((StatusCode::PARTIAL_CONTENT, [kind], [range, length], body).into_response())
        }
        _ => {
            let (length, body) = bytes(file, size);
            Ok(([kind], [length], body).into_response())
        }
    }
}

/// `GET /{P}/{s}/checksum`: the SHA-256 of a file, or of its first `bytes`.
pub(super) async fn checksum(
    State(server): State<Arc<ServerState>>,
    UrlPath(reference): UrlPath<String>,
    RawQuery(query): RawQuery,
    body: Body,
) -> ApiResult {
    let session = transferring(&server, request::session_with_files(&server, &reference)?)?;
    let body = json_body(body).await?;
    let params = Params::parse(query.as_deref());
    let most = params.get(&["bytes"]).and_then(|text| text.parse().ok()).unwrap_or(u64::MAX);
    let (named, file, _) = open(&session, &params, &body).await?;
    let file = file.into_std().await;
    let reply = blocking(move || checksum_of(file, most).map_err(|error| files::system(&named, &error)));
    Ok(request::json_reply(StatusCode::OK, &reply.await?))
}

fn checksum_of(file: std::fs::File, most: u64) -> io::Result<ChecksumReply> {
    let (mut file, mut buffer) = (io::Read::take(file, most), vec![0; 256 << 10]);
    let (mut sum, mut size) = (Sha256::new(), 0);
    loop {
        let read = io::Read::read(&mut file, &mut buffer)?;
        let Some(piece) = buffer.get(..read).filter(|piece| !piece.is_empty()) else { break };
        sum.update(piece);
        size += piece.len() as u64;
    }
    Ok(ChecksumReply { sha256: hex::encode(sum.finalize()), size })
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
