//! The storage proxy, which holds the content of virtual folders: a server of its own, reached with a ticket for one file that the
//! manager gives. It gets neither our signature nor our cookie. The ticket is a secret: whoever has it can read or write that file.

use super::super::endpoint::Endpoint;
use super::super::error::{ClientError, ErrorKind};
use super::super::reply::read_body;
use super::super::{cause, is_tls};
use super::VFolder;
use bai_protocol::problem::ErrorBody;
use bytes::Bytes;
use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Method, Response, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;

/// How long a request may take until its answer begins.
const LIMIT: Duration = Duration::from_secs(120);
/// How much of the body of an error is read, in bytes.
const ERROR_BODY_LIMIT: usize = 64 * 1024;

/// The right to read or to write one file.
pub(super) struct Ticket {
    endpoint: Endpoint,
    token: SecretString,
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
