//! One request: built, signed for the endpoint that it goes to, sent with limits, and its reply read.

mod identity;

use super::api::Api;
use super::clock;
use super::endpoint::Endpoint;
use super::error::{ClientError, ErrorKind};
use super::options::Credentials;
use super::redact;
use super::reply::{Reply, read_body};
use bytes::Bytes;
use jiff::Timestamp;
use reqwest::header::{
    ACCEPT, CACHE_CONTROL, CONNECTION, HeaderMap, HeaderValue, LOCATION, RANGE, RETRY_AFTER,
    SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use reqwest::{Method, Response, StatusCode};
use serde::Serialize;
use std::time::Duration;

/// How much of an error body is read, in bytes.
const ERROR_BODY_LIMIT: usize = 64 * 1024;
/// How often a read-only request is tried when the server says that it is busy.
const BUSY_TRIES: u32 = 3;
/// The longest pause between those tries, whatever the server asks for.
const BUSY_PAUSE_LIMIT: Duration = Duration::from_secs(5);

/// A request before it is sent.
pub(super) struct Request<'a> {
    api: &'a Api,
    what: String,
    method: Method,
    path: String,
    query: Vec<(String, String)>,
    headers: HeaderMap,
    body: Option<(String, Bytes)>,
    signed: bool,
    any_status: bool,
    limit: usize,
    /// Whether a longer reply is truncated instead of refused.
    cut: bool,
    within: Duration,
}

impl Api {
    /// A request to a path of the API. `what` completes "could not …" in errors; `path` is percent-encoded and
    /// begins with a slash.
    pub(super) fn request(&self, what: &str, method: Method, path: impl Into<String>) -> Request<'_> {
        Request::new(self, what, method, path.into())
    }
}

impl<'a> Request<'a> {
    pub(super) fn new(api: &'a Api, what: &str, method: Method, path: String) -> Self {
        Request {
            api,
            what: what.to_owned(),
            method,
            path,
            query: Vec::new(),
            headers: HeaderMap::new(),
            body: None,
            signed: true,
            any_status: false,
            limit: 16 * 1024 * 1024,
            cut: false,
            within: api.reply_limit(),
        }
    }

    /// Adds a query parameter; it is percent-encoded here.
    pub(super) fn query(mut self, name: &str, value: impl Into<String>) -> Self {
        self.query.push((name.to_owned(), value.into()));
        self
    }

    /// Asks for server-sent events.
    pub(super) fn event_stream(mut self) -> Self {
        self.headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        self.headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        self
    }

    /// Asks for a WebSocket.
    pub(super) fn websocket(mut self, key: &str) -> Result<Self, ClientError> {
        let mut headers = std::mem::take(&mut self.headers);
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        self.put(&mut headers, SEC_WEBSOCKET_KEY, key, false)?;
        self.headers = headers;
        Ok(self)
    }

    /// Sends JSON.
    pub(super) fn json(self, body: &impl Serialize) -> Result<Self, ClientError> {
        let bytes = serde_json::to_vec(body).map_err(|error| {
            ClientError::new(ErrorKind::BadRequest, &self.what, error.to_string()).with_source(error)
        })?;
        Ok(self.body("application/json", bytes))
    }

    /// Sends bytes.
    pub(super) fn body(mut self, content_type: &str, bytes: impl Into<Bytes>) -> Self {
        self.body = Some((content_type.to_owned(), bytes.into()));
        self
    }

    /// Leaves the signature and the version header out.
    pub(super) fn unsigned(mut self) -> Self {
        self.signed = false;
        self
    }

    /// Accepts a refusal (4xx) as a reply too, because its body has more information than its status.
    pub(super) fn any_status(mut self) -> Self {
        self.any_status = true;
        self
    }

    /// Sets the largest size of the decompressed reply. Default 16 MiB.
    pub(super) fn limit(mut self, bytes: usize) -> Self {
        self.limit = bytes;
        self
    }

    /// Requests only the first bytes of the reply, and reads no more even if the server sends all.
    pub(super) fn start(mut self, bytes: usize) -> Self {
        if let Ok(range) = HeaderValue::from_str(&format!("bytes=0-{}", bytes.saturating_sub(1))) {
            self.headers.insert(RANGE, range);
        }
        (self.limit, self.cut) = (bytes, true);
        self
    }

    /// Requests this part of the reply, from a server that can send parts.
    pub(super) fn range(mut self, first: u64, bytes: u64) -> Self {
        let last = (first + bytes).saturating_sub(1);
        if let Ok(range) = HeaderValue::from_str(&format!("bytes={first}-{last}")) {
            self.headers.insert(RANGE, range);
        }
        self.limit = usize::try_from(bytes).unwrap_or(self.limit);
        self
    }

    /// Sets the time limit of the whole exchange. Default: the read timeout of the options.
    pub(super) fn within(mut self, time: Duration) -> Self {
        self.within = time;
        self
    }

    /// Sends it and reads the reply.
    ///
    /// A read-only request is tried again, a few times, when the server says that it is busy, and once when the connection
    /// ends before the answer.
    pub(super) async fn send(self) -> Result<Reply, ClientError> {
        let within = self.within;
        match tokio::time::timeout(within, self.exchange()).await {
            Ok(result) => result,
            Err(_) => Err(self.timed_out()),
        }
    }

    /// Sends it and returns the reply as soon as its head has arrived; [`Request::within`] limits that wait. Status 101
    /// counts as success.
    pub(super) async fn open(self) -> Result<Response, ClientError> {
        match tokio::time::timeout(self.within, self.answered()).await {
            Ok(result) => result,
            Err(_) => Err(self.timed_out()),
        }
    }

    fn timed_out(&self) -> ClientError {
        let why = format!("no answer within {:.0} s", self.within.as_secs_f64());
        ClientError::new(ErrorKind::Timeout, &self.what, why)
    }

    async fn exchange(&self) -> Result<Reply, ClientError> {
        let mut response = self.answered().await?;
        let status = response.status();
        let headers = std::mem::take(response.headers_mut());
        let body = read_body(response, &self.what, self.limit, self.cut).await?;
        Ok(Reply { status, headers, body, what: self.what.clone() })
    }

    /// Sends until the answer is a success, an error, or the tries are used up.
    async fn answered(&self) -> Result<Response, ClientError> {
        let mut tries = 1;
        let mut renewed = false;
        let mut dated_anew = false;
        let mut was_cut = false;
        loop {
            let response = match self.sent().await {
                // The server has ended the connection instead of an answer: an idle one was too old, or a new one had to make
                // room for others.
                Err(error) if error.kind() == ErrorKind::Lost && self.method == Method::GET && !was_cut => {
                    tracing::debug!(%error, "the request is sent again");
                    was_cut = true;
                    continue;
                }
                sent => sent?,
            };
            let status = response.status();
            if status.is_success() || status == StatusCode::SWITCHING_PROTOCOLS {
                return Ok(response);
            }
            if self.any_status && status.is_client_error() {
                return Ok(response);
            }
            // Use a login that another program has renewed. The refused request has changed nothing.
            if status == StatusCode::UNAUTHORIZED && !renewed && self.api.renew() {
                renewed = true;
                continue;
            }
            // A signature is accepted once. An equal request of another program may have had this very one, in the same
            // microsecond. The next one has another date.
            if status == StatusCode::UNAUTHORIZED && !dated_anew && self.api.options().socket.is_some() {
                dated_anew = true;
                continue;
            }
            let busy = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
            if busy && self.method == Method::GET && tries < BUSY_TRIES {
                let pause = pause_asked_for(response.headers(), tries);
                tracing::debug!(%status, ?pause, "the server is busy");
                tokio::time::sleep(pause).await;
                tries += 1;
                continue;
            }
            return Err(self.refused(response).await);
        }
    }

    async fn refused(&self, response: Response) -> ClientError {
        let status = response.status();
        let ahead = clock::ahead_of(response.headers(), Timestamp::now());
        if status.is_redirection() {
            let to = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
            let to = to.and_then(|text| response.url().join(text).ok());
            let to = to.map_or_else(|| "somewhere else".to_owned(), |url| redact::url(&url));
            let why = format!("the server redirects to {to}, and redirects are not followed");
            return ClientError::new(ErrorKind::NotABackend, &self.what, why)
                .with_hint("if that address is right, use it as the endpoint");
        }
        let body = read_body(response, &self.what, ERROR_BODY_LIMIT, self.cut).await.unwrap_or_default();
        let error = ClientError::from_reply(&self.what, status.as_u16(), &body);
        if error.kind() != ErrorKind::Auth {
            return error;
        }
        // A server behind a socket has the key pair of its start, so this is not the one whose key pair we have.
        if self.api.options().socket.is_some() && status == StatusCode::UNAUTHORIZED {
            let why = "the server has ended, and its sessions with it; another one runs in its place";
            return ClientError::new(ErrorKind::ServerEnded, &self.what, why);
        }
        if let Credentials::WebSession { .. } = self.api.credentials() {
            let at = self.api.endpoint();
            let why = format!("the login at {at} has ended, or was ended elsewhere");
            return ClientError::new(ErrorKind::LoginEnded, &self.what, why).about(at);
        }
        let told =
            error.problem().and_then(|p| p.msg.as_deref()).is_some_and(|msg| msg.contains("sync error"));
        let far = ahead.filter(|seconds| seconds.unsigned_abs() >= 14 * 60);
        match (told, far) {
            (_, Some(ahead)) => {
                let why = format!("this machine's clock is {} the server's", clock::difference(ahead));
                ClientError::new(ErrorKind::ClockSkew, &self.what, why)
            }
            (true, None) => error.with_kind(ErrorKind::ClockSkew),
            (false, None) => error,
        }
    }

    /// Sends to the endpoint in use, or to the next one if the connection fails.
    async fn sent(&self) -> Result<Response, ClientError> {
        let mut last = None;
        for (index, endpoint) in self.api.endpoints_from_current() {
            match self.attempt(endpoint).await {
                Ok(response) => {
                    self.api.use_endpoint(index);
                    return Ok(response);
                }
                Err(error) if !error.maybe_sent() => last = Some(error),
                Err(error) => return Err(error),
            }
        }
        Err(last.unwrap_or_else(|| ClientError::new(ErrorKind::Connect, &self.what, "there is no endpoint")))
    }

    async fn attempt(&self, endpoint: &Endpoint) -> Result<Response, ClientError> {
        let client = endpoint.http(self.api.options())?;
        let url = endpoint.url(&self.full_path(), &self.query)?;
        let mut headers = self.headers.clone();
        self.identify(endpoint, &url, &mut headers).await?;
        tracing::debug!(method = %self.method, url = redact::url(&url), "request");
        tracing::trace!(headers = redact::headers(&headers), "request");
        let mut request = client.request(self.method.clone(), url).headers(headers);
        if let Some((_, body)) = &self.body {
            request = request.body(body.clone());
        }
        let response = request.send().await.map_err(|error| self.failed(endpoint, error))?;
        tracing::debug!(status = %response.status(), "reply");
        Ok(response)
    }

    fn failed(&self, endpoint: &Endpoint, error: reqwest::Error) -> ClientError {
        // The URL of a request may have a token in it.
        let error = error.without_url();
        let cause = super::cause(&error);
        let at = endpoint.shown();
        if super::is_plain(&error) {
            let why = format!("{at} answers without TLS");
            return ClientError::new(ErrorKind::Connect, &self.what, why)
                .with_hint("is it http:// instead of https://, or another port?")
                .with_source(error)
                .not_sent();
        }
        if super::is_tls(&error) {
            let failure = ClientError::new(ErrorKind::Tls, &self.what, format!("{at}: {cause}"));
            return failure.with_source(error).not_sent();
        }
        if super::is_untrusted(&error) {
            let failure = ClientError::new(ErrorKind::Untrusted, &self.what, format!("{at}: {cause}"));
            return failure.with_source(error).not_sent();
        }
        if error.is_connect() && self.api.options().socket.is_some() && !error.is_timeout() {
            let why = "the server has ended, and its sessions with it";
            return ClientError::new(ErrorKind::ServerEnded, &self.what, why).with_source(error).not_sent();
        }
        if error.is_connect() {
            let why = if error.is_timeout() {
                let limit = self.api.options().connect_timeout.as_secs_f64();
                format!("{at} does not take a connection within {limit:.0} s")
            } else {
                format!("no connection to {at}: {cause}")
            };
            return ClientError::new(ErrorKind::Connect, &self.what, why).with_source(error).not_sent();
        }
        let why = format!("the connection to {at} ended: {cause}");
        ClientError::new(ErrorKind::Lost, &self.what, why).with_source(error)
    }
}

/// The pause before the next try: the one that the server asks for, else longer each time, within a limit.
fn pause_asked_for(headers: &HeaderMap, tries: u32) -> Duration {
    let asked = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let pause = asked.map_or(Duration::from_millis(400) * tries, Duration::from_secs);
    pause.min(BUSY_PAUSE_LIMIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_delays_follow_the_server_up_to_a_limit() {
        let mut headers = HeaderMap::new();
        assert_eq!(pause_asked_for(&headers, 2), Duration::from_millis(800));
        headers.insert(RETRY_AFTER, HeaderValue::from_static("2"));
        assert_eq!(pause_asked_for(&headers, 1), Duration::from_secs(2));
        headers.insert(RETRY_AFTER, HeaderValue::from_static("86400"));
        assert_eq!(pause_asked_for(&headers, 1), BUSY_PAUSE_LIMIT);
        headers.insert(RETRY_AFTER, HeaderValue::from_static("Sat, 21 Nov 2026 01:02:03 GMT"));
        assert_eq!(pause_asked_for(&headers, 1), Duration::from_millis(400));
    }
}
