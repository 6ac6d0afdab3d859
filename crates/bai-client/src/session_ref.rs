//! A reference to a session: its name in paths, and requests below its path. The calls that runs need too are here; [`super::ComputeSession`] offers them to users of the crate.

use super::api::Api;
use super::error::ClientError;
use super::reply::Reply;
use super::request::Request;
use bai_protocol::byte_text;
use bai_protocol::capability::Capability;
use bai_protocol::execute::{RunId, TypedKeys};
use bai_protocol::files::ListReply;
use bai_protocol::info::{LogsReply, SessionInfo};
use bai_protocol::signal::RunSignal;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Method;
use serde_json::json;
use std::time::Duration;

/// All characters except the unreserved ones of RFC 3986.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// How long an interrupt may take. It is best effort, since the run is watched in any case.
const INTERRUPT_LIMIT: Duration = Duration::from_secs(5);

/// The largest accepted log, in bytes.
const LOG_LIMIT: usize = 64 * 1024 * 1024;

/// One session of one server.
#[derive(Debug, Clone)]
pub(super) struct SessionRef {
    pub(super) api: Api,
    /// The UUID if the server has given one, else the name.
    pub(super) key: String,
}

impl SessionRef {
    /// The path of the session, and below it `suffix`, which is empty or begins with a slash.
    pub(super) async fn path(&self, what: &str, suffix: &str) -> Result<String, ClientError> {
        let version = self.api.version().await.map_err(|error| error.with_what(what))?;
        Ok(format!("/{}/{}{suffix}", version.noun(), self.segment()))
    }

    /// The path of one of the session's streams.
    pub(super) async fn stream_path(&self, what: &str, stream: &str) -> Result<String, ClientError> {
        Ok(format!("/stream{}", self.path(what, stream).await?))
    }

    pub(super) fn segment(&self) -> String {
        segment(&self.key)
    }

    /// A request below the session's path.
    pub(super) async fn request(
        &self,
        what: &str,
        method: Method,
        suffix: &str,
    ) -> Result<Request<'_>, ClientError> {
        Ok(self.api.request(what, method, self.path(what, suffix).await?))
    }

    pub(super) async fn info(&self) -> Result<SessionInfo, ClientError> {
        let reply: Reply = self.request("read the session's state", Method::GET, "").await?.send().await?;
        reply.json()
    }

    /// The log of a container; of the main one if none is named.
    pub(super) async fn logs(&self, kernel_id: Option<&str>) -> Result<String, ClientError> {
        let mut call = self.request("read the session's log", Method::GET, "/logs").await?;
        if let Some(id) = kernel_id {
            call = call.query("kernel_id", id);
        }
        let reply: LogsReply = call.limit(LOG_LIMIT).send().await?.json()?;
        Ok(reply.result.logs)
    }

    /// What a folder of the session contains, as the server tells it.
    pub(super) async fn list(&self, what: &str, path: &str) -> Result<ListReply, ClientError> {
        // New servers read the query, old ones the body.
        let call = self.request(what, Method::GET, "/files").await?.query("path", path);
        call.json(&json!({"path": path}))?.send().await?.json()
    }

    /// Lets a signal reach the program of a run.
    pub(super) async fn signal(&self, run: &RunId, signal: RunSignal) -> Result<(), ClientError> {
        let mut body = serde_json::to_value(signal).unwrap_or_default();
        if let Some(fields) = body.as_object_mut() {
            fields.insert("runId".to_owned(), run.as_str().into());
        }
        let request = self.request("send the program a signal", Method::POST, "/interrupt").await?;
        request.json(&body)?.within(INTERRUPT_LIMIT).send().await.map(drop)
    }

    /// Sends the secret that the program of a run has asked for, or says that there is none.
    pub(super) async fn secret(&self, run: &RunId, secret: Option<&str>) -> Result<(), ClientError> {
        let request = self.request("send the program a secret", Method::POST, "/secret").await?;
        let body = json!({"runId": run.as_str(), "secret": secret});
        request.json(&body)?.within(INTERRUPT_LIMIT).send().await.map(drop)
    }

    /// Sends what was typed for the script of a run that wants keys.
    pub(super) async fn keys(&self, run: &RunId, keys: &[u8]) -> Result<(), ClientError> {
        let request = self.request("send the program keys", Method::POST, "/keys").await?;
        let body = TypedKeys { run_id: run.as_str().to_owned(), keys: byte_text::text(keys) };
        request.json(&body)?.within(INTERRUPT_LIMIT).send().await.map(drop)
    }

    /// Interrupts what the session runs; only this run, if one is given and the server can tell runs apart.
    pub(super) async fn interrupt(&self, run: Option<&RunId>) -> Result<(), ClientError> {
        let mut request = self.request("interrupt the program", Method::POST, "/interrupt").await?;
        if let Some(run) = run
            && self.api.has(Capability::RunInterrupts).await
        {
            request = request.json(&json!({"runId": run.as_str()}))?;
        }
        request.within(INTERRUPT_LIMIT).send().await.map(drop)
    }

    /// Interrupts what goes on between two runs, if the server can tell it from a run.
    pub(super) async fn interrupt_idle(&self) -> Result<(), ClientError> {
        if !self.api.has(Capability::IdleInterrupts).await {
            return Ok(());
        }
        let request = self.request("interrupt the program", Method::POST, "/interrupt").await?;
        request.json(&json!({"idle": true}))?.within(INTERRUPT_LIMIT).send().await.map(drop)
    }
}

/// One segment of a path, percent-encoded.
pub(super) fn segment(name: &str) -> String {
    utf8_percent_encode(name, SEGMENT).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ApiOptions;

    #[test]
    fn unusual_names_are_one_path_segment() {
        let api = Api::new(ApiOptions::new("http://127.0.0.1:1")).unwrap();
        let segment = |key: &str| SessionRef { api: api.clone(), key: key.into() }.segment();
        assert_eq!(segment("a/../b?c#d%20"), "a%2F..%2Fb%3Fc%23d%2520");
        assert_eq!(segment("work-1.a_b~"), "work-1.a_b~");
        assert_eq!(segment("한"), "%ED%95%9C");
    }
}
