//! The storage proxy, which holds the content of virtual folders: a server of its own, reached with a ticket for one file that the
//! manager gives. It gets neither our signature nor our cookie. The ticket is a secret: whoever has it can read or write that file.

use super::super::endpoint::Endpoint;
use super::super::error::{ClientError, ErrorKind};
use super::super::files::is_about_one_file;
use super::super::reply::read_body;
use super::super::{cause, is_tls};
use super::VFolder;
use super::entries::join;
use bai_protocol::files::FileEntry;
use bai_protocol::problem::ErrorBody;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, HeaderMap, HeaderValue, LAST_MODIFIED, RANGE};
use reqwest::{Method, Response, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

/// How long a request may take until its answer begins.
const LIMIT: Duration = Duration::from_secs(120);
/// How long the storage proxy may take to show that it lives.
const LIFE_LIMIT: Duration = Duration::from_secs(10);
/// The folder in which the storage proxy collects uploads.
pub(super) const UPLOADS: &str = ".upload";
/// How much of the body of an error is read, in bytes.
const ERROR_BODY_LIMIT: usize = 64 * 1024;

/// The right to read or to write one file.
pub(super) struct Ticket {
    endpoint: Endpoint,
    token: SecretString,
}

/// What a ticket for an upload says in its middle part, which is signed and not encrypted.
#[derive(Deserialize)]
struct Claims {
    session: String,
}

impl Ticket {
    /// Where in the virtual folder the storage proxy collects this upload; `None` if the ticket does not say it.
    pub(super) fn staged(&self) -> Option<String> {
        let claims = self.token.expose_secret().split('.').nth(1)?;
        let claims = URL_SAFE_NO_PAD.decode(claims.trim_end_matches('=')).ok()?;
        let Claims { session } = serde_json::from_slice(&claims).ok()?;
        let is_name = !session.is_empty() && session.bytes().all(|byte| byte.is_ascii_alphanumeric());
        is_name.then(|| join(UPLOADS, &session))
    }
}

#[derive(Deserialize)]
struct TicketReply {
    token: String,
    url: String,
}

impl VFolder {
    /// Asks the manager for a ticket.
    pub(super) async fn ticket(&self, what: &str, suffix: &str, body: &Value) -> Result<Ticket, ClientError> {
        let reply: TicketReply = self.request(what, Method::POST, suffix).json(body)?.send().await?.json()?;
        let endpoint = Endpoint::parse_list(&reply.url)?.into_iter().next();
        let endpoint = endpoint
            .ok_or_else(|| ClientError::new(ErrorKind::Server, what, "the server names no storage proxy"))?;
        Ok(Ticket { endpoint, token: reply.token.into() })
    }

    /// Sends a request to the storage proxy, and returns the answer when its head is there. `accepted` are the statuses that count.
    pub(super) async fn ask_storage(
        &self,
        what: &str,
        ticket: &Ticket,
        method: Method,
        headers: HeaderMap,
        body: Option<Bytes>,
        accepted: &[StatusCode],
    ) -> Result<Response, ClientError> {
        let client = ticket.endpoint.http(self.api.options())?;
        let query = [("token".to_owned(), ticket.token.expose_secret().to_owned())];
        let url = ticket.endpoint.url("", &query)?;
        let mut request = client.request(method, url).headers(headers);
        if let Some(body) = body {
            request = request.body(body);
        }
        let Ok(answer) = tokio::time::timeout(LIMIT, request.send()).await else {
            let why = format!("the storage proxy gives no answer within {} s", LIMIT.as_secs());
            return Err(ClientError::new(ErrorKind::Timeout, what, why));
        };
        let response = answer.map_err(|error| unreachable(what, ticket, error))?;
        if accepted.contains(&response.status()) {
            return Ok(response);
        }
        Err(refused(what, response).await)
    }

    /// Asks the storage proxy what is at a path. A symbolic link counts as what it leads to, and as missing if that is.
    pub(super) async fn look(&self, path: &str) -> Result<Option<FileEntry>, ClientError> {
        let what = format!("look at {}", self.shown(path));
        let ticket = self.ticket(&what, "/request-download", &json!({"path": path})).await?;
        let headers = HeaderMap::from_iter([(RANGE, HeaderValue::from_static("bytes=0-0"))]);
        let accepted = [StatusCode::PARTIAL_CONTENT, StatusCode::OK, StatusCode::RANGE_NOT_SATISFIABLE];
        match self.ask_storage(&what, &ticket, Method::GET, headers, None, &accepted).await {
            Ok(response) => Ok(Some(file_of(path, response.headers()))),
            Err(error) if error.kind() == ErrorKind::NoSuchFile => Ok(None),
            Err(error) if error.status() == Some(400) => Ok(Some(entry(path, "drwxr-xr-x", 0, 0.0))),
            Err(error) => Err(error),
        }
    }

    /// The error of a file whose connections all end. When the storage proxy answers other requests, it is that file which it cannot
    /// take or give.
    pub(super) async fn blame(&self, what: &str, ticket: &Ticket, error: ClientError) -> ClientError {
        if !matches!(error.kind(), ErrorKind::Lost | ErrorKind::Timeout) || !self.storage_lives(ticket).await
        {
            return error;
        }
        tracing::debug!(%error, "the storage proxy answers, but not for this file");
        let why = "the storage proxy ends every connection for this file, and answers other requests";
        ClientError::new(ErrorKind::Refused, what, why)
    }

    /// Whether the storage proxy answers anything at all.
    async fn storage_lives(&self, ticket: &Ticket) -> bool {
        let (Ok(client), Ok(url)) = (ticket.endpoint.http(self.api.options()), ticket.endpoint.url("", &[]))
        else {
            return false;
        };
        matches!(tokio::time::timeout(LIFE_LIMIT, client.get(url).send()).await, Ok(Ok(_)))
    }
}

/// A file, by the head of the answer for its first byte.
fn file_of(path: &str, headers: &HeaderMap) -> FileEntry {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let all = text(CONTENT_RANGE).and_then(|range| range.rsplit_once('/')).map(|(_, all)| all);
    let size = all.or_else(|| text(CONTENT_LENGTH)).and_then(|size| size.trim().parse().ok());
    let time = text(LAST_MODIFIED).and_then(|time| jiff::fmt::rfc2822::parse(time).ok());
    let mtime = time.map_or(0.0, |time| time.timestamp().as_duration().as_secs_f64());
    entry(path, "-rw-r--r--", size.unwrap_or_default(), mtime)
}

fn entry(path: &str, mode: &str, size: u64, mtime: f64) -> FileEntry {
    FileEntry {
        mode: mode.to_owned(),
        size,
        ctime: mtime,
        mtime,
        atime: mtime,
        filename: path.rsplit('/').next().unwrap_or_default().to_owned(),
        target: None,
        resolved: None,
    }
}

/// Whether a failure is that of one file. What the storage proxy says is, as it says it about a ticket for one file.
pub(super) fn is_about_one(error: &ClientError) -> bool {
    match (error.status(), error.kind()) {
        (None, _) => is_about_one_file(error),
        (Some(_), kind) => !matches!(
            kind,
            ErrorKind::Auth
                | ErrorKind::LoginEnded
                | ErrorKind::LoggedInElsewhere
                | ErrorKind::ClockSkew
                | ErrorKind::Forbidden
                | ErrorKind::Busy
        ),
    }
}

/// The error of a request that got no answer. The URL has the ticket in it.
fn unreachable(what: &str, ticket: &Ticket, error: reqwest::Error) -> ClientError {
    let error = error.without_url();
    let (at, cause) = (ticket.endpoint.shown(), cause(&error));
    if error.is_connect() {
        let kind = if is_tls(&error) { ErrorKind::Tls } else { ErrorKind::Connect };
        let why = format!("no connection to the storage proxy at {at}: {cause}");
        let hint = "the files of virtual folders come from that address, which the cluster gives; this machine must reach it";
        return ClientError::new(kind, what, why).with_hint(hint).with_source(error).not_sent();
    }
    let why = format!("the connection to the storage proxy at {at} ended: {cause}");
    ClientError::new(ErrorKind::Lost, what, why).with_source(error)
}

async fn refused(what: &str, response: Response) -> ClientError {
    let status = response.status().as_u16();
    let body = read_body(response, what, ERROR_BODY_LIMIT, true).await.unwrap_or_default();
    let error = ClientError::from_reply(what, status, &body);
    match ErrorBody::parse(&body).slug() {
        // It does not say which one; the caller knows.
        Some("file-not-found") => error.with_kind(ErrorKind::NoSuchFile),
        // The ticket is for one file: the rights of the folder were enough for it.
        _ if error.kind() == ErrorKind::Forbidden => error.with_kind(ErrorKind::Refused),
        _ => error,
    }
}

/// The value of a header as a number.
pub(super) fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

/// A header with a number.
pub(super) fn of_number(number: u64) -> HeaderValue {
    HeaderValue::from(number)
}
