//! What there is to know about one session, in one call. Only data: which facts are shown, in which words, is for the
//! program that shows them.

use crate::error::ClientError;
use crate::session::ComputeSession;
use bai_protocol::info::SessionInfo;
use bai_protocol::live_stat::LiveStat;
use serde_json::Value;
use std::time::Duration;

/// What is known about a session. Texts of the server are untrusted.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionFacts {
    /// Its name, as [`ComputeSession::name`].
    pub name: String,
    /// Its UUID, as [`ComputeSession::id`].
    pub id: Option<String>,
    /// The endpoint that it was asked through.
    pub endpoint: String,
    /// What the server says about it.
    pub info: SessionInfo,
    /// What it uses now; empty when the server does not know.
    pub usage: LiveStat,
}

impl SessionFacts {
    /// How long ago the session was created.
    pub fn age(&self) -> Option<Duration> {
        let seconds = self.info.age? / 1000.0;
        Duration::try_from_secs_f64(seconds).ok()
    }

    /// The id of its active run, where the server tells.
    pub fn current_run(&self) -> Option<&str> {
        self.text("currentRunId")
    }

    /// The project that it belongs to, by its id.
    pub fn project(&self) -> Option<&str> {
        self.text("groupId")
    }

    /// The domain that it belongs to.
    pub fn domain(&self) -> Option<&str> {
        self.text("domainName")
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.info.rest.get(key).and_then(Value::as_str)
    }
}

impl ComputeSession {
    /// Asks what there is to know about the session.
    ///
    /// # Errors
    /// As [`ComputeSession::info`]. It is not an error when the server cannot tell what the session uses.
    pub async fn facts(&self) -> Result<SessionFacts, ClientError> {
        let info = self.info().await?;
        Ok(SessionFacts {
            name: self.name().to_owned(),
            id: self.id().map(str::to_owned),
            endpoint: self.api().endpoint().to_owned(),
            info,
            usage: self.live_stat().await.unwrap_or_default(),
        })
    }
}
